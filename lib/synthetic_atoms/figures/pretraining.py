"""Figures of pre-training and fine-tuning (Fig. 5)."""

from __future__ import annotations

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

from synthetic_atoms.figures.learning_curves import log_axes
from synthetic_atoms.figures.style import new_figure, style

COLOURS = {"direct": "#7B3294", "pre-trained": "#E69F00", "fine-tuned": "#CC3311"}
"""The paper's purple, orange and red."""

MARKERS = {"direct": "o", "pre-trained": "^", "fine-tuned": "s"}

TEACHER_COLOUR = "0.35"
PUBLISHED = {"linestyle": (0, (4, 2)), "markerfacecolor": "white", "lw": 1.2, "alpha": 0.75}
"""How published values are drawn, in the colour of ours."""


def schematic(texts: dict[str, str]) -> Figure:
    """The experiment as a diagram: which data each of the three networks sees.

    Parameters
    ----------
    texts
        What the boxes ``d1``, ``d0``, ``pre-trained``, ``fine-tuned`` and ``direct`` say.
    """
    with style():
        figure = new_figure(4.1)
        axes = figure.subplots()
        axes.set(xlim=(0, 10), ylim=(0, 8))
        axes.axis("off")
        places = {
            "d1": (0.1, 5.4, 4.3, 2.4, "0.95", "0.4"),
            "d0": (0.1, 1.2, 4.3, 2.4, "0.95", "0.4"),
            "pre-trained": (6.1, 5.7, 3.8, 1.8, "#FFF3D6", COLOURS["pre-trained"]),
            "fine-tuned": (6.1, 2.9, 3.8, 1.8, "#FBE0DA", COLOURS["fine-tuned"]),
            "direct": (6.1, 0.1, 3.8, 1.8, "#EFE2F3", COLOURS["direct"]),
        }
        for name, (x, y, width, height, face, edge) in places.items():
            axes.add_patch(
                FancyBboxPatch(
                    (x, y), width, height, boxstyle="round,pad=0,rounding_size=0.2", fc=face, ec=edge, lw=1.6
                )
            )
            axes.text(x + width / 2, y + height / 2, texts[name], ha="center", va="center", fontsize=9, color="0.1")
        _arrow(axes, (4.4, 6.6), (6.1, 6.6), COLOURS["pre-trained"], "per-atom\nenergies", (5.25, 7.25))
        _arrow(axes, (8.0, 5.7), (8.0, 4.7), COLOURS["fine-tuned"], "weights", (8.75, 5.2))
        _arrow(axes, (4.4, 2.8), (6.1, 3.6), COLOURS["fine-tuned"], "total\nenergies", (5.2, 4.05))
        _arrow(axes, (4.4, 2.0), (6.1, 1.0), COLOURS["direct"], "total\nenergies", (5.05, 0.8))
        return figure


def _arrow(axes: Axes, start: tuple, end: tuple, colour: str, text: str, place: tuple) -> None:
    axes.add_patch(FancyArrowPatch(start, end, arrowstyle="-|>", mutation_scale=16, lw=2, color=colour))
    axes.text(*place, text, ha="center", va="center", fontsize=8.5, color="0.2")


def parity(points: pd.DataFrame, errors_meV: dict[str, float]) -> Figure:
    """Per-atom energies of each network against the teacher's, relative to the free atom (Fig. 5b).

    Parameters
    ----------
    points
        ``teacher_eV`` and one column for each training, such as ``fine-tuned_eV``.
    errors_meV
        Root mean square error of each over all test environments of the fold.
    """
    with style():
        figure = new_figure(2.5)
        panels = figure.subplots(1, len(errors_meV), sharex=True, sharey=True, squeeze=False)[0]
        values = points.to_numpy()
        low, high = np.floor(values.min()), np.ceil(values.max())
        for axes, (name, error) in zip(panels, errors_meV.items(), strict=True):
            axes.plot([low, high], [low, high], color="0.6", lw=1, zorder=0)
            axes.plot(points["teacher_eV"], points[f"{name}_eV"], ".", ms=2.5, alpha=0.5, color=COLOURS[name])
            axes.set_title(name)
            axes.text(0.05, 0.95, f"{error:.0f} meV", transform=axes.transAxes, va="top", fontsize=9.5)
            axes.set(xlim=(low, high), ylim=(low, high), aspect="equal")
            axes.locator_params(nbins=4)
        panels[0].set_ylabel("Network (eV)")
        figure.supxlabel("Per-atom energy of the teacher, less the free atom's (eV)", fontsize="medium")
        return figure


