"""Grids of sparse GPR fits, and how few passes over the training data give them all (Figs 3, 4)."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import product

import pandas as pd

from synthetic_atoms.descriptors import soap_settings
from synthetic_atoms.errors import ParameterError
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.models.sparse_sums import FitRequest
from synthetic_atoms.splits import Split, splits_by_trajectory

ASKED = (
    "dataset", "dataset_fingerprint", "model", "soap", "soap_settings", "estimator", "zeta", "kernel_offset",
    "prior_scale_eV", "jitter", "n_train", "m_sparse", "sigma_meV", "n_folds", "fold", "seed", "max_test",
)  # fmt: skip

SUMS_BYTES = 2.7e9
"""Running sums that one pass may hold: room for FITC at thirteen sigmas and M = 5000. The process needs about twice
that at M = 10,000 (6 GB), with the factors of its equations and a block of rows."""


@dataclass(frozen=True)
class Study:
    """What all fits of a grid share.

    Attributes
    ----------
    dataset
        The environments.
    soap
        Name of the descriptor's setting.
    n_folds, seed
        Cross-validation by trajectory, and the seed of folds and samples.
    max_test
        At most this many test environments per fold, drawn at random (all by default).
    zeta, kernel_offset, prior_scale_eV, jitter
        As in :class:`~synthetic_atoms.models.sparse_gpr.SparseGPR`.
    """

    dataset: Dataset = field(default_factory=Dataset)
    soap: str = "tuned"
    n_folds: int = 5
    seed: int = 0
    max_test: int | None = None
    zeta: int = 4
    kernel_offset: float = 0.0
    prior_scale_eV: float = 1.0
    jitter: float = 1e-12

    def splits(self) -> list[Split]:
        """The folds; kept in memory."""
        return _splits(self.dataset, self.n_folds, self.seed, self.max_test)

    def largest_size(self) -> int:
        """The largest number of training environments that every fold has."""
        return min(len(split.train) for split in self.splits())

    def parameters(self) -> dict[str, int | float]:
        """Parameters of the model that all fits share."""
        return {
            "zeta": self.zeta,
            "kernel_offset": float(self.kernel_offset),
            "prior_scale_eV": float(self.prior_scale_eV),
            "jitter": float(self.jitter),
        }


@lru_cache(maxsize=1)
def _splits(dataset: Dataset, n_folds: int, seed: int, max_test: int | None) -> list[Split]:
    return splits_by_trajectory(dataset.load(), n_folds=n_folds, seed=seed, max_test=max_test)


@dataclass(frozen=True)
class Sweep:
    """Part of a grid: every combination of its values.

    Attributes
    ----------
    sizes
        Numbers of training environments N; those that not every fold has are left out.
    m_sparse
        Numbers of representative points M; a model with M > N is the one with M = N.
    sigmas_meV
        Standard deviations of the noise, to six significant digits.
    estimators
        Any of ``"dtc"`` and ``"fitc"``.
    folds
        The folds; all by default.
    """

    sizes: Sequence[int]
    m_sparse: Sequence[int] = (5000,)
    sigmas_meV: Sequence[float] = (10.0,)
    estimators: Sequence[str] = ("dtc",)
    folds: Sequence[int] | None = None


def figure_4(
    *,
    sizes: Sequence[int],
    n_sparse: Sequence[int],
    m_reference: int,
    large_up_to: int,
    sigma_meV: float,
    sigma_sizes: Sequence[int],
    sigmas_meV: Sequence[float],
    fitc_all_folds_up_to: int,
    estimators: Sequence[str] = ("dtc", "fitc"),
) -> list[Sweep]:
    """The grid of Fig. 4: learning curves for several M, and curves over sigma for several N.

    Parameters
    ----------
    sizes, n_sparse, sigma_meV
        Of the learning curves (Fig. 4a).
    m_reference
        M of the curves over sigma; larger M have learning curves only up to N = ``large_up_to``.
    sigma_sizes, sigmas_meV
        Of the curves over sigma (Fig. 4b).
    fitc_all_folds_up_to
        Beyond this N, FITC's curve over sigma, which needs a running sum for each sigma, is asked for in one fold only.
    estimators
        Any of ``"dtc"`` and ``"fitc"``.
    """
    usual = tuple(sorted({m for m in n_sparse if m <= m_reference} | {m_reference}))
    large = tuple(sorted(set(n_sparse) - set(usual)))
    sweeps = [
        Sweep(sizes, usual, (sigma_meV,), estimators),
        Sweep([n for n in sizes if n <= large_up_to], large, (sigma_meV,), estimators),
    ]
    if "dtc" in estimators:
        sweeps.append(Sweep(sigma_sizes, (m_reference,), sigmas_meV, ("dtc",)))
    if "fitc" in estimators:
        cheap = [n for n in sigma_sizes if n <= fitc_all_folds_up_to]
        dear = [n for n in sigma_sizes if n > fitc_all_folds_up_to]
        sweeps.append(Sweep(cheap, (m_reference,), sigmas_meV, ("fitc",)))
        sweeps.append(Sweep(dear, (m_reference,), sigmas_meV, ("fitc",), (0,)))
    return [sweep for sweep in sweeps if sweep.sizes and sweep.m_sparse]


def requests(study: Study, sweeps: Iterable[Sweep]) -> pd.DataFrame:
    """One row per fit, with the columns :data:`ASKED`; a fit that several sweeps ask for is there once.

    Raises
    ------
    ParameterError
        If there is nothing in the grid, because every size is larger than the folds' training sets.
    """
    largest = study.largest_size()
    wanted: dict[tuple[str, int, int, float, int], None] = {}
    smallest = None
    for sweep in sweeps:
        smallest = min([*sweep.sizes, *([] if smallest is None else [smallest])], default=None)
        sizes = [n for n in sweep.sizes if n <= largest]
        folds = range(study.n_folds) if sweep.folds is None else sweep.folds
        for estimator, n, m, sigma, fold in product(sweep.estimators, sizes, sweep.m_sparse, sweep.sigmas_meV, folds):
            wanted[(estimator, int(n), int(min(m, n)), float(f"{sigma:.6g}"), fold)] = None
    if not wanted:
        raise ParameterError(
            f"Expected a training-set size of at most {largest}, as many environments as every fold trains on, found "
            + ("no size." if smallest is None else f"none below {smallest}.")
        )
    shared = {
        "dataset": study.dataset.name,
        "dataset_fingerprint": study.dataset.load().fingerprint[:12],
        "model": "GPR",
        "soap": study.soap,
        "soap_settings": soap_settings(study.soap).digest,
        "n_folds": study.n_folds,
        "seed": study.seed,
        "max_test": study.max_test or 0,
        **study.parameters(),
    }
    rows = [
        {**shared, "estimator": estimator, "n_train": n, "m_sparse": m, "sigma_meV": sigma, "fold": fold}
        for estimator, n, m, sigma, fold in sorted(wanted)
    ]
    return pd.DataFrame(rows, columns=list(ASKED))


@dataclass(frozen=True)
class Pass:
    """One stream over the training data of one fold: the unit of work, small enough to travel."""

    study: Study
    fold: int
    models: tuple[FitRequest, ...]

    @property
    def estimator(self) -> str:
        """The estimator, the same for all models."""
        return self.models[0].estimator

    @property
    def n_train(self) -> int:
        """Rows that the stream reads."""
        return max(model.n_train for model in self.models)

    @property
    def m_sparse(self) -> int:
        """Representative points of the largest model."""
        return max(model.n_sparse for model in self.models)


def plan(study: Study, wanted: pd.DataFrame) -> list[Pass]:
    """Passes that give all rows of a table of requests, fold by fold.

    Every row that a pass reads costs what its largest M costs. A number of representative points therefore has a pass
    of its own only if every larger one stops at fewer training points: M = 10 000 to N = 10^5 beside M = 5000 to 10^6.
    FITC needs a running sum for every sigma and M, so its models are dealt out to as many passes as :data:`SUMS_BYTES`
    asks for, those that reach furthest together.
    """
    passes = []
    for (fold, estimator), group in wanted.groupby(["fold", "estimator"], sort=True):
        models = [
            FitRequest(int(row.n_train), estimator, float(row.sigma_meV), int(row.m_sparse))
            for row in group.itertuples()
        ]
        for together in _by_reach(models):
            for part in _by_memory(together) if estimator == "fitc" else [together]:
                passes.append(Pass(study, int(fold), tuple(sorted(part))))
    return passes


def _by_reach(models: Sequence[FitRequest]) -> list[list[FitRequest]]:
    """Models grouped by the smallest M that is worth a pass of its own and not smaller than theirs."""
    reach: dict[int, int] = {}
    for model in models:
        reach[model.n_sparse] = max(model.n_train, reach.get(model.n_sparse, 0))
    levels, furthest = [], 0
    for m in sorted(reach, reverse=True):
        if reach[m] > furthest:
            levels.append(m)
            furthest = reach[m]
    return [
        [model for model in models if smaller < model.n_sparse <= level]
        for level, smaller in zip(levels, [*levels[1:], 0], strict=True)
    ]


def _by_memory(models: Sequence[FitRequest]) -> list[list[FitRequest]]:
    """Models of FITC, dealt out so that the running sums of each part fit in memory."""
    sums: dict[tuple[float, int], list[FitRequest]] = {}
    for model in models:
        sums.setdefault((model.sigma_meV, model.n_sparse), []).append(model)
    order = sorted(sums.items(), key=lambda item: (-max(m.n_train for m in item[1]), -item[0][1], item[0][0]))
    parts: list[list[FitRequest]] = []
    used = 0.0
    for (_, m), mine in order:
        size = 8.0 * m * m
        if not parts or used + size > SUMS_BYTES:
            parts.append([])
            used = 0.0
        parts[-1] += mine
        used += size
    return parts
