"""The page: numbers first, then one section per picture, provenance last. Parts that a run lacks leave one line."""

import json
import os

import numpy as np

from . import details, dynamics, figures, mesoscale
from .canvas import image
from .markup import badge, dense, escape, heading, note, table, whole
from .modes import modes
from .molecular_dynamics import temperature_and_energy
from .network import network
from .numbers import AXES, M2_PER_S, axis_lengths, exact, grouped, is_number, percent, plain, with_error
from .run import Missing, ReportError
from .tables import write_tables

# --- the numbers ---


def headline(run):
    lag = run.chosen
    D, error = lag.D, lag.error
    mean = np.trace(D) / 3
    spread = figures.mean_error(lag)
    return (
        f'<p class="headline">D = {with_error(mean, spread)} Å²/ps ='
        f' {with_error(mean * M2_PER_S, spread * M2_PER_S)} m²/s</p><p class="sub">Tracer diffusivity of Li,'
        f" mean of the three axes, exact for the Markov model at lag τ = {exact(lag.lag_time)} ps; ± is one"
        " standard error from resampling time blocks.</p>"
    )


def tensor(run):
    lag = run.chosen
    D, error = lag.D, lag.error
    rounding = 1e-10 * np.abs(np.diag(D)).max()

    def component(value, spread):
        return "0" if abs(value) <= rounding and spread <= rounding else escape(with_error(value, spread))

    rows = [[f"<b>{AXES[a]}</b>"] + [component(D[a, b], error[a, b]) for b in range(3)] for a in range(3)]
    per_axis = []
    file = run.need("msm")
    lengths = axis_lengths(*figures.cells_of(run))
    has_fit = "msd/fit/D" in file
    begin, end = file.attr("msd/fit", "window_ps") if has_fit else (0, 0)
    for a in range(3):
        cells = [
            f'<span class="whole">{escape(figures.axis_title(AXES[a], lengths))}</span>',
            escape(with_error(D[a, a], error[a, a])),
            escape(with_error(D[a, a] * M2_PER_S, error[a, a] * M2_PER_S)),
            grouped(lag.hops[a]),
        ]
        if has_fit:
            cells.append(escape(with_error(file["msd/fit/D"][a], file["msd/fit/error"][a])))
        per_axis.append(cells)
    header = ["axis", "D (Å²/ps)", "D (m²/s)", "hops behind it"] + (
        [f"slope of the MSD / 2, {exact(begin)} to {exact(end)} ps (Å²/ps)"] if has_fit else []
    )
    text = "<h3>Along each axis</h3>" + table(header, per_axis, numeric=(1, 2, 3, 4))
    few = [AXES[a] for a in range(3) if lag.hops[a] < 100]
    text += (
        '<p class="note">"Hops behind it" is the number of independent hops that D rests on: N hops leave a'
        " relative error of at least 1/√N"
        + (f"; along {escape(figures.joined(few))} that is little, read the value with care" if few else "")
        + ".</p>"
    )
    text += "<h3>Tensor (Å²/ps)</h3>" + table([""] + list(AXES), rows, numeric=(1, 2, 3))
    values = np.linalg.eigvalsh((D + D.T) / 2)[::-1]
    text += (
        f'<p class="note">Principal values: {escape(", ".join(plain(v) for v in values))} Å²/ps. Cartesian'
        " axes of the input; off-diagonal terms should vanish by symmetry in orthogonal crystals.</p>"
    )
    return text


def threshold(value):
    return exact(value) if is_number(value) else "–"


def verdicts(run):
    if not run.checks:
        raise Missing("no checks are stored")
    rows = [
        [
            badge(check.get("verdict", "unknown")),
            f'<b>{escape(check.get("name", ""))}</b><br>{escape(check.get("text", ""))}',
            escape(plain(check.get("value"))),
            escape(threshold(check.get("warn_above"))),
            escape(threshold(check.get("fail_above"))),
        ]
        for check in run.checks
    ]
    return table(["", "check", "value", "warn above", "fail above"], rows, numeric=(2, 3, 4))


def warnings(run):
    if not run.warnings:
        return "<p>None.</p>"
    return "".join(
        f'<p class="warning">{escape(text)} <span class="sub">({escape(name)})</span></p>'
        for name, text in run.warnings
    )


