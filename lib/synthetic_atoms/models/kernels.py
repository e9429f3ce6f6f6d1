"""The kernel of the GPR models, computed in place and in float64."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral, Real

import numpy as np
from jaxtyping import Float, Float64
from scipy.linalg.blas import dgemm

from synthetic_atoms.errors import ParameterError
from synthetic_atoms.models.inputs import InputError, is_integer

ROW_BLOCK = 512
"""Rows of the kernel matrix that are computed at a time: large enough for BLAS, small enough to stay in cache."""

_POWER_ELEMENTS = 1 << 16  # elements raised to the power at a time: half a megabyte, inside one core's cache


@dataclass(frozen=True)
class PolynomialKernel:
    r"""Dot-product kernel of unit descriptors, :math:`k(x, x') = \delta^2 (c + x \cdot x')^\zeta`.

    For SOAP vectors and c = 0 this is the SOAP kernel of doi:10.1103/PhysRevB.87.184115. An integer exponent and a
    non-negative offset make it positive semidefinite for any vectors.

    Parameters
    ----------
    zeta
        Exponent, a positive integer.
    offset
        c, not negative.
    prior_scale_eV
        :math:`\delta` in eV.

    Raises
    ------
    ParameterError
        If a parameter is outside its range.
    """

    zeta: Integral = 4
    offset: Real = 0.0
    prior_scale_eV: Real = 1.0

    def __post_init__(self) -> None:
        if not is_integer(self.zeta) or self.zeta < 1:
            raise ParameterError(f"Expected zeta to be a positive integer, found {self.zeta!r}.")
        if not 0 <= self.offset < np.inf:
            raise ParameterError(f"Expected kernel_offset to be finite and not negative, found {self.offset!r}.")
        if not 0 < self.prior_scale_eV < np.inf:
            raise ParameterError(f"Expected prior_scale_eV to be finite and positive, found {self.prior_scale_eV!r}.")

    def scale(self, rows: Float[np.ndarray, "rows features"]) -> Float64[np.ndarray, "rows scaled"]:
        """Rows z such that the kernel is (z . z')^zeta: the offset becomes one more feature, the prior scale a factor.

        This keeps the rest of the work to one matrix product and one power.

        Raises
        ------
        InputError
            If a kernel value exceeds 1e100 eV^2, before sums of such values overflow.
        """
        n_rows, n_features = rows.shape
        scaled = np.empty((n_rows, n_features + (self.offset > 0)))
        scaled[:, :n_features] = rows
        if self.offset > 0:
            scaled[:, n_features] = np.sqrt(self.offset)
        scaled *= float(self.prior_scale_eV) ** (1 / int(self.zeta))
        with np.errstate(over="ignore"):
            largest = float(self.diagonal(scaled).max(initial=0.0))
        if not largest <= 1e100:
            raise InputError(f"Expected kernel values below 1e100 eV^2, found {largest:.0e}: normalise the features.")
        return scaled

    def diagonal(self, scaled: Float64[np.ndarray, "rows scaled"]) -> Float64[np.ndarray, " rows"]:
        """k(x, x) in eV^2 for rows that went through :meth:`scale`."""
        return np.einsum("ij,ij->i", scaled, scaled) ** int(self.zeta)

    def fill(
        self,
        out: Float64[np.ndarray, "left right"],
        left: Float64[np.ndarray, "left scaled"],
        right: Float64[np.ndarray, "right scaled"],
    ) -> None:
        """Write the kernel matrix (eV^2) of two sets of scaled rows into ``out``, all three C-contiguous."""
        for start in range(0, len(left), ROW_BLOCK):
            block = out[start : start + ROW_BLOCK]
            # BLAS wants Fortran order: every transpose below is a view, and the result lands in `out`.
            dgemm(1.0, right.T, left[start : start + ROW_BLOCK].T, 0.0, block.T, trans_a=1, overwrite_c=1)
            _raise_in_place(block, int(self.zeta))

    def matrix(
        self, left: Float64[np.ndarray, "left scaled"], right: Float64[np.ndarray, "right scaled"]
    ) -> Float64[np.ndarray, "left right"]:
        """The kernel matrix (eV^2) of two sets of scaled rows, as a new array."""
        out = np.empty((len(left), len(right)))
        self.fill(out, left, right)
        return out


def _raise_in_place(values: Float64[np.ndarray, "rows columns"], exponent: int) -> None:
    """Raise to a positive integer power by repeated multiplication, a few rows at a time."""
    rows = max(1, _POWER_ELEMENTS // max(1, values.shape[1]))
    scratch = np.empty((rows, values.shape[1])) if exponent & (exponent - 1) else None
    for start in range(0, len(values), rows):
        block = values[start : start + rows]
        remaining = exponent
        while remaining % 2 == 0:
            np.multiply(block, block, out=block)
            remaining //= 2
        if remaining > 1:  # block holds b; multiply it by b^(remaining - 1), which is an even power
            square = scratch[: len(block)]
            np.copyto(square, block)
            remaining -= 1
            while remaining > 1:
                np.multiply(square, square, out=square)
                remaining //= 2
                if remaining % 2:
                    np.multiply(block, square, out=block)
