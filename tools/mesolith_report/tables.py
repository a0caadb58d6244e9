"""CSV twins of the tables and curves of the report. Units stand in the header."""

import csv
import os

import numpy as np

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


def walkers(run):
    file = run.need("meso")
    header = ["time [ps]"]
    for kind in ("msd", "error", "exact"):
        header += [_name(kind, a, b, "A^2") for a, b in COMPONENTS]
    columns = [
        np.asarray(file[f"walkers/{kind}"]).reshape(-1, 9).T for kind in ("msd", "msd_error", "exact_msd")
    ]
    return header, zip(file["walkers/time"], *columns[0], *columns[1], *columns[2])


def field(run):
    file = run.need("meso")
    waves = len(file["field/kappa"])
    header = ["time [ps]"] + [f"msd_{a} [A^2]" for a in AXES] + [f"exact_msd_{a} [A^2]" for a in AXES]
    header += [f"F_s_{q + 1}" for q in range(waves)] + [f"exact_F_s_{q + 1}" for q in range(waves)]
    return header, zip(
        file["field/time"],
        *file["field/msd"].T,
        *file["field/exact_msd"].T,
        *file["field/scattering"].T,
        *file["field/exact_scattering"].T,
    )


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
    "walkers": walkers,
    "field": field,
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
