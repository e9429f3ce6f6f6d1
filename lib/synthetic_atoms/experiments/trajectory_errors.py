"""Errors of a model on each trajectory of its test set, for comparisons that are paired by trajectory."""

from __future__ import annotations

import json
import time

import numpy as np
import pandas as pd

from synthetic_atoms.descriptors import features, prepare, soap_settings
from synthetic_atoms.errors import ParameterError
from synthetic_atoms.experiments.all_models import Comparison
from synthetic_atoms.experiments.learning_curves import ESTIMATORS, Curve
from synthetic_atoms.experiments.records import (
    Done,
    Keep,
    RecordStore,
    machine,
    read_or_compute,
    record_store,
    versions,
)
from synthetic_atoms.models.sparse_gpr import SparseGPR
from synthetic_atoms.models.training import accelerator
from synthetic_atoms.scheduling import run_units
from synthetic_atoms.splits import splits_by_trajectory

ASKED = (
    "dataset", "dataset_fingerprint", "model", "soap", "soap_settings", "n_train", "n_folds", "fold", "seed",
    "max_test", "hyperparameters",
)  # fmt: skip
FOUND = ("mae_test_meV", "trajectories", "by_trajectory_meV", "environments", "fit_s", "machine", "versions")
"""What came out: lists in JSON with the number of each test trajectory, its MAE, and its number of environments."""


def settings(grid: Comparison, model: str, n_train: int) -> dict[str, object]:
    """Every hyperparameter of one model at one size."""
    if model != "GPR":
        return Curve().settings(model, n_train)
    return {"n_sparse": min(grid.n_sparse, n_train), "sigma_meV": float(grid.sigma_meV), "zeta": grid.zeta}


def requests(grid: Comparison) -> pd.DataFrame:
    """One row per fit, with the columns :data:`ASKED`; sizes that not every fold has are left out.

    Raises
    ------
    ParameterError
        If a model is unknown.
    """
    unknown = [model for model in grid.models if model not in ("GPR", *ESTIMATORS)]
    if unknown:
        raise ParameterError(f"Expected a model among GPR, {', '.join(ESTIMATORS)}, found '{unknown[0]}'.")
    shared = {
        "dataset": grid.dataset.name,
        "dataset_fingerprint": grid.dataset.load().fingerprint[:12],
        "soap": grid.soap,
        "soap_settings": soap_settings(grid.soap).digest,
        "n_folds": grid.n_folds,
        "seed": grid.seed,
        "max_test": grid.max_test or 0,
    }
    rows = [
        {
            **shared,
            "model": model,
            "n_train": n_train,
            "fold": fold,
            "hyperparameters": json.dumps(settings(grid, model, n_train), sort_keys=True),
        }
        for model in grid.models
        for n_train in grid.sizes_used()
        for fold in range(grid.n_folds)
    ]
    return pd.DataFrame(rows, columns=list(ASKED))


def store(dataset: str = "embedded") -> RecordStore:
    """The stored errors by trajectory: with the project for its own data, else the user's."""
    return record_store("trajectory_errors.csv", dataset, ASKED, FOUND)


def run_fit(item: tuple[Comparison, dict[str, object]]) -> dict[str, object]:
    """The complete record of one fit."""
    grid, asked = item
    model, n_train, fold = str(asked["model"]), int(asked["n_train"]), int(asked["fold"])
    data = grid.dataset.load()
    split = splits_by_trajectory(data, n_folds=grid.n_folds, seed=grid.seed, max_test=grid.max_test)[fold]
    train = split.sample(n_train)
    x, y = features(data, grid.soap, rows=train, workers=0), data.local_energy_eV[train]
    own = settings(grid, model, n_train)
    estimator = SparseGPR(**own) if model == "GPR" else ESTIMATORS[model](**own, seed=grid.seed + fold)
    start = time.perf_counter()
    estimator.fit(x, y)
    fit_s = time.perf_counter() - start
    predicted = estimator.predict(features(data, grid.soap, rows=split.test, workers=0))
    error = 1000 * np.abs(predicted - data.local_energy_eV[split.test])
    trajectories, member = np.unique(data.trajectory[data.frame[split.test]], return_inverse=True)
    environments = np.bincount(member)
    return {
        **asked,
        "mae_test_meV": float(error.mean()),
        "trajectories": json.dumps(trajectories.tolist()),
        "by_trajectory_meV": json.dumps([round(value, 3) for value in np.bincount(member, error) / environments]),
        "environments": json.dumps(environments.tolist()),
        "fit_s": fit_s,
        "machine": machine(accelerator() if model != "GPR" else None),
        "versions": versions(),
    }


def trajectory_errors(
    grid: Comparison,
    *,
    use_store: bool = True,
    compute: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
) -> pd.DataFrame:
    """The records of a grid: read from the store, computed where that is asked for.

    Parameters
    ----------
    grid
        The fits.
    use_store
        Read stored records, and store new ones; without it everything is computed and nothing is kept.
    compute
        Compute what the store lacks; without it a missing record is a row of NaN.
    workers, scheduler
        Local processes (0: this one), or the address of a Dask scheduler.

    Returns
    -------
    pandas.DataFrame
        One row per fit, with the columns :data:`ASKED` and :data:`FOUND`.
    """
    if use_store:
        grid.dataset.check_stored()

    def work(missing: pd.DataFrame, keep: Keep) -> Done:
        data = grid.dataset.load()
        splits = splits_by_trajectory(data, n_folds=grid.n_folds, seed=grid.seed, max_test=grid.max_test)
        for fold, part in missing.groupby("fold"):
            rows = np.concatenate([splits[fold].test, splits[fold].sample(int(part["n_train"].max()))])
            prepare(data, grid.soap, rows=rows, workers=workers)  # once and in parallel
        return run_units(
            run_fit,
            [(grid, row) for row in missing.to_dict("records")],
            workers=workers,
            scheduler=scheduler,
            description="fits by trajectory",
            on_result=lambda row: keep([row]),
        )

    return read_or_compute(
        requests(grid), store(grid.dataset.name), "mae_test_meV", work, use_store=use_store, compute=compute
    )


def by_trajectory(records: pd.DataFrame) -> pd.DataFrame:
    """One row per model, size and test trajectory: ``model``, ``n_train``, ``fold``, ``trajectory``, ``mae_meV`` and
    ``environments``. Records of NaN are left out."""
    columns = ["model", "n_train", "fold", "trajectory", "mae_meV", "environments"]
    rows = [
        (row.model, int(row.n_train), int(row.fold), *values)
        for row in records.dropna(subset=["mae_test_meV"]).itertuples()
        for values in zip(
            *(json.loads(text) for text in (row.trajectories, row.by_trajectory_meV, row.environments)), strict=True
        )
    ]
    return pd.DataFrame(rows, columns=columns)
