"""Periodic cells and neighbourhoods side by side."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

import numpy as np
from ase import Atoms
from jaxtyping import Int
from matplotlib.figure import Figure

from synthetic_atoms.categories import CATEGORIES
from synthetic_atoms.figures.structures import coordination_colours, coordination_legend, draw_cell, draw_neighbourhood
from synthetic_atoms.figures.style import new_figure, style
from synthetic_atoms.structure import Neighbourhood


def _sheet(rows: int, columns: int, panel_inch: float, text_inch: float, foot_inch: float) -> tuple[Figure, list]:
    """Square panels in rows, each with room for text above it, and room for a legend below all."""
    figure = new_figure(rows * (panel_inch + text_inch) + foot_inch)
    figure.set_layout_engine("none")
    width, height = figure.get_size_inches()
    gap = (width - columns * panel_inch) / (columns + 1)
    panels = []
    for row in range(rows):
        bottom = foot_inch + (rows - row - 1) * (panel_inch + text_inch)
        panels.append(
            [
                figure.add_axes(
                    (
                        (gap + column * (panel_inch + gap)) / width,
                        bottom / height,
                        panel_inch / width,
                        panel_inch / height,
                    )
                )
                for column in range(columns)
            ]
        )
    return figure, panels


def frame_gallery(
    frames: Sequence[Atoms],
    coordinations: Sequence[Int[np.ndarray, " atoms"]],
    titles: Sequence[str],
    categories: Mapping[str, int] = CATEGORIES,
) -> Figure:
    """Whole cells beside each other, each filling its panel, coloured by coordination."""
    with style():
        figure, (panels,) = _sheet(1, len(frames), 5.2 / len(frames) - 0.06, 0.62, 0.5)
        for axes, atoms, coordination, title in zip(panels, frames, coordinations, titles, strict=True):
            draw_cell(axes, atoms, coordination_colours(coordination, categories))
            axes.set_title(title, fontsize=9.5, linespacing=1.25)
        coordination_legend(figure, categories, other=_others(coordinations, categories))
        return figure


def _others(coordinations: Iterable[Int[np.ndarray, " atoms"]], categories: Mapping[str, int]) -> bool:
    """Whether "other" belongs into the legend: always for carbon, elsewhere if there are such atoms."""
    known = list(categories.values())
    return categories == CATEGORIES or not all(np.isin(numbers, known).all() for numbers in coordinations)


def environment_gallery(
    rows: Sequence[Sequence[tuple[Neighbourhood, str] | None]],
    row_names: Sequence[str],
    column_names: Sequence[str],
    categories: Mapping[str, int] = CATEGORIES,
) -> Figure:
    """Neighbourhoods in rows and columns with names, each with two lines of text; None leaves a place empty."""
    with style():
        columns = len(column_names)
        figure, panels = _sheet(len(rows), columns, 5.2 / columns - 0.1, 0.58, 0.5)
        height = figure.get_figheight()
        for row, (shown, name) in enumerate(zip(rows, row_names, strict=True)):
            for column, entry in enumerate(shown):
                axes = panels[row][column]
                axes.axis("off")
                if entry is None:
                    axes.text(0.5, 0.5, "none", ha="center", va="center", transform=axes.transAxes)
                else:
                    draw_neighbourhood(axes, entry[0], categories)
                text = entry[1] if entry is not None else ""
                axes.set_title(f"{name}, {column_names[column]}\n{text}", fontsize=9.5, linespacing=1.2, y=0.97)
        drawn = [entry[0].coordination for row in rows for entry in row if entry is not None]
        coordination_legend(figure, categories, y=0.02 / height, other=_others(drawn, categories))
        return figure


def named_gallery(
    entries: Sequence[tuple[Neighbourhood, str]], columns: int, categories: Mapping[str, int] = CATEGORIES
) -> Figure:
    """Neighbourhoods one after the other in rows, each below its own two lines of text."""
    with style():
        rows = -(-len(entries) // columns)
        figure, panels = _sheet(rows, columns, 5.2 / columns - 0.08, 0.5, 0.5)
        for number, axes in enumerate(axes for row in panels for axes in row):
            axes.axis("off")
            if number < len(entries):
                draw_neighbourhood(axes, entries[number][0], categories)
                axes.set_title(entries[number][1], fontsize=8.5, linespacing=1.2, y=0.97)
        drawn = [entry[0].coordination for entry in entries]
        coordination_legend(figure, categories, y=0.02 / figure.get_figheight(), other=_others(drawn, categories))
        return figure
