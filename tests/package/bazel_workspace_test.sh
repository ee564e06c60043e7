#!/usr/bin/env bash
# A Bazel workspace of somebody else, which has corewal as a local_repository, builds and runs a
# program with it. The checkout is found through this test's own files; nothing is written into it.
set -euo pipefail

checkout=$(dirname "$(readlink -f "$PWD/WORKSPACE")")
workspace=$TEST_TMPDIR/workspace
mkdir "$workspace"
cp -L tests/package/outside_bazel/* "$workspace"
cp -L tests/package/outside/program.cc "$workspace"
mv "$workspace/BUILD.bazel.txt" "$workspace/BUILD.bazel"
mv "$workspace/bazelrc.txt" "$workspace/.bazelrc"
sed "s|@CHECKOUT@|$checkout|" "$workspace/WORKSPACE.txt" >"$workspace/WORKSPACE"

bazel_there() {
  (cd "$workspace" && bazel --nohome_rc "--output_base=$TEST_TMPDIR/output" --max_idle_secs=60 "$@")
}
# Takes the server and all that it made away.
trap 'bazel_there clean --expunge >/dev/null 2>&1' EXIT

bazel_there build --noshow_progress --jobs=2 //:program //:program_by_engine
"$workspace/bazel-bin/program" "$TEST_TMPDIR/log"
"$workspace/bazel-bin/program_by_engine"
