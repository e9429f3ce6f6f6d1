"""Records of sparse GPR on a small dataset: against fits done one by one, a dense reference, and by hand."""

from __future__ import annotations

import pickle
from dataclasses import replace
from itertools import pairwise, product
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthetic_atoms.datasets import load_local_energies
from synthetic_atoms.descriptors import coordination_numbers, features
from synthetic_atoms.errors import ParameterError
from synthetic_atoms.experiments import gpr_grid, gpr_path
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.experiments.gpr_grid import Pass, Study, Sweep, plan, requests
from synthetic_atoms.experiments.gpr_path import ErrorSums, run_pass, shares, sparse_gpr, training_sample
from synthetic_atoms.experiments.learning_curves import scores
from synthetic_atoms.models.sparse_gpr import SparseGPR
from synthetic_atoms.models.sparse_sums import FitRequest
from synthetic_atoms.splits import splits_by_trajectory

pytestmark = pytest.mark.usefixtures("own_store_and_cache")

SWEEP = Sweep((20, 80, 150), (10, 40), (0.215, 10.0), ("dtc", "fitc"))


def study(folder: Path, **changes) -> Study:
    """Two folds of 256 training environments each."""
    return Study(**({"dataset": Dataset(str(folder)), "n_folds": 2} | changes))


def test_records_are_those_of_fits_done_one_by_one(folder, monkeypatch):
    monkeypatch.setattr(gpr_path, "MAX_TRAIN_SAMPLE", 60)
    one = study(folder, kernel_offset=0.5, zeta=3)
    records = sparse_gpr(one, [SWEEP], use_store=False)
    assert (
        len(records) == 2 * 2 * 2 * 6
    )  # folds, estimators, sigmas; M = 10, 20 at N = 20, and M = 10, 40 at the others
    data = load_local_energies(str(folder))
    coordination = coordination_numbers(data)
    for row in records.itertuples():
        split = splits_by_trajectory(data, n_folds=2, seed=0)[row.fold]
        train, y = split.train[: row.n_train], data.local_energy_eV
        x = features(data, "tuned", rows=train)
        model = SparseGPR(
            estimator=row.estimator, n_sparse=row.m_sparse, sigma_meV=row.sigma_meV, kernel_offset=0.5, zeta=3
        ).fit(x, y[train])
        predicted = model.predict(features(data, "tuned", rows=split.test))
        for name, value in scores(predicted, y[split.test], coordination[split.test]).items():
            assert getattr(row, name) == pytest.approx(value, rel=1e-5, nan_ok=True)
        assert row.n_test == len(split.test)
        sample = training_sample(one, row.fold, row.n_train)
        error = 1000 * (model.predict(x[sample]) - y[train][sample])
        assert row.mae_train_meV == pytest.approx(np.abs(error).mean(), rel=1e-4, abs=1e-4)
        assert row.rmse_train_meV == pytest.approx(np.sqrt((error**2).mean()), rel=1e-4, abs=1e-4)


def test_a_record_is_the_definition_of_the_model_in_dense_matrices(folder):
    """FITC as a full Gaussian process whose covariance is Q + diag(K - Q): nothing of the library but the features."""
    records = sparse_gpr(study(folder), [replace(SWEEP, estimators=("fitc",))], use_store=False)
    data = load_local_energies(str(folder))
    split = splits_by_trajectory(data, n_folds=2, seed=0)[1]
    train = split.train[:150]
    y = data.local_energy_eV
    x, x_test = (features(data, "tuned", rows=rows).astype(float) for rows in (train, split.test))
    k_m = (x[:40] @ x[:40].T) ** 4 + 1e-12 * np.eye(40)
    k_nm, k_tm = (x @ x[:40].T) ** 4, (x_test @ x[:40].T) ** 4
    q = k_nm @ np.linalg.solve(k_m, k_nm.T)
    covariance = q + np.diag(np.einsum("ij,ij->i", x, x) ** 4 - np.diag(q) + 0.01**2)
    weights = np.linalg.solve(covariance, y[train] - y[train].mean())
    error = 1000 * (y[train].mean() + k_tm @ np.linalg.solve(k_m, k_nm.T @ weights) - y[split.test])
    row = records.query("n_train == 150 and m_sparse == 40 and sigma_meV == 10 and fold == 1").iloc[0]
    assert row["mae_test_meV"] == pytest.approx(np.abs(error).mean(), rel=1e-4)


