"""Walkers of the mesoscale run against exact answers. Parts as in mesoscale.py."""

import math

import numpy as np
from matplotlib.lines import Line2D
from matplotlib.patches import Patch

from .canvas import (
    AXIS_COLOURS,
    BLUE,
    INK,
    RED,
    SERIES,
    corner_text,
    distance_bars,
    distance_marks,
    log_axis,
    panels,
    panels_in_pairs,
)
from .dynamics import finite_or_nan
from .figures import band
from .markup import escape, table
from .meso_file import (
    FACES,
    LATTICE,
    Inapplicable,
    binned,
    deviations,
    faces_of,
    farthest,
    flux_axis,
    is_driven,
    graded,
    largest,
    layers,
    need,
    on_time_axis,
    open_faces,
    option,
    share_within,
    shares_of,
    signed,
    spread_over,
    starts_in_equilibrium,
    steady_layers,
    time_scale,
    top_of,
)
from .numbers import AXES, exact, grouped, is_number, percent, plain, rounded_duration, with_error
from .run import Missing

CLOSE = 3.0  # standard errors: the largest of a few that chance brings about

# --- walkers: displacements ---


def displacements(run):
    file = need(run, "walkers")
    if "walkers/msd" not in file:
        if open_faces(file):
            raise Inapplicable("walkers come and go: they have no displacements")
        raise Missing("meso.h5 holds no walkers/msd")
    return file


def walker_msd(run):
    file = displacements(run)
    time, msd, error = (finite_or_nan(file[f"walkers/{n}"]) for n in ("time", "msd", "msd_error"))
    expected = finite_or_nan(file["walkers/exact_msd"]) if "walkers/exact_msd" in file else None
    group = "walkers/diffusivity"
    D, spread = finite_or_nan(file[f"{group}/D"]), finite_or_nan(file[f"{group}/error"])
    known = finite_or_nan(file[f"{group}/exact"]) if f"{group}/exact" in file else None
    two = expected is not None or known is not None
    figure, axes = panels(
        1,
        4.3 if two else 3.2,
        left=0.085,
        n_rows=2 if two else 1,
        bottom=0.12 if two else 0.16,
        top=0.965,
        sharex=True,
        gridspec_kw={"height_ratios": (2.1, 1)} if two else {},
    )
    upper, lower = axes[0, 0], axes[-1, 0]
    scale, unit = time_scale(time[-1])
    t, worst, inside = time * scale, math.nan, math.nan
    z = np.full((len(time), 3), np.nan)
    for a in range(3):
        if expected is not None:
            upper.plot(t, expected[:, a, a], color=AXIS_COLOURS[a], linewidth=1.2)
            z[:, a] = deviations(msd[:, a, a], expected[:, a, a], error[:, a, a])
            lower.plot(t, z[:, a], "o", markersize=3.5, color=AXIS_COLOURS[a])
        elif known is not None and known[a, a] > 0:
            upper.plot(t, 2 * known[a, a] * time, "--", color=AXIS_COLOURS[a], linewidth=1.1)
            ratio, width = (v[:, a, a] / (2 * known[a, a] * time) for v in (msd, error))
            lower.errorbar(t, ratio, yerr=width, fmt="o", markersize=3.5, color=AXIS_COLOURS[a], linewidth=1)
        upper.errorbar(
            t,
            msd[:, a, a],
            yerr=error[:, a, a],
            fmt="o",
            markersize=4,
            linewidth=1,
            color=AXIS_COLOURS[a],
            label=f"along {AXES[a]}",
        )
    log_axis(upper.yaxis, few=True)
    log_axis(lower.xaxis, few=True)
    upper.set_ylabel("MSD (Å²)")
    lower.set_xlabel(f"time ({unit})")
    handles, labels = upper.get_legend_handles_labels()
    if expected is not None:
        worst, inside = largest(z), share_within(z)
        limit = max(3.2, 1.15 * (worst if is_number(worst) else 0))
        lower.axhspan(-2, 2, color="#eef1f4", linewidth=0)
        lower.axhline(0, color=INK, linewidth=1)
        lower.set(ylim=(-limit, limit), ylabel="difference /\nstandard error")
        handles.append(Line2D([], [], color=INK, linewidth=1.2))
        labels.append("exact, from the moments of the kernel")
    elif known is not None:
        lower.axhline(1, color=INK, linewidth=1)
        lower.set(ylabel="MSD / 2Dt")
        handles.append(Line2D([], [], color=INK, linestyle="--", linewidth=1.1))
        labels.append("2Dt of the exact D")
    upper.legend(handles, labels, loc="upper left")

    n = f"{grouped(file.attr('walkers', 'n_walkers'))} walkers"
    shares = [spread[a, a] / D[a, a] for a in range(3) if D[a, a] > 0]
    if known is not None:
        far = farthest(file[f"{group}/z"])
        title = (
            f"{n} reproduce the exact D within {plain(far, 2)} standard errors"
            if far <= CLOSE
            else f"{n} miss the exact D by {plain(far, 2)} standard errors: look closer"
        )
    else:
        title = f"{n} diffuse with D = {' / '.join(plain(v) for v in np.diag(D))} Å²/ps along x / y / z"
    if shares and is_number(max(shares)):
        low, high = (percent(v, 2 if v < 0.001 else 1) for v in (min(shares), max(shares)))
        title += f" (one is {low if low == high else f'{low} to {high}'} of D)"
    caption = (
        "Mean square displacement of independent walkers (dots, one standard error from"
        f" {grouped(file.attr(group, 'n_batches'))} batches)"
    )
    if expected is not None:
        caption += (
            f" on the exact curve, and the difference in standard errors; the largest is {plain(worst, 2)},"
            f" {percent(inside, 0)} lie in the grey strip of ±2 where 95 % should. Points of one walk are"
            " correlated: neighbours deviate together."
        )
        if not starts_in_equilibrium(file):
            caption += " These walkers do not start in equilibrium, as the exact curve does."
    elif known is not None:
        caption += (
            ". Dashed: 2Dt with the exact D of the domain. Walkers first see the material they start in,"
            " later the whole: the ratio below goes to 1."
        )
    else:
        caption += "."
    return title, figure, caption, walker_table(file)


