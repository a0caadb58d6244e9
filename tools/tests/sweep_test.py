"""The page of a sweep: numbers and links of the points, a figure per swept key, Arrhenius plots, one line for foreign files."""

import os
import re
import subprocess
import sys

import h5py
import numpy as np
import pytest

from arrhenius_test import KB
from mesolith_report import arrhenius, sweep

TOOLS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
TEMPERATURES, FRACTIONS = (500.0, 600.0, 800.0), (0.005, 0.02)
STRINGS = h5py.string_dtype()


def write_sweep(folder, failed=None, fits=True):
    points = [(t, x) for t in TEMPERATURES for x in FRACTIONS]
    n = len(points)
    D = np.array([(1 + 100 * x) * np.exp(-0.2 / (KB * t)) for t, x in points])
    done = np.arange(n) != (n if failed is None else failed)
    names = [f"temperature_K={t:g}_vacancy_fraction={x:g}" for t, x in points]
    for k, name in enumerate(names):
        os.makedirs(folder / "sweep" / name)
        (folder / "sweep" / name / ("summary.json" if k else "report.html")).write_text("x")
    with h5py.File(folder / "sweep.h5", "w") as file:
        file.attrs.update(creator="mesolith", stage="sweep", version="1", commit="abc", created="now", warnings=["mind this"])
        for key, values in (
            ("name", names),
            ("folder", ["sweep/" + name for name in names]),
            ("status", ["done" if d else "failed" for d in done]),
            ("message", ["" if d else "no <room>" for d in done]),
            ("verdict", ["pass" if d else "" for d in done]),
        ):
            file.create_dataset(f"points/{key}", data=values, dtype=STRINGS)
        file["points/seconds"] = np.ones(n)
        for k, (key, axis, values) in enumerate(
            [
                ("trajectory.file", 0, ['"a"', '"b"', '"c"']),
                ("run.temperature_K", 0, TEMPERATURES),
                ("meso.gas.vacancy_fraction", 1, FRACTIONS),
            ]
        ):
            column = [values[p // 2 if axis == 0 else p % 2] for p in range(n)]
            group = file.create_group(f"swept/{k}")
            group.attrs.update(key=key, axis=axis)
            text = [v if isinstance(v, str) else f"{v:g}" for v in column]
            group.create_dataset("text", data=text, dtype=STRINGS)
            group["value"] = [np.nan if isinstance(v, str) else v for v in column]
        for k, (key, unit, value, error) in enumerate(
            [
                ("D_mean", "angstrom^2/ps", D, 0.05 * D),
                ("D_xy", "angstrom^2/ps", 0 * D, 0.01 * D),
                ("haven", "", 0.5 + 0 * D, np.nan * D),
            ]
        ):
            group = file.create_group(f"results/{k}")
            group.attrs.update(key=key, units=unit, text="")
            group["value"], group["error"] = (np.where(done, v, np.nan) for v in (value, error))
        group = file.create_group("checks/0")
        group.attrs["name"] = "mass"
        group.create_dataset("verdict", data=["pass" if d else "" for d in done], dtype=STRINGS)
        group["value"] = np.zeros(n)
        for k, x in enumerate(FRACTIONS if fits else ()):
            group = file.create_group(f"series/{k}")
            t = np.array(TEMPERATURES)
            value = D[[p for p in range(n) if points[p][1] == x]]
            group.attrs.update(
                source="table", axis="D_mean", where=f"meso.gas.vacancy_fraction = {x:g}", units="angstrom^2/ps",
                log_prefactor=np.log(1 + 100 * x), activation_energy_eV=0.2, activation_energy_error_eV=0.01,
                chi_squared=0.0, degrees_of_freedom=1, p=1.0, valid_range_K=[500.0, 800.0], errors_from_scatter=0,
            )  # fmt: skip
            group["temperature"], group["value"], group["error"] = t, value, 0.05 * value
            group["covariance"] = np.diag([0.01, 1e-4])
    return D


def text_of(page):
    return re.sub(r"\s+", " ", re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.S))


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "mesolith_report", *map(str, arguments)], cwd=TOOLS, capture_output=True, text=True
    )


