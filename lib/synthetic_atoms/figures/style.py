"""One style for all figures: sizes for a page column, colours that colour-blind readers can tell apart."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib as mpl
from matplotlib.figure import Figure

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
