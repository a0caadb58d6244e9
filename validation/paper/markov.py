"""Markov models of the paper in plain numpy, from the events of sites.h5 alone: counts, kernels, their spectra, D and MSD.

Angstrom, ps; matrices column-stochastic. All statistics of a lag are kept per group of windows (time block, piece of the trajectory or
ion) as matrices of 26 x 26 sites that add up, so that a resampling or a shorter trajectory costs a sum.
"""

import numpy as np

SPAN = 256
PACK = np.array(
    [SPAN * SPAN, SPAN, 1]
)  # three small integers as one: differences of packed vectors are packed differences


class Hopping:
    """Site and cell of every ion in every frame, of one trajectory."""

    def __init__(self, results, trajectory=0):
        path = f"trajectories/{trajectory}"
        events = {
            name: results["sites", f"{path}/events/{name}"] for name in ("ion", "frame", "site", "cell")
        }
        self.frames = int(results.attr("sites", path, "n_frames"))
        self.ions = int(results.attr("sites", path, "n_ions"))
        self.interval = float(results.attr("sites", path, "frame_interval"))
        order = np.lexsort((events["frame"], events["ion"]))
        ion, frame, site, cell = (events[name][order] for name in ("ion", "frame", "site", "cell"))
        start = ion * self.frames + frame
        length = np.diff(np.append(start, self.ions * self.frames))
        assert start[0] == 0 and np.all(length > 0), "events do not cover the trajectory"
        whole = np.repeat(np.arange(len(site)), length).reshape(self.ions, self.frames).T
        self.site = np.ascontiguousarray(site[whole])  # [frame, ion], -1 unassigned
        image = cell[whole]
        self.base, offset = results["sites", "sites/base"], results["sites", "sites/offset"]
        self.offset, self.supercell = offset, results["sites", "sites/supercell"]
        self.cell = results["sites", "sites/basis_cell"]
        self.positions = results["sites", "sites/basis_positions"]
        self.orbit = results["sites", "sites/orbit"]
        self.box = results["sites", "sites/cell"]
        self.site_positions = self.positions[self.base] + offset @ self.cell
        self.n_basis, self.n_sites = len(self.positions), len(self.base)
        self._place(image)

    def _place(self, image):
        """From `site` and the image of the simulated cell: folded site, its cell (packed), and where the ion is on the lattice."""
        safe = np.maximum(self.site, 0)
        self.folded = np.where(self.site >= 0, self.base[safe], -1)
        self.packed = (self.offset @ PACK)[safe] + image @ (self.supercell @ PACK)
        self.place = self.site_positions[safe] + image @ self.box  # [frame, ion, 3]
        for ion in np.flatnonzero(
            (self.site < 0).any(0)
        ):  # an ion not yet seen on a site waits on its first one
            known = np.flatnonzero(self.site[:, ion] >= 0)
            nearest = known[np.minimum(np.searchsorted(known, np.arange(self.frames)), len(known) - 1)]
            unknown = self.site[:, ion] < 0
            self.place[unknown, ion] = self.place[nearest[unknown], ion]

    @classmethod
    def of_chain(cls, like, site, interval):
        """Walkers that hop on the sites of the periodic box, each step by the shortest way."""
        other = object.__new__(cls)
        other.__dict__.update(like.__dict__)
        other.site, other.interval = site, interval
        other.frames, other.ions = site.shape
        hop = other.site_positions[site[1:]] - other.site_positions[site[:-1]]
        image = np.zeros((*site.shape, 3), dtype=np.int64)
        np.cumsum(-np.rint(hop / np.diag(like.box)).astype(np.int64), axis=0, out=image[1:])
        other._place(image)
        return other

    def lag(self, ps):
        frames = round(ps / self.interval)
        assert abs(frames * self.interval - ps) < 1e-9 * ps, f"{ps} ps is no whole number of frames"
        return frames

    def part(self, begin, end):
        """Frames begin .. end - 1 as a trajectory of its own."""
        other = object.__new__(Hopping)
        other.__dict__.update(self.__dict__)
        other.frames = end - begin
        for name in ("site", "folded", "packed", "place"):
            setattr(other, name, getattr(self, name)[begin:end])
        return other

    def wave_vectors(self):
        """One of every pair k, -k allowed by the simulated cell, in reciprocal units of the folded cell, and how many it stands for."""
        inverse = np.linalg.inv(self.supercell)
        cells = round(abs(np.linalg.det(self.supercell)))
        grid = np.stack(np.meshgrid(*[np.arange(cells)] * 3, indexing="ij"), -1).reshape(-1, 3)
        reduced = (
            np.rint((grid @ inverse.T % 1) * 5040).astype(int) % 5040
        )  # whole numbers for any cell of up to 10 and most others
        known = {tuple(k) for k in reduced.tolist()}
        assert len(known) == cells
        found = {}
        for k in sorted(known):
            mirror = tuple(-x % 5040 for x in k)
            if mirror in found:
                found[mirror] += 1
            else:
                found[k] = 1
        return np.array(list(found)) / 5040, np.array(list(found.values()))

    def symmetries(self, tolerance=0.1):
        """Operations of an orthorhombic crystal as (signs of the axes, site each site goes to, cell it goes to).

        Found by trial: every combination of mirrors, with every shift that puts the first site on another one.
        """
        fractional = self.positions @ np.linalg.inv(self.cell)
        found = []
        for signs in np.array(np.meshgrid(*[[1, -1]] * 3)).reshape(3, -1).T:
            for target in np.flatnonzero(self.orbit == self.orbit[0]):
                moved = fractional * signs + (fractional[target] - fractional[0] * signs)
                away = moved[:, None] - fractional[None]
                cells = np.rint(away)
                distance = np.linalg.norm((away - cells) @ self.cell, axis=2)
                site = np.argmin(distance, axis=1)
                index = np.arange(len(site))
                fits = distance[index, site].max() < tolerance and np.all(self.orbit[site] == self.orbit)
                if fits and len(set(site.tolist())) == len(site):
                    found.append((signs, site, cells[index, site].astype(int)))
        return found


