"""The part of the check that needs pybamm and bpx: by_pybamm.py TABLE FOLDER, with FOLDER/patch.json for BPX; prints one JSON
object of numbers and leaves what the pictures show in FOLDER/discharges.npz.

The cell is Chen2020 with a negative electrode of silicon alone: all that Chen2020_composite says of its silicon (maximum
concentration, voltage, kinetics, radius, D), 10 % of the volume, which makes 6.5 A h against the 5 A h of the cell.
"""

import importlib.util
import json
import os
import sys
import warnings

import bpx
import numpy as np
import pybamm

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(here)), "tools"))
import mesolith_diffusivity  # noqa: E402

D_NAME = "Negative particle diffusivity [m2.s-1]"
C, SURFACE = "X-averaged negative particle concentration [mol.m-3]", "X-averaged negative particle surface concentration [mol.m-3]"
CURRENT_DENSITY = "X-averaged negative electrode interfacial current density [A.m-2]"
FARADAY = 96485.33212
KELVIN = 298.15
LARGE = 5e-6  # a particle of micrometre silicon [m]; Chen2020_composite has 1.52e-6
SLOWER = 1000  # that much lower, D is seen in the profile


def cell(radius=None):
    """Chen2020 with the silicon of Chen2020_composite alone in the negative electrode, delithiated along its own curve."""
    parameters, composite = pybamm.ParameterValues("Chen2020"), pybamm.ParameterValues("Chen2020_composite")
    for key, value in composite.items():
        name = key.removeprefix("Secondary: ")
        if name != key and name in parameters:
            parameters[name] = value
    parameters["Negative electrode OCP [V]"] = composite["Secondary: Negative electrode delithiation OCP [V]"]
    parameters["Negative electrode active material volume fraction"] = 0.1
    parameters["Ambient temperature [K]"] = parameters["Initial temperature [K]"] = KELVIN
    if radius:
        parameters["Negative particle radius [m]"] = radius
    return parameters


def discharge(diffusivity=None, radius=None, rate=1.0, shells=40, until=None):
    """A single-particle discharge to the lower voltage, or `until` seconds: its solution and parameters."""
    parameters = cell(radius)
    parameters["Current function [A]"] = 5.0 * rate
    if isinstance(diffusivity, mesolith_diffusivity.Diffusivity):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that 298 K is extrapolated is what the case is about
            diffusivity.put_into(parameters)
    elif diffusivity is not None:
        parameters.update({D_NAME: diffusivity})
    model = pybamm.lithium_ion.SPM()
    count = dict(model.default_var_pts)
    count["r_n"] = shells
    solver = pybamm.IDAKLUSolver(rtol=1e-9, atol=1e-9)
    simulation = pybamm.Simulation(model, parameter_values=parameters, var_pts=count, solver=solver)
    end = until or 4500 / rate
    return simulation.solve([0, end], t_interp=np.linspace(0, end, 901)), parameters


class Discharge:
    """What is looked at, as arrays over time."""

    def __init__(self, solution, parameters, shells=40):
        self.time, self.voltage = solution["Time [s]"].entries, solution["Voltage [V]"].entries
        self.capacity = solution["Discharge capacity [A.h]"].entries
        self.c_max = parameters["Maximum concentration in negative electrode [mol.m-3]"]
        self.radius = parameters["Negative particle radius [m]"]
        nodes = np.linspace(0, self.radius, 2 * shells + 1)[1::2]  # centres of the shells
        self.r = nodes
        self.c = solution[C](t=self.time, r=nodes)
        self.surface = solution[SURFACE].entries.reshape(-1, len(self.time)).mean(axis=0)
        self.mean = solution["Average negative particle concentration [mol.m-3]"].entries
        self.mean = self.mean.reshape(-1, len(self.time)).mean(axis=0)
        self.flux = solution[CURRENT_DENSITY].entries.reshape(-1, len(self.time)).mean(axis=0) / FARADAY
        self.effective = solution["X-averaged negative particle effective diffusivity [m2.s-1]"](t=self.time, r=nodes)




