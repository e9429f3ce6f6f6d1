"""Maps: measures with known values, clusters, placing, examples, what is stored."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk
from ase.io import write

from synthetic_atoms.book.viewer import cutout
from synthetic_atoms.descriptors import coordination_numbers
from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.experiments import map_measures as measured
from synthetic_atoms.experiments import own_structure
from synthetic_atoms.experiments import structure_maps as experiment
from synthetic_atoms.figures.maps import two_colours
from synthetic_atoms.synthesis.crystals import diamond


def blobs(n: int = 200, apart: float = 50.0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    label = np.repeat([0, 1], n)
    return rng.normal(size=(2 * n, 2)) + apart * label[:, None], label


def test_kinds_that_are_apart_have_purity_one_and_mixed_ones_their_share():
    xy, label = blobs()
    assert measured.purity(measured.neighbours(xy), label) == 1.0
    mixed, label = blobs(n=2000, apart=0.0)
    assert measured.purity(measured.neighbours(mixed), label) == pytest.approx(0.5, abs=0.02)
    assert np.isnan(measured.purity(measured.neighbours(xy), label[: len(xy)] * 0, label=7))


def test_variance_among_neighbours_is_nothing_for_a_smooth_property_and_all_for_noise():
    xy = np.random.default_rng(1).uniform(size=(4000, 2))
    near = measured.neighbours(xy)
    assert measured.variance_ratio(near, xy[:, 0]) < 0.01
    noise = np.random.default_rng(2).normal(size=4000)
    assert measured.variance_ratio(near, noise) == pytest.approx(19 / 20, abs=0.02)  # of 20 values around their mean


def test_measures_of_a_map_that_is_the_representation():
    xy, label = blobs()
    found = measured.measures(xy, xy, label + 2, xy[:, 0], label)
    assert found["trustworthiness"] == found["continuity"] == pytest.approx(1.0)
    assert found["purity_sp"] == found["purity_sp2"] == found["purity_nn_clusters"] == 1.0
    assert np.isnan(found["purity_sp3"])
    assert 0 < found["ami"] <= 1


def test_clusters_are_numbered_by_size_and_keep_blobs_apart():
    rng = np.random.default_rng(0)
    sizes = [70, 60, 50, 40, 30, 20, 10]
    centres = 100 * np.array([(i % 3, i // 3) for i in range(7)])
    xy = np.concatenate([rng.normal(size=(n, 2)) + c for n, c in zip(sizes, centres, strict=True)])
    found = experiment.clusters(xy)
    np.testing.assert_array_equal(found, np.repeat(np.arange(7), sizes))


def test_the_two_colour_scale_is_red_for_diamond_and_blue_for_graphite():
    base = np.linspace(0, 1, 101)
    only_diamond, _ = two_colours(np.append(base, 1.0), np.append(base, 0.0))
    red, green, blue = only_diamond[-1]
    assert red > 0.9
    assert max(green, blue) < 0.3
    only_graphite, _ = two_colours(np.append(base, 0.0), np.append(base, 1.0))
    assert only_graphite[-1][2] > 0.9
    assert only_graphite[-1][0] < 0.3


@pytest.mark.parametrize(("name", "numbers"), [("C60", {3: 60}), ("graphene-edge", None), ("diamond-surface", None)])
def test_examples_are_what_their_names_say(name, numbers):
    atoms = own_structure.load_structure(name)
    counts = dict(zip(*np.unique(coordination_numbers(atoms), return_counts=True), strict=True))
    if numbers:
        assert counts == numbers
    if name == "graphene-edge":
        assert set(counts) == {2, 3}
    if name == "diamond-surface":
        assert {2, 4} <= set(counts)


def test_structures_that_cannot_be_placed_end_in_one_sentence(tmp_path):
    with pytest.raises(DataError, match="found no file 'nothing'"):
        own_structure.load_structure("nothing")
    write(tmp_path / "si.extxyz", bulk("Si"))
    with pytest.raises(DataError, match="Expected C atoms only"):
        own_structure.load_structure(str(tmp_path / "si.extxyz"))
    (tmp_path / "bad.extxyz").write_text("3\nnot a structure")
    with pytest.raises(DataError, match="ASE reads"):
        own_structure.load_structure(str(tmp_path / "bad.extxyz"))


def test_stored_maps_are_those_of_the_present_data():
    study = experiment.MapStudy()
    maps = experiment.stored_maps(study)
    assert maps is not None
    np.testing.assert_array_equal(maps.rows, study.rows())
    assert set(maps.cluster) == set(range(experiment.N_CLUSTERS))
    coordination = study.dataset.coordination()[maps.rows]
    near = measured.neighbours(maps.coordinates[experiment.LEARNED])
    assert measured.purity(near, coordination, 2) > 0.8  # the island of sp atoms


@pytest.mark.parametrize("other", [{"n_neighbors": 15}, {"min_dist": 0.5}, {"n_epochs": 10}, {"n_environments": 500}])
def test_maps_with_other_settings_are_not_those_that_are_stored(other):
    assert experiment.stored_maps(experiment.MapStudy(**other)) is None


def test_maps_come_back_for_the_settings_that_they_were_made_with(tmp_path, monkeypatch):
    monkeypatch.setattr(experiment, "data_directory", lambda: tmp_path)
    study = experiment.MapStudy(n_environments=50, n_neighbors=5)
    rng = np.random.default_rng(0)
    places = {name: rng.normal(size=(50, 2)) for name in experiment.MAPS}
    experiment.write_maps(study, experiment.StoredMaps(study.rows(), places, np.arange(50) % 7, (1.0, 2.0, 3.0)))
    found = experiment.stored_maps(study)
    for name in experiment.MAPS:
        np.testing.assert_allclose(found.coordinates[name], places[name], rtol=1e-3)
    assert found.seconds == (1.0, 2.0, 3.0)
    assert experiment.stored_maps(replace(study, n_neighbors=6)) is None
    assert experiment.stored_maps(replace(study, training=replace(study.training, soap="plain"))) is None


def test_an_environment_of_the_map_is_placed_where_it_is():
    """A structure that is on the map: its atoms fall onto their own places."""
    study = experiment.MapStudy(n_environments=600)
    rows = study.rows()
    xy = np.random.default_rng(0).normal(size=(len(rows), 2))
    maps = experiment.StoredMaps(rows, {"SOAP": xy, "NN": xy}, np.zeros(len(rows), dtype=int))
    data = study.dataset.load()
    row = int(rows[0])
    frame = int(data.frame[row])
    spots, table = own_structure.place(study, maps, data.atoms(frame), n_known=500)
    atom = row - int(data.offsets[frame])
    for name in ("SOAP", "NN"):
        np.testing.assert_allclose(spots[name][atom], xy[0], atol=1e-2)
    assert table.loc[atom, "nearest"] == row
    assert len(own_structure.kinds(table)) <= len(table)
    assert table["percentile"].between(0, 100).all()


def test_a_cutout_has_the_atom_first_and_all_neighbours_within_the_radius():
    atoms = diamond(2)
    cut = cutout(atoms, 5, radius_A=2.6)
    distance = np.linalg.norm(cut.positions, axis=1)
    assert distance[0] == 0
    assert len(cut) == 1 + 4 + 12  # first and second shell
    assert distance.max() <= 2.6


def test_an_unknown_representation_is_refused():
    with pytest.raises(ParameterError, match="among SOAP"):
        experiment.MapStudy(n_environments=100).representation("t-SNE", np.arange(3))


def test_kinds_counts_atoms_that_are_alike():
    atoms = own_structure.load_structure("C60")
    assert isinstance(atoms, Atoms)
    study = experiment.MapStudy(n_environments=300)
    maps = experiment.StoredMaps(study.rows(), {"NN": np.zeros((300, 2))}, np.zeros(300, dtype=int))
    _, table = own_structure.place(study, maps, atoms, n_known=300)
    kinds = own_structure.kinds(table)
    assert kinds["atoms"].sum() == 60
    assert len(kinds) <= 3  # all atoms of C60 are equal, up to rounding