def walker_table(file):
    group = "walkers/diffusivity"
    D, spread, drift = (finite_or_nan(file[f"{group}/{name}"]) for name in ("D", "error", "drift"))
    known = finite_or_nan(file[f"{group}/exact"]) if f"{group}/exact" in file else None
    z = file[f"{group}/z"] if f"{group}/z" in file else [math.nan] * 3
    rows = []
    for a in range(3):
        cells = [AXES[a], escape(with_error(D[a, a], spread[a, a]))]
        if known is not None:
            cells += [escape(plain(known[a, a], 4)), signed(z[a])]
        speed, its_error = drift[0][a], drift[1][a]
        rows.append(cells + [signed(speed / its_error) if its_error > 0 else "–"])
    header = ["axis", "D of the walkers (Å²/ps)"]
    header += ["exact (Å²/ps)", "difference (standard errors)"] if known is not None else []
    text = table(header + ["drift (standard errors)"], rows, numeric=range(1, len(header) + 1))
    begin, end = (float(file.attr(group, name)) for name in ("from_ps", "to_ps"))
    stopped = int(file.attr("walkers", "stopped_early", 0))
    return text + (
        '<p class="note">Half the slope of the covariance of displacements between'
        f" {escape(rounded_duration(begin))}"
        f" and {escape(rounded_duration(end))}; {grouped(file.attr('walkers', 'n_origins', 1))} time"
        " origin(s)"
        f" per walker, {escape(file.attr('walkers', 'time', 'discrete'))}"
        f" time{'; stopped when the wanted precision was reached' if stopped else ''}.</p>"
    )


