#!/usr/bin/env bash
# A Ray cluster of one head and two workers on this machine, for its user alone: calls need the token in FOLDER.
#
#   cluster/local.sh start | stop | status
#
# Settings, by environment: PORT (of the head), DASHBOARD_PORT (jobs are submitted there), CPUS (of each node),
# WORKERS, FOLDER (pids, logs, Ray's own files; a short path), RAY (the ray command), RAY_AUTH_MODE (token, disabled).
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
export PATH="$(dirname "$RAY"):$PATH" # the python of submitted jobs
export RAY_AUTH_MODE=${RAY_AUTH_MODE:-token} RAY_AUTH_TOKEN_PATH=${RAY_AUTH_TOKEN_PATH:-$FOLDER/token}
# for `clipsum serve --address`: what guards Serve's proxies, and what goes within a call
export RAY_SERVE_HTTP_PROXY_CALLBACK_IMPORT_PATH=ray_jobs.serving.proxy:middlewares
export RAY_max_direct_call_object_size=${RAY_max_direct_call_object_size:-1048576}
PATIENCE_S=120

launch() { # name, then the arguments of ray start
  local name=$1
  shift
  # each node's agent takes a free port: at its usual one another Ray of this machine may listen, and no job starts
  setsid "$RAY" start --block --num-cpus="$CPUS" --disable-usage-stats --dashboard-agent-listen-port=0 "$@" \
    >"$FOLDER/$name.log" 2>&1 </dev/null &
  echo $! >"$FOLDER/$name.pid"
}

alive() { # name: is its process there, and is it the one that we started?
  local pid
  { pid=$(cat "$FOLDER/$1.pid") && tr '\0' ' ' <"/proc/$pid/cmdline" | grep -q 'ray start --block'; } 2>/dev/null
}

names() {
  local file
  for file in "$FOLDER"/*.pid; do
    [ -e "$file" ] && basename "$file" .pid
  done
  return 0
}

start() {
  local i
  if [ -n "$(names)" ]; then
    echo "there are pids in $FOLDER already: 'FOLDER=$FOLDER $0 stop' first, or set FOLDER, PORT and DASHBOARD_PORT" >&2
    exit 2
  fi
  mkdir -p "$FOLDER"
  [ -s "$RAY_AUTH_TOKEN_PATH" ] || (umask 077 && od -An -N32 -tx1 /dev/urandom | tr -d ' \n' >"$RAY_AUTH_TOKEN_PATH")
  launch head --head --port="$PORT" --dashboard-host=127.0.0.1 --dashboard-port="$DASHBOARD_PORT" --temp-dir="$FOLDER/ray"
  wait_for head
  for i in $(seq "$WORKERS"); do # one after another: two at once take the same names for their sockets
    launch "worker-$i" --address="127.0.0.1:$PORT"
    wait_for "worker-$i"
  done
  echo "a head and $WORKERS workers of $CPUS CPUs each"
  if [ "$RAY_AUTH_MODE" = token ]; then
    echo "  export RAY_AUTH_MODE=token RAY_AUTH_TOKEN_PATH=$RAY_AUTH_TOKEN_PATH"
  fi
  echo "  clipsum summarize … --address 127.0.0.1:$PORT"
  echo "  ray job submit --address http://127.0.0.1:$DASHBOARD_PORT --working-dir . -- python -m ray_jobs.summarize …"
  echo "  FOLDER=$FOLDER $0 stop"
}

wait_for() { # name: until Ray says in its log that the node is up
  local began=$SECONDS
  until grep -qs 'now block forever' "$FOLDER/$1.log"; do
    if ! kill -0 "$(cat "$FOLDER/$1.pid")" 2>/dev/null || [ $((SECONDS - began)) -gt $PATIENCE_S ]; then
      echo "$1 did not start: the end of $FOLDER/$1.log is" >&2
      tail -n 5 "$FOLDER/$1.log" >&2 || true
      stop
      exit 1
    fi
    sleep 0.2
  done
}

stop() {
  local name
  for name in $(names | grep worker) head; do
    if alive "$name"; then kill -TERM "$(cat "$FOLDER/$name.pid")"; fi
  done
  for name in $(names); do # Ray gives what runs on a node half a minute to end
    for _ in $(seq 90); do
      alive "$name" || break
      sleep 0.5
    done
    if alive "$name"; then kill -KILL -- "-$(cat "$FOLDER/$name.pid")"; fi
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