class Scaled:
    """A D as PyBaMM calls it, lower by a factor."""

    def __init__(self, table, factor):
        self.table, self.factor = table, factor

    def __call__(self, stoichiometry, temperature):
        return self.table(stoichiometry, temperature) / self.factor


def integral_of_D(table, factor, low, high):
    """Integral of D over the stoichiometry at KELVIN."""
    s = np.linspace(low, high, 401)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        D = table(s, np.full_like(s, KELVIN)) / factor
    return float(np.sum((D[1:] + D[:-1]) / 2 * np.diff(s)))


def fick(d, table, factor, k):
    """Integral of D over c from the first to the last shell at time k, over what flows between them by the change of c in time."""
    h = d.r[1] - d.r[0]
    faces = np.arange(1, len(d.r)) * h
    rate = (d.c[:, k + 1] - d.c[:, k - 1]) / (d.time[k + 1] - d.time[k - 1])
    volume = (np.arange(1, len(d.r) + 1) ** 3 - np.arange(len(d.r)) ** 3) * h**3 / 3
    out = -np.cumsum(rate * volume)[:-1] / faces**2  # flux through each face
    return integral_of_D(table, factor, d.c[-1, k] / d.c_max, d.c[0, k] / d.c_max) * d.c_max / float(np.sum(out * h))


def crank(r, radius, time, D, flux, c0, terms=200):
    """Concentration in a sphere with constant D and constant flux out of its surface (Crank, eq. 6.45)."""
    roots = np.arange(1, terms + 1) * np.pi + np.pi / 2
    for _ in range(60):  # tan x = x
        roots = np.arange(1, terms + 1) * np.pi + np.arctan(roots)
    x, tau = r[:, None] / radius, D * time[None, :] / radius**2
    series = np.zeros((len(r), len(time)))
    for q in roots:
        series += np.sin(q * x) / (q**2 * np.sin(q)) * np.exp(-(q**2) * tau)
    return c0 - flux * radius / D * (3 * tau + x**2 / 2 - 0.3 - 2 / x * series)


def at_capacity(one, other, low, high):
    """Largest difference of two voltages at equal charge between two charges [V]."""
    q = np.linspace(low, min(high, one.capacity[-1], other.capacity[-1]), 500)
    return float(np.abs(np.interp(q, one.capacity, one.voltage) - np.interp(q, other.capacity, other.voltage)).max())


def by_bpx(path):
    """The patch in a whole BPX file, read by PyBaMM: largest relative difference of D from what the patch says in numbers."""
    where = os.path.join(os.path.dirname(here), "continuum", "by_pybamm.py")
    spec = importlib.util.spec_from_file_location("continuum_by_pybamm", where)
    continuum = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(continuum)
    patch = json.load(open(path, encoding="utf-8"))
    section = patch["Parameterisation"]["Negative electrode"]
    line, energy = section["Diffusivity [m2.s-1]"], section["Diffusivity activation energy [J.mol-1]"]
    bpx.parse_bpx_obj(continuum.whole_bpx(patch))  # refuses what is no BPX; takes its object apart
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        parameters = pybamm.ParameterValues.create_from_bpx_obj(continuum.whole_bpx(patch))
    worst = 0.0
    for s in (0.91, 0.95, 0.99):
        for T in (288.15, 298.15, 318.15):
            value = float(np.squeeze(parameters.evaluate(parameters[D_NAME](pybamm.Scalar(s), pybamm.Scalar(T)))))
            expected = np.interp(s, line["x"], line["y"]) * np.exp(energy / 8.31446261815324 * (1 / KELVIN - 1 / T))
            worst = max(worst, abs(value / float(expected) - 1))
    return worst


