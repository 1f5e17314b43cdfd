# System packages, looked for by what they bring, so that any distribution and any way of installing them counts.
# Sourced by setup.sh.

# Sets `missing` to the packages that `run`, `demo` or `test` still needs. No process is started: this runs each time.
find_missing() {
  missing=()
  has_command ffmpeg || missing+=(ffmpeg)
  has_file '/usr/lib/*/librist.so.4' /usr/lib/librist.so.4 /usr/lib64/librist.so.4 /usr/local/lib/librist.so.4 ||
    missing+=(librist)
  has_file '/usr/share/fonts/*/dejavu*/DejaVuSans.ttf' '/usr/share/fonts/dejavu*/DejaVuSans.ttf' ||
    missing+=(fonts-dejavu-core)
  [[ "$1" == run ]] || has_gstreamer || { [[ "$1" == demo ]] && does_without_gstreamer; } ||
    missing+=("${gstreamer[@]}")
  [[ "$1" == test ]] || return 0
  has_gstreamer_sources || missing+=("${gstreamer_sources[@]}")
  has_chromium || missing+=(chromium)
  has_firefox || missing+=(firefox-esr)
  has_command unshare || missing+=(util-linux)
  has_command ip || has_file /sbin/ip /usr/sbin/ip || missing+=(iproute2)
  # An npm package brings another program of that name.
  has_file /usr/sbin/nft /sbin/nft || missing+=(nftables)
  has_command initdb || has_file '/usr/lib/postgresql/*/bin/initdb' || missing+=(postgresql)
  has_command ristsender || missing+=(rist-tools)
  has_command tcpdump || has_file /usr/sbin/tcpdump || missing+=(tcpdump)
  has_command pebble || missing+=(pebble)
  has_command openssl || missing+=(openssl)
  has_command turnserver && has_command turnutils_uclient || missing+=(coturn)
  has_command cc || missing+=(gcc libc6-dev)
  has_command strace || missing+=(strace)
  has_command faketime || missing+=(faketime)
  has_command dbus-daemon || missing+=(dbus-daemon)
  has_command gdbus || missing+=(libglib2.0-bin)
  has_file '/usr/lib/python3*/*-packages/dbusmock/__init__.py' || missing+=(python3-dbusmock)
  has_file /usr/sbin/gpsd || missing+=(gpsd)
  has_file /usr/sbin/ptp4l || missing+=(linuxptp)
}

# The encoder of field senders, elements of which each is in another package.
gstreamer=(gstreamer1.0-plugins-base gstreamer1.0-plugins-ugly)
has_gstreamer() {
  has_file '/usr/lib/*/gstreamer-1.0/libgstx264.so' /usr/lib/gstreamer-1.0/libgstx264.so \
    /usr/lib64/gstreamer-1.0/libgstx264.so &&
    has_file '/usr/lib/*/gstreamer-1.0/libgstopus.so' /usr/lib/gstreamer-1.0/libgstopus.so \
      /usr/lib64/gstreamer-1.0/libgstopus.so
}

# The sources of field senders, and a camera by RTSP for tests.
gstreamer_sources=(gstreamer1.0-plugins-good gstreamer1.0-plugins-bad gstreamer1.0-libav gstreamer1.0-alsa
  libgstrtspserver-1.0-0)
has_gstreamer_sources() {
  local name
  for name in gstreamer-1.0/libgstrtsp.so gstreamer-1.0/libgstsrt.so gstreamer-1.0/libgstlibav.so \
    gstreamer-1.0/libgstalsa.so libgstrtspserver-1.0.so.0; do
    has_file "/usr/lib/*/$name" "/usr/lib/$name" "/usr/lib64/$name" || return 1
  done
}

# The demo encodes with ffmpeg then: GStreamer is not worth a question for a password, nor a second try.
does_without_gstreamer() {
  ((EUID != 0)) || [[ -e "$state/without-gstreamer" ]] || ! has_command apt-get
}

# Adds what compiling the mediasoup worker needs.
find_missing_for_build() {
  has_command c++ || missing+=(g++)
  has_command ninja || missing+=(ninja-build)
  has_command pkg-config || missing+=(pkg-config)
  has_command flatc || missing+=(flatbuffers-compiler)
  has_command make || missing+=(make)
  has_command dpkg-source || missing+=(dpkg-dev)
  has_file /usr/include/flatbuffers/flatbuffers.h || missing+=(libflatbuffers-dev)
  has_file /usr/include/uv.h || missing+=(libuv1-dev)
  has_file /usr/include/srtp2/srtp.h || missing+=(libsrtp2-dev)
  has_file /usr/include/openssl/ssl.h || missing+=(libssl-dev)
  has_file /usr/include/absl/base/config.h || missing+=(libabsl-dev)
}

# compile_library <source> <library> [linker's arguments...]: says why where it can not be had.
compile_library() {
  if ! has_command cc; then
    echo 'there is no C compiler: install gcc and libc6-dev, remove node_modules/.lanecast, and run set-up again'
    return 1
  fi
  cc -std=c11 -O2 -shared -fPIC -fvisibility=hidden -o "$2" "$1" "${@:3}" 2>&1
}

has_command() {
  command -v "$1" >/dev/null
}

