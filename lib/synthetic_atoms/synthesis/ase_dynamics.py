"""The melt-quench-anneal protocol with any ASE calculator as the driver, for small cells and short runs."""

from __future__ import annotations

import numpy as np
from ase import Atoms, units
from ase.calculators.calculator import Calculator
from ase.md.langevin import Langevin
from ase.optimize import FIRE
from jaxtyping import Float, Int

from synthetic_atoms.errors import SyntheticAtomsError
from synthetic_atoms.synthesis.method import CalculatorSpec
from synthetic_atoms.synthesis.protocol import (
    HOT_K,
    PAPER_PROTOCOL,
    STEP_PS,
    Protocol,
    Snapshots,
    cell_length,
    contact_A,
    to_milliangstrom,
)

_TRIES = 100_000  # random positions that are tried before a cell counts as too dense
_RAMP_STEPS = 10  # the thermostat's temperature follows the protocol's in steps of 10 fs
_START_STEPS = 1000  # of half a femtosecond at the melting temperature


def random_positions(n_atoms: int, edge: float, contact: float, rng: np.random.Generator) -> Float[np.ndarray, "n 3"]:
    """Uniformly random positions (A) in a periodic cube, none nearer to another than ``contact``.

    Raises
    ------
    SyntheticAtomsError
        If the atoms do not fit.
    """
    placed = np.empty((n_atoms, 3))
    count = 0
    for _ in range(_TRIES):
        trial = rng.uniform(0, edge, size=3)
        apart = placed[:count] - trial
        apart -= edge * np.rint(apart / edge)
        if (np.einsum("ij,ij->i", apart, apart) >= contact**2).all():
            placed[count] = trial
            count += 1
            if count == n_atoms:
                return placed
    raise SyntheticAtomsError(f"expected {n_atoms} random atoms to fit, found {count}")


def thermalise(atoms: Atoms, temperature_K: float, rng: np.random.Generator) -> None:
    """Momenta from the Maxwell-Boltzmann distribution, without a drift of the whole."""
    momenta = rng.normal(size=(len(atoms), 3)) * np.sqrt(units.kB * temperature_K * atoms.get_masses())[:, None]
    atoms.set_momenta(momenta - momenta.mean(axis=0))


def melt_quench_anneal_ase(
    *,
    n_atoms: int,
    density_g_cm3: float,
    anneal_temperature_K: float,
    snapshot_steps: Int[np.ndarray, " frames"],
    seed: int,
    driver: CalculatorSpec,
    relaxer: CalculatorSpec | None = None,
    protocol: Protocol = PAPER_PROTOCOL,
    symbol: str = "C",
) -> Snapshots:
    """The protocol of :func:`~synthetic_atoms.synthesis.dynamics.melt_quench_anneal` with ASE's own dynamics.

    The thermostat is Langevin's throughout (damping time 0.1 ps, 0.05 ps with the relaxer).

    Parameters
    ----------
    n_atoms, density_g_cm3, anneal_temperature_K, snapshot_steps, seed, protocol, symbol
        As there.
    driver, relaxer
        Calculators of forces; ``relaxer=None`` leaves the snapshots as the driver made them.

    Raises
    ------
    SyntheticAtomsError
        If the atoms do not fit, the calculator fails, or the atoms fly apart.
    """
    edge = cell_length(n_atoms, density_g_cm3, symbol)
    rng = np.random.default_rng(seed)
    calculator = driver.make()
    try:
        positions = random_positions(n_atoms, edge, contact_A(symbol), rng)
        atoms = Atoms(f"{symbol}{n_atoms}", positions=positions, cell=[edge] * 3, pbc=True, calculator=calculator)
        with FIRE(atoms, logfile=None) as minimiser:
            minimiser.run(fmax=0.5, steps=200)
        thermalise(atoms, protocol.melt_K, rng)
        _run(atoms, _START_STEPS, STEP_PS / 2, protocol.melt_K, 0.1, rng)
        states = _run_stages(atoms, protocol, anneal_temperature_K, snapshot_steps, rng)
        temperatures = np.array([protocol.temperature(int(step), anneal_temperature_K) for step in snapshot_steps])
        if relaxer is None:
            frames = [positions for positions, _ in states]
        else:
            frames = _relax(atoms, states, temperatures, protocol.relax_ps, relaxer.make(), seed)
    except Exception as error:
        message = " ".join(str(error).split()) or type(error).__name__
        raise SyntheticAtomsError(
            f"The trajectory at {density_g_cm3} g/cm3 and {anneal_temperature_K} K (seed {seed}) was expected to run "
            f"to its end, but it stopped: {message.rstrip('.')}."
        ) from error
    return Snapshots(
        positions_mA=np.stack([to_milliangstrom(frame, edge) for frame in frames]),
        time_ps=np.asarray(snapshot_steps) * STEP_PS,
        temperature_K=temperatures,
        cell_length_A=edge,
    )


def _run(
    atoms: Atoms, steps: int, step_ps: float, temperature_K: float, damping_ps: float, rng: np.random.Generator
) -> None:
    """Langevin dynamics at one temperature."""
    friction = 1 / (1000 * damping_ps * units.fs)
    # fixcm: ASE's way of holding the centre of mass is deprecated, and a drift does not matter here
    bath = Langevin(
        atoms, 1000 * step_ps * units.fs, temperature_K=temperature_K, friction=friction, rng=rng, fixcm=False
    )
    bath.run(steps)
    if not np.isfinite(atoms.positions).all():
        raise SyntheticAtomsError("expected finite positions, found atoms that flew apart")


def _run_stages(
    atoms: Atoms, protocol: Protocol, anneal_temperature_K: float, snapshot_steps, rng: np.random.Generator
) -> list[tuple]:
    """Positions (A) and momenta (ASE's units) at each snapshot, each of shape (atoms, 3); ends at the last one."""
    states = []
    pending = [int(step) for step in snapshot_steps]
    ends = np.cumsum([steps for steps, _, _ in protocol.stages(anneal_temperature_K)]).tolist()
    step = 0
    while pending:
        stage = next(end for end in ends if end > step)
        # A stage's first piece must not take the temperature at which the stage before it ended.
        _, start, _ = protocol.stages(anneal_temperature_K)[ends.index(stage)]
        temperature = start if step in (0, *ends) else protocol.temperature(step, anneal_temperature_K)
        piece = min(_RAMP_STEPS, stage - step, pending[0] - step)
        _run(atoms, piece, STEP_PS, temperature, 0.1, rng)
        step += piece
        if step == pending[0]:
            pending.pop(0)
            states.append((atoms.get_positions(), atoms.get_momenta()))
    return states


def _relax(atoms: Atoms, states, temperatures, relax_ps: float, calculator: Calculator, seed: int) -> list[np.ndarray]:
    """Run each state for a while with another calculator at its own temperature; positions (A)."""
    atoms.calc = calculator
    frames = []
    for number, ((positions, momenta), temperature) in enumerate(zip(states, temperatures, strict=True)):
        step_ps = STEP_PS / 2 if temperature > HOT_K else STEP_PS
        atoms.set_positions(positions)
        atoms.set_momenta(momenta)
        _run(atoms, round(relax_ps / step_ps), step_ps, float(temperature), 0.05, np.random.default_rng([seed, number]))
        frames.append(atoms.get_positions())
    return frames
