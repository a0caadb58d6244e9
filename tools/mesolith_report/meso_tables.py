"""CSV twins of the mesoscale part of the report. Units stand in the header."""

import numpy as np

from .meso_file import FACES, LATTICE, flux_axis, layers, need, steady_layers
from .meso_gas import carriers_of, gas_file, steps_of
from .meso_walkers import displacements
from .mesoscale import bounds_of, cost_rows
from .numbers import AXES
from .run import Missing

COMPONENTS = [(a, b) for a in range(3) for b in range(3)]
FACE_NAMES = [name.replace("−", "-") for name in FACES]


def tensor(name, unit="A^2/ps"):
    return [f"{name}_{AXES[a]}{AXES[b]} [{unit}]" for a, b in COMPONENTS]


def materials(run):
    file = need(run, "domain")
    header = ["material", *tensor("D"), "weight", "source"]
    columns = (file[f"domain/{name}"] for name in ("material", "D", "weight", "source"))
    return header, ([name, *np.ravel(D), weight, source] for name, D, weight, source in zip(*columns))


def regions(run):
    file = need(run, "domain")
    names, cells = file["domain/material"], np.asarray(file["domain/region_cells"])
    rows = zip(file["domain/region"], file["domain/region_material"], cells)
    return ["region", "material", "cells", "share"], (
        [region, names[material], count, count / cells.sum()] for region, material, count in rows
    )


def exact_diffusivity(run):
    file = need(run, "steady")
    rows = []
    if "steady/D" in file:
        rows.append(["exact", *np.ravel(file["steady/D"])])
    if "steady/homogenised/D" in file:
        for name in ("error", "uncorrelated"):
            rows.append([f"homogenised {name}", *np.ravel(file[f"steady/homogenised/{name}"])])
        for k, part in enumerate(file["steady/homogenised/part_D"]):
            rows.append([f"part {k + 1}", *np.ravel(part)])
    for key, value in bounds_of(file).items():
        rows.append([key, *np.where(np.eye(3) > 0, np.diag(value), np.nan).ravel()])
    if not rows:
        raise Missing("no exact D")
    return ["quantity", *tensor("D")], rows


def steady_flux(run):
    file = need(run, "steady")
    position, activity, concentration, flux = (
        file[f"steady/flux/{name}"] for name in ("position", "activity", "concentration", "plane_flux")
    )
    axis = LATTICE[flux_axis(file)]
    header = [f"{axis} [A]", "activity", "concentration [1/A^3]"]
    header += ["flux_through_lower_plane [1/ps]", "flux_through_upper_plane [1/ps]"]
    return header, zip(position, activity, concentration, flux[:-1], flux[1:])


def first_passage(run):
    file = need(run, "steady")
    return ["layer", "mean_first_passage [ps]"], enumerate(file["steady/first_passage/profile"])


def walkers(run):
    file = displacements(run)
    header, columns = ["time [ps]"], []
    for kind, name in (("msd", "msd"), ("msd_error", "error"), ("exact_msd", "exact")):
        if f"walkers/{kind}" in file:
            header += tensor(name, "A^2")
            columns += [*np.asarray(file[f"walkers/{kind}"]).reshape(-1, 9).T]
    return header, zip(file["walkers/time"], *columns)


def walker_diffusivity(run):
    file = displacements(run)
    names = [name for name in ("D", "error", "exact") if f"walkers/diffusivity/{name}" in file]
    rows = [[name, *np.ravel(file[f"walkers/diffusivity/{name}"])] for name in names]
    return ["quantity", *tensor("D")], rows


def walker_scattering(run):
    file = displacements(run)
    names = [name for name in ("F_s", "error", "exact") if f"walkers/scattering/{name}" in file]
    header = ["k_x [1/A]", "k_y [1/A]", "k_z [1/A]", "time [ps]", *names]
    k, values = file["walkers/scattering/wave_vector"], [file[f"walkers/scattering/{name}"] for name in names]
    return header, (
        [*k[q], t, *(value[n, q] for value in values)]
        for q in range(len(k))
        for n, t in enumerate(file["walkers/time"])
    )


def walker_distances(run):
    file = displacements(run)
    group = "walkers/van_hove"
    time, counts = file[f"{group}/time"], file[f"{group}/counts"]
    edges = float(file.attr(group, "bin_width")) * np.arange(counts.shape[1])
    header = ["from [A]", "to [A]"] + [f"walkers_{t:g}ps" for t in time]
    columns = [edges, np.append(edges[1:], np.inf), *counts]
    if f"{group}/exact" in file:
        header += [f"exact_probability_{t:g}ps" for t in time]
        columns += [*file[f"{group}/exact"]]
    return header, zip(*columns)


def _profile(run, group, ions):
    """One line per layer, one column per time."""
    file = need(run, group)
    time, profile = file[f"{group}/time"], np.asarray(file[f"{group}/profile"])
    axis, _, step = layers(file, group)
    header = [f"{LATTICE[axis]} [A]"] + [f"{ions}_{t:g}ps" for t in time]
    columns = [10 * step * (np.arange(profile.shape[1]) + 0.5), *profile]
    steady = steady_layers(file, group, profile.shape[1])
    if steady is not None:
        header.append("steady")
        columns.append(steady)
    if f"{group}/exact_profile" in file:
        header += [f"exact_{t:g}ps" for t in time]
        columns += [*file[f"{group}/exact_profile"]]
    return header, zip(*columns)


