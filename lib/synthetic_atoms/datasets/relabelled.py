"""The embedded structures with another potential's per-atom energies: what depends on the teacher?

``data/labels/<dataset>.npz`` holds ``local_energy_eV`` (environments,), float32, in the order of the embedded data, and
``structures``, the fingerprint of the data that it belongs to.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float

from synthetic_atoms.datasets.containers import LocalEnergies
from synthetic_atoms.datasets.sampling import Sampling
from synthetic_atoms.errors import DataError
from synthetic_atoms.files import read_npz, write_npz
from synthetic_atoms.paths import data_directory

_ARRAYS = {"local_energy_eV": "f1", "structures": "U0"}
_DIGITS = 4  # a tenth of a millielectronvolt


def labels_file(dataset: str) -> Path:
    """Where the energies of a dataset such as ``embedded-pod`` lie."""
    return data_directory() / "labels" / f"{dataset}.npz"


def write_labels(dataset: str, data: LocalEnergies, energy_eV: Float[np.ndarray, " environments"]) -> Path:
    """Keep other per-atom energies (eV) of the embedded data, to a tenth of a meV.

    Raises
    ------
    DataError
        If their number is not that of the environments, or one is not finite.
    """
    if energy_eV.shape != (data.n_environments,) or not np.isfinite(energy_eV).all():
        raise DataError(
            f"Expected {data.n_environments} finite energies for '{dataset}', found {len(energy_eV)}"
            f"{'' if np.isfinite(energy_eV).all() else ', some not finite'}."
        )
    path = labels_file(dataset)
    arrays = {
        "local_energy_eV": np.round(energy_eV, _DIGITS).astype(np.float32),
        "structures": np.array(data.fingerprint),
    }
    write_npz(path, arrays)
    return path


def relabelled(dataset: str, data: LocalEnergies) -> LocalEnergies:
    """The embedded data with the energies of a dataset such as ``embedded-pod``.

    Raises
    ------
    DataError
        If there are none, or they belong to other structures.
    """
    path = labels_file(dataset)
    arrays = read_npz(path, _ARRAYS)
    if str(arrays["structures"]) != data.fingerprint or len(arrays["local_energy_eV"]) != data.n_environments:
        raise DataError(
            f"Expected the labels in {path} to belong to the embedded data, found those of others: make them again "
            f"(synthetic-atoms relabel {dataset})."
        )
    return replace(data, local_energy_eV=arrays["local_energy_eV"].astype(np.float64), name=dataset)


def iter_local(dataset: str, data: LocalEnergies, sampling: Sampling) -> Iterator[LocalEnergies]:
    """The same, or a sample of it, in one part; ``data`` is all of the embedded data."""
    full = relabelled(dataset, data)
    if sampling.n_trajectories is not None:
        full = full.select_trajectories(sampling.choose_trajectories(full.trajectory.tolist()))
    yield full.select_frames(sampling.choose_frames(full.trajectory.tolist()))
