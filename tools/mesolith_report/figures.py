"""One function per picture: arrays of a run in, (title, figure, caption) out. The title says the finding."""

import math

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .canvas import AXIS_COLOURS, BLUE, GREEN, GREY, INK, ORANGE, PALE, PURPLE, RED, SERIES, log_axis, panels
from .numbers import (
    AXES,
    axis_lengths,
    exact,
    grouped,
    is_number,
    joined,
    percent,
    plain,
    rounded_duration,
    with_error,
)
from .run import Missing


def cells_of(run):
    msm = run.need("msm")
    return [msm[path] if path in msm else None for path in ("basis/cell", "basis/simulated_cell")]


def axis_title(axis, lengths):
    return f"{axis} ({lengths[axis]:.2f} Å axis)" if axis in lengths else axis


def band(axes, x, y, error, colour, label=None, style="-", alpha=0.18, width=1.6):
    """Line with one standard error around it."""
    (line,) = axes.plot(x, y, style, color=colour, label=label, linewidth=width)
    if error is not None:
        axes.fill_between(x, y - error, y + error, color=colour, alpha=alpha, linewidth=0)
    return line


# --- mapping ---


def occupancy(run):
    """Per site of the simulated cell: (orbit of each, occupancy of each, names of orbits); replicas weighted by frames."""
    sites = run.need("sites")
    base, orbit = sites["sites/base"], np.asarray(sites["sites/orbit"])
    names = [str(name).split(".")[0] for name in sites["sites/name"]]
    orbit_names = {int(o): names[i] for i, o in reversed(list(enumerate(orbit)))}
    total, weight = 0.0, 0.0
    for k in sites.members("trajectories"):
        frames = float(sites.attr(f"trajectories/{k}", "n_frames"))
        total = total + frames * sites[f"trajectories/{k}/diagnostics/occupancy"]
        weight += frames
    if not weight:
        raise Missing("sites.h5 holds no occupancies")
    return orbit[base], total / weight, orbit_names


def site_occupancy(run):
    orbit, occupied, names = occupancy(run)
    kinds = sorted(names)
    figure, axes = panels(1, 3.0 if len(kinds) < 9 else 3.4, bottom=0.165, top=0.885)
    ax = axes[0, 0]
    means = [occupied[orbit == kind].mean() for kind in kinds]
    jitter = np.random.default_rng(0)
    for place, kind in enumerate(kinds):
        values = occupied[orbit == kind]
        spread = jitter.uniform(-0.28, 0.28, len(values)) if len(values) > 1 else np.zeros(1)
        ax.plot(
            place + spread,
            values,
            "o",
            markersize=3.5 if len(values) < 200 else 2,
            alpha=0.55,
            color=SERIES[place % len(SERIES)],
            markeredgewidth=0,
        )
        ax.plot([place - 0.36, place + 0.36], [means[place]] * 2, color=INK, linewidth=2)
    ax.axhline(1, color=GREY, linewidth=1, linestyle="--")
    ax.set_xticks(
        range(len(kinds)),
        [
            f"{names[kind]}: {means[place]:.3f}\n{int((orbit == kind).sum())} sites"
            for place, kind in enumerate(kinds)
        ],
    )
    ax.set_xlim(-0.55, len(kinds) - 0.45)
    ax.grid(axis="x", visible=False)
    ax.set_ylabel("mean ions per site")
    ax.legend(
        handles=[
            Line2D([], [], marker="o", linestyle="", color=GREY, label="one site of the simulated cell"),
            Line2D([], [], color=INK, linewidth=2, label="mean of the kind (number below)"),
            Line2D([], [], color=GREY, linestyle="--", linewidth=1, label="always one ion"),
        ],
        loc="lower center",
        ncol=3,
        bbox_to_anchor=(0.5, 1.02),
        borderaxespad=0,
    )
    empty = int((occupied == 0).sum())
    lowest, highest = int(np.argmin(means)), int(np.argmax(means))
    if len(kinds) == 1:
        title = f"All sites are of one kind; each holds {means[0]:.3f} ions on average"
    else:
        title = (
            f"Mean occupancy runs from {means[lowest]:.3f} ({names[kinds[lowest]]}) to {means[highest]:.3f} "
            f"({names[kinds[highest]]})"
        )
    if empty:
        title += f"; {empty} sites were never visited"
    caption = (
        "Time-averaged number of ions on each site, grouped by kind (symmetry orbit). Sites of one kind"
        " should scatter closely around their mean; a site far from it points to too short a run or a wrong"
        " site list."
    )
    return title, figure, caption


