"""Figures of pre-training with labels from different teachers (beyond the paper)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from synthetic_atoms.figures.pretraining import COLOURS, TEACHER_COLOUR
from synthetic_atoms.figures.style import new_figure, style


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
                axes.annotate(
                    f"{row.n_teacher_cells:,}", (row.teacher_ratio, row.ratio), xytext=(0, -13 if forces else 7),
                    textcoords="offset points", fontsize=8.5, ha="center", color="0.3",
                )  # fmt: skip
        axes.plot(*paper, "*", ms=12, color=COLOURS["direct"], label="published (GAP, all labels)")
        axes.axhline(1, color=COLOURS["direct"], linestyle="dashdot", label="direct training")
        axes.axvline(paper[0], color=TEACHER_COLOUR, linestyle="dotted", lw=1.2)
        axes.set_xscale("log")
        axes.set_xlabel("Error of the teacher / error of direct training")
        axes.set_ylabel("Error after fine-tuning /\nerror of direct training")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_ylim(0, None)
        axes.margins(x=0.1)
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
            ("rmse_teacher_test_meV_per_atom", "d", TEACHER_COLOUR, "the teacher itself"),
            ("direct_meV", "|", COLOURS["direct"], "direct training"),
        ):
            axes.plot(table[column], y, marker, color=colour, ms=12 if marker == "|" else 7, mew=2, label=label)
        axes.set_yticks(y, table["label"])
        axes.invert_yaxis()
        axes.margins(y=0.12)
        axes.set_xscale("log")
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        low, high = axes.get_xlim()
        axes.set_xticks([tick for tick in (10, 20, 30, 50, 100, 200, 300, 500, 1000) if low <= tick <= high])
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel("Test RMSE (meV per atom)")
        axes.grid(axis="x", color="0.9", lw=0.8)
        axes.set_axisbelow(True)
        figure.legend(loc="outside upper left")
        return figure
