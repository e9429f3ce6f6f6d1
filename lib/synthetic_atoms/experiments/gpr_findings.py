"""Sentences about M and sigma, worded by what the records say, whichever way it goes."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pandas as pd

from synthetic_atoms.experiments.gpr_insights import TOLERATED, Paired

MAJOR = 0.10
"""Relative change of an error that is called major."""

FLAT = 0.15
"""Relative rise of an error towards small sigma below which a curve is called nearly flat there."""

MISSING = "The fits that would tell are not in the store."


def percent(change: Paired, most: int | None = None) -> str:
    """A relative change, with its standard deviation over the folds where there are several.

    The number of folds is told where it is one, or less than ``most``.
    """
    if change.folds < 2:
        return f"{100 * change.mean:+.1f} % (one fold)"
    few = f" ({change.folds} folds)" if most is not None and change.folds < most else ""
    return f"{100 * change.mean:+.1f} ± {100 * change.std:.1f} %{few}"


def in_folds(count: int, folds: int) -> str:
    """How many folds agree."""
    if folds == 1:
        return "in the one fold there is" if count else "not in the one fold there is"
    if count == folds:
        return "in both folds" if folds == 2 else f"in all {folds} folds"
    return f"in {count} of {folds} folds"


def mean_and_range(values: pd.Series, form: str = "{:.2f}", unit: str = "") -> str:
    """Geometric mean, and the lowest and highest value where there are several."""
    mean = form.format(float(np.exp(np.log(values).mean()))) + unit
    if len(values) < 2:
        return mean
    return f"{mean} ({form.format(values.min())} to {form.format(values.max())} over the folds)"


def best_sigma(part: pd.DataFrame) -> str:
    """Where curves are lowest."""
    return f"σ = {mean_and_range(part['best_sigma_meV'], '{:.2g}', ' meV')}"


def at_ends(part: pd.DataFrame) -> str:
    """Where the curves of one estimator are lowest, for each N."""
    texts = [f"{best_sigma(curves)} for N = {n:,}" for n, curves in part.groupby("n_train")]
    return " and ".join(texts) + (" (one fold)" if part["fold"].nunique() == 1 else "")


def more_points(changes: Mapping[int, Paired], few: int, many: int) -> str:
    """Whether many representative points help over few."""
    if not changes:
        return MISSING
    most = max(change.folds for change in changes.values())
    parts = [f"{percent(change, most)} at N = {n:,}" for n, change in changes.items()]
    largest = max(changes)
    last = changes[largest]
    around = bool(min(last.values) < -MAJOR < max(last.values))
    if all(abs(change.mean) < MAJOR for change in changes.values()):
        verdict = f"Nowhere is the change a tenth of the error or more, so M = {many:,} makes no major difference here."
    elif last.mean <= -MAJOR:
        verdict = f"M = {many:,} does help here: the change there is a tenth of the error or more"
        verdict += ", on average and not in every fold." if around else "."
    elif last.mean >= MAJOR:
        verdict = f"M = {many:,} makes the error larger here."
    else:
        verdict = f"The change is a tenth of the error or more at some N, but not at the largest, N = {largest:,}."
    return (
        f"Going from M = {few:,} to M = {many:,} changes the test error by {', '.join(parts)}; at the largest of these "
        f"N it is lower {in_folds(last.below, last.folds)}. {verdict}"
    )


def estimators(differences: Mapping[int, Paired], m_sparse: int) -> str:
    """How FITC and DTC compare at the usual sigma, beyond N = M, where they are different models."""
    larger = {n: difference for n, difference in differences.items() if n > m_sparse}
    if not larger:
        return f"A comparison needs fits with N above M = {m_sparse:,} by both; there are none."
    most = max(difference.folds for difference in differences.values())
    parts = [f"{percent(difference, most)} at N = {n:,}" for n, difference in larger.items()]
    return f"FITC's test error differs from DTC's by {', '.join(parts)}."


def _ends(curves: pd.DataFrame, estimator: str) -> tuple[pd.DataFrame, pd.DataFrame] | None:
    """Curves of an estimator at its smallest and largest N, with folds as index; None with fewer than two sizes."""
    mine = curves[curves["estimator"] == estimator]
    if mine["n_train"].nunique() < 2:
        return None
    first, last = mine["n_train"].min(), mine["n_train"].max()
    return mine[mine["n_train"] == first].set_index("fold"), mine[mine["n_train"] == last].set_index("fold")


def optimum(curves: pd.DataFrame, estimator: str, name: str) -> str:
    """Where the best sigma is, and whether it moves up with N."""
    ends = _ends(curves, estimator)
    if ends is None:
        return MISSING
    first, last = ends
    small, large = int(first["n_train"].iloc[0]), int(last["n_train"].iloc[0])
    move = Paired.relative(last["best_sigma_meV"], first["best_sigma_meV"])
    text = (
        f"{name}: the test error is lowest at {best_sigma(first)} for N = {small:,} and at {best_sigma(last)} for "
        f"N = {large:,}."
    )
    if not move.folds:
        return text + " No fold has both, so nothing can be said about a shift."
    agree = "" if estimator == "published" else f" {in_folds(move.folds, move.folds)}"  # published are means
    if move.above == move.folds:
        text += f" The best σ moves up{agree}."
    elif move.below == move.folds:
        text += f" The best σ moves down{agree}."
    else:
        text += f" The folds disagree about a shift: it moves up {in_folds(move.above, move.folds)}."
    between = curves[(curves["estimator"] == estimator) & curves["n_train"].between(small, large, inclusive="neither")]
    if len(between):
        on_the_way = [
            f"{float(np.exp(np.log(part).mean())):.2g} meV at N = {n:,}"
            for n, part in between.groupby("n_train")["best_sigma_meV"]
        ]
        text += f" In between it is {', '.join(on_the_way)}."
        before = between[between["n_train"] == between["n_train"].max()].set_index("fold")["best_sigma_meV"]
        end = Paired.relative(last["best_sigma_meV"], before)
        if end.folds:
            text += f" From N = {between['n_train'].max():,} to {large:,} it "
            if not (end.above or end.below):
                text += "does not move."
            elif estimator == "published":
                text += "moves up." if end.above else "moves down."
            else:
                up = end.above >= end.below
                text += f"moves {'up' if up else 'down'} {in_folds(end.above if up else end.below, end.folds)}."
    if bool(first["at_edge"].any() or last["at_edge"].any()):
        text += " In some folds the lowest error is at an end of the scan, so the best σ may lie beyond."
    return text


def flattening(curves: pd.DataFrame, estimator: str, name: str) -> str:
    """Whether sigma matters less for more data."""
    ends = _ends(curves, estimator)
    if ends is None:
        return MISSING
    first, last = ends
    small, large = int(first["n_train"].iloc[0]), int(last["n_train"].iloc[0])
    wider = (last["width_decades"] - first["width_decades"]).dropna()
    above = int((wider > 0).sum())

    def spell(part: pd.DataFrame) -> str:
        least = "at least " if bool(part["width_open"].any()) else ""
        factor = 10 ** part["width_decades"].mean()
        return f"{least}a factor of {factor:,.0f}" if factor >= 10 else f"{least}a factor of {factor:.1f}"

    text = (
        f"{name}: σ may vary over {spell(first)} at N = {small:,}, and over {spell(last)} at N = {large:,}, before the "
        f"test error exceeds its lowest value by {100 * (TOLERATED - 1):.0f} %. At the largest σ of the scan the error "
        f"is {mean_and_range(first['rise_large'])} and {mean_and_range(last['rise_large'])} times the lowest, at the "
        f"smallest σ {mean_and_range(first['rise_small'])} and {mean_and_range(last['rise_small'])} times."
    )
    if wider.empty:
        return text + " No fold has both, so nothing can be said about a change."
    alone = estimator == "published"  # means, not folds
    if 0 < above < len(wider):
        text += (
            f" The folds disagree: near its minimum the curve is flatter for the larger N {in_folds(above, len(wider))}"
        )
    elif above:
        text += " Near its minimum the curve is flatter for the larger N" + (
            "" if alone else f" {in_folds(above, above)}"
        )
    else:
        text += " Near its minimum the curve is not flatter for the larger N" + ("" if alone else " in any fold")
    text += "."
    steeper = Paired.relative(last["rise_small"], first["rise_small"])
    if above and steeper.above == steeper.folds > 0:
        text += " Towards small σ it is steeper all the same."
    return text


def kernels(
    usual: pd.DataFrame, other: pd.DataFrame, names: Mapping[str, str], n_train: int, n_folds: int | None = None
) -> str:
    """What another kernel changes in the curves over sigma of each estimator at one N, fold by fold.

    Parameters
    ----------
    usual, other
        Curves of the two kernels at this N, as :func:`~synthetic_atoms.experiments.gpr_insights.sigma_curves` gives
        them.
    names
        The estimators and how they are spelled.
    n_train
        The N.
    n_folds
        Number of folds of the study; fewer are told.
    """
    parts, rises = [], []
    for estimator, name in names.items():
        first, second = (part[part["estimator"] == estimator].set_index("fold") for part in (usual, other))
        both = first.index.intersection(second.index)
        first, second = first.loc[both], second.loc[both]
        lower = Paired.relative(second["lowest_meV"], first["lowest_meV"])
        if lower.folds:
            shift = second["best_sigma_meV"] / first["best_sigma_meV"]
            parts.append(
                f"{name}'s lowest error by {percent(lower, n_folds)} and moves its best σ by a factor of "
                f"{mean_and_range(shift, '{:.2g}')}"
            )
            rises.append(
                f"{name}'s test error is {mean_and_range(second['rise_small'])} times its lowest instead of "
                f"{mean_and_range(first['rise_small'])} times"
            )
    if not parts:
        return MISSING
    changes, small = (", and ".join(sentences) for sentences in (parts, rises))
    return f"At N = {n_train:,} that kernel changes {changes}. At the smallest σ of the scan {small}."


def shown_size(curves: pd.DataFrame, m_sparse: int) -> int | None:
    """The N at which the estimators are shown side by side: the smallest above M that both have, the largest else."""
    sizes = [set(curves.loc[curves["estimator"] == name, "n_train"]) for name in ("dtc", "fitc")]
    both = sorted(sizes[0] & sizes[1])
    above = [int(n) for n in both if n > m_sparse]
    return above[0] if above else (int(both[-1]) if both else None)


def small_sigma(curves: pd.DataFrame, published: pd.DataFrame, m_sparse: int) -> tuple[str, str]:
    """Whether the published rise at small sigma, training error included, is FITC's and not DTC's.

    Returns
    -------
    str, str
        What the records say at length, and the verdict in one sentence.
    """
    n_train = shown_size(curves, m_sparse)
    if n_train is None:
        return MISSING, MISSING
    if n_train <= m_sparse:
        text = f"There are no fits by both with N above M = {m_sparse:,}; up to there DTC and FITC are the same model."
        return text, text
    at = curves[curves["n_train"] == n_train]
    dtc, fitc = (at[at["estimator"] == name].set_index("fold") for name in ("dtc", "fitc"))

    def rises(part: pd.DataFrame) -> str:
        return (
            f"{mean_and_range(part['rise_small'])} times the lowest test error and "
            f"{mean_and_range(part['rise_small_train'])} times the lowest training error"
        )

    text = (
        f"At N = {n_train:,} and the smallest σ of the scan, FITC errs by {rises(fitc)}. DTC, on the same folds and "
        f"points, errs by {rises(dtc)}."
    )
    theirs = published[published["n_train"] == n_train]
    if len(theirs):
        text += f" The published values at this N: {rises(theirs)}."
    difference = Paired.relative(fitc["rise_small"], dtc["rise_small"])
    steeper = difference.above == difference.folds > 0
    fitc_trains = bool((fitc["rise_small_train"] > 1 + FLAT).all())
    dtc_trains = bool((dtc["rise_small_train"] > 1 + FLAT).any())
    dtc_flat = float(dtc["rise_small"].mean()) < 1 + FLAT
    if steeper and fitc_trains and not dtc_trains:
        verdict = f"The rise of both errors at small σ is FITC's ({in_folds(difference.above, difference.folds)}). "
        verdict += (
            "DTC stays nearly flat there."
            if dtc_flat
            else "DTC's test error rises too, though less, and its training error does not."
        )
    elif steeper:
        verdict = (
            "FITC's test error rises more steeply at small σ than DTC's "
            f"({in_folds(difference.above, difference.folds)}), but the training errors do not tell the two apart as "
            "clearly."
        )
    else:
        verdict = (
            "FITC does not rise more steeply than DTC at small σ in every fold, so these records do not explain the "
            "published rise by the estimator."
        )
    return text, verdict
