"""What is generated: which cells and trajectories, in which order, from which seeds."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from synthetic_atoms.errors import ParameterError
from synthetic_atoms.files import cache_directory
from synthetic_atoms.synthesis.method import EMBEDDED_METHOD, Method
from synthetic_atoms.synthesis.protocol import (
    PAPER_PROTOCOL,
    SHORT_PROTOCOL,
    Protocol,
    cell_length,
    density_range,
    draw_snapshot_steps,
)

DENSITIES_G_CM3 = tuple(round(1.0 + 0.1 * i, 1) for i in range(26))
"""The paper's 26 mass densities."""

ANNEAL_TEMPERATURES_K = tuple(range(2000, 4001, 100))
"""The paper's 21 annealing temperatures."""

LARGEST_CELL_A = 65.5
"""Positions are stored as 16-bit milliangstroms."""


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
    method: Method = EMBEDDED_METHOD

    @property
    def name(self) -> str:
        """File stem, within the folder of the small cells."""
        return f"cells/{self.number:05d}"


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
    method: Method = EMBEDDED_METHOD

    @property
    def name(self) -> str:
        """File stem, in the style of the authors' archive."""
        return f"{density_name(self.density_g_cm3)}-T-{self.anneal_temperature_K:.0f}"


def coarse_to_fine(n: int) -> list[int]:
    """0 ... n - 1 in an order whose beginnings are spread over the whole range: 0, 16, 8, 4, 12, 20, 2, ... for 21.

    Whatever part of a dataset is there has seen all of its annealing temperatures alike.
    """
    return sorted(range(n), key=lambda i: (i > 0, -(i & -i), i))


def density_name(density_g_cm3: float) -> str:
    """``density-1.0``, with as many digits as the density needs."""
    short = f"{density_g_cm3:.1f}"
    return f"density-{short if float(short) == density_g_cm3 else repr(density_g_cm3)}"


