"""Steps of molecular dynamics through libtorch against mace-torch's ASE calculator: the same model, frame, threads and
precision, one after the other in turns.

    MESOLITH_PROGRAM=build/release/mesolith python bench/step_ase.py MODEL.model MODEL-float64.pt FRAMES.extxyz [N]

Needs mace-torch; a fair comparison needs the program built with the same libtorch (-DMESOLITH_TORCH). Prints the best time
of a velocity Verlet step of either and their ratio, for each precision and 1 and 2 threads."""

import json
import os
import re
import subprocess
import sys
import tempfile

PROGRAM = os.environ.get("MESOLITH_PROGRAM", "build/release/mesolith")
ROUNDS = 2
FIRST, STEPS = 20, 120  # the first ones, in which torch optimises the model, are not counted

INPUT = """[run]
temperature_K = 500
[md]
model = {model}
structure = {frame}
evaluator = "libtorch"
precision = "{precision}"
ensemble = "nve"
equilibration_ps = 0
length_ps = {length}
interval_ps = {length}
n_replicas = 1
[ions]
mobile = ["Li"]
[sites]
source = "averaged"
"""


def ours(script, frame, precision, threads, steps):
    """Seconds of all steps, an atom."""
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "in.toml")
        with open(path, "w") as file:
            file.write(INPUT.format(model=json.dumps(os.path.abspath(script)), frame=json.dumps(frame),
                                    precision=precision, length=steps * 0.5e-3))
        done = subprocess.run([PROGRAM, "--threads", str(threads), "--set", f'run.output="{folder}/out"', "md", path],
                              capture_output=True, text=True)
        text = done.stdout + done.stderr
        rate = re.search(r"([0-9.e+]+) atom-steps/s, [0-9.e+]+ ns/day of all replicas", text)
        if not rate:
            sys.exit(text)
        return steps / float(rate.group(1))


def seconds_of_ours(*case):
    """Of one step and atom."""
    return (ours(*case, FIRST + STEPS) - ours(*case, FIRST)) / STEPS


def seconds_of_ase(model, frame, precision, threads):
    """Of one step and atom. In a process of its own: torch wants its number of threads before it begins."""
    code = f"""
import time
import torch
torch.set_num_threads({threads})
import ase.io, ase.units
from ase.md.velocitydistribution import MaxwellBoltzmannDistribution
from ase.md.verlet import VelocityVerlet
from mace.calculators import MACECalculator
atoms = ase.io.read({frame!r})
atoms.calc = MACECalculator(model_paths=[{model!r}], device="cpu",
                            default_dtype={"float32" if precision == "float" else "float64"!r})
MaxwellBoltzmannDistribution(atoms, temperature_K=500)
dynamics = VelocityVerlet(atoms, 0.5 * ase.units.fs)
dynamics.run({FIRST})
start = time.perf_counter()
dynamics.run({STEPS})
print("seconds", (time.perf_counter() - start) / {STEPS} / len(atoms))
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True,
                          env={**os.environ, "OMP_NUM_THREADS": str(threads)})
    seconds = re.search(r"^seconds ([0-9.e+-]+)$", done.stdout, re.M)
    if not seconds:
        sys.exit(done.stdout + done.stderr)
    return float(seconds.group(1))


def main():
    model, script, frames = sys.argv[1:4]
    import ase.io

    with tempfile.TemporaryDirectory() as folder:
        frame = os.path.join(folder, "frame.extxyz")
        atoms = ase.io.read(frames, int(sys.argv[4]) if len(sys.argv) > 4 else 0)
        ase.io.write(frame, ase.Atoms(atoms.numbers, positions=atoms.positions, cell=atoms.cell, pbc=True))
        n = len(atoms)
        print(f"{n} atoms; ms a step, best of {ROUNDS}")
        for precision in ("float", "double"):
            for threads in (1, 2):
                best = [float("inf")] * 2
                for _ in range(ROUNDS):
                    best[0] = min(best[0], seconds_of_ours(script, frame, precision, threads))
                    best[1] = min(best[1], seconds_of_ase(model, frame, precision, threads))
                print(f"  {precision:6} {threads} threads: mesolith {1e3 * n * best[0]:6.1f}, "
                      f"ASE {1e3 * n * best[1]:6.1f}, ratio {best[1] / best[0]:.2f}", flush=True)


if __name__ == "__main__":
    main()
