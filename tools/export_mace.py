#!/usr/bin/env python3
"""Make the files that mesolith runs molecular dynamics with from a model of mace-torch.

    tools/export_mace.py NAME.model --out models/NAME [--head NAME] [--elements Li Si] [--frames frames.extxyz]

writes models/NAME.h5, the folded model of the built-in evaluator (needs no torch), and unless --native-only is given
models/NAME-float32.pt and -float64.pt, the same as TorchScript in the form of mace's own mace_create_lammps_model, with
what it is in the extra file mesolith.json. Needs mace-torch, torch >= 2 and h5py.

Folded are models of two layers whose hidden features are scalars ("64x0e"), max_ell and correlation up to 3, with the
blocks RealAgnostic[Density][Residual]InteractionBlock. What cannot be folded is refused with the reason. Folding:

    A_lm,c(i) = sum_j R_lc(r_ij) h_c(j) Y_lm(r_ij) / (1 + sum_j rho(r_ij))     (without density: no denominator)
    B_c(i)    = sum_t k_t,c prod A_lm,c                                        monomials t up to degree 3

first layer: h = 1, R by pair of elements holds the embedding, all linear maps and mean neighbour number; second: h from
B of the first layer, then one matrix per l between A and B. R and rho are cubic Hermite splines from values and
derivatives. Spherical harmonics are e3nn's, real, in component normalisation. Group and dataset names are explained in
include/mesolith/md/folded_mace.hpp. The file also holds one frame with energy and forces of the original in float64,
and how far the folded model is from it.
"""
import argparse
import hashlib
import itertools
import json
import os
import sys

os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")  # e3nn 0.4 keeps its constants as a pickle

import h5py
import numpy as np
import torch

BLOCKS = {f"RealAgnostic{density}{residual}InteractionBlock" for density in ("", "Density") for residual in
          ("", "Residual")}
ZBL_DECAY = [3.2, 0.9423, 0.4028, 0.2016]  # literals of mace, as are the next two
ZBL_COULOMB, ZBL_BOHR = 14.3996, 0.529
SMALLEST = 1e-12  # coefficients below this share of the largest are dropped


class CannotFold(Exception):
    """Why this model is none for the built-in evaluator."""


def numpy_of(x):
    return x.detach().cpu().numpy().astype(np.float64)


def rounded(x, bits=33):
    """To so many bits: splines need no more, and zeros compress."""
    mantissa, exponent = np.frexp(x)
    return np.ldexp(np.round(np.ldexp(mantissa, bits)), exponent - bits)


def choose_head(model, name):
    heads = list(getattr(model, "heads", None) or ["Default"])
    if name is None:
        if len(heads) > 1:
            raise ValueError(f"the model has several heads ({', '.join(heads)}). Choose one with --head")
        return 0, heads[0]
    if name not in heads:
        raise ValueError(f"the model has no head '{name}'. It has {', '.join(heads)}")
    return heads.index(name), name


