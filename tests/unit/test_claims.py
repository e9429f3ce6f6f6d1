"""The ledger: complete, judged by code, and acknowledged."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synthetic_atoms import claims, published
from synthetic_atoms.book.project import root
from synthetic_atoms.claims import curve_checks, network_checks
from synthetic_atoms.claims.evidence import Evidence, best_of_equal_budgets
from synthetic_atoms.claims.ledger import judged
from synthetic_atoms.errors import DataError
from synthetic_atoms.experiments import fine_tuning, hyperparameters, learning_curves
from synthetic_atoms.experiments.records import RecordStore


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return claims.ledger()


def with_curves(curves: pd.DataFrame, whole: pd.DataFrame | None = None) -> Evidence:
    """Evidence of nothing but these learning curves, and those with all trajectories."""
    evidence = Evidence()
    evidence.__dict__["curves"] = curves
    evidence.__dict__["whole_curves"] = curves.iloc[:0] if whole is None else whole
    return evidence


def test_every_verdict_is_one_of_five_and_says_what_was_found(table):
    assert set(table["verdict"]) <= set(claims.VERDICTS)
    assert table["ours"].str.len().gt(0).all()
    assert len(table) >= 35


def test_a_change_of_a_verdict_must_be_acknowledged(table):
    """`synthetic-atoms verdicts --write`, and a line in the changelog."""
    found = dict(zip(table["id"], table["verdict"], strict=True))
    assert found == claims.recorded_verdicts()
    changelog = (root() / "CHANGELOG.md").read_text(encoding="utf-8")
    assert f"Verdicts {claims.verdict_digest(found)}" in changelog


def test_the_digest_changes_with_any_verdict():
    one = {"a": "reproduced", "b": "partly"}
    assert claims.verdict_digest(one) != claims.verdict_digest(one | {"b": "reproduced"})
    assert claims.verdict_digest(one) == claims.verdict_digest(dict(reversed(one.items())))


def test_published_curves_pass_the_tests_that_were_made_for_them():
    """The checks of Fig. 3, given the paper's own curves as if they were ours."""
    paper = published.table("fig3_learning_curves")
    rows = [
        {**row, "fold": fold, "n_test": 1000, "fit_s": 1.0, "predict_s": 1.0, "machine": "x86_64 Linux"}
        for row in paper[["model", "n_train", "mae_test_meV", "mae_train_meV"]].to_dict("records")
        for fold in range(2)
    ]
    evidence = with_curves(pd.DataFrame(rows))
    assert network_checks.CHECKS["gap-large-data"](evidence).verdict == "reproduced"
    for name in ("log-log-linear", "gpr-best-small", "advantage-shrinks", "gpr-saturates", "networks-overtake",
                 "dkl-slightly-better", "learnable"):  # fmt: skip
        outcome = curve_checks.CHECKS[name](evidence)
        assert outcome.verdict == "reproduced", (name, outcome)


def test_without_records_there_is_no_verdict():
    evidence = with_curves(
        pd.DataFrame(
            columns=[
                "model", "n_train", "fold", "mae_test_meV", "mae_train_meV", "n_test", "fit_s", "predict_s", "machine"
            ]
        )
    )  # fmt: skip
    for name in (
        "log-log-linear",
        "gpr-best-small",
        "networks-overtake",
        "dkl-slow",
        "dkl-slightly-better",
        "gpr-saturates",
    ):
        assert curve_checks.CHECKS[name](evidence).verdict == "no record"
    assert network_checks.CHECKS["gap-large-data"](evidence).verdict == "no record"


def some_curves(*rows: tuple[str, int, int, float, float]) -> pd.DataFrame:
    return pd.DataFrame(rows, columns=["model", "n_train", "fold", "mae_test_meV", "mae_train_meV"])


