"""How pictures look, and how they become part of a page."""

import base64
import io
import math
import os

import matplotlib
import numpy as np

matplotlib.use("Agg")
from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: E402
from matplotlib.figure import Figure  # noqa: E402
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter  # noqa: E402

# Okabe-Ito: told apart by colour-blind readers too.
BLUE, ORANGE, GREEN, PURPLE, RED, SKY, YELLOW = (
    "#0072B2",
    "#E69F00",
    "#009E73",
    "#CC79A7",
    "#D55E00",
    "#56B4E9",
    "#F0E442",
)
INK, GREY, PALE = "#22272e", "#8a929c", "#dfe3e8"
SERIES = (BLUE, ORANGE, GREEN, PURPLE, RED, SKY, "#7a5195", "#4d4d4d", "#a3a500", "#c2478f")
AXIS_COLOURS = (BLUE, RED, GREEN)

WIDTH = 9.0  # [inch]; the page shows it 900 px wide
DPI = 150

matplotlib.rcParams.update(
    {
        "font.family": "DejaVu Sans",
        "font.size": 10,
        "axes.titlesize": 10.5,
        "axes.labelsize": 10,
        "axes.edgecolor": "#5b636d",
        "axes.linewidth": 0.8,
        "axes.labelcolor": INK,
        "text.color": INK,
        "xtick.color": "#3d444d",
        "ytick.color": "#3d444d",
        "xtick.labelsize": 9,
        "ytick.labelsize": 9,
        "axes.grid": True,
        "grid.color": "#e9ecef",
        "grid.linewidth": 0.8,
        "axes.axisbelow": True,
        "axes.spines.top": False,
        "axes.spines.right": False,
        "legend.frameon": False,
        "legend.fontsize": 9,
        "lines.linewidth": 1.6,
        "lines.markersize": 5,
        "axes.unicode_minus": True,
        "axes.formatter.use_mathtext": False,
    }
)


def panels(
    n_columns,
    height,
    n_rows=1,
    left=0.075,
    right=0.985,
    top=0.90,
    bottom=0.15,
    wspace=0.26,
    hspace=0.1,
    **more,
):
    """A figure of the page's width with fixed margins: measuring text for a tight layout would draw everything twice."""
    figure = Figure(figsize=(WIDTH, height), dpi=DPI)
    FigureCanvasAgg(figure)
    axes = figure.subplots(n_rows, n_columns, squeeze=False, **more)
    figure.subplots_adjust(left=left, right=right, top=top, bottom=bottom, wspace=wspace, hspace=hspace)
    return figure, axes


def panels_in_pairs(n, row_height):
    """Two columns of panels, or one alone: (figure, axes, columns)."""
    columns = 2 if n > 1 else 1
    rows = math.ceil(n / columns)
    height = 0.8 + row_height * rows
    figure, axes = panels(
        columns,
        height,
        n_rows=rows,
        left=0.08,
        bottom=0.5 / height,
        top=1 - 0.58 / height,
        wspace=0.2,
        hspace=0.45,
    )
    return figure, axes, columns


def distance_bars(ax, r, width, keep, seen, error):
    """Shares of a van Hove function at distances r [%], with one standard error."""
    ax.bar(r[keep], 100 * seen[keep], width=0.92 * width, color=BLUE, alpha=0.45, linewidth=0)
    some = keep & (seen > 0) & np.isfinite(error)
    ax.errorbar(r[some], 100 * seen[some], yerr=100 * error[some], fmt="none", ecolor=BLUE, elinewidth=0.9)


def distance_marks(ax, r, width, keep, expected):
    """What theory says about the same, as a mark on each bar."""
    ax.hlines(
        100 * expected[keep],
        r[keep] - 0.62 * width,
        r[keep] + 0.62 * width,
        color=INK,
        linewidth=1.6,
        zorder=3,
    )


def corner_text(ax, text):
    ax.text(
        0.985,
        0.97,
        text,
        transform=ax.transAxes,
        ha="right",
        va="top",
        fontsize=8.5,
        color="#3d444d",
        bbox={"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.85},
    )


def plain_tick(value, _=None):
    return f"{value:g}".replace("-", "−") if 1e-4 <= abs(value) < 1e6 else f"{value:.0e}".replace("-", "−")


def log_axis(axis, few=False):
    """Log axis with ticks 1, 2, 5 in plain figures; mathtext would cost more time than the plot."""
    axis.axes.set_xscale("log") if axis.axis_name == "x" else axis.axes.set_yscale("log")
    axis.set_major_locator(LogLocator(subs=(1.0,) if few else (1.0, 2.0, 5.0)))
    axis.set_major_formatter(FuncFormatter(plain_tick))
    axis.set_minor_formatter(NullFormatter())


def image(figure, alt, folder=None, name=None):
    """<img> with the picture inside; with a folder the PNG is written there too."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=DPI, pil_kwargs={"compress_level": 6})
    data = buffer.getvalue()
    if folder and name:
        with open(os.path.join(folder, name + ".png"), "wb") as file:
            file.write(data)
    encoded = base64.b64encode(data).decode("ascii")
    return f'<img alt="{alt}" src="data:image/png;base64,{encoded}">'
