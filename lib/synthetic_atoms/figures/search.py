"""Figures of the search for hyperparameters and of the generalisation gap (the paper's appendix)."""

from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter

from synthetic_atoms.experiments.hyperparameters import standard_error
from synthetic_atoms.figures.learning_curves import published_look
from synthetic_atoms.figures.style import MODEL_COLOURS, MODEL_MARKERS, new_figure, style


def trials(records: pd.DataFrame, columns: Mapping[str, str], linear: tuple[str, ...] = ("dropout", "depth")) -> Figure:
    """Validation error of each trial against each hyperparameter; the best of each model is filled.

    Parameters
    ----------
    records
        Finished trials at one training-set size: ``model``, ``mae_validation_meV``, ``mae_validation_std_meV``,
        ``repeats`` and the hyperparameters. Bars are standard errors over the repeats.
    columns
        Hyperparameters and their axis labels.
    linear
        Those whose axis is not logarithmic.
    """
    finite = records[np.isfinite(records["mae_validation_meV"].astype(float))]
    lowest, highest = finite["mae_validation_meV"].min(), finite["mae_validation_meV"].max()
    error_ticks = _error_ticks(float(lowest), float(highest))
    with style():
        rows = -(-len(columns) // 3)
        figure = new_figure(1.9 * rows + 0.5)
        panels = figure.subplots(rows, 3, sharey=True, squeeze=False).ravel()
        for axes, (column, label) in zip(panels, columns.items(), strict=False):
            winners = []
            for name, part in finite.groupby("model", sort=False):
                part = part[part[column] > 0] if column not in linear else part
                if part.empty:
                    continue
                look = {"color": MODEL_COLOURS[name], "marker": MODEL_MARKERS[name], "ls": "", "markersize": 5.5}
                error = part["mae_validation_meV"].astype(float)
                bars = standard_error(part).to_numpy()
                axes.errorbar(part[column], error, yerr=bars, markerfacecolor="white", elinewidth=0.8, **look)
                best = part.loc[error.idxmin()]
                winners.append((best[column], best["mae_validation_meV"], look))
            for x, y, look in winners:  # above all others
                axes.plot(x, y, zorder=5, markeredgecolor="white", markeredgewidth=0.8, **(look | {"markersize": 8}))
            axes.set_yscale("log")
            axes.yaxis.set_minor_formatter(NullFormatter())
            axes.set_yticks(error_ticks, [f"{tick:g}" for tick in error_ticks])
            if column not in linear:
                axes.set_xscale("log")
                axes.xaxis.set_minor_formatter(NullFormatter())
                low, high = finite.loc[finite[column] > 0, column].agg(["min", "max"])
                if high / low < 100:  # less than two decades: ticks with plain numbers
                    ticks = _plain_ticks(float(low), float(high))
                    axes.set_xticks(ticks, [_short(tick) for tick in ticks])
            elif (finite[column] == finite[column].round()).all():
                axes.set_xticks(range(int(finite[column].min()), int(finite[column].max()) + 1))
            axes.set_xlabel(label, fontsize=9)
            axes.tick_params(labelsize=8.5)
            axes.grid(color="0.92", lw=0.8)
        for axes in panels[len(columns) :]:
            axes.axis("off")
        figure.supylabel("Validation MAE (meV)", fontsize=10)
        handles = [
            panels[0].plot(
                [],
                [],
                color=MODEL_COLOURS[name],
                marker=MODEL_MARKERS[name],
                markerfacecolor="white",
                ls="",
                label=name,
            )[0]
            for name in finite["model"].unique()
        ]
        figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
        return figure


def _error_ticks(low: float, high: float) -> list[float]:
    """Those of 1, 2, 3, 5, 10 ... about between two errors; where that is one or none, the two errors."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)
    ticks = [float(f"{digit}e{exponent}") for exponent in exponents for digit in (1, 2, 3, 5)]
    ticks = [tick for tick in ticks if 0.9 * low <= tick <= 1.1 * high]
    return ticks if len(ticks) > 1 else sorted({float(f"{value:.2g}") for value in (low, high)})


def _plain_ticks(low: float, high: float) -> list[float]:
    """Those of 1, 3, 10, 30 ... between two values; where that is one or none, the ends of 1, 2, 5, 10 ..."""
    exponents = range(math.floor(math.log10(low)), math.ceil(math.log10(high)) + 1)

    def between(digits: tuple[int, ...]) -> list[float]:
        ticks = [float(f"{digit}e{exponent}") for exponent in exponents for digit in digits]
        return [tick for tick in ticks if low <= tick <= high]

    ticks = between((1, 3))
    if len(ticks) > 1:
        return ticks
    ends = between((1, 2, 5))
    return max(ticks, ends[:1] + ends[1:][-1:], key=len)


def _short(value: float) -> str:
    """A number without many zeros: ``3e-4``, ``0.01``, ``300``."""
    if value >= 0.01:
        return f"{value:g}"
    digits, exponent = f"{value:.0e}".split("e")
    return f"{digits}e{int(exponent)}"


def gaps(
    summary: pd.DataFrame,
    published: pd.DataFrame,
    whole: pd.DataFrame | None = None,
    names: tuple[str, str] = ("this book", "all trajectories"),
) -> Figure:
    """Test error over training error against training-set size: 1 where nothing is lost on new data.

    Parameters
    ----------
    summary, published
        ``model``, ``n_train``, ``mae_test_meV``, ``mae_train_meV``.
    whole
        The same for models that were trained on a larger set, of which the data of ``summary`` are a part.
    names
        How the legend calls the data of ``summary`` and of ``whole``.
    """
    with style():
        figure = new_figure(4.2)
        axes = figure.subplots()
        more_models = [] if whole is None else list(whole["model"])
        for name in dict.fromkeys([*summary["model"], *more_models]):
            part = summary[summary["model"] == name]
            look = {"color": MODEL_COLOURS[name], "marker": MODEL_MARKERS[name]}
            if len(part):
                ratio = part["mae_test_meV"] / part["mae_train_meV"]
                axes.plot(part["n_train"], ratio, label=f"{name}, {names[0]}", **look)
            theirs = published[published["model"] == name]
            axes.plot(
                theirs["n_train"], theirs["mae_test_meV"] / theirs["mae_train_meV"], label=f"{name}, published",
                **published_look(name),
            )  # fmt: skip
            more = whole[whole["model"] == name] if whole is not None else summary.iloc[:0]
            if len(more):
                axes.plot(
                    more["n_train"], more["mae_test_meV"] / more["mae_train_meV"], fillstyle="left", ls="dotted",
                    lw=1.6, label=f"{name}, {names[1]}", **look,
                )  # fmt: skip
        axes.axhline(1, color="0.6", lw=1)
        axes.set(
            xscale="log", yscale="log", xlabel="Number of training environments, N", ylabel="Test MAE / training MAE"
        )
        axes.set_yticks([1, 2, 5, 10, 20, 50, 100], ["1", "2", "5", "10", "20", "50", "100"])
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.grid(color="0.92", lw=0.8)
        figure.legend(loc="outside upper center", ncols=2, columnspacing=1.0)
        return figure
