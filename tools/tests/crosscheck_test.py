"""The second opinion of validation/ against closed forms and brute force: it must be right before it may judge."""

import os
import sys

import numpy as np
import pytest

sys.path.insert(
    0,
    os.path.join(os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "validation"),
)
import crosscheck as cc  # noqa: E402


def chain(p1, p2, l1, l2):
    """Two sites on a line: steps of l1 with p1 and of l2 with p2, either way."""
    cell = np.diag([l1 + l2, 1.0, 1.0])
    positions = np.array([[0.0, 0, 0], [l1, 0, 0]])
    origin = np.array([0, 0, 0, 1, 1, 1])
    destination = np.array([0, 1, 1, 1, 0, 0])
    R = np.array([[0, 0, 0], [0, 0, 0], [-1, 0, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0]])
    p = np.array([1 - p1 - p2, p1, p2, 1 - p1 - p2, p1, p2])
    return (origin, destination, R, p, np.array([0.5, 0.5])), cell, positions


@pytest.mark.parametrize(
    "p1, p2, l1, l2", [(0.3, 0.3, 1.0, 1.0), (0.4, 0.001, 2.0, 1.5), (0.01, 0.9, 0.7, 3.0)]
)
def test_the_corrector_formula_gives_the_series_resistance_of_a_chain(p1, p2, l1, l2):
    kernel, cell, positions = chain(p1, p2, l1, l2)
    expected = (l1 + l2) ** 2 * p1 * p2 / (2 * (p1 + p2) * 2.5)
    D = cc.exact_diffusivity(*kernel, cell, positions, 2.5)
    assert abs(D[0, 0] - expected) < 1e-13 * expected
    assert np.abs(np.delete(D.ravel(), 0)).max() < 1e-15


def test_the_moments_grow_by_2_tau_d_per_step_at_long_times():
    kernel, cell, positions = chain(0.3, 0.05, 1.0, 2.0)
    D = cc.exact_diffusivity(*kernel, cell, positions, 1.0)[0, 0]
    first, long, longer = cc.kernel_msd(*kernel, cell, positions, [1, 200, 201])[:, 0, 0]
    assert abs(first - (0.3 * 1.0 + 0.05 * 4.0)) < 1e-15
    assert abs(longer - long - 2 * D) < 1e-11


def test_closed_classes_get_their_own_corrector():
    (o1, d1, R1, p1, _), cell, positions = chain(0.2, 0.1, 1.0, 2.0)
    both = (
        np.concatenate([o1, o1 + 2]),
        np.concatenate([d1, d1 + 2]),
        np.concatenate([R1, R1]),
        np.concatenate([p1, np.where(p1 > 0.5, 1.0, 0.0)]),
        np.array([0.35, 0.35, 0.15, 0.15]),
    )
    D = cc.exact_diffusivity(*both, cell, np.vstack([positions, positions]), 1.0)
    assert abs(D[0, 0] - 0.7 * 9 * 0.02 / (2 * 0.3)) < 1e-14


def test_the_nearest_site_is_that_of_brute_force_over_images():
    random = np.random.default_rng(3)
    box = np.array([4.0, 5.0, 6.5])
    sites, ions = random.uniform(0, 1, (7, 3)) * box, random.uniform(-2, 3, (40, 5, 3)) * box
    site, image, distance = cc.nearest_sites(ions, sites, box)
    n = np.arange(-4, 5)
    images = np.array(np.meshgrid(n, n, n, indexing="ij")).reshape(3, -1).T
    for f, k in np.ndindex(*site.shape):
        lengths = np.linalg.norm(ions[f, k] - sites[:, None] - images[None] * box, axis=-1)
        s, m = np.unravel_index(np.argmin(lengths), lengths.shape)
        assert s == site[f, k] and np.array_equal(images[m], image[f, k])
        assert abs(lengths[s, m] - distance[f, k]) < 1e-12


def test_core_sets_keep_the_last_core_and_start_unassigned():
    site = np.array([[0], [0], [1], [1], [0], [1]])
    image = np.zeros((6, 1, 3), dtype=int)
    distance = np.array([[0.9], [0.1], [0.8], [0.2], [0.9], [0.9]])
    core, _ = cc.last_core(site, image, distance, 0.5)
    assert core[:, 0].tolist() == [-1, 0, 0, 1, 1, 1]
    assert cc.changes(core, image) == 1 and cc.changes(site, image) == 3


def test_counts_are_those_of_a_loop_over_windows_and_fold_over_images():
    random = np.random.default_rng(5)
    base, offset, supercell = (
        np.array([0, 1, 0, 1]),
        np.array([[0, 0, 0], [0, 0, 0], [1, 0, 0], [1, 0, 0]]),
        np.diag([2, 1, 1]),
    )
    site, image = random.integers(-1, 4, (50, 3)), random.integers(-1, 2, (50, 3, 3))
    expected = {}
    for t in range(43):
        for k in range(3):
            a, b = site[t, k], site[t + 7, k]
            if a < 0 or b < 0:
                continue
            R = offset[b] + image[t + 7, k] @ supercell - offset[a] - image[t, k] @ supercell
            key = (base[a], base[b], *R)
            expected[key] = expected.get(key, 0) + 1
    assert cc.counts(site, image, 7, base, offset, supercell) == expected


def test_the_symmetrised_kernel_has_detailed_balance_and_unit_columns():
    origin, destination, R, p, pi = cc.symmetrised_kernel(
        {(0, 1, 0, 0, 0): 5, (1, 0, 1, 0, 0): 2, (0, 0, 0, 0, 0): 9, (1, 1, 0, 1, 0): 4}, 2
    )
    np.testing.assert_allclose(np.bincount(origin, weights=p), 1, rtol=1e-15)
    flow = {(j, i, *r): pi[j] * q for j, i, r, q in zip(origin, destination, R.tolist(), p)}
    for (j, i, *r), value in flow.items():
        assert abs(flow[(i, j, *(-x for x in r))] - value) < 1e-16


def test_the_whole_matrix_of_a_supercell_holds_the_chain_with_its_ends_joined():
    kernel, _, _ = chain(0.3, 0.1, 1.0, 2.0)
    M = cc.full_matrix(
        *kernel[:4],
        np.array([0, 1, 0, 1]),
        np.array([[0, 0, 0], [0, 0, 0], [1, 0, 0], [1, 0, 0]]),
        np.diag([2, 1, 1])
    )
    expected = np.array([[0.6, 0.3, 0, 0.1], [0.3, 0.6, 0.1, 0], [0, 0.1, 0.6, 0.3], [0.1, 0, 0.3, 0.6]])
    np.testing.assert_allclose(M, expected, atol=1e-15)


def test_drift_of_the_framework_and_a_rigid_shift_leave_no_trace_in_the_ions():
    random = np.random.default_rng(8)
    box = np.array([6.0, 7.0, 8.0])
    crystal = np.array([[0.1, 0.2, 0.3], [0.6, 0.7, 0.8], [0.4, 0.1, 0.9], [0.9, 0.6, 0.2]])
    species = np.array(["Li", "Li", "Si", "Si"])
    true = random.normal(0, 0.1, (20, 2, 3)) + crystal[:2] * box
    wander = np.cumsum(random.normal(0, 0.3, (20, 3)), axis=0) + [0.4, -0.3, 0.2]
    positions = (
        np.concatenate([true, np.broadcast_to(crystal[2:] * box, (20, 2, 3))], axis=1) + wander[:, None]
    )
    np.testing.assert_allclose(
        cc.framework_at_rest(positions, species, box, crystal, species), true, atol=1e-12
    )
