"""How many claims have which verdict."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from synthetic_atoms.figures.style import new_figure, style

LOOKS = {
    "reproduced": ("#009E73", ""),
    "partly": ("#56B4E9", "//"),
    "not reproduced": ("#D55E00", "xx"),
    "not applicable": ("0.8", ""),
    "no record": ("white", ".."),
}
"""Colour and hatching of each verdict: either tells."""


def verdicts(counts: pd.DataFrame, order: Sequence[str]) -> Figure:
    """Stacked bars, one for each chapter.

    Parameters
    ----------
    counts
        ``chapter`` and a column for each verdict.
    order
        The verdicts from left to right.
    """
    with style():
        figure = new_figure(0.38 * len(counts) + 1.3)
        axes = figure.subplots()
        places = np.arange(len(counts))[::-1]
        left = np.zeros(len(counts))
        for name in order:
            values = counts[name].to_numpy(dtype=float)
            if values.any():
                colour, hatch = LOOKS[name]
                axes.barh(places, values, left=left, color=colour, hatch=hatch, edgecolor="0.2", lw=0.8, label=name)
                left += values
        axes.set_yticks(places, counts["chapter"])
        axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_xlabel("Claims")
        figure.legend(loc="outside upper center", ncols=3)
        return figure