def unit_text(unit):
    """angstrom^2/ps as Å²/ps."""
    return str(unit or "").replace("angstrom", "Å").replace("^2", "²").replace("^3", "³")


def printed_results(run):
    results = run.summary.get("results")
    if not results:
        raise Missing("summary.json is not there or holds no results")
    rows = []
    for result in results:
        value = result.get("value")
        number = (
            with_error(value, result.get("error"))
            if is_number(value)
            else ("–" if value is None else str(value))
        )
        rows.append(
            [
                f'<code class="whole">{escape(result.get("key", ""))}</code>',
                escape(number),
                f'<span class="whole">{escape(unit_text(result.get("unit")))}</span>',
                escape(result.get("text") or ""),
            ]
        )
    return table(["key", "value", "unit", "meaning"], rows, numeric=(1,))


# --- tables under pictures ---


def per_axis(values):
    """0.41 / 0.34 / 0.38"""
    return " / ".join(f"{value:.2f}".replace("-", "−") for value in np.atleast_1d(values))


def mapping_table(run):
    attributes, _, histogram, width = figures.pooled_diagnostics(run)
    sites = run.need("sites")

    def each(key, form):
        return [escape(form(a[key])) if key in a else "–" for a in attributes]

    rows = [
        ["ions on the same site (share of frames, nearest-site rule)"]
        + each("doubly_occupied_fraction", percent),
        ["ions without a site (share)"] + each("unassigned_fraction", lambda v: percent(v, 2)),
        ["changes of the nearest site"] + each("nearest_changes", grouped),
        ["lasting hops (core-set rule)"] + each("core_hops", grouped),
        ["largest drift of the framework, removed, x / y / z (Å)"] + each("largest_drift", per_axis),
        ["drift at the end, x / y / z (Å)"] + each("final_drift", per_axis),
        ["largest step between two frames (share of a cell edge)"] + each("largest_step", percent),
        ["steps over the limit"] + each("steps_over_limit", grouped),
        ["frames used of read"]
        + [
            f'{grouped(a["frames_used"])} of {grouped(a["frames_read"])}' if "frames_used" in a else "–"
            for a in attributes
        ],
    ]
    names = [
        escape(os.path.basename(str(sites.attr(f"trajectories/{k}", "source", f"trajectory {k}"))))
        for k in sites.members("trajectories")
    ]

    def readable(value):
        return plain(value, 3) if isinstance(value, (float, np.floating)) else value

    described = [
        f"{label}: {readable(sites.attr('sites', key, ''))}"
        for key, label in (
            ("space_group", "space group"),
            ("assignment", "assignment"),
            ("core_radius", "core radius (Å)"),
            ("framework_rms", "framework rms from the crystal (Å)"),
        )
        if str(sites.attr("sites", key, "")) != ""
    ]
    return (
        table([""] + names, rows, numeric=tuple(range(1, len(names) + 1)))
        + f'<p class="note">{escape("; ".join(described))}.</p>'
    )


def diffusivity_table(run):
    rows = []
    chosen = run.chosen.index
    for lag in run.lags:
        mark = " ◄ chosen" if lag.index == chosen else ""
        agrees = {0: "no", 1: "yes"}.get(int(lag.attr("diffusivity", "agrees", -1)), "–")
        z = " / ".join(f"{value:+.1f}".replace("-", "−") for value in lag.attr("diffusivity", "z_msd"))
        begin, end = lag.attr("diffusivity", "window_ps")
        rows.append(
            [f'<span class="whole">{exact(lag.lag_time)}{mark}</span>']
            + [escape(with_error(lag.D[a, a], lag.error[a, a])) for a in range(3)]
            + [" / ".join(grouped(h) for h in lag.hops), z, f"{exact(begin)} to {exact(end)}", agrees]
        )
    header = ["τ (ps)", "D<sub>x</sub> (Å²/ps)", "D<sub>y</sub> (Å²/ps)", "D<sub>z</sub> (Å²/ps)"]
    header += ["hops behind x / y / z", "MSD growth, model − MD (errors)", "between (ps)", "agrees"]
    return f'<div class="dense">{table(header, rows, numeric=(1, 2, 3, 4, 5, 6))}</div>'


