"""Pictures of check.py --pictures: figures.py FOLDER PICTURES, from what the check left in FOLDER."""

import os
import sys
import warnings

import matplotlib.pyplot as plt
import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
validation = os.path.dirname(here)
sys.path[:0] = [os.path.join(os.path.dirname(validation), "tools"), validation, here]
import check  # noqa: E402
import mesolith_diffusivity  # noqa: E402
from pictures import COLOURS, STYLE, save  # noqa: E402

OWN, OURS = "#d1495b", "#0b4f6c"
plt.rcParams.update({**STYLE, "axes.titlesize": 8})


def diffusivity(folder, pictures):
    points = check.Points(os.path.join(folder, "runs"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = mesolith_diffusivity.load(os.path.join(folder, "d.csv"))
    rows = np.genfromtxt(os.path.join(folder, "d.csv"), delimiter=",", skip_header=1)
    own = float(np.load(os.path.join(folder, "discharges.npz"))["own D"])
    stretch = check.volume_ratio() ** (2 / 3)
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(9.2, 3.0))
    temperatures = np.unique(points.T)
    for T, colour in zip(temperatures[::-1], COLOURS):
        k = points.T == T
        for key, mark in (("D_tracer", "s"), ("D_J", "o")):
            left.errorbar(
                points.x[k],
                1e-8 * points[key][k],
                1e-8 * points.error(key)[k],
                fmt=mark + "-",
                color=colour,
                mfc="white" if mark == "s" else colour,
                lw=0.8,
                label=f"{T:g} K" if mark == "o" else None,
            )
        middle.errorbar(
            points.x[k],
            1e-8 * points["D_chem"][k],
            1e-8 * points.error("D_chem")[k],
            fmt="o-",
            color=colour,
            lw=0.8,
            capsize=1.5,
            label=f"{T:g} K",
        )
    room = rows[rows[:, 1] == check.ROOM]
    middle.errorbar(
        room[:, 0] * check.X_MAX,
        room[:, 2] * stretch,
        room[:, 2] * stretch * np.log(10) * room[:, 3],
        fmt="d--",
        color="0.4",
        lw=0.8,
        capsize=1.5,
        label="298 K, extrapolated",
    )
    left.set(yscale="log", xlabel="x = Li/Si", ylabel="D (m²/s)", title="(a) D* (open) and D_J (filled)")
    middle.set(yscale="log", xlabel="x = Li/Si", title="(b) chemical D = D_J Θ", ylim=(8e-12, None))
    middle.legend(fontsize=6, ncol=2, loc="lower left")
    left.legend(fontsize=6, ncol=2, loc="lower left")
    fraction = 0.033
    k = np.abs(points.vacant - fraction) < 2e-3
    right.errorbar(
        1000 / points.T[k], 1e-8 * points["D_chem"][k], 1e-8 * points.error("D_chem")[k], fmt="o", color=OURS, label="sweep, 3.3 % vacant"
    )
    grid = np.linspace(check.ROOM, 900, 60)
    slope, level = np.polyfit(1 / points.T[k], np.log(1e-8 * points["D_chem"][k]), 1, w=points["D_chem"][k] / points.error("D_chem")[k])
    right.plot(1000 / grid, np.exp(level + slope / grid), "-", color=OURS, lw=0.8)
    right.axvspan(1000 / 800, 1000 / 500, color="0.92", lw=0, label="rates measured")
    right.plot(1000 / check.ROOM, own, "*", color=OWN, ms=9, label="PyBaMM's silicon")
    right.plot(1000 / table.temperature, 10 ** table.log10[np.argmin(abs(table.stoichiometry - (1 - fraction)))], "^", color=COLOURS[2], ms=4, label="table for PyBaMM, over λ²")
    right.set(yscale="log", xlabel="1000 K / T", title="(c) extrapolation to a battery")
    right.legend(fontsize=6, loc="lower left")
    save(figure, pictures, "diffusivity")


def discharges(folder, pictures):
    data = np.load(os.path.join(folder, "discharges.npz"))

    def of(run):
        return {key.split(": ")[1]: data[key] for key in data.files if key.startswith(run + ": ")}

    own, ours = of("own, large"), of("ours, large")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        table = mesolith_diffusivity.load(os.path.join(folder, "d.csv"))
    low = table.valid_stoichiometry[0]
    edge = float(ours["capacity"][ours["surface"] / ours["c_max"] >= low].max())
    figure, ((voltage, difference), (left, right)) = plt.subplots(2, 2, figsize=(7.6, 5.4))
    for axis in (voltage, difference):
        axis.axvspan(0, edge, color="0.9", lw=0, label="x inside the data")
    voltage.plot(ours["capacity"], ours["voltage"], color=OURS, label="D(x, T) from the sweep")
    voltage.plot(own["capacity"], own["voltage"], "--", color=OWN, label="PyBaMM's constant")
    voltage.set(xlabel="charge (A h)", ylabel="voltage (V)", title="(a) 1C, 298 K, silicon particles of 5 µm radius")
    voltage.legend(loc="lower left")
    for size, style in (("large", "-"), ("small", ":")):
        a, b = of("own, " + size), of("ours, " + size)
        q = np.linspace(0, 0.985 * a["capacity"][-1], 400)
        delta = np.interp(q, b["capacity"], b["voltage"]) - np.interp(q, a["capacity"], a["voltage"])
        difference.plot(q, 1000 * delta, style, color="k", label=f"radius {1e6 * float(a['radius']):.3g} µm")
    difference.set(xlabel="charge (A h)", ylabel="from the sweep − constant (mV)", title="(b) difference of the voltages")
    difference.legend()
    times = (60, 200, 440, 2500, 3500)
    for axis, run, title in ((left, own, "(c) PyBaMM's constant 1.67e-14 m²/s"), (right, ours, "(d) D(x, T) from the sweep")):
        for t, colour in zip(times, COLOURS):
            k = int(np.searchsorted(run["time"], t))
            r = np.append(run["r"], run["radius"]) * 1e6
            axis.plot(r, np.append(run["c"][:, k], run["surface"][k]) / run["c_max"], color=colour, label=f"{t} s")
        axis.axhspan(low, table.valid_stoichiometry[1], color="0.9", lw=0)
        axis.set(xlabel="r (µm)", ylabel="stoichiometry c / c_max", title=title, ylim=(0, 1.02))
    left.legend(ncol=2, loc="lower left")
    left.text(0.1, low - 0.055, "grey: x inside the data", fontsize=6.5, color="0.35")
    inset = right.inset_axes([0.16, 0.56, 0.55, 0.2])
    for t, colour in zip(times, COLOURS):
        k = int(np.searchsorted(ours["time"], t))
        inset.plot(ours["r"] * 1e6, 1e6 * (ours["c"][:, k] - ours["mean"][k]) / ours["c_max"], color=colour, lw=0.8)
    inset.set_title("(c − mean) / c_max · 10⁶", fontsize=6)
    inset.tick_params(labelsize=6)
    save(figure, pictures, "discharge")


if __name__ == "__main__":
    os.makedirs(sys.argv[2], exist_ok=True)
    diffusivity(*sys.argv[1:3])
    discharges(*sys.argv[1:3])
