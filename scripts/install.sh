#!/usr/bin/env bash
# install.sh: puts the built library and tools into a prefix. `./dev install` builds, then calls it.
#
# Usage: scripts/install.sh BUILT PREFIX
#   BUILT   where packaging/ and tools/ hold what was built (bazel-bin)
#   PREFIX  absolute, e.g. /usr/local
#   DESTDIR in the environment goes before PREFIX for writing, and into no file
#
# Headers land below PREFIX/include/corewal, and include each other as "corewal/ROOM/FILE.h", so
# that a host's own base/ or engine/ never meets ours. In the same way their CHECK becomes
# COREWAL_CHECK: CHECK belongs to the host, or to its glog. Nothing else of them changes.
#
# PREFIX/share/corewal/install_manifest.txt lists every file. Installing again replaces them, and
# removes those that an earlier list names and this one does not.
set -euo pipefail
umask 022

cd "$(dirname "${BASH_SOURCE[0]}")/.."

readonly ROOMS='base\|uring\|io_backend\|wal\|engine'
# What hosts include; the headers that these include come with them.
readonly PUBLIC_HEADERS=(engine/engine.h engine/shard.h base/version.h)

die() {
  echo "install: $*" >&2
  exit 1
}

(($# == 2)) || die "usage: scripts/install.sh BUILT PREFIX"
built=$1
prefix=${2%/}
[[ $2 == /* ]] || die "PREFIX must be absolute: $2"
[[ $prefix != *[[:space:]\|\&\\]* ]] || die "PREFIX must have no blanks, |, & or backslashes: $2"
root=${DESTDIR:-}$prefix
manifest_name=share/corewal/install_manifest.txt
version=$(sed -n 's/.*kVersion\[\] = "\(.*\)";.*/\1/p' base/version.h)
soversion=${version%.*}
readonly built prefix root manifest_name version soversion

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
installed=()

# Usage: put MODE SOURCE NAME: installs one file as PREFIX/NAME.
put() {
  install -D -m "$1" "$2" "$root/$3" || die "could not write $root/$3"
  installed+=("$3")
}

# Usage: put_link TARGET NAME
put_link() {
  ln -sfn "$1" "$root/$2" || die "could not write $root/$2"
  installed+=("$2")
}

# Usage: put_template SOURCE NAME: the same with @WORDS@ filled in.
put_template() {
  sed -e "s|@PREFIX@|$prefix|g" -e "s|@VERSION@|$version|g" -e "s|@SOVERSION@|$soversion|g" \
    "$1" >"$scratch/filled"
  put 644 "$scratch/filled" "$2"
}

# Prints the given headers and all of ours that they include, once each.
with_included() {
  local queue=("$@") header included
  local -A seen=()
  while ((${#queue[@]})); do
    header=${queue[0]}
    queue=("${queue[@]:1}")
    [[ -z ${seen[$header]:-} ]] || continue
    seen[$header]=1
    echo "$header"
    while read -r included; do queue+=("$included"); done < <(
      sed -n "s,^#include \"\(\($ROOMS\)/[^\"]*\)\".*,\1,p" "$header"
    )
  done
}

put_headers() {
  local headers header
  mapfile -t headers < <(with_included "${PUBLIC_HEADERS[@]}" | LC_ALL=C sort)
  for header in "${headers[@]}"; do
    sed -e "s,^\(#include \"\)\(\($ROOMS\)/\),\1corewal/\2," \
      -e 's/\(^\|[^A-Za-z0-9_]\)\(D\?CHECK\(_[A-Z]\+\)\?(\)/\1COREWAL_\2/g' \
      "$header" >"$scratch/header"
    put 644 "$scratch/header" "include/corewal/$header"
  done
}

put_libraries() {
  put 644 "$built/packaging/libcorewal.a" lib/libcorewal.a
  put 755 "$built/packaging/libcorewal.so" "lib/libcorewal.so.$version"
  put_link "libcorewal.so.$version" "lib/libcorewal.so.$soversion"
  put_link "libcorewal.so.$soversion" lib/libcorewal.so
  put_template packaging/corewal.pc.in lib/pkgconfig/corewal.pc
  put_template packaging/corewal-static.pc.in lib/pkgconfig/corewal-static.pc
  put_template packaging/corewal-config.cmake.in lib/cmake/corewal/corewal-config.cmake
  put_template packaging/corewal-config-version.cmake.in \
    lib/cmake/corewal/corewal-config-version.cmake
}

put_tools() {
  local tool page
  for tool in wal-bench wal-dump; do
    put 755 "$built/tools/$tool" "bin/$tool"
    if [[ -f docs/completion/$tool.bash ]]; then
      put 644 "docs/completion/$tool.bash" "share/bash-completion/completions/$tool"
    fi
  done
  for page in docs/man/*.1; do
    if [[ -f $page ]]; then put 644 "$page" "share/man/man1/${page##*/}"; fi
  done
  put 644 LICENSE share/doc/corewal/LICENSE
}

# Removes what the list of an earlier install names and this one does not, then writes the list.
put_manifest() {
  installed+=("$manifest_name")
  printf "$prefix/%s\n" "${installed[@]}" | LC_ALL=C sort >"$scratch/manifest"
  if [[ -f $root/$manifest_name ]]; then
    local stale
    while IFS= read -r stale; do
      rm -f -- "${DESTDIR:-}$stale"
    done < <(LC_ALL=C comm -23 "$root/$manifest_name" "$scratch/manifest")
  fi
  install -D -m 644 "$scratch/manifest" "$root/$manifest_name"
}

put_headers
put_libraries
put_tools
put_manifest

# The loader looks into /usr and /usr/local through its cache.
if [[ -z ${DESTDIR:-} && $prefix =~ ^/usr(/local)?$ ]] && ((EUID == 0)); then ldconfig; fi
echo "install: ${#installed[@]} files below $root, listed in $root/$manifest_name" >&2
