#!/usr/bin/env bash
# record and export: from runs and tables to records, to the files of continuum codes; what is missing is told in one line.
. "$(dirname "$0")/common.sh"

# From finished runs: the tracer D of their models.
for k in 1 2; do
  make_data $((900 / k)) $k data/$k
  make_input data/$k
  sed -i "s/name = \"cubic\"/name = \"run$k\"/; /^\[meso\]/,/^width_nm/d" data/$k/in.toml
  expect 0 . run data/$k/in.toml --set run.temperature_K=$((400 + 100 * k))
done
expect 0 'run1: tracer diffusivity, current volume, x_max 1' record runs/run1 runs/run2 --x 0.875 --x-max 1 --out runs.h5
grep -Eq '0\.875 +0\.875 +500 ' out.txt && grep -Eq '0\.875 +0\.875 +600 ' out.txt || fail "points of the runs: $(cat out.txt)"
expect 0 'stage    record' info runs.h5
expect 0 'wrote' record runs/run1 runs/run2 --x 0.8,0.875 --x-max 1 --out runs.json
if "$python" -c 'import h5py' 2>/dev/null; then
  "$python" - <<'PY' || fail "the record does not hold what msm.h5 says"
import h5py, json
record, text = h5py.File("runs.h5"), json.load(open("runs.json"))
assert record.attrs["kind"] == "tracer" == text["kind"]
assert len(text["provenance"]["inputs"]) == 2 and len(text["provenance"]["inputs"][0]["sha256"]) == 64
for k, name in enumerate(("run1", "run2")):
    msm = h5py.File(f"runs/{name}/msm.h5")
    D = msm[f"lags/{msm.attrs['chosen_lag']}/diffusivity/D"][:]
    error = msm[f"lags/{msm.attrs['chosen_lag']}/diffusivity/error"][:]
    for c, (a, b) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
        assert record["points/D"][k, c] == (D[a, b] + D[b, a]) / 2 == text["points"][k]["D"][c]
        assert record["points/error"][k, c] == (error[a, b] + error[b, a]) / 2
    assert record["points/haven"][k] == msm["direct/haven_mean"][0]
assert [p["x"] for p in text["points"]] == [0.8, 0.875] and text["points"][0]["temperature"] == 500
PY
fi
# The homogenised D of a domain comes along when it was made from the same model.
if "$python" -c 'import h5py' 2>/dev/null; then
  for what in same other; do
    cp -r runs/run1 "$what" && cp "$what/msm.h5" "$what/meso.h5"
    "$python" - "$what" <<'PY'
import h5py, sys
file = h5py.File(sys.argv[1] + "/meso.h5", "r+")
file.attrs["previous"] = file.attrs["fingerprint"] if sys.argv[1] == "same" else "another"
file["steady/homogenised/D"] = [[0.3, 0, 0], [0, 0.25, 0], [0, 0, 0.2]]
PY
  done
  expect 0 . record same --x 0.8 --x-max 1 --out same.json
  grep -q '"homogenised": 0.25,' same.json || fail "no homogenised value: $(cat same.json)"
  expect 0 'other/meso.h5 is left out: it was made from an older model' record other --x 0.8 --x-max 1 --out other.json
  grep -q '"homogenised": null' other.json || fail "a stale homogenised value"
fi
expect 2 'runs/run1: its composition is not known.*--x' record runs/run1 --x-max 1 --out no.h5
expect 2 'x_max is not known' record runs/run1 --x 0.875 --out no.h5
expect 2 '--x: expected one number, or 2' record runs/run1 runs/run2 --x 1,2,3 --x-max 4 --out no.h5
expect 2 '--temperatures: expected 2 numbers' record runs/run1 runs/run2 --x 1 --x-max 4 --temperatures 500 --out no.h5
expect 2 'run1.* two values|two values .*run1' record runs/run1 runs/run1 --x 1 --x-max 4 --out no.h5
expect 2 'run1: is tracer, --kind says chemical' record runs/run1 --x 1 --x-max 4 --kind chemical --out no.h5
expect 2 'no such file or folder' record runs/none --x 1 --x-max 4 --out no.h5
expect 2 'ends with .json or .h5' record runs/run1 --x 1 --x-max 4 --out no.txt
expect 2 'got another file' record runs/run1/msm.h5 --x 1 --x-max 4 --out no.h5

