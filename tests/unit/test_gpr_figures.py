"""Figures of the sparse GPR show the numbers they are given, ours and the published ones apart."""

from __future__ import annotations

import numpy as np
import pandas as pd

from synthetic_atoms import published
from synthetic_atoms.figures import gpr


def lines(axes) -> list[np.ndarray]:
    return [np.asarray(line.get_ydata(), dtype=float) for line in axes.lines if len(line.get_ydata())]


def test_curves_for_each_m_stand_beside_the_published_ones_and_leave_a_gap():
    mae = [90, 80, 70, 90, np.nan, 30]
    ours = pd.DataFrame({"points": [100] * 3 + [5000] * 3, "n_train": [100, 1000, 10_000] * 2, "mae_test_meV": mae})
    paper = published.table("fig4a_sparse_points")
    figure = gpr.sparse_points(ours, paper[paper["m_sparse"].isin([100, 5000])])
    left, right = figure.axes
    assert len(lines(left)) == len(lines(right)) == 2
    np.testing.assert_array_equal(lines(left)[1], [90, np.nan, 30])
    expected = paper[paper["m_sparse"] == 5000].sort_values("n_train")["mae_test_meV"]
    np.testing.assert_array_equal(lines(right)[1], expected)
    assert all(line.get_linestyle() == "--" for line in right.lines)
    assert all(line.get_markerfacecolor() == "white" for line in right.lines)
    assert left.lines[1].get_color() == right.lines[1].get_color()
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["100", "5,000"]


def scan() -> pd.DataFrame:
    rows = [
        (estimator, n, sigma, 30 + n / 1000 + k, 20 + k)
        for estimator in ("dtc", "fitc")
        for n in (1000, 10_000)
        for k, sigma in enumerate((0.1, 10.0, 1000.0))
    ]
    return pd.DataFrame(rows, columns=["estimator", "n_train", "sigma_meV", "mae_test_meV", "mae_train_meV"])


def test_each_estimator_has_a_panel_and_the_published_scan_another():
    paper = published.table("fig4b_regularisation")
    figure = gpr.regularisation(scan(), paper[paper["n_train"].isin([1000, 10_000])])
    dtc, fitc, theirs, legend = figure.axes
    for axes in (dtc, fitc):
        np.testing.assert_array_equal(lines(axes), [[31, 32, 33], [40, 41, 42]])
        assert axes.get_xscale() == axes.get_yscale() == "log"
    assert [len(y) for y in lines(theirs)] == [13, 13]
    assert len(legend.get_legend().get_texts()) == 2
    assert "(meV)" in figure.get_supxlabel()
    assert "(meV)" in figure.get_supylabel()
    only = gpr.regularisation(scan().assign(mae_test_meV=np.nan), paper)  # nothing in the store: still a figure
    assert len(lines(only.axes[2])) == 6


def test_test_and_training_errors_have_a_panel_each():
    paper = published.table("fig4b_regularisation")
    at_size = scan().query("n_train == 10000")
    test, train = gpr.small_sigma(at_size, paper[paper["n_train"] == 10_000]).axes
    assert [len(y) for y in lines(test)] == [len(y) for y in lines(train)] == [3, 3, 13]
    np.testing.assert_array_equal(lines(test)[0], [40, 41, 42])
    np.testing.assert_array_equal(lines(train)[0], [20, 21, 22])
    nothing = gpr.small_sigma(at_size.assign(mae_test_meV=np.nan, mae_train_meV=np.nan), paper.iloc[:0])
    assert nothing.axes[0].get_yscale() == "log"
    without = gpr.small_sigma(at_size, paper.iloc[:0])
    assert len(without.axes[0].lines) == 2
    assert [text.get_text() for text in without.legends[0].get_texts()] == ["DTC", "FITC"]
