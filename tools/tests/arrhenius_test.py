"""Arrhenius plots: numbers of the file stand on the page, bands are those of its covariance, foreign files are one line."""

import os
import re
import subprocess
import sys

import h5py
import numpy as np
import pytest

from mesolith_report import arrhenius

TOOLS = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
KB = arrhenius.BOLTZMANN
TEMPERATURES = np.array([500.0, 600.0, 800.0])


def write_fit(group, prefactor, energy, relative=0.05):
    beta = 1 / (KB * TEMPERATURES)
    design = np.stack([np.ones(3), -beta], axis=1)
    covariance = np.linalg.inv(design.T @ design) * relative**2
    values = prefactor * np.exp(-energy * beta)
    group.attrs.update(
        log_prefactor=np.log(prefactor),
        activation_energy_eV=energy,
        activation_energy_error_eV=np.sqrt(covariance[1, 1]),
        chi_squared=0.0,
        degrees_of_freedom=1,
        p=1.0,
        valid_range_K=[500.0, 800.0],
    )
    for name, data in (("temperature", TEMPERATURES), ("value", values), ("error", relative * values)):
        group[name] = data
    group["covariance"] = covariance
    return design, covariance


@pytest.fixture()
def path(tmp_path):
    name = str(tmp_path / "a.h5")
    with h5py.File(name, "w") as file:
        file.attrs.update(
            creator="mesolith", stage="arrhenius", version="1", commit="abc", created="now", warnings=["mind this"]
        )
        file["runs/temperature"] = TEMPERATURES
        for k, (source, axis) in enumerate([("model", "x"), ("model", "mean"), ("direct", "mean")]):
            group = file.create_group(f"series/{k}")
            write_fit(group, 2.0, 0.2 + 0.01 * k)
            group.attrs.update(source=source, axis=axis)
        for k in range(2):
            group = file.create_group(f"hop_classes/{k}")
            group.attrs.update({"from": "Li1", "to": "Li2", "length_A": 2.74 + k})
            group["hops"], group["lasting"] = [1000 - 999 * k, 507, 1229], [149 - 149 * k, 361, 924]
        write_fit(file.create_group("hop_classes/0/fit"), 10.0, 0.31)
        write_fit(file.create_group("hop_classes/0/lasting_fit"), 10.0, 0.33)
    return name


def command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "mesolith_report.arrhenius", *arguments], cwd=TOOLS, capture_output=True, text=True
    )


def test_the_page_holds_the_energies_the_hops_and_the_warnings(path):
    result = command(path)
    assert result.returncode == 0 and result.stderr == "", result.stderr
    assert result.stdout.strip() == path[:-3] + ".html"
    page = open(path[:-3] + ".html", encoding="utf-8").read()
    text = re.sub(r"<style>.*?</style>|<[^>]+>", " ", page, flags=re.S)
    for expected in ("0.210", "0.200", "0.220", "0.310", "0.330", "1 000 (149)", "1 (0)", "2.74", "mind this"):
        assert expected in text, expected
    assert "Activation energy of D: 0.21" in text
    assert "data:image/png;base64," in page and "http" not in re.sub(r"<style>.*?</style>", "", page)


def test_the_band_is_that_of_the_covariance_and_the_line_that_of_the_prefactor(path):
    data = arrhenius.ArrheniusFile(path)
    fit = data.of("direct")[0]
    at = np.array([300.0, 650.0])
    np.testing.assert_allclose(fit.log_value(at), np.log(2.0) - 0.22 / (KB * at), rtol=1e-12)
    rng = np.random.default_rng(3)
    draws = rng.multivariate_normal([fit.log_prefactor, fit.energy], fit.covariance, 20000)
    lines = draws[:, :1] - draws[:, 1:] / (KB * at)
    np.testing.assert_allclose(lines.std(axis=0), fit.log_error(at), rtol=4 / np.sqrt(2 * 20000))
    assert len(data.hop_fits()) == 1


@pytest.mark.parametrize("ending", [".svg", ".png"])
def test_a_picture_alone_can_be_written(path, tmp_path, ending):
    out = str(tmp_path / ("b" + ending))
    assert arrhenius.write(path, out) == out
    start = open(out, "rb").read(200)
    assert b"<?xml" in start or start.startswith(b"\x89PNG")


def test_foreign_files_and_endings_are_one_clear_line(path, tmp_path):
    other = str(tmp_path / "other.h5")
    with h5py.File(other, "w") as file:
        file.attrs["stage"] = "msm"
    broken = str(tmp_path / "broken.h5")
    open(broken, "w").write("no hdf5")
    for arguments, expected in (
        ([other], "not the result of several temperatures"),
        ([broken], "not a complete HDF5 file"),
        ([path, "--out", "a.pdf"], "unknown kind of picture"),
        ([str(tmp_path / "none.h5")], "none.h5"),
    ):
        result = command(*arguments)
        assert result.returncode == 1 and len(result.stderr.strip().splitlines()) == 1
        assert expected in result.stderr, result.stderr
