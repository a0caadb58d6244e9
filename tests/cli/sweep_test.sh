#!/usr/bin/env bash
# A sweep: points as processes, one table, kept and failed points, kills and interrupts that lose nothing, fits over temperature.
. "$(dirname "$0")/common.sh"

grep -v temperature_K "$source_folder/inputs/kernels/fcc_octahedral_tetrahedral.toml" >hops.toml
cp "$source_folder/inputs/kernels/fcc_octahedral_tetrahedral.toml" hops600.toml
cat >in.toml <<'TOML'
[meso]
size = [6, 6, 6]
unit = "cells"
total_time_ps = 2000
n_outputs = 8
[[meso.material]]
name = "host"
kernel = "hops.toml"
[report]
enabled = false
[sweep]
"run.temperature_K" = [500, 600, 800]
"meso.walkers.n" = [200, 400]
TOML

expect 0 '6 points: 3 of run.temperature_K x 2 of meso.walkers.n' check in.toml
expect 0 '6 of 6 points done' run in.toml --threads 2 --set 'run.output="a"'
[ "$(wc -l <a/sweep.csv)" -eq 7 ] || fail "rows: $(cat a/sweep.csv)"
for t in 500 600 800; do [ -s "a/sweep/temperature_K=${t}_n=400/meso.h5" ] || fail "no point at $t K: $(ls a/sweep)"; done

# The exact D of each point is that of the hop list at its temperature; the table, the file and the fit agree.
for t in 500 600 800; do "$program" diffusivity hops600.toml --set rates.temperature_K=$t --json >d$t.json; done
$python - <<'PY' || fail "the table does not hold what the points say"
import csv, json, math, h5py
rows = list(csv.DictReader(open("a/sweep.csv")))
assert [(r["run.temperature_K"], r["meso.walkers.n"]) for r in rows] == [(t, n) for t in ("500", "600", "800") for n in ("200", "400")]
exact = {}
for r in rows:
    t = r["run.temperature_K"]
    exact[t] = json.load(open(f"d{t}.json"))["diffusivity_A2_per_ps"][0][0]
    assert abs(float(r["D_domain_xx [angstrom^2/ps]"]) / exact[t] - 1) < 1e-12
    summary = json.load(open("a/" + r["folder"] + "/summary.json"))
    numbers = {x["key"]: x for x in summary["results"]}
    assert float(r["D_walkers_xx [angstrom^2/ps]"]) == numbers["D_walkers_xx"]["value"]
    assert float(r["D_walkers_xx error [angstrom^2/ps]"]) == numbers["D_walkers_xx"]["error"]
    assert r["status"] == "done" and r["verdict"] == summary["verdict"]
with h5py.File("a/sweep.h5") as file:
    assert file.attrs["stage"] == "sweep"
    fits = {(g.attrs["axis"], g.attrs["where"]): g.attrs["activation_energy_eV"] for g in file["series"].values()}
# least squares of three points of equal weight
k, T = 8.617333262e-5, (500, 600, 800)
x, y = [1 / (k * t) for t in T], [math.log(exact[str(t)]) for t in T]
mx, my = sum(x) / 3, sum(y) / 3
energy = -sum((a - mx) * (b - my) for a, b in zip(x, y)) / sum((a - mx) ** 2 for a in x)
assert abs(fits["D_domain_xx", "meso.walkers.n = 200"] - energy) < 1e-9, (fits, energy)
PY
expect 0 'D_domain_xx at meso.walkers.n = 200 at 298.15 K: .*, extrapolated \(data from 500 to 800 K\)' arrhenius a --at 298.15 --out a.h5
expect 0 '"extrapolated": false' arrhenius a/sweep.h5 --at 550 --json
expect 0 'stage    arrhenius' info a.h5
expect 2 'at: expected kelvin > 0, got -3' arrhenius a --at=-3

