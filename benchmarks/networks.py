"""Speed of the networks, in ratios: to this machine's BLAS, to other trainers, and of the two classes to each other.

Everything is measured in one run, on the same data and threads. Nothing is asserted: the numbers are for reading, and
mean something only on an otherwise idle machine.

    python benchmarks/networks.py                       # small, about a minute
    python benchmarks/networks.py --n 10000 --width 800 --depth 3 --batch 1000
    python benchmarks/networks.py --device cuda --n 100000 --width 800 --batch 1000
"""

from __future__ import annotations

import argparse
import os
import time
import warnings
from collections.abc import Callable
from itertools import pairwise
from unittest import mock

import gpytorch
import numpy as np
import torch
from sklearn.neural_network import MLPRegressor
from threadpoolctl import threadpool_limits

from synthetic_atoms.models.deep_kernel import DeepKernel
from synthetic_atoms.models.neural_network import NeuralNetwork
from synthetic_atoms.models.variational_gp import DeepGP


def generated(n: int, n_features: int) -> tuple[np.ndarray, np.ndarray]:
    """Features and a smooth target; what they are does not matter for the speed."""
    rng = np.random.default_rng(0)
    latent = rng.normal(size=(n, 12))
    X = np.tanh(latent @ rng.normal(size=(12, n_features)) * 0.5).astype(np.float32)
    return X, -157.0 + np.sin(latent[:, 0]) + 0.3 * latent[:, 1] * latent[:, 2]


def timed(call: Callable[[], object], device: torch.device, repeats: int = 1) -> float:
    """The shortest wall-clock time; the device has finished before and after."""
    best = np.inf
    for _ in range(repeats):
        synchronise(device)
        start = time.perf_counter()
        call()
        synchronise(device)
        best = min(best, time.perf_counter() - start)
    return best


