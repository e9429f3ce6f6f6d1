"""The ledger: complete, judged by code, and acknowledged."""

from __future__ import annotations

import pandas as pd
import pytest

from synthetic_atoms import claims, published
from synthetic_atoms.book.project import root
from synthetic_atoms.claims import curve_checks
from synthetic_atoms.claims.evidence import Evidence
from synthetic_atoms.claims.ledger import judged
from synthetic_atoms.errors import DataError


@pytest.fixture(scope="module")
def table() -> pd.DataFrame:
    return claims.ledger()


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
        {**row, "fold": fold, "n_test": 1000, "fit_s": 1.0, "predict_s": 1.0}
        for row in paper[["model", "n_train", "mae_test_meV", "mae_train_meV"]].to_dict("records")
        for fold in range(2)
    ]
    evidence = Evidence()
    evidence.__dict__["curves"] = pd.DataFrame(rows)
    for name in ("log-log-linear", "gpr-best-small", "advantage-shrinks", "gpr-saturates", "networks-overtake",
                 "dkl-slightly-better", "learnable"):  # fmt: skip
        outcome = curve_checks.CHECKS[name](evidence)
        assert outcome.verdict == "reproduced", (name, outcome)


def test_without_records_there_is_no_verdict():
    evidence = Evidence()
    evidence.__dict__["curves"] = pd.DataFrame(
        columns=["model", "n_train", "fold", "mae_test_meV", "mae_train_meV", "n_test", "fit_s", "predict_s"]
    )
    for name in ("log-log-linear", "gpr-best-small", "networks-overtake", "dkl-slow", "gpr-saturates"):
        assert curve_checks.CHECKS[name](evidence).verdict == "no record"


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
