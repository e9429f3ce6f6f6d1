"""Refitting stored records: one that cannot be reproduced is a defect."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd

from synthetic_atoms.descriptors import features, soap_settings
from synthetic_atoms.descriptors.features import SECONDS_PER_ENVIRONMENT
from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.experiments import gpr_path, learning_curves
from synthetic_atoms.experiments.audit_others import OTHERS, costs, refit_one
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.experiments.descriptor_settings import is_available
from synthetic_atoms.experiments.gpr_grid import Pass, Study, Sweep, requests
from synthetic_atoms.experiments.learning_curves import Curve
from synthetic_atoms.experiments.records import accelerator_of
from synthetic_atoms.models.sparse_gpr import SparseGPR
from synthetic_atoms.models.sparse_sums import FitRequest
from synthetic_atoms.models.training import accelerator
from synthetic_atoms.scheduling import run_units

TOLERANCE = {
    "GPR": 0.002, "NN": 0.05, "DKL": 0.1, "direct": 0.05, "pre-trained": 0.05, "fine-tuned": 0.05, "map": 0.1,
}  # fmt: skip
"""Largest relative difference of the test MAE between a record and its refit.

GPR is a linear solve in double precision and differs only by rounding. A network's training amplifies rounding, which
depends on the processor and on the number of threads; on one machine with one thread a refit is identical.
"""

OVERHEAD_S = 5.0
"""Allowed for reading data, on top of a record's own seconds and those of its descriptors."""

ALONE = 100_000
"""Most training points of GPR that are refitted in memory; beyond, the refit streams over the data."""

_GPR_STUDY = (
    "dataset", "soap", "zeta", "kernel_offset", "prior_scale_eV", "jitter", "n_folds", "seed", "max_test",
)  # fmt: skip


COMPARED = {
    "mae_test_meV": "test MAE", "rmse_test_meV": "test RMSE", "mae_train_meV": "training MAE",
    "mae_sp_meV": "MAE of sp", "mae_sp2_meV": "MAE of sp2", "mae_sp3_meV": "MAE of sp3",
}  # fmt: skip
"""Numbers of a record of GPR that are compared; of the others, which depend on more than rounding, the test error."""

LEAST_meV = 1.0
"""Errors below this count as this much in a relative difference: with N = M and a small sigma the training error
vanishes but for rounding."""


@dataclass(frozen=True)
class Finding:
    """One refitted record: an error as stored and as found again, both in meV."""

    model: str
    n_train: int
    fold: int
    stored_meV: float
    found_meV: float
    settings: str = ""
    unit: str = "meV"
    what: str = "test error"

    @property
    def difference(self) -> float:
        """Relative difference of the two."""
        if self.found_meV == self.stored_meV:  # infinite ones, of a trial that diverged, too
            return 0.0
        least = LEAST_meV if self.unit == "meV" else 0.0
        return abs(self.found_meV - self.stored_meV) / max(self.stored_meV, least)

    @property
    def fine(self) -> bool:
        """Whether it is within the tolerance."""
        return bool(self.difference <= TOLERANCE[self.model])

    def __str__(self) -> str:
        verdict = "ok" if self.fine else f"DRIFT, more than {TOLERANCE[self.model]:.1%}"
        settings = f" ({self.settings})" if self.settings else ""
        return (
            f"{self.model}{settings} N = {self.n_train}, fold {self.fold}: {self.what} stored {self.stored_meV:.4g} "
            f"{self.unit}, found {self.found_meV:.4g} {self.unit} ({self.difference:.3%}): {verdict}"
        )


@dataclass(frozen=True)
class Coverage:
    """How many records there are, how many can be refitted here, and how many of those cost less than the budget."""

    total: int
    possible: int
    affordable: int


def _stale(record: pd.Series, column: str) -> DataError:
    return DataError(
        f"Expected the record of {record['model']} at N = {record['n_train']} in fold {record['fold']} to belong to "
        f"the present data and code, found another '{column}': compute it again."
    )


def curve_of(record: pd.Series) -> Curve:
    """The grid of one fit of a network that a record answers.

    Raises
    ------
    DataError
        If the data or the code have changed so that the record no longer answers any request.
    """
    try:
        settings = json.loads(record["hyperparameters"])
    except ValueError as error:
        raise DataError(f"Expected hyperparameters in JSON in every record, found {error}.") from error
    curve = Curve(
        dataset=Dataset(record["dataset"]),
        models=(record["model"],),
        sizes=(int(record["n_train"]),),
        n_folds=int(record["n_folds"]),
        seed=int(record["seed"]),
        soap=record["soap"],
        max_test=int(record["max_test"]) or None,
        hyperparameters={record["model"]: settings},
    )
    asked = curve.requests().iloc[int(record["fold"])]
    changed = [name for name in learning_curves.ASKED if asked[name] != record[name]]
    if changed:
        raise _stale(record, changed[0])
    return curve


