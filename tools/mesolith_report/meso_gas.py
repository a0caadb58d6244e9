"""The lattice gas of the mesoscale run: ions that block each other. Parts as in mesoscale.py."""

import math

import numpy as np

from .canvas import BLUE, GREEN, GREY, INK, ORANGE, SERIES, log_axis, panels
from .dynamics import finite_or_nan
from .markup import escape, table
from .meso_file import Inapplicable, need, on_time_axis, signed, time_scale, top_of
from .numbers import AXES, M2_PER_S, exact, grouped, is_number, joined, percent, plain, rounded_duration, with_error
from .run import Missing

CLOSE = 3.0  # standard errors: the largest of a few that chance brings about
MOST_LINES = 6


def gas_file(run):
    file = run.need("meso")
    if "gas" not in file:
        raise Missing("the run has no ions that block each other (occupancy = tracer)")
    return file


def steps_of(file):
    """[(path, temperature or NaN)]"""
    paths = [f"gas/steps/{k}" for k in file.members("gas/steps")]
    return [(path, float(file.attr(path, "temperature", math.nan))) for path in paths]


def carriers_of(file, step):
    """[(path, name)]: mobile species, "all" last where there are several."""
    paths = [f"{step}/transport/{k}" for k in file.members(f"{step}/transport")]
    return [(path, str(file.attr(path, "name"))) for path in paths]


def moving(run):
    file = gas_file(run)
    if not any(carriers_of(file, path) for path, _ in steps_of(file)):
        raise Inapplicable("ions come and go: they have no displacements")
    return file


def at(kelvin):
    return f"{exact(kelvin)} K" if is_number(kelvin) else "the rates given"


def value(file, path):
    """(value, standard error), NaN when it is not there."""
    return tuple(float(v) for v in file[path]) if path in file else (math.nan, math.nan)


def measured(pair):
    """With its error; an exact one in five digits."""
    if not is_number(pair[0]):
        return "–"
    return plain(pair[0], 5) if pair[1] == 0 else with_error(*pair)


def mean_trace(tensors):
    return np.trace(finite_or_nan(tensors), axis1=-2, axis2=-1) / 3


def mean_trace_error(errors):
    """Of axes that are independent."""
    errors = finite_or_nan(errors)
    return np.sqrt(sum(errors[..., a, a] ** 2 for a in range(3))) / 3


# --- displacements ---


