"""Rings, shares, radial distribution functions and neighbourhoods, against crystals, an ideal gas and brute force."""

from __future__ import annotations

from itertools import combinations

import networkx as nx
import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import graphene, molecule
from ase.neighborlist import neighbor_list
from hypothesis import given, settings
from hypothesis import strategies as st

from synthetic_atoms import structure
from synthetic_atoms.datasets import load_local_energies
from synthetic_atoms.descriptors import coordination_numbers
from synthetic_atoms.descriptors.coordination import CARBON_BOND_A
from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.synthesis.crystals import DIAMOND_A, GRAPHITE_A, diamond, graphite

BOND_GRAPHENE_A = GRAPHITE_A[0] / np.sqrt(3)


@pytest.fixture(scope="module")
def data():
    return load_local_energies("embedded", n_trajectories=5, frames_per_trajectory=2, seed=3)


def sheet(repeat: int) -> Atoms:
    atoms = graphene("C2", a=GRAPHITE_A[0], size=(repeat, repeat, 1), vacuum=6.0)
    atoms.pbc = True
    return atoms


def buckyball() -> Atoms:
    atoms = molecule("C60")
    atoms.center(vacuum=5.0)
    return atoms


class TestRings:
    @pytest.mark.parametrize(
        ("atoms", "six_rings_per_atom"), [(sheet(6), 0.5), (graphite(6), 0.5), (diamond(3), 2.0)], ids=str
    )
    def test_graphene_graphite_and_diamond_have_six_rings_only(self, atoms, six_rings_per_atom):
        expected = np.zeros(9)
        expected[6] = six_rings_per_atom * len(atoms)
        np.testing.assert_array_equal(structure.ring_counts(atoms), expected)

    def test_a_buckyball_has_twelve_pentagons_and_twenty_hexagons(self):
        expected = [0, 0, 0, 0, 0, 12, 20, 0, 0, 0]
        np.testing.assert_array_equal(structure.ring_counts(buckyball(), largest=9), expected)

    def test_they_are_those_of_a_search_through_all_cycles(self, data):
        """Every cycle of bonds in a piece of a real frame, kept if no two atoms have a short cut."""
        frame = data.atoms(int(structure.final_frames(data)[-1]))
        piece = frame[np.argsort(frame.get_distances(0, range(len(frame)), mic=True))[:70]]
        piece.pbc = False
        graph = nx.Graph(zip(*neighbor_list("ij", piece, CARBON_BOND_A), strict=True))
        distance = dict(nx.all_pairs_shortest_path_length(graph))
        expected = np.zeros(9, dtype=int)
        for cycle in nx.simple_cycles(graph, length_bound=8):
            size = len(cycle)
            if all(distance[cycle[i]][cycle[j]] == min(j - i, size - j + i) for i, j in combinations(range(size), 2)):
                expected[size] += 1
        assert expected.sum() > 5
        np.testing.assert_array_equal(structure.ring_counts(piece), expected)

    def test_a_cell_and_two_of_it_have_the_same_rings_up_to_the_path_around_it(self, data):
        for frame in structure.final_frames(data)[:2]:
            atoms = data.atoms(int(frame))
            limit = structure.shortest_path_around(atoms)
            once, twice = (structure.ring_counts(cell, largest=limit) for cell in (atoms, atoms * (2, 1, 1)))
            np.testing.assert_array_equal(twice, 2 * once)

    def test_path_around_a_cell_of_a_crystal(self):
        # along the zigzag of a sheet, two bonds lead to the next cell; in diamond, four along an edge
        assert structure.shortest_path_around(sheet(5)) == 10
        assert structure.shortest_path_around(diamond(2)) == 8
        assert structure.shortest_path_around(buckyball()) is None

    def test_path_around_passes_over_atoms_without_neighbours(self):
        lonely = Atoms("C", positions=[[1.0, 1.0, 1.0]], cell=[6.0] * 3, pbc=True)
        assert structure.shortest_path_around(lonely) is None
        row = Atoms("C5", positions=[[1.5 * i, 3, 3] for i in range(4)] + [[3, 7, 7]], cell=[6.0, 9, 9], pbc=True)
        assert structure.shortest_path_around(row) == 4

    def test_atoms_without_bonds_have_no_rings(self):
        gas = Atoms("C2", positions=[[0, 0, 0], [4, 4, 4]], cell=[8.0] * 3, pbc=True)
        np.testing.assert_array_equal(structure.ring_counts(gas), np.zeros(9))

    def test_impossible_arguments_end_in_one_sentence(self):
        with pytest.raises(ParameterError, match="at least 3 atoms"):
            structure.ring_counts(diamond(), largest=2)

    def test_the_table_has_each_frame_and_size(self, data):
        frames = structure.final_frames(data)[:2]
        table = structure.ring_table(data, frames)
        assert list(table["ring_size"]) == [3, 4, 5, 6, 7, 8] * 2
        counts = structure.ring_counts(data.atoms(int(frames[1])))
        found = table[table["trajectory"] == data.trajectory[frames[1]]]["rings_per_100_atoms"]
        np.testing.assert_allclose(found, counts[3:] / 2.0)  # 200 atoms


