"""Quantum-mechanical energies and forces: GFN1-xTB by tblite, the stand-in for the paper's DFT, or any calculator."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.data import atomic_numbers, ground_state_magnetic_moments

from synthetic_atoms.errors import MissingDependencyError, ParameterError, SyntheticAtomsError
from synthetic_atoms.synthesis.method import CalculatorSpec

ELECTRONIC_TEMPERATURE_K = 1500.0
"""Fermi smearing; high enough for the self-consistent charges of every liquid frame to converge."""


def gfn1_xtb(multiplicity: int | None = None) -> Calculator:
    """An ASE calculator for GFN1-xTB (doi 10.1021/acs.jctc.7b00118), Gamma point only in periodic cells.

    Energies are electronic free energies at :data:`ELECTRONIC_TEMPERATURE_K`, which the forces are derivatives of.
    """
    try:
        from tblite.ase import TBLite
    except ImportError as error:
        raise MissingDependencyError(
            "Quantum-mechanical labels need GFN1-xTB: expected the package 'tblite' (the 'synthesis' extra), "
            f"found none ({error})."
        ) from error
    return TBLite(
        method="GFN1-xTB",
        electronic_temperature=ELECTRONIC_TEMPERATURE_K,
        accuracy=0.1,
        max_iterations=500,
        multiplicity=multiplicity,
        verbosity=0,
    )


def label(atoms: Atoms, calculator: Callable[[], Calculator] = gfn1_xtb) -> tuple[float, np.ndarray]:
    """Total energy (eV) and forces (eV/A, shape (atoms, 3)) of a cell.

    Raises
    ------
    SyntheticAtomsError
        If the calculation does not converge or gives a number that is not finite.
    """
    atoms = atoms.copy()
    atoms.calc = calculator()
    try:
        energy = float(atoms.get_potential_energy())
        forces = np.asarray(atoms.get_forces())
    except Exception as error:  # each calculator has errors of its own
        message = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise SyntheticAtomsError(
            f"A cell of {len(atoms)} atoms was expected to get an energy, but the calculation stopped: {message}."
        ) from error
    if not (np.isfinite(energy) and np.isfinite(forces).all()):
        raise SyntheticAtomsError(
            f"A cell of {len(atoms)} atoms was expected to get a finite energy, found {energy} eV."
        )
    return energy, forces


def free_atom_energy(symbol: str = "C", calculator: CalculatorSpec | None = None) -> float:
    """Energy (eV) of the isolated atom, by default in GFN1-xTB with the unpaired electrons of its ground state.

    Raises
    ------
    ParameterError
        If the calculator gives none; the energy can be given instead.
    """
    atoms = Atoms(symbol)
    if calculator is None:
        atoms.calc = gfn1_xtb(multiplicity=int(ground_state_magnetic_moments[atomic_numbers[symbol]]) + 1)
        return float(atoms.get_potential_energy())
    atoms.calc = calculator.make()
    try:
        energy = float(atoms.get_potential_energy())
    except Exception as error:
        message = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        raise ParameterError(
            f"Expected the energy of an isolated {symbol} atom from {calculator}, found: {message}; give it as "
            "free_atom_energy_eV."
        ) from error
    if not np.isfinite(energy):
        raise ParameterError(f"Expected a finite energy of an isolated {symbol} atom, found {energy} eV.")
    return energy
