"""A disordered solid whose sites and hops are known: random sites between random framework atoms, wells of different depth,
width and anisotropy, some hardly occupied, some close pairs; ions hop between them, one on a site (and on a pair), and rattle.
"""

import numpy as np

CELL = np.array([[12.2, 0, 0], [1.9, 11.8, 0], [-1.3, 1.1, 12.5]])


def minimum_image(difference):
    """Right for differences well inside the cell, which is compact."""
    inverse = np.linalg.inv(CELL)
    fractional = difference @ inverse
    return (fractional - np.round(fractional)) @ CELL


def place(random, n_pairs, n_single, n_framework):
    """Positions of sites and framework; partner[s] is the other site of a close pair (1.0 to 1.4 A), else -1."""
    sites, partner, framework = [], [], []

    def free(r, others, distance):
        return not others or np.min(np.linalg.norm(minimum_image(np.array(others) - r), axis=1)) > distance

    while len(framework) < n_framework:
        r = random.random(3) @ CELL
        if free(r, framework, 2.2):
            framework.append(r)
    while len(sites) < 2 * n_pairs:
        a = random.random(3) @ CELL
        step = random.standard_normal(3)
        b = a + random.uniform(1.0, 1.4) * step / np.linalg.norm(step)
        if all(free(r, framework, 2.0) and free(r, sites, 2.1) for r in (a, b)):
            partner += [len(sites) + 1, len(sites)]
            sites += [a, b]
    while len(sites) < 2 * n_pairs + n_single:
        r = random.random(3) @ CELL
        if free(r, framework, 2.0) and free(r, sites, 2.1):
            sites.append(r)
            partner.append(-1)
    return np.array(sites), np.array(partner), np.array(framework)


class Disordered:
    def __init__(self, seed, n_frames, n_pairs=7, n_single=65, n_weak=9, n_framework=22, n_ions=54, softness=1.0):
        random = np.random.default_rng(seed)
        self.sites, self.partner, self.framework = place(random, n_pairs, n_single, n_framework)
        n = len(self.sites)
        weight = np.exp(random.uniform(-1, 1, n))
        weight[-n_weak:] = np.exp(random.uniform(-4, -3, n_weak))
        self.weak = np.arange(n) >= n - n_weak
        # displacement = amplitude @ three standard normal numbers
        axes = np.linalg.qr(random.standard_normal((n, 3, 3)))[0]
        widest = np.where(self.partner >= 0, 0.24, 0.4)
        width = 0.14 + (widest - 0.14)[:, None] * random.random((n, 3))
        amplitude = axes * (softness * width)[:, None, :]

        step = minimum_image(self.sites[:, None] - self.sites[None])  # [to, from]
        distance = np.linalg.norm(step, axis=2)
        rate = 8e-4 * np.exp(1.5 * (2.5 - distance))
        rate[np.arange(n)[self.partner >= 0], self.partner[self.partner >= 0]] = 6e-3
        rate *= np.sqrt(weight[:, None] / weight[None])
        rate[(distance > 3.4) | (distance == 0)] = 0
        cumulative = np.cumsum(rate, axis=0)  # per frame, by origin
        leaving = cumulative[-1]

        at, taken = [], set()
        for s in np.argsort(-weight):
            if len(at) < n_ions and self.partner[s] not in taken:
                at.append(s)
                taken.add(s)
        at = np.array(at)
        holder = np.full(n, -1)
        holder[at] = np.arange(n_ions)
        centre = self.sites[at].copy()
        inner = random.standard_normal((n_ions, 3))
        self.ions = np.empty((n_frames, n_ions, 3))
        self.hops = []  # ion, frame, from, to
        self.occupancy = np.zeros(n)
        self.start = None  # site of each ion in frame 0
        for t in range(-4000, n_frames):
            on_the_way = np.zeros((n_ions, 3))
            chance = random.random(n_ions)
            for ion in np.flatnonzero(chance < leaving[at]):
                origin = at[ion]
                to = int(np.searchsorted(cumulative[:, origin], chance[ion], side="right"))
                beside = holder[self.partner[to]] if self.partner[to] >= 0 else -1
                if holder[to] >= 0 or beside not in (-1, ion):
                    continue
                holder[origin], holder[to], at[ion] = -1, ion, to
                centre[ion] += step[to, origin]
                on_the_way[ion] = -step[to, origin] / 3  # the frame of the hop finds it two thirds of the way
                if t > 0:
                    self.hops.append((ion, t, origin, to))
            if t < 0:
                continue
            if t == 0:
                self.start = at.copy()
            inner = 0.6 * inner + 0.8 * random.standard_normal((n_ions, 3))
            self.occupancy[at] += 1 / n_frames
            self.ions[t] = centre + np.einsum("iab,ib->ia", amplitude[at], inner) + on_the_way


def match(found, truth, limit):
    """True site of each found position, -1 for none within `limit`: one to one, nearest pairs first."""
    distance = np.linalg.norm(minimum_image(found[:, None] - truth[None]), axis=2)
    result, taken = np.full(len(found), -1), set()
    for flat in np.argsort(distance, axis=None):
        f, t = divmod(int(flat), len(truth))
        if distance[f, t] > limit:
            break
        if result[f] < 0 and t not in taken:
            result[f] = t
            taken.add(t)
    return result, distance


def match_hops(found, truth, frames):
    """How many hops are in both lists: the same ion, from and to, at most `frames` apart; each counts once."""
    waiting = {}
    for ion, frame, origin, to in truth:
        waiting.setdefault((ion, origin, to), []).append(frame)
    matched = 0
    for ion, frame, origin, to in found:
        list_ = waiting.get((ion, origin, to), [])
        near = [f for f in list_ if abs(f - frame) <= frames]
        if near:
            list_.remove(min(near, key=lambda f: abs(f - frame)))
            matched += 1
    return matched
