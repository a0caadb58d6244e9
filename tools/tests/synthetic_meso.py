"""The mesoscale part of a made-up result folder, as the program writes it, in five kinds:

crystal   closed and periodic: walkers with displacements, a field with its exact answer, snapshots, a sample
slab      layers of two materials between two reservoirs: steady flux, snapshots, a sample
film      one crystal between absorbing faces: first passages
grains    two materials in a periodic box: effective D with bounds, float beside double
gas       ions that block each other, two species at two temperatures

Means follow one-dimensional diffusion, numbers of walkers scatter about them as they should."""

import json
import math
import os

import h5py
import numpy as np

TEXT = h5py.string_dtype("utf-8")
CELL = np.diag([4.0, 8.0, 7.5])
N_SITES = 6
D = np.array([0.0123, 0.0456, 0.00071])  # [A^2/ps], x y z of the crystal
LAG = 5.0  # [ps]
SLAB_D = 0.05, 0.004  # of its materials
SLAB_WEIGHT = 1.0, 2.5
RESERVOIRS = 0.8, 0.2  # ions per cell of weight 1
FLAT = ("periodic",) * 6


def put(group, path, data, units=""):
    if isinstance(data, list) and data and isinstance(data[0], str):
        dataset = group.create_dataset(path, data=data, dtype=TEXT)
    else:
        dataset = group.create_dataset(path, data=data)
    dataset.attrs["units"] = units
    return dataset


def write_domain(
    file,
    cells,
    faces=FLAT,
    held=(0,) * 6,
    materials=(("crystal", np.diag(D), 1.0),),
    region=None,
    regions=(("crystal", 0),),
    resistance=0.0,
):
    """`region`: [z][y][x] labels, None for one region."""
    cells = np.asarray(cells)
    group = file.create_group("domain")
    group.attrs.update(
        {
            "cells": cells.astype(np.int32),
            "size": cells * np.diag(CELL),
            "n_sites": np.int64(cells.prod() * N_SITES),
            "lag_time": LAG,
            "interface_resistance": resistance,
            "balance_error": 2.2e-16,
            "conservation_error": 3.3e-16,
            "n_classes": np.int64(1 if region is None else 7),
            "space_group": "",
        }
    )
    put(group, "cell", CELL, "angstrom")
    put(group, "positions", np.zeros((N_SITES, 3)), "angstrom")
    put(group, "orbit", np.zeros(N_SITES, dtype=np.int32))
    put(group, "name", [f"Li1.{k + 1}" for k in range(N_SITES)])
    put(group, "material", [name for name, _, _ in materials])
    put(group, "source", [f"Markov model <{name}>, lag 5 ps" for name, _, _ in materials])
    put(group, "weight", np.array([weight for *_, weight in materials]))
    put(group, "D", np.array([tensor for _, tensor, _ in materials]), "angstrom^2/ps")
    put(group, "region", [name for name, _ in regions])
    put(group, "region_material", np.array([material for _, material in regions], dtype=np.int32))
    count = [cells.prod()] if region is None else np.bincount(region.ravel(), minlength=len(regions))
    put(group, "region_cells", np.asarray(count, dtype=np.int64))
    put(group, "faces", list(faces))
    put(group, "concentration", np.array(held, dtype=float))
    if region is None:
        return
    middle = cells // 2
    put(group, "slice_a", region[:, :, middle[0]].astype(np.uint16))
    put(group, "slice_b", region[:, middle[1], :].astype(np.uint16))
    put(group, "slice_c", region[middle[2]].astype(np.uint16))


