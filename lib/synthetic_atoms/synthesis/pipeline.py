"""The whole chain of the paper's Fig. 1: structures, quantum-mechanical labels, teacher, synthetic labels, shards."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from synthetic_atoms.datasets import embedded
from synthetic_atoms.errors import DataError, MissingDependencyError, ParameterError, SyntheticAtomsError
from synthetic_atoms.files import atomic_write, read_npz
from synthetic_atoms.scheduling import Pool, say
from synthetic_atoms.synthesis import card, quantum, teacher
from synthetic_atoms.synthesis.crystals import perfect_crystals
from synthetic_atoms.synthesis.dynamics import check_driver
from synthetic_atoms.synthesis.fitting import REPORT, fit_teacher
from synthetic_atoms.synthesis.labelling import CELL_LABELS, FRAME_LABELS, Labeller, label_units, labels_path
from synthetic_atoms.synthesis.plan import CellUnit, Plan, TrajectoryUnit, density_name
from synthetic_atoms.synthesis.potentials import PairStyle
from synthetic_atoms.synthesis.reuse import restore
from synthetic_atoms.synthesis.structures import CELL_ARRAYS, FRAME_ARRAYS, make_all

FATAL = (DataError, ParameterError, MissingDependencyError)
"""Errors that every further unit would end in as well: a full disk, a calculator that is not there."""

TEACHER = "teacher.tar.xz"
_ABANDONED_S = 24 * 3600  # what a killed run left half-written is removed after a day
_LEFT_BEHIND = (".*.part", "*/.*.part", "*/*/.*.part", ".fit-*", ".shared-*")


@dataclass(frozen=True)
class Missing:
    """How many units a dataset lacks because they failed."""

    cells: int
    trajectories: int

    def __str__(self) -> str:
        """In words."""
        return f"{self.cells} cells and {self.trajectories} trajectories"


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
    killed run goes on where it stopped, and two runs at once do not harm each other. ``output`` receives the finished
    shards, the teacher and the data card. What an earlier dataset in ``output`` already has of the plan's units is not
    made again.

    Parameters
    ----------
    output
        Folder of the finished dataset: a new one, an empty one, or that of an earlier dataset.
    plan
        Its extent and method; the embedded dataset's by default.
    settings
        Settings of the teacher.
    workers, scheduler
        Local processes (one per core by default; 0: none), or the address of a Dask scheduler whose workers share
        ``plan.folder``. Only paths and small arrays travel.

    Returns
    -------
    list of SyntheticAtomsError
        Units that failed and are left out; a rerun tries them again.

    Raises
    ------
    SyntheticAtomsError
        If nothing more can be done; what was finished is kept.
    """
    plan, settings = plan or Plan(), settings or teacher.GapSettings()
    check_output(output)
    check_method(plan)
    for folder in (plan.folder, output):
        remove_abandoned(folder)
    restored = restore(plan, output, settings)
    if restored:
        say(f"{restored} cells and trajectories are taken from the dataset in {output}.")
    cell_units, trajectory_units = list(plan.cell_units()), list(plan.trajectory_units())
    with Pool(workers, scheduler, fatal=FATAL) as pool:
        pool.check_shared(plan.folder)
        free_atom_eV = free_atom_energy(plan)
        failures = make_all(cell_units, pool=pool)
        made = [unit for unit in cell_units if unit.path.exists()]
        if plan.method.labeller is not None:
            labeller = Labeller.of(plan.method.labeller)
        else:
            labeller = Labeller.of(fit_teacher(plan, made, free_atom_eV, settings, pool))
        failures += make_all(trajectory_units, pool=pool)
        run = [unit for unit in trajectory_units if unit.path.exists()]
        failures += label_units(plan, made, labeller, pool)
        failures += label_units(plan, run, labeller, pool)
    missing = export(plan, output, labeller, free_atom_eV)
    if missing.cells or missing.trajectories:
        say(f"The dataset lacks {missing}, which failed.")
    return failures


def check_output(output: Path) -> None:
    """Refuse a folder that holds anything but a dataset, finished or not.

    Raises
    ------
    DataError
        If it does, or is not a folder, or cannot be made.
    """
    ours = {"card.json", "README.md", TEACHER, embedded.LOCAL, embedded.TOTAL}
    try:
        output.mkdir(parents=True, exist_ok=True)
        others = sorted(path.name for path in output.iterdir() if path.name not in ours and path.suffix != ".part")
    except OSError as error:
        raise DataError(f"Expected a folder that can be written at {output}, found: {error.strerror}.") from error
    if others:
        raise DataError(f"Expected an empty folder or an earlier dataset at {output}, found '{others[0]}' in it.")


