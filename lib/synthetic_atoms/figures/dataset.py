"""Figures of the dataset: energies (Fig. 2a), and the variety of structures."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from matplotlib import colormaps
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, MultipleLocator
from scipy.stats import gaussian_kde

from synthetic_atoms.categories import CATEGORIES, legend_label, short_label, spelled
from synthetic_atoms.errors import DataError
from synthetic_atoms.figures.style import looks, new_figure, style


def energy_densities(
    binding_energy_eV: Float[np.ndarray, " environments"],
    coordination: Int[np.ndarray, " environments"],
    categories: Mapping[str, int] = CATEGORIES,
    *,
    max_environments: int = 20_000,
    seed: int = 0,
    points: int = 400,
) -> pd.DataFrame:
    """Kernel density estimates of the per-atom energy for each category of atoms, each of unit area.

    Parameters
    ----------
    binding_energy_eV
        Per-atom energies relative to the free atom, in eV.
    coordination
        Coordination numbers.
    categories
        Coordination number by name.
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
    shown = np.isin(coordination, list(categories.values()))
    if not shown.any():
        raise DataError(f"Expected atoms with {spelled(categories)}, found none.")
    low, high = np.quantile(binding_energy_eV[shown], [0.0005, 0.9995])
    margin = min(0.3, 0.1 * (high - low))
    grid = np.linspace(low - margin, high + margin, points)
    parts = []
    for name, number in categories.items():
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


def energy_distributions(
    densities: pd.DataFrame, categories: Mapping[str, int] = CATEGORIES, *, zero: str = "relative to the free atom"
) -> Figure:
    """Draw the densities of :func:`energy_densities` (Fig. 2a); ``zero`` says what energies are relative to."""
    with style():
        figure = new_figure(3.6)
        axes = figure.subplots()
        look = looks(categories)
        for name, part in densities.groupby("category", sort=False):
            axes.plot(
                part["energy_eV"],
                part["density_per_eV"],
                color=look[name].colour,
                linestyle=look[name].line,
                label=look[name].label,
            )
            axes.fill_between(part["energy_eV"], part["density_per_eV"], color=look[name].colour, alpha=0.2, lw=0)
        axes.set_xlabel(f"Per-atom energy {zero} (eV)")
        axes.set_ylabel("Probability density (1/eV)")
        axes.set_ylim(bottom=0)
        axes.margins(x=0)
        axes.legend()
        return figure


_RINGS = {5: ("^", "dotted"), 6: ("o", "solid"), 7: ("s", "dashed"), 8: ("D", "dashdot")}
DENSITY = "Density (g/cm³)"


def shares_by_density(shares: pd.DataFrame, categories: Mapping[str, int] = CATEGORIES) -> Figure:
    """Share of each category against density: a marker for each trajectory, a line through the means.

    ``shares`` is the table of :func:`synthetic_atoms.structure.coordination_shares`.
    """
    with style():
        figure = new_figure(3.6)
        axes = figure.subplots()
        crowded = shares["density_g_cm3"].duplicated().any()
        for name, look in looks(categories).items():
            mean = shares.groupby("density_g_cm3")[f"{name}_percent"].mean()
            axes.plot(
                shares["density_g_cm3"],
                shares[f"{name}_percent"],
                look.marker,
                color=look.colour,
                markersize=3 if crowded else 5,
                alpha=0.35 if crowded else 1.0,
                markeredgewidth=0,
            )
            axes.plot(mean.index, mean, color=look.colour, linestyle=look.line)
            label = legend_label(name)
            axes.plot([], [], color=look.colour, linestyle=look.line, marker=look.marker, label=label)
        axes.set_xlabel(DENSITY)
        axes.set_ylabel("Atoms in the final frame (%)")
        axes.set_ylim(-2, 102)
        title = None if set(categories) <= set(CATEGORIES) else "Neighbours"
        figure.legend(loc="outside upper center", ncols=3, title=title)
        return figure


