import os

import convert_trajectory
import h5py
import numpy as np
import pytest

ase = pytest.importorskip("ase")
import ase.io  # noqa: E402
from ase.io.trajectory import Trajectory  # noqa: E402

CELL = np.array([[5.0, 0, 0], [1.0, 6.0, 0], [-0.5, 0.7, 7.0]])


def make_frames(n, change=None):
    rng = np.random.default_rng(1)
    frames = []
    for t in range(n):
        symbols = "Li2Si" if t != change else "LiSi2"
        frames.append(ase.Atoms(symbols, positions=rng.normal(size=(3, 3)), cell=CELL * (1 + 0.01 * t), pbc=True))
    return frames


def write_traj(path, frames):
    with Trajectory(str(path), "w") as file:
        for atoms in frames:
            file.write(atoms)


def test_positions_cells_species_and_times_of_a_traj_file_survive(tmp_path):
    frames = make_frames(7)
    write_traj(tmp_path / "md.traj", frames)
    convert_trajectory.main([str(tmp_path / "md.traj"), str(tmp_path / "md.h5"), "--interval-ps", "0.5", "--double"])
    with h5py.File(tmp_path / "md.h5") as f:
        group = f["particles/all"]
        assert list(f["h5md"].attrs["version"]) == [1, 1]
        assert [s.decode() for s in group["species"][:]] == ["Li", "Li", "Si"]
        assert np.array_equal(group["position/value"][:], [a.positions for a in frames])
        assert np.array_equal(group["box/edges/value"][:], [np.array(a.cell) for a in frames])
        assert np.allclose(group["position/time"][:], 0.5 * np.arange(7))
        assert group["position/value"].attrs["unit"] == "Angstrom"
        assert group["position/time"].attrs["unit"] == "ps"
        assert np.array_equal(group["box/edges/step"][:], np.arange(7))
    assert not os.path.exists(tmp_path / "md.h5.part")


def test_frames_can_be_chosen_and_times_come_from_the_file(tmp_path):
    frames = make_frames(6)
    for t, atoms in enumerate(frames):
        atoms.info["time_ps"] = 3.0 + t
    ase.io.write(tmp_path / "md.extxyz", frames)
    convert_trajectory.main([str(tmp_path / "md.extxyz"), str(tmp_path / "md.h5"), "--index", "1::2"])
    with h5py.File(tmp_path / "md.h5") as f:
        assert np.allclose(f["particles/all/position/time"][:], [4, 6, 8])
        assert f["particles/all/position/value"].dtype == np.float32


@pytest.mark.parametrize(
    "damage, words",
    [
        (lambda frames: frames, "Give --interval-ps"),
        (lambda frames: [a for a in frames if a.set_cell(None) or True], "has no cell"),
        (lambda frames: make_frames(4, change=2), "the atoms change in frame 2"),
    ],
)
def test_what_cannot_be_converted_is_refused_and_leaves_no_file(tmp_path, damage, words):
    write_traj(tmp_path / "md.traj", damage(make_frames(4)))
    arguments = [str(tmp_path / "md.traj"), str(tmp_path / "md.h5")]
    if "interval" not in words:
        arguments += ["--interval-ps", "0.1"]
    with pytest.raises(SystemExit) as stop:
        convert_trajectory.main(arguments)
    assert words in str(stop.value)
    assert sorted(os.listdir(tmp_path)) == ["md.traj"]


def test_an_xtc_file_is_read_with_its_topology(tmp_path):
    mda = pytest.importorskip("MDAnalysis")
    universe = mda.Universe.empty(3, trajectory=True)
    universe.add_TopologyAttr("names", ["LI1", "LI2", "SI"])
    universe.add_TopologyAttr("resnames", ["X"])
    universe.add_TopologyAttr("resids", [1])
    universe.dimensions = [10, 11, 12, 90, 90, 90]
    universe.atoms.positions = np.arange(9).reshape(3, 3)
    universe.atoms.write(str(tmp_path / "conf.gro"))
    with mda.Writer(str(tmp_path / "md.xtc"), 3) as writer:
        for t in range(3):
            universe.atoms.positions = np.arange(9).reshape(3, 3) + t
            universe.trajectory.ts.time = 2.0 * t
            universe.trajectory.ts.frame = t
            writer.write(universe.atoms)
    convert_trajectory.main([str(tmp_path / "md.xtc"), str(tmp_path / "md.h5"), "--topology", str(tmp_path / "conf.gro")])
    with h5py.File(tmp_path / "md.h5") as f:
        group = f["particles/all"]
        assert [s.decode() for s in group["species"][:]] == ["Li", "Li", "Si"]
        assert np.allclose(group["position/value"][2], np.arange(9).reshape(3, 3) + 2, atol=0.01)
        assert np.allclose(group["box/edges/value"][0], np.diag([10, 11, 12]), atol=1e-4)
        assert np.allclose(np.diff(group["position/time"][:]), 2.0)
