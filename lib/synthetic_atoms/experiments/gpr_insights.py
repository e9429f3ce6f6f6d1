"""What records of sparse GPR say about M and sigma (Fig. 4): numbers, fold by fold."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float

MODEL = ["estimator", "n_train", "m_sparse", "sigma_meV"]
"""Columns that tell models of one study apart."""

TOLERATED = 1.1
"""Errors up to this many times the lowest count as nearly as good, for the width of a sigma curve."""


def in_shared_folds(records: pd.DataFrame, together: list[str]) -> pd.DataFrame:
    """The records, without the numbers of folds that some of the models to be compared lack.

    A mean over three folds beside one over five would show how folds differ, not how models do.

    Parameters
    ----------
    records
        One row per model and fold.
    together
        Columns whose values models that are compared share, such as ``["n_train"]``. Models without any number do not
        count; where no fold is left, the rows stay as they are.
    """
    known = records[records["mae_test_meV"].notna()]
    drop = []
    for _, part in known.groupby(together):
        n_models = len(part[MODEL].drop_duplicates())
        complete = part.groupby("fold")[MODEL[0]].transform("size") == n_models
        if complete.any():
            drop.append(part.index[~complete])
    found = records.copy()
    numbers = _numbers(found)
    found[numbers] = found[numbers].astype(float)
    found.loc[np.concatenate(drop) if drop else [], numbers] = np.nan
    return found


def _numbers(records: pd.DataFrame) -> list[str]:
    """The columns with errors, seconds and memory."""
    return [
        name
        for name in records.columns
        if name.startswith(("mae_", "rmse_")) or name.endswith("_s") or name == "peak_memory_GB"
    ]


def summary(records: pd.DataFrame) -> pd.DataFrame:
    """Mean over the folds for each model, and the standard deviation of the test and training errors.

    The standard deviation describes how much folds differ; it is not a standard error, because folds share training
    data.

    Returns
    -------
    pandas.DataFrame
        :data:`MODEL`, means of all errors, ``mae_test_std_meV``, ``mae_train_std_meV``, seconds and memory, ``folds``.
    """
    columns = _numbers(records)
    groups = records.astype(dict.fromkeys(columns, float)).groupby(MODEL)
    table = groups[columns].mean()
    table["mae_test_std_meV"] = groups["mae_test_meV"].std(ddof=1)
    table["mae_train_std_meV"] = groups["mae_train_meV"].std(ddof=1)
    table["folds"] = groups["mae_test_meV"].count()
    return table.reset_index()


def one_model(
    records: pd.DataFrame, estimator: str, n_train: int, m_sparse: int, sigma_meV: float, column: str = "mae_test_meV"
) -> pd.Series:
    """One number of a model for each fold that has it; M > N means M = N."""
    rows = records[
        (records["estimator"] == estimator)
        & (records["n_train"] == n_train)
        & (records["m_sparse"] == min(m_sparse, n_train))
        & (records["sigma_meV"] == sigma_meV)
    ]
    return rows.set_index("fold")[column].astype(float).dropna()


@dataclass(frozen=True)
class Paired:
    """A difference (or a ratio less one) taken fold by fold, where both sides saw the same data."""

    values: tuple[float, ...]

    @classmethod
    def relative(cls, new: pd.Series, old: pd.Series) -> Paired:
        """new / old - 1 in each fold that both have."""
        both = (new / old - 1).dropna()
        return cls(tuple(float(value) for value in both))

    @property
    def folds(self) -> int:
        """Number of folds."""
        return len(self.values)

    @property
    def mean(self) -> float:
        """Mean over the folds, NaN without any."""
        return float(np.mean(self.values)) if self.values else float("nan")

    @property
    def std(self) -> float:
        """Standard deviation over the folds, NaN with fewer than two."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else float("nan")

    @property
    def above(self) -> int:
        """Number of folds in which it is above zero."""
        return sum(value > 0 for value in self.values)

    @property
    def below(self) -> int:
        """Number of folds in which it is below zero."""
        return sum(value < 0 for value in self.values)


def more_points(
    records: pd.DataFrame, few: int, many: int, sigma_meV: float, estimator: str = "dtc"
) -> dict[int, Paired]:
    """Relative change of the test error from M = few to M = many, for each N > few that has both."""
    found = {}
    for n_train in sorted(records["n_train"].unique()):
        if n_train > few:
            small, large = (one_model(records, estimator, int(n_train), m, sigma_meV) for m in (few, many))
            change = Paired.relative(large, small)
            if change.folds:
                found[int(n_train)] = change
    return found


def estimators_compared(records: pd.DataFrame, m_sparse: int, sigma_meV: float) -> dict[int, Paired]:
    """Relative difference of FITC's test error from DTC's, for each N that has both."""
    found = {}
    for n_train in sorted(records["n_train"].unique()):
        fitc, dtc = (one_model(records, name, int(n_train), m_sparse, sigma_meV) for name in ("fitc", "dtc"))
        difference = Paired.relative(fitc, dtc)
        if difference.folds:
            found[int(n_train)] = difference
    return found


