"""Figures of the search for settings and of the generalisation gap: what they draw, and where their ticks lie."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synthetic_atoms.figures import search


@pytest.fixture
def records() -> pd.DataFrame:
    rng = np.random.default_rng(0)
    return pd.DataFrame(
        {
            "model": ["NN"] * 8 + ["DKL"] * 8,
            "learning_rate": np.geomspace(1.3e-4, 2.8e-3, 16),
            "dropout": rng.uniform(0, 0.6, 16),
            "depth": [1, 2, 3, 4, 5, 1, 2, 3] * 2,
            "mae_validation_meV": [*rng.uniform(50, 300, 15), np.inf],
            "mae_validation_std_meV": 5.0,
            "repeats": 5,
        }
    )


def test_each_finished_trial_has_a_point_and_the_best_of_each_model_is_filled(records):
    figure = search.trials(records, {"learning_rate": "learning rate", "dropout": "dropout", "depth": "hidden layers"})
    assert list(figure.axes[2].get_xticks()) == [1, 2, 3, 4, 5]
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["3e-4", "1e-3"]
    for axes in figure.axes[:2]:
        drawn = {tuple(point) for line in axes.lines for point in np.column_stack(line.get_data())}
        assert len([point for point in drawn if np.isfinite(point).all()]) == 15
        filled = [
            line
            for line in axes.lines
            if line.get_markerfacecolor() not in ("none", "white") and len(line.get_xdata()) == 1
        ]
        best = records.groupby("model")["mae_validation_meV"].min()
        assert {float(line.get_ydata()[0]) for line in filled} == set(best)


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (52, 420, [50, 100, 200, 300]),
        (31, 1200, [30, 50, 100, 200, 300, 500, 1000]),
        (61, 84, [61, 84]),
        (3.14, 3.14, [3.1]),
    ],
)
def test_errors_have_labels_however_narrow_their_range(records, low, high, ticks):
    records["mae_validation_meV"] = np.geomspace(low, high, len(records))
    figure = search.trials(records, {"dropout": "dropout"})
    assert figure.axes[0].get_yticks().tolist() == ticks
    assert [label.get_text() for label in figure.axes[0].get_yticklabels()] == [f"{tick:g}" for tick in ticks]


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [(1.3e-4, 2.8e-3, [3e-4, 1e-3]), (50, 484, [100, 300]), (10, 162, [10, 30, 100]), (3, 4, [3]), (2, 2.5, [2])],
)
def test_ticks_of_a_short_axis_lie_on_it(low, high, ticks):
    assert search._plain_ticks(float(low), float(high)) == pytest.approx(ticks)


@pytest.mark.parametrize(("value", "text"), [(3e-4, "3e-4"), (1e-3, "1e-3"), (0.03, "0.03"), (300.0, "300")])
def test_ticks_are_short(value, text):
    assert search._short(value) == text


def test_a_model_that_only_the_larger_set_has_is_drawn_too():
    def table(model: str, n_train: int) -> pd.DataFrame:
        return pd.DataFrame({"model": [model], "n_train": [n_train], "mae_test_meV": [30.0], "mae_train_meV": [10.0]})

    figure = search.gaps(table("GPR", 1000), table("NN", 1000), table("NN", 10**6))
    labels = {line.get_label(): line.get_xydata().tolist() for line in figure.axes[0].lines}
    assert labels["NN, all trajectories"] == [[1e6, 3.0]]
    assert labels["NN, published"] == [[1e3, 3.0]]
    assert "NN, this book" not in labels
