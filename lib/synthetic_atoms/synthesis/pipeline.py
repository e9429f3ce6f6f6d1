"""The whole chain of the paper's Fig. 1: structures, quantum-mechanical labels, teacher, synthetic labels, shards."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms

from synthetic_atoms.datasets import embedded
from synthetic_atoms.errors import SyntheticAtomsError
from synthetic_atoms.files import atomic_write, once, read_npz, sha256
from synthetic_atoms.scheduling import available_cores, run_units
from synthetic_atoms.synthesis import card, quantum, teacher
from synthetic_atoms.synthesis.crystals import strained_crystals
from synthetic_atoms.synthesis.plan import Plan, TrajectoryUnit
from synthetic_atoms.synthesis.structures import atoms_from_milliangstrom, make_all

HELD_OUT = 5
"""Every fifth cell is held out when the teacher's error is measured."""

_FRAME_ARRAYS = {
    "positions_mA": "u3",
    "cell_length_A": "f0",
    "density_g_cm3": "f0",
    "anneal_temperature_K": "f0",
    "trajectory": "i0",
    "time_ps": "f1",
    "temperature_K": "f1",
}
_CELL_ARRAYS = {
    "positions_mA": "u2",
    "cell_length_A": "f0",
    "total_energy_eV": "f0",
    "forces_eV_A": "f2",
    "density_g_cm3": "f0",
    "anneal_temperature_K": "f0",
    "trajectory": "i0",
    "time_ps": "f0",
    "temperature_K": "f0",
}


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


def generate(
    output: Path,
    plan: Plan | None = None,
    *,
    settings: teacher.GapSettings | None = None,
    workers: int | None = None,
    scheduler: str | None = None,
) -> list[SyntheticAtomsError]:
    """Make a dataset, or finish one that was begun.

    Every cell, trajectory and set of labels is one file under ``plan.folder``, written whole or not at all, so that a
    killed run goes on where it stopped. ``output`` receives the finished shards, the teacher and the data card.

    Parameters
    ----------
    output
        Folder of the finished dataset.
    plan
        Its extent; the paper's by default.
    settings
        Settings of the teacher.
    workers, scheduler
        Local processes (one per core by default), or the address of a Dask scheduler.

    Returns
    -------
    list of SyntheticAtomsError
        Units that failed and are left out; a rerun tries them again.
    """
    plan, settings = plan or Plan(), settings or teacher.GapSettings()
    run = {"workers": workers, "scheduler": scheduler}
    cell_units, trajectory_units = list(plan.cell_units()), list(plan.trajectory_units())
    failures = make_all(cell_units, **run)
    quantum_set = [read_npz(unit.path, _CELL_ARRAYS) for unit in cell_units if unit.path.exists()]
    if len(quantum_set) < 2 * HELD_OUT:
        raise SyntheticAtomsError(
            f"Fitting a teacher needs at least {2 * HELD_OUT} labelled cells, found {len(quantum_set)}."
        )
    free_atom_eV = quantum.free_atom_energy()
    archive = fit_teacher(plan, labelled(quantum_set), free_atom_eV, settings, threads=workers or available_cores())
    failures += make_all(trajectory_units, **run)
    failures += label_trajectories(plan, [u for u in trajectory_units if u.path.exists()], archive, **run)
    export(plan, output, quantum_set, trajectory_units, archive, free_atom_eV, settings)
    return failures


def labelled(arrays: Sequence[dict[str, np.ndarray]]) -> Labelled:
    """The small cells and their labels, from their files' content."""
    return Labelled(
        [atoms_from_milliangstrom(cell["positions_mA"], cell["cell_length_A"]) for cell in arrays],
        [float(cell["total_energy_eV"]) for cell in arrays],
        [cell["forces_eV_A"].astype(float) for cell in arrays],
    )


def labelled_crystals(plan: Plan) -> Labelled:
    """Strained diamond and graphite with quantum-mechanical labels, kept in the work folder."""
    cells = strained_crystals(plan.crystals, plan.seed)
    path = plan.folder / f"crystals-{plan.crystals}.npz"

    def make() -> dict[str, np.ndarray]:
        labels = [quantum.label(atoms) for atoms in cells]
        return {"total_energy_eV": np.array([e for e, _ in labels]), "forces_eV_A": np.stack([f for _, f in labels])}

    once(path, make)
    arrays = read_npz(path, {"total_energy_eV": "f1", "forces_eV_A": "f3"})
    return Labelled(cells, arrays["total_energy_eV"].tolist(), list(arrays["forces_eV_A"]))


