"""The store of results: one row per fit in a tidy CSV file that diffs and cites well."""

from __future__ import annotations

import csv
import fcntl
import hashlib
import io
import os
import platform
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib.metadata import version
from pathlib import Path

import pandas as pd

from synthetic_atoms.errors import DataError, SyntheticAtomsError
from synthetic_atoms.files import atomic_write
from synthetic_atoms.paths import is_own, records_directory

_FLOAT_FORMAT = "%.6g"

READ_ATTEMPTS = 5
"""How often a file is read whose sum another process may be changing."""

TEXT = (
    "dataset", "dataset_fingerprint", "cells_fingerprint", "model", "network", "soap", "soap_settings",
    "hyperparameters", "estimator",
)  # fmt: skip
"""Columns that are text even where they look like numbers, as a digest such as 12345e67 does."""


class RecordStore:
    """Rows of a CSV file, each identified by what was asked.

    Parameters
    ----------
    path
        The file; it need not exist yet.
    asked
        Columns that say what was asked (model, N, fold, seed, ...): no two rows agree in all of them.
    found
        Columns that say what came out.
    checked
        Keep SHA-256 sums of the file beside it and refuse another content, even where a digit has changed. For files
        that no version control watches.

    Raises
    ------
    DataError
        On reading, if the file is damaged, lacks a column, or holds the same request twice.
    """

    def __init__(self, path: Path, asked: Sequence[str], found: Sequence[str], *, checked: bool = False) -> None:
        self.path = Path(path)
        self.checked = checked
        self.asked = list(asked)
        self.found = list(found)

    def __repr__(self) -> str:
        return f"RecordStore({self.path.name}, {len(self.read())} records)"

    @property
    def columns(self) -> list[str]:
        """All columns in the order in which they are written."""
        return self.asked + self.found

    def read(self) -> pd.DataFrame:
        """All records, one row each."""
        if not self.path.exists():
            return pd.DataFrame(columns=self.columns)
        text = self._text()
        try:
            rows = list(csv.reader(io.StringIO(text), strict=True))
        except csv.Error as error:
            raise self._damaged(error) from error
        if not rows or rows[0] != self.columns:
            found = ", ".join(rows[0]) if rows else "nothing"
            raise DataError(f"Expected the columns {', '.join(self.columns)} in {self.path}, found {found}.")
        uneven = [number for number, row in enumerate(rows, start=1) if len(row) != len(self.columns)]
        if uneven:
            raise DataError(
                f"Expected {len(self.columns)} values in each row of {self.path}, found another number in row "
                f"{uneven[0]}."
            )
        if not text.endswith("\n"):
            raise DataError(f"Expected whole rows in {self.path}, found the last one cut short.")
        frame = pd.read_csv(io.StringIO(text), keep_default_na=True, dtype=dict.fromkeys(TEXT, str))
        for name in self.asked:  # requests are found by equality, and a parser may err in the last digit
            if frame[name].dtype.kind == "f":
                frame[name] = frame[name].map(lambda value: float(_FLOAT_FORMAT % value))
        numbers = [name for name in self.found if name.startswith(("mae_", "rmse_")) or name.endswith("_s")]
        odd = [name for name in numbers if not pd.api.types.is_numeric_dtype(frame[name])]
        if odd and len(frame):
            raise DataError(f"Expected numbers in column '{odd[0]}' of {self.path}, found text.")
        twice = frame[frame.duplicated(self.asked)]
        if len(twice):
            raise DataError(f"Expected each request once in {self.path}, found row {twice.index[0] + 2} a second time.")
        return frame

    def _text(self) -> str:
        """The file's content, of the sum that it must have."""
        for attempt in range(READ_ATTEMPTS):
            try:
                text = self.path.read_text(encoding="utf-8")
                sums = self._sums() if self.checked else []
            except (ValueError, OSError) as error:
                raise self._damaged(error) from error
            if not sums or _sha256(text) in sums:
                return text
            if attempt < READ_ATTEMPTS - 1:
                time.sleep(0.05)  # another process may have written between the two
        raise DataError(
            f"Expected the table in {self.path} as it was written, found another content: it is damaged, or was edited "
            f"(then remove {self._sums_path})."
        )

    def _damaged(self, error: Exception) -> DataError:
        reason = " ".join(str(error).split())
        return DataError(f"Expected a table of records in {self.path}, found a damaged one ({reason}).")

    @property
    def _sums_path(self) -> Path:
        return self.path.with_name(f".{self.path.name}.sha256")

    def _sums(self) -> list[str]:
        """Sums that the file may have; none if there is no file of them."""
        return self._sums_path.read_text(encoding="utf-8").split() if self._sums_path.exists() else []

    def select(self, requests: pd.DataFrame) -> pd.DataFrame:
        """The stored rows that answer some requests, and NaN where none does; one row per request, in order."""
        stored = self.read()
        return requests[self.asked].astype(object).merge(
            stored.astype({name: object for name in self.asked}), on=self.asked, how="left", validate="one_to_one"
        ).infer_objects()  # fmt: skip

    def add(self, rows: Iterable[Mapping[str, object]]) -> None:
        """Add records, or replace those that answer the same request; whole or not at all.

        Raises
        ------
        DataError
            If a row lacks a column or has one too many, or the file cannot be written.
        """
        rows = list(rows)
        for row in rows:
            if set(row) != set(self.columns):
                odd = sorted(set(row) ^ set(self.columns))
                raise DataError(f"Expected a record with the columns of {self.path.name}, found a difference in {odd}.")
        if not rows:
            return
        with self._locked():
            frame = pd.concat([self.read().astype(object), pd.DataFrame(rows)[self.columns].astype(object)])
            frame = frame.drop_duplicates(self.asked, keep="last").infer_objects().sort_values(self.asked)
            text = frame.to_csv(index=False, float_format=_FLOAT_FORMAT, lineterminator="\n")
            if self.checked:  # both sums, so that a kill between the two files leaves a valid pair
                before = [self._text()] if self.path.exists() else []
                with atomic_write(self._sums_path, "w") as stream:
                    stream.write("".join(f"{_sha256(one)}\n" for one in [text, *before]))
            with atomic_write(self.path, "w") as stream:
                stream.write(text)

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """One writer at a time, also among processes: the rows of both are kept."""
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            folder = os.open(self.path.parent, os.O_RDONLY)  # the folder itself is the lock: nothing is left behind
        except OSError as error:
            raise DataError(f"Could not write {self.path}: expected a writable folder, found: {error}.") from error
        try:
            try:
                fcntl.flock(folder, fcntl.LOCK_EX)
            except OSError as error:
                raise DataError(
                    f"Could not write {self.path}: expected a file system with locks, found: {error}."
                ) from error
            yield
        finally:
            os.close(folder)


