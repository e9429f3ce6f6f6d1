"""What is generated: which cells and trajectories, in which order, from which seeds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from synthetic_atoms.errors import ParameterError
from synthetic_atoms.files import cache_directory
from synthetic_atoms.synthesis.dynamics import PAPER_PROTOCOL, SHORT_PROTOCOL, Protocol, draw_snapshot_steps

DENSITIES_G_CM3 = tuple(round(1.0 + 0.1 * i, 1) for i in range(26))
"""The paper's 26 mass densities."""

ANNEAL_TEMPERATURES_K = tuple(range(2000, 4001, 100))
"""The paper's 21 annealing temperatures."""


@dataclass(frozen=True)
class CellUnit:
    """One small cell from a trajectory of its own, to be labelled quantum-mechanically."""

    number: int
    density_g_cm3: float
    anneal_temperature_K: float
    snapshot_step: int
    seed: int
    n_atoms: int
    protocol: Protocol
    path: Path


@dataclass(frozen=True)
class TrajectoryUnit:
    """One melt-quench-anneal trajectory and the steps at which it is sampled."""

    number: int
    density_g_cm3: float
    anneal_temperature_K: float
    snapshot_steps: tuple[int, ...]
    seed: int
    n_atoms: int
    protocol: Protocol
    path: Path

    @property
    def name(self) -> str:
        """File stem, in the style of the authors' archive."""
        return f"density-{self.density_g_cm3:.1f}-T-{self.anneal_temperature_K:.0f}"


@dataclass(frozen=True)
class Plan:
    """The extent of a dataset; the defaults are the paper's.

    Attributes
    ----------
    cells
        Number of small cells with quantum-mechanical labels (D0).
    crystals
        Number of strained diamond and graphite cells that the teacher is fitted to as well.
    trajectories
        ``"all"``, one for each density and annealing temperature, or ``"one-per-density"``.
    snapshots
        Frames kept of each trajectory, the final one among them.
    densities_g_cm3, anneal_temperatures_K
        The grid of trajectories.
    atoms_per_cell, atoms_per_frame
        Sizes of the small cells and of the trajectories' cells.
    protocol, cell_protocol
        What is run to make a trajectory, and a small cell.
    seed
        Everything random follows from this number.
    work
        Folder for unfinished work: one file per cell, trajectory and set of labels.
    """

    cells: int = 1625
    crystals: int = 48
    trajectories: str = "all"
    snapshots: int = 12
    densities_g_cm3: tuple[float, ...] = DENSITIES_G_CM3
    anneal_temperatures_K: tuple[int, ...] = ANNEAL_TEMPERATURES_K
    atoms_per_cell: int = 64
    atoms_per_frame: int = 200
    protocol: Protocol = PAPER_PROTOCOL
    cell_protocol: Protocol = SHORT_PROTOCOL
    seed: int = 20230320
    work: Path | None = None

    def __post_init__(self) -> None:
        """Refuse a plan that cannot be carried out."""
        if self.trajectories not in ("all", "one-per-density"):
            raise ParameterError(f"Expected 'all' or 'one-per-density' trajectories, found '{self.trajectories}'.")
        least = {"cells": 10, "crystals": 2, "snapshots": 1, "atoms_per_cell": 2, "atoms_per_frame": 2, "seed": 0}
        for name, minimum in least.items():
            if getattr(self, name) < minimum:
                raise ParameterError(f"Expected '{name}' to be at least {minimum}, found {getattr(self, name)}.")
        if not self.densities_g_cm3 or not all(0.1 <= density <= 5 for density in self.densities_g_cm3):
            raise ParameterError(f"Expected densities from 0.1 to 5 g/cm3, found {self.densities_g_cm3}.")

    @property
    def folder(self) -> Path:
        """Where unfinished work lives: by default in the user's cache.

        The name follows from all that decides what a unit contains, and not from how many units there are: a larger
        dataset goes on from a smaller one.
        """
        content = (self.densities_g_cm3, self.anneal_temperatures_K, self.snapshots, self.atoms_per_cell,
                   self.atoms_per_frame, self.protocol, self.cell_protocol, self.seed)  # fmt: skip
        digest = hashlib.sha256(repr(content).encode()).hexdigest()[:12]
        return self.work or cache_directory() / "generation" / digest

    def cell_units(self) -> Iterator[CellUnit]:
        """Cells cycle through the densities; temperatures and snapshot times are uniform at random."""
        temperatures = self.anneal_temperatures_K
        for number in range(self.cells):
            rng = np.random.default_rng([self.seed, 0, number])
            yield CellUnit(
                number=number,
                density_g_cm3=self.densities_g_cm3[number % len(self.densities_g_cm3)],
                anneal_temperature_K=float(rng.integers(min(temperatures), max(temperatures), endpoint=True)),
                snapshot_step=10 * int(rng.integers(1, self.cell_protocol.steps // 10, endpoint=True)),
                seed=int(rng.integers(2**31)),
                n_atoms=self.atoms_per_cell,
                protocol=self.cell_protocol,
                path=self.folder / "cells" / f"{number:05d}.npz",
            )

    def trajectory_units(self) -> Iterator[TrajectoryUnit]:
        """One trajectory per density first, at temperatures spread over the whole range, then density by density."""
        n_temperatures = len(self.anneal_temperatures_K)
        n_densities = len(self.densities_g_cm3)
        first = [n_temperatures * i + (8 * i) % n_temperatures for i in range(n_densities)]
        numbers = list(first)
        if self.trajectories == "all":
            numbers += sorted(set(range(n_densities * n_temperatures)) - set(first))
        for number in numbers:
            rng = np.random.default_rng([self.seed, 1, number])
            density, temperature = divmod(number, n_temperatures)
            unit = TrajectoryUnit(
                number=number,
                density_g_cm3=self.densities_g_cm3[density],
                anneal_temperature_K=float(self.anneal_temperatures_K[temperature]),
                snapshot_steps=tuple(draw_snapshot_steps(self.protocol, self.snapshots, rng).tolist()),
                seed=int(rng.integers(2**31)),
                n_atoms=self.atoms_per_frame,
                protocol=self.protocol,
                path=Path(),
            )
            yield replace(unit, path=self.folder / "trajectories" / f"{unit.name}.npz")
