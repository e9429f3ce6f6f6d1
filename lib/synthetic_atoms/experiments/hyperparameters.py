"""Search for the networks' hyperparameters: equal numbers of trials for each class, selected by validation error."""

from __future__ import annotations

import hashlib
import json
import time
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from synthetic_atoms.descriptors import features, prepare
from synthetic_atoms.errors import DataError
from synthetic_atoms.experiments.dataset import MAX_TRAIN_SAMPLE
from synthetic_atoms.experiments.learning_curves import ESTIMATORS
from synthetic_atoms.experiments.records import (
    Done,
    Keep,
    RecordStore,
    machine,
    read_or_compute,
    record_store,
    versions,
)
from synthetic_atoms.experiments.search_grid import ASKED, SEARCHED, Search
from synthetic_atoms.experiments.search_space import arguments, interpolated, space
from synthetic_atoms.files import cache_directory
from synthetic_atoms.models.checkpoint import remove_checkpoints
from synthetic_atoms.models.training import DivergedError, accelerator
from synthetic_atoms.scheduling import run_units

FOUND = (
    "mae_validation_meV", "mae_validation_std_meV", "mae_test_meV", "mae_train_meV", "epochs", "n_weights", "fit_s",
    "predict_s", "machine", "versions",
)  # fmt: skip
"""Means over the repeats, and the standard deviation of one; ``fit_s`` is for all repeats. A trial that diverged has
infinite errors."""


@lru_cache(maxsize=1)
def _arrays(search: Search, n_train: int) -> tuple[np.ndarray, ...]:
    """Features and energies of training and test environments; kept in memory for the next trial of a process."""
    data, split = search.dataset.load(), search.split()
    found = []
    for rows in (split.sample(n_train), split.test):
        found += [features(data, search.soap, rows=rows, workers=0), data.local_energy_eV[rows]]
    return tuple(found)


def store(dataset: str = "embedded") -> RecordStore:
    """The stored trials: with the project for its own data, else the user's."""
    return record_store("hyperparameters.csv", dataset, ASKED, FOUND)


def run_trial(item: tuple[Search, dict[str, Any]]) -> dict[str, Any]:
    """The complete record of one trial. Fits that take minutes keep checkpoints in the cache directory."""
    search, asked = item
    n_train, model = int(asked["n_train"]), str(asked["model"])
    x, y, x_test, y_test = _arrays(search, n_train)
    settings = arguments({name: asked[name] for name in space(model, n_train)})
    if model == "DKL":
        settings["restarts"] = 0  # a learning rate at which training fails is a finding
    sample = min(n_train, MAX_TRAIN_SAMPLE)
    scores, fit_s, predict_s = [], 0.0, 0.0
    for repeat in range(int(asked["repeats"])):
        estimator = ESTIMATORS[model](
            **settings,
            max_epochs=int(asked["max_epochs"]),
            patience=int(asked["patience"]),
            seed=search.seed + repeat,
        )
        checkpoint = _checkpoint(asked, repeat)
        start = time.perf_counter()
        try:
            fitted = estimator.fit(x, y, checkpoint=checkpoint)
        except DivergedError:
            scores = [{**dict.fromkeys(("validation", "test", "train"), np.inf), "epochs": 0, "weights": 0}]
            break
        # What an earlier, interrupted run of this fit spent is in its history.
        spent = float(fitted.history_[-1]["seconds"])
        middle = time.perf_counter()
        test = np.abs(fitted.predict(x_test) - y_test).mean()
        predict_s += time.perf_counter() - middle
        fit_s += max(spent, middle - start)
        scores.append(
            {
                "validation": 1000 * fitted.validation_mae_,
                "test": 1000 * float(test),
                "train": 1000 * float(np.abs(fitted.predict(x[:sample]) - y[:sample]).mean()),
                "epochs": len(fitted.history_),
                "weights": sum(p.numel() for p in fitted.network_.parameters()),
            }
        )
        remove_checkpoints(checkpoint)
    table = pd.DataFrame(scores)
    several = len(table) > 1
    return {
        **asked,
        "mae_validation_meV": float(table["validation"].mean()),
        "mae_validation_std_meV": float(table["validation"].std(ddof=1)) if several else float("nan"),
        "mae_test_meV": float(table["test"].mean()),
        "mae_train_meV": float(table["train"].mean()),
        "epochs": float(table["epochs"].mean()),
        "n_weights": int(table["weights"].iloc[0]),
        "fit_s": fit_s,
        "predict_s": predict_s / len(table),
        "machine": machine(accelerator()),
        "versions": versions(),
    }