def test_an_interrupted_grid_goes_on_where_it_was(folder, monkeypatch):
    original, done = gpr_path.run_pass, []

    def interrupted(one: Pass):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(one)
        return original(one)

    monkeypatch.setattr(gpr_path, "run_pass", interrupted)
    with pytest.raises(KeyboardInterrupt):
        sparse_gpr(study(folder), [SWEEP], compute=True)
    kept = gpr_path.store().read()
    assert len(kept) == sum(len(one.models) for one in done) == 24
    again = []
    monkeypatch.setattr(gpr_path, "run_pass", lambda one: again.append(one) or original(one))
    records = sparse_gpr(study(folder), [SWEEP], compute=True)
    assert not {(one.fold, one.estimator) for one in again} & {(one.fold, one.estimator) for one in done}
    assert records["mae_test_meV"].notna().all()
    monkeypatch.setattr(gpr_path, "run_pass", lambda one: pytest.fail("something was computed again"))
    pd.testing.assert_frame_equal(sparse_gpr(study(folder), [SWEEP], compute=True), records)
    fresh = [row for one in plan(study(folder), requests(study(folder), [SWEEP])) for row in original(one)]
    both = records.merge(pd.DataFrame(fresh), on=list(gpr_path.ASKED), suffixes=("", "_fresh"), validate="one_to_one")
    np.testing.assert_allclose(both["mae_test_meV"], both["mae_test_meV_fresh"], rtol=1e-5)


def test_a_larger_grid_computes_only_what_is_new(folder, monkeypatch):
    sparse_gpr(study(folder), [SWEEP], compute=True)
    original, planned = gpr_path.run_pass, []
    monkeypatch.setattr(gpr_path, "run_pass", lambda one: planned.append(one) or original(one))
    wider = Sweep((150,), (10, 40), (0.215, 10.0, 33.0), ("dtc",))
    records = sparse_gpr(study(folder), [wider], compute=True)
    assert {(model.sigma_meV, model.n_train) for one in planned for model in one.models} == {(33.0, 150)}
    assert records["mae_test_meV"].notna().all()


def test_without_compute_a_missing_record_is_a_gap(folder, monkeypatch):
    monkeypatch.setattr(gpr_path, "run_units", lambda *_, **__: pytest.fail("something was computed"))
    records = sparse_gpr(study(folder), [SWEEP])
    assert len(records) == 48
    assert records["mae_test_meV"].isna().all()


@pytest.mark.parametrize(
    "changes", [{"seed": 1}, {"soap": "plain"}, {"zeta": 3}, {"kernel_offset": 1.0}, {"max_test": 50}, {"jitter": 1e-9}]
)
def test_another_setting_is_another_request(folder, changes):
    small = Sweep((20,), (10,))
    sparse_gpr(study(folder), [small], compute=True)
    assert sparse_gpr(study(folder), [small])["mae_test_meV"].notna().all()
    assert sparse_gpr(study(folder, **changes), [small])["mae_test_meV"].isna().all()


def test_part_of_a_dataset_has_no_stored_results(folder):
    with pytest.raises(ParameterError, match="use_store=false"):
        sparse_gpr(study(folder, dataset=Dataset(str(folder), n_trajectories=3)), [SWEEP])


