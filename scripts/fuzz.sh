# shellcheck shell=bash
# fuzz.sh: ./dev fuzz, every fuzzer for as long as told. Sourced by ./dev.
#
# What a fuzzer learns is kept in .fuzz/NAME and used again; an input that it complains about is put
# into .fuzz/NAME-found, and belongs into tests/fuzz/corpus once it is understood.

# Each fuzzer and the folder of tests/fuzz/corpus that it starts from.
readonly FUZZERS=(fuzz_batch:batch fuzz_log:log fuzz_dump:log)

# Usage: fuzz_one PROGRAM NAME CORPUS SECONDS
fuzz_one() {
  local learnt=${root:?}/.fuzz/$2 found=${root:?}/.fuzz/$2-found temporary status=0
  mkdir -p "$learnt" "$found"
  temporary=$(mktemp --directory)
  TEST_TMPDIR=$temporary ASAN_OPTIONS=detect_leaks=1 UBSAN_OPTIONS=print_stacktrace=1 \
    "$1" "-max_total_time=$4" -close_fd_mask=3 -max_len=40000 -rss_limit_mb=1500 -timeout=30 \
    -print_final_stats=1 "-artifact_prefix=$found/" \
    "$learnt" "${root:?}/tests/fuzz/corpus/$3" >"$learnt.log" 2>&1 || status=$?
  rm -rf "$temporary"
  return "$status"
}

# Usage: fuzz_all PROGRAMS_DIRECTORY SECONDS. As many at a time as there are cores. Fails if one did.
fuzz_all() {
  local fuzzer name running=() names=()
  fuzz_passed=0
  fuzz_failed=0
  for fuzzer in "${FUZZERS[@]}"; do
    if ((${#running[@]} == $(nproc))); then fuzz_collect; fi
    name=${fuzzer%%:*}
    fuzz_one "$1/$name" "$name" "${fuzzer##*:}" "$2" &
    running+=($!)
    names+=("$name")
  done
  while ((${#running[@]})); do fuzz_collect; done
  ((fuzz_failed == 0))
}

# Waits for the oldest one and says how it went.
fuzz_collect() {
  local name=${names[0]} status=0 runs coverage
  wait "${running[0]}" || status=$?
  running=("${running[@]:1}")
  names=("${names[@]:1}")
  runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "${root:?}/.fuzz/$name.log")
  coverage=$(grep -o 'cov: [0-9]*' "${root:?}/.fuzz/$name.log" | tail -n 1 || true)
  if ((status == 0)); then
    fuzz_passed=$((fuzz_passed + 1))
    echo "$name: ${runs:-0} runs, ${coverage:-no coverage}, nothing found"
    return
  fi
  fuzz_failed=$((fuzz_failed + 1))
  tail -n 60 "${root:?}/.fuzz/$name.log"
  echo "$name: FAILED with exit code $status after ${runs:-?} runs; the input is in .fuzz/$name-found"
}
