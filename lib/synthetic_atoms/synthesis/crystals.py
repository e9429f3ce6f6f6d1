"""Strained and rattled diamond and graphite, which the teacher needs beside the disordered cells."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.lattice.hexagonal import Graphite

DIAMOND_A = 3.567
"""Lattice constant of diamond in A."""

GRAPHITE_A = (2.461, 6.708)
"""In-plane and interlayer (two layers) lattice constants of graphite in A."""


def diamond(repeat: int = 2) -> Atoms:
    """Diamond, ``8 * repeat**3`` atoms in a cubic cell."""
    return bulk("C", "diamond", a=DIAMOND_A, cubic=True) * (repeat, repeat, repeat)


def graphite(repeat: int = 4) -> Atoms:
    """AB-stacked graphite, ``4 * repeat**2`` atoms in a hexagonal cell with two layers."""
    a, c = GRAPHITE_A
    return Graphite("C", latticeconstant={"a": a, "c": c}) * (repeat, repeat, 1)


def strained_crystals(count: int, seed: int, strain: float = 0.04, rattle_A: float = 0.12) -> list[Atoms]:
    """64-atom cells of diamond and graphite in turn, with random strains and displacements.

    Parameters
    ----------
    count
        Number of cells; the first two are the perfect crystals.
    seed
        Seeds strains and displacements.
    strain
        Largest component of the symmetric strain.
    rattle_A
        Largest standard deviation of the displacements in A; it differs from cell to cell.
    """
    rng = np.random.default_rng([seed, 2])
    cells = []
    for number in range(count):
        atoms = (diamond(), graphite())[number % 2]
        if number >= 2:
            random = rng.uniform(-strain, strain, size=(3, 3))
            atoms.set_cell(atoms.cell.array @ (np.eye(3) + (random + random.T) / 2), scale_atoms=True)
            atoms.positions += rng.normal(scale=rng.uniform(0.01, rattle_A), size=atoms.positions.shape)
        cells.append(atoms)
    return cells