def pooled_diagnostics(run):
    """Diagnostics of all trajectories as one: histogram, quantiles at their levels, sums and worst values."""
    sites = run.need("sites")
    members = sites.members("trajectories")
    if not members:
        raise Missing("sites.h5 holds no trajectories")
    all_attributes, frames, histogram = [], [], None
    for k in members:
        path = f"trajectories/{k}/diagnostics"
        all_attributes.append(sites.attributes(path))
        frames.append(float(sites.attr(f"trajectories/{k}", "n_frames")))
        counts = np.asarray(sites[path + "/distance_histogram"], dtype=float)
        if histogram is None:
            histogram = counts
        else:
            size = max(len(histogram), len(counts))
            histogram = np.pad(histogram, (0, size - len(histogram))) + np.pad(
                counts, (0, size - len(counts))
            )
    width = sites.attr(f"trajectories/{members[0]}/diagnostics/distance_histogram", "bin")
    return all_attributes, np.array(frames), histogram, float(width)


def histogram_quantile(histogram, width, level):
    cumulative = np.cumsum(histogram) / histogram.sum()
    index = int(np.searchsorted(cumulative, level))
    before = cumulative[index - 1] if index else 0.0
    return width * (index + (level - before) / max(cumulative[index] - before, 1e-300))


def mapping(run):
    attributes, _, histogram, width = pooled_diagnostics(run)
    half = min(float(a.get("half_site_distance", math.nan)) for a in attributes)
    median, p95, p99 = (histogram_quantile(histogram, width, level) for level in (0.5, 0.95, 0.99))
    figure, axes = panels(2, 3.3, bottom=0.16, top=0.88, wspace=0.24)
    left, right = axes[0]
    last = int(np.flatnonzero(histogram)[-1]) + 1
    x = width * (np.arange(last) + 0.5)
    left.fill_between(
        x, histogram[:last] / histogram.sum() / width, step="mid", color=BLUE, alpha=0.35, linewidth=0
    )
    left.step(x, histogram[:last] / histogram.sum() / width, where="mid", color=BLUE, linewidth=1.2)
    top = left.get_ylim()[1]
    for value, label in ((median, "50 %"), (p95, "95 %"), (p99, "99 %")):
        left.axvline(value, color=INK, linewidth=1, linestyle=":")
        left.text(value, top * 0.02, label, rotation=90, va="bottom", ha="right", fontsize=8.5)
    if is_number(half):
        left.axvline(half, color=RED, linewidth=1.4)
        left.text(
            half * 1.012,
            top * 0.985,
            "half the smallest\nsite distance",
            color=RED,
            va="top",
            ha="left",
            fontsize=8.5,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.85},
        )
    left.set(
        xlabel="distance of an ion to its nearest site (Å)",
        ylabel="probability density (1/Å)",
        ylim=(0, top),
        xlim=(0, max(x[-1], 1.4 * half) if is_number(half) else x[-1]),
    )
    left.set_title("Distance to the nearest site", loc="left")

    msm = run.msm
    back_share, early = None, ""
    if msm is not None and "recrossings/waiting_time" in msm:
        upper, back, every = (
            np.asarray(msm[f"recrossings/{name}"], dtype=float)
            for name in ("waiting_time", "back_by_wait", "all_by_wait")
        )
        lower = np.concatenate(
            [[upper[0] * upper[0] / upper[1] if len(upper) > 1 else upper[0] / 2], upper[:-1]]
        )
        centre, spans = np.sqrt(lower * upper), upper - lower
        right.bar(
            lower,
            every,
            width=spans,
            align="edge",
            color=PALE,
            edgecolor="white",
            label="next hop goes elsewhere",
        )
        right.bar(
            lower,
            back,
            width=spans,
            align="edge",
            color=ORANGE,
            edgecolor="white",
            label="next hop goes straight back",
        )
        log_axis(right.xaxis, few=True)
        right.set_xlim(lower[0], upper[max(np.flatnonzero(every)[-1] if every.any() else 0, 1)])
        right.set(xlabel="wait before the next hop (ps)", ylabel="hops")
        right.set_title("What the next hop does", loc="left")
        right.set_ylim(0, 1.32 * every.max())
        right.legend(loc="upper right", ncol=1)
        jumps, undone = float(msm.attr("recrossings", "jumps")), float(msm.attr("recrossings", "back"))
        if jumps and back.sum():
            back_share = undone / jumps
            early = (
                ", half of them within"
                f" {plain(centre[int(np.searchsorted(np.cumsum(back), back.sum() / 2))], 2)} ps"
            )
    else:
        right.text(
            0.5, 0.5, "recrossings: not in this run", ha="center", transform=right.transAxes, color=GREY
        )
        right.set_axis_off()
    fits = is_number(half) and p99 <= half
    title = f"99 % of ion positions lie within {p99:.2f} Å of a site" + (
        f" ({'inside' if fits else 'beyond'} half the site distance, {half:.2f} Å)" if is_number(half) else ""
    )
    if back_share is not None:
        title += f"; {percent(back_share, 0)} of hops go straight back{early}"
    caption = (
        "Left: how far ions sit from the site they are mapped to; a shoulder beyond the red line means that"
        " the site list misses places where ions stay. Right: how long an ion waits before its next hop, and"
        " whether that hop undoes the last one; fast returns are recrossings, which a lag time has to"
        " outlast."
    )
    return title, figure, caption


