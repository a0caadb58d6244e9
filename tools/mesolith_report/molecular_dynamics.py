"""The section on molecular dynamics that the run made itself: did each replica keep its temperature and its energy?"""

import numpy as np

from .canvas import SERIES, panels
from .numbers import exact, joined, plain, with_error
from .run import Missing


def replicas(run):
    """[(number, group path)] of the replicas that ended well."""
    return [
        (number, f"replicas/{number}")
        for number in run.md.members("replicas")
        if not run.md.attr(f"replicas/{number}", "failure", "")
    ]


def smoothed(values, n=200):
    """Means of about n stretches, so that a long run is a line and not a smear."""
    width = max(1, len(values) // n)
    return np.reshape(values[: len(values) // width * width], (-1, width)).mean(axis=1)


def temperature_and_energy(run):
    good = replicas(run)
    if not good:
        raise Missing("no replica of the molecular dynamics ended well")
    file = run.md
    target = float(file.attr("/", "temperature"))
    atoms = int(file.attr("/", "atoms"))
    figure, axes = panels(2, 2.9, left=0.085, right=0.985, bottom=0.17, top=0.90, wspace=0.25)
    drifts, means = [], []
    for k, (number, path) in enumerate(good):
        time = smoothed(file[f"{path}/time"])
        colour = SERIES[k % len(SERIES)]
        energy = file[f"{path}/conserved_energy"]
        axes[0, 0].plot(time, smoothed(file[f"{path}/temperature"]), color=colour, linewidth=0.9)
        axes[0, 1].plot(
            time,
            1e3 * smoothed(energy - energy[0]) / atoms,
            color=colour,
            linewidth=1.2,
            label=f"replica {number}",
        )
        means.append(file[f"{path}/mean_temperature"])
        drifts.append(float(file[f"{path}/energy_drift"][0]))
    axes[0, 0].axhline(target, color="black", linewidth=0.8, linestyle=":")
    axes[0, 0].set_ylabel("temperature (K)")
    axes[0, 1].set_ylabel("conserved energy − first (meV/atom)")
    if len(good) <= 6:
        axes[0, 1].legend()
    for ax in axes[0]:
        ax.set_xlabel("time after the equilibration (ps)")
        ax.set_xlim(0, None)
    worst = max(drifts, key=abs)
    title = (
        f"The replicas ran at {joined([with_error(mean, error) for mean, error in means[:4]])}"
        f"{' and more' if len(means) > 4 else ''} K (asked for: {exact(target)} K); energy drifts by at most"
        f" {plain(worst)} eV/atom/ps"
    )
    lost = len(file.members("replicas")) - len(good)
    caption = (
        f"{len(good)} replicas of {atoms} atoms; {file.attr('/', 'evaluator')}. Dotted: the temperature asked"
        " for. The conserved energy of a thermostat is that of the atoms less what the bath gave: its drift is"
        " the error of the time step and of the forces."
        + (f" {lost} failed and are left out, see the warnings." if lost else "")
    )
    return title, figure, caption