def shares_by_density_and_temperature(shares: pd.DataFrame, categories: Mapping[str, int] = CATEGORIES) -> Figure:
    """Maps of a share over density and annealing temperature, with a square for each trajectory.

    The shares are those of the first and of the last category: sp and sp3 for carbon.
    """
    known = shares.dropna(subset=["anneal_temperature_K"])
    names = list(categories)[:: max(len(categories) - 1, 1)]
    with style():
        figure = new_figure(3.9)
        panels = figure.subplots(1, len(names), sharey=True, squeeze=False)[0]
        for axes, name in zip(panels, names, strict=True):
            values = known[f"{name}_percent"]
            drawn = axes.scatter(
                known["density_g_cm3"],
                known["anneal_temperature_K"],
                c=values,
                s=26,
                marker="s",
                cmap=colormaps["viridis"],
                vmin=0,
                vmax=max([1.0, *values]),
                linewidths=0,
            )
            axes.set_xlabel(DENSITY)
            label = legend_label(name) if name in CATEGORIES else short_label(name)
            figure.colorbar(drawn, ax=axes, location="top", label=f"{label}: atoms (%)", aspect=14, pad=0.03)
        panels[0].set_ylabel("Annealing temperature (K)")
        if np.ptp(known["anneal_temperature_K"]) >= 1000:
            panels[0].yaxis.set_major_locator(MultipleLocator(500))
        return figure


def rings_by_density(rings: pd.DataFrame) -> Figure:
    """Rings per 100 atoms against density, a line through the means for each size from 5 to 8.

    ``rings`` is the table of :func:`synthetic_atoms.structure.ring_table`.
    """
    with style():
        figure = new_figure(3.6)
        axes = figure.subplots()
        colours = colormaps["viridis"](np.linspace(0, 0.8, len(_RINGS)))
        for (size, (marker, line)), colour in zip(_RINGS.items(), colours, strict=True):
            mean = rings[rings["ring_size"] == size].groupby("density_g_cm3")["rings_per_100_atoms"].mean()
            axes.plot(mean.index, mean, color=colour, marker=marker, linestyle=line, label=f"{size} atoms", lw=1.5)
        axes.set_xlabel(DENSITY)
        axes.set_ylabel("Rings per 100 atoms")
        axes.set_ylim(bottom=0)
        figure.legend(loc="outside upper center", ncols=4, columnspacing=1.2, handlelength=2.2)
        return figure


def radial_distributions(table: pd.DataFrame, crystals: pd.DataFrame) -> Figure:
    """Radial distribution functions at several densities, one above the other.

    Parameters
    ----------
    table
        ``density_g_cm3``, ``r_A``, ``g``.
    crystals
        Distances of neighbours in crystals, drawn as ticks at the foot: ``crystal``, ``distance_A``; may be empty.
    """
    with style():
        figure = new_figure(4.4)
        axes = figure.subplots()
        groups = list(table.groupby("density_g_cm3"))
        step = 1.05 * max(part["g"].quantile(0.985) for _, part in groups)
        colours = colormaps["viridis"](np.linspace(0, 0.8, len(groups)))
        right = table["r_A"].max()
        labels = {"graphite": "neighbours in a graphite sheet", "diamond": "in diamond"}
        for number, ((density, part), colour) in enumerate(zip(groups, colours, strict=True)):
            axes.axhline(number * step + 1, color="#BBBBBB", lw=0.7, zorder=1)
            axes.plot(part["r_A"], part["g"] + number * step, color=colour, lw=1.4)
            end = part.loc[part["r_A"] > 0.8 * right, "g"].to_numpy()
            clear = number * step + max(1.15, end.max(initial=0.0) + 0.05)
            axes.text(right, clear, f"{density:.1f} g/cm³", ha="right", va="bottom", color=colour)
        for crystal, colour, foot in (("graphite", "#CC3311", -0.08), ("diamond", "#0072B2", -0.04)):
            distances = crystals.loc[crystals["crystal"] == crystal, "distance_A"]
            if distances.empty:
                continue
            axes.plot(
                distances,
                np.full(len(distances), foot * len(groups) * step),
                "|",
                color=colour,
                ms=7,
                mew=1.6,
                label=labels[crystal],
            )
        axes.set_xlim(0.9, right + 0.05)
        axes.xaxis.set_major_locator(MaxNLocator(integer=True))
        axes.set_xlabel("Distance r (Å)")
        axes.set_ylabel("Radial distribution function g(r), shifted")
        if len(crystals):
            figure.legend(loc="outside upper center", ncols=2, handletextpad=0.2)
        return figure
