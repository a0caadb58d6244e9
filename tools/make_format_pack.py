#!/usr/bin/env python3
"""Write one short trajectory in every dialect that mesolith reads, with the answer beside it.

    tools/make_format_pack.py OUTDIR

Four cells (orthorhombic, skewed, skewed and changing with time, turned in space), 12 frames of 5 Li and 3 Si that cross
the boundaries. `CELL.reference` holds the continuous positions (of the changing cell: its fractional
coordinates in the first cell), `pack.txt` lists the files: cell, file, format, options of the reader.
The writers stand here and use numpy (and h5py for H5MD) only, so that no reader is tested with its own library.
"""
import gzip
import os
import sys

import h5py
import numpy as np

SPECIES = ["Li", "Li", "Si", "Li", "Li", "Li", "Si", "Si"]
TYPE = {"Li": 1, "Si": 2}
N_FRAMES = 12
INTERVAL_PS = 0.05
STEPS_PER_FRAME = 100

ORTHO = np.diag([6.0, 7.5, 9.0])
SKEW = np.array([[6.5, 0.0, 0.0], [3.1, 7.0, 0.0], [-2.9, 3.3, 8.0]])


def turned(cell):
    """The cell turned in space: no vector along an axis."""
    a, b, c = 0.7, -0.4, 1.1
    rx = np.array([[1, 0, 0], [0, np.cos(a), -np.sin(a)], [0, np.sin(a), np.cos(a)]])
    ry = np.array([[np.cos(b), 0, np.sin(b)], [0, 1, 0], [-np.sin(b), 0, np.cos(b)]])
    rz = np.array([[np.cos(c), -np.sin(c), 0], [np.sin(c), np.cos(c), 0], [0, 0, 1]])
    return cell @ rz @ ry @ rx


def make_trajectory(cell, seed, varying=False):
    """Fractional continuous coordinates [frame, atom, 3] and one cell per frame; the first frame lies inside the cell."""
    rng = np.random.default_rng(seed)
    n = len(SPECIES)
    fractional = np.empty((N_FRAMES, n, 3))
    fractional[0] = rng.uniform(0.03, 0.97, (n, 3))
    heading = rng.normal(size=(n, 3))
    heading *= 0.8 / np.linalg.norm(heading, axis=1, keepdims=True)
    for t in range(1, N_FRAMES):
        step = heading + rng.uniform(-0.15, 0.15, (n, 3))  # about 0.8 A: far from half the cell
        fractional[t] = fractional[t - 1] + step @ np.linalg.inv(cell)
    cells = np.repeat(cell[None], N_FRAMES, axis=0)
    if varying:
        for t in range(1, N_FRAMES):
            cells[t] = cells[t - 1] @ (np.eye(3) + np.tril(rng.uniform(-0.01, 0.01, (3, 3))))
    crossings = np.any(np.floor(fractional[-1]) != 0)
    assert crossings, "the atoms should cross a boundary"
    return fractional, cells


class Pack:
    def __init__(self, folder):
        self.folder = folder
        self.lines = []
        os.makedirs(folder, exist_ok=True)

    def write(self, name, text):
        path = os.path.join(self.folder, name)
        if name.endswith(".gz"):
            with open(path, "wb") as raw, gzip.GzipFile("", "wb", 9, raw, mtime=0) as packed:
                packed.write(text.encode())
        else:
            with open(path, "w", encoding="utf-8", newline="") as file:
                file.write(text)

    def add(self, cell_name, name, kind, text=None, **options):
        if text is not None:
            self.write(name, text)
        self.lines.append(" ".join([cell_name, name, kind] + [f"{k}={v}" for k, v in options.items()]))


def row(values, digits=8):
    return " ".join(f"{v:.{digits}f}" for v in values)


def wrap(fractional):
    images = np.floor(fractional).astype(int)
    return fractional - images, images


# One function per format


