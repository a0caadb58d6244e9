#!/usr/bin/env bash
# A whole run of the program on a small crystal: files, skipping, replicas, options, results.
. "$(dirname "$0")/common.sh"
make_data 600 1 data
make_input data
in=data/in.toml

expect 0 '8 sites in the simulated cell, 1 per repeat unit' check $in
[ ! -e runs ] || fail "check wrote something"

expect 0 'D_xx' run $in
for f in sites.h5 msm.h5 meso.h5 summary.json; do [ -s runs/cubic/$f ] || fail "$f was not written"; done
ls runs/cubic | grep -q part && fail "unfinished files are left: $(ls runs/cubic)"
grep -q 'hops behind it' out.txt || fail "no hops in the table"
grep -q 'm²/s' out.txt || fail "no SI units in the table"
python=$(command -v python3) && { "$python" -c 'import json; s = json.load(open("runs/cubic/summary.json")); assert s["name"] == "cubic" and s["checks"] and s["results"]' || fail "summary.json"; }

# Everything is known: nothing is done again.
md5sum runs/cubic/*.h5 >sums
expect 0 'sites: nothing has changed' run $in
grep -q 'msm: nothing has changed' err.txt && grep -q 'meso: nothing has changed' err.txt || fail "stages were done again: $(cat err.txt)"
md5sum -c --quiet sums || fail "a second run changed the files"
expect 0 'nothing has changed' run $in --threads 1 --set run.threads=2

# A new option of the Markov model leaves the events alone, a touched trajectory is hashed and found equal.
expect 0 'sites: nothing has changed' run $in --set msm.bootstrap_samples=21
grep -q 'msm: wrote' err.txt || fail "the msm stage did not run with a new option"
touch data/md.xyz
expect 0 'sites: nothing has changed' sites $in
echo >>data/crystal.POSCAR
expect 0 'sites: wrote' sites $in
# msm.h5 now belongs to an older sites.h5: its numbers are not shown as results.
grep -q 'msm.h5 is left out' err.txt || fail "a stale msm.h5 was not noticed"
grep -q 'D_xx' out.txt && fail "stale results were shown"

# One and two threads give the same numbers.
expect 0 . run $in --quiet --threads 1 --set 'run.output="one"'
expect 0 . run $in --quiet --threads 2 --set 'run.output="two"'
[ -s err.txt ] && grep -v '^warning' err.txt | grep -q . && fail "--quiet is not quiet: $(cat err.txt)"
cmp one/summary.json two/summary.json || fail "results depend on the number of threads"

# Replicas, the second in a shifted frame of reference; an optional one that is missing.
make_data 300 2 data/b
awk '$1 == "Li" || $1 == "Si" { printf "%s %.4f %.4f %.4f\n", $1, $2 + 0.7, $3 - 0.4, $4 + 0.2; next } { print }' data/b/md.xyz >data/b/shifted.xyz
sed '/^\[\[trajectory\]\]/,/^discard_ps/d' data/in.toml >data/two.toml
cat >>data/two.toml <<'TOML'
[[trajectory]]
file = "md.xyz"
frame_interval_ps = 0.1
[[trajectory]]
file = "b/shifted.xyz"
frame_interval_ps = 0.1
[[trajectory]]
file = "gone.xyz"
optional = true
TOML
expect 0 'warning: trajectory.2 is left out: no such file' run data/two.toml --set 'run.output="replicas"'
expect 0 'events .* of 7 ions in 300 frames' info replicas/sites.h5

# The printed options are an input that prints itself.
expect 0 'lag_times_ps = \[0.5, 1, 2\]' run $in --print-config
cp out.txt data/printed.toml
expect 0 . run data/printed.toml --print-config
cmp out.txt data/printed.toml || fail "--print-config does not reproduce itself"

# Averaged positions as sites: every ion its own, none of them hops here.
awk 'NR <= 17 { first[NR] = $0 } { n = (NR - 1) % 17 + 1; if (n <= 2 || n > 9) print; else print first[n] }' data/md.xyz | head -n 3400 >data/still.xyz
expect 0 '7 sites' sites $in --set 'sites.source="averaged"' --set 'sites.structure=""' --set trajectory.file=still.xyz --set run.output=averaged

# Sites from the density alone; the check makes the same pass.
expect 0 'of [0-9]+ sites are certain' sites $in --set 'sites.source="density"' --set 'sites.structure=""' --set run.output=density
expect 0 'density  .*sites are certain' check $in --set 'sites.source="density"' --set 'sites.structure=""' --set sites.assignment=watershed

expect 0 'frames     600' info data/md.xyz
expect 0 'made by  mesolith' info runs/cubic/sites.h5
expect 0 'domain   20 x 20 x 20 cells' info runs/cubic/meso.h5
expect 0 'structure = ' new
expect 0 'wrote my.toml' new my.toml
expect 2 'my.toml: is already there' new my.toml
expect 2 'no such file' run my.toml
expect 0 '^mesolith [0-9]' --version
expect 0 '^# Input file' --config-reference
"$program" --config-reference | cmp - "$source_folder/docs/config.md" || fail "docs/config.md is not what --config-reference prints"

# --strict turns a failed check into a status of its own: thresholds so low that something must fail.
low="--set msm.ck_warn=1e-9 --set msm.ck_fail=1e-9 --set msm.msd_warn=1e-9 --set msm.msd_fail=1e-9"
expect 0 'fail ' run $in $low --set 'run.output="strict"'
expect 3 'fail ' run $in $low --set 'run.output="strict"' --strict

# Without Python the numbers are there all the same, and the way to the report is told.
MESOLITH_PYTHON=/bin/false expect 0 'warning: no report: it needs Python with numpy, h5py and matplotlib' run $in --set report.enabled=true
grep -q 'D_xx' out.txt || fail "no results without Python"
MESOLITH_PYTHON=$PWD/none "$program" report runs/cubic >out.txt 2>err.txt
[ $? -eq 1 ] || fail "mesolith report without Python is no failure"
# With it (where it has the packages) the report is made once and then kept.
if "$program" report runs/cubic >out.txt 2>err.txt; then
  [ -s runs/cubic/report.html ] || fail "no report.html"
  expect 0 'Report: runs/cubic/report.html' run $in --set report.enabled=true
  expect 0 'report: nothing has changed' run $in --set report.enabled=true
else
  grep -q 'no report: it needs Python' err.txt || fail "report: $(cat err.txt)"
fi
finish
