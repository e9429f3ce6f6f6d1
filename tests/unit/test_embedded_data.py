"""The embedded data are what their card says, learnable and physical."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression

from synthetic_atoms.datasets import embedded, load_local_energies, load_total_energies
from synthetic_atoms.descriptors import coordination_numbers
from synthetic_atoms.files import sha256
from synthetic_atoms.paths import data_directory
from synthetic_atoms.synthesis import card as cards
from synthetic_atoms.synthesis.crystals import perfect_crystals
from synthetic_atoms.synthesis.plan import Plan
from synthetic_atoms.synthesis.quantum import free_atom_energy
from synthetic_atoms.synthesis.teacher import Teacher

FOLDER = data_directory() / "embedded"


@pytest.fixture(scope="module")
def card() -> dict:
    return embedded.read_card(FOLDER)


@pytest.fixture(scope="module")
def data():
    return load_local_energies("embedded-all")


@pytest.fixture(scope="module")
def cells():
    return load_total_energies("embedded")


def flat(tree: dict, name: str = "") -> dict[str, float]:
    """Numbers of nested mappings, by their path."""
    found: dict[str, float] = {}
    for key, value in tree.items():
        found |= flat(value, f"{name}/{key}") if isinstance(value, dict) else {f"{name}/{key}": value}
    return found


def test_the_card_describes_the_files(card, data, cells):
    files = {path.relative_to(FOLDER).as_posix() for path in FOLDER.rglob("*") if path.is_file()}
    assert files == {*card["sha256"], "card.json", "README.md"}
    assert all(sha256(FOLDER / name) == digest for name, digest in card["sha256"].items())
    found = json.loads(json.dumps(cards.statistics(data, cells)))
    assert found.keys() == card["statistics"].keys()
    for key, value in card["statistics"].items():
        assert (
            found[key] == pytest.approx(value, rel=1e-6)
            if not isinstance(value, dict)
            else found[key].keys() == value.keys()
        )
    for number, group in card["statistics"]["coordination_final_frames"].items():
        assert found["coordination_final_frames"][number] == pytest.approx(group, rel=1e-6)


def test_the_folder_is_small():
    assert sum(path.stat().st_size for path in FOLDER.rglob("*")) < 25e6


def test_stored_results_have_a_part_of_them(data):
    """The part is what the file says, whole trajectories, in the same order; sampling draws from it alone."""
    part = load_local_energies("embedded")
    numbers = json.loads((data_directory() / "records" / "trajectories.json").read_text())["embedded"]
    assert np.unique(part.trajectory).tolist() == sorted(numbers)
    assert part.name == "embedded"
    assert part.fingerprint == data.select_trajectories(numbers).fingerprint
    few = load_local_energies("embedded", n_trajectories=20, seed=3)
    assert set(few.trajectory) <= set(numbers)


def test_trajectories_are_the_plans(data):
    """Every stored frame is one that the plan asks for, at the density and temperature that it says."""
    units = {unit.number: unit for unit in Plan().trajectory_units()}
    for number in np.unique(data.trajectory).tolist():
        frames, unit = np.flatnonzero(data.trajectory == number), units[number]
        assert tuple(np.rint(1000 * data.time_ps[frames]).astype(int).tolist()) == unit.snapshot_steps
        assert set(data.density_g_cm3[frames]) == {unit.density_g_cm3}
        assert set(data.anneal_temperature_K[frames]) == {unit.anneal_temperature_K}
    assert set(np.unique(data.density_g_cm3)) == set(Plan().densities_g_cm3)


def test_no_frame_is_there_twice(data):
    first = data.positions_A[data.offsets[:-1]]
    assert len(np.unique(first, axis=0)) == data.n_frames


def test_energies_follow_the_chemistry(card, data):
    """The paper's Fig. 2a: sp atoms are notably higher than the others, which are alike; nothing is far outside."""
    coordination = coordination_numbers(data)
    last = np.isin(data.frame, [np.flatnonzero(data.trajectory == t)[-1] for t in np.unique(data.trajectory)])
    sp, sp2, sp3 = (data.local_energy_eV[last & (coordination == number)].mean() for number in (2, 3, 4))
    assert sp - sp2 > 1.0
    assert 0.0 < sp2 - sp3 < 0.8
    assert data.local_energy_eV.max() < card["free_atom_energy_eV"]  # every atom is bound
    assert data.local_energy_eV.min() > -59.0  # a volt below diamond
    assert card["statistics"]["n_outliers"] <= 1e-5 * data.n_environments
    share = np.bincount(coordination, minlength=8) / len(coordination)
    assert share[2:5].sum() > 0.99