def walker_scattering(run):
    file = displacements(run)
    if "walkers/scattering" not in file:
        raise Inapplicable("nothing moves far enough for a wave")
    k, seen, error = (
        finite_or_nan(file[f"walkers/scattering/{name}"]) for name in ("wave_vector", "F_s", "error")
    )
    expected = None
    if "walkers/scattering/exact" in file:
        expected = finite_or_nan(file["walkers/scattering/exact"])
    time = finite_or_nan(file["walkers/time"])
    scale, unit = time_scale(time[-1])
    along = np.argmax(np.abs(k), axis=1)
    used = [a for a in range(3) if np.any(along == a)]
    figure, axes = panels(len(used), 3.1, left=0.075, bottom=0.155, top=0.90, wspace=0.12, sharey=True)
    for ax, a in zip(axes[0], used):
        for place, q in enumerate(np.flatnonzero(along == a)):
            colour = SERIES[place % len(SERIES)]
            if expected is not None:
                ax.plot(time * scale, expected[:, q], "-", color=colour, linewidth=1.2)
            ax.errorbar(
                time * scale,
                seen[:, q],
                yerr=error[:, q],
                fmt="o",
                markersize=3.5,
                color=colour,
                linewidth=1,
                label=f"{plain(float(np.linalg.norm(k[q])))} Å⁻¹",
            )
        log_axis(ax.xaxis, few=True)
        ax.set(xlabel=f"time ({unit})", ylim=(min(-0.03, -1.1 * top_of(-seen[seen < 0], [0.02])), 1.04))
        ax.set_title(f"k along {AXES[a]}", loc="left")
        ax.legend(loc="lower left", title="k", title_fontsize=9)
    axes[0, 0].set_ylabel("Fₛ(k, t), real part")
    if expected is None:
        return (
            "Density waves fade as walkers spread",
            figure,
            "Self-intermediate scattering function of the walkers, one standard error.",
            "",
        )
    z = deviations(seen, expected, error)
    inside, far = share_within(z), largest(z)
    title = (
        f"Their density waves {'fade' if inside > 0.8 and far < 6 else 'do not fade'} as the kernel says:"
        f" {percent(inside, 0)} of the points lie within two standard errors, the worst at {plain(far, 2)}"
    )
    caption = (
        "Self-intermediate scattering function (points, one standard error) on the exact lines of the Bloch"
        " matrix, for a wave that hardly fades within the run, one that fades, and one that is gone soon. It"
        " sees all moments of the displacement, not only the second."
    )
    return title, figure, caption, ""


