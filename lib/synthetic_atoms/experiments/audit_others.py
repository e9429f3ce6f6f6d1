"""Refitting stored records of fine-tuning, of the search for settings, and of maps."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import pandas as pd

from synthetic_atoms.errors import DataError
from synthetic_atoms.experiments import fine_tuning, hyperparameters, map_measures, teachers, trajectory_errors
from synthetic_atoms.experiments.all_models import Comparison
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.experiments.fine_tuning_grid import FINETUNED, FineTuning, requests
from synthetic_atoms.experiments.records import RecordStore
from synthetic_atoms.experiments.search_grid import Search
from synthetic_atoms.experiments.structure_maps import MapStudy


@dataclass(frozen=True)
class Refit:
    """One record refitted: its numbers as stored and as found again."""

    what: str
    n_train: int
    fold: int
    stored: float
    found: float
    settings: str
    unit: str = "meV"


@dataclass(frozen=True)
class Audited:
    """A store whose records can be refitted.

    Attributes
    ----------
    store
        The store.
    present
        The request that a record answers, with the present data and code.
    cost
        Seconds of a refit.
    refit
        Makes it again.
    """

    store: Callable[[], RecordStore]
    present: Callable[[Mapping[str, Any]], Mapping[str, Any]]
    cost: Callable[[Mapping[str, Any]], float]
    refit: Callable[[Mapping[str, Any]], Refit]

    def check(self, records: pd.DataFrame) -> None:
        """Refuse records that the present data or code would not be asked for.

        Raises
        ------
        DataError
            Naming the first column that differs.
        """
        for record in records.to_dict("records"):
            now = self.present(record)
            changed = [name for name in self.store().asked if str(now[name]) != str(record[name])]
            if changed:
                raise DataError(
                    f"Expected every record of {self.store().path.name} to belong to the present data and code, found "
                    f"another '{changed[0]}': compute it again."
                )


def _present_tuning(record: Mapping[str, Any]) -> Mapping[str, Any]:
    study, fit = fine_tuning.fit_of(record)
    return requests(study, [fit]).iloc[0].to_dict()


def _cost_tuning(record: Mapping[str, Any]) -> float:
    # Fine-tuning may have to make its pre-trained network first.
    before = 0.001 * float(record["n_pretrain_environments"]) if record["training"] == FINETUNED else 0.0
    return float(record["fit_s"]) + before + 15.0


def _refit_tuning(record: Mapping[str, Any]) -> Refit:
    study, fit = fine_tuning.fit_of(record)
    kept = fine_tuning.weight_files(study, fit)[0].is_file()  # these weights are on the page: they are evaluated again
    model = fine_tuning.network(study, fit) if kept else fine_tuning.train(study, fit)
    found = fine_tuning.errors(study, fit, model)["rmse_test_meV_per_atom"]
    settings = f"{fit.n_pretrain} environments in pre-training"
    return Refit(fit.training, fit.n_labels, fit.fold, float(record["rmse_test_meV_per_atom"]), found, settings)


def _present_lesson(record: Mapping[str, Any]) -> Mapping[str, Any]:
    study, lesson = teachers.lesson_of(record)
    return teachers.requests(study, [lesson]).iloc[0].to_dict()


def _refit_lesson(record: Mapping[str, Any]) -> Refit:
    found = teachers.run_lesson(teachers.lesson_of(record))["rmse_test_meV_per_atom"]
    cells = f"{record['n_teacher_cells']} cells" if record["source"] == "POD" else "ready-made"
    return Refit(
        "fine-tuned", int(record["n_qm_labels"]), int(record["fold"]), float(record["rmse_test_meV_per_atom"]), found,
        f"teacher {record['source']}, {cells}",
    )  # fmt: skip


def _search(record: Mapping[str, Any]) -> Search:
    return Search(
        dataset=Dataset(record["dataset"]),
        models=(record["model"],),
        sizes=(int(record["n_train"]),),
        n_trials=int(record["trial"]) + 1,
        n_folds=int(record["n_folds"]),
        fold=int(record["fold"]),
        seed=int(record["seed"]),
        soap=record["soap"],
        max_test=int(record["max_test"]),
        max_epochs=int(record["max_epochs"]),
        patience=int(record["patience"]),
    )


def _present_trial(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return _search(record).requests().iloc[-1].to_dict()


def _refit_trial(record: Mapping[str, Any]) -> Refit:
    search = _search(record)
    found = hyperparameters.run_trial((search, search.requests().iloc[-1].to_dict()))
    settings = f"trial {int(record['trial'])} of the search"
    numbers = (float(record["mae_test_meV"]), float(found["mae_test_meV"]))
    return Refit(record["model"], int(record["n_train"]), int(record["fold"]), *numbers, settings)


def _grid(record: Mapping[str, Any]) -> Comparison:
    names = ("n_sparse", "sigma_meV", "zeta") if record["model"] == "GPR" else ()
    try:
        settings = json.loads(record["hyperparameters"])
        own = {name: settings[name] for name in names}
    except (ValueError, TypeError, KeyError) as error:
        raise DataError(
            f"Expected hyperparameters in JSON with {', '.join(names) or 'any names'} in every record, found "
            f"{record['hyperparameters']!r:.60}."
        ) from error
    return Comparison(
        Dataset(record["dataset"]),
        models=(record["model"],),
        sizes=(int(record["n_train"]),),
        n_folds=int(record["n_folds"]),
        seed=int(record["seed"]),
        soap=record["soap"],
        max_test=int(record["max_test"]) or None,
        **own,
    )


def _present_by_trajectory(record: Mapping[str, Any]) -> Mapping[str, Any]:
    fold, n_folds = int(record["fold"]), int(record["n_folds"])
    if not 0 <= fold < n_folds:
        raise DataError(f"Expected a fold from 0 to {n_folds - 1} in every record, found {fold}.")
    return trajectory_errors.requests(_grid(record)).iloc[fold].to_dict()


def _refit_by_trajectory(record: Mapping[str, Any]) -> Refit:
    found = trajectory_errors.run_fit((_grid(record), dict(_present_by_trajectory(record))))
    numbers = (float(record["mae_test_meV"]), float(found["mae_test_meV"]))
    return Refit(record["model"], int(record["n_train"]), int(record["fold"]), *numbers, "by trajectory")


def _map_study(record: Mapping[str, Any]) -> MapStudy:
    return MapStudy(
        FineTuning(Dataset(record["dataset"]), soap=record["soap"]),
        n_environments=int(record["n_environments"]),
        n_neighbors=int(record["n_neighbors"]),
        n_epochs=int(record["n_epochs"]),
        min_dist=float(record["min_dist"]),
    )


def _present_map(record: Mapping[str, Any]) -> Mapping[str, Any]:
    return (
        map_measures.requests(_map_study(record), [record["representation"]], [int(record["seed"])]).iloc[0].to_dict()
    )


def _refit_map(record: Mapping[str, Any]) -> Refit:
    found = map_measures.run_map((_map_study(record), dict(_present_map(record))))
    return Refit(
        "map", int(record["n_environments"]), int(record["seed"]), float(record["energy_variance_ratio"]),
        float(found["energy_variance_ratio"]), f"of {record['representation']}, energy variance", "",
    )  # fmt: skip


OTHERS: dict[str, Audited] = {
    "fine-tuning": Audited(lambda: fine_tuning.store(), _present_tuning, _cost_tuning, _refit_tuning),
    "teachers": Audited(
        lambda: teachers.store(),
        _present_lesson,
        lambda record: float(record["label_s"] + record["fit_s"]) + 15.0,
        _refit_lesson,
    ),
    "search": Audited(
        lambda: hyperparameters.store(), _present_trial, lambda record: float(record["fit_s"]) + 15.0, _refit_trial
    ),
    "by trajectory": Audited(
        lambda: trajectory_errors.store(),
        _present_by_trajectory,
        lambda record: float(record["fit_s"]) + 15.0,
        _refit_by_trajectory,
    ),
    "maps": Audited(
        lambda: map_measures.store(), _present_map, lambda record: 2 * float(record["fit_s"]) + 30.0, _refit_map
    ),
}
"""Stores beside those of learning curves and of GPR."""


def refit_one(item: tuple[str, dict[str, Any]]) -> Refit:
    """Refit a record of one of :data:`OTHERS`."""
    name, record = item
    return OTHERS[name].refit(record)


def costs(tables: Mapping[str, pd.DataFrame]) -> dict[str, pd.Series]:
    """Seconds of each refit, for each store that has records."""
    return {
        name: pd.Series([OTHERS[name].cost(row) for row in table.to_dict("records")], index=table.index, dtype=float)
        for name, table in tables.items()
        if len(table)
    }
