"""Coordination numbers, and how long a bond may be."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np
from ase import Atoms
from ase.data import atomic_numbers, covalent_radii
from ase.neighborlist import neighbor_list
from jaxtyping import Int
from scipy.spatial import KDTree

from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.interfaces import Environments

CARBON_BOND_A = 1.85
"""Largest length of a bond between carbon atoms, the paper's (Fig. 6)."""


def bond_A(symbol: str) -> float:
    """Largest distance (A) at which two atoms of an element count as neighbours.

    The paper's 1.85 A for carbon; for other elements in proportion to covalent radii (Cordero et al.,
    doi 10.1039/b801115j). It suits bonded solids and liquids; atoms of a noble gas have no neighbours by it.

    Raises
    ------
    DataError
        If there is no such element.
    """
    if symbol not in atomic_numbers:
        raise DataError(f"Expected a chemical symbol, found {symbol!r}.")
    return round(CARBON_BOND_A * float(covalent_radii[atomic_numbers[symbol]] / covalent_radii[6]), 2)


def bond_of(atoms: Atoms, cutoff_A: float | None = None) -> float:
    """The cutoff (A) if one is given, otherwise :func:`bond_A` of the structure's only element.

    Raises
    ------
    ParameterError
        If the cutoff is not positive.
    DataError
        If none is given and the structure has several elements.
    """
    if cutoff_A is not None:
        if not cutoff_A > 0:
            raise ParameterError(f"Expected a positive cutoff, found {cutoff_A} A.")
        return cutoff_A
    elements = sorted(set(atoms.symbols))
    if len(elements) > 1:
        raise DataError(
            f"Expected a structure of one element, or a cutoff for its bonds, found {' and '.join(elements)} and none."
        )
    return bond_A(elements[0]) if elements else CARBON_BOND_A


def coordination_numbers(
    structures: Atoms | Sequence[Atoms] | Environments, cutoff_A: float | None = None
) -> Int[np.ndarray, " environments"]:
    """Number of neighbours within the cutoff; images of an atom in periodic cells count each.

    Parameters
    ----------
    structures
        One structure, several, or a dataset with ``n_frames`` and ``atoms(i)``.
    cutoff_A
        Largest bond length; None for that of each structure's element, :func:`bond_A`.

    Raises
    ------
    ParameterError
        If the cutoff is not positive.
    DataError
        If positions or cells are not finite numbers, or a structure of several elements comes without a cutoff.
    """
    several: Iterable[Atoms] = structures
    if isinstance(structures, Atoms):
        several = [structures]
    elif isinstance(structures, Environments):
        several = (structures.atoms(i) for i in range(structures.n_frames))
    counts = [np.zeros(0, dtype=np.int64)]
    for one in several:
        if not (np.isfinite(one.positions).all() and np.isfinite(one.cell.array).all()):
            raise DataError(
                f"Expected finite positions and cell vectors, found others in {one.get_chemical_formula()}."
            )
        counts.append(_count(one, bond_of(one, cutoff_A)))
    return np.concatenate(counts)


def _count(atoms: Atoms, cutoff_A: float) -> Int[np.ndarray, " atoms"]:
    lengths = atoms.cell.lengths()
    if atoms.pbc.all() and atoms.cell.orthorhombic and lengths.min() > 2.0 * cutoff_A:
        # The usual case, where every neighbour is seen once: some 20 times faster than the general search.
        inside = atoms.positions % lengths
        inside[inside >= lengths] = 0.0  # the remainder of a tiny negative number rounds up to the length itself
        tree = KDTree(inside, boxsize=lengths)
        return np.asarray(tree.query_ball_point(inside, cutoff_A, return_length=True), dtype=np.int64) - 1
    return np.bincount(neighbor_list("i", atoms, cutoff_A), minlength=len(atoms)).astype(np.int64)