def check_foldable(model):
    """Refuse what the folded form cannot say. Returns (channels of the hidden features, l_max)."""
    kind = type(model).__name__
    if kind not in ("MACE", "ScaleShiftMACE"):
        raise CannotFold(f"it is a {kind}, not a model of energies alone (MACE or ScaleShiftMACE)")
    if len(model.interactions) != 2:
        raise CannotFold(f"it has {len(model.interactions)} layers, not two")
    for name in ("joint_embedding", "embedding_readout", "lora"):
        if hasattr(model, name):
            raise CannotFold(f"it has an additional input ({name})")
    for block in model.interactions:
        if type(block).__name__ not in BLOCKS:
            raise CannotFold(f"its interaction block is a {type(block).__name__}")
        if getattr(block, "cueq_config", None) is not None or getattr(block, "oeq_config", None) is not None:
            raise CannotFold("its parameters are laid out for cuEquivariance or OpenEquivariance: convert it back first")
    hidden = model.products[0].linear.irreps_out
    if any(ir.l > 0 for _, ir in hidden):
        raise CannotFold(f"its hidden features are {hidden}: only scalars (such as 64x0e) can be folded")
    l_max = model.spherical_harmonics.irreps_out.lmax
    if l_max > 3:
        raise CannotFold(f"its max_ell is {l_max}: at most 3 can be folded")
    for block in model.interactions:
        expected = [(l, (-1) ** l) for l in range(l_max + 1)]
        if [(ir.l, ir.p) for _, ir in block.linear.irreps_in.sort()[0].simplify()] != expected:
            raise CannotFold(f"the messages {block.linear.irreps_in} are not one of each l")
    for product in model.products:
        for contraction in product.symmetric_contractions.contractions:
            if contraction.correlation > 3:
                raise CannotFold(f"its correlation is {contraction.correlation}: at most 3 can be folded")
        if len(product.symmetric_contractions.contractions) != 1:
            raise CannotFold("a product has several outputs: only scalars can be folded")
    last = model.readouts[-1]
    if type(last).__name__ != "NonLinearReadoutBlock" or len(model.readouts) > 2:
        raise CannotFold(f"its last readout is a {type(last).__name__}")
    if len(model.readouts) == 2 and type(model.readouts[0]).__name__ != "LinearReadoutBlock":
        raise CannotFold(f"its first readout is a {type(model.readouts[0]).__name__}")
    probe = torch.linspace(-3, 3, 13)
    wide = probe[:, None].repeat(1, last.linear_1.irreps_out.dim)
    act = last.non_linearity(wide)[:, 0]
    factor = act[-1] / torch.nn.functional.silu(probe[-1])
    if not torch.allclose(act, factor * torch.nn.functional.silu(probe), atol=1e-10):
        raise CannotFold("the activation of its readout is not silu")
    return l_max, float(factor)


def by_l(l_max, channels):
    """Slices of component m = 0 of all channels in a row of l_max + 1 blocks [channel][m]."""
    begin = 0
    for l in range(l_max + 1):
        end = begin + channels * (2 * l + 1)
        yield slice(begin, end, 2 * l + 1)
        begin = end


def matrices_by_l(function, l_max, n_in, n_out):
    """The maps [l][in][out] between channels of an equivariant linear function."""
    width = sum(n_in * (2 * l + 1) for l in range(l_max + 1))
    result = []
    for into, out in zip(by_l(l_max, n_in), by_l(l_max, n_out)):
        x = torch.zeros(n_in, width)
        x[torch.arange(n_in), torch.arange(width)[into]] = 1
        result.append(function(x)[:, out].detach())
    return torch.stack(result)


def skip(block, l_max, n_in, n_out, n_elements, z):
    attributes = torch.zeros(n_in, n_elements)
    attributes[:, z] = 1
    return matrices_by_l(lambda x: block.skip_tp(x, attributes), l_max, n_in, n_out)


def message_factors(block, l_max):
    """What conv_tp multiplies weight x feature x Y_lm with, by l."""
    channels = block.linear_up.irreps_out.dim
    factors = []
    for l, out in enumerate(by_l(l_max, channels)):
        harmonics = torch.zeros(1, (l_max + 1) ** 2)
        harmonics[0, l * l] = 1
        y = block.conv_tp(torch.ones(1, channels), harmonics, torch.ones(1, block.conv_tp.weight_numel))
        factors.append(float(y[0, out][0]))
    return torch.tensor(factors)


