"""Our value and the verdict for each claim on pre-training, maps of structure and the search for settings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from synthetic_atoms.categories import CATEGORIES
from synthetic_atoms.claims.evidence import ENOUGH_TRIALS, Evidence
from synthetic_atoms.claims.ledger import NO_RECORD, Outcome, judged
from synthetic_atoms.descriptors import features, power_spectrum
from synthetic_atoms.experiments import fine_tuning_findings as findings
from synthetic_atoms.experiments.fine_tuning_grid import DIRECT, FINETUNED, PRETRAINED
from synthetic_atoms.experiments.map_measures import neighbours, purity
from synthetic_atoms.experiments.structure_maps import LEARNED, PAPER_LIKE, TUNED, clusters
from synthetic_atoms.models.neural_network import default_hyperparameters
from synthetic_atoms.synthesis.crystals import diamond, graphite
from synthetic_atoms.wording import about, counted, listed

TEST, TRAIN, LOCAL = "rmse_test_meV_per_atom", "rmse_train_meV_per_atom", "rmse_local_test_meV"


def _means(evidence: Evidence, column: str) -> dict[str, float] | None:
    """Means over the folds of the three networks trained on everything."""
    table = evidence.table_1()
    if table.empty:
        return None
    means = table.groupby("training")[column].mean()
    if not {DIRECT, PRETRAINED, FINETUNED} <= set(means.index):
        return None
    return {name: float(means[name]) for name in (DIRECT, PRETRAINED, FINETUNED)}


def finetuned_better(evidence: Evidence) -> Outcome:
    means, gap = _means(evidence, TEST), findings.paired(evidence.table_1()) if len(evidence.tuning) else None
    if means is None or gap is None or not np.isfinite(gap.value):
        return NO_RECORD
    share = 1 - means[FINETUNED] / means[DIRECT]
    text = f"{means[FINETUNED]:.1f} against {means[DIRECT]:.1f} meV per atom, {share:.0%} less; by {gap.value:.1f} "
    text += f"meV per atom (90 % of bootstrap samples of the folds: {gap.low:.1f} to {gap.high:.1f})"
    return judged(gap.low > 0, gap.value > 0, text)


def pretrained_close(evidence: Evidence) -> Outcome:
    means = _means(evidence, TEST)
    if means is None:
        return NO_RECORD
    text = f"{means[PRETRAINED]:.1f} against {means[DIRECT]:.1f} and {means[FINETUNED]:.1f} meV per atom"
    others = (means[DIRECT], means[FINETUNED])
    return judged(means[PRETRAINED] > max(others), means[PRETRAINED] > min(others), text)


def local_energies_differ(evidence: Evidence) -> Outcome:
    means = _means(evidence, LOCAL)
    if means is None:
        return NO_RECORD
    text = f"{means[DIRECT]:.0f}, {means[FINETUNED]:.0f} and {means[PRETRAINED]:.0f} meV"
    return judged(means[PRETRAINED] < means[FINETUNED] < means[DIRECT], means[PRETRAINED] < means[DIRECT], text)


def direct_like_teacher(evidence: Evidence) -> Outcome:
    table = evidence.table_1()
    if table.empty or "teacher" not in evidence.card:  # what other data's teacher was fitted to is not known
        return NO_RECORD
    direct = table[table["training"] == DIRECT].set_index("fold")[TEST].dropna()
    teacher = evidence.teacher_on_own_cells([int(fold) for fold in direct.index])
    if teacher.empty:
        return NO_RECORD
    direct = direct[teacher.index].mean()
    change = direct / teacher.mean() - 1
    text = f"{direct:.1f} and {teacher.mean():.1f} meV per atom ({counted(len(teacher), 'fold')}; the teacher was "
    text += "fitted to these cells)"
    return judged(abs(change) <= 0.1, abs(change) <= 0.3, text)


def fewer_labels(evidence: Evidence) -> Outcome:
    curve = evidence.curve_d()
    direct = findings.by_fold(curve, DIRECT, "n_qm_labels") if len(curve) else curve
    if not len(direct):
        return NO_RECORD
    n = int(direct.index.max())
    factor, bound = findings.fewer_labels(curve, n), findings.is_lower_bound(curve, n)
    if not np.isfinite(factor.value):
        return judged(False, False, f"fine-tuning does not reach the error of direct training with {n:,} labels")
    text = f"{'at least ' if bound else ''}{factor.value:.1f} times fewer than {n:,}"
    return judged(factor.value >= 4, factor.value >= 2, text)


def most_for_few(evidence: Evidence) -> Outcome:
    curve = evidence.curve_d()
    if curve.empty:
        return NO_RECORD
    direct, fine = (findings.by_fold(curve, name, "n_qm_labels").mean(axis=1) for name in (DIRECT, FINETUNED))
    ratio = (direct / fine).dropna()
    if len(ratio) < 2:
        return NO_RECORD
    text = f"{ratio.iloc[0]:.2f} at {ratio.index[0]} labels, {ratio.iloc[-1]:.2f} at {ratio.index[-1]:,}"
    return judged(ratio.iloc[0] > ratio.iloc[-1], ratio.iloc[0] > 1, text)


def curves_meet(evidence: Evidence) -> Outcome:
    curve = evidence.curve_d()
    sizes = [findings.by_fold(curve, name, "n_qm_labels").index for name in (DIRECT, FINETUNED)] if len(curve) else [[]]
    if len([n for n in sizes[0] if n >= 200 and n in sizes[-1]]) < 3:
        return NO_RECORD
    meet = findings.meeting_point(curve)
    if not np.isfinite(meet.value):
        return judged(False, False, "the lines do not meet beyond the data")
    text = f"about {about(meet.value)} ({about(meet.low)} to {about(meet.high)})"
    return judged(1700 <= meet.value <= 15_000, meet.value > curve["n_qm_labels"].max(), text)


def pretraining_size(evidence: Evidence) -> Outcome:
    table = evidence.tuning
    if table.empty:
        return NO_RECORD
    labels = table["n_qm_labels"].max()
    part = table[table["n_qm_labels"] == labels]
    if part.loc[part["training"] == FINETUNED, "n_pretrain_environments"].nunique() < 3:
        return NO_RECORD
    (start, folds), cells = findings.helps_from(part), evidence.dataset.cells()
    atoms = cells.n_environments * labels / cells.n_frames
    if folds < 2:
        return Outcome("no record", "one fold has all sizes, which is too few to tell")
    if start is None:
        return judged(False, False, f"no size at which it helps in every one of {folds} folds")
    text = f"from {start:,} on, {about(start / atoms)} times the atoms of the cells ({folds} folds)"
    return judged(1 / 3 <= start / atoms <= 3, True, text)


def little_pretraining(evidence: Evidence) -> Outcome:
    table = evidence.tuning
    if table.empty:
        return NO_RECORD
    part = table[table["n_qm_labels"] == table["n_qm_labels"].max()]
    ratio, n, folds = findings.gain_of_least_pretraining(part)
    if not np.isfinite(ratio) or part.loc[part["training"] == FINETUNED, "n_pretrain_environments"].nunique() < 3:
        return NO_RECORD
    text = f"{ratio:.2f} times the error of direct training with {n:,} environments ({counted(folds, 'fold')})"
    return judged(abs(ratio - 1) <= 0.05, abs(ratio - 1) <= 0.1, text)


def _measure(evidence: Evidence, name: str, column: str) -> float:
    table = evidence.map_summary
    return float(table.loc[name, column]) if name in table.index else float("nan")


def sp_island(evidence: Evidence) -> Outcome:
    maps = evidence.maps
    if maps is None:
        return NO_RECORD
    coordination = evidence.dataset.coordination()[maps.rows]
    share = purity(neighbours(maps.coordinates[PAPER_LIKE]), coordination, CATEGORIES["sp"])
    is_sp, cluster = coordination == CATEGORIES["sp"], clusters(maps.coordinates[PAPER_LIKE])
    inside = np.bincount(cluster, weights=is_sp) / np.bincount(cluster)
    held = float(is_sp[cluster == int(np.argmax(inside))].sum() / is_sp.sum())
    text = f"{share:.0%} of the neighbours of sp atoms are sp; "
    text += f"a cluster of {inside.max():.0%} sp atoms holds {held:.0%} of all"
    return judged(share >= 0.9, share >= 0.75, text)


def nn_map_separates(evidence: Evidence) -> Outcome:
    nn, broad, book = (_measure(evidence, name, "purity_sp3") for name in (LEARNED, PAPER_LIKE, TUNED))
    if np.isnan([nn, broad, book]).any():
        return NO_RECORD
    text = f"purity of sp³ {nn:.2f} (NN), {broad:.2f} (paper-like SOAP), {book:.2f} (SOAP of this book)"
    blind = _measure(evidence, "PCA", "purity_sp3")
    if np.isfinite(blind):
        text += f"; {blind:.2f} (PCA of the latter, no energies)"
    return judged(nn - broad >= 0.1, nn > broad, text)


def nn_map_smooth(evidence: Evidence) -> Outcome:
    nn, broad = (_measure(evidence, name, "energy_variance_ratio") for name in (LEARNED, PAPER_LIKE))
    if np.isnan([nn, broad]).any():
        return NO_RECORD
    return judged(nn < broad / 2, nn < broad, f"variance among neighbours {nn:.0%} (NN) and {broad:.0%} (SOAP)")


def clusters_mixed(evidence: Evidence) -> Outcome:
    maps = evidence.maps
    if maps is None:
        return NO_RECORD
    share = {name: purity(neighbours(maps.coordinates[name]), maps.cluster) for name in (LEARNED, PAPER_LIKE)}
    fall = share[LEARNED] - share[PAPER_LIKE]
    text = f"{share[LEARNED]:.0%} on the network's map, {share[PAPER_LIKE]:.0%} on the SOAP map"
    return judged(fall >= 0.3, fall >= 0.1, text)


def sub_clusters(evidence: Evidence) -> Outcome:
    maps = evidence.maps
    if maps is None:
        return NO_RECORD
    coordination = evidence.dataset.coordination()[maps.rows]
    energy = evidence.dataset.load().local_energy_eV[maps.rows]
    members = [maps.cluster == i for i in range(maps.cluster.max() + 1)]
    flat = [energy[mine].mean() for mine in members if (coordination[mine] == CATEGORIES["sp2"]).mean() >= 0.8]
    span = float(np.ptp(flat)) if flat else 0.0
    text = f"{len(flat)} of {len(members)} clusters, mean energies over {span:.2f} eV"
    return judged(len(flat) >= 2 and span >= 0.3, len(flat) >= 2, text)


def dangling_bonds(evidence: Evidence) -> Outcome:
    maps = evidence.maps
    if maps is None:
        return NO_RECORD
    rows = maps.rows[evidence.dataset.coordination()[maps.rows] == CATEGORIES["sp2"]]
    data = evidence.dataset.load()
    vectors = features(data, "paper-like", rows=rows)
    like = [vectors @ power_spectrum(make(), "paper-like", centres=[0])[0] for make in (diamond, graphite)]
    odd, energy = like[0] > like[1], data.local_energy_eV[rows]
    if not odd.any() or odd.all():
        return judged(False, False, f"{odd.mean():.0%} of the sp² atoms are closer to diamond")
    gap = float(energy[odd].mean() - energy[~odd].mean())
    text = f"{odd.mean():.1%} of the sp² atoms are closer to diamond, {gap:+.2f} eV from the others"
    return judged(gap >= 0.2, gap > 0, text)


def supervision_matters(evidence: Evidence) -> Outcome:
    nn = _measure(evidence, LEARNED, "energy_variance_ratio")
    blind = {name: _measure(evidence, name, "energy_variance_ratio") for name in ("untrained NN", "autoencoder", "PCA")}
    if np.isnan([nn, *blind.values()]).any():
        return NO_RECORD
    text = f"{nn:.0%} (trained); " + ", ".join(f"{value:.0%} ({name})" for name, value in blind.items())
    return judged(min(blind.values()) >= 2 * nn, min(blind.values()) > nn, text)


def _budgets(best: pd.DataFrame) -> str:
    """How many trials of each model the best ones are chosen from."""
    at = best.groupby("n_train")["n_trials"].first()
    if at.nunique() == 1:
        return f"best of {at.iloc[0]} trials each"
    return "best of " + listed(f"{trials} trials each at N = {n:,}" for n, trials in at.items())


def learning_rate(evidence: Evidence) -> Outcome:
    if evidence.trials.empty:
        return NO_RECORD
    ratio = np.abs(np.log(evidence.trials["learning_rate"].astype(float) / 3e-4))
    text = ", ".join(
        f"{row.learning_rate:.1e} ({row.model}, N = {row.n_train:,})" for row in evidence.trials.itertuples()
    )
    text += f"; {_budgets(evidence.trials)}"
    alike = []
    for _, row in evidence.trials.iterrows():
        rates = evidence.as_good_as(row)["learning_rate"]
        if len(rates) > 1:
            where = f"{row['model']}, N = {row['n_train']:,}, {len(rates)} trials"
            alike.append(f"{rates.min():.1e} to {rates.max():.1e} ({where})")
    if alike:
        text += f"; within one standard error of the best are {listed(alike)}"
    return judged(bool((ratio <= np.log(2)).all()), bool((ratio <= np.log(4)).all()), text)


def high_dropout(evidence: Evidence) -> Outcome:
    if evidence.trials.empty:
        return NO_RECORD
    dropout = evidence.trials["dropout"].astype(float)
    text = ", ".join(f"{row.dropout:.2f} ({row.model}, N = {row.n_train:,})" for row in evidence.trials.itertuples())
    text += f"; {_budgets(evidence.trials)}"
    return judged(bool((dropout >= 0.4).all()), bool((dropout >= 0.4).any()), text)


def wide_networks(evidence: Evidence) -> Outcome:
    best = evidence.network_trials
    if len(best) < 2 or best.index[-1] < 10_000 or best["n_trials"].min() < ENOUGH_TRIALS:
        return NO_RECORD
    text = ", ".join(f"{row.depth:.0f} x {row.width:.0f} at N = {n:,}" for n, row in best.iterrows())
    text += f"; best of {best['n_trials'].min():.0f} trials each"
    weights = best["n_weights"]
    grows = bool(weights.iloc[-1] > weights.iloc[0])
    if not {1000, 100_000} <= set(best.index):  # the claim is about the limit of large data
        return Outcome("partly" if grows else "no record", text)
    large = best.loc[100_000]
    like = large["depth"] == 3 and 600 <= large["width"] <= 1000 and weights[100_000] > weights[1000]
    return judged(bool(like), grows, text)


def gap_large_data(evidence: Evidence) -> Outcome:
    rows = evidence.largest("NN")
    if rows.empty or rows["n_train"].iloc[0] < 1_000_000:
        return NO_RECORD
    test, train = rows["mae_test_meV"].mean(), rows["mae_train_meV"].mean()
    text = f"{test:.1f} and {train:.1f} meV ({counted(len(rows), 'fold')})"
    rate, usual = (default_hyperparameters(int(n))["learning_rate"] for n in (rows["n_train"].iloc[0], 100_000))
    if rate < usual:
        text += f"; learning rate {rate:g}, a higher one for less data"
    table = evidence.curves
    smaller = table[(table["model"] == "NN") & (table["n_train"] <= 100_000)].groupby("n_train")
    means = smaller[["mae_test_meV", "mae_train_meV"]].mean()
    ratios = means["mae_test_meV"] / means["mae_train_meV"]
    return judged(test <= 1.2 * train, len(ratios) > 0 and bool((test / train < ratios).all()), text)


def gap_finetuning(evidence: Evidence) -> Outcome:
    test, train = _means(evidence, TEST), _means(evidence, TRAIN)
    if test is None or train is None:
        return NO_RECORD
    ratios = [test[name] / train[name] for name in (DIRECT, FINETUNED)]
    text = (
        "; ".join(f"{test[name]:.1f} and {train[name]:.1f} ({name})" for name in (DIRECT, FINETUNED)) + " meV per atom"
    )
    return judged(min(ratios) >= 1.5, min(ratios) > 1, text)


CHECKS: dict[str, Callable[[Evidence], Outcome]] = {
    "finetuned-better": finetuned_better,
    "pretrained-close": pretrained_close,
    "local-energies-differ": local_energies_differ,
    "direct-like-teacher": direct_like_teacher,
    "fewer-labels": fewer_labels,
    "most-for-few": most_for_few,
    "curves-meet": curves_meet,
    "pretraining-size": pretraining_size,
    "little-pretraining": little_pretraining,
    "sp-island": sp_island,
    "nn-map-separates": nn_map_separates,
    "nn-map-smooth": nn_map_smooth,
    "sub-clusters": sub_clusters,
    "dangling-bonds": dangling_bonds,
    "clusters-mixed": clusters_mixed,
    "supervision-matters": supervision_matters,
    "learning-rate": learning_rate,
    "high-dropout": high_dropout,
    "wide-networks": wide_networks,
    "gap-finetuning": gap_finetuning,
    "gap-large-data": gap_large_data,
}
