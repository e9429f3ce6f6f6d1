"""Estimates with their spread when folds are drawn with replacement."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

RESAMPLES = 2000
"""Bootstrap samples."""


@dataclass(frozen=True)
class Estimate:
    """A number with the 5th and 95th percentile of its bootstrap over folds; NaN where it cannot be had."""

    value: float
    low: float
    high: float

    def __str__(self) -> str:
        return f"{self.value:,.3g} ({self.low:,.3g} to {self.high:,.3g})"


def bootstrap(
    function: Callable[[Float[np.ndarray, " n"], Float[np.ndarray, " m"]], float],
    first: pd.DataFrame,
    second: pd.DataFrame,
    seed: int = 0,
) -> Estimate:
    """A function of two mean curves, and its spread when the folds that both have are drawn with replacement.

    Folds share training data, so that the spread is a lower bound of the uncertainty.
    """
    folds = [fold for fold in first.columns if fold in second.columns]
    if not folds or first.empty or second.empty:
        return Estimate(*[float("nan")] * 3)
    a, b = first[folds].to_numpy(), second[folds].to_numpy()
    rng = np.random.default_rng(seed)
    draws = []
    for _ in range(RESAMPLES if len(folds) > 1 else 1):
        chosen = rng.integers(len(folds), size=len(folds))
        draws.append(function(a[:, chosen].mean(axis=1), b[:, chosen].mean(axis=1)))
    finite = np.array(draws)[np.isfinite(draws)]
    low, high = np.percentile(finite, [5, 95]) if len(finite) else (np.nan, np.nan)
    return Estimate(float(function(a.mean(axis=1), b.mean(axis=1))), float(low), float(high))
