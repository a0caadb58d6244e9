"""The mesoscale part of the report: what each kind of run shows, what it says when things do not agree."""

import contextlib
import csv
import html
import io
import os
import re
import subprocess
import sys
import warnings

import h5py
import numpy as np
import pytest
import synthetic_meso as synthetic
from matplotlib.image import imread

import mesolith_report
from mesolith_report import meso_field, meso_file, meso_pictures, meso_walkers, mesoscale
from mesolith_report.__main__ import main
from mesolith_report.meso_tables import TABLES

TOOLS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
PICTURES = {
    "crystal": (
        "walker_msd walker_scattering walker_distances walker_chain walker_profile field_profile field_spread"
        " snapshots"
    ),
    "slab": (
        "domain_planes steady_profile passage_profile walker_profile walker_flow walker_regions field_profile"
        " field_exchange snapshots"
    ),
    "film": "passage_profile walker_profile walker_flow walker_exits",
    "grains": (
        "domain_planes walker_msd walker_scattering walker_distances walker_profile walker_regions"
        " field_profile field_exchange"
    ),
    "gas": "gas_displacements gas_pairs",
}


def make_report(folder, *more):
    err = io.StringIO()
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(err):
        status = main([str(folder), *more])
    assert status == 0, err.getvalue()
    return (folder / "report.html").read_text(encoding="utf-8")


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """kind -> (folder, page), made when it is first asked for."""
    made = {}

    def run(kind):
        if kind not in made:
            folder = tmp_path_factory.mktemp(kind)
            synthetic.write_meso(folder, kind)
            made[kind] = folder, make_report(folder, "--png", str(folder / "png"))
        return made[kind]

    return run


def section(page, kicker):
    found = re.search(rf"<section[^>]*><h2><small>{re.escape(kicker)}</small>.*?</section>", page, flags=re.S)
    text = re.sub(r"<img[^>]*>|<[^>]+>", " ", found.group(0))
    return " ".join(html.unescape(text).replace("\u00a0", " ").split())


def kickers(kind):
    found = [kicker for kicker, _ in mesoscale.SECTIONS]
    return [k for k in found if k not in mesoscale.TRACERS] + ["Lattice gas"] if kind == "gas" else found


