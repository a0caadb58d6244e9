"""Pictures of a domain in space: its materials, and snapshots of fields and walkers."""

import glob
import os
import re

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import ListedColormap, LogNorm, Normalize, to_rgb
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from .canvas import BLUE, DPI, INK, SERIES, WIDTH, log_axis
from .meso_file import LATTICE, size_nm, spread_over, Inapplicable
from .numbers import percent, plain, rounded_duration
from .run import Missing, ResultFile

LEFT, BELOW, ABOVE, RIGHT = 0.66, 0.52, 0.30, 0.16  # around one picture [inch]
DECADES = 4  # of a logarithmic colour scale


def tint(colour, strength=0.62):
    """Lighter, so that lines and letters on it can be read."""
    return tuple(1 - strength * (1 - np.array(to_rgb(colour))))


# --- layout ---


def arranged(sizes, tallest=4.6, head=0.34):
    """Figure with axes for pictures of these sizes [nm], on one scale, in the rows that make them largest.

    Very flat ones are stretched to a quarter of an inch."""
    splits = {1: [[[0]]], 2: [[[0, 1]], [[0], [1]]]}.get(
        len(sizes), [[[0, 1, 2]], [[0], [1, 2]], [[0, 1], [2]], [[0], [1], [2]]]
    )

    def scale(rows):
        across = min((WIDTH - len(r) * (LEFT + RIGHT)) / sum(sizes[k][0] for k in r) for r in rows)
        high = sum(max(sizes[k][1] for k in r) for r in rows)
        return min(across, (tallest - len(rows) * (BELOW + ABOVE)) / high)

    rows = max(splits, key=scale)
    inch = scale(rows)
    heights = [max(max(sizes[k][1] for k in r) * inch, 0.25) for r in rows]
    height = head + sum(heights) + len(rows) * (BELOW + ABOVE)
    figure = Figure(figsize=(WIDTH, height), dpi=DPI)
    FigureCanvasAgg(figure)
    axes, top = [None] * len(sizes), height - head
    for row, tall in zip(rows, heights):
        used = sum(sizes[k][0] * inch + LEFT + RIGHT for k in row)
        x = (WIDTH - used) / 2
        for k in row:
            w, h = max(sizes[k][0] * inch, 0.25), max(sizes[k][1] * inch, 0.25)
            axes[k] = figure.add_axes([(x + LEFT) / WIDTH, (top - ABOVE - h) / height, w / WIDTH, h / height])
            x += sizes[k][0] * inch + LEFT + RIGHT
        top -= tall + BELOW + ABOVE
    return figure, axes


def framed(ax):
    ax.grid(False)
    for spine in ax.spines.values():
        spine.set_visible(True)


def borders(labels, width, height):
    """Line pieces between cells of different regions, of a picture [v][u]; joined along rows and columns."""
    rows, columns = labels.shape
    dx, dy = width / columns, height / rows
    pieces = []
    for differs, upright in ((labels[:, 1:] != labels[:, :-1], True), (labels[1:] != labels[:-1], False)):
        lines = differs.T if upright else differs
        for k, line in enumerate(lines):
            ends = np.flatnonzero(np.diff(np.concatenate([[0], line.astype(np.int8), [0]])))
            for begin, end in zip(ends[::2], ends[1::2]):
                if upright:
                    pieces.append([((k + 1) * dx, begin * dy), ((k + 1) * dx, end * dy)])
                else:
                    pieces.append([(begin * dx, (k + 1) * dy), (end * dx, (k + 1) * dy)])
    return pieces


def draw_borders(ax, labels, width, height, colour=INK, strength=0.8):
    pieces = borders(labels, width, height)
    if pieces:
        ax.add_collection(LineCollection(pieces, colors=[colour], linewidths=strength))


# --- the domain ---


def domain_planes(run):
    """The three middle planes, coloured by material."""
    file = run.need("meso")
    if "domain/slice_a" not in file:
        raise Inapplicable("the domain is one crystal")
    size = size_nm(file)
    material = np.asarray(file["domain/region_material"], dtype=int)
    names = [str(name) for name in file["domain/material"]]
    share = np.asarray(file["domain/region_cells"], dtype=float)
    regions = int(np.count_nonzero(share))
    share = np.bincount(material, weights=share, minlength=len(names)) / share.sum()
    colours = ListedColormap([tint(SERIES[k % len(SERIES)]) for k in range(len(names))])
    planes = [(2, 0, 1), (1, 0, 2), (0, 1, 2)]  # normal, to the right, upwards
    figure, axes = arranged([(size[u], size[v]) for _, u, v in planes])
    for ax, (normal, u, v) in zip(axes, planes):
        labels = np.asarray(file[f"domain/slice_{LATTICE[normal]}"], dtype=int)
        ax.imshow(
            material[labels],
            origin="lower",
            extent=(0, size[u], 0, size[v]),
            cmap=colours,
            vmin=-0.5,
            vmax=len(names) - 0.5,
            interpolation="nearest",
            aspect="auto",
        )
        draw_borders(ax, labels, size[u], size[v])
        framed(ax)
        ax.set(xlabel=f"{LATTICE[u]} (nm)", ylabel=f"{LATTICE[v]} (nm)")
        ax.set_title(f"middle plane normal to {LATTICE[normal]}", loc="left", fontsize=9.5)
    shown = [k for k in range(len(names)) if share[k] > 0][:8]
    figure.legend(
        handles=[
            Patch(color=colours(k), label=f"{names[k]} ({percent(share[k], 0 if share[k] > 0.1 else 1)})")
            for k in shown
        ],
        loc="upper center",
        ncol=min(len(shown), 4),
    )
    used = sum(1 for s in share if s > 0)
    title = (
        f"{regions} regions of {used} material{'s' if used > 1 else ''} fill the domain"
        if regions > used
        else f"{used} materials fill the domain"
    )
    caption = (
        "Materials in the three middle planes, with their share of all cells; lines are borders between"
        " regions, drawn between grains of one material too. Lattice axes are drawn at right angles."
    )
    return title, figure, caption, ""


