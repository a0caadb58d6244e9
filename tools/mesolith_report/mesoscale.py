"""The mesoscale part of the page: domain, exact answers, walkers, fields, snapshots, cost.

One function per part: a run in, (title, figure or None, caption, HTML of tables) out. The title is the finding.
"""

import math

import numpy as np

from .canvas import BLUE, INK, ORANGE, RED, image, panels
from .dynamics import finite_or_nan
from .markup import dense, escape, heading, table
from .meso_field import field_exchange, field_profile, field_spread
from .meso_file import (
    FACES,
    LATTICE,
    MOST_LAYERS,
    Inapplicable,
    faces_of,
    flux_axis,
    is_driven,
    largest,
    need,
    open_faces,
    size_nm,
    tensor_text,
    time_scale,
    top_of,
)
from .meso_gas import gas_displacements, gas_pairs, gas_profile, gas_sites
from .meso_pictures import domain_planes, snapshots
from .meso_walkers import (
    walker_chain,
    walker_distances,
    walker_exits,
    walker_flow,
    walker_msd,
    walker_profile,
    walker_regions,
    walker_scattering,
)
from .numbers import AXES, exact, grouped, is_number, joined, percent, plain, rounded_duration, with_error
from .run import Missing

MOST_ROWS = 16  # of a table


def section(*parts):
    """One section of several parts: the first gives the title, the others stand below with their own."""

    def whole_section(run, png_folder):
        pieces, reasons, silent = [], [], []
        for part in parts:
            try:
                title, figure, caption, more = part(run)
            except Inapplicable as reason:
                silent.append(str(reason))
                continue
            except Missing as reason:
                if str(reason) not in reasons:
                    reasons.append(str(reason))
                continue
            note = escape(caption)
            if figure is not None:
                picture = image(figure, escape(title), png_folder, part.__name__)
                note = f"<figure>{picture}<figcaption>{note}</figcaption></figure>"
            elif note:
                note = f'<p class="note">{note}</p>'
            pieces.append((title, note + more if figure is not None else more + note))
        if not pieces:
            raise Missing((reasons + silent)[0])
        title, text = pieces[0]
        text += "".join(f"<h3>{heading(below)}</h3>{content}" for below, content in pieces[1:])
        text += "".join(f'<p class="missing">Not shown: {escape(reason)}.</p>' for reason in reasons)
        return title, text

    return whole_section


# --- the domain ---


def domain(run):
    file = need(run, "domain")
    size, cells = size_nm(file), np.asarray(file.attr("domain", "cells"))
    n_sites = int(file.attr("domain", "n_sites"))
    names, regions = list(file["domain/material"]), list(file["domain/region"])
    kinds, concentration = faces_of(file)
    faces = []
    for axis in range(3):
        pair = [
            kinds[f] + (f" at {exact(concentration[f])} ions per cell" if kinds[f] == "reservoir" else "")
            for f in (2 * axis, 2 * axis + 1)
        ]
        faces.append(f"{LATTICE[axis]}: {pair[0] if pair[0] == pair[1] else ' and '.join(pair)}")
    rows = [
        ["size", " × ".join(plain(v, 4) for v in size) + " nm"],
        ["cells", " × ".join(grouped(c) for c in cells) + f" of {len(file['domain/positions'])} sites each"],
        ["sites", grouped(n_sites)],
        ["faces", "; ".join(faces)],
        ["step of time", f"{exact(float(file.attr('domain', 'lag_time')))} ps"],
        ["detailed balance broken by", plain(float(file.attr("domain", "balance_error")), 2)],
        [
            "probabilities of a column sum to 1 within",
            plain(float(file.attr("domain", "conservation_error")), 2),
        ],
    ]
    resistance = float(file.attr("domain", "interface_resistance", 0.0))
    if resistance > 0:
        rows.append(["resistance of a border between regions", f"{exact(resistance)} ps/Å"])
    text = table(None, [[escape(name), escape(value)] for name, value in rows])
    D, weight, source = file["domain/D"], file["domain/weight"], file["domain/source"]
    text += table(
        ["material", "D x / y / z (Å²/ps)", "ions per cell in equilibrium, relative", "from"],
        [
            [escape(names[k]), escape(tensor_text(D[k])), plain(weight[k]), escape(source[k])]
            for k in range(len(names))
        ],
        numeric=(1, 2),
    )
    count = np.asarray(file["domain/region_cells"], dtype=float)
    used = np.flatnonzero(count)
    material = np.asarray(file["domain/region_material"], dtype=int)
    if len(used) > 1:
        shown = [
            [
                escape(regions[r]),
                escape(names[material[r]]),
                grouped(count[r]),
                percent(count[r] / count.sum(), 2),
            ]
            for r in used[:MOST_ROWS]
        ]
        text += dense(table(["region", "material", "cells", "share"], shown, numeric=(2, 3)))
        if len(used) > MOST_ROWS:
            text += f'<p class="note">The first {MOST_ROWS} of {len(used)} regions.</p>'
    kinds_used = len(set(material[used]))
    what = "one crystal"
    if len(used) > 1:
        what = f"{kinds_used} material{'s' if kinds_used > 1 else ''} in {len(used)} regions"
    across = " × ".join(plain(v) for v in size)
    return f"{across} nm of {what}: {grouped(n_sites)} sites", None, "", text