def synchronise(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def products(sizes: list[int], batch: int) -> int:
    """Floating-point operations of the layers' matrix products in one forward pass of a batch."""
    return sum(2 * batch * a * b for a, b in pairwise(sizes))


def sgemm_rate(batch: int, width: int, device: torch.device) -> float:
    """FLOP/s of a single-precision product of the hidden layers' shape, best of five."""
    a, b = torch.rand(batch, width, device=device), torch.rand(width, width, device=device)
    out = torch.empty(batch, width, device=device)

    def several() -> None:
        for _ in range(10):
            torch.mm(a, b, out=out)

    return 10 * 2 * batch * width * width / timed(several, device, 5)


def plain_loop(X: torch.Tensor, y: torch.Tensor, widths: list[int], batch: int, epochs: int) -> None:
    """The loop that a tutorial has: Sequential, Adam, batches by index."""
    layers: list[torch.nn.Module] = []
    for a, b in zip([X.shape[1], *widths[:-1]], widths, strict=True):
        layers += [torch.nn.Linear(a, b), torch.nn.CELU()]
    network = torch.nn.Sequential(*layers, torch.nn.Linear(widths[-1], 1)).to(X.device)
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    for _ in range(epochs):
        for rows in torch.randperm(len(X), device=X.device).split(batch):
            optimizer.zero_grad()
            torch.nn.functional.mse_loss(network(X[rows]).squeeze(-1), y[rows]).backward()
            optimizer.step()


def epoch_seconds(model: NeuralNetwork | DeepKernel) -> float:
    """Median seconds of an epoch, its validation included, without the first."""
    ends = [float(epoch["seconds"]) for epoch in model.history_]
    return float(np.median(np.diff(ends)))


def training(options: argparse.Namespace, X: np.ndarray, y: np.ndarray, device: torch.device) -> NeuralNetwork:
    """Our training step against the machine, a plain loop and scikit-learn."""
    widths = [options.width] * options.depth
    rate = sgemm_rate(options.batch, options.width, device)
    shared = {"batch_size": options.batch, "max_epochs": options.epochs, "patience": options.epochs}
    ours = NeuralNetwork(widths, **shared, device=device.type).fit(X, y)
    steps = -(-(len(X) - min(len(X) // 10, 1000)) // options.batch)
    step = epoch_seconds(ours) / steps
    sizes = [X.shape[1], *widths, 1]
    forward = products(sizes, options.batch)
    # Backward: gradients of weights and of inputs, the latter not for the first layer.
    work = 3 * forward - products(sizes[:2], options.batch)
    print(f"sgemm: {rate / 1e9:.0f} GFLOP/s on {device.type}, {torch.get_num_threads()} threads")
    print(
        f"training step, {options.depth} x {options.width}, batch {options.batch}: {1e3 * step:.2f} ms, "
        f"{work / step / rate:.0%} of the sgemm rate"
    )
    x = ours.scaler_(X, device)
    t = torch.from_numpy((y - y.mean()) / y.std()).float().to(device)
    n_fit = len(X) - min(len(X) // 10, 1000)
    seconds = timed(lambda: plain_loop(x[:n_fit], t[:n_fit], widths, options.batch, 2), device, 2) / 2
    print(f"  plain torch loop: {seconds / steps / step:.2f} times ours")
    if device.type == "cpu":
        theirs = MLPRegressor(hidden_layer_sizes=widths, batch_size=options.batch, max_iter=2, alpha=0.0, tol=0.0)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # two iterations do not converge
            seconds = timed(lambda: theirs.fit(x[:n_fit].numpy(), t[:n_fit].numpy()), device) / 2
        print(f"  scikit-learn MLPRegressor (ReLU): {seconds / steps / step:.2f} times ours")
    seconds = timed(lambda: ours.predict(X), device, 3)
    print(
        f"evaluation of {len(X)} rows, checks and scaling included: {1e6 * seconds / len(X):.2f} us a row, "
        f"{products(sizes, len(X)) / seconds / rate:.0%} of the sgemm rate"
    )
    return ours


def gpytorch_loss(model: DeepGP, x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    """The same bound by GPyTorch's own call."""
    bound = gpytorch.mlls.VariationalELBO(model.likelihood, model.gp, num_data=model.n_samples)
    return -bound(model.gp(model.features(x)), target.double())


def deep_kernel(
    options: argparse.Namespace, X: np.ndarray, y: np.ndarray, device: torch.device, network: NeuralNetwork
) -> None:
    """What the Gaussian process on top costs: a training step, and predictions in three ways."""
    widths = [options.width] * options.depth
    base = timed(lambda: network.predict(X), device, 3)
    for n_inducing in options.inducing:
        shared = {"n_inducing": n_inducing, "batch_size": options.batch, "max_epochs": 3, "patience": 3}
        model = DeepKernel(widths, **shared, device=device.type).fit(X, y)
        with mock.patch.object(DeepGP, "loss", gpytorch_loss):
            theirs = DeepKernel(widths, **shared, device=device.type).fit(X, y)
        mean = timed(lambda model=model: model.predict(X), device, 3)
        deviation = timed(lambda model=model: model.predict(X, return_std=True), device, 3)

        def gpytorch_way(model: DeepKernel = model) -> None:
            module = model.network_.to(device).eval()
            with torch.no_grad():
                for start in range(0, len(X), 1024):
                    x = model.scaler_(X[start : start + 1024], device)
                    module.likelihood(module.gp(module.features(x))).variance.cpu()

        with gpytorch.settings.fast_pred_var(False):
            library = timed(gpytorch_way, device, 1)
        one = epoch_seconds(network)
        print(
            f"DKL, {n_inducing} inducing points: an epoch {epoch_seconds(model) / one:.1f} times the NN's, GPyTorch's "
            f"bound {epoch_seconds(theirs) / one:.1f} times; prediction {mean / base:.2f} times the NN's, with its "
            f"standard deviation {deviation / base:.2f} times, by GPyTorch's own call (mean and variance, chunks of "
            f"1024) {library / base:.1f} times"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--n", type=int, default=3000, help="samples")
    parser.add_argument("--n-features", type=int, default=546)
    parser.add_argument("--width", type=int, default=400)
    parser.add_argument("--depth", type=int, default=3)
    parser.add_argument("--batch", type=int, default=500)
    parser.add_argument("--epochs", type=int, default=4)
    parser.add_argument("--inducing", type=int, nargs="+", default=[100, 500])
    parser.add_argument("--device", default="cpu", choices=["cpu", "cuda"])
    parser.add_argument("--threads", type=int, default=int(os.environ.get("OMP_NUM_THREADS", os.cpu_count() or 1)))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    X, y = generated(options.n, options.n_features)
    device = torch.device(options.device)
    with threadpool_limits(options.threads):
        network = training(options, X, y, device)
        deep_kernel(options, X, y, device, network)


if __name__ == "__main__":
    main()