def knots(model, block, l_max, n_knots, sender, receiver):
    """Radial weights [knot][value, derivative][l][channel] and density [knot][value, derivative] or None."""
    channels = block.linear_up.irreps_out.dim
    n_elements = len(model.atomic_numbers)
    with torch.enable_grad():
        r = torch.linspace(0, float(model.r_max), n_knots + 1)
        r[0] = 1e-3 * float(model.r_max) / n_knots  # sin(x)/x there is a number
        r.requires_grad_(True)
        attributes = torch.zeros(2, n_elements)
        attributes[0, sender] = attributes[1, receiver] = 1
        edges = torch.zeros(2, len(r), dtype=torch.long)
        edges[1] = 1
        out = model.radial_embedding(r[:, None], attributes, edges, model.atomic_numbers)
        features, cutoff = out if isinstance(out, tuple) else (out, None)
        weights = block.conv_tp_weights(features)
        if cutoff is not None:
            weights = weights * cutoff
        columns = [weights]
        if hasattr(block, "density_fn"):
            density = torch.tanh(block.density_fn(features) ** 2)
            columns.append(density * cutoff if cutoff is not None else density)
        values = torch.cat(columns, dim=1)
        derivatives = torch.stack([torch.autograd.grad(values[:, c].sum(), r, retain_graph=True)[0]
                                   for c in range(values.shape[1])], dim=1)
    table = torch.stack([values.detach(), derivatives], dim=1)  # [knot][2][column]
    table[-1] = 0  # at the cutoff, also where rounding or a missing envelope says otherwise
    radial = table[:, :, :(l_max + 1) * channels].reshape(n_knots + 1, 2, l_max + 1, channels)
    return radial, table[:, :, -1] if hasattr(block, "density_fn") else None


def polynomial(product, elements):
    """Monomials [t][3] of lm (-1 = none) and coefficients [element][t][channel] of a symmetric contraction."""
    contraction = product.symmetric_contractions.contractions[0]
    terms = {}
    for degree in range(1, contraction.correlation + 1):
        u = numpy_of(getattr(contraction, f"U_matrix_{degree}"))
        w = (contraction.weights_max if degree == contraction.correlation
             else contraction.weights[contraction.correlation - 1 - degree])
        w = numpy_of(w)
        if w.shape[0] == 1:  # the same for all elements
            w = np.repeat(w, max(elements) + 1, axis=0)
        if u.ndim != degree + 1:
            raise CannotFold("a coupling of its product is not to scalars")
        for index in zip(*np.nonzero(np.abs(u).max(axis=-1) > 1e-14)):
            key = tuple(sorted(int(i) for i in index)) + (-1,) * (3 - degree)
            terms[key] = terms.get(key, 0) + np.einsum("k,zkc->zc", u[index], w[elements])
    largest = max(np.abs(k).max() for k in terms.values())
    terms = {key: k for key, k in terms.items() if np.abs(k).max() > SMALLEST * largest}
    keys = sorted(terms, key=lambda key: (sum(i >= 0 for i in key), key))
    return np.array(keys, dtype=np.int32).reshape(-1, 3), np.stack([terms[key] for key in keys], axis=1)


