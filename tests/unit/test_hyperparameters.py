"""The search for hyperparameters on a small dataset, and on a Dask cluster that loses a worker."""

from __future__ import annotations

import json
import os
import signal
import threading
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from distributed import LocalCluster
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from synthetic_atoms.datasets import load_local_energies
from synthetic_atoms.descriptors import features
from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.experiments import hyperparameters as experiment
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.experiments.hyperparameters import ASKED, FOUND, best, run_search, selected
from synthetic_atoms.experiments.learning_curves import ESTIMATORS
from synthetic_atoms.experiments.records import RecordStore
from synthetic_atoms.experiments.search_grid import SEARCHED, Search
from synthetic_atoms.experiments.search_space import MODELS, arguments, interpolated, points, space
from synthetic_atoms.files import cache_directory
from synthetic_atoms.models import training
from synthetic_atoms.models.deep_kernel import DeepKernel
from synthetic_atoms.models.neural_network import NeuralNetwork
from synthetic_atoms.models.training import DivergedError
from synthetic_atoms.splits import splits_by_trajectory


@pytest.fixture
def own_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> RecordStore:
    """A store and a cache of the test's own."""
    monkeypatch.setenv("SYNTHETIC_ATOMS_CACHE", str(tmp_path / "cache"))
    store = RecordStore(tmp_path / "hyperparameters.csv", ASKED, FOUND)
    monkeypatch.setattr(experiment, "store", lambda *_: store)
    return store


def small(folder: Path, **changes) -> Search:
    """A search of seconds."""
    options = {"dataset": Dataset(str(folder)), "sizes": (40,), "n_trials": 2, "n_folds": 2, "max_epochs": 2}
    return Search(**(options | {"max_test": 50} | changes))


# Points in the space -------------------------------------------------------------------------------------------------


@settings(max_examples=30, deadline=None)
@given(
    model=st.sampled_from(["NN", "DKL"]),
    n_train=st.integers(10, 10**7),
    n_trials=st.integers(1, 30),
    seed=st.integers(0, 2**31),
)
def test_points_lie_in_the_space(model: str, n_train: int, n_trials: int, seed: int) -> None:
    ranges = space(model, n_train)
    found = points(model, n_train, n_trials, seed)
    assert len(found) == n_trials
    for point in found:
        assert set(point) == set(ranges)
        for name, value in point.items():
            assert ranges[name].low <= value <= ranges[name].high
            if ranges[name].step:
                assert isinstance(value, int)
                assert value % ranges[name].step == 0
            else:
                assert float(f"{value:.3g}") == value
        assert json.loads(json.dumps(point)) == point
    # A larger search contains the smaller one.
    assert points(model, n_train, n_trials + 5, seed)[:n_trials] == found


def test_points_fill_every_dimension_evenly() -> None:
    table = pd.DataFrame(points("DKL", 10_000, 240))
    for name, one in space("DKL", 10_000).items():
        half = one.step / 2
        ends = [one.to_scale(one.low - half), one.to_scale(one.high + half)]
        shares = (np.array([one.to_scale(value) for value in table[name]]) - ends[0]) / (ends[1] - ends[0])
        if (one.high - one.low) / max(one.step, 1e-9) > 20 and one.low / max(one.step, 1e-9) > 4:  # not in wide steps
            assert kstest(shares, "uniform").statistic < 0.06
    assert table["depth"].value_counts().between(46, 50).all()
    assert len(table["depth"].unique()) == 5
    assert np.abs(table.rank().corr().to_numpy() - np.eye(len(table.columns))).max() < 0.15


def test_both_models_share_their_points() -> None:
    network, deep = (pd.DataFrame(points(model, 1000, 24)) for model in ("NN", "DKL"))
    pd.testing.assert_frame_equal(deep[network.columns], network)
    assert list(deep.columns) == list(SEARCHED)


@pytest.mark.parametrize("model", ["NN", "DKL"])
def test_points_are_arguments_of_the_class(model: str) -> None:
    for point in points(model, 100_000, 24):
        given = arguments(point)
        assert len(given["hidden_layers"]) == point["depth"]
        estimator = {"NN": NeuralNetwork, "DKL": DeepKernel}[model](**given)
        assert estimator._options().batch_size == point["batch_size"]


def test_interpolation_in_log_n() -> None:
    low = {"depth": 2, "width": 100, "learning_rate": 1e-3, "batch_size": 10, "dropout": 0.1, "weight_decay": 1e-3}
    high = {"depth": 4, "width": 900, "learning_rate": 1e-4, "batch_size": 1000, "dropout": 0.5, "weight_decay": 1e-1}
    chosen = {1000: low, 100_000: high}
    middle = interpolated("NN", 10_000, chosen)
    assert middle == {
        "depth": 3, "width": 300, "learning_rate": 3.16e-4, "batch_size": 100, "dropout": 0.3, "weight_decay": 0.01
    }  # fmt: skip
    for n_train, expected in ((1000, low), (100_000, high), (100, low), (10**6, high)):
        assert interpolated("NN", n_train, chosen) == expected
    between = [interpolated("NN", n, chosen)["width"] for n in (1000, 3100, 10_000, 31_000, 100_000)]
    assert between == sorted(between)