def lowest_point(
    sigma_meV: Float[np.ndarray, " sigmas"], mae_meV: Float[np.ndarray, " sigmas"]
) -> tuple[float, float, bool]:
    """Where a curve of errors over sigma is lowest: the vertex of the parabola in log(sigma) through the lowest value
    and its two neighbours.

    Returns
    -------
    float, float
        Sigma and error there; those of the lowest value itself at an end of the curve.
    bool
        Whether it is at an end, so that the true place may lie beyond.
    """
    best = int(np.argmin(mae_meV))
    if best in (0, len(mae_meV) - 1):
        return float(sigma_meV[best]), float(mae_meV[best]), True
    # The first of the lowest values: its left neighbour is higher, so the parabola opens upwards.
    x, y = np.log(sigma_meV[best - 1 : best + 2]), mae_meV[best - 1 : best + 2]
    a, b, c = np.polyfit(x - x[1], y, 2)
    return float(np.exp(x[1] - b / (2 * a))), float(c - b**2 / (4 * a)), False


def width_decades(sigma_meV: Float[np.ndarray, " sigmas"], mae_meV: Float[np.ndarray, " sigmas"]) -> tuple[float, bool]:
    """Width, in decades of sigma, of the stretch around the lowest value where errors are at most TOLERATED times it.

    Between the values the error is taken as linear in log(sigma).

    Returns
    -------
    float
        The width.
    bool
        Whether the stretch reaches an end of the curve, so that it may be wider.
    """
    x = np.log10(sigma_meV)
    best, limit = int(np.argmin(mae_meV)), TOLERATED * float(np.min(mae_meV))
    ends, open_ended = [], False
    for step in (-1, 1):
        place = best
        while 0 <= place + step < len(x) and mae_meV[place + step] <= limit:
            place += step
        if 0 <= place + step < len(x):
            part = (limit - mae_meV[place]) / (mae_meV[place + step] - mae_meV[place])
            ends.append(x[place] + part * (x[place + step] - x[place]))
        else:
            ends.append(x[place])
            open_ended = True
    return float(ends[1] - ends[0]), open_ended


def sigma_curves(records: pd.DataFrame, m_sparse: int) -> pd.DataFrame:
    """What matters of each curve of errors over sigma at M = min(m_sparse, N), fold by fold.

    Curves that lack one of the sigmas that the others have are left out.

    Returns
    -------
    pandas.DataFrame
        ``estimator``, ``n_train``, ``fold``; ``best_sigma_meV``, ``lowest_meV`` and ``at_edge`` from
        :func:`lowest_point`; ``width_decades`` and ``width_open`` from :func:`width_decades`; ``rise_small``,
        ``rise_large``: test error at the smallest and largest sigma over the lowest one of the scan;
        ``rise_small_train``: training error at the smallest sigma over the lowest one.
    """
    chosen = records[records["m_sparse"] == np.minimum(m_sparse, records["n_train"])]
    scanned = chosen.groupby(["estimator", "n_train"])["sigma_meV"].transform("nunique")
    chosen = chosen[(scanned == scanned.max()) & (scanned > 2)] if len(chosen) else chosen
    rows = []
    for (estimator, n_train, fold), curve in chosen.groupby(["estimator", "n_train", "fold"]):
        curve = curve.sort_values("sigma_meV")
        sigma = curve["sigma_meV"].to_numpy(float)
        test, train = (curve[name].to_numpy(float) for name in ("mae_test_meV", "mae_train_meV"))
        if len(sigma) < scanned.max() or not np.isfinite(test).all() or not np.isfinite(train).all():
            continue
        best, lowest, at_edge = lowest_point(sigma, test)
        width, width_open = width_decades(sigma, test)
        rows.append(
            {
                "estimator": estimator,
                "n_train": int(n_train),
                "fold": int(fold),
                "best_sigma_meV": best,
                "lowest_meV": lowest,
                "at_edge": at_edge,
                "width_decades": width,
                "width_open": width_open,
                "rise_small": float(test[0] / test.min()),
                "rise_large": float(test[-1] / test.min()),
                "rise_small_train": float(train[0] / train.min()),
            }
        )
    columns = [
        "estimator", "n_train", "fold", "best_sigma_meV", "lowest_meV", "at_edge", "width_decades", "width_open",
        "rise_small", "rise_large", "rise_small_train",
    ]  # fmt: skip
    return pd.DataFrame(rows, columns=columns)


def published_curves(table: pd.DataFrame) -> pd.DataFrame:
    """:func:`sigma_curves` of the published means, as one fold of an estimator ``published``."""
    return sigma_curves(table.assign(estimator="published", fold=0, m_sparse=table["n_train"]), 10**9)
