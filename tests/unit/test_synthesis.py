"""The chain that makes the data: structures, quantum-mechanical labels, teacher, plan, resuming."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from hypothesis import given
from hypothesis import strategies as st

from synthetic_atoms.datasets import load_local_energies, load_total_energies
from synthetic_atoms.errors import DataError, ParameterError, SyntheticAtomsError
from synthetic_atoms.experiments import teacher_settings
from synthetic_atoms.scheduling import Pool
from synthetic_atoms.synthesis import quantum, structures, teacher
from synthetic_atoms.synthesis.crystals import diamond, graphite, perfect_crystals, strained_crystals
from synthetic_atoms.synthesis.dynamics import melt_quench_anneal
from synthetic_atoms.synthesis.fitting import ARCHIVE, REPORT, labelled
from synthetic_atoms.synthesis.labelling import Labeller, teacher_errors
from synthetic_atoms.synthesis.pipeline import generate
from synthetic_atoms.synthesis.plan import Plan
from synthetic_atoms.synthesis.potentials import LCBOP, TERSOFF, PairStyle, pair_style, start_lammps
from synthetic_atoms.synthesis.protocol import (
    PAPER_PROTOCOL,
    Protocol,
    cell_length,
    draw_snapshot_steps,
    to_milliangstrom,
)
from synthetic_atoms.synthesis.structures import make_all
from synthetic_atoms.synthesis.teacher import GapSettings, Teacher

BRIEF = Protocol(melt_ps=0.05, quench_ps=0.05, anneal_ps=0.05, cool_ps=0.05, relax_ps=0.02)
TINY_GAP = GapSettings(
    n_sparse_2b=5, n_sparse_3b=10, n_sparse_soap=20, n_max=4, l_max=3, force_fraction=0.5
)  # fmt: skip


def energy_per_atom(atoms: Atoms, style: PairStyle) -> float:
    """Energy of an orthogonal cell in LAMMPS, in eV per atom."""
    engine = start_lammps()
    a, b, c = atoms.cell.lengths()
    commands = ["units metal", "atom_modify map array", "boundary p p p", f"region cell block 0 {a} 0 {b} 0 {c}"]
    commands += ["create_box 1 cell"]
    commands += ["create_atoms 1 single {} {} {}".format(*p) for p in atoms.get_positions(wrap=True)]
    for command in [*commands, "mass 1 12.011", *style.commands(), "run 0 post no"]:
        engine.command(command)
    energy = engine.get_thermo("pe") / engine.get_natoms()
    engine.close()
    return energy


def test_tersoff_gives_its_published_cohesive_energy_of_diamond():
    # Tersoff, Phys. Rev. B 39, 5566 (1989): the carbon fit has a cohesive energy of 7.37 eV for diamond.
    assert energy_per_atom(diamond(), TERSOFF) == pytest.approx(-7.37, abs=0.03)


def test_lcbop_gives_its_published_cohesive_energies():
    # Los and Fasolino, Phys. Rev. B 68, 024107 (2003): 7.374 eV for graphite, 7.349 eV for diamond.
    assert energy_per_atom(diamond(), LCBOP) == pytest.approx(-7.349, abs=0.02)


def test_a_pair_style_takes_its_parameter_file_from_the_wheel():
    # Brenner et al., J. Phys.: Condens. Matter 14, 783 (2002): 7.37 eV; AIREBO adds a little dispersion.
    assert energy_per_atom(diamond(), pair_style("airebo 3.0", ["* * CH.airebo C"])) == pytest.approx(-7.4, abs=0.1)


def test_protocol_follows_the_paper():
    assert PAPER_PROTOCOL.steps == 160_000
    expected = {2_500: 9000, 7_500: 4650, 10_001: 3000, 60_000: 3000, 135_000: 1650, 160_000: 300}
    for step, temperature in expected.items():
        assert PAPER_PROTOCOL.temperature(step, 3000.0) == pytest.approx(temperature)
    with pytest.raises(SyntheticAtomsError, match="160000, found one 1 beyond"):
        PAPER_PROTOCOL.temperature(160_001, 3000.0)


@given(count=st.integers(1, 40), seed=st.integers(0, 2**32))
def test_snapshots_are_distinct_and_include_the_last_step(count, seed):
    steps = draw_snapshot_steps(PAPER_PROTOCOL, count, np.random.default_rng(seed))
    assert len(np.unique(steps)) == count
    assert steps[-1] == PAPER_PROTOCOL.steps
    assert (np.diff(steps) > 0).all()
    assert steps[0] > 0


@given(atoms=st.integers(2, 1000), density=st.floats(0.5, 4.0))
def test_cell_has_the_density(atoms, density):
    volume_cm3 = cell_length(atoms, density) ** 3 * 1e-24
    assert atoms * 12.011 / 6.02214076e23 / volume_cm3 == pytest.approx(density, rel=2e-3)


@given(seed=st.integers(0, 1000), edge=st.floats(3.0, 60.0), shift=st.floats(-200, 200))
def test_rounded_positions_lie_in_the_cell_and_keep_distances(seed, edge, shift):
    edge = round(edge, 3)
    positions = np.random.default_rng(seed).uniform(0, edge, size=(5, 3)) + shift
    rounded = to_milliangstrom(positions, edge)
    assert rounded.dtype == np.uint16
    assert (rounded < round(1000 * edge)).all()
    before = Atoms("C5", positions=positions, cell=[edge] * 3, pbc=True).get_all_distances(mic=True)
    after = Atoms("C5", positions=rounded / 1000, cell=[edge] * 3, pbc=True).get_all_distances(mic=True)
    np.testing.assert_allclose(after, before, atol=0.0018)  # two atoms, each displaced by at most 0.5 mA per axis


def run(seed: int = 5, **changes):
    """A tiny trajectory."""
    options = {
        "n_atoms": 16,
        "density_g_cm3": 2.0,
        "anneal_temperature_K": 3000.0,
        "snapshot_steps": np.array([40, 120, 200]),
        "seed": seed,
        "protocol": BRIEF,
    }
    return melt_quench_anneal(**(options | changes))


def test_trajectory_repeats_for_a_seed_and_differs_for_another():
    first, again, other = run(), run(), run(seed=6)
    np.testing.assert_array_equal(first.positions_mA, again.positions_mA)
    assert (first.positions_mA != other.positions_mA).any()
    np.testing.assert_allclose(first.time_ps, [0.04, 0.12, 0.2])
    np.testing.assert_allclose(first.temperature_K, [9000, 3000, 300])
    assert first.positions_mA.shape == (3, 16, 3)


def test_a_later_snapshot_does_not_change_an_earlier_one():
    alone, among = run(snapshot_steps=np.array([40])), run()
    np.testing.assert_array_equal(alone.positions_mA[0], among.positions_mA[0])


def test_the_largest_seeds_run():
    for seed in range(40, 60):  # some of these give a thermostat seed beyond what LAMMPS accepts
        assert run(seed=seed, n_atoms=4, snapshot_steps=np.array([10])).positions_mA.shape == (1, 4, 3)


def test_atoms_that_do_not_fit_end_in_one_sentence():
    with pytest.raises(SyntheticAtomsError, match="LAMMPS stopped") as caught:
        run(n_atoms=30, density_g_cm3=40.0)
    assert "\n" not in str(caught.value)


def test_forces_are_the_derivative_of_the_energy():
    atoms = strained_crystals(3, seed=1)[2][:6]
    atoms.set_cell([6, 6, 6])
    _, forces = quantum.label(atoms)
    step = 1e-3
    for axis in range(3):
        plus, minus = atoms.copy(), atoms.copy()
        plus.positions[2, axis] += step
        minus.positions[2, axis] -= step
        slope = (quantum.label(plus)[0] - quantum.label(minus)[0]) / (2 * step)
        assert forces[2, axis] == pytest.approx(-slope, abs=5e-3)


def test_a_calculation_that_fails_ends_in_one_sentence():
    clash = Atoms("C2", positions=[[0, 0, 0], [0, 0, 0]], cell=[5] * 3, pbc=True)
    with pytest.raises(SyntheticAtomsError, match="cell of 2 atoms"):
        quantum.label(clash)


@pytest.mark.parametrize(("symbol", "neighbours", "distance"), [("Cu", 12, 2.55), ("Fe", 8, 2.48), ("Si", 4, 2.35)])
def test_other_elements_have_their_own_crystal(symbol, neighbours, distance):
    (atoms,) = perfect_crystals(symbol).values()
    distances = np.sort(atoms.get_distances(0, range(1, len(atoms)), mic=True))
    np.testing.assert_allclose(distances[:neighbours], distance, atol=0.02)
    assert 40 <= len(atoms) <= 110
    with pytest.raises(ParameterError, match="crystals: 0"):
        perfect_crystals("Ga")


def test_strained_crystals_start_from_the_perfect_ones():
    cells = strained_crystals(6, seed=3)
    np.testing.assert_allclose(cells[0].get_all_distances(mic=True), diamond().get_all_distances(mic=True))
    np.testing.assert_allclose(cells[1].get_all_distances(mic=True), graphite().get_all_distances(mic=True))
    assert all(len(atoms) == 64 for atoms in cells)
    assert abs(cells[4].get_volume() / diamond().get_volume() - 1) > 1e-3


def test_a_larger_plan_begins_with_the_smaller_one():
    small, large = Plan(cells=12, trajectories="one-per-density"), Plan(cells=40)
    assert list(small.cell_units()) == list(large.cell_units())[:12]
    assert list(small.trajectory_units()) == list(large.trajectory_units())[:26]
    units = list(large.trajectory_units())
    assert len({unit.path for unit in units}) == 546
    first = units[:26]
    assert {unit.density_g_cm3 for unit in first} == {round(1 + 0.1 * i, 1) for i in range(26)}
    assert len({unit.anneal_temperature_K for unit in first}) == 21  # every annealing temperature at least once
    assert len({unit.seed for unit in units}) == 546


def test_the_embedded_plan_is_what_it_was():
    # The committed data were made from these; another digest would begin all over again.
    plan = Plan()
    assert plan.folder.name == "15baa7a5d580"
    cell, trajectory = next(plan.cell_units()), list(plan.trajectory_units())[1]
    assert (cell.seed, cell.snapshot_step, cell.anneal_temperature_K) == (706271059, 4290, 3345.0)
    assert (trajectory.seed, trajectory.snapshot_steps[:3]) == (1833443757, (18600, 19010, 33890))


@pytest.mark.parametrize(
    "changes",
    [
        {"cells": 3},
        {"trajectories": "some"},
        {"trajectories": 547},
        {"snapshots": 0},
        {"snapshots": 20_000},
        {"densities_g_cm3": ()},
        {"densities_g_cm3": (20.0,)},
        {"densities_g_cm3": (2.0, 2.0)},
        {"anneal_temperatures_K": (0,)},
        {"atoms_per_frame": 20_000},  # a cell whose positions do not fit into 16 bits of milliangstroms
    ],
)
def test_an_impossible_plan_is_refused(changes):
    with pytest.raises(ParameterError, match="Expected"):
        Plan(**changes)


@pytest.fixture(scope="module")
def plan(tmp_path_factory) -> Plan:
    """Two densities, one temperature, cells of eight atoms."""
    return Plan(
        cells=12,
        crystals=4,
        snapshots=2,
        densities_g_cm3=(2.0, 3.0),
        anneal_temperatures_K=(2000,),
        atoms_per_cell=8,
        atoms_per_frame=12,
        protocol=BRIEF,
        cell_protocol=BRIEF,
        work=tmp_path_factory.mktemp("work"),
    )


@pytest.fixture(scope="module")
def dataset(plan, tmp_path_factory) -> Path:
    """A dataset made by the whole chain."""
    output = tmp_path_factory.mktemp("data") / "tiny"
    assert generate(output, plan, settings=TINY_GAP, workers=0) == []
    return output


def test_the_whole_chain_leaves_a_readable_dataset(dataset, plan):
    data, cells = load_local_energies(str(dataset)), load_total_energies(str(dataset))
    assert data.n_frames == 4
    assert data.n_environments == 48
    assert cells.n_frames == 12
    units = {unit.number: unit for unit in plan.trajectory_units()}
    for frame in range(data.n_frames):
        unit = units[int(data.trajectory[frame])]
        assert data.density_g_cm3[frame] == unit.density_g_cm3
        assert round(1000 * data.time_ps[frame]) in unit.snapshot_steps
    card = json.loads((dataset / "card.json").read_text())
    assert card["free_atom_energy_eV"] == pytest.approx(quantum.free_atom_energy())
    assert card["teacher"]["held_out"]["n_cells"] == 2
    assert "GFN1-xTB" in (dataset / "README.md").read_text()


def test_stored_labels_are_the_teachers_and_sum_to_its_total_energy(dataset):
    teacher = Teacher(dataset / "teacher.tar.xz")
    data = load_local_energies(str(dataset))
    for frame in (0, 3):
        atoms = data.atoms(frame)
        stored = data.local_energy_eV[data.frame == frame]
        np.testing.assert_allclose(stored, teacher.local_energies(atoms), atol=1e-5)
        assert stored.sum() == pytest.approx(teacher.total(atoms)[0], abs=1e-4)


def test_stored_total_energies_are_those_of_the_stored_positions(dataset):
    cells = load_total_energies(str(dataset))
    energy, forces = quantum.label(cells.atoms(5))
    assert cells.total_energy_eV[5] == pytest.approx(energy, abs=1e-6)
    np.testing.assert_allclose(cells.forces_eV_A[cells.frame == 5], forces, atol=1e-4)


def test_a_second_run_computes_nothing_and_leaves_the_same_bytes(dataset, plan, tmp_path):
    before = {path: path.stat().st_mtime_ns for path in plan.folder.rglob("*.npz")}
    assert generate(tmp_path / "again", plan, settings=TINY_GAP, workers=0) == []
    assert before == {path: path.stat().st_mtime_ns for path in plan.folder.rglob("*.npz")}
    for name in ("total_energies.npz", "local_energies/density-2.0.npz", "card.json", "README.md", "teacher.tar.xz"):
        assert (tmp_path / "again" / name).read_bytes() == (dataset / name).read_bytes()


def test_a_lost_unit_is_made_again_identically(plan, dataset):
    unit = list(plan.trajectory_units())[1]
    before = unit.path.read_bytes()
    unit.path.unlink()
    assert make_all([unit], workers=0) == []
    assert unit.path.read_bytes() == before


def test_a_dataset_goes_on_from_its_own_teacher_and_labels(dataset, plan, tmp_path, monkeypatch):
    def refuse(*arguments, **options):
        raise AssertionError("something was computed again")

    for module, name in ((teacher, "fit"), (structures, "_cell"), (structures, "_trajectory")):
        monkeypatch.setattr(module, name, refuse)
    monkeypatch.setattr(Teacher, "local_energies", refuse)
    shutil.copytree(dataset, tmp_path / "copy")
    elsewhere = replace(plan, work=tmp_path / "work")
    assert generate(tmp_path / "copy", elsewhere, settings=TINY_GAP, workers=0) == []
    for path in dataset.rglob("*"):
        if path.is_file():
            assert (tmp_path / "copy" / path.relative_to(dataset)).read_bytes() == path.read_bytes()
    monkeypatch.undo()
    # Another teacher's settings: structures are kept, the teacher and its labels are not.
    other = replace(TINY_GAP, zeta=2)
    assert generate(tmp_path / "copy", elsewhere, settings=other, workers=0) == []
    found, before = load_local_energies(str(tmp_path / "copy")), load_local_energies(str(dataset))
    np.testing.assert_array_equal(found.positions_A, before.positions_A)
    assert np.abs(found.local_energy_eV - before.local_energy_eV).max() > 1e-6


def test_a_trial_of_settings_finds_the_error_that_the_card_states(dataset, plan):
    cells = replace(load_total_energies(str(dataset)), local_energy_eV=None)
    found = teacher_settings.trial(cells, TINY_GAP, plan)
    assert set(found) == {*teacher_settings.ASKED, *teacher_settings.FOUND}
    held_out = json.loads((dataset / "card.json").read_text())["teacher"]["held_out"]
    for name in ("rmse_energy_meV_per_atom", "mae_energy_meV_per_atom", "rmse_force_eV_A"):
        assert found[name] == pytest.approx(held_out[name], rel=1e-5)
    assert found["n_held_out"] == held_out["n_cells"]


def test_a_damaged_teacher_is_fitted_again(dataset, plan, tmp_path, capsys):
    (archive,) = plan.folder.glob(f"teacher-*/{ARCHIVE}")
    whole = archive.read_bytes()
    archive.write_bytes(whole[:500])
    assert generate(tmp_path / "again", plan, settings=TINY_GAP, workers=0) == []
    assert "Fitting a damaged teacher again" in capsys.readouterr().err
    assert archive.read_bytes() == whole == (tmp_path / "again" / ARCHIVE).read_bytes()
    assert sorted(path.name for path in archive.parent.iterdir()) == [REPORT, ARCHIVE]


def test_errors_in_parallel_are_those_found_one_by_one(dataset, plan):
    units = list(plan.cell_units())[:5]
    (archive,) = plan.folder.glob(f"teacher-*/{ARCHIVE}")
    cells = labelled(units)
    expected = teacher.errors(Teacher(archive), cells.cells, cells.energies_eV, cells.forces_eV_A)
    with Pool(workers=2) as pool:
        found = teacher_errors(Labeller.of(archive), units, pool)
    assert found == pytest.approx(expected, abs=1.1e-6)


def test_a_damaged_teacher_stops_with_one_sentence(dataset, tmp_path):
    archive = tmp_path / "teacher.tar.xz"
    with pytest.raises(DataError, match="found none"):
        Teacher(archive)
    archive.write_bytes((dataset / "teacher.tar.xz").read_bytes()[:500])
    with pytest.raises(DataError, match="damaged"):
        Teacher(archive)
