"""Numbers and sentences about M and sigma, against curves whose answer is known, whichever way it goes."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthetic_atoms import published
from synthetic_atoms.experiments import gpr_findings as findings
from synthetic_atoms.experiments import gpr_insights as insights
from synthetic_atoms.experiments.gpr_insights import Paired, lowest_point, width_decades

SIGMAS = np.array([0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0])


def curve(best: float, steepness: float = 1.0, rise_small: float = 0.0, lowest: float = 30.0) -> np.ndarray:
    """A parabola in log10(sigma), and an extra rise, of rise_small at 0.1 meV, below 1 meV."""
    decades = np.log10(SIGMAS)
    return lowest * (1 + steepness * (decades - np.log10(best)) ** 2 + rise_small * np.clip(-decades, 0, None))


def rows(estimator: str, n_train: int, fold: int, test: np.ndarray, train: np.ndarray) -> pd.DataFrame:
    return pd.DataFrame(
        {
            "estimator": estimator, "n_train": n_train, "m_sparse": min(1000, n_train), "sigma_meV": SIGMAS,
            "fold": fold, "mae_test_meV": test, "mae_train_meV": train,
        }
    )  # fmt: skip


def scan(**changes) -> pd.DataFrame:
    """Records in which the paper's picture holds: FITC rises at small sigma, the best sigma goes up, curves flatten."""
    options = {"fitc_rise": 1.0, "fitc_train": 1.0, "dtc_train": 0.0, "large": 20.0, "flat": 0.02} | changes
    parts = []
    for fold in range(3):
        for n_train, best, steepness in ((500, 10.0, 0.08), (4000, options["large"], options["flat"])):
            own = best * (1 + 0.05 * fold)
            wide, level = steepness * (1 + 0.05 * fold), 25 + fold
            train = level * np.linspace(0.8, 1.5, len(SIGMAS))
            tail = np.clip(-np.log10(SIGMAS), 0, None)
            parts.append(rows("dtc", n_train, fold, curve(own, wide), train * (1 + options["dtc_train"] * tail)))
            rises = n_train > 1000
            parts.append(
                rows(
                    "fitc", n_train, fold, curve(own, wide, options["fitc_rise"] * rises),
                    train * (1 + options["fitc_train"] * rises * tail),
                )
            )  # fmt: skip
    return pd.concat(parts, ignore_index=True)


def curves(**changes) -> pd.DataFrame:
    return insights.sigma_curves(scan(**changes), 1000)


PUBLISHED = insights.published_curves(published.table("fig4b_regularisation"))


@given(
    best=st.floats(1.5, 500), a=st.floats(0.01, 3), lowest=st.floats(5, 300),
)  # fmt: skip
@settings(max_examples=60, deadline=None)
def test_the_lowest_point_of_a_parabola_is_found(best, a, lowest):
    found, value, at_edge = lowest_point(SIGMAS, curve(best, a, lowest=lowest))
    assert found == pytest.approx(best, rel=1e-6)
    assert value == pytest.approx(lowest, rel=1e-6)
    assert not at_edge


def test_a_minimum_at_an_end_is_said_to_be_one():
    assert lowest_point(SIGMAS, SIGMAS) == (0.1, 0.1, True)
    assert lowest_point(SIGMAS, 1 / SIGMAS) == (1000.0, pytest.approx(1e-3), True)
    flat = np.ones(9)
    flat[3:6] = 0.5
    assert lowest_point(SIGMAS, flat)[0] == pytest.approx(np.sqrt(3.0 * 10.0))


def test_width_by_hand():
    x = np.array([1.0, 10.0, 100.0, 1000.0])
    # 10 % above 10 is 11: a quarter of the way from 10 to 14, and half of the way from 10 to 12
    width, is_open = width_decades(x, np.array([14.0, 10.0, 12.0, 50.0]))
    assert width == pytest.approx(0.25 + 0.5)
    assert not is_open
    width, is_open = width_decades(x, np.array([10.5, 10.0, 12.0, 9.9]))  # the second hollow does not count
    assert (width, is_open) == (pytest.approx((10.89 - 9.9) / 2.1), True)
    assert width_decades(x, np.full(4, 7.0)) == (pytest.approx(3.0), True)


