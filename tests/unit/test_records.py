"""The store of results."""

from __future__ import annotations

import multiprocessing
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.experiments.records import TEXT, RecordStore, accelerator_of, machine, read_or_compute


def store(folder: Path) -> RecordStore:
    return RecordStore(folder / "fits.csv", asked=["model", "n_train", "fold"], found=["mae_meV", "note"])


def row(model: str = "GPR", n_train: int = 100, fold: int = 0, mae: float = 1.25, note: str = "x") -> dict:
    return {"model": model, "n_train": n_train, "fold": fold, "mae_meV": mae, "note": note}


def test_an_absent_file_is_an_empty_store(tmp_path):
    assert store(tmp_path).read().empty
    found = store(tmp_path).select(pd.DataFrame([row()]))
    assert found["mae_meV"].isna().all()


def test_rows_come_back_and_a_request_without_an_answer_is_nan(tmp_path):
    store(tmp_path).add([row(fold=1, mae=2.5), row(fold=0)])
    found = store(tmp_path).select(pd.DataFrame([row(fold=0), row(fold=7), row(fold=1)]))
    np.testing.assert_array_equal(found["mae_meV"], [1.25, np.nan, 2.5])


def test_the_same_request_replaces_its_row(tmp_path):
    store(tmp_path).add([row(mae=1.0), row(fold=1, mae=5.0)])
    store(tmp_path).add([row(mae=3.0)])
    assert sorted(store(tmp_path).read()["mae_meV"]) == [3.0, 5.0]


rows = st.lists(
    st.tuples(st.sampled_from(["GPR", "NN"]), st.integers(1, 10**6), st.integers(0, 9), st.floats(0, 1e6)),
    min_size=1,
    max_size=12,
    unique_by=lambda item: item[:3],
)


@settings(max_examples=40, deadline=None)
@given(items=rows, order=st.randoms(use_true_random=False))
def test_the_file_does_not_depend_on_the_order_of_writing(tmp_path_factory, items, order):
    records = [row(*item) for item in items]
    first, second = tmp_path_factory.mktemp("a"), tmp_path_factory.mktemp("b")
    store(first).add(records)
    order.shuffle(records)
    for record in records:
        store(second).add([record])
    assert (first / "fits.csv").read_bytes() == (second / "fits.csv").read_bytes()


def _add(folder: Path, fold: int) -> None:
    store(folder).add([row(fold=fold)])


def test_two_processes_lose_no_row(tmp_path):
    context = multiprocessing.get_context("spawn")
    processes = [context.Process(target=_add, args=(tmp_path, fold)) for fold in range(4)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert sorted(store(tmp_path).read()["fold"]) == [0, 1, 2, 3]


def test_a_row_with_other_columns_is_refused(tmp_path):
    with pytest.raises(DataError, match="surplus"):
        store(tmp_path).add([{**row(), "surplus": 1}])
    assert not (tmp_path / "fits.csv").exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "found nothing"),
        (b"model,n_train,fold,mae_meV,note\nGPR,100,0,1.x,x\n", "Expected numbers in column 'mae_meV'"),
        (b"\xff\xfe\x00garbage", "damaged"),
        (b"model,n_train\nGPR,100\n", "Expected the columns"),
        (b"model,n_train,fold,mae_meV,note\nGPR,100,0,1,x,y,z\n", "in row 2"),
        (b"model,n_train,fold,mae_meV,note\nGPR,100,0,1,x\nGPR,100,0,2,x\n", "second time"),
    ],
)
def test_a_damaged_file_stops_with_one_sentence(tmp_path, content, said):
    (tmp_path / "fits.csv").write_bytes(content)
    with pytest.raises(DataError, match=said) as caught:
        store(tmp_path).read()
    assert "\n" not in str(caught.value)
    assert (tmp_path / "fits.csv").read_bytes() == content


def test_a_row_cut_short_is_found(tmp_path):
    (tmp_path / "fits.csv").write_text("model,n_train,fold,mae_meV,note\nGPR,100,0,1.5,x\nNN,10")
    with pytest.raises(DataError, match="in row 3"):
        store(tmp_path).read()