def test_deep_kernels_beyond_the_sizes_of_every_fold_are_told_with_their_folds_and_limits():
    rows = [
        (model, n, fold, mae, 9.0)
        for n in (1000, 10_000)
        for fold in (0, 1)
        for model, mae in (("NN", 40.0), ("DKL", 36.0))
    ]
    one_fold = [("NN", 10**5, 0, 20.0, 9.0), ("NN", 10**5, 1, 20.0, 9.0), ("DKL", 10**5, 0, 15.0, 9.0)]
    whole = [("NN", 10**5, 0, 99.0, 9.0), ("DKL", 10**5, 0, 9.0, 9.0)]  # the usual data have that size
    whole += [("NN", 10**6, 0, 12.0, 9.0), ("DKL", 10**6, 0, 18.0, 9.0)]
    outcome = curve_checks.CHECKS["dkl-slightly-better"](
        with_curves(some_curves(*rows, *one_fold), some_curves(*whole))
    )
    assert outcome.verdict == "reproduced"
    assert "better at 2 of 2 sizes" in outcome.ours
    assert outcome.ours.endswith(
        "beyond, 0.75 at N = 100,000 (1 fold; different learning rates) and 1.50 at N = 1,000,000 (1 fold, all "
        "trajectories; epochs limited to 20 for DKL and 70 for NN)"
    )


def test_networks_are_compared_where_both_are_largest_and_in_the_folds_that_both_have():
    small = some_curves(("GPR", 1000, 0, 40.0, 9.0), ("NN", 1000, 0, 50.0, 9.0))
    two = some_curves(
        *((model, 10**5, fold, mae, 9.0) for model, mae in (("GPR", 22.0), ("NN", 20.0)) for fold in (0, 1))
    )
    # The network at 10^6 errs less than GPR in fold 1, the only one that both have; fold 0 of GPR does not count.
    whole = some_curves(
        ("GPR", 10**5, 0, 22.0, 9.0), ("NN", 10**5, 0, 30.0, 9.0),
        ("GPR", 10**6, 0, 10.0, 9.0), ("GPR", 10**6, 1, 20.0, 9.0), ("NN", 10**6, 1, 15.0, 14.0),
    )  # fmt: skip
    outcome = curve_checks.CHECKS["networks-overtake"](with_curves(pd.concat([small, two]), whole))
    assert outcome.verdict == "reproduced"
    assert "0.75 at N = 1,000,000 (1 fold) and 0.91 at N = 100,000 (2 folds)" in outcome.ours
    alone = curve_checks.CHECKS["networks-overtake"](with_curves(small, whole))
    assert alone.verdict == "partly"  # one fold alone is not every fold
    worse = curve_checks.CHECKS["networks-overtake"](with_curves(small))
    assert worse.verdict == "no record"  # below the published crossing nothing contradicts the claim


@pytest.mark.parametrize(
    ("training", "verdict"), [(13.0, "reproduced"), (10.0, "partly"), (4.0, "not reproduced"), (None, "no record")]
)
def test_the_gap_with_many_environments_is_judged_by_test_over_training_error(training, verdict):
    small = some_curves(("NN", 1000, 0, 50.0, 20.0), ("NN", 10**5, 0, 20.0, 10.0))
    whole = small.iloc[:0] if training is None else some_curves(("NN", 10**6, 0, 15.0, training))
    assert network_checks.CHECKS["gap-large-data"](with_curves(small, whole)).verdict == verdict


@pytest.mark.parametrize(
    ("at", "verdict"),
    [
        ({1000: (2, 90, 5e4), 100_000: (3, 800, 1.7e6)}, "reproduced"),
        ({1000: (2, 90, 5e4), 100_000: (5, 300, 6e5)}, "partly"),
        ({1000: (2, 90, 5e4), 10_000: (3, 800, 1.7e6)}, "partly"),  # the claim is about the limit of large data
        ({1000: (3, 600, 1e6), 100_000: (2, 200, 2e5)}, "not reproduced"),
        ({1000: (2, 90, 5e4)}, "no record"),
    ],
)
def test_wide_networks_are_judged_by_the_best_trials(at, verdict):
    evidence = Evidence()
    rows = [(n, *values, 24) for n, values in at.items()]
    table = pd.DataFrame(rows, columns=["n_train", "depth", "width", "n_weights", "n_trials"])
    evidence.__dict__["network_trials"] = table.set_index("n_train")
    assert network_checks.CHECKS["wide-networks"](evidence).verdict == verdict


