"""Neural-network regression of per-atom energies on SOAP power spectra."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float32, Float64
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted

from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.files import atomic_write
from synthetic_atoms.models.inputs import checked
from synthetic_atoms.models.network import CHUNK, Network, Scaler
from synthetic_atoms.models.training import TrainingOptions, choose_device, train
from synthetic_atoms.splits import validation_split

FORMAT = "synthetic-atoms neural network 1"
"""What a file of weights says it is."""


class NeuralNetwork(RegressorMixin, BaseEstimator):
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
        Show a bar with the epoch, the validation error and the time left.

    Attributes
    ----------
    network_ : Network
        The trained network, on the CPU, for standardised inputs and targets.
    scaler_ : Scaler
        Mean and standard deviation of the features.
    target_mean_, target_scale_ : float
        Mean and standard deviation of the targets.
    validation_mae_ : float
        Lowest mean absolute error on the validation set, in the unit of the targets.
    history_ : list of dict
        For each epoch ``epoch``, ``train_loss`` (mean square error of standardised targets), ``validation_error``
        (mean absolute error in the unit of the targets), ``learning_rate`` and ``seconds``.
    n_features_in_ : int
        Number of features.
    """

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

    def fit(self, X: Any, y: Any) -> NeuralNetwork:
        """Train on features of shape (samples, features) and targets of shape (samples,).

        Raises
        ------
        ParameterError
            If a parameter is out of its range, the device is not there, or training diverges.
        InputError
            If the arrays do not match, hold NaN or infinity, or have fewer than two samples.
        """
        options = self._options()
        device = choose_device(self.device)
        X, y = checked(self, X, y, dtype=[np.float64, np.float32], y_numeric=True, ensure_min_samples=2)
        y = np.asarray(y, dtype=np.float64)
        fit, held_out = validation_split(len(y), self.seed)
        self.scaler_ = Scaler.of(X)
        self.target_mean_ = float(y.mean())
        self.target_scale_ = float(y.std())
        if self.target_scale_ <= 10.0 * np.finfo(np.float64).eps * abs(self.target_mean_):
            self.target_scale_ = 1.0

        # Everything is on the device once; batches are taken out by index.
        x = self.scaler_(X).to(device)
        t = torch.from_numpy((y - self.target_mean_) / self.target_scale_).float().to(device)
        fit_index = torch.from_numpy(fit)
        x_validation, t_validation = x[held_out], t[held_out]
        # Initial weights and dropout draw from torch's global generators: seed them and leave them as they were.
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            network = Network(X.shape[1], self.hidden_layers, self.dropout).to(device)

            def batch_loss(indices: torch.Tensor) -> torch.Tensor:
                rows = fit_index[indices].to(device)
                return torch.nn.functional.mse_loss(network(x[rows]), t[rows])

            def validation_error() -> float:
                return float((network(x_validation) - t_validation).abs().mean()) * self.target_scale_

            generator = torch.Generator().manual_seed(self.seed)
            self.history_ = train(network, len(fit), batch_loss, validation_error, options, generator)
        self.network_ = network.cpu()
        self.validation_mae_ = min(epoch["validation_error"] for epoch in self.history_)
        return self

    def predict(self, X: Any) -> Float64[np.ndarray, " samples"]:
        """Predicted targets for features of shape (samples, features), chunk by chunk.

        Raises
        ------
        InputError
            If the features do not match those of the training or are not finite.
        sklearn.exceptions.NotFittedError
            Before a fit.
        """
        standardised = self._evaluate(X, None)[:, 0]
        return standardised.astype(np.float64) * self.target_scale_ + self.target_mean_

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
        return self._evaluate(X, layer % n_layers + 1)

    def save(self, path: Path) -> None:
        """Write weights, scaling, parameters and training history to a ``.safetensors`` file.

        Raises
        ------
        DataError
            If the file cannot be written.
        """
        check_is_fitted(self)
        about = {
            "format": FORMAT,
            "parameters": {**self.get_params(), "hidden_layers": list(self.hidden_layers)},
            "n_features": self.n_features_in_,
            "target_mean": self.target_mean_,
            "target_scale": self.target_scale_,
            "history": self.history_,
        }
        tensors = {f"network.{name}": value.contiguous() for name, value in self.network_.state_dict().items()}
        tensors["scaler.mean"] = torch.from_numpy(self.scaler_.mean)
        tensors["scaler.scale"] = torch.from_numpy(self.scaler_.scale)
        with atomic_write(Path(path)) as stream:
            stream.write(save(tensors, metadata={"synthetic_atoms": json.dumps(about, sort_keys=True)}))

    @classmethod
    def load(cls, path: Path) -> NeuralNetwork:
        """Read a network that :meth:`save` wrote.

        Raises
        ------
        DataError
            If the file is missing, damaged, or something else.
        """
        path = Path(path)
        if not path.is_file():
            raise DataError(f"Expected a neural network at {path}, found no file.")
        try:
            with safe_open(path, framework="pt") as archive:
                about = json.loads((archive.metadata() or {})["synthetic_atoms"])
                tensors = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118
            if about["format"] != FORMAT:
                raise ValueError(f"format {about['format']!r}")
            model = cls(**{**about["parameters"], "hidden_layers": tuple(about["parameters"]["hidden_layers"])})
            network = Network(about["n_features"], model.hidden_layers, model.dropout)
            weights = {name: value for name, value in tensors.items() if name.startswith("network.")}
            network.load_state_dict({name.removeprefix("network."): value for name, value in weights.items()})
            model.scaler_ = Scaler(tensors["scaler.mean"].numpy(), tensors["scaler.scale"].numpy())
            model.n_features_in_ = int(about["n_features"])
            model.target_mean_, model.target_scale_ = float(about["target_mean"]), float(about["target_scale"])
            model.history_ = about["history"]
            model.validation_mae_ = min(epoch["validation_error"] for epoch in model.history_)
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise DataError(f"Expected a neural network saved by this library at {path}, found: {reason}.") from error
        model.network_ = network.eval()
        return model

    def _options(self) -> TrainingOptions:
        widths = list(self.hidden_layers)
        if not widths or any(int(width) != width or width < 1 for width in widths):
            raise ParameterError(f"Expected the width of one or more hidden layers, found {self.hidden_layers}.")
        if not 0 <= self.dropout < 1:
            raise ParameterError(f"Expected a dropout probability from 0 to below 1, found {self.dropout}.")
        return TrainingOptions(
            learning_rate=self.learning_rate,
            batch_size=self.batch_size,
            max_epochs=self.max_epochs,
            patience=self.patience,
            weight_decay=self.weight_decay,
            decay_factor=self.decay_factor,
            decay_patience=self.decay_patience,
            progress=self.progress,
        )

    def _evaluate(self, X: Any, depth: int | None) -> Float32[np.ndarray, "samples outputs"]:
        """Outputs (``depth`` None) or activations after ``depth`` hidden layers."""
        check_is_fitted(self)
        X = checked(self, X, dtype=[np.float64, np.float32], reset=False)
        device = choose_device(self.device)
        network = self.network_.to(device).eval()
        parts = []
        with torch.no_grad():
            for start in range(0, len(X), CHUNK):
                x = self.scaler_(X[start : start + CHUNK]).to(device)
                out = network(x)[:, None] if depth is None else network.hidden(x, depth)
                parts.append(out.cpu().numpy())
        network.cpu()
        return np.concatenate(parts)


def default_hyperparameters(n_train: int) -> dict[str, Any]:
    """Sensible parameters of :class:`NeuralNetwork` for a training set of this size.

    Wider layers, larger batches and fewer epochs with more data; 3 x 800 from 3 x 10^5 on, as in the paper's
    large-data limit. Between the sizes at which they were chosen they are interpolated in log N.
    """
    decades = math.log10(max(n_train, 1))
    width = 50 * round(float(np.interp(decades, [2.0, 4.0, 5.5], [200, 400, 800])) / 50)
    batch_size = round(10 ** float(np.interp(decades, [2.0, 6.0], [1.0, 3.0])))
    return {"hidden_layers": (width,) * 3, "batch_size": batch_size, "learning_rate": 1e-3}
