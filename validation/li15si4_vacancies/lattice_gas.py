"""Ions that block each other, written a second time in plain Python: a hop list on the simulated cell, kinetic Monte Carlo of
it, and the way from site events to hops and exposures. Shares no code with the program; slow."""

import math
import random
import tomllib

import numpy as np

BOLTZMANN = 8.617333262e-5  # [eV/K]


class Crystal:
    """Sites of the simulated cell as sites.h5 holds them."""

    def __init__(self, results):
        self.base = results["sites", "sites/base"]
        self.offset = results["sites", "sites/offset"]
        self.supercell = results["sites", "sites/supercell"]
        self.cell = results["sites", "sites/basis_cell"]
        self.positions = results["sites", "sites/basis_positions"]
        self.orbit = results["sites", "sites/orbit"][self.base]
        self.inverse = np.linalg.inv(self.supercell.astype(float))
        self.index = {(int(b), *self.inside(o)): s for s, (b, o) in enumerate(zip(self.base, self.offset))}

    def inside(self, cell):
        """The folded cell moved into the simulated one."""
        n = np.floor(np.asarray(cell) @ self.inverse + 1e-9).astype(int)
        return tuple(int(x) for x in np.asarray(cell) - n @ self.supercell)

    def site(self, base, cell):
        return self.index[(base, *self.inside(cell))]

    def displacement(self, j, i, R):
        return np.asarray(R) @ self.cell + self.positions[i] - self.positions[j]


def read_hops(path, temperature=None):
    """{(from, to, R1, R2, R3): rate} of a hop list, ways back included."""
    with open(path, "rb") as file:
        data = tomllib.load(file)
    kT = BOLTZMANN * (temperature or data["rates"]["temperature_K"])
    rates = {}
    for hop in data["hop"]:
        rate = hop["rate_per_ps"] if "rate_per_ps" in hop else hop["prefactor_per_ps"] * math.exp(-hop["barrier_eV"] / kT)
        rates[(hop["from"], hop["to"], *hop["R"])] = rate
    energy = data["crystal"].get("site_energies_eV")
    for (j, i, *R), rate in list(rates.items()):
        back = (i, j, *(-r for r in R))
        if back not in rates:
            rates[back] = rate * math.exp(((energy[i] - energy[j]) if energy else 0) / kT)
    return rates


class Simulation:
    """n ions on the simulated cell, one hop after the other (Bortz, Kalos, Lebowitz) over the few vacancies."""

    def __init__(self, crystal, rates, n_ions, seed):
        self.random = random.Random(seed)
        self.into = [[] for _ in crystal.base]  # per site: (other site, rate, displacement, R)
        for s in range(len(crystal.base)):
            for (j, i, *R), rate in rates.items():
                if j == crystal.base[s]:
                    to = crystal.site(i, crystal.offset[s] + R)
                    self.into[to].append((s, rate, crystal.displacement(j, i, R), np.array(R)))
        places = list(range(len(crystal.base)))
        self.random.shuffle(places)
        self.vacancies = places[n_ions:]
        self.ion_on = {site: ion for ion, site in enumerate(places[:n_ions])}
        self.site = list(places[:n_ions])
        self.position = np.zeros((n_ions, 3))
        self.folded = np.array([crystal.offset[s] for s in self.site])
        self.time = 0.0
        self.empty_time = np.zeros(len(crystal.base))
        self.next = None

    def choose(self):
        events, total = [], 0.0
        for v, site in enumerate(self.vacancies):
            for other, rate, d, R in self.into[site]:
                if other in self.ion_on:
                    total += rate
                    events.append((total, v, other, d, R))
        self.next = (self.time + self.random.expovariate(total), self.random.random() * total, events)

    def advance(self, end):
        """To time `end`; counts hops and times at which sites are empty."""
        while True:
            if self.next is None:
                self.choose()
            time, u, events = self.next
            for site in self.vacancies:
                self.empty_time[site] += min(time, end) - self.time
            if time > end:
                self.time = end
                return
            self.time = time
            _, v, other, d, R = next(e for e in events if e[0] > u)
            ion = self.ion_on.pop(other)
            self.ion_on[self.vacancies[v]] = ion
            self.site[ion] = self.vacancies[v]
            self.position[ion] += d
            self.folded[ion] += R
            self.vacancies[v] = other
            self.next = None


def diffusivities(crystal, rates, n_ions, duration, window, seed):
    """D* and D_J with errors from the growth of the MSD between the two lags of the window, and occupancies by orbit."""
    begin, end = window
    gas = Simulation(crystal, rates, n_ions, seed)
    gas.advance(100)
    gas.empty_time[:] = 0
    tracer, collective = [], []
    for k in range(int(duration / end)):
        start = gas.position.copy()
        values = []
        for lag in (begin, end):
            gas.advance(100 + k * end + lag)
            moved = gas.position - start
            values.append(((moved**2).sum() / n_ions, (moved.sum(axis=0) ** 2).sum() / n_ions))
        tracer.append((values[1][0] - values[0][0]) / (6 * (end - begin)))
        collective.append((values[1][1] - values[0][1]) / (6 * (end - begin)))
    mean = lambda x: (np.mean(x), np.std(x, ddof=1) / math.sqrt(len(x)))
    time = gas.time - 100
    occupancy = [1 - gas.empty_time[crystal.orbit == o].mean() / time for o in sorted(set(crystal.orbit))]
    return mean(tracer), mean(collective), occupancy


