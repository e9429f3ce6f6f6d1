"""Which environments an experiment uses."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

import numpy as np
from jaxtyping import Int

from synthetic_atoms.datasets import LocalEnergies, TotalEnergies, load_local_energies, load_total_energies
from synthetic_atoms.descriptors import coordination_numbers
from synthetic_atoms.errors import ParameterError
from synthetic_atoms.splits import splits_by_trajectory

MAX_TRAIN_SAMPLE = 10_000
"""Training errors are taken on at most this many of the training environments."""


@dataclass(frozen=True)
class Dataset:
    """Which environments an experiment uses: the arguments of :func:`synthetic_atoms.datasets.load_local_energies`."""

    name: str = "embedded"
    n_trajectories: int | None = None
    frames_per_trajectory: int | None = None
    energy_column: str | None = None
    seed: int = 0

    def load(self) -> LocalEnergies:
        """The data; kept in memory, so that many fits in one process read them once."""
        return _load(self)

    def cells(self) -> TotalEnergies:
        """The cells with total energies of the same source; kept in memory too."""
        return _cells(self.name)

    def coordination(self) -> Int[np.ndarray, " environments"]:
        """Number of neighbours of each atom; kept in memory too."""
        return _coordination(self)

    def check_stored(self) -> None:
        """Refuse a part of a dataset, for which there are no stored results.

        Raises
        ------
        ParameterError
            If it is not the whole dataset.
        """
        if replace(self, name="", seed=0) != Dataset(""):
            raise ParameterError(
                "Stored results are those of whole datasets: with a part of one (n_trajectories, "
                "frames_per_trajectory or energy_column) expected use_store=false and compute=true, found "
                "use_store=true."
            )


@lru_cache(maxsize=1)
def _load(dataset: Dataset) -> LocalEnergies:
    return load_local_energies(
        dataset.name,
        n_trajectories=dataset.n_trajectories,
        frames_per_trajectory=dataset.frames_per_trajectory,
        energy_column=dataset.energy_column,
        seed=dataset.seed,
    )


@lru_cache(maxsize=1)
def _cells(name: str) -> TotalEnergies:
    return load_total_energies(name)


@lru_cache(maxsize=1)
def _coordination(dataset: Dataset) -> Int[np.ndarray, " environments"]:
    return coordination_numbers(dataset.load())


def largest_training_set(dataset: Dataset, n_folds: int, seed: int) -> int:
    """The largest number of training environments that every fold of a dataset has."""
    return min(len(split.train) for split in splits_by_trajectory(dataset.load(), n_folds=n_folds, seed=seed))
