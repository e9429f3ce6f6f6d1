"""From frames read one by one to a container, with every check that a frame of anyone's data must pass."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

import numpy as np
from ase import Atoms, units
from jaxtyping import Float

from synthetic_atoms.datasets.containers import LocalEnergies, TotalEnergies
from synthetic_atoms.errors import DataError

ENERGY_COLUMNS = ("local_energy", "gap17_energy", "local_energies")
"""Per-atom columns that are taken for local energies if none is named (the last one is load-atoms' name)."""

_FACE = 1e-9  # fractional coordinates this far outside the cell are left alone, so that wrapping twice changes nothing
_DENSITY_TOLERANCE = 0.05


@dataclass
class Collector:
    """Gathers checked frames; what has to hold across files (element, column, no frame twice) is remembered.

    Attributes
    ----------
    name
        Name of the dataset.
    energy_column
        Per-atom column of local energies; None to find one of :data:`ENERGY_COLUMNS` in the first frame.
    symbol
        The element that all atoms must be of; None to take the first atom's.
    default_free_atom_energy_eV
        Used where the header has no field ``free_atom_energy``.
    """

    name: str
    energy_column: str | None = None
    symbol: str | None = None
    default_free_atom_energy_eV: float = float("nan")
    _rows: list[dict] = field(default_factory=list)
    _numbers: dict[str | int, int] = field(default_factory=dict)
    _sizes: dict[str | int, tuple[int, str]] = field(default_factory=dict)
    _seen: dict[bytes, list[tuple[str | int, float, str]]] = field(default_factory=dict)

    def add_local(self, atoms: Atoms, trajectory: str | int, where: str) -> None:
        """Add a frame with per-atom energies; ``where`` names it in messages.

        Raises
        ------
        DataError
            If the frame is not a periodic cell of the right element with finite energies, or was there before.
        """
        if self.energy_column is None:
            self.energy_column = _find_column(atoms, where)
        energies = _column(atoms, self.energy_column, where, 1)
        self._add(atoms, trajectory, where, {"local_energy_eV": energies})

    def add_total(self, atoms: Atoms, trajectory: str | int, where: str) -> None:
        """Add a cell with a total energy (header field ``energy``) and forces (column ``forces`` or ``force``).

        Raises
        ------
        DataError
            If the cell is not periodic, of the wrong element, without finite labels, or was there before.
        """
        results = atoms.calc.results if atoms.calc is not None else {}
        energy = results.get("energy", atoms.info.get("energy"))
        if not isinstance(energy, (int, float, np.number)) or not np.isfinite(energy):
            raise DataError(f"Expected a finite total energy in the field 'energy' of {where}, found {energy}.")
        forces = "force" if "force" in atoms.arrays and "forces" not in results else "forces"
        labels = {"total_energy_eV": float(energy), "forces_eV_A": _column(atoms, forces, where, 2)}
        if "local_energy" in atoms.arrays:
            labels["local_energy_eV"] = _column(atoms, "local_energy", where, 1)
        self._add(atoms, trajectory, where, labels)

    def take_local(self) -> LocalEnergies:
        """Everything added since the last time."""
        return LocalEnergies(**self._take("local_energy_eV"))

    def take_total(self) -> TotalEnergies:
        """Everything added since the last time; local energies only if every cell has them."""
        complete = all("local_energy_eV" in row for row in self._rows)
        labels = ["forces_eV_A", "local_energy_eV"] if complete else ["forces_eV_A"]
        totals = np.array([row["total_energy_eV"] for row in self._rows])
        return TotalEnergies(**self._take(*labels), total_energy_eV=totals)

    def _take(self, *per_environment: str) -> dict:
        rows, self._rows = self._rows, []
        if not rows:
            raise DataError(f"Expected at least one frame of data in {self.name}, found none.")
        sizes = [len(row["positions_A"]) for row in rows]
        free_atom = {row["free_atom_energy_eV"] for row in rows if row["free_atom_energy_eV"] is not None}
        if len(free_atom) > 1:
            raise DataError(f"Expected one free-atom energy in {self.name}, found {sorted(free_atom)}.")
        per_frame = ("cells_A", "trajectory", "density_g_cm3", "anneal_temperature_K", "temperature_K", "time_ps")
        return {
            **{name: np.concatenate([row[name] for row in rows]) for name in ("positions_A", *per_environment)},
            **{name: np.array([row[name] for row in rows]) for name in per_frame},
            "frame": np.repeat(np.arange(len(rows)), sizes),
            "symbol": self.symbol,
            "free_atom_energy_eV": free_atom.pop() if free_atom else self.default_free_atom_energy_eV,
            "name": self.name,
            "trajectory_names": () if isinstance(next(iter(self._numbers)), int) else tuple(self._numbers),
        }

    def _add(self, atoms: Atoms, trajectory: str | int, where: str, labels: dict) -> None:
        self._check_element(atoms, where)
        cell = atoms.cell.array
        if not atoms.pbc.all() or not np.isfinite(cell).all() or abs(np.linalg.det(cell)) < 1e-6:
            raise DataError(f"Expected a cell that is periodic in three directions in {where}, found {atoms.cell}.")
        if not np.isfinite(atoms.positions).all():
            raise DataError(f"Expected finite positions in {where}, found NaN or inf.")
        positions = wrap(atoms.positions, cell)
        time = _number(atoms, "time", where)
        self._check_trajectory(trajectory, len(atoms), where)
        self._check_new(positions, cell, trajectory, time, where)
        density = atoms.get_masses().sum() / units._Nav * 1e24 / abs(np.linalg.det(cell))
        stated = _number(atoms, "density", where)
        if abs(stated - density) > _DENSITY_TOLERANCE * density:
            raise DataError(
                f"Expected the header of {where} to state the density of its cell, {density:.3f} g/cm3, found {stated}."
            )
        free_atom = _number(atoms, "free_atom_energy", where)
        row = {
            "positions_A": positions,
            "cells_A": cell.copy(),
            "trajectory": self._number_of(trajectory, where),
            "density_g_cm3": density if np.isnan(stated) else stated,
            "anneal_temperature_K": _number(atoms, "anneal_T", where),
            "temperature_K": _number(atoms, "temperature", where),
            "time_ps": time,
            "free_atom_energy_eV": None if np.isnan(free_atom) else free_atom,
        }
        self._rows.append(row | labels)

    def _check_element(self, atoms: Atoms, where: str) -> None:
        found = sorted(set(atoms.get_chemical_symbols()))
        self.symbol = self.symbol or found[0]
        if found != [self.symbol]:
            raise DataError(f"Expected only {self.symbol} atoms in {where}, found {', '.join(found)}.")

    def _check_trajectory(self, trajectory: str | int, size: int, where: str) -> None:
        expected, first = self._sizes.setdefault(trajectory, (size, where))
        if size != expected:
            raise DataError(
                f"Expected {expected} atoms in {where}, as in {first} of the same trajectory {trajectory!r}, "
                f"found {size}."
            )

    def _check_new(
        self, positions: np.ndarray, cell: np.ndarray, trajectory: str | int, time: float, where: str
    ) -> None:
        """The same positions may come back at another time of a trajectory, but not twice, nor in another one."""
        digest = hashlib.blake2b(positions.tobytes() + cell.tobytes(), digest_size=16).digest()
        for other, other_time, there in self._seen.setdefault(digest, []):
            if other != trajectory or not abs(time - other_time) > 0:
                raise DataError(f"Expected every frame once, found the frame {where} again: it is {there}.")
        self._seen[digest].append((trajectory, time, where))

    def _number_of(self, trajectory: str | int, where: str) -> int:
        """Trajectories that are numbered keep their numbers; names are numbered in order of appearance."""
        kind = type(next(iter(self._numbers), trajectory))
        if type(trajectory) is not kind:
            raise DataError(
                f"Expected trajectories to be either all numbered or all named, found {trajectory!r} in {where}."
            )
        number = trajectory if isinstance(trajectory, int) else len(self._numbers)
        return self._numbers.setdefault(trajectory, number)


def wrap(positions: Float[np.ndarray, "atoms 3"], cell: Float[np.ndarray, "3 3"]) -> Float[np.ndarray, "atoms 3"]:
    """Positions moved by whole cell vectors into the cell; those inside are not changed at all."""
    fractional = positions @ np.linalg.inv(cell)
    outside = (fractional < -_FACE) | (fractional >= 1 + _FACE)
    shift = np.where(outside, np.floor(fractional), 0.0)
    return np.where(outside.any(axis=1)[:, None], positions - shift @ cell, positions)


def _find_column(atoms: Atoms, where: str) -> str:
    found = [name for name in ENERGY_COLUMNS if name in atoms.arrays]
    if len(found) != 1:
        raise DataError(
            f"Expected one per-atom column of local energies named {', '.join(ENERGY_COLUMNS[:-1])} or "
            f"{ENERGY_COLUMNS[-1]} in {where}, found {_columns(atoms)}: name it with the parameter energy_column."
        )
    return found[0]


def _columns(atoms: Atoms) -> str:
    """Names of a frame's columns beside symbols and positions."""
    results = atoms.calc.results if atoms.calc is not None else {}
    names = {name for name, value in results.items() if np.ndim(value) and len(value) == len(atoms)}
    return ", ".join(sorted((names | set(atoms.arrays)) - {"numbers", "positions"})) or "no further column"


def _column(atoms: Atoms, name: str, where: str, dimensions: int) -> np.ndarray:
    """A per-atom column of finite numbers, wherever ASE has put it."""
    results = atoms.calc.results if atoms.calc is not None else {}
    values = atoms.arrays.get(name, results.get(name))
    if values is None:
        raise DataError(f"Expected a per-atom column '{name}' in {where}, found {_columns(atoms)}.")
    values = np.asarray(values)
    shape = (len(atoms), 3)[:dimensions]
    if values.shape != shape or values.dtype.kind not in "fiu":
        raise DataError(
            f"Expected numbers of shape {shape} in the column '{name}' of {where}, found {values.dtype} of shape "
            f"{values.shape}."
        )
    bad = np.flatnonzero(~np.isfinite(values.reshape(len(atoms), -1)).all(axis=1))
    if bad.size:
        raise DataError(
            f"Expected finite numbers in the column '{name}' of {where}, found {values[bad[0]]} for atom {bad[0] + 1}."
        )
    return values.astype(np.float64)


def _number(atoms: Atoms, name: str, where: str) -> float:
    """A header field that is a number; NaN if it is not there."""
    value = atoms.info.get(name, float("nan"))
    try:
        return float(value)
    except (TypeError, ValueError) as error:
        raise DataError(f"Expected a number in the header field '{name}' of {where}, found {value!r}.") from error
