"""The chain of labels (the paper's Fig. 1), drawn with real structures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from ase import Atoms
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from synthetic_atoms.categories import CATEGORIES
from synthetic_atoms.datasets.containers import Frames
from synthetic_atoms.figures.structures import coordination_colours, coordination_legend, draw_cell, span_A
from synthetic_atoms.figures.style import new_figure, style
from synthetic_atoms.structure import final_frames

FORCE_SCALE_A2_PER_EV = 0.22
"""Length of an arrow of 1 eV/A."""

ENERGY_MAP = "viridis"
TEXTS = ("few", "qm", "qm_labels", "fit", "many", "teacher", "labels")
"""Places for text, in the order of the chain."""

_WIDTH, _HEIGHT = 5.2, 6.12
_LEFT, _RIGHT = (0.05, 1.45), (1.62, 5.15)
_TOP, _BOTTOM = 4.05, 1.12
"""Edges of the two columns, and feet of the two rows of structures, in inches."""


def choose_frames(data: Frames) -> list[int]:
    """A molten, an annealing and the final frame of one trajectory.

    Of the trajectories that have a frame above 8000 K (or all, if none has), the one nearest to 2 g/cm3. The frame at
    the annealing temperature is the latest one. Where temperatures are unknown, the first and the middle frame.
    """
    hot = np.unique(data.trajectory[data.temperature_K >= 8000])
    finals = final_frames(data)
    if hot.size:
        finals = finals[np.isin(data.trajectory[finals], hot)]
    last = int(finals[np.argmin(np.abs(data.density_g_cm3[finals] - 2.0))])
    frames = np.flatnonzero(data.trajectory == data.trajectory[last])
    frames = frames[np.argsort(np.nan_to_num(data.time_ps[frames]), kind="stable")]
    annealing = frames[np.abs(data.temperature_K[frames] - data.anneal_temperature_K[frames]) < 1.0]
    middle = annealing[-1] if annealing.size else frames[len(frames) // 2]
    return [int(frames[0]), int(middle), last]


def chain(
    cell: Atoms,
    cell_coordination: Int[np.ndarray, " cell_atoms"],
    forces_eV_A: Float[np.ndarray, "cell_atoms 3"],
    frames: Sequence[Atoms],
    coordinations: Sequence[Int[np.ndarray, " atoms"]],
    energies_eV: Sequence[Float[np.ndarray, " atoms"]],
    categories: Mapping[str, int] = CATEGORIES,
    *,
    zero: str = "relative to the free atom",
    stages: Sequence[str],
    texts: Mapping[str, str],
) -> Figure:
    """Few structures with quantum-mechanical labels on the left, many with the teacher's on the right.

    Parameters
    ----------
    cell, cell_coordination, forces_eV_A
        A cell of the small set, and its quantum-mechanical forces.
    frames, coordinations, energies_eV
        Three frames of one trajectory, and the teacher's energies of their atoms.
    categories
        Coordination number by name, for the colours.
    zero
        What the energies are relative to.
    stages
        A name for each of the three.
    texts
        What to write at each place of :data:`TEXTS`.
    """
    with style():
        figure = new_figure(_HEIGHT, _WIDTH)
        figure.set_layout_engine("none")
        panel = (_RIGHT[1] - _RIGHT[0]) / len(frames)
        half = 0.53 * span_A(frames[0].cell.array)
        half_cell = half * (_LEFT[1] - _LEFT[0]) / panel  # one scale in the whole figure

        def place(left: float, foot: float, width: float) -> Axes:
            return figure.add_axes((left / _WIDTH, foot / _HEIGHT, width / _WIDTH, panel / _HEIGHT))

        for foot, arrows in ((_TOP, None), (_BOTTOM, FORCE_SCALE_A2_PER_EV * forces_eV_A)):
            width = _LEFT[1] - _LEFT[0]
            axes = place(_LEFT[0], foot, width)
            tall = half_cell * panel / width
            colours = coordination_colours(cell_coordination, categories)
            draw_cell(axes, cell, colours, half_A=half_cell, arrows=arrows)
            axes.set_ylim(-tall, tall)
        shown = np.concatenate(energies_eV)
        scale = Normalize(*np.quantile(shown, [0.01, 0.99]))
        mapped = ScalarMappable(scale, ENERGY_MAP)
        for number, (atoms, coordination, energy) in enumerate(zip(frames, coordinations, energies_eV, strict=True)):
            left = _RIGHT[0] + number * panel
            draw_cell(place(left, _TOP, panel), atoms, coordination_colours(coordination, categories), half_A=half)
            draw_cell(place(left, _BOTTOM, panel), atoms, mapped.to_rgba(energy)[:, :3], half_A=half)
            _write(figure, left + panel / 2, _TOP + panel + 0.04, stages[number], size=9.0, va="bottom")
        _words_and_arrows(figure, texts, panel)
        bar = figure.add_axes((2.1 / _WIDTH, 0.98 / _HEIGHT, 2.6 / _WIDTH, 0.09 / _HEIGHT))
        figure.colorbar(mapped, cax=bar, orientation="horizontal", extend="both")
        bar.tick_params(labelsize=9, pad=1)
        bar.set_xlabel(f"per-atom energy {zero} (eV)", fontsize=9, labelpad=1)
        coordination_legend(figure, categories, other=True)
        return figure


def _write(figure: Figure, x: float, y: float, text: str, *, size: float = 9.5, **others: object) -> None:
    figure.text(
        x / _WIDTH, y / _HEIGHT, text, **{"fontsize": size, "ha": "center", "va": "center", "linespacing": 1.2} | others
    )


def _words_and_arrows(figure: Figure, texts: Mapping[str, str], panel: float) -> None:
    middles = [sum(_LEFT) / 2, sum(_RIGHT) / 2]
    for x, few, labels in zip(middles, ("few", "many"), ("qm_labels", "labels"), strict=True):
        _write(figure, x, _HEIGHT - 0.05, texts[few], va="top", weight="bold", size=10.0)
        _write(figure, x, _BOTTOM + panel + 0.07, texts[labels], va="bottom", weight="bold", size=10.0)
    low, high = _BOTTOM + panel + 0.52, _TOP - 0.08
    middle = (low + high) / 2
    for x, width, key, colour in (
        (middles[0], 1.36, "qm", "#FCE9D9"),
        (middles[1] + 0.28, 2.55, "teacher", "#DDEBF5"),
    ):
        tall = 0.56
        figure.add_artist(
            FancyBboxPatch(
                ((x - width / 2) / _WIDTH, (middle - tall / 2) / _HEIGHT),
                width / _WIDTH,
                tall / _HEIGHT,
                boxstyle="round,pad=0.0,rounding_size=0.012",
                mutation_aspect=_WIDTH / _HEIGHT,
                fc=colour,
                ec="#555555",
                lw=0.8,
            )
        )
        _write(figure, x, middle, texts[key])
        for start, end in ((high + 0.02, middle + tall / 2), (middle - tall / 2, low - 0.04)):
            _arrow(figure, (x, start), (x, end))
    # the fit: from the labels on the left up to the teacher's box
    _arrow(figure, (middles[0] + 0.42, low - 0.1), (middles[1] + 0.28 - 1.275, middle), bend=0.25)
    _write(figure, 1.87, low + 0.02, texts["fit"], style="italic", ha="left")


def _arrow(figure: Figure, start: tuple[float, float], end: tuple[float, float], bend: float = 0.0) -> None:
    ends = [(x / _WIDTH, y / _HEIGHT) for x, y in (start, end)]
    figure.add_artist(
        FancyArrowPatch(
            *ends,
            arrowstyle="-|>",
            mutation_scale=11,
            lw=1.3,
            color="#333333",
            shrinkA=0,
            shrinkB=0,
            connectionstyle=f"arc3,rad={bend}",
        )
    )
