"""Training on sums over cells, against energies that are known functions of the features."""

from __future__ import annotations

import numpy as np
import pytest

from synthetic_atoms.errors import ParameterError
from synthetic_atoms.models.inputs import InputError
from synthetic_atoms.models.neural_network import NeuralNetwork
from synthetic_atoms.models.total_energies import fit_total_energies, total_energies

SETTINGS = {"hidden_layers": [32], "learning_rate": 3e-3, "batch_size": 4, "max_epochs": 60, "patience": 60}


def cells(sizes: np.ndarray, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Features, cell numbers, per-atom and total energies of cells of some sizes."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(sizes.sum(), 5)).astype(np.float32)
    cell = np.repeat(np.arange(len(sizes)), sizes)
    local = -50.0 + x[:, 0] + 0.5 * np.tanh(x[:, 1] * x[:, 2])
    return x, cell, local, np.bincount(cell, weights=local)


EQUAL = np.full(60, 8)
MIXED = np.random.default_rng(1).integers(3, 12, size=60)


@pytest.mark.parametrize("sizes", [EQUAL, MIXED], ids=["equal", "mixed"])
def test_the_validation_error_is_that_of_the_predicted_sums(sizes):
    x, cell, _, energy = cells(sizes)
    held_out = np.arange(0, 60, 7)
    model = fit_total_energies(x, cell, energy, validation=held_out, **SETTINGS)
    error = (total_energies(model, x, cell) - energy)[held_out] / sizes[held_out]
    assert model.validation_rmse_ == pytest.approx(float(np.sqrt((error**2).mean())), rel=1e-4)
    assert len(model.history_) <= 60


@pytest.mark.parametrize("sizes", [EQUAL, MIXED], ids=["equal", "mixed"])
def test_it_learns_a_sum_of_functions_of_the_atoms(sizes):
    x, cell, _, energy = cells(np.tile(sizes, 8))
    model = fit_total_energies(x, cell, energy, validation=range(40), **SETTINGS)
    x_new, cell_new, _, energy_new = cells(sizes, seed=2)
    spread = (energy_new / sizes).std()
    error = (total_energies(model, x_new, cell_new) - energy_new) / sizes
    assert np.sqrt((error**2).mean()) < 0.35 * spread


def test_fine_tuning_starts_from_the_weights_and_the_scaling_that_are_given():
    x, cell, local, energy = cells(EQUAL)
    start = NeuralNetwork((32,), learning_rate=3e-3, batch_size=32, max_epochs=40).fit(x, local)
    before = start.predict(x)
    held_out = np.arange(6)
    model = fit_total_energies(
        x, cell, energy, validation=held_out, start=start, learning_rate=1e-5, batch_size=4, max_epochs=1, patience=1
    )
    np.testing.assert_array_equal(start.predict(x), before)  # left as it is
    assert model.target_mean_ == start.target_mean_
    assert model.scaler_ is start.scaler_
    assert list(model.hidden_layers) == [32]
    assert np.abs(model.predict(x) - before).max() < 0.05  # one careful epoch changes little
    far = fit_total_energies(x, cell, energy, validation=held_out, **SETTINGS)
    assert np.abs(far.predict(x) - before).max() > 0.05


def test_the_same_seed_gives_the_same_network():
    x, cell, _, energy = cells(MIXED)
    one, two = (fit_total_energies(x, cell, energy, validation=[3, 9], seed=4, **SETTINGS) for _ in range(2))
    np.testing.assert_array_equal(one.predict(x), two.predict(x))


def test_a_trained_model_survives_saving(tmp_path):
    x, cell, _, energy = cells(EQUAL)
    model = fit_total_energies(x, cell, energy, validation=[0, 1], **SETTINGS)
    model.save(tmp_path / "m.safetensors")
    np.testing.assert_array_equal(NeuralNetwork.load(tmp_path / "m.safetensors").predict(x), model.predict(x))


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"cell": np.zeros(479, dtype=int)}, InputError, "480 environments"),
        ({"cell": np.repeat(np.arange(60), 8)[::-1]}, InputError, "sorted by cell"),
        ({"energy": np.full(60, np.nan)}, InputError, "finite"),
        ({"energy": np.zeros(59)}, InputError, "each of 59 cells"),
        ({"validation": []}, ParameterError, "found 60 and 0"),
        ({"validation": [60]}, ParameterError, "from 0 to 59"),
        ({"validation": range(60)}, ParameterError, "found 0 and 60"),
    ],
)
def test_impossible_input_ends_in_one_sentence(change, error, message):
    x, cell, _, energy = cells(EQUAL)
    given = {"cell": cell, "energy": energy, "validation": [0]} | change
    with pytest.raises(error, match=message):
        fit_total_energies(x, given["cell"], given["energy"], validation=given["validation"], **SETTINGS)


def test_other_features_or_layers_than_the_start_are_refused():
    x, cell, local, energy = cells(EQUAL)
    start = NeuralNetwork((8,), max_epochs=1).fit(x, local)
    with pytest.raises(InputError, match="5 features"):
        fit_total_energies(x[:, :4], cell, energy, validation=[0], start=start)
    with pytest.raises(ParameterError, match="leave them out"):
        fit_total_energies(x, cell, energy, validation=[0], start=start, hidden_layers=[4])
