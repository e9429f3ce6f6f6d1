"""Power spectra of a whole dataset, kept on disk in blocks that outlive changes of the rest of the dataset."""

from __future__ import annotations

import hashlib
import importlib.metadata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import distributed
import numpy as np
from ase import Atoms
from jaxtyping import Float32, Int, Shaped
from tqdm.auto import tqdm

from synthetic_atoms.descriptors.row_file import RowFile
from synthetic_atoms.descriptors.settings import SoapSettings, soap_settings
from synthetic_atoms.descriptors.spectrum import power_spectrum
from synthetic_atoms.errors import ParameterError
from synthetic_atoms.files import atomic_write, cache_directory
from synthetic_atoms.interfaces import Environments
from synthetic_atoms.scheduling import run_units

CACHE_FORMAT = 1
"""Goes into every key: raise it when the stored numbers change their meaning."""

DIGEST_BYTES = 16
"""Length of the digest at the end of a stored block."""

FRAMES_PER_BLOCK = 32
"""Most frames in one file of the cache; a file holds frames of one trajectory only."""

WHOLE_BLOCK_SHARE = 0.1
"""If fewer of a block's environments are asked for, only they are computed, and not stored."""

SECONDS_PER_ENVIRONMENT = {"dscribe": 1.5e-4, "quippy": 7e-4}
"""Rough cost on one core, to decide whether worker processes are worth their start."""

SECONDS_WORTH_WORKERS = 20.0


@dataclass(frozen=True)
class _Unit:
    """A block, or some of its environments, to be computed."""

    index: int
    structures: Sequence[Atoms]
    centres: Sequence[np.ndarray] | None
    soap: SoapSettings
    path: Path | None


def features(
    data: Environments,
    setting: str | SoapSettings = "tuned",
    rows: Sequence[Any] | np.ndarray | None = None,
    *,
    cache: bool = True,
    workers: int | None = None,
    out: RowFile | None = None,
) -> Float32[np.ndarray, "environments features"] | RowFile:
    """Normalised power spectra of a dataset's environments.

    They are kept under ``soap/`` in the cache directory, one ``.npy`` file for each block of at most
    :data:`FRAMES_PER_BLOCK` frames of a trajectory. A file's name is a hash of the structures, the settings and the
    version of the library that computed it, so that a growing dataset keeps what is there. A damaged file is
    computed again.

    Parameters
    ----------
    data
        The dataset.
    setting
        A name in :data:`~synthetic_atoms.descriptors.settings.SOAP_SETTINGS`, or settings.
    rows
        Indices of the environments that are wanted, in any order; all if None. Blocks without any are not touched,
        and of a missing block that has few of them (:data:`WHOLE_BLOCK_SHARE`) only those are computed.
    cache
        False to neither read nor write files; then nothing but ``rows`` is computed.
    workers
        Number of worker processes if there is much to compute (one per core if None); 0 for this process.
    out
        A file to put them into, for more environments than fit in memory; it must have their shape.

    Returns
    -------
    numpy.ndarray or RowFile
        One row for each environment, in the order of ``rows``; ``out`` if that was given.

    Raises
    ------
    ParameterError
        If the setting is unknown, ``rows`` are not indices of environments, or ``out`` is of another shape.
    DataError
        If a structure cannot be described, or the cache cannot be written.
    """
    soap = soap_settings(setting)
    wanted = _checked_rows(rows, data.n_environments)
    shape = (len(wanted), soap.n_features)
    if out is not None and out.shape != shape:
        raise ParameterError(f"Expected 'out' to have the shape {shape} of the features, found {out.shape}.")
    result = np.empty(shape, dtype=np.float32) if out is None else out
    _gather(data, soap, wanted, result, cache, workers)
    return result


def prepare(
    data: Environments,
    setting: str | SoapSettings = "tuned",
    rows: Sequence[Any] | np.ndarray | None = None,
    *,
    workers: int | None = None,
) -> None:
    """Put what :func:`features` would keep into the cache, in parallel, and nothing into memory.

    Processes that then ask for parts of these environments read them. Parameters and errors are those of
    :func:`features`.
    """
    soap = soap_settings(setting)
    wanted = _checked_rows(rows, data.n_environments)
    _gather(data, soap, wanted, _Nowhere((len(wanted), soap.n_features)), True, workers)


@dataclass(frozen=True)
class _Nowhere:
    """Takes rows and keeps none."""

    shape: tuple[int, int]

    def __setitem__(self, places: Any, vectors: Any) -> None:
        pass


