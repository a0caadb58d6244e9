"""Pictures of check.py --figures."""

import os

import matplotlib.pyplot as plt
import numpy as np
from pictures import COLOURS, STYLE, save

AXES = ["x (4.42 Å)", "y (7.90 Å)", "z (15.01 Å)"]


def timescales(data, folder):
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.4, 2.9))
    for (tau, values), colour in zip(data["eigenvalues"].items(), COLOURS):
        left.plot(np.arange(1, 157), values, ".", color=colour, label=f"{tau:g} ps")
    left.axhline(0, color="0.8", lw=0.7)
    left.set(xlabel="index", ylabel="eigenvalue", title="(a) spectrum, 156 modes of the box")
    left.legend(title="lag")
    lags = np.array(data["lags"])
    for rank in (1, 5, 20, 60, 100, 130, 150):
        value = np.array([data["value"][t][rank - 1] for t in data["lags"]])
        error = np.array([data["error"][t][rank - 1] for t in data["lags"]])
        shown = np.isfinite(value) & (error < 0.5 * value) & (np.exp(-lags / value) > 0.05)
        right.errorbar(
            lags[shown], value[shown], error[shown], fmt="o-", label=str(rank + 1), capsize=1.5, lw=1
        )
    right.fill_between(lags, 1, lags, color="0.92", zorder=0, lw=0)
    right.set(
        xscale="log",
        yscale="log",
        xlabel="lag (ps)",
        ylabel="implied timescale (ps)",
        ylim=(3, 1200),
        xlim=(0.35, 190),
    )
    right.set_title("(b) eq. 3, cells pooled; grey: t < lag")
    right.legend(title="index", loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, folder, "timescales")


def chapman_kolmogorov(data, folder):
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(8.2, 2.8), sharey=True)

    def band(axis, n, values, colour, label):
        low, high = (
            np.quantile(values, [0.05, 0.95], axis=0) if len(values) > 6 else (values.min(0), values.max(0))
        )
        axis.fill_between(n, low, high, color=colour, alpha=0.25, lw=0, label=label)

    left.plot(data["n"], data["own"], "o-", color=COLOURS[0], label="3.5 ns")
    band(left, data["n"], data["floor"], COLOURS[0], "Markov chains, 3.5 ns")
    left.plot(data["short_n"], data["short"].mean(0), "s--", color=COLOURS[1], label="100 ps, mean of 34")
    band(left, data["short_n"], data["floor_100ps"], COLOURS[1], "Markov chains, 100 ps")
    left.set_title("lag 5 ps, cells pooled, detailed balance")
    middle.plot(data["n"], data["labels"], "o-", color=COLOURS[0], label="3.5 ns")
    band(middle, data["n"], data["label_floor"], COLOURS[0], "Markov chains, 3.5 ns")
    middle.plot(data["short_n"], data["short_labels"].mean(0), "s--", color=COLOURS[1], label="100 ps, mean")
    middle.set_title("lag 5 ps, 156 labels, eqs. 4 to 6")
    right.plot(data["fast_n"], data["fast"], "o-", color=COLOURS[2], label="3.5 ns, nearest site")
    right.plot(
        data["fast_n"], data["fast_short"].mean(0), "s--", color=COLOURS[2], label="100 ps, nearest site"
    )
    right.plot(data["fast_n"], data["fast_core"], "o-", color=COLOURS[3], label="3.5 ns, core sets")
    right.set_title("lag 0.2 ps, 156 labels")
    for axis in (left, middle, right):
        axis.set(xscale="log", yscale="log", xlabel="n", ylim=(0.003, 2))
        axis.legend(loc="lower right", fontsize=6)
    left.set_ylabel("err(n), eq. 6")
    save(figure, folder, "chapman_kolmogorov")


