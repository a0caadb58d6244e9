"""The jump network drawn on the crystal: sites, framework and hops in three projections of the simulated cell."""

import math

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from .canvas import GREY, INK, SERIES, WIDTH, panels
from .numbers import AXES, axis_lengths, grouped, joined, percent, plain
from .run import Missing

MAX_SITES = 700  # above: draw a few unit cells instead of the simulated cell
COVERED = 0.98  # share of all hops that is drawn
MAX_CLASSES = 400
HALF = "#4f9bd0"  # hops that leave through a face
EDGE = 0.02  # a site this little outside the cell (fraction) stays where it is


def translations(unit, box):
    """Integer vectors n with n.unit inside the box, each once."""
    corners = (
        np.array([[i, j, k] for i in (0, 1) for j in (0, 1) for k in (0, 1)]) @ box @ np.linalg.inv(unit)
    )
    low, high = np.floor(corners.min(0)).astype(int) - 1, np.ceil(corners.max(0)).astype(int) + 1
    grid = np.stack(
        np.meshgrid(*(np.arange(a, b + 1) for a, b in zip(low, high)), indexing="ij"), axis=-1
    ).reshape(-1, 3)
    fractional = grid @ unit @ np.linalg.inv(box)
    return grid[np.all((fractional > -1e-6) & (fractional < 1 - 1e-6), axis=1)]


def merged(origin, destination, R, count, displacement):
    """Both directions of a hop as one edge: origin, displacement, count."""
    edges = {}
    for i, j, r, c, d in zip(
        origin.tolist(), destination.tolist(), map(tuple, R.tolist()), count.tolist(), displacement
    ):
        back = (j, i, tuple(-x for x in r))
        if back in edges:
            edges[back][2] += c
        elif (i, j, r) in edges:
            edges[(i, j, r)][2] += c
        else:
            edges[(i, j, r)] = [i, d, c, j]
    ordered = sorted(edges.values(), key=lambda edge: -edge[2])
    return (
        np.array([e[0] for e in ordered]),
        np.array([e[1] for e in ordered]),
        np.array([e[2] for e in ordered], dtype=float),
        np.array([e[3] for e in ordered]),
    )


def drawing_cell(run):
    """(unit cell, cell to draw, its translations, is it the simulated cell)."""
    msm = run.need("msm")
    unit, box = np.asarray(msm["basis/cell"]), np.asarray(msm["basis/simulated_cell"])
    shifts = translations(unit, box)
    n_sites = len(msm["basis/positions"])
    if len(shifts) * n_sites <= MAX_SITES:
        return unit, box, shifts, True
    per_axis = max(1, int((MAX_SITES / n_sites) ** (1 / 3)))
    few = np.diag([per_axis] * 3) @ unit
    return unit, few, translations(unit, few), False


def into(box, points):
    """Points moved by whole boxes so that they lie inside."""
    fractional = points @ np.linalg.inv(box)
    return points - np.floor(fractional + EDGE) @ box


def edges_of(msm):
    """Edges by falling number of hops: origin, vector, hops, destination, and how many of them are drawn."""
    origin, destination, R, count, displacement = (
        np.asarray(msm[f"network/{name}"]) for name in ("from", "to", "R", "count", "displacement")
    )
    if not len(count):
        raise Missing("no hop was seen")
    first, vector, weight, second = merged(origin, destination, R, count, displacement)
    shown = min(int(np.searchsorted(np.cumsum(weight), COVERED * weight.sum())) + 1, MAX_CLASSES, len(weight))
    return first, vector, weight, second, shown


def segments(box, lattice, start_of, vector, width):
    """Whole edges inside the cell and their widths; of edges that cross a face one half at either end, and theirs."""
    inside, inside_widths, half, half_widths = [np.zeros((0, 2, 3))], [], [np.zeros((0, 2, 3))], []
    for e in range(len(width)):
        start = into(box, start_of[e] + lattice)
        stop = start + vector[e]
        there = into(box, stop)
        stays = np.linalg.norm(there - stop, axis=1) < 1e-6
        inside.append(np.stack([start[stays], stop[stays]], axis=1))
        inside_widths += [width[e]] * int(stays.sum())
        out = ~stays
        half.append(np.stack([start[out], start[out] + vector[e] / 2], axis=1))
        half.append(np.stack([there[out], there[out] - vector[e] / 2], axis=1))
        half_widths += [width[e]] * (2 * int(out.sum()))
    return np.concatenate(inside), inside_widths, np.concatenate(half), half_widths


