#!/usr/bin/env bash
# hop-rates: from the events of runs to hop lists that the program reads; what is missing is told in one line.
. "$(dirname "$0")/common.sh"
inputs=$source_folder/inputs
for k in 500 800; do
  expect 0 'sites: wrote' sites "$inputs/li15si4_${k}K_mace.toml" --set "run.output=\"run$k\""
done
expect 0 'hop-rates: wrote hops.toml' hop-rates run500 --out hops.toml
grep -Eq "Li1 +occupancy 0.959" out.txt || fail "occupancy: $(cat out.txt)"
grep -Eq '58 ions on 60 sites' out.txt || fail "ions: $(cat out.txt)"
grep -q '^# Valid at 500 K only' hops.toml || fail "range in the comments"
expect 0 'hops: 30 sites, 336 kinds of hops .* at 500 K, detailed balance' diffusivity hops.toml
expect 0 'sites: wrote|.' hop-rates run500 --min-residence-ps 1 --json
if [ -x "$python" ]; then
  "$python" - <<'PY' || fail "the JSON does not hold what it should"
import json
r = json.load(open("out.txt"))
run, kinds = r["runs"][0], r["classes"]
assert r["min_residence_ps"] == 1 and run["removed"] > 200 and run["temperature_K"] == 500
for c, kind in zip(run["classes"], kinds):
    if c["hops"] and c["exposure_ps"]:
        assert abs(c["rate"] - c["hops"] / c["exposure_ps"]) < 1e-12
    back = run["classes"][kind["reverse"]]
    assert c["balanced"] is None or abs(c["balanced"] - back["balanced"]) < 1e-12 or kind["from"] != kind["to"]
assert abs(1 - (48 * run["occupancy"][0]["value"] + 12 * run["occupancy"][1]["value"]) / 60 - 2 / 60) < 1e-6
PY
fi
# Several temperatures: barriers; the same bits again.
expect 0 'Over temperature, 500 to 800 K' hop-rates run800 run500 --out all.toml
grep -q 'barrier_eV' all.toml && grep -q 'Valid from 500 to 800 K' all.toml || fail "barriers: $(head -40 all.toml)"
grep -q 'was empty for 143' err.txt || fail "a vacancy that cannot be filled is not told: $(cat err.txt)"
expect 0 'at 650 K, detailed balance' diffusivity all.toml --set rates.temperature_K=650
expect 0 . hop-rates run500 run800 --out again.toml --threads 1
sed 's/"again"/"all"/' again.toml | cmp all.toml - || fail "other bits with one thread"

expect 0 '30 sites, 288 kinds of hops .* at 700 K, detailed balance' diffusivity "$inputs/kernels/li15si4_vacancy.toml" --set rates.temperature_K=700

# What cannot be done.
expect 2 'run800, |all runs are of 500 K' hop-rates run500 run500
expect 2 'none: no such folder' hop-rates none
mkdir -p empty
expect 2 'empty/sites.h5: no such file.*mesolith sites' hop-rates empty
expect 2 'no two sites are within 1 A' hop-rates run500 --cutoff-angstrom 1
expect 2 'temperatures: expected 1 numbers' hop-rates run500 --temperatures 300,400
expect 2 'temperatures: expected kelvin > 0, got -3' hop-rates run500 --temperatures=-3
"$program" hop-rates run500 --min-residence-ps=-1 >out.txt 2>err.txt
[ $? -eq 2 ] || fail "a negative residence time"
: >in_the_way
expect 1 'in_the_way' hop-rates run500 --out in_the_way/hops.toml
make_data 300 1 data
make_input data
expect 0 . sites data/in.toml --set 'run.output="cubic"'
expect 2 'its temperature is not known' hop-rates cubic
expect 2 'cubic: has other sites than the first run' hop-rates run500 cubic --temperatures 500,600
expect 0 'on a site that another one holds' hop-rates cubic --temperatures 600
finish