def fold(model, elements, head, n_knots):
    """All arrays of the file by path, from a model in float64; `elements` are columns of the model."""
    l_max, act_factor = check_foldable(model)
    n_all = len(model.atomic_numbers)
    first, second = model.interactions
    embedded = model.node_embedding(torch.eye(n_all)).detach()[elements]  # [Z][C]
    channels = [block.linear_up.irreps_out.dim for block in (first, second)]
    products = [product.linear.irreps_out.dim for product in model.products]
    pairs = list(itertools.product(range(len(elements)), repeat=2))  # receiver, sender
    by_pair = hasattr(model.radial_embedding, "distance_transform")

    def tables(block):
        wanted = pairs if by_pair else [(0, 0)]
        made = [knots(model, block, l_max, n_knots, elements[s], elements[r]) for r, s in wanted]
        return [radial for radial, _ in made], [density for _, density in made]

    def is_residual(block):
        return "Residual" in type(block).__name__

    def neighbours(block):
        return 1.0 if hasattr(block, "density_fn") else float(block.avg_num_neighbors)

    f = {}
    # First layer: all that is linear goes into one table per pair of elements.
    radial, density = tables(first)
    up = first.linear_up(embedded).detach()
    factors = message_factors(first, l_max) / neighbours(first)
    linear = matrices_by_l(first.linear, l_max, channels[0], first.irreps_out[0].mul)
    out = first.irreps_out[0].mul
    folded = []
    for p, (receiver, sender) in enumerate(pairs):
        maps = linear if is_residual(first) else linear @ skip(first, l_max, out, out, n_all, elements[receiver])
        maps = factors[:, None, None] * up[sender][None, :, None] * maps
        folded.append(torch.einsum("kdlc,lco->kdlo", radial[p if by_pair else 0], maps))
    f["layers/0/radial"] = torch.stack(folded)
    if hasattr(first, "density_fn"):
        f["layers/0/density"] = torch.stack(density)
    # Second layer: the table, then one matrix per l after the sum.
    radial, density = tables(second)
    factors = message_factors(second, l_max) / neighbours(second)
    f["layers/1/radial"] = torch.stack(radial) * factors[:, None]
    if hasattr(second, "density_fn"):
        f["layers/1/density"] = torch.stack(density)
    out = second.irreps_out[0].mul
    linear = matrices_by_l(second.linear, l_max, channels[1], out)
    if is_residual(second):
        f["layers/1/mixing"] = linear[None]
    else:
        f["layers/1/mixing"] = torch.stack([linear @ skip(second, l_max, out, out, n_all, z) for z in elements])
    for layer in (0, 1):
        monomials, coefficients = polynomial(model.products[layer], elements)
        f[f"layers/{layer}/monomials"], f[f"layers/{layer}/coefficients"] = monomials, coefficients

    # From the products B of the two layers to messages and hidden units of the last readout.
    last, n_heads = model.readouts[-1], len(getattr(model, "heads", None) or [0])
    product = [p.linear(torch.eye(p.linear.irreps_in.dim)).detach() for p in model.products]
    constant = torch.zeros(len(elements), products[0])  # features of an atom without neighbours
    if is_residual(first):
        for z, e in enumerate(elements):
            constant[z] = embedded[z] @ skip(first, 0, embedded.shape[1], products[0], n_all, e)[0]
    up = second.linear_up(torch.eye(products[0])).detach()
    f["message"], f["message_bias"] = product[0] @ up, constant @ up
    hidden = last.linear_1(torch.eye(products[1])).detach()
    out = last.linear_2(torch.eye(hidden.shape[1])).detach()[:, head]
    if n_heads > 1:
        units = hidden.shape[1] // n_heads
        keep = torch.arange(head * units, (head + 1) * units)
        hidden, out = hidden[:, keep], out[keep]
    carried = torch.zeros(len(elements), products[0], products[1])
    if is_residual(second):
        for z, e in enumerate(elements):
            carried[z] = skip(second, 0, products[0], products[1], n_all, e)[0]
    f["hidden/first"] = product[0] @ carried @ hidden
    f["hidden/second"] = product[1] @ hidden
    f["hidden/bias"] = torch.einsum("zp,zpq->zq", constant, carried) @ hidden
    f["hidden/readout"] = out * act_factor
    linear_readout = torch.zeros(products[0])
    if len(model.readouts) == 2:
        linear_readout = model.readouts[0].linear(torch.eye(products[0])).detach()[:, head]
    f["linear_readout"] = product[0] @ linear_readout

    scale, shift = 1.0, 0.0
    if hasattr(model, "scale_shift"):
        scale = float(torch.atleast_1d(model.scale_shift.scale)[head])
        shift = float(torch.atleast_1d(model.scale_shift.shift)[head])
    isolated = torch.atleast_2d(model.atomic_energies_fn.atomic_energies)[head][elements]
    f["isolated"] = isolated + shift + scale * (constant @ linear_readout)
    if hasattr(model, "pair_repulsion_fn"):
        zbl = model.pair_repulsion_fn
        z = model.atomic_numbers[elements].double()
        power, radius = z ** zbl.a_exp, zbl.covalent_radii[model.atomic_numbers[elements]]
        f["zbl/screening_length"] = zbl.a_prefactor * ZBL_BOHR / (power[:, None] + power[None, :])
        f["zbl/strength"] = ZBL_COULOMB * z[:, None] * z[None, :]
        f["zbl/range"] = radius[:, None] + radius[None, :]
        f["zbl/weight"] = zbl.c
        f["zbl/decay"] = ZBL_DECAY
        f["zbl/envelope_power"] = float(zbl.p)
    f = {name: numpy_of(x) if torch.is_tensor(x) else np.asarray(x) for name, x in f.items()}
    for name in f:
        if name.endswith(("radial", "density")):
            f[name] = rounded(f[name])
    for name, x in f.items():
        if not np.isfinite(x).all():
            raise CannotFold(f"its '{name}' holds a number that is not finite")
    attributes = {"elements": model.atomic_numbers[elements].numpy().astype(np.int32),
                  "cutoff": float(model.r_max), "l_max": np.int32(l_max), "scale": scale}
    return f, attributes