def walker_chain(run):
    file = need(run, "chapman_kolmogorov")
    names = ("n", "error", "floor_median", "floor_95")
    return list(names), zip(*(file[f"chapman_kolmogorov/{name}"] for name in names))


def walker_profile(run):
    return _profile(run, "walkers/outputs", "walkers")


def field_profile(run):
    return _profile(run, "field", "ions")


def walker_flow(run):
    file = need(run, "walkers/outputs")
    header = ["time [ps]"] + [f"{way}_{face}" for way in ("entered", "left") for face in FACE_NAMES]
    header += [f"through_lower_plane_of_layer_{plane}" for plane in file["walkers/outputs/planes"]]
    columns = (file[f"walkers/outputs/{name}"] for name in ("time", "entered", "left", "through"))
    return header, ([t, *entered, *left, *through] for t, entered, left, through in zip(*columns))


def walker_exits(run):
    file = need(run, "walkers/exits")
    edges, counts = file["walkers/exits/edges"], np.asarray(file["walkers/exits/counts"])
    header = ["from [ps]", "to [ps]"] + [f"left_{face}" for face in FACE_NAMES]
    return header, ([edges[b], edges[b + 1], *counts[:, b]] for b in np.flatnonzero(counts.sum(axis=0)))


def walker_regions(run):
    file = need(run, "walkers/outputs")
    header = ["time [ps]"] + [f"walkers_in_{name}" for name in file["domain/region"]]
    return header, ([t, *row] for t, row in zip(file["walkers/outputs/time"], file["walkers/outputs/region"]))


def field(run):
    file = need(run, "field")
    header, columns = ["time [ps]", "total"], [file["field/time"], file["field/total"]]
    for name, unit in (("mean", "A"), ("spread", "A^2"), ("exact_spread", "A^2")):
        if f"field/{name}" in file:
            header += [f"{name}_{axis} [{unit}]" for axis in LATTICE]
            columns += [*np.asarray(file[f"field/{name}"]).T]
    exchange = np.asarray(file["field/exchange"])
    for way, name in enumerate(("entered", "left")):
        header += [f"{name}_{face}" for face in FACE_NAMES]
        columns += [*exchange[:, way].T]
    header += [f"ions_in_{name}" for name in file["domain/region"]]
    columns += [*np.asarray(file["field/region"]).T]
    return header, zip(*columns)


def gas_msd(run):
    file = gas_file(run)
    header = ["temperature [K]", "ions", "time [ps]"]
    for name in ("msd", "msd_error", "collective_msd", "collective_msd_error"):
        header += tensor(name, "A^2")
    rows = []
    for path, kelvin in steps_of(file):
        for carrier, name in carriers_of(file, path):
            curves = [
                np.asarray(file[f"{carrier}/{key}"])
                for key in ("msd", "msd_error", "collective_msd", "collective_msd_error")
            ]
            for k in range(len(curves[0])):
                rows.append([kelvin, name, file[f"{path}/lag"][k], *np.ravel([curve[k] for curve in curves])])
    if not rows:
        raise Missing("ions come and go: they have no displacements")
    return header, rows


def gas_pairs(run):
    file = gas_file(run)
    names = ("distance", "neighbours", "ions", "ions_error", "vacancies", "vacancies_error")
    rows = []
    for path, kelvin in steps_of(file):
        if f"{path}/pairs" in file:
            rows += [[kelvin, *row] for row in zip(*(file[f"{path}/pairs/{name}"] for name in names))]
    if not rows:
        raise Missing("no pair correlations")
    return ["temperature [K]", "distance [A]", *names[1:]], rows


def gas_sites(run):
    file = gas_file(run)
    species = [str(name) for name in file["gas/species"]]
    header = ["temperature [K]", "orbit", "region", "n_sites"]
    for name, unit in (("occupancy", ""), ("occupancy_error", ""), ("residence", " [ps]"), ("residence_error", " [ps]")):
        header += [f"{name}_{s}{unit}" for s in species]
    header += ["vacancy_residence [ps]", "vacancy_residence_error [ps]"]
    rows = []
    for path, kelvin in steps_of(file):
        columns = [file[f"{path}/sites/{name}"] for name in ("orbit", "region", "n_sites")]
        wide = [
            np.reshape(file[f"{path}/sites/{name}"], (-1, len(species)))
            for name in ("occupancy", "occupancy_error", "residence", "residence_error")
        ]
        vacancy = [file[f"{path}/sites/{name}"] for name in ("vacancy_residence", "vacancy_residence_error")]
        for c in range(len(columns[0])):
            row = [kelvin, *(column[c] for column in columns)]
            rows.append(row + [x for block in wide for x in block[c]] + [v[c] for v in vacancy])
    return header, rows


def cost(run):
    return ["part", "seconds", "speed", "speed_unit", "iterations", "residual"], cost_rows(run)


TABLES = {
    "domain_materials": materials,
    "domain_regions": regions,
    "exact_diffusivity": exact_diffusivity,
    "steady_flux": steady_flux,
    "first_passage_profile": first_passage,
    "walkers": walkers,
    "walker_diffusivity": walker_diffusivity,
    "walker_scattering": walker_scattering,
    "walker_distances": walker_distances,
    "walker_chain": walker_chain,
    "walker_profile": walker_profile,
    "walker_flow": walker_flow,
    "walker_exits": walker_exits,
    "walker_regions": walker_regions,
    "field": field,
    "field_profile": field_profile,
    "gas_msd": gas_msd,
    "gas_sites": gas_sites,
    "gas_pairs": gas_pairs,
    "mesoscale_cost": cost,
}