def passes_of(records: pd.DataFrame) -> dict[object, Pass]:
    """The pass of one fit that each record of GPR answers, by the record's index.

    Raises
    ------
    DataError
        If the data or the code have changed so that a record no longer answers any request.
    """
    found: dict[object, Pass] = {}
    for values, group in records.groupby(list(_GPR_STUDY), sort=False):
        shared = dict(zip(_GPR_STUDY, values, strict=True))
        study = Study(
            dataset=Dataset(shared.pop("dataset")),
            max_test=int(shared.pop("max_test")) or None,
            soap=shared.pop("soap"),
            **{name: int(shared.pop(name)) for name in ("n_folds", "seed", "zeta")},
            **{name: float(value) for name, value in shared.items()},
        )
        smallest = group.loc[group["n_train"].idxmin()]
        if group["n_train"].max() > study.largest_size():
            raise _stale(group.loc[group["n_train"].idxmax()], "n_train")
        present = requests(study, [Sweep((int(smallest["n_train"]),), folds=(0,))]).iloc[0]
        for name in ("dataset_fingerprint", "soap_settings"):
            if (group[name] != present[name]).any():
                raise _stale(group[group[name] != present[name]].iloc[0], name)
        for row in group.itertuples():
            model = FitRequest(int(row.n_train), row.estimator, float(row.sigma_meV), int(row.m_sparse))
            found[row.Index] = Pass(study, int(row.fold), (model,))
    return found


def refit_alone(one: Pass) -> dict[str, float]:
    """The errors :data:`COMPARED` (meV) of the single model of a pass, fitted without the path where memory allows."""
    (model,) = one.models
    if model.n_train > ALONE:
        again = gpr_path.run_pass(one)[0]
        return {name: float(again[name]) for name in COMPARED}
    study, split = one.study, one.study.splits()[one.fold]
    data = study.dataset.load()
    train = split.sample(model.n_train)
    fitted = SparseGPR(
        estimator=model.estimator, sigma_meV=model.sigma_meV, n_sparse=model.n_sparse, **study.parameters()
    ).fit(features(data, study.soap, rows=train), data.local_energy_eV[train])
    predicted = fitted.predict(features(data, study.soap, rows=split.test))
    found = learning_curves.scores(
        predicted, data.local_energy_eV[split.test], study.dataset.coordination()[split.test]
    )
    sample = train[gpr_path.training_sample(study, one.fold, model.n_train)]
    again = fitted.predict(features(data, study.soap, rows=sample))
    found["mae_train_meV"] = float(1000 * np.abs(again - data.local_energy_eV[sample]).mean())
    return {name: found[name] for name in COMPARED}


def _worst(record: pd.Series, found: Mapping[str, float]) -> Finding:
    """The number of a record of GPR that differs most from that of its refit."""
    settings = (
        f"{record['estimator'].upper()}, M = {record['m_sparse']}, sigma = {record['sigma_meV']:g} meV, "
        f"SOAP '{record['soap']}'"
    )
    where = ("GPR", int(record["n_train"]), int(record["fold"]))
    pairs = {name: (float(record[name]), found[name]) for name in COMPARED}
    findings = [
        Finding(*where, *pair, settings, what=COMPARED[name])
        for name, pair in pairs.items()
        if not np.isnan(pair).all()  # a kind of atom that the test set lacks
    ]
    lost = [one for one in findings if np.isnan(one.difference)]
    return lost[0] if lost else max(findings, key=lambda one: one.difference)


def _refit_numbered(item: tuple[object, Pass]) -> tuple[object, dict[str, float]]:
    return item[0], refit_alone(item[1])


def cost_s(records: pd.DataFrame) -> pd.Series:
    """At most what each refit costs on the machine that made the record: its seconds, descriptors, reading the data.

    The seconds of GPR are those of its pass until it was there, other models included: more than it needs alone.
    """
    per_environment = records["soap"].map(lambda name: SECONDS_PER_ENVIRONMENT[soap_settings(name).library])
    descriptors = (records["n_train"] + records["n_test"]) * per_environment
    return (records["fit_s"] + records["predict_s"] + descriptors + OVERHEAD_S).astype(float)


