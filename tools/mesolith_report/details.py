"""Sections made of text and tables: what a validated model tells beyond D. Each returns (title, HTML)."""

import math

import numpy as np

from .markup import badge, dense, escape, note, table, whole
from .numbers import (
    AXES,
    exact,
    grouped,
    is_number,
    joined,
    percent,
    plain,
    rounded_duration,
    student_t,
    with_error,
)
from .run import Missing

RANKS = ("cage", "channel (1D)", "layer (2D)", "network (3D)")
JOINT_LIMIT = 2.4  # the largest of three normal deviates stays below with 95 %
ODD_SITES = {
    "isolated": "no ion came or left",
    "never left": "ions came, none left",
    "never reached": "ions left, none came",
    "passed through": "ions came and left, but none returned to where it came from",
}


def flag(file, path, name):
    """An attribute that is 0 or 1, None when it is not there."""
    value = file.attr(path, name, "")
    return None if value == "" else bool(int(value))


def share_text(value):
    """14 %, 2.3 %, 0: no more digits than a share deserves, no minus zero."""
    if is_number(value) and abs(value) < 5e-4:
        return "0"
    return percent(value, 0 if is_number(value) and abs(value) >= 0.0995 else 1)


def yes_no(value):
    return "yes" if value else "no"


def quotient(a, b):
    return a / b if is_number(a) and is_number(b) and b > 0 else math.nan


def of_three(values, form=plain):
    return " / ".join(form(value) for value in values)


# --- how the model was made ---


def status(run):
    """Under the headline: a banner when the model is not Markovian, and how it was estimated."""
    file = run.need("msm")
    text = ""
    if flag(file, "/", "markovian") is False:
        reason = str(file.attr("/", "markovian_reason", ""))
        text += (
            '<div class="banner"><b>This model is not Markovian:</b> its D depends on the lag, read it as'
            f" an estimate at this lag only. {escape(reason)}</div>"
        )
    lines = []
    estimator = str(file.attr("/", "estimator", ""))
    if estimator:
        lines.append(
            f"<b>Estimator</b> {escape(estimator)}: {escape(file.attr('/', 'estimator_reason', ''))}."
        )
    if "pooling/level" in file:
        used = np.flatnonzero(np.asarray(file["pooling/used"]))
        if len(used):
            operations = int(file.attr("/", "symmetry_operations", 0))
            lines.append(
                f"<b>Pooling</b> {escape(file['pooling/level'][used[0]])}"
                + (f" ({operations} operations)" if operations > 1 else "")
                + f": {grouped(file['pooling/entries'][used[0]])} independent numbers."
            )
    reason = str(file.attr("blocks", "reason", "")) if "blocks" in file else ""
    if reason:
        lines.append(
            f"<b>Error bars</b> from {len(file['blocks/begin'])} time blocks of"
            f" {exact(float(file.attr('blocks', 'block_ps')))} ps: {escape(reason)}."
        )
    return text + (f'<p class="made">{"<br>".join(lines)}</p>' if lines else "")


def pooling(run):
    file = run.need("msm")
    level, entries, difference, used = (
        file[f"pooling/{name}"] for name in ("level", "entries", "half_difference", "used")
    )
    rows = []
    for k in range(len(level)):
        gained = quotient(difference[0], difference[k])
        rows.append(
            [
                escape(level[k]) + (" ◄ used" if used[k] else ""),
                grouped(entries[k]),
                plain(difference[k]),
                "" if k == 0 else plain(gained, 2),
            ]
        )
    content = table(
        ["counts pooled over", "independent numbers", "half against half, 2-norm", "times smaller"],
        rows,
        numeric=(1, 2, 3),
    ) + note(
        "Independent numbers are what the data have to determine at the chosen lag. Half against half is the"
        " largest difference between kernels made from the first and from the second half of the data: the"
        " noise of the model, which falls the more transitions share their counts. Pooling over symmetry that"
        " the crystal does not have would bias D; that is for the space group of the crystal to justify."
    )
    at = int(np.flatnonzero(used)[0]) if np.any(used) else 0
    if at == 0:
        return f"No pooling: {grouped(entries[0])} numbers come straight from the counts", content
    gained = quotient(difference[0], difference[at])
    title = f"Symmetry leaves {grouped(entries[at])} of {grouped(entries[0])} numbers to be measured"
    if is_number(gained):
        title += f"; two halves of the data then differ {plain(gained, 2)} times less"
    return title, content


