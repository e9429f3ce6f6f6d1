"""``synthetic-atoms clean``: what earlier runs left behind."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import psutil
import typer

from synthetic_atoms.book import project
from synthetic_atoms.errors import SyntheticAtomsError
from synthetic_atoms.files import cache_directory
from synthetic_atoms.paths import data_directory, user_data_directory

ABANDONED_S = 600
"""Files are written in one go: a hidden unfinished one that has not grown for so long has no writer any more."""

RUNNING = re.compile(r"\..+\.running-(\d+)")
"""Name of the hidden folder in which a process executes a chapter."""


@dataclass(frozen=True)
class Leftover:
    """Something that can be removed."""

    path: Path
    bytes: int


def _size(path: Path) -> int:
    files = [path] if path.is_file() else path.rglob("*")
    return sum(file.lstat().st_size for file in files if file.is_file())


def _unfinished(path: Path) -> bool:
    """Whether a file or folder is what a killed process left."""
    running = RUNNING.fullmatch(path.name)
    if running:
        return path.is_dir() and not psutil.pid_exists(int(running[1]))
    hidden = path.name.startswith(".") and (path.suffix == ".part" or path.name.startswith(".shared-"))
    return hidden and path.is_file() and time.time() - path.lstat().st_mtime > ABANDONED_S


def leftovers(*, cache: bool = False, build: bool = False) -> list[Leftover]:
    """What killed runs left in the cache, the data folders, ``_build`` and ``runs``; and, if asked for, all of
    the ``cache`` (descriptors, checkpoints, unfinished datasets) or of what was built.
    """

    def found() -> Iterator[Path]:
        build_folder = project.build_directory()
        if cache and cache_directory().is_dir():
            yield from cache_directory().iterdir()
        if build and build_folder.is_dir():
            yield build_folder
        for folder in (cache_directory(), user_data_directory(), data_directory(), build_folder, Path("runs")):
            if folder.is_dir():
                yield from (path for path in folder.rglob(".*") if _unfinished(path))
        yield from (path for path in Path.cwd().glob(".*.running-*") if _unfinished(path))

    chosen: list[Path] = []
    for path in found():
        if not any(path == other or path.is_relative_to(other) for other in chosen):
            chosen.append(path)
    return [Leftover(path, _size(path)) for path in chosen]


def clean(
    cache: Annotated[
        bool,
        typer.Option(
            "--cache", help="All of the cache too: descriptors, checkpoints, networks, unfinished datasets of generate."
        ),
    ] = False,
    build: Annotated[bool, typer.Option("--build", help="The built book and its executed chapters too.")] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Remove what killed runs left behind; records and the results of finished runs are never touched."""
    found = leftovers(cache=cache, build=build)
    for one in found:
        typer.echo(f"{'would remove' if dry_run else 'removing'} {one.path} ({one.bytes / 1e6:.1f} MB)")
        if dry_run:
            continue
        try:
            shutil.rmtree(one.path) if one.path.is_dir() and not one.path.is_symlink() else one.path.unlink()
        except FileNotFoundError:
            continue
        except OSError as error:
            raise SyntheticAtomsError(
                f"Expected to be allowed to remove {one.path}, found: {error.strerror or error}."
            ) from None
    typer.echo(f"{sum(one.bytes for one in found) / 1e6:.1f} MB {'to remove' if dry_run else 'removed'}.")
