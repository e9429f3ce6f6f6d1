"""Strained and rattled crystals, which the teacher needs beside the disordered cells."""

from __future__ import annotations

import numpy as np
from ase import Atoms
from ase.build import bulk
from ase.data import atomic_numbers, reference_states
from ase.lattice.hexagonal import Graphite

from synthetic_atoms.errors import ParameterError

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


def perfect_crystals(symbol: str = "C", n_atoms: int = 64) -> dict[str, Atoms]:
    """Perfect crystals by name: diamond and graphite of carbon, else the element's own structure near ``n_atoms``.

    Raises
    ------
    ParameterError
        If ASE knows no simple structure of the element.
    """
    if symbol == "C":
        return {"diamond": diamond(), "graphite": graphite()}
    name = (reference_states[atomic_numbers[symbol]] or {}).get("symmetry", "none")
    try:
        unit = bulk(symbol, cubic=True) if name in ("fcc", "bcc", "diamond", "sc") else bulk(symbol, orthorhombic=True)
    except (ValueError, RuntimeError, KeyError, NotImplementedError) as error:
        raise ParameterError(
            f"Expected an element whose crystal is simple (fcc, bcc, hcp, diamond), found {symbol} ({name}): take no "
            "crystals (crystals: 0)."
        ) from error
    repeat = max(1, round((n_atoms / len(unit)) ** (1 / 3)))
    return {name: unit * (repeat, repeat, repeat)}


def strained_crystals(
    count: int, seed: int, strain: float = 0.04, rattle_A: float = 0.12, symbol: str = "C"
) -> list[Atoms]:
    """Perfect crystals (for carbon 64-atom cells of diamond and graphite) in turn, strained and rattled at random.

    Parameters
    ----------
    count
        Number of cells; the first ones are the perfect crystals.
    seed
        Seeds strains and displacements.
    strain
        Largest component of the symmetric strain.
    rattle_A
        Largest standard deviation of the displacements in A; it differs from cell to cell.
    symbol
        The element.
    """
    rng = np.random.default_rng([seed, 2])
    perfect = list(perfect_crystals(symbol).values()) if count else []
    cells = []
    for number in range(count):
        atoms = perfect[number % len(perfect)].copy()
        if number >= len(perfect):
            random = rng.uniform(-strain, strain, size=(3, 3))
            atoms.set_cell(atoms.cell.array @ (np.eye(3) + (random + random.T) / 2), scale_atoms=True)
            atoms.positions += rng.normal(scale=rng.uniform(0.01, rattle_A), size=atoms.positions.shape)
        cells.append(atoms)
    return cells
