"""The two kinds of data that everything else works on: per-atom energies and total energies of periodic cells."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import ClassVar, TypeVar

import numpy as np
from ase import Atoms
from ase.calculators.singlepoint import SinglePointCalculator
from ase.data import atomic_numbers
from jaxtyping import Bool, Float, Int

from synthetic_atoms.datasets.extxyz import write_frames
from synthetic_atoms.errors import DataError, ParameterError

Kind = TypeVar("Kind", bound="Frames")


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Frames:
    """Periodic cells of one element, each with any number of atoms, one after the other.

    Arrays are read-only: :meth:`select_frames` and :meth:`select_trajectories` give new objects.

    ======================== =================== ======== ===================================================
    attribute                shape               unit     meaning
    ======================== =================== ======== ===================================================
    ``positions_A``          (environments, 3)   A        positions of all atoms
    ``frame``                (environments,)              frame of each atom: 0, 0, ..., 1, ... (never decreases)
    ``cells_A``              (frames, 3, 3)      A        cell vectors as rows
    ``trajectory``           (frames,)                    number of the trajectory a frame was taken from
    ``density_g_cm3``        (frames,)           g/cm3    mass density
    ``anneal_temperature_K`` (frames,)           K        annealing temperature of the trajectory
    ``temperature_K``        (frames,)           K        temperature at the time of the frame
    ``time_ps``              (frames,)           ps       time since the start of the trajectory
    ``symbol``                                            chemical symbol of the element
    ``free_atom_energy_eV``                      eV       energy of the isolated atom, for reference
    ``name``                                              where the data come from, for people
    ``trajectory_names``                                  name of trajectory 0, 1, ...; empty if they are numbers
    ======================== =================== ======== ===================================================

    Temperatures, times and the free atom's energy are NaN where unknown.

    Raises
    ------
    DataError
        If the arrays do not fit together or hold a number that is not finite where one is needed.
    """

    positions_A: Float[np.ndarray, "environments 3"]
    frame: Int[np.ndarray, " environments"]
    cells_A: Float[np.ndarray, "frames 3 3"]
    trajectory: Int[np.ndarray, " frames"]
    density_g_cm3: Float[np.ndarray, " frames"]
    anneal_temperature_K: Float[np.ndarray, " frames"]
    temperature_K: Float[np.ndarray, " frames"]
    time_ps: Float[np.ndarray, " frames"]
    symbol: str
    free_atom_energy_eV: float = float("nan")
    name: str = ""
    trajectory_names: tuple[str, ...] = ()

    _per_environment: ClassVar[tuple[str, ...]] = ("positions_A",)
    _per_frame: ClassVar[tuple[str, ...]] = (
        "cells_A",
        "trajectory",
        "density_g_cm3",
        "anneal_temperature_K",
        "temperature_K",
        "time_ps",
    )
    _may_be_nan: ClassVar[tuple[str, ...]] = ("anneal_temperature_K", "temperature_K", "time_ps")

    def __post_init__(self) -> None:
        if self.symbol not in atomic_numbers:
            raise DataError(f"Expected a chemical symbol for {self.name or 'the data'}, found {self.symbol!r}.")
        n_frames, n_environments = len(self.cells_A), len(self.positions_A)
        for name, length in [
            ("frame", n_environments),
            *((name, n_environments) for name in self._per_environment),
            *((name, n_frames) for name in self._per_frame),
        ]:
            given = getattr(self, name)
            if given is None:
                continue
            array = np.ascontiguousarray(given, dtype=np.int64 if name in ("frame", "trajectory") else np.float64)
            if len(array) != length:
                raise DataError(f"Expected {length} rows of '{name}' in {self.name or 'the data'}, found {len(array)}.")
            if name not in self._may_be_nan and not np.isfinite(array).all():
                raise DataError(f"Expected finite numbers in '{name}' of {self.name or 'the data'}, found NaN or inf.")
            array = array.view()
            array.flags.writeable = False
            object.__setattr__(self, name, array)
        steps = np.diff(self.frame, prepend=-1, append=n_frames)
        if n_frames == 0 or steps[0] != 1 or steps[-1] != 1 or not np.isin(steps, (0, 1)).all():
            raise DataError(
                f"Expected 'frame' in {self.name or 'the data'} to run from 0 to the last of {n_frames} frames without "
                "gaps, found a frame without atoms or out of order."
            )

    @property
    def n_frames(self) -> int:
        """Number of frames."""
        return len(self.cells_A)

    @property
    def n_environments(self) -> int:
        """Number of atoms in all frames."""
        return len(self.positions_A)

    @cached_property
    def offsets(self) -> Int[np.ndarray, " frames_and_one"]:
        """Row of the first atom of each frame, and one past the last: frame i is ``offsets[i]:offsets[i + 1]``."""
        return np.searchsorted(self.frame, np.arange(self.n_frames + 1))

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 of the content in hexadecimal, without ``name`` and ``trajectory_names``."""
        scalars = f"{type(self).__name__} {self.symbol} {float(self.free_atom_energy_eV)!r}"
        digest = hashlib.sha256(scalars.encode())
        for name in ("frame", *self._per_environment, *self._per_frame):
            array = getattr(self, name)
            if array is None:
                continue
            if array.dtype.kind == "f":
                array = np.where(np.isnan(array), np.nan, array + 0.0)  # one NaN, and no negative zero
            digest.update(f" {name} {array.shape} ".encode())
            digest.update(array.astype(array.dtype.newbyteorder("<")).tobytes())
        return digest.hexdigest()

    def trajectory_name(self, frame: int | np.integer) -> str | int:
        """Name of the trajectory that a frame belongs to, or its number if trajectories have no names."""
        number = int(self.trajectory[frame])
        return self.trajectory_names[number] if self.trajectory_names else number

    def atoms(self, frame: int | np.integer) -> Atoms:
        """One frame as a periodic :class:`ase.Atoms`, with what is known about it in ``info``.

        The keys of ``info`` are those of the authors' archive: ``run_id`` (or ``trajectory``, if it has a name),
        ``density``, ``anneal_T``, ``temperature`` and ``time``.
        """
        if not -self.n_frames <= frame < self.n_frames:
            raise ParameterError(f"Expected a frame below {self.n_frames}, found {frame}.")
        frame = int(frame) % self.n_frames
        rows = slice(self.offsets[frame], self.offsets[frame + 1])
        positions = self.positions_A[rows]
        atoms = Atoms([self.symbol] * len(positions), positions=positions, cell=self.cells_A[frame], pbc=True)
        known = {
            "trajectory" if self.trajectory_names else "run_id": self.trajectory_name(frame),
            "density": float(self.density_g_cm3[frame]),
            "anneal_T": float(self.anneal_temperature_K[frame]),
            "temperature": float(self.temperature_K[frame]),
            "time": float(self.time_ps[frame]),
            "free_atom_energy": float(self.free_atom_energy_eV),
        }
        atoms.info = {key: value for key, value in known.items() if value == value}
        self._label(atoms, frame, rows)
        return atoms

    def _label(self, atoms: Atoms, frame: int, rows: slice) -> None:
        """Add this kind's labels to a frame."""

    def select_frames(
        self: Kind, which: Bool[np.ndarray, " mask"] | Int[np.ndarray, " chosen"] | Sequence[int]
    ) -> Kind:
        """The frames of a mask, or of indices in their order, renumbered from 0.

        Raises
        ------
        ParameterError
            If a mask has the wrong length, an index is out of range, or nothing is selected.
        """
        which = np.asarray(which)
        if which.dtype == bool and which.shape != (self.n_frames,):
            raise ParameterError(f"Expected a mask of {self.n_frames} frames, found one of shape {which.shape}.")
        chosen = np.flatnonzero(which) if which.dtype == bool else which
        if chosen.size == 0:
            raise ParameterError(f"Expected at least one frame of {self.n_frames} to be selected, found none.")
        if chosen.dtype.kind not in "iu" or chosen.min() < 0 or chosen.max() >= self.n_frames:
            raise ParameterError(
                f"Expected indices of frames from 0 to {self.n_frames - 1}, found {chosen.min()} to {chosen.max()}."
            )
        starts, sizes = self.offsets[chosen], np.diff(self.offsets)[chosen]
        within = np.arange(sizes.sum()) - np.repeat(np.cumsum(sizes) - sizes, sizes)
        rows = np.repeat(starts, sizes) + within
        taken = {name: rows for name in self._per_environment} | {name: chosen for name in self._per_frame}
        return replace(
            self,
            frame=np.repeat(np.arange(len(chosen)), sizes),
            **{name: getattr(self, name)[index] for name, index in taken.items() if getattr(self, name) is not None},
        )

    def select_trajectories(self: Kind, trajectories: Iterable[int | np.integer]) -> Kind:
        """The frames of some trajectories, in their order here.

        Raises
        ------
        ParameterError
            If there is no such trajectory.
        """
        wanted = np.array(sorted({int(number) for number in trajectories}), dtype=np.int64)
        unknown = np.setdiff1d(wanted, self.trajectory)
        if unknown.size:
            raise ParameterError(
                f"Expected trajectories that are in {self.name or 'the data'}, found {unknown[0]}, which is not."
            )
        return self.select_frames(np.isin(self.trajectory, wanted))

    def to_extxyz(self, path: Path | str) -> None:
        """Write all frames as extended XYZ; reading them back gives the same numbers, bit by bit.

        Raises
        ------
        DataError
            If the file cannot be written; it is then what it was before.
        """
        write_frames(Path(path), (self.atoms(frame) for frame in range(self.n_frames)))

    def __repr__(self) -> str:
        trajectories = len(np.unique(self.trajectory))
        return (
            f"{type(self).__name__}({self.name or 'unnamed'}: {self.n_environments:,} {self.symbol} atoms in "
            f"{self.n_frames:,} frames of {trajectories:,} trajectories)"
        )


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class LocalEnergies(Frames):
    """Per-atom energies (the paper's D1): everything in :class:`Frames`, and

    ===================== =================== ====== =====================================
    attribute             shape               unit   meaning
    ===================== =================== ====== =====================================
    ``local_energy_eV``   (environments,)     eV     energy of each atom
    ===================== =================== ====== =====================================
    """

    local_energy_eV: Float[np.ndarray, " environments"]

    _per_environment: ClassVar[tuple[str, ...]] = ("positions_A", "local_energy_eV")

    def _label(self, atoms: Atoms, frame: int, rows: slice) -> None:
        atoms.arrays["local_energy"] = self.local_energy_eV[rows].copy()


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class TotalEnergies(Frames):
    """Quantum-mechanical total energies and forces of cells (the paper's D0): everything in :class:`Frames`, and

    ===================== =================== ====== =====================================================
    attribute             shape               unit   meaning
    ===================== =================== ====== =====================================================
    ``total_energy_eV``   (frames,)           eV     energy of each cell
    ``forces_eV_A``       (environments, 3)   eV/A   force on each atom
    ``local_energy_eV``   (environments,)     eV     the teacher's energy of each atom, or None
    ===================== =================== ====== =====================================================
    """

    total_energy_eV: Float[np.ndarray, " frames"]
    forces_eV_A: Float[np.ndarray, "environments 3"]
    local_energy_eV: Float[np.ndarray, " environments"] | None = None

    _per_environment: ClassVar[tuple[str, ...]] = ("positions_A", "forces_eV_A", "local_energy_eV")
    _per_frame: ClassVar[tuple[str, ...]] = (*Frames._per_frame, "total_energy_eV")

    def _label(self, atoms: Atoms, frame: int, rows: slice) -> None:
        if self.local_energy_eV is not None:
            atoms.arrays["local_energy"] = self.local_energy_eV[rows].copy()
        atoms.calc = SinglePointCalculator(
            atoms, energy=float(self.total_energy_eV[frame]), forces=self.forces_eV_A[rows].copy()
        )


def concatenate(parts: Sequence[Kind]) -> Kind:
    """Frames of several parts as one, in their order.

    Raises
    ------
    DataError
        If there are no parts, or they differ in element or free-atom energy.
    """
    if not parts:
        raise DataError("Expected at least one frame of data, found none.")
    first, last = parts[0], parts[-1]
    kinds = sorted({f"{part.symbol} with {float(part.free_atom_energy_eV)} eV" for part in parts})
    if len(kinds) > 1:
        raise DataError(f"Expected one element with one free-atom energy in {first.name}, found {' and '.join(kinds)}.")
    starts = np.cumsum([0, *(part.n_frames for part in parts[:-1])])
    joined = {"frame": np.concatenate([part.frame + start for part, start in zip(parts, starts, strict=True)])}
    for name in (*first._per_environment, *first._per_frame):
        columns = [getattr(part, name) for part in parts]
        joined[name] = None if any(column is None for column in columns) else np.concatenate(columns)
    # a later part knows the names of all trajectories met so far
    return replace(first, trajectory_names=last.trajectory_names, **joined)
