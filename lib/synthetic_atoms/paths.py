"""Where the project's own data lie."""

from __future__ import annotations

import os
from pathlib import Path

import platformdirs

from synthetic_atoms.errors import DataError


def data_directory() -> Path:
    """The repository's ``data`` folder, or ``$SYNTHETIC_ATOMS_DATA``.

    Raises
    ------
    DataError
        If there is no such folder (as when the package was installed without its repository).
    """
    named = os.environ.get("SYNTHETIC_ATOMS_DATA")
    folder = Path(named) if named else Path(__file__).resolve().parents[2] / "data"
    if not folder.is_dir():
        raise DataError(
            f"Expected the project's data in {folder}, found no such folder: run from a clone of the repository, or "
            "set SYNTHETIC_ATOMS_DATA to its data folder."
        )
    return folder


OWN_DATASETS = ("embedded", "embedded-all")
"""Names of the project's own data: the part that stored results were made with, and all of them."""

RELABELLED = ("embedded-pod",)
"""Names of the same structures with labels of other potentials."""


def user_data_directory() -> Path:
    """Folder for what a user wants to keep: results on data of their own, and the authors' data once fetched.

    ``$SYNTHETIC_ATOMS_USER_DATA``, or the system's place for a user's data; no cache, so that no cleaning touches it.
    """
    named = os.environ.get("SYNTHETIC_ATOMS_USER_DATA")
    return Path(named) if named else Path(platformdirs.user_data_dir("synthetic-atoms"))


def is_own(dataset: str) -> bool:
    """Whether a dataset is in the repository, so that results on it are kept there too."""
    return dataset in (*OWN_DATASETS, *RELABELLED)


def records_directory(dataset: str = "embedded") -> Path:
    """Where the results of fits are kept: with the project for its own data, else in :func:`user_data_directory`."""
    return (data_directory() if is_own(dataset) else user_data_directory()) / "records"