def walker_distances(run):
    file = displacements(run)
    group = "walkers/van_hove"
    if group not in file:
        raise Inapplicable("no time is short enough for single hops")
    time, counts = (finite_or_nan(file[f"{group}/{name}"]) for name in ("time", "counts"))
    expected = finite_or_nan(file[f"{group}/exact"]) if f"{group}/exact" in file else None
    width = float(file.attr(group, "bin_width"))
    total = counts.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        seen = np.where(total > 0, counts / total, np.nan)
    error = np.sqrt(seen * (1 - seen) / np.maximum(total, 1))
    shown = spread_over(len(time), 4)
    figure, axes, columns = panels_in_pairs(len(shown), 2.05)
    r = width * (np.arange(counts.shape[1] - 1) + 0.5)
    for place, ax in enumerate(axes.ravel()):
        if place >= len(shown):
            ax.set_axis_off()
            continue
        k = shown[place]
        moved = seen[k, 1:-1]
        both = np.maximum(moved, expected[k, 1:-1]) if expected is not None else moved
        reach = np.flatnonzero(np.cumsum(moved[::-1])[::-1] > 0.002 * max(moved.sum(), 1e-300))
        last = r[min(reach[-1] + 4, len(r) - 1)] if len(reach) else r[-1]
        keep = (np.arange(len(r)) > 0) & (r <= last)
        distance_bars(ax, r, width, keep, seen[k, :-1], error[k, :-1])
        start = f"still there: {with_error(100 * seen[k, 0], 100 * error[k, 0])} %"
        if expected is not None:
            lines = keep & (np.maximum(expected[k, :-1], seen[k, :-1]) > 1e-5)
            distance_marks(ax, r, width, lines, expected[k, :-1])
            start += f"\nexact: {plain(100 * expected[k, 0], 4)} %"
        ax.set(xlim=(0, last + width), ylim=(0, 130 * top_of(both)))
        ax.grid(axis="x", visible=False)
        ax.set_title(f"after {exact(time[k])} ps", loc="left")
        corner_text(ax, start)
        if place + columns >= len(shown):
            ax.set_xlabel("displacement (Å)")
        if place % columns == 0:
            ax.set_ylabel(f"walkers per {plain(width, 2)} Å (%)")
    marks = [Patch(color=BLUE, alpha=0.45, label="walkers, one standard error")]
    if expected is not None:
        marks.append(Line2D([], [], color=INK, linewidth=1.5, label="exact"))
    figure.legend(handles=marks, loc="upper center", ncol=2)
    title = "How far walkers are after some time"
    if expected is not None:
        often = expected * total >= 10
        chi = float((((counts - expected * total) ** 2)[often] / (expected * total)[often]).sum())
        free = int(often.sum()) - len(time)
        if free > 0:
            ratio = chi / free
            title = (
                f"They are as far away as the kernel says: χ² per bin is {plain(ratio)}"
                if ratio < 1 + 4 * math.sqrt(2 / free)
                else f"They are not as far away as the kernel says: χ² per bin is {plain(ratio)}"
            ) + f" (1 ± {plain(math.sqrt(2 / free), 2)} by chance)"
    caption = (
        "Van Hove function: distances of walkers from their start, those back on it written in the corner."
        + (" Black marks: the exact probability of the kernel." if expected is not None else "")
        + " Distances are those between sites, hence the spikes."
    )
    return title, figure, caption, ""


# --- walkers: where they are ---


def chi_square(seen, expected):
    """(chi^2 per layer, layers) against Poisson numbers; layers are joined until each should hold 10 walkers."""
    bins = max(1, min(len(expected), int(expected.sum() / 10)))
    _, a, width = binned(seen, bins)
    _, b, _ = binned(expected, bins)
    known = b > 0
    return (
        float(np.mean(((a - b) ** 2 * width)[known] / b[known])) if known.any() else math.nan,
        int(known.sum()),
    )


def walker_profile(run):
    file = need(run, "walkers/outputs")
    time, profile = (finite_or_nan(file[f"walkers/outputs/{n}"]) for n in ("time", "profile"))
    axis, _, step = layers(file, "walkers/outputs")
    n = profile.shape[1]
    expected, what = steady_layers(file, "walkers/outputs", n), "the exact steady state"
    crystal = len(file["domain/region"]) == 1 and not open_faces(file)
    if expected is None and crystal:
        expected, what = np.full(n, profile[-1].sum() / n), "equilibrium"
    if n < 2:
        raise Inapplicable("the domain has one layer")
    shown = spread_over(len(time), 4)
    middle, drawn, width = binned(profile[shown])
    figure, axes = panels(1, 3.1, left=0.085, bottom=0.155, top=0.95, right=0.82)
    ax = axes[0, 0]
    for place, (k, colour) in enumerate(zip(shown, graded(len(shown)))):
        last = place == len(shown) - 1
        error = np.sqrt(np.maximum(drawn[place], 1 / width) / width) if last else None
        band(
            ax,
            middle * step,
            drawn[place],
            error,
            colour,
            rounded_duration(time[k]),
            width=1.7 if last else 1.0,
        )
    if expected is not None:
        ax.plot(
            middle * step,
            binned(expected)[1],
            "--",
            color=INK,
            linewidth=1.3,
            label=what.split("exact ")[-1],
            zorder=4,
        )
    ax.set(xlabel=f"{LATTICE[axis]} (nm)", ylabel="walkers per layer of cells", xlim=(0, n * step))
    low, high = float(drawn.min()), float(drawn.max())
    ax.set_ylim(
        max(0, low - 0.6 * (high - low)) if low > 0.5 * high else 0, high + 0.12 * (high - low + 1e-9)
    )
    ax.legend(loc="center left", bbox_to_anchor=(1.0, 0.5))
    title = f"Where the walkers are along {LATTICE[axis]}, from the start to {rounded_duration(time[-1])}"
    if expected is not None:
        chi, count = chi_square(profile[-1], expected)
        chance = math.sqrt(2 / max(count, 1))
        if chi < 1 + 4 * chance:
            title = f"At the end walkers are spread as in {what}: χ² per layer is {plain(chi)}"
        else:
            title = (
                f"At the end walkers are not, or not yet, spread as in {what}: χ² per layer is {plain(chi)}"
            )
        title += f" (1 ± {plain(chance, 2)} by chance)"
    caption = (
        f"Walkers in each layer of cells along {LATTICE[axis]} at a few times (darker is later; the last with"
        " the standard error √N of their number)."
    )
    if len(width) < n:
        caption += f" {grouped(n)} layers are drawn as {len(width)} means."
    return title, figure, caption, ""


