# The library through which an ingress process runs librist (rist/rist-batches.c), where it can be compiled and proved.
# Without it an ingress takes about a fifth more CPU, and nothing else is missing. Sourced by setup.sh.

rist_batches="$state/rist-batches.so"

rist_batches_ready() {
  [[ -r "$rist_batches.key" ]] || return 1
  rist_batches_key
  [[ "$(<"$rist_batches.key")" == "$rist_batches_key" ]]
}

# Sets `rist_batches_key` to what the library and its proof depend on: our source, and librist's version and machine.
rist_batches_key() {
  local librist=''
  for librist in /usr/lib/*/librist.so.4 /usr/lib/librist.so.4 /usr/lib64/librist.so.4 /usr/local/lib/librist.so.4; do
    [[ -r "$librist" ]] && break
  done
  rist_batches_key="$({
    echo "$HOSTTYPE"
    cat "$librist" "$here"/rist/*
  } 2>/dev/null | sha256sum)"
  rist_batches_key="${rist_batches_key:0:16}"
}

# That it cannot be had is no failure: librist then works as it came.
rist_batches_provide() {
  local why=''
  rm -f "$rist_batches"
  if ! why="$(rist_batches_compile)" || ! why="$(rist_batches_prove 2>&1)"; then
    why="${why:-unknown}"
  else
    why=''
    mv "$rist_batches.partial" "$rist_batches"
  fi
  rm -f "$rist_batches.partial"
  [[ -z "$why" ]] || say "  librist handles packets one by one, which costs more CPU: $why"
  rist_batches_key
  printf '%s\n' "$rist_batches_key" >"$rist_batches.key"
}

rist_batches_compile() {
  compile_library "$here/rist/rist-batches.c" "$rist_batches.partial" -Wl,--no-as-needed -l:librist.so.4
}

rist_batches_prove() {
  timeout 30 node_modules/.bin/node "$here/rist/prove-rist-batches.ts" "$rist_batches.partial"
}