# --- mean square displacement and D ---


def msd(run):
    file = run.need("msm")
    time, raw, raw_error = file["msd/time"], file["msd/raw"], file["msd/raw_error"]
    lengths = axis_lengths(*cells_of(run))
    fit, fit_error, intercept = (file[f"msd/fit/{name}"] for name in ("D", "error", "intercept"))
    window = np.asarray(file.attr("msd/fit", "window_ps"), dtype=float)
    figure, axes = panels(3, 3.5, left=0.07, right=0.985, bottom=0.145, top=0.79, wspace=0.22)
    for a, ax in enumerate(axes[0]):
        ax.axvspan(*window, color="#f2efe4", zorder=0)
        handles = [band(ax, time, raw[:, a], raw_error[:, a], BLUE, "trajectory")]
        if "msd/projected" in file:
            handles.append(
                band(
                    ax,
                    time,
                    file["msd/projected"][:, a],
                    file["msd/projected_error"][:, a],
                    ORANGE,
                    "moved onto sites",
                )
            )
        if "msd/model" in file:
            model_time = file["msd/model_time"]
            shown = model_time <= time[-1] * 1.0001
            model, model_error = file["msd/model"][shown, a], file["msd/model_error"][shown, a]
            handles.append(
                ax.errorbar(
                    model_time[shown],
                    model,
                    yerr=model_error,
                    fmt="s",
                    markersize=3.5,
                    color=GREEN,
                    linewidth=1,
                    label="Markov model",
                )
            )
        line = np.array([window[0], window[1]])
        handles += ax.plot(
            line,
            intercept[a] + 2 * fit[a] * line,
            color=INK,
            linestyle="--",
            linewidth=1.3,
            label="line fitted to the trajectory",
        )
        ax.set_xlim(0, time[-1])
        ax.set_ylim(0, None)
        ax.set_title(
            f"{axis_title(AXES[a], lengths)}\nslope/2 = {with_error(fit[a], fit_error[a])} Å²/ps",
            loc="left",
            fontsize=9.5,
        )
        ax.set_xlabel("time (ps)")
    axes[0, 0].set_ylabel("mean square displacement (Å²)")
    figure.legend(
        handles=handles + [Patch(color="#f2efe4", label="fit window")],
        loc="upper center",
        ncol=5,
        columnspacing=1.5,
    )
    fast, slow = int(np.argmax(fit)), int(np.argmin(fit))
    difference = math.hypot(fit_error[fast], fit_error[slow])
    if fit[fast] - fit[slow] < 3 * difference:
        title = "Li spreads equally fast along x, y and z within the errors"
    elif fit[slow] > 0:
        title = (
            f"Li spreads fastest along {axis_title(AXES[fast], lengths)}, "
            f"{plain(fit[fast] / fit[slow], 2)} times as fast as along {AXES[slow]}"
        )
    else:
        title = f"Li spreads fastest along {axis_title(AXES[fast], lengths)}"
    caption = (
        f"Mean square displacement per axis with one standard error. The slope between {exact(window[0])} and"
        f" {exact(window[1])} ps gives 2 D; the offset of the trajectory above the other curves is rattling"
        " around sites. The model must run parallel to the trajectory."
    )
    return title, figure, caption


