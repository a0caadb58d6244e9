#!/usr/bin/env python3
"""Write the trajectories of inputs/trajectories as H5MD 1.1 from the files they were generated in.

    convert_shipped_data.py SOURCE_FOLDER [--into FOLDER]     convert; also writes inputs/structures/Li15Si4_MEAM.POSCAR
    convert_shipped_data.py SOURCE_FOLDER [--into FOLDER] --check   only compare
    convert_shipped_data.py SOURCE_FOLDER --only NAME ...           these files only

Source files hold `positions` [frame, atom, 3] (float32, unwrapped, angstrom, rounded to 0.001), `species`, `box_edges` [3],
`time_ps` and attributes of the simulation. With three decimals the copy is bit-saving, not lossy: HDF5's built-in
scale-offset filter stores the rounded integers, so a value comes back as the float32 nearest to it, give or take its last bit. Runs kept
with two decimals are rounded once more, by at most 0.005 A.
"""

import argparse
import os
import sys

import h5py
import numpy as np

SHIPPED = [
    # file name, stride, decimals kept, equilibration still inside [ps]
    ("li15si4_2vac_600K_meam.h5", 1, 3, 0.0),
    ("li13si4_500K_tensornet_r1.h5", 1, 3, 10.0),
    ("li13si4_500K_tensornet_r2.h5", 1, 3, 10.0),
    ("li13si4_500K_mace.h5", 1, 3, 0.0),
    # one crystal at three temperatures: a frame every 0.4 ps is enough for diffusion and lasting hops
    ("li15si4_2vac_500K_mace.h5", 2, 2, 0.0),
    ("li15si4_2vac_600K_mace.h5", 4, 2, 0.0),
    ("li15si4_2vac_800K_mace.h5", 2, 2, 0.0),
]
# The crystal of the MEAM run differs from the PBE one of the Materials Project by up to 0.19 A per Li: it has its own site list.
STRUCTURES = [
    (
        "li15si4_2vac_600K_meam.h5",
        "Li15Si4_MEAM.POSCAR",
        "Li15Si4, ideal crystal of the MEAM run (Cui et al. 2012)",
    )
]
SOURCE_DECIMALS = 3
FLOAT_ROUNDING = 1e-5  # [A]
CHUNK_FRAMES = 64
TEXT = h5py.string_dtype("utf-8")


def text_attribute(item, name, value):
    """Variable-length string: what MDAnalysis and others expect of `unit`."""
    item.attrs.create(name, value, dtype=TEXT)


def step_numbers(time_ps, timestep_fs):
    """MD step of each frame; times are whole numbers of time steps."""
    steps = np.rint(time_ps * 1000.0 / timestep_fs).astype(np.int64)
    if np.abs(steps * timestep_fs / 1000.0 - time_ps).max() > 1e-6:
        raise SystemExit(
            "time_ps is not a whole number of time steps (wrong timestep_fs). Check the source file"
        )
    return steps


def tolerance(decimals):
    """Largest difference from the source that rounding explains [A]."""
    return FLOAT_ROUNDING + (0.5 * 10.0**-decimals if decimals < SOURCE_DECIMALS else 0.0)


def convert(source_path, target_path, stride, decimals, equilibration_ps):
    with h5py.File(source_path, "r") as source, h5py.File(target_path + ".part", "w") as target:
        time = source["time_ps"][::stride]
        n_frames, n_atoms = len(time), source["positions"].shape[1]

        root = target.create_group("h5md")
        root.attrs["version"] = np.array([1, 1], dtype=np.int32)
        text_attribute(root.create_group("author"), "name", "mesolith developers")
        creator = root.create_group("creator")
        text_attribute(creator, "name", "convert_shipped_data.py (mesolith)")
        text_attribute(creator, "version", "1")

        atoms = target.create_group("particles/atoms")
        position = atoms.create_group("position")
        chunk = min(CHUNK_FRAMES, n_frames)
        value = position.create_dataset(
            "value",
            shape=(n_frames, n_atoms, 3),
            dtype=np.float32,
            chunks=(chunk, n_atoms, 3),
            scaleoffset=decimals,
            compression="gzip",
            compression_opts=9,
        )
        text_attribute(value, "unit", "Angstrom")
        block = 2048
        for first in range(0, n_frames, block):
            frames = source["positions"][first * stride : (first + block) * stride : stride]
            # The filter counts from the smallest value of a chunk and cuts off: round before it does.
            value[first : first + block] = np.round(frames.astype(float), decimals)
        packed = dict(compression="gzip", compression_opts=9, shuffle=True)
        position.create_dataset("step", data=step_numbers(time, source.attrs["timestep_fs"]), **packed)
        text_attribute(position.create_dataset("time", data=np.round(time, 6), **packed), "unit", "ps")

        box = atoms.create_group("box")
        box.attrs["dimension"] = np.int32(3)
        box.attrs.create("boundary", ["periodic"] * 3, dtype=TEXT)
        edges = box.create_group("edges")
        # The cell is constant; it is still written per frame because readers in use open nothing else.
        matrix = np.broadcast_to(np.diag(source["box_edges"][:]), (n_frames, 3, 3))
        text_attribute(
            edges.create_dataset("value", data=matrix, chunks=(min(1024, n_frames), 3, 3), **packed),
            "unit",
            "Angstrom",
        )
        edges["step"], edges["time"] = position["step"], position["time"]  # hard links, as the standard asks

        atoms.create_dataset("species", data=source["species"][:])
        simulation = target.create_group("parameters/simulation")
        for name, item in source.attrs.items():
            if isinstance(item, str):
                text_attribute(simulation, name, item)
            else:
                simulation.attrs[name] = item
        simulation.attrs["frame_interval_ps"] = float(source.attrs["frame_interval_ps"]) * stride
        simulation.attrs["equilibration_inside_ps"] = equilibration_ps
        text_attribute(
            simulation,
            "coordinates",
            f"unwrapped (continuous), rounded to {10.0**-decimals:g} angstrom",
        )
        text_attribute(
            simulation,
            "source",
            os.path.basename(source_path) + (f", one frame in {stride}" if stride > 1 else ", all frames"),
        )
    os.replace(target_path + ".part", target_path)


