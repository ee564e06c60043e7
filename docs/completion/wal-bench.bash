# bash completion for wal-bench and wal-dump: one file under both names, as bash looks for it in
# share/bash-completion/completions/. The flags are those that the program's own --help lists.

_corewal_flags() { # PROGRAM
  "$1" --help 2>/dev/null | grep --only-matching --extended-regexp -e '--[a-z][a-z_]*' | sort -u
}

# What may follow --FLAG=; nothing for a number.
_corewal_values() { # PROGRAM FLAG
  case "${1##*/} $2" in
    *" --io") echo auto uring posix ;;
    *" --sync") echo auto dsync datasync ring-datasync ;;
    *" --workload") echo commit stream mixed recover probe ;;
    *" --format") echo text json raw ;;
    *" --direct" | *" --sqpoll" | *" --registered_buffers" | *" --registered_files") echo auto on off ;;
    *" --floor" | *" --verify" | *" --embedded" | *" --keep" | *" --resume") echo on off ;;
  esac
}

_corewal() {
  local program=$1 word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD - 1]} flag=
  COMPREPLY=()
  # "=" breaks words, so --io=po arrives as "--io", "=", "po".
  if [[ $word == "=" && $before == --* ]]; then
    flag=$before word=
  elif [[ $before == "=" ]] && ((COMP_CWORD >= 2)); then
    flag=${COMP_WORDS[COMP_CWORD - 2]}
  elif [[ $before == --* && -n $(_corewal_values "$program" "$before") ]]; then
    flag=$before
  fi
  if [[ -z $flag && $word == -* ]]; then
    mapfile -t COMPREPLY < <(compgen -W "$(_corewal_flags "$program")" -- "$word")
    return
  fi
  local values
  values=$(_corewal_values "$program" "$flag")
  case $flag in
    --dir) mapfile -t COMPREPLY < <(compgen -d -- "$word") ;;
    *)
      if [[ -n $values ]]; then
        mapfile -t COMPREPLY < <(compgen -W "$values" -- "$word")
      else
        mapfile -t COMPREPLY < <(compgen -f -- "$word") # files: segments, inputs, reports
      fi
      ;;
  esac
}

complete -o filenames -F _corewal wal-bench wal-dump
