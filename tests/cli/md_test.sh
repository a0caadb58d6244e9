#!/usr/bin/env bash
# Molecular dynamics by the shipped model: the same bits for one and two threads and after kills at any moment; what fails
# is said in one line; forces of the reference frames.
. "$(dirname "$0")/common.sh"

cat >md.toml <<TOML
[run]
name = "md"
temperature_K = 600
[md]
model = "$source_folder/inputs/models/li_si_mace16.h5"
structure = "$source_folder/inputs/structures/Li13Si4.POSCAR"
vacancies = 1
equilibration_ps = 0.05
length_ps = 0.25
interval_ps = 0.005
n_replicas = 2
checkpoint_minutes = 1e-4
[sites]
structure = "$source_folder/inputs/structures/Li13Si4.POSCAR"
[report]
enabled = false
TOML

cat >same.py <<'PY'
import sys, h5py
def positions(folder, k):
    with h5py.File(f"{folder}/md/replica_{k}.h5md") as file:
        return file["particles/all/position/value"][()]
a, b = sys.argv[1:3]
frames = int(sys.argv[3]) if len(sys.argv) > 3 else 50
for k in (0, 1):
    x, y = positions(a, k), positions(b, k)
    if x.shape != y.shape or x.shape[0] != frames or x.tobytes() != y.tobytes():
        sys.exit(f"replica {k} differs: {x.shape} {y.shape}")
if positions(a, 0).tobytes() == positions(a, 1).tobytes():
    sys.exit("both replicas are the same")
PY
same() { $python same.py "$@" || fail "$1 and $2 differ"; } # TWO FOLDERS [frames]

for ensemble in langevin nose_hoover; do
  expect 0 'md: wrote' md md.toml --threads 2 --set "run.output=\"$ensemble\"" --set "md.ensemble=\"$ensemble\""
  expect 0 'md: wrote' md md.toml --threads 1 --set "run.output=\"$ensemble-1\"" --set "md.ensemble=\"$ensemble\""
  same $ensemble $ensemble-1
done
expect 0 'nothing has changed' md md.toml --set 'run.output="langevin"'

# Straight to sites and events: the same as by way of the file.
cat >equal.py <<'PY'
import sys, h5py, numpy as np
a, b = (h5py.File(f"{folder}/sites.h5") for folder in sys.argv[1:])
names = []
a.visititems(lambda name, item: names.append(name) if isinstance(item, h5py.Dataset) else None)
if sum(name.endswith("events/frame") for name in names) != 2:
    sys.exit(f"not two replicas: {names}")
for name in names:
    if a[name][()].tobytes() != b[name][()].tobytes() and not np.array_equal(a[name][()], b[name][()]):
        sys.exit(f"{name} differs")
PY
equal() { $python equal.py "$1" "$2" || fail "$1 and $2 differ"; }
stream='md.write_trajectory=false'
expect 0 'sites: wrote' sites md.toml --set 'run.output="langevin"'
expect 0 'md: wrote' md md.toml --set 'run.output="stream"' --set $stream
ls stream/md | grep -q h5md && fail "a trajectory was written"
expect 0 'sites: wrote' sites md.toml --set 'run.output="stream"' --set $stream
equal langevin stream
expect 2 'md.write_trajectory: expected true with this sites.source' md md.toml --set $stream --set 'sites.source="density"'
expect 2 'holds no replica that was mapped.*mesolith md' sites md.toml --set $stream --set 'run.output="none"'
# Frames that are gone cannot be mapped in another way, and what is there of a run that did not end is not all.
expect 2 'replica_0.events.h5: was mapped with other options.*there is no trajectory.*mesolith md' sites md.toml --set 'run.output="stream"' --set $stream --set sites.core_radius_angstrom=0.7
expect 2 'stream: holds no trajectory of molecular dynamics.*mesolith md' sites md.toml --set 'run.output="stream"'
mkdir half && cp -r stream/md half
expect 2 'half: holds no molecular dynamics that came to its end.*mesolith md' sites md.toml --set 'run.output="half"' --set $stream
expect 2 'md.replicas_per_graph: expected 0 or 1, got 2' md md.toml --set md.replicas_per_graph=2 --set 'run.output="graph"'

