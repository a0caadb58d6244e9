"""A result folder made up after docs/files.md: right shapes and plausible numbers, no physics. Known values for the tests."""

import json
import os

import h5py
import numpy as np
from synthetic_meso import write_meso

CELL = np.diag([4.0, 8.0, 7.5])
SUPERCELL = np.diag([3, 2, 2])
BASIS = np.array(
    [[0, 0, 0], [2, 4, 0], [2, 1.5, 3.75], [0, 5.5, 3.75], [0.5, 2.5, 6.0], [2.5, 6.5, 6.0]], dtype=float
)
NAMES = ["Li1.1", "Li1.2", "Li2.1", "Li2.2", "Li3.1", "Li3.2"]
ORBIT = np.array([0, 0, 1, 1, 2, 2], dtype=np.int32)
D = np.array([0.0123, 0.0456, 0.00071])  # [A^2/ps], x y z at the chosen lag
D_ERROR = np.array([0.0011, 0.0021, 0.00031])
HOPS = np.array([812.0, 2291.0, 37.0])
LAGS = np.array([1.0, 2.0, 5.0, 10.0, 20.0])  # [ps]
CHOSEN = 2
TEXT = h5py.string_dtype("utf-8")


def put(group, path, data, units=""):
    if isinstance(data, list) and data and isinstance(data[0], str):
        dataset = group.create_dataset(path, data=data, dtype=TEXT)
    else:
        dataset = group.create_dataset(path, data=data)
    dataset.attrs["units"] = units
    return dataset


def put_root(file, stage, warnings=()):
    file.attrs.update(
        {
            "creator": "mesolith",
            "version": "9.9.9",
            "commit": "0123abc",
            "stage": stage,
            "seed": 7,
            "config": '[run]\nname = "synthetic"\n',
            "fingerprint": "f" * 64,
            "created": "2026-01-02T03:04:05Z",
            "inputs": json.dumps([{"path": "md.h5", "sha256": "ab" * 32, "bytes": 123456}]),
        }
    )
    file.attrs.create("warnings", np.array(list(warnings), dtype=object), shape=(len(warnings),), dtype=TEXT)


def supercell_sites():
    offsets = np.array([[i, j, k] for i in range(3) for j in range(2) for k in range(2)], dtype=np.int32)
    base = np.tile(np.arange(6, dtype=np.int32), len(offsets))
    offset = np.repeat(offsets, 6, axis=0)
    position = offset @ CELL + BASIS[base]
    return base, offset, position @ np.linalg.inv(SUPERCELL @ CELL)


def write_sites(folder, n_replicas=1):
    random = np.random.default_rng(1)
    base, offset, fractional = supercell_sites()
    with h5py.File(os.path.join(folder, "sites.h5"), "w") as file:
        put_root(file, "sites", ["framework drifts by 0.41 A"])
        put(file, "sites/cell", SUPERCELL @ CELL, "angstrom")
        put(file, "sites/fractional", fractional)
        put(file, "sites/base", base)
        put(file, "sites/offset", offset)
        put(file, "sites/supercell", SUPERCELL)
        put(file, "sites/orbit", ORBIT)
        put(file, "sites/name", NAMES)
        put(file, "sites/basis_cell", CELL, "angstrom")
        put(file, "sites/basis_positions", BASIS, "angstrom")
        framework = (offset[::6] @ CELL) + [1.0, 3.0, 2.0]
        put(file, "sites/framework_positions", framework, "angstrom")
        put(file, "sites/framework_species", ["Si"] * len(framework))
        file["sites"].attrs.update(
            {"space_group": "Pbam (55)", "assignment": "core", "core_radius": 0.9, "framework_rms": 0.12}
        )
        for k in range(n_replicas):
            group = file.create_group(f"trajectories/{k}")
            group.attrs.update(
                {
                    "n_frames": 20000,
                    "frame_interval": 0.05,
                    "n_ions": 70,
                    "source": f"md{k}.h5",
                    "format": "h5md",
                    "first_frame": 0,
                    "stride": 1,
                }
            )
            mean = np.array([0.984, 0.899, 1.0])[ORBIT[base]]
            put(group, "diagnostics/occupancy", mean + 0.01 * random.standard_normal(len(base)))
            distance = np.arange(90) * 0.02
            histogram = put(
                group,
                "diagnostics/distance_histogram",
                (1e6 * distance**2 * np.exp(-(distance**2) / 0.18)).astype(np.int64),
            )
            histogram.attrs["bin"] = 0.02
            group["diagnostics"].attrs.update(
                {
                    "doubly_occupied_fraction": 0.085,
                    "unassigned_fraction": 0.0,
                    "nearest_changes": 12051,
                    "core_hops": 2291,
                    "half_site_distance": 1.32,
                    "frames_read": 20200,
                    "frames_used": 20000,
                    "largest_step": 0.41,
                    "largest_step_frame": 17,
                    "steps_over_limit": 0,
                    "largest_drift": np.array([0.41, 0.34, 0.38]),
                    "final_drift": np.array([0.22, -0.06, 0.12]),
                    "variable_cell": 0,
                }
            )


