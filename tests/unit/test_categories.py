"""Kinds of atoms and lengths of bonds, for carbon and for any other element."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import bulk
from matplotlib.collections import EllipseCollection
from matplotlib.figure import Figure

from synthetic_atoms import structure
from synthetic_atoms.categories import (
    CATEGORIES,
    atom_label,
    categories_of,
    how_many,
    legend_label,
    long_label,
    spelled,
)
from synthetic_atoms.descriptors import coordination_numbers
from synthetic_atoms.descriptors.coordination import bond_A, bond_of
from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.figures import dataset, galleries, structures
from synthetic_atoms.figures.style import COORDINATION_COLOURS, error_ticks, looks


@pytest.mark.parametrize(("symbol", "length"), [("C", 1.85), ("Si", 2.7), ("Cu", 3.21), ("Ar", 2.58)])
def test_bonds_scale_with_covalent_radii_from_carbons(symbol, length):
    assert bond_A(symbol) == length


@pytest.mark.parametrize(
    ("atoms", "neighbours"),
    [
        (bulk("C", "diamond", 3.57), 4),
        (bulk("Si", "diamond", 5.43), 4),
        (bulk("Cu", "fcc", 3.61), 12),
        (bulk("Ar", "fcc", 5.3), 0),
        (bulk("Si", "diamond", 5.43, cubic=True).repeat(2), 4),
    ],
    ids=str,
)
def test_each_element_is_counted_with_its_own_bonds(atoms, neighbours):
    assert set(coordination_numbers(atoms)) == {neighbours}


def test_a_list_may_hold_several_elements_but_a_structure_may_not():
    both = coordination_numbers([bulk("C", "diamond", 3.57), bulk("Si", "diamond", 5.43)])
    assert both.tolist() == [4] * 4
    carbide = bulk("SiC", "zincblende", 4.36)
    with pytest.raises(DataError, match=r"one element, or a cutoff .* found C and Si"):
        coordination_numbers(carbide)
    assert coordination_numbers(carbide, cutoff_A=2.0).tolist() == [4, 4]
    with pytest.raises(ParameterError, match="positive cutoff"):
        bond_of(carbide, 0.0)
    with pytest.raises(DataError, match="chemical symbol"):
        bond_A("Xx")
    assert coordination_numbers(Atoms()).tolist() == []


def test_carbon_keeps_the_papers_categories():
    assert categories_of("C", np.array([3, 3, 12])) == CATEGORIES
    assert categories_of("C", np.array([12, 12, 0])) == {"n0": 0, "n12": 12}


def test_other_elements_have_their_commonest_numbers():
    counts = np.repeat([3, 4, 5, 6], [20, 50, 30, 1])
    assert categories_of("Si", counts) == {"n3": 3, "n4": 4, "n5": 5}
    assert categories_of("Ar", np.zeros(7, dtype=int)) == {"n0": 0}


def test_categories_in_words():
    assert spelled(CATEGORIES) == "two (sp), three (sp²) and four (sp³) neighbours"
    assert spelled({"n4": 4, "n5": 5}) == "4 and 5 neighbours"
    assert spelled({"n1": 1}) == "1 neighbour"
    assert [long_label(name) for name in ("sp2", "n1", "n4")] == ["sp² (3 neighbours)", "1 neighbour", "4 neighbours"]
    assert [legend_label(name) for name in ("sp2", "n4")] == ["sp² (3)", "4"]
    assert [atom_label(name) for name in ("sp2", "n4")] == ["sp² atom", "atom with 4 neighbours"]
    assert [how_many(n, "map") for n in (1, 2, 26)] == ["one map", "two maps", "26 maps"]


def test_looks_follow_the_order_of_the_categories():
    assert [look.colour for look in looks(CATEGORIES).values()] == list(COORDINATION_COLOURS.values())
    assert looks(["n5"])["n5"].colour == COORDINATION_COLOURS["sp"]


def test_ticks_are_the_usual_ones_or_those_of_the_decades():
    usual = (20, 30, 50, 70, 100, 150, 200, 300)
    assert error_ticks(21.0, 221.0, usual) == [30, 50, 70, 100, 150, 200]
    assert error_ticks(0.9, 300.0, usual) == [1, 3, 10, 30, 100, 300]
    assert error_ticks(1.2, 4.0, usual) == [2, 3]


def silicon() -> Atoms:
    """A rattled crystal with atoms of three and four neighbours."""
    atoms = bulk("Si", "diamond", 5.43, cubic=True).repeat(2)
    atoms.rattle(0.12, seed=1)
    return atoms


def test_rings_and_neighbourhoods_of_silicon_use_its_bonds():
    crystal = bulk("Si", "diamond", 5.43, cubic=True).repeat(3)
    assert structure.ring_counts(crystal)[6] == 2 * len(crystal)
    assert structure.shortest_path_around(bulk("Si", "diamond", 5.43, cubic=True).repeat(2)) == 8
    one = structure.neighbourhood(crystal, 0)
    assert one.cutoff_A == 2.7
    assert np.bincount(one.shell).tolist() == [1, 4, 12]


def test_figures_name_other_categories_than_carbons():
    atoms = silicon()
    coordination = coordination_numbers(atoms)
    categories = categories_of("Si", coordination)
    assert set(categories) >= {"n4"}
    rng = np.random.default_rng(0)
    densities = dataset.energy_densities(0.01 * rng.normal(size=len(atoms)), coordination, categories)
    assert np.ptp(densities["energy_eV"]) < 0.2  # the margin follows the data
    axes = dataset.energy_distributions(densities, categories, zero="as stored").axes[0]
    assert {line.get_label() for line in axes.lines} <= {long_label(name) for name in categories}
    assert axes.get_xlabel() == "Per-atom energy as stored (eV)"
    figure = galleries.frame_gallery([atoms], [coordination], ["silicon"], categories)
    assert [text.get_text() for text in figure.legends[0].get_texts()][: len(categories)] == [
        legend_label(name) for name in categories
    ]


def test_silicon_is_drawn_larger_than_carbon_with_its_bonds():
    sizes = {}
    for symbol, edge in (("C", 3.57), ("Si", 5.43)):
        atoms = bulk(symbol, "diamond", edge, cubic=True)
        axes = Figure(figsize=(3, 3)).add_axes((0, 0, 1, 1))
        structures.draw_cell(axes, atoms, structures.coordination_colours(coordination_numbers(atoms)))
        sizes[symbol] = max(c._widths.max() for c in axes.collections if isinstance(c, EllipseCollection))
    assert sizes["Si"] / sizes["C"] == pytest.approx(2.7 / 1.85)


def test_bond_lengths_are_written_only_where_there_is_room():
    axes = [Figure(figsize=(3, 3)).add_axes((0, 0, 1, 1)) for _ in range(2)]
    structures.draw_neighbourhood(axes[0], structure.neighbourhood(bulk("Si", "diamond", 5.43), 0))
    structures.draw_neighbourhood(axes[1], structure.neighbourhood(bulk("Cu", "fcc", 3.61), 0, shells=1))
    assert [len(one.texts) for one in axes] == [4, 0]


def test_distances_without_crystals_have_no_legend():
    table = pd.DataFrame({"density_g_cm3": 1.4, "r_A": [3.0, 3.7, 5.0], "g": [0.0, 5.0, 1.0]})
    figure = dataset.radial_distributions(table, pd.DataFrame(columns=["crystal", "distance_A"]))
    assert not figure.legends
