# Node modules as package-lock.json has them, and Node 24 among them. Sourced by setup.sh.

node_modules_ready() {
  local stamp=''
  [[ -x node_modules/.bin/node && -r "$state/modules" ]] || return 1
  lock_hash
  stamp="$(<"$state/modules")"
  [[ "$stamp" == "$lock" ]]
}

# Sets `lock` to what the stamp holds when the modules are those of package-lock.json.
lock_hash() {
  [[ -n "${lock:-}" ]] || lock="$(sha256sum package-lock.json)"
}

node_modules_install() {
  # Inside an npm script our own node_modules/.bin comes first, and npm ci is about to remove it.
  local own="$repository/node_modules/.bin" PATH=":$PATH:"
  PATH="${PATH//":$own:"/:}"
  PATH="${PATH#:}"
  PATH="${PATH%:}"
  has_command npm && has_command node || give_up "npm is missing: install it (Debian, Ubuntu: apt-get install npm)"
  lock_hash
  if [[ ! -d node_modules ]] || ! node "$here/modules-match.mjs"; then
    step "installing node modules" npm_ci
  fi
  node_24_works || step "repairing Node 24" repair_node_24
  mkdir -p "$state"
  printf '%s\n' "$lock" >"$state/modules"
  # mediasoup may have another version now.
  key=''
}

# mediasoup's own install script fails where it can neither download nor build; set-up provides the worker itself,
# and the script does nothing when this variable is set.
npm_ci() {
  MEDIASOUP_WORKER_BIN="${MEDIASOUP_WORKER_BIN:-provided-by-set-up}" \
    npm ci --include=dev --no-audit --no-fund --loglevel=http
}

node_24_works() {
  local version
  version="$(node_modules/.bin/node -p process.versions.node 2>/dev/null)" && ((${version%%.*} >= 24))
}

# Where npm does not run install scripts, the `node` package stays empty.
repair_node_24() {
  (cd node_modules/node && npm_config_ignore_scripts=false node installArchSpecificPackage.js) || true
  node_24_works && return
  echo 'node_modules/.bin/node is not Node 24 or newer. npm did not run the install script of the package "node":'
  echo 'allow it (npm config set ignore-scripts false), remove node_modules, and start again.'
  return 1
}
