#!/usr/bin/env python3
"""Hop rates of Li15Si4 to a battery: sweep of the lattice gas, Arrhenius lines, record, files for PyBaMM and BPX, and a discharge.

check.py [FOLDER] [--pictures PICTURES]: with pictures of what was found (needs matplotlib and PyBaMM).
"""

import csv
import json
import math
import os
import subprocess
import sys
import tomllib
import warnings

import h5py
import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
sys.path[:0] = [os.path.dirname(here), os.path.join(os.path.dirname(os.path.dirname(here)), "tools")]
import crosscheck as cc  # noqa: E402
import mesolith_diffusivity  # noqa: E402
import program  # noqa: E402

BOLTZMANN, AVOGADRO = 8.617333262e-5, 6.02214076e23
HOPS = os.path.join(program.INPUTS, "kernels", "li15si4_vacancy.toml")
CRYSTAL = os.path.join(program.INPUTS, "structures", "Li15Si4.POSCAR")
X_FULL = 3.75  # of Li15Si4 without vacancies
# Stoichiometry 1 of PyBaMM's silicon (Chen2020_composite) is taken for Li15Si4, the end of lithiation.
X_MAX, C_MAX = 3.75, 278000.0
ROOM = 298.15
TEMPERATURES = [298.15, 308.15, 318.15, 328.15]
# D* of these rates by a second program (validation/li15si4_vacancies): 1620 sites, 2 vacancies in 60, slope of the MSD from 100 to
# 400 ps, noise 0.3 % [A^2/ps]
SECOND = {600: 0.01616, 800: 0.04672}


def mesolith(folder, *arguments):
    done = subprocess.run([program.binary(), *arguments], cwd=folder, capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"FAIL  mesolith {' '.join(arguments)}: status {done.returncode}\n{done.stderr}")
    return done.stdout, done.stderr


def volume_ratio():
    """Volume of Li15Si4 per silicon over the volume in which C_MAX counts X_MAX lithium per silicon."""
    lines = open(CRYSTAL, encoding="utf-8").read().splitlines()
    cell = np.array([[float(word) for word in line.split()] for line in lines[2:5]])
    silicon = dict(zip(lines[5].split(), map(int, lines[6].split())))["Si"]
    return abs(np.linalg.det(cell)) / silicon * 1e-30 / (X_MAX / (C_MAX * AVOGADRO))


def thermodynamic_factor(vacancy_fraction, kelvin):
    """Theta = sum n / sum n (1 - n) of sites of two energies that only block each other, from rates there and back."""
    with open(HOPS, "rb") as file:
        data = tomllib.load(file)
    second = [name.startswith("Li2") for name in data["crystal"]["site_names"]]

    def rate(hop):
        return hop["prefactor_per_ps"] * math.exp(-hop["barrier_eV"] / (BOLTZMANN * kelvin))

    there = next(h for h in data["hop"] if not second[h["from"]] and second[h["to"]])
    back = next(
        h
        for h in data["hop"]
        if (h["from"], h["to"], h["R"]) == (there["to"], there["from"], [-n for n in there["R"]])
    )
    weight = np.where(second, rate(there) / rate(back), 1.0)
    low, high = -60.0, 60.0  # ln z
    for _ in range(200):
        z = math.exp((low + high) / 2)
        n = z * weight / (1 + z * weight)
        low, high = ((low + high) / 2, high) if n.mean() < 1 - vacancy_fraction else (low, (low + high) / 2)
    return float(n.sum() / (n * (1 - n)).sum())


class Points:
    """sweep.csv by column."""

    def __init__(self, folder):
        self.folder = folder
        with open(os.path.join(folder, "sweep.csv"), encoding="utf-8", newline="") as file:
            self.rows = list(csv.DictReader(file))
        self.T = np.array([float(row["run.temperature_K"]) for row in self.rows])
        self.vacant = self["vacancy_fraction"]
        self.x = X_FULL * (1 - self.vacant)

    def __getitem__(self, key):
        name = next(n for n in self.rows[0] if n == key or n.startswith(key + " ["))
        return np.array([float(row[name] or "nan") for row in self.rows])

    def error(self, key):
        return self[key + " error"]


def make_files(folder):
    """The commands of README.md."""
    runs = os.path.join(folder, "runs")
    mesolith(
        folder,
        "run",
        os.path.join(program.INPUTS, "li15si4_vacancies.toml"),
        "--quiet",
        "--set",
        f"run.output={json.dumps(runs)}",
    )
    lines = json.loads(mesolith(folder, "arrhenius", runs, "--at", str(ROOM), "--json")[0])
    mesolith(folder, "record", runs, "--x-full", str(X_FULL), "--x-max", str(X_MAX), "--name", "Li15Si4", "--out", "d.h5")
    frame = ["--volume-ratio", f"{volume_ratio():.6f}", "--c-max", str(C_MAX)]
    mesolith(folder, "export", "d.h5", "--to", "csv", "--out", "all.csv")
    _, said = mesolith(
        folder,
        "export",
        "d.h5",
        "--to",
        "pybamm",
        "--out",
        "d.csv",
        "--temperatures",
        ",".join(map(str, TEMPERATURES)),
        *frame,
    )
    mesolith(folder, "export", "d.h5", "--to", "bpx", "--out", "patch.json", "--reference-temperature", str(ROOM), *frame)
    return Points(runs), lines, said


