"""CSV twins of the tables and curves of the report. Units stand in the header."""

import csv
import math
import os

import numpy as np

from . import meso_tables
from .details import orbit_names
from .figures import occupancy
from .numbers import AXES
from .run import Missing

COMPONENTS = [(a, b) for a in range(3) for b in range(3)]


def _name(prefix, a, b, unit):
    return f"{prefix}_{AXES[a]}{AXES[b]} [{unit}]"


def diffusivity(run):
    header = ["lag_time [ps]"]
    header += [_name(kind, a, b, "A^2/ps") for kind in ("D", "error") for a, b in COMPONENTS]
    header += [f"hops_{axis}" for axis in AXES]
    header += [f"{kind}_slope_{axis} [A^2/ps]" for kind in ("model", "msd") for axis in AXES]
    header += ["slope_from [ps]", "slope_to [ps]"] + [f"z_{axis}" for axis in AXES] + ["agrees"]
    rows = []
    for lag in run.lags:
        row = [lag.lag_time, *lag.D.ravel(), *lag.error.ravel(), *lag.hops]
        row += [*lag["diffusivity/model_slope"], *lag["diffusivity/msd_slope"]]
        for name in ("window_ps", "z_msd"):
            row += list(lag.attr("diffusivity", name))
        rows.append(row + [lag.attr("diffusivity", "agrees")])
    return header, rows


def msd(run):
    file = run.need("msm")
    header, columns = ["time [ps]"], [file["msd/time"]]
    for kind in ("raw", "projected"):
        if f"msd/{kind}" in file:
            header += [f"{kind}_{a} [A^2]" for a in AXES] + [f"{kind}_error_{a} [A^2]" for a in AXES]
            columns += [*file[f"msd/{kind}"].T, *file[f"msd/{kind}_error"].T]
    return header, zip(*columns)


def msd_model(run):
    file = run.need("msm")
    header = ["time [ps]"] + [f"model_{a} [A^2]" for a in AXES] + [f"model_error_{a} [A^2]" for a in AXES]
    return header, zip(file["msd/model_time"], *file["msd/model"].T, *file["msd/model_error"].T)


def timescales(run):
    file = run.need("msm")
    header, columns = ["lag_time [ps]"], [file["timescales/lag_time"]]
    for kind in ("internal", "supercell"):
        if f"timescales/{kind}" in file:
            values, errors = file[f"timescales/{kind}"], file[f"timescales/{kind}_error"]
            for mode in range(values.shape[1]):
                header += [f"{kind}_{mode + 1} [ps]", f"{kind}_{mode + 1}_error [ps]"]
                columns += [values[:, mode], errors[:, mode]]
    return header, zip(*columns)


def chapman_kolmogorov(run):
    file = run.need("msm")
    names = ("n", "error", "floor_median", "floor_95")
    return list(names), zip(*(file[f"chapman_kolmogorov/{name}"] for name in names))


def spectrum(run):
    lag = run.chosen
    header = ["eigenvalue_re", "eigenvalue_im", "kappa_a", "kappa_b", "kappa_c"]
    return header, zip(
        lag["spectrum/eigenvalue_re"], lag["spectrum/eigenvalue_im"], *np.asarray(lag["spectrum/kappa"]).T
    )


def convergence(run):
    file = run.need("msm")
    header = ["duration [ps]"] + [f"D_{a} [A^2/ps]" for a in AXES] + [f"error_{a} [A^2/ps]" for a in AXES]
    return header, zip(file["convergence/duration"], *file["convergence/D"].T, *file["convergence/error"].T)


def network(run):
    file = run.need("msm")
    names = file["basis/name"]
    header = [
        "from",
        "to",
        "from_index",
        "to_index",
        "R_a",
        "R_b",
        "R_c",
        "hops",
        "dx [A]",
        "dy [A]",
        "dz [A]",
    ]
    rows = []
    for i, j, r, count, d in zip(
        *(file[f"network/{name}"] for name in ("from", "to", "R", "count", "displacement"))
    ):
        rows.append([names[i], names[j], i, j, *r, count, *d])
    return header, rows


