# shellcheck shell=bash
# packages.sh: which Debian packages each command of ./dev needs, and how they get there.
# Sourced by ./dev.

# shellcheck disable=SC2034  # used by ./dev
readonly BUILD_PACKAGES=(
  bazel-bootstrap bazel-platforms bazel-rules-java
  g++
  libabsl-dev libisal-dev liburing-dev
)
# shellcheck disable=SC2034
readonly TEST_PACKAGES=(libbenchmark-dev libgmock-dev libgtest-dev librocksdb-dev python3 strace)
# shellcheck disable=SC2034  # what projects of others build with, each way that one could
readonly PACKAGE_TEST_PACKAGES=("${TEST_PACKAGES[@]}" clang cmake make pkg-config)
# What looks at the page of wal-bench --html and at the man pages. Not for the sanitizers: nothing
# of that is ours in C++.
# shellcheck disable=SC2034
readonly PAGE_TEST_PACKAGES=(chromium mandoc)
# shellcheck disable=SC2034
readonly GUARD_PACKAGES=(python3 valgrind)
# shellcheck disable=SC2034  # what benchmarks/peers measures; nothing else needs them
readonly PEER_PACKAGES=(
  libdb5.3-dev libleveldb-dev libpq-dev librocksdb-dev libsqlite3-dev libwiredtiger-dev
  postgresql-15 python3
)
readonly FORMAT_PACKAGES=(clang-format)
# shellcheck disable=SC2034
readonly LINT_PACKAGES=("${FORMAT_PACKAGES[@]}" clang-tidy python3 shellcheck)

# shellcheck disable=SC2034
readonly FUZZ_PACKAGES=(clang libclang-rt-14-dev libfuzzer-14-dev)

# Prints those of the given packages that are not installed, one a line.
missing_packages() {
  local installed
  # dpkg-query fails if it never heard of one of them; what it printed is still right.
  # shellcheck disable=SC2016  # the fields are dpkg-query's
  installed=$(dpkg-query --show --showformat='${db:Status-Status} ${Package}\n' "$@" 2>/dev/null |
    sed -n 's/^installed //p' || true)
  local package
  for package in "$@"; do
    grep --quiet --line-regexp --fixed-strings -e "$package" <<<"$installed" || echo "$package"
  done
}

# Installs what is missing of the given packages; silent and quick if nothing is.
install_packages() {
  if ! command -v dpkg-query >/dev/null || ! command -v apt-get >/dev/null; then
    echo "dev: apt-get is not here; needed are what Debian 12 packages as: $*" >&2
    exit 1
  fi
  local missing
  mapfile -t missing < <(missing_packages "$@")
  ((${#missing[@]} == 0)) && return

  local as_root=()
  if ((EUID != 0)); then
    if ! command -v sudo >/dev/null; then
      echo "dev: no sudo here; as root, run: apt-get install ${missing[*]}" >&2
      exit 1
    fi
    as_root=(sudo)
  fi
  echo "dev: installing ${missing[*]}" >&2
  local apt=("${as_root[@]}" env DEBIAN_FRONTEND=noninteractive
    apt-get --quiet --quiet -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
  local log
  log=$(mktemp)
  # An update that fails for one of several sources may still be enough.
  "${apt[@]}" update </dev/null >"$log" 2>&1 || echo "dev: apt-get update failed; going on" >&2
  if ! "${apt[@]}" install --yes --no-install-recommends "${missing[@]}" \
    </dev/null >>"$log" 2>&1; then
    tail -n 30 "$log" >&2
    rm -f "$log"
    echo "dev: could not install ${missing[*]}" >&2
    exit 1
  fi
  rm -f "$log"
}
