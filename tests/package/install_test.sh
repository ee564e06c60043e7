#!/usr/bin/env bash
# Installs into a scratch prefix what Bazel built, and builds a project of somebody else with it:
# by pkg-config and by CMake, with g++ and clang++, against the shared and the static library.
set -euo pipefail

readonly outside=$PWD/tests/package/outside
readonly prefix=$TEST_TMPDIR/prefix
export PKG_CONFIG_PATH=$prefix/lib/pkgconfig
export -n DESTDIR

die() {
  echo "FAILED: $*" >&2
  exit 1
}

for tool in clang++ cmake g++ pkg-config; do
  command -v "$tool" >/dev/null || die "$tool is missing: apt-get install clang cmake g++ pkg-config"
done

# Usage: tree FOLDER: every file's name and content, in one text.
tree() { (cd "$1" && find . \( -type f -o -type l \) -print0 | LC_ALL=C sort -z | xargs -0 sha256sum); }

echo "== install, and once more"
scripts/install.sh . "$prefix"
before=$(tree "$prefix")
touch "$prefix/lib/left-from-an-older-version"
echo "$prefix/lib/left-from-an-older-version" >>"$prefix/share/corewal/install_manifest.txt"
LC_ALL=C sort -o "$prefix/share/corewal/install_manifest.txt"{,}
scripts/install.sh . "$prefix/"
[[ $(tree "$prefix") == "$before" ]] || die "the second installation differs from the first"

echo "== DESTDIR, and away again by the list"
DESTDIR=$TEST_TMPDIR/stage scripts/install.sh . /opt/corewal
grep -q '^prefix=/opt/corewal$' "$TEST_TMPDIR/stage/opt/corewal/lib/pkgconfig/corewal.pc"
grep -rqF "$TEST_TMPDIR" "$TEST_TMPDIR/stage" --include='*.pc' --include='*.cmake' --include='*.txt' &&
  die "DESTDIR got into an installed file"
sed "s|^|$TEST_TMPDIR/stage|" "$TEST_TMPDIR/stage/opt/corewal/share/corewal/install_manifest.txt" |
  xargs -d '\n' rm --
[[ -z $(find "$TEST_TMPDIR/stage" ! -type d) ]] || die "the list does not name every file"

echo "== what the shared library shows"
version=$("$prefix/bin/wal-bench" --version | head -n 1)
soname=$(readelf -d "$prefix/lib/libcorewal.so" | sed -n 's/.*soname: \[\(.*\)\]/\1/p')
[[ $version == *" ${soname#libcorewal.so.}."* ]] || die "SONAME $soname, but $version"
[[ $version == *"$(pkg-config --modversion corewal)"* ]] || die "corewal.pc is not of $version"
hidden=$(nm -DC --defined-only "$prefix/lib/libcorewal.so" | cut -c 18- |
  grep -v '^[VWuw] std::\|^[^ ]* \(typeinfo [a-z]* \?for \|vtable for \)\?corewal::' || true)
[[ -z $hidden ]] || die "these are not corewal's: $hidden"
hidden=$(nm -DC --defined-only "$prefix/lib/libcorewal.so" |
  grep 'Impl::\|ShardCore\|Mailbox\|StorageIoBase\|corewal::Ring' || true)
[[ -z $hidden ]] || die "these should be hidden: $hidden"

# Every member function of the engine's own public classes that has a body in the archive.
classes=$(sed -n 's/^\(class\|struct\) \([A-Z][A-Za-z]*\) .*{$/\2/p' "$prefix"/include/corewal/engine/*.h)
missing=$(comm -23 \
  <(nm -C --defined-only "$prefix/lib/libcorewal.a" 2>/dev/null | sed -n 's/^[0-9a-f]* T //p' | sort -u) \
  <(nm -DC --defined-only "$prefix/lib/libcorewal.so" | sed -n 's/^[0-9a-f]* T //p' | sort -u) |
  grep -E "^corewal::($(paste -sd '|' <<<"$classes"))::" | grep -v 'Impl::' || true)
[[ -z $missing ]] || die "packaging/exports.lds lacks: $missing"

# Usage: run PROGRAM: with the installed library, in a fresh directory.
run() {
  rm -rf "$TEST_TMPDIR/log"
  LD_LIBRARY_PATH=$prefix/lib "$1" "$TEST_TMPDIR/log"
}

# Usage: by_pkg_config COMPILER
by_pkg_config() {
  local compiler=$1 flags libraries kind object=$TEST_TMPDIR/$1.o
  read -r -a flags < <(pkg-config --cflags corewal)
  "$compiler" -std=c++20 -Wall -Wextra -Werror "${flags[@]}" -c "$outside/program.cc" -o "$object"
  for kind in corewal corewal-static; do
    read -r -a libraries < <(pkg-config --libs "$kind")
    "$compiler" "$object" -o "$TEST_TMPDIR/$compiler-$kind" "${libraries[@]}"
    echo "   $compiler, pkg-config $kind"
    run "$TEST_TMPDIR/$compiler-$kind"
  done
}

# Usage: by_cmake COMPILER STATIC: `program` is linked as COREWAL_USE_STATIC_LIBS=STATIC wants it.
by_cmake() {
  local compiler=$1 static=$2 build=$TEST_TMPDIR/cmake-$1 program needs
  cmake -S "$outside" -B "$build" -DCMAKE_CXX_COMPILER="$compiler" -DCMAKE_PREFIX_PATH="$prefix" \
    -DCOREWAL_USE_STATIC_LIBS="$static" >"$build.log" 2>&1 || die "cmake: $(cat "$build.log")"
  cmake --build "$build" >"$build.log" 2>&1 || die "cmake --build: $(cat "$build.log")"
  for program in program program-shared program-static; do
    echo "   $compiler, CMake $program"
    run "$build/$program"
  done
  needs=$(readelf -d "$build/program" | grep -c 'NEEDED.*libcorewal' || true)
  [[ $static == ON && $needs == 0 || $static == OFF && $needs == 1 ]] ||
    die "program needs $needs libcorewal with COREWAL_USE_STATIC_LIBS=$static"
}

echo "== programs of others"
by_pkg_config g++
by_pkg_config clang++
by_cmake g++ OFF
by_cmake clang++ ON
cmake -S "$outside" -B "$TEST_TMPDIR/newer" -DCMAKE_PREFIX_PATH="$prefix" \
  -DCMAKE_PROJECT_INCLUDE="$outside/want_newer.cmake" >"$TEST_TMPDIR/newer.log" 2>&1 &&
  die "CMake took 0.1 for 0.2"
grep -q '0\.2' "$TEST_TMPDIR/newer.log" || die "$(cat "$TEST_TMPDIR/newer.log")"
echo "all passed"
