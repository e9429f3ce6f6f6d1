"""The whitened basis of a sparse GPR: representative points, their Cholesky factor, projections onto them.

With :math:`K_{MM} + \\epsilon I = L L^T`, the projections :math:`V = L^{-1} K_{MN}` turn the sparse GPR into a Bayesian
linear regression with independent unit-variance weights. That is the stable way to solve it (Foster et al., J. Mach.
Learn. Res. 10, 857, 2009); the paper's eqn 3 is the same model in another basis. L is lower triangular, so the first m
rows of V are the projections onto the first m representative points alone: every smaller model is a leading block.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float64
from scipy.linalg.blas import dgemm, dtrsm, dtrsv
from scipy.linalg.lapack import dpotrf, dsygst

from synthetic_atoms.errors import ParameterError
from synthetic_atoms.models.kernels import ROW_BLOCK, PolynomialKernel
from synthetic_atoms.models.rows import Rows, read_rows

JITTER_STEPS = (1.0, 1e2, 1e4)
"""Factors by which the relative jitter is raised, in turn, while the kernel matrix will not factorise."""

_ROUNDING_TOLERANCE = 1e-3  # see RepresentativeBasis.rows_to_whiten


def factorise(
    kernel_matrix: Float64[np.ndarray, "sparse sparse"], relative_jitter: float
) -> tuple[Float64[np.ndarray, "sparse sparse"], float]:
    """Cholesky factor of a kernel matrix with jitter on its diagonal.

    The jitter policy: ``relative_jitter`` times the mean of the diagonal is added to the diagonal. If the factorisation
    then breaks down, or if it leaves a squared pivot below half the jitter (in exact arithmetic none is smaller than
    the jitter, so such a pivot is rounding noise), the jitter is raised by the factors ``JITTER_STEPS``; after the last
    one it is an error. A relative jitter of zero is taken literally, and nothing is raised.

    Returns
    -------
    factor
        Lower triangular, Fortran order.
    jitter
        What was added to the diagonal, in the kernel's units (eV^2).

    Raises
    ------
    ParameterError
        If the matrix could not be factorised, with what to try.
    """
    scale = float(np.mean(np.diagonal(kernel_matrix)))
    steps = JITTER_STEPS if relative_jitter > 0 else (1.0,)
    for step in steps:
        jitter = relative_jitter * step * scale
        factor = np.array(kernel_matrix.T, order="F")  # symmetric: a plain copy
        np.einsum("ii->i", factor)[:] += jitter
        factor, info = dpotrf(factor, lower=1, clean=1, overwrite_a=1)
        pivot = float(np.diagonal(factor).min()) if info == 0 else 0.0
        if info == 0 and pivot > 0 and pivot**2 >= 0.5 * jitter:
            return factor, jitter
    tried = (
        f"even with a jitter of {relative_jitter * steps[-1]:.0e} of its mean diagonal"
        if relative_jitter > 0
        else "without jitter (1e-12 is usual)"
    )
    raise ParameterError(
        f"Expected a positive definite kernel matrix of the {len(kernel_matrix)} representative points, found that it "
        f"cannot be factorised {tried}: try a larger jitter, fewer representative points (n_sparse), or points "
        "without (near-)duplicates."
    )


def lower_solve(
    factor: Float64[np.ndarray, "m m"], rows: Float64[np.ndarray, "m columns"]
) -> Float64[np.ndarray, "m columns"]:
    """Overwrite C-contiguous ``rows`` with factor^-1 rows, for a lower triangular factor in Fortran order."""
    return dtrsm(1.0, factor, rows.T, side=1, lower=1, trans_a=1, overwrite_b=1).T


def upper_solve(factor: Float64[np.ndarray, "m m"], vector: Float64[np.ndarray, " m"]) -> Float64[np.ndarray, " m"]:
    """factor^-T vector, for a lower triangular factor."""
    return dtrsv(np.asfortranarray(factor), vector, lower=1, trans=1)


class RepresentativeBasis:
    """Representative points, the factor of their kernel matrix, and projections of other points onto them.

    Attributes
    ----------
    points : array (M, features)
        The representative points, as given, in float64.
    factor : array (M, M)
        Lower triangular L in Fortran order, L L^T = K_MM + jitter I.
    jitter_eV2 : float
        What was added to the diagonal.
    whitened_rows : int
        How many rows of the projections are whitened in the stream.
    """

    def __init__(self, kernel: PolynomialKernel, points: Float[np.ndarray, "sparse features"], jitter: float) -> None:
        self.kernel = kernel
        self.points = points.astype(np.float64)
        self.scaled = kernel.scale(points)
        self.factor, self.jitter_eV2 = factorise(kernel.matrix(self.scaled, self.scaled), jitter)
        self.whiten_in_stream(len(points))

    def __len__(self) -> int:
        return len(self.points)

    def whiten_in_stream(self, rows: int) -> None:
        """Choose how many rows :meth:`project` whitens: all of them (the default), or a multiple of ``ROW_BLOCK``."""
        self.whitened_rows = rows
        starts = range(0, len(self), ROW_BLOCK)
        # BLAS wrappers copy what is not contiguous, so the blocks that the solve needs are laid out once.
        self._diagonal = [np.asfortranarray(self.factor[s : s + ROW_BLOCK, s : s + ROW_BLOCK]) for s in starts]
        self._left_of_diagonal = [np.ascontiguousarray(self.factor[s : s + ROW_BLOCK, : min(s, rows)]) for s in starts]

    def project(self, out: Float64[np.ndarray, "sparse rows"], scaled: Float64[np.ndarray, "rows scaled"]) -> None:
        """Write the projections of scaled rows into ``out``, C-contiguous.

        The first ``whitened_rows`` rows are those of L^-1 K. From the others only the part explained by the first is
        subtracted, K_2 - L_21 V_1: what is missing is the solve with the lower right block L_22, which :meth:`finish`
        does afterwards on the sums instead of on every column. Solving by blocks makes nearly all of the work matrix
        products, which run faster than a triangular solve on several cores.
        """
        for start, diagonal, left in zip(
            range(0, len(self), ROW_BLOCK), self._diagonal, self._left_of_diagonal, strict=True
        ):
            rows = out[start : start + ROW_BLOCK]
            self.kernel.fill(rows, self.scaled[start : start + ROW_BLOCK], scaled)
            if start:
                dgemm(-1.0, out[: left.shape[1]].T, left.T, 1.0, rows.T, overwrite_c=1)
            if start < self.whitened_rows:
                dtrsm(1.0, diagonal, rows.T, side=1, lower=1, trans_a=1, overwrite_b=1)

    def rows_to_whiten(self, n_train: int, smallest_ridge_eV2: float) -> int:
        r"""How many rows must be whitened in the stream so that sums over ``n_train`` columns stay accurate.

        Whitening the sums :math:`A_{22}` of the others afterwards, :math:`L_{22}^{-1} A_{22} L_{22}^{-T}`, magnifies
        the rounding errors of :math:`A_{22}` by :math:`\|L_{22}^{-1}\|^2`. With S the residual kernel matrix of these
        points, :math:`\|A_{22}\| \approx (N / M) \lambda_{max}(S)^2`, so the error is about
        :math:`\mathrm{eps} (N / M) \lambda_{max}(S)^2 / \lambda_{min}(K_{MM})`. It must be a thousandth of what it is
        added to, the ridge and the smallest eigenvalue of the sums. :math:`\lambda_{max}(S)` falls fast: with SOAP some
        500 of 5000 points explain all but 1e-4 of the variance, which saves most of the triangular solve.
        """
        size = len(self)
        smallest = 1 / self._norm_squared_of_inverse()
        allowed = _ROUNDING_TOLERANCE * (smallest_ridge_eV2 + smallest)
        for rows in range(ROW_BLOCK, size, ROW_BLOCK):
            residual = self.factor[rows:, rows:]
            largest = _norm_squared(residual)
            repeats = max(1.0, n_train / size)
            if np.finfo(np.float64).eps * repeats * largest**2 / smallest <= allowed:
                return rows
        return size

    def finish(
        self,
        gram: Float64[np.ndarray, "m m"],
        vectors: Float64[np.ndarray, "m count"],
    ) -> None:
        """Whiten, in place, sums over columns of :meth:`project`: ``gram`` (lower triangle) and ``vectors``."""
        size, first = len(gram), self.whitened_rows
        if first >= size:
            return
        block = np.asfortranarray(self.factor[first:size, first:size])
        gram[first:, :first] = dtrsm(1.0, block, gram[first:, :first], lower=1)
        vectors[first:] = dtrsm(1.0, block, vectors[first:], lower=1)
        whitened, info = dsygst(gram[first:, first:], block, itype=1, lower=1)
        assert info == 0  # it can only complain about its arguments
        gram[first:, first:] = whitened

    def _norm_squared_of_inverse(self) -> float:
        """||L^-1||^2 by power iteration, a little too small."""
        vector = _random_unit_vector(len(self))
        norm = 0.0
        for _ in range(8):
            vector = dtrsv(self.factor, dtrsv(self.factor, vector, lower=1, trans=0), lower=1, trans=1)
            norm = float(np.linalg.norm(vector))
            vector /= norm
        return norm


def _norm_squared(factor: Float64[np.ndarray, "m m"]) -> float:
    """||factor||^2 by power iteration, a little too small."""
    vector = _random_unit_vector(len(factor))
    norm = 0.0
    for _ in range(12):
        vector = factor @ (factor.T @ vector)
        norm = float(np.linalg.norm(vector))
        vector /= norm
    return norm


def _random_unit_vector(size: int) -> Float64[np.ndarray, " size"]:
    vector = np.random.default_rng(0).normal(size=size)
    return vector / np.linalg.norm(vector)


def predict_rows(
    kernel: PolynomialKernel,
    scaled_points: Float64[np.ndarray, "sparse scaled"],
    coefficients: Float64[np.ndarray, "sparse models"],
    rows: Rows,
    chunk_size: int,
    n_features: int,
) -> Iterator[tuple[slice, Float64[np.ndarray, "chunk models"], Float64[np.ndarray, "sparse chunk"]]]:
    """Kernel predictions, a chunk at a time, for any number of models that share their representative points.

    Yields the slice of rows, their predictions (eV, without the mean) and the kernel block, which is overwritten by the
    next chunk.
    """
    coefficients = np.asfortranarray(coefficients)
    memory = np.empty(len(scaled_points) * min(chunk_size, len(rows)))
    for start in range(0, len(rows), chunk_size):
        stop = min(start + chunk_size, len(rows))
        block = memory[: len(scaled_points) * (stop - start)].reshape(len(scaled_points), stop - start)
        kernel.fill(block, scaled_points, kernel.scale(read_rows(rows, start, stop, n_features)))
        yield slice(start, stop), dgemm(1.0, block.T, coefficients), block
