"""The method once more in plain numpy, written from the equations and sharing no code with the program: the second opinion
of the checks in this folder. Slow and simple on purpose. Angstrom, ps; matrices column-stochastic; rows of A are cell vectors.
"""

import h5py
import numpy as np

# --- trajectory and sites ---


def read_h5md(path):
    """Positions [frame, atom, 3] (continuous), species, edges of the orthorhombic box [3], frame interval [ps]."""
    with h5py.File(path, "r") as file:
        atoms = file["particles/atoms"]
        time = atoms["position/time"][:]
        box = atoms["box/edges/value"][0]
        assert np.allclose(box, np.diag(np.diag(box))), "this check is written for orthorhombic boxes"
        species = np.array([s.decode() for s in atoms["species"][:]])
        return (
            atoms["position/value"][:].astype(float),
            species,
            np.diag(box),
            (time[-1] - time[0]) / (len(time) - 1),
        )


def read_poscar(path):
    """Fractional positions and species of a VASP 5 file with direct coordinates."""
    lines = open(path, encoding="utf-8").read().splitlines()
    names, numbers = lines[5].split(), [int(word) for word in lines[6].split()]
    assert lines[7].strip().lower().startswith("d")
    species = np.repeat(names, numbers)
    return (
        np.array([[float(word) for word in line.split()[:3]] for line in lines[8 : 8 + len(species)]]),
        species,
    )


def tile(fractional, species, repeats):
    """Fractional positions in the box of `repeats` cells."""
    shifts = np.array(
        [[i, j, k] for i in range(repeats[0]) for j in range(repeats[1]) for k in range(repeats[2])]
    )
    return (((fractional[None] + shifts[:, None]) / repeats).reshape(-1, 3), np.tile(species, len(shifts)))


def framework_at_rest(positions, species, box, crystal, crystal_species, mobile="Li"):
    """Ions relative to the crystal: in every frame the mean framework atom is put where the crystal has it."""
    framework = positions[:, species != mobile]
    target = crystal[crystal_species != mobile] * box
    first = framework[0]
    # each framework atom of frame 0 belongs to the nearest framework place of the crystal, after a rigid shift found by iteration
    shift = np.zeros(3)
    for _ in range(20):
        delta = first[:, None] + shift - target[None]
        delta -= box * np.round(delta / box)
        place = np.argmin((delta**2).sum(-1), axis=1)
        miss = delta[np.arange(len(first)), place]
        shift = shift - miss.mean(axis=0)
    assert len(set(place)) == len(target), "framework atoms do not match the crystal one to one"
    mean_shift = shift - (framework.mean(axis=1) - first.mean(axis=0))
    return positions[:, species == mobile] + mean_shift[:, None]


def nearest_sites(ions, sites, box, block=400):
    """Nearest site [frame, ion], the image of the box it lies in [frame, ion, 3] and the distance [frame, ion]."""
    n_frames, n_ions, _ = ions.shape
    site, image = np.empty((n_frames, n_ions), dtype=np.int32), np.empty(
        (n_frames, n_ions, 3), dtype=np.int32
    )
    distance = np.empty((n_frames, n_ions))
    reduced_sites = (sites / box).astype(np.float32)
    weight = (box**2).astype(np.float32)
    for first in range(0, n_frames, block):
        part = ions[first : first + block]
        whole = np.floor(part / box)  # float32 keeps 1e-6 A inside one box
        inside = (part / box - whole).astype(np.float32)
        squared = np.zeros(part.shape[:2] + (len(sites),), dtype=np.float32)
        for axis in range(3):
            delta = inside[:, :, None, axis] - reduced_sites[None, None, :, axis]
            delta -= np.round(delta)
            squared += weight[axis] * delta * delta
        best = np.argmin(squared, axis=-1)
        # the two nearest within rounding: decide in double
        separation = part - sites[best]
        cell = np.round(separation / box)
        exact = np.sqrt(((separation - cell * box) ** 2).sum(-1))
        close = np.sort(np.partition(squared, 1, axis=-1)[..., :2], axis=-1)
        for f, k in np.argwhere(close[..., 1] - close[..., 0] < 1e-4):
            delta = part[f, k] - sites
            cells = np.round(delta / box)
            lengths = np.sqrt(((delta - cells * box) ** 2).sum(-1))
            best[f, k] = np.argmin(lengths)
            cell[f, k], exact[f, k] = cells[best[f, k]], lengths[best[f, k]]
        site[first : first + block], image[first : first + block], distance[first : first + block] = (
            best,
            cell,
            exact,
        )
    return site, image, distance


