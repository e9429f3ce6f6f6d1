"""Melt-quench-anneal molecular dynamics of carbon with LAMMPS (the paper's "Dataset" section)."""

from __future__ import annotations

import ctypes
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from synthetic_atoms.errors import SyntheticAtomsError
from synthetic_atoms.synthesis.potentials import LCBOP, TERSOFF, PairStyle, start_lammps

CARBON_MASS = 12.011
"""Mass of a carbon atom in u."""

_U_PER_CUBIC_ANGSTROM = 0.602214076  # 1 g/cm3 in u/A3
_STEP_PS = 0.001
_HOT_K = 4500.0  # above this temperature atoms move too fast for a femtosecond step with LCBOP
_LARGEST_BATH_SEED = 899_999_000  # LAMMPS' Langevin thermostat takes none above 900,000,000; frames add their number
_CONTACT_A = 1.1  # minimum separation of the random starting positions


@dataclass(frozen=True)
class Protocol:
    """Durations (ps) and temperatures (K) of a melt-quench-anneal run; the defaults are the paper's.

    The cell is melted, quenched to ``cold_K``, reheated at once to the annealing temperature, annealed and cooled.
    """

    melt_ps: float = 5.0
    quench_ps: float = 5.0
    anneal_ps: float = 100.0
    cool_ps: float = 50.0
    melt_K: float = 9000.0
    cold_K: float = 300.0
    relax_ps: float = 0.3

    def stages(self, anneal_temperature_K: float) -> list[tuple[int, float, float]]:
        """(steps, starting temperature, final temperature) of each stage at 1 fs a step."""
        return [
            (round(self.melt_ps / _STEP_PS), self.melt_K, self.melt_K),
            (round(self.quench_ps / _STEP_PS), self.melt_K, self.cold_K),
            (round(self.anneal_ps / _STEP_PS), anneal_temperature_K, anneal_temperature_K),
            (round(self.cool_ps / _STEP_PS), anneal_temperature_K, self.cold_K),
        ]

    @property
    def steps(self) -> int:
        """Number of 1 fs steps from the melt to the end."""
        return sum(steps for steps, _, _ in self.stages(self.cold_K))

    def temperature(self, step: int, anneal_temperature_K: float) -> float:
        """The thermostat's temperature in K after ``step`` steps."""
        for steps, start, stop in self.stages(anneal_temperature_K):
            if step <= steps:
                return start + (stop - start) * step / steps
            step -= steps
        raise SyntheticAtomsError(f"Expected a step within the protocol's {self.steps}, found one {step} beyond it.")


PAPER_PROTOCOL = Protocol()
"""5 ps at 9000 K, 5 ps to 300 K, 100 ps at the annealing temperature, 50 ps to 300 K."""

SHORT_PROTOCOL = Protocol(melt_ps=2.0, quench_ps=2.0, anneal_ps=4.0, cool_ps=1.0)
"""The same stages in 9 ps, for the small cells that get quantum-mechanical labels."""


@dataclass(frozen=True)
class Snapshots:
    """Frames of one trajectory.

    Attributes
    ----------
    positions_mA
        Positions in integer milliangstroms within the cell, shape (frames, atoms, 3).
    time_ps
        Time since the start of the melt, shape (frames,).
    temperature_K
        The thermostat's temperature at that time, shape (frames,).
    cell_length_A
        Edge of the cubic cell in A.
    """

    positions_mA: np.ndarray
    time_ps: np.ndarray
    temperature_K: np.ndarray
    cell_length_A: float


def cell_length(n_atoms: int, density_g_cm3: float, mass_u: float = CARBON_MASS) -> float:
    """Edge in A of the cubic cell that holds ``n_atoms`` at a mass density, rounded to 1 mA."""
    return round((n_atoms * mass_u / (density_g_cm3 * _U_PER_CUBIC_ANGSTROM)) ** (1 / 3), 3)