def closed_classes(run):
    lag = run.chosen
    size, weight, D = lag["classes/size"], lag["classes/weight"], np.asarray(lag["classes/D"])
    member = np.asarray(lag["classes/sites"])
    names = np.asarray(run.need("msm")["basis/name"])
    transient = names[member == -1]
    if len(size) == 1 and not len(transient):
        return (
            "All sites exchange ions: one class",
            "<p>Every site can be reached from every other, so that one D holds for all ions.</p>",
        )
    rows = []
    for c in range(len(size)):
        diagonal = D[c].diagonal() if D.ndim == 3 else D[c]
        rows.append(
            [
                str(c + 1),
                str(int(size[c])),
                percent(weight[c]),
                escape(" / ".join(plain(max(v, 0.0) if abs(v) < 1e-14 else v, 3) for v in diagonal)),
                escape(short_list(names[member == c])),
            ]
        )
    content = table(
        ["class", "sites", "share of Li", "D x / y / z (Å²/ps)", "site names"], rows, numeric=(1, 2)
    )
    if len(transient):
        content += f"<p>Left for good during the run, or never visited: {escape(short_list(transient))}.</p>"
    still = sum(1 for c in range(len(size)) if np.abs(D[c]).max() < 1e-12)
    content += (
        '<p class="note">A class is a set of sites that exchange ions among themselves and with no other in'
        " these data. D of the crystal is the mean of its classes weighted by their share of the ions;"
        " exchange too rare for the run is missing from it.</p>"
    )
    title = f"{len(size)} closed classes: in these data their sites never exchanged an ion"
    if still:
        title += f"; Li in {still} of them does not travel at all"
    return title, content


def short_list(names, limit=14):
    names = [str(name) for name in names]
    return (
        ", ".join(names)
        if len(names) <= limit
        else ", ".join(names[:limit]) + f" and {len(names) - limit} more"
    )


def provenance(run):
    rows = []
    for file in run.files:
        known = file.attributes("/")
        rows.append(
            [
                escape(file.name),
                escape(f'{known.get("creator", "")} {known.get("version", "")}'.strip()),
                f'<code>{escape(str(known.get("commit", "")))}</code>',
                escape(known.get("seed", "")),
                escape(known.get("created", "")),
                f'<code>{escape(str(known.get("fingerprint", ""))[:16])}</code>',
            ]
        )
    text = table(["file", "written by", "commit", "seed", "created (UTC)", "fingerprint"], rows)
    inputs = {}
    for file in run.files:
        try:
            for entry in json.loads(file.attr("/", "inputs", "[]")):
                inputs[entry.get("path")] = entry
        except (ValueError, AttributeError, TypeError):
            continue
    if inputs:
        text += "<h3>Input files</h3>" + table(
            ["file", "bytes", "SHA-256"],
            [
                [
                    escape(path),
                    grouped(entry.get("bytes", 0)),
                    f'<code>{escape(entry.get("sha256", ""))}</code>',
                ]
                for path, entry in inputs.items()
            ],
            numeric=(1,),
        )
    config = next(
        (file.attr("/", "config", "") for file in reversed(run.files) if file.attr("/", "config", "")), ""
    )
    if config:
        text += f"<details><summary>Effective options (TOML)</summary><pre>{escape(config)}</pre></details>"
    return text


# --- the page ---


def drawn(function, extra=None):
    """Section from a picture: its title is the finding."""

    def section(run, png_folder):
        title, figure, caption = function(run)
        picture = image(figure, escape(title), png_folder, function.__name__)
        return title, f"<figure>{picture}<figcaption>{escape(caption)}</figcaption></figure>" + (
            extra(run) if extra else ""
        )

    return section


def told(function):
    """Section of text and tables whose title is the finding too."""

    def section(run, _):
        return function(run)

    return section


def lag_extra(run):
    text = diffusivity_table(run)
    try:
        return text + details.lag_table(run)
    except Missing:  # files of older versions
        return text


def written(function, title):
    def section(run, _):
        return title, function(run)

    return section


