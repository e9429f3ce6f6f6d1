"""Records of sparse GPR: every N, M and sigma of a fold from one pass over its training data."""

from __future__ import annotations

import resource
import sys
import time
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from threadpoolctl import threadpool_info
from tqdm.auto import tqdm

from synthetic_atoms.categories import CATEGORIES
from synthetic_atoms.descriptors import RowFile, features, soap_settings
from synthetic_atoms.experiments.dataset import MAX_TRAIN_SAMPLE
from synthetic_atoms.experiments.gpr_grid import ASKED, Pass, Study, Sweep, plan, requests
from synthetic_atoms.experiments.records import (
    Done,
    Keep,
    RecordStore,
    machine,
    read_or_compute,
    record_store,
    versions,
)
from synthetic_atoms.models.sparse_gpr_path import SparseGPRPath
from synthetic_atoms.models.sparse_sums import FitRequest
from synthetic_atoms.scheduling import rows_within_memory, run_units

FOUND = (
    "mae_test_meV", "rmse_test_meV", "mae_train_meV", "rmse_train_meV", "mae_sp_meV", "mae_sp2_meV", "mae_sp3_meV",
    "n_test", "fit_s", "share_s", "pass_s", "predict_s", "pass_models", "peak_memory_GB", "threads", "machine",
    "versions",
)  # fmt: skip
"""Seconds, all of wall-clock time: ``pass_s`` for the whole pass without descriptors and predictions; ``fit_s`` from
its start until this model was there; ``share_s`` this model's part of ``pass_s``, see :func:`shares`; ``predict_s`` to
predict the test set with all ``pass_models`` of the pass at once."""


CHUNK_ROWS = 2048
"""Rows of a pass that are in memory at a time, where it allows as many."""


def store(dataset: str = "embedded") -> RecordStore:
    """The stored records of sparse GPR: with the project for its own data, else the user's."""
    return record_store("sparse_gpr.csv", dataset, ASKED, FOUND)


class ErrorSums:
    """Sums over environments, a block at a time, from which the errors of many models follow."""

    def __init__(self, n_models: int) -> None:
        self._categories = {"test": None, **CATEGORIES}
        self._absolute = {name: np.zeros(n_models) for name in self._categories}
        self._squared = np.zeros(n_models)
        self._count = dict.fromkeys(self._categories, 0)

    def add(
        self,
        predicted_eV: Float[np.ndarray, "environments models"],
        true_eV: Float[np.ndarray, " environments"],
        coordination: Int[np.ndarray, " environments"],
    ) -> None:
        """Take account of some environments."""
        error = predicted_eV - np.asarray(true_eV, dtype=np.float64)[:, None]
        self._squared += np.einsum("ij,ij->j", error, error)
        np.abs(error, out=error)
        for name, number in self._categories.items():
            chosen = error if number is None else error[coordination == number]
            self._absolute[name] += chosen.sum(axis=0)
            self._count[name] += len(chosen)

    def scores(self, model: int) -> dict[str, float]:
        """Errors of one model in meV, as in :func:`synthetic_atoms.experiments.learning_curves.scores`."""
        found = {"rmse_test_meV": 1000 * float(np.sqrt(self._squared[model] / self._count["test"]))}
        for name, absolute in self._absolute.items():
            count = self._count[name]
            found[f"mae_{name}_meV"] = 1000 * float(absolute[model] / count) if count else float("nan")
        return found


def training_sample(study: Study, fold: int, n_train: int) -> Int[np.ndarray, " sample"]:
    """Positions, ascending, in the training order at which a training error is taken; at random, always the same.

    Not the first ones: those are the representative points, which a model follows more closely than the others.
    """
    if n_train <= MAX_TRAIN_SAMPLE:
        return np.arange(n_train)
    rng = np.random.default_rng([study.seed, fold, 2, n_train])
    return np.sort(rng.choice(n_train, MAX_TRAIN_SAMPLE, replace=False))


def shares(
    models: Sequence[FitRequest],
    seconds: Float[np.ndarray, " models"],
    streamed: Sequence[tuple[int, float]],
) -> Float[np.ndarray, " models"]:
    """Each model's part of a pass's seconds.

    Reading the rows from one N to the next is shared equally by all models that need them, solving the equations at an
    N by the models of that N. (For costs of this kind that is the Shapley value: Littlechild and Owen, Manag. Sci. 20,
    370, 1973.) The parts add up to the seconds of the pass.

    Parameters
    ----------
    models
        The models of the pass.
    seconds
        When each was there, from the start of the pass.
    streamed
        Number of rows, and when the sums over them were complete, for each number of training points of a model.
    """
    sizes = np.array([model.n_train for model in models])
    result = np.zeros(len(models))
    before = 0.0
    for size, complete in streamed:
        own, users = sizes == size, sizes >= size
        done = float(seconds[own].max())
        result[users] += (complete - before) / users.sum()
        result[own] += (done - complete) / own.sum()
        before = done
    return result


