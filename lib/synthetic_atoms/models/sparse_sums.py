"""One pass over the training data: the sums that every sparse GPR of a family needs, and the models from them."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from scipy.linalg.blas import dgemm, dsyrk, dtrsv
from scipy.linalg.lapack import dpotrf

from synthetic_atoms.errors import ParameterError
from synthetic_atoms.models.rows import Rows, read_rows, read_targets
from synthetic_atoms.models.sparse_basis import RepresentativeBasis, upper_solve

ESTIMATORS = ("dtc", "fitc")


@dataclass(frozen=True, order=True)
class FitRequest:
    """One model to be fitted: the first ``n_train`` rows, the first ``n_sparse`` of them as representative points."""

    n_train: int
    estimator: str
    sigma_meV: float
    n_sparse: int

    @property
    def noise_variance_eV2(self) -> float:
        return (self.sigma_meV * 1e-3) ** 2

    @property
    def ridge(self) -> float:
        """What stands beside the sums: sigma^2 for DTC; FITC's sums carry 1/Lambda already, which leaves 1."""
        return self.noise_variance_eV2 if self.estimator == "dtc" else 1.0


@dataclass(frozen=True)
class Fit:
    """A fitted model: predictions are ``mean_eV + k(x, points) @ coefficients``.

    ``posterior_factor`` is the Cholesky factor of the sums plus the ridge (lower triangular, Fortran order), which the
    predictive variance needs; it belongs to the largest ``n_sparse`` of its (n_train, estimator, sigma), of which every
    smaller one is a leading block.
    """

    request: FitRequest
    mean_eV: float
    coefficients: Float64[np.ndarray, " sparse"]
    posterior_factor: Float64[np.ndarray, "largest largest"]


class _Sums:
    """Running sums over training points of w v v^T, w y v and w v, for one choice of weights w.

    ``stop`` is the number of training points after which they are no longer needed.
    """

    def __init__(self, size: int, noise_variance_eV2: float | None, stop: int) -> None:
        self.size, self.noise_variance_eV2, self.stop = size, noise_variance_eV2, stop
        self.gram = np.zeros((size, size), order="F")
        self.vectors = np.zeros((size, 2), order="F")

    def add(
        self,
        projections: Float64[np.ndarray, "sparse columns"],
        residuals: Float64[np.ndarray, " columns"],
        unexplained: dict[int, Float64[np.ndarray, " columns"]],
        scratch: Float64[np.ndarray, " elements"],
    ) -> None:
        rows = projections[: self.size]
        right = np.empty((rows.shape[1], 2), order="F")
        right[:, 0], right[:, 1] = residuals, 1.0
        if self.noise_variance_eV2 is not None:  # FITC: both sides carry the square root of the weight
            root = 1 / np.sqrt(unexplained[self.size] + self.noise_variance_eV2)
            rows = np.multiply(rows, root, out=scratch[: rows.size].reshape(rows.shape))
            right *= root[:, None]
        dsyrk(1.0, rows.T, 1.0, self.gram, trans=1, lower=1, overwrite_c=1)
        self.vectors += dgemm(1.0, rows.T, right, trans_a=1)

    def at(
        self, basis: RepresentativeBasis, size: int, last: bool
    ) -> tuple[Float64[np.ndarray, "m m"], Float64[np.ndarray, "m 2"]]:
        """Whitened sums for the first ``size`` representative points; the ``last`` call may use up the memory."""
        keep = self.gram if last and size == self.size else self.gram[:size, :size].copy(order="F")
        vectors = self.vectors[:size].copy(order="F")
        basis.finish(keep, vectors)
        return keep, vectors


