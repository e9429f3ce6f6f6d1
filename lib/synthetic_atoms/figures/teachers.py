"""Figures of pre-training with labels from different teachers (beyond the paper)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axis import Axis
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from synthetic_atoms.figures.pretraining import COLOURS, TEACHER_COLOUR
from synthetic_atoms.figures.style import new_figure, style


def _ticks(axis: Axis, low: float, high: float) -> None:
    """Plain numbers on a logarithmic axis."""
    steps = (1, 2, 5) if high > 10 * low else (1, 2, 3, 5, 7)
    axis.set_ticks([tick * 10.0**k for k in range(-2, 4) for tick in steps if low <= tick * 10.0**k <= high])
    axis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.set_minor_formatter(NullFormatter())


def quality(table: pd.DataFrame, paper: tuple[float, float]) -> Figure:
    """Fine-tuned error against the teacher's own, both relative to direct training's with the same labels.

    Parameters
    ----------
    table
        ``forces``, ``n_teacher_cells``, ``teacher_ratio``, ``ratio``, ``ratio_std``.
    paper
        The two ratios of the paper, with all its labels.
    """
    with style():
        figure = new_figure(4.4)
        axes = figure.subplots()
        for forces, marker, label in (
            (0, "s", "POD fitted to energies"),
            (1, "D", "POD fitted to energies and forces"),
        ):
            part = table[table["forces"] == forces].sort_values("teacher_ratio")
            axes.errorbar(
                part["teacher_ratio"], part["ratio"], yerr=part["ratio_std"], marker=marker, capsize=2.5,
                color=COLOURS["fine-tuned"], markerfacecolor="white" if forces else None,
                linestyle="none" if forces else "solid", label=label,
            )  # fmt: skip
            for row in part.itertuples():
                # Above and to the left; with forces below, and to the right of the last point.
                x, y, ha, va = (-6, 5, "right", "bottom")
                if forces:
                    last = row.teacher_ratio == part["teacher_ratio"].max()
                    x, y, ha, va = (8, 0, "left", "center") if last else (0, -9, "center", "top")
                axes.annotate(
                    f"{row.n_teacher_cells:,}", (row.teacher_ratio, row.ratio), xytext=(x, y),
                    textcoords="offset points", fontsize=8.5, ha=ha, va=va, color="0.3",
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 0.5, "alpha": 0.8},
                )  # fmt: skip
        axes.plot(*paper, "*", ms=12, color=COLOURS["direct"], label="published (GAP, all labels)")
        axes.axhline(1, color=COLOURS["direct"], linestyle="dashdot", label="direct training")
        axes.axvline(paper[0], color=TEACHER_COLOUR, linestyle="dotted", lw=1.2)
        axes.margins(0.12)
        axes.set(xlabel="Error of the teacher / error of direct training", xscale="log", yscale="log")
        axes.set_ylabel("Error after fine-tuning /\nerror of direct training")
        for axis, limits in ((axes.xaxis, axes.get_xlim()), (axes.yaxis, axes.get_ylim())):
            _ticks(axis, *limits)
        axes.grid(which="major", color="0.9", lw=0.8)
        axes.set_axisbelow(True)
        figure.legend(loc="outside upper left", ncols=1)
        return figure


def errors(records: pd.DataFrame, table: pd.DataFrame) -> Figure:
    """Errors of teachers and of the networks fine-tuned after them, a row each, with every fold as a point.

    Parameters
    ----------
    records
        ``label``, ``rmse_test_meV_per_atom``: one row for each fold.
    table
        ``label``, ``rmse_test_meV_per_atom``, ``rmse_teacher_test_meV_per_atom``, ``direct_meV``: their means, in the
        order of the rows.
    """
    with style():
        figure = new_figure(1.7 + 0.42 * len(table))
        axes = figure.subplots()
        places = dict(zip(table["label"], range(len(table)), strict=True))
        y = np.arange(len(table))
        axes.scatter(
            records["rmse_test_meV_per_atom"], records["label"].map(places), s=14, color=COLOURS["fine-tuned"],
            alpha=0.5, linewidths=0,
        )  # fmt: skip
        for column, marker, colour, label in (
            ("rmse_test_meV_per_atom", "s", COLOURS["fine-tuned"], "fine-tuned (small points: folds)"),
            ("direct_meV", "|", COLOURS["direct"], "direct training"),
            ("rmse_teacher_test_meV_per_atom", "d", TEACHER_COLOUR, "the teacher itself"),
        ):
            # the teacher's is hollow, so that what it lies on is seen
            look = {"markerfacecolor": "none", "ms": 10} if marker == "d" else {"ms": 12 if marker == "|" else 7}
            axes.plot(table[column], y, marker, color=colour, mew=2, label=label, **look)
        axes.set_yticks(y, table["label"])
        axes.set_ylim(len(table) - 0.5, -0.5)
        low, high = axes.get_xlim()
        if high > 8 * low > 0:  # what spans a decade does not fit on a linear axis
            axes.set_xscale("log")
            _ticks(axes.xaxis, *axes.get_xlim())
        axes.set_xlabel("Test RMSE (meV per atom)")
        axes.grid(axis="x", color="0.9", lw=0.8)
        axes.set_axisbelow(True)
        figure.legend(loc="outside upper left")
        return figure