def check_sweep(checks, points):
    done = [row["status"] == "done" for row in points.rows]
    checks.that("all points of the sweep are done, six temperatures by five fractions", len(done) == 30 and all(done))
    expected = [thermodynamic_factor(v, T) for v, T in zip(points.vacant, points.T)]
    checks.near(
        "Theta is that of sites of two energies that only block each other, from the rates of the hop list",
        points["theta"],
        expected,
        relative=1e-6,
    )
    for kelvin, known in SECOND.items():
        k = int(np.argmin(abs(points.T - kelvin) + abs(points.vacant - 0.033) * 1e4))
        with h5py.File(os.path.join(points.folder, points.rows[k]["folder"], "meso.h5")) as file:
            step = file["gas/steps/0"]
            lag, msd = step["lag"][:], np.trace(step["transport/0/msd"][:], axis1=1, axis2=2)
        inside = (lag >= 100) & (lag <= 400)
        D = np.polyfit(lag[inside], msd[inside] / 6, 1)[0] * (2 / 60) / points.vacant[k]
        checks.that(
            f"{kelvin} K, 3.3 % vacancies: D* between 100 and 400 ps is that of a second program to 1.2 %",
            abs(D / known - 1) < 0.012,
            f"{D:.5f} against {known:.5f} A^2/ps; at long lags {points['D_tracer'][k]:.5f}",
        )


def check_record(checks, folder, points, lines, said):
    with open(os.path.join(folder, "all.csv"), encoding="utf-8") as file:
        names = file.readline().strip().split(",")
    rows = np.genfromtxt(os.path.join(folder, "all.csv"), delimiter=",", skip_header=1)
    order = np.lexsort((points.T, points.x))
    column = {name: rows[:, k] for k, name in enumerate(names)}
    same = rows.shape[0] == 30 and np.allclose(column["x"], points.x[order], rtol=1e-14)
    D = points["D_J"] * points["theta"] * 1e-8
    worst = float(np.abs(column["diffusivity [m2.s-1]"] / D[order] - 1).max())
    checks.that("the record holds D_J Theta of every point", same and worst < 1e-13, f"largest difference {worst:.1e}")
    error = np.hypot(points.error("D_J") / points["D_J"], points.error("theta") / points["theta"]) / math.log(10)
    difference = np.abs(column["standard error of log10 D"] / error[order] - 1).max()
    checks.that("with the error of both", difference < 1e-9, f"up to {error.max():.3f} of log10 D")
    checks.that("and the hops behind it", np.array_equal(column["hops"], points["hops"][order]), f"{points['hops'].min():.2g} or more")

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = mesolith_diffusivity.load(os.path.join(folder, "d.csv"))
    checks.that("that 298 K is extrapolated is said", "extrapolated" in said and "298.15" in said)
    # Two ways to 298 K: the line through D_chem of `arrhenius`, and the tensors of the record.
    stretch = volume_ratio() ** (2 / 3)
    away, error = [], []
    for fit in lines["fits"]:
        if fit["quantity"] != "D_chem":
            continue
        fraction = float(fit["where"].split("=")[1])
        x = points.x[np.argmin(abs(points.vacant - fraction))]
        at = next(v for v in fit["at"] if v["temperature_K"] == ROOM)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            away.append(float(table(x / X_MAX, ROOM)) / (at["value"] * 1e-8 / stretch) - 1)
        error.append(at["log_error"])
    checks.that(
        "D at 298 K in PyBaMM's table is the Arrhenius line of D_chem, over lambda^2, within its error",
        len(away) == 5 and all(abs(a) < e for a, e in zip(away, error)),
        ", ".join(f"{100 * a:+.1f} ({100 * e:.1f}) %" for a, e in zip(away, error)),
    )
    patch = json.load(open(os.path.join(folder, "patch.json"), encoding="utf-8"))
    section = patch["Parameterisation"]["Negative electrode"]
    energy = section["Diffusivity activation energy [J.mol-1]"] / 96485.33212
    worst = float(np.abs(np.array(section["Diffusivity [m2.s-1]"]["y"]) / 10 ** table.log10[:, 0] - 1).max())
    checks.that(
        "BPX, with one activation energy for all x, has the same D at 298 K within 15 %",
        worst < 0.15,
        f"{100 * worst:.1f} %, {energy:.3f} eV",
    )
    return table