def gas_displacements(run):
    file = moving(run)
    steps = [(path, kelvin) for path, kelvin in steps_of(file) if carriers_of(file, path)]
    figure, axes = panels(2, 3.5, left=0.085, right=0.985, bottom=0.15, top=0.91, wspace=0.27)
    last = max(float(finite_or_nan(file[f"{path}/lag"])[-1]) for path, _ in steps)
    scale, unit = time_scale(last)
    lines = []
    for path, kelvin in steps:
        for carrier, name in carriers_of(file, path):
            several = len(carriers_of(file, path)) > 1
            words = ([at(kelvin)] if len(steps) > 1 else []) + ([name] if several else [])
            lines.append((path, carrier, ", ".join(words)))
    lines = lines[:MOST_LINES]
    top = 0.0
    for k, (path, carrier, label) in enumerate(lines):
        colour = SERIES[k % len(SERIES)]
        lag = finite_or_nan(file[f"{path}/lag"])
        for ax, key in ((axes[0, 0], "msd"), (axes[0, 1], "collective_msd")):
            curve, error = (finite_or_nan(file[f"{carrier}/{key}{suffix}"]) for suffix in ("", "_error"))
            n = len(curve)
            ax.errorbar(
                lag[:n] * scale,
                mean_trace(curve) * 3,
                yerr=mean_trace_error(error) * 3,
                fmt="o",
                markersize=3,
                linewidth=0.9,
                color=colour,
                label=label or None,
            )
            top = max(top, lag[n - 1])
        key = f"{carrier}/D_tracer_mean"
        begin, end = (float(v) for v in file.attr(path, "window_ps"))
        t = np.array([begin, end])
        curve = mean_trace(file[f"{carrier}/msd"]) * 3
        middle = int(np.argmin(np.abs(lag - math.sqrt(max(begin * end, 1e-300)))))
        slope = 6 * value(file, key)[0]
        axes[0, 0].plot(t * scale, curve[middle] + slope * (t - lag[middle]), color=INK, linewidth=1.0, zorder=3)
        if f"{path}/D_J_exact" in file and carrier == carriers_of(file, path)[0][0]:
            exact_slope = 2 * float(np.trace(finite_or_nan(file[f"{path}/D_J_exact"])))
            t = np.array([lag[0], lag[-1]])
            axes[0, 1].plot(
                t * scale, exact_slope * t, "--", color=INK, linewidth=1.0, zorder=3, label="exact" if k == 0 else None
            )
    for ax, word in ((axes[0, 0], "of a tagged ion"), (axes[0, 1], "of the charge, per ion")):
        ax.set_xlabel(f"time ({unit})")
        ax.set_ylabel("MSD (Å²)")
        ax.set_title(word, loc="left")
        log_axis(ax.xaxis, few=True)
        log_axis(ax.yaxis, few=True)
        if ax.get_legend_handles_labels()[1]:
            ax.legend(loc="upper left")
    path, carrier, _ = lines[0]
    name = carriers_of(file, path)[0][1] if len(carriers_of(file, path)) > 1 else ""
    tracer, collective = value(file, f"{carrier}/D_tracer_mean"), value(file, f"{carrier}/D_J_mean")
    haven = value(file, f"{carrier}/haven_mean")
    title = (
        f"D*{' of ' if name else ''}{name} = {with_error(*tracer)} Å²/ps, the charge moves with D_J = {with_error(*collective)} Å²/ps: Haven ratio"
        f" {with_error(*haven)}"
    )
    if len(steps) > 1:
        title = f"At {at(steps[0][1])} " + title
    z = [float(file.attr(p, "D_J_z")) for p, _ in steps if f"{p}/D_J_exact" in file]
    if z:
        far = max(abs(v) for v in z)
        title += (
            f"; D_J within {plain(far, 2)} standard errors of exact"
            if far <= CLOSE
            else f"; D_J misses the exact one by {plain(far, 2)} standard errors: look closer"
        )
    replicas = int(file.attr("gas", "n_replicas"))
    caption = (
        f"Sum of the three axes, {grouped(replicas)} replicas, one standard error from {grouped(file.attr(path, 'n_blocks'))}"
        " blocks of time. Black: the line whose slope is D*, over the lags it is taken from. The right side holds"
        " the square of the summed displacement of all ions over their number: without correlation it would be"
        " the left one."
        + (" Dashed: (M − N)/(M − 1) times the exact D of a single ion (N ions, M sites)." if z else "")
    )
    straight = all(int(file.attr(p, "straight", 1)) for p, _ in steps)
    if not straight:
        caption += " The slope of a curve still changes at its end: the run is too short for its D."
    return title, figure, caption, transport_table(file)


ROWS = (
    ("D_tracer_mean", "D* of a tagged ion (Å²/ps)"),
    ("D_J_mean", "D_J of the charge (Å²/ps)"),
    ("D_chem_mean", "D_chem = D_J Θ (Å²/ps)"),
    ("D_uncorrelated_mean", "D* as if hops were uncorrelated (Å²/ps)"),
    ("haven_mean", "Haven ratio D*/D_J"),
    ("f_mean", "correlation factor f"),
    ("conductivity", "conductivity n q² D_J / kT (S/m)"),
    ("conductivity_tracer", "Nernst-Einstein n q² D* / kT (S/m)"),
)


