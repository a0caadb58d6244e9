"""The report: complete, self-contained, honest about what is missing, one clear line when a file is broken."""

import contextlib
import io
import os
import re
import subprocess
import sys

import h5py
import numpy as np
import pytest
import synthetic_run as synthetic

import mesolith_report
from mesolith_report import numbers, report
from mesolith_report.__main__ import main
from mesolith_report.network import into, merged, translations

TOOLS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def process(folder, *more):
    """The command as users call it, on one core."""
    return subprocess.run(
        [sys.executable, "-m", "mesolith_report", str(folder), *more],
        cwd=TOOLS,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )


def command(folder, *more):
    """The same without a new process, which would spend its time on imports."""
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main([str(folder), *more])
    return subprocess.CompletedProcess([], status, out.getvalue(), err.getvalue())


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("run")
    synthetic.write_run(folder)
    result = process(folder, "--png", str(folder / "png"))
    assert result.returncode == 0, result.stderr
    assert result.stderr == ""
    return folder, (folder / "report.html").read_text(encoding="utf-8")


def text_of(page):
    return re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.S).replace("\u00a0", " ")


def test_the_report_shows_d_with_its_error_hops_and_verdicts(page):
    text = text_of(page[1])
    for expected in (
        "0.0123 ± 0.0011",
        "0.0456 ± 0.0021",
        "(7.1 ± 3.1) × 10⁻⁴",
        "(1.23 ± 0.11) × 10⁻¹⁰",
        "2 291",
        "± 0.00",
        "8.00 Å axis",
    ):
        assert expected in text, expected
    assert '<span class="badge warn">warn</span>' in page[1]
    assert "Still rising &lt;slowly&gt;." in page[1]
    assert "framework drifts by 0.41 A" in text
    assert "From 5 ps on the exact D agrees with the MSD slope along every axis" in text


def test_every_picture_is_inside_and_nothing_is_fetched(page):
    assert page[1].count('src="data:image/png;base64,') == 11
    assert not re.search(r"https?://|//[a-z]+\.|@import|<script|<link|url\(", page[1])
    assert "Not shown" not in page[1]


def test_pictures_are_not_blank(page):
    from matplotlib.image import imread

    names = sorted(os.listdir(page[0] / "png"))
    assert len(names) == 11
    for name in names:
        pixels = imread(page[0] / "png" / name)[..., :3]
        inked = (pixels.min(axis=-1) < 0.9).mean()
        assert 0.005 < inked < 0.7, (name, inked)
        edge = np.concatenate([pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]])
        assert (edge < 0.95).mean() < 0.01, f"{name}: something is cut at the edge"


def test_tables_hold_the_same_numbers_with_units(page):
    lines = (page[0] / "tables" / "diffusivity_by_lag.csv").read_text().splitlines()
    header, chosen = lines[0].split(","), lines[1 + synthetic.CHOSEN].split(",")
    assert float(chosen[header.index("D_yy [A^2/ps]")]) == synthetic.D[1]
    assert float(chosen[header.index("hops_z")]) == synthetic.HOPS[2]
    assert set(os.listdir(page[0] / "tables")) == {
        name + ".csv"
        for name in (
            "checks",
            "diffusivity_by_lag",
            "msd",
            "msd_model",
            "implied_timescales",
            "chapman_kolmogorov",
            "spectrum",
            "convergence",
            "jump_network",
            "site_occupancy",
            "walkers",
            "field",
        )
    }