def msd(data, folder):
    """MSD over 2 t: flat where diffusion is reached."""
    figure, panels = plt.subplots(1, 3, figsize=(8.4, 3.3))
    time = np.geomspace(0.4, 1000, 60)
    times = np.array(data["times"])
    for axis, panel in enumerate(panels):
        panel.plot(
            data["raw_time"],
            data["raw"][:, axis] / (2 * data["raw_time"]),
            color="0.8",
            lw=3,
            label="MD, raw",
        )
        for (tau, model), colour in zip(data["models"].items(), COLOURS):
            steps = np.unique(np.rint(time[time >= tau] / tau))
            panel.plot(
                steps * tau,
                model.msd(steps)[:, axis] / (2 * steps * tau),
                color=colour,
                label=f"model, {tau:g} ps",
            )
        short = data["short"][:, :, axis] / (2 * np.array(data["short_times"]))
        panel.plot(
            data["short_times"],
            short.mean(0),
            "--",
            color=COLOURS[1],
            label="eq. 5, 5 ps, 100 ps of data (mean of 34)",
        )
        panel.fill_between(
            data["short_times"], *np.quantile(short, [0.16, 0.84], axis=0), color=COLOURS[1], alpha=0.15, lw=0
        )
        tau, M = next(iter(data["labels"].items()))
        steps = np.unique(np.rint(np.geomspace(tau, 1000, 12) / tau)).astype(int)
        boxed = [(np.linalg.matrix_power(M, n) * data["squares"][axis]).sum() / len(M) for n in steps]
        panel.plot(
            steps * tau, boxed / (2 * steps * tau), "--", color=COLOURS[4], label=f"eq. 7 / 156, {tau:g} ps"
        )
        panel.errorbar(
            times,
            data["md"][:, axis] / (2 * times),
            data["md_error"][:, axis] / (2 * times),
            fmt="o",
            color="k",
            label="MD, projected",
            zorder=5,
        )
        top = data["models"][0.4].diffusivity()[axis]
        panel.set(
            xscale="log",
            yscale="log",
            xlabel="time (ps)",
            title=AXES[axis],
            ylim=(top / 16, top * 2),
            xlim=(1, 1200),
        )
    panels[0].set_ylabel("MSD / 2t (Å²/ps)")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=4, fontsize=7)
    figure.tight_layout(rect=(0, 0.12, 1, 1))
    save(figure, folder, "msd", tight=False)


def eigenvectors(data, folder):
    figure, (top, bottom) = plt.subplots(2, 1, figsize=(7.4, 3.6), sharex=True)
    index = np.arange(1, 157)
    palette = ["#0b4f6c", "#d1495b", "#edae49", "#3c896d", "#7d5ba6", "#bdbdbd", "#f28482"]
    top.stackplot(index, data["orbit_share"].T, labels=data["orbits"], colors=palette, step="mid", lw=0)
    top.set(ylabel="share of the sites", ylim=(0, 1), xlim=(1, 156))
    top.set_title("modes of the box at a lag of 5 ps, from slow to fast", loc="left")
    top.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    share = data["axis_share"][1:].T
    bottom.stackplot(index[1:], share, labels=["x", "y", "z"], colors=palette, step="mid", lw=0)
    bottom.set(xlabel="index", ylabel="share of the decay", ylim=(0, 1))
    bottom.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    save(figure, folder, "eigenvectors")


def pieces(data, folder):
    figure, panels = plt.subplots(1, 3, figsize=(8.2, 2.8), sharey=True)
    edges = np.geomspace(0.25, 9, 25)
    for axis, panel in enumerate(panels):
        for name, label, colour in (
            ("raw", "eq. 5", COLOURS[1]),
            ("apart", "eq. 5, ions of different times", COLOURS[2]),
            ("balanced", "detailed balance, cells pooled", COLOURS[0]),
        ):
            panel.hist(
                data[name][:, axis], edges, color=colour, alpha=0.4, histtype="stepfilled", label=label
            )
        panel.axvline(1, color="k", lw=0.7)
        panel.set(xscale="log", xlabel="MSD at 960 ps, 100 ps of data / all", title=AXES[axis])
        panel.set_xticks([0.5, 1, 2, 4, 8], ["0.5", "1", "2", "4", "8"])
        panel.minorticks_off()
    panels[0].set_ylabel("models of 100 ps")
    handles, labels = panels[0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="lower center", ncol=3, fontsize=7)
    figure.tight_layout(rect=(0, 0.09, 1, 1))
    save(figure, folder, "pieces", tight=False)


def draw_all(figures, folder):
    os.makedirs(folder, exist_ok=True)
    with plt.rc_context(STYLE):
        for name, draw in (
            ("timescales", timescales),
            ("chapman_kolmogorov", chapman_kolmogorov),
            ("msd", msd),
            ("eigenvectors", eigenvectors),
            ("pieces", pieces),
        ):
            draw(figures[name], folder)
