"""Going on from a finished dataset: its cells, trajectories, teacher and labels become finished units again."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

import numpy as np

from synthetic_atoms.datasets import embedded
from synthetic_atoms.errors import DataError
from synthetic_atoms.files import atomic_write, sha256, write_npz
from synthetic_atoms.scheduling import say
from synthetic_atoms.synthesis.card import UNITS
from synthetic_atoms.synthesis.fitting import ARCHIVE, REPORT, teacher_folder
from synthetic_atoms.synthesis.labelling import Labeller, labels_path
from synthetic_atoms.synthesis.plan import CellUnit, Plan, TrajectoryUnit
from synthetic_atoms.synthesis.structures import CELL_ARRAYS, FRAME_ARRAYS
from synthetic_atoms.synthesis.teacher import GapSettings


def restore(plan: Plan, output: Path, settings: GapSettings) -> int:
    """Put what a dataset in ``output`` has of a plan's units into the plan's work folder.

    Units follow from their seeds, so a dataset made elsewhere, or whose work folder is gone, need not be made again
    to be enlarged. Files of the work folder stay as they are. A damaged file of the dataset gives nothing, and is
    named on standard error.

    Parameters
    ----------
    plan
        What is asked for.
    output
        A finished dataset, an empty folder, or one that does not exist.
    settings
        Of the teacher; one that was fitted with others, or to other cells, is not taken, nor are its labels.

    Returns
    -------
    int
        Number of cells and trajectories that were put there.
    """
    if not embedded.is_dataset(output):
        return 0
    try:
        card = embedded.read_card(output)
    except DataError as error:
        say(f"Nothing is taken from the dataset that is there: {error}")
        return 0
    if card.get(UNITS) != plan.folder.name:
        return 0
    labeller = _labeller(plan, output, card, settings)
    cells, trajectories = list(plan.cell_units()), {unit.number: unit for unit in plan.trajectory_units()}
    restored = 0
    for file in sorted(card["sha256"]):
        try:
            if file == embedded.TOTAL:
                arrays = embedded.read_total(output, card)
                restored += _restore_cells(plan, arrays, {unit.number: unit for unit in cells}, labeller)
            elif file.startswith(f"{embedded.LOCAL}/"):
                restored += _restore_frames(plan, embedded.read_local(output, file, card), trajectories, labeller)
        except DataError as error:
            say(f"Making again what a damaged file held: {error}")
    return restored


def _labeller(plan: Plan, output: Path, card: Mapping, settings: GapSettings) -> Labeller | None:
    """Who labelled the dataset, if it is who would label this one; a teacher is put into the work folder."""
    if plan.method.labeller is not None:
        return Labeller.of(plan.method.labeller)
    report, archive = card.get("teacher") or {}, output / ARCHIVE
    units = list(plan.cell_units())
    same = (report.get("settings"), report.get("n_cells"), report.get("n_crystals")) == (
        asdict(settings), len(units), plan.crystals,
    )  # fmt: skip
    if not same or not archive.is_file() or sha256(archive) != card["sha256"].get(ARCHIVE):
        return None
    folder = teacher_folder(plan, units, float(card["free_atom_energy_eV"]), settings)
    if not folder.exists():
        with atomic_write(folder / ARCHIVE) as stream:
            stream.write(archive.read_bytes())
        with atomic_write(folder / REPORT, "w") as stream:  # last: a folder without it is not whole
            json.dump(report, stream, indent=2)
    return Labeller.of(archive)


def _restore_cells(
    plan: Plan, arrays: Mapping[str, np.ndarray], units: Mapping[int, CellUnit], labeller: Labeller | None
) -> int:
    restored = 0
    for index, number in enumerate(arrays["trajectory"].tolist()):
        unit = units.get(number)
        if unit is not None:
            labels = arrays["local_energy_eV"][index] if "local_energy_eV" in arrays else None
            found = {name: _one(arrays[name], index) for name in CELL_ARRAYS}
            restored += _write(plan, unit, found, labels, labeller)
    return restored


def _restore_frames(
    plan: Plan, arrays: Mapping[str, np.ndarray], units: Mapping[int, TrajectoryUnit], labeller: Labeller | None
) -> int:
    restored = 0
    for number in np.unique(arrays["trajectory"]).tolist():
        unit, frames = units.get(number), np.flatnonzero(arrays["trajectory"] == number)
        if unit is not None:
            found = {
                name: _one(arrays[name], int(frames[0])) if kind.endswith("0") else arrays[name][frames]
                for name, kind in FRAME_ARRAYS.items()
            }
            restored += _write(plan, unit, found, arrays["local_energy_eV"][frames], labeller)
    return restored


def _one(array: np.ndarray, index: int) -> np.ndarray:
    """One frame's value of an array that may hold a single value for all."""
    return array if array.ndim == 0 else np.asarray(array[index])


def _write(
    plan: Plan,
    unit: CellUnit | TrajectoryUnit,
    arrays: Mapping[str, np.ndarray],
    labels: np.ndarray | None,
    labeller: Labeller | None,
) -> bool:
    """A unit's file and that of its labels, unless they are there; True if the former was written."""
    new = not unit.path.exists()
    if new:
        write_npz(unit.path, dict(arrays))
    if labels is not None and labeller is not None:
        path = labels_path(plan, unit, labeller)
        if not path.exists():
            write_npz(path, {"local_energy_eV": labels})
    return new