# --- snapshots ---


def field_files(run):
    """Snapshots of the run in their order, (time, path); those that an older run left are passed over."""
    folder = os.path.join(run.folder, "fields")
    paths = sorted(glob.glob(os.path.join(glob.escape(folder), "field_*.vtkhdf")))
    series = os.path.join(folder, "field.pvd")
    if os.path.exists(series):
        with open(series, encoding="utf-8", errors="replace") as text:
            paths = paths[: len(re.findall(r"<DataSet\b", text.read()))]
    known = np.asarray(run.need("meso")["field/time"], dtype=float)
    found = []
    for path in paths:
        snapshot = ResultFile(path)
        try:
            time = float(snapshot.attr("/", "time"))
        finally:
            snapshot.close()
        after = not found or time > found[-1][0]
        if after and np.isclose(known, time, rtol=1e-9, atol=1e-12).any():
            found.append((time, path))
    return found


def field_values(path):
    """Ions per cell, [z, y, x]."""
    snapshot = ResultFile(path)
    try:
        return np.asarray(snapshot["VTKHDF/PointData/ions_per_cell"], dtype=float)
    finally:
        snapshot.close()


class Sample:
    """The walkers of walkers.h5md; opened for one picture."""

    def __init__(self, run):
        self.time, self._file = np.zeros(0), None
        path = os.path.join(run.folder, "walkers.h5md")
        meso = run.need("meso")
        if not os.path.exists(path) or "walkers/outputs/time" not in meso:
            return
        self._file = ResultFile(path)
        time = np.asarray(self._file["particles/walkers/position/time"], dtype=float)
        outputs = np.asarray(meso["walkers/outputs/time"], dtype=float)
        if len(time) == len(outputs) and np.allclose(time, outputs, rtol=1e-9, atol=1e-9):
            self.time = time  # else of another run
            box = np.asarray(self._file["particles/walkers/box/edges/value"], dtype=float)
            self.box = box[0] if box.ndim == 3 else box
            faces = meso["domain/faces"]
            self.periodic = [faces[2 * a] == "periodic" for a in range(3)]

    def places(self, k):
        """Fractions of the box of the walkers that are there in frame k, into the box along periodic axes."""
        r = np.asarray(self._file["particles/walkers/position/value"][k], dtype=float)
        if "particles/walkers/alive/value" in self._file:
            r = r[np.asarray(self._file["particles/walkers/alive/value"][k]) > 0]
        s = r @ np.linalg.inv(self.box)
        for a in range(3):
            if self.periodic[a]:
                s[:, a] -= np.floor(s[:, a])
        return s

    def close(self):
        if self._file is not None:
            self._file.close()


def colour_scale(pictures):
    """One for all pictures, with whether it is logarithmic."""
    values = np.concatenate([p.ravel() for p in pictures])
    values = values[np.isfinite(values)]
    top = float(values.max(initial=0.0))
    if not top > 0:
        return Normalize(0, 1), False
    low = float(values[values > 0].min(initial=top))
    if top > 100 * low:
        return LogNorm(max(low, top / 10**DECADES), top, clip=True), True
    zero = low > 0.5 * top and values.min() > 0  # small differences would not be seen from 0
    return Normalize(low if zero and low < top else 0, top), False


def snapshots(run):
    """Fields in their middle plane, walkers projected onto it, at the same times."""
    file = run.need("meso")
    fields = field_files(run) if "field/time" in file else []
    sample = Sample(run)
    try:
        if not fields and not len(sample.time):
            raise Missing("neither snapshots of a field nor a sample of walkers are there")
        return _snapshots(file, fields, sample)
    finally:
        sample.close()


