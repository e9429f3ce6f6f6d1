"""Speed and memory of the sparse GPR, in ratios: to this machine's BLAS, to other libraries, and to refitting.

Everything is measured in one run, on the same data and threads. Nothing is asserted: the numbers are for reading, and
mean something only on an otherwise idle machine.

    python benchmarks/sparse_gpr.py                                           # small, under a minute
    python benchmarks/sparse_gpr.py --n 1000000 --m 5000 --estimators dtc     # the paper's largest fit
    python benchmarks/sparse_gpr.py --features soap.npy --energies y.npy      # on real descriptors
"""

from __future__ import annotations

import argparse
import os
import resource
import time
from collections.abc import Callable
from contextlib import ExitStack

import gpytorch
import numpy as np
import torch
from scipy.linalg import eigh
from scipy.linalg.blas import dgemm, dsyrk, dtrsm
from scipy.linalg.lapack import dpotrf
from sklearn.kernel_approximation import Nystroem
from sklearn.linear_model import Ridge
from threadpoolctl import threadpool_limits

from synthetic_atoms.models.kernels import PolynomialKernel
from synthetic_atoms.models.sparse_basis import RepresentativeBasis
from synthetic_atoms.models.sparse_gpr import SparseGPR
from synthetic_atoms.models.sparse_gpr_path import SparseGPRPath

DISTINCT_ROWS = 60_000  # of generated data; longer sets repeat those that are not representative


class Repeated:
    """Rows that start again from ``first`` when they run out, so that 10^6 of them need no memory."""

    def __init__(self, rows: np.ndarray, length: int, first: int) -> None:
        self.rows, self.length, self.first = rows, length, first

    def index(self, positions: np.ndarray) -> np.ndarray:
        count = len(self.rows)
        return np.where(positions < count, positions, self.first + (positions - count) % (count - self.first))

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, key: slice) -> np.ndarray:
        if key.stop <= len(self.rows):
            return self.rows[key]
        return self.rows[self.index(np.arange(key.start, key.stop))]


def generated(n: int, n_features: int) -> tuple[np.ndarray, np.ndarray]:
    """Unit vectors whose kernel matrix has a spectrum like SOAP's: one large eigenvalue and a long tail."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(n, 60)) / np.arange(1, 61) ** 0.7
    features = np.tanh(latent @ rng.normal(size=(60, n_features)) * 0.5) + 1.5 * rng.random(n_features)
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    energies = -157 + 0.4 * np.sin(latent[:, 0]) + 0.3 * latent[:, 1] * latent[:, 2] + 0.01 * rng.normal(size=n)
    return features.astype(np.float32), energies


def timed(call: Callable, repeats: int = 1) -> tuple[float, object]:
    """The shortest of the wall-clock times, and the result."""
    best = np.inf
    for _ in range(repeats):
        start = time.perf_counter()
        result = call()
        best = min(best, time.perf_counter() - start)
    return best, result


def blas_rates(m: int, chunk: int) -> dict[str, float]:
    """GFLOP/s of the three operations at the fit's own shapes, best of five."""
    rng = np.random.default_rng(0)
    factor = np.asfortranarray(np.tril(rng.random((m, m))) / m + np.eye(m))
    block = rng.random((m, chunk))
    gram = np.zeros((m, m), order="F")
    product = np.zeros((chunk, m), order="F")
    solved = block.copy()
    calls = {
        "dgemm": (2, lambda: dgemm(1.0, block.T, factor, 0.0, product, overwrite_c=1)),
        "dsyrk": (1, lambda: dsyrk(1.0, block.T, 0.0, gram, trans=1, lower=1, overwrite_c=1)),
        "dtrsm": (1, lambda: dtrsm(1.0, factor, solved.T, side=1, lower=1, trans_a=1, overwrite_b=1)),
    }
    return {name: flops * m * m * chunk / timed(call, 5)[0] / 1e9 for name, (flops, call) in calls.items()}


def peak_memory_GB() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