def folded_energies(f, attributes, cell, numbers, positions, edges):
    """Energies of the atoms from the folded arrays, differentiable in positions: what the format means."""
    from e3nn import o3

    t = {name: torch.as_tensor(x) for name, x in f.items()}
    l_max, cutoff = int(attributes["l_max"]), float(attributes["cutoff"])
    of = torch.as_tensor([list(attributes["elements"]).index(z) for z in numbers])
    n, Z = len(numbers), len(attributes["elements"])
    sender, receiver, shifts = edges
    vector = positions[sender] - positions[receiver] + shifts  # from receiver to sender; mace has the negative
    r = vector.norm(dim=1)
    Y = o3.spherical_harmonics(list(range(l_max + 1)), -vector, normalize=True, normalization="component")
    ls = torch.as_tensor([l for l in range(l_max + 1) for _ in range(2 * l + 1)])
    pair = of[receiver] * Z + of[sender]

    def spline(table):
        n_knots = table.shape[1] - 1
        table = table.flatten(3) if table.dim() > 3 else table[..., None]
        h = cutoff / n_knots
        k = torch.clamp((r.detach() / h).long(), max=n_knots - 1)
        x = (r / h - k)[:, None]
        p = pair if len(table) > 1 else torch.zeros_like(pair)
        return ((1 + 2 * x) * (1 - x) ** 2 * table[p, k, 0] + x * (1 - x) ** 2 * h * table[p, k, 1]
                + x ** 2 * (3 - 2 * x) * table[p, k + 1, 0] + x ** 2 * (x - 1) * h * table[p, k + 1, 1])

    def summed(x):
        return torch.zeros((n,) + x.shape[1:]).index_add(0, receiver, x)

    def layer(i, h):
        table = t[f"layers/{i}/radial"]
        R = spline(table).reshape(len(r), l_max + 1, table.shape[-1])[:, ls]  # [edge][lm][c]
        A = summed(R * Y[:, :, None] * h[:, None, :])
        if f"layers/{i}/density" in t:
            A = A / (1 + summed(spline(t[f"layers/{i}/density"])))[:, :, None]
        if f"layers/{i}/mixing" in t:
            W = t[f"layers/{i}/mixing"]
            A = torch.einsum("nmc,nmcp->nmp", A, W[of if len(W) > 1 else torch.zeros_like(of)][:, ls])
        B = 0
        for s, monomial in enumerate(f[f"layers/{i}/monomials"]):
            term = t[f"layers/{i}/coefficients"][of, s]
            for lm in monomial[monomial >= 0]:
                term = term * A[:, lm]
            B = B + term
        return B

    B0 = layer(0, torch.ones(len(r), 1))
    message = B0 @ t["message"] + t["message_bias"][of]
    B1 = layer(1, message[sender])
    hidden = B1 @ t["hidden/second"] + torch.einsum("np,nph->nh", B0, t["hidden/first"][of]) + t["hidden/bias"][of]
    energy = B0 @ t["linear_readout"] + torch.nn.functional.silu(hidden) @ t["hidden/readout"]
    if "zbl/range" in t:
        a, b = of[receiver], of[sender]
        x, reach, p = r / t["zbl/screening_length"][a, b], r / t["zbl/range"][a, b], float(t["zbl/envelope_power"])
        phi = (t["zbl/weight"] * torch.exp(-t["zbl/decay"] * x[:, None])).sum(1)
        envelope = (1 - (p + 1) * (p + 2) / 2 * reach ** p + p * (p + 2) * reach ** (p + 1)
                    - p * (p + 1) / 2 * reach ** (p + 2)) * (reach < 1)
        energy = energy + summed((0.5 * t["zbl/strength"][a, b] / r * phi * envelope)[:, None])[:, 0]
    return t["isolated"][of] + float(attributes["scale"]) * energy


