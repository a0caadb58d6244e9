"""Slow modes drawn on the crystal: what an eigenvector fills and what it empties."""

import itertools
import math

import numpy as np
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.lines import Line2D

from .canvas import BLUE, GREY, RED, WIDTH, panels
from .network import drawing_cell, edges_of, framework_of, into, segments
from .numbers import is_number, joined, plain
from .run import Missing

SHOWN = 4
VIEW = (math.radians(17), math.radians(-13))  # turned to the right, seen from above
FAINT = 0.06  # of the largest amplitude: below, a site is drawn as an empty spot


def view_of(box):
    """Orthonormal rows: right, up, towards the reader. Looking down the shortest vector of the cell, a little tilted."""
    lengths = np.linalg.norm(box, axis=1)
    depth = int(np.argmin(lengths))
    u, v = (a for a in range(3) if a != depth)
    if lengths[v] > 1.05 * lengths[u]:
        u, v = v, u  # the longer one runs to the right
    right = box[u] / lengths[u]
    up = box[v] - (box[v] @ right) * right
    up /= np.linalg.norm(up)
    towards = np.cross(right, up)
    turn, tilt = VIEW
    right, towards = (
        math.cos(turn) * right - math.sin(turn) * towards,
        math.sin(turn) * right + math.cos(turn) * towards,
    )
    up, towards = (
        math.cos(tilt) * up + math.sin(tilt) * towards,
        -math.sin(tilt) * up + math.cos(tilt) * towards,
    )
    return np.array([right, up, towards])


def box_edges(box):
    """The twelve edges of a cell, [12, 2, 3]."""
    corners = list(itertools.product((0, 1), repeat=3))
    pairs = [
        (a, b) for a in corners for b in corners if sum(b) - sum(a) == 1 and all(y >= x for x, y in zip(a, b))
    ]
    return np.array([[np.array(a) @ box, np.array(b) @ box] for a, b in pairs])


def outermost(outline, vector):
    """Middle of the edge of the cell along a vector that lies furthest out, low and to the left, and the offset [pt] of
    its label."""
    ends = outline[:, :, :2]
    parallel = np.linalg.norm(outline[:, 1] - outline[:, 0] - vector, axis=1) < 1e-6 * np.linalg.norm(vector)
    middles = ends[parallel].mean(axis=1)
    normal = np.array([-vector[1], vector[0]]) / max(np.linalg.norm(vector[:2]), 1e-12)
    if normal @ (-1.0, -1.2) < 0:  # point down or to the left
        normal = -normal
    return middles[np.argmax(middles @ normal)], tuple(9 * normal)


