"""Pre-training on synthetic per-atom energies and fine-tuning on few QM energies (Fig. 5, Table 1): the fits."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int

from synthetic_atoms.descriptors import features, prepare, soap_settings
from synthetic_atoms.errors import DataError
from synthetic_atoms.experiments.dataset import MAX_TRAIN_SAMPLE, Dataset
from synthetic_atoms.experiments.fine_tuning_grid import (
    ASKED,
    DIRECT,
    FINETUNED,
    FOUND,
    PRETRAINED,
    FineTuning,
    Fit,
    cells_of,
    pretrained,
    requests,
)
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
from synthetic_atoms.models.neural_network import NeuralNetwork
from synthetic_atoms.models.total_energies import fit_total_energies, total_energies
from synthetic_atoms.paths import data_directory
from synthetic_atoms.scheduling import run_units


def store(dataset: str = "embedded") -> RecordStore:
    """The stored records: with the project for its own data, else the user's."""
    return record_store("fine_tuning.csv", dataset, ASKED, FOUND)


def rmse(predicted: Float[np.ndarray, " n"], true: Float[np.ndarray, " n"]) -> float:
    """Root mean square difference."""
    return float(np.sqrt(np.mean((np.asarray(predicted, dtype=float) - true) ** 2)))


def digest(study: FineTuning, fit: Fit) -> str:
    """What names the weights of a fit: a digest of everything that they depend on.

    Pre-training alone does not depend on the cells, which some sources of data do not have.
    """
    asked = [study.dataset.load().fingerprint, soap_settings(study.soap).digest, study.n_folds, study.seed, asdict(fit)]
    if fit.training != PRETRAINED:
        asked.append(study.qm().fingerprint)
    text = json.dumps(asked, sort_keys=True, default=str)
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def weight_files(study: FineTuning, fit: Fit) -> tuple[Path, Path]:
    """Where the weights of a fit may be: kept with the project, or in the cache directory."""
    name = f"{fit.training}-{digest(study, fit)}.safetensors"
    return data_directory() / "models" / name, cache_directory() / "fine_tuning" / name


def network(study: FineTuning, fit: Fit, *, compute: bool = True) -> NeuralNetwork:
    """The network of a fit: read where its weights are kept, trained otherwise.

    Raises
    ------
    DataError
        If it is neither kept nor to be trained.
    """
    files = weight_files(study, fit)
    for file in files:
        if file.is_file():
            return NeuralNetwork.load(file)
    if not compute:
        raise DataError(f"Expected the weights of a {fit.training} network at {files[0]}, found no file.")
    trained = train(study, fit)
    files[1].parent.mkdir(parents=True, exist_ok=True)
    trained.save(files[1])
    return trained


def train(study: FineTuning, fit: Fit) -> NeuralNetwork:
    """The network of a fit, trained anew; for fine-tuning, from the pre-trained one that is kept or made."""
    seed = study.seed + fit.fold
    if fit.training == PRETRAINED:
        rows = study.environments()[fit.fold].sample(fit.n_pretrain)
        data = study.dataset.load()
        x = features(data, study.soap, rows=rows, workers=0)
        return NeuralNetwork(**fit.settings, seed=seed, device="cpu").fit(x, data.local_energy_eV[rows])
    start = None
    if fit.training == FINETUNED:
        start = network(study, pretrained(fit.n_pretrain, fit.fold))
    train, held_out = cells_of(study, fit)
    cells = np.sort(np.concatenate([train, held_out]))
    x, cell = cell_features(study, cells)
    return fit_total_energies(
        x,
        cell,
        study.qm().total_energy_eV[cells],
        validation=np.searchsorted(cells, held_out),
        start=start,
        seed=seed,
        device="cpu",
        **fit.settings,
    )


@lru_cache(maxsize=1)
def _all_cell_features(study: FineTuning) -> Float[np.ndarray, "environments features"]:
    return features(study.qm(), study.soap, workers=0)


def cell_features(
    study: FineTuning, cells: Int[np.ndarray, " cells"]
) -> tuple[Float[np.ndarray, "environments features"], Int[np.ndarray, " environments"]]:
    """Features of all atoms of some cells, in ascending order, and the place of each atom's cell among them."""
    frame = study.qm().frame
    rows = np.isin(frame, cells)
    return _all_cell_features(study)[rows], np.searchsorted(cells, frame[rows])