class Windows:
    """Windows of one lag (eq. 4), with the cell vector R and a group each, as a table (from, to, R, group, count)."""

    def __init__(self, hopping, lag, group=None, n_groups=1):
        """group: array [windows, ions] or [windows, 1]; negative entries are left out."""
        h, n = hopping, hopping.n_basis
        self.hopping, self.lag, self.n_groups = h, lag, n_groups
        self.tau = lag * h.interval
        jump = h.packed[lag:] - h.packed[:-lag]
        low = int(jump.min())
        used = np.zeros(int(jump.max()) - low + 1, dtype=bool)
        used[(jump - low).ravel()] = True
        known = np.flatnonzero(used)
        number = np.zeros(len(used), dtype=np.int64)
        number[known] = np.arange(len(known))
        key = (h.folded[:-lag] * n + h.folded[lag:]) * len(known) + number[jump - low]
        kept = (h.folded[:-lag] >= 0) & (h.folded[lag:] >= 0)
        size = n * n * len(known)
        if group is not None:
            group = np.broadcast_to(group, key.shape)
            kept &= group >= 0
            key = key + group * size
        count = np.bincount(key[kept], minlength=size * n_groups)
        key = np.flatnonzero(count)
        self.count = count[key]
        self.group, key = np.divmod(key, size)
        pair, jump = np.divmod(key, len(known))
        self.origin, self.destination = np.divmod(pair, n)
        jump = known[jump] + low
        a, rest = np.divmod(jump + SPAN * SPAN // 2 + SPAN // 2, SPAN * SPAN)
        b, c = np.divmod(rest, SPAN)
        self.R = np.column_stack([a, b - SPAN // 2, c - SPAN // 2])
        self.d = self.R @ h.cell + h.positions[self.destination] - h.positions[self.origin]

    def alike(self, symmetries):
        """The same table with each entry shared among its images under the symmetries."""
        other = object.__new__(Windows)
        other.__dict__.update(self.__dict__)
        parts = [
            (
                site[self.origin],
                site[self.destination],
                self.R * signs + cell[self.destination] - cell[self.origin],
            )
            for signs, site, cell in symmetries
        ]
        other.origin, other.destination, other.R = (np.concatenate(part) for part in zip(*parts))
        other.group = np.tile(self.group, len(symmetries))
        other.count = np.tile(self.count / len(symmetries), len(symmetries))
        h = self.hopping
        other.d = other.R @ h.cell + h.positions[other.destination] - h.positions[other.origin]
        return other

    def bloch(self, k):
        """Symmetrised transition matrix at any wave vector k, in the form with Hermitian symmetry."""
        n = self.hopping.n_basis
        F = np.zeros((n, n), dtype=complex)
        np.add.at(F, (self.destination, self.origin), self.count * np.exp(-2j * np.pi * (self.R @ k)))
        column = np.bincount(self.origin, self.count, n) + np.bincount(self.destination, self.count, n)
        return (F + F.conj().T) / np.sqrt(np.outer(column, column))


class Sums:
    """Per group: counts N[g, to, from], first and second moments A, B [g, axis, to, from], Bloch counts F[g, k, to, from].

    With minimum_image the displacement of a window is the shortest vector in the periodic box, as in eq. 7; with symmetries
    each window counts in equal parts for all its images under them.
    """

    def __init__(self, windows, minimum_image=False, symmetries=()):
        w, n = windows.alike(symmetries) if symmetries else windows, windows.hopping.n_basis
        self.tau, self.n = w.tau, n
        self.k, self.k_count = w.hopping.wave_vectors()
        self.cell = w.hopping.cell
        index = (w.group * n + w.destination) * n + w.origin
        shape = (w.n_groups, n, n)
        d = w.d
        if minimum_image:
            box = np.diag(w.hopping.box)
            d = d - box * np.rint(d / box)

        def collect(values):
            return np.bincount(index, weights=values, minlength=w.n_groups * n * n).reshape(shape)

        self.N = collect(w.count)
        self.A = np.stack([collect(w.count * d[:, a]) for a in range(3)], 1)
        self.B = np.stack([collect(w.count * d[:, a] ** 2) for a in range(3)], 1)
        phase = 2 * np.pi * (w.R @ self.k.T)
        self.F = np.stack(
            [
                collect(w.count * np.cos(phase[:, m])) - 1j * collect(w.count * np.sin(phase[:, m]))
                for m in range(len(self.k))
            ],
            1,
        )

    def model(self, weights=None):
        """The detailed-balance kernel of the weighted groups (all of them with weight one)."""
        w = np.ones(len(self.N)) if weights is None else np.asarray(weights, dtype=float)
        return Model(*(np.tensordot(w, x, (0, 0)) for x in (self.N, self.A, self.B, self.F)), self)

    def one(self, group):
        return Model(self.N[group], self.A[group], self.B[group], self.F[group], self)


class Model:
    """Reversible kernel in the form that transport needs. Symmetrised: each move is averaged with its reverse."""

    def __init__(self, N, A, B, F, sums):
        self.tau, self.k, self.k_count, self.cell, self.n = sums.tau, sums.k, sums.k_count, sums.cell, len(N)
        S = N + N.T
        column = S.sum(0)
        self.kept = column > 0
        self.pi = column / column.sum()
        self.root = np.sqrt(np.where(self.kept, column, 1.0))
        self.S = S / np.outer(self.root, self.root)
        self.a = (A - A.transpose(0, 2, 1)).sum(1) / self.root**2  # mean displacement from each site
        self.b = (B + B.transpose(0, 2, 1)).sum((1, 2)) / column.sum()
        self.bloch = (F + F.conj().transpose(0, 2, 1)) / np.outer(self.root, self.root)
        self._modes = None

    def modes(self):
        """Eigenvalues at k = 0 and the squared weights of a in their eigenvectors."""
        if self._modes is None:
            value, vector = np.linalg.eigh(self.S[np.ix_(self.kept, self.kept)])
            weight = ((np.sqrt(self.pi) * self.a)[:, self.kept] @ vector) ** 2
            # a has no component along the uniform vector of a closed class: its square is rounding only
            weight[:, value > 1 - 1e-11] = 0
            self._modes = np.minimum(value, 1 - 1e-11), weight
        return self._modes

    def diffusivity(self):
        """D_aa at infinite time."""
        value, weight = self.modes()
        return (self.b - 2 * (weight / (1 - value)).sum(1)) / (2 * self.tau)

    def msd(self, steps):
        """MSD per axis after each number of steps, exact on the infinite crystal."""
        value, weight = self.modes()
        n = np.asarray(steps, dtype=float)[:, None]
        gap = 1 - value
        power = np.where(value < 0, np.where(n % 2 == 1, -1.0, 1.0), 1.0) * np.abs(value) ** n
        memory = n / gap - (1 - power) / gap**2
        return n * self.b - 2 * memory @ weight.T

    def spectrum(self):
        """Eigenvalues of the simulated cell by wave vector, falling: one row per k of `k`, and the eigenvectors."""
        n = len(self.pi)
        values, vectors = np.linalg.eigh(self.bloch[:, self.kept][:, :, self.kept])
        full = np.zeros((len(self.k), n, values.shape[1]), dtype=complex)
        full[:, self.kept] = vectors
        return values[:, ::-1], full[:, :, ::-1]

    def supercell_eigenvalues(self):
        values, _ = self.spectrum()
        return np.sort(np.repeat(values, self.k_count, axis=0).ravel())[::-1]

    def power_error(self, longer, n):
        """err(n) of eq. 6 against the model of n lags, over all wave vectors of the simulated cell."""
        difference = size = 0.0
        for m in range(len(self.k)):
            power = np.linalg.matrix_power(self.bloch[m], n)
            # back from the symmetric form of each to the transition matrix itself
            P = self.root[:, None] * power / self.root[None, :]
            Q = longer.root[:, None] * longer.bloch[m] / longer.root[None, :]
            difference = max(difference, np.linalg.norm(Q - P, 2))
            size = max(size, np.linalg.norm(Q, 2))
        return difference / size


# --- the paper's own form: 156 labels, no symmetry, no cell vector ---


def label_counts(hopping, lag):
    """Eq. 4 on the sites of the simulated cell: C[to, from]."""
    a, b, n = hopping.site[:-lag], hopping.site[lag:], hopping.n_sites
    kept = (a >= 0) & (b >= 0)
    return np.bincount((b * n + a)[kept], minlength=n * n).reshape(n, n).astype(float)


def column_stochastic(C):
    """Eq. 5; a site nobody left keeps what it has."""
    column = C.sum(0)
    return np.where(column > 0, C / np.where(column > 0, column, 1), np.eye(len(C)))


def label_error(M, longer, n):
    """Eq. 6."""
    return np.linalg.norm(longer - np.linalg.matrix_power(M, n), 2) / np.linalg.norm(longer, 2)


def label_moments(hopping, lag):
    """Counts C[to, from] of the 156 labels and the summed true displacements A and their squares B [axis, to, from]."""
    a, b, n = hopping.site[:-lag], hopping.site[lag:], hopping.n_sites
    kept = (a >= 0) & (b >= 0)
    key = (b * n + a)[kept]
    d = (hopping.place[lag:] - hopping.place[:-lag])[kept]

    def collect(values=None):
        return np.bincount(key, weights=values, minlength=n * n).reshape(n, n).astype(float)

    A = np.array([collect(d[:, axis]) for axis in range(3)])
    B = np.array([collect(d[:, axis] ** 2) for axis in range(3)])
    return collect(), A, B


def symmetrised(C, A, B):
    """Each move and its reverse with the same weight: detailed balance."""
    return C + C.T, A - A.transpose(0, 2, 1), B + B.transpose(0, 2, 1)


def moment_msd(C, A, B, steps):
    """MSD per axis of any column-stochastic kernel on the infinite crystal, equal start on all sites, by recursion.

    With or without detailed balance; sites without counts stay where they are.
    """
    column = C.sum(0)
    safe = np.where(column > 0, column, 1.0)
    P = np.where(column > 0, C / safe, np.eye(len(C)))
    a, b, moved = A.sum(1) / safe, B.sum(1) / safe, A / safe
    z, f, total = np.full(len(C), 1 / len(C)), np.zeros((3, len(C))), np.zeros(3)
    found = {}
    for step in range(1, max(steps) + 1):
        total = total + b @ z + 2 * (a * f).sum(1)
        f = f @ P.T + moved @ z
        z = P @ z
        found[step] = total
    return np.array([found[step] for step in steps])


def minimum_image_squares(hopping):
    """d_ij^2 of eq. 7 per axis: shortest vectors between the sites of the periodic box [axis, to, from]."""
    box = np.diag(hopping.box)
    d = hopping.site_positions[:, None] - hopping.site_positions[None]
    d -= box * np.rint(d / box)
    return np.moveaxis(d**2, -1, 0)


def projected_msd(hopping, lag):
    """Squared displacement between sites after `lag` frames [window, ion, axis]."""
    return (hopping.place[lag:] - hopping.place[:-lag]) ** 2


def block_of(frames, n_blocks, windows):
    """Time block of each window by its first frame, [window, 1]."""
    return np.minimum(np.arange(windows) * n_blocks // frames, n_blocks - 1)[:, None]


def piece_of(frames, length, lag):
    """Disjoint piece a window lies in, -1 when it crosses a border, [window, 1]."""
    first = np.arange(frames - lag)
    piece = first // length
    inside = ((first + lag - 1) // length == piece) & ((piece + 1) * length <= frames)
    return np.where(inside, piece, -1)[:, None]


def supercell_matrix(windows):
    """Symmetrised counts between all sites of the simulated cell, S[to, from] = S[from, to]."""
    h = windows.hopping
    inverse = np.linalg.inv(h.supercell)

    def key(cells):
        fractional = cells @ inverse
        return np.rint((fractional - np.floor(fractional + 1e-9)) @ h.supercell).astype(int) @ PACK

    number = {}
    for site, (b, where) in enumerate(zip(h.base, key(h.offset))):
        number[(b, where)] = site
    S = np.zeros((h.n_sites, h.n_sites))
    for cell in np.unique(h.offset, axis=0):
        source = np.array([number[(b, key(cell[None])[0])] for b in range(h.n_basis)])
        target = np.array([number[(i, w)] for i, w in zip(windows.destination, key(cell + windows.R))])
        np.add.at(S, (target, source[windows.origin]), windows.count)
    return S + S.T


def embedded_chain(S, tau, step):
    """An exactly Markov chain in time steps of `step` that has nearly the kernel of the symmetric counts S at a lag of tau.

    Rates are the logarithm of the kernel with negative rates set to zero; returned with the share they had.
    """
    root = np.sqrt(S.sum(0))
    value, vector = np.linalg.eigh(S / np.outer(root, root))
    K = (vector * (np.log(np.maximum(value, 1e-4)) / tau)) @ vector.T
    rates = K * root[:, None] / root[None, :]
    np.fill_diagonal(rates, 0)
    share = -rates[rates < 0].sum() / rates[rates > 0].sum()
    rates = np.maximum(rates, 0)
    symmetric = rates * root[None, :] / root[:, None]
    symmetric = (symmetric + symmetric.T) / 2
    rates = symmetric * root[:, None] / root[None, :]
    value, vector = np.linalg.eigh(symmetric - np.diag(rates.sum(0)))
    M = (vector * np.exp(value * step)) @ vector.T * root[:, None] / root[None, :]
    M = np.maximum(M, 0)
    return M / M.sum(0), share


def markov_chain(rng, M, start, steps):
    """Independent walkers on the columns of M: site [step, walker] (the first row is `start`)."""
    n = len(M)
    cumulative = np.cumsum(M, axis=0).T
    table = (cumulative / cumulative[:, -1:] + np.arange(n)[:, None]).ravel()
    table[n - 1 :: n] = np.arange(1, n + 1)
    out = np.empty((steps + 1, len(start)), dtype=np.int64)
    out[0] = site = start
    for step in range(1, steps + 1):
        site = np.searchsorted(table, site + rng.random(len(site)), side="right") - site * n
        out[step] = site
    return out
