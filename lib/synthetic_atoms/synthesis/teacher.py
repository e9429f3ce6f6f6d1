"""The teacher: a Gaussian approximation potential (GAP), fitted with ``gap_fit`` and evaluated with quippy."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.io import write
from jaxtyping import Float

from synthetic_atoms.errors import DataError, MissingDependencyError, SyntheticAtomsError
from synthetic_atoms.files import atomic_write

_XML = "teacher.xml"


@dataclass(frozen=True)
class GapSettings:
    """A GAP with pair, angle and SOAP terms, all within 3.7 A as in C-GAP-17 (doi 10.1103/PhysRevB.95.094203).

    Attributes
    ----------
    delta_2b_eV, delta_3b_eV, delta_soap_eV
        Prior energy scale of each term; they decide how a cell's energy is shared among its atoms.
    n_sparse_2b, n_sparse_3b, n_sparse_soap
        Number of representative points of each term.
    cutoff_3b_A, cutoff_A
        Cutoff of the angle term, and of the pair and SOAP terms.
    n_max, l_max, atom_sigma_A, zeta
        SOAP power spectrum and the kernel's exponent.
    sigma_energy_meV, sigma_force_eV_A
        Expected errors ("regularisation") of the energy of an atom and of a force component.
    force_fraction
        Fraction of the cells whose forces are fitted as well.
    """

    delta_2b_eV: float = 10.0
    delta_3b_eV: float = 3.7
    delta_soap_eV: float = 0.02
    n_sparse_2b: int = 15
    n_sparse_3b: int = 100
    n_sparse_soap: int = 800
    cutoff_3b_A: float = 2.5
    cutoff_A: float = 3.7
    n_max: int = 8
    l_max: int = 8
    atom_sigma_A: float = 0.5
    zeta: int = 4
    sigma_energy_meV: float = 5.0
    sigma_force_eV_A: float = 0.2
    force_fraction: float = 0.1

    def descriptors(self) -> str:
        """The ``gap`` argument of ``gap_fit``."""
        pair = (
            f"distance_2b cutoff={self.cutoff_A} covariance_type=ard_se delta={self.delta_2b_eV} theta_uniform=0.5 "
            f"sparse_method=uniform n_sparse={self.n_sparse_2b} add_species=T"
        )
        angle = (
            f"angle_3b cutoff={self.cutoff_3b_A} covariance_type=ard_se delta={self.delta_3b_eV} theta_fac=0.5 "
            f"sparse_method=uniform n_sparse={self.n_sparse_3b} add_species=T"
        )
        soap = (
            f"soap cutoff={self.cutoff_A} cutoff_transition_width=0.5 n_max={self.n_max} l_max={self.l_max} "
            f"atom_sigma={self.atom_sigma_A} zeta={self.zeta} covariance_type=dot_product delta={self.delta_soap_eV} "
            f"sparse_method=cur_points n_sparse={self.n_sparse_soap} add_species=T"
        )
        return "{" + " : ".join((pair, angle, soap)) + "}"


def check_available() -> None:
    """Refuse to begin without what fits and evaluates a GAP.

    Raises
    ------
    MissingDependencyError
        If ``gap_fit`` or quippy is not installed.
    """
    _gap_fit_program()
    _potential_class()


def _potential_class() -> type:
    try:
        from quippy.potential import Potential
    except ImportError as error:
        raise MissingDependencyError(
            "Evaluating the teacher needs quippy: expected the package 'quippy-ase' (the 'synthesis' extra), "
            f"found none ({error})."
        ) from error
    return Potential


def _gap_fit_program() -> str:
    beside = Path(sys.executable).parent / "gap_fit"
    program = str(beside) if beside.exists() else shutil.which("gap_fit")
    if program is None:
        raise MissingDependencyError(
            "Fitting the teacher needs 'gap_fit': expected the package 'quippy-ase' (the 'synthesis' extra), "
            "found no such program."
        )
    return program


def _training_frame(atoms: Atoms, energy: float, forces: np.ndarray | None) -> Atoms:
    frame = Atoms(atoms.symbols, positions=atoms.positions, cell=atoms.cell, pbc=True)
    frame.info["qm_energy"] = float(energy)
    if forces is not None:
        frame.arrays["qm_force"] = np.asarray(forces, dtype=float)
    return frame


def fit(
    cells: Sequence[Atoms],
    energies_eV: Sequence[float],
    forces_eV_A: Sequence[np.ndarray],
    free_atom_energy_eV: float,
    archive: Path,
    settings: GapSettings | None = None,
    *,
    seed: int = 0,
    threads: int = 1,
) -> None:
    """Fit a GAP to total energies and to some of the forces, and store it as a compressed archive.

    Parameters
    ----------
    cells, energies_eV, forces_eV_A
        The training cells with their total energies (eV) and forces (eV/A, each of shape (atoms, 3)).
    free_atom_energy_eV
        Energy of the isolated atom: the potential's zero.
    archive
        Where the fitted potential goes (``.tar.xz``).
    settings
        The model's settings.
    seed
        Chooses the cells whose forces are fitted, and seeds ``gap_fit``.
    threads
        OpenMP threads of ``gap_fit``.

    Raises
    ------
    SyntheticAtomsError
        If ``gap_fit`` fails; the sentence ends with the last line it printed.
    """
    settings = settings or GapSettings()
    with_forces = np.random.default_rng([seed, 3]).random(len(cells)) < settings.force_fraction
    symbols = sorted({symbol for atoms in cells for symbol in atoms.get_chemical_symbols()})
    frames = [
        _training_frame(atoms, energy, forces if use else None)
        for atoms, energy, forces, use in zip(cells, energies_eV, forces_eV_A, with_forces, strict=True)
    ]
    with tempfile.TemporaryDirectory(prefix="gap-fit-") as folder:
        write(Path(folder) / "cells.extxyz", frames, format="extxyz")
        command = [
            _gap_fit_program(),
            "at_file=cells.extxyz",
            f"gap={settings.descriptors()}",
            f"default_sigma={{{settings.sigma_energy_meV / 1000} {settings.sigma_force_eV_A} 0.0 0.0}}",
            "energy_parameter_name=qm_energy",
            "force_parameter_name=qm_force",
            "virial_parameter_name=none",
            "e0={" + ":".join(f"{symbol}:{free_atom_energy_eV!r}" for symbol in symbols) + "}",
            "do_copy_at_file=F",
            "sparse_separate_file=T",
            "sparse_jitter=1.0e-8",
            f"rnd_seed={seed + 1}",
            f"gp_file={_XML}",
        ]
        environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "OPENBLAS_NUM_THREADS": str(threads)}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, errors="replace")
        if done.returncode != 0 or not (Path(folder) / _XML).exists():
            said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
            raise SyntheticAtomsError(
                f"gap_fit was expected to fit {len(cells)} cells, but ended with status {done.returncode}: {said}"
            )
        _pack(Path(folder), archive)


def _pack(folder: Path, archive: Path) -> None:
    """The fitted XML and its representative points, with times and owners left out so that bytes repeat."""
    found = re.search(rb"GAP_[0-9_]+", (folder / _XML).read_bytes())  # gap_fit names the potential by the clock
    label = found.group() if found else b"GAP_teacher"
    with atomic_write(archive) as stream, tarfile.open(fileobj=stream, mode="w:xz", preset=9) as tar:
        for path in sorted(folder.glob(f"{_XML}*")):
            content = path.read_bytes().replace(label, b"GAP_teacher")
            member = tarfile.TarInfo(path.name.replace(label.decode(), "GAP_teacher"))
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))


class Teacher:
    """A fitted GAP that gives total and per-atom energies.

    Parameters
    ----------
    archive
        The ``.tar.xz`` that :func:`fit` wrote.

    Raises
    ------
    DataError
        If the archive is missing or damaged.
    MissingDependencyError
        If quippy is not installed.
    """

    def __init__(self, archive: Path) -> None:
        if not Path(archive).is_file():
            raise DataError(f"Expected a fitted teacher at {archive}, found none.")
        potential = _potential_class()
        with tempfile.TemporaryDirectory(prefix="gap-") as folder:
            try:
                with tarfile.open(archive, "r:xz") as tar:
                    tar.extractall(folder, filter="data")
                self._potential = potential(param_filename=str(Path(folder) / _XML))
            except (tarfile.TarError, OSError, EOFError, RuntimeError, ValueError) as error:
                reason = " ".join(str(error).split()) or type(error).__name__
                raise DataError(f"Expected a complete teacher at {archive}, found a damaged one ({reason}).") from error

    @property
    def calculator(self) -> Calculator:
        """The ASE calculator behind it."""
        return self._potential

    def total(self, atoms: Atoms) -> tuple[float, Float[np.ndarray, "atoms 3"]]:
        """Total energy (eV) and forces (eV/A)."""
        atoms = atoms.copy()
        self._potential.calculate(atoms, ["energy", "forces"])
        return float(self._potential.results["energy"]), np.array(self._potential.results["forces"])

    def local_energies(self, atoms: Atoms) -> Float[np.ndarray, " atoms"]:
        """Per-atom energies in eV; they sum to the total energy."""
        atoms = atoms.copy()
        self._potential.calculate(atoms, ["energies"])
        return np.array(self._potential.results["energies"])


def summary(energy_errors_meV: Sequence[float], force_errors_eV_A: Sequence[np.ndarray]) -> dict[str, float]:
    """Root mean square and mean absolute errors of total energies (meV/atom) and forces (eV/A) over some cells.

    Parameters
    ----------
    energy_errors_meV
        Error of each cell's energy in meV per atom.
    force_errors_eV_A
        Errors of each cell's forces, each of shape (atoms, 3).
    """
    energy_error = np.array(energy_errors_meV)  # rounded below: the last digits differ from one evaluation to the next
    force_error = np.concatenate([errors.ravel() for errors in force_errors_eV_A])
    return {
        "rmse_energy_meV_per_atom": round(float(np.sqrt(np.mean(energy_error**2))), 6),
        "mae_energy_meV_per_atom": round(float(np.mean(np.abs(energy_error))), 6),
        "rmse_force_eV_A": round(float(np.sqrt(np.mean(force_error**2))), 6),
        "mae_force_eV_A": round(float(np.mean(np.abs(force_error))), 6),
        "n_cells": len(energy_error),
    }


def errors(
    teacher: Teacher, cells: Sequence[Atoms], energies_eV: Sequence[float], forces_eV_A: Sequence[np.ndarray]
) -> dict[str, float]:
    """:func:`summary` of a teacher's errors over some cells, one after the other in this process."""
    energy_errors, force_errors = [], []
    for atoms, energy, forces in zip(cells, energies_eV, forces_eV_A, strict=True):
        predicted, predicted_forces = teacher.total(atoms)
        energy_errors.append(1000 * (predicted - energy) / len(atoms))
        force_errors.append(predicted_forces - forces)
    return summary(energy_errors, force_errors)
