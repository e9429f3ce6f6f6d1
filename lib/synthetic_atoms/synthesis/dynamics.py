"""Melt-quench-anneal molecular dynamics with LAMMPS (the paper's "Dataset" section)."""

from __future__ import annotations

import ctypes

import numpy as np
from jaxtyping import Float, Int

from synthetic_atoms.errors import ParameterError, SyntheticAtomsError
from synthetic_atoms.synthesis.potentials import LCBOP, TERSOFF, PairStyle, start_lammps
from synthetic_atoms.synthesis.protocol import (
    HOT_K,
    PAPER_PROTOCOL,
    STEP_PS,
    Protocol,
    Snapshots,
    cell_length,
    contact_A,
    mass_u,
    to_milliangstrom,
)

_LARGEST_BATH_SEED = 899_999_000  # LAMMPS' Langevin thermostat takes none above 900,000,000; frames add their number
_PER_PS = {"metal": 1, "real": 1000}  # LAMMPS' unit of time


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
    symbol: str = "C",
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
    symbol
        The element.

    Raises
    ------
    SyntheticAtomsError
        If LAMMPS loses atoms or stops for another reason.
    """
    edge = cell_length(n_atoms, density_g_cm3, symbol)
    seeds = [int(value) for value in np.random.default_rng(seed).integers(1, 2**30, size=3)]
    seeds[2] = 1 + seeds[2] % _LARGEST_BATH_SEED if seeds[2] > _LARGEST_BATH_SEED else seeds[2]
    engine = start_lammps()
    try:
        _start(engine, symbol, n_atoms, edge, seeds, protocol.melt_K, driver)
        states = _run_stages(engine, protocol, anneal_temperature_K, snapshot_steps, _PER_PS[driver.units])
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
        time_ps=np.asarray(snapshot_steps) * STEP_PS,
        temperature_K=temperatures,
        cell_length_A=edge,
    )


def check_driver(driver: PairStyle, symbol: str) -> None:
    """Start LAMMPS with an interaction and eight atoms, so that a wrong one is found before anything long is begun.

    Raises
    ------
    ParameterError
        If LAMMPS refuses the interaction; the sentence has its words.
    """
    engine = start_lammps()
    try:
        edge = 8.0
        for command in [
            *_setting(driver, edge),
            *(f"create_atoms 1 single {x} {y} {z}" for x in (0, 4) for y in (0, 4) for z in (0, 4)),
            *_interaction(driver, symbol),
            "run 0 post no",
        ]:
            engine.command(command)
    except Exception as error:
        message = " ".join(str(error).split())
        raise ParameterError(
            f"Expected LAMMPS to take pair_style '{driver.style}' with pair_coeff '{driver.coefficients}', found: "
            f"{message}."
        ) from error
    finally:
        engine.close()


def _setting(driver: PairStyle, edge: float) -> list[str]:
    """An empty cubic cell."""
    return [
        f"units {driver.units}",
        f"atom_style {driver.atom_style}",
        "atom_modify map array sort 0 0",
        "boundary p p p",
        f"region cell block 0 {edge} 0 {edge} 0 {edge}",
        "create_box 1 cell",
    ]


def _interaction(driver: PairStyle, symbol: str) -> list[str]:
    return [f"mass 1 {mass_u(symbol)}", *driver.commands()]


def _start(engine, symbol: str, n_atoms: int, edge: float, seeds: list[int], melt_K: float, driver: PairStyle) -> None:
    """Random positions without contacts, minimised, then a short Langevin run at the melting temperature."""
    per_ps = _PER_PS[driver.units]
    commands = [
        *_setting(driver, edge),
        f"create_atoms 1 random {n_atoms} {seeds[0]} NULL overlap {contact_A(symbol)} maxtry 100000",
        *_interaction(driver, symbol),
        "neighbor 1.0 bin",
        "neigh_modify every 1 delay 0 check yes",
        "minimize 1e-4 1e-4 200 2000",
        "reset_timestep 0",
        f"velocity all create {melt_K} {seeds[1]} mom yes rot yes dist gaussian",
        f"timestep {STEP_PS / 2 * per_ps}",
        f"fix bath all langevin {melt_K} {melt_K} {0.1 * per_ps} {seeds[2]}",
        "fix move all nve",
        "run 1000 post no",
        "unfix bath",
        "unfix move",
        "reset_timestep 0",
        f"timestep {STEP_PS * per_ps}",
    ]
    for command in commands:
        engine.command(command)
    if engine.get_natoms() != n_atoms:
        raise SyntheticAtomsError(f"expected {n_atoms} random atoms to fit, found {engine.get_natoms()}")


def _run_stages(engine, protocol: Protocol, anneal_temperature_K: float, snapshot_steps, per_ps: int) -> list[tuple]:
    """Positions (A) and velocities (A/ps) at each snapshot, each of shape (atoms, 3)."""
    states = []
    pending = [int(step) for step in snapshot_steps]
    begin = 0
    for steps, start, stop in protocol.stages(anneal_temperature_K):
        if not pending:
            break
        end = begin + steps
        engine.command(f"fix move all nvt temp {start} {stop} {0.1 * per_ps}")
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
    per_ps = _PER_PS[relaxer.units]
    frames = []
    for number, ((positions, velocities), temperature) in enumerate(zip(states, temperatures, strict=True)):
        step_ps = STEP_PS / 2 if temperature > HOT_K else STEP_PS
        _scatter(engine, "x", positions)
        _scatter(engine, "v", velocities)
        for command in (
            f"timestep {step_ps * per_ps}",
            f"fix bath all langevin {temperature} {temperature} {0.05 * per_ps} {seed + number}",
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