def test_curves_in_numbers_by_hand():
    found = curves().set_index(["estimator", "n_train", "fold"])
    assert len(found) == 2 * 2 * 3
    row = found.loc[("fitc", 4000, 2)]
    test = curve(22.0, 0.022, 1.0)
    assert row["best_sigma_meV"] == pytest.approx(22.0)
    assert row["rise_small"] == pytest.approx(test[0] / test.min())
    assert row["rise_large"] == pytest.approx(test[-1] / test.min())
    assert row["rise_small_train"] > 1.5
    assert found.loc[("dtc", 4000, 2), "rise_small_train"] == 1


def test_incomplete_curves_are_left_out():
    records = scan()
    records.loc[records.query("estimator == 'dtc' and n_train == 500 and fold == 1").index[4], "mae_test_meV"] = np.nan
    records = records.drop(records.query("estimator == 'dtc' and n_train == 500 and fold == 2").index[0])
    more = pd.DataFrame([{**records.iloc[0].to_dict(), "n_train": 900, "m_sparse": 900}])  # one sigma is no curve
    found = insights.sigma_curves(pd.concat([records, more]), 1000)
    assert len(found) == 10
    assert set(found.query("estimator == 'dtc' and n_train == 500")["fold"]) == {0}
    assert insights.sigma_curves(records.iloc[:0], 1000).empty


def test_pairs_are_taken_fold_by_fold():
    new = pd.Series({0: 9.0, 2: 22.0, 1: 30.0})
    old = pd.Series({1: 40.0, 0: 10.0, 2: 20.0, 3: 1.0})
    change = Paired.relative(new, old)
    assert sorted(change.values) == pytest.approx([-0.25, -0.1, 0.1])
    assert (change.folds, change.above, change.below) == (3, 1, 2)
    assert change.mean == pytest.approx(-0.25 / 3)
    assert change.std == pytest.approx(np.std([-0.25, -0.1, 0.1], ddof=1))
    assert np.isnan(Paired(()).mean)


def points(change_4000: float, change_9000: float) -> pd.DataFrame:
    """Learning curves for M = 1000 and 2000, three folds, both estimators."""
    parts = []
    for fold in range(3):
        for n_train, change in ((500, 0.0), (4000, change_4000), (9000, change_9000)):
            for estimator, factor in (("dtc", 1.0), ("fitc", 1.25)):
                base = (30 + fold) * (factor if n_train > 1000 else 1)
                for m, mae in ((1000, base), (2000, base * (1 + change + 0.001 * fold))):
                    parts.append((estimator, n_train, min(m, n_train), 10.0, fold, mae))
    columns = ["estimator", "n_train", "m_sparse", "sigma_meV", "fold", "mae_test_meV"]
    return pd.DataFrame(parts, columns=columns).drop_duplicates(columns[:5])


@pytest.mark.parametrize(
    ("first", "second", "verdict", "agreeing"),
    [
        (-0.02, -0.05, "makes no major difference here", "in all 3 folds"),
        (-0.2, -0.3, "M = 2,000 does help here", "in all 3 folds"),
        (0.0, 0.4, "makes the error larger here", "in 0 of 3 folds"),
        (-0.3, -0.01, "but not at the largest, N = 9,000", "in all 3 folds"),
    ],
)
def test_whether_more_points_help(first, second, verdict, agreeing):
    change = insights.more_points(points(first, second), 1000, 2000, 10.0)
    assert list(change) == [4000, 9000]  # at N = 500 they are the same model
    assert change[9000].mean == pytest.approx(second + 0.001)
    text = findings.more_points(change, 1000, 2000)
    assert verdict in text
    assert agreeing in text


def test_estimators_are_compared_where_they_differ():
    found = insights.estimators_compared(points(0, 0), 1000, 10.0)
    assert found[500].mean == 0
    assert found[4000].mean == pytest.approx(0.25)
    text = findings.estimators(found, 1000)
    assert "+25.0 ± 0.0 % at N = 4,000" in text
    assert "N = 500" not in text
    assert "there are none" in findings.estimators({500: found[500]}, 1000)


