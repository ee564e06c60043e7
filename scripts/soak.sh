# shellcheck shell=bash
# soak.sh: ./dev soak, the random simulator with new seeds for as long as told. Sourced by ./dev.

# Usage: soak_core LOG FIRST_SEED END. Simulates until the time END (of SECONDS); goes on behind a
# seed that took the whole process down.
soak_core() {
  local log=$1 seed=$2 end=$3 left status failed
  local program=${root:?}/bazel-bin/tests/sim/simulate
  while left=$((end - SECONDS)) && ((left > 0)); do
    status=0
    "$program" "--first_seed=$seed" "--seconds=$left" --progress >>"$log" 2>&1 || status=$?
    ((status <= 1)) && return
    failed=$(sed -n 's/^FAILED seed \([0-9]*\):.*/\1/p' "$log" | tail -n 1)
    if [[ -z $failed ]] || ((failed < seed)); then
      echo "FAILED seed $seed or later: the simulator ended with exit code $status" >>"$log"
      return
    fi
    echo "$((failed - seed + 1)) seeds, 1 failed, next seed $((failed + 1))" >>"$log"
    seed=$((failed + 1))
  done
}

# Usage: soak_counts LOGS... Prints how many seeds are done, and how many of them failed.
soak_counts() {
  awk '
    FNR == 1 { done += running; running = 0 }
    /^progress [0-9]+$/ { running = $2 }
    /^[0-9]+ seeds, [0-9]+ failed, next seed/ { done += $1; running = 0 }
    /^FAILED seed/ { failed++ }
    END { print done + running + 0, failed + 0 }' "$@"
}

# Usage: soak_seconds SECONDS FIRST_SEED. Leaves the verdict in `soak_verdict`; fails if a seed did.
soak_seconds() {
  local end=$((SECONDS + $1)) cores core logs=() workers=() counts shown=0
  cores=$(nproc)
  soak_directory=$(mktemp --directory)
  for ((core = 0; core < cores; ++core)); do
    logs+=("$soak_directory/$core")
    : >"${logs[core]}"
    soak_core "${logs[core]}" $(($2 + core * 100000000)) "$end" &
    workers+=($!)
  done
  while ((SECONDS < end)); do
    sleep 1
    read -r -a counts <<<"$(soak_counts "${logs[@]}")"
    if ((counts[1] > shown)); then
      sed -n '/^FAILED seed/,/^replay:/p' "${logs[@]}" |
        awk -v shown="$shown" '/^FAILED seed/ { n++ } n > shown'
      shown=${counts[1]}
    fi
    if [[ -t 2 ]]; then
      printf '\r%d s left, %d seeds, %d failed ' $((end - SECONDS)) "${counts[@]}" >&2
    fi
  done
  wait "${workers[@]}" || true
  [[ -t 2 ]] && echo >&2
  read -r -a counts <<<"$(soak_counts "${logs[@]}")"
  if ((counts[1] > shown)); then
    sed -n '/^FAILED seed/,/^replay:/p' "${logs[@]}" |
      awk -v shown="$shown" '/^FAILED seed/ { n++ } n > shown'
  fi
  rm -r "$soak_directory"
  # shellcheck disable=SC2034  # used by ./dev
  soak_verdict="${counts[0]} seeds from $2 on, ${counts[1]} failed"
  ((counts[1] == 0 && counts[0] > 0))
}
