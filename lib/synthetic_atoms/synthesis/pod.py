"""Other sources of per-atom energies, all through LAMMPS: a POD potential of one's own, and empirical potentials."""

from __future__ import annotations

import ctypes
import json
import subprocess
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
from ase import Atoms
from jaxtyping import Float

from synthetic_atoms.errors import SyntheticAtomsError
from synthetic_atoms.synthesis.potentials import PairStyle, start_lammps
from synthetic_atoms.synthesis.protocol import mass_u

DESCRIPTORS = """\
species {symbol}
rin 0.7
rcut 3.9
bessel_polynomial_degree 4
inverse_polynomial_degree 8
onebody 1
twobody_number_radial_basis_functions 8
threebody_number_radial_basis_functions 6
threebody_angular_degree 5
fourbody_number_radial_basis_functions 4
fourbody_angular_degree 3
fivebody_number_radial_basis_functions 0
fivebody_angular_degree 0
"""
"""What a POD potential is made of: one- to four-body terms within 3.9 A."""

FITTING = """\
file_format extxyz
file_extension xyz
path_to_training_data_set "train"
fitting_weight_energy 100
fitting_weight_force {force_weight}
fitting_regularization_parameter 1e-8
error_analysis_for_training_data_set 0
basename_for_output_files fitted
precision_for_pod_coefficients 12
"""

_BOX = ("units metal", "atom_style atomic", "atom_modify map array sort 0 0", "boundary p p p")


def fit_pod(
    cells: Sequence[Atoms],
    energies_eV: Sequence[float] | Float[np.ndarray, " cells"],
    forces_eV_A: Sequence[np.ndarray] | None,
    folder: Path | str,
) -> PairStyle:
    """Fit a proper orthogonal descriptor potential (doi 10.1016/j.jcp.2023.112030) with LAMMPS' ``fitpod``.

    It is linear in its coefficients, so that a fit is one least-squares problem: seconds for hundreds of cells.

    Parameters
    ----------
    cells, energies_eV, forces_eV_A
        Cells of one element with total energies (eV) and forces (eV/A, (atoms, 3) each); None to fit energies only.
    folder
        Where the potential's two files go; it is created.

    Returns
    -------
    PairStyle
        The fitted interaction.

    Raises
    ------
    SyntheticAtomsError
        If the fit fails.
    """
    folder, symbol = Path(folder), cells[0].get_chemical_symbols()[0]
    weight = 0 if forces_eV_A is None else 1
    if forces_eV_A is None:
        forces_eV_A = [np.zeros((len(atoms), 3)) for atoms in cells]
    (folder / "train").mkdir(parents=True, exist_ok=True)
    with (folder / "train" / "cells.xyz").open("w") as stream:
        for atoms, energy, forces in zip(cells, energies_eV, forces_eV_A, strict=True):
            vectors = " ".join(f"{value:.10g}" for value in atoms.cell.array.ravel())
            stream.write(f'{len(atoms)}\nLattice="{vectors}" Properties=species:S:1:pos:R:3:forces:R:3 ')
            stream.write(f'energy={float(energy):.10f} pbc="T T T"\n')
            for row in np.hstack([atoms.positions, forces]):
                stream.write(f"{symbol} " + " ".join(f"{value:.8f}" for value in row) + "\n")
    (folder / "descriptors.pod").write_text(DESCRIPTORS.format(symbol=symbol))
    (folder / "fitting.pod").write_text(FITTING.format(force_weight=weight))
    # fitpod writes into the current folder, and ends the whole process if it fails: it gets one of its own.
    commands = [
        *_BOX, "region cell block 0 8 0 8 0 8", "create_box 1 cell", f"mass 1 {mass_u(symbol)}",
        "fitpod descriptors.pod fitting.pod",
    ]  # fmt: skip
    code = (
        "import json, sys\nfrom synthetic_atoms.synthesis.potentials import start_lammps\n"
        "engine = start_lammps()\nfor line in json.loads(sys.argv[1]): engine.command(line)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, json.dumps(commands)], cwd=folder, capture_output=True, text=True
    )
    fitted = folder / "fitted_coefficients.pod"
    if done.returncode or not fitted.is_file():
        said = (done.stderr.strip() or done.stdout.strip() or "nothing").splitlines()[-1]
        raise SyntheticAtomsError(f"Expected LAMMPS' fitpod to fit {len(cells)} cells, found: {said}.")
    return PairStyle("pod", f'* * "{folder / "descriptors.pod"}" "{fitted}" {symbol}')


def local_energies(interaction: PairStyle, frames: Iterable[Atoms]) -> list[Float[np.ndarray, " atoms"]]:
    """Per-atom energies (eV) that LAMMPS gives for periodic orthorhombic cells of one element.

    Raises
    ------
    SyntheticAtomsError
        If LAMMPS refuses the interaction or gives numbers that are not finite.
    """
    engine = start_lammps()
    found = []
    try:
        for atoms in frames:
            n, symbol = len(atoms), atoms.get_chemical_symbols()[0]
            x, y, z = map(float, atoms.cell.lengths())
            engine.command("clear")
            for line in (
                *_BOX, f"region cell block 0 {x!r} 0 {y!r} 0 {z!r}", "create_box 1 cell", f"mass 1 {mass_u(symbol)}",
            ):  # fmt: skip
                engine.command(line)
            positions = atoms.get_positions(wrap=True).ravel()
            engine.create_atoms(n, list(range(1, n + 1)), [1] * n, (ctypes.c_double * (3 * n))(*positions))
            for line in (*interaction.commands(), "compute local all pe/atom", "run 0 post no"):
                engine.command(line)
            energies = np.array(engine.numpy.extract_compute("local", 1, 1)[:n], dtype=float)
            order = np.array(engine.numpy.extract_atom("id")[:n])
            if len(order) != n or not np.isfinite(energies).all():
                raise SyntheticAtomsError(f"found {len(order)} of {n} atoms, or energies that are not finite")
            found.append(energies[np.argsort(order)])
    except Exception as error:
        message = " ".join(str(error).split()).rstrip(".")
        raise SyntheticAtomsError(f"Expected per-atom energies from {interaction}, found: {message}.") from error
    finally:
        engine.close()
    return found
