"""Neural-network regression of per-atom energies on SOAP power spectra."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from jaxtyping import Float32, Float64, Int
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from synthetic_atoms.errors import ParameterError
from synthetic_atoms.models.network import Network
from synthetic_atoms.models.network_regressor import NetworkRegressor

MANY = 100_000
"""Training samples above which patience is counted in steps rather than in epochs."""


class NeuralNetwork(NetworkRegressor):
    """A multilayer perceptron with CELU activations, trained by Adam with early stopping (the paper's Fig. 2d).

    Inputs and targets are standardised with the mean and standard deviation of the training set. A tenth of it, at
    most 1000 samples, is held out for validation; the weights of the epoch with the lowest validation error are kept.
    Arithmetic is in single precision. The same data, parameters and seed give the same network on the same machine
    with the same number of threads.

    Parameters
    ----------
    hidden_layers
        Width of each hidden layer.
    learning_rate, weight_decay
        Of Adam; the decay is decoupled from the gradient and spares biases.
    batch_size
        Samples in a step.
    dropout
        Probability with which a hidden unit is dropped in training.
    max_epochs, patience
        Most epochs, and how many pass without a lower validation error before training ends.
    decay_factor, decay_patience
        The learning rate is multiplied by the factor after so many epochs without a lower validation error.
    seed
        Determines the validation set, the initial weights, the order of the samples and the dropped units.
    device
        ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU where there is one.
    progress
        Show a bar with the epoch, the validation error and the time left (at most).

    Attributes
    ----------
    network_ : Network
        The trained network, on the CPU, for standardised inputs and targets.
    history_ : list of dict
        As in :class:`~synthetic_atoms.models.network_regressor.NetworkRegressor`, which has the other attributes; its
        ``train_loss`` is the mean square error of standardised targets.
    """

    FORMAT = "synthetic-atoms neural network 1"
    NAME = "neural network"

    def __init__(
        self,
        hidden_layers: Sequence[int] = (400, 400, 400),
        *,
        learning_rate: float = 1e-3,
        batch_size: int = 100,
        dropout: float = 0.0,
        weight_decay: float = 0.0,
        max_epochs: int = 500,
        patience: int = 40,
        decay_factor: float = 0.5,
        decay_patience: int = 10,
        seed: int = 0,
        device: str = "auto",
        progress: bool = False,
    ) -> None:
        self.hidden_layers = hidden_layers
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.patience = patience
        self.decay_factor = decay_factor
        self.decay_patience = decay_patience
        self.seed = seed
        self.device = device
        self.progress = progress

    def predict(self, X: Any) -> Float64[np.ndarray, " samples"]:
        """Predicted targets for features of shape (samples, features), chunk by chunk.

        Raises
        ------
        InputError
            If the features do not match those of the training or are not finite.
        sklearn.exceptions.NotFittedError
            Before a fit.
        """
        return self._in_units(self._evaluate(X, lambda network, x: network.outputs(x))[:, 0])

    def hidden(self, X: Any, layer: int = -1) -> Float32[np.ndarray, "samples units"]:
        """Activations of one hidden layer, the last by default: the learned representation of the paper's Fig. 6.

        Raises
        ------
        ParameterError
            If there is no such layer.
        InputError
            If the features do not match those of the training or are not finite.
        """
        check_is_fitted(self)
        n_layers = len(self.network_.layers)
        if not -n_layers <= layer < n_layers:
            raise ParameterError(f"Expected a hidden layer from {-n_layers} to {n_layers - 1}, found {layer}.")
        return self._evaluate(X, lambda network, x: network.hidden(x, layer % n_layers + 1))

    def _start(
        self, x: Float32[Tensor, "samples features"], target: Float32[Tensor, " samples"], fit: Int[Tensor, " fit"]
    ) -> Network:
        return self._empty(x.shape[1], {}).to(x.device)

    def _empty(self, n_features: int, shapes: dict[str, tuple[int, ...]]) -> Network:
        return Network(n_features, self.hidden_layers, self.dropout)


def default_hyperparameters(n_train: int) -> dict[str, Any]:
    """Sensible parameters of :class:`NeuralNetwork` for a training set of this size.

    Wider layers, larger batches and fewer epochs with more data; 3 x 800 from 3 x 10^5 on, as in the paper's
    large-data limit. They were set by hand at a few sizes and are interpolated in log N in between. The learning rate
    falls beyond 3 x 10^5, because at 1e-3 a training with 10^6 environments of the book's data broke down.
    """
    decades = math.log10(max(n_train, 1))
    width = 50 * round(float(np.interp(decades, [2.0, 4.0, 5.5], [200, 400, 800])) / 50)
    learning_rate = float(f"{10 ** float(np.interp(decades, [5.5, 6.0], np.log10([1e-3, 4e-4]))):.2g}")
    found = {"hidden_layers": (width,) * 3, "batch_size": _batch_size(n_train), "learning_rate": learning_rate}
    if n_train > 5 * MANY:
        found["max_epochs"] = 70  # what two cores can bear: the validation error still falls a little by then
    return found | shorter_patience(n_train, _batch_size, patience=40, decay_patience=10)


def _batch_size(n_train: int) -> int:
    return round(10 ** float(np.interp(math.log10(max(n_train, 1)), [2.0, 6.0], [1.0, 3.0])))


def shorter_patience(
    n_train: int, batch_size: Callable[[int], int], *, patience: int, decay_patience: int
) -> dict[str, int]:
    """Epochs to wait with more than 10^5 samples, where an epoch has more steps; nothing to change below.

    They have as many steps as the given epochs have with 10^5 samples.
    """
    if n_train <= MANY:
        return {}
    scale = (MANY / batch_size(MANY)) / (n_train / batch_size(n_train))
    return {"patience": max(1, round(scale * patience)), "decay_patience": max(1, round(scale * decay_patience))}