def test_what_was_not_run_is_left_out_with_the_reason(tmp_path):
    synthetic.write_run(tmp_path, ("sites", "msm"))
    assert command(tmp_path).returncode == 0
    text = text_of((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "Not shown: the stage meso has not been run (meso.h5 is not there)." in text
    assert "0.0123 ± 0.0011" in text
    only_sites = tmp_path / "only_sites"
    synthetic.write_run(only_sites, ("sites",))
    assert command(only_sites).returncode == 0
    assert "the stage msm has not been run" in text_of(
        (only_sites / "report.html").read_text(encoding="utf-8")
    )


def test_results_of_an_older_stage_are_left_out(tmp_path):
    synthetic.write_run(tmp_path)
    with h5py.File(tmp_path / "meso.h5", "a") as file:
        file.attrs["previous"] = "e" * 64  # msm.h5 has been made again since
    assert command(tmp_path).returncode == 0
    text = text_of((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "Not shown: meso.h5 was made from an older result; run the stage meso again." in text
    assert "0.0123 ± 0.0011" in text


def test_a_missing_dataset_removes_its_part_only(tmp_path):
    synthetic.write_run(tmp_path)
    with h5py.File(tmp_path / "msm.h5", "a") as file:
        del file["chapman_kolmogorov/floor_95"]
    assert command(tmp_path).returncode == 0
    text = text_of((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "Not shown: msm.h5 holds no chapman_kolmogorov/floor_95." in text
    assert text.count("Not shown") == 1


@pytest.mark.parametrize("stage", ["sites", "msm", "meso"])
def test_a_file_cut_in_half_is_one_line_and_exit_1(tmp_path, stage):
    synthetic.write_run(tmp_path)
    path = tmp_path / f"{stage}.h5"
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    result = process(tmp_path)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert str(path) in result.stderr and "not a complete HDF5 file" in result.stderr
    assert not (tmp_path / "report.html").exists()


def test_data_that_do_not_fit_are_one_line_and_exit_1(tmp_path):
    synthetic.write_run(tmp_path)
    with h5py.File(tmp_path / "msm.h5", "a") as file:
        raw = file["msd/raw"][:-1]
        del file["msd/raw"]
        file["msd/raw"] = raw
    result = command(tmp_path)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1 and "Mean square displacement" in result.stderr


def test_wrong_folders_and_broken_json_are_one_line_and_exit_1(tmp_path):
    (tmp_path / "summary.json").write_text("{")
    for folder, words in ((tmp_path / "nowhere", "no such folder"), (tmp_path, "not valid JSON")):
        result = command(folder)
        assert result.returncode == 1
        assert result.stderr.count("\n") == 1 and words in result.stderr
    (tmp_path / "summary.json").unlink()
    assert "no results" in command(tmp_path).stderr


def test_a_failed_report_leaves_the_old_one_whole(tmp_path):
    synthetic.write_run(tmp_path)
    (tmp_path / "report.html").write_text("old")
    (tmp_path / "msm.h5").write_bytes(b"nothing")
    assert command(tmp_path).returncode == 1
    assert (tmp_path / "report.html").read_text() == "old"


def test_replicas_are_pooled_by_their_histograms(tmp_path):
    synthetic.write_run(tmp_path, ("msm",))
    synthetic.write_sites(tmp_path, n_replicas=2)
    assert command(tmp_path).returncode == 0
    text = text_of((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "md0.h5" in text and "md1.h5" in text


def test_one_class_and_several_are_told_apart(tmp_path):
    synthetic.write_sites(tmp_path)
    synthetic.write_msm(tmp_path, classes=1)
    with mesolith_report.load(tmp_path) as run:
        assert report.closed_classes(run)[0] == "All sites exchange ions: one class"
    synthetic.write_msm(tmp_path, classes=2)
    with mesolith_report.load(tmp_path) as run:
        title, content = report.closed_classes(run)
    assert title.startswith("2 closed classes") and "Li in 1 of them does not travel" in title
    assert "Li3.1, Li3.2" in content


def test_the_reader_gives_arrays_in_both_conventions(tmp_path):
    synthetic.write_run(tmp_path)
    with mesolith_report.load(tmp_path) as run:
        assert run.chosen.lag_time == 5.0
        np.testing.assert_array_equal(np.diag(run.chosen.D), synthetic.D)
        column, row = run.chosen.count_matrix(), run.chosen.count_matrix(convention="row")
        assert column[1, 0] == 10 and column[0, 1] == 7 and row[0, 1] == 10
        np.testing.assert_array_equal(column, row.T)
        P = run.chosen.transition_matrix()
        np.testing.assert_allclose(P.sum(axis=0), 1)
        np.testing.assert_allclose(run.chosen.transition_matrix("row").sum(axis=1), 1)
        with pytest.raises(ValueError, match="convention"):
            run.chosen.count_matrix("rows")
        with pytest.raises(mesolith_report.Missing, match="msm.h5 holds no nowhere"):
            run.msm["nowhere"]


@pytest.mark.parametrize(
    "value, error, expected",
    [
        (0.020512, 0.00071, "0.02051 ± 0.00071"),
        (0.0204, 0.012, "0.020 ± 0.012"),
        (5.12e-5, 3.3e-6, "(5.12 ± 0.33) × 10⁻⁵"),
        (12.345, 0.5, "12.35 ± 0.50"),
        (0.0, 0.0, "0"),
        (-0.5, 0.25, "−0.50 ± 0.25"),
        (float("nan"), 1.0, "–"),
        (1.0, float("nan"), "1.00"),
        (float("inf"), 1.0, "∞"),
        (1234567.0, 20000.0, "(1.235 ± 0.020) × 10⁶"),
        (1e-5, 3e-3, "0.0000 ± 0.0030"),
    ],
)
def test_value_and_error_share_their_digits(value, error, expected):
    assert numbers.with_error(value, error) == expected


def test_an_edge_of_the_network_joins_both_directions():
    first, vector, weight, second = merged(
        np.array([0, 1, 0]),
        np.array([1, 0, 1]),
        np.array([[0, 0, 0], [0, 0, 0], [1, 0, 0]]),
        np.array([5, 7, 4]),
        np.array([[1.0, 0, 0], [-1, 0, 0], [5, 0, 0]]),
    )
    assert weight.tolist() == [12, 4] and first.tolist() == [0, 0] and second.tolist() == [1, 1]
    np.testing.assert_array_equal(vector, [[1, 0, 0], [5, 0, 0]])


def test_translations_fill_a_skewed_cell_exactly_once():
    unit = np.array([[-3.0, 3, 3], [3, -3, 3], [3, 3, -3]])  # bcc primitive
    for n in (np.array([[0, 1, 1], [1, 0, 1], [1, 1, 0]]), np.array([[2, 0, 0], [1, 3, 0], [0, -1, 2]])):
        box = n @ unit
        found = translations(unit, box)
        assert len(found) == round(abs(np.linalg.det(n)))
        inside = into(box, found @ unit) @ np.linalg.inv(box)
        assert np.all(inside > -0.0201) and np.all(inside < 0.9801)
