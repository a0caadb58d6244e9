"""Pictures of how ions stay, relax and spread: residence times, bands, van Hove and scattering functions."""

import math

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .canvas import (
    AXIS_COLOURS,
    BLUE,
    GREY,
    INK,
    ORANGE,
    RED,
    SERIES,
    corner_text,
    distance_bars,
    distance_marks,
    log_axis,
    panels,
    panels_in_pairs,
)
from .numbers import AXES, exact, is_number, joined, percent, plain, with_error
from .run import Missing


def finite_or_nan(values):
    """Infinity cannot be drawn, NaN leaves a gap."""
    return np.where(np.isfinite(values), values, np.nan)


def residence(run):
    file = run.need("msm")
    orbit = [str(name) for name in file["residence/orbit"]]
    mean, ended, distance, limit = (
        np.asarray(file[f"residence/{name}"], dtype=float)
        for name in ("mean", "ended", "distance", "distance_limit")
    )
    curves = []
    for k in range(len(orbit)):
        time, value, error = (np.asarray(file[f"residence/{k}/{n}"]) for n in ("time", "survival", "error"))
        if len(time) and ended[k] > 0 and np.isfinite(time).all() and np.isfinite(value).any():
            curves.append((k, time, value, error))
    if not curves:
        raise Missing("no stay ended in these data")
    shown = curves[: len(SERIES)]
    columns = min(len(shown), 3) if len(shown) != 4 else 2
    rows = math.ceil(len(shown) / columns)
    figure, axes = panels(
        columns,
        0.75 + 2.35 * rows,
        n_rows=rows,
        left=0.075,
        bottom=0.52 / (0.75 + 2.35 * rows),
        top=1 - 0.55 / (0.75 + 2.35 * rows),
        wspace=0.26,
        hspace=0.42,
    )
    for place, ax in enumerate(axes.ravel()):
        if place >= len(shown):
            ax.set_axis_off()
            continue
        k, time, value, error = shown[place]
        colour = SERIES[place]
        t, s, e = (np.concatenate([[start], x]) for start, x in ((0.0, time), (1.0, value), (0.0, error)))
        floor = max(0.5 / max(ended[k], 1), 2e-4)
        s, e = np.where(s > 0, finite_or_nan(s), np.nan), np.nan_to_num(e, posinf=0.0)
        ax.fill_between(
            t, np.maximum(s - e, floor / 10), s + e, step="post", color=colour, alpha=0.25, linewidth=0
        )
        ax.step(t, s, where="post", color=colour, linewidth=1.5)
        last = t[np.flatnonzero(s >= floor)[-1]] if np.any(s >= floor) else t[-1]
        last = max(last, mean[k] if is_number(mean[k]) else 0.0, 1e-9)
        line = np.linspace(0, last, 100)
        if is_number(mean[k]) and mean[k] > 0:
            ax.plot(line, np.exp(-line / mean[k]), "--", color=INK, linewidth=1.1)
        log_axis(ax.yaxis, few=True)
        ax.set(ylim=(floor, 1.25), xlim=(0, 1.02 * last))
        ax.set_title(
            f"{orbit[k]}: mean {plain(mean[k])} ps, {'' if distance[k] <= limit[k] else 'not '}exponential",
            loc="left",
            fontsize="small",  # the longest must fit above its panel
        )
        if place // columns == rows - 1 or place + columns >= len(shown):
            ax.set_xlabel("length of stay (ps)")
        if place % columns == 0:
            ax.set_ylabel("share that lasts longer")
    figure.legend(
        handles=[
            Line2D(
                [], [], color=SERIES[0], linewidth=1.5, label="stays of the trajectory, one standard error"
            ),
            Line2D([], [], color=INK, linestyle="--", linewidth=1.1, label="exponential of the same mean"),
        ],
        loc="upper center",
        ncol=2,
        bbox_to_anchor=(0.5, 1.0),
    )
    plain_kinds = [orbit[k] for k, *_ in curves if distance[k] <= limit[k]]
    if not plain_kinds:
        title = "Stays are not exponential on any kind of site: ions that just hopped hop back early"
        if not all(is_number(r) and r < 1 for r in np.asarray(file["residence/median_ratio"], dtype=float)):
            title = "Stays are not exponential on any kind of site: hops remember how long an ion has stayed"
    elif len(plain_kinds) == len(curves):
        title = "Stays end at random on every kind of site: they are exponential within the noise"
    else:
        title = f"Only stays on {joined(plain_kinds)} are exponential; on other sites hops remember the past"
    caption = (
        "How long ions stay on a site before a hop (Kaplan-Meier: stays that the data cut off count as long"
        " as they were seen). A Markov model at the level of single hops needs straight lines here. A steep"
        " start is rattling: hops that go straight back. The lag time has to outlast that part; what is not"
        " exponential here is no fault of a model at a longer lag. Means include stays cut off by the data."
    )
    if len(curves) > len(shown):
        caption += f" The first {len(shown)} of {len(curves)} kinds are drawn."
    return title, figure, caption


