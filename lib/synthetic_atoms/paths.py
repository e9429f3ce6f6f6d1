"""Where the project's own data lie."""

from __future__ import annotations

import os
from pathlib import Path

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
