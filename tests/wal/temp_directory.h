// tests/wal/temp_directory.h: a directory of its own for a test, removed with it.
#ifndef COREWAL_TESTS_WAL_TEMP_DIRECTORY_H_
#define COREWAL_TESTS_WAL_TEMP_DIRECTORY_H_

#include <stdlib.h>

#include <filesystem>
#include <string>

namespace corewal {

class TempDirectory {
 public:
  TempDirectory() {
    const char* root = getenv("TEST_TMPDIR");
    path_ = std::string(root != nullptr ? root : "/var/tmp") + "/corewal-XXXXXX";
    if (mkdtemp(path_.data()) == nullptr) abort();
  }
  ~TempDirectory() {
    std::error_code ignored;
    std::filesystem::remove_all(path_, ignored);
  }
  TempDirectory(const TempDirectory&) = delete;
  TempDirectory& operator=(const TempDirectory&) = delete;

  const std::string& path() const { return path_; }

 private:
  std::string path_;
};

}  // namespace corewal

#endif  // COREWAL_TESTS_WAL_TEMP_DIRECTORY_H_