def site_occupancy(run):
    sites = run.need("sites")
    _, occupied, _ = occupancy(run)
    base, offset, names = sites["sites/base"], sites["sites/offset"], sites["sites/name"]
    position = np.asarray(sites["sites/fractional"])
    header = [
        "site",
        "name",
        "cell_a",
        "cell_b",
        "cell_c",
        "fractional_a",
        "fractional_b",
        "fractional_c",
        "occupancy",
    ]
    return header, ([s, names[base[s]], *offset[s], *position[s], occupied[s]] for s in range(len(base)))


def checks(run):
    if not run.checks:
        raise Missing("no checks")
    keys = ("name", "verdict", "value", "warn_above", "fail_above", "text")
    return list(keys), ([check.get(key, "") for key in keys] for check in run.checks)


def lag_selection(run):
    file, lags = run.need("msm"), run.lags
    names = file["lag_selection/quantities"]
    flags, numbers = ("usable", "testable", "agrees"), ("largest", "critical", "p", "resolution")
    header = ["lag_time [ps]", *flags, *numbers, "quantity", "longer_lag [ps]"]
    rows = []
    for k, lag in enumerate(lags):
        quantity, other = (int(file[f"lag_selection/{name}"][k]) for name in ("quantity", "lag"))
        row = [lag.lag_time] + [file[f"lag_selection/{name}"][k] for name in (*flags, *numbers)]
        row.append(names[quantity] if 0 <= quantity < len(names) else "")
        rows.append(row + [lags[other].lag_time if 0 <= other < len(lags) else ""])
    return header, rows


def errors(run):
    header = ["lag_time [ps]"] + [f"D_{axis} [A^2/ps]" for axis in AXES]
    header += [f"{kind}_error_{axis} [A^2/ps]" for kind in ("bootstrap", "delta") for axis in AXES]
    return header, [
        [lag.lag_time, *np.diag(lag.D), *np.diag(lag.error), *np.diag(lag["diffusivity/delta_error"])]
        for lag in run.lags
    ]


def pooling(run):
    file = run.need("msm")
    names = ("level", "entries", "half_difference", "used")
    return list(names), zip(*(file[f"pooling/{name}"] for name in names))


def against_md(run):
    file = run.need("msm")
    header = ["quantity"] + [f"{kind}_{axis}" for axis in AXES for kind in ("value", "error")]
    header += ["mean", "mean_error", "unit"]
    kinds = [("tracer", "A^2/ps"), ("model_window", "A^2/ps"), ("model", "A^2/ps")]
    if int(file.attr("direct", "has_collective", 0)):
        kinds += [("collective", "A^2/ps"), ("haven", "")]
    rows = []
    for kind, unit in kinds:
        if f"direct/{kind}" not in file:
            continue  # files of older versions
        values, spread = file[f"direct/{kind}"], file[f"direct/{kind}_error"]
        mean = file[f"direct/{kind}_mean"] if f"direct/{kind}_mean" in file else (np.mean(values), math.nan)
        rows.append([kind, *np.column_stack([values, spread]).ravel(), *mean, unit])
    z = np.column_stack([file["direct/z"], np.full(3, math.nan)]).ravel()
    rows.append(["z", *z, file.attr("direct", "z_mean"), math.nan, ""])
    return header, rows


def rates(run):
    file = run.need("msm")
    header = ["method", "accepted"] + [
        _name(kind, a, b, "A^2/ps") for kind in ("D", "error") for a, b in COMPONENTS
    ]
    columns = (file[f"rates/{name}"] for name in ("method", "accepted", "D", "error", "text"))
    return header + ["text"], (
        [method, accepted, *np.ravel(D), *np.ravel(error), text]
        for method, accepted, D, error, text in zip(*columns)
    )


def residence(run):
    file = run.need("msm")
    names = (
        "orbit",
        "stays",
        "ended",
        "mean",
        "mean_error",
        "median",
        "median_ratio",
        "distance",
        "distance_limit",
    )
    header = [f"{name} [ps]" if name in ("mean", "mean_error", "median") else name for name in names]
    return header, zip(*(file[f"residence/{name}"] for name in names))


