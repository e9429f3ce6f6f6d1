"""Labels of the embedded structures from potentials other than the teacher."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
from jaxtyping import Float

from synthetic_atoms.datasets import LocalEnergies, TotalEnergies, load_local_energies, load_total_energies
from synthetic_atoms.datasets.relabelled import labels_file, relabelled, write_labels
from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.paths import RELABELLED
from synthetic_atoms.synthesis import pod

ROUNDING_eV = 5e-3
"""Labels made again on another machine differ by less than this."""


def pod_labels(data: LocalEnergies, cells: TotalEnergies) -> Float[np.ndarray, " environments"]:
    """Per-atom energies (eV) of a POD potential that is fitted to all cells, energies and forces."""
    known = [cells.atoms(i) for i in range(cells.n_frames)]
    forces = [one.get_forces() for one in known]
    with tempfile.TemporaryDirectory(prefix="pod-") as folder:
        interaction = pod.fit_pod(known, cells.total_energy_eV, forces, folder)
        return np.concatenate(pod.local_energies(interaction, (data.atoms(i) for i in range(data.n_frames))))


def relabel(dataset: str) -> Path:
    """Make the labels of a dataset such as ``embedded-pod`` and keep them; the file that they are in.

    Labels that are there already and differ by rounding only stay as they are, so that stored results still belong to
    them.

    Raises
    ------
    ParameterError
        If there is no such dataset.
    SyntheticAtomsError
        If the potential cannot be fitted or evaluated.
    """
    if dataset not in RELABELLED:
        raise ParameterError(f"Expected one of {', '.join(RELABELLED)}, found '{dataset}'.")
    data, cells = load_local_energies("embedded"), load_total_energies("embedded")
    energy = pod_labels(data, cells)
    if labels_file(dataset).is_file():
        try:
            present = relabelled(dataset, data).local_energy_eV
        except DataError:  # damaged, or those of other structures
            present = np.full(len(energy), np.inf)
        if np.abs(present - energy).max() <= ROUNDING_eV:
            return labels_file(dataset)
    return write_labels(dataset, data, energy)
