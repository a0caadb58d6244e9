#!/usr/bin/env python3
"""Write the transition counts of one lag as NumPy arrays in the row convention of deeptime and PyEMMA (row = origin).

    tools/export_counts.py runs/NAME/msm.h5 --lag 20 --out counts.npz

In the file (n sites of the repeat unit, m transitions):

    count_matrix           [n, n] int    windows from site j to site i, all cells together
    pooled_count_matrix    [n, n] float  the same with symmetry-equivalent transitions replaced by their mean: what the
                                         program estimated from. Equal to count_matrix when counts were not pooled
    origin, destination    [m] int       the transitions one by one ...
    cell                   [m, 3] int    ... with the cell of the destination, the origin being in cell 0
    count, pooled_count    [m]
    lag_time_ps, lag_frames, site_name [n], site_position [n, 3] and cell_vectors [3, 3] (rows, angstrom)

    >>> C = np.load("counts.npz")["pooled_count_matrix"]
    >>> deeptime.markov.msm.MaximumLikelihoodMSM(reversible=True).fit_fetch(C)
"""
import argparse
import os
import sys

import h5py
import numpy as np


def choose_lag(file, lag_ps):
    """Name of the group in lags/ whose lag is `lag_ps`; the chosen one for None."""
    if lag_ps is None:
        return str(int(file.attrs["chosen_lag"]))
    lags = {name: float(group.attrs["lag_time"]) for name, group in file["lags"].items()}
    for name, time in lags.items():
        if abs(time - lag_ps) <= 1e-6 * time:
            return name
    known = ", ".join(f"{time:g}" for time in sorted(lags.values()))
    raise ValueError(f"no counts at a lag of {lag_ps:g} ps. There are {known} ps")


def read_counts(path, lag_ps=None):
    """The arrays described above, as a dict."""
    with h5py.File(path, "r") as file:
        if "lags" not in file:
            raise ValueError("holds no transition counts. Give the msm.h5 of a run")
        lag = file["lags"][choose_lag(file, lag_ps)]
        counts, basis = lag["counts"], file["basis"]
        origin, destination = (counts[name][:].astype(np.int64) for name in ("from", "to"))
        count = counts["total"][:].astype(np.int64)
        pooled = count.astype(float)
        if "pool" in counts:
            pool = counts["pool"][:]
            pooled = (np.bincount(pool, weights=count) / np.maximum(np.bincount(pool), 1))[pool]
        n = len(basis["positions"])
        arrays = {
            "origin": origin,
            "destination": destination,
            "cell": counts["R"][:].astype(np.int64),
            "count": count,
            "pooled_count": pooled,
            "lag_time_ps": float(lag.attrs["lag_time"]),
            "lag_frames": int(lag.attrs["lag_frames"]),
            "site_name": np.array([name.decode() for name in basis["name"][:]]),
            "site_position": basis["positions"][:],
            "cell_vectors": basis["cell"][:],
        }
    for name, values in (("count_matrix", count), ("pooled_count_matrix", pooled)):
        matrix = np.zeros((n, n), dtype=values.dtype)
        np.add.at(matrix, (origin, destination), values)
        arrays[name] = matrix
    return arrays


def main(arguments=None):
    parser = argparse.ArgumentParser(
        description=__doc__.splitlines()[0],
        epilog="The arrays in the file: see the head of this script.",
    )
    parser.add_argument("msm", help="msm.h5 of a run, or the folder that holds it")
    parser.add_argument("--lag", type=float, metavar="PS", help="lag time [ps]; the chosen one without it")
    parser.add_argument("--out", default="counts.npz", help="file to write (default: %(default)s)")
    options = parser.parse_args(arguments)
    path = os.path.join(options.msm, "msm.h5") if os.path.isdir(options.msm) else options.msm
    try:
        arrays = read_counts(path, options.lag)
        np.savez_compressed(options.out, **arrays)
    except (OSError, ValueError, KeyError) as error:
        sys.exit(f"export_counts: {path}: {error}")
    print(
        f"{options.out}: {arrays['count'].sum()} windows of {arrays['lag_time_ps']:g} ps between "
        f"{len(arrays['site_name'])} sites"
    )


if __name__ == "__main__":
    main()
