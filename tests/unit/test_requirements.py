"""The lock, the conda environment and the declared dependencies say the same."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parents[2]


def locked_lines() -> list[str]:
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def pins() -> dict[str, str]:
    return dict(line.split("==") for line in locked_lines())


def declared() -> list[Requirement]:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"].values()
    return [Requirement(text) for text in [*project["dependencies"], *(text for extra in extras for text in extra)]]


def test_lock_has_nothing_but_exact_versions_in_order():
    lines = locked_lines()
    assert list(pins()) == sorted(pins())
    assert all(re.fullmatch(r"[a-z0-9-]+==[0-9][0-9a-z.]*", line) for line in lines)
    assert not {"pip", "setuptools", "wheel", "synthetic-atoms"} & set(pins())


def test_conda_environment_has_the_same_pins():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    (pip,) = [entry["pip"] for entry in environment["dependencies"] if isinstance(entry, dict)]
    assert pip == locked_lines()
    assert "python=3.11" in environment["dependencies"]


@pytest.mark.parametrize("requirement", declared(), ids=str)
def test_every_dependency_is_locked_at_a_version_that_it_allows(requirement):
    version = pins()[canonicalize_name(requirement.name)]
    assert requirement.specifier.contains(version)


def test_torch_is_exact():
    assert pins()["torch"] == "2.13.0"
    assert "torch==2.13.0" in [str(requirement) for requirement in declared()]
