"""Recompute in numpy, from the trajectory and from the stored counts, what a run of the program has found."""

import numpy as np

import crosscheck as cc


def mapped(results, trajectory, path, discard_ps, radius, mobile="Li"):
    """Sites of the ions of one trajectory by both rules, on the program's site list but with own unwrapping, drift and search."""
    positions, species, box, interval = cc.read_h5md(path)
    first = int(results.attr("sites", f"trajectories/{trajectory}", "first_frame"))
    expected = round(discard_ps / interval)
    sites = results["sites", "sites/fractional"] * box
    framework = results["sites", "sites/framework_positions"]
    names = results["sites", "sites/framework_species"]
    crystal = np.vstack([results["sites", "sites/fractional"], framework / box])
    crystal_species = np.array([mobile] * len(sites) + list(names))
    ions = cc.framework_at_rest(positions[first:], species, box, crystal, crystal_species, mobile)
    site, image, distance = cc.nearest_sites(ions, sites, box)
    core, core_image = cc.last_core(site, image, distance, radius)
    return {
        "ions": ions,
        "box": box,
        "interval": interval,
        "first": first,
        "expected_first": expected,
        "nearest": (site, image),
        "core": (core, core_image),
        "distance": distance,
    }


def folding(results):
    return (
        results["sites", "sites/base"],
        results["sites", "sites/offset"],
        results["sites", "sites/supercell"],
    )


def counted(results, mapped_trajectories, rule, lag_frames):
    """Counts of several trajectories added up."""
    total = {}
    for trajectory in mapped_trajectories:
        for key, n in cc.counts(*trajectory[rule], lag_frames, *folding(results)).items():
            total[key] = total.get(key, 0) + n
    return total


def check_mapping(checks, results, trajectories, rule):
    """Site changes, hops and occupancies: equal, not close."""
    n_sites = len(results["sites", "sites/fractional"])
    for k, trajectory in enumerate(trajectories):
        path = f"trajectories/{k}/diagnostics"
        label = f"trajectory {k}: " if len(trajectories) > 1 else ""
        for name, key in (("nearest_changes", "nearest"), ("core_hops", "core")):
            program, own = int(results.attr("sites", path, name)), cc.changes(*trajectory[key])
            checks.that(
                f"{label}{name.replace('_', ' ')} of the program equal those of numpy",
                program == own,
                f"{program} and {own}",
            )
        occupied = cc.occupancy(trajectory[rule][0], n_sites)
        checks.near(
            f"{label}occupancies of the {n_sites} sites equal those of numpy",
            results["sites", path + "/occupancy"],
            occupied,
            absolute=1e-12,
        )


def check_counts_and_kernels(checks, results, trajectories, rule):
    """At every lag: integer counts, probabilities, D tensor, and the whole spectrum."""
    cell, positions = results["msm", "basis/cell"], results["msm", "basis/positions"]
    base, offset, supercell = folding(results)
    for k, frames, tau in results.lags():
        own = counted(results, trajectories, rule, frames)
        stored = results.counts(k)
        differ = sum(abs(own.get(key, 0) - stored.get(key, 0)) for key in set(own) | set(stored))
        checks.that(
            f"lag {tau:g} ps: all {len(own)} kinds of transition are counted alike",
            differ == 0,
            f"{sum(own.values())} windows, {differ} differ",
        )
        kernel = results.kernel(k)
        rebuilt = cc.symmetrised_kernel(stored, len(positions))
        mine = {(*map(int, (j, i)), *map(int, R)): p for j, i, R, p in zip(*rebuilt[:4])}
        theirs = {(*map(int, (j, i)), *map(int, R)): p for j, i, R, p in zip(*kernel[:4])}
        visited = np.bincount(rebuilt[0], minlength=len(positions)) > 0
        worst = max(
            abs(mine.get(key, 0.0) - theirs.get(key, 0.0))
            for key in set(mine) | set(theirs)
            if visited[key[0]]
        )
        checks.that(
            f"lag {tau:g} ps: kernel entries follow from the counts",
            worst < 1e-13,
            f"largest difference {worst:.1e}",
        )
        D = cc.exact_diffusivity(*kernel, cell, positions, tau)
        program = results["msm", f"lags/{k}/diffusivity/D"]
        difference = np.abs(D - program).max() / np.abs(program).max()
        checks.that(
            f"lag {tau:g} ps: D tensor equals the corrector formula solved in numpy",
            difference < 1e-9,
            f"relative difference {difference:.1e}",
        )
        if f"lags/{k}/spectrum" in results.files["msm"]:
            M = cc.full_matrix(*kernel[:4], base, offset, supercell)
            kept = np.bincount(base, weights=kernel[4][base], minlength=len(positions))[base] > 0
            eigenvalues = np.sort(np.abs(np.linalg.eigvals(M[np.ix_(kept, kept)])))[::-1]
            stored_values = np.hypot(
                results["msm", f"lags/{k}/spectrum/eigenvalue_re"],
                results["msm", f"lags/{k}/spectrum/eigenvalue_im"],
            )
            same = (
                len(eigenvalues) == len(stored_values)
                and np.abs(np.sort(stored_values)[::-1] - eigenvalues).max()
            )
            checks.that(
                f"lag {tau:g} ps: the {len(eigenvalues)} moduli of the spectrum are those of the whole"
                " matrix",
                same is not False and same < 1e-9,
                f"largest difference {same:.1e}" if same is not False else f"{len(stored_values)} stored",
            )