def transport_table(file):
    columns = []
    for path, kelvin in steps_of(file):
        for carrier, name in carriers_of(file, path):
            columns.append((path, carrier, name, kelvin))
    columns = columns[:8]
    several = len({name for _, _, name, _ in columns}) > 1
    header = [""] + [", ".join([at(kelvin)] + ([name] if several else [])) for _, _, name, kelvin in columns]
    rows = []
    for key, words in ROWS:
        cells = [measured(value(file, f"{carrier}/{key}")) for _, carrier, _, _ in columns]
        if any(cell != "–" for cell in cells):
            rows.append([escape(words)] + [escape(cell) for cell in cells])
        if key == "D_chem_mean" and any(cell != "–" for cell in cells):
            si = [tuple(M2_PER_S * v for v in value(file, f"{carrier}/{key}")) for _, carrier, _, _ in columns]
            rows.append(["the same (m²/s)"] + [escape(measured(pair)) for pair in si])
        if key == "D_J_mean":
            known = [
                plain(float(mean_trace(file[f"{path}/D_J_exact"])), 5) if f"{path}/D_J_exact" in file else "–"
                for path, *_ in columns
            ]
            if any(cell != "–" for cell in known):
                rows.append(["exact D_J (Å²/ps)"] + [escape(cell) for cell in known])
                z = [
                    signed(float(file.attr(path, "D_J_z"))) if f"{path}/D_J_exact" in file else "–"
                    for path, *_ in columns
                ]
                rows.append(["difference (standard errors)"] + z)
    for words, key in (("thermodynamic factor Θ", "theta"),):
        cells = [measured(value(file, f"{path}/{key}")) for path, *_ in columns]
        if any(cell != "–" for cell in cells):
            rows.append([escape(words)] + [escape(cell) for cell in cells])
    single = [
        plain(float(mean_trace(file[f"{path}/D_single"])), 5) if f"{path}/D_single" in file else "–"
        for path, *_ in columns
    ]
    if any(cell != "–" for cell in single):
        rows.append(["D of a single ion in the empty lattice, exact (Å²/ps)"] + [escape(cell) for cell in single])
    text = table(header, rows, numeric=range(1, len(header)))
    per_axis = []
    for path, carrier, name, kelvin in columns:
        for key, words in (("D_tracer", "D*"), ("D_J", "D_J")):
            D, error = (finite_or_nan(file[f"{carrier}/{key}{suffix}"]) for suffix in ("", "_error"))
            label = ", ".join(([at(kelvin)] if len(steps_of(file)) > 1 else []) + ([name] if several else []) + [words])
            cells = [escape(with_error(D[a, a], error[a, a])) for a in range(3)]
            others = np.array([D[1, 2], D[0, 2], D[0, 1]])
            spread = np.array([error[1, 2], error[0, 2], error[0, 1]])
            with np.errstate(divide="ignore", invalid="ignore"):
                far = np.nanmax(np.where(spread > 0, np.abs(others) / spread, 0.0))
            per_axis.append([escape(label), *cells, escape(plain(float(far), 2))])
    text += table(
        ["Å²/ps", *AXES, "largest of yz, xz, xy (standard errors)"], per_axis, numeric=(1, 2, 3, 4)
    )
    method = {str(file.attr(path, "theta_method", "")) for path, *_ in columns}
    begin, end = (float(v) for v in file.attr(columns[0][0], "window_ps"))
    return text + (
        f'<p class="note">Means of the three axes. Slopes between {escape(rounded_duration(begin))} and'
        f" {escape(rounded_duration(end))} by generalised least squares. Θ: {escape(joined(sorted(method)))}."
        " Nernst-Einstein assumes that ions move independently of each other; D_J does not.</p>"
    )


# --- sites ---


def gas_sites(run):
    file = gas_file(run)
    steps = steps_of(file)
    path, kelvin = steps[0]
    species = [str(name) for name in file["gas/species"]]
    orbit, region = ([str(x) for x in file[f"{path}/sites/{n}"]] for n in ("orbit", "region"))
    n_sites = np.asarray(file[f"{path}/sites/n_sites"], dtype=float)
    names = [f"{o} in {r}" if len(set(region)) > 1 else o for o, r in zip(orbit, region)]
    rows = []
    for step, T in steps:
        filled, error, stay, stay_error = (
            np.reshape(finite_or_nan(file[f"{step}/sites/{n}"]), (len(names), len(species)))
            for n in ("occupancy", "occupancy_error", "residence", "residence_error")
        )
        vacant, vacant_error = (
            finite_or_nan(file[f"{step}/sites/{n}"]) for n in ("vacancy_residence", "vacancy_residence_error")
        )
        for c, name in enumerate(names):
            for s, kind in enumerate(species):
                label = ", ".join(([at(T)] if len(steps) > 1 else []) + [name] + ([kind] if len(species) > 1 else []))
                rows.append(
                    [
                        escape(label),
                        grouped(n_sites[c]),
                        escape(with_error(filled[c, s], error[c, s]) if error[c, s] > 1e-12 else plain(filled[c, s], 5)),
                        escape(with_error(stay[c, s], stay_error[c, s])),
                        escape(with_error(vacant[c], vacant_error[c])),
                    ]
                )
    filled = np.reshape(finite_or_nan(file[f"{path}/sites/occupancy"]), (len(names), len(species))).sum(axis=1)
    title = (
        f"{percent(filled[0], 2)} of the sites are occupied"
        if len(names) == 1
        else "Occupied: " + joined([f"{percent(v, 2)} of {n}" for n, v in list(zip(names, filled))[:5]])
        + (" and others" if len(names) > 5 else "")
    )
    text = table(
        ["sites", "number", "ions per site", "an ion stays (ps)", "a vacancy stays (ps)"],
        rows[:40],
        numeric=(1, 2, 3, 4),
    )
    caption = (
        "Sites of equal kind and region. Mean stays: what is there over the rate at which it could leave, averaged over"
        " frames."
    )
    return title, None, caption, text