def write_msm(folder, classes=2):
    random = np.random.default_rng(2)
    with h5py.File(os.path.join(folder, "msm.h5"), "w") as file:
        put_root(file, "msm", ["no trajectory covers the z axis well"])
        file.attrs.update(
            {
                "chosen_lag": CHOSEN,
                "chosen_lag_time": LAGS[CHOSEN],
                "agreement_sentence": "From 5 ps on the exact D agrees with the MSD slope along every axis.",
                "headline": "{}",
            }
        )
        put(file, "basis/cell", CELL)
        put(file, "basis/positions", BASIS)
        put(file, "basis/orbit", ORBIT)
        put(file, "basis/name", NAMES)
        put(file, "basis/supercell", SUPERCELL)
        put(file, "basis/simulated_cell", SUPERCELL @ CELL)
        _, offset, _ = supercell_sites()
        put(file, "basis/framework_positions", (offset[::6] @ CELL) + [1.0, 3.0, 2.0])
        put(file, "basis/framework_species", ["Si"] * 12)
        put(file, "orbits/name", ["Li1", "Li2", "Li3"])
        for index, tau in enumerate(LAGS):
            group = file.create_group(f"lags/{index}")
            group.attrs.update(
                {"lag_frames": int(tau / 0.05), "lag_time": tau, "skipped_windows": 0, "windows": 1000}
            )
            put(group, "counts/from", np.array([0, 0, 1, 2], dtype=np.int32))
            put(group, "counts/to", np.array([0, 1, 0, 2], dtype=np.int32))
            put(group, "counts/R", np.array([[0, 0, 0], [0, 0, 0], [0, 1, 0], [0, 0, 0]], dtype=np.int32))
            put(group, "counts/total", np.array([90, 10, 7, 50], dtype=np.int64))
            put(group, "kernel/column", np.array([0, 2, 3, 4, 5, 6, 7]))
            put(group, "kernel/to", np.array([0, 1, 0, 2, 3, 4, 5], dtype=np.int32))
            put(group, "kernel/R", np.zeros((7, 3), dtype=np.int32))
            put(group, "kernel/p", np.array([0.9, 0.1, 1.0, 1.0, 1.0, 1.0, 1.0]))
            put(group, "kernel/stationary", np.full(6, 1 / 6))
            factor = 1 + 0.6 * np.exp(-tau / 1.5)
            put(group, "diffusivity/D", np.diag(D * factor if index != CHOSEN else D), "angstrom^2/ps")
            put(group, "diffusivity/error", np.diag(D_ERROR - 1e-4) + 1e-4, "angstrom^2/ps")
            put(group, "diffusivity/samples", D + D_ERROR * random.standard_normal((50, 3)))
            put(group, "diffusivity/drift", np.zeros(3))
            put(group, "diffusivity/hops", HOPS)
            put(group, "diffusivity/model_slope", D * (1.05 + 0.6 * np.exp(-tau / 1.5)))
            put(group, "diffusivity/msd_slope", D * 1.04)
            group["diffusivity"].attrs["window_ps"] = np.array([max(5.0, tau), max(20.0, 2 * tau)])
            group["diffusivity"].attrs.update(
                {"z_msd": np.array([0.4, -0.7, 1.1]), "agrees": int(index >= CHOSEN)}
            )
            put(group, "classes/size", np.array([4, 2] if classes == 2 else [6]))
            put(group, "classes/weight", np.array([0.7, 0.3] if classes == 2 else [1.0]))
            put(
                group,
                "classes/D",
                np.array([np.diag(D) / 0.7, np.zeros((3, 3))] if classes == 2 else [np.diag(D)]),
            )
            put(
                group,
                "classes/sites",
                np.array([0, 0, 0, 0, 1, 1] if classes == 2 else [0] * 6, dtype=np.int32),
            )
            values = np.sort(np.concatenate([[1.0], np.exp(-tau * random.gamma(1.0, 0.12, 71))]))[::-1]
            put(group, "spectrum/eigenvalue_re", values)
            put(group, "spectrum/eigenvalue_im", np.zeros(72))
            kappa = random.integers(0, 2, (72, 3)) / [3, 2, 2]
            kappa[0] = 0
            put(group, "spectrum/kappa", kappa)
        rise = 1 - 0.5 * np.exp(-LAGS / 2)
        internal = np.array([40.0, 22.0, 9.0, 3.0]) * rise[:, None]
        internal = np.hstack([np.full((len(LAGS), 1), np.inf), internal])
        put(file, "timescales/lag_time", LAGS)
        put(file, "timescales/internal", internal, "ps")
        put(file, "timescales/internal_error", 0.12 * np.where(np.isfinite(internal), internal, np.nan))
        slow = np.array([160.0, 150.0, 70.0, 40.0, 39.0, 22.0]) * rise[:, None]
        put(file, "timescales/supercell", slow)
        put(file, "timescales/supercell_error", 0.1 * slow)
        n = np.array([2, 4, 8, 16])
        put(file, "chapman_kolmogorov/n", n)
        put(file, "chapman_kolmogorov/error", 0.02 * np.sqrt(n))
        put(file, "chapman_kolmogorov/floor_median", 0.018 * np.sqrt(n))
        put(file, "chapman_kolmogorov/floor_95", 0.03 * np.sqrt(n))
        file["chapman_kolmogorov"].attrs["lag_time"] = LAGS[CHOSEN]
        time = np.concatenate([[0.05, 0.1, 0.2, 0.5, 1, 2, 3], np.arange(5, 41, 2.5)])
        hop = 2 * D * time[:, None] + 0.3 * (1 - np.exp(-time[:, None] / 1.0))
        put(file, "msd/time", time)
        put(file, "msd/projected", hop)
        put(file, "msd/projected_error", 0.04 * hop)
        put(file, "msd/raw", hop + 0.35 * (1 - np.exp(-time[:, None] / 0.1)))
        put(file, "msd/raw_error", 0.05 * hop)
        model_time = LAGS[CHOSEN] * np.arange(1, 20)
        model = 2 * D * model_time[:, None] + 0.3
        put(file, "msd/model_time", model_time)
        put(file, "msd/model", model)
        put(file, "msd/model_error", 0.03 * model)
        for name in ("fit", "fit_projected"):
            put(file, f"msd/{name}/D", D * 1.02)
            put(file, f"msd/{name}/error", D_ERROR * 1.1)
            put(file, f"msd/{name}/intercept", np.full(3, 0.6))
            file[f"msd/{name}"].attrs["window_ps"] = np.array([5.0, 20.0])
        part = np.arange(1, 9) * 125.0
        put(file, "convergence/duration", part)
        put(
            file,
            "convergence/D",
            D * (1 + 0.3 * np.cos(part[:, None] / 200 + np.arange(3)) * np.sqrt(125 / part[:, None])),
        )
        put(file, "convergence/error", D_ERROR * np.sqrt(1000 / part[:, None]))
        hops = [
            (0, 1, (0, 0, 0), 900),
            (1, 0, (0, 0, 0), 890),
            (1, 0, (0, 1, 0), 700),
            (0, 1, (0, -1, 0), 690),
            (2, 3, (0, 0, 0), 120),
            (3, 2, (0, 0, 0), 118),
            (0, 2, (-1, 0, 0), 30),
            (2, 0, (1, 0, 0), 31),
            (4, 5, (0, 0, 0), 8),
            (5, 4, (0, 0, 0), 9),
        ]
        put(file, "network/from", np.array([h[0] for h in hops], dtype=np.int32))
        put(file, "network/to", np.array([h[1] for h in hops], dtype=np.int32))
        put(file, "network/R", np.array([h[2] for h in hops], dtype=np.int32))
        put(file, "network/count", np.array([h[3] for h in hops], dtype=np.int64))
        put(
            file,
            "network/displacement",
            np.array([np.array(h[2]) @ CELL + BASIS[h[1]] - BASIS[h[0]] for h in hops]),
        )
        wait = 0.05 * 2.0 ** np.arange(1, 12)
        every = np.array([300, 320, 260, 240, 200, 180, 160, 130, 90, 60, 20])
        put(file, "recrossings/waiting_time", wait)
        put(file, "recrossings/all_by_wait", every)
        put(file, "recrossings/back_by_wait", (every * np.exp(-wait / 4)).astype(int))
        file["recrossings"].attrs.update({"jumps": 2291, "back": 1260})
        for index, (name, verdict) in enumerate(
            [("MSD of the model", "pass"), ("implied timescales", "warn"), ("Chapman-Kolmogorov", "fail")]
        ):
            file.create_group(f"checks/{index}").attrs.update(
                {
                    "name": name,
                    "verdict": verdict,
                    "value": 1.5 + index,
                    "warn_above": 2.0,
                    "fail_above": 4.0,
                    "text": f"Finding {index}.",
                }
            )


