"""python -m mesolith_report.arrhenius FILE.h5: Arrhenius plots from the file of `mesolith arrhenius --out FILE.h5`.

Writes FILE.html, or the file named by --out: .html for a page with tables, .svg or .png for the picture alone.
"""

import argparse
import os
import sys

import numpy as np

from .command import status_of

BOLTZMANN = 8.617333262e-5  # [eV/K]
MOST_LINES = 8  # in one panel
SOURCES = {"model": "Markov model", "direct": "slope of the MSD"}


class Fit:
    """Line and points of one quantity; `path` is its group."""

    def __init__(self, file, path):
        self.path = path
        self.attributes = file.attributes(path)
        self.temperature, self.value, self.error = (
            np.asarray(file[f"{path}/{name}"]) for name in ("temperature", "value", "error")
        )
        self.covariance = np.asarray(file[path + "/covariance"])
        self.energy = float(self.attributes["activation_energy_eV"])
        self.energy_error = float(self.attributes["activation_energy_error_eV"])
        self.log_prefactor = float(self.attributes["log_prefactor"])
        self.valid = tuple(float(t) for t in self.attributes["valid_range_K"])

    def log_value(self, temperature):
        return self.log_prefactor - self.energy / (BOLTZMANN * temperature)

    def log_error(self, temperature):
        """Standard error of log_value; the covariance is that of (ln prefactor, Ea)."""
        gradient = np.stack([np.ones_like(temperature), -1 / (BOLTZMANN * temperature)])
        return np.sqrt(np.maximum(np.einsum("it,ij,jt->t", gradient, self.covariance, gradient), 0))


class ArrheniusFile:
    """What `mesolith arrhenius` wrote."""

    def __init__(self, path):
        from .run import ReportError, ResultFile

        self.file = ResultFile(path)
        if self.file.attr("/", "stage", "") != "arrhenius":
            raise ReportError(
                f"{path}: not the result of several temperatures. Give the file of `mesolith arrhenius --out`"
            )
        self.series = [Fit(self.file, f"series/{k}") for k in self.file.members("series")]
        self.hops = [f"hop_classes/{k}" for k in self.file.members("hop_classes")]
        runs = "runs/temperature" in self.file
        self.temperatures = np.asarray(self.file["runs/temperature"]) if runs else np.array([])

    def of(self, source):
        return [fit for fit in self.series if fit.attributes["source"] == source]

    def hop_fits(self):
        """(group, fit of the lasting rates) of the classes that have one."""
        return [
            (path, Fit(self.file, path + "/lasting_fit"))
            for path in self.hops
            if path + "/lasting_fit/value" in self.file
        ]


def draw_fit(ax, fit, colour, label, marker="o", band=True):
    """Points with errors, the line within the data, dashed beyond, a band of two standard errors."""
    from .canvas import INK

    low, high = fit.valid
    inside = np.linspace(low, high, 60)
    outside = [np.linspace(max(0.8 * low, 250.0), low, 30), np.linspace(high, 1.12 * high, 30)]
    ax.plot(1000 / inside, np.exp(fit.log_value(inside)), color=colour, linewidth=1.5, label=label)
    for part in outside:
        ax.plot(1000 / part, np.exp(fit.log_value(part)), color=colour, linewidth=1.1, linestyle=":")
    if band:
        whole = np.concatenate([outside[0], inside, outside[1]])
        middle, error = fit.log_value(whole), 2 * fit.log_error(whole)
        ax.fill_between(
            1000 / whole, np.exp(middle - error), np.exp(middle + error), color=colour, alpha=0.12, linewidth=0
        )
    ax.errorbar(
        1000 / fit.temperature,
        fit.value,
        yerr=fit.error,
        fmt=marker,
        color=colour,
        markersize=5,
        capsize=2.5,
        linewidth=1.2,
        markeredgecolor=INK,
        markeredgewidth=0.5,
    )


def unit_text(unit):
    return unit.replace("angstrom", "Å").replace("^2", "²")