def _snapshots(file, fields, sample):
    size = size_nm(file)
    group = "field" if fields else "walkers/outputs"
    along = int(file.attr(group, "profile_axis", 0))
    other = max((a for a in range(3) if a != along), key=lambda a: size[a])
    u, v = (along, other) if size[along] >= size[other] else (other, along)
    normal = 3 - u - v
    flat = size[u] > 1.7 * size[v]  # then times stand below each other
    times = [time for time, _ in fields] if fields else list(sample.time)
    shown = spread_over(len(times), 4)
    kinds = (["field"] if fields else []) + (["walkers"] if len(sample.time) else [])
    rows, columns = (len(shown), len(kinds)) if flat else (len(kinds), len(shown))
    if flat and len(kinds) == 1 and len(shown) > 1:
        rows, columns = (len(shown) + 1) // 2, 2

    bar = 0.85 if fields else 0.0
    left, gap, below, above = 0.62, 0.22, 0.50, 0.34
    width = (WIDTH - left - RIGHT - bar - (columns - 1) * gap) / columns
    tall = max(width * size[v] / size[u], 0.25)
    width = min(width, 3.0 * size[u] / size[v]) if tall > 3.0 else width
    tall = min(tall, 3.0)
    between = 0.32 if flat else 0.14
    height = above + rows * tall + (rows - 1) * between + below
    figure = Figure(figsize=(WIDTH, height), dpi=DPI)
    FigureCanvasAgg(figure)

    planes = []
    for k in shown if fields else []:
        values = field_values(fields[k][1])
        axis = 2 - normal  # of [z, y, x]
        plane = np.take(values, values.shape[axis] // 2, axis=axis)  # [later axis][earlier axis]
        planes.append(plane if u < v else plane.T)
    norm, logarithmic = colour_scale(planes) if planes else (None, False)
    labels = None
    if f"domain/slice_{LATTICE[normal]}" in file:
        labels = np.asarray(file[f"domain/slice_{LATTICE[normal]}"], dtype=int)
        labels = labels if u < v else labels.T

    picture, n_drawn = None, 0
    for place, k in enumerate(shown):
        for row, kind in enumerate(kinds):
            r, c = divmod(place * len(kinds) + row, columns) if flat else (row, place)
            ax = figure.add_axes(
                [
                    (left + c * (width + gap)) / WIDTH,
                    1 - (above + (r + 1) * tall + r * between) / height,
                    width / WIDTH,
                    tall / height,
                ]
            )
            framed(ax)
            ax.set(xlim=(0, size[u]), ylim=(0, size[v]))
            if kind == "field":
                picture = ax.imshow(
                    planes[place],
                    origin="lower",
                    extent=(0, size[u], 0, size[v]),
                    norm=norm,
                    cmap="viridis",
                    interpolation="nearest",
                    aspect="auto",
                )
            else:
                match = np.flatnonzero(np.isclose(sample.time, times[k], rtol=1e-9, atol=1e-9))
                if len(match):
                    s = sample.places(match[0])
                    n_drawn = max(n_drawn, len(s))
                    dots, count = np.unique(
                        np.round(s[:, [u, v]] * size[[u, v]], 3), axis=0, return_counts=True
                    )
                    ax.scatter(*dots.T, s=2.6 * count, color=BLUE, alpha=0.55, linewidths=0)
            if labels is not None:
                draw_borders(ax, labels, size[u], size[v], "white" if kind == "field" else INK, 0.6)
            if r == 0 or flat:
                ax.set_title(
                    rounded_duration(times[k]) if not flat or kind == "field" or len(kinds) == 1 else "",
                    loc="left",
                )
            ax.xaxis.set_major_locator(MaxNLocator(5, prune="upper" if columns > 1 else None))
            ax.tick_params(labelleft=c == 0, labelbottom=r == rows - 1)
            if r == rows - 1:
                ax.set_xlabel(f"{LATTICE[u]} (nm)")
            if c == 0:
                ax.set_ylabel(f"{LATTICE[v]} (nm)")
    if picture is not None:
        tall_bar = min(rows * tall + (rows - 1) * between, 3.0)
        x = left + columns * width + (columns - 1) * gap + 0.14
        ax = figure.add_axes([x / WIDTH, 1 - (above + tall_bar) / height, 0.14 / WIDTH, tall_bar / height])
        figure.colorbar(picture, cax=ax)
        ax.set_ylabel("ions per cell")
        if logarithmic:
            log_axis(ax.yaxis, few=True)

    words = {"field": "the concentration field", "walkers": "the walkers"}
    title = (
        f"What {' and '.join(words[kind] for kind in kinds)} look like from"
        f" {rounded_duration(times[shown[0]])} to {rounded_duration(times[shown[-1]])}"
    )
    caption = ""
    if fields:
        caption += (
            f"Field: ions per cell in the middle plane normal to {LATTICE[normal]}, all times on one"
            f" {'logarithmic ' if logarithmic else ''}scale."
        )
        if logarithmic and norm.vmin > min(p[p > 0].min(initial=np.inf) for p in planes):
            caption += f" Values below {plain(norm.vmin, 2)} have the darkest colour."
    if "walkers" in kinds:
        caption += (
            f" Dots: up to {n_drawn} walkers of the sample (area: how many stand there), seen through the"
            f" whole domain along {LATTICE[normal]}, brought back into it along periodic axes; those that"
            " left are not drawn."
        )
    caption += " All snapshots are in the folder fields, for ParaView." if fields else ""
    return title, figure, caption.strip(), ""
