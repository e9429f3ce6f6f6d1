"""The grid of pre-training and fine-tuning, what is read from its records, and a whole small run."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from synthetic_atoms.errors import ParameterError
from synthetic_atoms.experiments import fine_tuning as experiment
from synthetic_atoms.experiments import fine_tuning_findings as findings
from synthetic_atoms.experiments import fine_tuning_grid as grid
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.paths import data_directory

REAL_STORE = experiment.RecordStore(data_directory() / "records" / "fine_tuning.csv", grid.ASKED, grid.FOUND)
SMALL = grid.FineTuning(Dataset("embedded", n_trajectories=2), n_folds=2, n_cells=20, cell_passes=60)


def records(direct: dict[int, float], fine: dict[int, float], folds: int = 4, noise: float = 0.0) -> pd.DataFrame:
    """Records with given errors by number of labels."""
    rng = np.random.default_rng(0)
    rows = [
        {
            "training": training, "n_pretrain_environments": 1000 if training == grid.FINETUNED else 0,
            "n_qm_labels": n, "fold": fold, findings.ERROR: error * np.exp(noise * rng.normal()),
        }
        for training, curve in ((grid.DIRECT, direct), (grid.FINETUNED, fine))
        for n, error in curve.items()
        for fold in range(folds)
    ]  # fmt: skip
    return pd.DataFrame(rows)


def power(a: float, b: float, sizes=(25, 50, 100, 200, 400, 800)) -> dict[int, float]:
    return {n: a * n**b for n in sizes}


def test_how_many_times_fewer_labels_is_that_of_two_known_curves():
    table = records(power(800, -0.5), power(200, -0.25))  # equal errors at n and (n^0.5 / 4)^4 = n^2 / 256
    for n in (100, 200, 400):
        if 25 <= n**2 / 256 <= 800:
            assert findings.fewer_labels(table, n).value == pytest.approx(256 / n, rel=1e-6)
    assert findings.is_lower_bound(table, 50)
    assert findings.fewer_labels(table, 50).value == pytest.approx(2.0)  # of the smallest size, 25
    assert np.isnan(findings.fewer_labels(table, 999).value)


def test_fine_tuning_that_is_never_as_good_has_no_ratio():
    assert np.isnan(findings.fewer_labels(records(power(100, -0.5), power(1000, -0.1)), 800).value)


def test_where_two_lines_meet():
    table = records(power(800, -0.5), power(100, -0.25), noise=0.02)
    meet = findings.meeting_point(table)
    assert meet.low < 8**4 < meet.high
    assert meet.value == pytest.approx(8**4, rel=0.4)
    assert np.isnan(findings.meeting_point(records(power(100, -0.2), power(90, -0.3))).value)


def test_lines_that_have_met_within_the_data_meet_nowhere_beyond_them():
    """They cross at (800 / 200)^4 = 256 labels; in the other order direct training never catches up."""
    assert np.isnan(findings.meeting_point(records(power(800, -0.5), power(200, -0.25))).value)
    assert np.isnan(findings.meeting_point(records(power(100, -0.25), power(800, -0.5))).value)


def test_paired_difference_has_an_interval_around_it():
    gap = findings.paired(records({100: 50.0}, {100: 45.0}, noise=0.01))
    assert gap.low < gap.value < gap.high
    assert gap.value == pytest.approx(5.0, abs=0.8)


def test_from_which_size_on_pre_training_helps():
    rows = [
        {"training": grid.FINETUNED, "n_pretrain_environments": n, "n_qm_labels": 9, "fold": k, findings.ERROR: e + k}
        for n, e in {10: 40.0, 100: 60.0, 1000: 45.0, 10_000: 44.0}.items()
        for k in range(3)
    ]
    rows += [
        {"training": grid.DIRECT, "n_pretrain_environments": 0, "n_qm_labels": 9, "fold": k, findings.ERROR: 50.0 + k}
        for k in range(3)
    ]
    assert findings.helps_from(pd.DataFrame(rows)) == (1000, 3)
    rows[-1][findings.ERROR] = 40.0  # one fold in which direct training is better
    assert findings.helps_from(pd.DataFrame(rows)) == (None, 3)


def test_cells_of_smaller_sets_are_part_of_larger_ones():
    study = grid.FineTuning(n_folds=10)
    small, large = (grid.cells_of(study, grid.direct(study, n, 3)) for n in (50, 400))
    test = study.cells()[3].test
    for train, held_out in (small, large):
        assert not set(train) & set(held_out)
        assert not set(test) & (set(train) | set(held_out))
    assert set(np.concatenate(small)) <= set(np.concatenate(large))
    assert [len(part) for part in small] == [45, 5]


def test_pre_training_sees_no_test_trajectory():
    study = grid.FineTuning(n_folds=10)
    data, split = study.dataset.load(), study.environments()[0]
    seen = data.trajectory[data.frame[split.sample(study.most_environments())]]
    assert not set(seen) & set(data.trajectory[data.frame[split.test]])


def test_hyperparameters_are_interpolated_between_the_sizes_of_the_search():
    for training in (grid.DIRECT, grid.FINETUNED):
        small, large = (grid.CHOSEN[training][n] for n in (100, 1462))
        assert grid.chosen(training, 25) == grid.chosen(training, 100) == small
        assert grid.chosen(training, 5000) == large
        middle = grid.chosen(training, round(np.sqrt(100 * 1462)))
        for name in ("learning_rate", "weight_decay"):
            assert middle[name] == pytest.approx(np.sqrt(small[name] * large[name]), rel=0.01)


@pytest.mark.parametrize("training", [grid.DIRECT, grid.FINETUNED])
def test_the_chosen_settings_are_those_of_the_lowest_validation_error(training):
    """Of the trials in the store, up to rounding."""
    stored = REAL_STORE.read()
    stored = stored[stored["training"] == training]
    points = grid.trials(training, 9)
    for n, chosen in grid.CHOSEN[training].items():
        found = {}
        for row in stored[(stored["n_qm_labels"] == n) & (stored["fold"] == 0)].itertuples():
            settings = json.loads(row.hyperparameters)
            for index, point in enumerate(points):
                capped = point | {"batch_size": min(point["batch_size"], n // 5)}
                if all(settings[name] == value for name, value in capped.items()):
                    found[index] = row.rmse_validation_meV_per_atom
        assert len(found) == 9
        best = points[min(found, key=found.get)]
        assert {**best, "batch_size": min(best["batch_size"], n // 5)} == pytest.approx(chosen, rel=0.05)


def test_more_than_there_is_is_refused():
    with pytest.raises(ParameterError, match="at most"):
        grid.requests(SMALL, [grid.direct(SMALL, 500, 0)])
    with pytest.raises(ParameterError, match="among direct, fine-tuned"):
        grid.trials(grid.PRETRAINED, 2)


@pytest.mark.usefixtures("own_store_and_cache")
def test_a_small_run_gives_every_record_and_keeps_pre_training():
    most, labels = SMALL.most_environments(), SMALL.most_labels()
    fits = [grid.direct(SMALL, labels, 1), grid.pretrained(60, 1), grid.finetuned(SMALL, 60, labels, 1)]
    table = experiment.fine_tuning(SMALL, fits, use_store=False, workers=0)
    assert sorted(table["training"]) == sorted((grid.DIRECT, grid.FINETUNED, grid.PRETRAINED))
    assert np.isfinite(table.filter(like="rmse_test").to_numpy(dtype=float)).all()
    kept = experiment.weight_files(SMALL, fits[1])[1]
    assert kept.is_file()
    again = experiment.run_fit((SMALL, fits[2]))
    row = table[table["training"] == grid.FINETUNED].iloc[0]
    assert again["rmse_test_meV_per_atom"] == pytest.approx(row["rmse_test_meV_per_atom"], rel=1e-6)
    assert most > 60
    study, fit = experiment.fit_of(row.to_dict())
    assert fit == fits[2]
    assert study.n_folds == 2


def competitors(*settings: tuple[str, list[float]]) -> pd.DataFrame:
    """Records of direct training on 100 labels: validation errors by fold for each of some settings."""
    return pd.DataFrame(
        [
            {
                "training": grid.DIRECT, "n_pretrain_environments": 0, "n_qm_labels": 100, "fold": fold,
                "hyperparameters": name, findings.VALIDATION: error, findings.ERROR: 100 - error,
            }
            for name, errors in settings
            for fold, error in enumerate(errors)
        ]
    )  # fmt: skip


def test_the_settings_with_the_lower_validation_error_over_all_folds_are_used():
    table = competitors(("search", [10.0, 40.0, 40.0]), ("plain", [30.0, 30.0, 20.0]))
    found = findings.selected(table)
    assert set(found["hyperparameters"]) == {"plain"}  # though its test errors are higher, and it loses in fold 0
    assert list(found["fold"]) == [0, 1, 2]


@pytest.mark.parametrize(
    ("first", "second", "used"),
    [
        ([10.0, 10.0, 10.0], [1.0, np.nan, np.nan], "search"),  # what lacks folds does not compete
        ([np.nan, np.nan, np.nan], [1.0, 1.0, np.nan], "plain"),
        ([np.nan, np.nan, np.nan], [np.nan, np.nan, np.nan], "search"),
        ([5.0, 5.0, 5.0], [5.0, 5.0, 5.0], "search"),
    ],
)
def test_settings_compete_in_the_folds_that_all_have(first, second, used):
    found = findings.selected(competitors(("search", first), ("plain", second)))
    assert set(found["hyperparameters"]) == {used}
    assert len(found) == 3


def test_kinds_of_fits_choose_their_settings_by_themselves():
    one = competitors(("search", [1.0]), ("plain", [2.0]))
    other = competitors(("search", [2.0]), ("plain", [1.0])).assign(n_qm_labels=200)
    alone = competitors(("only", [np.nan])).assign(training=grid.PRETRAINED, n_qm_labels=0)
    found = findings.selected(pd.concat([one, other, alone], ignore_index=True))
    assert dict(zip(found["n_qm_labels"], found["hyperparameters"], strict=True)) == {
        100: "search", 200: "plain", 0: "only",
    }  # fmt: skip


def test_records_are_chosen_whatever_their_labels_are():
    one = competitors(("search", [1.0, 1.0]), ("plain", [2.0, 2.0]))
    other = competitors(("search", [2.0, 2.0]), ("plain", [1.0, 1.0])).assign(n_qm_labels=200)
    found = findings.selected(pd.concat([one, other]))  # each label twice
    assert sorted(zip(found["n_qm_labels"], found["hyperparameters"], strict=True)) == [
        (100, "search"), (100, "search"), (200, "plain"), (200, "plain"),
    ]  # fmt: skip


def test_what_unused_settings_cost_is_taken_fold_by_fold():
    used = records({100: 20.0, 1000: 10.0}, {1000: 5.0})
    unused = records({1000: 12.0}, {})
    unused[findings.ERROR] += unused["fold"]  # 2 to 5 more
    found = findings.cost_of_settings(unused, used)
    assert found.value == pytest.approx(3.5)
    assert 2.0 <= found.low < 3.5 < found.high <= 5.0


def test_each_kind_of_training_competes_with_the_plain_settings():
    for training in (grid.DIRECT, grid.FINETUNED):
        for n in (10, 100, 1000):
            searched, *plain = grid.candidates(training, n)
            assert searched == grid.chosen(training, n)
            assert plain == [grid.PLAIN]
    assert grid.candidates(grid.FINETUNED, 1462) == [grid.PLAIN]  # what its search has chosen
    few, many = (grid.directs(SMALL, n, 0) for n in (5, 18))
    assert [grid.is_plain(fit.hyperparameters) for fit in (*few, *many)] == [False, True, False, True]


def test_the_gain_of_the_least_pre_training_is_taken_in_the_folds_that_both_have():
    table = records({100: 10.0}, {100: 8.0})
    more = table[table["training"] == grid.FINETUNED].assign(n_pretrain_environments=5000)
    extra = table[(table["training"] == grid.DIRECT) & (table["fold"] == 0)].assign(fold=9, **{findings.ERROR: 1.0})
    ratio, n, folds = findings.gain_of_least_pretraining(pd.concat([table, more, extra], ignore_index=True))
    assert (n, folds) == (1000, 4)
    assert ratio == pytest.approx(0.8)
