#!/usr/bin/env bash
# tidy_one.sh FILE.cc: clang-tidy on one source file, without its statistics of suppressed warnings.
set -euo pipefail

if ! output=$(clang-tidy --quiet "$1" -- -std=c++20 -I. 2>&1); then
  grep --invert-match --extended-regexp '^[0-9]+ warnings?( and [0-9]+ errors?)? (generated|treated)' \
    <<<"$output" || true
  exit 1
fi
