"""Extended XYZ files, frame by frame, so that a damaged file is noticed and the damage located.

ASE reads each frame; the splitting is done here because ASE stops without a word at the first blank line and accepts
a last number that was cut short.
"""

from __future__ import annotations

from collections.abc import Iterable
from io import StringIO
from pathlib import Path

import ase.io
from ase import Atoms
from ase.io.extxyz import key_val_str_to_dict

from synthetic_atoms.errors import DataError
from synthetic_atoms.files import atomic_write

SUFFIXES = (".extxyz", ".xyz")
"""File names that are taken for extended XYZ."""

TRAJECTORY_FIELDS = ("run_id", "trajectory")
"""Header fields that name the trajectory of a frame, in order of preference."""


def find_files(folder: Path) -> list[Path]:
    """All extended XYZ files in a folder and the folders below it, sorted; a file stands for itself.

    Raises
    ------
    DataError
        If there is none.
    """
    if folder.is_file():
        return [folder]
    found = (path for path in folder.rglob("*") if path.suffix in SUFFIXES and not path.name.startswith("."))
    paths = sorted(path for path in found if path.is_file())
    if not paths:
        raise DataError(f"Expected files named *.extxyz or *.xyz in {folder}, found none.")
    return paths


def split_frames(path: Path) -> list[str]:
    """The text of each frame of an extended XYZ file.

    Raises
    ------
    DataError
        If the file cannot be read, is empty, or does not consist of whole frames.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = " ".join(str(getattr(error, "strerror", None) or error).split())
        raise DataError(f"Expected a readable extended XYZ file at {path}, found: {reason}.") from error
    if not text.strip():
        raise DataError(f"Expected at least one frame in {path}, found an empty file.")
    if not text.endswith("\n"):
        raise DataError(
            f"Expected the last line of {path} to end with a line break, found none: the file was probably cut short."
        )
    lines = text.rstrip().split("\n")
    frames, start = [], 0
    while start < len(lines):
        where = f"frame {len(frames) + 1} of {path} (line {start + 1})"
        count = lines[start].strip()
        if not (count.isascii() and count.isdigit() and int(count) > 0):
            raise DataError(f"Expected a number of atoms at the start of {where}, found {count[:40]!r}.")
        stop = start + 2 + int(count)
        if stop > len(lines):
            found = max(len(lines) - start - 2, 0)
            raise DataError(f"Expected {count} atoms in {where}, found {found} before the end of the file.")
        frames.append("\n".join(lines[start:stop]) + "\n")
        start = stop
    return frames


def header(frame: str, where: str) -> dict:
    """Fields of a frame's comment line, as ASE understands them.

    Raises
    ------
    DataError
        If the line is not in extended XYZ format.
    """
    try:
        return key_val_str_to_dict(frame.split("\n", 2)[1])
    except Exception as error:  # ASE raises whatever the conversion of a value raises
        raise DataError(f"Expected a header in extended XYZ format in {where}, found: {_reason(error)}.") from error


def trajectory_key(info: dict, default: str | int) -> str | int:
    """What a frame's header says of its trajectory: a number, or a name; ``default`` if it says nothing."""
    for field in TRAJECTORY_FIELDS:
        if field in info:
            value = info[field]
            try:
                return int(value) if int(value) == value else str(value)
            except (TypeError, ValueError, OverflowError):
                return str(value)
    return default


def parse_frame(frame: str, where: str) -> Atoms:
    """One frame as :class:`ase.Atoms`.

    Raises
    ------
    DataError
        If ASE cannot read it.
    """
    try:
        return ase.io.read(StringIO(frame), format="extxyz")
    except Exception as error:  # ASE raises whatever the conversion of a value raises
        raise DataError(f"Expected a frame in extended XYZ format in {where}, found: {_reason(error)}.") from error


def write_frames(path: Path, frames: Iterable[Atoms]) -> None:
    """Write frames of one element to an extended XYZ file; every number is written with all its digits.

    Per-atom arrays, ``info`` and, if there is a calculator, energy and forces are written.

    Raises
    ------
    DataError
        If the file cannot be written; it is then what it was before.
    """
    with atomic_write(path, "w") as stream:
        for atoms in frames:
            stream.write(_format_frame(atoms))


def _format_frame(atoms: Atoms) -> str:
    columns = {"pos": atoms.positions}
    columns |= {name: array for name, array in atoms.arrays.items() if name not in ("numbers", "positions")}
    info = dict(atoms.info)
    if atoms.calc is not None:
        info["energy"] = atoms.calc.results["energy"]
        columns["forces"] = atoms.calc.results["forces"]
    properties = ":".join(f"{name}:R:{array[0].size}" for name, array in columns.items())
    lattice = " ".join(repr(value) for value in atoms.cell.array.ravel().tolist())
    fields = [f'Lattice="{lattice}"', f"Properties=species:S:1:{properties}"]
    fields += [f"{key}={_quoted(value)}" for key, value in info.items()]
    lines = [str(len(atoms)), " ".join([*fields, 'pbc="T T T"'])]
    values = [value for array in columns.values() for value in array.reshape(len(atoms), -1).T.tolist()]
    for symbol, *row in zip(atoms.get_chemical_symbols(), *values, strict=True):
        lines.append(f"{symbol} " + " ".join(map(repr, row)))
    return "\n".join(lines) + "\n"


def _quoted(value: float | int | str) -> str:
    if not isinstance(value, str):
        return repr(value)
    text = " ".join(value.split()).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


def _reason(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__).rstrip(".")
