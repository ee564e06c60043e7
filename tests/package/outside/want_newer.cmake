# For the test: what a project sees that wants a version which is not there.
find_package(corewal 0.2 REQUIRED)
