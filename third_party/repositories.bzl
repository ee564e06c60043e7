"""The repositories that Bazel 4.2.3 asks for, served from Debian packages or made empty.

Bazel's own C++ rules name @rules_cc, @rules_java and @remote_coverage_tools even where a build
uses none of their contents. Debian's bazel-rules-cc is too new for this Bazel, so @rules_cc is a
stub that hands the native rules back.
"""

_NATIVE_CC_RULES = [
    "cc_binary",
    "cc_import",
    "cc_library",
    "cc_proto_library",
    "cc_test",
    "cc_toolchain",
    "cc_toolchain_suite",
    "fdo_prefetch_hints",
    "fdo_profile",
    "objc_import",
    "objc_library",
]

def _files_repository_impl(ctx):
    for path, content in ctx.attr.files.items():
        ctx.file(path, content)

_files_repository = repository_rule(
    implementation = _files_repository_impl,
    attrs = {"files": attr.string_dict()},
)

def _unless_there(rule, name, **kwargs):
    if not native.existing_rule(name):
        rule(name = name, **kwargs)

def corewal_repositories():
    """Call this from WORKSPACE, once, before anything else; from that of others too.

    A repository that the workspace has already stays what it is.
    """
    _unless_there(
        _files_repository,
        name = "rules_cc",
        files = {
            "BUILD.bazel": "",
            "cc/BUILD.bazel": "",
            "cc/defs.bzl": "\n".join(["%s = native.%s" % (r, r) for r in _NATIVE_CC_RULES]),
        },
    )
    _unless_there(
        _files_repository,
        name = "remote_coverage_tools",
        files = {"BUILD.bazel": "\n".join([
            "filegroup(name = '%s', visibility = ['//visibility:public'])" % name
            for name in ["coverage_report_generator", "lcov_merger"]
        ])},
    )
    _unless_there(
        native.local_repository,
        name = "rules_java",
        path = "/usr/share/bazel/rules/java",
    )
