"""The first cell of notebooks that are downloaded from the book: it installs the project where that is Colab."""

from __future__ import annotations

import os
from pathlib import Path

import nbformat

CELL_ID = "install-in-colab"

_CODE = """\
# In Colab this gets the book's code, data and packages. Anywhere else it does nothing.
import sys

if "google.colab" in sys.modules:
    import os
    import subprocess

    folder = "/content/synthetic-atoms"
    if not os.path.isdir(folder):
        subprocess.run(["git", "clone", "--depth", "1", "{address}", folder], check=True)
    subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--editable", folder], check=True)
    sys.path.insert(0, folder + "/lib")
    os.chdir(folder + "/notebooks")
"""


def install_cell() -> nbformat.NotebookNode | None:
    """The cell, with the repository's address from ``BOOK_REPOSITORY_URL``; None if that is not set."""
    address = os.environ.get("BOOK_REPOSITORY_URL")
    if not address or '"' in address or "\\" in address:
        return None
    cell = nbformat.v4.new_code_cell(_CODE.replace("{address}", address))
    cell["id"] = CELL_ID
    return cell


def write_copy(notebook: Path, target: Path) -> None:
    """Copy a notebook, with the cell before all others if there is an address to install from."""
    content = nbformat.read(notebook, as_version=4)
    if cell := install_cell():
        content.cells.insert(0, cell)
    target.write_text(nbformat.writes(content) + "\n", encoding="utf-8")
