"""Rows in a temporary file, against the same rows in memory."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthetic_atoms.datasets import load_local_energies
from synthetic_atoms.descriptors import RowFile, features
from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.models.rows import Rows
from synthetic_atoms.models.sparse_gpr_path import SparseGPRPath


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHETIC_ATOMS_CACHE", str(tmp_path / "cache"))


@given(
    n_rows=st.integers(1, 40), n_columns=st.integers(1, 5), seed=st.integers(0, 99), a=st.integers(0, 45),
    b=st.integers(0, 45),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_it_holds_what_an_array_would(n_rows, n_columns, seed, a, b):
    rng = np.random.default_rng(seed)
    expected = rng.normal(size=(n_rows, n_columns)).astype(np.float32)
    with RowFile(n_rows, n_columns) as rows:
        assert isinstance(rows, Rows)
        assert len(rows) == n_rows
        for places in np.array_split(rng.permutation(n_rows), 3):
            rows[places] = expected[places]
        np.testing.assert_array_equal(rows[a:b], expected[a:b])
        chosen = rng.integers(n_rows, size=7)
        np.testing.assert_array_equal(rows.take(chosen), expected[chosen])
        part = rows.part(n_rows // 3, n_rows)
        assert len(part) == n_rows - n_rows // 3
        np.testing.assert_array_equal(part[a:b], expected[n_rows // 3 :][a:b])


def test_features_go_into_it_whether_the_cache_holds_them_or_not(folder):
    data = load_local_energies(str(folder))
    wanted = np.random.default_rng(0).permutation(data.n_environments)[:300]
    expected = features(data, "plain", rows=wanted, cache=False)
    for _ in range(2):  # computed, then read
        with RowFile(300, expected.shape[1]) as rows:
            assert features(data, "plain", rows=wanted, workers=0, out=rows) is rows
            np.testing.assert_array_equal(rows[0:300], expected)
    with RowFile(299, expected.shape[1]) as rows, pytest.raises(ParameterError, match=r"\(300, 546\).*found \(299"):
        features(data, "plain", rows=wanted, out=rows)


def test_a_model_reads_it_as_it_reads_an_array():
    rng = np.random.default_rng(0)
    X = np.abs(rng.normal(size=(200, 6))).astype(np.float32)
    X /= np.linalg.norm(X, axis=1, keepdims=True)
    y = np.sin(3 * X[:, 0])
    options = {"n_train": [50, 200], "n_sparse": [20], "chunk_size": 64}
    with RowFile(*X.shape) as rows:
        rows[np.arange(200)] = X
        found = SparseGPRPath(**options).fit(rows, y).predict(rows.part(100, 200))
    np.testing.assert_array_equal(found, SparseGPRPath(**options).fit(X, y).predict(X[100:]))


def test_nothing_is_left_behind(tmp_path):
    with RowFile(3, 2) as rows:
        rows[np.arange(3)] = np.ones((3, 2), dtype=np.float32)
    assert [path for path in (tmp_path / "cache").rglob("*") if path.is_file()] == []


def test_shapes_that_make_no_sense_and_full_disks_end_in_one_sentence(tmp_path, monkeypatch):
    with pytest.raises(ParameterError, match=r"shape \(0, 3\)"):
        RowFile(0, 3)
    with RowFile(4, 2) as rows, pytest.raises(ParameterError, match="step of 2"):
        rows[0:4:2]
    (tmp_path / "taken").write_text("a file")
    monkeypatch.setenv("SYNTHETIC_ATOMS_CACHE", str(tmp_path / "taken"))
    with pytest.raises(DataError, match=r"room for .* GB"):
        RowFile(4, 2)