def quantity_text(name):
    """D_xx as D<sub>xx</sub>, ln t_1 as ln t<sub>1</sub>."""
    head, underscore, tail = str(name).rpartition("_")
    return f"{escape(head)}<sub>{escape(tail)}</sub>" if underscore else escape(name)


def lag_table(run):
    """How the lag was chosen, under the picture of D against the lag."""
    file, lags = run.need("msm"), run.lags
    columns = ("usable", "testable", "agrees", "largest", "critical", "quantity", "lag", "resolution")
    usable, testable, agrees, largest, critical, quantity, other, resolution = (
        file[f"lag_selection/{name}"] for name in columns
    )
    names = file["lag_selection/quantities"]
    chosen, rows = run.chosen.index, []
    for k, lag in enumerate(lags):
        where = "–"
        if usable[k] and 0 <= quantity[k] < len(names) and largest[k] > 0:
            against = (
                "against the trajectory" if other[k] == k else f"against {exact(lags[other[k]].lag_time)} ps"
            )
            where = f"{quantity_text(names[quantity[k]])} {against}"
        rows.append(
            [
                f'<span class="whole">{exact(lag.lag_time)}{" ◄ chosen" if k == chosen else ""}</span>',
                yes_no(usable[k]),
                yes_no(testable[k]),
                yes_no(agrees[k]) if testable[k] else "–",
                plain(largest[k], 2) if usable[k] else "–",
                plain(critical[k], 2) if usable[k] else "–",
                where,
                percent(2 * resolution[k], 0) if testable[k] else "–",
            ]
        )
    header = ["τ (ps)", "counts suffice", "longer lag to test", "agrees with all longer"]
    header += ["largest difference (errors)", "noise stays below", "of", "change seen from"]
    return (
        f"<h3>How the lag was chosen</h3><p>{escape(file.attr('lag_selection', 'reason', ''))}</p>"
        + dense(table(header, rows, numeric=(4, 5, 7)))
        + note(
            "D, slow timescales and the growth of the MSD are compared with those at all longer lags, all in"
            " one test: the largest difference counts, against what nearly all resamplings stay below when every"
            " difference is noise. A change of D below the last column (two errors of a difference)"
            " would not have been seen: a lag agrees for want of data as well as for being right."
        )
    )


def errors(run):
    lags, file = run.lags, run.need("msm")
    rows, chosen = [], run.chosen
    for lag in lags:
        delta = np.diag(np.asarray(lag["diffusivity/delta_error"]))
        cells = [whole(exact(lag.lag_time) + (" ◄ chosen" if lag.index == chosen.index else ""))]
        for a in range(3):
            ratio = quotient(delta[a], lag.error[a, a])
            cells += [
                plain(lag.error[a, a], 2),
                plain(delta[a], 2),
                f"{ratio:.2f}" if is_number(ratio) else "–",
            ]
        rows.append(cells)
    header = ["τ (ps)"]
    for axis in AXES:
        header += [f"{axis}: bootstrap", f"{axis}: delta", "ratio"]
    blocks = len(file["blocks/begin"])
    factor = student_t(blocks - 1)
    intervals = [
        [
            f"<b>{AXES[a]}</b>",
            escape(with_error(chosen.D[a, a], chosen.error[a, a])),
            (
                f"{plain(max(chosen.D[a, a] - factor * chosen.error[a, a], 0.0))} to"
                f" {plain(chosen.D[a, a] + factor * chosen.error[a, a])}"
                if is_number(factor * chosen.error[a, a])
                else "–"
            ),
        ]
        for a in range(3)
    ]
    delta = np.diag(np.asarray(chosen["diffusivity/delta_error"]))
    ratios = np.array([quotient(delta[a], chosen.error[a, a]) for a in range(3)])
    known = ratios[np.isfinite(ratios) & (ratios > 0)]
    if len(known):
        title = (
            "Resampling and the delta method give the same standard error to within"
            f" {percent(float(np.abs(known - 1).max()), 0)} at the chosen lag"
        )
    else:
        title = "Standard errors of D"
    content = (
        dense(table(header, rows, numeric=tuple(range(1, 10))))
        + note(
            "Standard errors of D in Å²/ps, per axis and lag. Bootstrap: time blocks of all ions together are"
            " resampled. Delta method: from the derivative of D by each transition probability, to first"
            " order. A ratio far from 1 means few counts: D then depends on them so strongly that neither is"
            " exact."
        )
        + "<h3>Intervals</h3>"
        + table(["axis", "D (Å²/ps)", "95 % interval (Å²/ps)"], intervals, numeric=(1, 2))
        + note(
            f"The error itself is known from {blocks} time blocks only. The truth therefore lies with 95 %"
            f" within ± {plain(factor)} standard errors (Student's t, {blocks - 1} degrees of freedom), not"
            " within ± 1.96."
        )
    )
    return title, content


