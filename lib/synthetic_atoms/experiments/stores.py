"""All stores of results by name, and rows of them by conditions such as ``n_train>=1000``."""

from __future__ import annotations

import operator
import re
from collections.abc import Sequence
from importlib import import_module

import pandas as pd

from synthetic_atoms.errors import ParameterError, suggest
from synthetic_atoms.experiments.records import RecordStore
from synthetic_atoms.paths import records_directory

STORES = {
    "fine_tuning": "fine_tuning",
    "hyperparameters": "hyperparameters",
    "learning_curves": "learning_curves",
    "sparse_gpr": "gpr_path",
    "structure_maps": "map_measures",
    "teacher_settings": "teacher_settings",
    "teachers": "teachers",
    "trajectory_errors": "trajectory_errors",
}
"""Module of :mod:`synthetic_atoms.experiments` that has each store, by the stem of its file."""

OWN = "own"
"""Any name but ``embedded``: the store of results on a user's own data."""

_COMPARISONS = {
    "!=": operator.ne, ">=": operator.ge, "<=": operator.le, "=": operator.eq, ">": operator.gt, "<": operator.lt,
}  # fmt: skip


def open_store(name: str, *, own: bool = False) -> RecordStore:
    """A store by its name: the project's, or the user's ``own``.

    Raises
    ------
    ParameterError
        If there is no store of that name.
    """
    if name not in STORES:
        raise ParameterError(f"Unknown store {name!r}{suggest(name, list(STORES))}")
    return import_module(f"synthetic_atoms.experiments.{STORES[name]}").store(OWN if own else "embedded")


def present(*, own: bool = False) -> list[str]:
    """Names of the stores that hold records."""
    return [name for name in STORES if (records_directory(OWN if own else "embedded") / f"{name}.csv").is_file()]


def filtered(records: pd.DataFrame, conditions: Sequence[str]) -> pd.DataFrame:
    """Rows that meet every condition: ``column=value``, or another of ``!=``, ``>=``, ``<=``, ``>``, ``<``.

    Raises
    ------
    ParameterError
        If a condition cannot be read, names no column, or compares a number with text.
    """
    for condition in conditions:
        found = re.fullmatch(r"\s*(\w+)\s*(!=|>=|<=|=|>|<)\s*(.*?)\s*", condition, flags=re.DOTALL)
        if found is None:
            raise ParameterError(f"Expected a condition such as model=GPR or 'n_train>=1000', found '{condition}'.")
        name, sign, text = found.groups()
        if name not in records:
            raise ParameterError(f"Unknown column {name!r}{suggest(name, list(records.columns))}")
        column = records[name]
        value: float | str = text
        if pd.api.types.is_numeric_dtype(column):
            try:
                value = float(text)
            except ValueError:
                raise ParameterError(f"Expected a number to compare '{name}' with, found '{text}'.") from None
        elif sign not in ("=", "!="):
            raise ParameterError(f"Expected = or != with '{name}', which holds text, found '{sign}'.")
        records = records[_COMPARISONS[sign](column, value)]
    return records
