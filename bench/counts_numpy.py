"""Baseline of bench_counts: numpy.bincount per ion and lag on the site sequence. Prints seconds and windows counted."""
import sys
import time

import numpy as np

path, n_ions, n_sites, lags = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), [int(x) for x in sys.argv[4:]]
sequence = np.fromfile(path, dtype=np.uint8).reshape(n_ions, -1).astype(np.int32)
start = time.perf_counter()
windows = 0
for lag in lags:
    counts = np.zeros(n_sites * n_sites, dtype=np.int64)
    for ion in sequence:
        counts += np.bincount(ion[:-lag] * n_sites + ion[lag:], minlength=n_sites * n_sites)
    windows += int(counts.sum())
print(time.perf_counter() - start, windows)
