#!/usr/bin/env python3
"""MACE models with random weights, of every form that tools/export_mace.py folds. Needs mace-torch.

    random_mace.py --out FOLDER [NAME ...]

writes FOLDER/NAME.model, NAME.h5, NAME-float32.pt and NAME-float64.pt: what bench_native_mace FOLDER times.
"""
import argparse
import os
import sys

os.environ.setdefault("TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD", "1")
sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

ELEMENTS = (3, 8, 14)

# first and second interaction, channels, l_max, correlation; then what is not the default
PLAIN, RESIDUAL = "RealAgnosticInteractionBlock", "RealAgnosticResidualInteractionBlock"
DENSITY, DENSITY_RESIDUAL = "RealAgnosticDensityInteractionBlock", "RealAgnosticDensityResidualInteractionBlock"
MODELS = {
    "plain": (PLAIN, PLAIN, 8, 1, 1, {}),
    "plain_residual": (PLAIN, RESIDUAL, 8, 1, 2, {"scaled": False}),
    "residual": (RESIDUAL, RESIDUAL, 12, 2, 2, {"zbl": True}),
    "residual_cubic": (RESIDUAL, RESIDUAL, 8, 3, 3, {"agnostic": True}),
    "density": (DENSITY, DENSITY, 8, 1, 3, {"distance_transform": "Agnesi"}),
    "density_residual": (
        DENSITY,
        DENSITY_RESIDUAL,
        16,
        3,
        3,
        {"distance_transform": "Agnesi", "zbl": True, "outside_cutoff": True},
    ),
    "heads": (RESIDUAL, RESIDUAL, 8, 2, 3, {"heads": ["first", "second"], "zbl": True}),
    "density_heads": (
        DENSITY_RESIDUAL,
        DENSITY_RESIDUAL,
        8,
        2,
        2,
        {"heads": ["first", "second", "third"], "distance_transform": "Soft"},
    ),
    "large": (RESIDUAL, RESIDUAL, 128, 3, 3, {"cutoff": 6.0}),
}


def random_model(name, seed=1, hidden=None, n_layers=2):
    """A model of mace-torch in float64. hidden: irreps in place of the scalars of the table."""
    import numpy as np
    import torch
    from e3nn import o3
    from mace import modules

    first, second, channels, l_max, correlation, more = MODELS[name]
    more = dict(more)
    heads = more.pop("heads", None)
    n_heads = len(heads) if heads else 1
    torch.set_default_dtype(torch.float64)
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    scaled = more.pop("scaled", True)
    options = dict(
        r_max=more.pop("cutoff", 4.5),
        num_bessel=8,
        num_polynomial_cutoff=5,
        max_ell=l_max,
        interaction_cls=modules.interaction_classes[second],
        interaction_cls_first=modules.interaction_classes[first],
        num_interactions=n_layers,
        num_elements=len(ELEMENTS),
        hidden_irreps=o3.Irreps(hidden or f"{channels}x0e"),
        MLP_irreps=o3.Irreps("16x0e"),
        atomic_energies=random.uniform(-5, 5, (n_heads, len(ELEMENTS))),
        avg_num_neighbors=25.0,
        atomic_numbers=list(ELEMENTS),
        correlation=correlation,
        gate=torch.nn.functional.silu,
        pair_repulsion=more.pop("zbl", False),
        apply_cutoff=not more.pop("outside_cutoff", False),
        use_agnostic_product=more.pop("agnostic", False),
        distance_transform=more.pop("distance_transform", "None"),
        heads=heads,
    )
    assert not more, more
    if not scaled:
        return modules.MACE(**options)
    return modules.ScaleShiftMACE(
        **options,
        atomic_inter_scale=list(random.uniform(0.5, 1.5, n_heads)) if heads else 0.8,
        atomic_inter_shift=list(random.uniform(-1, 1, n_heads)) if heads else 0.1,
    )


def save(model, path):
    import torch

    torch.save(model, path)
    return path


def main():
    import export_mace

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"of {', '.join(MODELS)} (default: all)")
    parser.add_argument("--out", required=True, metavar="FOLDER")
    arguments = parser.parse_args()
    os.makedirs(arguments.out, exist_ok=True)
    for name in arguments.names or MODELS:
        model = random_model(name)
        prefix = os.path.join(arguments.out, name)
        path = save(model, prefix + ".model")
        head = ["--head", model.heads[-1]] if len(model.heads) > 1 else []
        export_mace.main([path, "--out", prefix, *head])


if __name__ == "__main__":
    main()