# Trials --------------------------------------------------------------------------------------------------------------


def test_a_trial_is_that_of_fits_done_by_hand(folder, own_store) -> None:
    search = small(folder, n_trials=1, sizes=(30, 40))
    records = run_search(search, use_store=False, workers=0)
    data = load_local_energies(str(folder))
    split = splits_by_trajectory(data, n_folds=2, seed=0, max_test=50)[0]
    train = split.train[:40]
    x, y = features(data, "tuned", rows=train), data.local_energy_eV[train]
    for model, estimator in (("NN", NeuralNetwork), ("DKL", DeepKernel)):
        row = records[(records["model"] == model) & (records["n_train"] == 40)].iloc[0]
        given = arguments(points(model, 40, 1)[0]) | ({"restarts": 0} if model == "DKL" else {})
        fits = [estimator(**given, max_epochs=2, patience=20, seed=seed).fit(x, y) for seed in range(5)]
        validation = [1000 * fit.validation_mae_ for fit in fits]
        assert row["repeats"] == 5  # of four validation samples each
        assert row["mae_validation_meV"] == pytest.approx(np.mean(validation), rel=1e-6)
        assert row["mae_validation_std_meV"] == pytest.approx(np.std(validation, ddof=1), rel=1e-6)
        x_test, y_test = features(data, "tuned", rows=split.test), data.local_energy_eV[split.test]
        test = [1000 * np.abs(fit.predict(x_test) - y_test).mean() for fit in fits]
        assert row["mae_test_meV"] == pytest.approx(np.mean(test), rel=1e-6)
        assert row["epochs"] == 2
    assert not own_store.path.exists()
    assert not list(cache_directory().glob("checkpoints/[!.]*"))  # but for what the killed process was writing


def test_every_model_has_the_same_number_of_trials(folder, own_store) -> None:
    requests = small(folder, sizes=(30, 40), n_trials=3).requests()
    assert (requests.groupby(["model", "n_train"]).size() == 3).all()
    assert len(requests) == 12
    # They advance together: an interrupted search has given none an advantage of more than one.
    for length in range(1, 7):
        counts = requests.head(length)["model"].value_counts().reindex(["NN", "DKL"], fill_value=0)
        assert abs(counts["NN"] - counts["DKL"]) <= 1


def test_the_number_of_repeats_falls_with_the_validation_set() -> None:
    search = Search()
    assert [search.repeats(n) for n in (100, 1000, 3100, 10_000, 100_000)] == [5, 5, 4, 1, 1]
    caps = [search.epoch_cap(n) for n in (1000, 3100, 10_000, 100_000, 10**6)]
    assert caps == sorted(caps, reverse=True)
    assert caps[-1] == caps[-2] == 30


def test_finished_trials_are_kept_and_not_done_again(folder, own_store, monkeypatch) -> None:
    first = run_search(small(folder, n_trials=1), compute=True, workers=0)
    assert first["mae_validation_meV"].notna().all()
    done = []
    original = experiment.run_trial
    monkeypatch.setattr(experiment, "run_trial", lambda item: done.append(item[1]["trial"]) or original(item))
    both = run_search(small(folder), compute=True, workers=0)
    assert done == [1, 1]
    again = both[both["trial"] == 0].reset_index(drop=True)
    np.testing.assert_allclose(again["mae_validation_meV"].astype(float), first["mae_validation_meV"].astype(float))
    pd.testing.assert_frame_equal(run_search(small(folder)), both)
    assert done == [1, 1]
    assert run_search(small(folder, seed=1))["mae_validation_meV"].isna().all()