def choose(cost: pd.Series, budget_s: Real, seed: int) -> list:
    """Labels of records in random order, as many as fit into a time budget by their cost; at least the cheapest."""
    order = np.random.default_rng(seed).permutation(len(cost))
    chosen, spent = [], 0.0
    for position in order:
        if spent + cost.iloc[position] <= budget_s:
            chosen.append(cost.index[position])
            spent += cost.iloc[position]
    return chosen or [cost.idxmin()]


def audit(budget_s: Real, seed: int, workers: int | None = 1) -> tuple[list[Finding], Coverage]:
    """Refit randomly chosen records: networks, and GPR models each by a fit of its own instead of a path.

    Records whose descriptor needs a program that is not installed, and those of networks that were not trained by what
    trains them here (the processor, or the same GPU), are not chosen.

    Parameters
    ----------
    budget_s
        Seconds that the chosen records took when they were made, and some for overhead.
    seed
        Chooses the records.
    workers
        Local processes, each with one thread as when the records of networks were made.

    Returns
    -------
    list of Finding
        One for each refit.
    Coverage
        How many records there are, can be refitted here, and cost less than the budget.

    Raises
    ------
    DataError
        If there are no records, or one does not belong to the present data and code.
    ParameterError
        If the budget is not positive.
    """
    if not budget_s > 0:
        raise ParameterError(f"Expected a positive time budget in seconds, found {budget_s}.")
    stores = {"networks": learning_curves.store(), "gpr": gpr_path.store()}
    tables = {name: one.read() for name, one in stores.items()}
    others = {name: one.store().read() for name, one in OTHERS.items()}
    total = sum(map(len, tables.values())) + sum(map(len, others.values()))
    if not total:
        raise DataError(f"Expected records to audit in {stores['networks'].path.parent}, found none.")
    # Of all of them: stale ones are defects, chosen or not.
    curves = {position: curve_of(record) for position, record in tables["networks"].iterrows()}
    passes = passes_of(tables["gpr"])
    for name, table in others.items():
        OTHERS[name].check(table)
    cost = pd.concat({**{name: cost_s(table) for name, table in tables.items() if len(table)}, **costs(others)})
    everything = {name: table for name, table in (tables | others).items() if len(table)}
    possible = pd.concat(
        {
            name: table["soap"].map(is_available) & _made_as_here(table, uses_gpu=name == "networks")
            for name, table in everything.items()
        }
    )
    chosen = choose(cost[possible], budget_s, seed) if possible.any() else []

    networks = tables["networks"].loc[[position for name, position in chosen if name == "networks"]]
    units = [(curves[i], row["model"], int(row["fold"]), (int(row["n_train"]),)) for i, row in networks.iterrows()]
    rows = _run(learning_curves.run_group, units, workers)
    refits = [(position, passes[position]) for name, position in chosen if name == "gpr"]
    found = dict(_run(_refit_numbered, refits, workers))

    findings = []
    if len(networks):
        again = pd.DataFrame([row for group in rows for row in group])
        both = networks.merge(
            again, on=list(learning_curves.ASKED), suffixes=("_stored", "_found"), validate="one_to_one"
        )
        findings += [
            Finding(row.model, int(row.n_train), int(row.fold), row.mae_test_meV_stored, row.mae_test_meV_found)
            for row in both.itertuples()
        ]
    for position, value in found.items():
        findings.append(_worst(tables["gpr"].loc[position], value))
    units = [(name, others[name].loc[i].to_dict()) for name, i in chosen if name in others]
    findings += [
        Finding(
            one.what,
            one.n_train,
            one.fold,
            one.stored,
            one.found,
            one.settings,
            one.unit,
            "test error" if one.unit else "value",
        )
        for one in _run(refit_one, units, workers)
    ]
    return findings, Coverage(
        total, int(possible.sum()), int((possible & (cost.loc[possible.index] <= budget_s)).sum())
    )


def _made_as_here(records: pd.DataFrame, *, uses_gpu: bool) -> pd.Series:
    """Whether each record was made by what a refit here would use: the GPU if there is one, for networks."""
    here = accelerator() if uses_gpu else None
    return records["machine"].map(lambda text: isinstance(text, str) and accelerator_of(text) == here)


def _run(function, units: Iterable, workers: int | None) -> list:
    """Results of all units; the first failure is raised."""
    results, failures = run_units(function, list(units), workers=workers, description="refits")
    if failures:
        raise failures[0]
    return results
