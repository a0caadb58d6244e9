#!/usr/bin/env python3
"""A diffusivity of known form from a table to continuum codes: what each file holds, and what PyBaMM and BPX make of it."""

import json
import math
import os
import shutil
import subprocess
import sys
import warnings

import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(here), os.path.join(os.path.dirname(os.path.dirname(here)), "tools")]
import crosscheck as cc  # noqa: E402
import mesolith_diffusivity  # noqa: E402
import program  # noqa: E402

K, R = 8.617333262e-5, 8.31446261815324
HAVEN, VOLUME = 0.65, 3.4
STOICHIOMETRIES, TEMPERATURES = np.linspace(0.02, 0.98, 25), np.linspace(
    280, 340, 25
)  # log D is linear between: 2e-4 at 2.5 K


def law(s, T):
    """The chemical D [m2/s] that all files must hold: Arrhenius in T, straight in s."""
    return 2e-14 * (0.5 + s) * np.exp(-25000 / R * (1 / T - 1 / 300))


def mesolith(folder, *arguments, status=0):
    done = subprocess.run([program.binary(), *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode != status:
        sys.exit(f"FAIL  mesolith {' '.join(arguments)}: status {done.returncode}\n{done.stderr}")
    return done.stderr


def write_inputs(folder):
    """Tables of D* = D~ lambda^2 H / Theta, Theta = 1/(1 - s) of the ideal lattice gas, and voltage curves."""
    with open(os.path.join(folder, "tracer.csv"), "w") as file:
        file.write("stoichiometry,T [K],D [m^2/s],relative error\n")
        for s in STOICHIOMETRIES:
            for T in TEMPERATURES:
                tracer = (
                    law(s, T) * VOLUME ** (2 / 3) * HAVEN * (1 - s) * T / 300
                )  # the curve is that of 300 K
                file.write(f"{s:.17g},{T:.17g},{tracer:.17g},0.05\n")
    with open(os.path.join(folder, "constant.csv.in"), "w") as file:
        file.write("stoichiometry,T [K],D [m^2/s]\n")
        for s in (0.0, 1.0):
            for T in (250, 350):
                file.write(f"{s},{T},3.3e-14\n")
    for name, g in (("ideal.csv", 0.0), ("two_phase.csv", 3.0)):
        with open(os.path.join(folder, name), "w") as file:
            file.write("stoichiometry,U [V]\n")
            for s in np.linspace(0.002, 0.998, 997):
                file.write(f"{s:.17g},{0.2 - K * 300 * (math.log(s / (1 - s)) + g * (1 - 2 * s)):.17g}\n")


def multilinear(path):
    """MOOSE's GriddedData, from its description: value (i, j) is number i + j n_i behind DATA."""
    lines = [line for line in open(path).read().split("\n") if line and not line.startswith("#")]
    axes, data, k = [], [], 0
    while k < len(lines):
        if lines[k].startswith("AXIS"):
            axes.append([float(x) for x in lines[k + 1].split(" ")])
            k += 2
        elif lines[k] == "DATA":
            data = [float(x) for line in lines[k + 1 :] for x in line.split(" ")]
            break
    return axes, np.array(data).reshape([len(axis) for axis in axes], order="F")


def binodal(g):
    """s below 1/2 with ln(s / (1 - s)) = g (2 s - 1)."""
    low, high = 1e-6, 0.3
    for _ in range(200):
        s = (low + high) / 2
        low, high = (s, high) if math.log(s / (1 - s)) < g * (2 * s - 1) else (low, s)
    return low


def check_files(folder, checks):
    mesolith(
        folder,
        "record",
        "tracer.csv",
        "--kind",
        "tracer",
        "--x-max",
        "3.75",
        "--c-max",
        "278000",
        "--out",
        "r.h5",
    )
    factors = ["--haven", str(HAVEN), "--theta", "ideal.csv", "--volume-ratio", str(VOLUME)]
    for target, out in (
        ("pybamm", "law.csv"),
        ("moose", "law.moose"),
        ("comsol", "law.comsol"),
        ("battmo", "d_law.m"),
        ("battmo.jl", "d_law_jl.jl"),
        ("bpx", "patch.json"),
    ):
        mesolith(folder, "export", "r.h5", "--to", target, "--out", out, *factors)
    table = mesolith_diffusivity.load(os.path.join(folder, "law.csv"))
    s, T = np.meshgrid(STOICHIOMETRIES, TEMPERATURES, indexing="ij")
    difference = np.abs(10**table.log10 / law(s, T) - 1).max()
    checks.that(
        "tracer, Haven ratio, voltage curve and stretch give the chemical D of the law to 2e-3",
        difference < 2e-3,
        f"largest relative difference {difference:.1e}, from the slope of 997 voltages",
    )
    exact = 10**table.log10
    axes, grid = multilinear(os.path.join(folder, "law.moose"))
    same = np.array_equal(axes[0], table.stoichiometry) and np.array_equal(axes[1], table.temperature)
    difference = np.abs(grid / exact - 1).max()
    checks.that(
        "the MOOSE file, read as its source says, is the PyBaMM table",
        same and difference < 1e-13,
        f"{difference:.1e}",
    )
    rows = np.loadtxt(os.path.join(folder, "law.comsol"), comments="%")
    difference = np.abs(rows[:, 2].reshape(exact.shape) / exact - 1).max()
    checks.that(
        "so is the COMSOL file, with the tensor in six columns",
        rows.shape[1] == 9
        and difference < 1e-13
        and np.allclose(rows[:, 3:6].mean(axis=1), rows[:, 2], rtol=1e-13),
        f"{difference:.1e}",
    )
    patch = json.load(open(os.path.join(folder, "patch.json"), encoding="utf-8"))
    energy = patch["Parameterisation"]["Negative electrode"]["Diffusivity activation energy [J.mol-1]"]
    checks.that(
        "the BPX patch has the activation energy of the law",
        abs(energy / 25000 - 1) < 1e-6,
        f"{energy:.6f} J/mol",
    )

    said = mesolith(
        folder,
        "export",
        "r.h5",
        "--to",
        "pybamm",
        "--out",
        "gap.csv",
        "--haven",
        "1",
        "--theta",
        "two_phase.csv",
    )
    low, high = mesolith_diffusivity.load(os.path.join(folder, "gap.csv")).two_phase[0]
    s0 = binodal(3.0)
    checks.that(
        "a van der Waals loop is masked between its binodals, and that is said",
        abs(low - s0) < 2e-3 and abs(high - 1 + s0) < 2e-3 and "two phases" in said,
        f"{low:.4f} to {high:.4f}, exact {s0:.4f} to {1 - s0:.4f}",
    )
    said = mesolith(folder, "export", "r.h5", "--to", "pybamm", "--out", "no.csv", status=2)
    checks.that(
        "a tracer D is refused for PyBaMM in one line that says what is missing",
        said.count("\n") == 1 and "Give --haven and --theta" in said,
    )
    mesolith(folder, "record", "constant.csv.in", "--kind", "chemical", "--x-max", "3.75", "--out", "c.h5")
    mesolith(folder, "export", "c.h5", "--to", "pybamm", "--out", "constant.csv")
    return table


def check_octave(folder, checks, table):
    octave = shutil.which("octave-cli") or shutil.which("octave")
    if not octave:
        print("skipped  Octave is not at hand: the BattMo function was not run")
        return
    s, T = np.linspace(-0.1, 1.1, 41), np.linspace(270, 350, 17)
    script = (
        "s = linspace(-0.1, 1.1, 41); T = linspace(270, 350, 17);"
        "for k = 1:17, fprintf('%.17g ', d_law(s, T(k))); end; fprintf('%.17g ', d_law(s))"
    )
    done = subprocess.run(
        [octave, "--no-gui", "--quiet", "--eval", script], cwd=folder, capture_output=True, text=True
    )
    values = np.array(done.stdout.split(), float)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = np.concatenate([table(s, t) for t in T] + [table(s, 298.15)])
    difference = np.abs(values / expected - 1).max() if len(values) == len(expected) else math.inf
    checks.that(
        "the BattMo function in Octave is the loader to 1e-12, inside and outside the table",
        difference < 1e-12,
        f"{difference:.1e}" if len(values) else done.stderr[-300:],
    )


def check_pybamm(folder, checks):
    python = program.python_with("pybamm, bpx", "MESOLITH_PYBAMM_PYTHON", "pybamm")
    if python is None:
        print(
            "skipped  PyBaMM and bpx are not at hand (README.md says how to get them): their part was not checked"
        )
        return
    done = subprocess.run(
        [python, os.path.join(here, "by_pybamm.py"), folder], capture_output=True, text=True
    )
    checks.that("PyBaMM and BPX run", done.returncode == 0, done.stderr[-600:] if done.returncode else "")
    if done.returncode != 0:
        return
    found = json.loads(done.stdout.strip().split("\n")[-1])
    print(f"      PyBaMM {found['pybamm']}, bpx {found['bpx']}")

    def below(sentence, key, limit, unit=""):
        checks.that(sentence, found[key] < limit, f"{found[key]:.1e}{unit}, allowed {limit:g}")

    checks.that("PyBaMM's own reader finds the same axes to the last bit", found["axes equal"])
    below("and the same values", "values differ by", 1e-12)
    below("the loader in PyBaMM's symbols is the loader in numpy", "symbols differ by", 1e-10)
    below(
        "a single-particle discharge with PyBaMM's own constant D from our file is its own",
        "constant: voltage differs by",
        1e-5,
        " V",
    )
    ratios = [found[f"quasi-steady {n}"] for n in (20, 40, 80)]
    checks.that(
        "mean minus surface concentration is q R / 5 D to 1 %",
        abs(ratios[-1] - 1) < 0.01,
        f"ratios {', '.join(f'{r:.4f}' for r in ratios)} with 20, 40, 80 shells",
    )
    for T in ("288.15", "318.15"):
        below(
            f"at {T} K the discharge with D(x, T) from our file is that with the law itself",
            f"law {T} K: voltage differs by",
            1e-4,
            " V",
        )
        key = f"law {T} K: voltage against own constant"
        checks.that(
            f"and D matters: the voltage differs from that with PyBaMM's constant at {T} K",
            found[key] > 1e-3,
            f"up to {1000 * found[key]:.1f} mV",
        )
    checks.that(
        "BPX's validator takes the patch in a whole file",
        found["bpx: section"] == "ElectrodeSingle",
        found["bpx: section"],
    )
    below("D(x, T) of the BPX file in PyBaMM is the law", "bpx: D through PyBaMM differs by", 5e-3)
    checks.that(
        "the validator does refuse wrong files: unknown members, short tables",
        found["bpx: refuses an unknown member"] and found["bpx: refuses a short table"],
    )


def main(folder):
    checks = cc.Checks()
    write_inputs(folder)
    table = check_files(folder, checks)
    check_octave(folder, checks, table)
    check_pybamm(folder, checks)
    return checks.finish()


if __name__ == "__main__":
    program.run_check(main)
