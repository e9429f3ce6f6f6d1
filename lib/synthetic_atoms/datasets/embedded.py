"""The format of the dataset in the repository, which is also what generating one's own leaves behind.

A folder holds ``card.json``, ``local_energies/*.npz`` (one shard for each density) and ``total_energies.npz``:

======================== ========================= =========== ========= =========================================
array                    shape                     dtype       unit      in
======================== ========================= =========== ========= =========================================
``positions_mA``         (frames, atoms, 3)        uint16      mA        both; within the cell, as it was labelled
``cell_length_A``        () or (frames,)           float64     A         both; edge of the cubic cell
``density_g_cm3``        (frames,)                 float64     g/cm3     both
``anneal_temperature_K`` (frames,)                 float64     K         both
``temperature_K``        (frames,)                 float64     K         both
``time_ps``              (frames,)                 float64     ps        both
``trajectory``           (frames,)                 int32                 both
``local_energy_eV``      (frames, atoms)           float32     eV        both; optional in total_energies.npz
``total_energy_eV``      (frames,)                 float64     eV        total_energies.npz
``forces_eV_A``          (frames, atoms, 3)        float32     eV/A      total_energies.npz
======================== ========================= =========== ========= =========================================

Temperatures and times are NaN where unknown. ``card.json`` has at least
``free_atom_energy_eV`` (NaN if unknown) and ``sha256``, the checksum of each file; without ``symbol`` it is carbon.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike

from synthetic_atoms.datasets.containers import LocalEnergies, TotalEnergies
from synthetic_atoms.datasets.sampling import Sampling
from synthetic_atoms.errors import DataError
from synthetic_atoms.files import read_npz, sha256, write_npz

CARD = "card.json"
LOCAL = "local_energies"
TOTAL = "total_energies.npz"

# array -> (dtype written, kinds and dimensions read)
_FRAMES = {
    "positions_mA": (np.uint16, "iu3"),
    "cell_length_A": (np.float64, "f01"),
    "density_g_cm3": (np.float64, "f1"),
    "anneal_temperature_K": (np.float64, "f1"),
    "temperature_K": (np.float64, "f1"),
    "time_ps": (np.float64, "f1"),
    "trajectory": (np.int32, "iu1"),
}
_MAY_BE_NAN = ("anneal_temperature_K", "temperature_K", "time_ps")
_LOCAL = _FRAMES | {"local_energy_eV": (np.float32, "f2")}
_TOTAL = _FRAMES | {"total_energy_eV": (np.float64, "f1"), "forces_eV_A": (np.float32, "f3")}


def write_local_shard(
    path: Path,
    *,
    positions_mA: ArrayLike,
    cell_length_A: ArrayLike,
    local_energy_eV: ArrayLike,
    density_g_cm3: ArrayLike,
    anneal_temperature_K: ArrayLike,
    temperature_K: ArrayLike,
    trajectory: ArrayLike,
    time_ps: ArrayLike,
) -> None:
    """Write one shard of per-atom energies, atomically; shapes, dtypes and units are those of this module's table.

    Raises
    ------
    DataError
        If the arrays do not fit together, a position lies outside the cell, or the file cannot be written.
    """
    arrays = {
        "positions_mA": positions_mA,
        "cell_length_A": cell_length_A,
        "local_energy_eV": local_energy_eV,
        "density_g_cm3": density_g_cm3,
        "anneal_temperature_K": anneal_temperature_K,
        "temperature_K": temperature_K,
        "trajectory": trajectory,
        "time_ps": time_ps,
    }
    _write(path, arrays, _LOCAL)


def write_total_energies(
    path: Path,
    *,
    positions_mA: ArrayLike,
    cell_length_A: ArrayLike,
    total_energy_eV: ArrayLike,
    forces_eV_A: ArrayLike,
    density_g_cm3: ArrayLike,
    anneal_temperature_K: ArrayLike,
    temperature_K: ArrayLike,
    trajectory: ArrayLike,
    time_ps: ArrayLike,
    local_energy_eV: ArrayLike | None = None,
) -> None:
    """Write the cells with total energies, atomically; shapes, dtypes and units are those of this module's table.

    Raises
    ------
    DataError
        If the arrays do not fit together, a position lies outside the cell, or the file cannot be written.
    """
    arrays = {
        "positions_mA": positions_mA,
        "cell_length_A": cell_length_A,
        "total_energy_eV": total_energy_eV,
        "forces_eV_A": forces_eV_A,
        "density_g_cm3": density_g_cm3,
        "anneal_temperature_K": anneal_temperature_K,
        "temperature_K": temperature_K,
        "trajectory": trajectory,
        "time_ps": time_ps,
    }
    if local_energy_eV is not None:
        arrays["local_energy_eV"] = local_energy_eV
    _write(path, arrays, _TOTAL | _LOCAL if local_energy_eV is not None else _TOTAL)


def read_card(folder: Path) -> dict:
    """``card.json``, checked.

    Raises
    ------
    DataError
        If it is missing, damaged, or lacks ``free_atom_energy_eV`` or ``sha256``.
    """
    path = Path(folder) / CARD
    try:
        card = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise DataError(f"Expected a dataset's card at {path}, found: {error.strerror}.") from error
    except ValueError as error:
        raise DataError(f"Expected a dataset's card in JSON at {path}, found: {error}.") from error
    needed = {"free_atom_energy_eV": (int, float), "sha256": dict}
    for key, kind in needed.items():
        if not isinstance(card, dict) or not isinstance(card.get(key), kind):
            raise DataError(f"Expected an entry '{key}' in {path}, found none of the right type.")
    return {"symbol": "C"} | card


def is_dataset(folder: Path) -> bool:
    """Whether a folder holds a dataset in this format."""
    return (folder / CARD).is_file()


def read_local(folder: Path, file: str, card: Mapping) -> dict[str, np.ndarray]:
    """The arrays of one shard, checked against the card.

    Raises
    ------
    DataError
        If the file is missing, damaged or not the one that the card describes.
    """
    return _read(folder, file, card, _LOCAL)


def read_total(folder: Path, card: Mapping) -> dict[str, np.ndarray]:
    """The arrays of the cells with total energies, checked as in :func:`read_local`."""
    return _read(folder, TOTAL, card, _TOTAL)


def iter_local(
    folder: Path, sampling: Sampling, name: str, part: frozenset[int] | None = None
) -> Iterator[LocalEnergies]:
    """One :class:`LocalEnergies` for each shard from which the sample takes something, by increasing density.

    With ``part``, only the trajectories of these numbers count.

    Raises
    ------
    DataError
        If a file is missing, damaged or not the one that the card describes.
    """
    card = read_card(folder)
    shards = sorted(file for file in card["sha256"] if file.startswith(f"{LOCAL}/"))
    if not shards:
        raise DataError(f"Expected shards '{LOCAL}/*.npz' in {folder / CARD}, found none.")
    wanted = part
    if sampling.n_trajectories is not None:
        numbers = [number for file in shards for number in read_local(folder, file, card)["trajectory"].tolist()]
        wanted = set(sampling.choose_trajectories([n for n in numbers if part is None or n in part]))
    for file in shards:
        arrays = read_local(folder, file, card)
        trajectories = arrays["trajectory"].tolist()
        mine = [index for index, number in enumerate(trajectories) if wanted is None or number in wanted]
        if not mine:
            continue
        frames = np.array(mine)[sampling.choose_frames([trajectories[index] for index in mine])]
        energies = arrays["local_energy_eV"][frames].astype(np.float64).ravel()
        yield LocalEnergies(**_common(arrays, frames, card, name), local_energy_eV=energies)


def load_total(folder: Path, name: str) -> TotalEnergies:
    """The cells with total energies.

    Raises
    ------
    DataError
        If the file is missing, damaged or not the one that the card describes.
    """
    card = read_card(folder)
    arrays = read_total(folder, card)
    frames = np.arange(len(arrays["positions_mA"]))
    local = arrays.get("local_energy_eV")
    return TotalEnergies(
        **_common(arrays, frames, card, name),
        total_energy_eV=arrays["total_energy_eV"],
        forces_eV_A=arrays["forces_eV_A"].astype(np.float64).reshape(-1, 3),
        local_energy_eV=None if local is None else local.astype(np.float64).ravel(),
    )


def _common(arrays: dict, frames: np.ndarray, card: dict, name: str) -> dict:
    """What both kinds of container take from a file's arrays."""
    positions = arrays["positions_mA"][frames]
    lengths = np.broadcast_to(arrays["cell_length_A"], len(arrays["positions_mA"]))[frames]
    names = ("density_g_cm3", "anneal_temperature_K", "temperature_K", "time_ps", "trajectory")
    return {
        **{key: arrays[key][frames] for key in names},
        "positions_A": positions.reshape(-1, 3) / 1000.0,
        "frame": np.repeat(np.arange(len(frames)), positions.shape[1]),
        "cells_A": lengths[:, None, None] * np.eye(3),
        "symbol": card["symbol"],
        "free_atom_energy_eV": float(card["free_atom_energy_eV"]),
        "name": name,
    }


