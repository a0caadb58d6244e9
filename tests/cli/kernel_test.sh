#!/usr/bin/env bash
# diffusivity, spectrum and export-kernel: closed forms, every kind of file, bad input.
. "$(dirname "$0")/common.sh"
kernels=$source_folder/inputs/kernels

# is KEY VALUE: the first number behind "KEY" in the JSON on out.txt agrees with VALUE in 9 digits; other text as it is.
is() {
  local got
  got=$(tr -d '\n' <out.txt | sed -E "s/.*\"$1\": *[[]*([^],}]*).*/\1/")
  awk -v a="$got" -v b="$2" 'BEGIN {
    if (b + 0 == b) { d = a - b; if (d < 0) d = -d; s = b < 0 ? -b : b; exit !(a + 0 == a && d <= 1e-9 * (s > 1e-3 ? s : 1e-3)) }
    exit a != b
  }' || fail "$1 is $got instead of $2"
}

# An alternating chain: D = l^2 2 p1 p2 / (p1 + p2) / tau, l = 2.5 A, eigenvalues 1 and 1 - 2 (p1 + p2).
expect 0 'diffusivity_A2_per_ps' diffusivity "$kernels/alternating_chain.json" --json
is diffusivity_A2_per_ps 0.107142857142857
is uncorrelated 0.21875
is correlation -0.111607142857143
is drift_A_per_ps 0
is stationary 0.5
is lag_ps 5
is weight 1
grep -q '"classes"' out.txt && grep -q '"sites": \[0, 1\]' out.txt || fail "classes: $(cat out.txt)"
expect 0 '"timescales_ps": \[null, 4\.1529' spectrum "$kernels/alternating_chain.json" --json
expect 0 ' 1 +0 +inf' spectrum "$kernels/alternating_chain.json"
expect 0 'D_xx +0\.107143 +1\.07143e-09' diffusivity "$kernels/alternating_chain.json"

# A biased walk: v = (p - q) a / tau, D = (p + q - (p - q)^2) a^2 / (2 tau).
expect 0 'ions drift by 0.45 A/ps' diffusivity "$kernels/biased_walk.json" --json
is diffusivity_A2_per_ps 0.9225
is drift_A_per_ps 0.45
is reversible false
expect 0 'warning: ions drift by 0.45' diffusivity "$kernels/biased_walk.json"
# At a quarter of the zone its eigenvalue is 1/2 - i (p - q).
expect 0 '"kappa": \[0.25, 0, 0\]' spectrum "$kernels/biased_walk.json" --k 0.25,0,0 --json
is eigenvalues 0.5
grep -Eq '"eigenvalues": \[\[0\.5[0-9]*, -0\.3' out.txt || fail "complex eigenvalue: $(cat out.txt)"
expect 0 'kappa = \[-0.25, 0, 0\]' spectrum "$kernels/biased_walk.json" --k -0.25,0,0

# A hop list in continuous time: D = d^2 (16 pi_oct k) / 6; rates relax at -1 / eigenvalue.
expect 0 'continuous_time' diffusivity "$kernels/fcc_octahedral_tetrahedral.toml" --json
D=$(awk 'BEGIN { kT = 8.617333262e-5 * 600; printf "%.15g", 25 * 3 / 16 * 16 / (1 + 2 * exp(-0.25 / kT)) * 10 * exp(-0.4 / kT) / 6 }')
is diffusivity_A2_per_ps "$D"
is lag_ps null
is temperature_K 600
expect 0 'at 900 K' diffusivity "$kernels/fcc_octahedral_tetrahedral.toml" --set rates.temperature_K=900
expect 0 '"eigenvalue_unit": "1/ps"' spectrum "$kernels/fcc_octahedral_tetrahedral.toml" --json
grep -Eq '"eigenvalues": \[\[-?[0-9.]+(e-[0-9]+)?, 0\], \[-2\.198' out.txt || fail "rates: $(cat out.txt)"
grep -q '"timescales_ps": \[null, 0.454' out.txt || fail "timescales: $(cat out.txt)"

