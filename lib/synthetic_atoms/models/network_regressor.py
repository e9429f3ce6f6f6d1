"""What the regressors with a neural network share: data in, training, prediction in chunks, files."""

from __future__ import annotations

import hashlib
import json
from abc import abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from numbers import Real
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
from jaxtyping import Float, Float32, Float64, Int
from safetensors import SafetensorError
from scipy.sparse import issparse
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted
from torch import Tensor, nn

from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.models.checkpoint import Checkpoint, attempt_file
from synthetic_atoms.models.inputs import InputError, checked, is_integer
from synthetic_atoms.models.network import CHUNK, IN_CACHE, Scaler
from synthetic_atoms.models.rows import Rows, read_rows, read_targets
from synthetic_atoms.models.training import TrainingOptions, choose_device, train
from synthetic_atoms.models.weights import read_weights, write_weights
from synthetic_atoms.splits import validation_split

PASSING = ("device", "progress", "max_epochs")
"""Parameters that may change between a checkpoint and the training that goes on from it."""

LEARNED = 0.9
"""A model whose validation error is above this share of that of the mean has learned nothing."""

_PRECISIONS = [np.float64, np.float32]


class NetworkRegressor(RegressorMixin, BaseEstimator):
    """Base of the regressors that train a torch module on standardised features and targets.

    A subclass says how its module starts from data (:meth:`_start`) and how an empty one looks that weights from a
    file go into (:meth:`_empty`). The module has ``loss(x, target)`` for a batch, ``forward(x)`` for predictions and
    ``finish(x, target, fit)`` for what remains to be done after training; all of them take standardised numbers. For
    what else it may have see :func:`~synthetic_atoms.models.training.train`.

    Attributes
    ----------
    network_ : torch.nn.Module
        The trained module, on the CPU.
    scaler_ : Scaler
        Mean and standard deviation of the features.
    target_mean_, target_scale_ : float
        Mean and standard deviation of the targets.
    validation_mae_ : float
        Mean absolute error on the validation set, in the unit of the targets.
    restarts_ : int
        How often the training was started again; 0 for a model that was loaded.
    history_ : list of dict
        For each epoch ``epoch``, ``train_loss``, ``validation_error`` (mean absolute error in the unit of the targets),
        ``learning_rate`` and ``seconds``.
    n_features_in_ : int
        Number of features.
    """

    FORMAT: ClassVar[str]
    """What a file of weights says it is."""

    NAME: ClassVar[str]
    """What the model is called in messages."""

    _restarts: int = 0
    """How often training may begin again if the model has learned nothing."""

    @abstractmethod
    def _start(
        self, x: Float32[Tensor, "samples features"], target: Float32[Tensor, " samples"], fit: Int[Tensor, " fit"]
    ) -> nn.Module:
        """The untrained module, on the device of the standardised features; torch's generators are seeded."""

    @abstractmethod
    def _empty(self, n_features: int, shapes: dict[str, tuple[int, ...]]) -> nn.Module:
        """A module that weights of these shapes can be loaded into."""

    def fit(self, X: Any, y: Any, *, checkpoint: Path | None = None) -> NetworkRegressor:
        """Train on features of shape (samples, features) and targets of shape (samples,).

        Parameters
        ----------
        X
            An array, a ``numpy.memmap``, or anything that gives blocks of rows for slices
            (:class:`~synthetic_atoms.models.rows.Rows`). It is read from start to end, in chunks; one standardised
            copy in single precision is made on the device.
        y
            One target for each row.
        checkpoint
            A file from which an interrupted fit goes on, and in which it keeps its state about every minute. On one
            machine with the same number of threads the result is that of an uninterrupted fit. The file stays when the
            fit is finished: going on from it with a larger ``max_epochs`` continues the training. A training that
            begins again keeps its state in a file of its own beside it;
            :func:`~synthetic_atoms.models.checkpoint.remove_checkpoints` removes all of them.

        Raises
        ------
        ParameterError
            If a parameter is out of its range, the device is not there, or training diverges.
        InputError
            If the arrays do not match, hold NaN or infinity, or have fewer than two samples.
        DataError
            If the checkpoint is damaged, belongs to another fit, or cannot be written.
        """
        options = self._options()
        device = choose_device(self.device)
        X, y = self._training_data(X, y)
        fit, held_out = validation_split(len(y), self.seed)
        self.scaler_ = Scaler.of(X)
        self.target_mean_ = float(y.mean())
        self.target_scale_ = float(y.std())
        if self.target_scale_ <= 10.0 * np.finfo(np.float64).eps * abs(self.target_mean_):
            self.target_scale_ = 1.0

        # Everything is on the device once; batches are taken out by index.
        x = self.scaler_(X, device)
        t = torch.from_numpy((y - self.target_mean_) / self.target_scale_).float().to(device)
        fit_index = torch.from_numpy(fit)
        nothing_learned = float(t[held_out].abs().mean()) * self.target_scale_
        for attempt in range(1 + self._restarts):
            saved = None
            if checkpoint is not None:
                saved = Checkpoint(attempt_file(Path(checkpoint), attempt), self._identity(y, device))
            self._train(x, t, fit_index, torch.from_numpy(held_out), options, saved)
            self.restarts_ = attempt
            if nothing_learned == 0 or self.validation_mae_ < LEARNED * nothing_learned:
                break
            options = replace(options, learning_rate=options.learning_rate / 2)
        return self

    def _train(
        self,
        x: Float32[Tensor, "samples features"],
        t: Float32[Tensor, " samples"],
        fit_index: Int[Tensor, " fit"],
        held_out: Int[Tensor, " validation"],
        options: TrainingOptions,
        saved: Checkpoint | None,
    ) -> None:
        """One training from new weights; sets ``network_``, ``history_`` and ``validation_mae_``."""
        device = x.device
        held_out = held_out.to(device)
        x_validation, t_validation = x[held_out], t[held_out]
        # Initial weights and dropout draw from torch's global generators: seed them and leave them as they were.
        with torch.random.fork_rng(devices=[device] if device.type == "cuda" else []):
            torch.manual_seed(self.seed)
            network = self._start(x, t, fit_index.to(device))

            def batch_loss(indices: Tensor) -> Tensor:
                rows = fit_index[indices].to(device)
                return network.loss(x[rows], t[rows])

            def validation_error() -> float:
                return float((network(x_validation) - t_validation).abs().mean()) * self.target_scale_

            generator = torch.Generator().manual_seed(self.seed)
            self.history_ = train(
                network, len(fit_index), batch_loss, validation_error, options, generator, checkpoint=saved
            )
            network.finish(x, t, fit_index.to(device))
        with torch.no_grad():
            self.validation_mae_ = validation_error()
        self.network_ = network.cpu()

    def save(self, path: Path) -> None:
        """Write weights, scaling, parameters and training history to a ``.safetensors`` file.

        Raises
        ------
        DataError
            If the file cannot be written.
        """
        check_is_fitted(self)
        about = {
            "format": self.FORMAT,
            "parameters": {**self.get_params(), "hidden_layers": list(self.hidden_layers)},
            "n_features": self.n_features_in_,
            "target_mean": self.target_mean_,
            "target_scale": self.target_scale_,
            "history": self.history_,
            "validation_mae": self.validation_mae_,
        }
        tensors = {f"network.{name}": value.contiguous() for name, value in self.network_.state_dict().items()}
        tensors["scaler.mean"] = torch.from_numpy(self.scaler_.mean)
        tensors["scaler.scale"] = torch.from_numpy(self.scaler_.scale)
        write_weights(Path(path), tensors, about)

    @classmethod
    def load(cls, path: Path) -> NetworkRegressor:
        """Read a model that :meth:`save` wrote.

        Raises
        ------
        DataError
            If the file is missing, damaged, or something else.
        """
        path = Path(path)
        if not path.is_file():
            raise DataError(f"Expected a {cls.NAME} at {path}, found no file.")
        try:
            about, tensors = read_weights(path)
            if about["format"] != cls.FORMAT:
                raise ValueError(f"format {about['format']!r}")
            model = cls(**{**about["parameters"], "hidden_layers": tuple(about["parameters"]["hidden_layers"])})
            weights = {
                name.removeprefix("network."): value for name, value in tensors.items() if name.startswith("network.")
            }
            network = model._empty(int(about["n_features"]), {name: tuple(w.shape) for name, w in weights.items()})
            network.load_state_dict(weights)
            model.scaler_ = Scaler(tensors["scaler.mean"].numpy(), tensors["scaler.scale"].numpy())
            model.n_features_in_ = int(about["n_features"])
            model.target_mean_, model.target_scale_ = float(about["target_mean"]), float(about["target_scale"])
            model.history_ = about["history"]
            model.validation_mae_ = float(about["validation_mae"])
            model.restarts_ = 0
        except (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError, AttributeError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise DataError(f"Expected a {cls.NAME} saved by this library at {path}, found: {reason}.") from error
        model.network_ = network.eval()
        return model

    def _options(self) -> TrainingOptions:
        """The training's settings; all parameters are checked."""
        widths = self.hidden_layers
        listed = isinstance(widths, Sequence | np.ndarray) and not isinstance(widths, str)
        if not listed or len(widths) == 0 or any(not is_integer(width) or width < 1 for width in widths):
            raise ParameterError(
                f"Expected the width of one or more hidden layers, such as (400, 400), found {widths!r}."
            )
        for name in ("learning_rate", "weight_decay", "decay_factor", "dropout"):
            value = getattr(self, name)
            if not isinstance(value, Real) or isinstance(value, bool):
                raise ParameterError(f"Expected {name} to be a number, found {value!r}.")
        for name in ("batch_size", "max_epochs", "patience", "decay_patience"):
            if not is_integer(getattr(self, name)):
                raise ParameterError(f"Expected {name} to be an integer, found {getattr(self, name)!r}.")
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

    def _training_data(self, X: Any, y: Any) -> tuple[Rows, Float64[np.ndarray, " samples"]]:
        if not _is_row_source(X):
            X, y = checked(self, X, y, dtype=_PRECISIONS, y_numeric=True, ensure_min_samples=2)
            return X, np.asarray(y, dtype=np.float64)
        y = read_targets(y, len(X))
        if len(y) < 2:
            raise InputError(f"Expected at least two rows of features, found {len(y)}.")
        self.n_features_in_ = read_rows(X, 0, 1).shape[1]
        if hasattr(self, "feature_names_in_"):  # of an earlier fit to a table
            del self.feature_names_in_
        return X, y

    def _identity(self, y: Float64[np.ndarray, " samples"], device: torch.device) -> str:
        """A digest of what is trained: parameters, kind of device, targets in order, moments of the features."""
        parameters = {name: value for name, value in self.get_params().items() if name not in PASSING}
        parameters["hidden_layers"] = list(self.hidden_layers)
        text = json.dumps([self.FORMAT, parameters, device.type, y.shape], sort_keys=True, default=str)
        digest = hashlib.blake2b(text.encode(), digest_size=16)
        for array in (y, self.scaler_.mean, self.scaler_.scale):
            digest.update(np.ascontiguousarray(array).data)
        return digest.hexdigest()

    def _evaluate(
        self, X: Any, function: Callable[[nn.Module, Tensor], Tensor]
    ) -> Float[np.ndarray, "samples outputs"]:
        """Outputs of a function of the module and a chunk of standardised features, two-dimensional, for all rows."""
        check_is_fitted(self)
        if not _is_row_source(X):
            X = checked(self, X, dtype=_PRECISIONS, reset=False)
        elif len(X) == 0:
            raise InputError("Expected at least one row of features, found none.")
        device = choose_device(self.device)
        network = self.network_.to(device).eval()
        parts = []
        try:
            rows = IN_CACHE if device.type == "cpu" else CHUNK
            with torch.no_grad():
                for start in range(0, len(X), rows):
                    stop = min(start + rows, len(X))
                    parts.append(function(network, self.scaler_(X, device, start, stop)).cpu().numpy())
        finally:
            network.cpu()
        return np.concatenate(parts)

    def _in_units(self, standardised: Float[np.ndarray, " samples"]) -> Float64[np.ndarray, " samples"]:
        """Targets in their own unit."""
        return standardised.astype(np.float64) * self.target_scale_ + self.target_mean_


def _is_row_source(X: Any) -> bool:
    """Whether it gives rows block by block and is nothing that scientific Python takes for an array."""
    plain = hasattr(X, "__array__") or isinstance(X, (list, tuple, str, dict)) or issparse(X)
    return not plain and isinstance(X, Rows)
