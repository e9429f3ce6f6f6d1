"""Cross-validation by trajectory, nested samples of the training set, validation splits."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Int, Shaped
from sklearn.model_selection import GroupKFold

from synthetic_atoms.errors import ParameterError
from synthetic_atoms.interfaces import Environments


@dataclass(frozen=True)
class Split:
    """One fold of a cross-validation.

    ``train`` lists the training environments in shuffled order: its first N are the training set of size N, so that
    every smaller set is part of every larger one. ``test`` lists the test environments in ascending order.
    """

    fold: int
    train: Int[np.ndarray, " train"]
    test: Int[np.ndarray, " test"]

    def sample(self, n: int) -> Int[np.ndarray, " n"]:
        """The first n training environments: a random sample without replacement.

        Raises
        ------
        ParameterError
            If n is not between 1 and the number of training environments.
        """
        if not 1 <= n <= len(self.train):
            raise ParameterError(
                f"Expected 1 to {len(self.train)} training environments in fold {self.fold}, found a request for {n}."
            )
        return self.train[:n]


def splits_by_trajectory(
    data: Environments, n_folds: int = 5, seed: int = 0, max_test: int | None = None
) -> list[Split]:
    """Folds of a dataset's environments in which no trajectory is on both sides (the paper's Fig. 3).

    See :func:`group_splits` for the parameters and errors.
    """
    return group_splits(np.asarray(data.trajectory)[data.frame], n_folds, seed, max_test)


def group_splits(
    groups: Shaped[np.ndarray, " samples"], n_folds: int = 5, seed: int = 0, max_test: int | None = None
) -> list[Split]:
    """Folds of samples in which no group is on both sides.

    Parameters
    ----------
    groups
        Label of each sample's group: its trajectory, or a number of its own for a cell of a dataset of cells.
    n_folds
        Number of folds.
    seed
        Determines the assignment of groups to folds, the order of the training samples and the sample of test samples.
    max_test
        Largest number of test samples in a fold, a random sample of them; None for all.

    Raises
    ------
    ParameterError
        If there are fewer than two folds, more folds than groups, or ``max_test`` is not positive.
    """
    labels = np.unique(groups)
    if not 2 <= n_folds <= len(labels):
        raise ParameterError(
            f"Expected from 2 folds to as many as there are trajectories ({len(labels)}), found {n_folds}."
        )
    if max_test is not None and max_test < 1:
        raise ParameterError(f"Expected at least one test environment, found max_test = {max_test}.")
    index = np.arange(len(groups))
    splits = []
    # Groups, not samples, are dealt out, so that the folds do not depend on how large each group is.
    folds = GroupKFold(n_folds, shuffle=True, random_state=seed).split(labels, groups=labels)
    for fold, (_, held_out) in enumerate(folds):
        is_test = np.isin(groups, labels[held_out])
        train = np.random.default_rng([seed, fold, 0]).permutation(index[~is_test])
        test = index[is_test]
        if max_test is not None and max_test < len(test):
            test = np.sort(np.random.default_rng([seed, fold, 1]).choice(test, max_test, replace=False))
        splits.append(Split(fold, train, test))
    return splits


def validation_split(n: int, seed: int = 0) -> tuple[Int[np.ndarray, " fit"], Int[np.ndarray, " validation"]]:
    """Positions within a sample of n: those to fit, and a tenth (at least one, at most 1000) held out for validation.

    Raises
    ------
    ParameterError
        If n < 2.
    """
    if n < 2:
        raise ParameterError(f"Expected at least 2 samples to hold one out for validation, found {n}.")
    held_out = min(max(n // 10, 1), 1000)
    shuffled = np.random.default_rng(seed).permutation(n)
    return np.sort(shuffled[held_out:]), np.sort(shuffled[:held_out])
