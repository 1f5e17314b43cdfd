# The packages that the hub imports on each start, bundled when they or the rules changed. Sourced by setup.sh.

# What a bundle is made of. common/bundled-packages.ts reads the same, and finds the bundle by the same key.
bundle_made_of=(node_modules/.package-lock.json common/bundled-packages.ts tools/setup/packages/bundle-packages.ts)

# npm keeps no list where somebody installed the modules in another way: then there is nothing to bundle.
packages_bundled() {
  [[ -r "${bundle_made_of[0]}" ]] || return 0
  bundle_key
  [[ -d "$state/packages/$bundle" ]]
}

# Sets `bundle` to the name of the bundle's folder.
bundle_key() {
  [[ -n "${bundle:-}" ]] && return
  bundle="$(cat "${bundle_made_of[@]}" | sha256sum)"
  bundle="${bundle:0:16}"
}

# A bundle appears at once or not at all. Older bundles stay for hubs that still run from them, until npm removes
# node_modules. Without a bundle a hub starts too, more slowly.
packages_bundle() {
  # What interrupted set-ups left. There is one set-up at a time in this folder.
  rm -rf "$state"/packages/.[0-9a-f]*
  step "bundling the hub's packages" node_modules/.bin/node "$here/packages/bundle-packages.ts"
}
