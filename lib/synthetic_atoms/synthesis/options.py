"""What a user may ask ``synthetic-atoms generate`` for, from a YAML file or the command line."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any

import yaml
from ase.data import chemical_symbols

from synthetic_atoms.errors import ParameterError
from synthetic_atoms.synthesis.method import CalculatorSpec, Method
from synthetic_atoms.synthesis.plan import Plan
from synthetic_atoms.synthesis.potentials import LCBOP, TERSOFF, PairStyle, pair_style
from synthetic_atoms.synthesis.protocol import PAPER_PROTOCOL, SHORT_PROTOCOL
from synthetic_atoms.synthesis.teacher import GapSettings

_WHOLE = ("cells", "crystals", "snapshots", "atoms_per_cell", "atoms_per_frame", "seed")
_LISTS = {"densities_g_cm3": float, "anneal_temperatures_K": int}
_METHOD = ("element", "driver", "relaxer", "qm", "labeller")
KEYS = (*_METHOD, *_WHOLE, "trajectories", *_LISTS, "protocol", "cell_protocol", "teacher", "free_atom_energy_eV")
"""What a plan's YAML file may hold."""

_PAIR = ("pair_style", "pair_coeff", "units", "atom_style", "commands")
_CALCULATOR = ("calculator", "arguments")


class _Loader(yaml.SafeLoader):
    """YAML 1.1 as PyYAML reads it, and ``1e4`` as the number that everyone means by it."""


_Loader.add_implicit_resolver(
    "tag:yaml.org,2002:float", re.compile(r"^[-+]?[0-9]+(\.[0-9]*)?[eE][-+]?[0-9]+$"), list("-+0123456789")
)


