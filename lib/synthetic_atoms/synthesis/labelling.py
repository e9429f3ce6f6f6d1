"""Per-atom energies from the teacher or from any calculator that has them, and the teacher's errors, in parallel."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms

from synthetic_atoms.errors import DataError, SyntheticAtomsError
from synthetic_atoms.files import read_npz, sha256
from synthetic_atoms.scheduling import Pool
from synthetic_atoms.synthesis import teacher
from synthetic_atoms.synthesis.method import CalculatorSpec
from synthetic_atoms.synthesis.plan import CellUnit, Plan, TrajectoryUnit
from synthetic_atoms.synthesis.structures import (
    CELL_ARRAYS,
    FRAME_ARRAYS,
    atoms_from_milliangstrom,
    is_whole,
    make_once,
)

FRAME_LABELS = {"local_energy_eV": "f2"}
"""What the file with a trajectory's labels holds; (frames, atoms)."""

CELL_LABELS = {"local_energy_eV": "f1"}
"""What the file with a small cell's labels holds."""


@dataclass(frozen=True)
class Labeller:
    """Who labels atoms, by names only, so that it travels cheaply.

    Attributes
    ----------
    source
        The teacher's archive, or a calculator.
    key
        What tells labels of different sources apart: the archive's checksum, or the calculator's.
    """

    source: Path | CalculatorSpec
    key: str

    @classmethod
    def of(cls, source: Path | CalculatorSpec) -> Labeller:
        """The labeller of an archive or a calculator."""
        if isinstance(source, Path):
            return cls(source, sha256(source)[:12])
        return cls(source, hashlib.sha256(repr(source).encode()).hexdigest()[:12])

    def local_energies(self, frames: Sequence[Atoms]) -> list[np.ndarray]:
        """Per-atom energies (eV) of some structures.

        Raises
        ------
        SyntheticAtomsError
            If the calculator fails, or gives anything but a finite energy for each atom.
        """
        if isinstance(self.source, Path):
            return [read_teacher(self).local_energies(atoms) for atoms in frames]
        calculator = self.source.make()  # a new one for each unit: labels must not depend on what came before
        return [self._from_calculator(calculator, atoms) for atoms in frames]

    def _from_calculator(self, calculator, atoms: Atoms) -> np.ndarray:
        atoms = atoms.copy()
        atoms.calc = calculator
        try:
            energies = np.asarray(atoms.get_potential_energies(), dtype=float)
        except Exception as error:  # each calculator has errors of its own
            message = " ".join(str(error).split()).rstrip(".") or type(error).__name__
            raise SyntheticAtomsError(f"Expected per-atom energies from {self.source}, found: {message}.") from error
        if energies.shape != (len(atoms),) or not np.isfinite(energies).all():
            raise SyntheticAtomsError(
                f"Expected a finite energy for each of {len(atoms)} atoms from {self.source}, found "
                f"{'numbers that are not finite' if energies.shape == (len(atoms),) else energies.shape}."
            )
        return energies


_teachers: dict[Labeller, teacher.Teacher] = {}  # one per worker process: reading it costs seconds


def read_teacher(labeller: Labeller) -> teacher.Teacher:
    """The teacher behind a labeller, read once in a process.

    Raises
    ------
    DataError
        If the archive is not the one that the labeller was made of.
    """
    if labeller not in _teachers:
        if sha256(labeller.source)[:12] != labeller.key:
            raise DataError(
                f"Expected the teacher {labeller.key} at {labeller.source}, found another: does another run write it?"
            )
        _teachers.clear()
        _teachers[labeller] = teacher.Teacher(labeller.source)
    return _teachers[labeller]


def labels_path(plan: Plan, unit: CellUnit | TrajectoryUnit, labeller: Labeller) -> Path:
    """File of a unit's labels; different labellers have different folders."""
    return plan.folder / f"labels-{labeller.key}" / f"{unit.name}.npz"


def _label(labeller: Labeller, item: tuple[CellUnit | TrajectoryUnit, Path]) -> bool:
    unit, path = item
    one = isinstance(unit, CellUnit)

    def make() -> dict[str, np.ndarray]:
        arrays = read_npz(unit.path, CELL_ARRAYS if one else FRAME_ARRAYS)
        positions = [arrays["positions_mA"]] if one else arrays["positions_mA"]
        energies = labeller.local_energies(
            [atoms_from_milliangstrom(frame, arrays["cell_length_A"], unit.method.element) for frame in positions]
        )
        return {"local_energy_eV": np.array(energies[0] if one else energies, dtype=np.float32)}

    return make_once(path, CELL_LABELS if one else FRAME_LABELS, make)


def label_units(
    plan: Plan, units: Sequence[CellUnit | TrajectoryUnit], labeller: Labeller, pool: Pool
) -> list[SyntheticAtomsError]:
    """Give every atom of cells or trajectories its energy, one file per unit and labeller; failures are returned."""
    pairs = [(unit, labels_path(plan, unit, labeller)) for unit in units]
    missing = [
        (unit, path)
        for unit, path in pairs
        if not is_whole(path, CELL_LABELS if isinstance(unit, CellUnit) else FRAME_LABELS, warn=True)
    ]
    what = "labels of cells" if units and isinstance(units[0], CellUnit) else "labels of trajectories"
    return pool.run(partial(_label, labeller), missing, what)[1]


def _errors(labeller: Labeller, item: tuple[int, CellUnit]) -> tuple[int, float, np.ndarray]:
    """(number, error of the total energy in meV/atom, errors of the forces in eV/A) of one cell."""
    number, unit = item
    cell = read_npz(unit.path, CELL_ARRAYS)
    atoms = atoms_from_milliangstrom(cell["positions_mA"], cell["cell_length_A"], unit.method.element)
    energy, forces = read_teacher(labeller).total(atoms)
    return number, 1000 * (energy - float(cell["total_energy_eV"])) / len(atoms), forces - cell["forces_eV_A"]


def teacher_errors(labeller: Labeller, units: Sequence[CellUnit], pool: Pool) -> dict[str, float]:
    """Errors of the teacher's total energies (meV/atom) and forces (eV/A) over small cells, in parallel.

    Raises
    ------
    SyntheticAtomsError
        If a cell cannot be evaluated.
    """
    found, failures = pool.run(partial(_errors, labeller), list(enumerate(units)), "errors of the teacher")
    if failures:
        raise failures[0]
    found = sorted(found, key=lambda row: row[0])  # sums in a fixed order: the same numbers in every run
    return teacher.summary([error for _, error, _ in found], [errors for _, _, errors in found])