def survival(run):
    file = run.need("msm")
    rows = []
    for k, orbit in enumerate(file["residence/orbit"]):
        columns = (file[f"residence/{k}/{name}"] for name in ("time", "survival", "error"))
        rows += [[orbit, *values] for values in zip(*columns)]
    return ["orbit", "time [ps]", "survival", "error"], rows


def modes(run):
    file = run.need("msm")
    orbits = orbit_names(file)
    weight, share = np.asarray(file["modes/orbit_weight"]), np.asarray(file["modes/share"])
    names = ("eigenvalue_re", "eigenvalue_im", "timescale", "size", "kind", "participation", "orbit_exchange")
    header = ["mode"] + ["timescale [ps]" if name == "timescale" else name for name in names]
    header += ["channel_exchange", "channel"]
    header += [f"weight_{orbits[o] if o < len(orbits) else o + 1}" for o in range(weight.shape[1])]
    header += [f"share_{axis}" for axis in AXES]
    columns = [file[f"modes/{name}"] for name in (*names, "channel_exchange", "channel")]
    return header, ([m + 1, *row, *weight[m], *share[m]] for m, row in enumerate(zip(*columns)))


def eigenvectors(run):
    """One line per basis site."""
    file = run.need("msm")
    kinds = [("right", "right"), ("left", "left"), ("site_weight", "weight")]
    values = {kind: np.asarray(file[f"modes/{kind}"]) for kind, _ in kinds}
    header = ["site", "name", "x [A]", "y [A]", "z [A]"]
    header += [f"{name}_{m + 1}" for m in range(len(values["right"])) for _, name in kinds]
    rows = []
    for j, (name, position) in enumerate(zip(file["basis/name"], file["basis/positions"])):
        row = [j, name, *position]
        for m in range(len(values["right"])):
            row += [values[kind][m, j] for kind, _ in kinds]
        rows.append(row)
    return header, rows


def followed_timescales(run):
    file = run.need("msm")
    followed, overlap = np.asarray(file["modes/followed"]), np.asarray(file["modes/overlap"])
    header, columns = ["lag_time [ps]"], [[lag.lag_time for lag in run.lags]]
    for m in range(len(followed)):
        header += [f"mode_{m + 1} [ps]", f"mode_{m + 1}_overlap"]
        columns += [followed[m], overlap[m]]
    return header, zip(*columns)


def bands(run):
    file = run.need("msm")
    rate, parabola = np.asarray(file["bands/rate"]), np.asarray(file["bands/parabola"])
    header = ["kappa_a", "kappa_b", "kappa_c", "distance [1/A]"]
    header += [f"rate_{b + 1} [1/ps]" for b in range(rate.shape[1])]
    header += [f"parabola_{c + 1} [1/ps]" for c in range(parabola.shape[1])]
    return header, zip(*np.asarray(file["bands/kappa"]).T, file["bands/distance"], *rate.T, *parabola.T)


def van_hove(run):
    file = run.need("msm")
    time, width = file["van_hove/time"], float(file.attr("van_hove", "bin"))
    kinds = ("model", "trajectory", "error")
    values = {kind: np.asarray(file[f"van_hove/{kind}"]) for kind in kinds}
    header, columns = ["from [A]", "to [A]"], []
    for t in range(len(time)):
        header += [f"{kind}_{time[t]:g}ps" for kind in kinds]
        columns += [values[kind][t] for kind in kinds]
    edges = width * np.arange(values["model"].shape[1] + 1)
    return header, zip(edges[:-1], edges[1:], *columns)


def scattering(run):
    file = run.need("msm")
    header = ["k_x [1/A]", "k_y [1/A]", "k_z [1/A]", "time [ps]", "model", "trajectory", "error"]
    kinds = [file[f"scattering/{kind}"] for kind in ("model", "trajectory", "error")]
    return header, (
        [*k, t, *(values[q][n] for values in kinds)]
        for q, k in enumerate(file["scattering/k"])
        for n, t in enumerate(file["scattering/time"])
    )


