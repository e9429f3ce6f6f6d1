"""Records of GPR and of the networks in one table, and those with all trajectories."""

from __future__ import annotations

import json

import numpy as np
import pytest

from synthetic_atoms.errors import ParameterError
from synthetic_atoms.experiments import learning_curves
from synthetic_atoms.experiments.all_models import NUMBERS, Comparison, whole
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.experiments.gpr_grid import Study, Sweep
from synthetic_atoms.experiments.gpr_path import sparse_gpr


def test_the_table_is_the_two_stores_side_by_side():
    records = Comparison(sizes=(100, 1000)).records()
    assert list(records.columns) == ["model", "n_train", "fold", "machine", *NUMBERS]
    assert len(records) == 2 * 3 * 5
    gpr = sparse_gpr(Study(), [Sweep((100, 1000))])
    np.testing.assert_array_equal(records.query("model == 'GPR'")["mae_test_meV"], gpr["mae_test_meV"])
    nets = learning_curves.learning_curves(learning_curves.Curve(models=("NN", "DKL"), sizes=(100, 1000)))
    np.testing.assert_array_equal(records.query("model != 'GPR'")["mae_test_meV"], nets["mae_test_meV"])


def test_sizes_that_no_fold_has_are_left_out_or_refused():
    assert set(Comparison(sizes=(100, 10**7), models=("NN",)).records()["n_train"]) == {100}
    with pytest.raises(ParameterError, match="found none below 10000000"):
        Comparison(sizes=(10**7,), models=("NN",)).records()


def test_all_trajectories_are_asked_where_they_have_more():
    more = Comparison(sizes=(1000, 310_000)).with_all_trajectories()
    assert {"GPR", "NN"} <= set(more.loc[more["n_train"] == 310_000, "model"])
    assert more["mae_test_meV"].notna().all()
    assert Comparison(sizes=(1000,)).with_all_trajectories().empty  # the part has as many
    assert Comparison(sizes=(1000, 200_000)).with_all_trajectories().empty  # nothing is stored beyond the part
    assert Comparison(sizes=(310_000,), max_test=100).with_all_trajectories().empty
    assert Comparison(Dataset("embedded-all"), sizes=(310_000,)).with_all_trajectories().empty
    assert Comparison(Dataset(n_trajectories=5), sizes=(310_000,)).with_all_trajectories().empty


def test_only_the_stored_part_has_a_whole():
    assert whole(Dataset("embedded", seed=3)) == Dataset("embedded-all", seed=3)
    assert whole(Dataset("paper")) == Dataset("paper")


def test_networks_with_all_trajectories_have_the_usual_settings():
    """Else the stored fits, hours of work, would silently no longer be found."""
    records = learning_curves.store().read().query("dataset == 'embedded-all'")
    assert len(records) > 1
    for row in records.itertuples():
        usual = learning_curves.Curve().settings(row.model, int(row.n_train))
        assert row.hyperparameters == json.dumps(usual, sort_keys=True)


def test_trainings_at_another_rate_are_those_stored_with_it():
    usual = Comparison(models=("DKL",), sizes=(31_000,)).records()
    fast = Comparison().at_rate("DKL", (31_000,), 1e-3, restarts=0)
    assert len(fast) == 5
    assert (fast["n_train"] == 31_000).all()
    assert not set(fast["mae_test_meV"]) & set(usual["mae_test_meV"])
    assert fast["hyperparameters"].str.contains('"learning_rate": 0.001').all()
    assert Comparison().at_rate("DKL", (31_000,), 0.0123).empty