def _checkpoint(asked: dict[str, Any], repeat: int) -> Path:
    text = json.dumps(asked, sort_keys=True, default=str)
    digest = hashlib.blake2b(text.encode(), digest_size=12).hexdigest()
    return cache_directory() / "checkpoints" / f"{digest}-{repeat}.safetensors"


def run_search(
    search: Search,
    *,
    use_store: bool = True,
    compute: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
) -> pd.DataFrame:
    """The trials of a search: read from the store, computed where that is asked for.

    A trial is stored as soon as it is finished: a worker that is lost costs its trial, which another one takes over,
    and a search that is interrupted goes on with the rest.

    Parameters
    ----------
    search
        The grid.
    use_store
        Read stored trials, and store new ones; without it everything is computed and nothing is kept.
    compute
        Compute what the store lacks; without it a missing trial has errors of NaN.
    workers, scheduler
        Local processes (0: this one), or the address of a Dask scheduler.

    Returns
    -------
    pandas.DataFrame
        One row per trial, with the columns :data:`ASKED` and :data:`FOUND`.
    """
    if use_store:
        search.dataset.check_stored()

    def work(missing: pd.DataFrame, keep: Keep) -> Done:
        data, split = search.dataset.load(), search.split()
        rows = np.concatenate([split.test, split.sample(int(missing["n_train"].max()))])
        prepare(data, search.soap, rows=rows, workers=workers)  # once and in parallel
        return run_units(
            run_trial,
            [(search, row) for row in missing.to_dict("records")],
            workers=workers,
            scheduler=scheduler,
            description="trials",
            on_result=lambda row: keep([row]),
        )

    return read_or_compute(
        search.requests(),
        store(search.dataset.name),
        "mae_validation_meV",
        work,
        use_store=use_store,
        compute=compute,
    )


def standard_error(records: pd.DataFrame) -> pd.Series:
    """Of each trial's validation error (meV): the standard deviation of one fit over the root of the repeats; NaN for
    one."""
    return records["mae_validation_std_meV"].astype(float) / np.sqrt(records["repeats"].astype(float))


def selected(records: pd.DataFrame, by: str = "mae_validation_meV") -> pd.DataFrame:
    """The trial with the lowest error of each model at each size, where all trials are finished.

    Sizes with unfinished trials are left out, so that no model has been given more trials than another.
    """
    complete = records.groupby(["model", "n_train"])[by].transform(lambda errors: errors.notna().all()).astype(bool)
    left = records[complete & np.isfinite(records[by].astype(float))]
    lowest = left.groupby(["model", "n_train"])[by].idxmin()
    return left.loc[lowest].sort_values(["model", "n_train"]).reset_index(drop=True)


def best(model: str, n_train: int, search: Search | None = None, *, by: str = "mae_validation_meV") -> dict[str, Any]:
    """Arguments of a model's class for a training-set size, from the stored trials.

    At the searched sizes they are the selected trial's; in between they are interpolated in log N; beyond, they are
    those of the nearest size.

    Parameters
    ----------
    model
        ``"NN"`` or ``"DKL"``.
    n_train
        Number of training environments.
    search
        The trials, the default search by default.
    by
        The error by which trials are selected; ``"mae_test_meV"`` for what selection by test error would have given.

    Raises
    ------
    ParameterError
        If the model is unknown.
    DataError
        If the store has no complete set of trials at any size.
    """
    search = search or Search()
    space(model, n_train)  # refuses unknown models before anything is read
    records = run_search(search)
    chosen = selected(records[records["model"] == model], by)
    if chosen.empty:
        finished = int(records.loc[records["model"] == model, by].notna().sum())
        raise DataError(
            f"Expected {search.n_trials} finished trials of {model} at one of the sizes {search.sizes} in "
            f"{store(search.dataset.name).path}, found {finished} in all: run the search."
        )
    at = {int(row["n_train"]): {name: row[name] for name in SEARCHED} for row in chosen.to_dict("records")}
    return arguments(interpolated(model, n_train, at))
