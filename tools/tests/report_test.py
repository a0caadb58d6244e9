"""The report: complete, self-contained, honest about what is missing, one clear line when a file is broken."""

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
import synthetic_run as synthetic

import mesolith_report
from mesolith_report import details, figures, numbers, report
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
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.S)
    return html.unescape(text).replace("\u00a0", " ")


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
    assert page[1].count('src="data:image/png;base64,') == 22
    assert not re.search(r"https?://|//[a-z]+\.|@import|<script|<link|url\(", page[1])
    assert "Not shown" not in page[1]


def test_pictures_are_not_blank(page):
    from matplotlib.image import imread

    names = sorted(os.listdir(page[0] / "png"))
    assert len(names) == 22
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
            "domain_materials",
            "domain_regions",
            "exact_diffusivity",
            "walkers",
            "walker_diffusivity",
            "walker_scattering",
            "walker_distances",
            "walker_chain",
            "walker_profile",
            "walker_flow",
            "walker_regions",
            "field",
            "field_profile",
            "mesoscale_cost",
            "lag_selection",
            "errors",
            "pooling",
            "model_against_md",
            "rates",
            "residence",
            "survival",
            "modes",
            "eigenvectors",
            "followed_timescales",
            "bands",
            "van_hove",
            "scattering",
            "channels",
            "first_passages",
            "next_cells",
            "error_limits",
            "limiting_transitions",
            "sites_without_exchange",
        )
    }


def section_of(page, kicker):
    """Text of one section, spaces and line breaks as one space."""
    found = re.search(rf"<section[^>]*><h2><small>{re.escape(kicker)}</small>.*?</section>", page, flags=re.S)
    assert found, kicker
    return " ".join(text_of(found.group(0)).split())


def row_of(page, kicker, *starts):
    """Cells of the table row of a section that begins with these."""
    found = re.search(rf"<section[^>]*><h2><small>{re.escape(kicker)}</small>.*?</section>", page, flags=re.S)
    for row in re.findall(r"<tr>(.*?)</tr>", found.group(0), flags=re.S):
        cells = [
            " ".join(text_of(cell).split()) for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, flags=re.S)
        ]
        if cells[: len(starts)] == list(starts):
            return cells
    raise AssertionError(f"no row {starts} in {kicker}")