def largest_difference(source_path, target_path, stride):
    with h5py.File(source_path, "r") as source, h5py.File(target_path, "r") as target:
        atoms = target["particles/atoms"]
        written, original = atoms["position/value"], source["positions"]
        if written.shape[0] != len(source["time_ps"][::stride]) or written.shape[1:] != original.shape[1:]:
            raise SystemExit(f"{target_path}: shape {written.shape} does not fit the source. Convert again")
        same = (
            np.array_equal(atoms["species"][:], source["species"][:])
            and np.allclose(atoms["position/time"][:], source["time_ps"][::stride], rtol=0, atol=1e-6)
            and np.array_equal(atoms["box/edges/value"][-1], np.diag(source["box_edges"][:]))
        )
        if not same:
            raise SystemExit(f"{target_path}: species, times or cell differ from the source. Convert again")
        largest = 0.0
        for first in range(0, written.shape[0], 2048):
            frames = written[first : first + 2048]
            largest = max(
                largest,
                float(np.abs(frames - original[first * stride : (first + 2048) * stride : stride]).max()),
            )
        return largest


def write_structure(source_path, target_path, title):
    """Reference crystal of a source file as POSCAR."""
    with h5py.File(source_path, "r") as source:
        box = source["box_edges"][:]
        species = [name.decode() for name in source["reference_species"][:]]
        fractional = source["reference_positions"][:] / box
    fractional -= np.floor(fractional + 1e-7)  # 0.9999999 is 0
    names = list(dict.fromkeys(species))
    if species != sorted(species, key=names.index):
        raise SystemExit(f"{source_path}: reference atoms are not grouped by species. Sort them first")
    lines = [title, "1.0"] + [" ".join(f"{x:.8f}" for x in row) for row in np.diag(box)]
    lines += [" ".join(names), " ".join(str(species.count(name)) for name in names), "Direct"]
    lines += [" ".join(f"{x:.8f}" for x in np.abs(np.round(row, 8))) for row in fractional]
    with open(target_path, "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


def main():
    here = os.path.dirname(os.path.abspath(__file__))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("source", help="folder of the original files")
    parser.add_argument("--into", default=os.path.join(here, "..", "inputs", "trajectories"))
    parser.add_argument("--check", action="store_true", help="convert nothing, compare only")
    parser.add_argument("--only", nargs="+", metavar="NAME", help="only these files")
    arguments = parser.parse_args()
    unknown = set(arguments.only or []) - {name for name, *_ in SHIPPED}
    if unknown:
        parser.error(f"{', '.join(sorted(unknown))}: not among the shipped files")
    failed = False
    for name, stride, decimals, equilibration_ps in SHIPPED:
        if arguments.only and name not in arguments.only:
            continue
        source, target = os.path.join(arguments.source, name), os.path.join(arguments.into, name)
        if not arguments.check:
            convert(source, target, stride, decimals, equilibration_ps)
        difference = largest_difference(source, target, stride)
        failed |= difference > tolerance(decimals)
        print(f"{name}: {os.path.getsize(target) / 1e6:.1f} MB, largest difference {difference:.1e} A")
    if not arguments.check:
        for name, structure, title in STRUCTURES:
            if arguments.only and name not in arguments.only:
                continue
            write_structure(
                os.path.join(arguments.source, name),
                os.path.join(here, "..", "inputs", "structures", structure),
                title,
            )
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
