"""What structures are like: shares of kinds of atoms, rings, radial distribution functions, neighbourhoods."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
from ase import Atoms
from ase.geometry.rdf import get_rdf
from jaxtyping import Float, Int
from matscipy.ffi import distances_on_graph
from matscipy.neighbours import neighbour_list
from matscipy.rings import ring_statistics

from synthetic_atoms.categories import CATEGORIES
from synthetic_atoms.datasets.containers import Frames
from synthetic_atoms.descriptors.coordination import bond_of
from synthetic_atoms.errors import DataError, ParameterError

LARGEST_RING = 8
"""Atoms in the largest ring that is counted unless asked otherwise."""


def final_frames(data: Frames) -> Int[np.ndarray, " trajectories"]:
    """Index of the last frame of each trajectory, by increasing number of the trajectory.

    The last in time, or the last in the data where times are unknown.
    """
    order = np.lexsort((np.arange(data.n_frames), np.nan_to_num(data.time_ps, nan=np.inf), data.trajectory))
    last = np.append(np.diff(data.trajectory[order]) != 0, True)
    return order[last].astype(np.int64)


def describe_frames(data: Frames, frames: Int[np.ndarray, " frames"]) -> pd.DataFrame:
    """``trajectory``, ``density_g_cm3`` and ``anneal_temperature_K`` of some frames, a row for each.

    Densities are rounded to the paper's grid of 0.1 g/cm3, so that trajectories can be grouped by them.
    """
    return pd.DataFrame(
        {
            "trajectory": data.trajectory[frames],
            "density_g_cm3": np.round(data.density_g_cm3[frames], 1),
            "anneal_temperature_K": data.anneal_temperature_K[frames],
        }
    )


def coordination_shares(
    data: Frames,
    coordination: Int[np.ndarray, " environments"],
    frames: Int[np.ndarray, " frames"],
    categories: Mapping[str, int] = CATEGORIES,
) -> pd.DataFrame:
    """Shares of each category of atoms in some frames, in percent of all atoms of the frame.

    Parameters
    ----------
    data, coordination
        The frames, and the coordination number of each of their atoms.
    frames
        Indices of the frames.
    categories
        Coordination number by name.

    Returns
    -------
    pandas.DataFrame
        The columns of :func:`describe_frames`, and one for each category, such as ``sp2_percent``.
    """
    sizes = np.diff(data.offsets)[frames]
    table = describe_frames(data, frames)
    for name, number in categories.items():
        counts = np.bincount(data.frame[coordination == number], minlength=data.n_frames)[frames]
        table[f"{name}_percent"] = 100.0 * counts / sizes
    return table


def slope_with_temperature(table: pd.DataFrame, column: str) -> tuple[float, float] | None:
    """Change of a column per 1000 K of annealing temperature at the same density, with its standard error.

    Least squares with one constant for each density, so that only trajectories of equal density are compared. None if
    the table does not have them.
    """
    known = table.dropna(subset=["anneal_temperature_K"])
    density = known.groupby("density_g_cm3")
    x = (known["anneal_temperature_K"] - density["anneal_temperature_K"].transform("mean")).to_numpy() / 1000.0
    y = (known[column] - density[column].transform("mean")).to_numpy()
    freedom = len(known) - density.ngroups - 1
    spread = float(x @ x)
    if freedom < 1 or spread == 0.0:
        return None
    slope = float(x @ y) / spread
    residual = y - slope * x
    return slope, float(np.sqrt(residual @ residual / freedom / spread))


def ring_counts(
    atoms: Atoms, *, cutoff_A: float | None = None, largest: int = LARGEST_RING
) -> Int[np.ndarray, " sizes"]:
    """Number of rings of 0, 1, ..., ``largest`` atoms: shortest-path rings, counted by matscipy.

    A ring is a closed path of bonds on which no two atoms are joined by a shorter path than that along the ring
    (Franzblau, doi 10.1103/PhysRevB.44.4925). In a periodic cell, counts are exact up to
    :func:`shortest_path_around`; beyond it, rings can be missed. Bonds are no longer than ``cutoff_A``, or as
    :func:`~synthetic_atoms.descriptors.coordination.bond_of` says.

    Raises
    ------
    ParameterError
        If ``largest`` is below 3 or the cutoff is not positive.
    """
    if largest < 3:
        raise ParameterError(f"Expected a ring of at least 3 atoms, found {largest}.")
    cutoff_A = bond_of(atoms, cutoff_A)
    found = np.zeros(largest + 1, dtype=np.int64)
    if len(neighbour_list("i", atoms, cutoff_A)):
        counted = ring_statistics(atoms, cutoff_A)[: largest + 1]
        found[: len(counted)] = counted
    return found


def shortest_path_around(atoms: Atoms, *, cutoff_A: float | None = None) -> int | None:
    """Bonds on the shortest path from an atom to one of its own periodic images; None if no path leads there.

    Rings with at most that many atoms are counted exactly in the cell as it is: an unwanted short cut between two atoms
    of a ring would close, with half of the ring, a path around the cell that is shorter than the ring.
    """
    if not atoms.pbc.any():
        return None
    repeat = np.where(atoms.pbc, 2, 1)
    first, second = neighbour_list("ij", atoms * repeat, bond_of(atoms, cutoff_A))
    if len(first) == 0:
        return None
    # matscipy takes the number of atoms from the list, so that atoms without neighbours at its end are not known
    distance = np.asarray(distances_on_graph(first, second))
    steps = [
        distance[atom, image]
        for atom in range(min(len(atoms), len(distance)))
        for image in range(atom + len(atoms), len(distance), len(atoms))
    ]
    reached = [int(step) for step in steps if 0 < step < len(distance)]
    return min(reached, default=None)


def ring_table(
    data: Frames,
    frames: Int[np.ndarray, " frames"],
    *,
    cutoff_A: float | None = None,
    largest: int = LARGEST_RING,
) -> pd.DataFrame:
    """Rings of some frames: the columns of :func:`describe_frames`, ``ring_size`` and ``rings_per_100_atoms``."""
    sizes = np.arange(3, largest + 1)
    table = describe_frames(data, frames)
    parts = []
    for row, frame in enumerate(frames):
        atoms = data.atoms(frame)
        counts = ring_counts(atoms, cutoff_A=cutoff_A, largest=largest)
        part = table.iloc[[row] * len(sizes)].reset_index(drop=True)
        part["ring_size"] = sizes
        part["rings_per_100_atoms"] = 100.0 * counts[3:] / len(atoms)
        parts.append(part)
    return pd.concat(parts, ignore_index=True)


def radial_distribution(
    structures: Sequence[Atoms], *, width_A: float = 0.05
) -> tuple[Float[np.ndarray, " bins"], Float[np.ndarray, " bins"]]:
    """Radial distribution function g(r), averaged over structures; 1 for an ideal gas. Computed by ASE.

    Parameters
    ----------
    structures
        Periodic cells.
    width_A
        Width of a bin.

    Returns
    -------
    r_A, g
        Centres of the bins, up to half the smallest distance between opposite faces of a cell, and g in each.

    Raises
    ------
    ParameterError
        If the width is not positive.
    DataError
        If there are no structures, or one is not periodic or too small for a single bin.
    """
    if not width_A > 0:
        raise ParameterError(f"Expected a positive width of bins, found {width_A} A.")
    if not structures or not all(atoms.pbc.all() for atoms in structures):
        raise DataError("Expected periodic cells for a radial distribution function, found none or others.")
    heights = np.concatenate([1.0 / np.linalg.norm(atoms.cell.reciprocal(), axis=1) for atoms in structures])
    bins = int(np.floor(heights.min() / 2.0 / width_A * (1 + 1e-12)))
    if bins < 1:
        raise DataError(f"Expected cells wider than {2 * width_A} A, found one of {heights.min():.3f} A.")
    g, r = get_rdf(list(structures), bins * width_A * (1 - 1e-9), bins)
    return np.asarray(r, dtype=float), np.asarray(g, dtype=float)


@dataclass(frozen=True)
class Neighbourhood:
    """An atom with those it is bonded to, and those they are bonded to.

    Attributes
    ----------
    positions_A
        The atom itself (at the origin) and its neighbours, each periodic image by itself.
    shell
        Bonds between each atom and the first.
    coordination
        Coordination number of each atom in the whole structure.
    bonds
        Pairs of atoms that are bonded.
    cutoff_A
        Largest length of a bond.
    """

    positions_A: Float[np.ndarray, "atoms 3"]
    shell: Int[np.ndarray, " atoms"]
    coordination: Int[np.ndarray, " atoms"]
    bonds: Int[np.ndarray, "bonds 2"]
    cutoff_A: float

    @property
    def bond_lengths_A(self) -> Float[np.ndarray, " neighbours"]:
        """Lengths of the first atom's bonds, in ascending order."""
        return np.sort(np.linalg.norm(self.positions_A[self.shell == 1], axis=1))


