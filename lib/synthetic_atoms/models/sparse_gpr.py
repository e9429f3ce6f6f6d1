"""Sparse Gaussian process regression for any number of training points: DTC (the paper's eqn 3) and FITC."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from numbers import Real
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save as to_safetensors
from sklearn.base import BaseEstimator, RegressorMixin

from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.files import atomic_write
from synthetic_atoms.models.inputs import checked, is_integer
from synthetic_atoms.models.kernels import PolynomialKernel
from synthetic_atoms.models.rows import UnfittedError, read_rows
from synthetic_atoms.models.sparse_basis import RepresentativeBasis, lower_solve, predict_rows
from synthetic_atoms.models.sparse_sums import ESTIMATORS, FitRequest, stream_fits

_PRECISIONS = (np.float64, np.float32)  # kept as they are; anything else becomes float64
_FORMAT = "synthetic-atoms sparse GPR, version 1"
_ARRAYS = {  # name: number of dimensions
    "representative_points": 2,
    "coefficients": 1,
    "whitening_factor": 2,
    "posterior_factor": 2,
}


class SparseGPR(RegressorMixin, BaseEstimator):
    r"""Sparse GPR with M representative points, in O(M^2) memory whatever the number N of training points.

    With K the kernel, M the representative points, N the training points and
    :math:`Q_{NN} = K_{NM} K_{MM}^{-1} K_{MN}`, the prediction is :math:`\bar y + k(x, M) c` with

    .. math:: c = [K_{MM} + K_{MN} \Lambda^{-1} K_{NM}]^{-1} K_{MN} \Lambda^{-1} (y - \bar y)

    - ``dtc``: :math:`\Lambda = \sigma^2 I`, eqn 3 of doi:10.1039/d2dd00137c ("subset of regressors", "deterministic
      training conditional");
    - ``fitc``: :math:`\Lambda = \mathrm{diag}(K_{NN} - Q_{NN}) + \sigma^2 I`, "fully independent training conditional".

    Both names are those of Quinonero-Candela and Rasmussen, J. Mach. Learn. Res. 6, 1939 (2005). The equations are
    solved in the basis whitened by the Cholesky factor of K_MM, in float64.

    Parameters
    ----------
    estimator : {"dtc", "fitc"}
    zeta, kernel_offset, prior_scale_eV
        The kernel, see :class:`~synthetic_atoms.models.kernels.PolynomialKernel`.
    sigma_meV : float
        Standard deviation of the noise, positive.
    n_sparse : int
        M. The representative points are the **first** min(M, N) training rows: give the rows in random order.
    chunk_size : int
        Rows whose kernel values are in memory at a time.
    jitter : float
        Added to the diagonal of K_MM, relative to its mean; raised in steps where that is not enough, see
        :func:`~synthetic_atoms.models.sparse_basis.factorise`. The default changes predictions by some 1e-8 eV.

    Attributes
    ----------
    representative_points_ : array (M, features)
    coefficients_ : array (M,)
        c of the equation above.
    mean_eV_ : float
        Mean of the training targets, the constant mean of the process.
    jitter_eV2_ : float
        The jitter that was added.
    n_train_ : int
    fitted_parameters_ : dict
        The parameters of the fit; changes since then have no effect until the next.
    whitening_factor_, posterior_factor_ : array (M, M)
        Lower triangular factors of K_MM and of the whitened equations, for the predictive variance (None in a model
        that comes from a path, or was saved without them).

    Examples
    --------
    >>> import numpy as np
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> X /= np.linalg.norm(X, axis=1, keepdims=True)
    >>> y = X[:, 0] ** 2
    >>> model = SparseGPR(n_sparse=20).fit(X[:100], y[:100])
    >>> bool(np.abs(model.predict(X[100:]) - y[100:]).max() < 1e-3)
    True
    """

    # No annotations here: scikit-learn wants any value to be accepted until fit, which checks them.
    def __init__(
        self,
        *,
        estimator="dtc",
        zeta=4,
        kernel_offset=0.0,
        prior_scale_eV=1.0,
        sigma_meV=10.0,
        n_sparse=5000,
        chunk_size=2048,
        jitter=1e-12,
    ):
        self.estimator = estimator
        self.zeta = zeta
        self.kernel_offset = kernel_offset
        self.prior_scale_eV = prior_scale_eV
        self.sigma_meV = sigma_meV
        self.n_sparse = n_sparse
        self.chunk_size = chunk_size
        self.jitter = jitter

    def fit(self, X, y) -> SparseGPR:
        """Fit to features (N, features), float32 or float64, and targets (N,) in eV; a ``numpy.memmap`` is not copied.

        Raises
        ------
        ParameterError
            If a parameter is out of its range, or the equations are singular (the message says what to try).
        InputError
            If features or targets are not finite or do not fit together.
        """
        kernel = check_parameters(self.get_params())
        X, y = checked(self, X, y, dtype=_PRECISIONS, y_numeric=True)
        n_sparse = min(int(self.n_sparse), len(X))
        basis = RepresentativeBasis(kernel, read_rows(X, 0, n_sparse), float(self.jitter))
        request = FitRequest(len(X), self.estimator, float(self.sigma_meV), n_sparse)
        (fit,) = stream_fits(basis, X, y.astype(np.float64), [request], int(self.chunk_size))
        self.representative_points_ = basis.points
        self.coefficients_ = fit.coefficients
        self.mean_eV_ = fit.mean_eV
        self.jitter_eV2_ = basis.jitter_eV2
        self.n_train_ = len(X)
        self.fitted_parameters_ = self.get_params()
        self.whitening_factor_ = basis.factor
        self.posterior_factor_ = fit.posterior_factor
        return self

    def predict(self, X, return_std=False, include_noise=False):
        """Predict targets in eV for features (rows, features).

        Parameters
        ----------
        X : array (rows, features)
        return_std : bool
            Also return the predictive standard deviation in eV.
        include_noise : bool
            Whether that is the deviation of a new, noisy label (True) or of the underlying function (False).

        Returns
        -------
        array (rows,), or a pair of them
        """
        if not hasattr(self, "coefficients_"):
            raise UnfittedError(f"Expected a fitted {type(self).__name__}, found one that was not: call 'fit' first.")
        if return_std and self.posterior_factor_ is None:
            raise UnfittedError("Expected a model with its factors for a standard deviation, found one without: refit.")
        X = checked(self, X, dtype=_PRECISIONS, reset=False)
        kernel = check_parameters(self.fitted_parameters_)
        noise = (self.fitted_parameters_["sigma_meV"] * 1e-3) ** 2
        ridge = noise if self.fitted_parameters_["estimator"] == "dtc" else 1.0
        scaled_points = kernel.scale(self.representative_points_)
        prediction, variance = np.empty(len(X)), np.empty(len(X) if return_std else 0)
        chunks = predict_rows(
            kernel, scaled_points, self.coefficients_[:, None], X, int(self.chunk_size), self.n_features_in_
        )
        for rows, values, block in chunks:
            prediction[rows] = values[:, 0] + self.mean_eV_
            if return_std:  # k - |v|^2 + ridge |u|^2 with v = L^-1 k(M, x), u = L_posterior^-1 v
                variance[rows] = kernel.diagonal(kernel.scale(X[rows]))
                block = lower_solve(self.whitening_factor_, block)
                variance[rows] -= np.einsum("ij,ij->j", block, block)
                block = lower_solve(self.posterior_factor_, block)
                variance[rows] += ridge * np.einsum("ij,ij->j", block, block)
        if not return_std:
            return prediction
        return prediction, np.sqrt(np.maximum(variance, 0.0) + (noise if include_noise else 0.0))

    def save(self, path: Path | str, with_variance: bool = True) -> None:
        """Write the fitted model to a safetensors file, atomically; without variance it is far smaller."""
        if not hasattr(self, "coefficients_"):
            raise UnfittedError(f"Expected a fitted {type(self).__name__}, found one that was not: call 'fit' first.")
        arrays = {name: getattr(self, f"{name}_") for name in _ARRAYS}
        arrays = {k: np.ascontiguousarray(v) for k, v in arrays.items() if v is not None}
        if not with_variance:
            arrays = {k: v for k, v in arrays.items() if not k.endswith("_factor")}
        description = {
            "parameters": {name: _plain(value) for name, value in self.fitted_parameters_.items()},
            "mean_eV": self.mean_eV_,
            "jitter_eV2": self.jitter_eV2_,
            "n_train": self.n_train_,
        }
        text = json.dumps(description)
        metadata = {"format": _FORMAT, "model": text, "sha256": _digest(text, arrays)}
        with atomic_write(Path(path)) as stream:
            stream.write(to_safetensors(arrays, metadata))

    @classmethod
    def load(cls, path: Path | str) -> SparseGPR:
        """Read a model that :meth:`save` wrote.

        Raises
        ------
        DataError
            If the file is missing, damaged, or holds something else.
        """
        path = Path(path)
        if not path.is_file():
            raise DataError(f"Expected a saved model at {path}, found none.")
        try:
            with safe_open(path, framework="numpy") as archive:
                metadata = archive.metadata() or {}
                arrays = {name: archive.get_tensor(name) for name in archive.keys()}  # noqa: SIM118 (not a mapping)
            if metadata.get("format") != _FORMAT:
                raise DataError(f"Expected '{_FORMAT}' in {path}, found '{metadata.get('format', 'another file')}'.")
            if metadata["sha256"] != _digest(metadata["model"], arrays):
                raise DataError(f"Expected contents that match their checksum in {path}, found damaged ones.")
            description = json.loads(metadata["model"])
            model = cls(**description["parameters"])
            model.fitted_parameters_ = model.get_params()
            check_parameters(model.fitted_parameters_)
            for name, dimensions in _ARRAYS.items():
                array = arrays.get(name)
                if array is None and not name.endswith("_factor"):
                    raise DataError(f"Expected an array '{name}' in {path}, found none.")
                if array is not None and (array.dtype != np.float64 or array.ndim != dimensions):
                    raise DataError(f"Expected '{name}' in {path} as float64 in {dimensions} dimensions, found others.")
                is_factor = array is not None and dimensions == 2 and name.endswith("_factor")
                setattr(model, f"{name}_", np.asfortranarray(array) if is_factor else array)
            model.mean_eV_, model.jitter_eV2_ = float(description["mean_eV"]), float(description["jitter_eV2"])
            model.n_train_ = int(description["n_train"])
        except (SafetensorError, OSError, ValueError, KeyError, TypeError) as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise DataError(f"Expected a saved sparse GPR at {path}, found a damaged file ({reason}).") from error
        model.n_features_in_ = model.representative_points_.shape[1]
        return model


def check_parameters(parameters: Mapping[str, Any]) -> PolynomialKernel:
    """Check the parameters of a sparse GPR, and give its kernel.

    Raises
    ------
    ParameterError
        If one is of the wrong type or out of its range.
    """
    if parameters["estimator"] not in ESTIMATORS:
        raise ParameterError(f"Expected estimator to be one of {ESTIMATORS}, found {parameters['estimator']!r}.")
    for name in ("kernel_offset", "prior_scale_eV", "sigma_meV", "jitter"):
        if not isinstance(parameters[name], Real) or isinstance(parameters[name], bool):
            raise ParameterError(f"Expected {name} to be a number, found {parameters[name]!r}.")
    for name in ("zeta", "n_sparse", "chunk_size"):
        if not is_integer(parameters[name]):
            raise ParameterError(f"Expected {name} to be an integer, found {parameters[name]!r}.")
    for name in ("n_sparse", "chunk_size"):
        if parameters[name] < 1:
            raise ParameterError(f"Expected {name} to be at least 1, found {parameters[name]}.")
    if not 0 < parameters["sigma_meV"] < np.inf:
        raise ParameterError(f"Expected sigma_meV to be finite and positive, found {parameters['sigma_meV']}.")
    if not 0 <= parameters["jitter"] < 1:
        raise ParameterError(f"Expected jitter to be at least 0 and below 1, found {parameters['jitter']}.")
    return PolynomialKernel(parameters["zeta"], parameters["kernel_offset"], parameters["prior_scale_eV"])


def _plain(value: Any) -> Any:
    """A NumPy scalar as the Python number that JSON can hold."""
    return value.item() if isinstance(value, np.generic) else value


def _digest(description: str, arrays: Mapping[str, np.ndarray]) -> str:
    """SHA-256 over the description and each array's name, type, shape and bytes."""
    digest = hashlib.sha256(description.encode())
    for name in sorted(arrays):
        digest.update(f"{name} {arrays[name].dtype} {arrays[name].shape};".encode())
        digest.update(np.ascontiguousarray(arrays[name]).data)
    return digest.hexdigest()
