"""The grid of a search for hyperparameters: the same number of trials for each model at each size."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

import numpy as np
import pandas as pd

from synthetic_atoms.descriptors import soap_settings
from synthetic_atoms.errors import ParameterError
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.experiments.search_space import MODELS, points, space
from synthetic_atoms.splits import Split, splits_by_trajectory, validation_split

SEARCHED = tuple(space("DKL", 1000))
"""Columns of hyperparameters; those that a model does not have are 0."""

ASKED = (
    "dataset", "dataset_fingerprint", "model", "soap", "soap_settings", "n_train", "n_folds", "fold", "seed",
    "max_test", "repeats", "max_epochs", "patience", "trial", *SEARCHED,
)  # fmt: skip

MOST_REPEATS, ENOUGH_VALIDATION = 5, 1000
"""A trial is repeated with other validation samples until it has seen that many of them, or that often."""


@dataclass(frozen=True)
class Search:
    """A grid of trials: the same number for every model at every training-set size.

    Attributes
    ----------
    dataset
        The environments.
    models
        ``"NN"``, ``"DKL"`` or both.
    sizes
        Numbers of training environments.
    n_trials
        Trials of each model at each size, by default as many as the project has of both models; a larger search
        contains every smaller one.
    n_folds, fold, seed
        The fold of the cross-validation whose training set is used; the seed of folds, trials and networks.
    soap
        Name of the descriptor's setting.
    max_test
        Test environments, a random sample; their error is recorded, and selects nothing.
    max_epochs
        Limit of every fit; None for one that falls with N, see :meth:`epoch_cap`.
    patience
        Epochs without a lower validation error after which a fit ends.
    """

    dataset: Dataset = field(default_factory=Dataset)
    models: tuple[str, ...] = MODELS
    sizes: tuple[int, ...] = (1000, 10_000, 100_000)
    n_trials: int = 24
    n_folds: int = 5
    fold: int = 0
    seed: int = 0
    soap: str = "tuned"
    max_test: int = 10_000
    max_epochs: int | None = None
    patience: int = 20

    def epoch_cap(self, n_train: int) -> int:
        """Most epochs of a fit: 200 at N = 10^3, 80 at 10^4, 30 at 10^5; in between linear in the logarithms."""
        if self.max_epochs is not None:
            return self.max_epochs
        return round(10 ** float(np.interp(np.log10(n_train), [3, 4, 5], np.log10([200, 80, 30]))))

    def repeats(self, n_train: int) -> int:
        """How often a trial is fitted, each time with another validation set and other initial weights."""
        return min(MOST_REPEATS, -(-ENOUGH_VALIDATION // len(validation_split(n_train)[1])))

    def split(self) -> Split:
        """The fold; kept in memory."""
        return _splits(self.dataset, self.n_folds, self.seed, self.max_test)[self.fold]

    def requests(self) -> pd.DataFrame:
        """One row per trial, with the columns :data:`ASKED`; by size, then trial, so that models advance together.

        Raises
        ------
        ParameterError
            If a model is unknown, or a number is out of its range.
        """
        if not 0 <= self.fold < self.n_folds:
            raise ParameterError(f"Expected a fold from 0 to {self.n_folds - 1}, found {self.fold}.")
        shared = {
            "dataset": self.dataset.name,
            "dataset_fingerprint": self.dataset.load().fingerprint[:12],
            "soap": self.soap,
            "soap_settings": soap_settings(self.soap).digest,
            "n_folds": self.n_folds,
            "fold": self.fold,
            "seed": self.seed,
            "max_test": self.max_test,
            "patience": self.patience,
        }
        rows = []
        for n_train in sorted(self.sizes):
            trials = {model: points(model, n_train, self.n_trials, self.seed) for model in self.models}
            rows += [
                {
                    **shared,
                    "model": model,
                    "n_train": n_train,
                    "repeats": self.repeats(n_train),
                    "max_epochs": self.epoch_cap(n_train),
                    "trial": trial,
                    **dict.fromkeys(SEARCHED, 0),
                    **trials[model][trial],
                }
                for trial in range(self.n_trials)
                for model in self.models
            ]
        return pd.DataFrame(rows, columns=list(ASKED))


@lru_cache(maxsize=1)
def _splits(dataset: Dataset, n_folds: int, seed: int, max_test: int) -> list[Split]:
    return splits_by_trajectory(dataset.load(), n_folds=n_folds, seed=seed, max_test=max_test)
