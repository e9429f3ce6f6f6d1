"""The audit finds records that do not come out again."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from typer.testing import CliRunner

from synthetic_atoms.book.cli import app
from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.experiments import audit as auditing
from synthetic_atoms.experiments import gpr_path
from synthetic_atoms.experiments import learning_curves as experiment
from synthetic_atoms.experiments.audit import COMPARED, OVERHEAD_S, TOLERANCE, Coverage, Finding, audit, choose, cost_s
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.experiments.gpr_grid import Study, Sweep
from synthetic_atoms.experiments.learning_curves import Curve, learning_curves
from synthetic_atoms.experiments.records import machine

pytestmark = pytest.mark.usefixtures("own_store_and_cache")


@pytest.fixture
def stored(folder, own_store_and_cache):
    """Twelve records of GPR, made by two paths, and two of a small network."""
    gpr_path.sparse_gpr(
        Study(dataset=Dataset(str(folder)), n_folds=2, kernel_offset=0.5, max_test=100),
        [Sweep((20, 80), (10, 50), (10.0,), ("dtc",)), Sweep((80,), (50,), (0.215,), ("fitc",))],
        compute=True,
    )
    small = {"NN": {"hidden_layers": [20], "max_epochs": 5}}
    network = Curve(dataset=Dataset(str(folder)), sizes=(80,), n_folds=2, hyperparameters=small)
    learning_curves(network, compute=True, workers=0)


def change(store, where: str, **changes) -> None:
    """Overwrite values of the one record that a query finds."""
    records = store.read().astype(object)
    (row,) = records.query(where).index
    for column, value in changes.items():
        records.loc[row, column] = value
    records[store.columns].to_csv(store.path, index=False)


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("alone", [100_000, 0])
def test_untouched_records_come_out_again(alone, monkeypatch):
    monkeypatch.setattr(auditing, "ALONE", alone)  # 0: each by a path of its own
    findings, coverage = audit(10_000, seed=1, workers=0)
    assert coverage == Coverage(12, 12, 12)
    assert len(findings) == 12
    assert all(finding.fine for finding in findings)
    assert [finding.model for finding in findings].count("NN") == 2
    differences = [finding.difference for finding in findings if finding.model == "GPR"]
    assert len(differences) == 10
    assert max(differences) < 1e-5  # of six digits


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize("column", COMPARED)
def test_a_changed_record_is_found(column):
    where = "estimator == 'fitc' and fold == 1"
    value = gpr_path.store().read().query(where)[column].iloc[0]
    changed = value * (1 + 2 * TOLERANCE["GPR"]) if np.isfinite(value) else 10.0
    change(gpr_path.store(), where, **{column: changed})
    findings, _ = audit(10_000, seed=1, workers=0)
    drifted = [finding for finding in findings if not finding.fine]
    assert [(finding.model, finding.n_train, finding.fold) for finding in drifted] == [("GPR", 80, 1)]
    assert "DRIFT" in str(drifted[0])
    assert f": {COMPARED[column]} stored " in str(drifted[0])
    assert "FITC, M = 50, sigma = 0.215 meV" in str(drifted[0])


@pytest.mark.usefixtures("stored")
@pytest.mark.parametrize(
    ("store", "column", "value"),
    [
        (experiment, "dataset_fingerprint", "000000000000"),
        (experiment, "hyperparameters", '{"dropout": 0.0}'),
        (gpr_path, "dataset_fingerprint", "000000000000"),
        (gpr_path, "soap_settings", "00000000"),
        (gpr_path, "n_train", 100_000),
    ],
)
def test_a_record_of_other_data_or_code_is_a_defect(store, column, value):
    where = "fold == 0 and n_train == 80"
    if store is gpr_path:
        where += " and estimator == 'fitc'"
    change(store.store(), where, **{column: value})
    with pytest.raises(DataError, match=column):
        audit(1, seed=1, workers=0)


def test_the_budget_limits_what_is_refitted():
    cost = pd.Series([6.0, 7.0, 55.0, 6.5], index=["a", "b", "c", "d"])
    assert len(choose(cost, 1000, seed=0)) == 4
    for seed in range(20):
        chosen = choose(cost, 14, seed)
        assert 1 <= len(chosen) <= 2
        assert "c" not in chosen
    assert choose(cost, 0.1, seed=0) == ["a"]  # never nothing
    assert len({tuple(choose(cost, 14, seed)) for seed in range(20)}) > 1


def test_cost_counts_descriptors_by_the_program_that_makes_them():
    records = pd.DataFrame(
        {"soap": ["tuned", "quippy"], "n_train": 1000, "n_test": 9000, "fit_s": 2.0, "predict_s": 1.0}
    )
    assert list(cost_s(records)) == pytest.approx([3 + 1.5 + OVERHEAD_S, 3 + 7 + OVERHEAD_S])


@pytest.mark.usefixtures("stored")
def test_records_of_a_gpu_that_is_not_here_are_left_out(monkeypatch):
    change(experiment.store(), "fold == 0 and n_train == 80", machine=machine("Some GPU"))
    monkeypatch.setattr(auditing, "accelerator", lambda: None)
    findings, coverage = audit(10_000, seed=1, workers=0)
    assert (len(findings), coverage) == (11, Coverage(12, 11, 11))
    monkeypatch.setattr(auditing, "accelerator", lambda: "Some GPU")
    networks = [one for one in audit(10_000, seed=1, workers=0)[0] if one.model != "GPR"]
    assert [(one.n_train, one.fold) for one in networks] == [(80, 0)]  # the others were trained by the processor


@pytest.mark.usefixtures("stored")
def test_records_that_cannot_be_refitted_here_are_left_out(monkeypatch):
    monkeypatch.setattr(auditing, "is_available", lambda name: False)
    assert audit(1000, seed=1, workers=0) == ([], Coverage(12, 0, 0))
    found = CliRunner().invoke(app, ["audit"])
    assert found.exit_code != 0
    assert "at least one of 12 records" in str(found.exception)


@pytest.mark.usefixtures("stored")
def test_what_costs_more_than_the_budget_is_counted():
    change(experiment.store(), "fold == 0 and n_train == 80", fit_s=5000.0)
    assert audit(1000, seed=1, workers=0)[1] == Coverage(12, 12, 11)


@pytest.mark.usefixtures("stored")
def test_nothing_to_audit_ends_in_one_sentence():
    with pytest.raises(ParameterError, match="positive"):
        audit(0, seed=1)
    experiment.store().path.unlink()
    gpr_path.store().path.unlink()
    with pytest.raises(DataError, match="found none"):
        audit(10, seed=1)


def test_a_finding_says_how_far_off_it_is():
    finding = Finding("GPR", 100, 0, stored_meV=50.0, found_meV=51.0)
    assert finding.difference == pytest.approx(0.02)
    assert not finding.fine
    assert "2.000%" in str(finding)


def test_a_trial_that_diverges_again_is_fine():
    assert Finding("NN", 100, 0, stored_meV=np.inf, found_meV=np.inf).fine
    assert not Finding("NN", 100, 0, stored_meV=np.inf, found_meV=50.0).fine
    assert not Finding("NN", 100, 0, stored_meV=50.0, found_meV=np.inf).fine
