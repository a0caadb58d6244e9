#!/usr/bin/env bash
# Ctrl-C in any stage: status 75, one line, no unfinished files, and the same command goes on to the same result.
. "$(dirname "$0")/common.sh"
make_data 300 1 data
make_input data
in=data/in.toml

# stop_during PATTERN ARGUMENTS...: SIGINT as soon as the messages match.
stop_during() {
  local pattern=$1
  shift
  "$program" "$@" >out.txt 2>err.txt &
  local pid=$!
  for _ in $(seq 3000); do
    grep -q "$pattern" err.txt && break
    sleep 0.01
  done
  kill -INT $pid 2>/dev/null
  wait $pid
  local got=$?
  [ $got -eq 75 ] || fail "stopped during '$pattern': status $got: $(cat err.txt)"
  [ "$(grep -c '^mesolith: stopped (Ctrl-C)' err.txt)" -eq 1 ] || fail "stopped during '$pattern': $(cat err.txt)"
  ls runs/cubic | grep -q part && fail "unfinished files are left: $(ls runs/cubic)"
}

# A trajectory that takes seconds to read, also on a fast machine.
for _ in $(seq 1000); do cat data/md.xyz; done >data/long.xyz
stop_during 'sites: ' run $in --set trajectory.file=long.xyz
[ -e runs/cubic/sites.h5 ] && fail "sites.h5 of a stage that was stopped"
rm data/long.xyz

long="--set meso.walkers.n=2000000 --set meso.total_time_ps=100000"
expect 0 . sites $in
expect 0 . msm $in
md5sum runs/cubic/*.h5 >sums
stop_during 'meso: ' run $in $long
md5sum -c --quiet sums || fail "files of earlier stages were changed"
expect 0 'msm: nothing has changed' run $in
expect 0 'meso: nothing has changed' run $in
finish
