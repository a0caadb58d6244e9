"""The shipped trajectories are complete H5MD files and hold what their README says."""

import os

import h5py
import numpy as np
import pytest

FOLDER = os.path.join(
    os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__)))), "inputs", "trajectories"
)
FILES = {  # frames, Li, Si, interval [ps], decimals, first box edge [A]
    "li15si4_2vac_600K_meam.h5": (19900, 58, 16, 0.05, 3, 10.58901003),
    "li13si4_500K_tensornet_r1.h5": (6202, 156, 48, 0.05, 3, 13.262205),
    "li13si4_500K_tensornet_r2.h5": (5529, 156, 48, 0.05, 3, 13.262205),
    "li13si4_500K_mace.h5": (17401, 156, 48, 0.2, 3, 13.262205),
    "li15si4_2vac_500K_mace.h5": (5750, 58, 16, 0.4, 2, 10.566048),
    "li15si4_2vac_600K_mace.h5": (5750, 58, 16, 0.4, 2, 10.566048),
    "li15si4_2vac_800K_mace.h5": (5750, 58, 16, 0.4, 2, 10.566048),
}


def test_every_shipped_file_is_listed_and_all_are_below_50_megabytes():
    found = sorted(name for name in os.listdir(FOLDER) if name.endswith(".h5"))
    assert found == sorted(FILES)
    assert sum(os.path.getsize(os.path.join(FOLDER, name)) for name in found) < 50e6


@pytest.mark.parametrize("name", FILES)
def test_a_shipped_file_follows_h5md_and_has_the_frames_of_its_readme(name):
    frames, lithium, silicon, interval, decimals, edge = FILES[name]
    with h5py.File(os.path.join(FOLDER, name), "r") as file:
        assert file["h5md"].attrs["version"].tolist() == [1, 1]
        assert (
            file["h5md/author"].attrs["name"]
            and file["h5md/creator"].attrs["name"]
            and file["h5md/creator"].attrs["version"]
        )
        atoms = file["particles/atoms"]
        position = atoms["position/value"]
        assert position.shape == (frames, lithium + silicon, 3)
        assert position.attrs["unit"] == "Angstrom" and atoms["position/time"].attrs["unit"] == "ps"
        assert (
            h5py.check_string_dtype(position.attrs.get_id("unit").dtype).length is None
        )  # variable-length: MDAnalysis needs it
        assert atoms["species"][:].tolist() == [b"Li"] * lithium + [b"Si"] * silicon
        np.testing.assert_allclose(np.diff(atoms["position/time"][:]), interval, atol=1e-9)
        assert np.all(
            np.diff(atoms["position/step"][:]) == atoms["position/step"][1] - atoms["position/step"][0]
        )
        box = atoms["box"]
        assert box.attrs["dimension"] == 3 and list(box.attrs["boundary"]) == ["periodic"] * 3
        assert box["edges/value"].shape == (frames, 3, 3) and abs(box["edges/value"][-1, 0, 0] - edge) < 1e-8
        assert box["edges/step"] == atoms["position/step"]  # one dataset, two names
        some = position[:: max(frames // 50, 1)].astype(float)
        assert np.isfinite(some).all()
        assert np.abs(some - np.round(some, decimals)).max() < 1e-5  # values come back as they were rounded
        # continuous: a wrapped atom would jump by an edge, more than 10 A
        assert np.abs(np.diff(position[:500].astype(float), axis=0)).max() < 5