def fit_teacher(
    plan: Plan, cells: Labelled, free_atom_eV: float, settings: teacher.GapSettings, *, threads: int = 1
) -> Path:
    """Fit the teacher twice, unless it is there: without every fifth cell to measure its error, then on all cells.

    Beside the archive lies ``teacher.json`` with the settings, the number of cells and the held-out errors.
    """
    folder = plan.folder / f"teacher-{len(cells.cells)}cells-{plan.crystals}crystals"
    archive, report = folder / "teacher.tar.xz", folder / "teacher.json"
    if archive.exists() and report.exists() and json.loads(report.read_text())["settings"] == asdict(settings):
        return archive
    crystals = labelled_crystals(plan)
    held_out = [i for i in range(len(cells.cells)) if i % HELD_OUT == HELD_OUT - 1]
    rest = [i for i in range(len(cells.cells)) if i % HELD_OUT != HELD_OUT - 1]
    trial = folder / "held-out.tar.xz"
    for training, path in ((cells.select(rest) + crystals, trial), (cells + crystals, archive)):
        teacher.fit(
            training.cells, training.energies_eV, training.forces_eV_A, free_atom_eV, path, settings,
            seed=plan.seed, threads=threads,
        )  # fmt: skip
    test, seen = cells.select(held_out), cells.select(rest[: len(held_out)])
    final = teacher.Teacher(archive)
    perfect = crystals.select([0, 1])
    shifts = [
        (final.total(atoms)[0] - energy) / len(atoms)
        for atoms, energy in zip(perfect.cells, perfect.energies_eV, strict=True)
    ]
    content = {
        "settings": asdict(settings),
        "n_cells": len(cells.cells),
        "n_crystals": len(crystals.cells),
        "held_out": teacher.errors(teacher.Teacher(trial), test.cells, test.energies_eV, test.forces_eV_A),
        "training": teacher.errors(final, seen.cells, seen.energies_eV, seen.forces_eV_A),
        "diamond_error_eV_per_atom": shifts[0],
        "graphite_error_eV_per_atom": shifts[1],
        "diamond_qm_eV_per_atom": perfect.energies_eV[0] / len(perfect.cells[0]),
        "graphite_qm_eV_per_atom": perfect.energies_eV[1] / len(perfect.cells[1]),
    }
    with atomic_write(report, "w") as stream:
        json.dump(content, stream, indent=2)
    return archive


def _labels_path(plan: Plan, unit: TrajectoryUnit, archive: Path) -> Path:
    return plan.folder / f"labels-{sha256(archive)[:12]}" / f"{unit.name}.npz"


_teachers: dict[Path, teacher.Teacher] = {}  # one per worker process: reading it costs seconds


def _label(unit: TrajectoryUnit, path: Path, archive: Path) -> bool:
    def make() -> dict[str, np.ndarray]:
        if archive not in _teachers:
            _teachers[archive] = teacher.Teacher(archive)
        frames = read_npz(unit.path, _FRAME_ARRAYS)
        energies = [
            _teachers[archive].local_energies(atoms_from_milliangstrom(positions, frames["cell_length_A"]))
            for positions in frames["positions_mA"]
        ]
        return {"local_energy_eV": np.array(energies, dtype=np.float32)}

    return once(path, make)


def _label_unit(archive: Path, item: tuple[TrajectoryUnit, Path]) -> bool:
    return _label(*item, archive)


def label_trajectories(
    plan: Plan, units: Sequence[TrajectoryUnit], archive: Path, *, workers: int | None, scheduler: str | None = None
) -> list[SyntheticAtomsError]:
    """Give every frame the teacher's per-atom energies, one file per trajectory and teacher."""
    pairs = [(unit, _labels_path(plan, unit, archive)) for unit in units]
    missing = [pair for pair in pairs if not pair[1].exists()]
    _, failures = run_units(
        partial(_label_unit, archive), missing, workers=workers, scheduler=scheduler, description="labels"
    )
    return failures


def export(
    plan: Plan,
    output: Path,
    quantum_set: Sequence[dict[str, np.ndarray]],
    units: Sequence[TrajectoryUnit],
    archive: Path,
    free_atom_eV: float,
    settings: teacher.GapSettings,
) -> None:
    """Write the finished shards, the teacher and the data card; a density is written only when it is complete."""
    output.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(archive, output / "teacher.tar.xz")
    model = teacher.Teacher(archive)
    local = [
        model.local_energies(atoms_from_milliangstrom(cell["positions_mA"], cell["cell_length_A"]))
        for cell in quantum_set
    ]
    stacked = {name: np.stack([cell[name] for cell in quantum_set]) for name in _CELL_ARRAYS}
    embedded.write_total_energies(
        output / "total_energies.npz", **stacked, local_energy_eV=np.array(local, dtype=np.float32)
    )
    for density in sorted({unit.density_g_cm3 for unit in units}):
        group = sorted((u for u in units if u.density_g_cm3 == density), key=lambda unit: unit.number)
        labels = [_labels_path(plan, unit, archive) for unit in group]
        if not all(path.exists() for path in labels):
            continue
        frames = [read_npz(unit.path, _FRAME_ARRAYS) for unit in group]
        n = [len(frame["time_ps"]) for frame in frames]
        arrays = {
            name: np.repeat([frame[name] for frame in frames], n) if kind.endswith("0")
            else np.concatenate([frame[name] for frame in frames])
            for name, kind in _FRAME_ARRAYS.items()
        }  # fmt: skip
        arrays["local_energy_eV"] = np.concatenate(
            [read_npz(path, {"local_energy_eV": "f2"})["local_energy_eV"] for path in labels]
        )
        embedded.write_local_shard(output / "local_energies" / f"density-{density:.1f}.npz", **arrays)
    report = json.loads((archive.parent / "teacher.json").read_text())
    card.write(output, plan, report, free_atom_eV)