@dataclass(frozen=True)
class Plan:
    """The extent of a dataset; the defaults are the embedded one's.

    Attributes
    ----------
    cells
        Number of small cells with quantum-mechanical labels (D0).
    crystals
        Number of strained crystals (for carbon diamond and graphite) that the teacher is fitted to as well.
    trajectories
        ``"all"``, one for each density and annealing temperature, ``"one-per-density"``, or how many of all: first
        one for each density, then temperature by temperature, each next one as far as possible from those before.
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
        Where :attr:`folder` is made; the user's cache by default.
    method
        Element, driver, quantum mechanics and labeller.
    free_atom_energy_eV
        Energy of the isolated atom, if the quantum-mechanical calculator cannot be asked for it.
    """

    cells: int = 1625
    crystals: int = 48
    trajectories: str | int = "all"
    snapshots: int = 12
    densities_g_cm3: tuple[float, ...] = DENSITIES_G_CM3
    anneal_temperatures_K: tuple[int, ...] = ANNEAL_TEMPERATURES_K
    atoms_per_cell: int = 64
    atoms_per_frame: int = 200
    protocol: Protocol = PAPER_PROTOCOL
    cell_protocol: Protocol = SHORT_PROTOCOL
    seed: int = 20230320
    work: Path | None = None
    method: Method = EMBEDDED_METHOD
    free_atom_energy_eV: float | None = None

    def __post_init__(self) -> None:
        """Refuse a plan that cannot be carried out."""
        total = len(self.densities_g_cm3) * len(self.anneal_temperatures_K)
        if isinstance(self.trajectories, str):
            if self.trajectories not in ("all", "one-per-density"):
                raise ParameterError(
                    f"Expected 'all' or 'one-per-density' trajectories or how many, found '{self.trajectories}'."
                )
        elif not 1 <= self.trajectories <= total:
            raise ParameterError(
                f"Expected 1 to {total} trajectories, one for each density and annealing temperature at most, found "
                f"{self.trajectories}."
            )
        taught = self.method.labeller is None
        least = {
            "cells": 10 if taught else 0,  # a GAP needs cells to be fitted to, and others to be tested on
            "crystals": 2 if taught and self.method.element == "C" else 0,
            "snapshots": 1, "atoms_per_cell": 2, "atoms_per_frame": 2, "seed": 0,
        }  # fmt: skip
        for name, minimum in least.items():
            if getattr(self, name) < minimum:
                raise ParameterError(f"Expected '{name}' to be at least {minimum}, found {getattr(self, name)}.")
        self._check_grid()
        for name, protocol, snapshots in (
            ("protocol", self.protocol, self.snapshots), ("cell_protocol", self.cell_protocol, 1),
        ):  # fmt: skip
            if protocol.steps // 10 < snapshots:
                raise ParameterError(
                    f"Expected a '{name}' of at least {0.01 * snapshots:g} ps for {snapshots} snapshots 0.01 ps "
                    f"apart, found {protocol.steps / 1000:g} ps."
                )

    def _check_grid(self) -> None:
        """Densities and temperatures that can be told apart and simulated."""
        low, high = density_range(self.method.element)
        densities, temperatures = self.densities_g_cm3, self.anneal_temperatures_K
        if not densities or not all(low <= density <= high for density in densities):
            raise ParameterError(
                f"Expected densities from {low} to {high} g/cm3 for {self.method.element}, found {list(densities)}."
            )
        if not temperatures or not all(1 <= temperature <= 20_000 for temperature in temperatures):
            raise ParameterError(f"Expected annealing temperatures from 1 to 20000 K, found {list(temperatures)}.")
        for what, values in (("densities", densities), ("annealing temperatures", temperatures)):
            if len(set(values)) != len(values):
                raise ParameterError(f"Expected different {what}, found one twice in {list(values)}.")
        longest = cell_length(max(self.atoms_per_cell, self.atoms_per_frame), min(densities), self.method.element)
        if longest > LARGEST_CELL_A:
            raise ParameterError(
                f"Expected cells of at most {LARGEST_CELL_A} A, found one of {longest} A: take fewer atoms or higher "
                "densities."
            )

    @property
    def folder(self) -> Path:
        """Where unfinished work lives, one file for each cell, trajectory and set of labels.

        The name follows from all that decides what a unit contains, and not from how many units there are: a larger
        dataset goes on from a smaller one, and two methods never mix.
        """
        content: tuple = (self.densities_g_cm3, self.anneal_temperatures_K, self.snapshots, self.atoms_per_cell,
                          self.atoms_per_frame, self.protocol, self.cell_protocol, self.seed)  # fmt: skip
        if self.method.structures != EMBEDDED_METHOD.structures:
            content += self.method.structures
        digest = hashlib.sha256(repr(content).encode()).hexdigest()[:12]
        return (self.work or cache_directory() / "generation").absolute() / digest

    def cell_units(self) -> Iterator[CellUnit]:
        """Cells cycle through the densities; temperatures and snapshot times are uniform at random."""
        temperatures, folder = self.anneal_temperatures_K, self.folder
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
                path=folder / "cells" / f"{number:05d}.npz",
                method=self.method,
            )

    def trajectory_units(self) -> Iterator[TrajectoryUnit]:
        """One trajectory per density first, at temperatures all over the range, then :func:`coarse_to_fine`."""
        n_temperatures = len(self.anneal_temperatures_K)
        n_densities = len(self.densities_g_cm3)
        first = [n_temperatures * i + (8 * i) % n_temperatures for i in range(n_densities)]
        numbers = list(first)
        if self.trajectories != "one-per-density":
            rest = (n_temperatures * d + t for t in coarse_to_fine(n_temperatures) for d in range(n_densities))
            numbers += [number for number in rest if number not in set(first)]
        if isinstance(self.trajectories, int):
            numbers = numbers[: self.trajectories]
        folder = self.folder
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
                method=self.method,
            )
            yield replace(unit, path=folder / "trajectories" / f"{unit.name}.npz")