def mean_error(lag):
    """Standard error of the mean of D_xx, D_yy, D_zz [A^2/ps] from its resampled values."""
    errors = np.diag(np.asarray(lag.error))
    try:
        samples = np.asarray(lag["diffusivity/samples"])
    except Missing:
        samples = np.zeros((0, 3))
    if len(samples) > 1:
        # the stored errors are the spread of the samples times a factor for the number of blocks
        spread = samples.std(axis=0, ddof=1)
        known = (spread > 0) & np.isfinite(spread) & np.isfinite(errors)
        if known.any():
            return float(samples.mean(axis=1).std(ddof=1) * np.median(errors[known] / spread[known]))
    return float(np.sqrt(np.sum(errors**2)) / 3)


def lag_marks(run):
    """Per lag how the selection saw it: "agrees", "differs", "last" (none longer to test) or "few" (too few counts)."""
    file = run.need("msm")
    if "lag_selection/agrees" not in file:
        return None
    usable, testable, agrees = (
        np.asarray(file[f"lag_selection/{name}"]) for name in ("usable", "testable", "agrees")
    )
    return [
        "few" if not u else "last" if not t else "agrees" if a else "differs"
        for u, t, a in zip(usable, testable, agrees)
    ]


MARKS = {  # of the black dots: face colour, size, meaning
    "agrees": (INK, 6, "agrees with all longer lags"),
    "differs": ("white", 6, "differs from a longer lag"),
    "last": (GREY, 6, "no lag twice as long to test it"),
    "few": ("white", 3, "too few counts"),
}


