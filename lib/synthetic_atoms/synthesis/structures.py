"""Making the structures of both datasets, one resumable file for each cell and each trajectory."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import numpy as np
from ase import Atoms

from synthetic_atoms.files import once
from synthetic_atoms.scheduling import run_units
from synthetic_atoms.synthesis import quantum
from synthetic_atoms.synthesis.dynamics import melt_quench_anneal
from synthetic_atoms.synthesis.plan import CellUnit, TrajectoryUnit


def atoms_from_milliangstrom(positions_mA: np.ndarray, cell_length_A: float | np.ndarray, symbol: str = "C") -> Atoms:
    """A periodic cubic cell (edge in A) from integer milliangstroms, shape (atoms, 3)."""
    return Atoms(
        f"{symbol}{len(positions_mA)}",
        positions=positions_mA / 1000.0,
        cell=[float(cell_length_A)] * 3,
        pbc=True,
    )


def _cell(unit: CellUnit) -> dict[str, np.ndarray]:
    snapshots = melt_quench_anneal(
        n_atoms=unit.n_atoms,
        density_g_cm3=unit.density_g_cm3,
        anneal_temperature_K=unit.anneal_temperature_K,
        snapshot_steps=np.array([unit.snapshot_step]),
        seed=unit.seed,
        protocol=unit.protocol,
    )
    positions = snapshots.positions_mA[0]
    energy, forces = quantum.label(atoms_from_milliangstrom(positions, snapshots.cell_length_A))
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
    return once(unit.path, partial(_cell, unit))


def _trajectory(unit: TrajectoryUnit) -> dict[str, np.ndarray]:
    snapshots = melt_quench_anneal(
        n_atoms=unit.n_atoms,
        density_g_cm3=unit.density_g_cm3,
        anneal_temperature_K=unit.anneal_temperature_K,
        snapshot_steps=np.array(unit.snapshot_steps),
        seed=unit.seed,
        protocol=unit.protocol,
    )
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
    return once(unit.path, partial(_trajectory, unit))


def make_all(
    units: Sequence[CellUnit] | Sequence[TrajectoryUnit],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
) -> list[Exception]:
    """Make every cell or trajectory that is not there yet, in the order given; the failures are returned."""
    missing = [unit for unit in units if not unit.path.exists()]
    if not missing:
        return []
    make, what = (make_cell, "cells") if isinstance(missing[0], CellUnit) else (make_trajectory, "trajectories")
    _, failures = run_units(make, missing, workers=workers, scheduler=scheduler, description=what)
    return failures