def test_the_best_sigma_moves_up_down_or_nowhere():
    assert "moves up in all 3 folds" in findings.optimum(curves(), "dtc", "DTC")
    assert "σ = 10 meV (10 to 11 over the folds) for N = 500" in findings.optimum(curves(), "dtc", "DTC")
    assert "moves down in all 3 folds" in findings.optimum(curves(large=4.0), "dtc", "DTC")
    mixed = scan()
    mixed.loc[mixed.query("n_train == 4000 and fold == 1 and estimator == 'dtc'").index, "mae_test_meV"] = curve(5, 0.1)
    text = findings.optimum(insights.sigma_curves(mixed, 1000), "dtc", "DTC")
    assert "disagree about a shift: it moves up in 2 of 3 folds" in text
    assert "may lie beyond" not in text
    edge = scan()
    edge.loc[edge.query("n_train == 4000").index, "mae_test_meV"] = np.tile(SIGMAS, 6)
    assert "may lie beyond" in findings.optimum(insights.sigma_curves(edge, 1000), "dtc", "DTC")


def test_curves_flatten_or_not():
    assert "flatter for the larger N in all 3 folds" in findings.flattening(curves(), "dtc", "DTC")
    assert "not flatter for the larger N in any fold" in findings.flattening(curves(flat=0.5), "dtc", "DTC")
    assert "at least a factor of" in findings.flattening(curves(flat=0.001), "dtc", "DTC")


def test_a_curve_may_be_wider_at_its_minimum_and_steeper_at_its_end():
    wider = curves()
    wider.loc[wider["n_train"] == 4000, "rise_small"] = 2 * wider.loc[wider["n_train"] == 500, "rise_small"].max()
    assert "Towards small σ it is steeper all the same." in findings.flattening(wider, "dtc", "DTC")
    wider.loc[(wider["n_train"] == 4000) & (wider["fold"] == 1), "rise_small"] = 1.0
    assert "steeper" not in findings.flattening(wider, "dtc", "DTC")


def test_the_way_of_the_best_sigma_is_told():
    three = curves()
    between = three[three["n_train"] == 4000].assign(n_train=1000)
    between["best_sigma_meV"] = [100.0, 100.0, 0.1] * 2
    text = findings.optimum(pd.concat([three, between]), "dtc", "DTC")
    assert "In between it is 10 meV at N = 1,000." in text  # the geometric mean of all three
    assert "From N = 1,000 to 4,000 it moves down in 2 of 3 folds." in text
    same = three[three["n_train"] == 4000].assign(n_train=1000)
    assert "it does not move." in findings.optimum(pd.concat([three, same]), "dtc", "DTC")


def test_means_are_over_folds_that_all_compared_models_have():
    rows = [
        {"estimator": "dtc", "n_train": n, "m_sparse": m, "sigma_meV": 10.0, "fold": fold, "mae_test_meV": error,
         "mae_train_meV": error}
        for n, m, fold, error in [
            (100, 10, 0, 1.0), (100, 10, 1, 3.0), (100, 20, 0, 0.5), (100, 20, 1, np.nan),
            (200, 10, 0, 1.0), (200, 20, 1, 3.0),
            (300, 10, 0, 1.0), (300, 10, 1, 3.0), (300, 20, 0, np.nan), (300, 20, 1, np.nan),
        ]
    ]  # fmt: skip
    records = pd.DataFrame(rows)
    found = insights.summary(insights.in_shared_folds(records, ["n_train"])).set_index(["n_train", "m_sparse"])
    assert found.loc[(100, 10), ["mae_test_meV", "folds"]].tolist() == [1.0, 1]  # fold 1 lacks M = 20
    assert found.loc[(200, 10), "folds"] == found.loc[(200, 20), "folds"] == 1  # no fold in common: as they are
    assert found.loc[(300, 10), ["mae_test_meV", "folds"]].tolist() == [2.0, 2]  # M = 20 has no number at all
    assert records["mae_test_meV"].notna().sum() == 7  # the records stay as they were


