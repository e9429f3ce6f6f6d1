"""Structure maps (Figs 6 and 7)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from synthetic_atoms.figures.style import looks, new_figure, style

CLUSTER_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#555555")
"""Okabe and Ito's, which colour-blind readers can tell apart."""

_DOT = {"s": 1.2, "linewidths": 0, "rasterized": True}


def _bare(axes: Axes) -> None:
    axes.set(xticks=[], yticks=[])
    axes.set_aspect("equal", "datalim")
    for side in axes.spines.values():
        side.set_visible(True)
        side.set_color("0.75")


def two_colours(
    diamond: Float[np.ndarray, " n"], graphite: Float[np.ndarray, " n"]
) -> tuple[Float[np.ndarray, "n 3"], tuple[float, float]]:
    """Colours that are redder with similarity to diamond and bluer with similarity to graphite, and the scales' starts.

    Each scale runs from the second percentile of its similarity to 1, so that differences are seen.
    """
    starts = tuple(float(np.percentile(values, 2)) for values in (diamond, graphite))
    d, g = (
        np.clip((values - start) / max(1.0 - start, 1e-9), 0, 1)
        for values, start in zip((diamond, graphite), starts, strict=True)
    )
    colours = np.stack([1 - g * 0.95, 1 - 0.8 * np.maximum(d, g) - 0.2 * d * g, 1 - d * 0.85], axis=1)
    return np.clip(colours, 0, 1), starts


def map_grid(
    coordinates: Mapping[str, Float[np.ndarray, "n 2"]],
    energy_eV: Float[np.ndarray, " n"],
    energy_label: str,
    coordination: Int[np.ndarray, " n"],
    categories: Mapping[str, int],
    similarity: tuple[Float[np.ndarray, " n"], Float[np.ndarray, " n"]] | None = None,
) -> Figure:
    """Maps in rows, coloured by energy, by coordination, and by similarity to diamond and graphite (Fig. 6).

    Parameters
    ----------
    coordinates
        Each map by its name.
    energy_eV, energy_label
        Per-atom energies, and what they are relative to.
    coordination, categories
        Coordination numbers, and those that have a name.
    similarity
        To diamond and to graphite; None leaves these panels out.
    """
    columns = 3 if similarity is not None else 2
    with style():
        figure = new_figure(1.75 * len(coordinates) + 1.25)
        grid = figure.subplots(len(coordinates) + 1, columns, height_ratios=[1] * len(coordinates) + [0.5])
        panels, legends = grid[:-1], grid[-1]
        for axes in legends:
            axes.axis("off")
        low, high = np.percentile(energy_eV, [1, 99])
        look = looks(categories)
        rng = np.random.default_rng(0)
        order = rng.permutation(len(energy_eV))  # so that no kind lies on top
        colours = np.tile(to_rgba("0.6"), (len(coordination), 1))
        for name, number in categories.items():
            colours[coordination == number] = to_rgba(look[name].colour)
        for row, (name, xy) in zip(panels, coordinates.items(), strict=True):
            x, y = xy[order].T
            dots = row[0].scatter(x, y, c=energy_eV[order], cmap="viridis", vmin=low, vmax=high, **_DOT)
            row[1].scatter(x, y, c=colours[order], **_DOT)
            if similarity is not None:
                row[2].scatter(x, y, c=two_colours(*similarity)[0][order], **_DOT)
            row[0].set_ylabel(name)
            for axes in row:
                _bare(axes)
        bar = legends[0].inset_axes((0.02, 0.72, 0.96, 0.13))
        figure.colorbar(dots, cax=bar, orientation="horizontal", label=energy_label)
        bar.tick_params(labelsize=8.5)
        bar.xaxis.label.set_size(9)
        handles = [
            Line2D([], [], ls="", marker="o", color=look[name].colour, label=look[name].label.split(" (")[0])
            for name in categories
        ]
        handles.append(Line2D([], [], ls="", marker="o", color="0.6", label="other"))
        legends[1].legend(
            handles=handles,
            loc="upper center",
            ncols=2,
            fontsize=9,
            handletextpad=0.1,
            columnspacing=0.6,
            borderaxespad=0,
        )
        panels[0, 0].set_title("energy")
        panels[0, 1].set_title("coordination")
        if similarity is not None:
            panels[0, 2].set_title("similarity")
            _colour_square(legends[2], similarity)
        return figure


