"""The part of the check that needs pybamm and bpx: by_pybamm.py FOLDER; prints one JSON object of numbers."""

import json
import math
import os
import sys
import warnings

import bpx
import numpy as np
import pybamm

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(here)), "tools"))
import mesolith_diffusivity  # noqa: E402

NEGATIVE = "Negative particle diffusivity [m2.s-1]"
FARADAY = 96485.33212


def law(s, T, exp):
    """The chemical D behind law.csv (check.py)."""
    return 2e-14 * (0.5 + s) * exp(-25000 / 8.31446261815324 * (1 / T - 1 / 300))


def discharge(diffusivity, temperature=298.15, points=30):
    """A single-particle model at 1C: time [s], voltage [V], solution."""
    parameters = pybamm.ParameterValues("Chen2020")
    parameters["Ambient temperature [K]"] = parameters["Initial temperature [K]"] = temperature
    if isinstance(diffusivity, mesolith_diffusivity.Diffusivity):
        diffusivity.put_into(parameters)
    elif diffusivity is not None:
        parameters.update({NEGATIVE: diffusivity}, check_already_exists=False)
    model = pybamm.lithium_ion.SPM()
    count = dict(model.default_var_pts)
    count["r_n"] = points
    solver = pybamm.IDAKLUSolver(rtol=1e-8, atol=1e-8)
    simulation = pybamm.Simulation(model, parameter_values=parameters, var_pts=count, solver=solver)
    solution = simulation.solve([0, 3000], t_interp=np.linspace(0, 3000, 301))
    return solution["Time [s]"].entries, solution["Voltage [V]"].entries, solution


def quasi_steady(solution, D):
    """(mean - surface) of the concentration over j R / (5 D F), at the end: 1 for constant D and current."""
    mean = solution["Average negative particle concentration [mol.m-3]"].entries[-1]
    surface = np.mean(
        solution["X-averaged negative particle surface concentration [mol.m-3]"].entries[..., -1]
    )
    current = np.mean(
        solution["X-averaged negative electrode interfacial current density [A.m-2]"].entries[-1]
    )
    radius = solution["Negative particle radius [m]"].entries.flat[0]
    return float((mean - surface) / (current * radius / (5 * D * FARADAY)))


def whole_bpx(patch):
    """A complete BPX object with the patch merged into it (RFC 7396)."""

    def electrode(low, high, ocp):
        return {
            "Thickness [m]": 8e-5,
            "Porosity": 0.3,
            "Transport efficiency": 0.2,
            "Conductivity [S.m-1]": 100.0,
            "Minimum stoichiometry": low,
            "Maximum stoichiometry": high,
            "Maximum concentration [mol.m-3]": 30000.0,
            "Particle radius [m]": 5e-6,
            "Surface area per unit volume [m-1]": 4e5,
            "Diffusivity [m2.s-1]": 3.3e-14,
            "OCP [V]": ocp,
            "Entropic change coefficient [V.K-1]": 0.0,
            "Reaction rate constant [mol.m-2.s-1]": 1e-6,
        }

    whole = {
        "Header": {"BPX": "1.1.0", "Title": "a cell", "Model": "DFN"},
        "Parameterisation": {
            "Cell": {
                "Electrode area [m2]": 0.1,
                "External surface area [m2]": 0.01,
                "Volume [m3]": 2e-5,
                "Density [kg.m-3]": 2000.0,
                "Specific heat capacity [J.K-1.kg-1]": 1000.0,
                "Number of electrode pairs connected in parallel to make a cell": 1,
                "Lower voltage cut-off [V]": 2.0,
                "Upper voltage cut-off [V]": 5.0,
                "Nominal cell capacity [A.h]": 5.0,
                "Reference temperature [K]": 298.15,
            },
            "Electrolyte": {
                "Cation transference number": 0.26,
                "Diffusivity [m2.s-1]": 3e-10,
                "Conductivity [S.m-1]": 1.0,
            },
            "Separator": {"Thickness [m]": 2e-5, "Porosity": 0.5, "Transport efficiency": 0.3},
            "Negative electrode": electrode(0.05, 0.9, "0.6 - 0.5 * x"),
            "Positive electrode": electrode(0.1, 0.9, "4.4 - 0.8 * x"),
        },
        "State": {
            "Initial conditions": {
                "Initial state-of-charge": 1.0,
                "Initial temperature [K]": 298.15,
                "Initial electrolyte concentration [mol.m-3]": 1000.0,
            },
            "Thermal environment": {"Ambient temperature [K]": 298.15},
        },
    }

    def merge(into, part):
        for key, value in part.items():
            if isinstance(value, dict) and isinstance(into.get(key), dict) and "x" not in value:
                merge(into[key], value)
            else:
                into[key] = value
        return into

    return merge(whole, patch)