def write_details(folder, markovian=1, odd_sites=("Li3.2",)):
    """What the Markov stage tells beyond D; added to the msm.h5 of write_msm."""
    without_details(folder)
    with h5py.File(os.path.join(folder, "msm.h5"), "a") as file:
        file.attrs.update(
            {
                "estimator": "reversible",
                "estimator_reason": "two sites are empty at times",
                "symmetry_operations": 8,
                "markovian": markovian,
                "markovian_reason": (
                    "5 ps is the shortest lag that agrees" if markovian else "no lag <agrees>"
                ),
            }
        )
        put(file, "blocks/trajectory", np.zeros(11, dtype=np.int64))
        put(file, "blocks/begin", 1800 * np.arange(11))
        put(file, "blocks/end", 1800 * np.arange(1, 12))
        file["blocks"].attrs.update({"block_ps": 90.0, "correlation_time_ps": 9.0, "reason": "slow along z"})
        for index in range(len(LAGS)):
            put(file, f"lags/{index}/diffusivity/delta_error", np.diag(D_ERROR) * 0.9)

        put(file, "lag_selection/usable", np.array([1, 1, 1, 1, 0]))
        put(file, "lag_selection/testable", np.array([1, 1, 1, 0, 0]))
        put(file, "lag_selection/agrees", np.array([0, 0, markovian, 0, 0]))
        put(file, "lag_selection/largest", np.array([12.5, 7.25, 1.75, 1.1, np.nan]))
        put(file, "lag_selection/critical", np.array([3.0, 3.0, 2.875, 2.5, np.nan]))
        put(file, "lag_selection/p", np.array([0.0, 0.0, 0.41, 0.5, np.nan]))
        put(file, "lag_selection/resolution", np.array([0.07, 0.06, 0.045, 0.0, 0.0]))
        put(file, "lag_selection/quantity", np.array([0, 3, 2, 4, 0]))
        put(file, "lag_selection/lag", np.array([2, 2, 3, 3, 0]))
        put(
            file,
            "lag_selection/quantities",
            ["D_xx", "D_yy", "D_zz", "ln t_1", "the growth of the MSD along x"],
        )
        file["lag_selection"].attrs.update(
            {"plateau": markovian, "reason": "5 ps is the shortest lag that agrees."}
        )

        put(file, "pooling/level", ["simulated cell", "translations", "space group"])
        put(file, "pooling/entries", np.array([1234, 321, 24]))
        put(file, "pooling/half_difference", np.array([0.4, 0.2, 0.05]))
        put(file, "pooling/used", np.array([0, 0, 1]))

        put(file, "direct/tracer", D * 1.02)
        put(file, "direct/tracer_error", D_ERROR)
        put(file, "direct/model", D)
        put(file, "direct/model_error", D_ERROR)
        put(file, "direct/model_window", D * 1.01)
        put(file, "direct/model_window_error", D_ERROR)
        put(file, "direct/z", np.array([-0.4, 1.3, 2.2]))
        put(file, "direct/collective", D / 0.5)
        put(file, "direct/collective_error", D_ERROR * 4)
        put(file, "direct/haven", np.array([0.51, 0.52, 0.53]))
        put(file, "direct/haven_error", np.array([0.061, 0.062, 0.063]))
        put(file, "direct/tracer_mean", np.array([0.0199, 0.0011]))
        put(file, "direct/collective_mean", np.array([0.039, 0.006]))
        put(file, "direct/haven_mean", np.array([0.517, 0.059]))
        file["direct"].attrs.update(
            {
                "method": "MSD, generalised least squares",
                "window_ps": np.array([2.5, 64.0]),
                "straight": 1,
                "n_ions": 70,
                "n_blocks": 11,
                "windows": 8.0,
                "has_collective": 1,
                "z_mean": 1.7,
            }
        )

        tensors = np.array([np.diag(D), np.diag(D * 1.2), np.diag(D * 1.5)])
        put(file, "rates/method", ["uniformised", "logarithm", "jump events"])
        put(file, "rates/text", ["Always valid.", "Refused: negative rates weigh 7 %.", "Every jump counts."])
        put(file, "rates/accepted", np.array([1, 0, 1]))
        put(file, "rates/D", tensors)
        put(file, "rates/error", np.array([np.full((3, 3), np.nan)] * 2 + [np.diag(D_ERROR)]))

        mean = np.array([30.0, 12.0, np.inf])
        put(file, "residence/orbit", ["Li1", "Li2", "Li3"])
        put(file, "residence/stays", np.array([410, 820, 3], dtype=np.int64))
        put(file, "residence/ended", np.array([400, 800, 0], dtype=np.int64))
        put(file, "residence/mean", mean)
        put(file, "residence/mean_error", np.array([1.5, 0.43, np.inf]))
        put(file, "residence/median", np.array([20.8, 4.0, np.nan]))
        put(file, "residence/median_ratio", np.array([1.0, 0.481, np.nan]))
        put(file, "residence/distance", np.array([0.02, 0.3, np.nan]))
        put(file, "residence/distance_limit", np.array([0.05, 0.04, np.nan]))
        for k in range(3):
            time = np.linspace(0.5, 4 * mean[k], 60) if k < 2 else np.zeros(0)
            survival = np.exp(-((time / mean[k]) ** (1.0, 0.6, 1.0)[k]))
            survival[-1:] = 0.0
            put(file, f"residence/{k}/time", time)
            put(file, f"residence/{k}/survival", survival)
            put(file, f"residence/{k}/error", 0.1 * survival)

        random = np.random.default_rng(5)
        internal = np.asarray(file["timescales/internal"])
        left = np.vstack([np.ones(6), random.standard_normal((3, 6))])
        weight = left**2 / (left**2).sum(axis=1, keepdims=True)
        put(file, "modes/eigenvalue_re", np.exp(-LAGS[CHOSEN] / np.append(np.inf, internal[CHOSEN, 1:4])))
        put(file, "modes/eigenvalue_im", np.zeros(4))
        put(file, "modes/timescale", internal[CHOSEN, :4])
        put(file, "modes/size", np.array([1, 1, 2, 1]))
        put(file, "modes/kind", ["stationary", "orbit_exchange", "localised", "mixed"])
        put(file, "modes/participation", np.array([6.0, 4.5, 1.9, 3.0]))
        put(file, "modes/orbit_exchange", np.array([1.0, 0.8, 0.1, 0.2]))
        put(file, "modes/channel_exchange", np.array([0.0, 0.1, 0.0, 0.0]))
        put(file, "modes/channel", np.array([0, 0, 1, -1], dtype=np.int32))
        put(file, "modes/site_weight", weight)
        put(file, "modes/orbit_weight", weight.reshape(4, 3, 2).sum(axis=2))
        put(file, "modes/share", np.array([[0, 0, 0], [0.62, -1e-30, 0.031], [0.11, 0, 0], [0, np.nan, 0]]))
        put(file, "modes/correlation", np.zeros((4, 3, 3)))
        put(file, "modes/left", left)
        put(file, "modes/right", left / 6)
        followed = internal[:, :4].T.copy()
        followed[3, 0] = np.nan
        put(file, "modes/followed", followed)
        put(file, "modes/overlap", np.ones((4, len(LAGS))))

        step = np.linspace(0, 0.5, 21)
        reciprocal = 2 * np.pi / np.diag(CELL)
        kappa = np.concatenate([step[:, None] * np.eye(3)[a] for a in range(3)])
        parabola = ((kappa * reciprocal) ** 2 @ D)[:, None]
        slowest = parabola / (1 + parabola / 0.02)
        put(file, "bands/kappa", kappa)
        put(file, "bands/distance", np.concatenate([step * r for r in reciprocal]))
        put(file, "bands/rate", np.hstack([slowest, slowest + 0.01, np.full_like(slowest, np.inf)]))
        put(file, "bands/parabola", parabola)
        put(file, "bands/segment", np.array([0, 21, 42, 63]))
        put(file, "bands/label", ["Γ", "X", "Γ", "Y", "Γ", "Z"])

        times, bins = np.array([5.0, 10.0, 20.0]), 60
        model = np.zeros((3, bins))
        model[:, 0] = [0.8, 0.6, 0.4]
        model[:, 25], model[:, 40] = [0.15, 0.3, 0.4], [0.05, 0.1, 0.2]
        put(file, "van_hove/time", times)
        put(file, "van_hove/model", model)
        put(file, "van_hove/beyond", np.array([0.0, 1e-4, 2e-3]))
        put(file, "van_hove/dropped", np.zeros(3))
        put(file, "van_hove/trajectory", model * 1.01)
        put(file, "van_hove/error", 0.02 * model)
        file["van_hove"].attrs["bin"] = 0.1
        waves = np.concatenate([k * np.eye(3) for k in (0.3, 0.6)])
        decay = np.exp(-((waves**2) @ D)[:, None] * times)
        put(file, "scattering/k", waves)
        put(file, "scattering/time", times)
        put(file, "scattering/model", decay)
        put(file, "scattering/trajectory", decay + 0.004)
        put(file, "scattering/error", np.full(decay.shape, 0.002))

        put(file, "channels/name", ["channel 1 (Li1, Li2)", "cage 2 (Li3)"])
        put(file, "channels/share", np.array([0.7, 0.3]))
        put(file, "channels/rank", np.array([1, 0], dtype=np.int32))
        put(file, "channels/of_site", np.array([0, 0, 0, 0, 1, 1], dtype=np.int32))
        put(file, "channels/escape_time", np.array([4200.0] * 4 + [np.inf] * 2))
        file["channels"].attrs.update({"threshold": 1e-4, "gap": 350.0})
        passage = np.array([[0, 178.5, np.inf], [40.4, 0, np.inf], [np.inf, np.inf, 0]])
        with np.errstate(divide="ignore"):
            rate = np.where(passage > 0, 1 / passage, np.nan)
        put(file, "first_passage/orbit", ["Li1", "Li2", "Li3"])
        put(file, "first_passage/time", passage)
        put(file, "first_passage/rate", rate)
        put(file, "first_passage/next_cell", np.array([508.0, 127.0, np.inf]))
        put(file, "first_passage/slab_diffusivity", D)
        put(file, "first_passage/plane_diffusivity", D * (1 + 3e-6))
        put(file, "connectivity/site", np.array([NAMES.index(name) for name in odd_sites], dtype=np.int32))
        for name, texts in (("name", list(odd_sites)), ("kind", ["never left"] * len(odd_sites))):
            file.create_dataset(f"connectivity/{name}", data=np.array(texts, dtype=object), dtype=TEXT)

        put(file, "forecast/relative_error", D_ERROR / D)
        put(file, "forecast/wanted_time", 1000 * (D_ERROR / D / 0.1) ** 2)
        put(file, "forecast/from", np.array([0, 2], dtype=np.int32))
        put(file, "forecast/to", np.array([1, 2], dtype=np.int32))
        put(file, "forecast/R", np.array([[0, -1, 0], [0, 0, 0]], dtype=np.int32))
        put(file, "forecast/displacement", np.array([[2.0, -4.0, 0.0], [0.0, 0.0, 0.0]]))
        put(file, "forecast/seen", np.array([4321, 98765], dtype=np.int64))
        put(file, "forecast/share", np.array([[0.61, 0.02, 0.0], [0.12, 0.023, -0.004]]))
        file["forecast"].attrs["goal"] = 0.1


