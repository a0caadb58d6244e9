#!/usr/bin/env python3
"""Reversible maximum likelihood against deeptime, on counts of the Li15Si4 run exported with tools/export_counts.py."""

import os
import subprocess
import sys

import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(here))
import crosscheck as cc  # noqa: E402
import program  # noqa: E402

INPUT = "li15si4_600K.toml"
LAGS = (2, 20)  # [ps]
PACKAGE = "deeptime==0.4.5"
ENVIRONMENT = os.path.join(program.ROOT, "build", "deeptime")
PATIENCE = 45  # [s] for pip


def python_with_deeptime():
    """A Python that imports deeptime, made with pip when need be; None and the reason when it cannot be had."""
    own = os.path.join(ENVIRONMENT, "bin", "python")

    def has_deeptime(python):
        command = [python, "-c", "import deeptime.markov.tools.estimation"]
        return subprocess.run(command, capture_output=True, timeout=PATIENCE).returncode == 0

    for candidate in (sys.executable, own):
        if os.path.exists(candidate) and has_deeptime(candidate):
            return candidate, ""
    pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--retries", "0", "--timeout", "10"]
    try:
        os.makedirs(os.path.dirname(ENVIRONMENT), exist_ok=True)
        for command in (
            [sys.executable, "-m", "venv", "--system-site-packages", ENVIRONMENT],
            [own, *pip, "--only-binary=:all:", PACKAGE],
        ):
            done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE)
            if done.returncode != 0:
                reason = (done.stderr.strip() or done.stdout.strip() or "failed").splitlines()[-1]
                return None, f"{' '.join(command[1:3])}: {reason}"
        return (own, "") if has_deeptime(own) else (None, f"{PACKAGE} does not import")
    except (OSError, subprocess.TimeoutExpired) as error:
        return None, str(error)


def largest_connected(counts):
    """Sites of the largest set that reach each other: deeptime takes no others."""
    reach = (counts > 0) | np.eye(len(counts), dtype=bool)
    for _ in range(len(counts)):
        further = reach @ reach
        if np.array_equal(further, reach):
            break
        reach = further
    mutual = reach & reach.T
    return np.flatnonzero(mutual[np.argmax(mutual.sum(axis=1))])


def rows(results, k):
    """P of the stored kernel in the row convention."""
    origin, destination, _, p, pi = results.kernel(k)
    matrix = np.zeros((len(pi), len(pi)))
    np.add.at(matrix, (origin, destination), p)
    return matrix, pi


def main(folder):
    checks = cc.Checks()
    python, reason = python_with_deeptime()
    if python is None:
        print(f"skipped  deeptime is not at hand ({reason})")
        return checks.finish()
    settings = {
        "msm__estimator": '"reversible"',
        "msm__lag_times_ps": str(list(LAGS)),
        "msm__bootstrap_samples": "2",
        "sites__folding": '"primitive"',
    }
    place = os.path.join(folder, "run")
    program.run("sites", INPUT, place)
    weights = None
    for given in (False, True):
        if given:
            settings["msm__stationary"] = str(weights.tolist())
        results = program.Results(program.run("msm", INPUT, place, **settings))
        if weights is None:  # any distribution that is neither uniform nor that of the data
            weights = np.round(1 + 0.5 * np.cos(np.arange(len(results["msm", "basis/positions"]))), 3)
        for k, _, tau in results.lags():
            exported = os.path.join(folder, f"counts_{tau:g}.npz")
            command = [sys.executable, os.path.join(program.ROOT, "tools", "export_counts.py"), place]
            subprocess.run(
                [*command, "--lag", f"{tau:g}", "--out", exported], check=True, capture_output=True
            )
            with np.load(exported) as file:
                counts = file["pooled_count_matrix"]
            sites = largest_connected(counts)
            checks.that(f"lag {tau:g} ps: every site is connected with every other", len(sites) == len(counts))
            counts = counts[np.ix_(sites, sites)]
            handed, found = os.path.join(folder, "in.npz"), os.path.join(folder, "out.npz")
            np.savez(handed, counts=counts, pi=weights[sites] / weights[sites].sum(), lag=tau)
            done = subprocess.run(
                [python, os.path.join(here, "by_deeptime.py"), handed, found], capture_output=True, text=True
            )
            checks.that(f"lag {tau:g} ps: deeptime runs", done.returncode == 0, done.stderr[-200:])
            if done.returncode != 0:
                continue
            with np.load(found) as file:
                theirs = {name: file[name] for name in file.files}
            ours, pi = rows(results, k)
            ours = ours[np.ix_(sites, sites)]
            which = "given" if given else "free"
            label = f"lag {tau:g} ps, pi {'given' if given else 'estimated'}"
            difference = np.abs(ours - theirs[which]).max()
            checks.that(
                f"{label}: transition probabilities are those of deeptime to 1e-10",
                difference < 1e-10,
                f"largest difference {difference:.1e}; deeptime took {float(theirs['seconds']):.2f} s",
            )
            if not given:
                difference = np.abs(pi[sites] / pi[sites].sum() / theirs["stationary"] - 1).max()
                checks.that(
                    f"{label}: so is the stationary distribution to 1e-8",
                    difference < 1e-8,
                    f"largest relative difference {difference:.1e}",
                )
            own = results["msm", "timescales/internal"][int(k)]
            n = min(len(own), 5)
            difference = np.abs(own[:n] / theirs[which + "_timescales"][:n] - 1).max()
            checks.that(
                f"{label}: the {n} slowest timescales are those of deeptime to 1e-6",
                difference < 1e-6,
                f"{own[0]:.3f} ps slowest, largest relative difference {difference:.1e}",
            )
    return checks.finish()


if __name__ == "__main__":
    program.run_check(main)
