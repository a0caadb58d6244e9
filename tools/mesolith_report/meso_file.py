"""What meso.h5 says about its domain, and how the pictures of it handle numbers."""

import math
import re

import numpy as np

from .canvas import log_axis
from .numbers import is_number, percent, plain
from .run import Missing

LATTICE = "abc"
FACES = ("a−", "a+", "b−", "b+", "c−", "c+")
MOST_LAYERS = 60  # points of a drawn profile
MOST_REGIONS = 8  # lines of a picture; more are summed by material


class Inapplicable(Missing):
    """A part that does not belong to a run of this kind; nothing is said about it."""


NOT_THERE = {"walkers": "no walkers were placed", "field": "no concentration field was followed"}


def need(run, group):
    file = run.need("meso")
    if group not in file:
        root = group.split("/")[0]
        raise Missing(
            f"meso.h5 holds no {group}" if root in file else NOT_THERE.get(root, f"meso.h5 holds no {root}")
        )
    return file


def size_nm(file):
    return np.asarray(file.attr("domain", "size"), dtype=float) / 10


def faces_of(file):
    """Kinds of the six faces, and the concentrations of reservoirs."""
    return [str(kind) for kind in file["domain/faces"]], np.asarray(file["domain/concentration"], dtype=float)


def open_faces(file):
    return [f for f, kind in enumerate(faces_of(file)[0]) if kind in ("absorbing", "reservoir")]


def is_driven(file):
    """Whether open faces hold ions of different activity: else nothing flows in the steady state."""
    kinds, held = faces_of(file)
    activities = [held[f] if kinds[f] == "reservoir" else 0.0 for f in open_faces(file)]
    return bool(activities) and max(activities) > min(activities)


def option(file, group, key):
    """A quoted option of a section of the effective input, "" when it is not there."""
    text = str(file.attr("/", "config", ""))
    inside = re.search(rf"^\[{re.escape(group)}\]\n(.*?)(?=^\[|\Z)", text, flags=re.S | re.M)
    found = inside and re.search(rf'^{key} = "([^"]*)"', inside.group(1), flags=re.M)
    return found.group(1) if found else ""


def starts_in_equilibrium(file):
    return option(file, "meso.walkers", "start") in ("", "equilibrium")


def layers(file, group):
    """(axis, volume of a layer [A^3], thickness of a layer [nm]) of the profiles of a group."""
    axis = int(file.attr(group, "profile_axis", 0))
    cells = np.asarray(file.attr("domain", "cells"), dtype=float)
    cell = np.asarray(file["domain/cell"], dtype=float)
    volume = abs(np.linalg.det(cell)) * cells.prod() / cells[axis]
    return axis, volume, size_nm(file)[axis] / cells[axis]


def flux_axis(file):
    """The axis of the stored steady profile."""
    axis = int(file.attr("steady/flux", "axis", -1))
    return axis if axis >= 0 else open_faces(file)[0] // 2


def steady_layers(file, group, n):
    """Ions per layer in the steady state, or None."""
    if "steady/flux/concentration" not in file:
        return None
    axis, volume, _ = layers(file, group)
    density = np.asarray(file["steady/flux/concentration"], dtype=float)
    return volume * density if flux_axis(file) == axis and len(density) == n else None


def time_scale(last):
    """Factor and unit that suit times up to `last` [ps]."""
    for unit, size in (("µs", 1e6), ("ns", 1e3)):
        if last >= 2 * size:
            return 1 / size, unit
    return 1.0, "ps"


def relative(value):
    """0.4 %, 3 × 10⁻⁷."""
    return percent(value, 1) if is_number(value) and value >= 9.5e-4 else plain(value, 1)


def on_time_axis(ax, time, scale, unit, straight=False):
    """Logarithmic where the outputs are, unless slopes are to be seen."""
    logarithmic = not straight and len(time) > 3 and time[1] < 0.02 * time[-1]
    ax.set_xlabel(f"time ({unit})")
    if logarithmic:
        log_axis(ax.xaxis, few=True)
        ax.set_xlim(time[1] * scale, time[-1] * scale)
    else:
        ax.set_xlim(0, time[-1] * scale)


def signed(z):
    return f"{z:+.1f}".replace("-", "−") if is_number(z) else "–"


def largest(values):
    """Largest modulus of what is known."""
    values = np.abs(np.asarray(values, dtype=float))
    values = values[np.isfinite(values)]
    return float(values.max()) if values.size else math.nan


def top_of(*arrays):
    """Largest known value that is above 0, for the end of an axis; 1 when there is none."""
    values = np.concatenate([np.ravel(np.asarray(a, dtype=float)) for a in arrays])
    values = values[np.isfinite(values) & (values > 0)]
    return float(values.max(initial=0.0)) or 1.0


def farthest(z):
    """Largest modulus of deviations that should all be known: one that is not counts as infinite."""
    z = np.abs(np.asarray(z, dtype=float))
    return float(np.max(np.where(np.isnan(z), np.inf, z), initial=0.0))


def share_within(z, limit=2):
    """Share of the known deviations that are not larger, NaN when none is known."""
    z = np.abs(z[np.isfinite(z)])
    return float((z <= limit).mean()) if z.size else math.nan


def deviations(value, expected, error):
    """In standard errors; NaN where there is none."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(error > 0, (value - expected) / error, np.nan)


def tensor_text(D):
    """x / y / z, and the others where they matter."""
    D = np.asarray(D, dtype=float)
    text = " / ".join(plain(v) for v in np.diag(D))
    others = [D[1, 2], D[0, 2], D[0, 1]]
    if largest(others) > 1e-6 * largest(np.diag(D)):
        text += "; yz, xz, xy: " + " / ".join(plain(v) for v in others)
    return text


def spread_over(n, most):
    """At most `most` of n numbers, the first and the last among them."""
    return np.unique(np.linspace(0, n - 1, min(n, most)).round().astype(int))


def binned(profile, n_bins=MOST_LAYERS):
    """(middles in layers, mean per layer in each bin, layers in each bin) along the last axis."""
    n = profile.shape[-1]
    edges = np.unique(np.linspace(0, n, min(n, n_bins) + 1).round().astype(int))
    width = np.diff(edges)
    return (edges[1:] + edges[:-1]) / 2, np.add.reduceat(profile, edges[:-1], axis=-1) / width, width


def graded(n):
    """Colours from early (pale) to late (dark)."""
    early, late = np.array([0.62, 0.80, 0.93]), np.array([0.0, 0.22, 0.45])
    return [tuple(early + (late - early) * k / max(n - 1, 1)) for k in range(n)]


def shares_of(file, counts, regions_wanted=MOST_REGIONS):
    """(names, counts per group, equilibrium shares): regions, or materials where there are many of them."""
    material = np.asarray(file["domain/region_material"], dtype=int)
    weight = np.asarray(file["domain/weight"], dtype=float)[material]
    expected = weight * np.asarray(file["domain/region_cells"], dtype=float)
    names = [str(name) for name in file["domain/region"]]
    if len(names) > regions_wanted:
        names = [str(name) for name in file["domain/material"]]
        expected = np.bincount(material, weights=expected, minlength=len(names))
        counts = np.stack([counts[:, material == k].sum(axis=1) for k in range(len(names))], axis=1)
    used = expected > 0
    return [n for n, u in zip(names, used) if u], counts[:, used], expected[used] / expected.sum()
