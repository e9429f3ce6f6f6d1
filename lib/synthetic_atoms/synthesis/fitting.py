"""Fitting the teacher to the small cells and to crystals, and measuring its errors."""

from __future__ import annotations

import hashlib
import json
import lzma
import os
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from ase import Atoms

from synthetic_atoms.errors import DataError, SyntheticAtomsError
from synthetic_atoms.files import atomic_write, read_npz
from synthetic_atoms.scheduling import Pool, available_cores, say
from synthetic_atoms.synthesis import quantum, teacher
from synthetic_atoms.synthesis.crystals import perfect_crystals, strained_crystals
from synthetic_atoms.synthesis.labelling import Labeller, read_teacher, teacher_errors
from synthetic_atoms.synthesis.plan import CellUnit, Plan
from synthetic_atoms.synthesis.structures import CELL_ARRAYS, atoms_from_milliangstrom, make_once

HELD_OUT = 5
"""Every fifth cell is held out when the teacher's error is measured."""

ARCHIVE = "teacher.tar.xz"
REPORT = "teacher.json"


@dataclass(frozen=True)
class Labelled:
    """Cells with quantum-mechanical energies (eV) and forces (eV/A, (atoms, 3) each)."""

    cells: list[Atoms]
    energies_eV: list[float]
    forces_eV_A: list[np.ndarray]

    def __add__(self, other: Labelled) -> Labelled:
        """Both sets, one after the other."""
        return Labelled(
            self.cells + other.cells, self.energies_eV + other.energies_eV, self.forces_eV_A + other.forces_eV_A
        )

    def select(self, chosen: Sequence[int]) -> Labelled:
        """Some of the cells."""
        return Labelled(
            [self.cells[i] for i in chosen],
            [self.energies_eV[i] for i in chosen],
            [self.forces_eV_A[i] for i in chosen],
        )


def labelled(units: Sequence[CellUnit]) -> Labelled:
    """The small cells and their labels, from their files."""
    arrays = [read_npz(unit.path, CELL_ARRAYS) for unit in units]
    return Labelled(
        [
            atoms_from_milliangstrom(cell["positions_mA"], cell["cell_length_A"], unit.method.element)
            for unit, cell in zip(units, arrays, strict=True)
        ],
        [float(cell["total_energy_eV"]) for cell in arrays],
        [cell["forces_eV_A"].astype(float) for cell in arrays],
    )


def labelled_crystals(plan: Plan) -> Labelled:
    """Strained crystals with quantum-mechanical labels, kept in the work folder."""
    cells = strained_crystals(plan.crystals, plan.seed, symbol=plan.method.element)
    if not cells:
        return Labelled([], [], [])
    path = plan.folder / f"crystals-{plan.crystals}.npz"
    calculator = plan.method.qm.make if plan.method.qm else quantum.gfn1_xtb
    arrays = {"total_energy_eV": "f1", "forces_eV_A": "f3"}

    def make() -> dict[str, np.ndarray]:
        labels = [quantum.label(atoms, calculator) for atoms in cells]
        return {"total_energy_eV": np.array([e for e, _ in labels]), "forces_eV_A": np.stack([f for _, f in labels])}

    make_once(path, arrays, make)
    found = read_npz(path, arrays)
    return Labelled(cells, found["total_energy_eV"].tolist(), list(found["forces_eV_A"]))


def teacher_folder(plan: Plan, units: Sequence[CellUnit], free_atom_eV: float, settings: teacher.GapSettings) -> Path:
    """Where a teacher lives; its name follows from all that decides what it is."""
    name = f"teacher-{len(units)}cells-{plan.crystals}crystals"
    content = ([unit.number for unit in units], settings, free_atom_eV)
    return plan.folder / f"{name}-{hashlib.sha256(repr(content).encode()).hexdigest()[:8]}"


