"""Figures of the learning curves (Fig. 3)."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.colors import to_rgba
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, LogLocator, NullFormatter

from synthetic_atoms.figures.style import (
    COORDINATION_COLOURS,
    COORDINATION_LABELS,
    COORDINATION_LINES,
    MODEL_COLOURS,
    MODEL_MARKERS,
    error_ticks,
    new_figure,
    style,
)

SIZE_LABEL = "Number of training environments, N"
TEACHER_LOOKS = ({"color": "#0072B2", "marker": "o"}, {"color": "#D55E00", "marker": "D", "linestyle": "dashed"})
ERROR_TICKS_meV = (10, 20, 30, 50, 100, 200, 300, 500, 1000)


def log_axes(axes, ylabel: str | None = "Test MAE (meV)", xlabel: str | None = SIZE_LABEL) -> None:
    """Logarithmic axes for errors against training-set size; there may be nothing on them."""
    if not np.isfinite(axes.dataLim.get_points()).all():
        axes.set(xlim=(100, 1e6), ylim=(10, 1000))
    axes.set_xscale("log")
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_yticks(error_ticks(low, high, ERROR_TICKS_meV))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_minor_formatter(NullFormatter())
    if xlabel:
        axes.set_xlabel(xlabel)
    if ylabel:
        axes.set_ylabel(ylabel)
    axes.grid(which="major", color="0.9", lw=0.8)
    axes.set_axisbelow(True)


def learning_curves(
    summary: pd.DataFrame,
    published: pd.DataFrame,
    whole: pd.DataFrame | None = None,
    names: tuple[str, str] = ("this book's data", "all trajectories"),
) -> Figure:
    """Test error against training-set size: ours with the spread over folds, the published curves beside (Fig. 3).

    Parameters
    ----------
    summary
        ``model``, ``n_train``, ``mae_test_meV``, ``mae_test_std_meV`` (NaN: a fit is missing, drawn as a gap).
    published
        ``model``, ``n_train``, ``mae_test_meV``, on other data: only shapes and ratios compare.
    whole
        Columns as in ``summary``: models that were trained on a larger set, of which the data of ``summary`` are a
        part.
    names
        How the legend calls the data of ``summary`` and of ``whole``.
    """
    with style():
        figure = new_figure(4.4)
        axes = figure.subplots()
        drawn = []
        for table, where, look in (
            (summary, names[0], {}),
            (whole, names[1], {"linestyle": "dotted", "fillstyle": "left", "lw": 1.6}),
        ):
            for name, part in () if table is None else table.groupby("model", sort=False):
                mine = {"color": MODEL_COLOURS[name], "marker": MODEL_MARKERS[name], **look}
                axes.errorbar(part["n_train"], part["mae_test_meV"], yerr=part["mae_test_std_meV"], capsize=2.5, **mine)
                drawn.append(Line2D([], [], label=f"{name}, {where}", **mine))
        for name in summary["model"].unique():
            theirs = published[published["model"] == name]
            axes.plot(theirs["n_train"], theirs["mae_test_meV"], **published_look(name))
        log_axes(axes)
        paper = Line2D(
            [], [], color="0.35", marker="o", markerfacecolor="white", linestyle=(0, (4, 2)), lw=1.2,
            label="published (same colours)" if whole is not None else "published (same colours), the authors' data",
        )  # fmt: skip
        figure.legend(handles=[*drawn, paper], loc="outside upper left", ncols=1 if whole is None else 2)
        return figure


def published_look(model: str) -> dict[str, object]:
    """Open symbols and a pale dashed line, below what is ours; the symbols hide the lines they lie on."""
    colour = to_rgba(MODEL_COLOURS[model], 0.75)
    return {
        "color": colour, "marker": MODEL_MARKERS[model], "markerfacecolor": "white", "linestyle": (0, (4, 2)),
        "lw": 1.2, "zorder": 1.5,
    }  # fmt: skip


def by_coordination(summary: pd.DataFrame, labels: Mapping[str, str] = COORDINATION_LABELS) -> Figure:
    """Test error of each model against training-set size, by coordination number.

    Parameters
    ----------
    summary
        ``model``, ``n_train`` and, for each category, such as ``mae_sp2_meV``.
    labels
        The categories to draw, with their names in the legend.
    """
    models = list(summary["model"].unique())
    with style():
        figure = new_figure(3.8)
        panels = figure.subplots(1, len(models), sharex=True, sharey=True, squeeze=False)[0]
        for axes, model in zip(panels, models, strict=True):
            part = summary[summary["model"] == model]
            for name, label in labels.items():
                axes.plot(
                    part["n_train"],
                    part[f"mae_{name}_meV"],
                    color=COORDINATION_COLOURS[name],
                    linestyle=COORDINATION_LINES[name],
                    marker="o",
                    label=label,
                )
            axes.set_title(model)
        for axes in panels:
            log_axes(axes, "Test MAE (meV)" if axes is panels[0] else None, None)
            axes.xaxis.set_major_locator(LogLocator(numticks=8))
            axes.tick_params(axis="x", labelsize=8.5)
        figure.get_layout_engine().set(wspace=0.06)
        figure.supxlabel(SIZE_LABEL, fontsize="medium")
        figure.legend(handles=panels[0].get_lines(), loc="outside upper center", ncols=3, columnspacing=1.0)
        return figure


def train_and_test(summary: pd.DataFrame) -> Figure:
    """Training and test errors of each model against training-set size: the generalisation gap."""
    with style():
        figure = new_figure(3.8)
        axes = figure.subplots()
        for name, part in summary.groupby("model", sort=False):
            look = {"color": MODEL_COLOURS[name], "marker": MODEL_MARKERS[name]}
            axes.plot(part["n_train"], part["mae_test_meV"], label=f"{name}, test", **look)
            axes.plot(
                part["n_train"], part["mae_train_meV"], label=f"{name}, training", markerfacecolor="white",
                linestyle="dotted", **look,
            )  # fmt: skip
        log_axes(axes, "MAE (meV)")
        figure.legend(loc="outside upper center", ncols=len(summary["model"].unique()))
        return figure


def teacher_ratios(pairs: Mapping[str, Mapping[str, pd.DataFrame]]) -> Figure:
    """Ratios of two models' errors against training-set size, for the labels of several teachers.

    Parameters
    ----------
    pairs
        For each pair of models, such as ``"NN / GPR"``, and each teacher, such as ``"GAP"``: ``n_train``, ``ratio``,
        ``low``, ``high`` as :func:`~synthetic_atoms.experiments.curve_findings.compare` gives them.
    """
    with style():
        figure = new_figure(3.4)
        panels = figure.subplots(1, len(pairs), sharex=True, sharey=True, squeeze=False)[0]
        for axes, (name, by_teacher) in zip(panels, pairs.items(), strict=True):
            for (teacher, part), look in zip(by_teacher.items(), TEACHER_LOOKS, strict=False):
                bars = [part["ratio"] - part["low"], part["high"] - part["ratio"]]
                axes.errorbar(
                    part["n_train"], part["ratio"], yerr=bars, capsize=2.5, label=f"{teacher}'s labels", **look
                )
            axes.axhline(1.0, color="0.5", lw=0.9, zorder=0)
            axes.set_xscale("log")
            axes.set_title(name)
            axes.grid(which="major", color="0.9", lw=0.8)
            axes.set_axisbelow(True)
        panels[0].set_ylabel("Ratio of test MAEs")
        figure.supxlabel(SIZE_LABEL, fontsize="medium")
        handles, labels = panels[0].get_legend_handles_labels()
        figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
        return figure


def ratios_by_trajectory(pairs: Mapping[str, pd.DataFrame]) -> Figure:
    """Ratio of two models' errors on each test trajectory against the mass density.

    Parameters
    ----------
    pairs
        For each pair of models, such as ``"NN / GPR"``: ``density_g_cm3``, ``ratio``.
    """
    with style():
        figure = new_figure(3.6)
        panels = figure.subplots(1, len(pairs), sharex=True, sharey=True, squeeze=False)[0]
        for axes, (name, part) in zip(panels, pairs.items(), strict=True):
            axes.axhline(1.0, color="0.5", lw=0.9, zorder=0)
            axes.scatter(part["density_g_cm3"], part["ratio"], s=18, lw=0.4, edgecolor="white", color="#0072B2")
            axes.set_yscale("log")
            axes.set_title(name)
            axes.grid(which="major", color="0.9", lw=0.8)
            axes.set_axisbelow(True)
        low, high = panels[0].get_ylim()
        ticks = (0.2, 0.3, 0.5, 0.7, 1.0, 1.5, 2.0, 3.0, 5.0)
        if high / low < 3:
            ticks = (0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.2, 1.4, 1.6, 1.8, 2.0, 2.5)
        ticks = [tick for tick in ticks if low <= tick <= high]
        panels[0].set_yticks(ticks, [f"{tick:g}" for tick in ticks])
        for axes in panels:
            axes.minorticks_off()
        panels[0].set_ylabel("Ratio of test MAEs")
        figure.supxlabel("Mass density (g/cm³)", fontsize="medium")
        return figure
