"""Notebooks as pairs: ``NAME.py`` (percent format, the source) and ``NAME.ipynb`` (without outputs)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jupytext
import nbformat
from nbformat import NotebookNode

from synthetic_atoms.book import project
from synthetic_atoms.files import atomic_write

METADATA = {
    "jupytext": {"formats": "ipynb,py:percent", "notebook_metadata_filter": "-jupytext.text_representation"},
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}
"""Notebook metadata of every ``.ipynb``: no versions, so that a newer tool changes nothing."""


def names() -> list[str]:
    """Stems of the notebooks that exist in either form."""
    folder = project.root() / "notebooks"
    return sorted({path.stem for pattern in ("*.py", "*.ipynb") for path in folder.glob(pattern)})


def from_text(text: str) -> NotebookNode:
    """The clean notebook that a percent-format text stands for; the same text gives the same notebook."""
    notebook = jupytext.reads(text, fmt="py:percent")
    cells = []
    for index, cell in enumerate(notebook.cells):
        clean: dict[str, Any] = {"cell_type": cell.cell_type, "id": f"cell-{index:02d}", "source": cell.source}
        clean["metadata"] = dict(cell.metadata)
        if cell.cell_type == "code":
            clean |= {"execution_count": None, "outputs": []}
        cells.append(clean)
    return nbformat.from_dict({"cells": cells, "metadata": METADATA, "nbformat": 4, "nbformat_minor": 5})


def _texts(name: str) -> tuple[str, str]:
    folder = project.root() / "notebooks"
    source = folder / f"{name}.py"
    if not source.is_file():
        raise project.BookError(f"Expected a notebook source at {source}, found none beside {name}.ipynb.")
    clean = nbformat.writes(from_text(source.read_text(encoding="utf-8"))) + "\n"
    pair = folder / f"{name}.ipynb"
    return clean, pair.read_text(encoding="utf-8") if pair.is_file() else ""


def _difference(expected: str, found: str) -> str:
    try:
        pair = nbformat.reads(found, as_version=4)
    except (ValueError, AttributeError, KeyError, TypeError):  # nbformat takes the structure for granted
        return "no notebook that can be read"
    wanted = nbformat.reads(expected, as_version=4)
    if any(cell.get("outputs") or cell.get("execution_count") for cell in pair.cells):
        return "outputs"
    if len(pair.cells) != len(wanted.cells):
        return f"{len(pair.cells)} cells instead of {len(wanted.cells)}"
    for index, (ours, theirs) in enumerate(zip(wanted.cells, pair.cells, strict=True), start=1):
        if ours != theirs:
            return f"another cell {index}"
    return "other metadata"


def check() -> None:
    """Compare the contents of every pair.

    Raises
    ------
    BookError
        If a notebook lacks its counterpart, holds outputs or differs from it.
    """
    complaints = []
    for name in names():
        expected, found = _texts(name)
        if expected != found:
            complaints.append(f"{name}.ipynb has {_difference(expected, found) if found else 'not been made'}")
    if complaints:
        raise project.BookError(
            f"Expected every notebook to be as its .py says, found that {'; '.join(complaints)}; run 'make pair'."
        )


def write() -> list[Path]:
    """Make every ``.ipynb`` from its ``.py``; returns those that changed."""
    changed = []
    for name in names():
        expected, found = _texts(name)
        if expected != found:
            path = project.root() / "notebooks" / f"{name}.ipynb"
            with atomic_write(path, "w") as stream:
                stream.write(expected)
            changed.append(path)
    return changed
