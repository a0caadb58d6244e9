"""The committed format pack is what its generator writes."""
import gzip
import os

import h5py
import make_format_pack
import numpy as np

PACK = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "..", "tests", "data", "format_pack")


def contents(path):
    """Text unpacked, HDF5 as a table of all its values and attributes."""
    if path.endswith(".h5"):
        table = {}

        def add(name, item):
            table[name] = {key: np.asarray(value).tolist() for key, value in item.attrs.items()}
            if isinstance(item, h5py.Dataset):
                table[name]["value"] = (str(item.dtype), item[()].tolist())

        with h5py.File(path) as f:
            f.visititems(add)
        return table
    with (gzip.open if path.endswith(".gz") else open)(path, "rb") as file:
        return file.read()


def test_making_the_pack_again_gives_the_same_files(tmp_path):
    make_format_pack.make_pack(str(tmp_path))
    assert sorted(os.listdir(tmp_path)) == sorted(os.listdir(PACK))
    different = [n for n in os.listdir(PACK) if contents(os.path.join(PACK, n)) != contents(str(tmp_path / n))]
    assert different == []


def test_ase_agrees_with_the_references():
    """An independent reader finds the positions that the reference holds, where it can read the dialect."""
    import ase.io

    for cell in ("ortho", "skew", "turned"):
        with open(os.path.join(PACK, cell + ".reference"), encoding="utf-8") as file:
            n_frames, n_atoms = map(int, file.readline().split())
            file.readline()
            numbers = np.loadtxt(file)
        reference = numbers[3:].reshape(n_frames, n_atoms, 3)
        free = ase.io.read(os.path.join(PACK, cell + "_plain.extxyz"), ":")
        assert np.allclose([a.positions for a in free], reference, atol=1e-7)
        assert np.allclose(free[0].cell, numbers[:3], atol=1e-7)
        wrapped = ase.io.read(os.path.join(PACK, cell + "_XDATCAR"), ":", format="vasp-xdatcar")
        images = (np.array([a.positions for a in wrapped]) - reference) @ np.linalg.inv(numbers[:3])
        assert np.allclose(images, np.round(images), atol=1e-6)
        assert np.any(np.round(images) != 0)