def quantity_panels(fits):
    """(figure, caption): a panel for each of the first three quantities, a line per value of the other keys."""
    from .canvas import SERIES, log_axis, panels
    from .numbers import with_error

    quantities = list(dict.fromkeys(f.attributes["axis"] for f in fits))[:3]
    rows = min(max(sum(f.attributes["axis"] == q for f in fits) for q in quantities), MOST_LINES)
    height = 3.6 + 0.17 * rows
    picture, axes = panels(
        len(quantities),
        height,
        left=0.085,
        bottom=0.5 / height,
        top=1 - (0.2 + 0.17 * rows) / height,
        wspace=0.3,
    )
    for ax, quantity in zip(axes[0], quantities):
        lines = [f for f in fits if f.attributes["axis"] == quantity][:MOST_LINES]
        for fit, colour in zip(lines, SERIES):
            where = fit.attributes.get("where", "")
            label = f"{where}: " if where else ""
            draw_fit(ax, fit, colour, f"{label}{with_error(fit.energy, fit.energy_error)} eV")
        unit = unit_text(lines[0].attributes.get("units", ""))
        ax.set_xlabel("1000 K / T")
        ax.set_ylabel(f"{quantity} ({unit})" if unit else quantity)
        log_axis(ax.yaxis)
        ax.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1.0),
            fontsize=7,
            borderaxespad=0.2,
            labelspacing=0.15,
            handlelength=1.4,
        )
    caption = (
        "Arrhenius plots: points with one standard error, lines ln v = ln v₀ − Ea/kT, bands of two standard errors"
        " of the line. Dotted: extrapolation beyond the temperatures of the data."
    )
    return picture, caption


def figure(data):
    """(title, figure, caption): D of the model and from the MSD side by side, rates of lasting hops below."""
    from .canvas import AXIS_COLOURS, INK, SERIES, log_axis, panels
    from .numbers import with_error

    sources = [source for source in SOURCES if data.of(source)]
    if not sources:  # a table or a sweep
        main = data.series[0]
        title = f"Activation energy of {main.attributes['axis']}: {with_error(main.energy, main.energy_error)} eV"
        return title, *quantity_panels(data.series)
    hops = data.hop_fits()[:6]
    columns = len(sources) + (1 if hops else 0)
    picture, axes = panels(
        columns, 4.2, left=0.085, bottom=0.13, top=0.76, wspace=0.34 if columns > 2 else 0.26
    )
    pad = 8 + 9 * max(4, len(hops))  # room for the legend below the title
    colours = dict(zip("xyz", AXIS_COLOURS), mean=INK)
    for ax, source in zip(axes[0], sources):
        for fit in data.of(source):
            axis = fit.attributes["axis"]
            label = f"{axis}: {with_error(fit.energy, fit.energy_error)} eV"
            draw_fit(ax, fit, colours[axis], label, "s" if axis == "mean" else "o")
        ax.set_ylabel("D (Å²/ps)")
        ax.set_title(f"D, {SOURCES[source]}", loc="left", pad=pad)
    if hops:
        ax = axes[0, -1]
        for (path, fit), colour in zip(hops, SERIES):
            start, end = (data.file.attr(path, name) for name in ("from", "to"))
            length = float(data.file.attr(path, "length_A"))
            label = f"{start} → {end}, {length:.2f} Å: {with_error(fit.energy, fit.energy_error)} eV"
            draw_fit(ax, fit, colour, label, band=False)
        ax.set_ylabel("lasting hops per ion (1/ps)")
        ax.set_title("Rates by kind of hop", loc="left", pad=pad)
    for ax in axes[0]:
        log_axis(ax.yaxis)
        ax.set_xlabel("1000 K / T")
        ax.legend(
            loc="lower left",
            bbox_to_anchor=(0, 1.0),
            fontsize=6.5,
            borderaxespad=0.2,
            labelspacing=0.15,
            handlelength=1.2,
        )
    main = next((fit for fit in data.series if fit.attributes["axis"] == "mean"), data.series[0])
    title = (
        f"Activation energy of D: {with_error(main.energy, main.energy_error)} eV between"
        f" {main.valid[0]:g} and {main.valid[1]:g} K"
    )
    caption = (
        "Arrhenius plots: points with one standard error, weighted fits, bands of two standard errors of the"
        " line. Dotted: extrapolation beyond the temperatures of the data. Lasting hops: those that the next hop"
        " of the ion does not undo."
    )
    return title, picture, caption


