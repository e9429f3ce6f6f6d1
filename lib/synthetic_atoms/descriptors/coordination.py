"""Coordination numbers."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from ase import Atoms
from ase.neighborlist import neighbor_list
from jaxtyping import Int
from scipy.spatial import KDTree

from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.interfaces import Environments


def coordination_numbers(
    structures: Atoms | Sequence[Atoms] | Environments, cutoff_A: float = 1.85
) -> Int[np.ndarray, " environments"]:
    """Number of neighbours within the cutoff; images of an atom in periodic cells count each.

    Parameters
    ----------
    structures
        One structure, several, or a dataset with ``n_frames`` and ``atoms(i)``.
    cutoff_A
        Largest bond length; 1.85 A is the paper's for carbon (Fig. 6).

    Raises
    ------
    ParameterError
        If the cutoff is not positive.
    DataError
        If positions or cells are not finite numbers.
    """
    if not cutoff_A > 0:
        raise ParameterError(f"Expected a positive cutoff, found {cutoff_A} A.")
    if isinstance(structures, Atoms):
        structures = [structures]
    elif isinstance(structures, Environments):
        structures = [structures.atoms(i) for i in range(structures.n_frames)]
    counts = [np.zeros(0, dtype=np.int64)]
    for one in structures:
        if not (np.isfinite(one.positions).all() and np.isfinite(one.cell.array).all()):
            raise DataError(
                f"Expected finite positions and cell vectors, found others in {one.get_chemical_formula()}."
            )
        counts.append(_count(one, cutoff_A))
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
