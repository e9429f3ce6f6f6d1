"""Other teachers: POD fitted by LAMMPS, empirical potentials, what is compared and what it says."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from synthetic_atoms.datasets import load_total_energies
from synthetic_atoms.errors import ParameterError, SyntheticAtomsError
from synthetic_atoms.experiments import audit_others
from synthetic_atoms.experiments import teacher_findings as findings
from synthetic_atoms.experiments import teachers as experiment
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.experiments.fine_tuning_grid import FineTuning
from synthetic_atoms.experiments.records import RecordStore
from synthetic_atoms.figures import teachers as figures
from synthetic_atoms.models.neural_network import NeuralNetwork
from synthetic_atoms.models.total_energies import aligned, total_energies
from synthetic_atoms.paths import data_directory
from synthetic_atoms.synthesis import pod
from synthetic_atoms.synthesis.potentials import TERSOFF, PairStyle

REAL_STORE = RecordStore(data_directory() / "records" / "teachers.csv", experiment.ASKED, experiment.FOUND)
SMALL = FineTuning(Dataset("embedded", n_trajectories=4), n_folds=2, n_cells=40, cell_passes=100)


def test_a_fitted_potential_follows_energies_it_has_not_seen(tmp_path):
    data = load_total_energies("embedded").select_frames(np.arange(0, 1600, 20))
    cells = [data.atoms(i) for i in range(data.n_frames)]
    known, new = cells[:60], cells[60:]
    fitted = pod.fit_pod(known, data.total_energy_eV[:60], [one.get_forces() for one in known], tmp_path / "with space")
    per_atom = data.total_energy_eV / 64
    predicted = np.array([one.sum() for one in pod.local_energies(fitted, new)]) / 64
    assert np.std(predicted - per_atom[60:]) < 0.25 * np.std(per_atom[60:])
    assert np.mean(predicted - per_atom[60:]) == pytest.approx(0, abs=0.05)


def test_per_atom_energies_follow_the_order_of_the_atoms():
    atoms = load_total_energies("embedded").atoms(0)
    order = np.random.default_rng(0).permutation(len(atoms))
    first, second = pod.local_energies(TERSOFF, [atoms, atoms[order]])
    np.testing.assert_allclose(second, first[order], atol=1e-9)
    assert -8 < first.mean() < -4  # carbon


def test_a_potential_that_lammps_refuses_is_one_sentence():
    with pytest.raises(SyntheticAtomsError, match="Expected per-atom energies from LAMMPS pair_style nonsense"):
        pod.local_energies(PairStyle("nonsense", "* *"), [load_total_energies("embedded").atoms(0)])


def test_aligned_takes_the_mean_difference_out_and_leaves_its_argument():
    rng = np.random.default_rng(0)
    x, cell = rng.normal(size=(60, 4)), np.repeat([0, 1, 2], [10, 20, 30])
    model = NeuralNetwork((8,), max_epochs=3).fit(x, x[:, 0])
    before, energy = total_energies(model, x, cell), np.array([100.0, 250.0, -10.0])
    after = total_energies(aligned(model, x, cell, energy), x, cell)
    sizes = np.array([10, 20, 30])
    assert np.mean((energy - after) / sizes) == pytest.approx(0, abs=1e-6)
    np.testing.assert_allclose((after - before) / sizes, np.mean((energy - before) / sizes))
    np.testing.assert_array_equal(total_energies(model, x, cell), before)


@pytest.mark.usefixtures("own_store_and_cache")
def test_a_lesson_has_a_record_that_comes_out_again():
    lesson = experiment.Lesson(experiment.Teacher("Tersoff"), 2, 10, 0)
    record = experiment.run_lesson((SMALL, lesson))
    assert set(record) == {*experiment.ASKED, *experiment.FOUND}
    assert record["n_pretrain_environments"] == 400
    assert record["learning_rate"] in experiment.LEARNING_RATES
    assert experiment.run_lesson((SMALL, lesson))["rmse_test_meV_per_atom"] == record["rmse_test_meV_per_atom"]
    found = experiment.teachers(SMALL, [lesson], use_store=False, workers=0)
    assert found["rmse_test_meV_per_atom"].iloc[0] == record["rmse_test_meV_per_atom"]


def test_pre_training_takes_frames_of_training_trajectories_only():
    data = SMALL.dataset.load()
    few, many = (experiment.training_frames(SMALL, 1, n) for n in (3, 10))
    assert set(few) < set(many)
    tested = data.trajectory[data.frame[SMALL.environments()[1].test]]
    assert not set(data.trajectory[many]) & set(tested)
    with pytest.raises(ParameterError, match="frames to label in fold 1, found 9999"):
        experiment.training_frames(SMALL, 1, 9999)


def test_an_unknown_teacher_is_one_sentence():
    with pytest.raises(ParameterError, match=r"Expected a teacher among GAP, POD .* found Oracle"):
        experiment.run_lesson((SMALL, experiment.Lesson(experiment.Teacher("Oracle"), 2, 10, 0)))


def test_stored_records_belong_to_the_present_data_and_code():
    records = REAL_STORE.read()
    assert len(records)
    audit_others.OTHERS["teachers"].check(records)
    assert (records["rmse_test_meV_per_atom"] > 0).all()


def table() -> pd.DataFrame:
    """Records of teachers that err 25, 50, 100 and 200, after which fine-tuning errs 20, 30, 50 and 80; two folds."""
    rows = [
        {
            "source": "POD", "n_teacher_cells": n, "forces": 0, "saw_test_cells": seen, "n_qm_labels": 100,
            "fold": fold, findings.TEACHER_ERROR: teacher, findings.ERROR: error + fold - 2 * seen,
        }
        for n, teacher, error in ((400, 25, 20), (100, 50, 30), (50, 100, 50), (25, 200, 80))
        for seen in (0, 1)
        for fold in (0, 1)
    ]  # fmt: skip
    direct = pd.DataFrame({"n_qm_labels": 100, "fold": [0, 1], findings.ERROR: [50.0, 50.0]})
    return findings.with_direct(pd.DataFrame(rows), direct)


def test_leakage_is_the_difference_between_the_two_kinds_of_teacher():
    found = findings.leakage(table().query("n_teacher_cells == 400"), 100)
    assert found.value == pytest.approx(2.0)
    assert found.low == pytest.approx(found.high)  # the same in both folds


def test_where_a_teacher_no_longer_helps():
    means = findings.means(table().query("saw_test_cells == 0"))
    assert means["folds"].tolist() == [2] * 4
    even = findings.break_even(means)
    assert 1.0 < even < 2.0
    assert np.isnan(findings.break_even(means[means["ratio"] < 1]))


def test_figures_draw_their_tables():
    means = findings.means(table().query("saw_test_cells == 0"))
    drawn = figures.quality(means, (1.0, 0.88)).axes[0]
    assert sorted(text.get_text() for text in drawn.texts) == ["100", "25", "400", "50"]
    labelled = means.assign(label=means["n_teacher_cells"].astype(str))
    records = table().assign(label=lambda rows: rows["n_teacher_cells"].astype(str))
    axes = figures.errors(records, labelled).axes[0]
    assert [text.get_text() for text in axes.get_yticklabels()] == ["400", "100", "50", "25"]
    np.testing.assert_allclose(axes.lines[0].get_xdata(), means[findings.ERROR])