def reference_text(fractional, cells):
    text = f"{N_FRAMES} {len(SPECIES)}\n{' '.join(SPECIES)}\n"
    text += "".join(row(a) + "\n" for a in cells[0])
    for frame in fractional:
        text += "".join(row(r, 9) + "\n" for r in frame @ cells[0])
    return text


def matrix_text(cell):
    return "".join(row(a) + "\n" for a in cell)


def xyz_text(fractional, cells, comment="", number=False):
    text = ""
    for frame, cell in zip(fractional, cells):
        text += f"{len(SPECIES)}\n{comment}\n"
        for name, r in zip(SPECIES, frame @ cell):
            label = {"Li": "3", "Si": "14"}[name] if number else name
            text += f"{label:4s} {row(r)}\n"
    return text


def cp2k_texts(fractional, cells):
    """Positions and cells; after a restart at frame 7 the steps from frame 5 come again."""
    order = list(range(8)) + list(range(5, N_FRAMES))
    positions, cell_text = "", "#   Step   Time [fs]   Ax [Angstrom] ...   Volume [Angstrom^3]\n"
    for t in order:
        step = t * STEPS_PER_FRAME
        time = t * INTERVAL_PS * 1000
        positions += f"{len(SPECIES):8d}\n i = {step:8d}, time = {time:12.3f}, E = {-17.1646447508 - t:20.10f}\n"
        for name, r in zip(SPECIES, fractional[t] @ cells[t]):
            positions += f"{name:>3s} {r[0]:19.10f} {r[1]:19.10f} {r[2]:19.10f}\n"
        volume = abs(np.linalg.det(cells[t]))
        cell_text += f"{step:8d} {time:12.3f} " + " ".join(f"{v:18.10f}" for v in cells[t].ravel()) + f" {volume:18.6f}\n"
    return positions, cell_text


def extxyz_text(fractional, cells, style):
    text = ""
    rng = np.random.default_rng(5)
    for t, (frame, cell) in enumerate(zip(fractional, cells)):
        lattice = " ".join(f"{v:.10f}" for v in cell.ravel())
        if style == "plain":
            positions = frame @ cell
            head = f'Lattice="{lattice}" Properties=species:S:1:pos:R:3 pbc="T T T" time_ps={t * INTERVAL_PS:.6f}'
            lines = [f"{s} {row(r)}" for s, r in zip(SPECIES, positions)]
        elif style == "columns":  # wrapped, other order, more columns, other quotes, time in fs
            positions = wrap(frame)[0] @ cell
            head = (f"config_type='md run' energy=-1.5e2 converged time={t * INTERVAL_PS * 1000:.3f} pbc=[T, T, T] "
                    f"Properties=id:I:1:forces:R:3:pos:R:3:tag:L:1:species:S:1:Z:I:1 Lattice='{lattice}'")
            lines = [f"  {i + 1}\t{row(rng.normal(size=3), 5)}   {row(r)} T {s} {3 if s == 'Li' else 14}"
                     for i, (s, r) in enumerate(zip(SPECIES, positions))]
        else:  # wrapped, upper-case key, scientific notation
            positions = wrap(frame)[0] @ cell
            head = f'LATTICE="{lattice}" properties="pos:R:3:species:S:1"'
            lines = [" ".join(f"{v:+.10e}" for v in r) + f" {s}" for s, r in zip(SPECIES, positions)]
        text += f"{len(SPECIES)}\n{head}\n" + "\n".join(lines) + "\n"
    return text