def check_chapman_kolmogorov(checks, results):
    """err(n) where n tau is itself among the lags."""
    base, offset, supercell = folding(results)
    tau = float(results.attr("msm", "chapman_kolmogorov", "lag_time"))
    by_time = {round(t, 6): k for k, _, t in results.lags()}
    short = cc.full_matrix(*results.kernel(by_time[round(tau, 6)])[:4], base, offset, supercell)
    for n, error in zip(results["msm", "chapman_kolmogorov/n"], results["msm", "chapman_kolmogorov/error"]):
        k = by_time.get(round(n * tau, 6))
        if k is None:
            continue
        long = cc.full_matrix(*results.kernel(k)[:4], base, offset, supercell)
        own = np.linalg.norm(long - np.linalg.matrix_power(short, int(n)), 2) / np.linalg.norm(long, 2)
        checks.near(
            f"Chapman-Kolmogorov error at n = {n} equals the 2-norm of the whole matrices",
            error,
            own,
            relative=1e-8,
        )


def check_model_msd(checks, results, largest=20):
    k = str(int(results.attr("msm", "/", "chosen_lag")))
    tau = float(results.attr("msm", f"lags/{k}", "lag_time"))
    time = results["msm", "msd/model_time"]
    steps = np.rint(time / tau).astype(int)
    kept = (steps <= largest) & (steps > 0)
    own = cc.kernel_msd(
        *results.kernel(k),
        results["msm", "basis/cell"],
        results["msm", "basis/positions"],
        steps[kept].tolist(),
    )
    difference = np.abs(results["msm", "msd/model"][kept] - own[:, range(3), range(3)]).max()
    checks.that(
        f"MSD of the model equals the recursion of its moments at {int(kept.sum())} times",
        difference < 1e-9,
        f"largest difference {difference:.1e} A^2",
    )


def check_growth(checks, results, trajectories):
    """Slopes by which the lags are judged: of the model by recursion, of the trajectory over all origins."""
    cell, positions = results["msm", "basis/cell"], results["msm", "basis/positions"]
    interval = trajectories[0]["interval"]
    for k, _, tau in results.lags():
        path = f"lags/{k}/diffusivity"
        begin, end = results.attr("msm", path, "window_ps")
        steps = [round(begin / tau), round(end / tau)]
        first, last = cc.kernel_msd(*results.kernel(k), cell, positions, steps)[:, range(3), range(3)]
        own = (last - first) / (2 * (end - begin))
        checks.near(
            f"lag {tau:g} ps: growth of the model's MSD follows from its moments",
            results["msm", path + "/model_slope"],
            own,
            relative=1e-9,
        )
        first, last = pooled_msd(trajectories, [round(begin / interval), round(end / interval)])
        checks.near(
            f"lag {tau:g} ps: growth of the trajectory's MSD within 2 %",
            results["msm", path + "/msd_slope"],
            (last - first) / (2 * (end - begin)),
            relative=0.02,
        )


def pooled_msd(trajectories, lags):
    """MSD of several trajectories, each origin with the same weight."""
    lags = np.asarray(lags)
    windows = [(len(t["ions"]) - lags)[:, None] for t in trajectories]
    return sum(cc.msd(t["ions"], lags) * w for t, w in zip(trajectories, windows)) / sum(windows)