# --- against molecular dynamics ---


def against_md(run):
    file = run.need("msm")
    tracer, tracer_error, model, model_error, z = (
        np.asarray(file[f"direct/{name}"]) for name in ("tracer", "tracer_error", "model", "model_error", "z")
    )
    begin, end = file.attr("direct", "window_ps")
    z_mean = float(file.attr("direct", "z_mean", math.nan))
    like_with_like = "direct/model_window" in file

    def axes(values, spread):
        return [escape(with_error(values[a], spread[a])) for a in range(3)]

    def signed(value):
        return f"{value:+.1f}".replace("-", "−") if is_number(value) else plain(value)

    window = f"{exact(round(float(begin), 3))} to {exact(round(float(end), 3))} ps"
    rows = [
        [f"D* of the MD: slope of the MSD / 2, {window}"]
        + axes(tracer, tracer_error)
        + [escape(with_error(*file["direct/tracer_mean"]))]
    ]
    if like_with_like:
        within, within_error = file["direct/model_window"], file["direct/model_window_error"]
        rows.append(
            ["of the model: the same fit to its MSD"] + axes(within, within_error) + [plain(np.mean(within))]
        )
    difference = (
        ["model − MD (standard errors of the difference)"] + [signed(v) for v in z] + [signed(z_mean)]
    )
    long_time = ["D of the model at long times"] + axes(model, model_error) + [plain(np.mean(model))]
    rows += [difference, long_time] if like_with_like else [long_time, difference]
    if flag(file, "direct", "has_collective"):
        for label, name in (
            ("D<sub>J</sub> of the charge, MD", "collective"),
            ("Haven ratio D* / D<sub>J</sub>", "haven"),
        ):
            rows.append(
                [label]
                + axes(file[f"direct/{name}"], file[f"direct/{name}_error"])
                + [escape(with_error(*file[f"direct/{name}_mean"]))]
            )
    content = table(["Å²/ps", *AXES, "mean"], rows, numeric=(1, 2, 3, 4))
    ions = int(file.attr("direct", "n_ions", 0))
    windows = float(file.attr("direct", "windows", math.nan))
    text = (
        f"Method: {file.attr('direct', 'method', '')}; errors from {int(file.attr('direct', 'n_blocks', 0))}"
        " time blocks. Model and MD rest on the same motion, so that their difference is known better than"
        " either error suggests."
    )
    if flag(file, "direct", "straight") is False:
        text += " No stretch of the MSD is straight within its errors: D* still depends on the window."
    if like_with_like:
        text += (
            " Compared are slopes between the same times; D at long times may lie apart from both as long as"
            " slow relaxation still bends the MSD."
        )
    if flag(file, "direct", "has_collective") and is_number(windows):
        text += (
            f" Collective values see one system instead of {grouped(ions)} ions: about {plain(windows, 2)}"
            f" independent windows of {exact(round(float(end), 3))} ps stand behind them, a relative error"
            f" near {percent(math.sqrt(2 / windows) if windows > 0 else math.nan, 0)} per axis if only the"
            " longest counted. Read D_J and the Haven ratio with that in mind."
        )
    known = [(abs(v), f"along {axis}") for v, axis in zip(z, AXES) if is_number(v)]
    known += [(abs(z_mean), "in the mean of the axes")] if is_number(z_mean) else []
    what = "in the same window " if like_with_like else ""
    if not known:
        title = "The model beside the MD"
    else:
        largest, where = max(known)
        if largest <= JOINT_LIMIT:
            title = f"Model and MD agree {what}within {plain(largest, 2)} standard errors along every axis"
        else:
            title = f"Model and MD differ {what}by {plain(largest, 2)} standard errors {where}"
    return title, content + note(text)