def parse_yaml(text: str, where: str) -> Any:
    """A value written in YAML, with ``1e4`` as a number.

    Raises
    ------
    ParameterError
        If it is not YAML.
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError) as error:
        reason = " ".join(str(error).split())
        raise ParameterError(f"Expected YAML as {where}, found something else ({reason}).") from None


def read_plan(path: Path) -> dict[str, Any]:
    """The content of a plan's YAML file; its values are checked by :func:`make_plan`.

    Raises
    ------
    ParameterError
        If the file cannot be read, or holds anything but known keys.
    """
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ParameterError(f"Expected a plan in YAML at {path}, found: {error}.") from None
    content = parse_yaml(text, f"the plan {path}")
    return _mapping({} if content is None else content, KEYS, f"the plan {path}")


def make_plan(values: Mapping[str, Any], work: Path | None = None) -> tuple[Plan, GapSettings]:
    """The plan and the teacher's settings that some values by name (:data:`KEYS`) ask for.

    Parameters
    ----------
    values
        As in a plan's YAML file; what is not named is as in the embedded dataset. ``driver`` and ``relaxer`` are
        mappings with ``pair_style`` and ``pair_coeff`` (and ``units``, ``atom_style``, ``commands``), or like ``qm``
        and ``labeller`` ``module:callable`` or a mapping with ``calculator`` and ``arguments``.
    work
        Where the work folder is made.

    Raises
    ------
    ParameterError
        If a name is unknown, or a value is of the wrong type or not possible.
    """
    values = _mapping(values, KEYS, "the plan")
    known: dict[str, Any] = {"work": work, "method": _method(values)}
    for name in _WHOLE:
        if name in values:
            known[name] = _number(values[name], int, name)
    for name, kind in _LISTS.items():
        if name in values:
            given = values[name] if isinstance(values[name], list | tuple) else [values[name]]
            known[name] = tuple(_number(value, kind, name) for value in given)
    if "trajectories" in values:
        given = values["trajectories"]
        known["trajectories"] = given if isinstance(given, str) else _number(given, int, "trajectories")
    if values.get("free_atom_energy_eV") is not None:
        known["free_atom_energy_eV"] = _number(values["free_atom_energy_eV"], float, "free_atom_energy_eV")
    for name, default in (("protocol", PAPER_PROTOCOL), ("cell_protocol", SHORT_PROTOCOL)):
        known[name] = _filled(default, values.get(name), name)
    if known["method"].labeller is not None and values.get("teacher"):
        raise ParameterError("Expected either a labeller or settings of the teacher, found both.")
    return Plan(**known), _filled(GapSettings(), values.get("teacher"), "teacher")


def _method(values: Mapping[str, Any]) -> Method:
    element = values.get("element", "C")
    if not isinstance(element, str):  # YAML reads No, nobelium, as false
        raise ParameterError(f"Expected the symbol of an element as 'element', in quotes if need be, found {element}.")
    driver = values.get("driver")
    if driver is None and element != "C" and element in chemical_symbols:
        raise ParameterError(f"Expected a driver for {element}, found none: the default is a potential of carbon.")
    relaxer: PairStyle | CalculatorSpec | None = LCBOP if driver is None else None
    if "relaxer" in values:
        relaxer = _interaction(values["relaxer"], "relaxer")
    return Method(
        element=element,
        driver=TERSOFF if driver is None else _interaction(driver, "driver"),
        relaxer=relaxer,
        qm=_calculator(values.get("qm"), "qm"),
        labeller=_calculator(values.get("labeller"), "labeller"),
    )


def _interaction(value: Any, name: str) -> PairStyle | CalculatorSpec | None:
    if not isinstance(value, Mapping) or not set(value) & set(_PAIR):
        return _calculator(value, name)
    value = _mapping(value, _PAIR, f"'{name}'")
    if "pair_style" not in value:
        raise ParameterError(f"Expected 'pair_style' in '{name}', found {', '.join(value)}.")
    options = {key: _text(value[key], f"{name}.{key}") for key in ("units", "atom_style") if key in value}
    return pair_style(
        _text(value["pair_style"], f"{name}.pair_style"),
        _texts(value.get("pair_coeff", "* *"), f"{name}.pair_coeff"),
        commands=_texts(value.get("commands", []), f"{name}.commands"),
        **options,
    )


def _calculator(value: Any, name: str) -> CalculatorSpec | None:
    if value is None:
        return None
    if isinstance(value, str):
        return CalculatorSpec.of(value)
    value = _mapping(value, _CALCULATOR, f"'{name}'")
    arguments = value.get("arguments") or {}
    if not isinstance(arguments, Mapping) or not all(isinstance(key, str) for key in arguments):
        raise ParameterError(
            f"Expected the arguments of '{name}' by name, as in {{method: GFN2-xTB}}, found {arguments}."
        )
    return CalculatorSpec.of(_text(value.get("calculator"), f"{name}.calculator"), arguments)


def _mapping(value: Any, known: Sequence[str], where: str) -> dict[str, Any]:
    """A mapping with known keys only."""
    if not isinstance(value, Mapping):
        raise ParameterError(f"Expected {where} to map names to values, found {value!r}.")
    for key in value:
        if key not in known:
            close = difflib.get_close_matches(str(key), known, n=1, cutoff=0.5)
            hint = f"did you mean '{close[0]}'?" if close else f"expected one of {', '.join(known)}."
            raise ParameterError(f"Unknown key '{key}' in {where}; {hint}")
    return dict(value)


def _filled(default: Any, value: Any, name: str) -> Any:
    """A dataclass of numbers with some of them replaced."""
    if value is None:
        return default
    value = _mapping(value, [field.name for field in fields(default)], f"'{name}'")
    numbers = {key: _number(one, type(getattr(default, key)), f"{name}.{key}") for key, one in value.items()}
    return type(default)(**{field.name: getattr(default, field.name) for field in fields(default)} | numbers)


def _number(value: Any, kind: type, name: str) -> int | float:
    """An integer, or a finite number."""
    fits = isinstance(value, int | float) and not isinstance(value, bool) and abs(value) < float("inf")
    if not fits or (kind is int and value != int(value)):
        what = "an integer" if kind is int else "a number"
        raise ParameterError(f"Expected {what} as '{name}', found {value!r}.")
    return kind(value)


def _text(value: Any, name: str) -> str:
    if not isinstance(value, str):
        raise ParameterError(f"Expected a text as '{name}', found {value!r}.")
    return value


def _texts(value: Any, name: str) -> list[str]:
    return [_text(one, name) for one in (value if isinstance(value, list | tuple) else [value])]


def parse_range(text: str, name: str) -> list[Any]:
    """Numbers separated by commas, or ``FROM:TO:STEP`` with both ends, as on the command line.

    Raises
    ------
    ParameterError
        If it is neither.
    """
    try:
        if ":" not in text:
            return [parse_yaml(part, name) for part in text.split(",")]
        first, last, step = (float(part) for part in text.split(":"))
        count = round((last - first) / step)
        if not 0 <= count < 10_000 or abs(first + count * step - last) > 1e-6:
            raise ValueError
    except (ValueError, ZeroDivisionError, OverflowError):
        raise ParameterError(f"Expected numbers A,B,... or FROM:TO:STEP as '{name}', found '{text}'.") from None
    return [round(first + step * i, 6) for i in range(count + 1)]


def from_texts(
    *,
    given: Mapping[str, Any],
    ranges: Mapping[str, str | None],
    mappings: Mapping[str, str | None],
    calculators: Mapping[str, tuple[str | None, str | None]],
    pair_style: str | None,
    pair_coeff: Sequence[str],
) -> dict[str, Any]:
    """A plan's values by name from the command line; None stands for what was not given.

    Raises
    ------
    ParameterError
        If a text cannot be read, or belongs to an option that was not given.
    """
    values = {name: value for name, value in given.items() if value is not None}
    if str(values.get("trajectories")).isdecimal():
        values["trajectories"] = int(values["trajectories"])
    values |= {name: parse_range(text, name) for name, text in ranges.items() if text is not None}
    values |= {name: parse_yaml(text, f"'{name}'") for name, text in mappings.items() if text is not None}
    for name, (calculator, arguments) in calculators.items():
        if calculator is not None:
            values[name] = {"calculator": calculator, "arguments": parse_yaml(arguments or "{}", f"'{name}'")}
        elif arguments is not None:
            raise ParameterError(f"Expected --{name} with --{name}-args, found only the arguments.")
    if pair_style is not None:
        if "driver" in values:
            raise ParameterError("Expected one driver, found both --pair-style and --driver.")
        values["driver"] = {"pair_style": pair_style, "pair_coeff": list(pair_coeff) or "* *"}
    elif pair_coeff:
        raise ParameterError("Expected --pair-style with --pair-coeff, found only the coefficients.")
    return values
