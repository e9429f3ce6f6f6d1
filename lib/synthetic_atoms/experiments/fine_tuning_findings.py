"""What the fits of Fig. 5 and Table 1 say: means over folds, equal errors, where curves meet, with uncertainty."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float

from synthetic_atoms.experiments.bootstrap import Estimate, bootstrap
from synthetic_atoms.experiments.fine_tuning_grid import DIRECT, FINETUNED

ERROR = "rmse_test_meV_per_atom"
VALIDATION = "rmse_validation_meV_per_atom"
KINDS = ["training", "n_pretrain_environments", "n_qm_labels"]
"""Columns that say what is compared; fits that agree in them differ in settings and fold."""


def selected(records: pd.DataFrame) -> pd.DataFrame:
    """The records with the settings that are used, of each kind of fit.

    Where several settings compete, those with the lowest validation error are used, averaged over the folds that all of
    them have. Settings with fewer folds than others do not compete.
    """
    return records[is_selected(records).to_numpy()]


def is_selected(records: pd.DataFrame) -> pd.Series:
    """Whether a record has the settings that :func:`selected` keeps."""
    used = np.zeros(len(records), dtype=bool)
    for places in records.groupby(KINDS, sort=False).indices.values():
        part = records.iloc[places]
        best, *others = part["hyperparameters"].unique()
        if others:
            done = part[part[ERROR].notna()]
            validation = done.pivot_table(index="hyperparameters", columns="fold", values=VALIDATION, sort=False)
            folds = validation.notna().sum(axis=1)
            validation = validation[folds == folds.max()].astype(float).dropna(axis=1)
            best = validation.mean(axis=1).idxmin() if validation.size else best
        used[places] = part["hyperparameters"] == best
    return pd.Series(used, index=records.index)


def summary(records: pd.DataFrame) -> pd.DataFrame:
    """Means over the folds of each kind of fit, the standard deviation of the test error, and how many folds."""
    columns = [name for name in records if name.startswith("rmse_")] + ["fit_s"]
    groups = records.astype(dict.fromkeys(columns, float)).groupby(KINDS)
    table = groups[columns].mean()
    table.insert(1, "rmse_test_std_meV_per_atom", groups[ERROR].std(ddof=1))
    table["folds"] = groups[ERROR].count()
    return table.reset_index()


def by_fold(records: pd.DataFrame, training: str, over: str) -> pd.DataFrame:
    """Test errors of one kind of training: one row per number of ``over``, one column per fold.

    Folds that lack a number are left out; if all do, numbers that lack a fold are.
    """
    part = records[records["training"] == training]
    table = part.pivot_table(index=over, columns="fold", values=ERROR, aggfunc="first").astype(float)
    complete = table.dropna(axis=1)
    return complete if complete.shape[1] else table.dropna(axis=0)


def fewer_labels(records: pd.DataFrame, n_direct: int) -> Estimate:
    """How many times fewer QM labels fine-tuning needs for the error that direct training has with ``n_direct``.

    Between the sizes that there are, the error of fine-tuning is interpolated in the logarithms. Where even its
    smallest size errs less, the value is that of the smallest size: a lower bound, see :func:`is_lower_bound`.
    """
    direct, fine = (by_fold(records, training, "n_qm_labels") for training in (DIRECT, FINETUNED))
    if n_direct not in direct.index:
        return Estimate(*[float("nan")] * 3)
    sizes = fine.index.to_numpy(dtype=float)

    def ratio(error: Float[np.ndarray, " one"], curve: Float[np.ndarray, " sizes"]) -> float:
        falling = np.minimum.accumulate(curve)
        if falling[-1] > error[0]:
            return float("nan")
        needed = np.interp(-np.log(error[0]), -np.log(falling), np.log(sizes))
        return float(n_direct / np.exp(needed))

    return bootstrap(ratio, direct.loc[[n_direct]], fine)


def is_lower_bound(records: pd.DataFrame, n_direct: int) -> bool:
    """Whether fine-tuning with the fewest labels errs less than direct training with ``n_direct``."""
    direct, fine = (by_fold(records, training, "n_qm_labels") for training in (DIRECT, FINETUNED))
    return bool(len(fine) and n_direct in direct.index and fine.iloc[0].mean() < direct.loc[n_direct].mean())


def meeting_point(records: pd.DataFrame, least: int = 200) -> Estimate:
    """Number of QM labels at which direct training would err as little as fine-tuning: an extrapolation.

    Straight lines in the logarithms through the sizes from ``least`` labels on; NaN where they do not meet beyond the
    data, or where there are fewer than three sizes.
    """
    direct, fine = (by_fold(records, training, "n_qm_labels") for training in (DIRECT, FINETUNED))
    both = sorted(n for n in set(direct.index) & set(fine.index) if n >= least)
    if len(both) < 3:
        return Estimate(*[float("nan")] * 3)
    x = np.log(np.array(both, dtype=float))

    def meet(first: Float[np.ndarray, " sizes"], second: Float[np.ndarray, " sizes"]) -> float:
        slope_1, offset_1 = np.polyfit(x, np.log(first), 1)
        slope_2, offset_2 = np.polyfit(x, np.log(second), 1)
        if slope_1 >= slope_2:
            return float("nan")
        at = (offset_1 - offset_2) / (slope_2 - slope_1)
        return float(np.exp(at)) if x[-1] < at < np.log(1e12) else float("nan")

    return bootstrap(meet, direct.loc[both], fine.loc[both])


def helps_from(records: pd.DataFrame) -> tuple[int | None, int]:
    """Smallest pre-training size from which on fine-tuning errs less than direct training in every fold, or None; and
    how many folds tell."""
    direct = by_fold(records, DIRECT, "n_qm_labels")
    fine = by_fold(records, FINETUNED, "n_pretrain_environments")
    folds = [fold for fold in fine.columns if fold in direct.columns]
    if direct.empty or not folds:
        return None, 0
    better = (fine[folds] < direct[folds].iloc[-1]).all(axis=1)
    found = None
    for size in reversed(better.index):
        if not better[size]:
            break
        found = int(size)
    return found, len(folds)


def gain_of_least_pretraining(records: pd.DataFrame) -> tuple[float, int, int]:
    """Error after the least pre-training over that of direct training, mean over the folds that have both; the number
    of environments, and that of the folds."""
    direct = by_fold(records, DIRECT, "n_qm_labels")
    fine = by_fold(records, FINETUNED, "n_pretrain_environments")
    folds = [fold for fold in fine.columns if fold in direct.columns]
    if direct.empty or fine.empty or not folds:
        return float("nan"), 0, 0
    ratio = fine[folds].iloc[0] / direct[folds].iloc[-1]
    return float(ratio.mean()), int(fine.index[0]), len(folds)


def cost_of_settings(unused: pd.DataFrame, used: pd.DataFrame) -> Estimate:
    """How much more direct training errs with the settings that are not used (meV per atom), for the most labels."""
    other, own = (by_fold(records, DIRECT, "n_qm_labels") for records in (unused, used))
    return bootstrap(lambda a, b: float(a[-1] - b[-1]), other, own)


def paired(records: pd.DataFrame) -> Estimate:
    """How much more direct training errs than fine-tuning in the same fold (meV per atom), for one number of labels."""
    direct, fine = (by_fold(records, training, "n_qm_labels") for training in (DIRECT, FINETUNED))
    if direct.empty or fine.empty:
        return Estimate(*[float("nan")] * 3)
    return bootstrap(lambda a, b: float(a[-1] - b[-1]), direct, fine)
