#!/usr/bin/env bash
# A Ray cluster of one head and two workers on this machine, reachable from this machine alone.
#
#   cluster/local.sh start | stop | status
#
# Settings, by environment: PORT (of the head), DASHBOARD_PORT (jobs are submitted there), CPUS (of each node),
# WORKERS, FOLDER (pids, logs, Ray's own files), RAY (the ray command).
# `stop` ends the processes that `start` began, by their pids, and no other Ray.
set -euo pipefail

here=$(cd "$(dirname "$0")/.." && pwd)
PORT=${PORT:-26379}
DASHBOARD_PORT=${DASHBOARD_PORT:-28265}
CPUS=${CPUS:-2}
WORKERS=${WORKERS:-2}
FOLDER=${FOLDER:-${TMPDIR:-/tmp}/clipsum-cluster}
RAY=${RAY:-$here/.venv/bin/ray}
export RAY_USAGE_STATS_ENABLED=0
PATIENCE_S=120

launch() { # name, then the arguments of ray start
  local name=$1
  shift
  setsid "$RAY" start --block --num-cpus="$CPUS" --node-ip-address=127.0.0.1 --disable-usage-stats "$@" \
    >"$FOLDER/$name.log" 2>&1 </dev/null &
  echo $! >"$FOLDER/$name.pid"
}

alive() { # name: is its process there, and is it the one that we started?
  local pid
  pid=$(cat "$FOLDER/$1.pid" 2>/dev/null) && grep -qsz -- --node-ip-address=127.0.0.1 "/proc/$pid/cmdline"
}

names() {
  local file
  for file in "$FOLDER"/*.pid; do
    [ -e "$file" ] && basename "$file" .pid
  done
  return 0
}

nodes() {
  "$RAY" status --address "127.0.0.1:$PORT" 2>/dev/null | grep -c ' node_' || true
}

start() {
  local i
  if [ -n "$(names)" ]; then
    echo "there are pids in $FOLDER already: '$0 stop' first, or set FOLDER, PORT and DASHBOARD_PORT" >&2
    exit 2
  fi
  mkdir -p "$FOLDER"
  launch head --head --port="$PORT" --dashboard-host=127.0.0.1 --dashboard-port="$DASHBOARD_PORT" --temp-dir="$FOLDER/ray"
  wait_for 1 head
  for i in $(seq "$WORKERS"); do
    launch "worker-$i" --address="127.0.0.1:$PORT"
  done
  wait_for $((WORKERS + 1)) "worker-$WORKERS"
  echo "a head and $WORKERS workers of $CPUS CPUs each"
  echo "  clipsum summarize … --address 127.0.0.1:$PORT"
  echo "  ray job submit --address http://127.0.0.1:$DASHBOARD_PORT --working-dir . -- python -m ray_jobs.summarize …"
}

wait_for() { # number of nodes, the node that was started last
  local began=$SECONDS
  until [ "$(nodes)" -ge "$1" ]; do
    if ! alive "$2" || [ $((SECONDS - began)) -gt $PATIENCE_S ]; then
      echo "$2 did not start: the end of $FOLDER/$2.log is" >&2
      tail -5 "$FOLDER/$2.log" >&2
      stop
      exit 1
    fi
    sleep 0.5
  done
}

stop() {
  local name pid
  for name in $(names | sort -r); do # workers before the head
    pid=$(cat "$FOLDER/$name.pid")
    if alive "$name"; then
      kill -TERM "$pid"
      for _ in $(seq 60); do
        alive "$name" || break
        sleep 0.5
      done
      if alive "$name"; then kill -KILL -- "-$pid"; fi
    fi
    rm -f "$FOLDER/$name.pid"
  done
  echo "stopped"
}

status() {
  local name
  for name in $(names); do
    if alive "$name"; then echo "$name runs"; else echo "$name is gone: see $FOLDER/$name.log"; fi
  done
  [ -n "$(names)" ] || { echo "not started"; exit 1; }
}

case ${1:-} in
start | stop | status) "$1" ;;
*) echo "usage: $0 start | stop | status" >&2 && exit 2 ;;
esac
