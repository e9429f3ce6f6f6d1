"""The learning-curve experiment on a small dataset whose energies are a known function of the environment."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from synthetic_atoms import published
from synthetic_atoms.datasets import load_local_energies
from synthetic_atoms.descriptors import SOAP_SETTINGS, coordination_numbers, features
from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.experiments import learning_curves as experiment
from synthetic_atoms.experiments import stores
from synthetic_atoms.experiments.dataset import Dataset, largest_training_set
from synthetic_atoms.experiments.learning_curves import (
    Curve,
    learning_curves,
    loglog_slope,
    scores,
    summary,
    without_held_out,
)
from synthetic_atoms.models.neural_network import NeuralNetwork
from synthetic_atoms.paths import data_directory
from synthetic_atoms.splits import splits_by_trajectory, validation_split

pytestmark = pytest.mark.usefixtures("own_store_and_cache")


NETWORK = {"NN": {"hidden_layers": [20], "max_epochs": 5}}


def curve(folder: Path, **changes) -> Curve:
    """A grid that takes a second."""
    options = {"dataset": Dataset(str(folder)), "sizes": (20, 80), "n_folds": 2, "hyperparameters": NETWORK}
    return Curve(**(options | changes))


def test_records_are_those_of_a_fit_done_by_hand(folder):
    grid = curve(folder)
    records = learning_curves(grid, use_store=False, workers=0)
    assert len(records) == 4
    data = load_local_energies(str(folder))
    split = splits_by_trajectory(data, n_folds=2, seed=0)[1]
    train = split.train[:80]
    model = NeuralNetwork(**grid.settings("NN", 80), seed=1)
    model.fit(features(data, "tuned", rows=train), data.local_energy_eV[train])
    error = 1000 * (model.predict(features(data, "tuned", rows=split.test)) - data.local_energy_eV[split.test])
    found = records[(records["n_train"] == 80) & (records["fold"] == 1)].iloc[0]
    assert found["mae_test_meV"] == pytest.approx(np.abs(error).mean(), rel=1e-6)
    assert found["rmse_test_meV"] == pytest.approx(np.sqrt((error**2).mean()), rel=1e-6)
    assert found["n_test"] == len(split.test)
    four = coordination_numbers(data)[split.test] == 4
    assert found["mae_sp3_meV"] == pytest.approx(np.abs(error[four]).mean(), rel=1e-6)


def test_the_training_error_without_held_out_environments_is_that_of_the_fitted_ones(folder):
    grid = curve(folder)
    records = learning_curves(grid, use_store=False, workers=0)
    data = load_local_energies(str(folder))
    train = splits_by_trajectory(data, n_folds=2, seed=0)[1].train[:80]
    model = NeuralNetwork(**grid.settings("NN", 80), seed=1)
    x, y = features(data, "tuned", rows=train), data.local_energy_eV[train]
    error = 1000 * np.abs(model.fit(x, y).predict(x) - y)
    fitted, held_out = validation_split(80, seed=1)
    assert len(held_out) == 8
    where = (records["n_train"] == 80) & (records["fold"] == 1)
    found = without_held_out(records)
    assert found[where]["mae_train_meV"].item() == pytest.approx(error[fitted].mean(), rel=1e-4)
    assert records[where]["mae_train_meV"].item() == pytest.approx(error.mean(), rel=1e-6)
    assert found.drop(columns="mae_train_meV").equals(records.drop(columns="mae_train_meV"))


def test_models_stay_in_their_order():
    rows = [("NN", 20, 5.0), ("NN", 80, 4.0), ("DKL", 20, 6.0), ("DKL", 80, 3.0)]
    records = pd.DataFrame(rows, columns=["model", "n_train", "mae_test_meV"])
    assert list(summary(records)["model"]) == ["NN", "NN", "DKL", "DKL"]


def test_more_data_err_less(folder):
    long = {"NN": {"hidden_layers": [20], "max_epochs": 100}}
    records = learning_curves(curve(folder, sizes=(20, 200), hyperparameters=long), use_store=False, workers=0)
    means = summary(records).set_index(["model", "n_train"])
    assert means.loc[("NN", 200), "mae_test_meV"] < means.loc[("NN", 20), "mae_test_meV"]
    assert np.isfinite(records["mae_validation_meV"]).all()
    assert (means["folds"] == 2).all()


def test_without_compute_a_missing_record_is_a_gap_and_nothing_is_fitted(folder, monkeypatch):
    monkeypatch.setattr(experiment, "run_units", lambda *_, **__: pytest.fail("something was computed"))
    records = learning_curves(curve(folder))
    assert records["mae_test_meV"].isna().all()
    assert len(records) == 4


def test_stored_records_are_read_back_and_only_the_rest_is_computed(folder, monkeypatch):
    first = learning_curves(curve(folder, sizes=(20,)), compute=True, workers=0)
    asked = []
    original = experiment.run_units
    monkeypatch.setattr(
        experiment, "run_units", lambda function, units, **k: asked.extend(units) or original(function, units, **k)
    )
    both = learning_curves(curve(folder), compute=True, workers=0)
    assert [unit[3] for unit in asked] == [(80,), (80,)]
    again = both[both["n_train"] == 20].reset_index(drop=True)
    np.testing.assert_allclose(again["mae_test_meV"].astype(float), first["mae_test_meV"].astype(float))
    third = learning_curves(curve(folder), compute=True, workers=0)
    assert len(asked) == 2
    pd.testing.assert_frame_equal(third, both)


def test_another_setting_is_another_request(folder):
    learning_curves(curve(folder), compute=True, workers=0)
    for changes in (
        {"seed": 1},
        {"soap": "plain"},
        {"hyperparameters": {"NN": {"hidden_layers": [20], "max_epochs": 6}}},
        {"max_test": 50},
    ):
        assert learning_curves(curve(folder, **changes))["mae_test_meV"].isna().all()


def test_worker_processes_give_the_same_numbers(folder):
    here = learning_curves(curve(folder), use_store=False, workers=0)
    there = learning_curves(curve(folder), use_store=False, workers=2)
    np.testing.assert_allclose(here["mae_test_meV"], there["mae_test_meV"], rtol=1e-6)


def test_more_environments_than_there_are_end_in_one_sentence(folder):
    with pytest.raises(ParameterError, match="training environments"):
        learning_curves(curve(folder, sizes=(100_000,)), use_store=False, workers=0)


def test_the_largest_training_set_is_that_of_the_smallest_fold(folder):
    assert largest_training_set(Dataset(str(folder)), n_folds=3, seed=0) == 256  # 2 of 4 trajectories


def test_part_of_a_dataset_has_no_stored_results(folder):
    part = curve(folder, dataset=Dataset(str(folder), n_trajectories=3))
    with pytest.raises(ParameterError, match="use_store=false"):
        learning_curves(part)
    assert len(learning_curves(part, use_store=False, workers=0)) == 4


def test_an_unknown_model_is_refused(folder):
    with pytest.raises(ParameterError, match="among NN, DKL, found 'SVM'"):
        learning_curves(curve(folder, models=("SVM",)), use_store=False, workers=0)


def test_scores_by_hand():
    found = scores(np.array([1.0, 2.0, 3.5]), np.array([1.1, 2.0, 3.0]), np.array([2, 3, 3]))
    assert found["mae_test_meV"] == pytest.approx(200)
    assert found["rmse_test_meV"] == pytest.approx(1000 * np.sqrt((0.01 + 0.25) / 3))
    assert found["mae_sp_meV"] == pytest.approx(100)
    assert found["mae_sp2_meV"] == pytest.approx(250)
    assert np.isnan(found["mae_sp3_meV"])


def test_slope_of_a_power_law():
    sizes = np.array([100, 1000, 10_000])
    assert loglog_slope(sizes, 7 * sizes**-0.4) == pytest.approx(-0.4)
    assert np.isnan(loglog_slope([100], [5]))


@pytest.mark.parametrize("name", sorted(published.TABLES))
def test_every_published_table_is_there(name):
    assert len(published.table(name)) > 0


def test_published_numbers_of_the_paper():
    table = published.table("table1_finetuning").set_index(["tested_on", "model"])["rmse_meV_per_atom"]
    assert table["qm_total_energy", "direct"] == 51.4
    assert table["local_energies", "finetuned"] == 338.9
    curves = published.table("fig3_learning_curves").set_index(["model", "n_train"])["mae_test_meV"]
    assert curves["GPR", 10_000] == 29.51


def test_an_unknown_or_missing_published_table_ends_in_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(DataError, match="fig3_learning_curves"):
        published.table("fig9")
    monkeypatch.setenv("SYNTHETIC_ATOMS_DATA", str(tmp_path))
    with pytest.raises(DataError, match="no such file"):
        published.table("fig3_learning_curves")


def test_a_descriptor_setting_that_keeps_its_name_but_changes_is_another_request(folder, monkeypatch):
    learning_curves(curve(folder), compute=True, workers=0)
    assert learning_curves(curve(folder))["mae_test_meV"].notna().all()
    monkeypatch.setitem(SOAP_SETTINGS, "tuned", replace(SOAP_SETTINGS["tuned"], sigma_A=0.41))
    assert learning_curves(curve(folder))["mae_test_meV"].isna().all()


def test_the_seed_draws_the_trajectories_and_changes_nothing_else(folder):
    drawn = {seed: Dataset(str(folder), n_trajectories=2, seed=seed).load().trajectory.tolist() for seed in range(5)}
    assert drawn[3] == load_local_energies(str(folder), n_trajectories=2, seed=3).trajectory.tolist()
    assert len({tuple(one) for one in drawn.values()}) > 1
    Dataset(str(folder), seed=3).check_stored()  # the whole dataset, whatever the seed
    with pytest.raises(ParameterError, match="whole datasets"):
        Dataset(str(folder), n_trajectories=2, seed=3).check_stored()


def test_results_on_other_data_are_kept_apart(folder, tmp_path, monkeypatch):
    monkeypatch.undo()  # the real stores
    monkeypatch.setenv("SYNTHETIC_ATOMS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setenv("SYNTHETIC_ATOMS_USER_DATA", str(tmp_path / "user"))
    for name in stores.STORES:
        assert stores.open_store(name).path == data_directory() / "records" / f"{name}.csv"
        assert stores.open_store(name, own=True).path == tmp_path / "user" / "records" / f"{name}.csv"
    before = experiment.store().read()
    records = learning_curves(curve(folder, sizes=(20,)), compute=True, workers=0)
    assert records["mae_test_meV"].notna().all()
    pd.testing.assert_frame_equal(experiment.store().read(), before)
    assert len(stores.open_store("learning_curves", own=True).read()) == 2
    assert stores.present(own=True) == ["learning_curves"]
    again = learning_curves(curve(folder, sizes=(20,)))
    pd.testing.assert_series_equal(again["mae_test_meV"], records["mae_test_meV"])


def test_every_file_of_records_has_a_store():
    kept = {path.stem for path in (data_directory() / "records").glob("*.csv")}
    assert kept - {"verdicts"} <= set(stores.STORES)  # verdicts are judgements, not results
