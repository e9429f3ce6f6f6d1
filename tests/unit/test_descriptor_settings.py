"""Comparisons of SOAP settings, examples of environments, and their figures."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from ase import Atoms
from ase.build import bulk

from synthetic_atoms import published
from synthetic_atoms.datasets import load_local_energies
from synthetic_atoms.descriptors import (
    SOAP_SETTINGS,
    Weighting,
    average_similarity,
    candidate_settings,
    power_spectrum,
    soap_settings,
    spectrum,
)
from synthetic_atoms.errors import ParameterError
from synthetic_atoms.experiments import descriptor_settings as experiment
from synthetic_atoms.experiments import environments
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.experiments.gpr_grid import Study, Sweep
from synthetic_atoms.experiments.gpr_path import ASKED, FOUND, sparse_gpr
from synthetic_atoms.figures import descriptors as figures
from synthetic_atoms.figures import models as model_figures
from synthetic_atoms.models.network import Network

pytestmark = pytest.mark.usefixtures("own_store_and_cache")


def liquid(seed: int, n_atoms: int = 12, edge: float = 5.0) -> Atoms:
    """A periodic cell of carbon without order."""
    rng = np.random.default_rng(seed)
    return Atoms(f"C{n_atoms}", positions=rng.uniform(0, edge, (n_atoms, 3)), cell=[edge] * 3, pbc=True)


SWEEP = Sweep((20, 60), (30,))


def study(folder: Path) -> Study:
    """A grid that takes a second."""
    return Study(dataset=Dataset(str(folder)), n_folds=2)


@pytest.fixture
def no_quippy(monkeypatch):
    """A machine without quippy."""
    monkeypatch.setitem(sys.modules, "quippy.descriptors", None)
    spectrum._quippy.cache_clear()
    yield
    spectrum._quippy.cache_clear()


def test_settings_are_compared_on_the_same_fits(folder):
    records = experiment.compare_settings(study(folder), SWEEP, ["tuned", "plain"], use_store=False, compute=True)
    alone = sparse_gpr(replace(study(folder), soap="plain"), [SWEEP], use_store=False)
    found = records[records["soap"] == "plain"]
    np.testing.assert_allclose(found["mae_test_meV"], alone["mae_test_meV"], rtol=1e-9)
    assert list(records["soap"].unique()) == ["tuned", "plain"]
    assert len(records) == 8
    with pytest.raises(ParameterError, match=r"at most 256, .* found 300"):
        experiment.compare_settings(study(folder), Sweep((20, 300)), ["tuned"], use_store=False, compute=True)


def test_without_its_program_a_setting_is_a_gap_and_the_others_are_computed(folder, no_quippy):
    assert not experiment.is_available("quippy")
    assert experiment.is_available("plain")
    for use_store in (False, True):
        records = experiment.compare_settings(
            study(folder), SWEEP, ["quippy", "plain"], use_store=use_store, compute=True
        )
        assert list(records.columns) == [*ASKED, *FOUND]
        missing = records["mae_test_meV"].isna()
        assert (missing == (records["soap"] == "quippy")).all()
        summary = experiment.settings_summary(records, "plain").set_index(["soap", "n_train"])
        assert summary.loc[("quippy", 20), "folds"] == 0
        assert np.isnan(summary.loc[("quippy", 20), "mae_test_meV"])


def test_differences_are_taken_fold_by_fold():
    records = pd.DataFrame(
        {
            "soap": ["tuned"] * 3 + ["plain"] * 3,
            "n_train": 100,
            "fold": [0, 1, 2, 2, 1, 0],  # the order of rows must not matter
            "mae_test_meV": [10.0, 20.0, np.nan, 1.0, 19.0, 13.0],
        }
    )
    row = experiment.settings_summary(records).set_index("soap").loc["plain"]
    assert row["mae_test_meV"] == pytest.approx(11.0)
    assert row["difference_meV"] == pytest.approx(1.0)  # +3 and -1; the third fold has no reference
    assert row["difference_std_meV"] == pytest.approx(np.std([3.0, -1.0], ddof=1))
    assert (row["folds_lower"], row["folds"]) == (1, 3)


def test_candidates_are_found_by_name_and_the_tuned_one_goes_by_that():
    names = experiment.candidate_names()
    assert names[0] == "tuned"
    assert len(set(names)) == len(names) == len(candidate_settings())
    for name, one in zip(names, candidate_settings().values(), strict=True):
        assert soap_settings(name) == one
    with pytest.raises(ParameterError, match="'paper-like'"):
        soap_settings("pow")


def test_convergence_by_hand():
    structures = [liquid(0), liquid(1)]
    table = experiment.convergence(structures, "plain", [(6, 2), (8, 4)], (8, 4))
    assert (table[table["n_max"] == 8]["change_percent"] == 0).all()
    row = table[(table["structure"] == 1) & (table["n_max"] == 6)].iloc[0]
    coarse, fine = (
        average_similarity(structures[1], replace(SOAP_SETTINGS["plain"], n_max=n, l_max=degree))
        for n, degree in ((6, 2), (8, 4))
    )
    assert row["mean_similarity"] == pytest.approx(coarse)
    assert row["change_percent"] == pytest.approx(100 * (coarse / fine - 1))


def test_the_papers_size_is_converged_within_its_limit_for_quippy():
    pytest.importorskip("quippy")
    data = load_local_energies("embedded", n_trajectories=2, frames_per_trajectory=1)
    table = experiment.convergence([data.atoms(0)], "quippy", [(12, 6), (12, 2)], (16, 16))
    change = table.set_index(["n_max", "l_max"])["change_percent"].abs()
    assert change[12, 6] < 0.02  # the paper says 0.01
    assert change[12, 2] > 0.03


def test_pairs_are_of_different_environments_and_their_products_are_dot_products():
    pairs = experiment.random_pairs(5, 1000, seed=1)
    assert (pairs[:, 0] != pairs[:, 1]).all()
    assert set(pairs.ravel()) == set(range(5))
    vectors = np.random.default_rng(0).normal(size=(5, 3)).astype(np.float32)
    found = experiment.pair_similarities(vectors, pairs[:7])
    np.testing.assert_allclose(found, [float(vectors[i] @ vectors[j]) for i, j in pairs[:7]], rtol=1e-5)
    with pytest.raises(ParameterError, match="two environments"):
        experiment.random_pairs(1, 3)


@pytest.mark.parametrize("setting", ["tuned", "plain"])
def test_movements_change_no_feature(setting):
    found = experiment.invariance([liquid(2), liquid(3)], setting)
    assert set(found) == {"rotation", "translation", "permutation"}
    assert max(found.values()) < 1e-4


def test_a_real_change_would_be_noticed(monkeypatch):
    spoiled = iter(np.linspace(0, 1, 100))
    original = power_spectrum
    monkeypatch.setattr(experiment, "power_spectrum", lambda *a: original(*a) + next(spoiled))
    assert min(experiment.invariance([liquid(2)], "plain").values()) > 0.005


def test_throughput_counts_the_processors_time():
    found = experiment.throughput([liquid(0)], "plain", repeats=3)
    assert 0 < found["lowest_ms"] <= found["ms_per_environment"] <= found["highest_ms"]


def test_final_frames_are_the_last_ones_from_thin_to_dense():
    data = load_local_energies("embedded", n_trajectories=6)
    chosen = environments.spread_final_frames(data, 4)
    assert len(set(chosen)) == 4
    assert (np.diff(data.density_g_cm3[chosen]) >= 0).all()
    for frame in chosen:
        assert data.time_ps[frame] == data.time_ps[data.trajectory == data.trajectory[frame]].max()
    assert len(environments.spread_final_frames(data, 100)) == 6
    with pytest.raises(ParameterError, match="at least one"):
        environments.spread_final_frames(data, 0)


def test_the_typical_environment_is_the_one_nearest_to_all():
    angles = np.array([0.0, 0.1, 0.2, 0.9, 2.0])
    vectors = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    assert environments.typical_environment(vectors, np.array([0, 1, 2])) == 1
    with pytest.raises(ParameterError, match="found none"):
        environments.typical_environment(vectors, np.array([], dtype=int))


def test_neighbourhood_of_diamond():
    positions = environments.neighbourhood(bulk("C", "diamond", a=3.57), 0, 2.7)
    distances = np.linalg.norm(positions, axis=1)
    assert distances[0] == 0
    np.testing.assert_allclose(distances[1:5], 3.57 * np.sqrt(3) / 4, rtol=1e-6)
    np.testing.assert_allclose(distances[5:], 3.57 / np.sqrt(2), rtol=1e-6)
    assert len(positions) == 1 + 4 + 12
    with pytest.raises(ParameterError, match="from 0 to 1"):
        environments.neighbourhood(bulk("C", "diamond", a=3.57), 2, 3.0)


def test_features_are_labelled_in_dscribes_order():
    soap = replace(SOAP_SETTINGS["plain"], n_max=3, l_max=2)
    table = environments.spectrum_table(power_spectrum(liquid(0), soap)[0], soap)
    assert len(table) == soap.n_features
    assert list(zip(table["n"][:6], table["n_prime"][:6], strict=True)) == [
        (1, 1),
        (1, 2),
        (1, 3),
        (2, 2),
        (2, 3),
        (3, 3),
    ]
    # An atom without neighbours is round: only l = 0 is left.
    lone = environments.spectrum_table(power_spectrum(Atoms("C"), soap)[0], soap)
    assert (lone[lone["l"] > 0]["value"].abs() < 1e-6).all()
    assert (lone[lone["l"] == 0]["value"] ** 2).sum() == pytest.approx(1, abs=1e-5)


def test_kernel_summary_by_hand():
    similarity = np.array([[1.0, 0.8, 0.5], [0.8, 1.0, 0.4], [0.5, 0.4, 1.0]])
    table = environments.kernel_summary(similarity, np.array([2, 2, 3]), (1, 2)).set_index("zeta")
    assert table.loc[1, "same_kind"] == pytest.approx(0.8)
    assert table.loc[2, "different_kind"] == pytest.approx((0.25 + 0.16) / 2)
    assert table.loc[2, "lowest"] == pytest.approx(0.16)
    eigenvalues = np.linalg.eigvalsh(similarity)
    assert table.loc[1, "effective_dimension"] == pytest.approx(eigenvalues.sum() ** 2 / (eigenvalues**2).sum())
    assert np.isnan(environments.kernel_summary(np.eye(1), np.array([2]))["same_kind"]).all()


def test_spectra_are_drawn_as_they_are():
    soap = replace(SOAP_SETTINGS["plain"], n_max=3, l_max=2)
    atoms = liquid(0)
    table = environments.spectrum_table(power_spectrum(atoms, soap)[4], soap)
    figure = figures.power_spectra({"sp2": environments.neighbourhood(atoms, 4, 3.7)}, {"sp2": table}, 3.7)
    bars = [patch.get_height() for patch in figure.axes[1].patches]
    np.testing.assert_allclose(bars, table["value"])


def test_kernel_matrices_draw_powers():
    similarity = np.array([[1.0, 0.9, 0.7], [0.9, 1.0, 0.6], [0.7, 0.6, 1.0]])
    figure = figures.kernel_matrices(similarity, np.array([2, 2, 4]), (1, 4))
    for axes, zeta in zip(figure.axes[:2], (1, 4), strict=True):
        np.testing.assert_allclose(axes.images[0].get_array(), similarity**zeta)
        assert [label.get_text() for label in axes.get_xticklabels()] == ["sp", "sp³"]


def test_convergence_and_settings_figures_draw_their_tables():
    sizes = [(12, 2), (12, 6), (8, 6)]
    table = pd.concat(
        experiment.convergence([liquid(0), liquid(1)], "plain", sizes, (12, 8)).assign(setting=name)
        for name in ("tuned", "quippy")
    )
    axes = figures.convergence(table, fixed=(12, 6)).axes[0]
    middle = table[(table["setting"] == "tuned") & (table["l_max"] == 2)]["change_percent"].abs().median()
    assert middle == pytest.approx(axes.get_legend_handles_labels()[0][0].get_ydata()[0])
    summary = pd.DataFrame(
        {
            "soap": ["tuned"] * 2 + ["quippy"] * 2,
            "n_train": [100, 310] * 2,
            "mae_test_meV": [50.0, 30.0, np.nan, np.nan],
            "mae_test_std_meV": [3.0, 2.0, np.nan, np.nan],
        }
    )
    paper = published.table("fig3_learning_curves").query("model == 'GPR'")
    drawn = [
        np.asarray(line.get_ydata(), dtype=float) for line in figures.settings_curves(summary, paper).axes[0].lines
    ]
    for expected in ([50.0, 30.0], [np.nan, np.nan], paper["mae_test_meV"].to_numpy()):
        assert any(one.shape == np.shape(expected) and np.array_equal(one, expected, equal_nan=True) for one in drawn)


def test_weights_figure_draws_the_weights():
    settings = {"tuned": SOAP_SETTINGS["tuned"], "mine": replace(SOAP_SETTINGS["tuned"], weighting=Weighting(2.0, 6.0))}
    table = figures.weights_table(settings)
    axes = figures.radial_weights(table, 3.9).axes[0]
    np.testing.assert_allclose(axes.lines[1].get_ydata(), 1 / (1 + (axes.lines[1].get_xdata() / 2.0) ** 6))


def test_agreement_has_a_panel_for_each_setting_but_quippy():
    pairs = pd.DataFrame({"tuned": [0.7, 0.9], "plain": [0.8, 0.95], "quippy": [0.72, 0.91]})
    figure = figures.agreement(pairs)
    assert [axes.get_title() for axes in figure.axes] == ["tuned", "plain"]
    np.testing.assert_array_equal(figure.axes[1].lines[1].get_ydata(), pairs["plain"])


def test_layers_are_read_from_the_network():
    network = Network(7, [5, 3])
    table = model_figures.layer_table(network)
    assert list(table["units"]) == [5, 3, 1]
    assert table["parameters"].sum() == sum(one.numel() for one in network.parameters())
    values = [np.linspace(0, 1, 20), np.linspace(-1, 1, 5), np.array([0.5])]
    drawn = model_figures.network_table(values)
    first = drawn[drawn["layer"] == 0]
    assert len(first) < 20
    np.testing.assert_allclose(first["value"], values[0][first["unit"]])
    axes = model_figures.neural_network(table, values, -7.25, -7.5).axes[0]
    texts = [text.get_text() for text in axes.texts]
    assert "7\nfeatures" in texts
    assert "5\nCELU" in texts
    assert any("7.25 eV" in text for text in texts)


def test_the_deep_kernel_says_that_it_is_a_schematic():
    texts = [text.get_text() for text in model_figures.deep_kernel(546).axes[0].texts]
    assert any("schematic" in text for text in texts)
    assert any("546" in text for text in texts)
