"""Tracer correlation factors of few vacancies on six lattices, against the exact ones."""

import math
import os
import sys

import h5py

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
import program

# Rows of the lattice [A], sites [fractional], cells of the domain, exact factor of a single vacancy.
LATTICES = {
    "sc": ([[2, 0, 0], [0, 2, 0], [0, 0, 2]], [[0, 0, 0]], [40, 40, 40], 0.65310884),
    "bcc": ([[-1, 1, 1], [1, -1, 1], [1, 1, -1]], [[0, 0, 0]], [40, 40, 40], 0.72719414),
    "fcc": ([[0, 2, 2], [2, 0, 2], [2, 2, 0]], [[0, 0, 0]], [40, 40, 40], 0.78145142),
    "diamond": ([[0, 2, 2], [2, 0, 2], [2, 2, 0]], [[0, 0, 0], [0.25, 0.25, 0.25]], [32, 32, 32], 0.5),
    "honeycomb": (
        [[2, 0, 0], [1, math.sqrt(3), 0], [0, 0, 20]],
        [[0, 0, 0], [1 / 3, 1 / 3, 0]],
        [180, 180, 1],
        1 / 3,
    ),
    "square": ([[2, 0, 0], [0, 2, 0], [0, 0, 20]], [[0, 0, 0]], [256, 256, 1], 1 / (math.pi - 1)),
}
VACANCY_FRACTION = 5e-4
HOPS_OF_A_VACANCY_PER_PS = 1.0


def nearest(lattice, sites):
    """(from, to, R) of all hops to nearest neighbours."""
    found = []
    for j, at in enumerate(sites):
        for i, to in enumerate(sites):
            for R in [(x, y, z) for x in (-1, 0, 1) for y in (-1, 0, 1) for z in (-1, 0, 1)]:
                step = [to[a] + R[a] - at[a] for a in range(3)]
                vector = [sum(step[a] * lattice[a][k] for a in range(3)) for k in range(3)]
                length = math.sqrt(sum(x * x for x in vector))
                if length > 1e-6:
                    found.append((length, j, i, R))
    shortest = min(found)[0]
    return [(j, i, R) for length, j, i, R in found if length < 1.01 * shortest]


def write_hop_list(path, name, lattice, sites):
    hops = nearest(lattice, sites)
    n = len(hops) / len(sites)
    with open(path, "w", encoding="utf-8") as out:
        out.write(
            f'[crystal]\nname = "{name}"\nlattice_angstrom = {lattice}\nsites_fractional = {sites}\n'
            f"site_names = {['Li'] * len(sites)}\nsite_energies_eV = {[0] * len(sites)}\n"
            "[rates]\ntemperature_K = 600\n"
        )
        for j, i, R in hops:
            out.write(f"[[hop]]\nfrom = {j}\nto = {i}\nR = {list(R)}\nrate_per_ps = {HOPS_OF_A_VACANCY_PER_PS / n}\n")


def factor(name, folder, precision):
    lattice, sites, cells, _ = LATTICES[name]
    write_hop_list(os.path.join(folder, f"{name}.toml"), name, lattice, sites)
    run = os.path.join(folder, f"run_{name}.toml")
    with open(run, "w", encoding="utf-8") as out:
        out.write(
            f'[meso]\noccupancy = "exclusion"\nsize = {cells}\nunit = "cells"\ntotal_time_ps = 2e5\n'
            f'[[meso.material]]\nname = "{name}"\nkernel = "{name}.toml"\n'
            f"[meso.gas]\nvacancy_fraction = {VACANCY_FRACTION}\nn_replicas = 2\nn_frames = 400\nn_tracers = 0\n"
            f"relative_precision = {precision}\n[report]\nenabled = false\n"
        )
    return program.run("run", run, os.path.join(folder, name))


def check(folder):
    failed = 0
    print(f"{'lattice':10s} {'f':>9s} {'error':>8s} {'exact':>9s} {'off':>8s}  z")
    for name, (_, _, _, exact) in LATTICES.items():
        with h5py.File(os.path.join(factor(name, folder, precision=0.003), "meso.h5"), "r") as file:
            f, error = file["gas/steps/0/transport/0/f_mean"][()]
        off, z = f / exact - 1, (f - exact) / error
        print(f"{name:10s} {f:9.5f} {error:8.5f} {exact:9.5f} {100 * off:+7.2f}% {z:+.1f}")
        ok = abs(z) < 4 and abs(off) < 0.01 and error < 0.005 * exact
        failed += not ok
        print(f"{'pass' if ok else 'FAIL'}  {name}: correlation factor of few vacancies within 1 % and four standard errors")
    return failed


if __name__ == "__main__":
    program.run_check(check)
