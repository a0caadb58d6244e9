#!/usr/bin/env python3
"""Li13Si4 at 500 K, two short runs and a long one: closed classes, the fast axis, honest error bars."""

import os
import sys

import numpy as np

here = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.dirname(here))
import crosscheck as cc  # noqa: E402
import program  # noqa: E402
import recompute  # noqa: E402

DATA = os.path.join(program.INPUTS, "trajectories")
SHORT, LONG = "li13si4_500K.toml", "li13si4_500K_mace.toml"
# what recompute.py follows; pooling and maximum likelihood have checks of their own (paper, deeptime)
SYMMETRISED = {"msm__estimator": '"symmetrised"', "msm__pooling": '"none"'}
LONG_CHANGES = 64317  # nearest-site changes of the long run, known from its making
LONG_SLOPE = [0.0294, 0.0718, 0.0127]  # D from the MSD of the long run, lags 5 to 20 ps


def settings(results):
    """Core radius and assignment as the run used them."""
    radius = float(results.attr("sites", "sites", "core_radius"))
    return radius, results.attr("sites", "sites", "assignment")


def n_classes(results, k):
    """Closed classes of a stored kernel, found in numpy: connected parts among the visited sites."""
    origin, destination, _, p, pi = results.kernel(k)
    return len(np.unique(cc.components(origin, destination, p, len(pi))[pi > 0]))


def diffusivity(results):
    k = str(int(results.attr("msm", "/", "chosen_lag")))
    group = f"lags/{k}/diffusivity/"
    return (
        float(results.attr("msm", f"lags/{k}", "lag_time")),
        np.diag(results["msm", group + "D"]),
        np.diag(results["msm", group + "error"]),
        results["msm", group + "hops"],
    )


def describe(title, results):
    tau, D, error, hops = diffusivity(results)
    print(
        f"\n      {title}, lag {tau:g} ps: "
        + "; ".join(
            f"D_{axis} = {D[a]:.4f} +- {error[a]:.4f} A^2/ps ({hops[a]:.0f} hops)"
            for a, axis in enumerate("xyz")
        )
    )
    print(f"      {results.attr('msm', '/', 'agreement_sentence')}")
    return D, error, hops


def check_axis(checks, title, results, D, error):
    lengths = np.linalg.norm(results["msm", "basis/cell"], axis=1)
    along = [int(np.argmax(np.abs(vector))) for vector in results["msm", "basis/cell"]]
    fast = int(np.argmax(D))
    length = lengths[along.index(fast)]
    others = [a for a in range(3) if a != fast]
    margin = min((D[fast] - D[a]) / np.hypot(error[fast], error[a]) for a in others)
    checks.that(
        f"{title}: D is largest along the 7.90 A axis",
        abs(length - 7.898) < 0.05,
        f"axis {'xyz'[fast]}, {length:.3f} A",
    )
    checks.that(f"{title}: by more than 3 errors of the difference", margin > 3, f"{margin:.1f}")


def slopes(trajectories, begin=5.0, end=20.0):
    """Growth of the MSD over twice the time, all origins [A^2/ps]."""
    interval = trajectories[0]["interval"]
    first, last = recompute.pooled_msd(trajectories, [round(begin / interval), round(end / interval)])
    return (last - first) / (2 * (end - begin))


def check_pieces(checks, folder, D_long, pieces=6, lag=20):
    """The long run cut in pieces: do they scatter as the error bar of each piece says?"""
    D, errors = [], []
    for k in range(pieces):
        place = os.path.join(folder, f"piece{k}")
        begin, end = 3480.0 * k / pieces, 3480.0 * (k + 1) / pieces
        settings = dict(trajectory__discard_ps=begin, trajectory__end_ps=end, msm__lag_times_ps=f"[{lag}]", **SYMMETRISED)
        program.run("sites", LONG, place, **settings)
        _, values, error, _ = diffusivity(program.Results(program.run("msm", LONG, place, **settings)))
        D.append(values)
        errors.append(error)
    D, errors = np.array(D), np.array(errors)
    scatter, bar = D.std(axis=0, ddof=1), np.sqrt((errors**2).mean(axis=0))
    print(f"\n      {pieces} pieces of the long run, lag {lag} ps: mean D", D.mean(axis=0).round(4), end="")
    print(", scatter", scatter.round(4), ", error bar of a piece", bar.round(4))
    # a standard deviation of n values is known to 1/sqrt(2 (n - 1)); so is, about, that of a piece from its blocks
    allowed = 4 / np.sqrt(2 * (pieces - 1))
    ratio = scatter / bar
    checks.that(
        f"{pieces} pieces of the long run scatter as their error bars say",
        np.all(np.abs(np.log(ratio)) < allowed),
        "scatter / error bar = " + ", ".join(f"{x:.2f}" for x in ratio),
    )
    z = (D.mean(axis=0) - D_long) / (bar / np.sqrt(pieces))
    checks.that(
        "their mean D is that of the whole run within 3 errors",
        np.all(np.abs(z) < 3),
        "z = " + ", ".join(f"{x:+.1f}" for x in z),
    )