def test_sizes_that_not_every_fold_has_are_left_out(folder):
    uneven = study(folder, n_folds=3)  # four trajectories: folds of 2, 3 and 3 to train on
    assert {len(split.train) for split in uneven.splits()} == {256, 384}
    assert uneven.largest_size() == 256
    found = requests(uneven, [Sweep((100, 256, 257, 10**6), (50,))])
    assert set(found["n_train"]) == {100, 256}
    assert len(found) == 6
    with pytest.raises(ParameterError, match=r"at most 256, .* found none below 300"):
        requests(uneven, [Sweep((300, 10**6))])


def test_a_fit_that_two_sweeps_ask_for_is_there_once(folder):
    found = requests(
        study(folder), [Sweep((20, 100), (50, 10**4)), Sweep((100,), (5000,), (10.0, 10.0000001, 1.0), folds=(1,))]
    )
    keys = list(found[["n_train", "m_sparse", "sigma_meV", "fold"]].itertuples(index=False, name=None))
    assert sorted(keys) == [
        (20, 20, 10.0, 0), (20, 20, 10.0, 1), (100, 50, 10.0, 0), (100, 50, 10.0, 1),
        (100, 100, 1.0, 1), (100, 100, 10.0, 0), (100, 100, 10.0, 1),
    ]  # fmt: skip


def paper_like(estimator: str, folds: tuple[int, ...] = (0,)) -> pd.DataFrame:
    """The paper's grid, as a table of what a pass needs to know."""
    sizes = [100, 310, 1000, 3100, 10_000, 31_000, 100_000, 310_000, 1_000_000]
    sparse = [100, 200, 500, 1000, 2000, 5000, 10_000]
    sigmas = [0.1, 0.215, 0.463, 1, 2.15, 4.63, 10, 21.5, 46.3, 100, 215, 463, 1000]
    models = {(n, min(m, n), 10.0) for n, m in product(sizes, sparse) if m <= 5000 or n <= 100_000}
    models |= {(n, min(5000, n), float(s)) for n, s in product([1000, 2000, 5000, 10_000, 100_000, 10**6], sigmas)}
    rows = [(fold, estimator, *model) for fold in folds for model in sorted(models)]
    return pd.DataFrame(rows, columns=["fold", "estimator", "n_train", "m_sparse", "sigma_meV"])


@pytest.mark.parametrize(("estimator", "n_passes"), [("dtc", 2), ("fitc", 3)])
def test_few_passes_hold_every_fit_once(estimator, n_passes):
    wanted = paper_like(estimator, folds=(0, 3))
    passes = plan(Study(), wanted)
    assert len(passes) == 2 * n_passes
    planned = [(p.fold, m.estimator, m.n_train, m.n_sparse, m.sigma_meV) for p in passes for m in p.models]
    assert sorted(planned) == sorted(wanted.itertuples(index=False, name=None))
    longest = [p for p in passes if p.n_train == 10**6]
    assert [p.m_sparse for p in longest] == [5000, 5000]  # ten thousand points never meet a million rows
    for one in passes:
        sums = {(m.sigma_meV, m.n_sparse) for m in one.models}
        assert estimator == "dtc" or sum(8 * m**2 for _, m in sums) <= gpr_grid.SUMS_BYTES


@given(
    pairs=st.lists(st.tuples(st.integers(1, 30), st.integers(1, 30), st.sampled_from([1.0, 10.0])), min_size=1),
    estimator=st.sampled_from(["dtc", "fitc"]),
)
@settings(max_examples=100, deadline=None)
def test_any_plan_holds_every_fit_once_and_wastes_no_rows(pairs, estimator):
    models = sorted({(n, min(n, m), sigma) for n, m, sigma in pairs})
    wanted = pd.DataFrame(models, columns=["n_train", "m_sparse", "sigma_meV"]).assign(fold=0, estimator=estimator)
    passes = plan(Study(), wanted)
    assert sorted((m.n_train, m.n_sparse, m.sigma_meV) for one in passes for m in one.models) == models
    corners = sorted((one.m_sparse, one.n_train) for one in passes)
    assert all(a[0] < b[0] and a[1] > b[1] for a, b in pairwise(corners))