def write_walkers(file, time, profile, region, n_walkers, n_at_end, entered=None, left=None, through=None):
    group = file.create_group("walkers")
    group.attrs.update(
        {
            "n_walkers": np.int64(n_walkers),
            "n_at_end": np.int64(n_at_end),
            "lag_time": LAG,
            "time": "discrete",
            "n_origins": np.int64(1),
            "stopped_early": np.int64(0),
            "seconds": 1.25,
            "steps_per_second": 2.34e8,
        }
    )
    n_layers = profile.shape[1]
    planes = np.array(sorted({0, n_layers // 4, n_layers // 2, 3 * n_layers // 4}), dtype=np.int32)
    group = group.create_group("outputs")
    group.attrs["profile_axis"] = np.int64(0)
    put(group, "time", time, "ps")
    put(group, "profile", profile.astype(np.int64))
    put(group, "region", region.astype(np.int64))
    for name, values in (("entered", entered), ("left", left)):
        values = np.zeros((len(time), 6)) if values is None else values
        put(group, name, values.astype(np.uint64))
    through = np.zeros((len(time), len(planes))) if through is None else through
    put(group, "through", through.astype(np.int64))
    put(group, "planes", planes, "cells")


def write_displacements(file, random, time, tensors, n_walkers, exact_d, exact=True):
    """`tensors`: exact MSD at each time."""
    group = file["walkers"]
    error = np.abs(tensors) * math.sqrt(2 / n_walkers) + 1e-12
    put(group, "time", time, "ps")
    put(group, "msd", tensors + error * random.standard_normal(tensors.shape), "angstrom^2")
    put(group, "msd_error", error, "angstrom^2")
    put(group, "mean", np.zeros((len(time), 3)))
    put(group, "mean_error", np.ones((len(time), 3)))
    if exact:
        put(group, "exact_msd", tensors, "angstrom^2")
    spread = 0.005 * exact_d + 0.005 * np.mean(np.diag(exact_d)) * (1 - np.eye(3))
    z = np.array([0.2, 0.2, -1.4])
    put(group, "diffusivity/D", exact_d + np.diag(z * np.diag(spread)), "angstrom^2/ps")
    put(group, "diffusivity/error", spread, "angstrom^2/ps")
    put(group, "diffusivity/drift", np.array([[1e-5, -2e-5, 3e-5], [2e-5, 2e-5, 2e-5]]))
    put(group, "diffusivity/exact", exact_d, "angstrom^2/ps")
    put(group, "diffusivity/z", z)
    group["diffusivity"].attrs.update(
        {"trace_error": 1e-4, "from_ps": time[-1] / 2, "to_ps": time[-1], "n_batches": np.int64(256)}
    )
    waves = np.array(
        [
            math.sqrt(exponent / (exact_d[a, a] * time[-1])) * np.eye(3)[a]
            for a in range(3)
            for exponent in (0.3, 3.0, 30.0)
        ]
    )
    decay = np.exp(-0.5 * np.einsum("qa,tab,qb->tq", waves, tensors, waves))
    noise = np.sqrt(np.maximum(0.5 * (1 + decay**4) - decay**2, 1e-9) / n_walkers)
    put(group, "scattering/wave_vector", waves, "1/angstrom")
    put(group, "scattering/F_s", decay + noise * random.standard_normal(decay.shape))
    put(group, "scattering/error", noise)
    if exact:
        put(group, "scattering/exact", decay)
    short = [t for t in time if t <= 32 * LAG]
    probability = np.zeros((len(short), 201))
    for k, t in enumerate(short):
        stay = math.exp(-t / 40)
        jumps = {0: stay, 31: 0.5 * (1 - stay), 52: 0.3 * (1 - stay), 70: 0.2 * (1 - stay) ** 2}
        for place, p in jumps.items():
            probability[k, place] = p
        probability[k, 93] = 1 - probability[k].sum()
    put(group, "van_hove/time", np.array(short), "ps")
    counts = np.array([random.multinomial(n_walkers, p) for p in probability])
    put(group, "van_hove/counts", counts.astype(np.int64))
    group["van_hove"].attrs["bin_width"] = 0.1
    if exact:
        put(group, "van_hove/exact", probability)


def write_field(file, time, profile, region, engine, exchange=None):
    group = file.create_group("field")
    group.attrs.update(
        {
            "engine": engine,
            "reason": "a periodic crystal" if engine == "bloch" else "the domain has regions",
            "precision": "double",
            "mass_error": 3e-15,
            "seconds": 0.8,
            "site_updates_per_second": 4.56e9,
            "profile_axis": np.int64(0),
        }
    )
    put(group, "time", time, "ps")
    put(group, "total", profile.sum(axis=1))
    put(group, "profile", profile)
    put(group, "region", region)
    put(group, "exchange", np.zeros((len(time), 2, 6)) if exchange is None else exchange)


def write_snapshot(folder, number, time, values, cells):
    """`values`: ions per cell [z][y][x] of the voxels."""
    os.makedirs(os.path.join(folder, "fields"), exist_ok=True)
    with h5py.File(os.path.join(folder, "fields", f"field_{number:06d}.vtkhdf"), "w") as file:
        file.attrs.update(
            {"creator": "mesolith", "version": "9.9.9", "step": round(time / LAG), "time": time}
        )
        group = file.create_group("VTKHDF")
        shape = np.array(values.shape[::-1])
        group.attrs["Version"] = np.array([1, 0])
        group.attrs["WholeExtent"] = np.ravel([[0, n - 1] for n in shape])
        group.attrs["Spacing"] = np.asarray(cells) * np.diag(CELL) / shape
        put(group, "PointData/ions_per_cell", values.astype(np.float32), "1")


def write_series(folder, n):
    with open(os.path.join(folder, "fields", "field.pvd"), "w", encoding="utf-8") as file:
        lines = "".join(f'<DataSet timestep="{k}" file="field_{k:06d}.vti"/>\n' for k in range(n))
        file.write(f'<VTKFile type="Collection"><Collection>\n{lines}</Collection></VTKFile>\n')


def write_sample(folder, time, positions, cells, alive=None):
    """`positions`: [time][walker][3], unwrapped [A]."""
    with h5py.File(os.path.join(folder, "walkers.h5md"), "w") as file:
        group = file.create_group("particles/walkers")
        put(group, "position/value", positions.astype(np.float32), "Angstrom")
        put(group, "position/time", time, "ps")
        put(group, "alive/value", np.ones(positions.shape[:2], np.int32) if alive is None else alive)
        put(group, "box/edges/value", np.repeat((np.asarray(cells)[:, None] * CELL)[None], len(time), 0))


def split(random, total, shares):
    return np.array([random.multinomial(int(n), shares) for n in total])


# --- the four kinds ---


def crystal(file, folder, random):
    cells = np.array([64, 32, 32])
    size, n = cells * np.diag(CELL), 100_000
    write_domain(file, cells)
    put(file.create_group("steady"), "D", np.diag(D), "angstrom^2/ps")
    file["steady"].attrs.update({"seconds": 0.0, "left_out": ""})
    time = np.concatenate([[0.0], LAG * 2.0 ** np.arange(12)])
    msd = np.array([np.diag(2 * D * t + 0.3 * (t > 0)) for t in time])
    profile = split(random, np.full(len(time), n), np.full(64, 1 / 64))
    write_walkers(file, time, profile, np.full((len(time), 1), n), n, n)
    write_displacements(file, random, time[1:], msd[1:], n, np.diag(D))

    group = file.create_group("chapman_kolmogorov")
    group.attrs.update({"n_walkers": 400, "n_steps": 4096, "lag_time": LAG, "kernel_error": 0.0123})
    put(group, "n", np.array([2, 4, 8, 16], dtype=np.int64))
    put(group, "error", np.array([0.008, 0.011, 0.014, 0.021]))
    put(group, "floor_median", np.array([0.007, 0.010, 0.014, 0.020]))
    put(group, "floor_95", np.array([0.010, 0.014, 0.020, 0.028]))

    start = 20.0**2  # variance of the pulse [A^2]
    x = [(np.arange(c) + 0.5) * s / c - s / 2 for c, s in zip(cells, size)]
    shape = [[np.exp(-(x[a] ** 2) / (2 * (start + m[a, a]))) for a in range(3)] for m in msd]
    profile = np.array([s[0] / s[0].sum() for s in shape])
    write_field(file, time, profile, np.ones((len(time), 1)), "bloch")
    put(file, "field/mean", np.tile(size / 2, (len(time), 1)), "angstrom")
    exact = start + msd[:, range(3), range(3)]
    put(file, "field/spread", exact * (1 + 1e-6 / (1 + time[:, None])), "angstrom^2")
    put(file, "field/exact_spread", exact, "angstrom^2")
    put(file, "field/edge", np.where(time < time[-1], 1e-12, 1e-5))
    put(file, "field/exact_profile", profile + 2e-9)
    for number, k in enumerate(np.linspace(0, len(time) - 1, 6).astype(int)):
        a, b, c = (s / s.sum() for s in shape[k])
        write_snapshot(folder, number, time[k], c[:, None, None] * b[:, None] * a, cells)
    write_snapshot(folder, 6, time[2], np.full((2, 2, 2), 1e3), cells)  # of an older run
    write_series(folder, 6)
    hops = (
        random.standard_normal((len(time), 1000, 3))
        * np.sqrt(np.diff(msd[:, range(3), range(3)], axis=0, prepend=0))[:, None]
    )
    write_sample(folder, time, random.uniform(0, 1, (1, 1000, 3)) * size + np.cumsum(hops, axis=0), cells)


class Layers:
    """Diffusion through layers of cells: n(t) = W u, dn/dt = -L u + what comes in."""

    def __init__(self, diffusivity, weight, held, cells_per_layer):
        self.weight = weight * cells_per_layer
        conductance = diffusivity * self.weight / CELL[0, 0] ** 2  # [ions/ps], of one layer
        between = 2 / (1 / conductance[1:] + 1 / conductance[:-1])
        self.faces = np.array([conductance[0] * 2, conductance[-1] * 2])
        self.held, self.between = np.array(held), between
        n = len(weight)
        self.matrix = np.diag(np.append(between, 0) + np.append(0, between))
        self.matrix -= np.diag(between, 1) + np.diag(between, -1)
        self.matrix[0, 0] += self.faces[0]
        self.matrix[n - 1, n - 1] += self.faces[1]
        source = np.zeros(n)
        source[0], source[-1] = self.faces * self.held
        self.steady = np.linalg.solve(self.matrix, source)  # activity
        root = np.sqrt(self.weight)
        self.rates, self.modes = np.linalg.eigh(self.matrix / root[:, None] / root)
        self.root = root

    def activity(self, time, start):
        """At each time, from the activity `start`."""
        part = self.modes.T @ ((start - self.steady) * self.root)
        decay = np.exp(-np.outer(time, self.rates)) * part
        return self.steady + decay @ self.modes.T / self.root

    def flux(self, u):
        """Upwards through each plane, the faces included [1/ps]."""
        low = self.faces[0] * (self.held[0] - u[..., :1])
        high = self.faces[1] * (u[..., -1:] - self.held[1])
        return np.concatenate([low, self.between * (u[..., :-1] - u[..., 1:]), high], axis=-1)

    def through(self, time, start):
        """Integral of the flux until each time."""
        fine = np.linspace(0, time[-1], 4001)
        flux = self.flux(self.activity(fine, start))
        sums = np.concatenate([np.zeros((1, flux.shape[1])), np.cumsum((flux[1:] + flux[:-1]) / 2, axis=0)])
        return np.array([np.interp(time, fine, s * (fine[1] - fine[0])) for s in sums.T]).T


def slab(file, folder, random):
    cells = np.array([60, 24, 16])
    z, y, x = np.meshgrid(*(np.arange(c) for c in cells[::-1]), indexing="ij")
    region = np.where((x >= 20) & (x < 32), 1, 0)
    ball = ((x - 44) * 4.0) ** 2 + ((y - 12) * 8.0) ** 2 + ((z - 8) * 7.5) ** 2 < 40**2
    region[ball] = 2
    faces = ("reservoir", "reservoir", "periodic", "periodic", "reflecting", "reflecting")
    tensors = [np.eye(3) * d for d in SLAB_D]
    names = ("host", tensors[0], SLAB_WEIGHT[0]), ("barrier", tensors[1], SLAB_WEIGHT[1])
    regions = ("host", 0), ("layers, barrier", 1), ("sphere 2", 1)
    held = (*RESERVOIRS, 0, 0, 0, 0)
    write_domain(file, cells, faces, held, names, region, regions, resistance=12.5)
    material = np.array([m for _, m in regions])[region].transpose(2, 0, 1).reshape(60, -1)
    weight = np.asarray(SLAB_WEIGHT)[material].mean(axis=1)
    diffusivity = np.asarray(SLAB_D)[material].mean(axis=1)
    per_layer = cells[1] * cells[2]
    chain = Layers(diffusivity, weight, RESERVOIRS, per_layer)
    time = np.linspace(0, 4e6, 41)
    start = np.full(60, 0.5)
    ions = chain.activity(time, start) * chain.weight

    group = file.create_group("steady")
    group.attrs.update({"seconds": 0.31, "left_out": ""})
    flux = chain.flux(chain.steady)
    group = group.create_group("flux")
    put(group, "inflow", np.array([[flux[0], -flux[-1]], [0, 0], [0, 0]]), "1/ps")
    group.attrs.update({"iterations": 210, "residual": 4e-10, "imbalance": 1e-12, "axis": 0, "length": 241.0})
    group.attrs.update({"area": 192.0 * 120.0, "D": 0.0123})
    volume = np.linalg.det(CELL) * per_layer
    put(group, "position", (np.arange(60) + 0.5) * 4.0, "angstrom")
    put(group, "activity", chain.steady)
    put(group, "concentration", chain.steady * chain.weight / volume, "1/angstrom^3")
    put(group, "plane_flux", flux, "1/ps")
    group = file["steady"].create_group("first_passage")
    group.attrs.update({"iterations": 180, "residual": 5e-10, "mean": 412345.0})
    group.attrs.update({"mean_of_arriving": 412345.0, "never": 0.0})
    place = (np.arange(60) + 0.5) / 60
    put(group, "profile", 6 * 412345.0 * place * (1 - place), "ps")

    share = np.array([[(region[:, :, k] == r).mean() for r in range(3)] for k in range(60)])
    share *= np.array([SLAB_WEIGHT[m] for _, m in regions])
    share /= share.sum(axis=1, keepdims=True)
    profile = random.poisson(ions)
    through = chain.through(time, start)
    passed = np.cumsum(
        np.abs(random.poisson(20 * np.diff(time, prepend=0)[:, None] * flux[0] * np.ones(2))), axis=0
    )
    left = np.zeros((len(time), 6))
    left[:, :2] = passed
    entered = left.copy()
    planes = np.array([0, 15, 30, 45])
    noise = np.cumsum(random.standard_normal(len(time)) * np.sqrt(1.7 * np.diff(time, prepend=0) * flux[0]))
    entered[:, 0] += np.maximum(np.round(through[:, 0] + noise), -left[:, 0])
    left[:, 1] += np.maximum(np.round(through[:, -1] + noise), -left[:, 1])
    write_walkers(
        file,
        time,
        profile,
        profile @ share,
        profile[0].sum(),
        profile[-1].sum(),
        entered,
        left,
        np.round(
            through[:, planes] + noise[:, None] + (time > 0)[:, None] * random.normal(0, 12, (len(time), 4))
        ),
    )
    exchange = np.zeros((len(time), 2, 6))
    exchange[:, 0, 0] = 20 * flux[0] * time + through[:, 0]
    exchange[:, 1, 0] = 20 * flux[0] * time
    exchange[:, 1, 1] = through[:, -1]
    write_field(file, time, ions, ions @ share, "stencil", exchange)
    for number, k in enumerate(np.linspace(0, len(time) - 1, 6).astype(int)):
        activity = (ions[k] / chain.weight)[None, None]
        per_cell = activity * np.asarray(SLAB_WEIGHT)[np.array([m for _, m in regions])[region]]
        write_snapshot(folder, number, time[k], per_cell, cells)
    size = cells * np.diag(CELL)
    positions = random.uniform(0, 1, (len(time), 700, 3)) * size
    for k in range(len(time)):
        drawn = random.choice(60, 700, p=ions[k] / ions[k].sum())
        positions[k, :, 0] = (drawn + random.uniform(0, 1, 700)) * 4.0
    positions[:, :, 1] += 3 * size[1]  # unwrapped along a periodic axis
    alive = (random.uniform(0, 1, (len(time), 700)) < 0.9).astype(np.int32)
    write_sample(folder, time, positions, cells, alive)


def film(file, folder, random):
    cells, n = np.array([40, 20, 20]), 20_000
    faces = ("absorbing", "absorbing", "periodic", "periodic", "periodic", "periodic")
    write_domain(file, cells, faces)
    length = 160.0
    x = (np.arange(40) + 0.5) * 4.0
    mean = length**2 / (12 * D[0])
    group = file.create_group("steady")
    group.attrs.update({"seconds": 0.02, "left_out": ""})
    group = group.create_group("first_passage")
    group.attrs.update(
        {"iterations": 77, "residual": 1e-10, "mean": mean, "mean_of_arriving": mean, "never": 0.0}
    )
    exact = x * (length - x) / (2 * D[0])
    put(group, "profile", exact * mean / exact.mean(), "ps")
    # survival of an even start: sum of 8 / (pi m)^2 exp(-(pi m / length)^2 D t), m odd
    m = 2 * np.arange(2000) + 1
    share = 8 / (math.pi * m) ** 2
    rate = (math.pi * m / length) ** 2 * D[0]
    times = random.exponential(1 / random.choice(rate, n, p=share / share.sum()))
    face = random.integers(0, 2, n)
    time = np.concatenate([[0.0], LAG * 2.0 ** np.arange(2, 20)])
    left = np.zeros((len(time), 6))
    for f in (0, 1):
        left[:, f] = [(times[face == f] <= t).sum() for t in time]
    inside = n - left.sum(axis=1)
    profile = []
    for k, t in enumerate(time):
        shape = np.sin(math.pi * np.outer(x / length, m[:50])) @ (np.exp(-rate[:50] * t) / m[:50])
        shape = np.ones(40) if t == 0 else np.maximum(shape, 0)
        profile.append(random.multinomial(int(inside[k]), shape / shape.sum()))
    write_walkers(
        file,
        time,
        np.array(profile),
        inside[:, None],
        n,
        inside[-1],
        None,
        left,
        np.stack([-left[:, 0]] * 2 + [(left[:, 1] - left[:, 0]) / 2, left[:, 1]], axis=1),
    )
    n_bins = 8 * 56
    edges = LAG * 2.0 ** (np.arange(n_bins + 1) / 8 - 1)
    edges[0] = 0
    group = file["walkers"].create_group("exits")
    counts = np.zeros((6, n_bins), dtype=np.int64)
    sums = np.zeros((3, 6))
    for f in (0, 1):
        counts[f] = np.histogram(times[face == f], edges)[0]
        sums[:, f] = [(times[face == f] ** power).sum() for power in range(3)]
    put(group, "n", sums[0].astype(np.int64))
    put(group, "sum", sums[1], "ps")
    put(group, "sum_of_squares", sums[2], "ps^2")
    put(group, "counts", counts)
    put(group, "edges", edges, "ps")


def grains(file, folder, random):
    cells, n = np.array([40, 20, 20]), 50_000
    size = cells * np.diag(CELL)
    middle = random.uniform(0, 1, (14, 3)) * size
    z, y, x = np.meshgrid(
        *((np.arange(c) + 0.5) * s for c, s in zip(cells[::-1], np.diag(CELL)[::-1])), indexing="ij"
    )
    apart = np.stack([x, y, z], axis=-1)[..., None, :] - middle
    apart -= size * np.round(apart / size)
    region = (apart**2).sum(axis=-1).argmin(axis=-1)
    material = np.arange(14) % 2
    regions = [(f"grains 1, grain {g + 1}", int(material[g])) for g in range(14)]
    fast, slow = np.diag([0.04, 0.04, 0.01]), np.diag([0.002, 0.002, 0.002])
    fast[0, 1] = fast[1, 0] = 0.003
    write_domain(file, cells, FLAT, (0,) * 6, (("fast", fast, 1.0), ("slow", slow, 0.5)), region, regions)
    effective = np.diag([0.0211, 0.0198, 0.0059])
    group = file.create_group("steady")
    group.attrs.update({"seconds": 3.4, "left_out": ""})
    put(group, "D", effective, "angstrom^2/ps")
    bounds = group.create_group("bounds")
    bounds.attrs.update(
        {"hs_low": 0.0041, "hs_high": 0.0291, "self_consistent": 0.0199, "polycrystal_hs_high": 0.0123}
    )
    bounds.attrs["wiener_low"] = np.array([0.0038, 0.0038, 0.0033])
    bounds.attrs["wiener_high"] = np.array([0.031, 0.031, 0.0081])
    group = group.create_group("homogenised")
    group.attrs.update({"iterations": 321, "residual": 9e-10, "n_parts": 1})
    put(group, "D", effective, "angstrom^2/ps")
    put(group, "error", np.full((3, 3), 2e-12), "angstrom^2/ps")
    put(group, "uncorrelated", 1.7 * effective, "angstrom^2/ps")
    put(group, "part_share", np.ones(1))
    put(group, "part_D", effective[None], "angstrom^2/ps")
    time = np.concatenate([[0.0], LAG * 2.0 ** np.arange(16)])
    msd = np.array([effective * (2 * t + 300 * (1 - math.exp(-t / 300))) for t in time])
    weight = np.array([1.0, 0.5])[material] * np.bincount(region.ravel(), minlength=14)
    by_layer = np.array([np.bincount(region[:, :, k].ravel(), minlength=14) for k in range(40)])
    by_layer = by_layer @ np.array([1.0, 0.5])[material]
    profile = split(random, np.full(len(time), n), by_layer / by_layer.sum())
    inside = split(random, np.full(len(time), n), weight / weight.sum())
    write_walkers(file, time, profile, inside, n, n)
    write_displacements(file, random, time[1:], msd[1:], n, effective, exact=False)
    even = by_layer / by_layer.sum()
    away = np.exp(-time / 2e4)[:, None]
    field = even * (1 - away) + away * np.eye(40)[20]
    share = weight / weight.sum()
    write_field(file, time, field, share * (1 - away) + away * np.eye(14)[3], "stencil")
    file["field"].attrs.update({"float_difference": 2.5e-6, "float_mass_error": 1.5e-6, "float_seconds": 0.5})


def pair(group, path, value, error, units=""):
    put(group, path, np.array([value, error]), units)


def gas_step(group, random, kelvin, factor, begin):
    """Hops `factor` times as fast; M = 1000 sites, 800 + 100 ions."""
    group.attrs.update(
        {
            "temperature": kelvin,
            "from_ps": begin,
            "to_ps": begin + 4e4,
            "solver": "null_event",
            "reason": "null events: 90 % happen",
            "n_blocks": np.int64(32),
            "window_ps": np.array([200.0, 4000.0]),
            "straight": np.int64(1),
            "theta_method": "none of several species",
        }
    )
    lag = 100.0 * np.unique(np.round(2.0 ** (np.arange(43) / 8))).astype(int)
    put(group, "lag", lag, "ps")
    put(group, "D_single", 0.07 * factor * np.eye(3), "angstrom^2/ps")
    put(group, "outputs/time", begin + 100.0 * np.arange(401), "ps")
    put(group, "outputs/ions", np.tile([800.0, 100.0], (401, 1)))
    for name, values in (
        ("orbit", ["oct", "tet"]),
        ("region", ["crystal", "crystal"]),
        ("n_sites", np.array([600, 400])),
        ("occupancy", np.array([[0.95, 0.03], [0.575, 0.205]])),
        ("occupancy_error", np.full((2, 2), 0.002)),
        ("residence", np.array([[120.0, 1300.0], [20.0, 210.0]]) / factor),
        ("residence_error", np.array([[2.0, 30.0], [0.4, 5.0]]) / factor),
        ("vacancy_residence", np.array([1.5, 2.5]) / factor),
        ("vacancy_residence_error", np.array([0.1, 0.1]) / factor),
    ):
        put(group, f"sites/{name}", values)
    distance = np.array([2.0, 2.83, 3.46, 4.0])
    put(group, "pairs/distance", distance, "angstrom")
    put(group, "pairs/neighbours", np.array([12.0, 6.0, 24.0, 12.0]))
    for kind, depth in (("ions", -0.01), ("vacancies", 0.6)):
        put(group, f"pairs/{kind}", 1 + depth * np.exp(-(distance - 2)))
        put(group, f"pairs/{kind}_error", np.full(4, abs(depth) / 20))
    for k, (name, n, D, f) in enumerate((("Li", 800, 0.005, 0.79), ("Na", 100, 0.0005, 0.9), ("all", 900, 0.0045, 0.8))):
        carrier = group.create_group(f"transport/{k}")
        carrier.attrs.update({"name": name, "n_ions": float(n)})
        for key, value, error in (("msd", f, 0.003), ("collective_msd", 1.0, 0.03)):
            tensors = np.array([2 * D * factor * value * t * np.eye(3) for t in lag])
            tensors *= 1 + error * random.standard_normal((len(lag), 1, 1))
            put(carrier, key, tensors, "angstrom^2")
            put(carrier, f"{key}_error", np.abs(tensors) * error + 1e-9, "angstrom^2")
        for key, value, error in (("D_tracer", f, 0.003), ("D_J", 1.0, 0.03), ("D_uncorrelated", 1.0, 0.001)):
            put(carrier, key, D * factor * value * np.eye(3), "angstrom^2/ps")
            put(carrier, f"{key}_error", np.full((3, 3), D * factor * error), "angstrom^2/ps")
            pair(carrier, f"{key}_mean", D * factor * value, D * factor * error / 1.7, "angstrom^2/ps")
        for key, value, error in (("haven", f, 0.03), ("f", f, 0.003)):
            put(carrier, key, np.full(3, value))
            put(carrier, f"{key}_error", np.full(3, error))
            pair(carrier, f"{key}_mean", value, error / 1.7)
        pair(carrier, "conductivity", 2.7 * D * factor / 0.005, 0.05, "S/m")
        pair(carrier, "conductivity_tracer", 2.7 * f * D * factor / 0.005, 0.005, "S/m")


def gas(file, folder, random):
    write_domain(file, np.array([10, 10, 10]))
    group = file.create_group("gas")
    group.attrs.update(
        {
            "n_replicas": np.int64(8),
            "n_sites": np.int64(1000),
            "n_ions": np.int64(900),
            "vacancy_fraction": 0.1,
            "charge": 1.0,
            "attempts": np.int64(1000000),
            "hops": np.int64(900000),
            "acceptance": 0.9,
            "seconds": 1.5,
            "hops_per_second": 6e5,
            "stopped_early": np.int64(0),
        }
    )
    put(group, "species", ["Li", "Na"])
    put(group, "n_per_species", np.array([800, 100]))
    put(group, "rate_factor", np.array([1.0, 0.1]))
    gas_step(group.create_group("steps/0"), random, 600.0, 1.0, 0.0)
    gas_step(group.create_group("steps/1"), random, 700.0, 3.0, 4e4)


KINDS = {"crystal": crystal, "slab": slab, "film": film, "grains": grains, "gas": gas}


def write_meso(folder, kind="crystal", start="equilibrium"):
    random = np.random.default_rng(3)
    with h5py.File(os.path.join(folder, "meso.h5"), "w") as file:
        file.attrs.update(
            {
                "creator": "mesolith",
                "version": "9.9.9",
                "commit": "0123abc",
                "stage": "meso",
                "seed": 7,
                "config": f'[run]\nname = "synthetic"\n\n[meso.walkers]\nn = 100000\nstart = "{start}"\n',
                "fingerprint": "f" * 64,
                "created": "2026-01-02T03:04:05Z",
                "inputs": json.dumps([]),
            }
        )
        file.attrs.create("warnings", np.array([], dtype=object), shape=(0,), dtype=TEXT)
        KINDS[kind](file, folder, random)