def test_what_part_of_the_gap_is_the_quantum_mechanics(card, cells):
    """The regression by scikit-learn's means instead of numpy's: the card's numbers come out."""
    coordination, cold = coordination_numbers(cells), cells.temperature_K < cards.COLD_K
    counts = np.stack(
        [np.bincount(cells.frame[coordination == n], minlength=cells.n_frames) for n in (2, 3, 4)], axis=1
    )
    sizes = np.bincount(cells.frame)
    counts = np.column_stack([counts, sizes - counts.sum(axis=1)])
    model = LinearRegression(fit_intercept=False).fit(
        (counts / sizes[:, None])[cold], (cells.total_energy_eV / sizes)[cold]
    )
    assert card["statistics"]["quantum_mechanics_by_coordination_eV"] == pytest.approx(
        dict(zip(("2", "3", "4", "other"), model.coef_, strict=True)), rel=1e-6
    )


def test_the_teacher_is_the_one_that_labelled(data, cells):
    teacher = Teacher(FOLDER / "teacher.tar.xz")
    for frame in (0, data.n_frames // 2):
        found = teacher.local_energies(data.atoms(frame))
        np.testing.assert_allclose(found, data.local_energy_eV[data.frame == frame], atol=2e-5)
    found = teacher.local_energies(cells.atoms(7))
    np.testing.assert_allclose(found, cells.local_energy_eV[cells.frame == 7], atol=2e-5)


def test_the_teacher_errs_as_the_card_says(card, cells):
    """Over all cells, with the stored per-atom energies: training cells all, so no more than on the held-out ones."""
    predicted = np.bincount(cells.frame, cells.local_energy_eV)
    error = 1000 * (predicted - cells.total_energy_eV) / np.bincount(cells.frame)
    rmse = float(np.sqrt(np.mean(error**2)))
    teacher = card["teacher"]
    assert rmse == pytest.approx(teacher["training"]["rmse_energy_meV_per_atom"], rel=0.15)
    assert rmse < teacher["held_out"]["rmse_energy_meV_per_atom"] < 35


def test_crystals_are_within_a_tenth_of_an_electronvolt(card):
    teacher = Teacher(FOLDER / "teacher.tar.xz")
    for name, atoms in perfect_crystals("C").items():
        error = teacher.total(atoms)[0] / len(atoms) - card["teacher"][f"{name}_qm_eV_per_atom"]
        assert error == pytest.approx(card["teacher"][f"{name}_error_eV_per_atom"], abs=1e-5)
        assert abs(error) < 0.1


def test_the_free_atom_is_the_quantum_mechanics_own(card):
    assert card["free_atom_energy_eV"] == pytest.approx(free_atom_energy("C", None), abs=1e-6)


def test_the_page_has_the_cards_numbers(card):
    text = re.sub(r"\s+", " ", Path(FOLDER / "README.md").read_text())
    final = card["statistics"]["coordination_final_frames"]
    assert f"{card['statistics']['n_environments']:,} environments" in text
    assert f"{final['3']['mean_eV'] - final['4']['mean_eV']:.2f} eV above sp3" in text
    assert f"{card['teacher']['held_out']['rmse_energy_meV_per_atom']:.1f} meV per atom" in text
