"""Two archives compared: what was measured may differ, sources and results may not."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

from synthetic_atoms.book import artefact, comparison
from synthetic_atoms.book.cli import app
from synthetic_atoms.errors import ParameterError

VALUES = {"mae": 21.5, "finding": "NN errs by 21.1 meV at N = 31,000.", "fit_s": 3.0, "folds": 5, "fine": True}
TABLE = "n_train,mae_test_meV,fit_s\n100,137.2,0.4\n1000,52.3,1.5\n"


def archive(path: Path, monkeypatch, *, values=VALUES, table=TABLE, source=b"x = 1\n", extra=None) -> Path:
    """An archive of one chapter, packed and described as those of the project are."""
    run = {"chapter": "03", "parameters": {"seed": 0}, "data": [], "values": values, "uncommitted_changes": False}
    files = {
        "source/lib/a.py": source,
        "book/_downloads/1/curves.csv": table.encode(),
        "executed/03/03-provenance.json": json.dumps(run).encode(),
        artefact.PDF: b"%PDF-1.4",
        **(extra or {}),
    }
    when = datetime(2026, 1, 1, tzinfo=UTC)
    monkeypatch.setattr(artefact, "_git", lambda *arguments: "0" * 40 if arguments[0] == "rev-parse" else "")
    monkeypatch.setattr(artefact.project, "root", lambda: path.parent)
    monkeypatch.setattr(artefact.project, "commit_time", lambda root: when)
    monkeypatch.setattr(
        artefact, "_sources", lambda: iter([(n, c) for n, c in files.items() if n.startswith("source")])
    )
    monkeypatch.setattr(artefact, "_built", lambda: iter([(n, c) for n, c in files.items() if n[:6] != "source"]))
    artefact.build(path)
    return path


def test_what_was_measured_may_differ(tmp_path, monkeypatch):
    one = archive(tmp_path / "1.tar.gz", monkeypatch)
    two = archive(
        tmp_path / "2.tar.gz", monkeypatch, values=VALUES | {"fit_s": 9.0}, table=TABLE.replace("1.5", "2.5"),
        extra={artefact.PDF: b"%PDF-1.5"},
    )  # fmt: skip
    assert one.read_bytes() != two.read_bytes()
    found = comparison.compare(one, two)
    assert found.differences == []
    assert (found.sources, found.values, found.tables) == (1, 4, 1)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": VALUES | {"mae": 21.6}}, "Value 'mae' of 03 is '21.5' and '21.6'."),
        ({"values": VALUES | {"finding": "NN errs by 22.1 meV at N = 31,000."}}, "Value 'finding' of 03"),
        ({"values": VALUES | {"finding": "GPR errs by 21.1 meV at N = 31,000."}}, "Value 'finding' of 03"),
        ({"values": {k: v for k, v in VALUES.items() if k != "folds"}}, "Value of 03 'folds' is only in the first."),
        ({"table": TABLE.replace("52.3", "52.4")}, "has '52.3' and '52.4' in row 2, column 'mae_test_meV'."),
        ({"table": TABLE + "3100,36.0,2.0\n"}, "another number of rows"),
        ({"source": b"x = 2\n"}, "File 'source/lib/a.py' has another content."),
        ({"extra": {"source/lib/b.py": b""}}, "File 'source/lib/b.py' is only in the second."),
    ],
)
def test_other_results_and_sources_are_named(change, message, tmp_path, monkeypatch):
    one = archive(tmp_path / "1.tar.gz", monkeypatch)
    two = archive(tmp_path / "2.tar.gz", monkeypatch, **change)
    (text,) = comparison.compare(one, two).differences
    assert message in text
    done = CliRunner().invoke(app, ["artefact", "--verify", str(one), "--against", str(two)])
    assert done.exit_code == 1
    assert message in done.output
    assert "1 differ." in done.output


def test_a_tolerance_allows_for_rounding(tmp_path, monkeypatch):
    one = archive(tmp_path / "1.tar.gz", monkeypatch)
    close = VALUES | {"mae": 21.51, "finding": "NN errs by 21.12 meV at N = 31,000."}
    two = archive(tmp_path / "2.tar.gz", monkeypatch, values=close, table=TABLE.replace("52.3", "52.31"))
    assert len(comparison.compare(one, two).differences) == 3
    assert comparison.compare(one, two, tolerance=0.002).differences == []
    with pytest.raises(ParameterError, match="tolerance of zero or more"):
        comparison.compare(one, two, tolerance=-1.0)


@given(st.floats(allow_nan=True), st.floats(0, 1))
def test_a_number_is_itself(value, tolerance):
    assert comparison.same(value, value, tolerance)
    assert comparison.same(f"about {value:g} meV", f"about {value:g} meV", tolerance)
