#!/usr/bin/env bash
# Mesoscale runs that are killed at any moment go on from their checkpoint to the same bits: walkers in discrete and in
# continuous time, and a field, each killed $n_kills times, and a lattice gas. A time limit ends a run with status 75.
. "$(dirname "$0")/common.sh"

cat >slab.toml <<'TOML'
[run]
name = "slab"
[meso]
size = [40, 12, 12]
unit = "cells"
voxel_nm = [1, 1, 1]
faces_a = ["reservoir", "absorbing"]
concentration_a = [2, 0]
total_time_ps = 1e6
n_outputs = 12
checkpoint_minutes = 1e-4
[[meso.material]]
name = "fast"
diffusivity_angstrom2_per_ps = [0.05]
[[meso.material]]
name = "slow"
diffusivity_angstrom2_per_ps = [0.01, 0.02, 0.03]
[[meso.region]]
shape = "grains"
n_grains = 20
materials = ["fast", "slow"]
[report]
enabled = false
TOML

# same FOLDER FOLDER: both meso.h5 hold the same numbers, but for the time they took.
cat >same.py <<'PY'
import sys, h5py
def numbers(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, o: found.__setitem__(name, o[()].tobytes()) if isinstance(o, h5py.Dataset) and o.dtype.kind in "iuf" else None)
    return found
a, b = (numbers(f"{folder}/meso.h5") for folder in sys.argv[1:])
differ = sorted(name for name in a.keys() | b.keys() if a.get(name) != b.get(name))
sys.exit(f"differ: {differ}" if differ or not a else 0)
PY
same() { $python same.py "$1" "$2" || fail "$1 and $2 differ"; }

seconds() { date +%s.%N; }
RANDOM=20

# killed NAME ARGUMENTS...: run it through, then once more with $wanted kills at random moments.
input=slab.toml wanted=$n_kills
killed() {
  local name=$1
  shift
  local begin end kills=0 tries=0
  begin=$(seconds)
  expect 0 'meso: wrote' meso $input --set "run.output=\"$name-whole\"" "$@"
  end=$(seconds)
  while [ $kills -lt $wanted ] && [ $tries -lt 100 ]; do
    tries=$((tries + 1))
    "$program" meso $input --restart --set "run.output=\"$name-killed\"" "$@" >out.txt 2>err.txt &
    local pid=$!
    sleep "$(awk -v t="$begin" -v e="$end" -v r=$RANDOM 'BEGIN { printf "%.3f", (e - t) * (0.1 + 0.5 * r / 32768) }')"
    if kill -9 $pid 2>/dev/null; then kills=$((kills + 1)); fi
    wait $pid 2>/dev/null
    if [ -e "$name-killed/meso.h5" ]; then # it was done before: again from the start
      same "$name-whole" "$name-killed"
      rm -r "$name-killed"
    fi
  done
  [ $kills -eq $wanted ] || fail "$name: only $kills kills"
  expect 0 'meso: wrote' meso $input --restart --set "run.output=\"$name-killed\"" "$@"
  same "$name-whole" "$name-killed"
  ls "$name-killed" | grep -Eq 'checkpoint|part' && fail "$name: unfinished files are left: $(ls "$name-killed")"
}

killed discrete --set meso.walkers.n=20000 --set meso.total_time_ps=4e5
killed continuous --set meso.walkers.n=5000 --set meso.walkers.time=continuous --set meso.total_time_ps=1e5
killed field --set meso.walkers.n=0 --set meso.field.start=empty --set meso.total_time_ps=4e6

cat >gas.toml <<'TOML'
[meso]
occupancy = "exclusion"
size = [6, 6, 6]
unit = "cells"
total_time_ps = 2e4
checkpoint_minutes = 1e-4
[[meso.material]]
name = "fcc"
kernel = "fcc.toml"
[meso.gas]
vacancy_fraction = 0.2
n_frames = 200
n_replicas = 3
temperature_schedule_ps_K = [[0, 600], [1e4, 700]]
[[meso.gas.pair]]
distance_angstrom = 2.8284
energy_eV = 0.01
[report]
enabled = false
TOML
cp "$source_folder/inputs/kernels/fcc_vacancy.toml" fcc.toml
input=gas.toml wanted=$(((n_kills + 3) / 4))
killed gas
wanted=$(((n_kills + 5) / 8))
killed gas_free --set meso.gas.solver=rejection_free
input=slab.toml

# A time limit, and the checkpoint of another input.
expect 75 'stopped \(--max-hours\).*--restart goes on' meso slab.toml --max-hours 1e-6
expect 0 'of another input or program' meso slab.toml --restart --set meso.total_time_ps=2e5
# A damaged checkpoint falls back to the one before and says so.
expect 75 'stopped' meso slab.toml --max-hours 1e-5 --set 'run.output="damaged"'
expect 75 'stopped' meso slab.toml --restart --max-hours 1e-5 --set 'run.output="damaged"'
if [ -e damaged/walkers.checkpoint.previous ]; then
  printf 'x' | dd of=damaged/walkers.checkpoint bs=1 seek=3000 conv=notrunc 2>/dev/null
  expect 0 'walkers.checkpoint' meso slab.toml --restart --set 'run.output="damaged"'
  expect 0 'meso: wrote' meso slab.toml --set 'run.output="undamaged"'
  same damaged undamaged
else
  fail "no checkpoint before the last: $(ls damaged)"
fi
finish
