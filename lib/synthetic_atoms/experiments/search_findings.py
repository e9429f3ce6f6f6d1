"""What the trials of a search for hyperparameters show: which settings matter, and which trials are alike."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
from scipy.stats import spearmanr

from synthetic_atoms.experiments.hyperparameters import standard_error


def of_all_models(trials: pd.DataFrame) -> pd.DataFrame:
    """The trials whose points every model has finished at that size, so that no model has been given more than another.

    Parameters
    ----------
    trials
        ``n_train``, ``trial`` (the number of the point in the sequence) and ``mae_validation_meV``, NaN where a trial
        is missing and infinite where it diverged.
    """
    finished = trials["mae_validation_meV"].notna()
    return trials[finished.groupby([trials["n_train"], trials["trial"]]).transform("all").astype(bool)]


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
        ``n_train``, ``model``, ``trials`` (their number) and the settings, NaN for fewer than three trials or a setting
        that does not vary.
    """
    settings = list(settings)
    rows = []
    for (n_train, model), part in trials.groupby(["n_train", "model"], sort=False):
        row: dict[str, object] = {"n_train": int(n_train), "model": model, "trials": len(part)}
        for name in settings:
            enough = len(part) > 2 and part[name].nunique() > 1
            row[name] = float(spearmanr(part[name], part["mae_validation_meV"]).statistic) if enough else np.nan
        rows.append(row)
    return pd.DataFrame(rows, columns=["n_train", "model", "trials", *settings])


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