def dump_text(fractional, cells, columns, origin=(0, 0, 0), scramble=None, header="bounding", items=None, tab=False,
              length=1.0, extra_item=False):
    """A LAMMPS dump; `columns` as in the dump command. x is wrapped, xu unwrapped; positions start at the box origin."""
    origin = np.asarray(origin, float)
    items = items or {}
    rng = np.random.default_rng(scramble)
    text = ""
    if "units" in items:
        text += f"ITEM: UNITS\n{items['units']}\n"
    for t, (frame, cell) in enumerate(zip(fractional, cells)):
        inside, images = wrap(frame)
        corner = origin + 0.01 * t * (origin != 0)  # the box also moves
        if "time" in items:
            text += f"ITEM: TIME\n{t * INTERVAL_PS * items['time']:.6f}\n"
        text += f"ITEM: TIMESTEP\n{1000 + t * STEPS_PER_FRAME}\n"
        if extra_item:
            text += "ITEM: SOMETHING NEW\nwith a line\nand another\n"
        text += f"ITEM: NUMBER OF ATOMS\n{len(SPECIES)}\n"
        a = cell / length
        lo = corner / length
        if header == "general":
            text += "ITEM: BOX BOUNDS abc origin pp pp pp\n"
            text += "".join(f"{row(a[i], 12)} {lo[i]:.12f}\n" for i in range(3))
        else:
            hi = lo + np.diag(a)
            xy, xz, yz = a[1, 0], a[2, 0], a[2, 1]
            if xy == xz == yz == 0:
                text += "ITEM: BOX BOUNDS pp pp pp\n" + "".join(f"{lo[i]:.12e} {hi[i]:.12e}\n" for i in range(3))
            else:
                bound = [(lo[0] + min(0, xy, xz, xy + xz), hi[0] + max(0, xy, xz, xy + xz), xy),
                         (lo[1] + min(0, yz), hi[1] + max(0, yz), xz), (lo[2], hi[2], yz)]
                text += "ITEM: BOX BOUNDS xy xz yz pp pp pp\n" + "".join(row(b, 12) + "\n" for b in bound)
        values = {
            "id": [10 + 3 * i for i in range(len(SPECIES))],
            "type": [TYPE[s] for s in SPECIES],
            "element": SPECIES,
            "vx": [f"{v:.4g}" for v in rng.normal(size=len(SPECIES))],
        }
        for k, axis in enumerate("xyz"):
            values[axis] = [f"{v:.8f}" for v in (inside @ cell / length + lo)[:, k]]
            values[axis + "u"] = [f"{v:.8f}" for v in (frame @ cell / length + lo)[:, k]]
            values[axis + "s"] = [f"{v:.10f}" for v in inside[:, k]]
            values[axis + "su"] = [f"{v:.10f}" for v in frame[:, k]]
            values["i" + axis] = images[:, k]
        names = columns.split()
        text += "ITEM: ATOMS " + columns + " \n"
        order = np.arange(len(SPECIES)) if scramble is None else rng.permutation(len(SPECIES))
        separator = "\t" if tab else " "
        for i in order:
            text += separator.join(str(values[name][i]) for name in names) + (separator if not tab else "") + "\n"
    return text


def xdatcar_text(fractional, cells, scale=1.0, cartesian=False, eol="\n"):
    """The head comes again before each frame when the cell varies. scale < 0 means the volume."""
    names, counts = [], []
    for s in SPECIES:
        if names and names[-1] == s:
            counts[-1] += 1
        else:
            names.append(s)
            counts.append(1)
    varying = not np.all(cells == cells[0])
    lines = []
    for t, (frame, cell) in enumerate(zip(fractional, cells)):
        factor = scale
        if scale < 0:  # the vectors are stored too large by 1.7: the volume corrects them
            factor, stored = -abs(np.linalg.det(cell)), cell * 1.7
        else:
            stored = cell / scale
        if t == 0 or varying:
            lines += ["Li Si test", f"  {factor:.12f}"] + ["  " + row(a, 12) for a in stored]
            lines += ["   ".join(f"{n}_sv/0123" if n == "Li" and cartesian else n for n in names),
                      "   ".join(str(c) for c in counts)]
        lines.append(f"{'Cartesian' if cartesian else 'Direct'} configuration= {t + 1:5d}")
        inside = wrap(frame)[0]
        lines += ["  " + row(r, 10) for r in (inside @ cell / scale if cartesian else inside)]
    return eol.join(lines) + eol


