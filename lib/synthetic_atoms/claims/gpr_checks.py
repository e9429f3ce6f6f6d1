"""Our value and the verdict for each claim on what decides the errors of Gaussian process regression."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pandas as pd

from synthetic_atoms.claims.evidence import USUAL, Evidence
from synthetic_atoms.claims.ledger import NO_RECORD, Outcome, judged
from synthetic_atoms.experiments.gpr_insights import TOLERATED, lowest_point, sigma_curves, width_decades
from synthetic_atoms.wording import counted

SCANNED = 13
"""Values of sigma in the scan."""


def _dtc_by_fold(evidence: Evidence) -> pd.DataFrame:
    """DTC errors at 10 meV on all test environments: a row for each fold, a column for each M and N."""
    gpr = evidence.gpr
    part = gpr[(gpr["estimator"] == "dtc") & (gpr["sigma_meV"] == USUAL["sigma_meV"]) & (gpr["max_test"] == 0)]
    return part.pivot_table(index="fold", columns=["m_sparse", "n_train"], values="mae_test_meV", aggfunc="first")


def more_points_help(evidence: Evidence) -> Outcome:
    errors = _dtc_by_fold(evidence)
    ms = [m for m in (100, 200, 500, 1000, 2000, 5000) if (m, 10_000) in errors]
    complete = errors[[(m, 10_000) for m in ms]].dropna() if len(ms) > 1 else errors.iloc[:0]
    if complete.empty:
        return NO_RECORD
    values = complete.mean().to_list()
    falls = all(b < a for a, b in pairwise(values))
    return judged(
        falls, values[-1] < values[0], f"{values[0]:.1f} (M = {ms[0]}) to {values[-1]:.1f} meV (M = {ms[-1]})"
    )


def ten_thousand_points(evidence: Evidence) -> Outcome:
    errors = _dtc_by_fold(evidence)
    change, folds, spread = {}, {}, {}
    for m, n in errors.columns:
        if m == 10_000 and (5000, n) in errors and n >= 10_000:
            ratio = (errors[m, n] / errors[5000, n]).dropna()
            if len(ratio):
                change[n], folds[n], spread[n] = float(ratio.mean() - 1), len(ratio), float(ratio.std(ddof=1))
    if not change:
        return NO_RECORD
    where = max(change, key=lambda n: abs(change[n]))
    most = abs(change[where])
    text = ", ".join(f"{value:+.1%} at N = {n:,} ({counted(folds[n], 'fold')})" for n, value in change.items())
    if abs(most - 0.1) < spread[where]:
        text += "; the limit of 10% lies within the spread over the folds"
    return judged(most < 0.05, most < 0.1, text)


def _sigma_curves(gpr: pd.DataFrame, estimator: str) -> tuple[pd.DataFrame, dict[int, int]]:
    """Mean error by N (rows) and sigma (columns), M = 5000, over the folds that have every sigma; and their number."""
    part = gpr[
        (gpr["estimator"] == estimator)
        & (gpr["m_sparse"] == np.minimum(gpr["n_train"], USUAL["m_sparse"]))
        & (gpr["max_test"] == 0)
    ]
    rows, folds = {}, {}
    for n, group in part.groupby("n_train"):
        table = group.pivot_table(index="fold", columns="sigma_meV", values="mae_test_meV", aggfunc="first")
        table = table.dropna() if table.shape[1] == SCANNED else table.iloc[:0]
        if len(table):
            rows[int(n)], folds[int(n)] = table.mean(), len(table)
    return pd.DataFrame(rows).T.sort_index(), folds


def _at(folds: dict[int, int], n: int | np.integer) -> str:
    """A training-set size, with the number of folds where there is but one."""
    return f"N = {n:,}" + (" (one fold)" if folds[int(n)] == 1 else "")


def best_sigma(evidence: Evidence) -> Outcome:
    table, folds = _sigma_curves(evidence.gpr, "dtc")
    if table.empty:
        return NO_RECORD
    best = {int(n): lowest_point(row.index.to_numpy(), row.to_numpy())[0] for n, row in table.iterrows()}
    near = [4.6 <= value <= 22 for value in best.values()]
    text = ", ".join(f"{value:.0f} meV at {_at(folds, n)}" for n, value in best.items())
    return judged(np.mean(near) > 0.5, any(near), text)


def sigma_extremes(evidence: Evidence) -> Outcome:
    table, _ = _sigma_curves(evidence.gpr, "dtc")
    if table.empty:
        return NO_RECORD
    low, high = (table.iloc[:, i] / table.min(axis=1) for i in (0, -1))
    text = f"{low.min():.2f} to {low.max():.2f} times the lowest error at 0.1 meV, "
    text += f"{high.min():.2f} to {high.max():.2f} times at 1 eV"
    other, _ = _sigma_curves(evidence.gpr, "fitc")
    if len(other):
        rise = other.iloc[:, 0] / other.min(axis=1)
        text += f" (FITC: {rise.min():.2f} to {rise.max():.2f} at 0.1 meV)"
    return judged(bool((low > 1.05).all() and (high > 1.05).all()), bool((high > 1.05).all()), text)


def sigma_flattens(evidence: Evidence) -> Outcome:
    table, folds = _sigma_curves(evidence.gpr, "fitc")
    if len(table) < 2:
        return NO_RECORD
    widths = [width_decades(row.index.to_numpy(), row.to_numpy())[0] for _, row in table.iterrows()]
    text = f"within {TOLERATED - 1:.0%} of the lowest error over {widths[0]:.2f} decades at "
    text += f"{_at(folds, table.index[0])}, {widths[-1]:.2f} at {_at(folds, table.index[-1])} (FITC)"
    for name in ("fitc", "dtc"):
        whole, whole_folds = _sigma_curves(evidence.whole_gpr, name)
        if len(whole) and whole.index[-1] > table.index[-1]:
            n, row = whole.index[-1], whole.iloc[-1]
            width = width_decades(row.index.to_numpy(), row.to_numpy())[0]
            one = ", one fold" if whole_folds[int(n)] == 1 else ""
            text += f"; {width:.2f} at N = {n:,} ({name.upper()}{one})"
    return judged(widths[-1] > widths[0], max(widths) > widths[0], text)


def sigma_minimum(evidence: Evidence) -> Outcome:
    table, folds = _sigma_curves(evidence.whole_gpr, "dtc")
    if len(table) < 2 or table.index[-1] < 1_000_000:
        return NO_RECORD
    best = [lowest_point(row.index.to_numpy(), row.to_numpy())[0] for _, row in table.iterrows()]
    text = ", ".join(f"{value:.0f} meV at {_at(folds, n)}" for n, value in zip(table.index, best, strict=True))
    scans = evidence.whole_gpr[evidence.whole_gpr["n_train"].isin(table.index) & (evidence.whole_gpr["max_test"] == 0)]
    by_fold = sigma_curves(scans, USUAL["m_sparse"])
    by_fold = by_fold[by_fold["estimator"] == "dtc"].pivot_table(
        index="fold", columns="n_train", values="best_sigma_meV"
    )
    up, end = (
        (by_fold[b] > by_fold[a])[by_fold[[a, b]].notna().all(axis=1)]
        for a, b in ((table.index[0], table.index[-1]), (table.index[-2], table.index[-1]))
    )
    text += f" (DTC); higher at the last than at the first in {up.sum()} of {len(up)} folds"
    if len(table) > 2:
        text += f", than at the last but one in {end.sum()} of {len(end)}"
    fitc, fitc_folds = _sigma_curves(evidence.whole_gpr, "fitc")
    if len(fitc) > 1:
        ends = [
            f"{lowest_point(fitc.columns.to_numpy(), fitc.loc[n].to_numpy())[0]:.0f} meV" for n in fitc.index[[0, -1]]
        ]
        text += f"; FITC from {ends[0]} to {ends[1]} at {_at(fitc_folds, fitc.index[-1])}"
    return judged(bool(up.all()), best[-1] > min(best[:-1]), text)


CHECKS: dict[str, Callable[[Evidence], Outcome]] = {
    "more-points-help": more_points_help,
    "ten-thousand-points": ten_thousand_points,
    "best-sigma": best_sigma,
    "sigma-extremes": sigma_extremes,
    "sigma-flattens": sigma_flattens,
    "sigma-minimum": sigma_minimum,
}