def test_an_interrupted_search_keeps_what_is_finished(folder, own_store, monkeypatch) -> None:
    original = experiment.run_trial

    def interrupted(item):
        if item[1]["trial"] == 1:
            raise KeyboardInterrupt
        return original(item)

    monkeypatch.setattr(experiment, "run_trial", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_search(small(folder, models=("NN",)), compute=True, workers=0)
    assert list(own_store.read()["trial"]) == [0]


def test_a_trial_that_diverges_is_a_finished_trial(folder, own_store, monkeypatch) -> None:
    def diverges(self, X, y, checkpoint=None):
        raise DivergedError("Expected a lower learning rate.")

    monkeypatch.setattr(NeuralNetwork, "fit", diverges)
    records = run_search(small(folder, models=("NN",), n_trials=1), compute=True, workers=0)
    assert np.isposinf(records["mae_validation_meV"].astype(float)).all()
    assert not run_search(small(folder, models=("NN",), n_trials=1))["mae_validation_meV"].isna().any()
    assert selected(records).empty


def invented(search: Search, errors: dict[tuple[str, int], list[float]]) -> pd.DataFrame:
    """Records with these validation errors; those of the test are in reverse order."""
    rows = search.requests()
    for name in FOUND:
        rows[name] = 1.0
    rows["machine"], rows["versions"] = "x", "y"
    for (model, n_train), values in errors.items():
        chosen = (rows["model"] == model) & (rows["n_train"] == n_train)
        rows.loc[chosen, "mae_validation_meV"] = values
        rows.loc[chosen, "mae_test_meV"] = values[::-1]
    return rows


def test_selection_by_validation_and_by_test_error(folder, own_store) -> None:
    search = small(folder, sizes=(40, 80), n_trials=3)
    rows = invented(
        search,
        {("NN", 40): [3, 1, 2], ("NN", 80): [np.inf, 9, 8], ("DKL", 40): [5, 4, np.nan], ("DKL", 80): [1, 2, 3]},
    )
    found = selected(rows)
    # DKL at 40 is not finished.
    assert found[["model", "n_train", "trial"]].to_numpy().tolist() == [["DKL", 80, 0], ["NN", 40, 1], ["NN", 80, 2]]
    own_store.add(rows[rows["mae_validation_meV"].notna()].to_dict("records"))
    trials = points("NN", 40, 3)
    assert best("NN", 40, search) == arguments(trials[1])
    assert best("NN", 10, search) == arguments(trials[1])
    assert best("NN", 80, search, by="mae_test_meV") == arguments(points("NN", 80, 3)[0])
    assert best("DKL", 40, search) == arguments(points("DKL", 80, 3)[0])
    between = best("NN", 60, search)["learning_rate"]
    ends = [best("NN", n, search)["learning_rate"] for n in (40, 80)]
    assert min(ends) < between < max(ends)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda search: best("NN", 40, search), DataError, "Expected 2 finished trials of NN .* found 0 in all"),
        (lambda search: best("SVM", 40, search), ParameterError, "among NN, DKL, found 'SVM'"),
        (lambda search: replace(search, models=("SVM",)).requests(), ParameterError, "found 'SVM'"),
        (lambda search: replace(search, n_trials=0).requests(), ParameterError, "at least one trial"),
        (lambda search: replace(search, fold=2).requests(), ParameterError, "fold from 0 to 1, found 2"),
        (lambda search: interpolated("NN", 40, {}), ParameterError, "found none"),
        (
            lambda search: run_search(replace(search, sizes=(10**6,)), compute=True, workers=0),
            ParameterError,
            "training environments",
        ),
    ],
)
def test_bad_requests_are_one_sentence(folder, own_store, call, error, words) -> None:
    with pytest.raises(error, match=words) as caught:
        call(small(folder))
    assert str(caught.value).startswith("Expected ")


# A cluster that loses a worker ---------------------------------------------------------------------------------------


def killed_in_the_middle(item: tuple[Search, dict]) -> dict:
    """A trial whose process is killed, once, when a fit has kept its first checkpoint."""
    training.CHECKPOINT_SECONDS = 0.0
    marker = cache_directory() / "killed"
    if item[1]["trial"] == 1 and not marker.exists():
        marker.write_text(str(os.getpid()))
        threading.Thread(target=kill_at_checkpoint, daemon=True).start()
    return experiment.run_trial(item)


def kill_at_checkpoint() -> None:
    while not list(cache_directory().glob("checkpoints/*.safetensors")):
        time.sleep(0.001)
    os.kill(os.getpid(), signal.SIGKILL)


@pytest.mark.xdist_group("scheduling")
def test_a_cluster_loses_a_worker_and_no_trial(folder, own_store, monkeypatch) -> None:
    search = small(folder, models=("NN",), n_trials=4, max_epochs=30)
    here = run_search(search, use_store=False, workers=0)
    original = experiment.run_units
    monkeypatch.setattr(experiment, "run_units", lambda function, *a, **k: original(killed_in_the_middle, *a, **k))
    with LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=":0", memory_limit=0) as cluster:
        before = {worker.pid for worker in cluster.workers.values()}
        there = run_search(search, compute=True, scheduler=cluster.scheduler_address)
        assert int((cache_directory() / "killed").read_text()) in before
    # Every trial is there, also that of the killed worker, which went on from its checkpoint.
    assert len(own_store.read()) == 4
    numbers = [name for name in FOUND if name.startswith("mae_") or name == "epochs"]
    np.testing.assert_allclose(
        there[numbers].to_numpy(float), here[numbers].to_numpy(float), rtol=2e-5
    )  # six digits are stored
    assert not list(cache_directory().glob("checkpoints/[!.]*"))  # but for what the killed process was writing
    # A second run has nothing left to do.
    monkeypatch.setattr(experiment, "run_units", lambda *_, **__: pytest.fail("something was computed"))
    pd.testing.assert_frame_equal(run_search(search, compute=True), there)


def test_the_stored_search_selects_settings() -> None:
    records = run_search(Search(sizes=(1000,)))
    for model in MODELS:
        own = records[records["model"] == model]
        chosen = best(model, 1000)
        assert chosen["learning_rate"] == own.loc[own["mae_validation_meV"].idxmin(), "learning_rate"]
        assert ESTIMATORS[model](**chosen).get_params().items() >= chosen.items()
