"""Learning curves of sparse GPR from one pass over the training data."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import product
from typing import Any

import numpy as np
from jaxtyping import Float64

from synthetic_atoms.errors import ParameterError
from synthetic_atoms.models.inputs import is_integer
from synthetic_atoms.models.rows import Rows, UnfittedError, read_rows, read_targets
from synthetic_atoms.models.sparse_basis import RepresentativeBasis, predict_rows
from synthetic_atoms.models.sparse_gpr import SparseGPR, check_parameters
from synthetic_atoms.models.sparse_sums import FitRequest, stream_fits


class SparseGPRPath:
    """Sparse GPR models for every combination of estimator, N, M and sigma, from one pass over the training rows.

    Training sets are nested: the model for N uses the first N rows, and the first min(M, N) of them are its
    representative points, as in :class:`~synthetic_atoms.models.sparse_gpr.SparseGPR`, whose predictions for the same
    rows and parameters these models share. What the pass costs:

    - DTC: as much as one fit at the largest N and M, plus one M x M factorisation for each N and sigma;
    - FITC: the kernel and the whitened basis once, plus one M x M running sum (and its memory) for each sigma and M.

    Parameters
    ----------
    n_train
        Numbers of training points N.
    n_sparse
        Numbers of representative points M; models with M > N are those with M = N.
    sigma_meV
        Standard deviations of the noise.
    estimators
        Any of ``"dtc"`` and ``"fitc"``.
    zeta, kernel_offset, prior_scale_eV, chunk_size, jitter
        As in ``SparseGPR``. The jitter is chosen once, for the largest set of representative points.

    Attributes
    ----------
    models_ : tuple of FitRequest
        The distinct models in the order of the columns of :meth:`predict`; their ``n_sparse`` is min(M, N).
    coefficients_ : array (M, models)
        Column by column the coefficients of each model, zero beyond its representative points.
    means_eV_ : array (models,)
        Mean of each model's training targets.
    representative_points_ : array (M, features)
    jitter_eV2_ : float
    seconds_ : array (models,)
        Wall-clock seconds from the start of the fit until each model was there.

    Raises
    ------
    ParameterError
        If a parameter is out of its range or a list is empty.
    """

    def __init__(
        self,
        *,
        n_train: Sequence[int],
        n_sparse: Sequence[int] = (5000,),
        sigma_meV: Sequence[float] = (10.0,),
        estimators: Sequence[str] = ("dtc",),
        zeta: int = 4,
        kernel_offset: float = 0.0,
        prior_scale_eV: float = 1.0,
        chunk_size: int = 2048,
        jitter: float = 1e-12,
    ) -> None:
        for name, values in (
            ("n_train", n_train),
            ("n_sparse", n_sparse),
            ("sigma_meV", sigma_meV),
            ("estimators", estimators),
        ):
            if len(values) == 0:
                raise ParameterError(f"Expected at least one value in {name}, found none.")
        shared = {
            "zeta": zeta,
            "kernel_offset": kernel_offset,
            "prior_scale_eV": prior_scale_eV,
            "chunk_size": chunk_size,
            "jitter": jitter,
        }
        self._set(product(n_train, estimators, sigma_meV, n_sparse), shared)

    @classmethod
    def of(cls, models: Iterable[FitRequest], **shared: Any) -> SparseGPRPath:
        """A path through just these models, where a product of lists would hold many that nobody wants.

        Parameters
        ----------
        models
            The models; one with ``n_sparse > n_train`` is that with ``n_sparse = n_train``.
        **shared
            ``zeta``, ``kernel_offset``, ``prior_scale_eV``, ``chunk_size`` and ``jitter``, all by name.

        Raises
        ------
        ParameterError
            If there are no models, or a parameter is out of its range.
        """
        wanted = [(m.n_train, m.estimator, m.sigma_meV, m.n_sparse) for m in models]
        if not wanted:
            raise ParameterError("Expected at least one model, found none.")
        path = cls(n_train=[wanted[0][0]], **shared)
        path._set(wanted, path._shared)
        return path

    def _set(self, wanted: Iterable[tuple[int, str, float, int]], shared: dict[str, Any]) -> None:
        """Check and keep what is asked for: (n_train, estimator, sigma_meV, n_sparse) of each model."""
        requests = set()
        for n, estimator, sigma, m in wanted:
            if not is_integer(n) or n < 1:
                raise ParameterError(f"Expected every n_train to be an integer of at least 1, found {n!r}.")
            asked = {"estimator": estimator, "n_sparse": m, "sigma_meV": float(sigma)}
            self._kernel = check_parameters(shared | asked)
            requests.add(FitRequest(int(n), estimator, float(sigma), int(min(m, n))))
        self._shared = shared
        self.models_ = tuple(sorted(requests))

    def fit(self, X: Rows, y: Any, progress: Callable[[int], None] | None = None) -> SparseGPRPath:
        """Stream once over the training rows, in order.

        Parameters
        ----------
        X : Rows
            Features (N, features) in random order: an array, a ``numpy.memmap``, or anything with a length that gives
            rows for a slice. Rows beyond the largest N are not read.
        y : array (N,)
            Targets in eV.
        progress
            Called with the number of rows read so far.

        Raises
        ------
        InputError
            If rows or targets are not finite or do not fit together.
        ParameterError
            If there are fewer rows than the largest N, or equations are singular (the message says what to try).
        """
        largest = max(model.n_train for model in self.models_)
        if len(X) < largest:
            raise ParameterError(f"Expected at least {largest} training rows for the largest n_train, found {len(X)}.")
        targets = read_targets(y, len(X))
        start = time.perf_counter()
        n_points = max(model.n_sparse for model in self.models_)
        basis = RepresentativeBasis(self._kernel, read_rows(X, 0, n_points), float(self._shared["jitter"]))
        coefficients = np.zeros((n_points, len(self.models_)), order="F")
        means = np.empty(len(self.models_))
        seconds = np.empty(len(self.models_))
        column = {model: number for number, model in enumerate(self.models_)}
        for fit in stream_fits(basis, X, targets, self.models_, int(self._shared["chunk_size"]), progress):
            number = column[fit.request]
            coefficients[: fit.request.n_sparse, number] = fit.coefficients
            means[number] = fit.mean_eV
            seconds[number] = time.perf_counter() - start
        self.representative_points_ = basis.points
        self.jitter_eV2_ = basis.jitter_eV2
        self.coefficients_ = coefficients
        self.means_eV_ = means
        self.seconds_ = seconds
        return self

    def predict(self, X: Rows) -> Float64[np.ndarray, "rows models"]:
        """Predictions (eV) of every model, a column each; kernel values are computed once for all of them.

        Raises
        ------
        InputError
            If rows are not finite or have another number of features than the training rows.
        """
        predictions = np.empty((len(X), len(self.models_)))
        for rows, values in self.predict_chunks(X):
            predictions[rows] = values
        return predictions

    def predict_chunks(self, X: Rows) -> Iterator[tuple[slice, Float64[np.ndarray, "chunk models"]]]:
        """:meth:`predict` a chunk at a time, for rows times models that do not fit in memory."""
        self._check_fitted()
        points = self._kernel.scale(self.representative_points_)
        chunk_size, n_features = int(self._shared["chunk_size"]), self.representative_points_.shape[1]
        for rows, values, _ in predict_rows(self._kernel, points, self.coefficients_, X, chunk_size, n_features):
            yield rows, values + self.means_eV_

    def index(self, n_train: int, n_sparse: int, sigma_meV: float, estimator: str = "dtc") -> int:
        """The column of one model, asked for by the M that was requested.

        Raises
        ------
        ParameterError
            If it is not in the path.
        """
        wanted = FitRequest(n_train, estimator, float(sigma_meV), min(n_sparse, n_train))
        if wanted not in self.models_:
            raise ParameterError(f"Expected one of the path's {len(self.models_)} models, found {wanted}.")
        return self.models_.index(wanted)

    def estimator(self, n_train: int, n_sparse: int, sigma_meV: float, estimator: str = "dtc") -> SparseGPR:
        """One model of the path as a fitted ``SparseGPR``, without the factors that a standard deviation needs."""
        self._check_fitted()
        number = self.index(n_train, n_sparse, sigma_meV, estimator)
        size = self.models_[number].n_sparse
        model = SparseGPR(estimator=estimator, sigma_meV=float(sigma_meV), n_sparse=n_sparse, **self._shared)
        model.representative_points_ = self.representative_points_[:size].copy()
        model.coefficients_ = self.coefficients_[:size, number].copy()
        model.mean_eV_ = float(self.means_eV_[number])
        model.jitter_eV2_ = self.jitter_eV2_
        model.n_train_ = n_train
        model.fitted_parameters_ = model.get_params()
        model.n_features_in_ = self.representative_points_.shape[1]
        model.whitening_factor_ = model.posterior_factor_ = None
        return model

    def _check_fitted(self) -> None:
        if not hasattr(self, "coefficients_"):
            raise UnfittedError("Expected a fitted SparseGPRPath, found one that was not: call 'fit' first.")