def pretraining_size(
    summary: pd.DataFrame, direct: pd.DataFrame, published: pd.DataFrame, teacher_meV: float, n_environments: int
) -> Figure:
    """Test error of the fine-tuned network against the number of environments it was pre-trained on (Fig. 5c).

    Parameters
    ----------
    summary, direct
        Rows of the summary for fine-tuning, and the one for direct training, on all cells.
    published
        The paper's curve, on other data.
    teacher_meV
        The teacher's own error on held-out cells; NaN to leave it out.
    n_environments
        Atoms in the cells that a fold trains on.
    """
    with style():
        figure = new_figure(4.2)
        axes = figure.subplots()
        axes.errorbar(
            summary["n_pretrain_environments"], summary["rmse_test_meV_per_atom"],
            yerr=summary["rmse_test_std_meV_per_atom"], color=COLOURS["fine-tuned"], marker=MARKERS["fine-tuned"],
            capsize=2.5, label="fine-tuned, this book's data",
        )  # fmt: skip
        axes.plot(
            published["n_pretrain_environments"], published["rmse_test_meV_per_atom"], color=COLOURS["fine-tuned"],
            marker=MARKERS["fine-tuned"], label="fine-tuned, published (the authors' data)", **PUBLISHED,
        )  # fmt: skip
        for value, colour, line, label in (
            (
                direct["rmse_test_meV_per_atom"].mean(),
                COLOURS["direct"],
                "dashdot",
                "direct training, this book's data",
            ),
            (teacher_meV, TEACHER_COLOUR, "dotted", "the teacher itself, held-out cells"),
        ):
            if np.isfinite(value):
                axes.axhline(value, color=colour, linestyle=line, label=label)
        log_axes(axes, "Test RMSE (meV per atom)", "Number of pre-training environments")
        axes.axvline(n_environments, color="0.75", lw=1, label="as many as the cells have atoms")
        figure.legend(loc="outside upper left")
        return figure


def qm_labels(
    summary: pd.DataFrame,
    published: pd.DataFrame,
    teacher_meV: float,
    pretrained_meV: float = float("nan"),
    unused: pd.DataFrame | None = None,
) -> Figure:
    """Test error against the number of QM labels, direct and fine-tuned (Fig. 5d).

    Parameters
    ----------
    summary
        Rows for direct training and for fine-tuning after pre-training on everything.
    published
        The paper's two curves, on other data.
    teacher_meV, pretrained_meV
        The errors of the teacher, on held-out cells, and of the pre-trained network, which has no QM label; NaN to
        leave one out.
    unused
        Rows like those of ``summary`` for settings that are not used, drawn small.
    """
    with style():
        figure = new_figure(4.4)
        axes = figure.subplots()
        for name in ("direct", "fine-tuned"):
            look = {"color": COLOURS[name], "marker": MARKERS[name]}
            part, theirs = summary[summary["training"] == name], published[published["training"] == name]
            axes.errorbar(
                part["n_qm_labels"], part["rmse_test_meV_per_atom"], yerr=part["rmse_test_std_meV_per_atom"],
                capsize=2.5, label=f"{name}, this book's data", **look,
            )  # fmt: skip
            axes.plot(
                theirs["n_qm_labels"], theirs["rmse_test_meV_per_atom"], label=f"{name}, published", **look, **PUBLISHED
            )
            if unused is not None:
                other = unused[unused["training"] == name]
                axes.plot(other["n_qm_labels"], other["rmse_test_meV_per_atom"], ls="", ms=3.5, alpha=0.7, **look)
        if np.isfinite(teacher_meV):
            axes.axhline(teacher_meV, color=TEACHER_COLOUR, linestyle="dotted", label="the teacher, held-out cells")
        if np.isfinite(pretrained_meV):
            axes.axhline(
                pretrained_meV, color=COLOURS["pre-trained"], linestyle="dashdot", label="pre-trained, no QM label"
            )
        log_axes(axes, "Test RMSE (meV per atom)", "Number of QM-labelled cells")
        figure.legend(loc="outside upper left", ncols=2)
        return figure
