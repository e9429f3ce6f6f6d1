"""Figures of the SOAP descriptor: power spectra, kernel, convergence, settings (Fig. 2b, c)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.patches import Circle
from matplotlib.ticker import FuncFormatter, NullFormatter

from synthetic_atoms.categories import CATEGORIES, short_label
from synthetic_atoms.descriptors.coordination import CARBON_BOND_A
from synthetic_atoms.descriptors.settings import SoapSettings
from synthetic_atoms.figures.style import error_ticks, looks, new_figure, style

SETTING_COLOURS = {"tuned": "#0072B2", "paper-like": "#009E73", "plain": "#D55E00", "quippy": "#000000"}
SETTING_MARKERS = {"tuned": "o", "paper-like": "^", "plain": "v", "quippy": "s"}
OTHER_COLOURS = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999")
"""Colours of settings without a proper name, in their order."""

SIZE_LABEL = "Number of training environments, N"


def _draw_neighbourhood(
    axes: Axes, positions: Float[np.ndarray, "atoms 3"], radius_A: float, colour: str, bond_A: float
) -> None:
    """Atoms around a centre, the nearer to the reader the darker; bonds; the cutoff as a circle."""
    axes.add_patch(Circle((0, 0), radius_A, fill=False, ls="dashed", lw=1.0, ec="0.5"))
    apart = np.linalg.norm(positions[:, None] - positions[None], axis=-1)
    for i, j in np.argwhere(np.triu(apart < bond_A, 1)):
        depth = (positions[i, 2] + positions[j, 2]) / 2
        axes.plot(*positions[[i, j], :2].T, color="0.55", lw=1.6, solid_capstyle="round", zorder=2 + depth / 100)
    for number in np.argsort(positions[:, 2], kind="stable"):
        x, y, z = positions[number]
        shade = 0.62 - 0.3 * (z / radius_A)
        face = colour if number == 0 else str(np.clip(shade, 0.25, 0.92))
        axes.add_patch(Circle((x, y), 0.36 if number == 0 else 0.26, fc=face, ec="white", lw=0.6, zorder=3 + z / 100))
    axes.set_xlim(-1.06 * radius_A, 1.06 * radius_A)
    axes.set_ylim(-1.06 * radius_A, 1.06 * radius_A)
    axes.set_aspect("equal")
    axes.set_axis_off()


def power_spectra(
    positions: Mapping[str, Float[np.ndarray, "_ 3"]],
    spectra: Mapping[str, pd.DataFrame],
    radius_A: float,
    categories: Mapping[str, int] = CATEGORIES,
    *,
    bond_A: float = CARBON_BOND_A,
) -> Figure:
    """Environments and their fingerprints, one row for each kind of atom (Fig. 2b).

    Parameters
    ----------
    positions
        For some of the categories: atoms around the centre, which comes first (Angstrom).
    spectra
        For the same kinds: tables of :func:`~synthetic_atoms.experiments.environments.spectrum_table`.
    radius_A
        The cutoff, drawn as a circle.
    categories
        Coordination number by name.
    bond_A
        Largest length of a bond.
    """
    look = looks(categories)
    with style():
        figure = new_figure(1.75 * len(spectra) + 0.45)
        grid = figure.subplots(len(spectra), 2, width_ratios=[1.0, 2.3], squeeze=False)
        low = min(float(table["value"].min()) for table in spectra.values())
        high = max(float(table["value"].max()) for table in spectra.values())
        for (left, right), (kind, table) in zip(grid, spectra.items(), strict=True):
            _draw_neighbourhood(left, positions[kind], radius_A, look[kind].colour, bond_A)
            left.set_title(short_label(kind), color="0.2")
            width = int((table["l"] == 0).sum())
            # A few features hold most of the length: on a square-root axis the others are seen beside them.
            right.set_yscale("function", functions=(_signed_root, _signed_square))
            right.bar(np.arange(len(table)), table["value"], width=1.3, color="0.35", lw=0)
            degrees = sorted(table["l"].unique())
            for degree in degrees[1:]:
                right.axvline(degree * width - 0.5, color="0.85", lw=0.8, zorder=0)
            right.set_xticks([(degree + 0.5) * width for degree in degrees], [str(degree) for degree in degrees])
            right.tick_params(axis="x", length=0)
            right.set_xlim(-1, len(table))
            right.set_ylim(min(1.1 * low, -0.002), 1.1 * high)
            right.set_yticks([tick for tick in (-0.2, -0.02, 0, 0.02, 0.2, 0.8) if 1.1 * low <= tick <= 1.1 * high])
            right.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}".replace("-", "\N{MINUS SIGN}")))
            right.axhline(0, color="0.6", lw=0.6)
            right.set_ylabel("Feature")
        grid[-1, 1].set_xlabel("Degree l; within it, the pairs n ≤ n'")
        return figure


def _signed_root(values: Float[np.ndarray, " *values"]) -> Float[np.ndarray, " *values"]:
    return np.sign(values) * np.sqrt(np.abs(values))


def _signed_square(values: Float[np.ndarray, " *values"]) -> Float[np.ndarray, " *values"]:
    return np.sign(values) * np.square(values)


def kernel_matrices(
    similarity: Float[np.ndarray, "environments environments"],
    kinds: Int[np.ndarray, " environments"],
    zetas: Sequence[int] = (1, 4),
    categories: Mapping[str, int] = CATEGORIES,
) -> Figure:
    """Kernel matrices of environments sorted by coordination number, one panel for each exponent (Fig. 2c)."""
    names = {number: name for name, number in categories.items() if name in CATEGORIES}
    present = [int(number) for number in np.unique(kinds)]
    middles = [float(np.flatnonzero(kinds == number).mean()) for number in present]
    with style():
        figure = new_figure(3.15)
        panels = figure.subplots(1, len(zetas), squeeze=False)[0]
        low = float((similarity ** max(zetas)).min())
        for axes, zeta in zip(panels, zetas, strict=True):
            image = axes.imshow(similarity**zeta, cmap="viridis", vmin=np.floor(20 * low) / 20, vmax=1.0)
            for number in present[1:]:
                edge = np.flatnonzero(kinds == number)[0] - 0.5
                axes.axhline(edge, color="white", lw=1.0)
                axes.axvline(edge, color="white", lw=1.0)
            labels = [short_label(names[number]) if number in names else str(number) for number in present]
            axes.set_xticks(middles, labels)
            axes.set_yticks(middles, labels)
            axes.tick_params(length=0)
            axes.spines[:].set_visible(False)
            axes.set_title(f"ζ = {zeta}")
        figure.colorbar(
            image, ax=panels, label="Kernel k(x, x') = (x · x')$^ζ$", location="bottom", aspect=40, shrink=0.8
        )
        return figure


def convergence(table: pd.DataFrame, *, fixed: tuple[int, int], limit_percent: float = 0.01) -> Figure:
    """Relative change of the average similarity against l_max and against n_max, with a line at the paper's limit.

    Parameters
    ----------
    table
        ``setting``, ``structure``, ``n_max``, ``l_max``, ``change_percent``.
    fixed
        The (n_max, l_max) of which one is kept while the other varies.
    limit_percent
        Where the line is drawn.
    """
    with style():
        figure = new_figure(3.6)
        panels = figure.subplots(1, 2, sharey=True)
        varied = (("l_max", "n_max", fixed[0]), ("n_max", "l_max", fixed[1]))
        for axes, (varies, kept, value) in zip(panels, varied, strict=True):
            part = table[table[kept] == value]
            values = sorted(part[varies].unique())
            shift = 0.008 * (max(values) - min(values) + 1)
            for side, (setting, own) in enumerate(part.groupby("setting", sort=False)):
                x = own[varies] + (2 * side - 1) * shift
                look = {"color": SETTING_COLOURS[setting], "marker": SETTING_MARKERS[setting]}
                axes.plot(x, own["change_percent"].abs(), ls="none", markersize=4, alpha=0.35, mew=0, **look)
                middle = own.groupby(varies)["change_percent"].apply(lambda change: change.abs().median())
                axes.plot(middle.index + (2 * side - 1) * shift, middle, label=setting, lw=1.4, **look)
            axes.axhline(limit_percent, color="0.4", ls="dashed", lw=1.0)
            axes.set_yscale("log")
            axes.set_xticks(values)
            axes.set_xlabel(f"{varies[0]}$_{{max}}$")
            axes.set_title(f"{kept[0]}$_{{max}}$ = {value}")
        panels[0].set_ylabel("Change of average similarity (%)")
        panels[0].yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        handles = [*panels[0].get_legend_handles_labels()[0]]
        handles.append(Line2D([], [], color="0.4", ls="dashed", lw=1.0, label=f"the paper's {limit_percent:g} %"))
        figure.legend(handles=handles, loc="outside upper center", ncols=len(handles))
        return figure


def settings_curves(summary: pd.DataFrame, published: pd.DataFrame) -> Figure:
    """Test error of GPR against training-set size, one curve for each SOAP setting, the published curve beside.

    Parameters
    ----------
    summary
        ``soap``, ``n_train``, ``mae_test_meV``, ``mae_test_std_meV`` (NaN: drawn as a gap).
    published
        ``n_train``, ``mae_test_meV``, on other data.
    """
    with style():
        figure = new_figure(3.9)
        axes = figure.subplots()
        for name, part in summary.groupby("soap", sort=False):
            axes.errorbar(
                part["n_train"],
                part["mae_test_meV"],
                yerr=part["mae_test_std_meV"],
                color=SETTING_COLOURS[name],
                marker=SETTING_MARKERS[name],
                capsize=2.5,
                label=name,
            )
        axes.plot(
            published["n_train"], published["mae_test_meV"], color="0.45", marker="o", markerfacecolor="white",
            linestyle=(0, (4, 2)), lw=1.2, label="published, other data",
        )  # fmt: skip
        axes.set_xscale("log")
        axes.set_yscale("log")
        low, high = axes.get_ylim()
        axes.set_yticks(error_ticks(low, high, (20, 30, 50, 70, 100, 150, 200, 300)))
        axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
        axes.yaxis.set_minor_formatter(NullFormatter())
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_xlabel(SIZE_LABEL)
        axes.set_ylabel("Test MAE (meV)")
        axes.grid(which="major", color="0.9", lw=0.8)
        axes.set_axisbelow(True)
        handles, labels = axes.get_legend_handles_labels()
        last = labels.index("published, other data")
        order = [*(number for number in range(len(labels)) if number != last), last]
        figure.legend([handles[n] for n in order], [labels[n] for n in order], loc="outside upper center", ncols=3)
        return figure


def weights_table(settings: Mapping[str, SoapSettings], r_max_A: float = 5.0, points: int = 201) -> pd.DataFrame:
    """Weight of a neighbour against its distance: ``setting``, ``r_A``, ``weight``."""
    r = np.linspace(0.0, r_max_A, points)
    return pd.concat(
        [pd.DataFrame({"setting": name, "r_A": r, "weight": one.weight(r)}) for name, one in settings.items()],
        ignore_index=True,
    )


def radial_weights(weights: pd.DataFrame, cutoff_A: float) -> Figure:
    """Draw the weights of :func:`weights_table`, with the nominal cutoff as a line."""
    lines = ("solid", "dashed", "dashdot", "dotted")
    with style():
        figure = new_figure(3.6)
        axes = figure.subplots()
        for number, (name, part) in enumerate(weights.groupby("setting", sort=False)):
            colour = SETTING_COLOURS.get(name, OTHER_COLOURS[number % len(OTHER_COLOURS)])
            axes.plot(part["r_A"], part["weight"], color=colour, ls=lines[number % len(lines)], label=name)
        axes.axvline(cutoff_A, color="0.4", lw=1.0, ls=(0, (2, 2)))
        axes.text(cutoff_A, 1.04, " cutoff", color="0.3", ha="left", va="top")
        axes.set_xlim(0, float(weights["r_A"].max()))
        axes.set_ylim(0, 1.05)
        axes.set_xlabel("Distance from the central atom (Å)")
        axes.set_ylabel("Weight of a neighbour")
        figure.legend(loc="outside upper center", ncols=2)
        return figure


def agreement(pairs: pd.DataFrame) -> Figure:
    """Similarity of the same pairs of environments by DScribe's settings (vertical) and by quippy (horizontal).

    Parameters
    ----------
    pairs
        A column for each setting, ``quippy`` among them: one dot product for each pair.
    """
    others = [name for name in pairs.columns if name != "quippy"]
    with style():
        figure = new_figure(2.35)
        panels = figure.subplots(1, len(others), sharex=True, sharey=True, squeeze=False)[0]
        low = float(np.floor(20 * pairs.min().min()) / 20)
        step = 0.2 if low < 0.6 else 0.1 if low < 0.8 else 0.05
        ticks = [1.0 - number * step for number in range(int((1.0 - low) / step + 1e-9) + 1)]
        for axes, name in zip(panels, others, strict=True):
            axes.plot([low, 1], [low, 1], color="0.6", lw=0.8, zorder=0)
            axes.plot(
                pairs["quippy"], pairs[name], ls="none", marker="o", markersize=1.8, alpha=0.25, mew=0,
                color=SETTING_COLOURS[name], rasterized=True,
            )  # fmt: skip
            axes.set_title(name)
            axes.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.set_yticks(ticks, [f"{tick:g}" for tick in ticks])
            axes.set_xlim(low, 1.0)
            axes.set_ylim(low, 1.0)
            axes.set_aspect("equal")
        panels[0].set_ylabel("x · x', DScribe")
        panels[len(others) // 2].set_xlabel("x · x', quippy")
        return figure