def test_the_page_holds_every_point_its_numbers_and_a_link_that_exists(tmp_path):
    D = write_sweep(tmp_path, failed=3)
    result = command(tmp_path)
    assert result.returncode == 0 and result.stderr == "", result.stderr
    page = (tmp_path / "report.html").read_text(encoding="utf-8")
    text = text_of(page)
    assert "6 points (3 values of run.temperature_K × 2 values of meso.gas.vacancy_fraction): 5 done, 1 failed" in text
    assert "no <room>" not in page and "no &lt;room&gt;" in page
    for expected in ("temperature_K = 800", "vacancy_fraction = 0.005", "Over temperature", "0.200 ± 0.010", "mind this"):
        assert expected in text, expected
    from mesolith_report.numbers import with_error

    assert with_error(D[0], 0.05 * D[0]) in text
    assert with_error(D[3], 0.05 * D[3]) not in text
    links = re.findall(r'href="([^"]+)"', page)
    assert len(links) == 7  # the points and the table
    from urllib.parse import unquote

    for link in links:
        assert link == "sweep.csv" or (tmp_path / unquote(link)).exists(), link
    assert unquote(links[1]).endswith("vacancy_fraction=0.005/report.html")
    assert page.count("data:image/png;base64,") == 3


def test_figures_show_the_values_of_the_file_with_a_line_per_other_value(tmp_path):
    D = write_sweep(tmp_path, failed=3)
    data = sweep.SweepFile(str(tmp_path))
    assert [key.key for key in data.axes()] == ["run.temperature_K", "meso.gas.vacancy_fraction"]
    assert [c.key for c in data.main_results()] == ["D_mean"]
    figures = sweep.against_figures(data)
    assert [f[0] for f in figures] == ["Against run.temperature_K", "Against meso.gas.vacancy_fraction"]
    lines = figures[0][1].axes[0].containers
    assert len(lines) == 2
    np.testing.assert_allclose(lines[0][0].get_ydata(), D[[0, 2, 4]])
    np.testing.assert_allclose(lines[1][0].get_xdata(), [500, 800])  # one point failed
    np.testing.assert_allclose(lines[1][0].get_ydata(), D[[1, 5]])
    bars = lines[0][2][0].get_segments()
    np.testing.assert_allclose([(b[1, 1] - b[0, 1]) / 2 for b in bars], 0.05 * D[[0, 2, 4]])
    assert sweep.arrhenius_figure(data)[1].axes[0].get_ylabel() == "D_mean (Å²/ps)"


def test_without_a_temperature_and_without_results_there_still_is_a_page(tmp_path):
    write_sweep(tmp_path, fits=False)
    with h5py.File(tmp_path / "sweep.h5", "r+") as file:
        del file["results"]
        del file["points/status"]
        file.create_dataset("points/status", data=["waiting"] * 6, dtype=STRINGS)
    sweep.write(str(tmp_path))
    text = text_of((tmp_path / "report.html").read_text(encoding="utf-8"))
    assert "6 waiting" in text and "Over temperature" not in text


def test_the_arrhenius_page_takes_the_fits_of_a_table(tmp_path):
    write_sweep(tmp_path)
    out = tmp_path / "fits.h5"
    with h5py.File(tmp_path / "sweep.h5") as old, h5py.File(out, "w") as new:
        old.copy("series", new)
        new.attrs.update(creator="mesolith", stage="arrhenius", version="1", commit="abc", created="now", warnings=[""])
    arrhenius.write(str(out))
    text = text_of((tmp_path / "fits.html").read_text(encoding="utf-8"))
    assert "Activation energy of D_mean: 0.200 ± 0.010 eV" in text
    assert "D_mean at meso.gas.vacancy_fraction = 0.02" in text


@pytest.mark.parametrize("damage", ["foreign", "broken"])
def test_foreign_and_broken_files_are_one_clear_line(tmp_path, damage):
    if damage == "foreign":
        with h5py.File(tmp_path / "sweep.h5", "w") as file:
            file.attrs["stage"] = "msm"
    else:
        (tmp_path / "sweep.h5").write_text("no hdf5")
    result = command(tmp_path)
    assert result.returncode == 1 and len(result.stderr.strip().splitlines()) == 1
    assert ("not the results of a sweep" if damage == "foreign" else "not a complete HDF5 file") in result.stderr