# Again: every point is kept, also when it is asked for alone; the same bits for any number of threads and points at a time.
md5sum a/sweep/*/meso.h5 >sums
expect 0 '6 of 6 points done' run in.toml --set 'run.output="a"'
md5sum -c --quiet sums || fail "points that have not changed were made again"
expect 0 'meso: nothing has changed' run in.toml --set 'run.output="a"' --point 3
expect 0 'meso: nothing has changed' meso in.toml --set 'run.output="a"' --point temperature_K=600_n=400
expect 2 'no point "temperature_K=600_n=40", did you mean' run in.toml --point temperature_K=600_n=40
expect 2 'has a \[sweep\], single stages are for one point' meso in.toml
expect 0 '6 points, 1 at a time on 1 threads' run in.toml --threads 1 --set 'run.output="b"'
cat >same.py <<'PY'
import sys, glob, os, h5py
def numbers(path):
    found = {}
    with h5py.File(path) as file:
        file.visititems(lambda name, o: found.__setitem__(name, o[()].tobytes()) if isinstance(o, h5py.Dataset) and o.dtype.kind in "iuf" else None)
    return found
a, b = sys.argv[1:]
points = lambda f: sorted(n for n in os.listdir(f + "/sweep") if not n.startswith("."))
names = points(a)
assert names and names == points(b), names
for name in names:
    x, y = (numbers(f"{f}/sweep/{name}/meso.h5") for f in (a, b))
    assert x and x == y, (name, sorted(k for k in x.keys() | y.keys() if x.get(k) != y.get(k)))
PY
$python same.py a b || fail "a and b differ"

# A point that fails: the others finish, status 1; mended, only it runs.
echo '{}' >bad.json
cat in.toml >bad.toml
printf '[[sweep.zip]]\n"meso.material.0.kernel" = ["hops.toml", "bad.json"]\n' >>bad.toml
sed -i 's/\[500, 600, 800\]/[500]/; s/\[200, 400\]/[200]/' bad.toml
expect 1 '1 of 2 points failed' run bad.toml --set 'run.output="c"'
grep -q 'kernel=bad failed: .*bad.json' err.txt || fail "no word on why: $(cat err.txt)"
grep -q '^temperature_K=500_n=200_kernel=hops,done' c/sweep.csv || fail "the other point: $(cat c/sweep.csv)"
grep -q 'kernel=bad,failed' c/sweep.csv || fail "the point that failed: $(cat c/sweep.csv)"
"$program" export-kernel hops600.toml --out bad.json >/dev/null
expect 0 '2 of 2 points done' run bad.toml --set 'run.output="c"'

# Mistakes: all at once, with their places; two temperatures that contradict each other.
sed 's/600, 800/-1, "x"/' in.toml >wrong.toml
"$program" run wrong.toml >out.txt 2>err.txt
[ $? -eq 2 ] && grep -q 'wrong.toml:12:29: run.temperature_K: expected a number > 0, got -1' err.txt &&
  grep -q 'wrong.toml:12:33: run.temperature_K: expected a number > 0, got the text "x"' err.txt || fail "mistakes: $(cat err.txt)"
[ -e runs ] && fail "a wrong sweep left a folder"
expect 1 'its rates are those of 600 K, the run is at 500 K' run in.toml --set 'run.output="e"' --set 'meso.material.kernel="hops600.toml"' \
  --set 'sweep.run.temperature_K=[500]' --set 'sweep.meso.walkers.n=[200]'

# Ctrl-C, a kill of the program, and a time limit: the next run goes on to the same bits.
long='--set meso.total_time_ps=4e3 --set meso.checkpoint_minutes=5e-4 --set sweep.run.temperature_K=[600,800] --set sweep.meso.walkers.n=[20000,30000]'
expect 0 '4 of 4 points done' run in.toml $long --set 'run.output="whole"'
# wait_for GLOB: until such a file is there
wait_for() { for _ in $(seq 1500); do compgen -G "$1" >/dev/null && return; sleep 0.02; done; fail "never there: $1"; }
"$program" run in.toml $long --set 'run.output="cut"' >out.txt 2>err.txt &
pid=$!
wait_for 'cut/sweep/*/walkers.checkpoint'
kill -INT $pid
wait $pid
[ $? -eq 75 ] || fail "Ctrl-C: $(cat err.txt)"
[ "$(grep -c '^mesolith: stopped (Ctrl-C)' err.txt)" -eq 1 ] || fail "Ctrl-C: $(cat err.txt)"
grep -q ',stopped,\|,waiting,' cut/sweep.csv || fail "nothing was stopped: $(cat cut/sweep.csv)"
rm -f cut/sweep/*/log.txt
"$program" run in.toml $long --restart --set 'run.output="cut"' >out.txt 2>err.txt &
pid=$!
wait_for 'cut/sweep/*/log.txt'
sleep 0.3
kill -9 $pid
wait $pid 2>/dev/null
for _ in $(seq 250); do flock -n cut/sweep/.lock true && break; sleep 0.02; done
flock -n cut/sweep/.lock true || fail "points outlive the sweep"
expect 75 'stopped \(--max-hours\)' run in.toml $long --restart --max-hours 1e-6 --set 'run.output="cut"'
expect 0 '4 of 4 points done' run in.toml $long --restart --set 'run.output="cut"'
$python same.py whole cut || fail "a sweep that was cut differs from one that was not"

# The shipped example in small form.
expect 0 '6 points: 2 of sites.core_radius_angstrom x 3 of run.temperature_K with trajectory.file' check "$source_folder/inputs/sweep_li15si4.toml"
expect 0 'D_mean .*500-800' run "$source_folder/inputs/sweep_li15si4.toml" --set report.enabled=false --set 'run.output="li"' \
  --set trajectory.end_ps=400 --set 'sweep.sites.core_radius_angstrom=[0.9]' --set 'msm.lag_times_ps=[4, 10, 20]' --set msm.bootstrap_samples=20
grep -q '3 of 3 points done' err.txt || fail "the example: $(cat err.txt)"
finish