def write_h5md(path, fractional, cells, style):
    n = len(SPECIES)
    inside, images = np.empty_like(fractional), np.empty(fractional.shape, int)
    for t in range(N_FRAMES):
        inside[t], images[t] = wrap(fractional[t])
    cartesian = np.einsum("tni,tij->tnj", fractional, cells)
    wrapped = np.einsum("tni,tij->tnj", inside, cells)
    steps = np.arange(N_FRAMES) * STEPS_PER_FRAME
    times = np.arange(N_FRAMES) * INTERVAL_PS
    with h5py.File(path, "w") as f:
        head = f.create_group("h5md")
        head.attrs["version"] = np.array([1, 1])
        head.create_group("author").attrs["name"] = "format pack"
        creator = head.create_group("creator")
        creator.attrs["name"] = "make_format_pack.py"
        creator.attrs["version"] = "1"
        group = f.create_group("particles/" + {"ids": "trajectory"}.get(style, "all"))
        box = group.create_group("box")
        box.attrs["dimension"] = 3
        box.attrs["boundary"] = np.array(["periodic"] * 3, dtype="S8")
        position = group.create_group("position")

        def edges_each_frame(values):
            edges = box.create_group("edges")
            edges["value"] = values
            edges["step"] = position["step"]
            edges["time"] = position["time"]

        if style == "lengths":  # fixed lengths, text species, image flags, float32, packed in chunks
            value = position.create_dataset("value", data=wrapped.astype("f4"), chunks=(5, n, 3), compression="gzip", shuffle=True)
            value.attrs["unit"] = "Angstrom"
            position["step"], position["time"] = steps, times
            position["time"].attrs["unit"] = "ps"
            box["edges"] = np.diag(cells[0])
            image = group.create_group("image")
            image["value"], image["step"], image["time"] = images, steps, times
            group.create_dataset("species", data=np.array(SPECIES, dtype="S2"))
        elif style == "nm":  # nanometres, femtoseconds, enum species, fixed vectors, times by increment
            position["value"] = cartesian * 0.1
            position["value"].attrs["unit"] = "nm"
            position["step"], position["time"] = STEPS_PER_FRAME, INTERVAL_PS * 1000
            position["time"].attrs["unit"] = "fs"
            box["edges"] = cells[0] * 0.1
            box["edges"].attrs["unit"] = np.bytes_("nm")
            kinds = h5py.enum_dtype({"Si": 7, "Li": 2}, basetype="u1")
            group.create_dataset("species", data=np.array([{"Si": 7, "Li": 2}[s] for s in SPECIES], "u1"), dtype=kinds)
        elif style == "numbers":  # numbered species that need a map, wrapped without flags, cell in each frame
            position["value"] = wrapped
            position["value"].attrs["unit"] = "Angstrom"
            position["step"], position["time"] = steps, times
            position["time"].attrs["unit"] = "ps"
            edges_each_frame(cells)
            group["species"] = np.array([TYPE[s] for s in SPECIES])
        elif style == "ids":  # atoms in another order in each frame, told by their ids; species vary along
            rng = np.random.default_rng(3)
            order = np.array([np.arange(n)] + [rng.permutation(n) for _ in range(N_FRAMES - 1)])
            position["value"] = np.take_along_axis(cartesian, order[:, :, None], axis=1)
            position["value"].attrs["unit"] = "Angstrom"
            position["step"], position["time"] = steps, times
            position["time"].attrs["unit"] = "ps"
            diagonal = np.array([np.diag(c) for c in cells])
            orthorhombic = all(np.array_equal(c, np.diag(d)) for c, d in zip(cells, diagonal))
            edges_each_frame(diagonal if orthorhombic else cells)
            identity = group.create_group("id")
            identity["value"], identity["step"], identity["time"] = order + 5, steps, times
            group.create_dataset("species", data=SPECIES, dtype=h5py.string_dtype())