def test_a_last_row_without_its_end_is_found(tmp_path):
    (tmp_path / "fits.csv").write_text("model,n_train,fold,mae_meV,note\nGPR,100,0,1.5,lon")
    with pytest.raises(DataError, match="cut short"):
        store(tmp_path).read()


def test_a_record_says_which_gpu_did_the_work():
    assert accelerator_of(machine()) is None
    assert accelerator_of(machine("NVIDIA H200")) == "NVIDIA H200"


@pytest.mark.parametrize(
    "column", [name for name in TEXT if name.endswith(("fingerprint", "settings")) or name == "network"]
)
def test_a_digest_that_looks_like_a_number_stays_what_it_is(tmp_path, column):
    kept = RecordStore(tmp_path / "fits.csv", asked=[column, "fold"], found=["mae_meV"])
    for digest in ("012345678901", "12345e678901"):
        kept.add([{column: digest, "fold": 0, "mae_meV": 1.0}])
        assert kept.select(pd.DataFrame([{column: digest, "fold": 0}]))["mae_meV"].notna().all()
    assert len(kept.read()) == 2


def test_every_digest_that_records_ask_for_is_text():
    from synthetic_atoms.experiments import fine_tuning_grid, map_measures, teachers

    for module in (fine_tuning_grid, map_measures, teachers):
        digests = {name for name in module.ASKED if name.endswith(("fingerprint", "settings", "hyperparameters"))}
        assert digests <= set(TEXT)
    assert "network" in map_measures.ASKED
    assert "network" in TEXT


class Work:
    """Computes records, keeps them, and remembers what it was asked for."""

    def __init__(self, failing: int | None = None) -> None:
        self.asked: list[int] = []
        self.failing = failing

    def __call__(self, missing, keep):
        done, failures = [], []
        for fold in missing["fold"]:
            self.asked.append(fold)
            if fold == self.failing:
                failures.append(ParameterError(f"fold {fold}"))
                continue
            done.append(row(fold=fold, mae=float(fold)))
            keep(done[-1:])
        return done, failures


def wanted(*folds: int) -> pd.DataFrame:
    return pd.DataFrame([row(fold=fold) for fold in folds])[["model", "n_train", "fold"]]


def test_only_what_the_store_lacks_is_computed_and_only_where_that_is_asked_for(tmp_path):
    store(tmp_path).add([row(fold=1, mae=9.0)])
    work = Work()
    found = read_or_compute(wanted(2, 1), store(tmp_path), "mae_meV", work, use_store=True, compute=False)
    np.testing.assert_array_equal(found["mae_meV"], [np.nan, 9.0])
    assert work.asked == []
    found = read_or_compute(wanted(2, 1), store(tmp_path), "mae_meV", work, use_store=True, compute=True)
    np.testing.assert_array_equal(found["mae_meV"], [2.0, 9.0])
    assert work.asked == [2]
    assert len(store(tmp_path).read()) == 2


def test_without_the_store_everything_is_computed_and_nothing_is_kept(tmp_path):
    store(tmp_path).add([row(fold=1, mae=9.0)])
    work = Work()
    found = read_or_compute(wanted(2, 1), store(tmp_path), "mae_meV", work, use_store=False, compute=True)
    np.testing.assert_array_equal(found["mae_meV"], [2.0, 1.0])
    assert list(found["fold"]) == [2, 1]
    assert work.asked == [2, 1]
    assert len(store(tmp_path).read()) == 1


def test_a_failure_is_raised_and_what_was_finished_is_kept(tmp_path):
    with pytest.raises(ParameterError, match="fold 2"):
        read_or_compute(wanted(1, 2, 3), store(tmp_path), "mae_meV", Work(2), use_store=True, compute=True)
    assert sorted(store(tmp_path).read()["fold"]) == [1, 3]


@pytest.mark.parametrize("use_store", [True, False])
def test_nothing_wanted_is_nothing_computed(tmp_path, use_store):
    work = Work()
    found = read_or_compute(wanted(1)[:0], store(tmp_path), "mae_meV", work, use_store=use_store, compute=True)
    assert found.empty
    assert list(found) == store(tmp_path).columns
    assert work.asked == []