def rates(run):
    file = run.need("msm")
    method, text, accepted = (file[f"rates/{name}"] for name in ("method", "text", "accepted"))
    D, error = np.asarray(file["rates/D"]), np.asarray(file["rates/error"])
    if not len(method):
        raise Missing("no rates are stored")
    rows = []
    for k in range(len(method)):
        rows.append(
            [f"<b>{whole(method[k])}</b><br>{'accepted' if accepted[k] else 'refused'}"]
            + [whole(with_error(D[k, a, a], error[k, a, a])) for a in range(3)]
            + [escape(text[k])]
        )
    content = dense(
        table(["rates from", *(f"D<sub>{a}</sub> (Å²/ps)" for a in AXES), "why"], rows, numeric=(1, 2, 3))
    ) + note(
        "Three ways to hopping rates in continuous time. All rates must be positive; a logarithm that has too"
        " many negative ones is refused, its D is shown for comparison only. Rates from single jumps count"
        " each recrossing as an independent step and overestimate D by as much as they exceed the others."
    )
    refused = [str(method[k]) for k in range(len(method)) if not accepted[k]]
    title = f"{len(method) - len(refused)} of {len(method)} ways lead to valid rates"
    names = [str(m) for m in method]
    if "jump events" in names and "uniformised" in names:
        factor = quotient(*(np.trace(D[names.index(name)]) for name in ("jump events", "uniformised")))
        if is_number(factor) and factor > 0:
            title += f"; counting every jump gives a mean D {plain(factor)} times that of the model"
    return title, content


# --- how ions stay and travel ---


def residence_table(run):
    file = run.need("msm")
    orbit = file["residence/orbit"]
    mean, mean_error, ratio, distance, limit = (
        file[f"residence/{name}"]
        for name in ("mean", "mean_error", "median_ratio", "distance", "distance_limit")
    )
    stays, ended, median = (file[f"residence/{name}"] for name in ("stays", "ended", "median"))
    rows = [
        [
            f"<b>{escape(orbit[k])}</b>",
            grouped(stays[k]),
            grouped(ended[k]),
            escape(with_error(mean[k], mean_error[k])),
            plain(median[k]),
            plain(ratio[k], 2),
            f"{plain(distance[k], 2)} ({plain(limit[k], 2)})",
            yes_no(distance[k] <= limit[k]) if is_number(distance[k]) else "–",
        ]
        for k in range(len(orbit))
    ]
    header = ["site", "stays", "end seen", "mean (ps)", "median (ps)", "median / (mean ln 2)"]
    header += ["distance from exponential (5 % limit)", "exponential"]
    return table(header, rows, numeric=(1, 2, 3, 4, 5, 6))


def modes_table(run):
    file = run.need("msm")
    timescale, size, kind, participation, weight, share = (
        np.asarray(file[f"modes/{name}"])
        for name in ("timescale", "size", "kind", "participation", "orbit_weight", "share")
    )
    orbits = orbit_names(file)
    rows = []
    for m in range(len(timescale)):
        order = np.argsort(-weight[m])
        main = [
            f"{orbits[o] if o < len(orbits) else o + 1} {percent(weight[m, o], 0)}"
            for o in order[:4]
            if weight[m, o] >= 0.01
        ]
        stationary = not is_number(timescale[m])
        rows.append(
            [
                str(m + 1),
                plain(timescale[m]),
                str(int(size[m])),
                escape(str(kind[m]).replace("_", " ")),
                plain(participation[m]),
                escape(", ".join(main)),
                "–" if stationary else of_three(share[m], share_text),
            ]
        )
    header = [
        "mode",
        "timescale (ps)",
        "degeneracy",
        "kind",
        "sites that take part",
        "weight by kind of site",
    ]
    header += ["share of the correlation part of D, x / y / z"]
    return dense(table(header, rows, numeric=(0, 1, 2, 4))) + note(
        "Modes within the unit cell, slowest first; those of equal eigenvalue stand in one line. Kinds:"
        " stationary (equilibrium), channel exchange or orbit exchange (populations of whole channels or"
        " kinds of sites relax against each other), localised (few sites), channel (spread inside a channel"
        " or network), mixed. The correlation part is what D falls short of independent steps by; a mode of"
        " share 0 relaxes without carrying Li anywhere; faster modes that are not listed carry the rest."
    )


