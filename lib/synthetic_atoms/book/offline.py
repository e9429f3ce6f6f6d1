"""One archive per chapter with all that running it again needs, so that nothing has to be looked for elsewhere."""

from __future__ import annotations

import zipfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml

from synthetic_atoms.book import project
from synthetic_atoms.files import atomic_write

SUFFIX = "-offline.zip"
"""How the archives' names end, after the name of the chapter."""

PROJECT = (
    "lib", "notebooks/profiles", "_config.yml", "_toc.yml", "environment.yml", "pyproject.toml", "requirements.lock",
    "Makefile", "README.md", "LICENSE",
)  # fmt: skip
"""What every chapter needs of the project."""

DATA = (
    "data/embedded/card.json", "data/embedded/README.md", "data/embedded/local_energies", "data/labels",
    "data/published", "data/records/trajectories.json",
)  # fmt: skip
"""The data that every chapter needs."""

MORE_DATA: dict[str, tuple[str, ...]] = {
    "01_dataset": (
        "data/embedded/total_energies.npz", "data/embedded/teacher.tar.xz", "data/records/teacher_settings.csv",
    ),
    "02_descriptors_and_models": ("data/records",),
    "03_learning_curves": ("data/records",),
    "04_gpr_insights": ("data/records",),
    "05_pretraining": ("data/records", "data/embedded/total_energies.npz", "data/models"),
    "06_structure_maps": ("data/records", "data/embedded/total_energies.npz", "data/models", "data/maps"),
    "07_technical_details": ("data/records", "data/embedded/total_energies.npz"),
    "08_claims": ("data/records", "data/embedded/total_energies.npz", "data/maps"),
}  # fmt: skip
"""The data that one chapter needs besides."""

EARLIEST = (1980, 1, 1, 0, 0, 0)
"""The time that files in the archive have: the same files give the same bytes."""


def _files(root: Path, names: tuple[str, ...]) -> Iterator[Path]:
    for name in names:
        path = root / name
        found = [path] if path.is_file() else sorted(path.rglob("*"))
        for file in found:
            relative = file.relative_to(root)
            hidden = any(part.startswith(".") or part.endswith((".egg-info", "__pycache__")) for part in relative.parts)
            if file.is_file() and not hidden:
                yield relative


def _instructions(chapter: str, profile: str) -> str:
    return (
        f"# {chapter}, to run again\n\n"
        "This folder has the chapter's notebook, the library, the data that it reads and the versions of every "
        "package. Set up once (this fetches the packages; nothing later needs a network):\n\n"
        "```bash\nmake setup\n```\n\n"
        "Run it as the book has it, with the parameters in `parameters.yaml`:\n\n"
        f"```bash\n.venv/bin/synthetic-atoms run {chapter} --profile {profile} -f parameters.yaml\n```\n\n"
        f"Change one: `-p NAME=VALUE`; `.venv/bin/synthetic-atoms parameters {chapter}` lists them. Or open "
        f"`notebooks/{chapter}.ipynb` in JupyterLab.\n"
    )


def write(chapter: str, parameters: Mapping[str, Any], output: Path) -> None:
    """Write the archive (.zip) of one chapter and the parameters that it was run with.

    The same files give the same bytes.

    Raises
    ------
    DataError
        If the archive cannot be written.
    """
    root, top = project.root(), f"synthetic-atoms-{chapter}"
    profile = parameters["profile"]
    values = {name: value for name, value in parameters.items() if name != "profile"}
    texts = {
        "RUN.md": _instructions(chapter, profile),
        "parameters.yaml": yaml.safe_dump(values, sort_keys=False, allow_unicode=True),
    }
    own = (f"notebooks/{chapter}.py", f"notebooks/{chapter}.ipynb")
    names = sorted(set(_files(root, (*PROJECT, *own, *DATA, *MORE_DATA[chapter]))))
    with atomic_write(output) as stream, zipfile.ZipFile(stream, "w") as archive:
        for name, content in [*texts.items(), *((path.as_posix(), (root / path).read_bytes()) for path in names)]:
            member = zipfile.ZipInfo(f"{top}/{name}", EARLIEST)
            member.compress_type, member.external_attr = zipfile.ZIP_DEFLATED, 0o644 << 16
            archive.writestr(member, content)