def stream_fits(
    basis: RepresentativeBasis,
    X: Rows,
    y: Float64[np.ndarray, " rows"],
    requests: Iterable[FitRequest],
    chunk_size: int,
    progress: Callable[[int], None] | None = None,
) -> Iterator[Fit]:
    """Read the training rows once, in order, and yield every requested model when its last row has been read.

    DTC needs one running sum whatever the number of models, because sigma enters only at the end and fewer
    representative points are a leading block. FITC's weights depend on sigma and on the representative points: one sum
    for each pair of them. All sums share the projections of the chunk. Memory is O(M^2) for each sum and
    O(M chunk_size) for the chunk, whatever the number of rows.

    Parameters
    ----------
    basis
        The representative points: the first rows of ``X``, at least as many as any request needs.
    X, y
        Features, and targets in eV, in training order.
    requests
        The models, with ``n_sparse <= n_train``.
    chunk_size
        Rows read at a time.
    progress
        Called with the number of rows read so far after each chunk.

    Raises
    ------
    InputError
        If rows or targets are not finite or do not fit together.
    ParameterError
        If a system of equations is numerically singular.
    """
    requests = sorted(set(requests))
    y = read_targets(y, len(y))
    total = requests[-1].n_train
    ends = sorted({r.n_train for r in requests})
    shift = float(np.mean(y[:total]))  # removed before summing, so that the sums do not cancel afterwards

    sums: dict[tuple[str, float, int], _Sums] = {}
    for key in sorted({_key(r) for r in requests}):
        mine = [r for r in requests if _key(r) == key]
        noise = mine[0].noise_variance_eV2 if key[0] == "fitc" else None
        sums[key] = _Sums(max(r.n_sparse for r in mine), noise, max(r.n_train for r in mine))
    dtc = [r.ridge for r in requests if r.estimator == "dtc"]
    needs_full = any(r.estimator == "fitc" for r in requests)  # FITC's weights need every column's norm
    basis.whiten_in_stream(len(basis) if needs_full else basis.rows_to_whiten(total, min(dtc)))

    widest = min(chunk_size, total)
    memory = np.empty(len(basis) * widest)
    scratch = np.empty(max((s.size for s in sums.values() if s.noise_variance_eV2 is not None), default=0) * widest)
    start = 0
    for end in ends:
        while start < end:
            stop = min(start + chunk_size, end)
            scaled = basis.kernel.scale(read_rows(X, start, stop, basis.points.shape[1]))
            block = memory[: len(basis) * (stop - start)].reshape(len(basis), stop - start)
            basis.project(block, scaled)
            sizes = sorted({s.size for s in sums.values() if s.noise_variance_eV2 is not None})
            unexplained = _unexplained_variance(basis.kernel.diagonal(scaled), block, sizes)
            for one in sums.values():
                one.add(block, y[start:stop] - shift, unexplained, scratch)
            start = stop
            if progress is not None:
                progress(start)
        mean = float(np.mean(y[:end]))
        for key in [k for k in sums if any(r.n_train == end and _key(r) == k for r in requests)]:
            mine = [r for r in requests if r.n_train == end and _key(r) == key]
            last = sums[key].stop == end
            yield from _solve(basis, sums[key], mine, mean, mean - shift, last)
            if last:
                del sums[key]


def _key(request: FitRequest) -> tuple[str, float, int]:
    """Requests with the same key share one running sum."""
    if request.estimator == "dtc":
        return ("dtc", 0.0, 0)
    return ("fitc", request.sigma_meV, request.n_sparse)


def _unexplained_variance(
    prior: Float64[np.ndarray, " columns"], projections: Float64[np.ndarray, "sparse columns"], sizes: list[int]
) -> dict[int, Float64[np.ndarray, " columns"]]:
    """Prior variance that the first m representative points leave: diag(K_NN - Q_NN), for each m in ``sizes``."""
    found, explained, done = {}, np.zeros_like(prior), 0
    for size in sizes:
        rows = projections[done:size]
        explained = explained + np.einsum("ij,ij->j", rows, rows)
        found[size] = np.maximum(prior - explained, 0.0)  # rounding may leave it slightly negative
        done = size
    return found


def _solve(
    basis: RepresentativeBasis, sums: _Sums, requests: list[FitRequest], mean: float, offset: float, last: bool
) -> Iterator[Fit]:
    """The models of one running sum at one number of training points.

    For each sigma one Cholesky factorisation, M^3 / 3 operations, serves every number of representative points. (An
    eigendecomposition would serve every sigma, but costs as much as about thirty factorisations and no leading block.)
    """
    size = max(r.n_sparse for r in requests)
    gram, vectors = sums.at(basis, size, last)
    right = vectors[:, 0] - offset * vectors[:, 1]
    largest: dict[float, int] = {}  # representative points by ridge: a model with fewer costs far less
    for request in requests:
        largest[request.ridge] = max(request.n_sparse, largest.get(request.ridge, 0))
    for number, (ridge, rows) in enumerate(sorted(largest.items(), key=lambda item: item[1])):
        may_overwrite = number == len(largest) - 1
        matrix = gram if may_overwrite else gram[:rows, :rows].copy(order="F")
        np.einsum("ii->i", matrix)[:] += ridge
        factor, info = dpotrf(matrix, lower=1, clean=1, overwrite_a=1)
        mine = [r for r in requests if r.ridge == ridge]
        if info != 0:
            raise ParameterError(
                f"Expected a positive definite system of equations for sigma = {mine[0].sigma_meV:g} meV and {rows} "
                "representative points, found a numerically singular one: try a larger sigma_meV or jitter."
            )
        forward = dtrsv(factor, right[:rows], lower=1, trans=0)
        for request in mine:
            m = request.n_sparse
            weights = upper_solve(factor[:m, :m], forward[:m])
            yield Fit(request, mean, upper_solve(basis.factor[:m, :m], weights), factor)