def diffusivity_by_lag(run):
    file, lags = run.need("msm"), run.lags
    tau = np.array([lag.lag_time for lag in lags])

    def with_mean(rows):
        rows = np.asarray(rows, dtype=float)
        return np.column_stack([rows, rows.mean(axis=1)])

    values = with_mean([np.diag(lag.D) for lag in lags])
    errors = np.column_stack([[np.diag(lag.error) for lag in lags], [mean_error(lag) for lag in lags]])
    growth = with_mean([lag["diffusivity/model_slope"] for lag in lags])
    seen = with_mean([lag["diffusivity/msd_slope"] for lag in lags])
    lengths = axis_lengths(*cells_of(run))
    chosen = run.chosen.index
    fit_error = np.asarray(file["msd/fit/error"])
    marks = lag_marks(run)
    plateau = marks is not None and int(file.attr("lag_selection", "plateau", 0)) == 1
    figure, axes = panels(
        2, 5.6, n_rows=2, left=0.085, right=0.985, bottom=0.095, top=0.83, wspace=0.2, hspace=0.34
    )
    for a, ax in enumerate(axes.ravel()):
        if plateau:
            ax.fill_between(
                [tau[chosen], tau[-1] * 1.12],
                values[chosen, a] - errors[chosen, a],
                values[chosen, a] + errors[chosen, a],
                color=ORANGE,
                alpha=0.28,
                linewidth=0,
                zorder=0.5,
            )
        if a < 3:
            ax.fill_between(
                tau, seen[:, a] - fit_error[a], seen[:, a] + fit_error[a], color=BLUE, alpha=0.16, linewidth=0
            )
        ax.plot(tau, seen[:, a], color=BLUE, linewidth=1.3)
        ax.plot(tau, growth[:, a], "s--", color=GREEN, markersize=4, linewidth=1)
        ax.errorbar(tau, values[:, a], yerr=errors[:, a], fmt="-", color=INK, linewidth=1.2, capsize=2.5)
        for k in range(len(tau)):
            face, size, _ = MARKS[marks[k]] if marks and k < len(marks) else (INK, 5, "")
            ax.plot(
                tau[k],
                values[k, a],
                "o",
                markersize=size,
                markerfacecolor=face,
                markeredgecolor=INK,
                zorder=4,
            )
        ax.plot(
            tau[chosen],
            values[chosen, a],
            "o",
            markersize=12,
            markerfacecolor="none",
            markeredgecolor=RED,
            markeredgewidth=1.6,
            zorder=5,
        )
        log_axis(ax.xaxis)
        ax.set_ylim(0, None)
        ax.set_xlim(tau[0] / 1.12, tau[-1] * 1.12)
        ax.set_title(axis_title(AXES[a], lengths) if a < 3 else "mean of x, y, z", loc="left")
        if a > 1:
            ax.set_xlabel("lag time τ (ps)")
        if a % 2 == 0:
            ax.set_ylabel("D, or slope of MSD / 2 (Å²/ps)", fontsize=9)
    handles = [
        Line2D([], [], color=INK, linewidth=1.2, marker="o", markersize=5, label="exact D of the model"),
        Line2D(
            [], [], color=GREEN, linestyle="--", marker="s", markersize=4, label="growth of the model's MSD"
        ),
        Line2D([], [], color=BLUE, linewidth=1.3, label="of the trajectory's MSD"),
        Line2D(
            [],
            [],
            linestyle="",
            marker="o",
            markersize=10,
            markerfacecolor="none",
            markeredgecolor=RED,
            markeredgewidth=1.6,
            label="chosen lag",
        ),
    ]
    if plateau:
        handles.append(Patch(color=ORANGE, alpha=0.28, label="its D ± one error"))
    for kind in [kind for kind in MARKS if marks and kind in marks]:
        face, size, text = MARKS[kind]
        handles.append(
            Line2D(
                [],
                [],
                linestyle="",
                marker="o",
                markersize=size,
                markerfacecolor=face,
                markeredgecolor=INK,
                label=text,
            )
        )
    figure.legend(handles=handles, loc="upper center", ncol=4, columnspacing=1.3)
    sentence, _, rest = str(file.attr("/", "agreement_sentence", "")).strip().rstrip(".").partition(". ")
    if marks is None:
        title = sentence or "Diffusivity of the model against its lag time"
    else:
        rest = ". ".join(part for part in (sentence, rest) if part)
        title = (
            f"From a lag of {exact(tau[chosen])} ps on D no longer depends on the lag within its errors"
            if plateau
            else f"No plateau: D still depends on the lag at {exact(tau[chosen])} ps"
        )
    caption = (
        "Black: D at long times with one standard error. A lag too short takes each recrossing for an"
        " independent step and lies too high; from the right lag on D stays within the band. Green squares"
        " must meet the blue line: between the same two times the model's MSD grows as that of the"
        " trajectory. All come from the same data, so that differences are known better than the bars"
        " suggest."
    )
    return title, figure, f"{caption} {rest}." if rest else caption