def main():
    table = mesolith_diffusivity.load(sys.argv[1])
    folder = sys.argv[2]
    low, high = table.valid_stoichiometry
    out = {"pybamm": pybamm.__version__, "data": [low, high]}
    own = pybamm.ParameterValues("Chen2020_composite")["Secondary: " + D_NAME]
    runs = {
        f"{what}, {size}": Discharge(*discharge(diffusivity, radius))
        for size, radius in (("small", None), ("large", LARGE))
        for what, diffusivity in (("own", None), ("ours", table))
    }
    out["own D"] = float(own)
    out["bpx"], out["bpx: D"] = bpx.__version__, by_bpx(os.path.join(folder, "patch.json"))
    out["c_max"], out["radius"] = runs["own, small"].c_max, {k: runs[f"own, {k}"].radius for k in ("small", "large")}
    out["start"] = float(runs["ours, small"].mean[0] / runs["ours, small"].c_max)

    # D inside of the particle is the table at its stoichiometry
    d = runs["ours, large"]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = table(d.c / d.c_max, np.full_like(d.c, KELVIN))
    inner = slice(1, -1)  # values at other places than PyBaMM's own are interpolated
    out["D in the particle"] = float(np.abs(d.effective[inner] / expected[inner] - 1).max())
    # lithium that left is the charge that flowed
    for name, d in runs.items():
        left = 3 / d.radius * d.flux.mean() * d.time
        out[f"lithium, {name}"] = float(np.abs((d.mean[0] - d.mean - left) / d.mean[0]).max())
        assert np.ptp(d.flux) < 1e-9 * d.flux.mean()  # a constant current is a constant flux, which all below needs
    # PyBaMM's constant against the exact profile
    d = runs["own, large"]
    some = slice(10, None, 50)
    exact = crank(d.r, d.radius, d.time[some], own, d.flux[0], d.mean[0])
    out["own profile against exact"] = float(np.abs(d.c[:, some] - exact).max() / (d.flux[0] * d.radius / own))

    # A D so much lower that the particle has a profile, all of it where the table has data: it obeys Fick's law with the D of
    # the table at each place, and half of D doubles it.
    gradient = {}
    for factor in (SLOWER, 2 * SLOWER):
        d = Discharge(*discharge(Scaled(table, factor), LARGE, shells=80, until=300), shells=80)
        k = len(d.time) - 2
        surface, middle = d.surface[k] / d.c_max, d.c[0, k] / d.c_max
        out[f"slower {factor}: surface and middle"] = [float(surface), float(middle)]
        out[f"slower {factor}: inside the data"] = bool(low < surface and middle < high)
        out[f"slower {factor}: Fick"] = fick(d, table, factor, k)
        gradient[factor] = d.mean[k] - d.surface[k]
    out["half of D"] = float(gradient[2 * SLOWER] / gradient[SLOWER])

    for size in ("small", "large"):
        a, b = runs[f"own, {size}"], runs[f"ours, {size}"]
        inside = b.capacity[b.surface / b.c_max >= low].max()
        out[f"{size}: charge inside the data"] = float(inside)
        out[f"{size}: capacity"] = [float(a.capacity[-1]), float(b.capacity[-1])]
        out[f"{size}: voltage differs inside the data by"] = at_capacity(a, b, 0, inside)
        out[f"{size}: voltage differs by"] = at_capacity(a, b, 0, 0.98 * a.capacity[-1])
        k = np.searchsorted(b.capacity, inside) - 1
        out[f"{size}: mean - surface"] = [float((x.mean[k] - x.surface[k]) / x.c_max) for x in (a, b)]
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            D = float(table(b.mean[k] / b.c_max, KELVIN))
        out[f"{size}: quasi-steady"] = float((b.mean[k] - b.surface[k]) / (b.flux[k] * b.radius / (5 * D)))
    arrays = {"own D": out["own D"]}
    for name, d in runs.items():
        for member in ("time", "voltage", "capacity", "r", "c", "mean", "surface", "radius", "c_max"):
            arrays[f"{name}: {member}"] = getattr(d, member)
    np.savez(os.path.join(folder, "discharges.npz"), **arrays)
    print(json.dumps(out))


if __name__ == "__main__":
    main()