def modes(run):
    msm = run.need("msm")
    timescale, size, kind, participation = (
        np.asarray(msm[f"modes/{name}"]) for name in ("timescale", "size", "kind", "participation")
    )
    left, right = (
        np.nan_to_num(np.asarray(msm[f"modes/{side}"]), posinf=0, neginf=0) for side in ("left", "right")
    )
    slow = [m for m in range(len(timescale)) if is_number(timescale[m]) and timescale[m] > 0][:SHOWN]
    if not slow:
        raise Missing("no mode within the unit cell has a finite timescale")
    unit, box, shifts, whole = drawing_cell(run)
    positions = np.asarray(msm["basis/positions"])
    lattice = shifts @ unit
    view = view_of(box)
    sites = np.concatenate([into(box, p + lattice) for p in positions])
    of_basis = np.repeat(np.arange(len(positions)), len(shifts))
    framework, species = framework_of(msm, box, whole)
    try:
        first, vector, weight, _, shown = edges_of(msm)
        inside, widths, _, _ = segments(
            box, lattice, positions[first[:shown]], vector, np.maximum(weight[:shown] / weight[0], 0.05)
        )
    except Missing:
        inside, widths = np.zeros((0, 2, 3)), []
    outline = box_edges(box) @ view.T
    flat, flat_framework, flat_edges = sites @ view.T, framework @ view.T, inside @ view.T

    low, high = outline.reshape(-1, 3).min(0)[:2] - 0.8, outline.reshape(-1, 3).max(0)[:2] + 0.8
    aspect = (high[1] - low[1]) / (high[0] - low[0])
    columns = 2 if len(slow) > 1 else 1
    rows = math.ceil(len(slow) / columns)
    wide = 4.3
    tall = min(wide * aspect, 4.4)
    title_height, above = 0.42, 0.42
    total = rows * (tall + title_height) + above + 0.05
    figure, axes = panels(columns, total, n_rows=rows)
    scale = min(wide / (high[0] - low[0]), tall / (high[1] - low[1]))  # [inch / A]
    nearest = nearest_distance(sites, box)
    biggest = float(np.clip(72 * scale * 0.95 * nearest, 7, 17))  # [pt], diameter
    depth = flat[:, 2]
    span = max(float(np.ptp(depth)), 1e-9)
    for place, ax in enumerate(axes.ravel()):
        row, column = divmod(place, columns)
        x = (WIDTH - columns * wide) / (columns + 1) * (column + 1) + column * wide
        y = total - above - (row + 1) * (tall + title_height)
        ax.set_position([x / WIDTH, y / total, wide / WIDTH, tall / total])
        ax.set_axis_off()
        if place >= len(slow):
            continue
        m = slow[place]
        amount, change = right[m] / max(np.abs(right[m]).max(), 1e-300), left[m]
        sign = 1 if change[np.argmax(np.abs(change))] >= 0 else -1
        amount, change = sign * amount, sign * change / max(np.abs(change).max(), 1e-300)
        ax.add_collection(LineCollection(outline[:, :, :2], colors=GREY, linewidths=0.7, zorder=1))
        if len(flat_edges):
            ax.add_collection(
                LineCollection(
                    flat_edges[:, :, :2], colors="#d4d8dd", linewidths=0.5 + 1.6 * np.sqrt(widths), zorder=1.2
                )
            )
        if len(framework):
            ax.scatter(
                *flat_framework[:, :2].T, s=(0.42 * biggest) ** 2, color="#b4bac1", linewidths=0, zorder=1.5
            )
        value, area = change[of_basis], np.abs(amount)[of_basis]
        order = np.argsort(depth)  # far ones first
        near = 0.78 + 0.22 * (depth - depth.min()) / span
        still = area < FAINT
        quiet = order[still[order]]
        ax.scatter(
            *flat[quiet, :2].T,
            s=(0.2 * biggest) ** 2,
            facecolors="white",
            edgecolors="#8a929c",
            linewidths=0.7,
            zorder=2,
        )
        active = order[~still[order]]
        strength = 0.25 + 0.75 * np.abs(value[active])
        colours = np.where((value[active] >= 0)[:, None], to_rgb(RED), to_rgb(BLUE))
        ax.scatter(
            *flat[active, :2].T,
            s=area[active] * (biggest * near[active]) ** 2,
            facecolors=1 - strength[:, None] * (1 - colours),
            edgecolors=np.where((value[active] >= 0)[:, None], to_rgb("#7a3500"), to_rgb("#00385a")),
            linewidths=0.5,
            zorder=3,
        )
        for name, vector in zip("abc", box @ view.T):
            place_of, offset = outermost(outline, vector)
            ax.annotate(
                name,
                place_of,
                xytext=offset,
                textcoords="offset points",
                ha="center",
                va="center",
                fontsize=9,
                color="#5b636d",
            )
        ax.set(xlim=(low[0], high[0]), ylim=(low[1], high[1]))
        ax.set_aspect("equal")
        several = f", one of {int(size[m])} of this timescale" if size[m] > 1 else ""
        ax.set_title(
            f"mode {m + 1}: {plain(timescale[m])} ps, {str(kind[m]).replace('_', ' ')}{several}\n"
            f"{plain(participation[m], 2)} of {len(positions)} sites take part",
            loc="left",
            fontsize=9.5,
            pad=2,
        )
    handles = [
        Line2D(
            [],
            [],
            marker="o",
            linestyle="",
            markersize=9,
            markerfacecolor=RED,
            markeredgecolor="#7a3500",
            markeredgewidth=0.5,
            label="more Li than in equilibrium",
        ),
        Line2D(
            [],
            [],
            marker="o",
            linestyle="",
            markersize=9,
            markerfacecolor=BLUE,
            markeredgecolor="#00385a",
            markeredgewidth=0.5,
            label="less",
        ),
        Line2D(
            [],
            [],
            marker="o",
            linestyle="",
            markersize=4,
            markerfacecolor="white",
            markeredgecolor="#8a929c",
            markeredgewidth=0.7,
            label="not part of the mode",
        ),
    ]
    if len(framework):
        handles.append(
            Line2D([], [], marker="o", linestyle="", markersize=6, color="#b4bac1", label=joined(species))
        )
    handles.append(Line2D([], [], color="#c4c9cf", linewidth=1.8, label="hops"))
    figure.legend(
        handles=handles,
        loc="upper center",
        ncol=len(handles),
        bbox_to_anchor=(0.5, 1.0),
        borderaxespad=0.2,
        columnspacing=1.6,
    )
    slowest = slow[0]
    share = participation[slowest] / len(positions)
    title = f"The slowest relaxation takes {plain(timescale[slowest])} ps and " + (
        "moves Li all over the unit cell"
        if share > 0.6
        else f"lives on {plain(participation[slowest], 2)} of {len(positions)} sites"
    )
    caption = (
        f"Eigenvectors of the {len(slow)} slowest modes on"
        f" {'the simulated cell' if whole else 'a few unit cells'}, equal in every unit cell. A mode is a"
        " disturbance that fades with its timescale: Li missing on blue sites comes back from orange ones."
        " Area: amplitude of the right eigenvector (ions moved); depth of colour: the left one (relative to"
        " the occupancy of the site); both up to a common factor and sign. Of modes with equal timescale any"
        " mixture would do, one is drawn."
    )
    return title, figure, caption


def nearest_distance(sites, box):
    """Smallest distance between two sites of the drawn cell, images left out."""
    if len(sites) < 2:
        return 2.0
    separation = np.linalg.norm(sites[:, None] - sites[None], axis=2)
    separation[np.diag_indices(len(sites))] = np.inf
    return float(np.median(separation.min(axis=1)))
