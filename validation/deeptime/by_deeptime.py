"""Estimates of deeptime from counts in a .npz file, written to another: by_deeptime.py COUNTS.npz OUT.npz.

Runs in a Python of its own that has deeptime. `pi` in the file: the given stationary distribution.
"""

import sys
import time

import numpy as np
from deeptime.markov.msm import MarkovStateModel
from deeptime.markov.tools.estimation import transition_matrix

with np.load(sys.argv[1]) as file:
    counts, pi, lag = file["counts"], file["pi"], float(file["lag"])
start = time.perf_counter()
free = transition_matrix(counts, reversible=True, maxerr=1e-14, maxiter=10**7, method="dense")
free_seconds = time.perf_counter() - start
given = transition_matrix(counts, reversible=True, mu=pi, maxerr=1e-14, maxiter=10**7, method="dense")
np.savez(
    sys.argv[2],
    free=free,
    given=given,
    stationary=MarkovStateModel(free).stationary_distribution,
    free_timescales=MarkovStateModel(free).timescales() * lag,
    given_timescales=MarkovStateModel(given).timescales() * lag,
    seconds=free_seconds,
)