# From a sweep of lattice gases: the numbers of its points, holes by name, and what cannot be a record.
sed "s|\"kernels/|\"$source_folder/inputs/kernels/|" "$source_folder/inputs/li15si4_vacancies.toml" |
  sed 's/^size = .*/size = [3, 3, 3]/; s/^total_time_ps = .*/total_time_ps = 400/; /^\[sweep\]/,$d' >gas.toml
cat >>gas.toml <<'TOML'
[report]
enabled = false
[sweep]
"run.temperature_K" = [500, 800]
"meso.gas.vacancy_fraction" = [0.02, 0.1]
TOML
expect 0 '4 of 4 points done' run gas.toml --threads 1 --set 'run.output="runs/gas"' --set run.seed=5
expect 0 'gas: chemical diffusivity, current volume, x_max 3.75' record runs/gas --x-full 3.75 --x-max 3.75 --out gas.h5
for kind in tracer jump chemical; do
  expect 0 "$kind diffusivity" record runs/gas/sweep.h5 --x-full 3.75 --x-max 3.75 --kind $kind --out gas_$kind.json
done
if "$python" -c 'import h5py' 2>/dev/null; then
  "$python" - <<'PY' || fail "the record does not hold what the points of the sweep say"
import glob, hashlib, h5py, json
records = {kind: json.load(open(f"gas_{kind}.json")) for kind in ("tracer", "jump", "chemical")}
seen = set()
for path in glob.glob("runs/gas/sweep/*/meso.h5"):
    gas = h5py.File(path)["gas"]
    step = gas["steps/0"]
    n = 0
    while f"transport/{n + 1}" in step: n += 1
    t, theta = step[f"transport/{n}"], step["theta"][:]
    for kind, name in (("tracer", "D_tracer"), ("jump", "D_J"), ("chemical", "D_chem")):
        x = 3.75 * (1 - gas.attrs["vacancy_fraction"])
        (p,) = [p for p in records[kind]["points"] if p["x"] == x and p["temperature"] == step.attrs["temperature"]]
        seen.add((kind, p["x"], p["temperature"]))
        for c, (a, b) in enumerate(((0, 0), (1, 1), (2, 2), (1, 2), (0, 2), (0, 1))):
            assert p["D"][c] == t[name][a, b], (kind, p["D"], t[name][:])
            assert abs(p["error"][c] - t[name + "_error"][a, b]) <= 1e-13 * p["error"][c]
        assert abs(p["mean_error"] / t[name + "_mean"][1] - 1) < 1e-13
        assert [p["haven"], p["haven_error"]] == list(t["haven_mean"][:])
        assert p["hops"] == gas.attrs["hops"] > 0
        assert (p["theta"] == theta[0]) if kind == "chemical" else (p["theta"] is None)
