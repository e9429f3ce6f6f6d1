"""Atoms and bonds drawn with Matplotlib: periodic cells and neighbourhoods."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import numpy as np
from ase import Atoms
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.collections import EllipseCollection, LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matscipy.neighbours import neighbour_list
from scipy.spatial.distance import pdist
from scipy.spatial.transform import Rotation

from synthetic_atoms.categories import CATEGORIES, legend_label
from synthetic_atoms.descriptors.coordination import CARBON_BOND_A, bond_of
from synthetic_atoms.figures.style import looks
from synthetic_atoms.structure import Neighbourhood

OTHER_COLOUR = "#888888"
"""Atoms of no category."""

VIEW = Rotation.from_euler("yx", [-25, 14], degrees=True)
"""From which cells are seen: a little from the side and from above. The third axis points to the viewer."""

LAYERS = 18
ATOM_RADIUS_A = 0.36
"""Of a carbon atom in a cell; others are drawn larger or smaller with the lengths of their bonds."""

LABEL_PLACE = 0.58
"""Where along its bond a length is written."""

LABEL_SIZE_A = (1.1, 0.5)
"""Width and height of such a label in a panel of a gallery."""

MOST_LABELS = 4
"""Bonds of one atom whose lengths can be written beside them."""


def coordination_colours(
    coordination: Int[np.ndarray, " atoms"], categories: Mapping[str, int] = CATEGORIES
) -> Float[np.ndarray, "atoms 3"]:
    """Red, green and blue of each atom by its number of neighbours."""
    by_number = {categories[name]: to_rgb(look.colour) for name, look in looks(categories).items()}
    other = to_rgb(OTHER_COLOUR)
    return np.array([by_number.get(int(number), other) for number in coordination]).reshape(-1, 3)


def span_A(cell: Float[np.ndarray, "3 3"]) -> float:
    """Width or height of a cell as it is seen, whichever is larger."""
    corners = VIEW.apply(_corners(cell))
    return float(np.ptp(corners, axis=0)[:2].max())


def _corners(cell: np.ndarray) -> np.ndarray:
    return np.array(np.meshgrid([0, 1], [0, 1], [0, 1], indexing="ij")).reshape(3, -1).T @ cell


def _towards_white(colours: np.ndarray, depth: np.ndarray, most: float) -> np.ndarray:
    """Colours that fade with the distance from the viewer (depth 0 far away, 1 near)."""
    weight = most * (1.0 - np.clip(depth, 0, 1))[:, None]
    return colours * (1 - weight) + weight


def _draw(
    axes: Axes,
    positions: np.ndarray,
    colours: np.ndarray,
    pairs: tuple[np.ndarray, np.ndarray],
    *,
    radius_A: float,
    half_A: float,
    fade: float,
) -> None:
    """Atoms and half-bonds, far ones first, in a square of twice ``half_A`` around the origin.

    ``pairs`` holds the atom that each half-bond starts at, and the vector to its end.
    """
    owner, halves = pairs
    # a bond starts at the surface of its atom, or it would cross an atom that lies a little behind it
    inner = halves * (0.85 * radius_A / np.linalg.norm(halves, axis=1, keepdims=True))
    axes.set(xlim=(-half_A, half_A), ylim=(-half_A, half_A), aspect="equal")
    axes.axis("off")
    inches = min(axes.get_position().width * axes.figure.get_figwidth(), 9.0)
    points = 72 * inches / (2 * half_A)
    low, high = positions[:, 2].min(), positions[:, 2].max()
    depth = (positions[:, 2] - low) / max(high - low, 1e-6)
    shades = _towards_white(colours, depth, fade)
    place = np.minimum((depth * LAYERS).astype(int), LAYERS - 1)
    middle = positions[owner, 2] + halves[:, 2] / 2
    bond_place = np.clip(((middle - low) / max(high - low, 1e-6) * LAYERS).astype(int), 0, LAYERS - 1)
    for layer in range(LAYERS):
        some = bond_place == layer
        if some.any():
            starts = positions[owner[some], :2]
            segments = np.stack([starts + inner[some, :2], starts + halves[some, :2]], axis=1)
            axes.add_collection(
                LineCollection(
                    segments,
                    colors=shades[owner[some]] * 0.82,
                    linewidths=max(0.22 * points, 0.6),
                    capstyle="butt",
                    zorder=2 + layer,
                    clip_on=False,
                )
            )
        atoms = place == layer
        if atoms.any():
            size = np.full(atoms.sum(), 2 * radius_A)
            axes.add_collection(
                EllipseCollection(
                    size,
                    size,
                    np.zeros(atoms.sum()),
                    units="xy",
                    offsets=positions[atoms, :2],
                    offset_transform=axes.transData,
                    facecolors=shades[atoms],
                    edgecolors=shades[atoms] * 0.55,
                    linewidths=max(0.035 * points, 0.25),
                    zorder=2.5 + layer,
                    clip_on=False,
                )
            )


def draw_cell(
    axes: Axes,
    atoms: Atoms,
    colours: Float[np.ndarray, "atoms 3"],
    *,
    half_A: float | None = None,
    arrows: Float[np.ndarray, "atoms 3"] | None = None,
) -> None:
    """A periodic cell with its atoms and their bonds; bonds that leave it end half way.

    Parameters
    ----------
    axes
        What to draw on.
    atoms, colours
        The cell, and a colour for each atom.
    half_A
        Half the width of what is shown; None for the cell with a margin. The same value for several gives one scale.
    arrows
        A vector to draw from each atom, in A.
    """
    centre = VIEW.apply(_corners(atoms.cell.array)).mean(axis=0)
    half_A = half_A if half_A is not None else 0.54 * span_A(atoms.cell.array)
    wrapped = atoms.copy()
    wrapped.wrap()
    bond_A = bond_of(wrapped)
    first, vectors = neighbour_list("iD", wrapped, bond_A)
    positions = VIEW.apply(wrapped.positions) - centre
    halves = VIEW.apply(vectors).reshape(-1, 3) / 2
    radius_A = ATOM_RADIUS_A * bond_A / CARBON_BOND_A
    _draw(axes, positions, colours, (first, halves), radius_A=radius_A, half_A=half_A, fade=0.62)
    corners = VIEW.apply(_corners(atoms.cell.array)) - centre
    farthest = int(np.argmin(corners[:, 2]))
    for one in range(8):
        for other in (one ^ 1, one ^ 2, one ^ 4):
            if other > one:
                behind = farthest in (one, other)
                ends = corners[[one, other]]
                axes.plot(ends[:, 0], ends[:, 1], color="#777777", lw=0.6, zorder=1 if behind else 40)
    if arrows is not None:
        turned = VIEW.apply(arrows)
        axes.quiver(
            *positions[:, :2].T,
            *turned[:, :2].T,
            angles="xy",
            scale_units="xy",
            scale=1,
            width=0.008,
            color="#222222",
            zorder=50,
        )


def draw_neighbourhood(
    axes: Axes, one: Neighbourhood, categories: Mapping[str, int] = CATEGORIES, *, font_size: float = 8.0
) -> None:
    """A neighbourhood with the lengths (A) of the first atom's bonds, turned so that these can be read.

    Beyond :data:`MOST_LABELS` bonds the lengths are left out: they would cover each other.
    """
    scale = one.cutoff_A / CARBON_BOND_A
    turn = _clearest_view(one)
    positions = turn.apply(one.positions_A) / scale
    pairs = np.concatenate([one.bonds, one.bonds[:, ::-1]])
    halves = (positions[pairs[:, 1]] - positions[pairs[:, 0]]) / 2
    colours = coordination_colours(one.coordination, categories)
    _draw(axes, positions, colours, (pairs[:, 0], halves), radius_A=0.27, half_A=3.25, fade=0.45)
    axes.add_collection(
        EllipseCollection(
            [0.72],
            [0.72],
            [0],
            units="xy",
            offsets=positions[:1, :2],
            offset_transform=axes.transData,
            facecolors="none",
            edgecolors="black",
            linewidths=1.3,
            zorder=45,
        )
    )
    bonded = np.flatnonzero(one.shell == 1)
    for neighbour in bonded if len(bonded) <= MOST_LABELS else ():
        axes.annotate(
            f"{np.linalg.norm(one.positions_A[neighbour]):.2f}",
            positions[neighbour, :2] * LABEL_PLACE,
            ha="center",
            va="center",
            fontsize=font_size,
            zorder=60,
            bbox={"boxstyle": "round,pad=0.05", "fc": "white", "ec": "none", "alpha": 0.8},
        )


def _clearest_view(one: Neighbourhood, tries: int = 400) -> Rotation:
    """The rotation, of many random ones, that shows the first atom's bonds long and their labels apart."""
    if not (one.shell == 1).any():
        return Rotation.identity()
    turns = Rotation.random(tries, rng=np.random.default_rng(0))
    best, clearest = turns[0], -1.0
    for turn in turns:
        seen = turn.apply(one.positions_A * CARBON_BOND_A / one.cutoff_A)[:, :2]
        labels = seen[one.shell == 1] * LABEL_PLACE
        outer = seen[one.shell != 0]
        from_atoms = np.linalg.norm(labels[:, None] - outer[None], axis=-1).min()
        from_centre = np.linalg.norm(labels, axis=1).min()
        # 1 where two labels touch: they are wider than high
        from_labels = pdist(labels / LABEL_SIZE_A, "chebyshev").min() if len(labels) > 1 else np.inf
        score = min(from_labels, 1.1) + min(from_centre, 0.75) + 0.6 * min(from_atoms, 0.55)
        if score > clearest:
            best, clearest = turn, score
    return best


def coordination_legend(
    figure: Figure, categories: Iterable[str] = CATEGORIES, *, y: float = 0.0, other: bool = False
) -> None:
    """A row of dots that says which colour is which category, at the foot of a figure."""
    entries = {legend_label(name): look.colour for name, look in looks(categories).items()}
    if other:
        entries["other"] = OTHER_COLOUR
    figure.legend(
        handles=[
            Line2D([], [], marker="o", ls="", ms=7, mfc=colour, mec="#444444", mew=0.5, label=label)
            for label, colour in entries.items()
        ],
        title="number of neighbours",
        title_fontsize=9,
        loc="lower center",
        bbox_to_anchor=(0.5, y),
        ncols=len(entries),
        columnspacing=1.2,
        handletextpad=0.1,
    )
