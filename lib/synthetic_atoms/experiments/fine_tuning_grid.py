"""The fits behind Fig. 5 and Table 1: direct training, pre-training and fine-tuning, fold by fold."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Int
from scipy.stats import qmc

from synthetic_atoms.datasets import TotalEnergies
from synthetic_atoms.descriptors import soap_settings
from synthetic_atoms.errors import ParameterError
from synthetic_atoms.experiments.dataset import Dataset, largest_training_set
from synthetic_atoms.splits import Split, group_splits, splits_by_trajectory

DIRECT, PRETRAINED, FINETUNED = "direct", "pre-trained", "fine-tuned"

ASKED = (
    "dataset", "dataset_fingerprint", "cells_fingerprint", "soap", "soap_settings", "n_folds", "seed", "training",
    "n_pretrain_environments", "n_qm_labels", "fold", "hyperparameters",
)  # fmt: skip
FOUND = (
    "rmse_test_meV_per_atom", "rmse_train_meV_per_atom", "rmse_validation_meV_per_atom", "rmse_local_test_meV",
    "rmse_local_train_meV", "epochs", "fit_s", "machine", "versions",
)  # fmt: skip

SEARCHED = {
    DIRECT: {"learning_rate": (1e-4, 3e-3), "weight_decay": (1e-3, 3.0), "batch_size": (4, 32), "dropout": (0.0, 0.5)},
    FINETUNED: {
        "learning_rate": (1e-5, 1e-3), "weight_decay": (1e-3, 3.0), "batch_size": (4, 32), "dropout": (0.0, 0.5),
    },
}  # fmt: skip
"""Ranges of the search, the same number of trials in each; all but the dropout logarithmic."""

PRETRAINING: dict[str, Any] = {
    "hidden_layers": [256, 256], "learning_rate": 1e-3, "batch_size": 500, "max_epochs": 20, "patience": 8,
    "decay_patience": 3,
}  # fmt: skip
"""Of the network that is pre-trained; the directly trained one has the same layers."""


CHOSEN: dict[str, dict[int, dict[str, Any]]] = {
    DIRECT: {
        100: {"learning_rate": 2.59e-3, "weight_decay": 0.00296, "batch_size": 7, "dropout": 0.24},
        1462: {"learning_rate": 2.59e-3, "weight_decay": 0.00296, "batch_size": 7, "dropout": 0.24},
    },
    FINETUNED: {
        100: {"learning_rate": 1.46e-5, "weight_decay": 0.00122, "batch_size": 12, "dropout": 0.0254},
        1462: {"learning_rate": 3e-4, "weight_decay": 0.1, "batch_size": 10, "dropout": 0.0},
    },
}
"""The trial with the lowest validation error of each search, by the number of labels it was made with."""


@dataclass(frozen=True)
class FineTuning:
    """What all fits share.

    Attributes
    ----------
    dataset
        Environments with per-atom energies (the paper's D1); the cells with total energies (D0) are of the same source.
    n_folds, seed
        Cross-validation: fold k tests on a share of the cells and, for per-atom energies, on a share of D1's
        trajectories. Pre-training sees neither.
    soap
        Name of the descriptor's setting.
    n_cells
        At most this many cells, drawn at random; None for all.
    cell_passes
        About as many cells are seen in a fit. The default makes 40 epochs of all that a fold of the embedded data
        trains on.
    """

    dataset: Dataset = field(default_factory=Dataset)
    n_folds: int = 10
    seed: int = 0
    soap: str = "tuned"
    n_cells: int | None = None
    cell_passes: int = 53_000

    def qm(self) -> TotalEnergies:
        """The cells with total energies; kept in memory."""
        return _cells(self.dataset, self.n_cells, self.seed)

    def environments(self) -> list[Split]:
        """Folds of D1 by trajectory; kept in memory."""
        return _environments(self.dataset, self.n_folds, self.seed)

    def cells(self) -> list[Split]:
        """Folds of the cells of D0, each of which comes from a trajectory of its own; kept in memory."""
        return _cell_splits(self)

    def most_environments(self) -> int:
        """The largest number of environments for pre-training that every fold has."""
        return largest_training_set(self.dataset, self.n_folds, self.seed)

    def most_labels(self) -> int:
        """The largest number of cells for training and validation that every fold has."""
        return min(len(split.train) for split in self.cells())


@dataclass(frozen=True, order=True)
class Fit:
    """One fit: how it is trained, on how much, in which fold, with which hyperparameters (JSON).

    ``n_pretrain`` is 0 for direct training, ``n_labels`` 0 for pre-training alone.
    """

    training: str
    n_pretrain: int
    n_labels: int
    fold: int
    hyperparameters: str

    @property
    def settings(self) -> dict[str, Any]:
        """The hyperparameters."""
        return json.loads(self.hyperparameters)


def direct(study: FineTuning, n_labels: int, fold: int, settings: dict[str, Any] | None = None) -> Fit:
    """A fit from random weights to ``n_labels`` cells, those for validation included."""
    settings = {
        "hidden_layers": PRETRAINING["hidden_layers"],
        **_schedule(n_labels, study.cell_passes),
        **(settings or chosen(DIRECT, n_labels)),
    }
    return _fit(DIRECT, 0, n_labels, fold, settings)


def chosen(training: str, n_labels: int) -> dict[str, Any]:
    """Hyperparameters for a number of labels: those of :data:`CHOSEN`, interpolated in log N and constant beyond."""
    sizes = sorted(CHOSEN[training])
    found: dict[str, Any] = {}
    for name, (low, _) in SEARCHED[training].items():
        ends = [CHOSEN[training][size][name] for size in sizes]
        scaled = ends if low == 0 else np.log(ends)
        value = float(np.interp(np.log(n_labels), np.log(sizes), scaled))
        value = value if low == 0 else float(np.exp(value))
        found[name] = round(value) if name == "batch_size" else float(f"{value:.3g}")
    return found


def candidates(training: str, n_labels: int) -> list[dict[str, Any]]:
    """The settings that compete in every fold: those of the search, and :data:`PLAIN`; one if they are the same.

    A search in one fold rests on few validation cells. Which of the two is used is decided by the validation errors of
    all folds, see :func:`synthetic_atoms.experiments.fine_tuning_findings.selected`.
    """
    searched = chosen(training, n_labels)
    return [searched] if searched == PLAIN else [searched, dict(PLAIN)]


def directs(study: FineTuning, n_labels: int, fold: int) -> list[Fit]:
    """Direct training with each of the :func:`candidates`."""
    return [direct(study, n_labels, fold, settings) for settings in candidates(DIRECT, n_labels)]


def finetuneds(study: FineTuning, n_pretrain: int, n_labels: int, fold: int) -> list[Fit]:
    """Fine-tuning with each of the :func:`candidates`."""
    return [finetuned(study, n_pretrain, n_labels, fold, settings) for settings in candidates(FINETUNED, n_labels)]


def pretrained(n_pretrain: int, fold: int) -> Fit:
    """Training on per-atom energies alone; few environments are seen in more epochs."""
    epochs = round(PRETRAINING["max_epochs"] * min(10.0, max(1.0, math.sqrt(20_000 / n_pretrain))))
    settings = PRETRAINING | {"max_epochs": epochs, "batch_size": max(10, min(500, n_pretrain // 40))}
    return Fit(PRETRAINED, n_pretrain, 0, fold, json.dumps(settings, sort_keys=True))


def finetuned(
    study: FineTuning, n_pretrain: int, n_labels: int, fold: int, settings: dict[str, Any] | None = None
) -> Fit:
    """A fit to ``n_labels`` cells from the weights that :func:`pretrained` gives in the same fold."""
    settings = _schedule(n_labels, study.cell_passes) | (settings or chosen(FINETUNED, n_labels))
    return _fit(FINETUNED, n_pretrain, n_labels, fold, settings)


def _fit(training: str, n_pretrain: int, n_labels: int, fold: int, settings: dict[str, Any]) -> Fit:
    # A batch never holds more than a fifth of the cells: few labels still give several steps in an epoch.
    settings = settings | {"batch_size": max(1, min(int(settings["batch_size"]), n_labels // 5))}
    return Fit(training, n_pretrain, n_labels, fold, json.dumps(settings, sort_keys=True))


def _schedule(n_labels: int, cell_passes: int) -> dict[str, int]:
    """Epochs for a number of labels: about as many cells are seen, but at most 400 epochs."""
    epochs = min(400, max(20, round(cell_passes / max(1, n_labels - n_validation(n_labels)))))
    return {"max_epochs": epochs, "patience": max(8, epochs // 4), "decay_patience": max(3, epochs // 10)}


def n_validation(n_labels: int) -> int:
    """Cells held out of ``n_labels`` to stop the training: a tenth, at least five of fifty or a fifth of fewer."""
    return max(n_labels // 10, min(5, n_labels // 5), 1)


PLAIN: dict[str, Any] = {"learning_rate": 3e-4, "weight_decay": 0.1, "batch_size": 10, "dropout": 0.0}
"""The first trial of each search: the usual learning rate of Adam, and no dropout."""


def is_plain(hyperparameters: str) -> bool:
    """Whether a fit has the settings :data:`PLAIN`; its batch may be smaller, for few labels."""
    settings = json.loads(hyperparameters)
    return all(settings.get(name) == value for name, value in PLAIN.items() if name != "batch_size")


def trials(training: str, n: int, seed: int = 0) -> list[dict[str, Any]]:
    """Hyperparameters of the n trials of a search: :data:`PLAIN`, then scrambled Halton points in :data:`SEARCHED`.

    Raises
    ------
    ParameterError
        If pre-training is asked for, which is not searched.
    """
    if training not in SEARCHED:
        raise ParameterError(f"Expected a training among {', '.join(SEARCHED)}, found '{training}'.")
    ranges = SEARCHED[training]
    found = [dict(PLAIN)][:n]
    for row in qmc.Halton(len(ranges), scramble=True, rng=np.random.default_rng(seed)).random(max(0, n - 1)):
        values: dict[str, Any] = {}
        for (name, (low, high)), share in zip(ranges.items(), row, strict=True):
            value = low + share * (high - low) if low == 0 else low * (high / low) ** share
            values[name] = round(value) if name == "batch_size" else float(f"{value:.3g}")
        found.append(values)
    return found


def requests(study: FineTuning, fits: Iterable[Fit]) -> pd.DataFrame:
    """One row per fit, each once, with the columns :data:`ASKED`.

    Raises
    ------
    ParameterError
        If a fold, a number of environments or a number of cells is not there.
    """
    most, labels = study.most_environments(), study.most_labels()
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
    for fit in sorted(set(fits)):
        if fit.n_pretrain > most or fit.n_labels > labels or not 0 <= fit.fold < study.n_folds:
            raise ParameterError(
                f"Expected at most {most} environments for pre-training, {labels} cells and a fold below "
                f"{study.n_folds}, found {fit.n_pretrain}, {fit.n_labels} and {fit.fold}."
            )
        rows.append(
            {
                **shared,
                "training": fit.training,
                "n_pretrain_environments": fit.n_pretrain,
                "n_qm_labels": fit.n_labels,
                "fold": fit.fold,
                "hyperparameters": fit.hyperparameters,
            }
        )
    return pd.DataFrame(rows, columns=list(ASKED))


def table_1(study: FineTuning, folds: Sequence[int]) -> list[Fit]:
    """Three kinds of training on everything there is (the paper's Table 1 and Fig. 5b)."""
    most, labels = study.most_environments(), study.most_labels()
    return [
        fit
        for k in folds
        for fit in (*directs(study, labels, k), pretrained(most, k), *finetuneds(study, most, labels, k))
    ]


def figure_5c(study: FineTuning, sizes: Sequence[int], folds: Sequence[int]) -> list[Fit]:
    """Fine-tuning on all cells after pre-training on some environments, and on all of them."""
    most, labels = study.most_environments(), study.most_labels()
    return [
        fit for n in [*(n for n in sizes if n < most), most] for k in folds for fit in finetuneds(study, n, labels, k)
    ]


def figure_5d(study: FineTuning, sizes: Sequence[int], folds: Sequence[int]) -> list[Fit]:
    """Direct training and fine-tuning on some cells, and on all of them."""
    most, labels = study.most_environments(), study.most_labels()
    return [
        fit
        for n in [*(n for n in sizes if n < labels), labels]
        for k in folds
        for fit in (*directs(study, n, k), *finetuneds(study, most, n, k))
    ]


def cells_of(study: FineTuning, fit: Fit) -> tuple[Int[np.ndarray, " train"], Int[np.ndarray, " validation"]]:
    """The cells that a fit trains on and those that stop it; smaller sets are parts of larger ones."""
    chosen = study.cells()[fit.fold].sample(fit.n_labels)
    held_out = n_validation(fit.n_labels)
    return np.sort(chosen[held_out:]), np.sort(chosen[:held_out])


@lru_cache(maxsize=2)
def _environments(dataset: Dataset, n_folds: int, seed: int) -> list[Split]:
    return splits_by_trajectory(dataset.load(), n_folds=n_folds, seed=seed)


@lru_cache(maxsize=2)
def _cells(dataset: Dataset, n_cells: int | None, seed: int) -> TotalEnergies:
    cells = dataset.cells()
    if n_cells is None or n_cells >= cells.n_frames:
        return cells
    return cells.select_frames(np.sort(np.random.default_rng([seed, 2]).choice(cells.n_frames, n_cells, replace=False)))


@lru_cache(maxsize=2)
def _cell_splits(study: FineTuning) -> list[Split]:
    # Where several cells come from one trajectory they stay together.
    return group_splits(np.asarray(study.qm().trajectory), n_folds=study.n_folds, seed=study.seed)