def orbit_names(file):
    """In the order of modes/orbit_weight."""
    if "residence/orbit" in file:
        return [str(name) for name in file["residence/orbit"]]
    return [str(name) for name in file["orbits/name"]] if "orbits/name" in file else []


def matrix(names, values, form):
    rows = [
        [f"<b>{escape(names[a])}</b>"] + ["" if a == b else form(values[a][b]) for b in range(len(names))]
        for a in range(len(names))
    ]
    return dense(
        table(["from \\ to", *(escape(n) for n in names)], rows, numeric=tuple(range(1, len(names) + 1)))
    )


def passages(run):
    file, chosen = run.need("msm"), run.chosen
    name, share, rank, of_site, escape_time = (
        np.asarray(file[f"channels/{key}"]) for key in ("name", "share", "rank", "of_site", "escape_time")
    )
    stationary = np.asarray(chosen["kernel/stationary"])
    sites = file["basis/name"]
    rows = []
    for c in range(len(name)):
        inside = of_site == c
        weight = stationary[inside]
        total = weight.sum()
        kept = weight > 0  # 0 x inf is nothing, not NaN
        mean = float(np.sum(weight[kept] * escape_time[inside][kept]) / total) if total > 0 else math.nan
        rows.append(
            [
                escape(name[c]),
                str(int(inside.sum())),
                percent(share[c]),
                RANKS[int(rank[c])] if 0 <= rank[c] < len(RANKS) else str(rank[c]),
                "never" if math.isinf(mean) else rounded_duration(mean),
            ]
        )
    content = "<h3>Channels</h3>" + table(
        ["sites that exchange by fast hops", "sites", "share of Li", "leads on in", "mean time to leave it"],
        rows,
        numeric=(1, 2),
    )
    gap = float(file.attr("channels", "gap", math.nan))
    content += note(
        "Bonds are cut where their strengths leave the largest gap"
        + (
            f": the weakest bond inside is {plain(gap, 2)} times the strongest between."
            if is_number(gap)
            else ", and none was found here: all bonds count."
        )
    )
    orbits = [str(o) for o in file["first_passage/orbit"]]
    time, rate = np.asarray(file["first_passage/time"]), np.asarray(file["first_passage/rate"])
    if len(orbits) > 1:
        content += "<h3>Mean time from one kind of site to another (ps)</h3>" + matrix(orbits, time, plain)
        content += "<h3>Rate between kinds of sites (1/ps)</h3>" + matrix(orbits, rate, lambda v: plain(v, 2))
        content += note(
            "Mean first passage from an ion on the row's sites to any site of the column. Rates: number of"
            " reactive passages per time and ion on its way from there (transition path theory)."
        )
    next_cell, slab, plane = (
        np.asarray(file[f"first_passage/{key}"])
        for key in ("next_cell", "slab_diffusivity", "plane_diffusivity")
    )
    content += "<h3>Across unit cells</h3>" + table(
        [
            "along",
            "mean time to the next cell",
            "D across slabs, reactive paths (Å²/ps)",
            "from the tensor (Å²/ps)",
        ],
        [
            [f"<b>{'abc'[a]}</b>", rounded_duration(next_cell[a]), plain(slab[a], 5), plain(plane[a], 5)]
            for a in range(3)
        ],
        numeric=(1, 2, 3),
    )
    known = np.isfinite(slab) & np.isfinite(plane) & (np.abs(plane) > 0)
    if known.any():
        off = float(np.max(np.abs(slab[known] / plane[known] - 1)))
        content += note(
            "D across the planes of two lattice vectors, once from the current of reactive paths through"
            f" slabs of cells and once as n·D·n: two independent calculations, here equal to {plain(off, 1)}."
        )
    if len(name) == 1:
        what = (
            "All sites form one network"
            if int(rank[0]) == 3
            else f"All sites form one {str(name[0]).split(' ')[0]}"
        )
    else:
        travelling = int((rank >= 1).sum())
        what = (
            f"{len(name)} groups of sites exchange fast inside, {travelling} of them lead on to other cells"
        )
    finite = np.flatnonzero(np.isfinite(next_cell))
    if len(finite):
        fast, slow = finite[np.argmin(next_cell[finite])], finite[np.argmax(next_cell[finite])]
        alike = len(finite) == 3 and next_cell[slow] <= 1.2 * next_cell[fast]
        direction = "any lattice vector" if alike else "abc"[fast]
        what += f"; an ion needs {rounded_duration(next_cell[fast])} to the next cell along {direction}"
        if next_cell[slow] > 1.2 * next_cell[fast]:
            what += f", {rounded_duration(next_cell[slow])} along {'abc'[slow]}"
    return what, content