def convergence(run):
    file = run.need("msm")
    time, values, errors = file["convergence/duration"], file["convergence/D"], file["convergence/error"]
    if len(time) < 2:
        raise Missing("one point is no curve: the trajectory is too short to be cut")
    lengths = axis_lengths(*cells_of(run))
    figure, axes = panels(3, 2.9, left=0.085, right=0.985, bottom=0.17, top=0.90, wspace=0.33)
    in_ns = time[-1] >= 2000
    scale = 1e-3 if in_ns else 1.0
    for a, ax in enumerate(axes[0]):
        ax.axhspan(
            values[-1, a] - errors[-1, a], values[-1, a] + errors[-1, a], color=PALE, alpha=0.6, linewidth=0
        )
        ax.errorbar(
            time * scale,
            values[:, a],
            yerr=errors[:, a],
            fmt="o-",
            color=AXIS_COLOURS[a],
            capsize=2.5,
            linewidth=1.2,
        )
        ax.set_ylim(0, None)
        ax.set_xlim(0, None)
        ax.set_title(axis_title(AXES[a], lengths), loc="left")
        ax.set_xlabel(f"length of trajectory used ({'ns' if in_ns else 'ps'})")
    axes[0, 0].set_ylabel("D (Å²/ps)")
    half = int(np.argmin(np.abs(time - time[-1] / 2)))
    moved = np.abs(values[half] - values[-1])
    relative = float(np.max(moved / np.maximum(np.abs(values[-1]), 1e-300)))
    # half of the data is inside the whole: the variance of the difference is that of the half minus that of the whole
    expected = np.sqrt(np.maximum(errors[half] ** 2 - errors[-1] ** 2, 0.25 * errors[-1] ** 2))
    steady = bool(np.all(moved <= 2 * expected))
    title = (
        f"Doubling the trajectory from {rounded_duration(time[half])} moved D by at most"
        f" {percent(relative, 0 if relative >= 0.01 else 1)}, "
        + ("as its error bars allow" if steady else "more than its error bars allow: the run is too short")
    )
    caption = (
        f"D at the chosen lag ({exact(run.chosen.lag_time)} ps) from the first part of the data. The grey"
        " band is the final value with its standard error; a curve still on the move says that more MD is"
        " needed along that axis."
    )
    return title, figure, caption


# --- is it Markovian ---


def followed_modes(file, internal, internal_error):
    """Modes within the cell followed over the lags by eigenvector: values, errors [lag][mode] and degeneracies; or None.

    Errors are those of the eigenvalue that the mode has at each lag, NaN where it is none (a crossing)."""
    if "modes/followed" not in file:
        return None
    followed = np.asarray(file["modes/followed"], dtype=float)
    if followed.ndim != 2 or followed.shape[1] != len(internal):
        return None
    kept = np.isfinite(followed).any(axis=1)
    values, size = followed[kept].T, np.asarray(file["modes/size"])[kept]
    errors = np.full(values.shape, np.nan)
    for lag, row in enumerate(values):
        for mode, value in enumerate(row):
            with np.errstate(invalid="ignore"):
                off = np.abs(internal[lag] / value - 1)
            if np.isfinite(off).any() and np.nanmin(off) < 1e-6:
                errors[lag, mode] = internal_error[lag, int(np.nanargmin(off))]
    return (values, errors, size) if values.shape[1] else None


def _timescale_panel(ax, tau, values, errors, chosen_time, heading):
    finite = np.where(np.isfinite(values) & (values > 0), values, np.nan)
    for mode in range(finite.shape[1]):
        y = finite[:, mode]
        if np.all(np.isnan(y)):
            continue
        error = np.nan_to_num(np.where(np.isfinite(errors[:, mode]), errors[:, mode], 0.0))
        ax.plot(tau, y, "o-", markersize=4, linewidth=1.2, color=SERIES[mode % len(SERIES)])
        ax.fill_between(
            tau,
            np.maximum(y - error, y * 1e-2),
            y + error,
            color=SERIES[mode % len(SERIES)],
            alpha=0.16,
            linewidth=0,
        )
    log_axis(ax.xaxis)
    seen = finite[np.isfinite(finite)]
    log_axis(ax.yaxis, few=len(seen) > 0 and seen.max() > 300 * tau[0])
    # a corner of the grey region always shows
    low = min(0.12 * tau[-1], 0.6 * seen.min()) if len(seen) else 0.6 * tau[0]
    high = max(tau[-1] * 2, seen.max() * 2 if len(seen) else 0)
    x = np.array([tau[0] / 1.25, tau[-1] * 1.25])
    grey = np.array([max(low, x[0]), x[1]])
    ax.fill_between(grey, low, grey, color="#e3e3e3", linewidth=0, zorder=0)
    ax.plot(x, x, color=GREY, linewidth=1, linestyle="--")
    ax.text(
        0.985,
        0.03,
        "t < τ: faster than\nthe model can see",
        transform=ax.transAxes,
        ha="right",
        va="bottom",
        fontsize=8.5,
        color="#555555",
    )
    ax.axvline(chosen_time, color=RED, linewidth=1, linestyle=":")
    ax.set(xlim=tuple(x), ylim=(low, high), xlabel="lag time τ (ps)")
    ax.set_title(heading, loc="left")


