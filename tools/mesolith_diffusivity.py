"""D(stoichiometry, T) from a table of `mesolith export --to pybamm`, for PyBaMM or plain numpy.

    import mesolith_diffusivity
    D = mesolith_diffusivity.load("d_li_si.csv")
    D(0.4, 320.0)                                        # m2.s-1, also for arrays
    D.put_into(parameters, "Negative particle diffusivity [m2.s-1]")    # a pybamm.ParameterValues

log10 D is linear in stoichiometry and temperature between the points of the table and constant outside. Temperatures and
compositions outside the data, and two-phase ranges, are warned of. The file alone is enough: it needs numpy, and pybamm
only where pybamm calls it.
"""

import warnings

import numpy as np

__all__ = ["Diffusivity", "load"]
columns = "stoichiometry,temperature [K],diffusivity [m2.s-1]"


class Diffusivity:
    """A table on a regular grid; call it with (stoichiometry, temperature)."""

    def __init__(self, stoichiometry, temperature, values, facts):
        self.stoichiometry, self.temperature = stoichiometry, temperature
        self.log10 = np.log10(values)  # [stoichiometry, temperature]
        self.facts = facts  # "kind", "frame", ... as they stand in the file; lists of texts
        self.kind = facts["kind"][0].split()[0]
        self.valid_T = _pair(facts["valid_T"][0])
        self.valid_stoichiometry = _pair(facts["valid_stoichiometry"][0])
        self.two_phase = [_pair(text) for text in facts.get("two_phase", [])]

    def __call__(self, stoichiometry, temperature):
        if _symbolic(stoichiometry) or _symbolic(temperature):
            return self._pybamm(stoichiometry, temperature)
        s, T = np.broadcast_arrays(np.asarray(stoichiometry, float), np.asarray(temperature, float))
        self.check(s, T)
        i, u = _place(self.stoichiometry, s)
        j, v = _place(self.temperature, T)
        i1, j1 = np.minimum(i + 1, len(self.stoichiometry) - 1), np.minimum(j + 1, len(self.temperature) - 1)
        f = self.log10
        return 10 ** ((1 - u) * ((1 - v) * f[i, j] + v * f[i, j1]) + u * ((1 - v) * f[i1, j] + v * f[i1, j1]))

    def _pybamm(self, stoichiometry, temperature):
        import pybamm  # needed only for its symbols

        def clamped(x, axis):
            return pybamm.minimum(pybamm.maximum(x, float(axis[0])), float(axis[-1]))

        # an axis of one value is none; PyBaMM's own extrapolation is not switched off in CasADi: clamp
        axes, arguments = [], []
        for axis, x in ((self.stoichiometry, stoichiometry), (self.temperature, temperature)):
            if len(axis) > 1:
                axes.append(axis)
                arguments.append(clamped(x, axis))
        if not axes:
            return pybamm.Scalar(10 ** float(self.log10[0, 0]))
        values = self.log10.reshape([len(axis) for axis in axes])
        return 10 ** pybamm.Interpolant(
            axes if len(axes) > 1 else axes[0], values, arguments, interpolator="linear"
        )

    def check(self, stoichiometry=None, temperature=None):
        """Warn of what lies outside the data or in a two-phase range."""
        for x, valid, what in (
            (temperature, self.valid_T, "temperature"),
            (stoichiometry, self.valid_stoichiometry, "stoichiometry"),
        ):
            if x is None or np.size(x) == 0:
                continue
            low, high = float(np.min(x)), float(np.max(x))
            slack = 1e-9 * max(abs(valid[0]), abs(valid[1]))
            if low < valid[0] - slack or high > valid[1] + slack:
                warnings.warn(
                    f"{what} {low:g} to {high:g}: the data of D reach from {valid[0]:g} to {valid[1]:g}",
                    stacklevel=3,
                )
        if stoichiometry is not None:
            for low, high in self.two_phase:
                if np.any((np.asarray(stoichiometry) > low) & (np.asarray(stoichiometry) < high)):
                    warnings.warn(
                        f"stoichiometry {low:g} to {high:g} is a two-phase range: D means nothing there",
                        stacklevel=3,
                    )

    def put_into(self, parameters, name="Negative particle diffusivity [m2.s-1]"):
        """Make it a parameter of a pybamm.ParameterValues; warns where the temperatures set there are outside the data."""
        if self.kind != "chemical":
            raise ValueError(f"the table holds the {self.kind} diffusivity, PyBaMM wants the chemical one")
        for key in ("Ambient temperature [K]", "Initial temperature [K]"):
            if key in parameters and isinstance(parameters[key], (int, float)):
                self.check(temperature=parameters[key])
        if self.two_phase:
            gaps = ", ".join(f"{low:g} to {high:g}" for low, high in self.two_phase)
            warnings.warn(
                f"two-phase ranges of stoichiometry ({gaps}): D is interpolated across them", stacklevel=2
            )
        parameters.update({name: self}, check_already_exists=False)
        return parameters


def load(path):
    """Read a table; ValueError says what is wrong with it."""
    facts, rows = {}, []
    with open(path, encoding="utf-8") as file:
        first = file.readline().rstrip("\n")
        if not (first == columns or first.startswith(columns + ",")):
            raise ValueError(f"{path}:1: expected '{columns},...', got '{first[:80]}'")
        for number, line in enumerate(file, 2):
            if line.startswith("#"):
                key, _, value = line[1:].strip().partition(": ")
                facts.setdefault(key, []).append(value)
            elif line.strip():
                try:
                    rows.append([float(cell) for cell in line.split(",")[:3]])
                    if len(rows[-1]) != 3:
                        raise ValueError
                except ValueError:
                    raise ValueError(
                        f"{path}:{number}: expected numbers, got '{line.strip()[:80]}'"
                    ) from None
    for key in ("kind", "valid_T", "valid_stoichiometry"):
        if key not in facts:
            raise ValueError(f"{path}: no line '# {key}: ...' (not written by mesolith export)")
    table = np.array(rows).reshape(-1, 3)
    s, T = np.unique(table[:, 0]), np.unique(table[:, 1])
    grid = np.array([(a, b) for a in s for b in T]).reshape(-1, 2)
    if len(table) == 0 or table[:, :2].shape != grid.shape or np.any(table[:, :2] != grid):
        raise ValueError(f"{path}: no regular grid with the stoichiometry slowest")
    if not np.all(table[:, 2] > 0):
        raise ValueError(f"{path}: a diffusivity that is not > 0")
    return Diffusivity(s, T, table[:, 2].reshape(len(s), len(T)), facts)


def _pair(text):
    low, high = text.split()[:2]
    return float(low), float(high)


def _symbolic(x):
    return type(x).__module__.split(".")[0] == "pybamm"


def _place(axis, x):
    """Interval of each x and where it lies in it, clamped."""
    if len(axis) == 1:
        return np.zeros(x.shape, int), np.zeros(x.shape)
    i = np.clip(np.searchsorted(axis, x, side="right") - 1, 0, len(axis) - 2)
    return i, np.clip((x - axis[i]) / (axis[i + 1] - axis[i]), 0.0, 1.0)