def bands(run):
    file = run.need("msm")
    distance, rate, parabola, segment = (
        np.asarray(file[f"bands/{name}"]) for name in ("distance", "rate", "parabola", "segment")
    )
    label = [str(name) for name in file["bands/label"]]
    if not len(distance) or not np.isfinite(distance).all():
        raise Missing("no path through the Brillouin zone is stored")
    pieces = [slice(int(a), int(b)) for a, b in zip(segment[:-1], segment[1:])]
    finite = rate[np.isfinite(rate) & (rate > 0)]
    finite = finite[finite > 1e-11 * finite.max(initial=0)]  # less is the zero at k = 0, rounded
    if not len(finite):
        raise Missing("no band has a finite rate")
    # in one direction slow, in another fast: only a log axis shows both
    tops = [
        np.nanmax(np.where(np.isfinite(rate[p, 0]), rate[p, 0], np.nan))
        for p in pieces
        if np.isfinite(rate[p, 0]).any()
    ]
    logarithmic = (
        finite.max() / max(min(t for t in tops if t > 0), 1e-300) > 12 if any(t > 0 for t in tops) else False
    )
    reach = [np.ptp(distance[p]) for p in pieces]
    figure, axes = panels(
        len(pieces),
        3.6,
        left=0.085,
        bottom=0.125,
        top=0.90,
        wspace=0.05,
        sharey=True,
        gridspec_kw={"width_ratios": [max(r, 1e-9) for r in reach]},
    )
    top = 1.08 * finite.max()
    low = 0.5 * finite.min()
    for c, (ax, piece) in enumerate(zip(axes[0], pieces)):
        x = distance[piece] - distance[piece][0]
        for b in range(rate.shape[1]):
            y = np.where(
                np.isfinite(rate[piece, b]) & (~logarithmic | (rate[piece, b] > low / 2)),
                rate[piece, b],
                np.nan,
            )
            ax.plot(x, y, color=BLUE, linewidth=1.4, alpha=0.85)
        for k in range(parabola.shape[1]):
            y = np.asarray(parabola[piece, k], dtype=float)
            ax.plot(
                x,
                np.where((y <= 1.5 * top) & (~logarithmic | (y > low / 2)), y, np.nan),
                "--",
                color=RED,
                linewidth=1.3,
            )
        if logarithmic:
            log_axis(ax.yaxis, few=True)
        ax.set(ylim=(low if logarithmic else 0, top), xlim=(0, max(x[-1], 1e-9)))
        names = label[2 * c : 2 * c + 2] if len(label) >= 2 * c + 2 else ["", ""]
        ax.set_xticks([0, x[-1]], names)
        for tick, side in zip(ax.get_xticklabels(), ("left", "right")):
            tick.set_horizontalalignment(side)
        ax.set_xlabel(f"{x[-1]:.2f} Å⁻¹", labelpad=-8)
        ax.grid(axis="x", visible=False)
        if c:
            ax.tick_params(left=False)
            ax.spines["left"].set_color("#c9ced4")
    axes[0, 0].set_ylabel("rate −ln |λ| / τ (1/ps)")
    figure.legend(
        handles=[
            Line2D([], [], color=BLUE, label="relaxation rates of the model"),
            Line2D([], [], color=RED, linestyle="--", label="k·D·k: diffusion"),
        ],
        loc="upper center",
        ncol=2,
    )
    # where the lowest band has left its parabola
    worst, at = 1.0, 0
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.array(
            [rate[p][-1, 0] / parabola[p][-1].min() if len(parabola[p][-1]) else np.nan for p in pieces]
        )
    known = np.flatnonzero(np.isfinite(ratio) & (ratio > 0))
    if len(known):
        at = known[np.argmin(ratio[known])]
        worst = ratio[at]
    edge = label[2 * at + 1] if len(label) > 2 * at + 1 else "the zone boundary"
    title = (
        f"Long waves fade by diffusion; at {edge} the slowest relaxes at {percent(worst, 0)} of k·D·k"
        if len(known)
        else "Relaxation rates along the axes of the Brillouin zone"
    )
    caption = (
        f"Slowest {rate.shape[1]} relaxation rates of concentration waves with wave vector k, along the"
        " reciprocal axes of the unit cell (Γ: k = 0, the letters its edges). Near Γ the lowest band is"
        " diffusion and must follow the parabola of D; it bends away where a wave becomes as short as the"
        " hops. Bands that stay up at Γ are relaxation within the"
        f" cell.{' Logarithmic scale.' if logarithmic else ''}"
    )
    return title, figure, caption