def check_trajectory_msd(checks, results, trajectories, begin, end):
    """Slopes of the MSD over all origins; the program skips neighbouring origins of long windows."""
    frames = sum(len(t["ions"]) for t in trajectories)
    interval = trajectories[0]["interval"]
    lags = np.unique(np.rint(np.linspace(begin, end, 16) / interval).astype(int))
    curve = pooled_msd(trajectories, lags)
    own = np.array([cc.slope(lags * interval, curve[:, a], begin, end) for a in range(3)])
    program = results["msm", "msd/fit/D"]
    checks.near(
        f"MSD slopes from {begin:g} to {end:g} ps over all {frames} frames agree within 1 %",
        program,
        own,
        relative=0.01,
    )
    return own


def check_error_bars(checks, results, k, samples=400, seed=5):
    """Own bootstrap from the stored counts of the blocks: standard errors of D agree within 4 standard errors of a standard error."""
    group = f"lags/{k}/counts/"
    offsets, transition, count = (
        results["msm", group + name] for name in ("block_offsets", "block_transition", "block_count")
    )
    origin, destination, R = (results["msm", group + name] for name in ("from", "to", "R"))
    n_blocks = len(offsets) - 1
    block = np.repeat(np.arange(n_blocks), np.diff(offsets))
    total = np.bincount(transition, weights=count, minlength=len(origin))
    checks.that(
        "counts of the time blocks add up to the total",
        np.array_equal(total, results["msm", group + "total"]),
        f"{n_blocks} blocks",
    )
    keys = list(map(tuple, np.column_stack([origin, destination, R]).tolist()))
    random = np.random.default_rng(seed)
    tau = float(results.attr("msm", f"lags/{k}", "lag_time"))
    n_sites = len(results["msm", "basis/positions"])
    drawn = []
    for _ in range(samples):
        weight = random.exponential(size=n_blocks)
        weighted = np.bincount(transition, weights=count * weight[block], minlength=len(origin))
        kernel = cc.symmetrised_kernel({key: n for key, n in zip(keys, weighted) if n > 0}, n_sites)
        drawn.append(
            np.diag(
                cc.exact_diffusivity(
                    *kernel, results["msm", "basis/cell"], results["msm", "basis/positions"], tau
                )
            )
        )
    own, program = np.std(drawn, axis=0, ddof=1), np.diag(results["msm", f"lags/{k}/diffusivity/error"])
    theirs = len(results["msm", f"lags/{k}/diffusivity/samples"])
    allowed = 4 * np.sqrt(1 / (2 * samples) + 1 / (2 * theirs))
    checks.near(
        f"error bars of D agree with an own resampling of the blocks (within {100 * allowed:.0f} %)",
        program,
        own,
        relative=allowed,
    )


def check_walkers(checks, results):
    k = str(int(results.attr("msm", "/", "chosen_lag")))
    tau = float(results.attr("msm", f"lags/{k}", "lag_time"))
    D = cc.exact_diffusivity(
        *results.kernel(k), results["msm", "basis/cell"], results["msm", "basis/positions"], tau
    )
    checks.near(
        "exact D beside the walkers is that of the chosen kernel",
        results["meso", "walkers/diffusivity/exact"],
        D,
        relative=1e-9,
        absolute=1e-12,
    )
    value = np.diag(results["meso", "walkers/diffusivity/D"])
    error = np.diag(results["meso", "walkers/diffusivity/error"])
    moving = error > 0
    z = (value[moving] - np.diag(D)[moving]) / error[moving]
    checks.that(
        "walkers have the exact D within 4 standard errors",
        np.all(np.abs(z) < 4),
        "z = " + ", ".join(f"{x:+.2f}" for x in z),
    )
    if ("meso", "field/profile") in results:
        seen, continuum = results["meso", "field/profile"], results["meso", "field/exact_profile"]
        worst = np.abs(seen - continuum).max() / seen.max()
        checks.that(
            "a pulse spreads as a Gaussian of the exact MSD (to 1 % of its height)",
            worst < 0.01,
            f"largest difference {worst:.1e}",
        )
        mass = abs(float(results.attr("meso", "field", "mass_error")))
        checks.that("the field keeps its mass", mass < 1e-12, f"{mass:.1e}")