def record_store(file: str, dataset: str, asked: Sequence[str], found: Sequence[str]) -> RecordStore:
    """The store in a file of results on a dataset: with the project for its own data, else the user's, checked."""
    return RecordStore(records_directory(dataset) / file, asked, found, checked=not is_own(dataset))


Keep = Callable[[Iterable[Mapping[str, object]]], None]
"""Keeps finished records, at once: an interrupted grid goes on with the rest."""

Done = tuple[Sequence[Mapping[str, object]], Sequence[SyntheticAtomsError]]
"""Finished records, and the errors of those that failed."""


def read_or_compute(
    wanted: pd.DataFrame,
    store: RecordStore,
    score: str,
    work: Callable[[pd.DataFrame, Keep], Done],
    *,
    use_store: bool,
    compute: bool,
) -> pd.DataFrame:
    """The records of a grid: read from the store, computed where that is asked for.

    Parameters
    ----------
    wanted
        One row per record, with the columns of ``store.asked``.
    store
        Where they are, and where new ones are kept.
    score
        Column that a finished record has a number in.
    work
        Computes some rows of ``wanted``: gives each finished record to its second argument, and returns them all,
        with the errors of those that failed.
    use_store
        Read stored records, and store new ones; without it everything is computed and nothing is kept.
    compute
        Compute what the store lacks; without it a missing record is a row of NaN.

    Returns
    -------
    pandas.DataFrame
        One row per row of ``wanted``, in their order, with all columns of the store.

    Raises
    ------
    SyntheticAtomsError
        The first of the errors; what was finished is kept.
    """
    if wanted.empty:
        return wanted.reindex(columns=store.columns)
    missing = wanted
    if use_store:
        records = store.select(wanted)
        missing = wanted[records[score].isna().to_numpy()]
        if not compute or missing.empty:
            return records
    done, failures = work(missing, store.add if use_store else lambda rows: None)
    if failures:
        raise failures[0]
    if use_store:
        return store.select(wanted)
    found = pd.DataFrame(done, columns=store.columns).drop_duplicates(store.asked)
    return wanted.merge(found, on=store.asked, how="left", validate="one_to_one")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def machine(accelerator: str | None = None) -> str:
    """Kind of processor and operating system, short, and the GPU where one did the work."""
    processor = f"{platform.machine()} {platform.system()}"
    return f"{processor}, {accelerator}" if accelerator else processor


def accelerator_of(machine: str) -> str | None:
    """The GPU that :func:`machine` names; None where the processor did the work."""
    return machine.partition(", ")[2] or None


@cache
def versions() -> str:
    """Versions of the packages that decide a fit's numbers."""
    names = ("numpy", "scipy", "torch", "gpytorch", "dscribe", "synthetic-atoms")
    return " ".join(f"{name}={version(name)}" for name in names)