def intervals(time, most=24):
    """Outputs that cut the run into at most so many pieces of about equal length."""
    cuts = [0]
    for k in range(1, len(time)):
        if time[k] - time[cuts[-1]] >= 0.999 * time[-1] / most:
            cuts.append(k)
    if cuts[-1] != len(time) - 1:
        cuts[-1 if len(cuts) > 2 else len(cuts) :] = [len(time) - 1]
    return np.array(cuts)


def walker_flow(run):
    """What went through open faces and planes, against the steady state."""
    file = need(run, "walkers/outputs")
    faces = open_faces(file)
    if not faces:
        raise Inapplicable("no face lets ions in or out")
    group = "walkers/outputs"
    time, entered, left, through = (
        finite_or_nan(file[f"{group}/{name}"]) for name in ("time", "entered", "left", "through")
    )
    planes = np.asarray(file[f"{group}/planes"], dtype=int)
    axis, _, step = layers(file, group)
    scale, unit = time_scale(time[-1])
    half = int(np.argmin(np.abs(time - time[-1] / 2)))
    half = min(half, len(time) - 2) if len(time) > 1 else 0
    inflow = plane = None
    if "steady/flux" in file:
        inflow = finite_or_nan(file["steady/flux/inflow"]).ravel()
        if flux_axis(file) == axis:
            plane = finite_or_nan(file["steady/flux/plane_flux"])
    figure, axes = panels(2, 3.1, bottom=0.155, top=0.89, left=0.105, wspace=0.30)
    ax = axes[0, 0]
    net = entered - left
    for place, f in enumerate(faces):
        colour = SERIES[place]
        ax.plot(time * scale, net[:, f], color=colour, label=f"through face {FACES[f]}")
        spread = np.sqrt(entered[:, f] + left[:, f])
        if inflow is None:
            ax.fill_between(
                time * scale, net[:, f] - spread, net[:, f] + spread, color=colour, alpha=0.18, linewidth=0
            )
        else:
            ax.plot(
                time * scale, net[half, f] + inflow[f] * (time - time[half]), "--", color=INK, linewidth=1.1
            )
    ax.set_ylabel("ions that came in, net")
    on_time_axis(ax, time, scale, unit, straight=inflow is not None)
    handles, labels = ax.get_legend_handles_labels()
    if inflow is not None:
        handles.append(Line2D([], [], color=INK, linestyle="--", linewidth=1.1))
        labels.append("slope of the steady state")
    ax.legend(handles, labels)
    ax.set_title("through the faces", loc="left")

    ax = axes[0, 1]
    logarithmic = inflow is None and len(time) > 3 and time[1] < 0.02 * time[-1]
    cuts = np.arange(len(time)) if logarithmic else intervals(time)
    middle, length = (time[cuts[1:]] + time[cuts[:-1]]) / 2, np.diff(time[cuts])
    rate = np.diff(through[cuts], axis=0) / length[:, None]
    for place in range(len(planes)):
        ax.plot(
            middle * scale,
            rate[:, place],
            "o-",
            markersize=3,
            linewidth=1,
            color=SERIES[place % len(SERIES)],
            label=f"{plain(planes[place] * step)} nm",
        )
    if plane is not None:
        ax.axhline(float(np.mean(plane)), color=INK, linestyle="--", linewidth=1.2)
    ax.set_ylabel("ions per ps, net")
    on_time_axis(ax, time, scale, unit, straight=inflow is not None)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.35 * (high - low))
    ax.set_title(f"upwards through planes normal to {LATTICE[axis]}", loc="left")
    ax.legend(
        ncol=4,
        loc="upper center",
        title=f"plane at {LATTICE[axis]} =",
        title_fontsize=9,
        fontsize=8.5,
        handlelength=1.2,
        columnspacing=1.0,
    )

    gone = float(left[-1].sum())
    title = f"{grouped(gone)} walkers left the domain, {grouped(entered[-1].sum())} came in"
    caption = (
        "Left: ions that came in through each open face less those that left. Right: net flux through planes"
        " in pieces of the run."
    )
    count = np.asarray(file[f"{group}/profile"]).sum(axis=1)
    if inflow is not None and not is_driven(file):
        gain, chance = float(count[-1] - count[half]), math.sqrt(2 * max(count[-1], 1))
        title = (
            f"In the second half of the run the domain gains {with_error(gain, chance)} walkers, in the"
            " steady state none"
        )
    elif plane is not None and len(time) > 2:
        last = time[-1] - time[half]
        seen = float(np.mean(through[-1] - through[half])) / last
        held = faces_of(file)[1][2 * axis : 2 * axis + 2]
        steady = float(np.mean(plane))
        if abs(held[0] - held[1]) > 0:
            error = math.sqrt(held.sum() / abs(held[0] - held[1]) * abs(steady) / last)
            each = (through[-1] - through[half]) / last
            if np.ptp(each) > 8 * error:
                title = (
                    f"No steady state yet: in the second half of the run {plain(each.min())} to"
                    f" {plain(each.max())} ions/ps cross the planes, in the end it will be {plain(steady)}"
                )
            else:
                z = (seen - steady) / error if error > 0 else math.nan
                title = (
                    f"In the second half of the run {with_error(seen, error)} ions/ps cross the domain, in"
                    f" the steady state {plain(steady)}: {plain(abs(z), 2)} standard errors apart"
                )
            caption += (
                " The flux of the second half is the mean over the planes; its error counts the ions that"
                " cross in either direction as independent."
            )
    if inflow is not None:
        caption += " Dashed: the exact steady state, to the left its slopes from the middle of the run on."
    return title, figure, caption, ""