def test_learning_rates_that_do_as_well_as_the_best_are_named():
    """One standard error of the best, from five fits, is 0.9 meV for DKL and 0.4 meV for NN."""
    rows = [
        ("DKL", 0, 50.0, 2.0, 1e-4), ("DKL", 1, 50.8, 0.1, 9e-4), ("DKL", 2, 51.0, 9.0, 3e-3),
        ("NN", 0, 50.0, 0.9, 2e-4), ("NN", 1, 50.5, 9.0, 1e-3), ("NN", 2, 60.0, 9.0, 2e-3),
        *((model, trial, 99.0, 9.0, 3e-3) for model in ("DKL", "NN") for trial in range(3, 12)),
        ("NN", 12, 1.0, 1.0, 3e-3),  # DKL has no such trial
    ]  # fmt: skip
    columns = ["model", "trial", "mae_validation_meV", "mae_validation_std_meV", "learning_rate"]
    table = pd.DataFrame(rows, columns=columns).assign(n_train=1000, repeats=5)
    # A larger size has single fits, and so no standard error; another one too few trials.
    larger = table.assign(n_train=10_000, mae_validation_std_meV=np.nan, repeats=1).query("trial < 10")
    few = table.assign(n_train=100_000).query("trial < 9")
    evidence = Evidence()
    evidence.__dict__["_all_trials"] = pd.concat([table, larger, few], ignore_index=True)
    outcome = network_checks.CHECKS["learning-rate"](evidence)
    assert outcome.ours == (
        "1.0e-04 (DKL, N = 1,000), 1.0e-04 (DKL, N = 10,000), 2.0e-04 (NN, N = 1,000), 2.0e-04 (NN, N = 10,000); "
        "best of 12 trials each at N = 1,000 and 10 trials each at N = 10,000; "
        "within one standard error of the best are 1.0e-04 to 9.0e-04 (DKL, N = 1,000, 2 trials)"
    )
    assert outcome.verdict == "partly"


def test_a_few_trials_are_no_search():
    evidence = Evidence()
    rows = [(1000, 2, 90, 5e4, 9), (100_000, 3, 800, 1.7e6, 9)]
    table = pd.DataFrame(rows, columns=["n_train", "depth", "width", "n_weights", "n_trials"])
    evidence.__dict__["network_trials"] = table.set_index("n_train")
    assert network_checks.CHECKS["wide-networks"](evidence).verdict == "no record"


def test_the_gap_is_compared_with_smaller_sets_also_where_the_data_are_whole():
    both = some_curves(("NN", 1000, 0, 50.0, 20.0), ("NN", 10**6, 0, 15.0, 10.0))
    assert network_checks.CHECKS["gap-large-data"](with_curves(both, both)).verdict == "partly"
    alone = both[both["n_train"] == 10**6]  # nothing to compare it with
    assert network_checks.CHECKS["gap-large-data"](with_curves(alone, alone)).verdict == "not reproduced"


def test_models_are_compared_in_the_folds_that_both_have():
    """GPR errs less than NN in the two folds that both have; its other fold is another matter."""
    rows = [
        {"model": model, "fold": fold, "n_train": n, "mae_test_meV": error}
        for model, errors in {"GPR": [10.0, 10.0, 1000.0], "NN": [20.0, 20.0], "DKL": [30.0, 30.0]}.items()
        for fold, error in enumerate(errors)
        for n in (100, 1000)
    ]
    rows += [{"model": "NN", "fold": 7, "n_train": n, "mae_test_meV": 1.0} for n in (100, 1000)]
    outcome = curve_checks.CHECKS["gpr-best-small"](with_curves(pd.DataFrame(rows)))
    assert outcome.verdict == "reproduced"
    assert "NN: 50% at N = 100, 50% at 1,000" in outcome.ours
    assert "2.00 at N = 100" in curve_checks.CHECKS["advantage-shrinks"](with_curves(pd.DataFrame(rows))).ours


@pytest.mark.parametrize(
    ("module", "name", "columns"),
    [
        (learning_curves, "curves", ("n_folds", "seed")),
        (fine_tuning, "tuning", ("n_folds", "seed")),
        (hyperparameters, "trials", ("n_folds", "seed", "fold", "patience")),
    ],
)
def test_records_of_another_split_are_no_evidence(monkeypatch, module, name, columns):
    """Whoever computes with three folds, another seed or another budget adds records that the claims are not about."""
    before = getattr(Evidence(), name)
    assert len(before)
    path, kept, read = module.store().path, module.store().read(), RecordStore.read
    others = [kept.assign(**{column: kept[column] + 1}) for column in columns]
    if "cells_fingerprint" in kept:  # as with fewer cells
        others.append(kept.assign(cells_fingerprint="0123456789ab"))
    more = pd.concat([*others, kept], ignore_index=True)
    monkeypatch.setattr(RecordStore, "read", lambda self: more if self.path == path else read(self))
    found = getattr(Evidence(), name)
    pd.testing.assert_frame_equal(found.reset_index(drop=True), before.reset_index(drop=True), check_dtype=False)


