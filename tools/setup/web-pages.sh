# The web pages, built when what they are made of changed. Sourced by setup.sh.

# What the pages were made of, kept beside them so that it can't outlive them or speak for another copy's.
web_stamp=web/dist/.made-of

web_pages_ready() {
  [[ -e web/vite.config.ts ]] || return 0
  [[ -r "$web_stamp" ]] || return 1
  web_hash
  [[ "$(<"$web_stamp")" == "$pages" ]]
}

# Sets `pages` to a hash of everything that goes into the pages.
web_hash() {
  [[ -n "${pages:-}" ]] && return
  local folders=() folder
  for folder in web signaling/client common; do [[ -d "$folder" ]] && folders+=("$folder"); done
  pages="$({
    find "${folders[@]}" -name dist -prune -o -name node_modules -prune -o -type f -print0 |
      LC_ALL=C sort -z | xargs -0 sha256sum
    cat package-lock.json
  } | sha256sum)"
}

web_pages_build() {
  web_hash
  step "building the web pages" env PATH="$repository/node_modules/.bin:$PATH" \
    vite build --config web/vite.config.ts --logLevel warn
  printf '%s\n' "$pages" >"$web_stamp"
}