def exit_times(file):
    """Mean time at which walkers left, its error, their number, those still there."""
    n, total, squares = (
        finite_or_nan(file[f"walkers/exits/{name}"]) for name in ("n", "sum", "sum_of_squares")
    )
    count = float(n.sum())
    if count < 2:
        return math.nan, math.nan, count, float(file.attr("walkers", "n_at_end", 0))
    mean = total.sum() / count
    variance = max(squares.sum() / count - mean**2, 0.0) * count / (count - 1)
    return mean, math.sqrt(variance / count), count, float(file.attr("walkers", "n_at_end", 0))


def expected_exit(file):
    """Exact mean first passage time of walkers from their layers, NaN unless they start in equilibrium there."""
    if "steady/first_passage" not in file:
        return math.nan
    start = option(file, "meso.walkers", "start")
    if start not in ("", "equilibrium", "profile"):
        return math.nan
    by_layer = finite_or_nan(file["steady/first_passage/profile"])
    first = finite_or_nan(file["walkers/outputs/profile"])[0]
    if len(first) != len(by_layer) or not first.sum() > 0 or not np.isfinite(by_layer[first > 0]).all():
        return math.nan
    return float((first * np.nan_to_num(by_layer, posinf=0)).sum() / first.sum())


def walker_exits(run):
    file = need(run, "walkers")
    kinds, _ = faces_of(file)
    if "absorbing" not in kinds:
        raise Inapplicable("no face absorbs")
    if "reservoir" in kinds:
        raise Inapplicable("ions from reservoirs are among those that leave")
    if "walkers/exits" not in file:
        raise Inapplicable("no walker has left")
    mean, error, count, remain = exit_times(file)
    edges, counts = (finite_or_nan(file[f"walkers/exits/{name}"]) for name in ("edges", "counts"))
    faces = [f for f in open_faces(file) if counts[f].sum() > 0]
    if not faces:
        raise Inapplicable("no walker has left")
    used = np.flatnonzero(counts.sum(axis=0))
    first, last = used[0], used[-1] + 1
    group = max(1, math.ceil((last - first) / 60))
    cuts = np.arange(first, last + group, group).clip(max=last)
    cuts = np.unique(cuts)
    low, high = edges[cuts[:-1]], edges[cuts[1:]]
    scale, unit = time_scale(mean)
    figure, axes = panels(1, 3.0, bottom=0.16, top=0.95)
    ax = axes[0, 0]
    below = np.zeros(len(low))
    share = count + remain
    for place, f in enumerate(faces):
        density = (
            np.add.reduceat(counts[f][:last], cuts[:-1]) / share / np.log(high / np.maximum(low, 1e-300))
        )
        density = np.where(low > 0, density, 0.0)
        ax.bar(
            low * scale,
            density,
            width=(high - low) * scale,
            bottom=below,
            align="edge",
            linewidth=0,
            color=SERIES[place],
            alpha=0.6,
            label=f"through face {FACES[f]}",
        )
        below = below + density
    ax.axvline(mean * scale, color=INK, linewidth=1.4, label=f"mean of the walkers, {rounded_duration(mean)}")
    expected = expected_exit(file)
    if is_number(expected):
        ax.axvline(
            expected * scale,
            color=RED,
            linestyle="--",
            linewidth=1.4,
            label=f"exact mean, {rounded_duration(expected)}",
        )
    log_axis(ax.xaxis, few=True)
    passed = np.cumsum(counts.sum(axis=0)) / counts.sum()
    early = max(edges[np.searchsorted(passed, 2e-3)], edges[1] / 2)  # the first few would stretch the axis
    ax.set(
        xlabel=f"time at which a walker leaves ({unit})",
        ylabel="share per e-fold of time",
        xlim=(early * scale, edges[last] * scale),
    )
    ax.set_ylim(0, 1.15 * float(below.max()))
    ax.legend(loc="upper left")
    took = f"Walkers leave after {with_error(mean * scale, error * scale)} {unit} in the mean"
    if remain > 0:
        title = f"{took}, those that left: {percent(remain / share)} are still inside"
    elif is_number(expected):
        z = (mean - expected) / error if error > 0 else math.nan
        title = (
            f"{took}, exact is {plain(expected * scale, 4)} {unit}: {plain(abs(z), 2)} standard errors apart"
        )
    else:
        title = took
    caption = "First passage times to the open faces, in bins of equal width on the logarithmic scale."
    if is_number(expected):
        caption += " The exact mean is that of the layers in which these walkers started" + (
            "; it waits for those that are still inside, so that the mean of the others must lie below."
            if remain > 0
            else "."
        )
    elif "steady/first_passage" in file:
        caption += " The exact mean is that of an equilibrium start, which these walkers do not have."
    return title, figure, caption, ""


