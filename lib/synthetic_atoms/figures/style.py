"""One style for all figures: sizes for a page column, colours that colour-blind readers can tell apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.figure import Figure

from synthetic_atoms.categories import long_label

COLUMN_INCH = 5.2
"""Width of a full-column figure: small enough for its text to be read where a phone shows it at two thirds."""

MODEL_COLOURS = {"GPR": "#0072B2", "NN": "#000000", "DKL": "#D55E00"}
"""The paper's blue, black and red, from the Okabe-Ito palette."""

MODEL_MARKERS = {"GPR": "o", "NN": "s", "DKL": "^"}
"""Shapes repeat what the colours say."""

COORDINATION_COLOURS = {"sp": "#E69F00", "sp2": "#CC3311", "sp3": "#56B4E9"}
"""One colour per coordination category."""

COORDINATION_LABELS = {"sp": "sp (2 neighbours)", "sp2": "sp² (3 neighbours)", "sp3": "sp³ (4 neighbours)"}
"""Names of the categories as they stand in legends."""

COORDINATION_LINES = {"sp": "dotted", "sp2": "solid", "sp3": "dashed"}
"""Line styles repeat what the colours say."""

_CATEGORY_MARKERS = ("v", "s", "o")


@dataclass(frozen=True)
class Look:
    """How a category of atoms is drawn."""

    colour: str
    line: str
    marker: str
    label: str


def looks(categories: Iterable[str]) -> dict[str, Look]:
    """A look for each of up to three categories, by their order; sp, sp2 and sp3 have those of the dictionaries above.

    Categories are those of :func:`synthetic_atoms.categories.categories_of`.
    """
    ways = zip(COORDINATION_COLOURS.values(), COORDINATION_LINES.values(), _CATEGORY_MARKERS, strict=True)
    return {name: Look(*way, long_label(name)) for name, way in zip(categories, ways, strict=False)}


def error_ticks(low: float, high: float, usual: Iterable[int]) -> list[int | float]:
    """Ticks of a logarithmic axis: the usual ones if the axis starts among them, otherwise some in each decade."""
    usual = sorted(usual)
    if usual[0] / 2 <= low < usual[-1]:
        return [tick for tick in usual if low <= tick <= high]
    steps = (1, 3) if math.log10(high / low) > 2 else (1, 2, 3, 5, 7)
    decades = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    return [tick for decade in decades for step in steps if low <= (tick := step * 10.0**decade) <= high]


_RC = {
    "figure.dpi": 110,
    "savefig.dpi": 200,
    "figure.facecolor": "white",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.labelsize": 10.5,
    "axes.titlesize": 10.5,
    "legend.fontsize": 9.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "lines.linewidth": 1.8,
    "lines.markersize": 5.5,
    "svg.hashsalt": "synthetic-atoms",
    "svg.fonttype": "none",
}


@contextmanager
def style() -> Iterator[None]:
    """The style, for the figures drawn inside."""
    with mpl.rc_context(_RC):
        yield


def new_figure(height_inch: float = 4.0, width_inch: float = COLUMN_INCH) -> Figure:
    """An empty figure with automatic layout, not registered with pyplot, so that it is displayed once."""
    return Figure(figsize=(width_inch, height_inch), layout="constrained")
