"""Files of the mesoscale engine, written by the C++ tests, as other programs read them."""
import os
import struct
import subprocess
import zlib
from xml.etree import ElementTree

import h5py
import numpy as np
import pytest

BOX = np.array([[9, 1, -2], [2.5, 12, 0.5], [-3, 1.75, 14]])
STEPS = {"aligned": np.diag([1, 1.25, 1.5]), "skewed": np.array([[1, 0, 0], [0.25, 1.25, 0], [-0.125, 0.175, 1.5]])}
ORIGIN = np.array([0.1, 0.2, 0.3])
K, J, I = np.meshgrid(np.arange(3), np.arange(4), np.arange(5), indexing="ij")
C = I + 5 * J + 20 * K + 200.0
INDEX = np.stack([I, J, K], axis=-1)


def positions(t):
    return np.array([[1 / 3 + 8.125 * t + w, -7.7 * min(t, 3 if w == 1 else t), 0.1 * w - t] for w in range(3)])


@pytest.fixture(scope="module")
def samples(tmp_path_factory):
    program = os.environ.get("MESOLITH_PROGRAM")
    tests = program and os.path.join(os.path.dirname(program), "tests", "test_io")
    if not tests or not os.path.exists(tests):
        pytest.skip("MESOLITH_PROGRAM names no program with its tests beside it")
    folder = tmp_path_factory.mktemp("samples")
    subprocess.run([tests, "[samples]"], check=True, env={**os.environ, "MESOLITH_SAMPLE_FOLDER": str(folder)})
    return folder


def read_image(vtk, path):
    kinds = {".vti": vtk.vtkXMLImageDataReader, ".vts": vtk.vtkXMLStructuredGridReader, ".vtkhdf": vtk.vtkHDFReader}
    reader = kinds[path.suffix]()
    reader.SetFileName(str(path))
    reader.Update()
    data = reader.GetOutput()
    data.GetPointData().SetActiveScalars("c")
    return data


def points_of(data):
    return np.array([data.GetPoint(k) for k in range(data.GetNumberOfPoints())]).reshape(3, 4, 5, 3)


@pytest.mark.parametrize("name", ["aligned.vtkhdf", "aligned_000002.vti", "skewed_000002.vts"])
def test_vtk_finds_every_value_at_its_point(samples, name):
    vtk = pytest.importorskip("vtk", reason="VTK is not installed (python3-vtk9)")
    from vtk.util.numpy_support import vtk_to_numpy

    data = read_image(vtk, samples / name)
    assert data.GetDimensions() == (5, 4, 3)
    arrays = data.GetPointData()
    assert np.array_equal(vtk_to_numpy(arrays.GetArray("c")).reshape(3, 4, 5), C)
    assert np.array_equal(vtk_to_numpy(arrays.GetArray("flux")).reshape(3, 4, 5, 3), INDEX)
    step = STEPS[name.split("_")[0].split(".")[0]]
    assert np.allclose(points_of(data), ORIGIN + INDEX @ step, atol=1e-6)

    # The field is linear: its contours are planes.
    contour = vtk.vtkContourFilter()
    contour.SetInputData(data)
    contour.SetValue(0, 230.5)
    contour.Update()
    surface = vtk_to_numpy(contour.GetOutput().GetPoints().GetData())
    assert len(surface) > 10
    assert np.allclose((surface - ORIGIN) @ np.linalg.inv(step) @ [1, 5, 20], 30.5, atol=1e-4)


def test_the_collection_lists_times_of_files_that_vtk_reads(samples):
    vtk = pytest.importorskip("vtk", reason="VTK is not installed (python3-vtk9)")
    for name in STEPS:
        entries = ElementTree.parse(samples / f"{name}.pvd").getroot().findall("Collection/DataSet")
        assert [float(e.get("timestep")) for e in entries] == [0, 0.25, 0.5]
        for t, entry in enumerate(entries):
            data = read_image(vtk, samples / entry.get("file"))
            assert data.GetPointData().GetArray("c").GetValue(0) == 100 * t
            assert data.GetFieldData().GetArray("TimeValue").GetValue(0) == 0.25 * t


