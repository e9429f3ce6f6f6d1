"""Figures of the models: a trained network and the deep-kernel idea (Fig. 2d, e)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

import matplotlib as mpl
import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from synthetic_atoms.figures.style import MODEL_COLOURS, new_figure, style
from synthetic_atoms.models.network import Network

SHOWN_NODES = 9
"""Nodes of a layer that are drawn; the others hide behind the dots in its middle."""

INPUT_COLOURS, UNIT_COLOURS = "Greys", "RdBu_r"


def layer_table(network: Network) -> pd.DataFrame:
    """Layers of a network, read from its weights: ``layer``, ``inputs``, ``units``, ``activation``, ``parameters``."""
    modules = [*network.layers, network.output]
    names = [f"hidden {number}" for number in range(1, len(modules))] + ["output"]
    return pd.DataFrame(
        {
            "layer": names,
            "inputs": [module.in_features for module in modules],
            "units": [module.out_features for module in modules],
            "activation": ["CELU"] * len(network.layers) + ["none"],
            "parameters": [sum(p.numel() for p in module.parameters()) for module in modules],
        }
    )


def _heights(n: int) -> Float[np.ndarray, " nodes"]:
    """Heights of the nodes of a layer with n of them, with a gap in the middle where some are left out."""
    if n <= SHOWN_NODES:
        return np.linspace(-1, 1, n) * (n - 1) / (SHOWN_NODES + 1)
    half = SHOWN_NODES // 2
    slots = np.linspace(-1, 1, SHOWN_NODES + 2)
    return np.concatenate([slots[:half], slots[-half:]])


def _shown(n: int) -> np.ndarray:
    """Indices of the nodes that are drawn, spread over the layer."""
    count = len(_heights(n))
    return np.linspace(0, n - 1, count).round().astype(int)


def network_table(values: Sequence[Float[np.ndarray, " _units"]]) -> pd.DataFrame:
    """What :func:`neural_network` draws: ``layer`` (0: the input), ``unit`` and its ``value``."""
    return pd.concat(
        [
            pd.DataFrame({"layer": layer, "unit": _shown(len(own)), "value": own[_shown(len(own))]})
            for layer, own in enumerate(values)
        ],
        ignore_index=True,
    )


def neural_network(
    layers: pd.DataFrame,
    values: Sequence[Float[np.ndarray, " _units"]],
    prediction_eV: float,
    true_eV: float,
    digits: int = 2,
) -> Figure:
    """A trained network and what its units hold for one environment (Fig. 2d).

    Parameters
    ----------
    layers
        The table of :func:`layer_table`.
    values
        The input, and the activations of each hidden layer, for that environment.
    prediction_eV, true_eV
        The network's energy and the label.
    digits
        Decimals of the two.
    """
    with style():
        figure = new_figure(3.7)
        axes = figure.subplots()
        columns = [*values, np.array([prediction_eV])]
        places = [1.25 * _heights(len(own)) for own in columns]
        for x, (left, right) in enumerate(pairwise(places)):
            for a in left:
                for b in right:
                    axes.plot([x, x + 1], [a, b], color="0.82", lw=0.4, zorder=1)
        for x, (own, y) in enumerate(zip(columns, places, strict=True)):
            scaled = own[_shown(len(own))] / (np.abs(own).max() or 1.0)
            colours = [_colour(value, x, len(columns)) for value in scaled]
            axes.scatter(np.full(len(y), x), y, s=110, c=colours, edgecolors="0.3", linewidths=0.8, zorder=3)
            if len(own) > len(y):
                axes.text(x, 0, "⋮", ha="center", va="center", fontsize=15, color="0.3")
        titles = ["SOAP"] + [f"hidden {n}" for n in range(1, len(values))] + ["energy"]
        below = [f"{layers['inputs'].iloc[0]}\nfeatures"]
        below += [f"{units}\nCELU" for units in layers["units"].iloc[:-1]]
        for x, (title, text) in enumerate(zip(titles, [*below, f"label\n{_number(true_eV, digits)} eV"], strict=True)):
            axes.text(x, 1.5, title, ha="center", va="bottom")
            axes.text(x, -1.45, text, ha="center", va="top", linespacing=1.25)
        axes.text(len(columns) - 1, 0.2, f"{_number(prediction_eV, digits)} eV", ha="center", va="bottom")
        axes.set_xlim(-0.45, len(columns) - 0.5)
        axes.set_ylim(-2.05, 1.8)
        axes.set_axis_off()
        return figure


def _number(value: float, digits: int) -> str:
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _colour(share: float, column: int, columns: int) -> tuple[float, ...] | str:
    """Grey for features, blue to red for activations, black for the output."""
    if column == 0:
        return mpl.colormaps[INPUT_COLOURS](0.05 + 0.9 * abs(share) ** 0.5)  # most features are small
    if column == columns - 1:
        return "black"
    return mpl.colormaps[UNIT_COLOURS](0.5 + 0.45 * share)


def _box(axes: Axes, x: float, text: str, *, colour: str, width: float = 0.9, dashed: bool = False) -> None:
    axes.add_patch(
        FancyBboxPatch(
            (x - width / 2, -0.5), width, 1.0, boxstyle="round,pad=0.02,rounding_size=0.08", fc="white", ec=colour,
            lw=1.6, ls="dashed" if dashed else "solid",
        )
    )  # fmt: skip
    axes.text(x, 0, text, ha="center", va="center", color=colour, linespacing=1.35, fontsize=9.5)


def deep_kernel(n_features: int) -> Figure:
    """The deep-kernel model as a schematic (Fig. 2e): a network compresses, Gaussian process regression predicts.

    Parameters
    ----------
    n_features
        Length of the power spectrum that goes in.
    """
    blue, red = MODEL_COLOURS["GPR"], MODEL_COLOURS["DKL"]
    with style():
        figure = new_figure(1.9)
        axes = figure.subplots()
        _box(axes, 0.0, f"SOAP\nx\n{n_features} features", colour="0.25")
        _box(axes, 1.3, "network\nwithout\nits output", colour="0.0")
        _box(axes, 2.6, "compressed\nz(x)\nfew features", colour=red, dashed=True)
        _box(axes, 3.95, "GPR\nŷ = c · k(Z, z)\nk: RBF", colour=blue, width=1.05, dashed=True)
        for start, end in ((0.48, 0.82), (1.78, 2.12), (3.08, 3.4)):
            axes.add_patch(
                FancyArrowPatch((start, 0), (end, 0), arrowstyle="-|>", mutation_scale=11, color="0.35", lw=1.3)
            )
        axes.annotate(
            "", (0.85, -0.72), (4.45, -0.72), arrowprops={"arrowstyle": "|-|,widthA=0.25,widthB=0.25", "color": "0.5"}
        )
        axes.text(2.65, -0.82, "trained together; schematic", ha="center", va="top", color="0.3")
        axes.set_xlim(-0.5, 4.55)
        axes.set_ylim(-1.15, 0.62)
        axes.set_axis_off()
        return figure