def _read(folder: Path, file: str, card: Mapping, schema: Mapping) -> dict[str, np.ndarray]:
    path = folder / file
    expected = card["sha256"].get(file)
    if expected is None:
        raise DataError(f"Expected the checksum of {file} in {folder / CARD}, found none.")
    found = sha256(path)
    if found != expected:
        raise DataError(
            f"Expected {path} with the SHA-256 checksum {expected[:12]}... that is in {CARD}, found {found[:12]}...: "
            "the file was damaged or changed."
        )
    arrays = read_npz(path, {name: kinds for name, (_, kinds) in schema.items()})
    _check(arrays, path)
    return arrays


def _write(path: Path, arrays: Mapping[str, ArrayLike], schema: Mapping) -> None:
    converted = {}
    for name, value in arrays.items():
        array, dtype = np.asarray(value), schema[name][0]
        converted[name] = array.astype(dtype)
        if np.issubdtype(dtype, np.integer) and not np.array_equal(converted[name], array):
            raise DataError(f"Expected '{name}' for {path} to fit into {np.dtype(dtype)}, found other numbers.")
    _check(converted, path)
    write_npz(path, converted)


def _check(arrays: Mapping[str, np.ndarray], path: Path) -> None:
    """Shapes that fit together, finite numbers, and positions within the cell."""
    shape = arrays["positions_mA"].shape
    if len(shape) != 3 or 0 in shape or shape[2] != 3:
        raise DataError(f"Expected 'positions_mA' of {path} to have shape (frames, atoms, 3), found {shape}.")
    per_frame, per_atom = shape[:1], shape[:2]
    shapes = dict.fromkeys(_FRAMES, per_frame) | {
        "local_energy_eV": per_atom,
        "total_energy_eV": per_frame,
        "forces_eV_A": shape,
        "positions_mA": shape,
    }
    if arrays["cell_length_A"].ndim == 0:
        shapes["cell_length_A"] = ()
    for name in shapes.keys() & arrays.keys():
        array = arrays[name]
        if array.shape != shapes[name]:
            raise DataError(f"Expected '{name}' of {path} to have shape {shapes[name]}, found {array.shape}.")
        if array.dtype.kind == "f" and name not in _MAY_BE_NAN and not np.isfinite(array).all():
            raise DataError(f"Expected finite numbers in '{name}' of {path}, found NaN or inf.")
    edges = np.broadcast_to(np.rint(1000 * arrays["cell_length_A"]), per_frame)
    highest = arrays["positions_mA"].reshape(len(edges), -1).max(axis=1)
    beyond = np.flatnonzero(highest > edges)
    if beyond.size:
        frame = beyond[0]
        raise DataError(
            f"Expected positions within the cell of {edges[frame]:.0f} mA in frame {frame + 1} of {path}, "
            f"found {highest[frame]} mA."
        )
