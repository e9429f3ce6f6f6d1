"""The multilayer perceptron, and its standardised inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

from synthetic_atoms.models.rows import Rows, read_rows

CHUNK = 8192
"""Rows handled at a time outside of training, so that memory does not grow with the data."""


IN_CACHE = 1024
"""Rows handled at a time on a processor: large enough for its BLAS, and what they become stays in its cache."""


class Network(nn.Module):
    """Fully connected layers with CELU between them, the last one linear.

    Parameters
    ----------
    n_inputs
        Number of input features.
    widths
        Width of each hidden layer.
    dropout
        Probability with which a hidden unit is dropped in training.
    n_outputs
        Number of outputs.
    """

    def __init__(self, n_inputs: int, widths: Sequence[int], dropout: float = 0.0, n_outputs: int = 1) -> None:
        super().__init__()
        sizes = [n_inputs, *widths]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.output = nn.Linear(sizes[-1], n_outputs)
        self.dropout = nn.Dropout(dropout)

    def hidden(self, x: Float[Tensor, "batch inputs"], depth: int | None = None) -> Float[Tensor, "batch units"]:
        """Activations after ``depth`` hidden layers, all of them by default."""
        for layer in self.layers[:depth]:
            # In place where no gradient will ask for what was there.
            x = self.dropout(nn.functional.celu(layer(x), inplace=not torch.is_grad_enabled()))
        return x

    def outputs(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        """All outputs for standardised inputs."""
        return self.output(self.hidden(x))

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, " batch"]:
        """The single output of a network that has one, for standardised inputs."""
        return self.outputs(x).squeeze(-1)

    def finish(self, *_: Tensor) -> None:
        """Nothing is left to do after training."""

    def loss(self, x: Float[Tensor, "batch inputs"], target: Float[Tensor, " batch"]) -> Float[Tensor, ""]:
        """What training minimises: the mean square error of standardised targets."""
        return nn.functional.mse_loss(self(x), target)


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation of each feature, in float64; features that do not vary are only centred."""

    mean: Float[np.ndarray, " features"]
    scale: Float[np.ndarray, " features"]

    @classmethod
    def of(cls, x: Rows) -> Scaler:
        """The scaler of a data set (samples, features), which is read in chunks, twice.

        Raises
        ------
        InputError
            If the rows are not finite numbers, or of different lengths.
        """
        n = len(x)
        first = read_rows(x, 0, min(CHUNK, n))
        n_features, precision = first.shape[1], first.dtype
        mean = np.zeros(n_features)
        for start in range(0, n, CHUNK):
            mean += read_rows(x, start, min(start + CHUNK, n), n_features).sum(axis=0, dtype=np.float64)
        mean /= n
        variance = np.zeros(n_features)
        for start in range(0, n, CHUNK):
            variance += np.square(read_rows(x, start, min(start + CHUNK, n), n_features) - mean).sum(axis=0)
        scale = np.sqrt(variance / n)
        # What rounding alone makes of a constant must not be blown up to unit variance.
        constant = scale <= 10.0 * np.finfo(precision).eps * np.abs(mean)
        return cls(mean, np.where(constant, 1.0, scale))

    def __call__(
        self, x: Rows, device: torch.device | str = "cpu", start: int = 0, stop: int | None = None
    ) -> Float32[Tensor, "samples features"]:
        """Standardised features of rows ``start`` to ``stop`` on a device, the only copy that is made of them.

        Raises
        ------
        InputError
            If the rows are not finite numbers, or have another number of features.
        """
        stop = len(x) if stop is None else stop
        mean, scale = torch.tensor(self.mean), torch.tensor(self.scale)
        out = torch.empty((stop - start, len(mean)), dtype=torch.float32, device=device)
        # One block of memory for all. Rows go in by NumPy, because torch warns of memory that may not be written; torch
        # has all threads for the rest.
        work = torch.empty((min(IN_CACHE, len(out)), len(mean)), dtype=torch.float64)
        for first in range(start, stop, IN_CACHE):
            last = min(first + IN_CACHE, stop)
            block = work[: last - first]
            block.numpy()[:] = read_rows(x, first, last, len(mean))
            out[first - start : last - start] = block.sub_(mean).div_(scale)
        return out