DETAIL_GROUPS = (
    "lag_selection pooling direct rates residence modes bands van_hove scattering channels first_passage"
    " connectivity forecast"
).split()


def without_details(folder):
    """msm.h5 as earlier versions wrote it."""
    with h5py.File(os.path.join(folder, "msm.h5"), "a") as file:
        for name in DETAIL_GROUPS + ["blocks"]:
            if name in file:
                del file[name]
        for index in range(len(LAGS)):
            if f"lags/{index}/diffusivity/delta_error" in file:
                del file[f"lags/{index}/diffusivity/delta_error"]
        for name in ("estimator", "estimator_reason", "symmetry_operations", "markovian", "markovian_reason"):
            file.attrs.pop(name, None)


def write_summary(folder):
    summary = {
        "name": "synthetic",
        "version": "9.9.9",
        "commit": "0123abc",
        "verdict": "warn",
        "files": ["sites.h5", "msm.h5"],
        "results": [
            {"key": "D_x", "value": D[0], "error": D_ERROR[0], "unit": "A^2/ps", "text": "exact D along x"},
            {"key": "agreement", "value": None, "error": None, "unit": "", "text": "from 5 ps on"},
        ],
        "checks": [
            {
                "name": "MSD of the model",
                "verdict": "pass",
                "value": 1.5,
                "warn_above": 2,
                "fail_above": 4,
                "text": "Parallel.",
            },
            {
                "name": "implied timescales",
                "verdict": "warn",
                "value": 2.5,
                "warn_above": 2,
                "fail_above": 4,
                "text": "Still rising <slowly>.",
            },
        ],
    }
    with open(os.path.join(folder, "summary.json"), "w", encoding="utf-8") as file:
        json.dump(summary, file)


def write_md(folder, n_replicas=2, failures=("", "")):
    rng = np.random.default_rng(4)
    with h5py.File(os.path.join(folder, "md.h5"), "w") as file:
        put_root(file, "md")
        file.attrs.update({"evaluator": "built-in MACE", "temperature": 800.0, "atoms": 74})
        time = 0.1 * (1 + np.arange(1500))
        for k in range(n_replicas):
            group = file.create_group(f"replicas/{k}")
            group.attrs["failure"] = failures[k]
            put(group, "time", time, "ps")
            put(group, "temperature", 800 + 50 * rng.standard_normal(len(time)), "K")
            put(group, "conserved_energy", -300 - 74e-6 * time, "eV")
            put(group, "mean_temperature", np.array([801.2, 2.5]), "K")
            put(group, "energy_drift", np.array([-1e-6]), "eV/atom/ps")
    return folder


def write_run(folder, stages=("sites", "msm", "details", "meso", "summary")):
    os.makedirs(folder, exist_ok=True)
    writers = {
        "md": write_md,
        "sites": write_sites,
        "msm": write_msm,
        "details": write_details,
        "meso": write_meso,
        "summary": write_summary,
    }
    for stage in stages:
        writers[stage](folder)
    return folder
