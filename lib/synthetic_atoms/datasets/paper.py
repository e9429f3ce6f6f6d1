"""The authors' own data: C-SYNTH-23M (MIT licence) and C-GAP-17 (CC BY-NC-SA 4.0).

C-SYNTH-23M is on Zenodo (doi 10.5281/zenodo.7704087): 546 files ``results/density-<rho>-T-<T>.extxyz``, one for each
trajectory, each with 211 frames (0 to 210 ps) of 200 atoms, labelled by the C-GAP-17 potential in the per-atom column
``gap17_energy``. The headers have ``density`` (g/cm3), ``anneal_T`` (K), ``run_id`` and ``time`` (ps), and atoms may
lie slightly outside the cell. C-GAP-17 (doi 10.1103/PhysRevB.95.094203) has DFT energies; the paper uses its 64-atom
``bulk_amo`` cells.

Both are read from a folder: one that the reader names, or the one that ``synthetic-atoms fetch`` has filled.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

from ase import Atoms

from synthetic_atoms.datasets.collector import Collector
from synthetic_atoms.datasets.containers import LocalEnergies, TotalEnergies
from synthetic_atoms.datasets.extxyz import header, parse_frame, split_frames, trajectory_key
from synthetic_atoms.datasets.fetch import fetched_folder
from synthetic_atoms.datasets.sampling import Sampling
from synthetic_atoms.errors import DataError

FOLDER_VARIABLE = "SYNTHETIC_ATOMS_PAPER_DATA"
N_TRAJECTORIES = 546
FREE_ATOM_ENERGY_EV = -148.314002
"""Energy of the free carbon atom (eV) in C-GAP-17, the ``e0`` of the potential."""

_SYNTHETIC = "C-SYNTH-23M"
_QUANTUM = "C-GAP-17"
_QUANTUM_FILES = ("C-GAP-17.extxyz", "bulk_amo.extxyz")
_QUANTUM_ATOMS = 64
_WHAT_TO_DO = {
    _SYNTHETIC: "download and unpack carbon-data-v1.0.zip from https://doi.org/10.5281/zenodo.7704087",
    _QUANTUM: f"download {_QUANTUM_FILES[0]} (for example from load-atoms, database/C-GAP-17; its origin is https://doi.org/10.17863/CAM.7453)",
}


def named_folder(dataset: str) -> Path | None:
    """The folder in ``paper:/path/to/folder``, else the one in ``$SYNTHETIC_ATOMS_PAPER_DATA``, else None.

    Raises
    ------
    DataError
        If it does not exist.
    """
    named = dataset.partition(":")[2] or os.environ.get(FOLDER_VARIABLE, "")
    if not named:
        return None
    folder = Path(named).expanduser()
    if not folder.is_dir():
        raise DataError(f"Expected the paper's data in the folder {folder}, found no such folder.")
    return folder


def _fetched(name: str) -> Path:
    """The folder that ``synthetic-atoms fetch`` has filled."""
    folder = fetched_folder()
    if not folder.is_dir():
        raise DataError(
            f"Expected {name} in {folder}, found no such folder: run 'synthetic-atoms fetch', or {_WHAT_TO_DO[name]}, "
            f"and name its folder as dataset=paper:/path/to/folder or in the environment variable {FOLDER_VARIABLE}."
        )
    return folder


def iter_local(folder: Path | None, sampling: Sampling) -> Iterator[LocalEnergies]:
    """One :class:`LocalEnergies` for each trajectory of the sample, in the order of the file names.

    Only one trajectory is in memory at a time.

    Raises
    ------
    DataError
        If there are no such data, or a file is not what is expected: the message names file and frame.
    """
    folder = folder or _fetched(_SYNTHETIC)
    paths = sorted(folder.rglob("density-*-T-*.extxyz"))
    if not paths:
        raise DataError(
            f"Expected files results/density-<rho>-T-<T>.extxyz in {folder}, found none: {_WHAT_TO_DO[_SYNTHETIC]} "
            "there."
        )
    collector = _collector(len(paths))
    for path in sampling.choose_trajectories(paths):
        frames = split_frames(path)
        places = [f"frame {number + 1} of {path}" for number in range(len(frames))]
        headers = [header(frame, place) for frame, place in zip(frames, places, strict=True)]
        keys = [trajectory_key(fields, path.stem) for fields in headers]
        if len(set(keys)) > 1:
            raise DataError(f"Expected one trajectory in {path}, found {', '.join(map(str, dict.fromkeys(keys)))}.")
        for number in sampling.choose_frames(keys):
            collector.add_local(parse_frame(frames[number], places[number]), keys[number], places[number])
        yield collector.take_local()


def _collector(n_trajectories: int) -> Collector:
    """A partial download is told from the whole by its name."""
    extent = "" if n_trajectories == N_TRAJECTORIES else f" ({n_trajectories} of {N_TRAJECTORIES} trajectories)"
    return Collector(name=f"{_SYNTHETIC}{extent}", symbol="C", default_free_atom_energy_eV=FREE_ATOM_ENERGY_EV)


def load_total(folder: Path | None) -> TotalEnergies:
    """The 64-atom ``bulk_amo`` cells of C-GAP-17 with their DFT (LDA) energies and forces.

    Raises
    ------
    DataError
        If there are no such data, or a file is not what is expected: the message names file and frame.
    """
    collector = Collector(
        name=f"{_QUANTUM}, {_QUANTUM_ATOMS}-atom bulk_amo",
        symbol="C",
        default_free_atom_energy_eV=FREE_ATOM_ENERGY_EV,
    )
    for number, (atoms, where) in enumerate(_iter_cells(folder)):
        if len(atoms) == _QUANTUM_ATOMS and atoms.info.get("config_type", "bulk_amo") == "bulk_amo":
            collector.add_total(atoms, number, where)
    return collector.take_total()


def _iter_cells(folder: Path | None) -> Iterator[tuple[Atoms, str]]:
    """All structures of C-GAP-17, and how to name each in a message."""
    folder = folder or _fetched(_QUANTUM)
    paths = [path for name in _QUANTUM_FILES for path in sorted(folder.rglob(name))]
    if not paths:
        what = _WHAT_TO_DO[_QUANTUM]
        raise DataError(f"Expected {_QUANTUM_FILES[0]} in {folder}, found none: {what} and put it there.")
    for number, frame in enumerate(split_frames(paths[0])):
        where = f"frame {number + 1} of {paths[0]}"
        yield parse_frame(frame, where), where
