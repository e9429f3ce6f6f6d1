"""Whether deep kernel learning knows its errors: predicted standard deviations against the errors made."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from synthetic_atoms.descriptors import features
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.models.deep_kernel import DeepKernel, default_hyperparameters
from synthetic_atoms.splits import splits_by_trajectory

NORMAL = {1: 0.6827, 2: 0.9545}
"""Share of errors within one and two standard deviations if errors were normal and the deviations right."""


def errors_and_deviations(
    dataset: Dataset, n_train: int, *, n_folds: int = 5, seed: int = 0, soap: str = "tuned", max_test: int = 10_000
) -> tuple[Float[np.ndarray, " test"], Float[np.ndarray, " test"]]:
    """Errors of a deep kernel model on the first fold's test environments and their predicted deviations, in eV.

    The deviations include the noise that the likelihood has learned.
    """
    data = dataset.load()
    split = splits_by_trajectory(data, n_folds=n_folds, seed=seed, max_test=max_test)[0]
    rows = split.sample(n_train)
    model = DeepKernel(**default_hyperparameters(n_train), seed=seed).fit(
        features(data, soap, rows=rows), data.local_energy_eV[rows]
    )
    mean, deviation = model.predict(features(data, soap, rows=split.test), return_std=True, include_noise=True)
    return mean - data.local_energy_eV[split.test], deviation
