"""Write requirements.lock and environment.yml from what is installed here.

Run in an environment in which the project's dependencies (all extras) are installed and its tests pass:
``.venv/bin/python .ci/lock.py``. Only what the project needs, directly or through others, is locked.
"""

from __future__ import annotations

import tomllib
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from packaging.version import Version

ROOT = Path(__file__).resolve().parents[1]
EXTRAS = ("cluster", "pdf", "synthesis", "test")
UNLOCKED = {"pip", "setuptools", "wheel"}

HEADER = """\
# Every package that the project needs, at the version that it was tested with (Python 3.11, Linux).
# Written by .ci/lock.py. torch is exact in pyproject.toml too: any other version may bring gigabytes of CUDA.
"""

ENVIRONMENT = """\
# conda env create -f environment.yml && conda activate synthetic-atoms && pip install --no-deps -e .
# The same pins as requirements.lock; written by .ci/lock.py.
name: synthetic-atoms
channels:
  - conda-forge
dependencies:
  - python=3.11
  - pip
  - pip:
"""


def locked() -> dict[str, str]:
    """Version by name of all that ``pyproject.toml`` leads to."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    texts = [*project["dependencies"]]
    for extra in EXTRAS:
        texts += project["optional-dependencies"][extra]
    waiting = [Requirement(text) for text in texts]
    found: dict[str, str] = {}
    seen: set[tuple[str, frozenset[str]]] = set()
    while waiting:
        requirement = waiting.pop()
        name = canonicalize_name(requirement.name)
        extras = frozenset(requirement.extras)
        if (name, extras) in seen or name in UNLOCKED:
            continue
        seen.add((name, extras))
        version = Version(metadata.version(name))
        if not requirement.specifier.contains(version, prereleases=True):
            raise SystemExit(f"Expected {requirement}, found {name} {version} installed.")
        found[name] = version.public  # without a local part such as '+cpu', which other machines do not have
        for text in metadata.requires(name) or []:
            needed = Requirement(text)
            if needed.marker is None or any(needed.marker.evaluate({"extra": extra}) for extra in ("", *extras)):
                waiting.append(needed)
    return found


def main() -> None:
    """Write both files."""
    pins = [f"{name}=={version}" for name, version in sorted(locked().items())]
    (ROOT / "requirements.lock").write_text(HEADER + "\n".join(pins) + "\n", encoding="utf-8")
    (ROOT / "environment.yml").write_text(
        ENVIRONMENT + "\n".join(f"      - {pin}" for pin in pins) + "\n", encoding="utf-8"
    )


if __name__ == "__main__":
    main()
