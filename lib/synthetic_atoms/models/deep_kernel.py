"""Deep kernel learning: a Gaussian process on features that a neural network learns (the paper's Fig. 2e)."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64, Int
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from synthetic_atoms.errors import ParameterError
from synthetic_atoms.models.inputs import is_integer
from synthetic_atoms.models.network import Network
from synthetic_atoms.models.network_regressor import NetworkRegressor
from synthetic_atoms.models.neural_network import MANY, shorter_patience
from synthetic_atoms.models.training import TrainingOptions
from synthetic_atoms.models.variational_gp import DeepGP


class DeepKernel(NetworkRegressor):
    """Stochastic variational deep kernel learning (Wilson et al., arXiv 1611.00336).

    A multilayer perceptron with CELU activations compresses the inputs; a Gaussian process with an RBF kernel,
    represented by inducing points, predicts from the compressed features. Both are trained jointly, on minibatches, to
    maximise a lower bound of the evidence (ELBO). The bound's maximum over the variational distribution and the noise
    is known for fixed features; training starts from it and, with the weights of the best epoch, ends in it. Data,
    validation, early stopping, seeds and checkpoints are those of
    :class:`~synthetic_atoms.models.neural_network.NeuralNetwork`.

    The predictive standard deviation is that of the Gaussian process for features that are taken as given. They were
    fitted to the same data, so it is too small where the network follows its training set closely (Ober et al.,
    arXiv 2102.12108): check it against a test set before relying on it.

    Parameters
    ----------
    hidden_layers
        Width of each hidden layer of the network.
    feature_dimension
        Number of the network's outputs, in which the kernel compares environments.
    n_inducing
        Number of inducing points; at most one for each training sample is used.
    learning_rate, weight_decay
        Of Adam; the decay is decoupled from the gradient and acts on the network's weights only.
    batch_size
        Samples in a step.
    dropout
        Probability with which a hidden unit is dropped in training.
    max_epochs, patience
        Most epochs, and how many pass without a lower validation error before training ends.
    decay_factor, decay_patience
        The learning rate is multiplied by the factor after so many epochs without a lower validation error.
    restarts
        How often training begins again, each time with half the learning rate, if the process has taken everything for
        noise: its validation error is then that of the mean.
    seed
        Determines the validation set, the initial weights and inducing points, the order of the samples and the dropped
        units.
    device
        ``"cpu"``, ``"cuda"``, or ``"auto"`` for a GPU where there is one.
    progress
        Show a bar with the epoch, the validation error and the time left (at most).

    Attributes
    ----------
    network_ : DeepGP
        The trained network, Gaussian process and likelihood, on the CPU, for standardised inputs and targets.
    history_ : list of dict
        As in :class:`~synthetic_atoms.models.network_regressor.NetworkRegressor`, which has the other attributes; its
        ``train_loss`` is minus the bound per sample, for standardised targets.
    """

    FORMAT = "synthetic-atoms deep kernel 1"
    NAME = "deep kernel model"

    def __init__(
        self,
        hidden_layers: Sequence[int] = (400, 400),
        *,
        feature_dimension: int = 16,
        n_inducing: int = 300,
        learning_rate: float = 1e-3,
        batch_size: int = 100,
        dropout: float = 0.0,
        weight_decay: float = 0.0,
        max_epochs: int = 500,
        patience: int = 40,
        decay_factor: float = 0.5,
        decay_patience: int = 10,
        restarts: int = 3,
        seed: int = 0,
        device: str = "auto",
        progress: bool = False,
    ) -> None:
        self.hidden_layers = hidden_layers
        self.feature_dimension = feature_dimension
        self.n_inducing = n_inducing
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.dropout = dropout
        self.weight_decay = weight_decay
        self.max_epochs = max_epochs
        self.patience = patience
        self.decay_factor = decay_factor
        self.decay_patience = decay_patience
        self.restarts = restarts
        self.seed = seed
        self.device = device
        self.progress = progress

    @property
    def noise_(self) -> float:
        """Standard deviation of the noise that the likelihood has learned, in the unit of the targets."""
        check_is_fitted(self)
        return float(self.network_.likelihood.noise.detach().sqrt()) * self.target_scale_

    def predict(self, X: Any, return_std: bool = False, include_noise: bool = False) -> Any:
        """Predicted targets for features of shape (samples, features), chunk by chunk.

        Parameters
        ----------
        X
            The features.
        return_std
            Also return the predictive standard deviation, in the unit of the targets.
        include_noise
            Whether that is the deviation of a new, noisy label (True) or of the underlying function (False).

        Returns
        -------
        numpy.ndarray
            The predictive mean, shape (samples,); with ``return_std`` a pair of such arrays.

        Raises
        ------
        InputError
            If the features do not match those of the training or are not finite.
        sklearn.exceptions.NotFittedError
            Before a fit.
        """
        check_is_fitted(self)
        posterior = None

        def moments(network: DeepGP, x: Float32[Tensor, "batch inputs"]) -> Float64[Tensor, "batch moments"]:
            nonlocal posterior
            posterior = posterior or network.posterior()
            features = network.features(x)
            mean = posterior.mean(features)
            return torch.stack([mean, posterior.variance(features)] if return_std else [mean], dim=1)

        found = self._evaluate(X, moments)
        mean = self._in_units(found[:, 0])
        if not return_std:
            return mean
        std = np.sqrt(found[:, 1]) * self.target_scale_
        return mean, np.hypot(std, self.noise_) if include_noise else std

    def features(self, X: Any) -> Float64[np.ndarray, "samples features"]:
        """The compressed features in which the kernel compares environments.

        Raises
        ------
        InputError
            If the features do not match those of the training or are not finite.
        """
        return self._evaluate(X, lambda network, x: network.features(x))

    def _start(
        self, x: Float32[Tensor, "samples features"], target: Float32[Tensor, " samples"], fit: Int[Tensor, " fit"]
    ) -> DeepGP:
        return DeepGP.from_data(
            x, target, fit, self.hidden_layers, self.feature_dimension, self.n_inducing, self.dropout, self.seed
        )

    def _empty(self, n_features: int, shapes: dict[str, tuple[int, ...]]) -> DeepGP:
        network = Network(n_features, self.hidden_layers, self.dropout, self.feature_dimension)
        points = torch.zeros(shapes["gp.variational_strategy.inducing_points"], dtype=torch.float64)
        return DeepGP(network, points, n_samples=1)

    def _options(self) -> TrainingOptions:
        for name in ("feature_dimension", "n_inducing"):
            value = getattr(self, name)
            if not is_integer(value) or value < 1:
                raise ParameterError(f"Expected {name} to be an integer of at least 1, found {value}.")
        if not is_integer(self.restarts) or self.restarts < 0:
            raise ParameterError(f"Expected restarts to be an integer of at least 0, found {self.restarts}.")
        return super()._options()

    @property
    def _restarts(self) -> int:
        return self.restarts


_LOG_RATES = ([2.0, 3.0, 4.0, 4.5], np.log10([3e-4, 1e-3, 1e-3, 4e-4]))
"""Learning rate against the number of samples, both as decimal logarithms: a fast start with few samples, or
with the settings for many, ends where the process takes everything for noise, and stays there."""


def default_hyperparameters(n_train: int) -> dict[str, Any]:
    """Sensible parameters of :class:`DeepKernel` for a training set of this size.

    Layers as wide as those of :class:`~synthetic_atoms.models.neural_network.NeuralNetwork`, one fewer; more inducing
    points and larger batches with more data. They were set by hand at a few sizes and are interpolated in log N in
    between. The learning rate falls beyond 10^4, because at 1e-3 trainings with 31,000 and 10^5 environments of the
    book's data failed. Beyond 5 x 10^5 there are few epochs.
    """
    decades = math.log10(max(n_train, 1))
    width = 50 * round(float(np.interp(decades, [2.0, 4.0, 5.5], [200, 400, 800])) / 50)
    n_inducing = 10 * round(10 ** float(np.interp(decades, [2.0, 4.0, 5.0], np.log10([50, 300, 500]))) / 10)
    # Ten validation samples are so noisy that a training seems to stand still for many epochs.
    patience = round(float(np.interp(decades, [2.0, 3.0], [60, 20])))
    found = {
        "hidden_layers": (width,) * 2,
        "feature_dimension": 16,
        "n_inducing": n_inducing,
        "batch_size": _batch_size(n_train),
        "learning_rate": float(f"{10 ** float(np.interp(decades, *_LOG_RATES)):.2g}"),
        "max_epochs": 200 if n_train >= 1000 else 500,
        "patience": patience,
    }
    if n_train > 5 * MANY:
        found["max_epochs"] = 20  # what two cores can bear
    return found | shorter_patience(n_train, _batch_size, patience=patience, decay_patience=10)


def _batch_size(n_train: int) -> int:
    return round(10 ** float(np.interp(math.log10(max(n_train, 1)), [2.0, 4.0, 6.0], np.log10([20, 200, 1000]))))