def _colour_square(room: Axes, similarity: tuple[np.ndarray, np.ndarray]) -> None:
    """The legend of the two-colour scale: a square of colours under a panel."""
    _, (d_start, g_start) = two_colours(*similarity)
    square = room.inset_axes((0.3, 0.25, 0.6, 0.7))
    n = 24
    d, g = np.meshgrid(np.linspace(d_start, 1, n), np.linspace(g_start, 1, n))
    share = [(values - start) / (1 - start) for values, start in ((d, d_start), (g, g_start))]
    image, _ = two_colours(np.append(share[0].ravel(), [0.0] * 40), np.append(share[1].ravel(), [0.0] * 40))
    square.imshow(image[: n * n].reshape(n, n, 3), origin="lower", extent=(d_start, 1, g_start, 1), aspect="auto")
    square.set_xlabel("to diamond", fontsize=8.5, labelpad=1)
    square.set_ylabel("to graphite", fontsize=8.5, labelpad=1)
    square.set(xticks=[round(d_start, 2), 1], yticks=[round(g_start, 2), 1])
    square.tick_params(labelsize=8, length=2)


def cluster_maps(
    coordinates: Mapping[str, Float[np.ndarray, "n 2"]], cluster: Int[np.ndarray, " n"], names: Sequence[str]
) -> Figure:
    """The same clusters in several maps (Fig. 7)."""
    with style():
        figure = new_figure(3.4)
        panels = figure.subplots(1, len(coordinates), squeeze=False)[0]
        order = np.random.default_rng(0).permutation(len(cluster))
        colours = np.array([CLUSTER_COLOURS[i % len(CLUSTER_COLOURS)] for i in range(cluster.max() + 1)])
        for axes, (name, xy) in zip(panels, coordinates.items(), strict=True):
            axes.scatter(*xy[order].T, c=colours[cluster[order]], **_DOT)
            axes.set_title(name)
            _bare(axes)
        handles = [
            Line2D([], [], ls="", marker="o", color=colour, label=name)
            for colour, name in zip(colours, names, strict=True)
        ]
        figure.legend(handles=handles, loc="outside lower center", ncols=4, handletextpad=0.1, columnspacing=1.0)
        return figure


def measures(summary: pd.DataFrame, columns: Mapping[str, str]) -> Figure:
    """Measures of each representation's map: one panel each, mean and spread over the seeds.

    Parameters
    ----------
    summary
        ``representation`` and each measure with its ``_std``.
    columns
        Title of each measure that is drawn.
    """
    with style():
        figure = new_figure(0.26 * len(summary) * 2 + 1.6)
        panels = figure.subplots(2, -(-len(columns) // 2), sharey=True).ravel()
        places = np.arange(len(summary))[::-1]
        for axes, (column, title) in zip(panels, columns.items(), strict=False):
            axes.barh(places, summary[column], xerr=summary[f"{column}_std"], color="#0072B2", height=0.6, capsize=2)
            axes.set_title(title, fontsize=9.5)
            axes.set_xlim(0, max(1.0, float(np.nanmax(summary[column])) * 1.05))
            axes.set_yticks(places, summary["representation"])
            axes.tick_params(labelsize=8.5)
        for axes in panels[len(columns) :]:
            axes.axis("off")
        return figure


def placed(
    coordinates: Mapping[str, Float[np.ndarray, "n 2"]],
    own: Mapping[str, Float[np.ndarray, "atoms 2"]],
    name: str,
) -> Figure:
    """The atoms of a structure, drawn over maps."""
    with style():
        figure = new_figure(3.2)
        panels = figure.subplots(1, len(coordinates), squeeze=False)[0]
        for axes, (title, xy) in zip(panels, coordinates.items(), strict=True):
            axes.scatter(*xy.T, c="0.8", **_DOT)
            axes.scatter(*own[title].T, c="#D55E00", s=28, edgecolors="black", linewidths=0.6, label=name)
            axes.set_title(title)
            _bare(axes)
        figure.legend(handles=[panels[0].collections[1]], loc="outside lower center")
        return figure
