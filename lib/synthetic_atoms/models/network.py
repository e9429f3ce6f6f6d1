"""The multilayer perceptron, and its standardised inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import torch
from jaxtyping import Float, Float32
from torch import Tensor, nn

CHUNK = 8192
"""Rows handled at a time outside of training, so that memory does not grow with the data."""


class Network(nn.Module):
    """Fully connected layers with CELU between them and a single output.

    Parameters
    ----------
    n_inputs
        Number of input features.
    widths
        Width of each hidden layer.
    dropout
        Probability with which a hidden unit is dropped in training.
    """

    def __init__(self, n_inputs: int, widths: Sequence[int], dropout: float = 0.0) -> None:
        super().__init__()
        sizes = [n_inputs, *widths]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.output = nn.Linear(sizes[-1], 1)
        self.dropout = nn.Dropout(dropout)

    def hidden(self, x: Float[Tensor, "batch inputs"], depth: int | None = None) -> Float[Tensor, "batch units"]:
        """Activations after ``depth`` hidden layers, all of them by default."""
        for layer in self.layers[:depth]:
            x = self.dropout(nn.functional.celu(layer(x)))
        return x

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, " batch"]:
        """The network's output for standardised inputs."""
        return self.output(self.hidden(x)).squeeze(-1)


@dataclass(frozen=True)
class Scaler:
    """Mean and standard deviation of each feature, in float64; features that do not vary are only centred."""

    mean: Float[np.ndarray, " features"]
    scale: Float[np.ndarray, " features"]

    @classmethod
    def of(cls, x: Float[np.ndarray, "samples features"]) -> Scaler:
        """The scaler of a data set, which is read in chunks, twice."""
        n, n_features = x.shape
        mean = np.zeros(n_features)
        for start in range(0, n, CHUNK):
            mean += x[start : start + CHUNK].sum(axis=0, dtype=np.float64)
        mean /= n
        variance = np.zeros(n_features)
        for start in range(0, n, CHUNK):
            variance += np.square(x[start : start + CHUNK] - mean).sum(axis=0)
        scale = np.sqrt(variance / n)
        # What rounding alone makes of a constant must not be blown up to unit variance.
        constant = scale <= 10.0 * np.finfo(x.dtype).eps * np.abs(mean)
        return cls(mean, np.where(constant, 1.0, scale))

    def __call__(self, x: Float[np.ndarray, "samples features"]) -> Float32[Tensor, "samples features"]:
        """Standardised features."""
        out = torch.empty(x.shape, dtype=torch.float32)
        for start in range(0, len(x), CHUNK):
            block = (x[start : start + CHUNK] - self.mean) / self.scale
            out[start : start + CHUNK] = torch.from_numpy(block.astype(np.float32))
        return out
