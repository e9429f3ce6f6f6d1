"""A neural network and a sparse variational Gaussian process on its outputs, as one module that trains jointly."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import gpytorch
import torch
from gpytorch.distributions import MultivariateNormal
from gpytorch.variational import CholeskyVariationalDistribution, VariationalStrategy
from jaxtyping import Float, Float64, Int
from sklearn.cluster import kmeans_plusplus
from torch import Tensor, nn

from synthetic_atoms.models.network import CHUNK, Network

JITTER = 1e-6
"""Added to the diagonal of the inducing points' kernel matrix before its Cholesky factorisation, in float64."""

CANDIDATES_PER_POINT = 10
"""Inducing points are chosen among at most this many training points for each of them."""

SMALLEST_NOISE = 1e-6
"""Lower bound of the noise variance of standardised targets: a thousandth of their standard deviation."""


class VariationalGP(gpytorch.models.ApproximateGP):
    """A Gaussian process with inducing points (Hensman et al., arXiv 1411.2005), constant mean and RBF kernel.

    Parameters
    ----------
    points
        Where the inducing points start, float64.
    lengthscale
        Where the kernel's length scale starts.
    """

    def __init__(self, points: Float64[Tensor, "inducing features"], lengthscale: float = 1.0) -> None:
        # Starts at the prior exactly; GPyTorch would add noise to the mean.
        q = CholeskyVariationalDistribution(len(points), mean_init_std=0.0)
        super().__init__(VariationalStrategy(self, points, q, jitter_val=JITTER))
        self.mean_module = gpytorch.means.ConstantMean()
        self.covar_module = gpytorch.kernels.ScaleKernel(gpytorch.kernels.RBFKernel())
        self.double()
        self.covar_module.base_kernel.lengthscale = lengthscale
        self.covar_module.outputscale = 1.0

    def forward(self, x: Float64[Tensor, "batch features"]) -> MultivariateNormal:
        """The prior."""
        return MultivariateNormal(self.mean_module(x), self.covar_module(x))


@dataclass(frozen=True)
class Posterior:
    """What prediction needs of a trained Gaussian process, computed once for many points.

    With :math:`L L^T = K_{ZZ}` and the whitened variational distribution :math:`N(m, S)`, the mean at x is
    :math:`c + k_{xZ} L^{-T} m`, and the variance :math:`k_{xx} - |v|^2 + v^T S v` with :math:`v = L^{-1} k_{Zx}`
    (arXiv 1411.2005). The mean costs one kernel value and one product for each inducing point.
    """

    gp: VariationalGP
    points: Float64[Tensor, "inducing features"]
    factor: Float64[Tensor, "inducing inducing"]
    variational_mean: Float64[Tensor, " inducing"]
    variational_factor: Float64[Tensor, "inducing inducing"]

    @classmethod
    def of(cls, gp: VariationalGP) -> Posterior:
        """The posterior for the present parameters.

        Raises
        ------
        FloatingPointError
            If the parameters are not finite, or the kernel matrix of the inducing points cannot be factorised even
            with a hundred times the usual jitter.
        """
        strategy = gp.variational_strategy
        points = strategy.inducing_points
        kernel = gp.covar_module(points).to_dense()
        diagonal = torch.eye(len(points), dtype=kernel.dtype, device=kernel.device)
        for jitter in (JITTER, 10 * JITTER, 100 * JITTER):
            factor, failed = torch.linalg.cholesky_ex(kernel + jitter * diagonal)
            if not failed:
                break
        if failed or not torch.isfinite(factor).all():
            raise FloatingPointError("the kernel matrix of the inducing points is not finite or not positive definite")
        q = strategy._variational_distribution
        return cls(gp, points, factor, q.variational_mean, q.chol_variational_covar.tril())

    @cached_property
    def weights(self) -> Float64[Tensor, " inducing"]:
        """Coefficients of the kernel values in the mean."""
        return torch.linalg.solve_triangular(self.factor.mT, self.variational_mean[:, None], upper=True)[:, 0]

    def mean(self, features: Float64[Tensor, "batch features"]) -> Float64[Tensor, " batch"]:
        """Predictive mean."""
        return self.gp.mean_module(features) + self.gp.covar_module(features, self.points).to_dense() @ self.weights

    def whitened(self, features: Float64[Tensor, "batch features"]) -> Float64[Tensor, "inducing batch"]:
        """The vectors v of some points."""
        cross = self.gp.covar_module(self.points, features).to_dense()
        return torch.linalg.solve_triangular(self.factor, cross, upper=False)

    def variance(
        self,
        features: Float64[Tensor, "batch features"],
        whitened: Float64[Tensor, "inducing batch"] | None = None,
    ) -> Float64[Tensor, " batch"]:
        """Predictive variance of the function, without noise; ``whitened`` are the points' v, where they are known."""
        whitened = self.whitened(features) if whitened is None else whitened
        prior = self.gp.covar_module(features, diag=True)
        added = (self.variational_factor.mT @ whitened).square().sum(0)
        return (prior - whitened.square().sum(0) + added).clamp_min(0.0)

    def divergence(self) -> Float64[Tensor, ""]:
        """Kullback-Leibler divergence of the whitened variational distribution from the prior N(0, I)."""
        squares = self.variational_mean.square().sum() + self.variational_factor.square().sum()
        log_determinant = 2 * self.variational_factor.diagonal().abs().log().sum()
        return (squares - len(self.points) - log_determinant) / 2


