"""Fixtures: small projects of :mod:`small_book`, fresh or with a book that has been built."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from functools import partial
from pathlib import Path

import nbformat
import pytest
from small_book import make_project, run_command


@pytest.fixture
def small_project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Root of a small project of the test's own, which the library takes for the project as long as the test runs."""
    root = make_project(tmp_path / "project")
    monkeypatch.setenv("SYNTHETIC_ATOMS_ROOT", str(root))
    return root


@pytest.fixture
def command(small_project: Path) -> Callable[..., subprocess.CompletedProcess]:
    """Run ``synthetic-atoms`` on the test's small project."""
    return partial(run_command, small_project)


@pytest.fixture
def replace_last_cell(small_project: Path) -> Callable[[str, str], None]:
    """Put other code into the last code cell of a chapter of the small project."""

    def replace(chapter: str, code: str) -> None:
        path = small_project / "notebooks" / f"{chapter}.ipynb"
        notebook = nbformat.read(path, as_version=4)
        [cell for cell in notebook.cells if cell.cell_type == "code"][-1].source = code
        path.write_text(nbformat.writes(notebook))

    return replace


@pytest.fixture(scope="session")
def built_project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Root of a small project whose book has been built once with the smoke profile; tests only read it."""
    root = make_project(tmp_path_factory.mktemp("built") / "project")
    done = run_command(root, "book", "--profile", "smoke")
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == str(root / "_build" / "book" / "html" / "index.html")
    return root