def framework_of(msm, box, whole):
    """Positions and species of the framework, when the simulated cell is drawn."""
    if not whole or "basis/framework_positions" not in msm or not len(msm["basis/framework_positions"]):
        return np.zeros((0, 3)), []
    positions = into(box, np.asarray(msm["basis/framework_positions"]).reshape(-1, 3))
    return positions, sorted({str(s) for s in msm["basis/framework_species"]})


def shades(widths, colour):
    """Thin lines fainter than thick ones, or a dense network turns grey all over."""
    widths = np.asarray(widths, dtype=float)
    strength = 0.30 + 0.55 * widths / widths.max() if len(widths) else widths
    return [(*to_rgb(colour), alpha) for alpha in strength]


def network(run):
    msm = run.need("msm")
    first, vector, weight, second, shown = edges_of(msm)
    covered = weight[:shown].sum() / weight.sum()
    unit, box, shifts, whole = drawing_cell(run)
    positions = np.asarray(msm["basis/positions"])
    orbit = np.asarray(msm["basis/orbit"])
    names = [str(name).split(".")[0] for name in msm["basis/name"]]

    # hops per ns on one edge of one unit cell, both directions together
    span = (
        sum(
            float(run.sites.attr(f"trajectories/{k}", "n_frames"))
            * float(run.sites.attr(f"trajectories/{k}", "frame_interval"))
            for k in run.sites.members("trajectories")
        )
        if run.sites is not None
        else math.nan
    )
    n_cells = round(abs(np.linalg.det(np.asarray(msm["basis/simulated_cell"])) / np.linalg.det(unit)))
    rate = weight / (span / 1000.0) / n_cells if span else weight
    widest = 6.0 if len(positions) * len(shifts) < 200 else 4.5
    width = np.maximum(widest * rate / rate[0], 0.35)

    lattice = shifts @ unit
    inside, inside_widths, half, half_widths = segments(box, lattice, positions[first], vector, width[:shown])
    sites = np.concatenate([into(box, positions[i] + lattice) for i in range(len(positions))])
    kind = np.repeat(orbit, len(shifts))
    framework, species = framework_of(msm, box, whole)

    lengths = np.linalg.norm(box, axis=1)
    planes = ((0, 1), (0, 2), (1, 2))
    frames = []
    for u, v in planes:
        e1 = box[u] / lengths[u]
        e2 = box[v] - (box[v] @ e1) * e1
        e2 /= np.linalg.norm(e2)
        flat = np.stack([e1, e2], axis=1)
        outline = np.array([np.zeros(3), box[u], box[u] + box[v], box[v], np.zeros(3)]) @ flat
        frames.append((flat, outline))
    # panel widths follow the extents, so that all three share one scale
    margin = 1.4  # [A]; longer half-lines are cut
    extents = [(o.min(0) - margin, o.max(0) + margin) for _, o in frames]
    wide = np.array([b[0] - a[0] for a, b in extents])
    tall = np.array([b[1] - a[1] for a, b in extents])
    usable, gap = 8.9, 0.3  # [inch], the gap with room for a label
    scale = min((usable - 3 * gap) / wide.sum(), 4.6 / tall.max())
    dot = float(np.clip(25 * scale, 3.2, 6.5))
    rows = math.ceil((len(set(kind.tolist())) + bool(len(framework)) + 4) / 7)
    above, below = 0.12 + 0.2 * rows, 0.24
    height = tall.max() * scale
    total = height + above + below
    figure, axes = panels(3, total)
    x = (WIDTH - (wide.sum() * scale + 3 * gap)) / 2 + gap
    for ax, (flat, outline), (low, high), (u, v), w, t in zip(axes[0], frames, extents, planes, wide, tall):
        ax.set_position(
            [x / WIDTH, (below + (height - t * scale) / 2) / total, w * scale / WIDTH, t * scale / total]
        )
        x += w * scale + gap
        ax.plot(*outline.T, color=GREY, linewidth=0.9, zorder=1)
        ax.add_collection(
            LineCollection(
                half @ flat,
                linewidths=half_widths,
                colors=shades(half_widths, HALF),
                zorder=2,
                capstyle="butt",
            )
        )
        ax.add_collection(
            LineCollection(
                inside @ flat,
                linewidths=inside_widths,
                colors=shades(inside_widths, INK),
                zorder=2.1,
                capstyle="round",
            )
        )
        if len(framework):
            ax.plot(
                *(framework @ flat).T,
                "o",
                color="#c3c8ce",
                markersize=1.25 * dot,
                zorder=1.5,
                markeredgewidth=0,
            )
        for place, which in enumerate(sorted(set(kind.tolist()))):
            ax.plot(
                *(sites[kind == which] @ flat).T,
                "o",
                color=SERIES[place % len(SERIES)],
                markersize=dot,
                zorder=4,
                markeredgecolor="white",
                markeredgewidth=0.5,
            )
        ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        ax.set_axis_off()
        ax.annotate(
            f"{'abc'[u]}, {lengths[u]:.1f} Å →",
            (0.5, 0),
            xycoords="axes fraction",
            xytext=(0, -3),
            textcoords="offset points",
            ha="center",
            va="top",
            fontsize=9,
        )
        ax.annotate(
            f"{'abc'[v]}, {lengths[v]:.1f} Å →",
            (0, 0.5),
            xycoords="axes fraction",
            xytext=(-3, 0),
            textcoords="offset points",
            ha="right",
            va="center",
            rotation=90,
            fontsize=9,
        )
    kinds = sorted(set(orbit.tolist()))
    handles = [
        Line2D(
            [],
            [],
            marker="o",
            linestyle="",
            color=SERIES[p % len(SERIES)],
            label=names[int(np.flatnonzero(orbit == k)[0])],
        )
        for p, k in enumerate(kinds)
    ]
    if len(framework):
        handles.append(
            Line2D([], [], marker="o", linestyle="", color="#c3c8ce", markersize=7, label=joined(species))
        )
    unit_text = "hops/ns" if span else "hops"
    for share in (1.0, 0.3, 0.1):
        handles.append(
            Line2D(
                [],
                [],
                color=INK,
                alpha=0.55,
                linewidth=max(widest * share, 0.35),
                label=f"{plain(rate[0] * share, 2)} {unit_text}",
            )
        )
    handles.append(Line2D([], [], color=HALF, linewidth=2.5, label="on to the next cell"))
    figure.legend(
        handles=handles,
        loc="upper center",
        ncol=math.ceil(len(handles) / rows),
        columnspacing=1.3,
        handletextpad=0.7,
        handlelength=1.6,
        bbox_to_anchor=(0.5, 1.0),
        borderaxespad=0.2,
    )

    lengthwise = axis_lengths(unit, np.asarray(msm["basis/simulated_cell"]))
    flow = (weight[:, None] * vector**2).sum(0)
    along = int(np.argmax(flow))
    name = AXES[along] + (f" ({lengthwise[AXES[along]]:.2f} Å axis)" if AXES[along] in lengthwise else "")
    busiest = f"{names[first[0]]}–{names[second[0]]}"
    share = flow[along] / flow.sum()
    title = (
        f"{percent(share, 0)} of the squared hop lengths lie along {name}; "
        if share > 0.45
        else "Hops run in all directions; "
    )
    title += f"the busiest path joins {busiest}"
    caption = (
        f"Sites of {'the simulated cell' if whole else 'a few unit cells'} seen along c, b and a, coloured by"
        " kind, and the hops between them: line width is the number of hops per time on one path, both"
        f" directions together ({grouped(weight.sum())} hops in all; the {shown} busiest kinds of path,"
        f" {percent(covered)} of the hops, are drawn). Half-lines in light blue leave through a face and come"
        " back at the opposite one. A hop there and straight back counts twice, so thick lines show"
        " activity, not yet transport."
    )
    return title, figure, caption