def odd_sites(run):
    file = run.need("msm")
    site, name, kind = (file[f"connectivity/{key}"] for key in ("site", "name", "kind"))
    if not len(site):
        return (
            "Every site exchanges ions with others",
            "<p>No site was isolated, never left, never reached or only passed through in these data.</p>",
        )
    rows = []
    for what in dict.fromkeys(str(k) for k in kind):
        names = [str(n) for n, k in zip(name, kind) if str(k) == what]
        rows.append(
            [
                f"<b>{escape(what)}</b>",
                str(len(names)),
                escape(ODD_SITES.get(what, "")),
                escape(", ".join(names)),
            ]
        )
    content = table(["", "sites", "meaning", "names"], rows, numeric=(1,)) + note(
        "Li on such sites adds nothing to D in this model. More data may show exchange that is rare."
    )
    return (
        f"{len(site)} of {len(file['basis/name'])} sites never exchanged ions both ways in these data",
        content,
    )


# --- what limits the error ---


def limits(run):
    file = run.need("msm")
    relative, wanted = (np.asarray(file[f"forecast/{key}"]) for key in ("relative_error", "wanted_time"))
    goal = float(file.attr("forecast", "goal"))
    names = file["basis/name"]
    content = table(
        ["axis", "relative error of D", f"data wanted for {percent(goal, 0)}"],
        [[f"<b>{AXES[a]}</b>", percent(relative[a]), rounded_duration(wanted[a])] for a in range(3)],
        numeric=(1, 2),
    )
    start, stop, R, displacement, seen, share = (
        np.asarray(file[f"forecast/{key}"]) for key in ("from", "to", "R", "displacement", "seen", "share")
    )
    rows = []
    for k in range(min(len(start), 12)):
        stays = start[k] == stop[k] and not np.any(R[k])
        cell = (
            "" if not np.any(R[k]) else f" in cell ({', '.join(str(int(r)) for r in R[k])})".replace("-", "−")
        )
        rows.append(
            [
                whole(names[start[k]]),
                "stays there" if stays else whole(f"{names[stop[k]]}{cell}"),
                plain(float(np.linalg.norm(displacement[k]))),
                grouped(seen[k]),
            ]
            + [share_text(share[k, a]) for a in range(3)]
        )
    if rows:
        content += "<h3>Transitions that make the error</h3>" + table(
            ["from", "to", "distance (Å)", "windows seen", "share of the variance: x", "y", "z"],
            rows,
            numeric=(2, 3, 4, 5, 6),
        )
    content += note(
        "Share of the sampling variance of D along each axis, by the delta method; a transition stands for"
        " its reverse and all that symmetry makes equivalent, counted in windows of the chosen lag (which"
        " overlap). Shares can be negative where counts of two transitions rise and fall together. Data in"
        " the second column are all the data that the goal takes, at an error that falls with the square root"
        " of time."
    )
    known = np.flatnonzero(np.isfinite(relative))
    if not len(known):
        return "What limits the error of D", content
    worst = known[np.argmax(relative[known])]
    title = f"D is known to {percent(relative[known].min(), 0)}"
    if percent(relative[worst], 0) != percent(relative[known].min(), 0):
        title += (
            f" along {AXES[known[np.argmin(relative[known])]]} and to {percent(relative[worst], 0)} along"
            f" {AXES[worst]}"
        )
    else:
        title += f" along {joined(AXES[a] for a in known)}"
    if relative[worst] > goal:
        title += (
            f"; {percent(goal, 0)} along {AXES[worst]} would take {rounded_duration(wanted[worst])} of data"
        )
    return title, content