def changes(site, image):
    """Number of changes of (site, image) from one frame to the next, unassigned (-1) stretches bridged."""
    return int(((site[1:] != site[:-1]) | (image[1:] != image[:-1]).any(-1))[site[:-1] >= 0].sum())


def last_core(site, image, distance, radius):
    """Core-set rule: an ion belongs to the last site whose core sphere it entered; -1 before the first."""
    in_core = distance <= radius
    frame = np.where(in_core, np.arange(len(site))[:, None], -1)
    last = np.maximum.accumulate(frame, axis=0)
    ion = np.arange(site.shape[1])[None]
    return np.where(last >= 0, site[last, ion], -1), image[np.maximum(last, 0), ion]


def occupancy(site, n_sites):
    """Mean number of ions on each site."""
    return np.bincount(site[site >= 0].ravel(), minlength=n_sites) / len(site)


def msd(ions, lags):
    """Mean square displacement per axis at each lag [frames], all origins, all ions."""
    return np.array([((ions[lag:] - ions[:-lag]) ** 2).mean(axis=(0, 1)) for lag in lags])


def slope(time, values, begin, end):
    """Half the slope of the least-squares line through begin <= time <= end."""
    kept = (time >= begin - 1e-9) & (time <= end + 1e-9)
    return np.polyfit(time[kept], values[kept], 1)[0] / 2


# --- counts and kernels ---


def counts(site, image, lag, base, offset, supercell):
    """C(j, i, R) of eq. 4 for folded sites as {(from, to, R_a, R_b, R_c): count}; pairs with an unassigned end are left out."""
    folded = offset[np.maximum(site, 0)] + image @ supercell
    origin, destination = site[:-lag], site[lag:]
    kept = (origin >= 0) & (destination >= 0)
    R = (folded[lag:] - folded[:-lag])[kept]
    key = np.column_stack([base[origin[kept]], base[destination[kept]], R]).astype(np.int64)
    assert np.abs(R).max() < 64
    packed = (
        (((key[:, 0] * 4096 + key[:, 1]) * 128 + key[:, 2] + 64) * 128 + key[:, 3] + 64) * 128
        + key[:, 4]
        + 64
    )
    values, number = np.unique(packed, return_counts=True)
    result = {}
    for value, n in zip(values.tolist(), number.tolist()):
        value, c = divmod(value, 128)
        value, b = divmod(value, 128)
        value, a = divmod(value, 128)
        j, i = divmod(value, 4096)
        result[(j, i, a - 64, b - 64, c - 64)] = n
    return result


def symmetrised_kernel(table, n_sites):
    """Arrays (from, to, R, p) and pi of M = S/sum S with S(j, i, R) = C(j, i, R) + C(i, j, -R)."""
    both = {}
    for (j, i, *R), n in table.items():
        both[(j, i, *R)] = both.get((j, i, *R), 0) + n
        back = (i, j, *(-r for r in R))
        both[back] = both.get(back, 0) + n
    keys = np.array(sorted(both))
    S = np.array([both[tuple(key)] for key in keys.tolist()], dtype=float)
    out = np.bincount(keys[:, 0], weights=S, minlength=n_sites)
    return keys[:, 0], keys[:, 1], keys[:, 2:], S / out[keys[:, 0]], out / out.sum()


def components(origin, destination, p, n_sites):
    """Closed classes of a reversible kernel: connected parts of its graph, as labels."""
    label = np.arange(n_sites)
    linked = [(j, i) for j, i, value in zip(origin.tolist(), destination.tolist(), p) if value > 0 and i != j]
    changed = True
    while changed:
        changed = False
        for j, i in linked:
            low = min(label[j], label[i])
            if label[j] != low or label[i] != low:
                label[j] = label[i] = low
                changed = True
    return label