def run_pass(one: Pass) -> list[dict[str, object]]:
    """Complete records of one pass."""
    study, split = one.study, one.study.splits()[one.fold]
    data = study.dataset.load()
    rows = np.concatenate([split.sample(one.n_train), split.test])
    energies = data.local_energy_eV[rows]
    coordination = study.dataset.coordination()[split.test]
    sizes = {model.n_train for model in one.models}
    streamed: list[tuple[int, float]] = []
    with RowFile(len(rows), soap_settings(study.soap).n_features) as x:
        features(data, study.soap, rows=rows, out=x)
        _forget_peak_memory()
        chunk = rows_within_memory(3 * 8 * one.m_sparse, CHUNK_ROWS)  # kernel values, their projections, a copy
        path = SparseGPRPath.of(one.models, chunk_size=chunk, **study.parameters())
        title = f"{one.estimator.upper()} fold {one.fold}, M = {one.m_sparse}"
        with tqdm(total=one.n_train, desc=title, unit="row", delay=5.0, leave=False, dynamic_ncols=True) as bar:
            start = time.perf_counter()

            def progress(n: int) -> None:
                bar.update(n - bar.n)
                if n in sizes:
                    streamed.append((n, time.perf_counter() - start))

            path.fit(x, energies, progress)
        pass_s = float(path.seconds_.max())

        start = time.perf_counter()
        test = ErrorSums(len(one.models))
        y_test = energies[one.n_train :]
        for chunk, predicted in path.predict_chunks(x.part(one.n_train, len(rows))):
            test.add(predicted, y_test[chunk], coordination[chunk])
        predict_s = time.perf_counter() - start

        train = {}
        for size in sizes:
            sample = training_sample(study, one.fold, size)
            error = 1000 * (path.predict(x.take(sample)) - np.asarray(energies[sample], dtype=np.float64)[:, None])
            train[size] = np.abs(error).mean(axis=0), np.sqrt((error**2).mean(axis=0))
    of_pass = {
        "n_test": len(y_test),
        "pass_s": pass_s,
        "predict_s": predict_s,
        "pass_models": len(one.models),
        "peak_memory_GB": _peak_memory_GB(),
        "threads": max((pool["num_threads"] for pool in threadpool_info()), default=1),
        "machine": machine(),
        "versions": versions(),
    }
    part_s = shares(path.models_, path.seconds_, streamed)
    asked = _asked(one)
    return [
        {
            **asked[model],
            **test.scores(number),
            "mae_train_meV": float(train[model.n_train][0][number]),
            "rmse_train_meV": float(train[model.n_train][1][number]),
            "fit_s": float(path.seconds_[number]),
            "share_s": float(part_s[number]),
            **of_pass,
        }
        for number, model in enumerate(path.models_)
    ]


def _asked(one: Pass) -> dict[FitRequest, dict[str, object]]:
    """What was asked, for each model of a pass."""
    sweeps = [Sweep((m.n_train,), (m.n_sparse,), (m.sigma_meV,), (m.estimator,), folds=(one.fold,)) for m in one.models]
    rows = requests(one.study, sweeps).to_dict("records")
    return {FitRequest(r["n_train"], r["estimator"], r["sigma_meV"], r["m_sparse"]): r for r in rows}


def sparse_gpr(
    study: Study,
    sweeps: Iterable[Sweep],
    *,
    use_store: bool = True,
    compute: bool = False,
    workers: int = 0,
    scheduler: str | None = None,
) -> pd.DataFrame:
    """The records of a grid: read from the store, computed where that is asked for.

    Training-set sizes that not every fold of the dataset has are not part of the grid. The rows of a pass are stored
    as soon as it is finished; an interrupted grid goes on with the rest.

    Parameters
    ----------
    study, sweeps
        The grid.
    use_store
        Read stored records, and store new ones; without it everything is computed and nothing is kept.
    compute
        Compute what the store lacks; without it a missing record is a row of NaN.
    workers, scheduler
        By default passes run in this process, one after the other, each with all threads of the linear algebra; or
        local processes with one thread each, or the workers of a Dask scheduler at this address.

    Returns
    -------
    pandas.DataFrame
        One row per fit, with the columns :data:`~synthetic_atoms.experiments.gpr_grid.ASKED` and :data:`FOUND`.

    Raises
    ------
    ParameterError
        If the grid is empty, or equations are singular (the message says what to try).
    """
    if use_store:
        study.dataset.check_stored()

    def work(missing: pd.DataFrame, keep: Keep) -> Done:
        done, failures = run_units(
            run_pass, plan(study, missing), workers=workers, scheduler=scheduler, description="passes", on_result=keep
        )
        return [row for group in done for row in group], failures

    return read_or_compute(
        requests(study, sweeps),
        store(study.dataset.name),
        "mae_test_meV",
        work,
        use_store=use_store,
        compute=compute,
    )


_STATUS = Path("/proc/self/status")


def _forget_peak_memory() -> None:
    """Start a new measure of this process's peak memory, where the system can (Linux)."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return


def _peak_memory_GB() -> float:
    """Peak of this process's resident memory since it was forgotten, or else since the process started."""
    if _STATUS.is_file():
        found = [line.split()[1] for line in _STATUS.read_text().splitlines() if line.startswith("VmHWM")]
        if found:
            return float(found[0]) * 1024 / 1e9
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 1e9 if sys.platform == "darwin" else peak * 1024 / 1e9