def errors(study: FineTuning, fit: Fit, model: NeuralNetwork) -> dict[str, float]:
    """Root mean square errors of a network: total energies per atom, and per-atom energies, of its fold."""
    cells, data = study.qm(), study.dataset.load()
    size = np.bincount(cells.frame, minlength=cells.n_frames)

    def total(chosen: Int[np.ndarray, " cells"]) -> float:
        x, cell = cell_features(study, chosen)
        return 1000 * rmse(total_energies(model, x, cell) / size[chosen], cells.total_energy_eV[chosen] / size[chosen])

    def local(rows: Int[np.ndarray, " rows"]) -> float:
        x = features(data, study.soap, rows=rows, workers=0)
        return 1000 * rmse(model.predict(x), data.local_energy_eV[rows])

    split, environments = study.cells()[fit.fold], study.environments()[fit.fold]
    seen = environments.sample(min(MAX_TRAIN_SAMPLE, fit.n_pretrain or study.most_environments()))
    train, held_out = cells_of(study, fit) if fit.n_labels else (np.sort(split.train), None)
    return {
        "rmse_test_meV_per_atom": total(split.test),
        "rmse_train_meV_per_atom": total(train),
        "rmse_validation_meV_per_atom": total(held_out) if held_out is not None else float("nan"),
        "rmse_local_test_meV": local(environments.test),
        "rmse_local_train_meV": local(seen),
    }


def run_fit(item: tuple[FineTuning, Fit]) -> dict[str, Any]:
    """The complete record of one fit."""
    study, fit = item
    if fit.training == FINETUNED:
        network(study, pretrained(fit.n_pretrain, fit.fold))  # its seconds are those of its own record
    start = time.perf_counter()
    model = network(study, fit)
    return {
        **requests(study, [fit]).iloc[0].to_dict(),
        **errors(study, fit, model),
        "epochs": len(model.history_),
        # Weights may have come from the cache; the last epoch's clock is that of the training.
        "fit_s": float(model.history_[-1]["seconds"]) if model.history_ else time.perf_counter() - start,
        "machine": machine(),
        "versions": versions(),
    }


def fit_of(record: Mapping[str, Any]) -> tuple[FineTuning, Fit]:
    """The study and the fit that a record answers."""
    study = FineTuning(Dataset(record["dataset"]), int(record["n_folds"]), int(record["seed"]), record["soap"])
    numbers = (int(record[name]) for name in ("n_pretrain_environments", "n_qm_labels", "fold"))
    return study, Fit(record["training"], *numbers, record["hyperparameters"])


def fine_tuning(
    study: FineTuning,
    fits: Iterable[Fit],
    *,
    use_store: bool = True,
    compute: bool = False,
    workers: int | None = None,
    scheduler: str | None = None,
) -> pd.DataFrame:
    """The records of some fits: read from the store, computed where that is asked for.

    Networks are kept in the cache directory, so that fine-tuning finds its pre-trained one.

    Parameters
    ----------
    study
        What the fits share.
    fits
        The fits.
    use_store
        Read stored records, and store new ones; without it everything is computed and nothing is kept.
    compute
        Compute what the store lacks; without it a missing record has errors of NaN.
    workers, scheduler
        Local processes (0: this one), or the address of a Dask scheduler.

    Returns
    -------
    pandas.DataFrame
        One row per fit, with the columns :data:`ASKED` and :data:`FOUND`.
    """
    if use_store:
        study.dataset.check_stored()

    def work(missing: pd.DataFrame, keep: Keep) -> Done:
        todo = [fit_of(row)[1] for row in missing.to_dict("records")]
        needed = {pretrained(fit.n_pretrain, fit.fold) for fit in todo if fit.training == FINETUNED}
        first = [fit for fit in todo if fit.training == PRETRAINED]
        first += sorted(fit for fit in needed - set(first) if not any(f.is_file() for f in weight_files(study, fit)))
        prepare(study.qm(), study.soap, workers=workers)  # once and in parallel
        prepare(study.dataset.load(), study.soap, rows=_rows(study, [*first, *todo]), workers=workers)
        done: list[dict[str, object]] = []
        # Pre-training first: the others start from it. Direct training last, so that the longest wait for nothing.
        for part in (first, [f for f in todo if f.training == FINETUNED], [f for f in todo if f.training == DIRECT]):
            rows, failures = run_units(
                run_fit,
                [(study, fit) for fit in part],
                workers=workers,
                scheduler=scheduler,
                description="fits",
                on_result=lambda row: keep([row]),
            )
            done += rows
            if failures:
                break
        return done, failures

    return read_or_compute(
        requests(study, fits),
        store(study.dataset.name),
        "rmse_test_meV_per_atom",
        work,
        use_store=use_store,
        compute=compute,
    )


def _rows(study: FineTuning, fits: Iterable[Fit]) -> Int[np.ndarray, " rows"]:
    """Environments that some fits train or test on."""
    parts = []
    for fit in fits:
        split = study.environments()[fit.fold]
        parts += [split.test, split.sample(max(fit.n_pretrain, min(MAX_TRAIN_SAMPLE, study.most_environments())))]
    return np.unique(np.concatenate(parts))
