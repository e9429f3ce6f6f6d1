"""Models compared fold by fold, on curves that are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synthetic_atoms.experiments import curve_findings as findings


def records(noise: float = 0.05, folds: int = 5) -> pd.DataFrame:
    """Two power laws that cross at N = 1000; what makes a fold hard is common to both models."""
    rng = np.random.default_rng(0)
    hard = np.exp(noise * rng.normal(size=folds))
    return pd.DataFrame(
        [
            {"model": model, "n_train": n, "fold": k, "mae_test_meV": 100 * hard[k] * (n / 1000) ** slope}
            for model, slope in (("GPR", -0.3), ("NN", -0.5))
            for n in (100, 316, 3160, 10_000)
            for k in range(folds)
        ]
    )


def test_ratios_are_paired_so_that_hard_folds_do_not_blur_them():
    pairs = findings.compare(records(noise=1.0), "NN", "GPR")
    np.testing.assert_allclose(pairs["ratio"], (pairs["n_train"] / 1000.0) ** -0.2, rtol=1e-9)
    np.testing.assert_allclose(pairs["low"], pairs["high"], rtol=1e-9)
    assert list(pairs["ahead"]) == [0, 0, 5, 5]


def test_where_the_curves_cross():
    cross = findings.crossover(records(), "NN", "GPR")
    assert cross.value == pytest.approx(1000, rel=1e-6)
    assert np.isnan(findings.crossover(records(), "GPR", "NN").value)


def test_a_missing_fold_of_one_model_leaves_the_size_out():
    table = records()
    table = table[~((table["model"] == "NN") & (table["n_train"] == 100) & (table["fold"] == 2))]
    assert list(findings.compare(table, "NN", "GPR")["n_train"]) == [316, 3160, 10_000]
    assert findings.compare(table, "DKL", "NN").empty


def test_published_curves_cross_where_they_do():
    table = pd.DataFrame(
        [
            {"model": model, "n_train": n, "mae_test_meV": 100 * (n / 1000) ** slope}
            for model, slope in (("GPR", -0.3), ("NN", -0.5))
            for n in (100, 10_000)
        ]
    )
    assert findings.published_crossover(table, "NN", "GPR") == pytest.approx(1000)
