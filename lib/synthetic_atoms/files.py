"""Reading and writing files so that no half-written one is ever read back."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import numpy as np
import platformdirs

from synthetic_atoms.errors import DataError


def cache_directory() -> Path:
    """Folder for work in progress and derived data: ``$SYNTHETIC_ATOMS_CACHE`` or the user's cache directory."""
    named = os.environ.get("SYNTHETIC_ATOMS_CACHE")
    return Path(named) if named else Path(platformdirs.user_cache_dir("synthetic-atoms"))


@contextmanager
def atomic_write(path: Path, mode: str = "wb") -> Iterator[IO]:
    """Open a temporary file beside ``path`` that takes its name only once it is written and on disk.

    Raises
    ------
    DataError
        If the folder cannot be written or the disk is full; ``path`` is then what it was before.
    """
    path = Path(path)
    temporary: Path | None = None
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        encoding = None if "b" in mode else "utf-8"
        with tempfile.NamedTemporaryFile(
            mode, dir=path.parent, prefix=f".{path.name}.", suffix=".part", delete=False, encoding=encoding
        ) as stream:
            temporary = Path(stream.name)
            yield stream
            stream.flush()
            os.fsync(stream.fileno())
        temporary.chmod(0o644)  # NamedTemporaryFile makes private files; ours are ordinary ones
        os.replace(temporary, path)
        temporary = None
    except OSError as error:
        raise DataError(
            f"Could not write {path}: expected a writable folder with room left, found: {error.strerror or error}."
        ) from error
    finally:
        if temporary is not None:
            temporary.unlink(missing_ok=True)


def write_npz(path: Path, arrays: Mapping[str, np.ndarray]) -> None:
    """Write arrays to a compressed ``.npz`` atomically; the same arrays give the same bytes."""
    with atomic_write(path) as stream:
        np.savez_compressed(stream, **arrays)


def read_npz(path: Path, expected: Mapping[str, str]) -> dict[str, np.ndarray]:
    """Read an ``.npz`` without pickle and check that it holds what is expected.

    Parameters
    ----------
    path
        The file.
    expected
        For each array that must be there, its dtype kinds and allowed numbers of dimensions, as in
        ``{"energy": "f1", "length": "f01"}``: the letters are ``numpy.dtype.kind`` values (``f`` float, ``iu`` any
        integer, ``U`` text), the digits the numbers of dimensions.

    Raises
    ------
    DataError
        If the file is missing, damaged, or lacks an array of the expected kind.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"Expected a data file at {path}, found none.")
    try:
        with path.open("rb") as stream:  # opened here, because numpy leaves a damaged archive open
            archive = np.load(stream, allow_pickle=False)
            if not isinstance(archive, np.lib.npyio.NpzFile):
                raise ValueError("one bare array")
            with archive:
                arrays = {name: archive[name] for name in archive.files}
        for name, array in arrays.items():
            if not isinstance(array, np.ndarray):
                raise ValueError(f"'{name}' is not an array")
    except Exception as error:  # damaged archives make zipfile, zlib and numpy raise nearly anything
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"Expected a complete .npz file at {path}, found a damaged one ({reason}).") from error
    for name, kind in expected.items():
        if name not in arrays:
            found = ", ".join(sorted(arrays)) or "nothing"
            raise DataError(f"Expected an array '{name}' in {path}, found {found}.")
        array = arrays[name]
        letters = kind.rstrip("0123456789")
        dimensions = [int(digit) for digit in kind[len(letters) :]]
        if array.dtype.kind not in letters or array.ndim not in dimensions:
            raise DataError(
                f"Expected '{name}' in {path} to have {' or '.join(map(str, dimensions))} dimension(s) and a dtype of "
                f"kind {letters!r}, found shape {array.shape} and dtype {array.dtype}."
            )
    return arrays


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal.

    Raises
    ------
    DataError
        If the file cannot be read.
    """
    digest = hashlib.sha256()
    try:
        with Path(path).open("rb") as stream:
            for block in iter(lambda: stream.read(1 << 20), b""):
                digest.update(block)
    except OSError as error:
        raise DataError(f"Expected a readable file at {path}, found: {error.strerror or error}.") from error
    return digest.hexdigest()
