"""Learning curves of the networks: test error against the number of training environments (Fig. 3)."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from numpy.typing import ArrayLike

from synthetic_atoms.categories import CATEGORIES
from synthetic_atoms.descriptors import features, prepare, soap_settings
from synthetic_atoms.errors import ParameterError
from synthetic_atoms.experiments.dataset import MAX_TRAIN_SAMPLE, Dataset
from synthetic_atoms.experiments.records import (
    Done,
    Keep,
    RecordStore,
    machine,
    read_or_compute,
    record_store,
    versions,
)
from synthetic_atoms.files import cache_directory
from synthetic_atoms.models.checkpoint import remove_checkpoints
from synthetic_atoms.models.deep_kernel import DeepKernel
from synthetic_atoms.models.deep_kernel import default_hyperparameters as default_deep_kernel
from synthetic_atoms.models.network_regressor import NetworkRegressor
from synthetic_atoms.models.neural_network import NeuralNetwork
from synthetic_atoms.models.neural_network import default_hyperparameters as default_network
from synthetic_atoms.models.training import accelerator
from synthetic_atoms.scheduling import run_units
from synthetic_atoms.splits import splits_by_trajectory, validation_split

ESTIMATORS: dict[str, type[NetworkRegressor]] = {"NN": NeuralNetwork, "DKL": DeepKernel}
"""The class of each model that has curves here."""

DEFAULTS = {"NN": default_network, "DKL": default_deep_kernel}
"""Their settings for a number of training environments."""


def most_epochs(model: str, n_train: int) -> int:
    """The limit of epochs that a model in :data:`ESTIMATORS` has by default for a number of training environments."""
    return int((ESTIMATORS[model]().get_params() | DEFAULTS[model](n_train))["max_epochs"])


ASKED = (
    "dataset", "dataset_fingerprint", "model", "soap", "soap_settings", "n_train", "n_folds", "fold", "seed",
    "max_test", "hyperparameters",
)  # fmt: skip
FOUND = (
    "mae_test_meV", "rmse_test_meV", "mae_train_meV", "rmse_train_meV", "mae_validation_meV",
    "mae_sp_meV", "mae_sp2_meV", "mae_sp3_meV", "n_test", "epochs", "fit_s", "predict_s", "machine", "versions",
)  # fmt: skip
"""Errors in meV; those of training on the first rows, at most MAX_TRAIN_SAMPLE, held-out ones included: see
:func:`without_held_out`. Seconds of wall-clock time."""


def _without(parameters: Mapping[str, object], *names: str) -> dict[str, object]:
    """Parameters that decide the result, without those that only decide how fast and where it is computed."""
    return {name: value for name, value in parameters.items() if name not in names}


@dataclass(frozen=True)
class Curve:
    """A grid of fits: every model at every training-set size in every fold.

    Attributes
    ----------
    dataset
        The environments.
    models
        ``"NN"`` and ``"DKL"``; GPR has a grid of its own, :class:`~synthetic_atoms.experiments.gpr_grid.Study`.
    sizes
        Numbers of training environments.
    n_folds, seed
        Cross-validation by trajectory, and the seed of folds, samples and networks.
    soap
        Name of the descriptor's setting.
    max_test
        At most this many test environments per fold, drawn at random (all by default).
    hyperparameters
        Settings of each model that differ from its defaults.
    """

    dataset: Dataset = field(default_factory=Dataset)
    models: tuple[str, ...] = ("NN",)
    sizes: tuple[int, ...] = (100, 310, 1000, 3100, 10000)
    n_folds: int = 5
    seed: int = 0
    soap: str = "tuned"
    max_test: int | None = None
    hyperparameters: Mapping[str, Mapping[str, object]] = field(default_factory=dict)

    def settings(self, model: str, n_train: int) -> dict[str, object]:
        """Every hyperparameter of one model at one size."""
        given = self.hyperparameters.get(model, {})
        if model not in ESTIMATORS:
            raise ParameterError(f"Expected a model among {', '.join(ESTIMATORS)}, found '{model}'.")
        own = _without(ESTIMATORS[model]().get_params(), "seed", "device", "progress")
        return own | DEFAULTS[model](n_train) | given

    def requests(self) -> pd.DataFrame:
        """One row per fit, with the columns :data:`ASKED`."""
        data = self.dataset.load()
        rows = [
            {
                "dataset": self.dataset.name,
                "dataset_fingerprint": data.fingerprint[:12],
                "model": model,
                "soap": self.soap,
                "soap_settings": soap_settings(self.soap).digest,
                "n_train": n_train,
                "n_folds": self.n_folds,
                "fold": fold,
                "seed": self.seed,
                "max_test": self.max_test or 0,
                "hyperparameters": json.dumps(self.settings(model, n_train), sort_keys=True),
            }
            for model in self.models
            for n_train in self.sizes
            for fold in range(self.n_folds)
        ]
        return pd.DataFrame(rows, columns=list(ASKED))


def store(dataset: str = "embedded") -> RecordStore:
    """The stored records of the networks' learning curves: with the project for its own data, else the user's."""
    return record_store("learning_curves.csv", dataset, ASKED, FOUND)


def scores(
    predicted_eV: Float[np.ndarray, " environments"],
    true_eV: Float[np.ndarray, " environments"],
    coordination: Int[np.ndarray, " environments"],
) -> dict[str, float]:
    """Mean absolute and root mean square errors in meV, and the former by coordination number (NaN where none is)."""
    error = 1000 * (np.asarray(predicted_eV, dtype=float) - true_eV)
    found = {
        "mae_test_meV": float(np.abs(error).mean()),
        "rmse_test_meV": float(np.sqrt((error**2).mean())),
    }
    for name, number in CATEGORIES.items():
        chosen = np.abs(error[coordination == number])
        found[f"mae_{name}_meV"] = float(chosen.mean()) if len(chosen) else float("nan")
    return found


def _fits(curve: Curve, model: str, fold: int, sizes: Sequence[int]) -> Iterator[dict[str, object]]:
    """Fit one model at some sizes in one fold; what came out of each."""
    data = curve.dataset.load()
    split = splits_by_trajectory(data, n_folds=curve.n_folds, seed=curve.seed, max_test=curve.max_test)[fold]
    x_test = features(data, curve.soap, rows=split.test, workers=0)
    y_test = data.local_energy_eV[split.test]
    coordination = curve.dataset.coordination()[split.test]
    train = split.sample(max(sizes))
    x_train, y_train = features(data, curve.soap, rows=train, workers=0), data.local_energy_eV[train]
    for n_train in sizes:
        settings = curve.settings(model, n_train)
        start = time.perf_counter()
        checkpoint = _checkpoint(curve, model, fold, n_train, settings)
        estimator = ESTIMATORS[model](**settings, seed=curve.seed + fold)
        fitted = estimator.fit(x_train[:n_train], y_train[:n_train], checkpoint=checkpoint)
        middle = time.perf_counter()
        predicted = fitted.predict(x_test)
        end = time.perf_counter()
        sample = min(n_train, MAX_TRAIN_SAMPLE)
        train_error = 1000 * (fitted.predict(x_train[:sample]) - y_train[:sample])
        yield {
            **scores(predicted, y_test, coordination),
            "mae_train_meV": float(np.abs(train_error).mean()),
            "rmse_train_meV": float(np.sqrt((train_error**2).mean())),
            "mae_validation_meV": 1000 * fitted.validation_mae_,
            "n_test": len(y_test),
            "epochs": len(fitted.history_),
            # What an earlier, interrupted run of this fit spent is in its history.
            "fit_s": max(middle - start, float(fitted.history_[-1]["seconds"])),
            "predict_s": end - middle,
            "machine": machine(accelerator()),
            "versions": versions(),
        }
        remove_checkpoints(checkpoint)


def _checkpoint(curve: Curve, model: str, fold: int, n_train: int, settings: Mapping[str, object]) -> Path:
    """Where a long fit keeps its state, so that it goes on after an interruption."""
    asked = [
        curve.dataset,
        curve.dataset.load().fingerprint,
        curve.n_folds,
        curve.soap,
        model,
        fold,
        curve.seed,
        n_train,
        sorted(settings.items()),
    ]
    digest = hashlib.blake2b(repr(asked).encode(), digest_size=12).hexdigest()
    return cache_directory() / "checkpoints" / f"curve-{digest}.safetensors"


def run_group(item: tuple[Curve, str, int, tuple[int, ...]]) -> list[dict[str, object]]:
    """Complete records of one model in one fold at some sizes."""
    curve, model, fold, sizes = item
    asked = curve.requests()
    asked = asked[(asked["model"] == model) & (asked["fold"] == fold)].set_index("n_train", drop=False)
    return [
        {**asked.loc[n_train].to_dict(), **found}
        for n_train, found in zip(sizes, _fits(curve, model, fold, sizes), strict=True)
    ]


def learning_curves(
    curve: Curve,
    *,
    use_store: bool = True,
    compute: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
) -> pd.DataFrame:
    """The records of a grid: read from the store, computed where that is asked for.

    Parameters
    ----------
    curve
        The grid.
    use_store
        Read stored records, and store new ones; without it everything is computed and nothing is kept.
    compute
        Compute what the store lacks; without it a missing record is a row of NaN.
    workers, scheduler
        Local processes (0: this one), or the address of a Dask scheduler.

    Returns
    -------
    pandas.DataFrame
        One row per fit, with the columns :data:`ASKED` and :data:`FOUND`, in the grid's order.
    """
    if use_store:
        curve.dataset.check_stored()

    def work(missing: pd.DataFrame, keep: Keep) -> Done:
        # One unit for each fit: what is finished is kept. A fold's next fit finds its data in memory, or in the cache.
        groups = [
            (curve, str(row.model), int(row.fold), (int(row.n_train),))
            for row in missing.sort_values(["model", "fold", "n_train"], kind="stable").itertuples()
        ]
        data = curve.dataset.load()
        splits = splits_by_trajectory(data, n_folds=curve.n_folds, seed=curve.seed, max_test=curve.max_test)
        for fold, part in missing.groupby("fold"):
            rows = np.concatenate([splits[fold].test, splits[fold].sample(int(part["n_train"].max()))])
            prepare(data, curve.soap, rows=rows, workers=workers)  # once and in parallel
        done, failures = run_units(
            run_group, groups, workers=workers, scheduler=scheduler, description="fits", on_result=keep
        )
        return [row for group in done for row in group], failures

    return read_or_compute(
        curve.requests(), store(curve.dataset.name), "mae_test_meV", work, use_store=use_store, compute=compute
    )


def without_held_out(records: pd.DataFrame) -> pd.DataFrame:
    """The records with the training error of the rows that were fitted.

    A stored training error is a mean over the first rows of the training set, of which a tenth at most was held out to
    stop the training. A held-out share s with the validation error v is taken out again: (train - s v) / (1 - s). Up to
    N = MAX_TRAIN_SAMPLE the first rows are all rows and the result is exact; beyond, v stands for the held-out rows
    among them, a few per cent.
    """
    found = records.copy()
    shares = []
    for n_train, fold, seed in records[["n_train", "fold", "seed"]].astype(int).to_numpy():
        first = min(int(n_train), MAX_TRAIN_SAMPLE)
        shares.append(float((validation_split(int(n_train), int(seed + fold))[1] < first).sum() / first))
    share = np.array(shares)
    train, validation = (records[f"mae_{name}_meV"].astype(float) for name in ("train", "validation"))
    found["mae_train_meV"] = (train - share * validation) / (1 - share)
    return found


def summary(records: pd.DataFrame) -> pd.DataFrame:
    """Mean and standard deviation over the folds for each model and size.

    The standard deviation describes how much folds differ; it is not a standard error, because folds share training
    data.
    """
    columns = [name for name in FOUND if name.startswith(("mae_", "rmse_")) or name in ("fit_s", "predict_s")]
    columns = [name for name in columns if name in records]
    groups = records.groupby(["model", "n_train"], sort=False)  # models stay in their order
    table = groups[columns].mean()
    table.insert(1, "mae_test_std_meV", groups["mae_test_meV"].std(ddof=1))
    table["folds"] = groups["mae_test_meV"].count()
    return table.reset_index()


def loglog_slope(n_train: ArrayLike, mae_meV: ArrayLike) -> float:
    """Least-squares slope of log(error) against log(N); NaN for fewer than two points."""
    x, y = np.log(np.asarray(n_train, dtype=float)), np.log(np.asarray(mae_meV, dtype=float))
    return float(np.polyfit(x, y, 1)[0]) if len(x) > 1 else float("nan")