def check_pybamm(checks, folder, pictures):
    python = program.python_with("pybamm, bpx", "MESOLITH_PYBAMM_PYTHON", "pybamm")
    if python is None:
        print("skipped  PyBaMM and bpx are not at hand (../continuum/README.md says how to get them): there was no discharge")
        return
    done = subprocess.run(
        [python, os.path.join(here, "by_pybamm.py"), os.path.join(folder, "d.csv"), folder], capture_output=True, text=True
    )
    checks.that("PyBaMM and BPX run", done.returncode == 0, done.stderr[-600:] if done.returncode else "")
    if done.returncode != 0:
        return
    found = json.loads(done.stdout.strip().split("\n")[-1])
    print(f"      PyBaMM {found['pybamm']}, its constant {found['own D']:.3g} m2/s, particles of {found['radius']['small']:.3g} and {found['radius']['large']:.3g} m")
    checks.that(
        "BPX's validator takes the patch in a whole file, and PyBaMM evaluates its D there",
        found["bpx: D"] < 1e-6,
        f"bpx {found['bpx']}, largest difference {found['bpx: D']:.1e}",
    )
    checks.that("PyBaMM's c_max is the one of the frame", found["c_max"] == C_MAX, f"{found['c_max']:g} mol/m3")
    low, high = found["data"]
    checks.that(
        "its charged silicon lies where the data begin",
        abs(found["start"] - high) < 1e-4,
        f"stoichiometry {found['start']:.6f}, data {low:.4f} to {high:.4f}",
    )
    checks.that(
        "inside of the particle PyBaMM evaluates D(x, T) of the file",
        found["D in the particle"] < 1e-6,
        f"largest difference {found['D in the particle']:.1e}",
    )
    worst = max(value for key, value in found.items() if key.startswith("lithium, "))
    checks.that("the lithium that left the particle is the charge that flowed", worst < 1e-6, f"{worst:.1e}")
    checks.that(
        "with PyBaMM's constant the profile is the exact one of a sphere with constant flux",
        found["own profile against exact"] < 2e-3,
        f"{found['own profile against exact']:.1e} of q R / D",
    )
    for size in ("small", "large"):
        checks.that(
            f"{size} particle: mean minus surface is q R / 5 D of the file to 1 %",
            abs(found[f"{size}: quasi-steady"] - 1) < 0.01,
            f"{found[f'{size}: quasi-steady']:.4f}",
        )
    for factor in (1000, 2000):
        checks.that(
            f"D of the file over {factor}: the profile obeys Fick's law with D(x) at each place",
            found[f"slower {factor}: inside the data"] and abs(found[f"slower {factor}: Fick"] - 1) < 1e-3,
            f"integral of D dc over what flows {found[f'slower {factor}: Fick']:.6f}, surface and middle at "
            + " and ".join(f"{s:.4f}" for s in found[f"slower {factor}: surface and middle"]),
        )
    checks.that("half of D doubles mean minus surface within 5 %", abs(found["half of D"] / 2 - 1) < 0.05, f"{found['half of D']:.3f}")
    for size in ("small", "large"):
        a, b = found[f"{size}: capacity"]
        print(
            f"      {size} particle: inside the data (first {found[f'{size}: charge inside the data']:.3f} A h) voltages differ by up to "
            f"{1000 * found[f'{size}: voltage differs inside the data by']:.1f} mV, mean - surface "
            + " and ".join(f"{value:.2g}" for value in found[f"{size}: mean - surface"])
            + f" of c_max; whole discharge {1000 * found[f'{size}: voltage differs by']:.1f} mV, {a:.3f} and {b:.3f} A h to 2.5 V"
        )
    more = found["large: capacity"][1] - found["large: capacity"][0]
    checks.that("a faster D gives more of the charge", more > 0.01, f"{more:.3f} A h, large particle")
    if pictures:
        done = subprocess.run([python, os.path.join(here, "figures.py"), folder, pictures], text=True)
        checks.that("pictures are drawn", done.returncode == 0)


def main(folder, pictures=None):
    checks = cc.Checks()
    points, lines, said = make_files(folder)
    check_sweep(checks, points)
    check_record(checks, folder, points, lines, said)
    check_pybamm(checks, folder, pictures)
    return checks.finish()


if __name__ == "__main__":
    arguments, pictures = sys.argv[1:], None
    if "--pictures" in arguments:
        at = arguments.index("--pictures")
        pictures = os.path.abspath(arguments[at + 1])
        del arguments[at : at + 2]
    where = os.path.abspath(arguments[0]) if arguments else None
    if where:
        os.makedirs(where, exist_ok=True)
    sys.exit(program.in_folder(where, lambda folder: main(folder, pictures)))