def test_the_best_trial_is_chosen_among_those_that_all_have_made():
    rows = [
        ("NN", 1000, 0, 60.0), ("NN", 1000, 1, 50.0), ("NN", 1000, 2, 10.0),  # DKL has no trial 2
        ("DKL", 1000, 0, np.inf), ("DKL", 1000, 1, 55.0), ("DKL", 1000, 3, 5.0),  # and NN no trial 3
    ]  # fmt: skip
    table = pd.DataFrame(rows, columns=["model", "n_train", "trial", "mae_validation_meV"])
    best = best_of_equal_budgets(table, among="model", within="n_train").set_index("model")
    assert best["mae_validation_meV"].to_dict() == {"NN": 50.0, "DKL": 55.0}
    assert best["trial"].to_dict() == {"NN": 1, "DKL": 1}
    assert set(best["n_trials"]) == {2}
    assert best_of_equal_budgets(table.iloc[:0], among="model", within="n_train").empty


def test_verdicts_follow_from_the_two_tests():
    assert [judged(a, b, "x").verdict for a, b in ((True, True), (False, True), (False, False))] == [
        "reproduced",
        "partly",
        "not reproduced",
    ]


def test_the_published_record_disagrees_where_it_is_said_to():
    shown = claims.contradictions().set_index("about")
    assert "22.1 and 19.6 meV" in shown.loc["Errors of the network at N = 10⁶", "other"]
    assert "23.7 and 22.0" in shown.loc["Errors of the network at N = 10⁶", "other"]
    assert not shown["other"].str.contains("nan").any()


def test_a_damaged_list_of_claims_is_refused(tmp_path, monkeypatch):
    (tmp_path / "published").mkdir()
    monkeypatch.setenv("SYNTHETIC_ATOMS_DATA", str(tmp_path))
    with pytest.raises(DataError, match=r"claims\.yaml"):
        claims.ledger()
    (tmp_path / "published" / "claims.yaml").write_text("- id: x\n")
    with pytest.raises(DataError, match="fields"):
        claims.ledger()


def test_every_printed_number_has_a_value_of_ours():
    table = claims.printed_numbers()
    assert table.map(lambda text: isinstance(text, str) and text != "").all(axis=None)
    ours = table.set_index("what")["ours"]
    assert ours["atoms in a cell"] == "200"
    assert ours["melt"] == "9000 K for 5 ps"
    assert ours["annealing"] == "100 ps at 2000 to 4000 K in steps of 100 K"
    assert ours["cutoff for counting neighbours"] == "1.85 Å"


def test_printed_numbers_agree_with_the_tables_of_published_values():
    """The same number is not typed twice in two ways."""
    table = claims.printed_numbers().set_index("what")["published"]
    paper = published.table("table1_finetuning").set_index(["tested_on", "model"])["rmse_meV_per_atom"]
    names = {"directly trained": "direct", "pre-trained": "pretrained", "fine-tuned": "finetuned"}
    for long, short in names.items():
        energy = [value for (_, model), value in paper.items() if model == short]
        printed = " ".join(table[[what for what in table.index if what.startswith(f"{long} network on")]])
        assert all(f"{value:.1f}" in printed for value in energy)


def test_printed_numbers_of_the_text_stand_in_it():
    stated = published.table("stated_values").set_index("quantity")["value"]
    table = claims.printed_numbers().set_index("what")["published"]
    assert table["time of a fit, N = 10⁶ and M = 5000"] == f"{stated['gpr_training_time']:.0f} minutes"
    assert f"{stated['gpr_memory_more_than']:.0f} GB" in table["memory from N = 10⁵ on with GPR"]


def test_a_printed_number_that_nothing_computes_is_refused(monkeypatch):
    from synthetic_atoms.claims import printed

    entry = {"where": "x", "what": "y", "published": "1", "ours": "z"}
    monkeypatch.setattr(printed, "read_entries", lambda name: [entry])
    with pytest.raises(DataError, match="value or a claim for 'y'"):
        printed.printed_numbers()