def draw_snapshot_steps(protocol: Protocol, count: int, rng: np.random.Generator) -> Int[np.ndarray, " count"]:
    """Sorted steps at which a trajectory is sampled: at random over the whole run, the final step always among them.

    Steps are multiples of 10 fs, drawn without replacement.
    """
    final = protocol.steps
    drawn = 10 * rng.choice(np.arange(1, final // 10), size=count - 1, replace=False)
    return np.sort(np.append(drawn, final)).astype(int)


def to_milliangstrom(positions: Float[np.ndarray, "atoms 3"], cell_length_A: float) -> np.ndarray:
    """Wrap positions (A) into the cubic cell and round them to integer milliangstroms, shape (atoms, 3), uint16."""
    edge = round(1000 * cell_length_A)
    return np.mod(np.rint(1000 * positions).astype(np.int64), edge).astype(np.uint16)


def melt_quench_anneal(
    *,
    n_atoms: int,
    density_g_cm3: float,
    anneal_temperature_K: float,
    snapshot_steps: Int[np.ndarray, " frames"],
    seed: int,
    protocol: Protocol = PAPER_PROTOCOL,
    driver: PairStyle = TERSOFF,
    relaxer: PairStyle | None = LCBOP,
) -> Snapshots:
    """Run one trajectory and return its snapshots.

    Random positions with a minimum separation are minimised, driven by a Langevin thermostat at half a femtosecond a
    step for half a picosecond, and then taken through ``protocol`` at 1 fs with a Nose-Hoover thermostat (damping
    time 0.1 ps). The run ends at the last snapshot. Each snapshot then runs for ``protocol.relax_ps`` with
    ``relaxer`` at its own temperature (Langevin, 0.05 ps), because Tersoff's potential has no conjugation and leaves
    threefold atoms strained.

    Parameters
    ----------
    n_atoms, density_g_cm3, anneal_temperature_K
        The cell and its annealing temperature.
    snapshot_steps
        Increasing steps (1 fs each, counted from the start of the melt) at which to take a frame.
    seed
        Seeds positions, velocities and thermostats: the same seed gives the same trajectory on one machine.
    protocol, driver, relaxer
        What is run, with which interaction; ``relaxer=None`` leaves the snapshots as the driver made them.

    Raises
    ------
    SyntheticAtomsError
        If LAMMPS loses atoms or stops for another reason.
    """
    edge = cell_length(n_atoms, density_g_cm3)
    seeds = [int(value) for value in np.random.default_rng(seed).integers(1, 2**30, size=3)]
    seeds[2] = 1 + seeds[2] % _LARGEST_BATH_SEED if seeds[2] > _LARGEST_BATH_SEED else seeds[2]
    engine = start_lammps()
    try:
        _start(engine, n_atoms, edge, seeds, protocol.melt_K, driver)
        states = _run_stages(engine, protocol, anneal_temperature_K, snapshot_steps)
        temperatures = np.array([protocol.temperature(int(step), anneal_temperature_K) for step in snapshot_steps])
        if relaxer is None:
            frames = [positions for positions, _ in states]
        else:
            frames = _relax(engine, states, temperatures, protocol.relax_ps, relaxer, seeds[2])
    except Exception as error:
        message = " ".join(str(error).split())
        raise SyntheticAtomsError(
            f"The trajectory at {density_g_cm3} g/cm3 and {anneal_temperature_K} K (seed {seed}) was expected to run "
            f"to its end, but LAMMPS stopped: {message}."
        ) from error
    finally:
        engine.close()
    return Snapshots(
        positions_mA=np.stack([to_milliangstrom(frame, edge) for frame in frames]),
        time_ps=np.asarray(snapshot_steps) * _STEP_PS,
        temperature_K=temperatures,
        cell_length_A=edge,
    )


def _start(engine, n_atoms: int, edge: float, seeds: list[int], melt_K: float, driver: PairStyle) -> None:
    """Random positions without contacts, minimised, then a short Langevin run at the melting temperature."""
    commands = [
        "units metal",
        "atom_style atomic",
        "atom_modify map array sort 0 0",
        "boundary p p p",
        f"region cell block 0 {edge} 0 {edge} 0 {edge}",
        "create_box 1 cell",
        f"create_atoms 1 random {n_atoms} {seeds[0]} NULL overlap {_CONTACT_A} maxtry 100000",
        f"mass 1 {CARBON_MASS}",
        *driver.commands(),
        "neighbor 1.0 bin",
        "neigh_modify every 1 delay 0 check yes",
        "minimize 1e-4 1e-4 200 2000",
        "reset_timestep 0",
        f"velocity all create {melt_K} {seeds[1]} mom yes rot yes dist gaussian",
        f"timestep {_STEP_PS / 2}",
        f"fix bath all langevin {melt_K} {melt_K} 0.1 {seeds[2]}",
        "fix move all nve",
        "run 1000 post no",
        "unfix bath",
        "unfix move",
        "reset_timestep 0",
        f"timestep {_STEP_PS}",
    ]
    for command in commands:
        engine.command(command)
    if engine.get_natoms() != n_atoms:
        raise SyntheticAtomsError(f"expected {n_atoms} random atoms to fit, found {engine.get_natoms()}")


def _run_stages(engine, protocol: Protocol, anneal_temperature_K: float, snapshot_steps) -> list[tuple]:
    """Positions (A) and velocities (A/ps) at each snapshot, each of shape (atoms, 3)."""
    states = []
    pending = [int(step) for step in snapshot_steps]
    begin = 0
    for steps, start, stop in protocol.stages(anneal_temperature_K):
        if not pending:
            break
        end = begin + steps
        engine.command(f"fix move all nvt temp {start} {stop} 0.1")
        while pending and pending[0] <= end:
            engine.command(f"run {pending.pop(0)} upto start {begin} stop {end} post no")
            states.append((_gather(engine, "x"), _gather(engine, "v")))
        if pending:
            engine.command(f"run {end} upto start {begin} stop {end} post no")
        engine.command("unfix move")
        begin = end
    return states


def _relax(engine, states, temperatures, relax_ps: float, relaxer: PairStyle, seed: int) -> list[np.ndarray]:
    """Run each state for a while with another interaction at its own temperature; positions (A)."""
    for command in relaxer.commands():
        engine.command(command)
    frames = []
    for number, ((positions, velocities), temperature) in enumerate(zip(states, temperatures, strict=True)):
        step_ps = _STEP_PS / 2 if temperature > _HOT_K else _STEP_PS
        _scatter(engine, "x", positions)
        _scatter(engine, "v", velocities)
        for command in (
            f"timestep {step_ps}",
            f"fix bath all langevin {temperature} {temperature} 0.05 {seed + number}",
            "fix move all nve",
            f"run {round(relax_ps / step_ps)} post no",
            "unfix bath",
            "unfix move",
        ):
            engine.command(command)
        frames.append(_gather(engine, "x"))
    return frames


def _gather(engine, name: str) -> Float[np.ndarray, "atoms 3"]:
    """A per-atom vector, ordered by atom id."""
    return np.array(engine.gather_atoms(name, 1, 3)).reshape(-1, 3)


def _scatter(engine, name: str, values: Float[np.ndarray, "atoms 3"]) -> None:
    """Set a per-atom vector, ordered by atom id."""
    engine.scatter_atoms(name, 1, 3, (ctypes.c_double * values.size)(*values.ravel()))
