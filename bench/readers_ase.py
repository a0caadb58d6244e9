"""Baseline of bench_readers: ASE reads the whole file. Prints seconds, frames and the growth of peak memory in MB."""
import resource
import sys
import time

import ase.io

path, kind = sys.argv[1], sys.argv[2]
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start = time.perf_counter()
frames = ase.io.read(path, index=":", format=kind)
seconds = time.perf_counter() - start
print(seconds, len(frames), (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024)
