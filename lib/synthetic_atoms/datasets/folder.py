"""Anyone's data: extended XYZ files with a per-atom energy column."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from synthetic_atoms.datasets.collector import Collector
from synthetic_atoms.datasets.containers import LocalEnergies, TotalEnergies
from synthetic_atoms.datasets.extxyz import find_files, header, parse_frame, split_frames, trajectory_key
from synthetic_atoms.datasets.sampling import Sampling


def iter_local(folder: Path, sampling: Sampling, energy_column: str | None) -> Iterator[LocalEnergies]:
    """One :class:`LocalEnergies` for each file from which the sample takes something, in the order of their names.

    A frame belongs to the trajectory that its header names (``run_id`` or ``trajectory``); without such a field, each
    file is a trajectory. Reading takes about 3 s per million atoms on one core.

    Parameters
    ----------
    folder
        A folder with files ``*.extxyz`` or ``*.xyz``, at any depth, or one such file.
    sampling
        Which trajectories and frames are read.
    energy_column
        Name of the per-atom column; None to find ``local_energy`` or ``gap17_energy``.

    Raises
    ------
    DataError
        If a file is not what is expected: the message names file and frame.
    """
    paths = find_files(folder)
    chosen = _choose(folder, paths, sampling)
    collector = Collector(name=folder.name, energy_column=energy_column)
    for path in paths:
        frames = split_frames(path)
        default = default_key(folder, path)
        numbers = range(len(frames)) if chosen is None else chosen[path]
        for number in numbers:
            where = f"frame {number + 1} of {path}"
            atoms = parse_frame(frames[number], where)
            collector.add_local(atoms, trajectory_key(atoms.info, default), where)
        if len(numbers):
            yield collector.take_local()


def load_total(path: Path, *, symbol: str | None = None, name: str | None = None) -> TotalEnergies:
    """Cells with total energies and forces from an extended XYZ file.

    A cell belongs to the trajectory that its header names; without such a field it is one of its own.

    Raises
    ------
    DataError
        If the file is not what is expected: the message names file and frame.
    """
    collector = Collector(name=name or path.name, symbol=symbol)
    for number, frame in enumerate(split_frames(path)):
        where = f"frame {number + 1} of {path}"
        atoms = parse_frame(frame, where)
        collector.add_total(atoms, trajectory_key(atoms.info, number), where)
    return collector.take_total()


def default_key(folder: Path, path: Path) -> str:
    """Name of the trajectory of a file whose frames name none: its path in the folder, without the suffix."""
    return path.stem if folder == path else path.relative_to(folder).with_suffix("").as_posix()


def _choose(folder: Path, paths: list[Path], sampling: Sampling) -> dict[Path, list[int]] | None:
    """Indices of the frames to read in each file; None for all of them.

    Only headers are looked at: a trajectory may be spread over files, and a file may hold several.
    """
    if sampling.takes_everything:
        return None
    places, keys = [], []
    for path in paths:
        default = default_key(folder, path)
        for number, frame in enumerate(split_frames(path)):
            places.append((path, number))
            keys.append(trajectory_key(header(frame, f"frame {number + 1} of {path}"), default))
    wanted = set(sampling.choose_trajectories(keys))
    mine = [index for index, key in enumerate(keys) if key in wanted]
    chosen: dict[Path, list[int]] = {path: [] for path in paths}
    for index in sampling.choose_frames([keys[index] for index in mine]):
        path, number = places[mine[index]]
        chosen[path].append(number)
    return chosen
