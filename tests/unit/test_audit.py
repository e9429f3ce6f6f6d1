"""The audit finds records that do not come out again."""

from __future__ import annotations

from pathlib import Path

import pandas as pd
import pytest

from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.experiments import learning_curves as experiment
from synthetic_atoms.experiments.audit import TOLERANCE, Finding, audit, choose
from synthetic_atoms.experiments.learning_curves import Curve, Dataset, learning_curves

pytestmark = pytest.mark.usefixtures("own_store_and_cache")


@pytest.fixture
def stored(folder) -> Path:
    """A store with four records of GPR and two of a small network."""
    gpr = Curve(dataset=Dataset(str(folder)), models=("GPR",), sizes=(20, 80), n_folds=2)
    small = {"NN": {"hidden_layers": [20], "max_epochs": 5}}
    network = Curve(dataset=Dataset(str(folder)), models=("NN",), sizes=(80,), n_folds=2, hyperparameters=small)
    for curve in (gpr, network):
        learning_curves(curve, compute=True, workers=0)
    return experiment.store().path


def test_untouched_records_come_out_again(stored):
    findings, total = audit(1000, seed=1, workers=0)
    assert total == len(findings) == 6
    assert all(finding.fine for finding in findings)
    assert {finding.model for finding in findings} == {"GPR", "NN"}


def test_a_changed_record_is_found(stored):
    records = experiment.store().read()
    row = records[(records["model"] == "GPR") & (records["n_train"] == 80) & (records["fold"] == 1)].iloc[0].to_dict()
    experiment.store().add([{**row, "mae_test_meV": row["mae_test_meV"] * (1 + 2 * TOLERANCE["GPR"])}])
    findings, _ = audit(1000, seed=1, workers=0)
    drifted = [finding for finding in findings if not finding.fine]
    assert [(finding.model, finding.n_train, finding.fold) for finding in drifted] == [("GPR", 80, 1)]
    assert "DRIFT" in str(drifted[0])


@pytest.mark.parametrize(
    ("column", "value"), [("dataset_fingerprint", "000000000000"), ("hyperparameters", '{"sigma_meV": 10.0}')]
)
def test_a_record_of_other_data_or_code_is_a_defect(stored, column, value):
    records = experiment.store().read().astype({column: object})
    records.loc[0, column] = value
    records[experiment.store().columns].to_csv(stored, index=False)
    with pytest.raises(DataError, match=column):
        audit(1000, seed=1, workers=0)


def test_the_budget_limits_what_is_refitted():
    records = pd.DataFrame({"fit_s": [1.0, 2.0, 50.0, 1.0], "predict_s": [0.0] * 4})
    assert len(choose(records, 1000, seed=0)) == 4
    for seed in range(20):
        chosen = choose(records, 14, seed)
        assert 1 <= len(chosen) <= 2
        assert 50.0 not in set(chosen["fit_s"])
    assert list(choose(records, 0.1, seed=0)["fit_s"]) == [1.0]  # never nothing
    picked = {tuple(choose(records, 14, seed).index) for seed in range(20)}
    assert len(picked) > 1


def test_nothing_to_audit_ends_in_one_sentence(stored):
    with pytest.raises(ParameterError, match="positive"):
        audit(0, seed=1)
    stored.unlink()
    with pytest.raises(DataError, match="found none"):
        audit(10, seed=1)


def test_a_finding_says_how_far_off_it_is():
    finding = Finding("GPR", 100, 0, stored_meV=50.0, found_meV=51.0)
    assert finding.difference == pytest.approx(0.02)
    assert not finding.fine
    assert "2.000%" in str(finding)
