"""What a search shows: correlations against closed forms, and which trials are alike."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synthetic_atoms.experiments.search_findings import as_good_as_best, common_trials, rank_correlations


def some_trials(errors, deviations, *, model="NN", n_train=1000, repeats=5) -> pd.DataFrame:
    table = pd.DataFrame({"mae_validation_meV": errors, "mae_validation_std_meV": deviations})
    return table.assign(model=model, n_train=n_train, repeats=repeats, trial=range(len(table)))


def test_a_point_counts_where_every_model_has_finished_it():
    nn, dkl = some_trials([1.0, 2.0, np.nan], 1.0), some_trials([3.0, np.nan, 4.0], 1.0, model="DKL")
    more = some_trials([np.nan, 5.0], 1.0, n_train=10_000)
    diverged = some_trials([7.0, np.inf], 1.0, model="DKL", n_train=10_000)
    left = common_trials(pd.concat([nn, dkl, more, diverged]))
    assert left[["model", "n_train", "trial"]].to_numpy().tolist() == [
        ["NN", 1000, 0], ["DKL", 1000, 0], ["NN", 10_000, 1], ["DKL", 10_000, 1]
    ]  # fmt: skip
    absent = pd.concat([nn.iloc[:2], dkl.iloc[:1]])  # a row that is not there is no trial either
    assert common_trials(absent)["trial"].tolist() == [0, 0]
    sizes = pd.concat([nn, more])
    assert common_trials(sizes, among="n_train", within="model")["trial"].tolist() == [1, 1]
    assert common_trials(more.iloc[:0]).empty


def test_rank_correlations_are_those_of_the_ranks():
    """With n distinct ranks it is 1 - 6 sum d^2 / (n (n^2 - 1))."""
    first = some_trials([10.0, 20.0, 40.0, 30.0], 1.0).assign(width=[1, 2, 3, 4], depth=3, dropout=[9, 8, 7, 6])
    second = some_trials([5.0, 6.0], 1.0, n_train=10_000).assign(width=[1, 2], depth=3, dropout=0.0)
    found = rank_correlations(pd.concat([first, second]), ["width", "depth", "dropout"])
    assert found[["n_train", "model", "trials"]].to_numpy().tolist() == [[1000, "NN", 4], [10_000, "NN", 2]]
    assert found.loc[0, "width"] == pytest.approx(1 - 6 * 2 / (4 * 15))
    assert found.loc[0, "dropout"] == pytest.approx(-found.loc[0, "width"])
    assert np.isnan(found.loc[0, "depth"])  # it does not vary
    assert found.loc[1, ["width", "depth", "dropout", "chance"]].isna().all()  # two trials tell nothing
    assert found.loc[0, "chance"] == pytest.approx(1.96 / np.sqrt(3))


def test_trials_within_one_standard_error_are_as_good_as_the_best():
    """A deviation of 2 meV in one fit is a standard error of 0.9 meV for the mean of five."""
    nn = some_trials([50.8, 50.0, 51.0], [9.0, 2.0, 9.0])
    dkl = some_trials([60.0, 70.0], [1.0, 1.0], model="DKL")
    found = as_good_as_best(pd.concat([nn, dkl]))
    assert {model: part["trial"].tolist() for model, part in found.items()} == {"NN": [0, 1], "DKL": [0]}


def test_single_fits_do_not_tell_which_trials_are_alike():
    single = some_trials([50.0, 50.1], float("nan"), repeats=1)
    assert as_good_as_best(single) is None
    assert as_good_as_best(pd.concat([single, some_trials([60.0], 1.0, model="DKL")])) is None