def _is_whole(folder: Path) -> bool:
    """Whether a teacher and its report are there and undamaged; says so on standard error if they are damaged."""
    if not folder.exists():
        return False
    try:
        with lzma.open(folder / ARCHIVE) as stream:
            while stream.read(1 << 20):
                pass
        json.loads((folder / REPORT).read_text(encoding="utf-8"))
    except (OSError, EOFError, ValueError, lzma.LZMAError) as error:
        say(f"Fitting a damaged teacher again: expected a complete one in {folder}, found: {error}")
        return False
    return True


def fit_teacher(
    plan: Plan, units: Sequence[CellUnit], free_atom_eV: float, settings: teacher.GapSettings, pool: Pool
) -> Path:
    """Fit the teacher twice, unless it is there: without every fifth cell to measure its error, then on all cells.

    The folder with the archive, and ``teacher.json`` with the settings and errors, appears when all is done; of two
    runs at once, the first to finish leaves its own.

    Parameters
    ----------
    plan
        The dataset's plan.
    units
        The cells that were made.
    free_atom_eV
        Energy of the isolated atom.
    settings
        The teacher's settings.
    pool
        Workers that evaluate the errors; ``gap_fit`` itself runs here, with as many threads.

    Raises
    ------
    SyntheticAtomsError
        If there are too few cells, or ``gap_fit`` fails.
    """
    if len(units) < 2 * HELD_OUT:
        raise SyntheticAtomsError(
            f"Fitting a teacher needs at least {2 * HELD_OUT} labelled cells, found {len(units)}."
        )
    folder = teacher_folder(plan, units, free_atom_eV, settings)
    if _is_whole(folder):
        return folder / ARCHIVE
    cells, crystals = labelled(units), labelled_crystals(plan)
    try:
        with tempfile.TemporaryDirectory(prefix=".fit-", dir=plan.folder, ignore_cleanup_errors=True) as work:
            finished = Path(work) / "finished"
            _fit(finished, plan, units, cells, crystals, free_atom_eV, settings, pool)
            _publish(finished, folder)
    except OSError as error:
        raise DataError(
            f"Could not write {folder}: expected a writable folder with room left, found: {error.strerror or error}."
        ) from error
    return folder / ARCHIVE


def _fit(folder, plan, units, cells: Labelled, crystals: Labelled, free_atom_eV, settings, pool: Pool) -> None:
    rest = [i for i in range(len(units)) if i % HELD_OUT != HELD_OUT - 1]
    held_out = [i for i in range(len(units)) if i % HELD_OUT == HELD_OUT - 1]
    paths = folder.parent / "held-out.tar.xz", folder / ARCHIVE
    for training, path in zip((cells.select(rest) + crystals, cells + crystals), paths, strict=True):
        say(f"Fitting a teacher to {len(training.cells)} cells; this can take minutes.")
        teacher.fit(
            training.cells, training.energies_eV, training.forces_eV_A, free_atom_eV, path, settings,
            seed=plan.seed, threads=pool.workers or available_cores(),
        )  # fmt: skip
    trial, final = (Labeller.of(path) for path in paths)
    content: dict[str, object] = {
        "settings": asdict(settings),
        "n_cells": len(units),
        "n_crystals": len(crystals.cells),
        "held_out": teacher_errors(trial, [units[i] for i in held_out], pool),
        "training": teacher_errors(final, [units[i] for i in rest[: len(held_out)]], pool),
    }
    names = list(perfect_crystals(plan.method.element))[: len(crystals.cells)] if crystals.cells else []
    for name, atoms, energy in zip(names, crystals.cells, crystals.energies_eV, strict=False):
        error = (read_teacher(final).total(atoms)[0] - energy) / len(atoms)
        content[f"{name}_error_eV_per_atom"] = round(error, 9)
        content[f"{name}_qm_eV_per_atom"] = energy / len(atoms)
    with atomic_write(folder / REPORT, "w") as stream:
        json.dump(content, stream, indent=2)


def _publish(finished: Path, folder: Path) -> None:
    """Give a finished folder its name, unless another run has put a whole one there first."""
    if folder.exists() and not _is_whole(folder):
        shutil.rmtree(folder, ignore_errors=True)
    try:
        os.rename(finished, folder)
    except OSError:
        if not _is_whole(folder):
            raise
