"""python -m mesolith_report.sweep FOLDER: the page of a sweep, from its sweep.h5.

`python -m mesolith_report FOLDER` does the same for a folder that holds a sweep.h5.
"""

import argparse
import os
import sys
from urllib.parse import quote

import numpy as np

from .arrhenius import MOST_LINES, Fit, quantity_panels, unit_text
from .command import status_of

MOST_COLUMNS = 8  # of results in the table of points; all of them stand in sweep.csv


class Column:
    """A result at all points."""

    def __init__(self, file, path):
        self.key, self.unit = file.attr(path, "key"), file.attr(path, "units", "")
        self.text = file.attr(path, "text", "")
        self.value, self.error = (np.asarray(file[f"{path}/{name}"], dtype=float) for name in ("value", "error"))


class SweptKey:
    def __init__(self, file, path):
        self.key, self.axis = file.attr(path, "key"), int(file.attr(path, "axis", 0))
        self.text = [str(t) for t in file[path + "/text"]]
        self.value = np.asarray(file[path + "/value"], dtype=float)

    @property
    def is_number(self):
        return bool(np.isfinite(self.value).all())

    @property
    def levels(self):
        """Different values, in the order of the points."""
        return list(dict.fromkeys(self.text))


class SweepFile:
    """What `mesolith run` collected of a sweep."""

    def __init__(self, path):
        from .run import ReportError, ResultFile

        path = os.path.join(path, "sweep.h5") if os.path.isdir(path) else path
        self.folder = os.path.dirname(os.path.abspath(path))
        self.file = ResultFile(path)
        if self.file.attr("/", "stage", "") != "sweep":
            raise ReportError(f"{path}: not the results of a sweep. Give the folder that `mesolith run` wrote")
        self.name, self.folders, self.status, self.message, self.verdict = (
            [str(t) for t in self.file[f"points/{name}"]] for name in ("name", "folder", "status", "message", "verdict")
        )
        self.seconds = np.asarray(self.file["points/seconds"], dtype=float)
        self.swept = [SweptKey(self.file, f"swept/{k}") for k in self.file.members("swept")]
        self.results = [Column(self.file, f"results/{k}") for k in self.file.members("results")]
        self.checks = {
            self.file.attr(f"checks/{k}", "name"): [str(v) for v in self.file[f"checks/{k}/verdict"]]
            for k in self.file.members("checks")
        }
        self.fits = [Fit(self.file, f"series/{k}") for k in self.file.members("series")]

    def axes(self):
        """One key for each axis: a number if there is one."""
        chosen = {}
        for key in self.swept:
            if key.axis not in chosen or (key.is_number and not chosen[key.axis].is_number):
                chosen[key.axis] = key
        return [chosen[a] for a in sorted(chosen)]

    def others(self, axis, point):
        """The values of the other axes at a point, as text."""
        return ", ".join(f"{key.key} = {key.text[point]}" for key in self.axes() if key.axis != axis)

    def main_results(self):
        """The diffusivities to draw: means if there are any, else components; those with errors first."""
        of_D = [c for c in self.results if c.unit == "angstrom^2/ps" and np.isfinite(c.value).any()]
        off_diagonal = ("_xy", "_xz", "_yz")
        means = [c for c in of_D if c.key.endswith("_mean") or c.key in ("D_J", "D_star", "D_chem", "D_flux")]
        chosen = means or [c for c in of_D if not c.key.endswith(off_diagonal)]
        if not chosen:
            chosen = [c for c in self.results if np.isfinite(c.value).sum() > 1]
        return sorted(chosen, key=lambda c: not np.isfinite(c.error).any())[:3]