def make_pack(folder):
    pack = Pack(folder)
    systems = {
        "ortho": make_trajectory(ORTHO, 1),
        "skew": make_trajectory(SKEW, 2),
        "varying": make_trajectory(SKEW, 3, varying=True),
        "turned": make_trajectory(turned(SKEW), 4),
    }
    interval = INTERVAL_PS
    for name, (u, cells) in systems.items():
        pack.write(name + ".reference", reference_text(u, cells))
        inside = wrap(u)[0]

        pack.add(name, name + "_plain.extxyz", "extxyz", extxyz_text(u, cells, "plain"))
        pack.add(name, name + "_columns.xyz.gz", "extxyz", extxyz_text(u, cells, "columns"))
        pack.add(name, name + "_short.xyz", "extxyz", extxyz_text(u, cells, "short"), interval=interval)

        positions, cell_text = cp2k_texts(u, cells)
        pack.write(f"{name}-1.cell", cell_text)
        pack.add(name, f"{name}-pos-1.xyz", "cp2k", positions)

        pack.add(name, name + "_XDATCAR", "xdatcar", xdatcar_text(u, cells), interval=interval)
        pack.add(name, name + "_volume.XDATCAR.gz", "xdatcar", xdatcar_text(u, cells, scale=-1.0), interval=interval)
        pack.add(name, name + "_cartesian.XDATCAR", "xdatcar", xdatcar_text(u, cells, scale=2.5, cartesian=True, eol="\r\n"),
                 interval=interval)

        if name == "turned":
            for columns, style in (("id type x y z", "x"), ("id type xs ys zs", "xs"), ("id element xu yu zu", "xu"),
                                   ("element id ix iy iz x y z", "flags")):
                options = {} if "element" in columns else {"types": 1}
                pack.add(name, f"{name}_{style}.lammpstrj", "lammps-dump",
                         dump_text(u, cells, columns, origin=(1.5, -2.0, 0.25), scramble=7, header="general"),
                         interval=interval, **options)
        else:
            shift = (-3.25, 1.5, 0.75)
            pack.add(name, name + "_x.lammpstrj", "lammps-dump", dump_text(u, cells, "id type x y z"), types=1,
                     interval=interval)
            pack.add(name, name + "_xs.dump.gz", "lammps-dump",
                     dump_text(u, cells, "id type xs ys zs", origin=shift, scramble=1), types=1, timestep=0.0005)
            pack.add(name, name + "_xu.lammpstrj", "lammps-dump",
                     dump_text(u, cells, "zu xu yu vx element id", origin=shift, scramble=2, items={"time": 1.0}))
            pack.add(name, name + "_xsu.lammpstrj", "lammps-dump",
                     dump_text(u, cells, "id element xsu ysu zsu", origin=shift, scramble=3,
                               items={"units": "real", "time": 1000.0}, extra_item=True))
            pack.add(name, name + "_flags.lammpstrj", "lammps-dump",
                     dump_text(u, cells, "type id iz iy ix y z x", origin=shift, scramble=4, tab=True), types=1,
                     interval=interval)
            pack.add(name, name + "_xsflags.lammpstrj", "lammps-dump",
                     dump_text(u, cells, "id type xs ys zs ix iy iz", scramble=5), types=1, interval=interval)
            pack.add(name, name + "_nano.lammpstrj", "lammps-dump",
                     dump_text(u, cells, "id type x y z", origin=shift, scramble=6, items={"units": "nano", "time": 0.001},
                               length=10.0), types=1)

        if name != "varying":
            pack.write(name + ".pbc", matrix_text(cells[0]))
            pack.add(name, name + "_free.xyz", "xyz", xyz_text(u, cells, "any comment"), cell=name + ".pbc",
                     interval=interval)
            pack.add(name, name + "_wrapped.xyz.gz", "xyz", xyz_text(inside, cells, number=True), cell=name + ".pbc",
                     interval=interval)

        styles = ["numbers", "ids"] + ([] if name == "varying" else ["nm"]) + (["lengths"] if name == "ortho" else [])
        for style in styles:
            file = f"{name}_{style}.h5"
            write_h5md(os.path.join(folder, file), u, cells, style)
            pack.add(name, file, "h5md", **({"types": 1} if style == "numbers" else {}))
    pack.write("pack.txt", "\n".join(pack.lines) + "\n")


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    make_pack(sys.argv[1])