def neighbourhood(atoms: Atoms, index: int, *, cutoff_A: float | None = None, shells: int = 2) -> Neighbourhood:
    """The neighbourhood of one atom, up to so many bonds away.

    Raises
    ------
    ParameterError
        If there is no such atom.
    """
    if not 0 <= index < len(atoms):
        raise ParameterError(f"Expected an atom from 0 to {len(atoms) - 1}, found {index}.")
    cutoff_A = bond_of(atoms, cutoff_A)
    first, second, vectors = neighbour_list("ijD", atoms, cutoff_A)
    places, owners, shell, newest = [np.zeros(3)], [index], [0], [0]
    for step in range(1, shells + 1):
        start = len(places)
        for here in newest:
            for bond in np.flatnonzero(first == owners[here]):
                place = places[here] + vectors[bond]
                if np.linalg.norm(np.array(places) - place, axis=1).min() > 1e-3:  # else it is there already
                    places.append(place)
                    owners.append(int(second[bond]))
                    shell.append(step)
        newest = list(range(start, len(places)))
    positions = np.array(places)
    distance = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    return Neighbourhood(
        positions_A=positions,
        shell=np.array(shell, dtype=np.int64),
        coordination=np.bincount(first, minlength=len(atoms))[owners].astype(np.int64),
        bonds=np.argwhere(np.triu((distance <= cutoff_A) & (distance > 0))).astype(np.int64).reshape(-1, 2),
        cutoff_A=cutoff_A,
    )


def typical_and_extreme(
    local_energy_eV: Float[np.ndarray, " environments"],
    coordination: Int[np.ndarray, " environments"],
    candidates: Int[np.ndarray, " candidates"],
    categories: Mapping[str, int] = CATEGORIES,
) -> pd.DataFrame:
    """The environments of lowest, median and highest energy of each category, among some candidates.

    Returns
    -------
    pandas.DataFrame
        ``category``, ``rank`` (``lowest``, ``typical``, ``highest``), ``environment``; categories without candidates
        are left out.
    """
    rows = []
    for name, number in categories.items():
        members = candidates[coordination[candidates] == number]
        ordered = members[np.argsort(local_energy_eV[members], kind="stable")]
        if len(ordered) == 0:
            continue
        picks = {"lowest": 0, "typical": (len(ordered) - 1) // 2, "highest": len(ordered) - 1}
        rows += [{"category": name, "rank": rank, "environment": int(ordered[place])} for rank, place in picks.items()]
    return pd.DataFrame(rows, columns=["category", "rank", "environment"])
