# Progress of the steps: a live line on a terminal, a plain line now and then elsewhere. Sourced by setup.sh.

scratch=''
step_pid=''

# Prints a line for the user.
say() {
  printf '%s\n' "$*" >&2
}

# Prints why set-up cannot go on, and ends it.
give_up() {
  say "set-up: $*"
  exit 1
}

# Makes `scratch`, a folder that goes away with set-up.
need_scratch() {
  [[ -z "$scratch" ]] || return 0
  scratch="$(mktemp -d "${TMPDIR:-/tmp}/lanecast-setup.XXXXXX")"
  trap 'step_stop; rm -rf "$scratch"' EXIT
  trap 'exit 130' INT
  trap 'exit 143' TERM HUP
}

# step <what is done> <command...>: runs the command with its output in a log, shows how it goes, and when it fails
# prints the end of the log and ends set-up.
step() {
  local label="$1" log status=0
  shift
  need_scratch
  log="$scratch/log"
  : >"$log"
  local started=$SECONDS
  # Job control gives the command a process group of its own, so that an interrupted set-up can end all of it.
  set -m
  "$@" >"$log" 2>&1 </dev/null &
  step_pid=$!
  set +m
  if [[ -t 2 && -z "${CI:-}" ]]; then
    step_watch_terminal "$label" "$log" "$started"
  else
    step_watch_plain "$label" "$log" "$started"
  fi
  wait "$step_pid" || status=$?
  step_pid=''
  if ((status != 0)); then
    say "set-up: $label failed after $((SECONDS - started)) s (status $status). The end of its output:"
    tail -n 40 "$log" >&2
    exit 1
  fi
}

step_stop() {
  [[ -n "$step_pid" ]] && kill -TERM -- "-$step_pid" 2>/dev/null
  return 0
}

step_running() {
  kill -0 "$step_pid" 2>/dev/null
}

step_watch_terminal() {
  local label="$1" log="$2" started="$3" turn=0 frames='|/-\' line
  while step_running; do
    line="${frames:turn++%4:1} $label, $((SECONDS - started)) s $(step_detail "$log")"
    printf '\r\033[K%s' "${line:0:${COLUMNS:-80}-1}" >&2
    sleep 0.2
  done
  printf '\r\033[K' >&2
  say "  $label: $((SECONDS - started)) s"
}

step_watch_plain() {
  local label="$1" log="$2" started="$3" shown=0 waits=0
  say "$label ..."
  while step_running; do
    # Quick looks at first, so that a short step is not held up.
    sleep "$((waits++ < 10 ? 0 : 1)).2"
    if ((SECONDS - started - shown >= 10)); then
      shown=$((SECONDS - started))
      say "  $shown s $(step_detail "$log")"
    fi
  done
  say "  done in $((SECONDS - started)) s"
}

# How far a step is, from its log: `[done/all]` as ninja prints it, else the number of npm's downloads, else the last
# line.
step_detail() {
  local fraction fetched
  fraction="$(tail -c 2000 "$1" | grep -oE '^\[[0-9]+/[0-9]+\]' | tail -n 1 || true)"
  if [[ "$fraction" =~ ([0-9]+)/([0-9]+) ]]; then
    printf '%s %d%%' "$fraction" $((100 * BASH_REMATCH[1] / BASH_REMATCH[2]))
  elif fetched="$(grep -c 'http fetch' "$1")"; then
    printf '[%s downloads]' "$fetched"
  else
    tail -n 1 "$1" | tr -d '\r' | tr -cd '[:print:]' | cut -c 1-60
  fi
}
