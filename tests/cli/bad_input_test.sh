#!/usr/bin/env bash
# Whatever is wrong with the input: one line that names file, frame or line and what to do, the right status, and the
# files of earlier stages stay as they were.
. "$(dirname "$0")/common.sh"
make_data 300 1 data
make_input data
in=data/in.toml
expect 0 . run $in
md5sum runs/cubic/*.h5 >sums

# Damaged trajectories.
head -c 100000 data/md.xyz >data/cut.xyz
expect 1 'cut.xyz:[0-9]+: .*frame' sites $in --set trajectory.file=cut.xyz
gzip -c data/md.xyz | head -c 20000 >data/cut.xyz.gz
expect 1 'cut.xyz.gz' sites $in --set trajectory.file=cut.xyz.gz
awk 'NR == 345 { $2 = "nan" } { print }' data/md.xyz >data/nan.xyz
expect 1 'nan.xyz:345: .*frame 20' sites $in --set trajectory.file=nan.xyz
: >data/none.xyz
expect 1 'none.xyz' sites $in --set trajectory.file=none.xyz
expect 2 '[Ff]rame' sites $in --set trajectory.discard_ps=1000
head -n 170 data/md.xyz >data/ten.xyz
expect 2 'longer than the trajectory' run $in --set trajectory.file=ten.xyz --set trajectory.discard_ps=0 --set run.output=short
[ -s short/sites.h5 ] || fail "sites.h5 of a run whose next stage failed is gone"

# Input that does not fit together.
expect 2 'Na.*(Li|Si)' sites $in --set 'ions.mobile=["Na"]'
expect 2 'species|Na' sites $in --set 'sites.species=["Na"]'
sed '/frame_interval_ps/d' $in >data/no_time.toml
expect 2 'time between two frames is unknown.*frame_interval_ps' sites data/no_time.toml
awk '/Lattice/ { print "plain"; next } { print }' data/md.xyz >data/plain.xyz
expect 2 'cell_file' sites $in --set trajectory.file=plain.xyz
printf '5 0 0\n0 6 0\n0 0 6\n' >data/cell
expect 2 'does not fit the cell' sites $in --set trajectory.file=plain.xyz --set trajectory.cell_file=cell
expect 2 'msm.stationary: expected 1 numbers' msm $in --set 'msm.stationary=[1,2]'
expect 2 'msm.lag_times_ps: 0.55 ps is not a whole number' msm $in --set 'msm.lag_times_ps=[0.55]'
expect 2 '\[sites\] does not fit the crystal: The core radius' sites $in --set sites.assignment=core --set sites.core_radius_angstrom=2
expect 2 'finds no sites: .*Lower the threshold' sites $in --set 'sites.structure=""' --set sites.source=density --set sites.density_threshold=1e9
expect 2 'sites.assignment: expected .* beside source = "structure", got "watershed"' sites $in --set sites.assignment=watershed
expect 1 'site 7' meso $in --set meso.walkers.start=site --set meso.walkers.start_site=7
expect 2 'GB of memory' meso $in --set 'meso.size=[40000,40000,40000]'

# Misspelt keys, wrong values: all of them at once.
sed 's/lag_times_ps/lagtimes_ps/; s/"cells"/"miles"/; s/discard_ps = 1/discard_ps = -1/' $in >data/misspelt.toml
expect 2 'misspelt.toml:[0-9]+:1: msm.lagtimes_ps: unknown key, did you mean "lag_times_ps"' run data/misspelt.toml
[ "$(grep -c '^data/misspelt.toml:' err.txt)" -eq 3 ] || fail "not all problems were told: $(cat err.txt)"
expect 2 '3 problems in the input' run data/misspelt.toml
expect 2 'nothing.toml: cannot be opened' run nothing.toml
expect 2 'got a folder' run data
expect 2 "md.xyz:[0-9]+:[0-9]+: expected TOML" run data/md.xyz

# Results that are missing, cut, foreign.
expect 2 'sites.h5: no such file.*mesolith sites' msm $in --set 'run.output="empty"'
expect 2 'no such folder' report $in --set 'run.output="empty"'
cp -r runs/cubic broken
truncate -s $(($(stat -c %s broken/sites.h5) / 2)) broken/sites.h5
expect 1 'broken/sites.h5: ' msm $in --set 'run.output="broken"'
expect 1 'broken/sites.h5: ' info broken/sites.h5
cp -r runs/cubic broken2
truncate -s $(($(stat -c %s broken2/msm.h5) / 2)) broken2/msm.h5
expect 1 'broken2/msm.h5: ' meso $in --set 'run.output="broken2"'
expect 0 'broken2/msm.h5 is made again' run $in --set 'run.output="broken2"'
expect 2 'nothing.h5: cannot be opened' info nothing.h5

# Output that cannot be written: a file in the way, a file that may not grow (as on a full disk).
: >in_the_way
expect 2 'in_the_way' sites $in --set 'run.output="in_the_way/run"'
cp -r runs/cubic full
for command in "sites $in --set sites.core_radius_angstrom=0.8" "msm $in --set run.seed=2" "meso $in --set run.seed=3"; do
  (
    trap '' XFSZ
    ulimit -f 4
    exec "$program" $command --set 'run.output="full"' >out.txt 2>err.txt
  )
  [ $? -eq 1 ] || fail "$command on a full disk: $(cat err.txt)"
  [ "$(grep -c '^mesolith: full/' err.txt)" -eq 1 ] || fail "$command on a full disk: $(cat err.txt)"
  ls full | grep -q part && fail "$command on a full disk left $(ls full)"
done
for f in sites msm meso; do cmp -s full/$f.h5 runs/cubic/$f.h5 || fail "a full disk damaged the old $f.h5"; done
"$program" check $in >/dev/full 2>err.txt
[ $? -eq 1 ] && grep -q '^mesolith: standard output: ' err.txt || fail "check into a full device: $(cat err.txt)"

# Wrong command lines.
"$program" frobnicate >out.txt 2>err.txt
[ $? -eq 2 ] || fail "an unknown command"
"$program" >out.txt 2>err.txt
[ $? -eq 2 ] || fail "no command"
"$program" run >out.txt 2>err.txt
[ $? -eq 2 ] || fail "run without a file"
"$program" run $in --threads -3 >out.txt 2>err.txt
[ $? -eq 2 ] || fail "a negative number of threads"

md5sum -c --quiet sums || fail "files of earlier stages were damaged"
finish