# --- exact answers ---

BOUNDS = {
    "wiener_low": "Wiener bound, lower",
    "wiener_high": "Wiener bound, upper",
    "hs_low": "Hashin-Shtrikman bound, lower",
    "hs_high": "Hashin-Shtrikman bound, upper",
    "self_consistent": "self-consistent estimate",
    "polycrystal_harmonic": "polycrystal: harmonic mean, lower bound",
    "polycrystal_hs_low": "polycrystal: Hashin-Shtrikman bound, lower",
    "polycrystal_self_consistent": "polycrystal: self-consistent estimate",
    "polycrystal_hs_high": "polycrystal: Hashin-Shtrikman bound, upper",
    "polycrystal_arithmetic": "polycrystal: arithmetic mean, upper bound",
}


def bounds_of(file):
    """Bounds and estimates of the effective D by key: 3 numbers, one per axis."""
    if "steady/bounds" not in file:
        return {}
    found = dict(file.attributes("steady/bounds"))
    found.update({key: file[f"steady/bounds/{key}"] for key in BOUNDS if f"steady/bounds/{key}" in file})
    out = {}
    for key in sorted(found, key=lambda key: list(BOUNDS).index(key) if key in BOUNDS else len(BOUNDS)):
        if isinstance(found[key], (str, list)):
            continue
        value = np.asarray(found[key], dtype=float).ravel()
        if value.size in (1, 3):
            out[key] = np.broadcast_to(value, 3)
    return out


def exact_answers(run):
    file = need(run, "steady")
    rows, findings, notes = [], [], []

    def add(words, values, errors=(None, None, None)):
        rows.append([escape(words)] + [escape(with_error(float(v), e)) for v, e in zip(values, errors)])

    bounds = bounds_of(file)
    D = finite_or_nan(file["steady/D"]) if "steady/D" in file else None
    if "steady/homogenised/D" in file:
        group = "steady/homogenised"
        add("effective D of the domain, repeated for ever", np.diag(file[f"{group}/D"]))
        rows.append(
            ["the solve leaves it too large by at most"]
            + [escape(plain(v, 2)) for v in np.diag(file[f"{group}/error"])]
        )
        add("as if the hops of an ion were independent", np.diag(file[f"{group}/uncorrelated"]))
        parts = int(file.attr(group, "n_parts", 1))
        if parts > 1:
            shares, tensors = file[f"{group}/part_share"], file[f"{group}/part_D"]
            for k in range(min(len(shares), 8)):
                add(f"of part {k + 1}, {percent(shares[k])} of the ions", np.diag(tensors[k]))
            notes.append(f"The domain falls into {grouped(parts)} parts that exchange nothing.")
    elif D is not None:
        add("D of the kernel at long times", np.diag(D))
    for key, value in bounds.items():
        add(BOUNDS.get(key, key.replace("_", " ")), value)
    if D is not None and "wiener_low" in bounds and "wiener_high" in bounds:
        value, slack = np.diag(D), 1e-9 * largest(D)
        inside = np.all((value >= bounds["wiener_low"] - slack) & (value <= bounds["wiener_high"] + slack))
        notes.append(f"D lies {'between' if inside else 'outside'} the Wiener bounds.")
    if D is not None:
        findings.append(
            f"D of the {'domain' if 'steady/homogenised' in file else 'crystal'} is"
            f" {' / '.join(plain(v) for v in np.diag(D))} Å²/ps along x / y / z"
        )
    text = table(["exact D (Å²/ps)", *AXES], rows, numeric=(1, 2, 3)) if rows else ""
    if "hs_low" in bounds or "wiener_low" in bounds:
        notes.append(
            "Bounds hold for any shape of the same materials in the same amounts: Wiener's for all, those of"
            " Hashin and Shtrikman where the shape has no preferred direction."
        )
    answers = []
    if "steady/flux" in file:
        inflow = finite_or_nan(file["steady/flux/inflow"]).ravel()
        for f in open_faces(file):
            answers.append(
                [f"steady flow into the domain through face {FACES[f]}", f"{plain(inflow[f], 4)} ions/ps"]
            )
        if is_number(file.attr("steady/flux", "D", "")):
            value = float(file.attr("steady/flux", "D"))
            length = float(file.attr("steady/flux", "length"))
            answers.append([f"D of that flux across {plain(length / 10)} nm", f"{plain(value, 4)} Å²/ps"])
            findings.append(f"the steady flux gives D = {plain(value)} Å²/ps")
    if "steady/first_passage" in file:
        mean = float(file.attr("steady/first_passage", "mean"))
        arriving = float(file.attr("steady/first_passage", "mean_of_arriving"))
        never = float(file.attr("steady/first_passage", "never", 0.0))
        answers.append(["mean time until an ion leaves, from equilibrium", rounded_duration(mean)])
        if never > 0:
            answers.append(["of those that have a way out", rounded_duration(arriving)])
            answers.append(["ions without a way out", percent(never, 2)])
        findings.append(f"ions leave after {rounded_duration(arriving if never > 0 else mean)} in the mean")
    if answers:
        text += table(None, [[escape(a), escape(b)] for a, b in answers])
    left_out = str(file.attr("steady", "left_out", "") or "")
    if not findings:
        raise Missing(left_out or "no exact answer was asked for")
    if left_out:
        notes.append(left_out[0].upper() + left_out[1:] + ".")
    title = "; ".join(findings)
    return title[0].upper() + title[1:], None, " ".join(notes), text