def implied_timescales(run):
    file = run.need("msm")
    tau = file["timescales/lag_time"]
    if len(tau) < 2:
        raise Missing("only one lag time: give several in lag_times_ps")
    internal, internal_error = file["timescales/internal"], file["timescales/internal_error"]
    chosen = run.chosen
    with_supercell = "timescales/supercell" in file
    figure, axes = panels(2 if with_supercell else 1, 3.6, bottom=0.145, top=0.91, wspace=0.2)
    followed = followed_modes(file, internal, internal_error)
    if followed is None:
        _timescale_panel(axes[0, 0], tau, internal, internal_error, chosen.lag_time, "within the unit cell")
    else:
        heading = "within the unit cell, followed by eigenvector"
        _timescale_panel(axes[0, 0], tau, followed[0], followed[1], chosen.lag_time, heading)
    if with_supercell:
        _timescale_panel(
            axes[0, 1],
            tau,
            file["timescales/supercell"],
            file["timescales/supercell_error"],
            chosen.lag_time,
            "of the simulated cell",
        )
    axes[0, 0].set_ylabel("implied timescale t = −τ / ln |λ| (ps)")
    row = int(np.argmin(np.abs(tau - chosen.lag_time)))
    degenerate = (
        [(n, t) for n, t in zip(followed[2], followed[0][row]) if n > 1 and is_number(t)]
        if followed is not None
        else []
    )
    endless = int(np.isinf(internal[row]).sum())
    slow = np.flatnonzero(np.isfinite(internal[row]) & np.isfinite(internal[-1]) & (internal[row] > 0))
    if row == len(tau) - 1 or not len(slow):
        title = (
            "The chosen lag is the longest: no longer lag is left to test the timescales"
            if row == len(tau) - 1
            else "No finite timescale to follow"
        )
    else:
        mode = slow[0]
        now, later = internal[row, mode], internal[-1, mode]
        error = math.hypot(
            *(
                value if is_number(value) else 0.0
                for value in (internal_error[row, mode], internal_error[-1, mode])
            )
        )
        change = (
            f"from {plain(now, 2)} to {plain(later, 2)} ps between lags {exact(chosen.lag_time)} and"
            f" {exact(tau[-1])} ps"
        )
        if error > 0 and abs(later - now) <= 2 * error:
            title = f"The slowest relaxation levels off: {change}, within its errors"
        else:
            title = f"The slowest relaxation still moves {change}: not fully Markovian"
    caption = (
        "Relaxation times that the model reads from its eigenvalues. Markovian dynamics give flat lines above"
        " the grey region; bands are one standard error, the dotted line is the chosen lag. Left: exchange"
        " between sites within a unit cell"
        + (
            ", each mode followed from lag to lag by its eigenvector, so that lines may cross"
            + (
                f" ({joined(f'{int(n)} modes at {plain(t, 2)} ps' for n, t in degenerate)} are degenerate)"
                if degenerate
                else ""
            )
            if followed is not None
            else ""
        )
        + ". Right: all modes that fit the simulated cell; the slowest of"
        " these are waves of concentration, that is diffusion over the box."
    )
    if endless > 1:
        caption += (
            f" {endless} modes within the unit cell never relax (closed classes, see there) and are not"
            " drawn."
        )
    return title, figure, caption


