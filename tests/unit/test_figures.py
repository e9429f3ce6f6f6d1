"""Figures show the numbers they are given."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm

from synthetic_atoms import published
from synthetic_atoms.errors import DataError
from synthetic_atoms.figures import dataset, learning_curves


def test_densities_are_those_of_the_distribution_and_have_unit_area():
    rng = np.random.default_rng(0)
    energies = np.concatenate([rng.normal(-7, 0.4, 20_000), rng.normal(-9, 0.5, 20_000)])
    coordination = np.repeat([2, 3], 20_000)
    densities = dataset.energy_densities(energies, coordination)
    assert set(densities["category"]) == {"sp", "sp2"}  # nothing is drawn for the category that has no atoms
    for name, centre, width in (("sp", -7, 0.4), ("sp2", -9, 0.5)):
        part = densities[densities["category"] == name]
        assert np.trapezoid(part["density_per_eV"], part["energy_eV"]) == pytest.approx(1, abs=0.01)
        expected = norm.pdf(part["energy_eV"], centre, width)
        np.testing.assert_allclose(part["density_per_eV"], expected, atol=0.06)


def test_no_atoms_of_a_category_end_in_one_sentence():
    with pytest.raises(DataError, match=r"two .sp., three .sp². and four .sp³. neighbours"):
        dataset.energy_densities(np.array([-1.0, -2.0]), np.array([1, 5]))


def test_the_energy_figure_draws_its_table():
    rng = np.random.default_rng(1)
    densities = dataset.energy_densities(rng.normal(size=300), rng.integers(2, 5, size=300))
    axes = dataset.energy_distributions(densities).axes[0]
    assert [line.get_label() for line in axes.lines] == [
        "sp (2 neighbours)",
        "sp² (3 neighbours)",
        "sp³ (4 neighbours)",
    ]
    for line, (_, part) in zip(axes.lines, densities.groupby("category", sort=False), strict=True):
        np.testing.assert_array_equal(line.get_ydata(), part["density_per_eV"])
    assert "(eV)" in axes.get_xlabel()


def summary() -> pd.DataFrame:
    """Two models at three sizes, one fit missing."""
    return pd.DataFrame(
        {
            "model": ["GPR"] * 3 + ["NN"] * 3,
            "n_train": [100, 1000, 10_000] * 2,
            "mae_test_meV": [150.0, 50.0, 30.0, 170.0, np.nan, 32.0],
            "mae_test_std_meV": [5.0, 3.0, 1.0, 6.0, np.nan, 1.0],
            "mae_train_meV": [1.0, 10.0, 20.0, 30.0, np.nan, 8.0],
            "mae_sp_meV": [400.0, 100.0, 60.0, 500.0, np.nan, 80.0],
            "mae_sp2_meV": [140.0, 45.0, 28.0, 160.0, np.nan, 30.0],
            "mae_sp3_meV": [130.0, 44.0, 29.0, 150.0, np.nan, 31.0],
        }
    )


def test_learning_curves_draw_ours_and_the_published_values_and_leave_a_gap():
    paper = published.table("fig3_learning_curves")
    axes = learning_curves.learning_curves(summary(), paper).axes[0]
    drawn = [np.asarray(line.get_ydata(), dtype=float) for line in axes.lines]
    for model in ("GPR", "NN"):
        ours = summary()[summary()["model"] == model]["mae_test_meV"].to_numpy()
        theirs = paper[paper["model"] == model]["mae_test_meV"].to_numpy()
        for expected in (ours, theirs):
            assert any(len(y) == len(expected) and np.array_equal(y, expected, equal_nan=True) for y in drawn)
    assert axes.get_xscale() == axes.get_yscale() == "log"
    assert "(meV)" in axes.get_ylabel()


@pytest.mark.parametrize("draw", [learning_curves.by_coordination, learning_curves.train_and_test])
def test_other_figures_draw_every_model(draw):
    figure = draw(summary())
    values = np.concatenate([line.get_ydata() for axes in figure.axes for line in axes.lines]).astype(float)
    assert {28.0, 31.0} <= set(values) or {8.0, 30.0} <= set(values)
    assert "environments, N" in figure.get_supxlabel() + figure.axes[0].get_xlabel()


def test_ratios_of_two_teachers_are_drawn_as_they_are_given():
    part = pd.DataFrame({"n_train": [100, 1000], "ratio": [1.2, 1.1], "low": [1.1, 1.0], "high": [1.4, 1.2]})
    other = part.assign(ratio=[0.9, 0.8], low=[0.8, 0.7], high=[1.0, 0.9])
    figure = learning_curves.teacher_ratios({"NN / GPR": {"GAP": part, "POD": other}, "DKL / NN": {"GAP": other}})
    first, second = figure.axes
    assert [axes.get_title() for axes in (first, second)] == ["NN / GPR", "DKL / NN"]
    drawn = [container.lines[0].get_ydata().tolist() for container in first.containers]
    assert drawn == [[1.2, 1.1], [0.9, 0.8]]
    assert [text.get_text() for text in figure.legends[0].get_texts()] == ["GAP's labels", "POD's labels"]
