#!/usr/bin/env bash
# Sets up whatever is missing to run (`setup.sh run` or `demo`) or to test (`setup.sh test`, the default) Lanecast:
# system packages, node modules with Node 24, their bundle, the mediasoup worker, batches for librist, the web pages. Says
# nothing and takes well under a second when all is there. Everything it says goes to stderr. See docs/setup.md.
set -euo pipefail

here="$(cd "${BASH_SOURCE[0]%/*}" && pwd)"
repository="${here%/tools/setup}"
cd "$repository"
state="$repository/node_modules/.lanecast"
mode="${1:-test}"

case "$mode" in
  run | demo | test) ;;
  *)
    echo "usage: setup.sh [run|demo|test]" >&2
    exit 2
    ;;
esac

source "$here/progress.sh"
source "$here/system-packages.sh"
source "$here/node-modules.sh"
source "$here/packages.sh"
source "$here/mediasoup-worker.sh"
source "$here/rist-batches.sh"
source "$here/web-pages.sh"

ready() {
  system_packages_ready "$mode" && node_modules_ready && packages_bundled && mediasoup_worker_ready &&
    rist_batches_ready && web_pages_ready
}

ready && exit 0

# One set-up at a time in this folder. The script itself is the lock: it is there before anything else is.
exec 9<"$here/setup.sh"
if ! flock --nonblock 9; then
  step "waiting for another set-up in this folder" flock --timeout 1800 9
fi

system_packages_ready "$mode" || system_packages_install "$mode"
node_modules_ready || node_modules_install
packages_bundled || packages_bundle
mediasoup_worker_ready || mediasoup_worker_provide
rist_batches_ready || rist_batches_provide
web_pages_ready || web_pages_build
