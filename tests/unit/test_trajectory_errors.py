"""Errors by trajectory: fits as in the learning curves, and comparisons that are paired by trajectory."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import bootstrap, spearmanr

from synthetic_atoms.datasets import load_local_energies
from synthetic_atoms.descriptors import features
from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.experiments import curve_findings as findings
from synthetic_atoms.experiments import learning_curves as curves
from synthetic_atoms.experiments import trajectory_errors as experiment
from synthetic_atoms.experiments.all_models import Comparison
from synthetic_atoms.experiments.audit_others import OTHERS
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.experiments.trajectory_errors import by_trajectory, trajectory_errors
from synthetic_atoms.figures import learning_curves as figures
from synthetic_atoms.models.sparse_gpr import SparseGPR
from synthetic_atoms.splits import splits_by_trajectory

pytestmark = pytest.mark.usefixtures("own_store_and_cache")


def grid(folder, **changes) -> Comparison:
    options = {"dataset": Dataset(str(folder)), "models": ("GPR", "NN"), "sizes": (20,), "n_folds": 2, "n_sparse": 15}
    return Comparison(**(options | changes))


def test_records_are_those_of_a_fit_done_by_hand(folder):
    records = trajectory_errors(grid(folder), use_store=False, workers=0)
    assert len(records) == 4
    data = load_local_energies(str(folder))
    split = splits_by_trajectory(data, n_folds=2, seed=0)[1]
    train = split.train[:20]
    model = SparseGPR(n_sparse=15).fit(features(data, "tuned", rows=train), data.local_energy_eV[train])
    error = 1000 * np.abs(model.predict(features(data, "tuned", rows=split.test)) - data.local_energy_eV[split.test])
    owner = data.trajectory[data.frame[split.test]]
    rows = by_trajectory(records).query("model == 'GPR' and fold == 1").set_index("trajectory")
    assert sorted(rows.index) == sorted(np.unique(owner))
    for trajectory, row in rows.iterrows():
        assert row["mae_meV"] == pytest.approx(error[owner == trajectory].mean(), abs=2e-3)
        assert row["environments"] == (owner == trajectory).sum()


def test_a_network_errs_as_in_the_learning_curves(folder):
    one = trajectory_errors(grid(folder, models=("NN",)), use_store=False, workers=0)
    other = curves.learning_curves(
        curves.Curve(Dataset(str(folder)), sizes=(20,), n_folds=2), use_store=False, workers=0
    )
    np.testing.assert_allclose(one["mae_test_meV"], other["mae_test_meV"], rtol=1e-6)
    rows = by_trajectory(one)
    weighted = (rows["mae_meV"] * rows["environments"]).groupby(rows["fold"]).sum()
    np.testing.assert_allclose(weighted / rows.groupby("fold")["environments"].sum(), one["mae_test_meV"], atol=2e-3)


def test_every_trajectory_is_tested_once(folder):
    rows = by_trajectory(trajectory_errors(grid(folder, models=("GPR",)), use_store=False, workers=0))
    assert sorted(rows["trajectory"]) == sorted(np.unique(load_local_energies(str(folder)).trajectory))


def test_stored_records_are_read_back_and_only_the_rest_is_computed(folder, monkeypatch):
    first = trajectory_errors(grid(folder, models=("GPR",)), compute=True, workers=0)
    asked = []
    original = experiment.run_units
    monkeypatch.setattr(
        experiment, "run_units", lambda run, units, **how: asked.extend(units) or original(run, units, **how)
    )
    both = trajectory_errors(grid(folder), compute=True, workers=0)
    assert {row["model"] for _, row in asked} == {"NN"}
    pd.testing.assert_series_equal(both["mae_test_meV"][:2], first["mae_test_meV"][:2])
    assert by_trajectory(trajectory_errors(grid(folder, sizes=(20, 40)))).query("n_train == 40").empty


def test_an_unknown_model_is_one_sentence(folder):
    with pytest.raises(ParameterError, match="found 'KRR'"):
        experiment.requests(grid(folder, models=("KRR",)))


def test_a_record_answers_the_request_that_it_was_made_for(folder):
    records = trajectory_errors(grid(folder), compute=True, workers=0)
    OTHERS["by trajectory"].check(records)
    record = records.iloc[0].to_dict()
    refit = OTHERS["by trajectory"].refit(record)
    assert refit.found == pytest.approx(refit.stored, rel=1e-5)


def errors(trajectories: int = 40, noise: float = 0.5) -> pd.DataFrame:
    """One model errs by 80 % of the other's on each trajectory; some are much harder than others."""
    rng = np.random.default_rng(0)
    hard = 20 * np.exp(noise * rng.normal(size=trajectories))
    return pd.DataFrame(
        [
            {
                "model": model,
                "n_train": 1000,
                "fold": k % 5,
                "trajectory": k,
                "mae_meV": factor * hard[k],
                "environments": 100 + 100 * (k % 2),
            }
            for model, factor in (("GPR", 1.0), ("NN", 0.8))
            for k in range(trajectories)
        ]
    )


def test_ratios_are_paired_so_that_hard_trajectories_do_not_blur_them():
    (row,) = findings.compare_by_trajectory(errors(), "NN", "GPR").itertuples()
    assert (row.ratio, row.low, row.high) == pytest.approx((0.8, 0.8, 0.8))
    assert (row.trajectories, row.ahead) == (40, 40)


