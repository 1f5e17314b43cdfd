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
  if [[ ! -d node_modules ]] || ! node "$here/modules-match.mjs" || ! node_24_works; then
    # An older Node makes npm leave out what says that it needs a newer one, Vite's native part for instance.
    if [[ "$(node -p 'Number(process.versions.node.split(".")[0]) >= 24')" != true ]]; then
      need_scratch
      node_tools="$scratch/node-24"
      step "fetching Node 24 and npm" fetch_node_tools
      PATH="$node_tools/bin:$PATH"
    fi
    step "installing node modules" npm_ci
    node_24_works || step "repairing Node 24" repair_node_24
  fi
  mkdir -p "$state"
  printf '%s\n' "$lock" >"$state/modules"
  # mediasoup may have another version now, and so may what is bundled.
  key=''
  bundle=''
}

# Puts the Node of package-lock.json, and an npm that goes with it, into `$node_tools/bin`. Both come as plain archives
# from the registry: none of their install scripts runs. Unlike a distribution's own, this Node has to be told to trust
# the certificates that the system trusts.
fetch_node_tools() {
  local version platform
  version="$(sed -n '/"node_modules\/node": {/,/}/s/.*"version": "\([^"]*\)".*/\1/p' package-lock.json)"
  platform="linux-$(node -p process.arch)"
  mkdir -p "$node_tools"/{bin,node,npm}
  cd "$node_tools"
  npm pack --silent "node-$platform@$version" "npm@11"
  tar -xzf "node-$platform-$version.tgz" -C node --strip-components 1
  tar -xzf npm-11.*.tgz -C npm --strip-components 1
  ln -s ../node/bin/node bin/node
  printf '#!/bin/sh\nexec "%s/bin/node" --use-system-ca "%s/npm/bin/npm-cli.js" "$@"\n' "$node_tools" "$node_tools" \
    >bin/npm
  chmod +x bin/npm
  bin/npm --version
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
  mkdir -p node_modules/.bin
  ln -sf ../node/bin/node node_modules/.bin/node
  node_24_works && return
  echo 'node_modules/.bin/node is not Node 24 or newer. npm did not run the install script of the package "node":'
  echo 'allow it (npm config set ignore-scripts false), remove node_modules, and start again.'
  return 1
}