def page(data):
    from .canvas import image
    from .numbers import grouped, plain, with_error
    from .markup import whole_page
    from .report import escape, table

    title, picture, caption = figure(data)
    rows = []
    for fit in data.series:
        a = fit.attributes
        rows.append(
            [
                SOURCES.get(a["source"], a["source"]),
                escape(f"{a['axis']} at {a['where']}" if a.get("where") else a["axis"]),
                escape(with_error(fit.energy, fit.energy_error)),
                escape(with_error(fit.log_prefactor, float(np.sqrt(fit.covariance[0, 0])))),
                plain(float(a["chi_squared"])),
                plain(float(a["p"]), 2),
            ]
        )
    parts = [
        f"<h1>{escape(title)}</h1>",
        f"<figure>{image(picture, escape(title))}<figcaption>{escape(caption)}</figcaption></figure>",
        "<h2>Diffusivity</h2>",
        table(["from", "of", "Ea (eV)", "ln v₀", "χ²", "p"], rows, (2, 3, 4, 5)),
        '<p class="note">p is the probability of a χ² as large or larger if the points lie on a straight line;'
        " with two temperatures there is none.</p>",
    ]
    if data.hops:
        rows = []
        for path in data.hops:
            energies = []
            for name in (f"{path}/fit", f"{path}/lasting_fit"):
                fit = Fit(data.file, name) if name + "/value" in data.file else None
                energies.append(escape(with_error(fit.energy, fit.energy_error)) if fit else "–")
            hops, lasting = data.file[path + "/hops"], data.file[path + "/lasting"]
            rows.append(
                [
                    escape(data.file.attr(path, "from")),
                    escape(data.file.attr(path, "to")),
                    f"{float(data.file.attr(path, 'length_A')):.2f}",
                    *(f"{grouped(n)} ({grouped(m)})" for n, m in zip(hops, lasting)),
                    *energies,
                ]
            )
        header = ["from", "to", "length (Å)", *(f"{t:g} K" for t in data.temperatures), "Ea, all (eV)"]
        parts += [
            "<h2>Hops by kind</h2>",
            table([*header, "Ea, lasting (eV)"], rows, tuple(range(2, len(header) + 1))),
            '<p class="note">Hops in each run, in brackets those that the next hop of the ion does not undo. Rates'
            " are per time that ions spend on the origin orbit; kinds with fewer than ten hops at all but one"
            " temperature have no energy.</p>",
        ]
    warnings = data.file.attr("/", "warnings", [])
    for text in [warnings] if isinstance(warnings, str) else warnings:
        parts.append(f'<div class="warning">{escape(text)}</div>')
    return whole_page(title, parts, data.file)


def write(path, out=None):
    """Write the page or picture; returns its name.

    @raises ReportError  not a file of `mesolith arrhenius`, an ending that is not known
    """
    from .run import ReportError

    out = out or os.path.splitext(path)[0] + ".html"
    ending = os.path.splitext(out)[1].lower()
    if ending not in (".html", ".svg", ".png"):
        raise ReportError(f"{out}: unknown kind of picture. End the name in .html, .svg or .png")
    data = ArrheniusFile(path)
    try:
        if ending == ".html":
            with open(out, "w", encoding="utf-8") as file:
                file.write(page(data))
        else:
            figure(data)[1].savefig(out)
    finally:
        data.file.close()
    return out


def main(arguments=None):
    parser = argparse.ArgumentParser(
        prog="mesolith_report.arrhenius", description="Arrhenius plots from the file of `mesolith arrhenius --out`."
    )
    parser.add_argument("file", help="HDF5 file")
    parser.add_argument("--out", metavar="FILE", help="page (.html) or picture (.svg, .png)")
    options = parser.parse_args(arguments)
    return status_of(lambda: write(options.file, options.out))


if __name__ == "__main__":
    sys.exit(main())
