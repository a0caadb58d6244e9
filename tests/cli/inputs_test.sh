#!/usr/bin/env bash
# The shipped inputs fit together, and the ions of Li15Si4 are mapped as an independent count says.
. "$(dirname "$0")/common.sh"
for input in "$source_folder"/inputs/*.toml; do
  expect 0 'per repeat unit|^domain |^md ' check "$input"
  grep -q '^warning' out.txt && fail "$(basename "$input"): $(grep '^warning' out.txt)"
  expect 0 '^\[msm\]' run "$input" --print-config
done

expect 0 '60 sites \(30 per repeat unit, I-43d \(220\)\)' sites "$source_folder/inputs/li15si4_600K.toml" --set run.output=li15si4
changes=$(grep -o '[0-9]* changes of the nearest site' err.txt | grep -o '^[0-9]*')
hops=$(grep -o '[0-9]* core hops' err.txt | grep -o '^[0-9]*')
# 12051 changes and 2291 hops were counted in numpy.
[ "${changes:-0}" -ge 11930 ] && [ "${changes:-0}" -le 12172 ] || fail "changes of the nearest site: ${changes:-none}"
[ "${hops:-0}" -ge 2268 ] && [ "${hops:-0}" -le 2314 ] || fail "core hops: ${hops:-none}"
finish