# Killed $n_kills times at random moments, whatever it was doing.
RANDOM=3
kills=0 tries=0
begin=$(date +%s.%N)
expect 0 'md: wrote' md md.toml --set 'run.output="timed"'
end=$(date +%s.%N)
while [ $kills -lt $n_kills ] && [ $tries -lt 100 ]; do
  tries=$((tries + 1))
  "$program" md md.toml --restart --set 'run.output="killed"' >out.txt 2>err.txt &
  pid=$!
  "$program" md md.toml --restart --set 'run.output="killed-stream"' --set $stream --set md.n_replicas=2 >/dev/null 2>&1 &
  other=$!
  sleep "$(awk -v t="$begin" -v e="$end" -v r=$RANDOM 'BEGIN { printf "%.3f", (e - t) * (0.1 + 0.5 * r / 32768) }')"
  if kill -9 $pid 2>/dev/null; then kills=$((kills + 1)); fi
  wait $pid 2>/dev/null
  kill -9 $other 2>/dev/null
  wait $other 2>/dev/null
  if [ -e killed/md.h5 ]; then
    same langevin killed
    rm -r killed
  fi
done
[ $kills -eq $n_kills ] || fail "only $kills kills"
expect 0 'md: wrote' md md.toml --restart --set 'run.output="killed"'
same langevin killed
expect 0 '(md: wrote|nothing has changed)' md md.toml --restart --set 'run.output="killed-stream"' --set $stream
expect 0 'sites: wrote' sites md.toml --set 'run.output="killed-stream"' --set $stream
equal langevin killed-stream
ls killed/md killed-stream/md | grep -Eq 'checkpoint|part' && fail "unfinished files are left: $(ls killed/md)"
# Killed when the first of two replicas was done: it does not run again.
for try in 1 2 3 4 5; do
  rm -rf second
  "$program" md md.toml --threads 1 --set 'run.output="second"' >out.txt 2>err.txt &
  pid=$!
  for _ in $(seq 3000); do
    [ -e second/md/replica_1.h5md.checkpoint ] && break
    sleep 0.01
  done
  kill -9 $pid 2>/dev/null
  wait $pid 2>/dev/null
  [ -e second/md.h5 ] || break
done
expect 0 'replica 0 goes on behind step 600 of 600' md md.toml --restart --threads 1 --set 'run.output="second"'
same langevin second
expect 75 'stopped \(--max-hours\).*--restart goes on' md md.toml --max-hours 1e-6 --set 'run.output="limit"'

# What does not go.
expect 2 'does not know the element Co' md md.toml --set "md.structure=\"$source_folder/inputs/structures/LiCoO2.POSCAR\"" --set md.vacancies=0 --set 'run.output="co"'
expect 1 'every replica failed.*step [0-9]+: (the force on atom|the temperature has run away)' md md.toml --set md.timestep_fs=10 --set md.interval_ps=0.05 --set md.temperature_K=20000 --set run.temperature_K=20000 --set 'run.output="hot"'
# Two of three Li lie too near to each other, unless the vacancy is one of them: that replica is left out, the others end.
cat >diamond.POSCAR <<'EOF'
silicon with lithium between
1.0
5.6 0 0
0 5.6 0
0 0 5.6
Si Li
8 3
Direct
0 0 0
0 0.5 0.5
0.5 0 0.5
0.5 0.5 0
0.25 0.25 0.25
0.25 0.75 0.75
0.75 0.25 0.75
0.75 0.75 0.25
0.5 0.5 0.5
0.56 0.5 0.5
0 0 0.5
EOF
cat >left.py <<'PY'
import sys, h5py
folder, alone = sys.argv[1], sys.argv[2]
with h5py.File(f"{folder}/md.h5") as file:
    failures = {k: group.attrs["failure"] for k, group in file["replicas"].items()}
    frames = {k: len(group["time"]) for k, group in file["replicas"].items()}
