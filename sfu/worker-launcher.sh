#!/bin/sh
# Starts the media worker that LANECAST_WORKER names with SIGINT and SIGTERM blocked. A worker that gets one of them closes,
# and a terminal or a service manager signals the whole group: the hub alone decides when its workers end, it may drain.
# Where `env` can't block signals (coreutils before 8.31), the worker starts as it is.
# LANECAST_WORKER_LIBRARY, where set, is loaded into the worker alone, before what LD_PRELOAD names already.
worker='
  [ -z "$LANECAST_WORKER_LIBRARY" ] || export LD_PRELOAD="$LANECAST_WORKER_LIBRARY${LD_PRELOAD:+:$LD_PRELOAD}"
  exec "$LANECAST_WORKER" "$@"
'
env --block-signal=INT,TERM true 2>/dev/null && exec env --block-signal=INT,TERM sh -c "$worker" sh "$@"
eval "$worker"
