"""Named sets of parameters (``notebooks/profiles/*.yaml``), and parameters written as text."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

from synthetic_atoms.book import project
from synthetic_atoms.book.parameters import Common, chapter_model, validate
from synthetic_atoms.errors import ParameterError, suggest

PUBLISHED_PROFILE = "book"
"""Profile whose values the published book was run with."""

NEUTRAL = ("profile", "compute", "use_store")
"""Parameters that say where results come from, not which results: they never make a page differ from the published."""


def profiles_directory() -> Path:
    """Folder of the profiles, one YAML file each."""
    return project.root() / "notebooks" / "profiles"


def profile_names() -> list[str]:
    """Names of the profiles that exist."""
    return sorted(path.stem for path in profiles_directory().glob("*.yaml"))


def read_yaml(path: Path) -> Any:
    """Contents of a YAML file; :class:`ParameterError` if it cannot be read."""
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise ParameterError(f"Expected a YAML file at {path}, found one that cannot be read ({reason}).") from None


def load_profile(name: str) -> dict[str, dict[str, Any]]:
    """Values that a profile sets, by chapter and parameter, checked against every chapter's schema.

    Raises
    ------
    ParameterError
        If there is no such profile, or it holds an unknown chapter or a value that is not allowed.
    """
    if name not in profile_names():
        raise ParameterError(f"Unknown profile {name!r}{suggest(name, profile_names())}")
    path = profiles_directory() / f"{name}.yaml"
    content = read_yaml(path)
    if not isinstance(content, dict) or not all(isinstance(values, dict) for values in content.values()):
        raise ParameterError(f"Expected {path} to map chapters to parameters and values, found something else.")
    for chapter, values in content.items():
        if "profile" in values:
            raise ParameterError(f"Expected no 'profile' among the values in {path}, found one for chapter {chapter}.")
        validate(chapter, values, source=str(path))
    return content


def resolve(chapter: str, profile: str = PUBLISHED_PROFILE, values: Mapping[str, Any] | None = None) -> Common:
    """A chapter's parameters: the profile's values, then ``values`` over them.

    Raises
    ------
    ParameterError
        If the chapter or profile does not exist, or a value is not allowed.
    """
    chapter_model(chapter)
    values = dict(values or {})
    if "profile" in values:
        raise ParameterError("Expected the profile to be chosen with --profile, found it among the parameters.")
    return validate(chapter, {**load_profile(profile).get(chapter, {}), **values, "profile": profile})


def differences(chapter: str, parameters: Common) -> dict[str, tuple[Any, Any]]:
    """Parameters that are not as in the published book, as ``{name: (value, published value)}``."""
    published = resolve(chapter, PUBLISHED_PROFILE).model_dump()
    return {
        name: (value, published[name])
        for name, value in parameters.model_dump().items()
        if name not in NEUTRAL and value != published[name]
    }


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML reads it, and ``1e4`` as the number that everyone means by it."""


def _exponent(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int | float:
    number = float(loader.construct_scalar(node))
    return int(number) if number.is_integer() else number


_Loader.add_implicit_resolver("!exponent", re.compile(r"^[-+]?[0-9]+[eE][-+]?[0-9]+$"), list("-+0123456789"))
_Loader.add_constructor("!exponent", _exponent)


def parse_assignments(assignments: Sequence[str]) -> dict[str, Any]:
    """Parse ``name=value`` texts, the values written in YAML.

    Raises
    ------
    ParameterError
        If a text has no ``=``, names a parameter twice, or its value is not YAML.
    """
    values: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        name = name.strip()
        if not equals or not name:
            raise ParameterError(f"Expected a parameter as name=value, found {assignment!r}.")
        if name in values:
            raise ParameterError(f"Expected each parameter once, found {name!r} twice.")
        try:
            values[name] = yaml.load(text, Loader=_Loader)
        except (yaml.YAMLError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ParameterError(f"Expected the value of {name!r} in YAML, found {text!r} ({reason}).") from None
    return values


def parameters_file(path: Path) -> dict[str, Any]:
    """Parameters by name from a YAML file; :class:`ParameterError` if it holds anything else."""
    content = read_yaml(path)
    if not isinstance(content, dict) or not all(isinstance(name, str) for name in content):
        raise ParameterError(f"Expected {path} to map names of parameters to values, found something else.")
    return content
