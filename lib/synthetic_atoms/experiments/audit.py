"""Refitting stored records: one that cannot be reproduced is a defect."""

from __future__ import annotations

import json
from dataclasses import dataclass
from numbers import Real

import numpy as np
import pandas as pd

from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.experiments import learning_curves
from synthetic_atoms.experiments.learning_curves import Curve, Dataset
from synthetic_atoms.scheduling import run_units

TOLERANCE = {"GPR": 0.002, "NN": 0.05}
"""Largest relative difference of the test MAE between a record and its refit.

GPR is a linear solve in double precision and differs only by rounding. A network's training amplifies rounding, which
depends on the processor and on the number of threads; on one machine with one thread a refit is identical.
"""

OVERHEAD_S = 5.0
"""Allowed for reading data and computing descriptors, on top of a record's own seconds."""


@dataclass(frozen=True)
class Finding:
    """One refitted record: test MAE as stored and as found again, both in meV."""

    model: str
    n_train: int
    fold: int
    stored_meV: float
    found_meV: float

    @property
    def difference(self) -> float:
        """Relative difference of the two."""
        return abs(self.found_meV - self.stored_meV) / self.stored_meV

    @property
    def fine(self) -> bool:
        """Whether it is within the tolerance."""
        return bool(self.difference <= TOLERANCE[self.model])

    def __str__(self) -> str:
        verdict = "ok" if self.fine else f"DRIFT, more than {TOLERANCE[self.model]:.1%}"
        return (
            f"{self.model} N = {self.n_train}, fold {self.fold}: stored {self.stored_meV:.3f} meV, found "
            f"{self.found_meV:.3f} meV ({self.difference:.3%}): {verdict}"
        )


def curve_of(record: pd.Series) -> Curve:
    """The grid of one fit that a record answers.

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
        raise DataError(
            f"Expected the record of {record['model']} at N = {record['n_train']} in fold {record['fold']} to belong "
            f"to the present data and code, found another '{changed[0]}': compute it again."
        )
    return curve


def choose(records: pd.DataFrame, budget_s: Real, seed: int) -> pd.DataFrame:
    """Records in random order, as many as fit into a time budget by their own seconds; at least the cheapest one."""
    cost = records["fit_s"] + records["predict_s"] + OVERHEAD_S
    order = np.random.default_rng(seed).permutation(len(records))
    chosen, spent = [], 0.0
    for position in order:
        if spent + cost.iloc[position] <= budget_s:
            chosen.append(position)
            spent += cost.iloc[position]
    return records.iloc[chosen or [int(cost.argmin())]]


def audit(budget_s: Real, seed: int, workers: int | None = 1) -> tuple[list[Finding], int]:
    """Refit randomly chosen records of the learning curves.

    Parameters
    ----------
    budget_s
        Seconds that the chosen records took when they were made, and some for overhead.
    seed
        Chooses the records.
    workers
        Local processes, each with one thread as when the records were made.

    Returns
    -------
    list of Finding
        One for each refit.
    int
        How many records there are.

    Raises
    ------
    DataError
        If there are no records, or one does not belong to the present data and code.
    ParameterError
        If the budget is not positive.
    """
    if not budget_s > 0:
        raise ParameterError(f"Expected a positive time budget in seconds, found {budget_s}.")
    records = learning_curves.store().read()
    if records.empty:
        raise DataError(f"Expected records to audit in {learning_curves.store().path}, found none.")
    curves = {position: curve_of(record) for position, record in records.iterrows()}  # all: stale ones are defects
    chosen = choose(records, budget_s, seed)
    units = [(curves[i], row["model"], int(row["fold"]), (int(row["n_train"]),)) for i, row in chosen.iterrows()]
    results, failures = run_units(learning_curves.run_group, units, workers=workers, description="refits")
    if failures:
        raise failures[0]
    found = pd.DataFrame([row for rows in results for row in rows])
    both = chosen.merge(found, on=list(learning_curves.ASKED), suffixes=("_stored", "_found"), validate="one_to_one")
    findings = [
        Finding(row.model, int(row.n_train), int(row.fold), row.mae_test_meV_stored, row.mae_test_meV_found)
        for row in both.itertuples()
    ]
    return findings, len(records)
