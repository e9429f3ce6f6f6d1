"""Where the project's files are, and what can be said about its state."""

from __future__ import annotations

import os
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement

from synthetic_atoms.errors import SyntheticAtomsError

MARKERS = ("_config.yml", "_toc.yml", "notebooks")
"""Files and folders that make a folder the root of the project."""

DISTRIBUTION = "synthetic-atoms"


class BookError(SyntheticAtomsError):
    """The book, or a file it is made of, is not as it must be."""


def root() -> Path:
    """Folder that holds ``_config.yml``, ``notebooks/`` and ``book/``.

    It is ``$SYNTHETIC_ATOMS_ROOT`` if set, else the checkout that this package was installed from, else the current
    folder or one above it.

    Raises
    ------
    BookError
        If none of them is the project's root.
    """
    named = os.environ.get("SYNTHETIC_ATOMS_ROOT")
    here = Path.cwd()
    candidates = [Path(named)] if named else [Path(__file__).resolve().parents[3], here, *here.parents]
    for candidate in candidates:
        if all((candidate / marker).exists() for marker in MARKERS):
            return candidate.resolve()
    raise BookError(
        f"Expected the project's folder (with {', '.join(MARKERS)}) at {candidates[0]} or above {here}, found none; "
        "set SYNTHETIC_ATOMS_ROOT to it."
    )


def build_directory() -> Path:
    """Folder for everything generated: ``_build`` in the project's root."""
    return root() / "_build"


def git_state(folder: Path) -> tuple[str | None, bool | None]:
    """Commit of a checkout and whether it has uncommitted changes; ``None`` where there is no git or no commit."""

    def git(*arguments: str) -> str | None:
        try:
            done = subprocess.run(["git", "-C", str(folder), *arguments], capture_output=True, text=True, timeout=60)
        except (OSError, subprocess.TimeoutExpired):
            return None
        return done.stdout.strip() if done.returncode == 0 else None

    commit = git("rev-parse", "HEAD")
    status = git("status", "--porcelain")
    return commit, None if status is None else bool(status)


def commit_time(folder: Path) -> datetime:
    """When the last commit of a checkout was made; the start of 1980, the earliest that a zip can say, without one."""
    try:
        done = subprocess.run(["git", "-C", str(folder), "log", "-1", "--format=%ct"], capture_output=True, text=True)
    except OSError:
        return datetime(1980, 1, 1, tzinfo=UTC)
    known = done.returncode == 0 and done.stdout.strip()
    return datetime.fromtimestamp(int(done.stdout), tz=UTC) if known else datetime(1980, 1, 1, tzinfo=UTC)


def direct_dependencies(extras: tuple[str, ...] = ()) -> list[Requirement]:
    """Requirements that this package declares, those of the named extras included."""
    declared = [Requirement(line) for line in metadata.requires(DISTRIBUTION) or []]
    return [
        requirement
        for requirement in declared
        if requirement.marker is None
        or requirement.marker.evaluate({"extra": ""})
        or any(requirement.marker.evaluate({"extra": extra}) for extra in extras)
    ]


def versions() -> dict[str, str]:
    """Installed version of this package and of each package that it depends on directly."""
    names = [DISTRIBUTION, *(requirement.name for requirement in direct_dependencies(("synthesis",)))]
    found = {}
    for name in sorted(names):
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def known_errors() -> dict[str, type[SyntheticAtomsError]]:
    """Every kind of expected failure, by the name that a notebook's process reports it under."""
    known: dict[str, type[SyntheticAtomsError]] = {}
    waiting: list[type[SyntheticAtomsError]] = [SyntheticAtomsError]
    while waiting:
        error = waiting.pop()
        known[error.__name__] = error
        waiting += error.__subclasses__()
    return known
