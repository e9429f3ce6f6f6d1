"""Two archives of the project side by side: are the results of one those of the other?

Who executes the book again gets other files, because a page shows what was measured while it was made: seconds, memory,
dates. What must agree are the committed sources and the numbers, those in sentences included.
"""

from __future__ import annotations

import csv
import io
import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from synthetic_atoms.book import artefact
from synthetic_atoms.book.execute import PROVENANCE
from synthetic_atoms.book.project import BookError
from synthetic_atoms.errors import ParameterError

MEASURED = re.compile(
    r"seconds|_s$|_s_|\(s\)|\bm?s\b|time|cost|memory|speed|hours|minutes|gflops|per[_ ](environment|second)", re.I
)
"""Names of values, tables and columns that are measured anew by each run."""

_NUMBER = re.compile(r"[-+]?\d[\d,]*(?:\.\d+)?(?:[eE][-+]?\d+)?")


@dataclass
class Comparison:
    """What two archives have in common, and where they differ.

    Attributes
    ----------
    sources, values, tables
        How many source files, values of chapters and tables were compared.
    differences
        One sentence each.
    """

    sources: int = 0
    values: int = 0
    tables: int = 0
    differences: list[str] = field(default_factory=list)


def _pairs(one: Mapping[str, Any], two: Mapping[str, Any], what: str, found: Comparison) -> Iterator[str]:
    """Names that both have; those that only one has are differences."""
    for name in sorted(one.keys() | two.keys()):
        if name in one and name in two:
            yield name
        else:
            found.differences.append(f"{what} '{name}' is only in the {'first' if name in one else 'second'}.")


def same(one: object, two: object, tolerance: float) -> bool:
    """Whether two values agree: numbers to a relative tolerance, sentences in their words and their numbers."""
    if isinstance(one, bool) or isinstance(two, bool):
        return one is two
    if isinstance(one, int | float) and isinstance(two, int | float):
        return (math.isnan(one) and math.isnan(two)) or math.isclose(one, two, rel_tol=tolerance)
    if isinstance(one, str) and isinstance(two, str):
        if one == two:
            return True
        if _NUMBER.sub("#", one) != _NUMBER.sub("#", two):
            return False
        numbers = zip(_NUMBER.findall(one), _NUMBER.findall(two), strict=True)
        return all(
            math.isclose(float(a.replace(",", "")), float(b.replace(",", "")), rel_tol=tolerance) for a, b in numbers
        )
    return one == two


def _chapters(archive: Path, files: Mapping[str, bytes]) -> dict[str, dict[str, Any]]:
    """The description of each chapter's run."""
    found = {}
    for name, content in files.items():
        if name.startswith("executed/") and name.endswith(f"-{PROVENANCE}"):
            try:
                run = json.loads(content)
                found[run["chapter"]] = {key: run[key] for key in ("parameters", "data", "values")}
            except (ValueError, KeyError, TypeError) as error:
                raise BookError(f"Expected the description of a run in '{name}' of {archive}, found none.") from error
    return found


def _tables(files: Mapping[str, bytes]) -> dict[str, list[list[str]]]:
    """The tables that the book's pages offer, but for those of what was measured."""
    return {
        name: list(csv.reader(io.StringIO(content.decode("utf-8"))))
        for name, content in files.items()
        if name.startswith("book/") and name.endswith(".csv") and not MEASURED.search(name.rsplit("/", 1)[-1])
    }


def _cell(text: str) -> float | str:
    try:
        return float(text)
    except ValueError:
        return text


def _compare_tables(name: str, one: list[list[str]], two: list[list[str]], tolerance: float) -> str | None:
    """Where two tables differ; None if they agree."""
    if not one or not two or one[0] != two[0] or len(one) != len(two):
        return f"Table '{name}' has other columns or another number of rows."
    for row, (left, right) in enumerate(zip(one[1:], two[1:], strict=True), start=1):
        for column, a, b in zip(one[0], left, right, strict=True):
            if not MEASURED.search(column) and not same(_cell(a), _cell(b), tolerance):
                return f"Table '{name}' has '{a}' and '{b}' in row {row}, column '{column}'."
    return None


def compare(one: Path, two: Path, tolerance: float = 0.0) -> Comparison:
    """Compare the sources and the results of two archives, each checked against its own sums first.

    Parameters
    ----------
    one, two
        The archives.
    tolerance
        Largest relative difference of two numbers that count as the same.

    Raises
    ------
    BookError
        If an archive is missing or damaged.
    ParameterError
        If the tolerance is negative.
    """
    if not tolerance >= 0:
        raise ParameterError(f"Expected a tolerance of zero or more, found {tolerance:g}.")
    first, second = artefact.contents(one), artefact.contents(two)
    found = Comparison()
    sources = [{n: c for n, c in files.items() if n.startswith("source/")} for files in (first, second)]
    for name in _pairs(*sources, "File", found):
        found.sources += 1
        if sources[0][name] != sources[1][name]:
            found.differences.append(f"File '{name}' has another content.")
    runs = _chapters(one, first), _chapters(two, second)
    for chapter in _pairs(*runs, "Chapter", found):
        for name in ("parameters", "data"):
            if runs[0][chapter][name] != runs[1][chapter][name]:
                found.differences.append(f"Chapter '{chapter}' was run with other {name}.")
        values = runs[0][chapter]["values"], runs[1][chapter]["values"]
        for name in _pairs(*values, f"Value of {chapter}", found):
            if MEASURED.search(name):
                continue
            found.values += 1
            a, b = values[0][name], values[1][name]
            if not same(a, b, tolerance):
                found.differences.append(f"Value '{name}' of {chapter} is '{a}' and '{b}'.")
    tables = _tables(first), _tables(second)
    for name in _pairs(*tables, "Table", found):
        found.tables += 1
        text = _compare_tables(name, tables[0][name], tables[1][name], tolerance)
        if text:
            found.differences.append(text)
    return found