class TestRadialDistribution:
    def test_an_ideal_gas_has_one_everywhere(self):
        rng = np.random.default_rng(0)
        n, edge = 400, 12.0
        gas = [Atoms(f"C{n}", positions=rng.uniform(0, edge, (n, 3)), cell=[edge] * 3, pbc=True) for _ in range(6)]
        r, g = structure.radial_distribution(gas, width_A=0.25)
        assert r[-1] == pytest.approx(edge / 2 - 0.125)
        pairs = 6 * n * n / 2 * 4 * np.pi * r**2 * 0.25 / edge**3
        # each atom sees n - 1 others; five standard deviations of a Poisson number
        assert np.all(np.abs(g - (n - 1) / n) < 5 / np.sqrt(pairs) + 1e-9)

    @pytest.mark.parametrize(
        ("atoms", "shells"),
        [
            (diamond(3), {np.sqrt(3) / 4 * DIAMOND_A: 4, DIAMOND_A / np.sqrt(2): 12, np.sqrt(11) / 4 * DIAMOND_A: 12}),
            (sheet(5), {BOND_GRAPHENE_A: 3, np.sqrt(3) * BOND_GRAPHENE_A: 6, 2 * BOND_GRAPHENE_A: 3}),
        ],
        ids=["diamond", "graphene"],
    )
    def test_shells_of_crystals_hold_their_neighbours(self, atoms, shells):
        width = 0.04
        r, g = structure.radial_distribution([atoms], width_A=width)
        density = len(atoms) / atoms.get_volume()
        edges = np.stack([r - width / 2, r + width / 2])
        neighbours = g * density * 4 / 3 * np.pi * (edges[1] ** 3 - edges[0] ** 3)
        for distance, number in shells.items():
            assert neighbours[np.abs(r - distance) < 0.1].sum() == pytest.approx(number, rel=1e-4)
        assert neighbours[r < 3.0].sum() == pytest.approx(sum(n for d, n in shells.items() if d < 3.0), rel=1e-4)

    def test_a_mean_over_frames_is_the_mean(self, data):
        frames = [data.atoms(0), data.atoms(1)]
        assert np.array_equal(frames[0].cell.array, frames[1].cell.array)
        both = structure.radial_distribution(frames)[1]
        np.testing.assert_allclose(both, np.mean([structure.radial_distribution([f])[1] for f in frames], axis=0))

    def test_what_has_no_g_ends_in_one_sentence(self):
        with pytest.raises(DataError, match="periodic cells"):
            structure.radial_distribution([buckyball()])
        with pytest.raises(DataError, match="periodic cells"):
            structure.radial_distribution([])
        with pytest.raises(DataError, match="wider than"):
            structure.radial_distribution([diamond(1)], width_A=3.0)
        with pytest.raises(ParameterError, match="positive width"):
            structure.radial_distribution([diamond(1)], width_A=0.0)


class TestTables:
    def test_final_frames_are_the_last_of_each_trajectory(self, data):
        frames = structure.final_frames(data)
        assert list(data.trajectory[frames]) == sorted(set(data.trajectory.tolist()))
        assert set(data.time_ps[frames]) == {160.0}

    def test_shares_are_those_counted_by_hand(self, data):
        coordination = coordination_numbers(data)
        frames = structure.final_frames(data)
        table = structure.coordination_shares(data, coordination, frames)
        for frame, (_, row) in zip(frames, table.iterrows(), strict=True):
            own = coordination[data.frame == frame]
            assert row["sp3_percent"] == pytest.approx(100 * np.mean(own == 4))
            assert row["sp_percent"] == pytest.approx(100 * np.mean(own == 2))
            assert row["density_g_cm3"] == pytest.approx(data.density_g_cm3[frame])

    @given(slope=st.floats(-20, 20), seed=st.integers(0, 1000))
    @settings(max_examples=20)
    def test_slope_with_temperature_is_found_whatever_density_does(self, slope, seed):
        rng = np.random.default_rng(seed)
        table = pd.DataFrame({"density_g_cm3": np.repeat([1.0, 2.0, 3.0], 4)})
        table["anneal_temperature_K"] = rng.uniform(2000, 4000, 12) + 300 * table["density_g_cm3"]
        table["share"] = 100 * table["density_g_cm3"] ** 2 + slope * table["anneal_temperature_K"] / 1000
        found, error = structure.slope_with_temperature(table, "share")
        assert found == pytest.approx(slope, abs=1e-6)
        assert error == pytest.approx(0, abs=1e-6)

    def test_one_trajectory_for_each_density_tells_no_slope(self):
        table = pd.DataFrame(
            {"density_g_cm3": [1.0, 2.0], "anneal_temperature_K": [2000.0, 3000.0], "share": [1.0, 2.0]}
        )
        assert structure.slope_with_temperature(table, "share") is None

    def test_typical_and_extreme_are_lowest_median_and_highest(self):
        energies = np.array([5.0, -1.0, 3.0, 0.0, 2.0, -9.0])
        table = structure.typical_and_extreme(energies, np.array([3, 3, 3, 3, 3, 3]), np.arange(5))
        assert table["environment"].tolist() == [1, 4, 0]
        assert set(table["category"]) == {"sp2"}


class TestNeighbourhood:
    def test_of_diamond_has_four_and_twelve(self):
        one = structure.neighbourhood(diamond(1), 3)  # eight atoms: neighbours are images of each other
        assert np.bincount(one.shell).tolist() == [1, 4, 12]
        np.testing.assert_allclose(one.bond_lengths_A, np.sqrt(3) / 4 * DIAMOND_A)
        assert set(one.coordination) == {4}
        assert len(one.bonds) == 16

    def test_of_a_sheet_is_flat(self):
        one = structure.neighbourhood(sheet(3), 0)
        assert np.bincount(one.shell).tolist() == [1, 3, 6]
        assert np.ptp(one.positions_A[:, 2]) < 1e-9

    def test_of_no_atom_ends_in_one_sentence(self):
        with pytest.raises(ParameterError, match="from 0 to 7"):
            structure.neighbourhood(diamond(1), 8)