def _gather(
    data: Environments,
    soap: SoapSettings,
    wanted: Int[np.ndarray, " rows"],
    result: np.ndarray | RowFile | _Nowhere,
    cache: bool,
    workers: int | None,
) -> None:
    """Read or compute each block that has wanted environments, and put their vectors into ``result``."""
    first = np.searchsorted(data.frame, np.arange(data.n_frames + 1))  # of each frame's environments
    starts = _block_starts(np.asarray(data.trajectory))  # frames
    block_of_row = np.searchsorted(starts, data.frame[wanted], side="right") - 1
    order = np.argsort(block_of_row, kind="stable")
    blocks, begin = np.unique(block_of_row[order], return_index=True)
    end = np.append(begin, len(order))[1:]

    folder = cache_directory() / "soap" / _settings_key(soap)
    places: dict[int, np.ndarray] = {}
    positions: dict[int, np.ndarray] = {}
    units: list[_Unit] = []
    for block, a, b in zip(blocks.tolist(), begin, end, strict=True):
        last = starts[block + 1] if block + 1 < len(starts) else data.n_frames
        frames = range(int(starts[block]), int(last))
        places[block] = order[a:b]
        positions[block] = wanted[order[a:b]] - first[frames.start]
        size = int(first[frames.stop] - first[frames.start])
        path = None
        if cache:
            structures = [data.atoms(i) for i in frames]
            path = folder / f"{_structures_key(structures)}.npy"
            if _fill(result, places[block], path, positions[block], size):
                continue
            if b - a >= WHOLE_BLOCK_SHARE * size:
                units.append(_Unit(block, structures, None, soap, path))
                continue
            if isinstance(result, _Nowhere):  # these are not kept
                continue
        # Only the environments that are wanted, each once.
        local = np.unique(positions[block])
        positions[block] = np.searchsorted(local, positions[block])
        offsets = first[frames.start : frames.stop + 1] - first[frames.start]
        frame_of = np.searchsorted(offsets, local, side="right") - 1
        touched = np.unique(frame_of)
        centres = [local[frame_of == i] - offsets[i] for i in touched]
        structures = [data.atoms(frames.start + int(i)) for i in touched]
        units.append(_Unit(block, structures, centres, soap, None))

    description = "SOAP power spectra"
    if workers != 0 and _worth_processes(units, soap):
        shared = folder if cache else None
        computed, failures = run_units(_compute, units, workers=workers, description=description, shared=shared)
        if failures:
            raise failures[0]
    else:
        bar = tqdm(units, desc=description, unit="block", delay=1.0, dynamic_ncols=True)
        computed = map(_compute, bar)  # one at a time: each is put into place before the next
    for block, vectors in computed:
        if isinstance(vectors, Path):
            vectors = np.load(vectors, mmap_mode="r", allow_pickle=False)
        result[places[block]] = vectors[positions[block]]


def _digest(vectors: np.ndarray) -> bytes:
    return hashlib.blake2b(np.ascontiguousarray(vectors).data, digest_size=DIGEST_BYTES).digest()


def _compute(unit: _Unit) -> tuple[int, np.ndarray | Path]:
    """The block's vectors, or the file that holds them now."""
    vectors = power_spectrum(unit.structures, unit.soap, unit.centres)
    if unit.path is None:
        return unit.index, vectors
    with atomic_write(unit.path) as stream:
        np.save(stream, vectors, allow_pickle=False)
        stream.write(_digest(vectors))  # behind the array, where numpy does not look
    return unit.index, unit.path


def _fill(
    result: Float32[np.ndarray, "rows features"] | RowFile | _Nowhere,
    places: Int[np.ndarray, " wanted"],
    path: Path,
    positions: Int[np.ndarray, " wanted"],
    size: int,
) -> bool:
    """Copy rows of a stored block into place; False if the file is not there or not whole."""
    try:
        stored = np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return False
    if stored.shape != (size, result.shape[1]) or stored.dtype != np.float32:
        return False
    with path.open("rb") as stream:
        stream.seek(stored.offset + stored.nbytes)
        digest = stream.read(DIGEST_BYTES)
    if digest and digest != _digest(stored):  # files from before there were digests have none
        return False
    vectors = stored[positions]
    # Vectors have unit length, which shows most damage inside a file of the right size.
    length = np.einsum("ij,ij->i", vectors, vectors)
    if not np.all(np.abs(length - 1.0) < 1e-3):
        return False
    result[places] = vectors
    return True


def _block_starts(trajectory: Shaped[np.ndarray, " frames"]) -> Int[np.ndarray, " blocks"]:
    """First frame of each block: where the trajectory changes, and every so many frames within one."""
    if len(trajectory) == 0:
        return np.zeros(0, dtype=np.int64)
    changes = np.flatnonzero(np.append(True, trajectory[1:] != trajectory[:-1]))
    ends = np.append(changes[1:], len(trajectory))
    return np.concatenate([np.arange(a, b, FRAMES_PER_BLOCK) for a, b in zip(changes, ends, strict=True)])


def _checked_rows(rows: Sequence[Any] | np.ndarray | None, n_environments: int) -> Int[np.ndarray, " rows"]:
    if rows is None:
        return np.arange(n_environments)
    wanted = np.asarray(rows)
    if wanted.size == 0:
        return np.zeros(0, dtype=np.int64)
    if wanted.ndim != 1 or wanted.dtype.kind not in "iu" or wanted.min() < 0 or wanted.max() >= n_environments:
        raise ParameterError(f"Expected rows as indices from 0 to {n_environments - 1}, found others.")
    return wanted.astype(np.int64)


def _settings_key(soap: SoapSettings) -> str:
    library = {"dscribe": "dscribe", "quippy": "quippy-ase"}[soap.library]
    try:
        version = importlib.metadata.version(library)
    except importlib.metadata.PackageNotFoundError:
        version = "none"
    text = f"{CACHE_FORMAT} {soap!r} {library} {version}"
    return hashlib.blake2b(text.encode(), digest_size=8).hexdigest()


def _structures_key(structures: Sequence[Atoms]) -> str:
    digest = hashlib.blake2b(digest_size=16)
    for one in structures:
        digest.update(len(one).to_bytes(8, "little"))
        for array, dtype in ((one.numbers, "<i8"), (one.positions, "<f8"), (one.cell.array, "<f8"), (one.pbc, "?")):
            digest.update(np.ascontiguousarray(array, dtype=dtype).tobytes())
    return digest.hexdigest()


def _worth_processes(units: Sequence[_Unit], soap: SoapSettings) -> bool:
    """Whether the work pays for new processes, and this is not itself one of Dask's workers, which cannot have any."""
    environments = sum(sum(map(len, unit.structures if unit.centres is None else unit.centres)) for unit in units)
    if environments * SECONDS_PER_ENVIRONMENT[soap.library] < SECONDS_WORTH_WORKERS:
        return False
    try:
        distributed.get_worker()
    except ValueError:
        return True
    return False
