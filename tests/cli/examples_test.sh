#!/usr/bin/env bash
# The examples of domains in inputs/ run in small form, and walkers, field and exact answers agree.
. "$(dirname "$0")/common.sh"
small="--set report.enabled=false"

# number JSON KEY: its value.
number() { $python -c 'import json, sys; print(next(r["value"] for r in json.load(open(sys.argv[1]))["results"] if r["key"] == sys.argv[2]))' "$1" "$2"; }
close() { # close A B RELATIVE WHAT
  awk -v a="$1" -v b="$2" -v r="$3" 'BEGIN { d = a - b; if (d < 0) d = -d; m = b < 0 ? -b : b; exit !(d <= r * m) }' || fail "$4: $1 and $2"
}

expect 0 'walkers against exact D' run "$source_folder/inputs/pulse_li15si4.toml" $small --set 'run.output="pulse"' --set 'meso.size=[0.03,0.006,0.006]' \
  --set meso.total_time_ps=1e4 --set meso.walkers.n=20000 --set meso.field.width_nm=2
grep -q '"verdict": "fail"' pulse/summary.json && fail "pulse: $(cat pulse/summary.json)"
close "$(number pulse/summary.json D_walkers_xx)" "$(number pulse/summary.json D_domain_xx)" 0.05 "D of the pulse"
for f in meso.h5 walkers.h5md walkers.lammpstrj fields/field.pvd fields/field_000000.vtkhdf; do [ -s pulse/$f ] || fail "pulse: no $f"; done

lithiation="--set meso.size=[20,10,10] --set meso.region.0.n_grains=10 --set meso.total_time_ps=2e6"
expect 0 'reservoir and reflecting' run "$source_folder/inputs/anode_lithiation.toml" $small --set 'run.output="anode"' $lithiation
expect 0 'reservoir' check "$source_folder/inputs/anode_lithiation.toml" $lithiation
$python - <<'PY' || fail "anode: walkers and field have different fronts"
import h5py, numpy as np
with h5py.File("anode/meso.h5") as file:
    walkers, field = file["walkers/outputs/profile"][-1].astype(float), file["field/profile"][-1]
    assert field.sum() > 50
    # Poisson noise of what came in: chi^2 of 20 layers below its 4 sigma limit
    chi2 = ((walkers - field) ** 2 / np.maximum(field, 1)).sum()
    assert chi2 < 20 + 4 * np.sqrt(40), (chi2, walkers, field)
PY

expect 0 'walkers against exact D' run "$source_folder/inputs/grains_li13si4.toml" $small --set 'run.output="grains"' --set 'meso.size=[16,16,16]' \
  --set meso.region.0.n_grains=30 --set meso.walkers.n=20000 --set meso.total_time_ps=2e6
grep -q '"verdict": "fail"' grains/summary.json && fail "grains: $(cat grains/summary.json)"

# Vacancies on fcc: the charge as exact, tagged ions slowed by the correlation factor.
expect 0 'collective D against exact' run "$source_folder/inputs/vacancies_fcc.toml" $small --set 'run.output="vacancies"' \
  --set 'meso.size=[8,8,8]' --set meso.total_time_ps=1e5 --set meso.gas.n_frames=400
grep -q '"verdict": "fail"' vacancies/summary.json && fail "vacancies: $(cat vacancies/summary.json)"
close "$(number vacancies/summary.json correlation_factor)" 0.785 0.02 "correlation factor of vacancies"
close "$(number vacancies/summary.json D_J)" "$(number vacancies/summary.json D_J_exact)" 0.2 "D_J of vacancies"
[ "$(wc -l <vacancies/gas.csv)" -eq 2 ] || fail "vacancies: $(cat vacancies/gas.csv)"
expect 0 'lattice gas: about' check "$source_folder/inputs/vacancies_fcc.toml"
expect 2 'expected 1 to 4095 ions on 4096 sites' meso "$source_folder/inputs/vacancies_fcc.toml" --set 'run.output="full"' --set meso.gas.vacancy_fraction=0
expect 2 'count it twice' meso "$source_folder/inputs/vacancies_fcc.toml" --set 'run.output="kernel"' \
  --set meso.material.0.kernel=kernels/li15si4_600K.json
finish
