"""The hyperparameters that are searched, their ranges, and the quasi-random points in them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import qmc

from synthetic_atoms.errors import ParameterError

MODELS = ("NN", "DKL")
"""The classes of networks that are searched."""


@dataclass(frozen=True)
class Range:
    """Values that one hyperparameter may take.

    Attributes
    ----------
    low, high
        The ends, which belong to the range.
    logarithmic
        Whether equal ratios are equally likely, not equal differences.
    step
        Values are multiples of this whole number; 0 for real numbers, which are given to three significant digits.
    """

    low: float | int
    high: float | int
    logarithmic: bool = False
    step: int = 0

    def at(self, share: float) -> float | int:
        """The value that a share between 0 and 1 of the range lies below."""
        # Whole numbers: every value has a bin of its own, the first and the last as wide as the others.
        half = self.step / 2
        low, high = self.to_scale(self.low - half), self.to_scale(self.high + half)
        return self.rounded(low + share * (high - low))

    def to_scale(self, value: float | int) -> float:
        """The value on the scale on which the range is uniform."""
        return math.log(value) if self.logarithmic else float(value)

    def rounded(self, scaled: float) -> float | int:
        """The allowed value closest to a number on that scale."""
        value = math.exp(scaled) if self.logarithmic else scaled
        value = self.step * math.floor(value / self.step + 0.5) if self.step else float(f"{value:.3g}")
        return type(value)(min(max(value, self.low), self.high))


def _between(n_train: int, small: int, large: int) -> int:
    """A number for N, geometric in between those for 10^3 and 10^5 and constant beyond."""
    return round(10 ** float(np.interp(math.log10(n_train), [3.0, 5.0], np.log10([small, large]))))


def space(model: str, n_train: int) -> dict[str, Range]:
    """The range of each hyperparameter for a number of training environments.

    The ends of widths, batches and inducing points grow with N: wide ranges at small N, costs that two cores can bear
    at large N. Both models share the first six.

    Raises
    ------
    ParameterError
        If there is no such model.
    """
    if model not in MODELS:
        raise ParameterError(f"Expected a model among {', '.join(MODELS)}, found '{model}'.")

    def tens(small: int, large: int) -> int:
        return 10 * round(_between(n_train, small, large) / 10)

    shared = {
        "depth": Range(1, 5, step=1),
        "width": Range(tens(50, 200), tens(600, 1000), logarithmic=True, step=10),
        "learning_rate": Range(1e-4, 3e-3, logarithmic=True),
        "batch_size": Range(_between(n_train, 10, 100), _between(n_train, 200, 1500), logarithmic=True, step=1),
        "dropout": Range(0.0, 0.6),
        "weight_decay": Range(1e-4, 3.0, logarithmic=True),
    }
    if model == "NN":
        return shared
    return shared | {
        "feature_dimension": Range(2, 64, logarithmic=True, step=1),
        "n_inducing": Range(tens(50, 100), tens(500, 800), logarithmic=True, step=10),
    }


def points(model: str, n_train: int, n_trials: int, seed: int = 0) -> list[dict[str, float | int]]:
    """Hyperparameters of each trial: a scrambled Halton sequence (Owen, arXiv 1706.02808) in the space.

    More trials keep the first ones. Both models have the same points in the hyperparameters that they share.

    Raises
    ------
    ParameterError
        If the model is unknown or there is no trial.
    """
    if n_trials < 1:
        raise ParameterError(f"Expected at least one trial, found {n_trials}.")
    ranges = space(model, n_train)
    # Each base is scrambled in turn by one generator: the first dimensions do not depend on how many there are.
    shares = qmc.Halton(len(ranges), scramble=True, rng=np.random.default_rng(seed)).random(n_trials)
    return [
        {name: one.at(float(share)) for (name, one), share in zip(ranges.items(), row, strict=True)} for row in shares
    ]


def arguments(values: Mapping[str, Any]) -> dict[str, Any]:
    """Hyperparameters as arguments of the model's class: depth and width as ``hidden_layers``."""
    given = dict(values)
    depth, width = int(given.pop("depth")), int(given.pop("width"))
    return {"hidden_layers": [width] * depth, **given}


def interpolated(model: str, n_train: int, selected: Mapping[int, Mapping[str, float | int]]) -> dict[str, float | int]:
    """Hyperparameters for N from those at other numbers: linear in log N on each one's own scale, constant beyond.

    Raises
    ------
    ParameterError
        If none are selected.
    """
    if not selected:
        raise ParameterError("Expected hyperparameters for at least one training-set size, found none.")
    sizes = sorted(selected)
    found = {}
    for name, one in space(model, n_train).items():
        scaled = [one.to_scale(selected[size][name]) for size in sizes]
        value = float(np.interp(math.log(n_train), np.log(sizes), scaled))
        # Selected values need not lie in the range of this N.
        ends = [selected[size][name] for size in sizes]
        wide = Range(min(one.low, *ends), max(one.high, *ends), one.logarithmic, one.step)
        found[name] = wide.rounded(value)
    return found