assert len(seen) == 12
record = h5py.File("gas.h5")
assert record.attrs["kind"] == "chemical" and list(record["provenance"].attrs["seeds"]) == [5]
inputs = {i["path"].split("/")[-1]: i["sha256"] for i in records["chemical"]["provenance"]["inputs"]}
assert inputs == {name: hashlib.sha256(open(path, "rb").read()).hexdigest() for name, path in (("sweep.h5", "runs/gas/sweep.h5"), ("gas.toml", "gas.toml"))}
PY
fi
expect 0 'wrote gas.csv' export gas.h5 --to pybamm --volume-ratio 3.3 --out gas.csv
grep -q '^# thermodynamic factor: .*lattice gas at each point' gas.csv || fail "no source of Theta: $(head gas.csv)"
expect 0 'wrote gas_T.csv' export gas.h5 --to pybamm --temperatures 600,700 --out gas_T.csv
grep -q '^# Haven ratio: measured at each point$' gas_T.csv || fail "factors of fits: $(head -n 12 gas_T.csv)"
expect 2 'gas_tracer.json: .*holds the tracer one' export gas_tracer.json --to pybamm --out no.csv
expect 0 'wrote gas_c.csv' export gas_tracer.json --to pybamm --haven measured --theta 20 --out gas_c.csv
expect 2 'runs/gas/sweep.h5: x: expected the composition.*--x-full' record runs/gas --x-max 3.75 --out no.h5
expect 2 'x_max is not known' record runs/gas --x-full 3.75 --out no.h5
expect 2 '--x-full: expected a number > 0, got -1' record runs/gas --x-full -1 --x-max 3.75 --out no.h5
expect 2 '--x-max: expected a number > 0, got 0' record runs/gas --x-full 3.75 --x-max 0 --out no.h5
expect 0 . record runs/gas --x-full 3.75 --x-max 3.351 --out beyond.h5
expect 0 'warning: stoichiometries up to 1.097 \(those of PyBaMM end at 1\).*more than x_max = 3.351' export beyond.h5 --to pybamm --out beyond.csv
expect 2 '--x: expected runs of Markov models' record runs/gas --x 3.7 --x-full 3.75 --x-max 3.75 --out no.h5
expect 2 '--x-full: expected lattice gases' record runs/run1 --x 1 --x-max 4 --x-full 4 --out no.h5
expect 2 'gas_tracer.json: is tracer, .*runs/gas says chemical|runs/gas: is chemical|gas_tracer.json: is tracer' \
  record runs/gas gas_tracer.json --x-full 3.75 --x-max 3.75 --out no.h5
cp -r runs/gas cut && head -c 3000 runs/gas/sweep.h5 >cut/sweep.h5
expect 2 'cut/sweep.h5: not a complete HDF5 file' record cut --x-full 3.75 --x-max 3.75 --out no.h5
expect 2 'cut/sweep.h5: not a complete HDF5 file' record cut/sweep.h5 --x-full 3.75 --x-max 3.75 --out no.h5
# One run alone, here one of the points.
point=$(ls -d runs/gas/sweep/temperature_K=800_*0.1)
expect 0 'chemical diffusivity' record "$point" --x-full 3.75 --x-max 3.75 --out one.json
grep -F "$(grep -o '"D": [^]]*]' one.json)" gas_chemical.json >/dev/null || fail "one run differs from the sweep: $(cat one.json)"
# A point that failed is a hole.
echo '{}' >bad.json
sed '/^\[sweep\]/,$d' gas.toml >holes.toml
cat >>holes.toml <<TOML
[sweep]
"meso.gas.vacancy_fraction" = [0.02, 0.1]
[[sweep.zip]]
"run.temperature_K" = [500, 800]
"meso.material.0.kernel" = ["$source_folder/inputs/kernels/li15si4_vacancy.toml", "bad.json"]
TOML
expect 1 '2 of 4 points failed' run holes.toml --threads 1 --set 'run.output="runs/holes"'
expect 0 'warning: .*2 of 4 points are holes: .*temperature_K=800.*failed: ' record runs/holes --x-full 3.75 --x-max 3.75 --out holes.h5
# A sweep of Markov models has no vacancies; its runs are named one by one.
sed 's/^\[run\]/[sweep]\n"run.temperature_K" = [500, 600]\n[run]/' data/1/in.toml >data/1/sweep.toml
expect 0 '2 of 2 points done' run data/1/sweep.toml --threads 1 --set 'run.output="runs/markov"'
expect 2 'runs/markov/sweep.h5: gas_temperature: expected lattice gases.*Name the folders of its runs' \
  record runs/markov --x-full 4 --x-max 4 --out no.h5
