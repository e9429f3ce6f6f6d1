"""Figures of the dataset (Fig. 2a)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from matplotlib.figure import Figure
from scipy.stats import gaussian_kde

from synthetic_atoms.errors import DataError
from synthetic_atoms.figures.style import (
    COORDINATION_COLOURS,
    COORDINATION_LABELS,
    COORDINATION_LINES,
    new_figure,
    style,
)

CATEGORIES = {"sp": 2, "sp2": 3, "sp3": 4}
"""Coordination numbers of the paper's three categories."""


def energy_densities(
    binding_energy_eV: Float[np.ndarray, " environments"],
    coordination: Int[np.ndarray, " environments"],
    *,
    max_environments: int = 20_000,
    seed: int = 0,
    points: int = 400,
) -> pd.DataFrame:
    """Kernel density estimates of the per-atom energy for sp, sp2 and sp3 atoms, each of unit area.

    Parameters
    ----------
    binding_energy_eV
        Per-atom energies relative to the free atom, in eV.
    coordination
        Coordination numbers.
    max_environments
        Each estimate uses at most this many environments, drawn at random.
    seed
        Seeds the draw.
    points
        Number of energies at which the densities are evaluated.

    Returns
    -------
    pandas.DataFrame
        ``energy_eV``, ``category``, ``density_per_eV``.

    Raises
    ------
    DataError
        If no category has at least two environments of different energy.
    """
    rng = np.random.default_rng(seed)
    shown = np.isin(coordination, list(CATEGORIES.values()))
    if not shown.any():
        raise DataError("Expected atoms with 2, 3 or 4 neighbours, found none.")
    low, high = np.quantile(binding_energy_eV[shown], [0.0005, 0.9995])
    grid = np.linspace(low - 0.3, high + 0.3, points)
    parts = []
    for name, number in CATEGORIES.items():
        energies = binding_energy_eV[coordination == number]
        if len(energies) < 2 or np.ptp(energies) == 0:
            continue
        if len(energies) > max_environments:
            energies = rng.choice(energies, max_environments, replace=False)
        parts.append(
            pd.DataFrame({"energy_eV": grid, "category": name, "density_per_eV": gaussian_kde(energies)(grid)})
        )
    if not parts:
        raise DataError("Expected at least two environments of one category, found none.")
    return pd.concat(parts, ignore_index=True)


def energy_distributions(densities: pd.DataFrame) -> Figure:
    """Draw the densities of :func:`energy_densities` (Fig. 2a)."""
    with style():
        figure = new_figure(3.6)
        axes = figure.subplots()
        for name, part in densities.groupby("category", sort=False):
            axes.plot(
                part["energy_eV"],
                part["density_per_eV"],
                color=COORDINATION_COLOURS[name],
                linestyle=COORDINATION_LINES[name],
                label=COORDINATION_LABELS[name],
            )
            axes.fill_between(
                part["energy_eV"], part["density_per_eV"], color=COORDINATION_COLOURS[name], alpha=0.2, lw=0
            )
        axes.set_xlabel("Per-atom energy relative to the free atom (eV)")
        axes.set_ylabel("Probability density (1/eV)")
        axes.set_ylim(bottom=0)
        axes.margins(x=0)
        axes.legend()
        return figure