def csv_rows(folder, name):
    with open(folder / "tables" / f"{name}.csv", newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def test_the_page_says_how_the_model_was_made(page):
    result = section_of(page[1], "Result")
    assert "Estimator reversible: two sites are empty at times." in result
    assert "Pooling space group (8 operations): 24 independent numbers." in result
    assert "Error bars from 11 time blocks of 90 ps: slow along z." in result
    assert "not Markovian" not in result


def test_a_model_that_is_not_markovian_says_so_under_the_headline(tmp_path):
    synthetic.write_run(tmp_path, ("sites", "msm"))
    synthetic.write_details(tmp_path, markovian=0)
    assert command(tmp_path).returncode == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    headline, banner = page.index('class="headline"'), page.index('class="banner"')
    assert headline < banner < page.index("Along each axis")
    assert "no lag &lt;agrees&gt;" in page[banner : banner + 300]
    assert "No plateau: D still depends on the lag at 5 ps" in section_of(page, "D against lag")


def test_pooling_tells_what_symmetry_gained(page):
    assert (
        "Symmetry leaves 24 of 1 234 numbers to be measured; two halves of the data then differ 8.0 times"
        " less"
        in (section_of(page[1], "Pooling"))
    )
    assert row_of(page[1], "Pooling", "translations") == ["translations", "321", "0.200", "2.0"]
    assert row_of(page[1], "Pooling", "space group ◄ used")[1:] == ["24", "0.0500", "8.0"]


def test_the_choice_of_the_lag_is_shown_with_its_numbers(page):
    text = section_of(page[1], "D against lag")
    assert "From a lag of 5 ps on D no longer depends on the lag within its errors" in text
    assert "5 ps is the shortest lag that agrees." in text
    chosen = ["5 ◄ chosen", "yes", "yes", "yes", "1.8", "2.9", "D zz against 10 ps", "9 %"]
    assert row_of(page[1], "D against lag", *chosen[:4]) == chosen
    assert (
        row_of(page[1], "D against lag", "10", "yes", "no")[6]
        == "the growth of the MSD along x against the trajectory"
    )
    assert row_of(page[1], "D against lag", "20", "no") == ["20", "no", "no", "–", "–", "–", "–", "–"]
    rows = csv_rows(page[0], "lag_selection")
    assert rows[1]["quantity"] == "ln t_1" and float(rows[1]["longer_lag [ps]"]) == 5.0


def test_modes_are_followed_by_eigenvector_with_the_errors_of_their_eigenvalues(page):
    with mesolith_report.load(page[0]) as run:
        internal, error = run.msm["timescales/internal"], run.msm["timescales/internal_error"]
        values, errors, size = figures.followed_modes(run.msm, internal, error)
    assert size.tolist() == [1, 2, 1]  # the stationary one is no relaxation
    np.testing.assert_array_equal(values[1:], internal[1:, 1:4])
    np.testing.assert_array_equal(errors[1:], error[1:, 1:4])
    assert np.isnan(values[0, 2]) and np.isnan(errors[0, 2])
    assert "2 modes at 21 ps are degenerate" in section_of(page[1], "Implied timescales")


def test_both_error_bars_and_the_interval_are_given(page):
    row = row_of(page[1], "Errors", "5 ◄ chosen")
    assert row == [
        "5 ◄ chosen",
        "0.0011",
        "0.00099",
        "0.90",
        "0.0021",
        "0.0019",
        "0.90",
        "0.00031",
        "0.00028",
        "0.90",
    ]
    text = section_of(page[1], "Errors")
    assert "± 2.23 standard errors (Student's t, 10 degrees of freedom)" in text
    assert row_of(page[1], "Errors", "x")[2] == "0.00985 to 0.0148"


@pytest.mark.parametrize("degrees, expected", [(1, 12.7062), (4, 2.7764), (24, 2.0639), (1000, 1.96234)])
def test_students_t_has_its_tabulated_values(degrees, expected):
    assert numbers.student_t(degrees) == pytest.approx(expected, rel=2e-5)


def test_model_and_md_are_compared_like_with_like(page):
    text = section_of(page[1], "Model against MD")
    assert "Model and MD agree in the same window within 2.2 standard errors along every axis" in text
    assert "about 8.0 independent windows of 64 ps" in text and "near 50 % per axis" in text
    rows = [
        ("D* of the MD: slope of the MSD / 2, 2.5 to 64 ps", "0.0125 ± 0.0011", "0.0199 ± 0.0011"),
        ("of the model: the same fit to its MSD", "0.0124 ± 0.0011", "0.0197"),
        ("D of the model at long times", "0.0123 ± 0.0011", "0.0195"),
        ("Haven ratio D* / D J", "0.510 ± 0.061", "0.517 ± 0.059"),
    ]
    for label, x, mean in rows:
        cells = row_of(page[1], "Model against MD", label)
        assert (cells[1], cells[4]) == (x, mean)
    z = row_of(page[1], "Model against MD", "model − MD (standard errors of the difference)")
    assert z[1:] == ["−0.4", "+1.3", "+2.2", "+1.7"]
    haven = next(row for row in csv_rows(page[0], "model_against_md") if row["quantity"] == "haven")
    assert float(haven["value_y"]) == 0.52 and float(haven["mean_error"]) == 0.059


def test_a_model_that_differs_from_the_md_is_not_said_to_agree(tmp_path):
    synthetic.write_run(tmp_path, ("msm", "details"))
    with h5py.File(tmp_path / "msm.h5", "a") as file:
        file["direct"].attrs["z_mean"] = -2.75
    with mesolith_report.load(tmp_path) as run:
        assert details.against_md(run)[0] == (
            "Model and MD differ in the same window by 2.8 standard errors in the mean of the axes"
        )
    with h5py.File(tmp_path / "msm.h5", "a") as file:
        file["direct/z"][...] = [0.3, -3.5, 1.0]
        del file["direct/model_window"]  # of an earlier version: D at long times was compared
    with mesolith_report.load(tmp_path) as run:
        assert details.against_md(run)[0] == "Model and MD differ by 3.5 standard errors along y"


def test_refused_rates_stand_beside_accepted_ones(page):
    assert "2 of 3 ways lead to valid rates; counting every jump gives a mean D 1.50 times" in section_of(
        page[1], "Rates"
    )
    refused = row_of(page[1], "Rates", "logarithm refused")
    assert refused[1] == "0.0148" and refused[4] == "Refused: negative rates weigh 7 %."
    assert row_of(page[1], "Rates", "jump events accepted")[1] == "0.0185 ± 0.0011"


def test_residence_times_tell_exponential_stays_from_others(page):
    assert "Only stays on Li1 are exponential" in section_of(page[1], "Residence times")
    assert row_of(page[1], "Residence times", "Li1")[1:] == [
        "410",
        "400",
        "30.0 ± 1.5",
        "20.8",
        "1.0",
        "0.020 (0.050)",
        "yes",
    ]
    never = row_of(page[1], "Residence times", "Li3")
    assert never[3] == "∞" and never[4] == "–" and never[7] == "–"
    assert {row["orbit"] for row in csv_rows(page[0], "survival")} == {"Li1", "Li2"}


def test_modes_have_their_kind_weights_and_shares(page):
    timescale = 40 * (1 - 0.5 * np.exp(-2.5))
    assert f"The slowest relaxation takes {timescale:.1f} ps" in section_of(page[1], "Modes")
    row = row_of(page[1], "Modes", "2")
    assert row[1:5] == [f"{timescale:.1f}", "1", "orbit exchange", "4.50"]
    assert row[6] == "62 % / 0 / 3.1 %"
    vector = csv_rows(page[0], "eigenvectors")
    with h5py.File(page[0] / "msm.h5") as file:
        assert [float(line["left_2"]) for line in vector] == file["modes/left"][1].tolist()


def test_channels_first_passages_and_the_slab_check_are_tables(page):
    text = section_of(page[1], "Channels")
    assert "2 groups of sites exchange fast inside, 1 of them lead on to other cells" in text
    assert "127 ps to the next cell along b, 508 ps along a" in text
    assert row_of(page[1], "Channels", "channel 1 (Li1, Li2)")[1:] == [
        "4",
        "70.0 %",
        "channel (1D)",
        "4.20 ns",
    ]
    assert row_of(page[1], "Channels", "cage 2 (Li3)")[4] == "never"
    assert row_of(page[1], "Channels", "Li2") == ["Li2", "40.4", "", "∞"]
    assert row_of(page[1], "Channels", "c")[1] == "∞"
    assert "here equal to 3 × 10⁻⁶" in text


def test_what_limits_the_error_names_transitions_and_time(page):
    text = section_of(page[1], "What limits the error")
    assert "D is known to 5 % along y and to 44 % along z; 10 % along z would take 19.1 ns of data" in text
    assert row_of(page[1], "What limits the error", "Li1.1")[1:] == [
        "Li1.2 in cell (0, −1, 0)",
        "4.47",
        "4 321",
        "61 %",
        "2.0 %",
        "0",
    ]
    assert row_of(page[1], "What limits the error", "Li2.1")[1] == "stays there"


def test_sites_without_exchange_are_named(page, tmp_path):
    assert "1 of 6 sites never exchanged" in section_of(page[1], "Sites without exchange")
    assert row_of(page[1], "Sites without exchange", "never left") == [
        "never left",
        "1",
        "ions came, none left",
        "Li3.2",
    ]
    synthetic.write_run(tmp_path, ("msm",))
    synthetic.write_details(tmp_path, odd_sites=())
    with mesolith_report.load(tmp_path) as run:
        assert details.odd_sites(run)[0] == "Every site exchanges ions with others"


def test_bands_van_hove_and_scattering_state_how_far_the_model_holds(page):
    assert "Long waves fade by diffusion; at X the slowest relaxes at 72 % of k·D·k" in section_of(
        page[1], "Bands"
    )
    assert "100 % of the distances lie within two standard errors" in section_of(page[1], "Van Hove function")
    assert "fade as in the trajectory to within 2.0 standard errors" in section_of(
        page[1], "Scattering function"
    )
    first = csv_rows(page[0], "van_hove")[25]
    assert float(first["model_10ps"]) == 0.3 and float(first["from [A]"]) == pytest.approx(2.5)


def test_a_file_of_an_earlier_version_still_makes_a_report(tmp_path):
    synthetic.write_run(tmp_path)
    synthetic.without_details(tmp_path)
    result = command(tmp_path)
    assert result.returncode == 0, result.stderr
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert text_of(page).count("Not shown") == 12
    assert "0.0123 ± 0.0011" in text_of(page) and 'class="made"' not in page
    assert "From 5 ps on the exact D agrees with the MSD slope" in section_of(page, "D against lag")
    assert not os.path.exists(tmp_path / "tables" / "modes.csv")


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize("start, step", [(0, 1), (0, 2), (1, 2), (2, 3)])
def test_numbers_that_are_not_known_do_not_break_the_page(tmp_path, value, start, step):
    """All numbers of the new groups, or every second or third one beside known ones at known times and places."""
    synthetic.write_run(tmp_path, ("sites", "msm", "details"))

    def spoil(name, item):
        if not isinstance(item, h5py.Dataset) or item.dtype.kind != "f" or not item.size:
            return
        if step > 1 and name.split("/")[-1] in ("time", "distance", "k", "kappa"):
            return
        values = item[()]
        values.ravel()[start::step] = value
        item.write_direct(values)

    with h5py.File(tmp_path / "msm.h5", "a") as file:
        for group in synthetic.DETAIL_GROUPS:
            file[group].visititems(spoil)
    with mesolith_report.load(tmp_path) as run, warnings.catch_warnings():
        warnings.simplefilter("error")  # as a user would see them
        told = [section(run, None) for kicker, section in report.SECTIONS if kicker in NUMBERS_ONLY]
    assert len(told) == len(NUMBERS_ONLY)
    for title, content in told:
        assert not re.search(r"\b(nan|inf)\b", text_of(title + " " + content)), title


NUMBERS_ONLY = ("Model against MD", "Pooling", "Errors", "What limits the error", "Rates", "Channels")


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_pictures_leave_gaps_for_what_is_not_known(tmp_path, value):
    synthetic.write_run(tmp_path, ("sites", "msm", "details"))
    with h5py.File(tmp_path / "msm.h5", "a") as file:
        for path in (
            "van_hove/model van_hove/trajectory van_hove/error scattering/model scattering/trajectory"
            " scattering/error bands/rate bands/parabola residence/0/survival residence/0/error"
            " residence/mean modes/left modes/right modes/followed lag_selection/largest"
        ).split():
            values = file[path][()]
            values.ravel()[1::2] = value
            file[path].write_direct(values)
    assert command(tmp_path).returncode == 0
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert page.count('src="data:image/png;base64,') == 14 and not re.search(r"\b(nan|inf)\b", text_of(page))


def test_what_was_not_run_is_left_out_with_the_reason(tmp_path):
    synthetic.write_run(tmp_path, ("sites", "msm", "details"))
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


def test_a_run_that_made_its_trajectories_shows_their_temperature_and_drift(tmp_path):
    synthetic.write_run(tmp_path)
    assert command(tmp_path).returncode == 0
    assert "Molecular dynamics" not in text_of((tmp_path / "report.html").read_text(encoding="utf-8"))
    synthetic.write_md(tmp_path)
    assert command(tmp_path, "--png", str(tmp_path / "png")).returncode == 0
    text = text_of((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "(asked for: 800 K); energy drifts by at most" in text
    assert "2 replicas of 74 atoms; built-in MACE" in text
    assert (tmp_path / "png" / "temperature_and_energy.png").exists()
    synthetic.write_md(tmp_path, failures=("", "step 7: the temperature has run away"))
    assert command(tmp_path).returncode == 0
    text = text_of((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "1 replicas of 74 atoms" in text and "1 failed and are left out" in text
    synthetic.write_md(tmp_path, failures=("a", "b"))
    assert command(tmp_path).returncode == 0
    text = text_of((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "Not shown: no replica of the molecular dynamics ended well" in text


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