# has_file <glob...>: whether any of them exists.
has_file() {
  compgen -G "$1" >/dev/null || { shift && (($# > 0)) && has_file "$@"; }
}

# Ubuntu's /usr/bin/chromium-browser without the snap behind it is a script that only says so.
has_chromium() {
  if [[ -n "${LANECAST_CHROMIUM:-}" ]]; then
    [[ -x "$LANECAST_CHROMIUM" ]] || give_up "LANECAST_CHROMIUM names $LANECAST_CHROMIUM, which cannot be executed"
    return 0
  fi
  has_command google-chrome || has_command google-chrome-stable || has_command chromium ||
    has_file /snap/bin/chromium ||
    { has_command chromium-browser && ! grep -q snap "$(command -v chromium-browser)"; }
}

# Ubuntu's /usr/bin/firefox without the snap behind it is a script that only says so.
has_firefox() {
  if [[ -n "${LANECAST_FIREFOX:-}" ]]; then
    [[ -x "$LANECAST_FIREFOX" ]] || give_up "LANECAST_FIREFOX names $LANECAST_FIREFOX, which cannot be executed"
    return 0
  fi
  has_command firefox-esr || has_file /snap/bin/firefox ||
    { has_command firefox && ! grep -qs snap "$(command -v firefox)"; }
}

system_packages_ready() {
  find_missing "$1"
  ((${#missing[@]} == 0))
}

# Installs what is missing for a mode. Without root everything that may be needed is named in one command.
system_packages_install() {
  find_missing "$1"
  if [[ "$1" == demo && "${missing[*]}" == "${gstreamer[*]}" ]]; then
    (install_missing) || {
      mkdir -p "$state" && touch "$state/without-gstreamer"
      say "set-up: GStreamer could not be installed; the demo encodes with ffmpeg"
    }
    return 0
  fi
  can_be_root || mediasoup_worker_at_hand || find_missing_for_build
  install_missing
}

build_packages_install() {
  missing=()
  find_missing_for_build
  ((${#missing[@]} == 0)) || install_missing
}

install_missing() {
  if ! has_command apt-get; then
    give_up "this system has no apt-get; install what brings these Debian packages' content: ${missing[*]}"
  fi
  choose_names
  local apt="apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
  if ! can_be_root; then
    say "set-up: system packages are missing, and installing them needs root. Run this, then start again:"
    if has_command sudo; then
      say "sudo sh -c '$apt'"
    else
      say "su root -c '$apt'"
    fi
    exit 1
  fi
  step "installing system packages (${missing[*]})" apt_install "${missing[@]}"
  # Debian starts coturn as a service, which would take the port of the hub's own TURN server.
  [[ " ${missing[*]} " != *' coturn '* ]] || ! has_command systemctl ||
    as_root systemctl disable --now coturn >/dev/null 2>&1 || true
  [[ " ${missing[*]} " != *' gpsd '* ]] || ! has_command systemctl ||
    as_root systemctl disable --now gpsd.socket gpsd >/dev/null 2>&1 || true
}

# Replaces names that differ between releases by those that this one has.
choose_names() {
  local chosen=() name
  for name in "${missing[@]}"; do
    case "$name" in
      librist) chosen+=("$(first_installable librist4 librist4t64 librist-dev)") ;;
      chromium)
        if snap_only chromium; then
          give_up "Chromium comes as a snap on this system: run 'snap install chromium', or install Google Chrome, or set LANECAST_CHROMIUM to a Chromium's path"
        fi
        chosen+=(chromium)
        ;;
      firefox-esr)
        if snap_only firefox; then
          give_up "Firefox comes as a snap on this system: run 'snap install firefox', or set LANECAST_FIREFOX to a Firefox's path"
        fi
        chosen+=("$(first_installable firefox-esr firefox)")
        ;;
      *) chosen+=("$name") ;;
    esac
  done
  missing=("${chosen[@]}")
}

# The first of the names that apt can install; the first of all when apt has no lists yet.
first_installable() {
  local name
  for name in "$@"; do
    if apt-cache show "$name" >/dev/null 2>&1; then
      echo "$name"
      return
    fi
  done
  echo "$1"
}

snap_only() {
  local id=''
  [[ -r /etc/os-release ]] && id="$(. /etc/os-release && echo "${ID:-}")"
  [[ "$id" == ubuntu ]] && ! apt-cache policy "$1" 2>/dev/null | grep -E 'Candidate: [0-9]' | grep -qv snap
}

can_be_root() {
  ((EUID == 0)) || { has_command sudo && { sudo -n true 2>/dev/null || { [[ -t 0 && -t 2 ]] && sudo -v; }; }; }
}

# Without the locks' descriptors: a package may start a service, which would hold them for ever.
as_root() {
  if ((EUID == 0)); then "$@" 8>&- 9>&-; else sudo -n "$@" 8>&- 9>&-; fi
}

# Another apt may hold the locks for a while; how long we wait is bounded.
apt_install() {
  local try options=(-o DPkg::Lock::Timeout=120 -o Acquire::Retries=3)
  for try in 1 2 3; do
    # A third party's repository that fails is no reason to give up: the installation decides.
    as_root apt-get "${options[@]}" update || echo 'apt-get update failed'
    if as_root env DEBIAN_FRONTEND=noninteractive apt-get "${options[@]}" install -y --no-install-recommends "$@"; then
      return 0
    fi
    ((try == 3)) || sleep 10
  done
  return 1
}
