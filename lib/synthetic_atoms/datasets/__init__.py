"""Data: per-atom energies (the paper's D1) and total energies (D0), from three sources behind the same functions.

============================== ===================================================================================
``dataset``                    source
============================== ===================================================================================
``embedded``                   the part of the repository's own data that stored results were made with
                               (:mod:`~synthetic_atoms.datasets.embedded`)
``embedded-all``               all of the repository's own data
``embedded-pod``               the structures of ``embedded`` with the labels of a POD potential fitted to the same
                               cells (:mod:`~synthetic_atoms.datasets.relabelled`)
``paper``                      the authors' data: from the folder in ``$SYNTHETIC_ATOMS_PAPER_DATA`` if that is set,
                               else as fetched (:mod:`~synthetic_atoms.datasets.fetch`)
``paper:/path/to/folder``      the authors' data, from a folder already downloaded
``/path/to/folder``            data in the embedded format, if ``card.json`` is there; else extended XYZ files with a
                               per-atom energy column (:mod:`~synthetic_atoms.datasets.folder`)
``/path/to/file.extxyz``       one extended XYZ file
============================== ===================================================================================
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TypeVar

from synthetic_atoms.datasets import embedded, folder, paper, relabelled
from synthetic_atoms.datasets.containers import Frames, LocalEnergies, TotalEnergies, concatenate
from synthetic_atoms.datasets.sampling import Sampling
from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.paths import OWN_DATASETS, RELABELLED, data_directory

__all__ = [
    "Frames",
    "LocalEnergies",
    "TotalEnergies",
    "concatenate",
    "data_card",
    "iter_local_energies",
    "load_local_energies",
    "load_total_energies",
]

NOTES_VARIABLE = "SYNTHETIC_ATOMS_DATA_NOTES"
"""Environment variable with a file to which each dataset that is loaded adds a line: its name and fingerprint."""

Data = TypeVar("Data", LocalEnergies, TotalEnergies)


def load_local_energies(
    dataset: str = "embedded",
    *,
    n_trajectories: int | None = None,
    frames_per_trajectory: int | None = None,
    every: int = 1,
    energy_column: str | None = None,
    seed: int = 0,
) -> LocalEnergies:
    """Per-atom energies, or a sample of them.

    Parameters
    ----------
    dataset
        The source: see the table of :mod:`synthetic_atoms.datasets`.
    n_trajectories
        Number of trajectories, drawn at random without replacement; None for all.
    frames_per_trajectory
        Number of frames of each trajectory, its final one among them, the others drawn at random; None for all.
    every
        Keep each ``every``-th frame of a trajectory; ``frames_per_trajectory`` draws from these.
    energy_column
        Per-atom column with the energies, for extended XYZ files of one's own; None to find ``local_energy`` or
        ``gap17_energy``.
    seed
        Seeds the draws: the same arguments give the same sample.

    Raises
    ------
    DataError
        If the data are missing or not what is expected: one sentence that names the file and the frame.
    ParameterError
        If an argument is out of range.

    Examples
    --------
    >>> data = load_local_energies("embedded", n_trajectories=5, frames_per_trajectory=2)
    >>> data.n_frames
    10
    """
    parts = iter_local_energies(
        dataset,
        n_trajectories=n_trajectories,
        frames_per_trajectory=frames_per_trajectory,
        every=every,
        energy_column=energy_column,
        seed=seed,
    )
    return _noted(dataset, concatenate(list(parts)))


def iter_local_energies(
    dataset: str = "embedded",
    *,
    n_trajectories: int | None = None,
    frames_per_trajectory: int | None = None,
    every: int = 1,
    energy_column: str | None = None,
    seed: int = 0,
) -> Iterator[LocalEnergies]:
    """The same as :func:`load_local_energies`, one file after the other, so that little is in memory at a time.

    Put together, the parts are exactly what :func:`load_local_energies` returns.
    """
    sampling = Sampling(n_trajectories, frames_per_trajectory, every, seed)
    source, path = _resolve(dataset)
    if energy_column is not None and source != "folder":
        raise ParameterError(
            f"Expected 'energy_column' only with extended XYZ files of one's own, found it with dataset={dataset!r}."
        )
    if source == "paper":
        return paper.iter_local(path, sampling)
    if source == "relabelled":
        whole = concatenate(list(embedded.iter_local(path, Sampling(), "embedded", _part("embedded"))))
        return relabelled.iter_local(dataset, whole, sampling)
    if source == "embedded":
        return embedded.iter_local(path, sampling, dataset if dataset in OWN_DATASETS else path.name, _part(dataset))
    return folder.iter_local(path, sampling, energy_column)


def load_total_energies(dataset: str = "embedded") -> TotalEnergies:
    """Total energies and forces of small cells (D0): GFN1-xTB in the embedded data, DFT in the paper's.

    Parameters
    ----------
    dataset
        The source: see the table of :mod:`synthetic_atoms.datasets`. Of extended XYZ, name the file: it needs
        the header field ``energy`` and the per-atom column ``forces``.

    Raises
    ------
    DataError
        If the data are missing or not what is expected: one sentence that names the file and the frame.
    """
    source, path = _resolve(dataset)
    if source == "folder" and not path.is_file():
        raise ParameterError(f"Expected a file with total energies, such as {path}/cells.extxyz, found a folder.")
    if source == "paper":
        return _noted(dataset, paper.load_total(path))
    if source in ("embedded", "relabelled"):
        return _noted(dataset, embedded.load_total(path, name=path.name))
    return _noted(dataset, folder.load_total(path))


def _part(dataset: str) -> frozenset[int] | None:
    """Numbers of the trajectories that stored results were made with; None for all of a dataset."""
    path = data_directory() / "records" / "trajectories.json"
    if dataset != "embedded" or not path.is_file():
        return None
    try:
        return frozenset(json.loads(path.read_text(encoding="utf-8"))["embedded"])
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DataError(f"Expected the numbers of trajectories in {path}, found it unreadable.") from error


def _noted(dataset: str, data: Data) -> Data:
    """Leave a note of what was loaded in the file named by :data:`NOTES_VARIABLE`, if it is."""
    if notes := os.environ.get(NOTES_VARIABLE):
        note = {"dataset": dataset, "kind": type(data).__name__, "fingerprint": data.fingerprint}
        with contextlib.suppress(OSError), open(notes, "a", encoding="utf-8") as stream:
            stream.write(json.dumps(note | {"environments": data.n_environments}) + "\n")
    return data


def data_card(dataset: str = "embedded") -> dict | None:
    """The card of a dataset in the embedded format: provenance, statistics, checksums. None for other sources.

    Raises
    ------
    DataError
        If there is no such dataset, or its card is damaged.
    """
    source, path = _resolve(dataset)
    return embedded.read_card(path) if source == "embedded" else None


def _resolve(dataset: str) -> tuple[str, Path | None]:
    """Which source, and where it is."""
    if dataset in OWN_DATASETS:
        return "embedded", data_directory() / "embedded"
    if dataset in RELABELLED:
        return "relabelled", data_directory() / "embedded"
    if dataset == "paper" or dataset.startswith("paper:"):
        return "paper", paper.named_folder(dataset)
    path = Path(dataset).expanduser()
    if not path.exists():
        raise DataError(
            "Expected 'embedded', 'embedded-all', 'embedded-pod', 'paper', 'paper:/path/to/folder' or an existing "
            f"folder or extended XYZ file as dataset, found {dataset!r}."
        )
    return ("embedded" if path.is_dir() and embedded.is_dataset(path) else "folder"), path