MD_SECTION = ("Molecular dynamics", drawn(temperature_and_energy))  # of runs that made their trajectories
SECTIONS = [
    # kicker and link text, section
    ("Result", written(lambda run: headline(run) + details.status(run) + tensor(run), "Diffusivity")),
    ("Checks", written(verdicts, "Can the model be trusted?")),
    ("Warnings", written(warnings, "Warnings of the run")),
    ("Site occupancy", drawn(figures.site_occupancy)),
    ("Mapping", drawn(figures.mapping, mapping_table)),
    ("Jump network", drawn(network)),
    ("Mean square displacement", drawn(figures.msd)),
    ("Model against MD", told(details.against_md)),
    ("Van Hove function", drawn(dynamics.van_hove)),
    ("Scattering function", drawn(dynamics.scattering)),
    ("D against lag", drawn(figures.diffusivity_by_lag, lag_extra)),
    ("Implied timescales", drawn(figures.implied_timescales)),
    ("Chapman-Kolmogorov test", drawn(figures.chapman_kolmogorov)),
    ("Pooling", told(details.pooling)),
    ("Errors", told(details.errors)),
    ("What limits the error", told(details.limits)),
    ("Convergence", drawn(figures.convergence)),
    ("Rates", told(details.rates)),
    ("Residence times", drawn(dynamics.residence, details.residence_table)),
    ("Spectrum", drawn(figures.spectrum)),
    ("Modes", drawn(modes, details.modes_table)),
    ("Bands", drawn(dynamics.bands)),
    ("Channels", told(details.passages)),
    ("Closed classes", told(closed_classes)),
    ("Sites without exchange", told(details.odd_sites)),
    *mesoscale.SECTIONS,
    ("All results", written(printed_results, "Results as the program printed them")),
    ("Provenance", written(provenance, "Where the numbers come from")),
]


def sections_of(run):
    sections = list(SECTIONS)
    if run.meso is not None and "gas" in run.meso:
        place = [kicker for kicker, _ in sections].index(mesoscale.TRACERS[0])
        sections.insert(place, mesoscale.GAS_SECTION)
        sections = [part for part in sections if part[0] not in mesoscale.TRACERS]
    if run.md is not None:
        sections.insert([kicker for kicker, _ in sections].index("Site occupancy"), MD_SECTION)
    return sections


def build(run, png_folder=None):
    """The whole page as text."""
    sections, links = [], []
    for number, (kicker, section) in enumerate(sections_of(run)):
        try:
            title, content = section(run, png_folder)
        except Missing as reason:
            title, content = kicker, f'<p class="missing">Not shown: {escape(reason)}.</p>'
        except (KeyError, IndexError, ValueError, TypeError, ArithmeticError) as error:
            raise ReportError(
                f'{run.folder}: the data of section "{kicker}" do not fit together ({type(error).__name__}:'
                f" {error}). Run the stage again with this version of mesolith"
            ) from error
        links.append(f'<a href="#s{number}">{escape(kicker)}</a>')
        sections.append(
            "<section"
            f' id="s{number}"><h2><small>{escape(kicker)}</small>{heading(title)}</h2>{content}</section>'
        )
    verdict = run.summary.get("verdict") or worst([check.get("verdict") for check in run.checks])
    created = next((file.attr("/", "created", "") for file in reversed(run.files)), "")
    first = run.files[0].attributes("/")
    with open(os.path.join(os.path.dirname(__file__), "page.css"), encoding="utf-8") as file:
        style = file.read()
    return (
        '<!DOCTYPE html><html lang="en"><head><meta charset="utf-8"><meta name="viewport"'
        ' content="width=device-width, initial-scale=1">'
        f"<title>{escape(run.name)}: Li transport</title><style>{style}</style></head><body><main>"
        f'<h1>{escape(run.name)}</h1><p class="sub">Lithium transport from molecular dynamics by a Markov'
        " model. "
        f'mesolith {escape(first.get("version", ""))}, {escape(created)}. Overall verdict:'
        f' {badge(verdict) if verdict else "–"}</p>'
        f'<nav>{" ".join(links)}</nav>{"".join(sections)}</main></body></html>\n'
    )


def worst(verdicts_seen):
    order = [verdict for verdict in ("fail", "warn", "pass") if verdict in verdicts_seen]
    return order[0] if order else ""


def write_report(run, png_folder=None):
    """RUNDIR/report.html and RUNDIR/tables/*.csv; returns the path of the page."""
    if png_folder:
        os.makedirs(png_folder, exist_ok=True)
    page = build(run, png_folder)
    write_tables(run, os.path.join(run.folder, "tables"))
    path = os.path.join(run.folder, "report.html")
    with open(path + ".part", "w", encoding="utf-8") as file:
        file.write(page)
    os.replace(path + ".part", path)
    return path
