"""Figures of structures show the atoms and numbers they are given; costs are those of the labels they time."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import EllipseCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure

from synthetic_atoms.datasets import load_local_energies, load_total_energies
from synthetic_atoms.descriptors import coordination_numbers
from synthetic_atoms.errors import ParameterError
from synthetic_atoms.figures import chain, dataset, structures
from synthetic_atoms.figures.style import COORDINATION_COLOURS
from synthetic_atoms.paths import data_directory
from synthetic_atoms.structure import neighbourhood
from synthetic_atoms.synthesis.crystals import diamond, graphite


def circles(axes) -> np.ndarray:
    return np.concatenate([c.get_offsets() for c in axes.collections if isinstance(c, EllipseCollection)])


def test_colours_are_those_of_the_categories():
    found = structures.coordination_colours(np.array([2, 3, 4, 5]))
    expected = [*(to_rgb(COORDINATION_COLOURS[name]) for name in ("sp", "sp2", "sp3")), to_rgb(structures.OTHER_COLOUR)]
    np.testing.assert_allclose(found, expected)


def test_a_cell_is_drawn_with_each_atom_inside_its_outline():
    atoms = diamond(2)
    axes = Figure(figsize=(3, 3)).add_axes((0, 0, 1, 1))
    structures.draw_cell(axes, atoms, structures.coordination_colours(coordination_numbers(atoms)))
    drawn = circles(axes)
    assert len(drawn) == len(atoms)
    outline = np.concatenate([line.get_xydata() for line in axes.lines])
    assert len(axes.lines) == 12
    assert np.all(drawn >= outline.min(axis=0) - 1e-9)
    assert np.all(drawn <= outline.max(axis=0) + 1e-9)


def test_a_neighbourhood_is_labelled_with_its_bond_lengths():
    axes = Figure(figsize=(3, 3)).add_axes((0, 0, 1, 1))
    structures.draw_neighbourhood(axes, neighbourhood(graphite(4), 0))
    assert [text.get_text() for text in axes.texts] == ["1.42"] * 3
    assert len(circles(axes)) == 1 + 3 + 6 + 1  # and the ring around the first


def test_the_chain_takes_a_melt_an_annealing_and_a_final_frame_of_one_trajectory():
    data = load_local_energies("embedded")
    frames = chain.choose_frames(data)
    assert len({int(data.trajectory[frame]) for frame in frames}) == 1
    hot, warm, cold = data.temperature_K[frames]
    assert hot >= 8000
    assert 1999 <= warm <= 4001
    assert cold == 300
    assert np.all(np.diff(data.time_ps[frames]) > 0)


def test_the_chain_says_what_it_is_told_and_draws_every_atom_twice():
    atoms = diamond(1)
    coordination = coordination_numbers(atoms)
    figure = chain.chain(
        atoms,
        coordination,
        np.ones((8, 3)),
        [atoms] * 3,
        [coordination] * 3,
        [np.linspace(-8, -7, 8)] * 3,
        stages=["one", "two", "three"],
        texts={name: f"text {name}" for name in chain.TEXTS},
    )
    said = {text.get_text() for text in figure.texts}
    assert {f"text {name}" for name in chain.TEXTS} | {"one", "two", "three"} <= said
    assert [len(circles(axes)) for axes in figure.axes[:8]] == [8] * 8


def shares() -> pd.DataFrame:
    """Two trajectories at each of two densities."""
    return pd.DataFrame(
        {
            "trajectory": range(4),
            "density_g_cm3": [1.0, 1.0, 3.0, 3.0],
            "anneal_temperature_K": [2000.0, 4000.0, 2000.0, 4000.0],
            "sp_percent": [20.0, 10.0, 0.0, 0.0],
            "sp2_percent": [70.0, 80.0, 60.0, 50.0],
            "sp3_percent": [10.0, 10.0, 40.0, 50.0],
        }
    )


def test_shares_are_drawn_with_their_means():
    drawn = [line.get_ydata() for line in dataset.shares_by_density(shares()).axes[0].lines]
    for column in ("sp_percent", "sp2_percent", "sp3_percent"):
        each, mean = shares()[column], shares().groupby("density_g_cm3")[column].mean()
        assert any(np.array_equal(values, each) for values in drawn)
        assert any(np.array_equal(values, mean) for values in drawn)


def test_the_map_has_a_square_for_each_trajectory():
    panels = dataset.shares_by_density_and_temperature(shares()).axes[:2]
    for axes, column in zip(panels, ("sp_percent", "sp3_percent"), strict=True):
        np.testing.assert_array_equal(axes.collections[0].get_array(), shares()[column])
        np.testing.assert_array_equal(
            axes.collections[0].get_offsets(), shares()[["density_g_cm3", "anneal_temperature_K"]]
        )


def test_rings_and_radial_distributions_draw_their_tables():
    rings = pd.DataFrame(
        {
            "density_g_cm3": np.repeat([1.0, 3.0], 4),
            "ring_size": [5, 6, 7, 8] * 2,
            "rings_per_100_atoms": np.arange(8.0),
        }
    )
    lines = dataset.rings_by_density(rings).axes[0].lines
    assert [list(line.get_ydata()) for line in lines] == [[0, 4], [1, 5], [2, 6], [3, 7]]
    table = pd.DataFrame({"density_g_cm3": np.repeat([1.0, 3.0], 3), "r_A": [1.0, 1.5, 2.0] * 2, "g": [0, 3, 1] * 2})
    crystals = pd.DataFrame({"crystal": ["graphite", "diamond"], "distance_A": [1.42, 1.54]})
    axes = dataset.radial_distributions(table, crystals).axes[0]
    curves = [line.get_ydata() for line in axes.lines if len(line.get_ydata()) == 3]
    np.testing.assert_allclose([curve - curve[0] for curve in curves], [[0, 3, 1]] * 2)
    assert {f"{density} g/cm³" for density in ("1.0", "3.0")} == {text.get_text() for text in axes.texts}


class TestCosts:
    """Times cannot be tested; that the labels timed are the stored ones can."""

    def test_the_labels_are_those_stored(self):
        pytest.importorskip("tblite")
        pytest.importorskip("quippy")
        from synthetic_atoms.synthesis import costs
        from synthetic_atoms.synthesis.teacher import Teacher

        cells = load_total_energies("embedded")
        qm = costs.qm_cost([cells.atoms(5)])
        teacher = costs.teacher_cost(
            Teacher(data_directory() / "embedded" / "teacher.tar.xz"), [cells.atoms(5), cells.atoms(6)]
        )
        assert (qm.n_atoms, qm.n_structures, teacher.n_structures) == (64, 1, 2)
        assert qm.largest_change_eV < 1e-4
        assert teacher.largest_change_eV < 1e-4
        assert qm.ms_per_atom > teacher.ms_per_atom > 0.01  # a label that quippy remembers takes microseconds

    def test_sizes_that_differ_end_in_one_sentence(self):
        pytest.importorskip("tblite")
        from synthetic_atoms.synthesis import costs

        with pytest.raises(ParameterError, match="one size"):
            costs.qm_cost([diamond(1), diamond(2)])
