#!/usr/bin/env python3
"""Convert a trajectory that mesolith does not read itself (ASE .traj, XTC, TRR, DCD, NetCDF, ...) to H5MD.

    tools/convert_trajectory.py md.traj md.h5 --interval-ps 0.05
    tools/convert_trajectory.py traj.xtc md.h5 --topology conf.gro

Read with ASE; with MDAnalysis when a topology is given. Frames are converted one at a time. Positions stay as they are,
wrapped or not: mesolith unwraps them. OUT.h5 appears only when it is complete.
"""
import argparse
import os
import sys

import h5py
import numpy as np


class Frame:
    def __init__(self, species, positions, cell, time_ps):
        self.species = species
        self.positions = positions  # [A]
        self.cell = cell  # rows are vectors [A]
        self.time_ps = time_ps  # None when the file does not tell


def frames_of_ase(path, index):
    import ase.io

    for atoms in ase.io.iread(path, index=index):
        time = atoms.info.get("time_ps")
        if time is None and "time_fs" in atoms.info:
            time = float(atoms.info["time_fs"]) * 1e-3
        yield Frame(atoms.get_chemical_symbols(), atoms.positions, np.array(atoms.cell), time)


def frames_of_mdanalysis(path, topology, index):
    try:
        import MDAnalysis
        from MDAnalysis.lib.mdamath import triclinic_vectors
    except ImportError:
        sys.exit("convert_trajectory: --topology needs MDAnalysis (it reads XTC, TRR, DCD and NetCDF). "
                 "Install it: pip install MDAnalysis")
    universe = MDAnalysis.Universe(topology, path)
    if hasattr(universe.atoms, "elements") and all(universe.atoms.elements):
        species = [str(e).capitalize() for e in universe.atoms.elements]
    else:
        species = [str(name).rstrip("0123456789+-*'").capitalize() for name in universe.atoms.names]
    for step in universe.trajectory[index]:
        if step.dimensions is None:
            sys.exit(f"convert_trajectory: {path}: frame {step.frame} has no cell. Write the trajectory with its cell")
        yield Frame(species, universe.atoms.positions, triclinic_vectors(step.dimensions), float(step.time))


def convert(frames, out, interval_ps=None, single_precision=True, source=""):
    """Write frames to `out`; returns how many there were."""
    part = out + ".part"
    try:
        n = _write(frames, part, interval_ps, single_precision, source)
    except BaseException:
        if os.path.exists(part):
            os.remove(part)
        raise
    os.replace(part, out)
    return n


def _write(frames, path, interval_ps, single_precision, source):
    text = h5py.string_dtype()
    with h5py.File(path, "w") as f:
        head = f.create_group("h5md")
        head.attrs["version"] = np.array([1, 1], dtype="i4")
        head.create_group("author").attrs.create("name", "unknown", dtype=text)
        creator = head.create_group("creator")
        creator.attrs.create("name", "convert_trajectory.py", dtype=text)
        creator.attrs.create("version", "1", dtype=text)
        creator.attrs.create("source", os.path.basename(source), dtype=text)
        group = f.create_group("particles/all")
        species, block, n = None, [], 0
        data = {}

        def flush():
            if not block:
                return
            begin, end = n - len(block), n
            for name, get in (("position/value", lambda x: x.positions), ("box/edges/value", lambda x: x.cell),
                              ("position/time", lambda x: x.time_ps), ("position/step", lambda x: x.step)):
                data[name].resize(end, axis=0)
                data[name][begin:end] = np.array([get(frame) for frame in block])
            block.clear()

        for frame in frames:
            if abs(np.linalg.det(frame.cell)) < 1e-6:
                sys.exit(f"convert_trajectory: {source}: frame {n} has no cell. Write the trajectory with its cell")
            if not np.all(np.isfinite(frame.positions)):
                sys.exit(f"convert_trajectory: {source}: frame {n} holds a coordinate that is not finite. "
                         "Convert the frames before it: --index :" + str(n))
            if interval_ps is not None:
                frame.time_ps = n * interval_ps
            elif frame.time_ps is None:
                sys.exit(f"convert_trajectory: {source}: the file does not tell the time. Give --interval-ps")
            frame.step = n
            if species is None:
                species = list(frame.species)
                count = len(species)
                group.create_dataset("species", data=species, dtype=text)
                box = group.create_group("box")
                box.attrs["dimension"] = np.int32(3)
                box.attrs.create("boundary", ["periodic"] * 3, dtype=text)
                kind = "f4" if single_precision else "f8"
                chunk = max(1, min(1024, 262144 // (count * 3 * int(kind[1]))))

                def grow(name, shape, dtype, rows, unit):
                    data[name] = group.create_dataset(name, (0,) + shape, maxshape=(None,) + shape, dtype=dtype,
                                                      chunks=(rows,) + shape, compression="gzip", shuffle=True)
                    if unit:
                        data[name].attrs.create("unit", unit, dtype=text)

                grow("position/value", (count, 3), kind, chunk, "Angstrom")
                grow("position/step", (), "i8", 1024, None)
                grow("position/time", (), "f8", 1024, "ps")
                grow("box/edges/value", (3, 3), "f8", 256, "Angstrom")
                group["box/edges/step"] = group["position/step"]
                group["box/edges/time"] = group["position/time"]
            elif list(frame.species) != species:
                sys.exit(f"convert_trajectory: {source}: the atoms change in frame {n} (their number, kind or order). "
                         "Convert the parts one by one: --index")
            # Readers reuse their buffers.
            frame.positions = np.array(frame.positions)
            block.append(frame)
            n += 1
            if len(block) == chunk:
                flush()
        flush()
        if n == 0:
            sys.exit(f"convert_trajectory: {source}: holds no frames")
        return n


def parse_slice(text):
    parts = [int(p) if p else None for p in text.split(":")]
    if len(parts) not in (2, 3):
        raise argparse.ArgumentTypeError("a slice is needed, e.g. 100: or ::2")
    return slice(*parts)


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("input")
    parser.add_argument("output")
    parser.add_argument("--interval-ps", type=float, help="time between two converted frames; replaces the times of the file")
    parser.add_argument("--topology", help="file that names the atoms (for XTC, TRR, DCD, NetCDF); read with MDAnalysis")
    parser.add_argument("--index", type=parse_slice, default=slice(None), help="frames to convert, e.g. 100: or ::2")
    parser.add_argument("--double", action="store_true", help="store positions in double precision")
    options = parser.parse_args(arguments)
    if options.interval_ps is not None and not options.interval_ps > 0:
        sys.exit("convert_trajectory: --interval-ps must be above 0")
    if not os.path.exists(options.input):
        sys.exit(f"convert_trajectory: {options.input}: no such file")
    if options.topology:
        frames = frames_of_mdanalysis(options.input, options.topology, options.index)
    else:
        frames = frames_of_ase(options.input, options.index)
    n = convert(frames, options.output, options.interval_ps, not options.double, options.input)
    print(f"{options.output}: {n} frames")


if __name__ == "__main__":
    main()
