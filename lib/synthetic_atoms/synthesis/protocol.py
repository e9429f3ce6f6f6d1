"""The melt-quench-anneal protocol (the paper's "Dataset" section), and what a run of it leaves behind."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np
from ase.data import atomic_masses, atomic_numbers, covalent_radii
from jaxtyping import Float, Int

from synthetic_atoms.errors import ParameterError, SyntheticAtomsError

STEP_PS = 0.001
"""Time step of the molecular dynamics in ps."""

HOT_K = 4500.0
"""Above this temperature atoms move too fast for a femtosecond step with most potentials; half of it is taken."""

_U_PER_CUBIC_ANGSTROM = 0.602214076  # 1 g/cm3 in u/A3
_CARBON_CONTACT_A = 1.1  # minimum separation of the random starting positions


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

    def __post_init__(self) -> None:
        """Refuse stages that cannot be run."""
        for field in fields(self):
            value, least = getattr(self, field.name), 0.0 if field.name == "relax_ps" else STEP_PS
            if not least <= value < 1e6:
                raise ParameterError(f"Expected '{field.name}' to be at least {least} and finite, found {value}.")

    def stages(self, anneal_temperature_K: float) -> list[tuple[int, float, float]]:
        """(steps, starting temperature, final temperature) of each stage at 1 fs a step."""
        return [
            (round(self.melt_ps / STEP_PS), self.melt_K, self.melt_K),
            (round(self.quench_ps / STEP_PS), self.melt_K, self.cold_K),
            (round(self.anneal_ps / STEP_PS), anneal_temperature_K, anneal_temperature_K),
            (round(self.cool_ps / STEP_PS), anneal_temperature_K, self.cold_K),
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


def mass_u(symbol: str) -> float:
    """Mass of an element's atom in u."""
    return float(atomic_masses[atomic_numbers[symbol]])


def contact_A(symbol: str) -> float:
    """Minimum separation (A) of random starting positions: 1.1 for carbon, in proportion to covalent radii."""
    ratio = covalent_radii[atomic_numbers[symbol]] / covalent_radii[atomic_numbers["C"]]
    return round(float(_CARBON_CONTACT_A * ratio), 2)


def cell_length(n_atoms: int, density_g_cm3: float, symbol: str = "C") -> float:
    """Edge in A of the cubic cell that holds ``n_atoms`` at a mass density, rounded to 1 mA."""
    return round((n_atoms * mass_u(symbol) / (density_g_cm3 * _U_PER_CUBIC_ANGSTROM)) ** (1 / 3), 3)


def density_range(symbol: str) -> tuple[float, float]:
    """Densities (g/cm3) that are not a slip of the pen: 3.9 to 200 cubic angstroms for an atom."""
    return round(mass_u(symbol) / 200 / _U_PER_CUBIC_ANGSTROM, 2), round(
        mass_u(symbol) / 3.9 / _U_PER_CUBIC_ANGSTROM, 1
    )


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