def test_the_direction_of_a_skewed_image_is_in_the_file(samples):
    with h5py.File(samples / "skewed.vtkhdf") as f:
        root = f["VTKHDF"]
        assert root.attrs["Type"] == b"ImageData"
        assert root.attrs.get_id("Type").get_type().get_cset() == h5py.h5t.CSET_ASCII
        assert not root.attrs.get_id("Type").get_type().is_variable_str()
        step = (root.attrs["Direction"].reshape(3, 3) * root.attrs["Spacing"]).T
        assert np.allclose(step, STEPS["skewed"], atol=1e-14)
        assert root["PointData/c"].dtype == np.float32
        assert np.array_equal(root["PointData/c"][:], C)
        assert f.attrs["time"] == 0.5


def test_mdanalysis_finds_positions_box_and_times_of_walkers(samples):
    mda = pytest.importorskip("MDAnalysis", reason="MDAnalysis is not installed")
    universe = mda.Universe.empty(3, trajectory=True)
    universe.load_new(str(samples / "walkers.h5md"), format="H5MD", convert_units=False)
    assert len(universe.trajectory) == 6
    for t, frame in enumerate(universe.trajectory):
        assert np.allclose(frame.positions, positions(t), rtol=1e-6)
        assert frame.time == 0.5 * t
        vectors = frame.triclinic_dimensions  # lengths and angles only: compare what does not turn
        assert np.allclose(vectors @ vectors.T, BOX @ BOX.T, rtol=1e-5, atol=1e-3)
    dump = mda.Universe(
        str(samples / "walkers.lammpstrj"), format="LAMMPSDUMP", topology_format="LAMMPSDUMP", lammps_coordinate_convention="unwrapped"
    )
    assert len(dump.trajectory) == 6


def test_ase_finds_positions_boxes_and_flags_of_walkers(samples):
    ase_io = pytest.importorskip("ase.io", reason="ASE is not installed")
    frames = ase_io.read(samples / "walkers.extxyz", ":")
    assert len(frames) == 6
    for t, atoms in enumerate(frames):
        assert np.allclose(atoms.positions, positions(t), atol=0.5001e-6, rtol=0)
        assert np.array_equal(np.array(atoms.cell), BOX)
        assert atoms.get_chemical_symbols() == ["Li", "Na", "Li"]
        assert list(atoms.pbc) == [True, True, False]
        assert list(atoms.arrays["alive"]) == [1, int(t < 3), 1]
        assert list(atoms.arrays["site"]) == [t, 0, 25]
        assert list(atoms.arrays["id"]) == [7, 2, 1000000]
        assert atoms.info["time_ps"] == 0.5 * t and atoms.info["step"] == 100 * t
    dumped = ase_io.read(samples / "walkers.lammpstrj", ":", format="lammps-dump-text")
    assert len(dumped) == 6
    for t, atoms in enumerate(dumped):  # sorted by id
        cell = np.array(atoms.cell)
        assert np.allclose(cell @ cell.T, BOX @ BOX.T, atol=1e-9)
        fractional = positions(t)[[1, 0, 2]] @ np.linalg.inv(BOX)
        assert np.allclose(atoms.positions @ np.linalg.inv(cell), fractional, atol=1e-6)
        assert list(atoms.pbc) == [True, True, False]
        assert atoms.get_chemical_symbols() == ["Na", "Li", "Li"]


def read_checkpoint(path):
    """From the layout in docs/files.md alone."""
    block = 4 << 20
    with open(path, "rb") as file:
        raw = file.read()
    assert raw[:8] == b"MSLCKPT1" and struct.unpack_from("<Q", raw, 8)[0] == 0x0102030405060708
    at, content = 16, {}

    def checked(n):
        nonlocal at
        (crc,) = struct.unpack_from("<I", raw, at + n)
        data = raw[at : at + n]
        assert zlib.crc32(data) == crc
        at += n + 4
        return data

    while True:
        record, kind, width, _, name_bytes, size = struct.unpack_from("<ccBBIQ", raw, at)
        name = checked(16 + name_bytes)[16:].decode()
        if record == b"E":
            assert size == len(content) and at == len(raw)
            return content
        missing, data = size * width, b""
        while missing > 0:
            data += checked(min(block, missing))
            missing -= min(block, missing)
        content[name] = data.decode() if record == b"T" else np.frombuffer(data, f"<{kind.decode()}{width}")


def test_a_checkpoint_has_the_documented_layout(samples):
    content = read_checkpoint(samples / "run.ckpt")
    assert set(content) == {"text", "large", "small"}
    assert content["text"] == "one"
    assert np.array_equal(content["large"], 0.5 * np.arange(600000))
    assert content["small"].dtype == np.int32 and list(content["small"]) == [-1, 2]
