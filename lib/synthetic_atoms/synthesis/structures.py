"""Making the structures of both datasets, one resumable file for each cell and each trajectory."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path

import numpy as np
from ase import Atoms

from synthetic_atoms.errors import DataError, SyntheticAtomsError
from synthetic_atoms.files import read_npz, write_npz
from synthetic_atoms.scheduling import Pool, say
from synthetic_atoms.synthesis import quantum
from synthetic_atoms.synthesis.ase_dynamics import melt_quench_anneal_ase
from synthetic_atoms.synthesis.dynamics import melt_quench_anneal
from synthetic_atoms.synthesis.plan import CellUnit, TrajectoryUnit
from synthetic_atoms.synthesis.potentials import PairStyle
from synthetic_atoms.synthesis.protocol import Snapshots

FRAME_ARRAYS = {
    "positions_mA": "u3",
    "cell_length_A": "f0",
    "density_g_cm3": "f0",
    "anneal_temperature_K": "f0",
    "trajectory": "i0",
    "time_ps": "f1",
    "temperature_K": "f1",
}
"""What a trajectory's file holds, in the notation of :func:`~synthetic_atoms.files.read_npz`."""

CELL_ARRAYS = {
    "positions_mA": "u2",
    "cell_length_A": "f0",
    "total_energy_eV": "f0",
    "forces_eV_A": "f2",
    "density_g_cm3": "f0",
    "anneal_temperature_K": "f0",
    "trajectory": "i0",
    "time_ps": "f0",
    "temperature_K": "f0",
}
"""What a small cell's file holds."""


def atoms_from_milliangstrom(positions_mA: np.ndarray, cell_length_A: float | np.ndarray, symbol: str = "C") -> Atoms:
    """A periodic cubic cell (edge in A) from integer milliangstroms, shape (atoms, 3)."""
    return Atoms(
        f"{symbol}{len(positions_mA)}",
        positions=positions_mA / 1000.0,
        cell=[float(cell_length_A)] * 3,
        pbc=True,
    )


def is_whole(path: Path, arrays: Mapping[str, str], *, warn: bool = False) -> bool:
    """Whether a unit's file is there and can be read; ``warn`` says so on standard error if it is damaged.

    Units follow from their seeds, so a damaged file is no loss: it is made again.
    """
    if not path.exists():
        return False
    try:
        read_npz(path, arrays)
    except DataError as error:
        if warn:
            say(f"Making a damaged file again: {error}")
        return False
    return True


def make_once(path: Path, arrays: Mapping[str, str], make: Callable[[], Mapping[str, np.ndarray]]) -> bool:
    """Write ``make()`` to ``path`` unless a whole file is there; True if it was made now."""
    if is_whole(path, arrays):
        return False
    write_npz(path, make())
    return True


def _snapshots(unit: CellUnit | TrajectoryUnit, steps: Sequence[int]) -> Snapshots:
    common = {
        "n_atoms": unit.n_atoms,
        "density_g_cm3": unit.density_g_cm3,
        "anneal_temperature_K": unit.anneal_temperature_K,
        "snapshot_steps": np.array(steps),
        "seed": unit.seed,
        "protocol": unit.protocol,
        "driver": unit.method.driver,
        "relaxer": unit.method.relaxer,
        "symbol": unit.method.element,
    }
    return (
        melt_quench_anneal(**common) if isinstance(unit.method.driver, PairStyle) else melt_quench_anneal_ase(**common)
    )


def _cell(unit: CellUnit) -> dict[str, np.ndarray]:
    snapshots = _snapshots(unit, [unit.snapshot_step])
    positions = snapshots.positions_mA[0]
    atoms = atoms_from_milliangstrom(positions, snapshots.cell_length_A, unit.method.element)
    energy, forces = quantum.label(atoms, unit.method.qm.make if unit.method.qm else quantum.gfn1_xtb)
    return {
        "positions_mA": positions,
        "cell_length_A": np.float64(snapshots.cell_length_A),
        "total_energy_eV": np.float64(energy),
        "forces_eV_A": forces.astype(np.float32),
        "density_g_cm3": np.float64(unit.density_g_cm3),
        "anneal_temperature_K": np.float64(unit.anneal_temperature_K),
        "trajectory": np.int32(unit.number),
        "time_ps": snapshots.time_ps[0],
        "temperature_K": snapshots.temperature_K[0],
    }


def make_cell(unit: CellUnit) -> bool:
    """Make and label one cell unless its file is there; True if it was made now."""
    return make_once(unit.path, CELL_ARRAYS, partial(_cell, unit))


def _trajectory(unit: TrajectoryUnit) -> dict[str, np.ndarray]:
    snapshots = _snapshots(unit, unit.snapshot_steps)
    return {
        "positions_mA": snapshots.positions_mA,
        "cell_length_A": np.float64(snapshots.cell_length_A),
        "density_g_cm3": np.float64(unit.density_g_cm3),
        "anneal_temperature_K": np.float64(unit.anneal_temperature_K),
        "trajectory": np.int32(unit.number),
        "time_ps": snapshots.time_ps,
        "temperature_K": snapshots.temperature_K,
    }


def make_trajectory(unit: TrajectoryUnit) -> bool:
    """Run one trajectory unless its file is there; True if it was run now."""
    return make_once(unit.path, FRAME_ARRAYS, partial(_trajectory, unit))


def missing_units(units: Sequence[CellUnit] | Sequence[TrajectoryUnit]) -> list:
    """Units whose file is not there or damaged, in the order given; each damaged one is named on standard error."""
    return [
        unit
        for unit in units
        if not is_whole(unit.path, CELL_ARRAYS if isinstance(unit, CellUnit) else FRAME_ARRAYS, warn=True)
    ]


def make_all(
    units: Sequence[CellUnit] | Sequence[TrajectoryUnit],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    pool: Pool | None = None,
) -> list[SyntheticAtomsError]:
    """Make every cell or trajectory that is not there yet, in the order given; the failures are returned.

    ``pool`` has the workers; without one, ``workers`` and ``scheduler`` say which to start or to ask.
    """
    if pool is None:
        with Pool(workers, scheduler) as pool:
            return make_all(units, pool=pool)
    missing = missing_units(units)
    if not missing:
        return []
    make, what = (make_cell, "cells") if isinstance(missing[0], CellUnit) else (make_trajectory, "trajectories")
    made, failures = pool.run(make, missing, what)
    absent = [unit.path for unit in missing if not unit.path.exists()]
    if len(absent) > len(failures):
        raise DataError(
            f"Expected {len(made)} files in {missing[0].path.parent} after making them, found {len(absent)} missing: "
            "the workers must share this folder."
        )
    return failures