def chapman_kolmogorov(run):
    file = run.need("msm")
    n, error, median, high = (
        np.asarray(file[f"chapman_kolmogorov/{name}"], dtype=float)
        for name in ("n", "error", "floor_median", "floor_95")
    )
    if not len(n):
        raise Missing("no chain length fits into the data")
    tau = float(file.attr("chapman_kolmogorov", "lag_time"))
    figure, axes = panels(1, 3.2, bottom=0.205, top=0.96)
    ax = axes[0, 0]
    ax.fill_between(n, 0, high, color="#e6e9ed", linewidth=0, label="sampling noise alone, 95 %")
    ax.plot(n, median, color=GREY, linestyle="--", linewidth=1.2, label="sampling noise alone, median")
    ax.plot(n, error, "o-", color=BLUE, label="err(n) of the model")
    log_axis(ax.xaxis)
    ax.set_xticks(n, [f"{int(m)}\n{exact(m * tau)} ps" for m in n])
    ax.minorticks_off()
    ax.set_ylim(0, None)
    ax.set(xlabel="chain length n, and the time n τ it spans", ylabel="err(n)")
    ax.legend(loc="upper left")
    outside = n[error > high]
    ratio = float(np.max(error / np.maximum(high, 1e-300)))
    if not len(outside):
        title = (
            f"Chapman-Kolmogorov: the model at τ = {exact(tau)} ps predicts longer times to within sampling"
            " noise"
        )
    else:
        title = (
            f"Chapman-Kolmogorov: at n = {joined(str(int(m)) for m in outside)} the error exceeds sampling"
            f" noise (by up to {plain(ratio, 2)} times the 95 % level)"
        )
    caption = (
        "Relative difference (matrix 2-norm) between the model applied n times and what was counted at n"
        " times the lag. A perfect Markov process would give the grey region from finite data alone, so only"
        " what rises above it speaks against the model."
    )
    return title, figure, caption


def spectrum(run):
    chosen = run.chosen
    modulus = np.hypot(chosen["spectrum/eigenvalue_re"], chosen["spectrum/eigenvalue_im"])
    kappa = chosen["spectrum/kappa"]
    inside = np.all(np.abs(kappa) < 1e-9, axis=1)
    index = np.arange(1, len(modulus) + 1)
    figure, axes = panels(1, 3.1, bottom=0.15, top=0.97)
    ax = axes[0, 0]
    small = 4.5 if len(modulus) < 400 else 2.5
    ax.plot(
        index[~inside],
        modulus[~inside],
        "o",
        markersize=small,
        markerfacecolor="white",
        markeredgecolor=ORANGE,
        markeredgewidth=1.1,
        label="waves over several unit cells (k ≠ 0)",
    )
    ax.plot(
        index[inside],
        modulus[inside],
        "o",
        markersize=small,
        color=BLUE,
        markeredgewidth=0,
        label="within the unit cell (k = 0)",
    )
    threshold = math.exp(-1)
    ax.axhline(threshold, color=GREY, linestyle="--", linewidth=1)
    ax.text(0.6, threshold, "1/e: relaxes in one lag", ha="left", va="bottom", fontsize=8.5, color="#555555")
    ax.set(xlabel="index by falling modulus", ylabel="|λ|", ylim=(-0.02, 1.03), xlim=(0, len(modulus) + 1))
    ax.legend(loc="lower left" if modulus[: max(len(modulus) // 3, 1)].min() > 0.4 else "upper right")
    slow = modulus > threshold
    units = int((modulus > 1 - 1e-10).sum())
    title = (
        f"{int(slow.sum())} of {len(modulus)} modes outlive a lag of {exact(chosen.lag_time)} ps, "
        f"{int((slow & ~inside).sum())} of them waves over several unit cells"
    )
    caption = (
        f"Moduli of the eigenvalues of the transition matrix of the simulated cell. {units}"
        f" {'is' if units == 1 else 'are'} exactly"
        f" 1{' (the equilibrium distribution)' if units == 1 else ' (one per closed class and wave)'}. Open"
        " circles near 1 are mostly diffusion across the box and depend on its size; only filled ones belong"
        " to the crystal's own relaxation."
    )
    return title, figure, caption