def against_figures(data):
    """(title, figure, caption) for each axis with more than one value: results against it, a line per value of the others."""
    from .canvas import SERIES, log_axis, panels

    made = []
    columns = data.main_results()
    for key in data.axes():
        if len(key.levels) < 2 or not columns:
            continue
        groups = {}
        for point in range(len(data.name)):
            if data.status[point] == "done":
                groups.setdefault(data.others(key.axis, point), []).append(point)
        if not groups:
            continue
        legend = any(groups)
        rows = min(len(groups), MOST_LINES) if legend else 0
        picture, axes = panels(
            len(columns), 3.3 + 0.17 * rows, left=0.085, bottom=0.5 / (3.3 + 0.17 * rows),
            top=1 - (0.15 + 0.17 * rows) / (3.3 + 0.17 * rows), wspace=0.3,
        )  # fmt: skip
        positive = all((c.value[np.isfinite(c.value)] > 0).all() for c in columns)
        for ax, column in zip(axes[0], columns):
            for k, (others, points) in enumerate(list(groups.items())[:MOST_LINES]):
                x = key.value[points] if key.is_number else np.array([key.levels.index(key.text[p]) for p in points])
                order = np.argsort(x, kind="stable")
                y, error = column.value[points][order], np.nan_to_num(column.error[points][order])
                shift = 0.0 if key.is_number else 0.08 * (k - (min(len(groups), MOST_LINES) - 1) / 2)
                ax.errorbar(
                    x[order] + shift, y, yerr=error, fmt="o-" if key.is_number else "o", color=SERIES[k % len(SERIES)],
                    linewidth=1.2, markersize=4.5, capsize=2.5, label=others or None,
                )  # fmt: skip
            values = column.value[np.isfinite(column.value)]
            if positive and values.max() > 5 * values.min():
                log_axis(ax.yaxis)
            if key.is_number and key.value.min() > 0 and key.value.max() > 20 * key.value.min():
                log_axis(ax.xaxis)
            if not key.is_number:
                ax.set_xticks(range(len(key.levels)))
                ax.set_xticklabels([os.path.basename(t.strip('"'))[:24] for t in key.levels], rotation=12, fontsize=7)
            ax.set_xlabel(key.key)
            ax.set_ylabel(f"{column.key} ({unit_text(column.unit)})" if column.unit else column.key)
        if legend:
            axes[0, 0].legend(
                loc="lower left", bbox_to_anchor=(0, 1.0), fontsize=7, borderaxespad=0.2, labelspacing=0.15,
                handlelength=1.4,
            )  # fmt: skip
        more = len(groups) - MOST_LINES
        caption = "Bars: one standard error. Lines join points, they are no fit." + (
            f" {more} more combinations of the other keys are in sweep.csv." if more > 0 else ""
        )
        made.append((f"Against {key.key}", picture, caption))
    return made


def arrhenius_figure(data):
    """(title, figure, caption) of the fits over temperature, a panel per quantity; None without fits."""
    shown = [c.key for c in data.main_results()]
    fits = [f for f in data.fits if f.attributes["axis"] in shown] or data.fits
    return ("Over temperature", *quantity_panels(fits)) if fits else None


def fit_table(data):
    from .numbers import plain, with_error
    from .report import escape, table

    rows = []
    for fit in data.fits:
        a = fit.attributes
        scatter = bool(a.get("errors_from_scatter", 0))
        rows.append(
            [
                escape(a["axis"]),
                escape(a.get("where", "")),
                escape(with_error(fit.energy, fit.energy_error)),
                escape(with_error(fit.log_prefactor, float(np.sqrt(fit.covariance[0, 0])))),
                "–" if scatter else plain(float(a["chi_squared"])),
                plain(float(a["p"]), 2),
                f"{fit.valid[0]:g} to {fit.valid[1]:g}",
            ]
        )
    return table(["", "at", "Ea (eV)", "ln v₀", "χ²", "p", "K"], rows, (2, 3, 4, 5)) + (
        '<p class="note">p: probability of a χ² as large or larger if the points lie on a straight line. Values'
        " without errors weigh the same; errors of their line are from the scatter about it.</p>"
    )


