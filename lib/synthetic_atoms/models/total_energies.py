"""Training a network on total energies of cells, as sums of what it gives for each atom (the paper's eqns 5 and 6)."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Float32, Int
from torch import Tensor, nn

from synthetic_atoms.errors import ParameterError
from synthetic_atoms.models.inputs import InputError
from synthetic_atoms.models.network import Scaler
from synthetic_atoms.models.neural_network import NeuralNetwork
from synthetic_atoms.models.training import choose_device, train


def fit_total_energies(
    X: Float[np.ndarray, "environments features"],
    cell: Int[np.ndarray, " atoms"],
    total_energy_eV: Float[np.ndarray, " cells"],
    *,
    validation: Sequence[int] | Int[np.ndarray, " held_out"],
    start: NeuralNetwork | None = None,
    **settings: Any,
) -> NeuralNetwork:
    """Train a network on total energies; what comes back predicts the energy of each atom.

    The loss is the mean square error of the energy per atom of each cell. Cells may differ in size. The weights of the
    epoch with the lowest root mean square error on the validation cells are kept.

    Parameters
    ----------
    X
        Features of all atoms of all cells.
    cell
        Number of the cell that each atom belongs to, 0 ... cells - 1; never decreases.
    total_energy_eV
        Energy of each cell.
    validation
        Cells that are held out to stop the training.
    start
        A trained network whose weights, layers and scaling of features and energies the training starts from
        (fine-tuning); None for random weights and scaling by these data (direct training). It is left as it is.
    settings
        Parameters of :class:`~synthetic_atoms.models.neural_network.NeuralNetwork`; ``batch_size`` counts cells, and
        ``hidden_layers`` may be given without ``start`` only.

    Returns
    -------
    NeuralNetwork
        With ``history_`` and, as ``validation_rmse_``, the error on the validation cells in eV per atom.

    Raises
    ------
    InputError
        If the arrays do not fit together.
    ParameterError
        If a setting is out of its range, no cell is left for training or validation, or training diverges.
    """
    X, cell, energy = np.asarray(X), np.asarray(cell), np.asarray(total_energy_eV, dtype=np.float64)
    _check(X, cell, energy)
    held_out = np.unique(np.asarray(validation, dtype=int))
    if held_out.size and not 0 <= held_out[0] <= held_out[-1] < len(energy):
        raise ParameterError(f"Expected validation cells from 0 to {len(energy) - 1}, found {held_out.tolist()}.")
    fit = np.setdiff1d(np.arange(len(energy)), held_out)
    if not len(fit) or not len(held_out):
        raise ParameterError(
            f"Expected at least one cell to train on and one for validation, found {len(fit)} and {len(held_out)}."
        )
    if start is not None and "hidden_layers" in settings:
        raise ParameterError("Expected the hidden layers of the network to start from, found others: leave them out.")

    counts = np.bincount(cell, minlength=len(energy))
    per_atom = energy / counts
    if start is None:
        model = NeuralNetwork(**settings)
        model.scaler_ = Scaler.of(X[np.isin(cell, fit)])
        model.n_features_in_ = X.shape[1]
        model.target_mean_ = float(per_atom[fit].mean())
        model.target_scale_ = float(per_atom[fit].std()) or 1.0
    else:
        if X.shape[1] != start.n_features_in_:
            raise InputError(f"Expected {start.n_features_in_} features, as in pre-training, found {X.shape[1]}.")
        model = NeuralNetwork(**{**start.get_params(), **settings})
        for name in ("scaler_", "n_features_in_", "target_mean_", "target_scale_"):
            setattr(model, name, getattr(start, name))
    options, device = model._options(), choose_device(model.device)

    x = model.scaler_(X, device)
    target = torch.from_numpy((per_atom - model.target_mean_) / model.target_scale_).float().to(device)
    first = np.concatenate([[0], np.cumsum(counts)])
    # The same number of atoms in every cell, the usual case, needs no index for each atom.
    same = int(counts[0]) if (counts == counts[0]).all() else None
    blocks = x.view(len(energy), same, -1) if same else None

    def per_atom_of(network: nn.Module, cells: Int[Tensor, " batch"]) -> Float32[Tensor, " batch"]:
        if blocks is not None:
            return network(blocks[cells].flatten(0, 1)).view(len(cells), same).mean(dim=1)
        rows = torch.cat([torch.arange(first[c], first[c + 1]) for c in cells.tolist()]).to(device)
        size = torch.from_numpy(counts)[cells].to(device)
        owner = torch.repeat_interleave(torch.arange(len(cells), device=device), size)
        sums = torch.zeros(len(cells), device=device).index_add(0, owner, network(x[rows]))
        return sums / size

    fit_index, held_index = torch.from_numpy(fit), torch.from_numpy(held_out)
    with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
        torch.manual_seed(model.seed)
        network = model._empty(X.shape[1], {}) if start is None else copy.deepcopy(start.network_)
        if start is not None:
            network.dropout.p = model.dropout
        network = network.to(device).train()

        def batch_loss(indices: Tensor) -> Tensor:
            cells = fit_index[indices]
            return nn.functional.mse_loss(per_atom_of(network, cells), target[cells])

        def validation_error() -> float:
            squares = [(per_atom_of(network, some) - target[some]).square().sum() for some in held_index.split(128)]
            return float(torch.stack(squares).sum().div(len(held_index)).sqrt()) * model.target_scale_

        generator = torch.Generator().manual_seed(model.seed)
        model.history_ = train(network, len(fit), batch_loss, validation_error, options, generator)
    with torch.no_grad():
        model.validation_rmse_ = validation_error()
    model.validation_mae_ = model.validation_rmse_  # what a saved network is said to err by
    model.network_ = network.cpu()
    return model


def total_energies(
    model: NeuralNetwork, X: Float[np.ndarray, "environments features"], cell: Int[np.ndarray, " environments"]
) -> Float[np.ndarray, " cells"]:
    """Predicted energy of each cell in eV: the sum over its atoms (eqn 5)."""
    return np.bincount(np.asarray(cell), weights=model.predict(X))


def aligned(
    model: NeuralNetwork,
    X: Float[np.ndarray, "environments features"],
    cell: Int[np.ndarray, " environments"],
    total_energy_eV: Float[np.ndarray, " cells"],
) -> NeuralNetwork:
    """A copy whose zero of energy is shifted so that its mean error per atom on these cells vanishes.

    Every method has a zero of its own: without this, fine-tuning would spend its steps on a constant.
    """
    difference = np.asarray(total_energy_eV) - total_energies(model, X, cell)
    shifted = copy.copy(model)
    shifted.target_mean_ = model.target_mean_ + float(np.mean(difference / np.bincount(np.asarray(cell))))
    return shifted


def _check(X: np.ndarray, cell: np.ndarray, energy: np.ndarray) -> None:
    if X.ndim != 2 or cell.shape != (len(X),):
        raise InputError(f"Expected a cell number for each of {len(X)} environments, found the shape {cell.shape}.")
    if not np.isfinite(energy).all():
        raise InputError("Expected finite total energies, found NaN or infinity.")
    counts = np.bincount(cell) if len(cell) and cell.min() >= 0 else np.zeros(0)
    if (np.diff(cell) < 0).any() or len(counts) != len(energy) or not counts.all():
        raise InputError(
            f"Expected environments sorted by cell, with at least one in each of {len(energy)} cells, found other "
            "cell numbers."
        )
