"""Figures of the sparse GPR: representative points and regularisation (Fig. 4)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import FuncFormatter, NullFormatter

from synthetic_atoms.figures.learning_curves import SIZE_LABEL, ERROR_TICKS_meV, log_axes
from synthetic_atoms.figures.style import error_ticks, new_figure, style

SIGMA_LABEL = "Regularisation σ (meV)"
MARKERS = "osD^vP*Xph<>"
PUBLISHED_LINE = (0, (4, 2))
ESTIMATOR_COLOURS = {"dtc": "#0072B2", "fitc": "#D55E00", "published": "0.35"}
"""Colours of the estimators, and of the published values, from the Okabe-Ito palette."""

ESTIMATOR_NAMES = {"dtc": "DTC", "fitc": "FITC", "published": "published"}


def _looks(values: Sequence[int]) -> dict[int, dict[str, object]]:
    """A colour, from dark to light, and a marker for each of some ordered values."""
    colours = mpl.colormaps["viridis"]
    steps = max(len(values) - 1, 1)
    return {
        value: {"color": colours(0.85 * number / steps), "marker": marker}
        for number, (value, marker) in enumerate(zip(values, cycle(MARKERS), strict=False))
    }


def _open(look: dict[str, object]) -> dict[str, object]:
    """The same look for published values."""
    return look | {"markerfacecolor": "white", "linestyle": PUBLISHED_LINE, "lw": 1.2}


def _sigma_axes(axes: Axes) -> None:
    if not np.isfinite(axes.dataLim.get_points()).all():  # nothing on them
        axes.set(xlim=(0.1, 1000), ylim=(10, 1000))
    axes.set_xscale("log")
    axes.set_yscale("log")
    low, high = axes.get_ylim()
    axes.set_yticks(error_ticks(low, high, (1, 2, 5, *ERROR_TICKS_meV)))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.grid(which="major", color="0.9", lw=0.8)
    axes.set_axisbelow(True)


def sparse_points(curves: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """Learning curves for several numbers of representative points, ours and the published ones side by side (Fig. 4a).

    Parameters
    ----------
    curves
        ``points`` (the largest M allowed; a model with fewer training points has M = N), ``n_train``,
        ``mae_test_meV``; NaN where a fit is missing.
    published
        ``m_sparse``, ``n_train``, ``mae_test_meV``.
    """
    values = sorted(set(curves["points"]) | set(published["m_sparse"]))
    looks = _looks(values)
    with style():
        figure = new_figure(4.6)
        ours, theirs = figure.subplots(1, 2, sharex=True, sharey=True)
        for value in values:
            part = curves[curves["points"] == value].sort_values("n_train")
            ours.plot(part["n_train"], part["mae_test_meV"], **looks[value])
            part = published[published["m_sparse"] == value].sort_values("n_train")
            theirs.plot(part["n_train"], part["mae_test_meV"], **_open(looks[value]))
        ours.set_title("this book's data")
        theirs.set_title("published")
        for axes in (ours, theirs):
            log_axes(axes, "Test MAE (meV)" if axes is ours else None, None)
        figure.supxlabel(SIZE_LABEL, fontsize="medium")
        handles = [Line2D([], [], label=f"{value:,}", **looks[value]) for value in values]
        figure.legend(
            handles=handles, loc="outside upper center", ncols=4, columnspacing=1.0, handlelength=1.6,
            title="Representative points, M at most",
        )  # fmt: skip
        return figure


def regularisation(curves: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """Test error against sigma for several N: each estimator that has errors and the published values (Fig. 4b).

    Parameters
    ----------
    curves
        ``estimator``, ``n_train``, ``sigma_meV``, ``mae_test_meV``; NaN where a fit is missing.
    published
        ``n_train``, ``sigma_meV``, ``mae_test_meV``.
    """
    values = sorted(set(curves["n_train"]) | set(published["n_train"]))
    looks = _looks(values)
    names = [name for name in ("dtc", "fitc") if (curves["estimator"] == name).any()]
    with style():
        figure = new_figure(6.0 if len(names) > 1 else 4.6)
        panels = figure.subplots(2 if len(names) > 1 else 1, 2, sharex=True, sharey=True, squeeze=False)
        shown = dict(zip([*names, "published"], panels.flat, strict=False))
        for name, axes in shown.items():
            table = published if name == "published" else curves[curves["estimator"] == name]
            for value in values:
                part = table[table["n_train"] == value].sort_values("sigma_meV")
                look = _open(looks[value]) if name == "published" else looks[value]
                axes.plot(part["sigma_meV"], part["mae_test_meV"], markersize=4, **look)
            axes.set_title({"published": "published (FITC)"}.get(name, f"{ESTIMATOR_NAMES[name]}, this book's data"))
        for axes in shown.values():
            _sigma_axes(axes)
        handles = [Line2D([], [], label=f"N = {value:,}", **looks[value]) for value in values]
        if len(names) > 1:
            panels[0, 1].tick_params(labelbottom=True)
            panels[1, 1].set_axis_off()
            panels[1, 1].legend(handles=handles, loc="center", title="Training environments")
        else:
            figure.legend(handles=handles, loc="outside upper center", ncols=3, title="Training environments")
        figure.supxlabel(SIGMA_LABEL, fontsize="medium")
        figure.supylabel("Test MAE (meV)", fontsize="medium")
        return figure


def small_sigma(curves: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """Test and training error against sigma at one N, for both estimators and the published values.

    Parameters
    ----------
    curves
        ``estimator``, ``sigma_meV``, ``mae_test_meV``, ``mae_train_meV``.
    published
        The same without ``estimator``; may be empty.
    """
    with style():
        figure = new_figure(4.2)
        panels = figure.subplots(1, 2, sharex=True, sharey=True)
        handles = []
        for axes, column, title in zip(
            panels, ("mae_test_meV", "mae_train_meV"), ("test error", "training error"), strict=True
        ):
            for name, marker in (("dtc", "o"), ("fitc", "s"), ("published", "^")):
                table = published if name == "published" else curves[curves["estimator"] == name]
                if table.empty:
                    continue
                part = table.sort_values("sigma_meV")
                look: dict[str, object] = {"color": ESTIMATOR_COLOURS[name], "marker": marker}
                look = _open(look) if name == "published" else look
                axes.plot(part["sigma_meV"], part[column], markersize=4, **look)
                if axes is panels[0]:
                    label = "published (FITC), the authors' data" if name == "published" else ESTIMATOR_NAMES[name]
                    handles.append(Line2D([], [], label=label, **look))
            axes.set_title(title)
        for axes in panels:
            _sigma_axes(axes)
        panels[0].set_ylabel("MAE (meV)")
        figure.supxlabel(SIGMA_LABEL, fontsize="medium")
        figure.legend(handles=handles, loc="outside upper center", ncols=3, columnspacing=1.0)
        return figure
