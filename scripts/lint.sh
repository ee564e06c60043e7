# shellcheck shell=bash
# lint.sh: the checks of `./dev lint`. None of them changes a file. Sourced by ./dev.

readonly ROOMS=(base uring io_backend wal engine tools tests benchmarks examples)

# What the last lint() found fault with, by the name of the check.
lint_failures=()

existing_rooms() {
  local room
  for room in "${ROOMS[@]}"; do
    if [[ -d $room ]]; then echo "$room"; fi
  done
}

# Usage: files_in_rooms GLOB... Not those of tests/package that are somebody else's project.
files_in_rooms() {
  local rooms names=() glob
  mapfile -t rooms < <(existing_rooms)
  for glob in "$@"; do names+=(-o -name "$glob"); done
  find "${rooms[@]}" -type f -not -path 'tests/package/outside*' \( "${names[@]:1}" \) | LC_ALL=C sort
}

cpp_files() { files_in_rooms '*.h' '*.cc'; }

shell_scripts() {
  echo dev
  echo .ci/run
  find scripts -type f -name '*.sh' | LC_ALL=C sort
  files_in_rooms '*.sh'
}

# Usage: lint_format FILES... Names each file that `./dev format` would change.
lint_format() {
  local file failed=0
  for file in "$@"; do
    if ! clang-format --dry-run -Werror "$file" 2>/dev/null; then
      echo "$file: not formatted; run ./dev format"
      failed=1
    fi
  done
  return "$failed"
}

# Usage: readable_here FILES... Prints them, but for those that include headers of packages which
# only ./dev compare installs, where these are missing.
readable_here() {
  local file missing
  missing=$(missing_packages "${PEER_PACKAGES[@]}")
  for file in "$@"; do
    if [[ -n $missing && $file == benchmarks/peers/*_peer.cc ]]; then
      echo "lint: clang-tidy: not $file, which includes headers of a package that is not installed" >&2
    else
      echo "$file"
    fi
  done
}

# Usage: lint_tidy FILES... One process a core; a file is silent unless something is wrong.
lint_tidy() {
  local files
  mapfile -t files < <(readable_here "$@")
  ((${#files[@]} == 0)) && return
  printf '%s\0' "${files[@]}" |
    xargs -0 --max-args=1 --max-procs="$(nproc)" scripts/tidy_one.sh
}

lint_shell() { shellcheck --external-sources "$@"; }

# Usage: run_check NAME COMMAND...  Runs a check and remembers if it failed.
run_check() {
  local name=$1 start=$SECONDS
  shift
  if "$@"; then
    echo "lint: $name: ok ($((SECONDS - start)) s)"
  else
    echo "lint: $name: FAILED ($((SECONDS - start)) s)"
    lint_failures+=("$name")
  fi
}

# Usage: lint [files]. With files, only the C++ checks, and only for those.
lint() {
  local cpp sources=() scripts file
  lint_failures=()
  if (($#)); then cpp=("$@"); else mapfile -t cpp < <(cpp_files); fi
  for file in "${cpp[@]}"; do
    # What includes headers that Bazel makes cannot be read without them.
    if [[ $file == *.cc && $file != tests/docs/snippets_test.cc ]]; then sources+=("$file"); fi
  done

  run_check clang-format lint_format "${cpp[@]}"
  run_check sources /usr/bin/python3 scripts/lint_sources.py "${cpp[@]}"
  if (($# == 0)); then
    mapfile -t scripts < <(shell_scripts)
    run_check shellcheck lint_shell "${scripts[@]}"
    run_check build-files /usr/bin/python3 scripts/lint_build_files.py
    run_check documents /usr/bin/python3 scripts/lint_documents.py
  fi
  run_check clang-tidy lint_tidy "${sources[@]}"
  ((${#lint_failures[@]} == 0))
}