if [k for k, why in failures.items() if why] != [alone] or frames != {k: 0 if k == alone else 10 for k in "0123"}:
    sys.exit(f"{failures} {frames}")
PY
near='replica [0-9] is left out: step 0: the force on atom [0-9]+ \(Li\) is [0-9.e+]+ eV/A \(its nearest neighbour, atom [0-9]+ \(Li\), is 0.336 A away\)'
isolated() { # FOLDER ARGUMENTS...
  local folder=$1
  shift
  expect 0 "$near" md md.toml --set 'md.structure="diamond.POSCAR"' --set md.n_replicas=4 --set md.equilibration_ps=0 --set md.length_ps=0.05 --set "run.output=\"$folder\"" "$@"
  [ "$(cat out.txt err.txt | grep -c 'is left out')" -eq 1 ] || fail "not one replica left out: $(cat out.txt err.txt)"
  $python left.py "$folder" 2 || fail "$folder: not replica 2 alone is left out"
  [ -e "$folder/md/replica_2.h5md" ] && fail "the trajectory of a replica that failed is there"
}
isolated isolated
head -c 100000 "$source_folder/inputs/models/li_si_mace16.h5" >cut.h5
expect 1 'cut.h5: ' md md.toml --set 'md.model="cut.h5"' --set 'run.output="cut"'
touch x.model
# Either evaluator of one model, where there is libtorch.
frames=$source_folder/inputs/models/li_si_mace16_reference.extxyz
expect 0 'wrote native.extxyz: 5 frames' forces "$source_folder/inputs/models/li_si_mace16.h5" "$frames" --evaluator native --out native.extxyz
if "$program" forces "$source_folder/inputs/models/li_si_mace16.h5" "$frames" --evaluator libtorch --out torch.extxyz >out.txt 2>err.txt; then
  grep -q 'forces differ by .* from those of the other evaluator' out.txt || fail "the evaluators were not compared"
  # Replicas as one graph: one checkpoint for all, the same bits after kills.
  graph="--threads 1 --set md.evaluator=\"libtorch\" --set md.equilibration_ps=0.005 --set md.length_ps=0.02 --set md.replicas_per_graph=2"
  begin=$(date +%s.%N)
  expect 0 'MACE by torch.*2 replicas at once' md md.toml $graph --set 'run.output="graph"'
  end=$(date +%s.%N)
  kills=0 tries=0
  while [ $kills -lt 3 ] && [ $tries -lt 20 ]; do
    tries=$((tries + 1))
    "$program" md md.toml --restart $graph --set 'run.output="killed-graph"' >out.txt 2>err.txt &
    pid=$!
    sleep "$(awk -v t="$begin" -v e="$end" -v r=$RANDOM 'BEGIN { printf "%.3f", (e - t) * (0.4 + 0.5 * r / 32768) }')"
    if kill -9 $pid 2>/dev/null; then kills=$((kills + 1)); fi
    wait $pid 2>/dev/null
    if [ -e killed-graph/md.h5 ]; then
      same graph killed-graph 4
      rm -r killed-graph
    fi
  done
  [ $kills -eq 3 ] || fail "only $kills kills of a graph"
  expect 0 'md: wrote' md md.toml --restart $graph --set 'run.output="killed-graph"'
  same graph killed-graph 4
  isolated isolated-graph --threads 1 --set md.evaluator=\"libtorch\" --set md.replicas_per_graph=4
  expect 0 'MACE by torch.*as asked for' md md.toml --set md.evaluator=\"libtorch\" --set md.length_ps=0.01 --set 'run.output="torch"'
else
  grep -q 'needs libtorch' err.txt || fail "$(cat err.txt)"
fi
expect 2 'is a Python pickle.*export_mace' forces x.model "$source_folder/inputs/structures/Li13Si4.POSCAR" --out x.extxyz
finish