def against_blas(options: argparse.Namespace, X: Repeated, y: np.ndarray) -> None:
    """How much of the machine the fit uses: the time that its operations need at the measured rates over its own."""
    n, m, n_features = options.n, min(options.m, options.n), X.rows.shape[1]
    rates = blas_rates(m, options.chunk)
    print("BLAS, GFLOP/s: " + ", ".join(f"{name} {rate:.0f}" for name, rate in rates.items()))
    for estimator in options.estimators:
        path = SparseGPRPath(n_train=[n], n_sparse=[m], estimators=[estimator], chunk_size=options.chunk)
        seconds, _ = timed(lambda path=path: path.fit(X, y))
        whitened = m
        if estimator == "dtc":
            whitened = RepresentativeBasis(PolynomialKernel(), X[0:m], 1e-12).rows_to_whiten(n, 1e-4)
        kernel, gram = 2.0 * n * m * n_features, float(n * m * m)
        partial = 2.0 * n * whitened * (m - whitened)
        solve = float(n * whitened**2)
        floor = ((kernel + partial) / rates["dgemm"] + gram / rates["dsyrk"] + solve / rates["dtrsm"]) / 1e9
        plain = (kernel / rates["dgemm"] + gram / rates["dsyrk"] + gram / rates["dtrsm"]) / 1e9
        done = (kernel + partial + gram + solve) / 1e9
        print(
            f"{estimator}: N = {n}, M = {m}, {n_features} features: {seconds:.1f} s, {done / seconds:.0f} GFLOP/s, "
            f"{floor / seconds:.0%} of the BLAS rates for its operations ({whitened} rows whitened in the stream); "
            f"with a triangular solve for every chunk these rates would need {plain:.1f} s; "
            f"peak memory of this process {peak_memory_GB():.2f} GB"
        )


class GPyTorchSGPR(gpytorch.models.ExactGP):
    """GPyTorch's inducing-point regression with the same kernel, mean and noise."""

    def __init__(self, X: torch.Tensor, y: torch.Tensor, m: int, sigma_eV: float) -> None:
        likelihood = gpytorch.likelihoods.GaussianLikelihood(
            noise_constraint=gpytorch.constraints.GreaterThan(1e-10)
        ).double()
        likelihood.noise = sigma_eV**2
        super().__init__(X, y, likelihood)
        self.mean_module = gpytorch.means.ConstantMean().double()
        self.mean_module.constant.data.fill_(float(y.mean()))
        base = gpytorch.kernels.PolynomialKernel(power=4).double()
        base.offset = 1.0
        self.covar_module = gpytorch.kernels.InducingPointKernel(base, X[:m].clone(), likelihood)

    def forward(self, X: torch.Tensor) -> gpytorch.distributions.MultivariateNormal:
        return gpytorch.distributions.MultivariateNormal(self.mean_module(X), self.covar_module(X))


def fit_gpytorch(X: np.ndarray, y: np.ndarray, X_test: np.ndarray, m: int, sigma_eV: float) -> np.ndarray:
    model = GPyTorchSGPR(torch.from_numpy(X), torch.from_numpy(y), m, sigma_eV).eval()
    with ExitStack() as stack:
        stack.enter_context(torch.no_grad())
        stack.enter_context(gpytorch.settings.sgpr_diagonal_correction(False))
        stack.enter_context(gpytorch.settings.skip_posterior_variances(True))
        stack.enter_context(gpytorch.settings.fast_computations(False, False, False))
        return model(torch.from_numpy(X_test)).mean.numpy()


def dense_reference(X: np.ndarray, y: np.ndarray, X_test: np.ndarray, m: int, sigma_eV: float) -> np.ndarray:
    """Eqn 3 as a least-squares problem, solved by QR: slower, and accurate to the last digits that the data allow."""
    kernel = (1 + X @ X[:m].T) ** 4
    root = np.linalg.cholesky(kernel[:m]).T
    stacked = np.vstack([kernel, sigma_eV * root])
    q, r = np.linalg.qr(stacked)
    c = np.linalg.solve(r, q.T @ np.concatenate([y - y.mean(), np.zeros(m)]))
    return y.mean() + (1 + X_test @ X[:m].T) ** 4 @ c


def against_peers(options: argparse.Namespace, X: np.ndarray, y: np.ndarray) -> None:
    """Fit and predict 1000 rows with the same N, M, kernel (1 + x.x')^4 and noise, in float64."""
    n, m, sigma_eV = options.peer_n, options.peer_m, 0.01
    X_test = X[n : n + 1000].astype(np.float64)
    nystroem = Nystroem(kernel="poly", degree=4, gamma=1.0, coef0=1.0, n_components=m, random_state=0)
    # scikit-learn draws its own representative points: find out which, and give everybody the same ones.
    drawn = nystroem.fit(X[:n]).component_indices_
    order = np.concatenate([drawn, np.setdiff1d(np.arange(n), drawn)])
    X, y = X[order].astype(np.float64), y[order]
    restored = np.argsort(order)

    def with_scikit_learn() -> np.ndarray:
        features = nystroem.fit(X[restored]).transform(X[restored])
        ridge = Ridge(alpha=sigma_eV**2, fit_intercept=False, solver="cholesky").fit(features, y[restored] - y.mean())
        return ridge.predict(nystroem.transform(X_test)) + y.mean()

    def ours() -> np.ndarray:
        model = SparseGPR(kernel_offset=1.0, n_sparse=m, sigma_meV=1e3 * sigma_eV, chunk_size=options.chunk)
        return model.fit(X, y).predict(X_test)

    reference = dense_reference(X, y, X_test, m, sigma_eV)
    seconds, prediction = timed(ours, 2)
    print(
        f"peers: N = {n}, M = {m}: ours {seconds:.2f} s, "
        f"largest difference from the dense reference {np.abs(prediction - reference).max():.1e} eV"
    )
    for name, call in (
        ("GPyTorch InducingPointKernel", lambda: fit_gpytorch(X, y, X_test, m, sigma_eV)),
        ("scikit-learn Nystroem + Ridge", with_scikit_learn),
    ):
        theirs, prediction = timed(call, 2)
        difference = np.abs(prediction - reference).max()
        print(f"  {name}: {theirs:.2f} s, {theirs / seconds:.1f} times ours; difference {difference:.1e} eV")