class DeepGP(nn.Module):
    """A network whose outputs are the inputs of a variational Gaussian process (arXiv 1611.00336).

    The network is in single precision, the Gaussian process in double precision.

    Parameters
    ----------
    network
        Compresses standardised inputs to features.
    points
        Inducing points, in the space of the features.
    n_samples
        Number of training samples, for the weight of the prior in the loss.
    """

    def __init__(self, network: Network, points: Float64[Tensor, "inducing features"], n_samples: int) -> None:
        super().__init__()
        self.network = network
        # Standardised features of d dimensions are about sqrt(2 d) apart.
        self.gp = VariationalGP(points, lengthscale=math.sqrt(points.shape[1]))
        self.likelihood = gpytorch.likelihoods.GaussianLikelihood(
            noise_constraint=gpytorch.constraints.GreaterThan(SMALLEST_NOISE)
        ).double()
        self.likelihood.noise = 0.1
        self.n_samples = n_samples

    @classmethod
    def from_data(
        cls,
        x: Float[Tensor, "samples inputs"],
        target: Float[Tensor, " samples"],
        fit: Int[Tensor, " fit"],
        widths: Sequence[int],
        n_features: int,
        n_inducing: int,
        dropout: float,
        seed: int,
    ) -> DeepGP:
        """A model that starts from data.

        Features are standardised. The inducing points are spread over those of training samples by the seeding of
        k-means++ (Arthur and Vassilvitskii, SODA 2007), so that each is the feature vector of a sample; there are at
        most as many as samples. Noise and variational distribution are the best ones for these features: from the prior
        instead, the features would drift away from the inducing points before the latter have learned anything.
        """
        network = Network(x.shape[1], widths, dropout, n_features).to(x.device).eval()
        n_inducing = min(n_inducing, len(fit))
        order = torch.randperm(len(fit))[: max(CANDIDATES_PER_POINT * n_inducing, CHUNK)]
        chosen = fit[order.to(fit.device)]
        with torch.no_grad():
            features = torch.cat([network.outputs(x[part]) for part in chosen.split(CHUNK)])
            mean = features.mean(0)
            scale = features.std(0, correction=0)
            scale = torch.where(scale > 1e-6, scale, torch.ones_like(scale))
            network.output.weight /= scale[:, None]
            network.output.bias.copy_((network.output.bias - mean) / scale)
            features = ((features - mean) / scale).double()
            candidates = features[: CANDIDATES_PER_POINT * n_inducing].cpu().numpy()
            _, places = kmeans_plusplus(candidates, n_inducing, random_state=seed)
        model = cls(network, features[torch.from_numpy(places).to(x.device)], len(fit)).to(x.device)
        model.fit_distribution(x, target, chosen)
        return model

    @torch.no_grad()
    def fit_distribution(
        self,
        x: Float[Tensor, "samples inputs"],
        target: Float[Tensor, " samples"],
        rows: Int[Tensor, " rows"],
        n_updates: int = 30,
    ) -> None:
        """Set noise and variational distribution to the maximum of the bound for this network and kernel.

        With :math:`A = L^{-1} K_{ZX}` and noise variance s, the whitened distribution is
        :math:`S^{-1} = I + A A^T / s, m = S A y / s` (Titsias, AISTATS 2009); the noise that maximises the bound for it
        is the mean of squared residuals and predictive variances. Both are updated in turn, from sums over the rows,
        which are read in chunks. If the rows are a part of the training set, they stand for all of it.

        Raises
        ------
        FloatingPointError
            If the parameters are not finite.
        """
        posterior = self.posterior()
        gram = torch.zeros_like(posterior.factor)
        moment = torch.zeros_like(posterior.weights)
        squares = unexplained = torch.zeros((), dtype=gram.dtype, device=gram.device)
        for part in rows.split(CHUNK):
            features = self.features(x[part])
            residual = target[part].double() - self.gp.mean_module(features)
            cross = self.gp.covar_module(posterior.points, features).to_dense()
            projected = torch.linalg.solve_triangular(posterior.factor, cross, upper=False)
            gram += projected @ projected.mT
            moment += projected @ residual
            squares = squares + residual.square().sum()
            left = self.gp.covar_module(features, diag=True) - projected.square().sum(0)
            unexplained = unexplained + left.clamp_min(0.0).sum()
        share = self.n_samples / len(rows)
        unit = torch.eye(len(gram), dtype=gram.dtype, device=gram.device)
        noise = self.likelihood.noise.detach()[0]
        for _ in range(n_updates):
            covariance = torch.cholesky_inverse(torch.linalg.cholesky(unit + share * gram / noise))
            mean = share * covariance @ moment / noise
            error = squares - 2 * mean @ moment + mean @ gram @ mean
            noise = (error + unexplained + (covariance * gram).sum()) / len(rows)
            noise = noise.clamp_min(2 * SMALLEST_NOISE)
        self.likelihood.noise = noise
        strategy = self.gp.variational_strategy
        strategy._variational_distribution.variational_mean.copy_(mean)
        strategy._variational_distribution.chol_variational_covar.copy_(torch.linalg.cholesky(covariance))
        strategy.variational_params_initialized.fill_(1)  # or GPyTorch would set it to the prior

    def finish(
        self, x: Float[Tensor, "samples inputs"], target: Float[Tensor, " samples"], fit: Int[Tensor, " fit"]
    ) -> None:
        """What Adam leaves undone when the best epoch comes early: see :meth:`fit_distribution`."""
        self.fit_distribution(x, target, fit)

    @property
    def decayed(self) -> Network:
        """The part that weight decay acts on."""
        return self.network

    @property
    def quick(self) -> list[nn.Parameter]:
        """What has to follow the network: kernel, noise, mean and variational distribution."""
        points = self.gp.variational_strategy.inducing_points
        return [p for module in (self.gp, self.likelihood) for p in module.parameters() if p is not points]

    def features(self, x: Float[Tensor, "batch inputs"]) -> Float64[Tensor, "batch features"]:
        """The Gaussian process's inputs."""
        return self.network.outputs(x).double()

    def loss(self, x: Float[Tensor, "batch inputs"], target: Float[Tensor, " batch"]) -> Float64[Tensor, ""]:
        """What training minimises: minus the evidence lower bound (ELBO) per sample, estimated from a batch.

        Raises
        ------
        FloatingPointError
            If the model has diverged.
        """
        features, target = self.features(x), target.double()
        posterior = self.posterior()
        whitened = posterior.whitened(features)
        mean = self.gp.mean_module(features) + whitened.mT @ posterior.variational_mean
        variance = posterior.variance(features, whitened)
        noise = self.likelihood.noise[0]
        expected = ((target - mean).square() + variance).mean() / noise + torch.log(2 * math.pi * noise)
        return expected / 2 + posterior.divergence() / self.n_samples

    def posterior(self) -> Posterior:
        """What predictions with the present parameters share."""
        return Posterior.of(self.gp)

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float64[Tensor, " batch"]:
        """Predictive mean for standardised inputs."""
        return self.posterior().mean(self.features(x))