def steady_profile(run):
    """Activity, concentration and flux of the steady state."""
    file = need(run, "steady")
    if "steady/flux" not in file:
        raise Inapplicable("there is no reservoir")
    group = "steady/flux"
    position, activity, concentration, flux = (
        finite_or_nan(file[f"{group}/{name}"])
        for name in ("position", "activity", "concentration", "plane_flux")
    )
    axis, length = LATTICE[flux_axis(file)], size_nm(file)[flux_axis(file)]
    driven = is_driven(file)
    figure, axes = panels(3 if driven else 2, 2.75, left=0.07, bottom=0.175, top=0.88, wspace=0.34)
    x = position / 10
    for ax, values, colour, name in (
        (axes[0, 0], activity, BLUE, "activity (ions per cell of weight 1)"),
        (axes[0, 1], 1e3 * concentration, ORANGE, "concentration (ions/nm³)"),
    ):
        ax.plot(x, values, color=colour, drawstyle="steps-mid" if len(x) <= MOST_LAYERS else "default")
        ax.set(ylim=(0, 1.1 * max(largest(values), 1e-300)))
        ax.set_title(name, loc="left", fontsize=9.5)
    kinds, held = faces_of(file)
    first = 2 * flux_axis(file)
    for f, at in ((first, 0.0), (first + 1, length)):
        if kinds[f] in ("absorbing", "reservoir"):
            axes[0, 0].plot([at], [held[f]], "o", color=INK, markersize=5, clip_on=False, zorder=4)
    known = flux[np.isfinite(flux)]
    if driven:
        ax = axes[0, 2]
        ax.plot(np.linspace(0, length, len(flux)), flux, color=RED)
        low, high = 1.25 * known.min(initial=0.0), 1.25 * known.max(initial=0.0)
        ax.set(ylim=(low, high) if high > low else (-1, 1))
        ax.set_title("flux through each plane (ions/ps)", loc="left", fontsize=9.5)
    for ax in axes[0]:
        ax.set(xlabel=f"{axis} (nm)", xlim=(0, length))
    constant = float(np.ptp(known)) / top_of(np.abs(known)) if known.size else 0.0
    several = int(file.attr(group, "axis", -1)) < 0
    if not driven:
        title = "All open faces hold the same: the steady state is equilibrium with them, nothing flows"
    elif several:
        title = "Steady state between faces that are open along several axes"
    elif constant < 1e-4:
        title = (
            f"In the steady state {plain(float(np.mean(known)))} ions/ps cross every plane normal to {axis}"
        )
    else:
        title = f"The steady flux still differs by {percent(constant, 2)} between planes: the solve is loose"
    caption = (
        "Exact steady state between the open faces, means over layers of cells. The activity is what evens"
        " out: continuous at borders of materials where the concentration jumps, with a steep piece where"
        " conduction is bad. Dots: what the reservoirs hold just outside."
    )
    if driven and not several:
        caption += f" The flux must be the same through every plane; here it is to {plain(constant, 1)}."
    return title, figure, caption, ""