def edges_of(cell, positions, cutoff):
    from mace.data.neighborhood import get_neighborhood

    index, shifts, unit_shifts, _ = get_neighborhood(positions=positions, cutoff=cutoff, pbc=(True,) * 3, cell=cell)
    return torch.as_tensor(index).long(), torch.as_tensor(shifts), torch.as_tensor(unit_shifts)


def original(model, head, cell, numbers, positions):
    """Energies of the atoms and forces of the model as mace evaluates it."""
    index, shifts, unit_shifts = edges_of(cell, positions, float(model.r_max))
    known = model.atomic_numbers.tolist()
    n = len(numbers)
    data = {
        "positions": torch.tensor(positions, requires_grad=True), "cell": torch.as_tensor(cell),
        "node_attrs": torch.nn.functional.one_hot(torch.as_tensor([known.index(z) for z in numbers]),
                                                  len(known)).double(),
        "edge_index": index, "shifts": shifts.double(), "unit_shifts": unit_shifts.double(),
        "batch": torch.zeros(n, dtype=torch.long), "ptr": torch.tensor([0, n]), "head": torch.tensor([head]),
    }
    out = model(data, compute_force=True)
    return out["node_energy"].detach().double(), out["forces"].detach()


def random_frames(elements, cutoff, seed=1):
    """Shaken body-centred crystals of random atoms at ordinary distances, as (cell, numbers, positions)."""
    from ase.data import covalent_radii

    random = np.random.default_rng(seed)
    for stretch in (1.0, 1.1, 1.25):
        edge = stretch * 2.2 * np.mean(covalent_radii[elements]) * 2 / np.sqrt(3)
        repeat = max(2, min(4, int(np.ceil(0.9 * cutoff / edge))))
        cells = np.array(list(itertools.product(range(repeat), repeat=3)), dtype=float)
        fractional = np.concatenate([cells, cells + 0.5]) / repeat
        cell = repeat * edge * (np.eye(3) + 0.08 * random.standard_normal((3, 3)))
        positions = fractional @ cell + 0.07 * edge * random.standard_normal(fractional.shape)
        yield cell, random.choice(elements, len(fractional)), positions


def frames_of(path):
    from ase.io import read

    return [(np.array(a.cell), a.numbers, a.positions) for a in read(path, ":")]


def fold_error(f, attributes, model, head, frames):
    """Largest difference of a force [eV/A] and of an atom's energy [eV], and the first frame with results."""
    force, energy, kept = 0.0, 0.0, None
    for cell, numbers, positions in frames:
        reference, reference_forces = original(model, head, cell, numbers, positions)
        index, shifts, _ = edges_of(cell, positions, float(attributes["cutoff"]))
        at = torch.tensor(positions, requires_grad=True)
        # mace's vector is x[receiver] - x[sender] + shift
        energies = folded_energies(f, attributes, cell, numbers, at, (index[0], index[1], -shifts.double()))
        forces = -torch.autograd.grad(energies.sum(), at)[0]
        force = max(force, float((forces - reference_forces).abs().max()))
        energy = max(energy, float((energies.detach() - reference).abs().max()))
        if kept is None:
            kept = {"cell": np.asarray(cell, float), "numbers": np.asarray(numbers, np.int32),
                    "positions": np.asarray(positions, float), "energy": float(reference.sum()),
                    "atom_energy": numpy_of(reference), "forces": numpy_of(reference_forces)}
    return force, energy, kept


UNITS = {"isolated": "eV", "self_test/cell": "A", "self_test/positions": "A", "self_test/energy": "eV",
         "self_test/atom_energy": "eV", "self_test/forces": "eV/A", "zbl/range": "A", "zbl/screening_length": "A",
         "zbl/strength": "eV A"}