expect 0 'tracer diffusivity' record runs/markov/sweep/* --x 0.875 --x-max 1 --out markov.h5

# From a table; D = 1e-9 (1 + s) exp(-0.3 eV / k T).
awk 'BEGIN {
  print "stoichiometry,T [K],D [m^2/s],relative error"
  for (s = 0.1; s < 0.95; s += 0.2) for (T = 280; T < 350; T += 20)
    printf "%.17g,%d,%.17g,0.05\n", s, T, 1e-9 * (1 + s) * exp(-0.3 / (8.617333262e-5 * T))
}' >d.csv
awk 'BEGIN {
  print "stoichiometry,U [V]"
  for (k = 0; k <= 180; k++) { s = 0.05 + 0.005 * k; printf "%.17g,%.17g\n", s, 0.2 - 8.617333262e-5 * 300 * log(s / (1 - s)) }
}' >u.csv
expect 2 'd.csv: the kind of its D is not known.*--kind' record d.csv --x-max 3.75 --out d.h5
expect 0 'd: tracer diffusivity' record d.csv --x-max 3.75 --c-max 278000 --kind tracer --out d.h5
expect 0 . record d.csv --x-max 3.75 --c-max 278000 --kind tracer --out d.json
for target in pybamm bpx battmo battmo.jl moose comsol; do
  expect 2 'd.h5: .*holds the tracer one \(a Haven ratio and a thermodynamic factor are missing\). Give --haven and --theta' \
    export d.h5 --to $target --out d_li.txt
  expect 2 'd.h5: the record holds the tracer diffusivity.*Give --haven too' export d.h5 --to $target --out d_li.txt --theta 5
  expect 2 'd.h5: .*holds the jump one \(a thermodynamic factor is missing\). Give --theta' \
    export d.h5 --to $target --out d_li.txt --haven 0.7
  [ ! -e d_li.txt ] && [ ! -e d_li.m ] && [ ! -e d_li.jl ] || fail "a refused export left a file"
  expect 0 'wrote d_li' export d.json --to $target --out d_li.txt --haven 0.7,0.05 --theta u.csv --volume-ratio 3.4
  grep -l 'kind: chemical' d_li.* >files.txt && grep -l 'Haven ratio: 0.7' d_li.* | cmp -s - files.txt || fail "$target: no kind or Haven ratio"
  grep -l 'thermodynamic factor: .*u.csv' d_li.* | cmp -s - files.txt || fail "$target: no source of Theta"
  grep -l 'frame: reference' d_li.* | cmp -s - files.txt || fail "$target: no frame"
  rm -f d_li.*
done
expect 0 'warning: D counts in the swollen volume' export d.h5 --to pybamm --out d_li.csv --haven 1 --theta 2
expect 0 'wrote tracer.csv' export d.h5 --to csv --out tracer.csv
grep -q '^# kind: tracer' tracer.csv || fail "csv without its kind"
# What was written is read again, to the same numbers.
expect 0 . record tracer.csv --x-max 3.75 --c-max 278000 --kind tracer --out again.h5
expect 0 . export again.h5 --to csv --out again.csv
cmp -s <(grep '^[0-9]' tracer.csv | cut -d, -f1-3) <(grep '^[0-9]' again.csv | cut -d, -f1-3) || fail "csv, read and written again"
# Other temperatures: said where they are extrapolated.
expect 0 'warning: extrapolated to 250 K \(the data reach from 280 to 340 K\); standard error of log10 D up to 0.0' export d.h5 --to pybamm --out d_li.csv --haven 1 --theta 2 --temperatures 250,300
[ "$(grep -c '^[0-9]' d_li.csv)" -eq 10 ] || fail "temperatures asked for: $(cat d_li.csv)"
awk -F, '/^[0-9]/ { D = 2e-9 * (1 + $1) * exp(-0.3 / (8.617333262e-5 * $2)); d = $3 / D - 1; if (d * d > 1e-16 || $7 != ($2 == 250)) exit 1 }' d_li.csv ||
  fail "extrapolated D: $(cat d_li.csv)"

# Bad input.
grep -v '^0.5[^,]*,300,' d.csv >hole.csv
expect 0 . record hole.csv --x-max 3.75 --kind chemical --out hole.h5
for target in pybamm battmo battmo.jl moose; do
  expect 2 'hole.h5: no value at stoichiometry 0.5, 300 K' export hole.h5 --to $target --out d_li.csv
done
sed 's/\[m^2\/s\]/[A^2\/ps]/' d.csv | awk -F, -v OFS=, 'NR > 1 { $3 *= 1e15 } { print }' >unit.csv
expect 2 'm\^2/s is more than 1e-07 m\^2/s \(a wrong unit\?' record unit.csv --x-max 3.75 --kind tracer --out no.h5
sed 's/ \[m^2\/s\]//' d.csv >unit.csv
expect 2 "unit.csv:1: column 'D' has no unit.*--unit" record unit.csv --x-max 3.75 --kind tracer --out no.h5
expect 0 . record unit.csv --x-max 3.75 --kind tracer --unit m2/s --out unit.h5
sed '5s/.*/0.3,280,,0.05/' d.csv >gap.csv
expect 2 "gap.csv:5: no number in column 'D \[m\^2/s\]'" record gap.csv --x-max 3.75 --kind tracer --out no.h5
sed '1s/T \[K\]/T [C]/' d.csv >celsius.csv
expect 2 "celsius.csv:1: column 'T \[C\]' is not in K" record celsius.csv --x-max 3.75 --kind tracer --out no.h5
cut -d, -f1,3 d.csv >no_T.csv
expect 2 "no_T.csv:1: expected a column 'temperature \[K\]', got stoichiometry, D \[m\^2/s\]" record no_T.csv --x-max 3.75 --kind tracer --out no.h5
sed '2,60d' u.csv >short.csv
expect 2 'short.csv.*covers stoichiometries 0.345 to 0.95, the record has 0.1' export d.h5 --to csv --out no.csv --haven 1 --theta short.csv
awk -F, -v OFS=, 'NR > 1 && $1 > 0.4 && $1 < 0.6 { $2 = 0.2 + ($1 - 0.5) / 100 } { print }' u.csv >loop.csv
expect 0 'warning: .*loop.csv.*two phases.*left out: stoichiometry 0.5' export d.h5 --to pybamm --out d_li.csv --haven 1 --theta loop.csv
grep -q '^# two_phase: 0.4' d_li.csv || fail "the gap is not in the file"
grep -q '^0.5' d_li.csv && fail "a value in a gap was written"
awk -F, -v OFS=, 'NR > 1 { $2 = -$2 } { print }' u.csv >rising.csv
expect 2 'rising.csv.*the voltage falls nowhere' export d.h5 --to csv --out no.csv --haven 1 --theta rising.csv
expect 2 '--theta: expected a number or a CSV file' export d.h5 --to csv --out no.csv --haven 1 --theta none.csv
expect 2 'd.h5: D at 1 K is .*too far from the data, 280 to 340 K' export d.h5 --to bpx --out no.json --haven 1 --theta 2 --reference-temperature 1
expect 2 'haven: expected a number' export d.h5 --to csv --out no.csv --haven some
expect 2 'haven: .*no measured Haven ratio' export d.h5 --to csv --out no.csv --haven measured
expect 2 'haven: a Haven ratio of -1' export d.h5 --to csv --out no.csv --haven=-1
expect 2 '--to: "matlab" is no target' export d.h5 --to matlab --out no.csv
expect 2 '--scalar: scalar "mean"' export d.h5 --to csv --out no.csv --scalar mean
expect 2 'no homogenised value' export d.h5 --to csv --out no.csv --scalar homogenised
expect 2 'is no name of a function' export d.h5 --to battmo --out 2d.m --haven 1 --theta 1
expect 2 'hole.h5: all values are of 300 K' export hole.h5 --to bpx --out no.json --temperatures 300
expect 0 'warning: D at 250 K is extrapolated' export hole.h5 --to bpx --out bpx.json --reference-temperature 250
expect 2 'd.csv: expected JSON' export d.csv --to csv --out no.csv
expect 2 'expected a diffusivity record' export runs/run1/msm.h5 --to csv --out no.csv
[ ! -e no.h5 ] && [ ! -e no.csv ] && [ ! -e no.json ] || fail "a refused command left a file"
: >in_the_way
expect 1 'in_the_way' export d.h5 --to csv --out in_the_way/d.csv
finish
