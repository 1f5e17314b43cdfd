# The mediasoup worker: the one MEDIASOUP_WORKER_BIN names, else a cached one, else mediasoup's official prebuilt, else
# one built from the package's own source. Sourced by setup.sh.

worker="$state/mediasoup-worker"

mediasoup_worker_ready() {
  if [[ -n "${MEDIASOUP_WORKER_BIN:-}" ]]; then
    worker_starts "$MEDIASOUP_WORKER_BIN" ||
      give_up "MEDIASOUP_WORKER_BIN names $MEDIASOUP_WORKER_BIN, which does not start as a mediasoup worker"
    return 0
  fi
  [[ -x "$worker" && -r "$worker.key" && -r "$worker.sends" ]] || return 1
  [[ "$(<"$worker.sends")" != loaded || -r "$worker.so" ]] || return 1
  worker_key
  [[ "$(<"$worker.key")" == "$key" ]] && worker_starts "$worker"
}

# Without the variable that mediasoup's library sets, a worker that can run on this machine ends with status 41.
worker_starts() {
  local status=0
  env -i "$1" >/dev/null 2>&1 || status=$?
  ((status == 41))
}

# Sets `key` to what the binary depends on: mediasoup's version, our shims and build rules, the machine, the release.
worker_key() {
  [[ -n "${key:-}" ]] && return
  local release=/dev/null
  [[ -r /etc/os-release ]] && release=/etc/os-release
  key="$({
    grep -m 1 '"version"' node_modules/mediasoup/package.json
    grep -E '^(ID|VERSION_ID)=' "$release" || true
    echo "$HOSTTYPE"
    cd "$here/worker"
    cat build-worker.ts ninja-file.ts openssl-srtp.ts prove-batched-sends.ts shims/*.c shims/*.cpp shims/include/*.h shims/include/*/*.h
  } | sha256sum)"
  key="${key:0:16}"
}

# Sets `cache` to the folder, outside node_modules, that holds the binary of this key.
worker_cache() {
  worker_key
  cache="${XDG_CACHE_HOME:-${HOME:-/nonexistent}/.cache}/lanecast/worker/$key"
  # A home that cannot be written to: the binary then lasts as long as node_modules.
  mkdir -p "$cache" 2>/dev/null && [[ -w "$cache" ]] || cache="$state/cache/$key"
  mkdir -p "$cache"
}

# Whether a worker can be had without compiling, as far as can be told before the node modules are there.
mediasoup_worker_at_hand() {
  [[ -n "${MEDIASOUP_WORKER_BIN:-}" ]] && return
  [[ -r node_modules/mediasoup/package.json ]] || return 1
  worker_cache
  worker_starts "$cache/mediasoup-worker"
}

mediasoup_worker_provide() {
  worker_cache
  local built="$cache/mediasoup-worker"
  if ! worker_starts "$built"; then
    # Several clones may want a binary at once: one provides it, and uses the objects; the others wait for it here.
    exec 8>"${cache%/*}/lock"
    flock --nonblock 8 || step "waiting for another set-up that provides the mediasoup worker" flock --timeout 1800 8
    worker_starts "$built" || worker_fetch || worker_build
    exec 8>&-
  fi
  cp "$built" "$worker.partial"
  mv "$worker.partial" "$worker"
  worker_sends_find
  printf '%s\n' "$key" >"$worker.key"
}

worker_fetch() {
  [[ -z "${MEDIASOUP_SKIP_WORKER_PREBUILT_DOWNLOAD:-}" ]] || return 1
  step "looking for mediasoup's prebuilt worker" worker_fetch_attempt
  worker_starts "$built" && return
  say "  none can be had here, so it is built from source"
  return 1
}

# That there is none is no failure of the step: the worker is built then.
worker_fetch_attempt() {
  NODE_USE_ENV_PROXY=1 node_modules/.bin/node --use-system-ca "$here/worker/fetch-worker.ts" \
    node_modules/mediasoup "$built.fetched" &&
    worker_starts "$built.fetched" && echo 'mediasoup prebuilt' >"$built.txt" && mv "$built.fetched" "$built"
  rm -f "$built.fetched"
}

worker_build() {
  build_packages_install
  step "building the mediasoup worker from source (2 to 7 minutes, once)" \
    node_modules/.bin/node "$here/worker/build-worker.ts" node_modules/mediasoup "${cache%/*}/objects" "$built"
  worker_starts "$built" || give_up "the mediasoup worker was built but does not start: run $built to see why"
  say "  mediasoup worker built with $(<"$built.txt")"
}

# Finds out how the worker's packets may leave, for sfu/worker-binary.ts: many by one system call, where that is proved
# on this machine, else each by its own. The worker that is built here has the code for it, a prebuilt one loads it.
worker_sends_find() {
  local how=linked why=''
  rm -f "$worker.so"
  if [[ "$(<"$built.txt")" == 'mediasoup prebuilt' ]]; then
    how=loaded
    has_command cc || ! can_be_root || (missing=(gcc libc6-dev) && install_missing) || true
    why="$(compile_library "$here/worker/shims/batched-sends.c" "$worker.so")" && why=''
  fi
  if [[ -z "$why" ]] && why="$(worker_sends_prove "$how" 2>&1)"; then
    printf '%s\n' "$how" >"$worker.sends"
  else
    say "  packets of the worker leave one by one, which costs more CPU: $why"
    printf '%s\n' "$why" >"$worker.sends"
  fi
}

worker_sends_prove() {
  local library=''
  [[ "$1" == linked ]] || library="$worker.so"
  LANECAST_WORKER_LIBRARY="$library" node_modules/.bin/node "$here/worker/prove-batched-sends.ts" "$worker"
}
