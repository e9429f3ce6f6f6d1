"""Rows of features that are read a block at a time, so that they need not fit in memory."""

from __future__ import annotations

from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from sklearn.exceptions import NotFittedError

from synthetic_atoms.errors import ParameterError
from synthetic_atoms.models.inputs import InputError


class UnfittedError(ParameterError, NotFittedError):
    """A model was asked for something that needs a fit (a ``NotFittedError`` too, as scikit-learn asks)."""


@runtime_checkable
class Rows(Protocol):
    """Anything that has a length and gives a block of rows for a slice: an array, a ``numpy.memmap``, an HDF5 dataset.

    ``rows[a:b]`` is an array of shape (b - a, features), float32 or float64.
    """

    def __len__(self) -> int: ...

    def __getitem__(self, key: slice, /) -> Any: ...


def read_rows(rows: Rows, start: int, stop: int, n_features: int | None = None) -> Float[np.ndarray, "rows features"]:
    """Rows ``start`` to ``stop`` as a finite floating-point array, in the precision in which they are stored.

    Raises
    ------
    InputError
        If they are not numbers in two dimensions, not as many as asked for, not finite, or if they have another
        number of features than ``n_features``.
    """
    block = np.asarray(rows[start:stop])
    if block.ndim != 2 or block.dtype.kind not in "fiu":
        raise InputError(
            f"Expected real features in two dimensions (environments, features), "
            f"found dtype {block.dtype} and shape {block.shape}."
        )
    if len(block) != stop - start:
        raise InputError(f"Expected {stop - start} rows of features from row {start} on, found {len(block)}.")
    if n_features is not None and block.shape[1] != n_features:
        raise InputError(f"Expected {n_features} features in each row, found {block.shape[1]} from row {start} on.")
    if block.dtype not in (np.float32, np.float64):
        block = block.astype(np.float64)
    if not np.isfinite(block).all():
        bad = start + int(np.flatnonzero(~np.isfinite(block).all(axis=1))[0])
        raise InputError(f"Expected finite features, found NaN or infinity in row {bad}.")
    return block


def read_targets(targets: Any, n_rows: int) -> Float[np.ndarray, " rows"]:
    """One finite float64 number for each of ``n_rows`` rows.

    Raises
    ------
    InputError
        If the targets are not one-dimensional, not as many as the rows, or not finite.
    """
    values = np.asarray(targets)
    if values.ndim != 1 or values.dtype.kind not in "fiu":
        raise InputError(f"Expected real targets in one dimension, found dtype {values.dtype}, shape {values.shape}.")
    if len(values) != n_rows:
        raise InputError(f"Expected one target for each of {n_rows} rows of features, found {len(values)}.")
    if n_rows < 1:
        raise InputError("Expected at least one row of features, found none.")
    values = values.astype(np.float64)
    if not np.isfinite(values).all():
        bad = int(np.flatnonzero(~np.isfinite(values))[0])
        raise InputError(f"Expected finite targets, found NaN or infinity in row {bad}.")
    return values