def walker_regions(run):
    file = need(run, "walkers/outputs")
    if len(file["domain/region"]) < 2:
        raise Inapplicable("there is one region")
    time, counts = (finite_or_nan(file[f"walkers/outputs/{n}"]) for n in ("time", "region"))
    names, counts, expected = shares_of(file, counts)
    total = counts.sum(axis=1, keepdims=True)
    with np.errstate(divide="ignore", invalid="ignore"):
        share = np.where(total > 0, counts / total, np.nan)
        error = np.sqrt(share * (1 - share) / total)
    scale, unit = time_scale(time[-1])
    figure, axes = panels(1, 3.0, bottom=0.16, top=0.95, right=0.76)
    ax = axes[0, 0]
    for place, name in enumerate(names):
        colour = SERIES[place % len(SERIES)]
        band(ax, time * scale, share[:, place], error[:, place], colour, name[:26], width=1.3)
        ax.axhline(expected[place], color=colour, linestyle="--", linewidth=1.1)
    on_time_axis(ax, time, scale, unit)
    ax.set_ylabel("share of the walkers")
    ax.set_ylim(0, 1.15 * top_of(share, expected))
    handles, labels = ax.get_legend_handles_labels()
    ax.legend(
        handles + [Line2D([], [], color=INK, linestyle="--", linewidth=1.1)],
        labels + ["equilibrium"],
        loc="center left",
        bbox_to_anchor=(1.0, 0.5),
    )
    chance = np.sqrt(expected * (1 - expected) / np.maximum(total[-1], 1))
    z = largest(deviations(share[-1], expected, chance))
    worst = int(np.nanargmax(np.abs(share[-1] - expected)))
    kinds = "regions" if len(file["domain/region"]) == len(names) else "materials"
    if not z > CLOSE:
        title = (
            f"At the end walkers are shared among {kinds} as in equilibrium, within {plain(z, 2)} standard"
            " errors"
        )
    else:
        title = (
            f"At the end {percent(share[-1, worst])} of the walkers are in {names[worst]}, in equilibrium it"
            f" would be {percent(expected[worst])}"
        )
    caption = (
        f"Share of the walkers in each of the {kinds}, with its standard error. Dashed: equilibrium, weight"
        " of the material times number of cells."
    )
    if is_driven(file):
        caption += " Open faces of different filling keep walkers away from there."
    return title, figure, caption, ""