def test_the_ratio_is_that_of_the_errors_on_all_environments_and_its_interval_is_wide_where_trajectories_differ():
    table = errors(noise=0.0)
    table.loc[(table["model"] == "NN") & (table["trajectory"] % 2 == 1), "mae_meV"] = 30.0
    (row,) = findings.compare_by_trajectory(table, "NN", "GPR").itertuples()
    assert row.ratio == pytest.approx((100 * 16 + 200 * 30) / (100 * 20 + 200 * 20))
    assert row.low < 1.2 < row.ratio < row.high < 1.5
    assert row.ahead == 20


def test_models_without_common_trajectories_are_not_compared():
    assert findings.compare_by_trajectory(errors().query("model == 'GPR'"), "NN", "GPR").empty
    assert findings.compare_by_trajectory(errors().iloc[:0], "NN", "GPR").empty
    other = errors()
    apart = other[(other["model"] == "NN") == (other["fold"] == 0)]  # NN has fold 0 alone, GPR all others
    assert findings.compare_by_trajectory(apart, "NN", "GPR").empty


def test_fits_that_differ_widen_the_interval_even_if_trajectories_do_not():
    """Trajectories of a fold err alike: without the draws of folds the interval would have no width at all."""
    table = errors(noise=0.0).assign(environments=100)
    factor = np.array([0.8, 0.9, 1.0, 1.1, 1.2])
    table.loc[table["model"] == "NN", "mae_meV"] = 20 * factor[table.loc[table["model"] == "NN", "fold"]]
    (row,) = findings.compare_by_trajectory(table, "NN", "GPR").itertuples()
    means = factor[np.random.default_rng(1).integers(5, size=(20_000, 5))].mean(axis=1)
    assert row.ratio == pytest.approx(1.0)
    assert (row.low, row.high) == pytest.approx(tuple(np.percentile(means, [5, 95])), abs=0.011)


def test_within_one_fold_only_trajectories_are_drawn():
    table = errors(noise=0.0).assign(fold=0, environments=100)
    nn = table["model"] == "NN"
    table.loc[nn, "mae_meV"] = 20 * np.linspace(0.5, 1.5, int(nn.sum()))
    (row,) = findings.compare_by_trajectory(table, "NN", "GPR").itertuples()
    spread = np.linspace(0.5, 1.5, 40).std() / np.sqrt(40)
    assert (row.low, row.high) == pytest.approx((1 - 1.645 * spread, 1 + 1.645 * spread), abs=0.01)


def test_rank_correlations_are_scipys_with_an_interval_around():
    rng = np.random.default_rng(0)
    x = rng.normal(size=80)
    y = np.exp(-x + 0.5 * rng.normal(size=80)).round(1)  # with ties
    found = findings.rank_correlation(x, y, np.zeros(80))  # one fold: the plain bootstrap
    reference = bootstrap(
        (x, y), lambda a, b: spearmanr(a, b).statistic, paired=True, vectorized=False, n_resamples=1000,
        confidence_level=0.9, method="percentile", rng=1,
    ).confidence_interval  # fmt: skip
    assert found.value == pytest.approx(spearmanr(x, y).statistic)
    assert (found.low, found.high) == pytest.approx((reference.low, reference.high), abs=0.02)
    assert np.isnan(findings.rank_correlation(np.ones(5), np.arange(5), np.arange(5)).value)


def test_a_correlation_that_comes_from_one_fold_is_uncertain():
    rng = np.random.default_rng(0)
    fold = np.repeat(np.arange(4), 20)
    x = rng.normal(size=80)
    y = np.where(fold == 0, x, rng.normal(size=80))
    found = findings.rank_correlation(x, y, fold)
    plain = findings.rank_correlation(x, y, np.zeros(80))
    assert found.value == plain.value
    assert found.high - found.low > 1.2 * (plain.high - plain.low)


def test_the_figure_has_a_point_for_each_trajectory():
    part = pd.DataFrame({"density_g_cm3": np.linspace(1, 3.5, 7), "ratio": np.linspace(0.6, 1.4, 7)})
    figure = figures.ratios_by_trajectory({"NN / GPR": part, "DKL / NN": part})
    assert [axes.get_title() for axes in figure.axes] == ["NN / GPR", "DKL / NN"]
    assert all(len(axes.collections[0].get_offsets()) == 7 for axes in figure.axes)
    assert figure.get_supxlabel() == "Mass density (g/cm³)"


def test_no_sizes_are_no_fits(folder):
    nothing = trajectory_errors(grid(folder, sizes=()), compute=True, workers=0)
    assert nothing.empty
    assert by_trajectory(nothing).empty


def test_max_test_takes_a_part_of_the_test_environments(folder):
    rows = by_trajectory(trajectory_errors(grid(folder, models=("GPR",), max_test=30), use_store=False, workers=0))
    assert (rows.groupby("fold")["environments"].sum() == 30).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hyperparameters": "not JSON"}, "hyperparameters in JSON"),
        ({"hyperparameters": "[1, 2]"}, "hyperparameters in JSON"),
        ({"hyperparameters": '{"zeta": 4}'}, "n_sparse, sigma_meV, zeta"),
        ({"fold": 7}, "a fold from 0 to 1 in every record, found 7"),
    ],
)
def test_a_damaged_record_is_one_sentence(folder, change, message):
    records = trajectory_errors(grid(folder, models=("GPR",)), compute=True, workers=0)
    record = records.iloc[0].to_dict() | change
    with pytest.raises(DataError, match=message):
        OTHERS["by trajectory"].present(record)
