"""The concentration field of the mesoscale run. Parts as in mesoscale.py."""

import numpy as np
from matplotlib.lines import Line2D

from .canvas import AXIS_COLOURS, INK, SERIES, log_axis, panels
from .dynamics import finite_or_nan
from .markup import escape, table
from .meso_file import (
    FACES,
    LATTICE,
    Inapplicable,
    binned,
    graded,
    is_driven,
    largest,
    layers,
    need,
    on_time_axis,
    open_faces,
    relative,
    shares_of,
    spread_over,
    steady_layers,
    time_scale,
    top_of,
)
from .numbers import is_number, plain, rounded_duration

REACH = 5.0  # standard deviations of the field that must fit from the middle to a face


def field_profile(run):
    file = need(run, "field")
    time, profile = (finite_or_nan(file[f"field/{name}"]) for name in ("time", "profile"))
    axis, _, step = layers(file, "field")
    n = profile.shape[1]
    expected = finite_or_nan(file["field/exact_profile"]) if "field/exact_profile" in file else None
    steady = steady_layers(file, "field", n) if expected is None else None
    mass = abs(float(file.attr("field", "mass_error")))
    figure, axes = panels(1, 3.1, left=0.10, bottom=0.155, top=0.95, right=0.82)
    ax = axes[0, 0]
    shown = spread_over(len(time), 5)
    middle, drawn, width = binned(profile[shown])
    x = middle * step
    for place, (k, colour) in enumerate(zip(shown, graded(len(shown)))):
        label = rounded_duration(time[k])
        if expected is None:
            ax.plot(x, drawn[place], color=colour, label=label)
        else:
            ax.plot(x, drawn[place], "o", markersize=3, color=colour, label=label)
            ax.plot(x, binned(expected[k])[1], color=colour, linewidth=1.1)
    if steady is not None:
        ax.plot(x, binned(steady)[1], "--", color=INK, linewidth=1.3, label="steady state")
    top = top_of(drawn)
    if top > 30 * top_of(drawn[-1]):
        log_axis(ax.yaxis, few=True)
        ax.set_ylim(max(drawn[drawn > 0].min(), 1e-5 * top), 1.6 * top)
    else:
        ax.set_ylim(0, 1.08 * top)
    ax.set(xlabel=f"{LATTICE[axis]} (nm)", ylabel="ions per layer of cells", xlim=(0, n * step))
    handles, labels = ax.get_legend_handles_labels()
    if expected is not None:
        handles.append(Line2D([], [], color=INK, linewidth=1.1))
        labels.append("exact")
    ax.legend(handles, labels, loc="center left", bbox_to_anchor=(1.0, 0.5))
    kept = f"keeps its mass to {plain(mass, 1)}"
    caption = f"Ions in each layer of cells along {LATTICE[axis]} at a few times (darker is later)."
    if expected is not None:
        differs = largest(profile[-1] - expected[-1]) / top_of(expected[-1])
        title = f"The field ends within {relative(differs)} of the exact solution and {kept}"
        caption += (
            " Lines: the first profile, spread by a Gaussian of the exact mean square displacement; at early"
            " times the discrete hops differ from it, at late ones only rounding may."
        )
    elif steady is not None:
        differs = largest(profile[-1] - steady) / top_of(steady)
        title = f"The field ends within {relative(differs)} of the steady state and {kept}"
        caption += " Dashed: the exact steady state."
    else:
        title = f"The field {kept}"
    return title, figure, caption, field_table(file)


def field_table(file):
    engine = {"bloch": "Bloch waves", "stencil": "stencil, step by step"}.get(
        str(file.attr("field", "engine", "")), str(file.attr("field", "engine", ""))
    )
    reason = str(file.attr("field", "reason", ""))
    rows = [
        ["engine", engine],
        ["chosen because", reason],
        ["numbers", str(file.attr("field", "precision", ""))],
        ["mass is kept within", plain(float(file.attr("field", "mass_error")), 2)],
    ]
    difference = file.attr("field", "float_difference", "")
    if is_number(difference):
        rows.append(["float differs from double by, of the largest layer", plain(float(difference), 2)])
        rows.append(["mass is kept in float within", plain(float(file.attr("field", "float_mass_error")), 2)])
    return table(None, [[escape(a), escape(b)] for a, b in rows])