def refused(change):
    """Whether BPX's validator notices this in a patched file."""
    patch = json.load(open(os.path.join(folder, "patch.json"), encoding="utf-8"))
    change(patch["Parameterisation"]["Negative electrode"])
    try:
        bpx.parse_bpx_obj(whole_bpx(patch))
    except Exception:  # of pydantic, which is not ours to import
        return True
    return False


def main():
    out = {"pybamm": pybamm.__version__, "bpx": bpx.__version__}
    path = os.path.join(folder, "law.csv")
    table = mesolith_diffusivity.load(path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        _, ((s, T), values) = pybamm.parameters.process_2D_data_csv(path)
    out["axes equal"] = bool(np.array_equal(s, table.stoichiometry) and np.array_equal(T, table.temperature))
    out["values differ by"] = float(np.abs(np.log10(values) - table.log10).max())
    # the loader in PyBaMM's symbols is the loader in numpy
    worst = 0.0
    for a in (0.0, 0.1234, 0.5, 0.9999):
        for b in (260.0, 281.0, 299.9, 340.0):
            symbolic = table(pybamm.Scalar(a), pybamm.Scalar(b)).evaluate()
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                worst = max(worst, abs(float(np.squeeze(symbolic)) / float(table(a, b)) - 1))
    out["symbols differ by"] = worst

    constant = mesolith_diffusivity.load(os.path.join(folder, "constant.csv"))
    _, own, _ = discharge(None)
    _, ours, solution = discharge(constant)
    out["constant: voltage differs by"] = float(np.abs(own - ours).max())
    for points in (20, 40, 80):
        out[f"quasi-steady {points}"] = quasi_steady(discharge(constant, points=points)[2], 3.3e-14)
    for temperature in (288.15, 318.15):
        _, exact, _ = discharge(lambda s, T: law(s, T, pybamm.exp), temperature)
        _, ours, _ = discharge(table, temperature)
        out[f"law {temperature:g} K: voltage differs by"] = float(np.abs(exact - ours).max())
        out[f"law {temperature:g} K: voltage against own constant"] = float(
            np.abs(discharge(None, temperature)[1] - ours).max()
        )

    patch = json.load(open(os.path.join(folder, "patch.json"), encoding="utf-8"))
    validated = bpx.parse_bpx_obj(whole_bpx(patch))
    out["bpx: section"] = type(validated.parameterisation.negative_electrode).__name__
    parameters = pybamm.ParameterValues.create_from_bpx_obj(whole_bpx(patch))
    D = parameters[NEGATIVE]
    worst = 0.0
    for a in (0.1, 0.37, 0.8):
        for b in (288.15, 298.15, 318.15):
            value = D(pybamm.Scalar(a), pybamm.Scalar(b)) if callable(D) else D
            value = float(np.squeeze(parameters.evaluate(value)))
            worst = max(worst, abs(value / law(a, b, math.exp) - 1))
    out["bpx: D through PyBaMM differs by"] = worst
    out["bpx: refuses an unknown member"] = refused(lambda section: section.update({"kind": "chemical"}))
    out["bpx: refuses a short table"] = refused(lambda section: section["Diffusivity [m2.s-1]"]["y"].pop())
    print(json.dumps(out))


folder = sys.argv[1]
if __name__ == "__main__":
    main()