def against_refits(options: argparse.Namespace, X: np.ndarray, y: np.ndarray) -> None:
    """One pass for every N and sigma against one fit for each."""
    sizes = [n for n in (100, 310, 1000, 3100, 10_000, 31_000, 100_000) if n <= options.path_n]
    sigmas = [0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0]
    X_test = X[-500:]
    for estimator in options.estimators:
        shared = {"chunk_size": options.chunk}
        path = SparseGPRPath(
            n_train=sizes, n_sparse=[options.path_m], sigma_meV=sigmas, estimators=[estimator], **shared
        )
        seconds, _ = timed(lambda path=path: path.fit(X, y))
        refits, difference = 0.0, 0.0
        predictions = path.predict(X_test)
        for number, model in enumerate(path.models_):
            one = SparseGPR(estimator=estimator, n_sparse=options.path_m, sigma_meV=model.sigma_meV, **shared)
            took, _ = timed(lambda one=one, n=model.n_train: one.fit(X[:n], y[:n]))
            refits += took
            difference = max(difference, float(np.abs(one.predict(X_test) - predictions[:, number]).max()))
        print(
            f"path, {estimator}: {len(path.models_)} models, N to {sizes[-1]}, M = {options.path_m}: {seconds:.1f} s; "
            f"refits {refits:.1f} s, {refits / seconds:.1f} times as long; largest difference {difference:.1e} eV"
        )


def factorisations(m: int) -> None:
    """What a sigma costs: a Cholesky factorisation, or its share of one eigendecomposition."""
    rng = np.random.default_rng(0)
    half = rng.random((m, m))
    matrix = np.asfortranarray(half @ half.T / m + np.eye(m))
    cholesky, _ = timed(lambda: dpotrf(matrix, lower=1), 3)
    eigen, _ = timed(lambda: eigh(matrix, driver="evd"))
    print(f"M = {m}: Cholesky {cholesky:.3f} s, eigendecomposition {eigen:.2f} s = {eigen / cholesky:.0f} of them")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=20_000, help="training points of the fit against BLAS")
    parser.add_argument("--m", type=int, default=1000, help="its representative points")
    parser.add_argument("--n-features", type=int, default=546, help="of the generated data")
    parser.add_argument("--peer-n", type=int, default=5000)
    parser.add_argument("--peer-m", type=int, default=500)
    parser.add_argument("--path-n", type=int, default=10_000)
    parser.add_argument("--path-m", type=int, default=500)
    parser.add_argument("--chunk", type=int, default=2048)
    parser.add_argument("--estimators", nargs="+", default=["dtc", "fitc"], choices=["dtc", "fitc"])
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    parser.add_argument("--features", help=".npy file of unit vectors (rows, features), in random order")
    parser.add_argument("--energies", help=".npy file of energies in eV, one for each row")
    options = parser.parse_args()

    if options.features:
        X, y = (
            np.load(options.features, mmap_mode="r", allow_pickle=False),
            np.load(options.energies, allow_pickle=False),
        )
    else:
        most = max(options.n, options.peer_n + 1000, options.path_n + 500)
        X, y = generated(min(most, DISTINCT_ROWS), options.n_features)
    rows = Repeated(X, max(options.n, len(X)), options.m)
    energies = y[rows.index(np.arange(len(rows)))]
    torch.set_num_threads(options.threads)
    with threadpool_limits(options.threads):
        print(f"{options.threads} threads; load of the machine before the start: {os.getloadavg()[0]:.1f}")
        against_blas(options, rows, energies)  # first, so that the peak of the memory is the fit's
        factorisations(options.m)
        against_peers(options, X, y)
        against_refits(options, X, y)


if __name__ == "__main__":
    main()