def frames_of(crystal, rates, n_ions, n_frames, interval, seed):
    """Events of a simulation looked at in frames: per ion [(frame, site, folded cell)]."""
    gas = Simulation(crystal, rates, n_ions, seed)
    gas.advance(100)
    events = [[] for _ in range(n_ions)]
    for frame in range(n_frames):
        gas.advance(100 + frame * interval)
        for ion, own in enumerate(events):
            state = (gas.site[ion], tuple(gas.folded[ion]))
            if not own or own[-1][1:] != state:
                own.append((frame, *state))
    return events


def stored_events(results, crystal):
    """The same of sites.h5."""
    group = "trajectories/0/events/"
    ion, frame, site, image = (results["sites", group + name] for name in ("ion", "frame", "site", "cell"))
    events = [[] for _ in range(int(results.attr("sites", "trajectories/0", "n_ions")))]
    for k, f, s, n in zip(ion, frame, site, image):
        if s < 0:
            continue
        state = (int(s), tuple(int(x) for x in crystal.offset[s] + n @ crystal.supercell))
        if not events[k] or events[k][-1][1:] != state:
            events[k].append((int(f) if events[k] else 0, *state))
    return events


def hops_of(events):
    """[(time in frames, ion, from, to, R)] with never two ions on a site; rings change places and give no hops."""
    by_frame = {}
    for ion, own in enumerate(events):
        for frame, site, cell in own[1:]:
            by_frame.setdefault(frame, []).append((ion, site, cell))
    now = {ion: own[0][1:] for ion, own in enumerate(events)}
    holder = {}
    for ion, (site, _) in now.items():
        if site in holder:
            raise ValueError("two ions on one site in the first frame")
        holder[site] = ion
    hops, waiting = [], {}
    for frame in sorted(by_frame):
        for ion, site, cell in by_frame[frame]:
            waiting.pop(ion, None)
            if now[ion] != (site, cell):
                waiting[ion] = (site, cell)
        done = []
        while True:
            free = [ion for ion in sorted(waiting) if waiting[ion][0] not in holder]
            if free:
                # one round over those that wait, in their order, each looking at what has become free by then
                for ion in sorted(waiting):
                    if waiting[ion][0] in holder:
                        continue
                    done.append((ion, now[ion], waiting[ion]))
                    del holder[now[ion][0]]
                    holder[waiting[ion][0]] = ion
                    now[ion] = waiting.pop(ion)
                continue
            for start in sorted(waiting):
                ring, ion = [start], holder[waiting[start][0]]
                while ion in waiting and ion not in ring:
                    ring.append(ion)
                    ion = holder[waiting[ion][0]]
                if ion == start:
                    for member in ring:
                        done.append((member, None, None))
                        now[member] = waiting.pop(member)
                        holder[now[member][0]] = member
                    break
            else:
                break
        for n, (ion, old, new) in enumerate(done):
            if old is not None:
                hops.append((frame - 1 + (n + 1) / (len(done) + 1), ion, old[0], new[0], tuple(np.subtract(new[1], old[1]))))
    return hops


def hops_and_exposures(crystal, events, n_frames, interval, pair_class):
    """N and T per class; pair_class(j, i, R) -> name or None. Classes of all pairs that the cell has are in T."""
    pairs = {}
    reach = range(-2, 3)
    for s in range(len(crystal.base)):
        for i in range(len(crystal.positions)):
            for R in ((x, y, z) for x in reach for y in reach for z in reach):
                name = pair_class(int(crystal.base[s]), i, R)
                if name is not None:
                    pairs.setdefault(name, []).append((s, crystal.site(i, crystal.offset[s] + R)))
    taken = np.zeros(len(crystal.base), bool)
    for own in events:
        taken[own[0][1]] = True
    number, exposure = {name: 0 for name in pairs}, {name: 0.0 for name in pairs}
    arrays = {name: np.array(list_) for name, list_ in pairs.items()}
    before = 0.0
    for time, _, j, i, R in hops_of(events) + [(n_frames - 1, None, None, None, None)]:
        for name, both in arrays.items():
            exposure[name] += (taken[both[:, 0]] & ~taken[both[:, 1]]).sum() * (time - before) * interval
        before = time
        if j is None:
            break
        taken[j], taken[i] = False, True
        name = pair_class(int(crystal.base[j]), int(crystal.base[i]), R)
        if name is not None:
            number[name] += 1
    return number, exposure