def test_the_seconds_of_a_pass_are_shared_by_hand():
    models = [FitRequest(10, "dtc", 1.0, 5), FitRequest(10, "dtc", 2.0, 5), FitRequest(40, "dtc", 1.0, 5)]
    # ten rows by 3 s, two factorisations by 4 and 5 s, thirty more rows by 14 s, one factorisation by 15 s
    found = shares(models, np.array([4.0, 5.0, 15.0]), [(10, 3.0), (40, 14.0)])
    np.testing.assert_allclose(found, [3 / 3 + 2 / 2, 3 / 3 + 2 / 2, 3 / 3 + 9 + 1])
    assert found.sum() == pytest.approx(15.0)


def test_records_account_for_the_whole_pass(folder):
    records = sparse_gpr(study(folder), [SWEEP], use_store=False)
    for _, part in records.groupby(["fold", "estimator"]):
        assert part["share_s"].sum() == pytest.approx(part["pass_s"].iloc[0])
        assert part["fit_s"].max() == pytest.approx(part["pass_s"].iloc[0])
        assert (part["pass_models"] == len(part)).all()
        assert (part.sort_values("n_train")["fit_s"] > 0).all()
    assert records["peak_memory_GB"].between(0.05, 20).all()


@given(seed=st.integers(0, 99), block=st.integers(1, 50))
@settings(max_examples=20, deadline=None)
def test_errors_summed_by_block_are_the_errors(seed, block):
    rng = np.random.default_rng(seed)
    true, coordination = rng.normal(size=40), rng.integers(2, 4, size=40)  # no atom with four neighbours
    predicted = true[:, None] + rng.normal(size=(40, 3))
    sums = ErrorSums(3)
    for start in range(0, 40, block):
        rows = slice(start, start + block)
        sums.add(predicted[rows].copy(), true[rows], coordination[rows])
    for model in range(3):
        expected = scores(predicted[:, model], true, coordination)
        assert sums.scores(model) == pytest.approx(expected, nan_ok=True)
        assert np.isnan(sums.scores(model)["mae_sp3_meV"])


def test_training_errors_are_taken_everywhere_and_always_at_the_same_points():
    sample = training_sample(Study(), 1, 100_000)
    assert len(np.unique(sample)) == gpr_path.MAX_TRAIN_SAMPLE
    assert abs(np.mean(sample < 5000) - 0.05) < 0.01  # representative points count as much as they are
    np.testing.assert_array_equal(sample, training_sample(Study(), 1, 100_000))
    assert not np.array_equal(sample, training_sample(Study(), 2, 100_000))
    np.testing.assert_array_equal(training_sample(Study(), 1, 300), np.arange(300))


def test_a_pass_travels_to_a_worker_and_its_records_back(folder):
    one = plan(study(folder), requests(study(folder), [Sweep((20,), (10,), folds=(0,))]))[0]
    sent = pickle.dumps(one)
    assert len(sent) < 2000  # what it needs is read where it runs
    there = pickle.loads(pickle.dumps(run_pass(pickle.loads(sent))))
    assert there[0]["mae_test_meV"] == pytest.approx(run_pass(one)[0]["mae_test_meV"], rel=1e-9)


def test_a_pass_that_fails_is_one_sentence_and_costs_only_itself(folder, monkeypatch):
    original = gpr_path.run_pass

    def failing(one: Pass):
        if one.estimator == "fitc":
            raise ParameterError("Expected a positive definite system of equations, found a singular one.")
        return original(one)

    monkeypatch.setattr(gpr_path, "run_pass", failing)
    with pytest.raises(ParameterError, match="singular one"):
        sparse_gpr(study(folder), [SWEEP], compute=True)
    assert set(gpr_path.store().read()["estimator"]) == {"dtc"}
    assert len(gpr_path.store().read()) == 24