def field_spread(run):
    file = need(run, "field")
    if "field/spread" not in file:
        raise Inapplicable("spread is known in a periodic crystal only")
    time, spread, expected = (
        finite_or_nan(file[f"field/{name}"]) for name in ("time", "spread", "exact_spread")
    )
    scale, unit = time_scale(time[-1])
    kept = time > 0
    cell = np.asarray(file["domain/cell"], dtype=float)
    normal = np.linalg.norm(np.linalg.inv(cell), axis=0)  # 1 / distance of opposite faces of the cell
    across = np.asarray(file.attr("domain", "cells"), dtype=float) / normal
    inside = kept[:, None] & (REACH**2 * expected < (across / 2) ** 2)
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.where(inside, spread / expected - 1, np.nan)
    ends = [(a, np.flatnonzero(np.isfinite(off[:, a]))[-1]) for a in range(3) if np.isfinite(off[:, a]).any()]
    if not ends:
        raise Inapplicable("the field reaches around the domain at once")
    known = np.isfinite(off)
    figure, axes = panels(2, 3.0, bottom=0.16, top=0.95, left=0.08, wspace=0.26)
    left, right = axes[0]
    for a in range(3):
        left.plot(time[known[:, a]] * scale, expected[known[:, a], a], color=AXIS_COLOURS[a], linewidth=1.2)
        left.plot(
            time[known[:, a]] * scale,
            spread[known[:, a], a],
            "o",
            markersize=4,
            color=AXIS_COLOURS[a],
            label=f"normal to the faces of {LATTICE[a]}" if known[:, a].any() else None,
        )
        y = np.abs(off[kept, a])
        right.plot(
            time[kept] * scale,
            np.where(y > 0, y, np.nan),
            "o-",
            markersize=3.5,
            linewidth=0.9,
            color=AXIS_COLOURS[a],
        )
    for ax, name in ((left, "variance of the position (Å²)"), (right, "|difference| / exact")):
        log_axis(ax.xaxis, few=True)
        ax.set(xlabel=f"time ({unit})", ylabel=name)
    log_axis(left.yaxis, few=top_of(spread[known]) > 50 / top_of(1 / spread[known]))
    if np.any(off[np.isfinite(off)] != 0):
        y = np.abs(off[known & (off != 0)])
        log_axis(right.yaxis, few=y.max() > 30 * y.min())
    right.set_xlim(left.get_xlim())
    left.legend(
        handles=[
            *left.get_legend_handles_labels()[0],
            Line2D([], [], color=INK, linewidth=1.2, label="start + exact MSD"),
        ]
    )
    a, k = max(ends, key=lambda end: abs(off[end[1], end[0]]))
    differs = abs(off[k, a])
    title = (
        f"It {'spreads' if differs < 0.03 else 'does not spread'} with the exact D: the variance along"
        f" {LATTICE[a]} is within {relative(differs)} after {rounded_duration(time[k])}"
    )
    caption = (
        "Variance of the position (dots), and that of the start plus the exact mean square displacement"
        " (lines). Positions are counted by layers of cells, which differs as long as hops within a cell"
        " matter. Only times before ions reach around the domain along an axis: five standard"
        " deviations from its middle to its faces."
    )
    return title, figure, caption, ""


def field_exchange(run):
    file = need(run, "field")
    faces, several = open_faces(file), len(file["domain/region"]) > 1
    if not faces and not several:
        raise Inapplicable("a crystal without open faces keeps its ions")
    time, total, exchange, region = (
        finite_or_nan(file[f"field/{name}"]) for name in ("time", "total", "exchange", "region")
    )
    scale, unit = time_scale(time[-1])
    t = time * scale
    figure, axes = panels(2, 3.0, bottom=0.16, top=0.89, left=0.105, wspace=0.28)
    left, right = axes[0]
    left.plot(t, total, color=INK, label="all")
    if several:
        names, counts, _ = shares_of(file, region)
        for place, name in enumerate(names):
            left.plot(t, counts[:, place], color=SERIES[place % len(SERIES)], label=name[:26], linewidth=1.3)
    on_time_axis(left, time, scale, unit)
    left.set_ylabel("ions")
    left.set_ylim(0, (1.45 if several else 1.12) * top_of(total))
    left.set_title("in the domain", loc="left")
    left.legend(loc="upper left", ncol=2, fontsize=8.5)
    title = f"{plain(total[-1], 4)} ions are in the domain at the end, {plain(total[0], 4)} at the start"
    caption = "Left: ions in the domain over time."
    if not faces:
        names, counts, expected = shares_of(file, region)
        share = counts / total[:, None]
        for place, name in enumerate(names):
            colour = SERIES[place % len(SERIES)]
            right.plot(t, share[:, place], color=colour)
            right.axhline(expected[place], color=colour, linestyle="--", linewidth=1.1)
        on_time_axis(right, time, scale, unit)
        right.set(ylabel="share", ylim=(0, 1.08 * top_of(share, expected)))
        right.set_title("shares, dashed in equilibrium", loc="left")
        far = largest(share[-1] - expected)
        title = f"At the end the shares of the regions differ from equilibrium by {relative(far)} at most"
        caption += " Right: shares of the regions, in equilibrium dashed."
        return title, figure, caption, ""
    inflow = None
    if "steady/flux" in file:
        inflow = finite_or_nan(file["steady/flux/inflow"]).ravel()
    half = min(int(np.argmin(np.abs(time - time[-1] / 2))), max(len(time) - 2, 0))
    worst = 0.0
    for place, f in enumerate(faces):
        net = exchange[:, 0, f] - exchange[:, 1, f]
        right.plot(t, net, color=SERIES[place], label=f"through face {FACES[f]}")
        if inflow is not None:
            right.plot(t, net[half] + inflow[f] * (time - time[half]), "--", color=INK, linewidth=1.1)
            if time[-1] > time[half] and largest(inflow) > 0:
                rate = (net[-1] - net[half]) / (time[-1] - time[half])
                worst = max(worst, abs(rate - inflow[f]) / largest(inflow))
    on_time_axis(right, time, scale, unit, straight=inflow is not None)
    right.set_ylabel("ions that came in, net")
    right.set_title("through the faces", loc="left")
    right.legend()
    if inflow is not None and not is_driven(file):
        gain = (total[-1] - total[half]) / top_of(total)
        title = (
            f"In the second half of the run the domain gains {relative(gain)} of its ions, in the steady"
            " state none"
        )
    elif inflow is not None and largest(inflow) > 0:
        title = (
            f"In the second half of the run the flux differs from the steady one by {relative(worst)} of it"
            " at most"
        )
        caption += (
            " Right: ions that came in less those that left; dashed with the slope of the steady state."
        )
    else:
        caption += " Right: ions that came in less those that left."
    return title, figure, caption, ""