def write_folded(path, f, attributes, self_test):
    part = path + ".part"
    with h5py.File(part, "w", track_order=False) as file:
        file.attrs["format"], file.attrs["version"] = "mesolith folded MACE", np.int32(1)
        for name, value in attributes.items():
            file.attrs[name] = value
        for name, x in {**f, **{f"self_test/{name}": x for name, x in self_test.items()}}.items():
            x = np.asarray(x)
            if x.nbytes > 4096:
                data = file.create_dataset(name, data=x, compression="gzip", compression_opts=9, shuffle=True,
                                           track_times=False)
            else:
                data = file.create_dataset(name, data=x, track_times=False)
            if name in UNITS:
                data.attrs["units"] = UNITS[name]
    os.replace(part, path)


def write_torchscript(prefix, model_path, head_name, metadata):
    from e3nn.util import jit
    from mace.calculators import LAMMPS_MACE

    for name, dtype in (("float32", torch.float32), ("float64", torch.float64)):
        torch.set_default_dtype(dtype)
        model = torch.load(model_path, map_location="cpu", weights_only=False).to(dtype)
        wrapped = LAMMPS_MACE(model, head=head_name) if hasattr(model, "heads") else LAMMPS_MACE(model)
        compiled = jit.compile(wrapped)
        compiled.save(f"{prefix}-{name}.pt",
                      _extra_files={"mesolith.json": json.dumps({**metadata, "dtype": name}, indent=1)})
        print(f"{prefix}-{name}.pt")


def main(arguments=None):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", help="a model as mace-torch saves it")
    parser.add_argument("--out", required=True, metavar="PREFIX", help="files are PREFIX.h5 and PREFIX-float32.pt, ...")
    parser.add_argument("--head", help="the head of a model with several")
    parser.add_argument("--elements", nargs="+", metavar="SYMBOL", help="fold these only (default: all)")
    parser.add_argument("--knots", type=int, default=512, help="intervals of the splines over the cutoff (512)")
    parser.add_argument("--frames", help="frames to compare on (what ASE reads) instead of random crystals; the first "
                                         "one is kept as the self-test")
    parser.add_argument("--native-only", action="store_true", help="no TorchScript")
    options = parser.parse_args(arguments)
    if options.knots < 16:
        parser.error("--knots: expected 16 or more")
    torch.set_default_dtype(torch.float64)
    import e3nn
    import mace
    from ase.data import atomic_numbers

    model = torch.load(options.model, map_location="cpu", weights_only=False).double()
    model.eval()
    for parameter in model.parameters():
        parameter.requires_grad_(False)
    try:
        head, head_name = choose_head(model, options.head)
        known = model.atomic_numbers.tolist()
        wanted = known if options.elements is None else sorted(atomic_numbers[s] for s in options.elements)
        missing = [z for z in wanted if z not in known]
        if missing:
            raise ValueError(f"the model does not know the elements {missing} (atomic numbers). It knows {known}")
        with open(options.model, "rb") as file:
            checksum = hashlib.sha256(file.read()).hexdigest()
    except (ValueError, KeyError) as error:
        sys.exit(f"export_mace.py: {options.model}: {error}")
    metadata = {"elements": wanted, "r_max": float(model.r_max), "head": head_name, "source_sha256": checksum,
                "mace_version": mace.__version__, "torch_version": str(torch.__version__), "e3nn_version": e3nn.__version__,
                "source": os.path.basename(options.model)}
    failed = None
    try:
        f, attributes = fold(model, [known.index(z) for z in wanted], head, options.knots)
        frames = frames_of(options.frames) if options.frames else random_frames(wanted, float(model.r_max))
        force, energy, self_test = fold_error(f, attributes, model, head, frames)
        attributes.update(fold_error_force=force, fold_error_energy=energy)
        attributes.update({name: metadata[name] for name in ("head", "source", "source_sha256", "mace_version",
                                                             "torch_version")})
        write_folded(options.out + ".h5", f, attributes, self_test)
        print(f"{options.out}.h5: forces within {force:.1e} eV/A and energies of atoms within {energy:.1e} eV of the "
              f"original")
    except CannotFold as error:
        failed = f"export_mace.py: {options.model} cannot be folded: {error}"
        if options.native_only:
            sys.exit(failed)
        print(failed, file=sys.stderr)
    if not options.native_only:
        write_torchscript(options.out, options.model, head_name, {**metadata, "elements": known})
    return 0


if __name__ == "__main__":
    sys.exit(main())
