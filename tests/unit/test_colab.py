"""The cell that installs the project in Colab, and only there."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from types import ModuleType

import nbformat

from synthetic_atoms.book import colab

NOTEBOOK = Path(__file__).resolve().parents[2] / "notebooks" / "01_dataset.ipynb"


def test_without_an_address_a_notebook_is_copied_as_it_is(tmp_path, monkeypatch):
    monkeypatch.delenv("BOOK_REPOSITORY_URL", raising=False)
    colab.write_copy(NOTEBOOK, tmp_path / "copy.ipynb")
    assert nbformat.read(tmp_path / "copy.ipynb", 4) == nbformat.read(NOTEBOOK, 4)


def test_the_first_cell_installs_in_colab_and_does_nothing_elsewhere(tmp_path, monkeypatch):
    monkeypatch.setenv("BOOK_REPOSITORY_URL", "https://example.org/book")
    colab.write_copy(NOTEBOOK, tmp_path / "copy.ipynb")
    copy = nbformat.read(tmp_path / "copy.ipynb", 4)
    nbformat.validate(copy)
    assert copy.cells[1:] == nbformat.read(NOTEBOOK, 4).cells
    commands = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: commands.append(command))
    monkeypatch.setattr("os.chdir", lambda folder: commands.append([folder]))
    exec(copy.cells[0].source, {})
    assert commands == []
    monkeypatch.setitem(sys.modules, "google.colab", ModuleType("google.colab"))
    monkeypatch.setattr(sys, "path", [*sys.path])
    exec(copy.cells[0].source, {})
    assert commands[0] == ["git", "clone", "--depth", "1", "https://example.org/book", "/content/synthetic-atoms"]
    assert commands[1][-1] == "/content/synthetic-atoms"
    assert commands[2] == ["/content/synthetic-atoms/notebooks"]
    assert sys.path[0] == "/content/synthetic-atoms/lib"
