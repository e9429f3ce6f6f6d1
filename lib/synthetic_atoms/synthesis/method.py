"""With what a dataset is made: the element, what drives the atoms, the quantum mechanics, and who labels atoms."""

from __future__ import annotations

import importlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ase.calculators.calculator import Calculator
from ase.data import chemical_symbols

from synthetic_atoms.errors import MissingDependencyError, ParameterError
from synthetic_atoms.synthesis.potentials import LCBOP, TERSOFF, PairStyle


@dataclass(frozen=True)
class CalculatorSpec:
    """An ASE calculator by name, so that only text travels to other processes and machines.

    Attributes
    ----------
    name
        ``module:callable``, such as ``tblite.ase:TBLite``.
    arguments
        Keyword arguments of the callable, in JSON with sorted keys.
    """

    name: str
    arguments: str = "{}"

    @classmethod
    def of(cls, name: str, arguments: Mapping[str, Any] | None = None) -> CalculatorSpec:
        """A calculator by name and keyword arguments.

        Raises
        ------
        ParameterError
            If the name is not ``module:callable``, or an argument is more than numbers, texts, lists and mappings.
        """
        module, _, attribute = name.partition(":")
        if not all(part.isidentifier() for part in [*module.split("."), *attribute.split(".")]):
            raise ParameterError(f"Expected a calculator as module:callable, found '{name}'.")
        try:
            text = json.dumps(dict(arguments or {}), sort_keys=True, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ParameterError(f"Expected plain values as arguments of {name}, found others ({error}).") from None
        return cls(name, text)

    def __str__(self) -> str:
        """As one would write it in Python."""
        given = ", ".join(f"{key}={value!r}" for key, value in json.loads(self.arguments).items())
        return f"{self.name}({given})"

    def make(self) -> Calculator:
        """A new calculator.

        Raises
        ------
        MissingDependencyError
            If the module cannot be imported.
        ParameterError
            If it has no such callable, or this does not take the arguments.
        """
        module, _, attribute = self.name.partition(":")
        try:
            found: Any = importlib.import_module(module)
        except ImportError as error:
            raise MissingDependencyError(
                f"The calculator {self.name} needs the module '{module}': expected it to be installed, found: {error}."
            ) from error
        for part in attribute.split("."):
            if not hasattr(found, part):
                raise ParameterError(f"Expected '{part}' in {module} for the calculator {self.name}, found none.")
            found = getattr(found, part)
        try:
            calculator = found(**json.loads(self.arguments))
        except Exception as error:  # anyone's code: whatever it raises, the arguments were not to its liking
            reason = " ".join(str(error).split()) or type(error).__name__
            raise ParameterError(f"Expected {self} to give a calculator, found: {reason}.") from error
        if not hasattr(calculator, "get_property"):
            raise ParameterError(f"Expected {self} to give an ASE calculator, found {type(calculator).__name__}.")
        return calculator

    def check(self, *needed: str) -> None:
        """Make one, and refuse it if it says itself that it lacks a property such as ``energies``.

        Raises
        ------
        MissingDependencyError, ParameterError
            As :meth:`make`; ParameterError also if a property is lacking.
        """
        able = getattr(self.make(), "implemented_properties", None)
        for name in needed:
            if able and name not in able:
                known = ", ".join(sorted(able))
                raise ParameterError(f"Expected a calculator that gives '{name}', found {self}, which gives {known}.")


@dataclass(frozen=True)
class Method:
    """What makes structures and labels; the defaults are the embedded dataset's.

    Attributes
    ----------
    element
        Chemical symbol of all atoms.
    driver
        Interaction of the molecular dynamics: in LAMMPS, or an ASE calculator.
    relaxer
        Interaction of the short run that ends each snapshot, of the driver's kind; None leaves it out.
    qm
        Calculator of total energies and forces; None for GFN1-xTB.
    labeller
        Calculator of per-atom energies; None for a GAP that is fitted to the quantum-mechanical cells.
    """

    element: str = "C"
    driver: PairStyle | CalculatorSpec = TERSOFF
    relaxer: PairStyle | CalculatorSpec | None = LCBOP
    qm: CalculatorSpec | None = None
    labeller: CalculatorSpec | None = None

    def __post_init__(self) -> None:
        """Refuse what does not go together."""
        if self.element not in chemical_symbols[1:]:
            raise ParameterError(f"Expected the symbol of an element, such as C or Si, found '{self.element}'.")
        if self.relaxer is not None and type(self.relaxer) is not type(self.driver):
            raise ParameterError(
                f"Expected a relaxer of the driver's kind (both LAMMPS or both ASE), found {self.driver} and "
                f"{self.relaxer}."
            )
        if isinstance(self.driver, PairStyle) and isinstance(self.relaxer, PairStyle):
            ours, theirs = ((style.units, style.atom_style) for style in (self.driver, self.relaxer))
            if ours != theirs:
                raise ParameterError(f"Expected a relaxer in the driver's units and atom style, found {theirs}.")

    @property
    def structures(self) -> tuple:
        """All that decides what a structure and its quantum-mechanical labels are."""
        return (self.element, self.driver, self.relaxer, self.qm)

    def describe(self) -> dict[str, str]:
        """The method in words."""
        return {
            "element": self.element,
            "driver": str(self.driver),
            "relaxer": str(self.relaxer) if self.relaxer else "none",
            "qm": str(self.qm) if self.qm else "GFN1-xTB (tblite), Gamma point, electronic temperature 1500 K",
            "labeller": str(self.labeller) if self.labeller else "GAP fitted to the quantum-mechanical cells",
        }


EMBEDDED_METHOD = Method()
"""Carbon driven by Tersoff's potential and relaxed with LCBOP, GFN1-xTB, and a GAP."""