def rows(folder, name):
    with open(folder / "tables" / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def spoiled(tmp_path, kind, change):
    """A run whose meso.h5 was changed."""
    synthetic.write_meso(tmp_path, kind)
    with h5py.File(tmp_path / "meso.h5", "a") as file:
        change(file)
    return mesolith_report.load(tmp_path)


@pytest.mark.parametrize("kind", PICTURES)
def test_every_kind_of_domain_has_its_pictures_and_they_are_not_blank(runs, kind):
    folder, page = runs(kind)
    names = sorted(name[:-4] for name in os.listdir(folder / "png"))
    assert names == sorted(PICTURES[kind].split())
    assert page.count('src="data:image/png;base64,') == len(names)
    for name in names:
        pixels = imread(folder / "png" / f"{name}.png")[..., :3]
        inked = (pixels.min(axis=-1) < 0.9).mean()
        assert 0.005 < inked < 0.75, (name, inked)
        edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        assert (edge < 0.95).mean() < 0.01, f"{name}: something is cut at the edge"
    for kicker in kickers(kind):
        assert not re.search(r"\b(nan|inf|None)\b", section(page, kicker)), kicker


@pytest.mark.parametrize(
    "kind, kicker, sentences",
    [
        (
            "crystal",
            "Domain",
            ["25.6 × 25.6 × 24.0 nm of one crystal: 393 216 sites", "a: periodic; b: periodic"],
        ),
        (
            "crystal",
            "Exact answers",
            ["D of the crystal is 0.0123 / 0.0456 / 0.000710 Å²/ps along x / y / z"],
        ),
        (
            "crystal",
            "Walkers",
            [
                "100 000 walkers reproduce the exact D within 1.4 standard errors (one is 0.5 % of D)",
                "Their density waves fade as the kernel says",
                "They are as far away as the kernel says",
                "The test that judges the MD passes on walkers",
                "At the end walkers are spread as in equilibrium",
                "between 5.12 ns and 10.2 ns; 1 time origin(s) per walker, discrete time",
            ],
        ),
        (
            "crystal",
            "Field",
            [
                "The field ends within 3 × 10⁻⁸ of the exact solution and keeps its mass to 3 × 10⁻¹⁵",
                "engine Bloch waves chosen because a periodic crystal",
                "It spreads with the exact D: the variance along b is within 4 × 10⁻¹⁰ after 2.56 ns",
            ],
        ),
        (
            "crystal",
            "Mesoscale cost",
            ["2.05 s of computing; walkers: 2.3 × 10⁸ steps/s and field: 4.6 × 10⁹"],
        ),
        (
            "slab",
            "Domain",
            [
                (
                    "a: reservoir at 0.8 ions per cell and reservoir at 0.2 ions per cell; b: periodic; c:"
                    " reflecting"
                ),
                "Markov model <barrier>, lag 5 ps",
                "resistance of a border between regions 12.5 ps/Å",
                "sphere 2 barrier 1 113 4.83 %",
                "3 regions of 2 materials fill the domain",
            ],
        ),
        (
            "slab",
            "Exact answers",
            [
                "The steady flux gives D = 0.0123 Å²/ps; ions leave after 412 ns in the mean",
                "In the steady state 0.00672 ions/ps cross every plane normal to a",
                "steady flow into the domain through face a+ −0.006725 ions/ps",
            ],
        ),
        (
            "slab",
            "Walkers",
            [
                "At the end walkers are spread as in the exact steady state: χ² per layer is",
                "cross the domain, in the steady state 0.00672:",
                "of the walkers are in sphere 2, in equilibrium it would be 8.8 %",
            ],
        ),
        (
            "slab",
            "Field",
            ["of the steady state and keeps its mass", "the flux differs from the steady one by"],
        ),
        ("slab", "Mesoscale cost", ["steady flux 210 4.0 × 10⁻¹⁰"]),
        (
            "film",
            "Walkers",
            ["Walkers leave after 175.7 ± 1.5 ns in the mean, exact is 174.2 ns: 1.0 standard"],
        ),
        ("film", "Field", ["Not shown: no concentration field was followed."]),
        (
            "grains",
            "Exact answers",
            [
                "D of the domain is 0.0211 / 0.0198 / 0.00590 Å²/ps along x / y / z",
                "Wiener bound, upper 0.0310 0.0310 0.00810",
                "self-consistent estimate 0.0199 0.0199 0.0199",
                "polycrystal: Hashin-Shtrikman bound, upper 0.0123",
                "D lies between the Wiener bounds.",
                "the solve leaves it too large by at most 2.0 × 10⁻¹²",
            ],
        ),
        ("grains", "Domain", ["0.0400 / 0.0400 / 0.0100; yz, xz, xy: 0 / 0 / 0.00300"]),
        ("grains", "Walkers", ["walkers are shared among materials as in equilibrium, within"]),
        (
            "gas",
            "Lattice gas",
            [
                "At 600 K D* of Li = 0.0039500 ± 0.0000088 Å²/ps, the charge moves with D_J = 0.005000 ± 0.000088 Å²/ps: Haven ratio"
                " 0.790 ± 0.018",
                "conductivity n q² D_J / kT (S/m) 2.700 ± 0.050",
                "Occupied: 98.00 % of oct and 78.00 % of tet",
                "600 K, oct, Na 600 0.0300 ± 0.0020 1300 ± 30",
                "both vacant 1.600 ± 0.030 times as often",
            ],
        ),
        ("gas", "Mesoscale cost", ["1.50 s of computing; lattice gas: 600000 hops/s"]),
        ("grains", "Field", ["float differs from double by, of the largest layer 2.5 × 10⁻⁶"]),
    ],
)
def test_the_findings_stand_in_the_titles_and_tables(runs, kind, kicker, sentences):
    text = section(runs(kind)[1], kicker)
    for sentence in sentences:
        assert sentence in text, text


def test_parts_that_do_not_belong_to_a_run_are_not_mentioned(runs):
    assert "Not shown" not in " ".join(
        section(runs("crystal")[1], kicker) for kicker, _ in mesoscale.SECTIONS
    )
    assert "displacement" not in section(runs("slab")[1], "Walkers")
    assert "absorb" not in section(runs("grains")[1], "Walkers")


@pytest.mark.parametrize(
    "kind, path, change, part, words",
    [
        (
            "crystal",
            "walkers/diffusivity/z",
            lambda z: [0.1, -4.2, 0.3],
            meso_walkers.walker_msd,
            "miss the exact D by 4.2",
        ),
        (
            "crystal",
            "walkers/diffusivity/z",
            lambda z: [0.1, np.nan, 0.3],
            meso_walkers.walker_msd,
            "miss the exact D by ∞",
        ),
        (
            "crystal",
            "walkers/scattering/F_s",
            lambda f: f + 0.02,
            meso_walkers.walker_scattering,
            "do not fade as the kernel says",
        ),
        (
            "crystal",
            "walkers/van_hove/counts",
            lambda n: n[:, ::-1],
            meso_walkers.walker_distances,
            "are not as far away",
        ),
        (
            "crystal",
            "walkers/outputs/profile",
            lambda n: n * np.linspace(0.8, 1.2, 64),
            meso_walkers.walker_profile,
            "are not, or not yet, spread as in equilibrium",
        ),
        (
            "slab",
            "walkers/outputs/profile",
            lambda n: n[:, ::-1],
            meso_walkers.walker_profile,
            "are not, or not yet, spread as in the exact steady state",
        ),
        (
            "slab",
            "steady/flux/plane_flux",
            lambda j: j * np.linspace(1, 1.1, 61),
            mesoscale.steady_profile,
            "still differs by 9.09 %",
        ),
        (
            "grains",
            "walkers/outputs/region",
            lambda n: n[:, ::-1],
            meso_walkers.walker_regions,
            "in equilibrium it would be",
        ),
        (
            "crystal",
            "field/exact_spread",
            lambda s: s * 1.25,
            meso_field.field_spread,
            "does not spread with the exact D",
        ),
    ],
)
def test_what_does_not_agree_is_said(tmp_path, kind, path, change, part, words):
    def apply(file):
        file[path][...] = change(file[path][()])

    with spoiled(tmp_path, kind, apply) as run:
        assert words in part(run)[0]


def test_the_flux_of_the_walkers_is_compared_in_standard_errors(tmp_path):
    """Net 0.006 ions/ps in the second half; reservoirs 0.8 and 0.2 exchange 5/3 as many ions as cross net."""

    def apply(file):
        time = file["walkers/outputs/time"][()]
        file["walkers/outputs/through"][...] = np.round(0.006 * time)[:, None]
        file["steady/flux/plane_flux"][...] = 0.0061

    with spoiled(tmp_path, "slab", apply) as run:
        title = meso_walkers.walker_flow(run)[0]
    error = np.sqrt(5 / 3 * 0.0061 / 2e6)
    assert f"{1e-4 / error:.1f} standard errors apart" in title
    assert f"0.006000 ± {error:.6f}" in title


def test_fluxes_that_still_differ_between_planes_are_no_steady_state(tmp_path):
    def apply(file):
        time = file["walkers/outputs/time"][()]
        file["walkers/outputs/through"][...] = np.round(np.outer(time, [0.004, 0.005, 0.006, 0.007]))

    with spoiled(tmp_path, "slab", apply) as run:
        title = meso_walkers.walker_flow(run)[0]
    assert title.startswith("No steady state yet: in the second half of the run 0.00400 to 0.00700 ions/ps")


def test_nothing_flows_where_all_reservoirs_hold_the_same(tmp_path):
    """Steady fluxes are then rounding: no ratio is made of them."""

    def apply(file):
        file["domain/concentration"][:2] = 0.5
        file["steady/flux/plane_flux"][...] *= 1e-13 * np.cos(np.arange(61))
        file["steady/flux/inflow"][...] *= 1e-13
        del file["steady/flux"].attrs["D"]

    with spoiled(tmp_path, "slab", apply) as run:
        titles = [
            part(run)[0]
            for part in (mesoscale.steady_profile, meso_walkers.walker_flow, meso_field.field_exchange)
        ]
    assert titles[0].endswith("the steady state is equilibrium with them, nothing flows")
    assert "the domain gains" in titles[1] and titles[1].endswith("in the steady state none")
    assert titles[2].endswith("of its ions, in the steady state none")


def test_the_chapman_kolmogorov_test_of_walkers_may_fail(tmp_path):
    with spoiled(
        tmp_path, "crystal", lambda file: file["chapman_kolmogorov/error"].write_direct(np.full(4, 0.05))
    ) as run:
        assert "exceeds its noise 5.0 times on walkers" in meso_walkers.walker_chain(run)[0]


def test_first_passages_are_compared_with_the_layers_in_which_walkers_started(tmp_path):
    def apply(file):
        first = file["walkers/outputs/profile"]
        first[0] = np.eye(40)[3] * 20_000
        file["walkers/exits/sum"][...] *= 2

    with spoiled(tmp_path, "film", apply) as run:
        expected = meso_walkers.expected_exit(run.meso)
        mean, error, n, remain = meso_walkers.exit_times(run.meso)
        assert expected == run.meso["steady/first_passage/profile"][3]
        assert n == 20_000 and remain == 0
        times = run.meso["walkers/exits/sum_of_squares"].sum() / n
        assert error == pytest.approx(np.sqrt(max(times - mean**2, 0) / (n - 1)))
        assert "standard errors apart" in meso_walkers.walker_exits(run)[0]


@pytest.mark.parametrize("start", ["site", "region", "uniform"])
def test_walkers_that_do_not_start_in_equilibrium_are_not_held_to_its_mean(tmp_path, start):
    synthetic.write_meso(tmp_path, "film", start)
    with mesolith_report.load(tmp_path) as run:
        title, _, caption, _ = meso_walkers.walker_exits(run)
    assert "exact" not in title and "which these walkers do not have" in caption


def test_walkers_still_inside_are_counted_and_not_compared(tmp_path):
    def apply(file):
        file["walkers"].attrs["n_at_end"] = np.int64(20_000)

    with spoiled(tmp_path, "film", apply) as run:
        title, _, caption, _ = meso_walkers.walker_exits(run)
    assert "50.0 % are still inside" in title and "standard errors apart" not in title
    assert "must lie below" in caption


@pytest.mark.parametrize(
    "group", ["walkers", "field", "steady/flux", "steady/first_passage", "domain/slice_a"]
)
def test_every_group_may_be_missing(tmp_path, group):
    spoiled(tmp_path, "slab", lambda file: file.__delitem__(group)).close()
    make_report(tmp_path)


def test_a_domain_too_large_for_exact_answers_says_so(tmp_path):
    def apply(file):
        for name in list(file["steady"]):
            del file["steady"][name]
        file["steady"].attrs["left_out"] = "no exact answers: 9 sites are more than 8"

    spoiled(tmp_path, "slab", apply).close()
    page = make_report(tmp_path)
    assert "Not shown: no exact answers: 9 sites are more than 8." in section(page, "Exact answers")
    assert "Where the walkers are along a" in section(page, "Walkers")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("kind", PICTURES)
def test_numbers_that_are_not_known_do_not_break_the_page(tmp_path, kind, value):
    """Every second measured number is lost."""
    keep = {
        "time",
        "wave_vector",
        "edges",
        "cell",
        "positions",
        "D",
        "weight",
        "position",
        "concentration",
        "edge",
    }

    def spoil(name, item):
        if isinstance(item, h5py.Dataset) and item.dtype.kind == "f" and name.split("/")[-1] not in keep:
            values = item[()]
            values.ravel()[1::2] = value
            item[...] = values

    def apply(file):
        for group in ("steady", "walkers", "field", "gas"):
            if group in file:
                file[group].visititems(spoil)

    spoiled(tmp_path, kind, apply).close()
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # as a user would see them
        page = make_report(tmp_path)
    for kicker in kickers(kind):
        assert not re.search(r"\b(nan|inf)\b", section(page, kicker)), kicker


def test_tables_hold_the_numbers_of_the_file(runs):
    folder = runs("crystal")[0]
    last = rows(folder, "walkers")[-1]
    with h5py.File(folder / "meso.h5") as file:
        assert float(last["msd_yy [A^2]"]) == file["walkers/msd"][-1, 1, 1]
        assert float(last["exact_zz [A^2]"]) == file["walkers/exact_msd"][-1, 2, 2]
        assert float(rows(folder, "field")[3]["spread_b [A^2]"]) == file["field/spread"][3, 1]
    folder = runs("slab")[0]
    with h5py.File(folder / "meso.h5") as file:
        line = rows(folder, "walker_profile")[7]
        assert float(line["a [A]"]) == pytest.approx(30)
        assert int(line["walkers_4e+06ps"]) == file["walkers/outputs/profile"][-1, 7]
        volume = 240 * 24 * 16  # of a layer: that of a cell times their number
        assert float(line["steady"]) == pytest.approx(volume * file["steady/flux/concentration"][7])
        assert int(rows(folder, "walker_flow")[-1]["left_a+"]) == file["walkers/outputs/left"][-1, 1]
    assert sum(int(r["left_a-"]) + int(r["left_a+"]) for r in rows(runs("film")[0], "walker_exits")) == 20_000
    bounds = {r["quantity"]: r for r in rows(runs("grains")[0], "exact_diffusivity")}
    assert float(bounds["wiener_high"]["D_zz [A^2/ps]"]) == 0.0081
    every = {name[:-4] for kind in PICTURES for name in os.listdir(runs(kind)[0] / "tables")}
    assert every == set(TABLES)


def test_snapshots_of_an_older_run_are_passed_over(runs, tmp_path):
    with mesolith_report.load(
        runs("crystal")[0]
    ) as run:  # its folder holds a seventh that is not in the series
        assert [os.path.basename(path) for _, path in meso_pictures.field_files(run)] == [
            f"field_{k:06d}.vtkhdf" for k in range(6)
        ]
    synthetic.write_meso(tmp_path, "slab")
    synthetic.write_snapshot(tmp_path, 3, 77.0, np.ones((2, 2, 2)), [60, 24, 16])  # no output of this run
    with mesolith_report.load(tmp_path) as run:
        assert len(meso_pictures.field_files(run)) == 5
        sample = meso_pictures.Sample(run)
        assert len(sample.time) == 41
        sample.close()
    with h5py.File(tmp_path / "walkers.h5md", "a") as file:
        file["particles/walkers/position/time"][...] *= 2
    with mesolith_report.load(tmp_path) as run:
        assert not len(meso_pictures.Sample(run).time)


def test_walkers_are_brought_back_along_periodic_axes_only(tmp_path):
    synthetic.write_meso(tmp_path, "slab")  # a: reservoirs, b: periodic, c: walls
    size = np.array([60, 24, 16]) * np.diag(synthetic.CELL)
    inside = np.array([[0.25, 0.5, 0.75], [0.5, 0.125, 0.5], [0.1, 0.2, 0.3]])
    moved = (inside + [[0, 2, 0], [0, -3, 0], [0, 0, 0]]) * size
    moved[0, 0] -= size[0]
    alive = np.array([[1, 1, 0]] * 41, dtype=np.int32)
    with h5py.File(tmp_path / "meso.h5") as file:
        time = file["walkers/outputs/time"][()]
    synthetic.write_sample(tmp_path, time, np.repeat(moved[None], 41, axis=0), [60, 24, 16], alive)
    with mesolith_report.load(tmp_path) as run:
        sample = meso_pictures.Sample(run)
        places = sample.places(2)
        sample.close()
    np.testing.assert_allclose(places, [[-0.75, 0.5, 0.75], [0.5, 0.125, 0.5]], atol=1e-6)


def test_borders_are_drawn_between_regions_only():
    labels = np.array([[0, 0, 1], [0, 0, 1], [2, 2, 2]])
    lines = {tuple(map(tuple, line)) for line in meso_pictures.borders(labels, 6, 3)}
    assert lines == {((4, 0), (4, 2)), ((0, 2), (6, 2))}


def test_colours_are_logarithmic_when_values_span_decades():
    norm, logarithmic = meso_pictures.colour_scale([np.array([[0.0, 1e-9]]), np.array([[5.0, 1.0]])])
    assert logarithmic and (norm.vmin, norm.vmax) == (5e-4, 5.0)
    norm, logarithmic = meso_pictures.colour_scale([np.array([[0.0, 2.0]]), np.array([[5.0, 1.0]])])
    assert not logarithmic and (norm.vmin, norm.vmax) == (0, 5.0)
    assert meso_pictures.colour_scale([np.zeros((2, 2))])[0].vmax == 1


def test_chi_square_is_one_by_chance_and_grows_with_a_difference():
    random = np.random.default_rng(11)
    expected = np.linspace(2.0, 400.0, 50)
    values = [meso_walkers.chi_square(random.poisson(expected).astype(float), expected) for _ in range(400)]
    chi, layers = np.mean([chi for chi, _ in values]), values[0][1]
    assert abs(chi - 1) < 4 * np.sqrt(2 / layers / 400)
    assert meso_walkers.chi_square(1.2 * expected, expected)[0] == pytest.approx(
        0.04 * expected.mean(), rel=0.05
    )


@pytest.mark.parametrize("n", [1, 7, 60, 61, 1000])
def test_binned_profiles_keep_their_sum(n):
    profile = np.random.default_rng(n).uniform(0, 1, (2, n))
    middle, mean, width = meso_file.binned(profile)
    assert len(middle) == min(n, meso_file.MOST_LAYERS) and width.sum() == n
    np.testing.assert_allclose((mean * width).sum(axis=1), profile.sum(axis=1))


@pytest.mark.parametrize("time", [[0.0, 1], [0.0, 1, 2, 4, 1024], list(range(200)), [0, 512, 1024]])
def test_pieces_of_a_run_cover_it_without_gaps(time):
    cuts = meso_walkers.intervals(np.array(time, dtype=float))
    assert cuts[0] == 0 and cuts[-1] == len(time) - 1
    assert np.all(np.diff(cuts) > 0) and len(cuts) <= 26


@pytest.mark.parametrize("module", ["mesolith_report", "mesolith_report.arrhenius"])
def test_without_h5py_the_commands_end_in_one_line(tmp_path, module):
    (tmp_path / "h5py.py").write_text("raise ImportError(\"No module named 'h5py'\")")
    result = subprocess.run(
        [sys.executable, "-m", module, str(tmp_path)],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": f"{tmp_path}{os.pathsep}{TOOLS}"},
    )
    assert result.returncode == 1 and result.stdout == ""
    assert result.stderr.count("\n") == 1 and "python3-h5py" in result.stderr


def test_the_package_offers_its_reader_and_nothing_else():
    assert mesolith_report.load is mesolith_report.run.load
    with pytest.raises(AttributeError, match="no attribute 'walkers'"):
        mesolith_report.walkers