def test_another_kernel_is_compared_fold_by_fold():
    usual = curves()
    usual = usual[usual["n_train"] == 4000]
    other = usual.assign(lowest_meV=1.1 * usual["lowest_meV"], best_sigma_meV=6 * usual["best_sigma_meV"])
    text = findings.kernels(usual, other, {"dtc": "DTC", "fitc": "FITC"}, 4000)
    assert "changes DTC's lowest error by +10.0 ± 0.0 % and moves its best σ by a factor of 6" in text
    assert "and FITC's lowest error by +10.0" in text
    one = findings.kernels(usual, other[other["fold"] == 1], {"dtc": "DTC"}, 4000, 3)
    first = usual[(usual["estimator"] == "dtc") & (usual["fold"] == 1)]
    assert f"its lowest instead of {first['rise_small'].item():.2f} times." in one  # of that fold alone
    assert "+10.0 % (one fold)" in one
    two = findings.kernels(usual, other[other["fold"] != 1], {"dtc": "DTC"}, 4000, 3)
    assert "+10.0 ± 0.0 % (2 folds)" in two
    assert findings.kernels(usual, other.iloc[:0], {"dtc": "DTC"}, 4000) == findings.MISSING


def test_the_rise_at_small_sigma_is_attributed_as_the_records_say():
    text, verdict = findings.small_sigma(curves(), PUBLISHED, 1000)
    assert "At N = 4,000" in text
    assert "The rise of both errors at small σ is FITC's (in all 3 folds). DTC stays nearly flat" in verdict
    _, verdict = findings.small_sigma(curves(flat=0.08), PUBLISHED, 1000)
    assert "DTC's test error rises too, though less" in verdict
    _, verdict = findings.small_sigma(curves(fitc_rise=-0.01, fitc_train=0.0), PUBLISHED, 1000)
    assert "do not explain the published rise" in verdict
    _, verdict = findings.small_sigma(curves(dtc_train=1.0), PUBLISHED, 1000)
    assert "the training errors do not tell the two apart" in verdict
    _, verdict = findings.small_sigma(curves(fitc_train=0.0), PUBLISHED, 1000)
    assert "the training errors do not tell the two apart" in verdict


def test_published_values_stand_beside_where_there_are_any():
    same = scan().replace({"n_train": {4000: 10_000}})
    text, _ = findings.small_sigma(insights.sigma_curves(same, 1000), PUBLISHED, 1000)
    assert "The published values at this N: 2.46 times the lowest test error and 1.90 times" in text  # 73.98 / 30.05
    assert "moves up." in findings.optimum(PUBLISHED, "published", "The published values")
    assert "fold" not in findings.flattening(PUBLISHED, "published", "The published values")


def test_nothing_is_said_without_records():
    empty = insights.sigma_curves(scan().iloc[:0], 1000)
    for text in (
        findings.optimum(empty, "dtc", "DTC"),
        findings.flattening(empty, "fitc", "FITC"),
        *findings.small_sigma(empty, PUBLISHED, 1000),
        findings.more_points({}, 1000, 2000),
    ):
        assert text == findings.MISSING
    up_to_m = curves().query("n_train == 500")
    assert "the same model" in findings.small_sigma(up_to_m, PUBLISHED, 1000)[1]
    with_gaps = scan()
    with_gaps["mae_test_meV"] = np.nan
    table = insights.summary(with_gaps)
    assert (table["folds"] == 0).all()
    assert table["mae_test_meV"].isna().all()


def test_one_fold_has_no_spread_and_no_sentence_has_a_nan():
    one = scan().query("fold == 0")
    found = insights.sigma_curves(one, 1000)
    texts = [findings.optimum(found, "dtc", "DTC"), findings.flattening(found, "fitc", "FITC")]
    texts += findings.small_sigma(found, PUBLISHED, 1000)
    change = insights.more_points(points(-0.1, -0.2).query("fold == 0"), 1000, 2000, 10.0)
    texts.append(findings.more_points(change, 1000, 2000))
    assert "nan" not in " ".join(texts)
    assert "-20.0 % (one fold) at N = 9,000" in texts[-1]
    assert "in the one fold there is" in texts[-1]


def test_summary_by_hand():
    table = insights.summary(scan()).set_index(insights.MODEL)
    row = table.loc[("dtc", 500, 500, 10.0)]
    values = [curve(10.0 * (1 + 0.05 * fold), 0.08 * (1 + 0.05 * fold))[4] for fold in range(3)]
    assert row["mae_test_meV"] == pytest.approx(np.mean(values))
    assert row["mae_test_std_meV"] == pytest.approx(np.std(values, ddof=1))
    assert row["folds"] == 3