def exact_diffusivity(origin, destination, R, p, pi, cell, positions, tau):
    """2 tau D = sum pi_j M_ij(R) u u^T with u = d + chi_i - chi_j - v and (I - P^T) chi = a - v, class by class."""
    n = len(pi)
    d = R @ cell + positions[destination] - positions[origin]
    P = np.zeros((n, n))
    np.add.at(P, (destination, origin), p)
    a = np.zeros((n, 3))
    np.add.at(a, origin, p[:, None] * d)
    label = components(origin, destination, p, n)
    chi, drift = np.zeros((n, 3)), np.zeros((n, 3))
    for which in np.unique(label[pi > 0]):
        inside = np.flatnonzero(label == which)
        weight = pi[inside] / pi[inside].sum()
        v = weight @ a[inside]
        A = np.eye(len(inside)) - P[np.ix_(inside, inside)].T
        chi[inside] = np.linalg.solve(
            A + weight[None, :], a[inside] - v
        )  # the added rank-one term fixes pi.chi = 0
        drift[inside] = v
    u = d + chi[destination] - chi[origin] - drift[origin]
    return np.einsum("e,ea,eb->ab", pi[origin] * p, u, u) / (2 * tau)


def full_matrix(origin, destination, R, p, base, offset, supercell):
    """The transition matrix of all sites of the simulated cell, [destination, origin]; R wraps around."""
    inverse = np.linalg.inv(supercell)

    def key(b, cell):
        fractional = cell @ inverse
        wrapped = np.rint((fractional - np.floor(fractional + 1e-9)) @ supercell).astype(int)
        return (int(b), *wrapped.tolist())

    index = {key(b, o): s for s, (b, o) in enumerate(zip(base, offset))}
    M = np.zeros((len(base), len(base)))
    leaving = [np.flatnonzero(origin == b) for b in range(base.max() + 1)]
    for s, (b, o) in enumerate(zip(base, offset)):
        for e in leaving[b]:
            M[index[key(destination[e], o + R[e])], s] += p[e]
    return M


def kernel_msd(origin, destination, R, p, pi, cell, positions, steps):
    """MSD tensor after each number of steps, by recursion of the moments z, f, s."""
    n = len(pi)
    d = R @ cell + positions[destination] - positions[origin]
    P = np.zeros((n, n))
    np.add.at(P, (destination, origin), p)
    A = np.zeros((3, n, n))
    B = np.zeros((3, 3, n, n))
    for a in range(3):
        np.add.at(A[a], (destination, origin), p * d[:, a])
        for b in range(3):
            np.add.at(B[a, b], (destination, origin), p * d[:, a] * d[:, b])
    z, f, s = pi.copy(), np.zeros((3, n)), np.zeros((3, 3, n))
    found = {0: np.zeros((3, 3))}
    for step in range(1, max(steps) + 1):
        s = np.array(
            [[P @ s[a, b] + A[a] @ f[b] + A[b] @ f[a] + B[a, b] @ z for b in range(3)] for a in range(3)]
        )
        f = np.array([P @ f[a] + A[a] @ z for a in range(3)])
        z = P @ z
        found[step] = s.sum(-1)
    return np.array([found[step] for step in steps])


# --- verdicts ---


class Checks:
    """Prints one line per check, counts, and gives the exit status."""

    def __init__(self):
        self.passed = self.failed = 0

    def that(self, sentence, good, found=""):
        self.passed, self.failed = self.passed + bool(good), self.failed + (not good)
        print(
            f"{'pass' if good else 'FAIL'}  {sentence}" + (f"  [{found}]" if str(found) else ""), flush=True
        )

    def near(self, sentence, value, expected, relative=0.0, absolute=0.0):
        value, expected = np.asarray(value, dtype=float), np.asarray(expected, dtype=float)
        worst = (
            float(
                np.max(np.abs(value - expected) / np.maximum(relative * np.abs(expected) + absolute, 1e-300))
            )
            if value.shape == expected.shape
            else np.inf
        )
        shown = (
            np.array2string(value, precision=5, threshold=6, separator=" ")
            + " against "
            + np.array2string(expected, precision=5, threshold=6, separator=" ")
        )
        self.that(sentence, worst <= 1, " ".join(shown.split()))

    def finish(self):
        print(f"{self.passed} passed, {self.failed} failed")
        return 1 if self.failed else 0
