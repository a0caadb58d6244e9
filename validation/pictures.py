"""The look of the pictures of these checks; needs matplotlib."""

import os

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

COLOURS = ["#0b4f6c", "#d1495b", "#edae49", "#3c896d", "#7d5ba6", "#8c8c8c", "#2e2e2e"]
STYLE = {
    "font.size": 8,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "legend.frameon": False,
    "legend.fontsize": 7,
    "axes.prop_cycle": plt.cycler(color=COLOURS),
    "lines.linewidth": 1.2,
    "lines.markersize": 3,
}


def save(figure, folder, name, tight=True):
    if tight:
        figure.tight_layout()
    figure.savefig(os.path.join(folder, name + ".png"), dpi=110, pil_kwargs={"optimize": True})
    plt.close(figure)