# From one form to another and back: the same bits, the same answers.
expect 0 'wrote chain.h5: chain of two bonds' export-kernel "$kernels/alternating_chain.json" --out chain.h5
expect 0 'wrote chain.json' export-kernel chain.h5 --out chain.json
expect 0 . export-kernel chain.json --out again.json
cmp chain.json again.json || fail "JSON does not come back as it was"
expect 0 . diffusivity chain.h5 --json
mv out.txt from_hdf5
expect 0 . diffusivity chain.json --json
cmp from_hdf5 out.txt || fail "JSON and HDF5 give different answers"

# The kernel of a run.
make_data 300 1 data
make_input data
expect 0 . run data/in.toml
for from in runs/cubic runs/cubic/msm.h5; do
  expect 0 'D_xx' diffusivity $from
  expect 0 'wrote run.json' export-kernel $from --out run.json
  expect 0 . diffusivity $from --json
  tr -d '\n' <out.txt | sed 's/"name": "[^"]*"//' >from_run
  expect 0 . diffusivity run.json --json
  tr -d '\n' <out.txt | sed 's/"name": "[^"]*"//' | cmp - from_run || fail "the exported kernel of $from answers otherwise"
done
python=$(command -v python3) && { "$python" - <<'PYTHON' || fail "run.json"; }
import json
kernel = json.load(open("run.json"))
assert kernel["format"] == "mesolith-kernel" and kernel["version"] == 1
column = {}
for j, i, *R, p in kernel["entries"]:
    column[j] = column.get(j, 0) + p
assert all(abs(s - 1) < 1e-12 for s in column.values()) and len(column) == len(kernel["sites_fractional"])
PYTHON

# Bad input: one line that names file and place, status 2.
chain=$kernels/alternating_chain.json
sed 's/\[1, 1, 0, 0, 0, 0.65\]/[1, 1, 0, 0, 0, 0.6]/' "$chain" >bad.json
expect 2 'bad.json: entries: .*column 1 .*got 0.95' diffusivity bad.json
sed 's/0.65/-0.65/' "$chain" >bad.json
expect 2 'bad.json: entries\[0\]: expected a probability >= 0 in column 0, got -0.65' spectrum bad.json
sed 's/0.65/NaN/' "$chain" >bad.json
expect 2 'bad.json:9:21: expected JSON' diffusivity bad.json
sed 's/, -1, 0, 0/, -128, 0, 0/' "$chain" >bad.json
expect 2 'entries\[2\]\[2\]: expected a whole number from -127 to 127, got -128' diffusivity bad.json
sed 's/5.0/0/' "$chain" >bad.json
expect 2 'lag_ps: expected a number > 0, got 0' diffusivity bad.json
sed '/sites_fractional/d' "$chain" >bad.json
expect 2 'sites_fractional: expected a list, got nothing' diffusivity bad.json
head -c 200 "$chain" >bad.json
expect 2 'bad.json:[0-9]+:[0-9]+: expected JSON, got the end of the file' diffusivity bad.json
: >bad.json
expect 2 'bad.json:1:1: expected JSON' diffusivity bad.json
head -c 3000 chain.h5 >cut.h5
expect 2 'cut.h5: ' diffusivity cut.h5
expect 2 'expected a kernel or a Markov model, got neither' diffusivity runs/cubic/sites.h5
expect 2 'none.json: cannot be opened' diffusivity none.json
mkdir empty
expect 2 'empty: expected the folder of a run' diffusivity empty
expect 2 'ends with .json or .h5' export-kernel "$chain" --out chain.txt
[ ! -e chain.txt ] || fail "a file of unknown kind was written"
sed 's/barrier_eV = 0.4/barrier_eV = 0.2/; s/temperature_K/temperatur_K/' "$kernels/fcc_octahedral_tetrahedral.toml" >hops.toml
expect 2 'hops.toml:[0-9]+:1: rates.temperatur_K: unknown key, did you mean "temperature_K"' diffusivity hops.toml
grep -q 'rates.temperature_K: expected a number > 0' err.txt || fail "not all problems were told: $(cat err.txt)"
sed 's/barrier_eV = 0.4/barrier_eV = 0.2/' "$kernels/fcc_octahedral_tetrahedral.toml" >hops.toml
expect 2 'hop.0.barrier_eV: expected at least 0.25' diffusivity hops.toml
"$program" spectrum "$chain" --k 1,2 >out.txt 2>err.txt
[ $? -eq 2 ] || fail "a wave vector of two numbers"
finish