def point_table(data):
    """A row per point, linked to its report where there is one."""
    from .markup import badge, dense
    from .numbers import plain, with_error
    from .report import escape, table

    results = [c for c in data.results if not c.key.endswith(("_xy", "_xz", "_yz", "_m2_per_s"))]
    results.sort(key=lambda c: c not in data.main_results())
    results = results[:MOST_COLUMNS]
    rows = []
    for k in range(len(data.name)):
        target = None
        for name in ("report.html", "summary.json", "log.txt"):
            if os.path.exists(os.path.join(data.folder, data.folders[k], name)):
                target = quote(f"{data.folders[k]}/{name}")
                break
        label = " ".join(f'<span class="whole">{escape(key.key.split(".")[-1])} = {escape(key.text[k])}</span>' for key in data.axes())
        cells = [f'<a href="{target}">{label}</a>' if target else label]
        cells.append(badge(data.verdict[k]) if data.status[k] == "done" else f"<b>{escape(data.status[k])}</b>")
        if data.status[k] in ("failed", "stopped"):
            cells[1] += f"<br>{escape(data.message[k])}"
        for c in results:
            text = with_error(c.value[k], c.error[k]) if np.isfinite(c.error[k]) else plain(c.value[k], 4)
            cells.append(escape(text))
        rows.append(cells)
    header = ["point", ""] + [
        f"{escape(c.key)}" + (f" ({escape(unit_text(c.unit))})" if c.unit else "") for c in results
    ]
    return dense(table(header, rows, tuple(range(2, len(header)))))


def page(data, png=None):
    from .canvas import image
    from .markup import whole_page
    from .report import escape

    if png:
        os.makedirs(png, exist_ok=True)
    title = os.path.basename(data.folder)
    count = {status: data.status.count(status) for status in ("done", "failed", "stopped", "waiting")}
    keys = " × ".join(f"{len(key.levels)} values of {key.key}" for key in data.axes())
    state = ", ".join(f"{n} {status}" for status, n in count.items() if n)
    parts = [
        f"<h1>Sweep {escape(title)}</h1>",
        f'<p class="sub">{len(data.name)} points ({escape(keys)}): {escape(state)}. All numbers of all points:'
        ' <a href="sweep.csv">sweep.csv</a></p>',
    ]
    figures = against_figures(data)
    over_temperature = arrhenius_figure(data)
    if over_temperature:
        figures.append(over_temperature)
    for k, (heading, picture, caption) in enumerate(figures):
        parts.append(f"<h2>{escape(heading)}</h2>")
        parts.append(
            f"<figure>{image(picture, escape(heading), png, f'sweep_{k}')}<figcaption>{escape(caption)}</figcaption></figure>"
        )
        if (heading, picture, caption) == over_temperature:
            parts.append(fit_table(data))
    parts += ["<h2>Points</h2>", point_table(data)]
    if data.checks:
        worst = {
            name: [v.count(level) for level in ("pass", "warn", "fail")] for name, v in data.checks.items()
        }
        parts.append(
            '<p class="note">Checks: '
            + "; ".join(
                f"{escape(name)} {p} pass, {w} warn, {f} fail" for name, (p, w, f) in worst.items()
            )
            + ".</p>"
        )
    warnings = data.file.attr("/", "warnings", [])
    for text in [warnings] if isinstance(warnings, str) else warnings:
        if text:
            parts.append(f'<div class="warning">{escape(text)}</div>')
    return whole_page(f"Sweep {title}", parts, data.file)


def is_sweep(folder):
    return os.path.isdir(folder) and os.path.exists(os.path.join(folder, "sweep.h5"))


def write(path, png=None):
    """Write report.html beside sweep.h5; returns its name.

    @raises ReportError  not the results of a sweep, a damaged file
    """
    data = SweepFile(path)
    out = os.path.join(path if os.path.isdir(path) else os.path.dirname(path) or ".", "report.html")
    try:
        text = page(data, png)
    finally:
        data.file.close()
    with open(out + ".part", "w", encoding="utf-8") as file:
        file.write(text)
    os.replace(out + ".part", out)
    return out


def main(arguments=None):
    parser = argparse.ArgumentParser(prog="mesolith_report.sweep", description="The page of a sweep.")
    parser.add_argument("folder", help="output folder of the sweep, or its sweep.h5")
    parser.add_argument("--png", metavar="FOLDER", help="also write each picture as a PNG file")
    options = parser.parse_args(arguments)
    return status_of(lambda: write(options.folder, options.png))


if __name__ == "__main__":
    sys.exit(main())