def passage_profile(run):
    file = need(run, "steady")
    if "steady/first_passage" not in file:
        raise Inapplicable("no face lets ions out")
    time = finite_or_nan(file["steady/first_passage/profile"])
    size, cells = size_nm(file), np.asarray(file.attr("domain", "cells"))
    group = "walkers/outputs" if "walkers/outputs" in file else "field"
    axis = int(file.attr(group, "profile_axis", int(np.argmax(cells == len(time)))))
    scale, unit = time_scale(largest(time))
    figure, axes = panels(1, 2.6, bottom=0.18, top=0.95)
    ax = axes[0, 0]
    x = (np.arange(len(time)) + 0.5) * size[axis] / len(time)
    ax.plot(x, finite_or_nan(time) * scale, color=BLUE)
    mean = float(file.attr("steady/first_passage", "mean_of_arriving"))
    ax.axhline(mean * scale, color=INK, linestyle="--", linewidth=1.1, label="mean over equilibrium")
    ax.set(xlabel=f"{LATTICE[axis]} (nm)", ylabel=f"mean time to leave ({unit})", xlim=(0, size[axis]))
    ax.set_ylim(bottom=0)
    ax.legend()
    at = int(np.nanargmax(finite_or_nan(time))) if np.isfinite(time).any() else 0
    title = (
        f"Ions that start at {LATTICE[axis]} = {plain(x[at])} nm take longest to leave:"
        f" {rounded_duration(time[at])}"
    )
    caption = (
        "Exact mean first passage time to an open face, by where an ion starts (equilibrium in its layer)."
    )
    if not np.isfinite(time).all():
        caption += " Layers with ions that have no way out are left blank."
    return title, figure, caption, ""


# --- cost ---


def cost_rows(run):
    """(part, seconds, work per second, its unit, iterations, residual)"""
    file = run.need("meso")
    rows = []
    if "steady" in file and float(file.attr("steady", "seconds", 0.0)) > 0:
        solves = [
            (name, file.attr(f"steady/{name}", "iterations"), file.attr(f"steady/{name}", "residual"))
            for name in ("homogenised", "flux", "first_passage")
            if f"steady/{name}" in file
        ]
        rows.append(["exact answers", float(file.attr("steady", "seconds")), math.nan, "", "", math.nan])
        words = {"homogenised": "effective D", "flux": "steady flux", "first_passage": "first passage"}
        for name, iterations, residual in solves:
            rows.append([words[name], math.nan, math.nan, "", int(iterations), float(residual)])
    if "walkers" in file:
        rate = float(file.attr("walkers", "steps_per_second", math.nan))
        rows.append(["walkers", float(file.attr("walkers", "seconds")), rate, "steps/s", "", math.nan])
    if "field" in file:
        rate = float(file.attr("field", "site_updates_per_second", math.nan))
        rows.append(["field", float(file.attr("field", "seconds")), rate, "site updates/s", "", math.nan])
        single = file.attr("field", "float_seconds", "")
        if is_number(single):
            rows.append(["field in float, again", float(single), math.nan, "", "", math.nan])
    if "gas" in file:
        rate = float(file.attr("gas", "hops_per_second", math.nan))
        rows.append(["lattice gas", float(file.attr("gas", "seconds")), rate, "hops/s", "", math.nan])
    if not rows:
        raise Missing("nothing was timed")
    return rows


def cost(run):
    rows = cost_rows(run)
    text = table(
        ["part", "seconds", "speed", "iterations", "residual"],
        [
            [
                escape(part),
                plain(seconds) if is_number(seconds) else "",
                escape(f"{plain(rate)} {unit}") if is_number(rate) else "",
                grouped(iterations) if iterations != "" else "",
                plain(residual, 2) if is_number(residual) else "",
            ]
            for part, seconds, rate, unit, iterations, residual in rows
        ],
        numeric=(1, 2, 3, 4),
    )
    total = sum(seconds for _, seconds, *_ in rows if is_number(seconds))
    speeds = [f"{part}: {plain(rate, 2)} {unit}" for part, _, rate, unit, *_ in rows if is_number(rate)]
    title = f"{plain(total)} s of computing" + (f"; {joined(speeds)}" if speeds else "")
    caption = (
        "Seconds of computing without reading, writing and building the tables. A step lets one walker hop or"
        " stay for one lag; a site update is one site for one lag, which Bloch waves do without doing each."
    )
    return title, None, caption, text


SECTIONS = [
    ("Domain", section(domain, domain_planes)),
    ("Exact answers", section(exact_answers, steady_profile, passage_profile)),
    (
        "Walkers",
        section(
            walker_msd,
            walker_scattering,
            walker_distances,
            walker_chain,
            walker_profile,
            walker_flow,
            walker_exits,
            walker_regions,
        ),
    ),
    ("Field", section(field_profile, field_spread, field_exchange)),
    ("Snapshots", section(snapshots)),
    ("Mesoscale cost", section(cost)),
]

# In place of these where ions block each other.
TRACERS = ("Walkers", "Field", "Snapshots")
GAS_SECTION = ("Lattice gas", section(gas_displacements, gas_sites, gas_pairs, gas_profile))