def gas_pairs(run):
    file = gas_file(run)
    steps = [(path, kelvin) for path, kelvin in steps_of(file) if f"{path}/pairs" in file]
    if not steps or not len(file[f"{steps[0][0]}/pairs/distance"]):
        raise Inapplicable("pair correlations belong to domains of one region")
    figure, axes = panels(2, 3.0, left=0.075, right=0.985, bottom=0.17, top=0.89, wspace=0.22)
    worst = 0.0
    for k, (path, kelvin) in enumerate(steps[:MOST_LINES]):
        distance = finite_or_nan(file[f"{path}/pairs/distance"])
        for ax, kind in ((axes[0, 0], "ions"), (axes[0, 1], "vacancies")):
            g, error = (finite_or_nan(file[f"{path}/pairs/{kind}{suffix}"]) for suffix in ("", "_error"))
            ax.errorbar(
                distance, g, yerr=error, fmt="o-", color=SERIES[k % len(SERIES)], linewidth=1,
                label=at(kelvin) if len(steps) > 1 else None,
            )
        g = finite_or_nan(file[f"{path}/pairs/vacancies"])
        worst = g[0] if k == 0 else worst
    for ax, kind in ((axes[0, 0], "pairs of ions"), (axes[0, 1], "pairs of vacancies")):
        ax.axhline(1, color=GREY, linewidth=1, linestyle=":")
        ax.set_xlabel("distance between two sites (Å)")
        ax.set_ylabel("pairs / pairs without correlation")
        ax.set_title(kind, loc="left")
        low, high = ax.get_ylim()
        margin = max(0.02, 1 - low, high - 1) * 1.1
        ax.set_ylim(1 - margin, 1 + margin)
    if len(steps) > 1:
        axes[0, 0].legend()
    path = steps[0][0]
    ions, error = (finite_or_nan(file[f"{path}/pairs/ions{s}"]) for s in ("", "_error"))
    vacancies, vacancy_error = (finite_or_nan(file[f"{path}/pairs/vacancies{s}"]) for s in ("", "_error"))
    title = (
        f"Neighbouring sites are both occupied {with_error(ions[0], error[0])} times, and both vacant"
        f" {with_error(vacancies[0], vacancy_error[0])} times as often as without correlation"
    )
    caption = (
        "Pairs of sites by distance with both ends occupied (vacant), over the number that uncorrelated sites of the same"
        " mean occupancies would have. Ions that only block each other have 1, but for the fixed number of ions in a small"
        " domain."
    )
    return title, figure, caption, ""


# --- ions that come and go ---


def gas_profile(run):
    file = gas_file(run)
    path = steps_of(file)[-1][0]
    if f"{path}/outputs/profile" not in file:
        raise Inapplicable("a crystal has no profile")
    time = finite_or_nan(file[f"{path}/outputs/time"])
    profile = finite_or_nan(file[f"{path}/outputs/profile"])
    ions = finite_or_nan(file[f"{path}/outputs/ions"]).sum(axis=1)
    figure, axes = panels(2, 3.0, left=0.085, right=0.985, bottom=0.17, top=0.93, wspace=0.25)
    scale, unit = time_scale(time[-1])
    layer = np.arange(profile.shape[1]) + 0.5
    parts = np.array_split(np.arange(len(time)), 4)
    shades = (GREY, GREEN, ORANGE, BLUE)
    for part, colour in zip(parts, shades):
        label = f"{plain(time[part[0]] * scale)} to {plain(time[part[-1]] * scale)} {unit}"
        axes[0, 0].plot(layer, profile[part].mean(axis=0), color=colour, label=label)
    axes[0, 0].set(xlabel="layer of cells", ylabel="ions per layer", ylim=(0, 1.1 * top_of(profile)))
    axes[0, 0].legend(fontsize=8)
    axes[0, 1].plot(time * scale, ions, color=BLUE, linewidth=1)
    axes[0, 1].set(ylabel="ions in the domain", ylim=(0, 1.1 * top_of(ions)))
    on_time_axis(axes[0, 1], time, scale, unit, straight=True)
    title = f"{plain(ions[0], 4)} ions at the start, {plain(ions[parts[-1]].mean(), 4)} in the last quarter of the run"
    caption = "Mean of all replicas: per layer of cells in four quarters of the run, and in the whole domain."
    return title, figure, caption, ""