def van_hove(run):
    file = run.need("msm")
    time, model, seen, error = (
        np.asarray(file[f"van_hove/{name}"]) for name in ("time", "model", "trajectory", "error")
    )
    width = float(file.attr("van_hove", "bin"))
    if not len(time) or not (np.isfinite(time).all() and np.isfinite(seen).any()):
        raise Missing("the van Hove function is not known")
    model, seen, error = (finite_or_nan(values) for values in (model, seen, error))
    shown = np.unique(np.linspace(0, len(time) - 1, min(len(time), 4)).round().astype(int))
    figure, axes, columns = panels_in_pairs(len(shown), 2.15)
    r = width * (np.arange(model.shape[1]) + 0.5)
    for place, ax in enumerate(axes.ravel()):
        if place >= len(shown):
            ax.set_axis_off()
            continue
        t = shown[place]
        moved = np.nan_to_num(seen[t, 1:])
        reach = np.flatnonzero(np.cumsum(moved[::-1])[::-1] > 0.004 * max(moved.sum(), 1e-300))
        last = r[min(reach[-1] + 3, len(r) - 1)] if len(reach) else r[-1]
        keep = (r <= last) & (np.arange(len(r)) > 0)
        distance_bars(ax, r, width, keep, seen[t], error[t])
        distance_marks(ax, r, width, keep & (np.maximum(model[t], np.nan_to_num(seen[t])) > 2e-5), model[t])
        nearest = r[keep][np.flatnonzero(100 * seen[t, keep] > 0)[:1]]
        ax.set_xlim(max(nearest[0] - 0.4, width) if len(nearest) else width, last)
        ax.set_ylim(
            0, 1.3 * max(100 * np.max(np.maximum(moved, np.nan_to_num(model[t, 1:])), initial=0.0), 1e-9)
        )
        ax.grid(axis="x", visible=False)
        ax.set_title(f"after {exact(time[t])} ps", loc="left")
        corner_text(
            ax,
            f"still on its site\n{with_error(100 * seen[t, 0], 100 * error[t, 0])} %, model"
            f" {plain(100 * model[t, 0])} %",
        )
        if place + columns >= len(shown):
            ax.set_xlabel("displacement (Å)")
        if place % columns == 0:
            ax.set_ylabel(f"ions per {exact(width)} Å (%)")
    figure.legend(
        handles=[
            Patch(color=BLUE, alpha=0.45, label="trajectory on its sites, one standard error"),
            Line2D([], [], color=INK, linewidth=1.6, label="Markov model"),
        ],
        loc="upper center",
        ncol=2,
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.abs(seen - model) / error
    solid = np.isfinite(z) & (seen > 1e-3)
    outside = float((z[solid] > 2).mean()) if solid.any() else math.nan
    title = (
        f"Ions spread as the model says: {percent(1 - outside, 0)} of the distances lie within two standard"
        " errors"
        if is_number(outside) and outside <= 0.2
        else (
            f"The model misses {percent(outside, 0)} of the distances by more than two standard errors"
            if is_number(outside)
            else "How far ions are after some time"
        )
    )
    beyond = np.asarray(file["van_hove/beyond"]) if "van_hove/beyond" in file else np.zeros(1)
    caption = (
        "Self part of the van Hove function, 4πr² Gₛ(r, t) dr: how far from its start an ion is after a time."
        " Distances are those between sites, hence the spikes; ions that are back on their start are left out"
        " and written in the corner. At the first time, one lag, model and counts must agree but for symmetry"
        " and detailed balance; later times test the Markov assumption without any fit. Errors of"
        " neighbouring bars are correlated."
    )
    if np.any(np.isfinite(beyond)) and np.nanmax(beyond) > 1e-3:
        caption += f" Up to {percent(float(np.nanmax(beyond)))} are beyond {exact(r[-1] + width / 2)} Å."
    return title, figure, caption


def scattering(run):
    file = run.need("msm")
    k, time, model, seen, error = (
        np.asarray(file[f"scattering/{name}"]) for name in ("k", "time", "model", "trajectory", "error")
    )
    if not len(time) or not len(k):
        raise Missing("no wave vector is stored")
    if not (np.isfinite(time).all() and np.isfinite(k).all() and np.isfinite(seen).any()):
        raise Missing("the scattering function is not known")
    model, seen = finite_or_nan(model), finite_or_nan(seen)
    along = np.argmax(np.abs(k), axis=1)
    used = [a for a in range(3) if np.any(along == a)]
    figure, axes = panels(len(used), 3.2, left=0.07, bottom=0.155, top=0.81, wspace=0.12, sharey=True)
    t = np.concatenate([[0.0], time])
    handles = {}
    for ax, a in zip(axes[0], used):
        for place, q in enumerate(np.flatnonzero(along == a)[:6]):
            colour = SERIES[place]
            ax.plot(t, np.concatenate([[1.0], model[q]]), "-", color=colour, linewidth=1.2)
            bar = ax.errorbar(
                time,
                seen[q],
                yerr=np.nan_to_num(error[q]),
                fmt="o",
                markersize=4,
                color=colour,
                capsize=2,
                linewidth=1,
            )
            handles.setdefault(f"k = {exact(np.linalg.norm(k[q]))} Å⁻¹", bar)
        low = min(0.0, float(np.nanmin(seen)), float(np.min(np.nan_to_num(model))))
        ax.set(xlabel="time (ps)", xlim=(0, 1.03 * t[-1]), ylim=(1.1 * low, 1.03))
        ax.set_title(f"k along {AXES[a]}", loc="left")
    axes[0, 0].set_ylabel("Fₛ(k, t), real part")
    figure.legend(
        [*handles.values(), Line2D([], [], color=INK, linewidth=1.2)],
        [*handles, "Markov model"],
        loc="upper center",
        ncol=len(handles) + 1,
    )
    with np.errstate(divide="ignore", invalid="ignore"):
        z = np.where(error > 0, (model - seen) / error, np.nan)
    largest = float(np.nanmax(np.abs(z))) if np.isfinite(z).any() else math.nan
    if not is_number(largest):
        title = "Density waves fade in model and trajectory"
    else:
        q, n = np.unravel_index(np.nanargmax(np.abs(z)), z.shape)
        title = f"Density waves fade as in the trajectory to within {plain(largest, 2)} standard errors"
        if largest > 3:
            title = (
                f"Density waves fade {'slower' if z[q, n] > 0 else 'faster'} in the model by up to"
                f" {plain(largest, 2)} standard errors ({plain(abs(model[q, n] - seen[q, n]), 2)}, k along"
                f" {AXES[along[q]]} at {exact(time[n])} ps)"
            )
    caption = (
        "Self-intermediate scattering function of the trajectory moved onto its sites (points, one standard"
        " error) and of the model (lines between the same times, no fit): what incoherent neutron scattering"
        " measures. Small k sees long-range diffusion, large k single hops. Points of one curve come from the"
        " same data and deviate together."
    )
    return title, figure, caption
