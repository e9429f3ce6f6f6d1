"""Rows of numbers in a temporary file: written in any order, read a block at a time, never in memory as a whole."""

from __future__ import annotations

import tempfile
from types import TracebackType

import numpy as np
from jaxtyping import Float32, Int

from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.files import cache_directory


class RowFile:
    """A table of float32 numbers on disk.

    It has the shape of the features of some environments in the order in which a model reads them. That order is random
    with respect to the files of the feature cache, so it is made once, on disk, and then read from start to end. Plain
    reads and writes are used instead of a memory map: what the process holds stays at one block, whatever the number
    of rows. The file has no name, lies in the cache directory, and is gone when it is closed or the process ends.

    Parameters
    ----------
    n_rows, n_columns
        The shape.

    Raises
    ------
    ParameterError
        If the shape is empty.
    DataError
        If the cache directory has no room for it.
    """

    dtype = np.dtype(np.float32)

    def __init__(self, n_rows: int, n_columns: int) -> None:
        if n_rows < 1 or n_columns < 1:
            raise ParameterError(f"Expected a table with rows and columns, found shape ({n_rows}, {n_columns}).")
        self.shape = (n_rows, n_columns)
        self._row_bytes = n_columns * self.dtype.itemsize
        folder = cache_directory()
        try:
            folder.mkdir(parents=True, exist_ok=True)
            self._stream = tempfile.TemporaryFile(dir=folder, buffering=0)  # noqa: SIM115 (closed in __exit__)
            self._stream.truncate(n_rows * self._row_bytes)
        except OSError as error:
            raise self._no_room(error) from error

    def __enter__(self) -> RowFile:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stream.close()

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: slice) -> Float32[np.ndarray, "rows columns"]:
        """A block of rows, as a new array."""
        start, stop, step = key.indices(len(self))
        if step != 1:
            raise ParameterError(f"Expected a block of rows without gaps, found a step of {step}.")
        count = max(stop - start, 0)
        self._stream.seek(start * self._row_bytes)
        values = np.fromfile(self._stream, dtype=self.dtype, count=count * self.shape[1])
        return values.reshape(count, self.shape[1])

    def __setitem__(self, places: Int[np.ndarray, " rows"], rows: Float32[np.ndarray, "rows columns"]) -> None:
        """Write rows at some places.

        Raises
        ------
        DataError
            If the disk is full.
        """
        rows = np.ascontiguousarray(rows, dtype=self.dtype)
        try:
            for place, row in zip(places.tolist(), rows, strict=True):
                self._stream.seek(place * self._row_bytes)
                self._stream.write(row.data)
        except OSError as error:
            raise self._no_room(error) from error

    def take(self, places: Int[np.ndarray, " rows"]) -> Float32[np.ndarray, "rows columns"]:
        """Some rows, as an array in memory."""
        found = np.empty((len(places), self.shape[1]), dtype=self.dtype)
        for row, place in zip(found, places.tolist(), strict=True):
            self._stream.seek(place * self._row_bytes)
            self._stream.readinto(row.data)
        return found

    def part(self, start: int, stop: int) -> RowFilePart:
        """Some of the rows, numbered from zero."""
        return RowFilePart(self, start, stop)

    def _no_room(self, error: OSError) -> DataError:
        return DataError(
            f"Expected room for {self.shape[0] * self._row_bytes / 1e9:.1f} GB in {cache_directory()}, found: "
            f"{error.strerror or error}; SYNTHETIC_ATOMS_CACHE names another folder."
        )


class RowFilePart:
    """The rows from ``start`` to ``stop`` of a :class:`RowFile`."""

    def __init__(self, rows: RowFile, start: int, stop: int) -> None:
        self.rows, self.start, self.stop = rows, start, stop

    def __len__(self) -> int:
        return self.stop - self.start

    def __getitem__(self, key: slice) -> Float32[np.ndarray, "rows columns"]:
        start, stop, _ = key.indices(len(self))
        return self.rows[self.start + start : self.start + stop]
