#!/usr/bin/env bash
# Runs at two temperatures become activation energies: table, JSON, HDF5; what is missing is told in one line.
. "$(dirname "$0")/common.sh"
for k in 1 2; do
  make_data $((900 / k)) $k data/$k
  make_input data/$k
  sed -i "s/name = \"cubic\"/name = \"run$k\"/; /^\[meso\]/,/^width_nm/d" data/$k/in.toml
done
expect 0 . run data/1/in.toml --set run.temperature_K=500
expect 0 . run data/2/in.toml

expect 2 'runs/run2: its temperature is not known.*run.temperature_K' arrhenius runs/run1 runs/run2
expect 0 'msm: wrote' run data/2/in.toml --set run.temperature_K=700
expect 0 'msm: nothing has changed' run data/2/in.toml --set run.temperature_K=700
expect 0 'direct mean .* eV|direct mean ' arrhenius runs/run1 runs/run2 --out all.h5
grep -q 'Arrhenius fits, 500 to 700 K' out.txt || fail "temperatures of the runs: $(cat out.txt)"
grep -q 'Li1 *Li1 *3.00' out.txt || fail "no hops of 3 A: $(cat out.txt)"
grep -q '(extrapolated)' out.txt || fail "an extrapolated value is not marked"
[ -s all.h5 ] || fail "all.h5 was not written"
expect 0 'stage    arrhenius' info all.h5

# The command line wins; runs are sorted by temperature.
expect 0 'Arrhenius fits, 300 to 400 K' arrhenius runs/run1 runs/run2 --temperatures 400,300
expect 0 '"hop_classes"' arrhenius --json --temperatures 400,300 runs/run1 runs/run2
if python=$(command -v python3); then
  "$python" - <<'PY' || fail "the JSON does not hold what the table says"
import json, math
result = json.load(open("out.txt"))
assert [run["temperature_K"] for run in result["runs"]] == [300, 400]
assert result["runs"][0]["folder"] == "runs/run2"
for series in result["series"]:
    points = [(run["temperature_K"], (run["direct"] if series["source"] == "direct" else run)) for run in result["runs"]]
    axis = series["axis"]
    values = [run["mean"] if axis == "mean" else run["D"]["xyz".index(axis)] for _, run in points]
    k = 8.617333262e-5
    energy = math.log(values[1] / values[0]) / (1 / (k * 300) - 1 / (k * 400))  # two points: the line through them
    assert abs(energy - series["activation_energy_eV"]) < 1e-9, (series["source"], axis)
    assert series["p"] is None and series["valid_range_K"] == [300, 400]
    assert series["extrapolated"][result["grid_K"].index(350)] is False
    assert series["extrapolated"][-1] is True
PY
fi

# D of the model alone is left when the events are gone.
cp -r runs gone && rm gone/run2/sites.h5
expect 0 'gone/run2: no sites.h5' arrhenius gone/run1 gone/run2
grep -q 'model  mean' out.txt && ! grep -q 'direct' out.txt || fail "fits without sites.h5: $(cat out.txt)"

# What cannot be fitted.
expect 2 '1 run \(a line needs two temperatures\)' arrhenius runs/run1
expect 2 'all runs are of 500 K' arrhenius runs/run1 runs/run1
expect 2 'runs/none: no such folder' arrhenius runs/run1 runs/none
mkdir -p empty
expect 2 'empty/msm.h5: no such file.*mesolith msm' arrhenius runs/run1 empty
expect 2 'temperatures: expected 2 numbers \(one per run\), got 1' arrhenius runs/run1 runs/run2 --temperatures 300
expect 2 'temperatures: expected kelvin > 0, got -3' arrhenius runs/run1 runs/run2 --temperatures=-3,300
cp -r runs stale
echo >>data/2/crystal.POSCAR
expect 0 'sites: wrote' sites data/2/in.toml --set 'run.output="stale/run2"' --set sites.core_radius_angstrom=0.8 --set 'sites.assignment="core"'
expect 2 'stale/run2/msm.h5: was made from another sites.h5' arrhenius stale/run1 stale/run2
truncate -s 3000 stale/run1/msm.h5
expect 1 'stale/run1/msm.h5: ' arrhenius stale/run1 stale/run2
"$program" arrhenius >out.txt 2>err.txt
[ $? -eq 2 ] || fail "arrhenius without runs"
: >in_the_way
expect 1 'in_the_way' arrhenius runs/run1 runs/run2 --out in_the_way/all.h5
finish
