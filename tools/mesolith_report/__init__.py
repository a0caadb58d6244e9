"""Read the result folder of a mesolith run and write its HTML report.

    import mesolith_report
    run = mesolith_report.load("runs/li15si4_600K")
    run.chosen.D                                  # D tensor [A^2/ps], 3 x 3
    run.chosen.count_matrix(convention="row")     # as deeptime and PyEMMA want it

Conventions of the files: angstrom, ps, eV, K; lattice vectors are rows; matrices column-stochastic (column = origin).
"""

import importlib

__all__ = ["Missing", "ReportError", "Run", "load"]
__version__ = "1.0.0"


def __getattr__(name):
    """What is offered above, when it is asked for: without h5py the commands end in one line, not in a traceback."""
    if name in __all__:
        return getattr(importlib.import_module(".run", __name__), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
