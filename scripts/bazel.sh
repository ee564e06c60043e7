# shellcheck shell=bash
# bazel.sh: how ./dev calls Bazel. Sourced by ./dev, in the workspace.

# Bazel with the startup options that every call must share (else its server restarts).
bazel_here() {
  local extra
  read -r -a extra <<<"${COREWAL_BAZEL_STARTUP:-}"
  if [[ -z ${HOME:-} ]]; then
    HOME=$(getent passwd "$EUID" | cut -d: -f6)
    export HOME
  fi
  # Tests write below Bazel's output base, and a log on tmpfs proves nothing about a disk.
  local cache="$HOME/.cache"
  if [[ ! -d $cache ]]; then cache=$HOME; fi
  if [[ $(stat --file-system --format=%T "$cache" 2>/dev/null) =~ ^(tmpfs|ramfs|)$ ]]; then
    extra=("--output_user_root=/var/tmp/corewal-bazel-$EUID" "${extra[@]}")
  fi
  bazel "${extra[@]}" "$@" </dev/null
}

# Usage: bazel_output_flags COMMAND. Progress on a terminal; elsewhere only what went wrong.
bazel_output_flags() {
  [[ -t 2 ]] || echo "--noshow_progress"
  echo "--show_result=0"
  echo "--noshow_loading_progress"
  # What a failed test printed counts as information.
  [[ $1 == test ]] || echo "--ui_event_filters=-info,-debug"
}

# Usage: bazel_quietly COMMAND [flags] -- TARGETS...
bazel_quietly() {
  local command=$1 output_flags
  shift
  mapfile -t output_flags < <(bazel_output_flags "$command")
  bazel_here "$command" "${output_flags[@]}" "$@"
}

# Rings and registered buffers of all tests at work count together against RLIMIT_MEMLOCK, unless
# CAP_IPC_LOCK exempts them.
memlock_is_scarce() {
  local capabilities limit_kb
  capabilities=$(sed -n 's/^CapEff:[[:space:]]*/0x/p' /proc/self/status)
  ((capabilities & 1 << 14)) && return 1
  limit_kb=$(ulimit -l)
  [[ $limit_kb != unlimited ]] && ((limit_kb < 128 * 1024))
}

# Usage: bazel_test NAME [flags and targets]. Runs the tests (all of them by default) and ends with
# the verdict. bazel-bin stays what the last ./dev build made.
bazel_test() {
  local name=$1 flags=() targets=() argument
  shift
  for argument in "$@"; do
    if [[ $argument == --* ]]; then flags+=("$argument"); else targets+=("$argument"); fi
  done
  ((${#targets[@]})) || targets=(//...)
  if memlock_is_scarce; then
    echo "dev: RLIMIT_MEMLOCK is $(ulimit -l) KiB, without CAP_IPC_LOCK: one test at a time"
    flags+=(--local_test_jobs=1)
  fi
  # What fails once and then passes is named by the verdict.
  if [[ -n ${CI:-} ]]; then flags+=(--flaky_test_attempts=2); fi

  local events status=0
  events=$(mktemp)
  bazel_quietly test --keep_going --test_summary=none --experimental_convenience_symlinks=ignore \
    "--build_event_json_file=$events" "${flags[@]}" -- "${targets[@]}" || status=$?
  local verdict_flags=()
  [[ -n ${CI:-} ]] && verdict_flags+=(--strict_skips)
  [[ " ${flags[*]} " == *" --test_filter="* ]] && verdict_flags+=(--filtered)
  /usr/bin/python3 scripts/test_verdict.py "--name=dev $name" "--events=$events" \
    "--bazel_exit=$status" --allowed_skips=tests/allowed_skips.txt "${verdict_flags[@]}" || status=$?
  rm -f "$events"
  exit "$status"
}