# --- walkers as data ---


def walker_chain(run):
    """The Chapman-Kolmogorov test on walkers, which are Markovian for certain."""
    file = run.need("meso")
    if "chapman_kolmogorov" not in file:
        raise Inapplicable("walkers of a crystal in discrete time only")
    n, error, median, high = (
        finite_or_nan(file[f"chapman_kolmogorov/{name}"])
        for name in ("n", "error", "floor_median", "floor_95")
    )
    lag = float(file.attr("chapman_kolmogorov", "lag_time"))
    figure, axes = panels(1, 2.8, bottom=0.17, top=0.95)
    ax = axes[0, 0]
    ax.fill_between(n, 0, high, color="#e3e7ec", linewidth=0, label="95 % of what noise alone gives")
    ax.plot(n, median, "--", color=INK, linewidth=1.1, label="its median")
    ax.plot(n, error, "o-", color=BLUE, label="walkers")
    log_axis(ax.xaxis)
    ax.set(
        xlabel=f"n: chain of n lags of {exact(lag)} ps", ylabel="err(n)", ylim=(0, 1.15 * top_of(error, high))
    )
    ax.set_xticks(n, [exact(v) for v in n])
    ax.legend(loc="upper left")
    worst = largest(error / np.where(high > 0, high, np.nan))
    title = (
        "The test that judges the MD passes on walkers, which are Markovian for certain"
        if worst <= 1
        else (
            f"The test that judges the MD exceeds its noise {plain(worst, 2)} times on walkers, which are"
            " Markovian"
        )
    )
    caption = (
        f"Chapman-Kolmogorov test on {grouped(file.attr('chapman_kolmogorov', 'n_walkers'))} walkers of"
        f" {grouped(file.attr('chapman_kolmogorov', 'n_steps'))} steps, counted and estimated like an MD"
        " trajectory: a check of the test and of the walkers at once. Their kernel differs from the one they"
        f" walk by {plain(float(file.attr('chapman_kolmogorov', 'kernel_error')), 2)} in the 2-norm."
    )
    return title, figure, caption, ""
