"""Models compared fold by fold, on curves that are known."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap, linregress

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


def uneven(seed: int = 1) -> pd.DataFrame:
    """The same, with ratios that differ from fold to fold."""
    table = records()
    noise = np.exp(0.15 * np.random.default_rng(seed).normal(size=len(table)))
    return table.assign(mae_test_meV=table["mae_test_meV"] * noise)


def test_the_interval_is_scipys_bootstrap_over_folds():
    table = uneven()
    pairs = findings.compare(table, "NN", "GPR").set_index("n_train")
    errors = table.pivot_table(index=["n_train", "model"], columns="fold", values="mae_test_meV")
    for n, row in pairs.iterrows():
        logs = np.log(errors.loc[(n, "NN")] / errors.loc[(n, "GPR")]).to_numpy()
        theirs = bootstrap((logs,), np.mean, confidence_level=0.9, method="percentile", rng=np.random.default_rng(0))
        interval = np.exp(theirs.confidence_interval)
        assert row["low"] < row["ratio"] < row["high"]
        np.testing.assert_allclose(np.log([row["low"], row["high"]]), np.log(interval), atol=0.15 * np.ptp(logs))


def test_a_crossing_has_an_interval_where_folds_differ():
    cross = findings.crossover(uneven(), "NN", "GPR")
    assert cross.low < cross.value < cross.high
    apart = records()
    apart.loc[apart["model"] == "NN", "mae_test_meV"] *= 10.0
    assert np.isnan(findings.crossover(apart, "NN", "GPR").low)


def test_slopes_are_those_of_the_power_law():
    found = findings.slope(records(noise=1.0), "NN", (100, 316, 3160))
    assert [found.value, found.low, found.high] == pytest.approx([-0.5] * 3)
    assert findings.straightness(records(), "NN", (100, 316, 3160)) == pytest.approx(1.0)
    table = uneven()
    found = findings.slope(table, "GPR", (100, 316, 3160, 10_000))
    logs = np.log(findings.by_fold(table, "GPR"))
    by_fold = [linregress(np.log(logs.index), logs[fold]).slope for fold in logs]
    assert found.value == pytest.approx(np.mean(by_fold))  # least squares is linear in the errors
    assert min(by_fold) < found.low < found.value < found.high < max(by_fold)
    assert 0.5 < findings.straightness(table, "GPR", list(logs.index)) < 1
    assert np.isnan(findings.slope(table, "GPR", (100,)).value)
    assert np.isnan(findings.straightness(table, "GPR", (100, 316)))


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