def main(folder):
    checks = cc.Checks()

    short = program.Results(program.run("run", SHORT, os.path.join(folder, "short"), report__enabled="false", **SYMMETRISED))
    radius, rule = settings(short)
    ours = [
        recompute.mapped(short, k, os.path.join(DATA, f"li13si4_500K_tensornet_r{k + 1}.h5"), 10.0, radius)
        for k in range(2)
    ]
    for k, trajectory in enumerate(ours):
        checks.that(
            f"replica {k + 1}: 10 ps are discarded",
            trajectory["first"] == trajectory["expected_first"],
            f"first frame {trajectory['first']}",
        )
    recompute.check_mapping(checks, short, ours, rule)
    recompute.check_trajectory_msd(checks, short, ours, 5, 20)
    recompute.check_counts_and_kernels(checks, short, ours, rule)
    recompute.check_growth(checks, short, ours)
    recompute.check_model_msd(checks, short)
    recompute.check_error_bars(checks, short, str(int(short.attr("msm", "/", "chosen_lag"))))
    if "meso" in short.files:
        recompute.check_walkers(checks, short)
    D_short, error_short, hops_short = describe("two short runs", short)
    check_axis(checks, "short runs", short, D_short, error_short)
    checks.that(
        "the slow axis rests on fewer hops than the fast one",
        hops_short[np.argmin(D_short)] < hops_short[np.argmax(D_short)],
    )
    alone = program.Results(
        program.run(
            "run",
            SHORT,
            os.path.join(folder, "unfolded"),
            sites__folding='"none"',
            report__enabled="false",
            msm__bootstrap_samples=20,
            **SYMMETRISED,
        )
    )
    for k, _, tau in alone.lags()[:1]:
        classes, stored = n_classes(alone, k), len(alone["msm", f"lags/{k}/classes/size"])
        checks.that(
            f"156 sites told apart, lag {tau:g} ps: as many closed classes as numpy finds, more than one",
            classes == stored > 1,
            f"{stored} and {classes}",
        )
        weight = alone["msm", f"lags/{k}/classes/weight"]
        checks.near("their shares of the ions add up to one", weight.sum(), 1.0, absolute=1e-12)
        D = cc.exact_diffusivity(
            *alone.kernel(k), alone["msm", "basis/cell"], alone["msm", "basis/positions"], tau
        )
        program_D = alone["msm", f"lags/{k}/diffusivity/D"]
        checks.that(
            "D averaged over the classes equals numpy's",
            np.abs(D - program_D).max() < 1e-9 * np.abs(D).max(),
            f"{np.abs(D - program_D).max():.1e}",
        )

    long = program.Results(program.run("run", LONG, os.path.join(folder, "long"), report__enabled="false", **SYMMETRISED))
    radius, rule = settings(long)
    theirs = [recompute.mapped(long, 0, os.path.join(DATA, "li13si4_500K_mace.h5"), 0.0, radius)]
    checks.that(
        "long run: nearest-site changes as known from its making",
        int(long.attr("sites", "trajectories/0/diagnostics", "nearest_changes")) == LONG_CHANGES,
    )
    recompute.check_mapping(checks, long, theirs, rule)
    recompute.check_counts_and_kernels(checks, long, theirs, rule)
    recompute.check_growth(checks, long, theirs)
    window = np.asarray(long.attr("msm", "msd/fit", "window_ps"))
    own = recompute.check_trajectory_msd(checks, long, theirs, *window)
    if np.allclose(window, [5, 20]):
        checks.near("long run: D from the MSD between 5 and 20 ps", own, LONG_SLOPE, relative=0.02)
    D_long, error_long, _ = describe("long run", long)
    check_axis(checks, "long run", long, D_long, error_long)

    check_pieces(checks, folder, D_long)

    # The potentials are not the same, so neither need D be: what differs must differ in the MD itself.
    z = (D_short - D_long) / np.hypot(error_short, error_long)
    msd_short, msd_long = (slopes(trajectories) for trajectories in (ours, theirs))
    print("\n      short against long: z = " + ", ".join(f"{x:+.1f}" for x in z), end="")
    print(f"; D ratio {(D_short / D_long).round(3)}, MSD ratio {(msd_short / msd_long).round(3)}")
    checks.near(
        "short and long runs differ in D as in the slope of their MSDs, 5 to 20 ps, within 0.1",
        D_short / D_long,
        msd_short / msd_long,
        absolute=0.1,
    )
    return checks.finish()


if __name__ == "__main__":
    program.run_check(main)
