"""What a label costs: processor time of the quantum mechanics and of the teacher, measured on this machine."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from ase import Atoms
from threadpoolctl import threadpool_limits

from synthetic_atoms.errors import ParameterError
from synthetic_atoms.synthesis import quantum
from synthetic_atoms.synthesis.teacher import Teacher


@dataclass(frozen=True)
class Cost:
    """Processor time of labelling a few structures on one core.

    Attributes
    ----------
    seconds
        Median over the structures, for one structure.
    n_atoms
        Atoms in a structure.
    n_structures
        Structures that were timed.
    largest_change_eV
        Largest difference between the labels found here and those given, in eV per label; NaN if none are given.
    """

    seconds: float
    n_atoms: int
    n_structures: int
    largest_change_eV: float

    @property
    def ms_per_atom(self) -> float:
        """Milliseconds for each atom of a structure."""
        return 1000.0 * self.seconds / self.n_atoms


def qm_cost(cells: Sequence[Atoms], *, doubled: bool = False) -> Cost:
    """Time of GFN1-xTB energies and forces, and the distance of the energies from each cell's stored one.

    With ``doubled``, two of each cell side by side are labelled, which have no stored energy.

    Raises
    ------
    MissingDependencyError
        If tblite is not installed.
    ParameterError
        If the cells differ in size or there are fewer than one.
    """
    quantum.free_atom_energy()  # loads the libraries, so that the clock does not see it
    if doubled:
        return _measure([atoms * (2, 1, 1) for atoms in cells], lambda atoms: quantum.label(atoms)[0], lambda _: np.nan)
    return _measure(cells, lambda atoms: quantum.label(atoms)[0], lambda atoms: atoms.get_potential_energy())


def teacher_cost(teacher: Teacher, structures: Sequence[Atoms]) -> Cost:
    """Time of the teacher's per-atom energies, and their distance from those stored as ``local_energy``.

    Raises
    ------
    ParameterError
        If the structures differ in size or there are fewer than one.
    """
    for atoms in structures[:1]:
        teacher.local_energies(atoms[:4])  # first-call set-up
    return _measure(structures, teacher.local_energies, lambda atoms: atoms.arrays["local_energy"])


def _measure(structures: Sequence[Atoms], label: Callable[[Atoms], object], stored: Callable[[Atoms], object]) -> Cost:
    sizes = {len(atoms) for atoms in structures}
    if len(sizes) != 1:
        raise ParameterError(f"Expected structures of one size to be timed, found sizes {sorted(sizes)}.")
    seconds, changes = [], []
    # One thread, or threads that wait for each other on a busy machine are counted as work. Each structure is labelled
    # once only: quippy remembers the last one.
    with threadpool_limits(1):
        for atoms in structures:
            start = time.process_time()
            found = label(atoms)
            seconds.append(time.process_time() - start)
            changes.append(float(np.abs(np.asarray(found) - np.asarray(stored(atoms))).max()))
    return Cost(float(np.median(seconds)), sizes.pop(), len(seconds), max(changes))
