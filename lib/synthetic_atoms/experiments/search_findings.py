"""What the trials of a search for hyperparameters show: which settings matter, and which trials are alike."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from synthetic_atoms.experiments.hyperparameters import standard_error


def common_trials(trials: pd.DataFrame, *, among: str = "model", within: str = "n_train") -> pd.DataFrame:
    """The trials whose points all have finished, so that nothing has been given more of them than another.

    Parameters
    ----------
    trials
        ``model``, ``n_train``, ``trial`` (the number of the point in the sequence) and ``mae_validation_meV``, NaN
        where a trial is missing and infinite where it diverged.
    among
        The column whose values share a budget: by default, a point counts where every model has finished it.
    within
        The column within whose values points are counted.
    """
    finished = trials[trials["mae_validation_meV"].notna()]
    made_by = finished.groupby([within, "trial"])[among].transform("nunique")
    return finished[made_by == trials[among].nunique()]


def rank_correlations(trials: pd.DataFrame, settings: Iterable[str]) -> pd.DataFrame:
    """Spearman's correlation of each setting with the validation error, for each model at each size.

    Parameters
    ----------
    trials
        Finished trials: ``model``, ``n_train``, ``mae_validation_meV`` and the settings.
    settings
        Columns of hyperparameters.

    Returns
    -------
    pandas.DataFrame
        ``n_train``, ``model``, ``trials`` (their number), the settings, NaN for fewer than three trials or a setting
        that does not vary, and ``chance``: 95 % of such correlations would lie within plus or minus this by chance.
    """
    settings = list(settings)
    rows = []
    for (n_train, model), part in trials.groupby(["n_train", "model"], sort=False):
        row: dict[str, object] = {"n_train": int(n_train), "model": model, "trials": len(part)}
        for name in settings:
            enough = len(part) > 2 and part[name].nunique() > 1
            row[name] = float(spearmanr(part[name], part["mae_validation_meV"]).statistic) if enough else np.nan
        row["chance"] = 1.96 / np.sqrt(len(part) - 1) if len(part) > 2 else np.nan
        rows.append(row)
    return pd.DataFrame(rows, columns=["n_train", "model", "trials", *settings, "chance"])


def as_good_as_best(trials: pd.DataFrame) -> dict[str, pd.DataFrame] | None:
    """The trials of each model within one standard error of its best; None where a best one has a single fit.

    Parameters
    ----------
    trials
        Finished trials at one training-set size: ``model``, ``mae_validation_meV``, ``mae_validation_std_meV`` and
        ``repeats``.
    """
    found = {}
    for model, part in trials.groupby("model", sort=False):
        best = part.loc[[part["mae_validation_meV"].astype(float).idxmin()]]
        around = float(standard_error(best).iloc[0])
        if not np.isfinite(around):
            return None
        found[str(model)] = part[part["mae_validation_meV"] <= float(best["mae_validation_meV"].iloc[0]) + around]
    return found
