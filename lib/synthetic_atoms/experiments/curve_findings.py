"""What the learning curves say about one model against another: paired by fold, with uncertainty."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy.stats import rankdata, spearmanr

from synthetic_atoms.experiments.bootstrap import RESAMPLES, Estimate


def by_fold(records: pd.DataFrame, model: str, column: str = "mae_test_meV") -> pd.DataFrame:
    """Errors of one model: a row per training-set size and a column per fold, complete rows only."""
    part = records[records["model"] == model]
    return part.pivot_table(index="n_train", columns="fold", values=column, aggfunc="first").astype(float).dropna()


def _log_ratios(records: pd.DataFrame, first: str, second: str) -> pd.DataFrame:
    """log(error of the first / error of the second) in the same fold, on the same test environments."""
    a, b = by_fold(records, first), by_fold(records, second)
    sizes, folds = a.index.intersection(b.index), a.columns.intersection(b.columns)
    return np.log(a.loc[sizes, folds] / b.loc[sizes, folds])


def _resampled(logs: Float[np.ndarray, "sizes folds"], seed: int) -> Float[np.ndarray, "draws sizes"]:
    rng = np.random.default_rng(seed)
    n_folds = logs.shape[1]
    draws = rng.integers(n_folds, size=(RESAMPLES, n_folds))
    return logs[:, draws].mean(axis=2).T


def compare(records: pd.DataFrame, first: str, second: str, seed: int = 0) -> pd.DataFrame:
    """The ratio of two models' errors at every size that both have.

    Returns
    -------
    pandas.DataFrame
        ``n_train``; ``ratio``, the geometric mean over the folds of the first model's error over the second's in the
        same fold; ``low`` and ``high``, the 5th and 95th percentile when folds are drawn with replacement (they share
        training data, so that this is a lower bound of the uncertainty); ``folds`` and ``ahead``, in how many of them
        the first model errs less.
    """
    logs = _log_ratios(records, first, second)
    if logs.empty:
        return pd.DataFrame(columns=["n_train", "ratio", "low", "high", "folds", "ahead"])
    draws = np.exp(_resampled(logs.to_numpy(), seed))
    low, high = np.percentile(draws, [5, 95], axis=0)
    return pd.DataFrame(
        {
            "n_train": logs.index.to_numpy(),
            "ratio": np.exp(logs.mean(axis=1)).to_numpy(),
            "low": low,
            "high": high,
            "folds": logs.shape[1],
            "ahead": (logs < 0).sum(axis=1).to_numpy(),
        }
    )


def compare_by_trajectory(errors: pd.DataFrame, first: str, second: str, seed: int = 0) -> pd.DataFrame:
    """The ratio of two models' errors at every size, with the uncertainty that comes from fits and trajectories.

    Trajectories of one fold are tested by the same two fits, so that they err alike. The bootstrap is therefore nested:
    folds are drawn with replacement, and within each drawn fold its test trajectories.

    Parameters
    ----------
    errors
        ``model``, ``n_train``, ``fold``, ``trajectory``, ``mae_meV``, ``environments``: errors on every trajectory,
        as :func:`~synthetic_atoms.experiments.trajectory_errors.by_trajectory` gives them.
    first, second
        The models.
    seed
        Of the bootstrap.

    Returns
    -------
    pandas.DataFrame
        ``n_train``; ``ratio`` of the mean absolute errors on all environments of the trajectories that both were tested
        on; ``low`` and ``high``, the 5th and 95th percentile of the bootstrap (folds share training data, so that this
        is a lower bound of the uncertainty); ``trajectories``, their number; ``ahead``, in how many of them the first
        model errs less. Sizes at which no trajectory was met by both are left out.
    """
    rows = []
    rng = np.random.default_rng(seed)
    for n_train, part in errors.groupby("n_train"):
        index = ["fold", "trajectory"]
        both = part.pivot_table(index=index, columns="model", values="mae_meV", aggfunc="first")
        both = both.reindex(columns=[first, second]).dropna()
        if both.empty:
            continue
        weight = part.groupby(index)["environments"].first().loc[both.index].to_numpy(dtype=float)
        sums = both.to_numpy() * weight[:, None]
        draws = _nested([sums[rows] for rows in both.groupby("fold").indices.values()], rng)
        low, high = np.percentile(draws[:, 0] / draws[:, 1], [5, 95])
        total = sums.sum(axis=0)
        ahead = int((both[first] < both[second]).sum())
        rows.append((int(n_train), total[0] / total[1], low, high, len(both), ahead))
    return pd.DataFrame(rows, columns=["n_train", "ratio", "low", "high", "trajectories", "ahead"])


def _nested(folds: list[Float[np.ndarray, "_ 2"]], rng: np.random.Generator) -> Float[np.ndarray, "draws 2"]:
    """Sums over rows drawn with replacement from folds drawn with replacement, one row per draw."""
    total = np.zeros((RESAMPLES, 2))
    for drawn in rng.integers(len(folds), size=(len(folds), RESAMPLES)):
        for fold, rows in enumerate(folds):
            mine = np.flatnonzero(drawn == fold)
            total[mine] += rows[rng.integers(len(rows), size=(len(mine), len(rows)))].sum(axis=1)
    return total


def rank_correlation(x: ArrayLike, y: ArrayLike, fold: ArrayLike, seed: int = 0) -> Estimate:
    """Spearman's rank correlation, NaN for constant values, with the percentiles of a nested bootstrap.

    As in :func:`compare_by_trajectory`, folds are drawn with replacement, and points within each of them.
    """
    x, y, fold = np.asarray(x, dtype=float), np.asarray(y, dtype=float), np.asarray(fold)
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return Estimate(np.nan, np.nan, np.nan)
    rng = np.random.default_rng(seed)
    groups = [np.flatnonzero(fold == one) for one in np.unique(fold)]
    values = []
    for drawn in rng.integers(len(groups), size=(RESAMPLES, len(groups))):
        rows = np.concatenate([rng.choice(groups[one], len(groups[one])) for one in drawn])
        a, b = rankdata(x[rows]), rankdata(y[rows])
        if np.ptp(a) > 0 and np.ptp(b) > 0:
            values.append(np.corrcoef(a, b)[0, 1])
    return Estimate(float(spearmanr(x, y).statistic), *(float(v) for v in np.percentile(values, [5, 95])))


def slope(records: pd.DataFrame, model: str, sizes: Sequence[int], seed: int = 0) -> Estimate:
    """Least-squares slope of log(error) against log(N) at some sizes, with percentiles of the bootstrap over folds.

    NaN where the model has fewer than two of the sizes in every fold.
    """
    errors = by_fold(records, model)
    logs = np.log(errors.loc[errors.index.isin(sizes)])
    if len(logs) < 2:
        return Estimate(*[float("nan")] * 3)
    x = np.log(logs.index.to_numpy(dtype=float))

    def of(curves: Float[np.ndarray, "sizes draws"]) -> Float[np.ndarray, " draws"]:
        return np.polyfit(x, curves, 1)[0]

    low, high = np.percentile(of(_resampled(logs.to_numpy(), seed).T), [5, 95])
    return Estimate(float(of(logs.mean(axis=1).to_numpy()[:, None])[0]), float(low), float(high))


def straightness(records: pd.DataFrame, model: str, sizes: Sequence[int]) -> float:
    """Share of the variance of log(error), mean over the folds, that a straight line in log(N) explains (R^2)."""
    errors = by_fold(records, model)
    logs = np.log(errors.loc[errors.index.isin(sizes)]).mean(axis=1)
    return float(np.corrcoef(np.log(logs.index.to_numpy(dtype=float)), logs)[0, 1] ** 2) if len(logs) > 2 else np.nan


def crossover(records: pd.DataFrame, first: str, second: str, seed: int = 0) -> Estimate:
    """The training-set size from which on the first model errs less than the second, by interpolation in log N.

    NaN where the curves do not cross; percentiles are over the bootstrap samples in which they do.
    """
    logs = _log_ratios(records, first, second)
    if len(logs) < 2:
        return Estimate(*[float("nan")] * 3)
    x = np.log(logs.index.to_numpy(dtype=float))

    def at(curve: Float[np.ndarray, " sizes"]) -> float:
        above = np.flatnonzero(curve > 0)
        if not len(above) or above[-1] == len(curve) - 1:
            return float("nan")
        i = above[-1]
        return float(np.exp(x[i] + (x[i + 1] - x[i]) * curve[i] / (curve[i] - curve[i + 1])))

    found = np.array([at(curve) for curve in _resampled(logs.to_numpy(), seed)])
    finite = found[np.isfinite(found)]
    low, high = np.percentile(finite, [5, 95]) if len(finite) else (np.nan, np.nan)
    return Estimate(at(logs.mean(axis=1).to_numpy()), float(low), float(high))


def published_crossover(table: pd.DataFrame, first: str, second: str) -> float:
    """The same of two published curves; NaN where they do not cross."""
    wide = table.pivot(index="n_train", columns="model", values="mae_test_meV")[[first, second]].dropna()
    logs = np.log(wide[first] / wide[second]).to_numpy()
    above = np.flatnonzero(logs > 0)
    if not len(above) or above[-1] == len(logs) - 1:
        return float("nan")
    i, x = above[-1], np.log(wide.index.to_numpy(dtype=float))
    return float(np.exp(x[i] + (x[i + 1] - x[i]) * logs[i] / (logs[i] - logs[i + 1])))