def check_method(plan: Plan) -> None:
    """Refuse a method that cannot work before anything long is begun.

    Raises
    ------
    MissingDependencyError, ParameterError
        If a package or calculator is lacking, or does not give what is needed of it.
    """
    method = plan.method
    for interaction in (method.driver, method.relaxer):
        if isinstance(interaction, PairStyle):
            check_driver(interaction, method.element)
        elif interaction is not None:
            interaction.check("energy", "forces")
    if method.qm is not None:
        method.qm.check("energy", "forces")
    elif plan.cells:
        quantum.gfn1_xtb()
    if method.labeller is not None:
        method.labeller.check("energies")
    else:
        teacher.check_available()
        if plan.crystals:
            perfect_crystals(method.element)


def free_atom_energy(plan: Plan) -> float:
    """Energy (eV) of the isolated atom in the quantum mechanics; NaN if no teacher needs it and there is none."""
    if plan.free_atom_energy_eV is not None:
        return plan.free_atom_energy_eV
    if not plan.cells:
        return float("nan")
    try:
        return quantum.free_atom_energy(plan.method.element, plan.method.qm)
    except ParameterError:
        if plan.method.labeller is None:
            raise
        return float("nan")


def remove_abandoned(folder: Path) -> None:
    """Remove temporary files that killed runs left behind more than a day ago."""
    before = time.time() - _ABANDONED_S
    for path in [found for pattern in _LEFT_BEHIND for found in folder.glob(pattern)]:
        try:
            if path.stat().st_mtime < before:
                shutil.rmtree(path) if path.is_dir() else path.unlink()
        except OSError:
            continue  # another run was faster, or it is not ours to remove


def export(plan: Plan, output: Path, labeller: Labeller, free_atom_eV: float) -> Missing:
    """Write the finished shards, the teacher and the data card from what is in the work folder.

    Units that failed are left out, and counted.

    Raises
    ------
    DataError
        If a file of the work folder is damaged, there is no trajectory at all, or ``output`` cannot be written.
    """
    cells = [unit for unit in plan.cell_units() if labels_path(plan, unit, labeller).exists()]
    units = list(plan.trajectory_units())
    whole = sorted((u for u in units if labels_path(plan, u, labeller).exists()), key=lambda unit: unit.number)
    missing = Missing(plan.cells - len(cells), len(units) - len(whole))
    if not whole:
        raise DataError(f"Expected at least one labelled trajectory in {plan.folder}, found none.")
    written = []
    for density in sorted({unit.density_g_cm3 for unit in whole}):
        written.append(output / embedded.LOCAL / f"{density_name(density)}.npz")
        _export_density(plan, written[-1], [unit for unit in whole if unit.density_g_cm3 == density], labeller)
    report: dict[str, object] = {}
    if cells:
        written.append(output / embedded.TOTAL)
        _export_cells(plan, written[-1], cells, labeller)
    if isinstance(labeller.source, Path):
        written.append(output / TEACHER)
        with atomic_write(written[-1]) as stream:
            stream.write(labeller.source.read_bytes())
        report = json.loads((labeller.source.parent / REPORT).read_text(encoding="utf-8"))
    card.write(
        output, plan, report, free_atom_eV, written, {"cells": missing.cells, "trajectories": missing.trajectories}
    )
    return missing


def _export_density(plan: Plan, path: Path, units: list[TrajectoryUnit], labeller: Labeller) -> None:
    frames = [read_npz(unit.path, FRAME_ARRAYS) for unit in units]
    n = [len(frame["time_ps"]) for frame in frames]
    arrays = {
        name: np.repeat([frame[name] for frame in frames], n) if kind.endswith("0")
        else np.concatenate([frame[name] for frame in frames])
        for name, kind in FRAME_ARRAYS.items()
    }  # fmt: skip
    labels = [read_npz(labels_path(plan, unit, labeller), FRAME_LABELS)["local_energy_eV"] for unit in units]
    embedded.write_local_shard(path, **arrays, local_energy_eV=np.concatenate(labels))


def _export_cells(plan: Plan, path: Path, units: list[CellUnit], labeller: Labeller) -> None:
    cells = [read_npz(unit.path, CELL_ARRAYS) for unit in units]
    labels = [read_npz(labels_path(plan, unit, labeller), CELL_LABELS)["local_energy_eV"] for unit in units]
    stacked = {name: np.stack([cell[name] for cell in cells]) for name in CELL_ARRAYS}
    embedded.write_total_energies(path, **stacked, local_energy_eV=np.stack(labels))