def channels(run):
    file = run.need("msm")
    names = file["channels/name"]
    header = ["site", "site_name", "channel", "channel_name", "share_of_channel", "rank", "escape_time [ps]"]
    rows = []
    columns = (file["basis/name"], file["channels/of_site"], file["channels/escape_time"])
    for j, (name, channel, time) in enumerate(zip(*columns)):
        known = 0 <= channel < len(names)
        of = (
            [names[channel], file["channels/share"][channel], file["channels/rank"][channel]]
            if known
            else [""] * 3
        )
        rows.append([j, name, channel, *of, time])
    return header, rows


def first_passages(run):
    file = run.need("msm")
    orbits = file["first_passage/orbit"]
    time, rate = file["first_passage/time"], file["first_passage/rate"]
    return ["from", "to", "mean_first_passage [ps]", "rate [1/ps]"], (
        [orbits[a], orbits[b], time[a][b], rate[a][b]]
        for a in range(len(orbits))
        for b in range(len(orbits))
        if a != b
    )


def next_cells(run):
    file = run.need("msm")
    header = ["lattice_vector", "next_cell [ps]", "slab_diffusivity [A^2/ps]", "plane_diffusivity [A^2/ps]"]
    names = ("next_cell", "slab_diffusivity", "plane_diffusivity")
    return header, zip("abc", *(file[f"first_passage/{name}"] for name in names))


def limits(run):
    file = run.need("msm")
    header = ["axis", "relative_error", "goal", "wanted_time [ps]"]
    goal = file.attr("forecast", "goal")
    return header, zip(AXES, file["forecast/relative_error"], [goal] * 3, file["forecast/wanted_time"])


def limiting_transitions(run):
    file = run.need("msm")
    names = file["basis/name"]
    header = [
        "from",
        "to",
        "from_index",
        "to_index",
        "R_a",
        "R_b",
        "R_c",
        "dx [A]",
        "dy [A]",
        "dz [A]",
        "windows",
    ]
    header += [f"variance_share_{axis}" for axis in AXES]
    columns = (file[f"forecast/{name}"] for name in ("from", "to", "R", "displacement", "seen", "share"))
    return header, (
        [names[i], names[j], i, j, *r, *d, seen, *share] for i, j, r, d, seen, share in zip(*columns)
    )


def sites_without_exchange(run):
    file = run.need("msm")
    return ["site", "name", "kind"], zip(*(file[f"connectivity/{name}"] for name in ("site", "name", "kind")))


TABLES = {
    "checks": checks,
    "diffusivity_by_lag": diffusivity,
    "msd": msd,
    "msd_model": msd_model,
    "implied_timescales": timescales,
    "chapman_kolmogorov": chapman_kolmogorov,
    "spectrum": spectrum,
    "convergence": convergence,
    "jump_network": network,
    "site_occupancy": site_occupancy,
    "lag_selection": lag_selection,
    "errors": errors,
    "pooling": pooling,
    "model_against_md": against_md,
    "rates": rates,
    "residence": residence,
    "survival": survival,
    "modes": modes,
    "eigenvectors": eigenvectors,
    "followed_timescales": followed_timescales,
    "bands": bands,
    "van_hove": van_hove,
    "scattering": scattering,
    "channels": channels,
    "first_passages": first_passages,
    "next_cells": next_cells,
    "error_limits": limits,
    "limiting_transitions": limiting_transitions,
    "sites_without_exchange": sites_without_exchange,
    **meso_tables.TABLES,
}


def _cell(value):
    if isinstance(value, (np.floating, float)):
        return repr(float(value))
    return value.item() if isinstance(value, np.generic) else value


def write_tables(run, folder):
    """One CSV per table that the run has; returns their names."""
    os.makedirs(folder, exist_ok=True)
    written = []
    for name, table in TABLES.items():
        try:
            header, rows = table(run)
        except Missing:
            continue
        path = os.path.join(folder, name + ".csv")
        with open(path + ".part", "w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            writer.writerow(header)
            writer.writerows([_cell(value) for value in row] for row in rows)
        os.replace(path + ".part", path)
        written.append(name + ".csv")
    return written
