# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # Pre-training and fine-tuning
#
# **In short.** Quantum-mechanical (QM) energies are scarce, and they belong to whole cells, not to atoms. The paper's
# Fig. 5 asks whether a network that has first learned many synthetic per-atom energies needs fewer of them.
# {glue:text}`short_table` {glue:text}`short_settings` {glue:text}`short_labels` {glue:text}`short_local`
#
# **What differs from the paper.** The QM method is GFN1-xTB instead of density-functional theory, the teacher is our
# own GAP fitted to these very energies ([The dataset](01_dataset.ipynb)), and it errs less than the paper's.
# Pre-training has {glue:text}`n_most:,` environments instead of four million. Compare shapes and ratios, not absolute
# errors.

# %% tags=["parameters"]
profile = "book"  # which set of parameters this is
dataset = "embedded"  # "embedded" or "paper": per-atom energies, and cells with total energies
n_trajectories = None  # use this many trajectories for pre-training; None: all
n_cells = None  # use this many cells with total energies; None: all
n_folds = 10  # folds of Table 1
curve_folds = 5  # so many of these folds are used for the curves
pretrain_sizes = [200, 600, 2000, 6000, 20000, 60000, 140000]  # environments in pre-training; all are added
label_sizes = [25, 50, 100, 200, 400, 800, 1200]  # cells in direct training and fine-tuning; all are added
n_trials = 9  # trials of each search for hyperparameters; 0: none
cell_passes = 53000  # about as many cells are seen in each fit
n_parity = 1000  # test atoms in the parity plots
teacher_cells = [25, 50, 100, 400]  # cells that POD teachers are fitted to; all are added
teacher_frames = 100  # frames whose atoms the teachers label for pre-training
teacher_labels = 100  # cells in fine-tuning after these teachers
teacher_folds = 3  # so many of the folds are used for the comparison of teachers
soap = "tuned"  # descriptor: "tuned", "paper-like", "plain" or "quippy"
seed = 0  # seeds folds, samples and networks
use_store = True  # read stored results
compute = False  # compute results that the store lacks

# %% tags=["hide-input"]
import numpy as np
import pandas as pd

from synthetic_atoms import published
from synthetic_atoms.book import display, parameters
from synthetic_atoms.datasets import data_card
from synthetic_atoms.descriptors import features
from synthetic_atoms.experiments import fine_tuning_findings as findings
from synthetic_atoms.experiments import fine_tuning_grid as grid
from synthetic_atoms.experiments import teacher_findings
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.experiments.fine_tuning import fine_tuning, fit_of, network, weight_files
from synthetic_atoms.experiments.teachers import teachers
from synthetic_atoms.figures import pretraining as figures
from synthetic_atoms.figures import teachers as teacher_figures
from synthetic_atoms.wording import about, counted

p = parameters.validate_notebook("05_pretraining", globals())
study = grid.FineTuning(
    Dataset(p.dataset, n_trajectories=p.n_trajectories, seed=p.seed),
    n_folds=p.n_folds,
    seed=p.seed,
    soap=p.soap,
    n_cells=p.n_cells,
    cell_passes=p.cell_passes,
)
data, cells = study.dataset.load(), study.qm()
most, all_labels = study.most_environments(), study.most_labels()
folds = range(min(p.curve_folds, p.n_folds))
card = data_card(p.dataset) or {}
teacher_meV = float(card.get("teacher", {}).get("held_out", {}).get("rmse_energy_meV_per_atom", np.nan))
paper_1 = published.table("table1_finetuning").pivot(index="tested_on", columns="model", values="rmse_meV_per_atom")
for name, value in {
    "n_most": most,
    "n_labels": all_labels,
    "n_cells_all": cells.n_frames,
    "n_folds": p.n_folds,
    "n_curve_folds": len(folds),
}.items():
    display.glue(name, value)

# %% [markdown]
# ## What is asked and what is done
#
# A network predicts the energy of an atom, $\hat\varepsilon(\mathbf{x})$, from its SOAP vector $\mathbf{x}$. It can be
# trained on two kinds of labels.
#
# - **Synthetic per-atom energies** $\tilde\varepsilon_i$ of the set D1: the loss is the mean square error of each atom
#   (the paper's eqn 4).
# - **QM total energies** $E_c$ of the cells of the set D0: the energy of a cell is the sum over its atoms, $\hat E_c =
#   \sum_{i \in c} \hat\varepsilon(\mathbf{x}_i)$ (eqn 5), and the loss is its mean square error (eqn 6), here per atom.
#
# Three networks are compared. The *directly trained* one starts from random weights and sees only D0. The
# *pre-trained* one sees only D1. The *fine-tuned* one starts from the pre-trained weights and goes on with D0; the
# scaling of descriptors and energies that belongs to these weights is kept.

# %% tags=["hide-input"]
display.show(
    figures.schematic(
        {
            "d1": f"D1: {data.n_frames:,} frames\n{data.n_environments:,} environments\nsynthetic energy of each atom",
            "d0": f"D0: {cells.n_frames:,} cells\n{cells.n_environments:,} atoms\nQM energy of each cell",
            "pre-trained": "pre-trained\nfrom random weights",
            "fine-tuned": "fine-tuned\nfrom pre-trained weights",
            "direct": "directly trained\nfrom random weights",
        }
    ),
    name="pretraining-schematic",
    caption="The experiment: which labels each of the three networks learns from. Compare the paper's Fig. 5a.",
    alt=f"Diagram. D1 with {data.n_environments} per-atom energies leads to a pre-trained network; its weights and D0 "
    f"with {cells.n_frames} total energies lead to a fine-tuned network; D0 alone leads to a directly trained one.",
    data=pd.DataFrame(
        {
            "set": ["D1", "D0"],
            "frames": [data.n_frames, cells.n_frames],
            "atoms": [data.n_environments, cells.n_environments],
            "labels": ["synthetic per-atom energies", "QM total energies"],
        }
    ),
)

# %% [markdown]
# **Testing.** Cross-validation in {glue:text}`n_folds` folds. A fold tests on cells of D0 that no network has seen,
# and on environments of D1 from trajectories that pre-training has not seen. Every cell of D0 comes from a trajectory
# of its own. Of the cells that a network may train on, a tenth is held out to stop the training; they count as
# labels, because they were paid for.
#
# Errors are root mean square errors (RMSE): of the total energy divided by the number of atoms, or of the per-atom
# energy.
#
# **Settings.** {glue:text}`search_remark`

# %% tags=["hide-input"]
table_fits = grid.table_1(study, range(p.n_folds))
fits_c = grid.figure_5c(study, p.pretrain_sizes, folds)
fits_d = grid.figure_5d(study, p.label_sizes, folds)
searches = {
    (training, n): [
        grid.direct(study, n, 0, chosen) if training == grid.DIRECT else grid.finetuned(study, most, n, 0, chosen)
        for chosen in grid.trials(training, p.n_trials)
    ]
    for training in (grid.DIRECT, grid.FINETUNED)
    for n in (min(100, all_labels), all_labels)
    if p.n_trials
}
trial_fits = [fit for fits in searches.values() for fit in fits]
records = fine_tuning(study, [*table_fits, *fits_c, *fits_d, *trial_fits], use_store=p.use_store, compute=p.compute)


def chosen_records(fits):
    """The records of some fits."""
    return grid.requests(study, fits).merge(records, on=list(grid.ASKED), how="left")


competing = chosen_records([*table_fits, *fits_c, *fits_d])
competing["used"] = findings.is_selected(competing)


def used_records(fits):
    """The records of some fits, of those settings that are used."""
    return grid.requests(study, fits).merge(competing[competing["used"]], on=list(grid.ASKED))


table, curve_c, curve_d = (used_records(fits) for fits in (table_fits, fits_c, fits_d))
display.glue("n_fits", len(records))
display.glue("n_missing", int(records["rmse_test_meV_per_atom"].isna().sum()))

best, rows, names = [], [], list(grid.SEARCHED[grid.DIRECT])  # the same for both
for fits in searches.values():
    found = chosen_records(fits)
    settings = found["hyperparameters"].map(grid.json.loads).apply(pd.Series)
    found = pd.concat([found[["training", "n_qm_labels"]], settings[names], found.filter(like="rmse_")], axis=1)
    rows.append(found)
    if found["rmse_validation_meV_per_atom"].notna().all():
        best.append(found.loc[found["rmse_validation_meV_per_atom"].idxmin()])
as_searched = all(
    row[name] == grid.CHOSEN[row["training"]].get(row["n_qm_labels"], {}).get(name) for row in best for name in names
)
widths = grid.PRETRAINING["hidden_layers"]
display.glue(
    "search_remark",
    f"The networks have {len(widths)} hidden layers of {widths[0]} units. Learning rate, weight decay, batch size and "
    "dropout depend on the kind of training and are interpolated in the number of labels between two numbers at which "
    + (
        f"they were searched for: {p.n_trials} trials of each kind at each number in the first fold, a plain one and "
        "quasi-random ones, equally many for both kinds. The error on validation cells decides. The following trials "
        "had the lowest" + ("." if as_searched else "; the book's data led to other ones, which are taken.")
        if best
        else "they were searched for with the book's data. No search was made here."
    )
    + " A search in one fold rests on few validation cells. So at each number of labels its settings compete with the "
    "plain ones in every fold, in direct training as in fine-tuning. Those with the lower validation error, averaged "
    "over the folds, are used.",
)
if best:
    display.show_table(
        pd.DataFrame(best)[["training", "n_qm_labels", *names, "rmse_validation_meV_per_atom"]].rename(
            columns={
                "n_qm_labels": "QM labels", "learning_rate": "learning rate", "weight_decay": "weight decay",
                "batch_size": "cells in a batch", "rmse_validation_meV_per_atom": "validation (meV per atom)",
            }
        ),
        name="settings",
        caption="The trial with the lowest error on validation cells of each search. All trials are at the end of the "
        "chapter.",
        formats={
            "QM labels": "{:,.0f}", "learning rate": "{:.1e}", "weight decay": "{:.2g}", "dropout": "{:.2g}",
            "cells in a batch": "{:.0f}", "validation (meV per atom)": "{:.1f}",
        },
    )  # fmt: skip

# %% [markdown]
# The figures and the table need {glue:text}`n_fits:,` fits; {glue:text}`n_missing:,` of them are missing from the store
# and left out.

# %% [markdown]
# ## Three networks, two tests

# %% tags=["hide-input"]
means = findings.summary(table)


def mean(training, column="rmse_test_meV_per_atom"):
    """One number of Table 1, NaN where there is none."""
    row = means[means["training"] == training]
    return float(row[column].iloc[0]) if len(row) else float("nan")


keys = {grid.DIRECT: "direct", grid.PRETRAINED: "pretrained", grid.FINETUNED: "finetuned"}
tests = {
    "per-atom energies of D1": ("rmse_local_test_meV", "rmse_local_train_meV", "local_energies"),
    "total energies of D0, per atom": ("rmse_test_meV_per_atom", "rmse_train_meV_per_atom", "qm_total_energy"),
}
trained_on = {"local_energies": (grid.PRETRAINED, grid.FINETUNED), "qm_total_energy": (grid.DIRECT, grid.FINETUNED)}
lines = []
for title, (test, train, key) in tests.items():
    for training, name in keys.items():
        errors = table.loc[table["training"] == training, test].astype(float)
        lines.append(
            {
                "tested on": title,
                "network": training,
                "test (meV)": errors.mean(),
                "spread (meV)": errors.std(),
                "training (meV)": mean(training, train) if training in trained_on[key] else np.nan,
                "published test (meV)": paper_1.loc[key, name],
            }
        )
display.show_table(
    pd.DataFrame(lines),
    name="finetuning",
    caption=f"Root mean square errors of the three networks, mean and standard deviation over {p.n_folds} folds; "
    "training errors where a network was trained on such labels (compare the paper's Table 1).",
    formats=dict.fromkeys(["test (meV)", "spread (meV)", "training (meV)", "published test (meV)"], "{:.1f}"),
)

# %% tags=["hide-input"]
fold_0 = [fit_of(row)[1] for row in table[table["fold"] == 0].to_dict("records")]
kept = p.compute or all(any(file.is_file() for file in weight_files(study, fit)) for fit in fold_0)
if kept:
    test = study.environments()[0].test
    chosen = np.sort(np.random.default_rng(p.seed).choice(test, min(p.n_parity, len(test)), replace=False))
    x = features(data, p.soap, rows=chosen)
    zero = data.free_atom_energy_eV if np.isfinite(data.free_atom_energy_eV) else 0.0
    points = pd.DataFrame({"teacher_eV": data.local_energy_eV[chosen] - zero})
    first = table[table["fold"] == 0].set_index("training")["rmse_local_test_meV"].astype(float)
    for fit in sorted(fold_0, key=lambda fit: list(keys).index(fit.training)):
        points[f"{fit.training}_eV"] = network(study, fit, compute=p.compute).predict(x) - zero
    correlation = {name: float(np.corrcoef(points["teacher_eV"], points[f"{name}_eV"])[0, 1]) for name in keys}
    display.show(
        figures.parity(points, {name: first[name] for name in keys}),
        name="local-energy-parity",
        caption=f"Per-atom energies of the three networks against the teacher's, for {len(chosen):,} test atoms of D1 "
        "in the first fold, and the RMSE over all its test atoms. Compare the paper's Fig. 5b.",
        alt="Three parity plots. "
        + "; ".join(f"{name}: RMSE {first[name]:.0f} meV, correlation {correlation[name]:.2f}" for name in keys)
        + ".",
        data=points,
    )
    seen_parity = (
        "In the first fold the correlation with the teacher's energies is "
        + ", ".join(f"{correlation[name]:.3f} ({name})" for name in keys)
        + "."
    )
else:
    seen_parity = "The weights that the parity plots need are not kept; compute=true trains them."
    display.show_table(
        pd.DataFrame({"missing": [fit.training for fit in fold_0]}),
        name="local-energy-parity",
        caption="Networks without stored weights.",
    )

# %% tags=["hide-input"]
nothing = "The fits that would tell are not in the store."
gap = findings.paired(table)
if np.isfinite(gap.value):
    share = 1 - mean(grid.FINETUNED) / mean(grid.DIRECT)
    theirs = paper_1.loc["qm_total_energy"]
    short_table = (
        f"With all {all_labels:,} labels the fine-tuned network errs by {mean(grid.FINETUNED):.1f} meV per atom on "
        f"test cells and the directly trained one by {mean(grid.DIRECT):.1f}, {share:.0%} "
        f"{'less' if share > 0 else 'more'} for the former (published: {theirs['finetuned']:.1f} and "
        f"{theirs['direct']:.1f}, {1 - theirs['finetuned'] / theirs['direct']:.0%})."
    )
    seen_table = (
        f"{short_table} Fold by fold the difference is {gap.value:.1f} meV per atom (90 % of bootstrap samples over "
        f"the folds: {gap.low:.1f} to {gap.high:.1f}). The pre-trained network, which has seen no QM energy itself, "
        f"errs by {mean(grid.PRETRAINED):.1f} meV per atom (published: "
        f"{paper_1.loc['qm_total_energy', 'pretrained']:.1f})"
        + (
            f"; the teacher itself by {teacher_meV:.1f} on cells held out of its fit."
            if np.isfinite(teacher_meV)
            else "."
        )
    )
    local = {name: mean(name, "rmse_local_test_meV") for name in keys}
    ratio = local[grid.DIRECT] / local[grid.PRETRAINED]
    theirs = paper_1.loc["local_energies"]
    short_local = (
        f"The per-atom energies of the directly trained network differ from the teacher's by {local[grid.DIRECT]:.0f} "
        f"meV, those of the fine-tuned one by {local[grid.FINETUNED]:.0f} (published: {theirs['direct']:.0f} and "
        f"{theirs['finetuned']:.0f})."
    )
    seen_local = (
        f"{short_local} For the pre-trained network it is {local[grid.PRETRAINED]:.0f} meV (published: "
        f"{theirs['pretrained']:.0f}). The order is "
        + (
            "the paper's. "
            if local[grid.PRETRAINED] < local[grid.FINETUNED] < local[grid.DIRECT]
            else "not the paper's. "
        )
        + f"The directly trained network's deviation is {ratio:.1f} times the pre-trained one's (published: "
        f"{theirs['direct'] / theirs['pretrained']:.1f})."
    )
else:
    short_table = seen_table = short_local = seen_local = nothing
for name, value in {
    "short_table": short_table, "seen_table": seen_table, "short_local": short_local, "seen_local": seen_local,
    "seen_parity": seen_parity,
}.items():  # fmt: skip
    display.glue(name, value)

# %% [markdown]
# **Total energies.** {glue:text}`seen_table`
#
# **Per-atom energies.** {glue:text}`seen_local` {glue:text}`seen_parity` The total energy of a cell does not fix how
# it is shared among the atoms. A network that sees only totals finds a way of its own; one that starts from the
# teacher's per-atom energies keeps most of the teacher's way.

# %% [markdown]
# ## How much pre-training?

# %% tags=["hide-input"]
summary_c = findings.summary(curve_c)
summary_d = findings.summary(curve_d)
direct_all = summary_d[(summary_d["training"] == grid.DIRECT) & (summary_d["n_qm_labels"] == all_labels)]
n_atoms = round(cells.n_environments * all_labels / cells.n_frames)
paper_c = published.table("fig5c_pretraining_size")
paper_d = published.table("fig5d_qm_labels")
display.show(
    figures.pretraining_size(summary_c, direct_all, paper_c, teacher_meV, n_atoms),
    name="pretraining-size",
    caption=f"Test error after fine-tuning on all cells against the number of environments in pre-training, mean and "
    f"standard deviation over {len(folds)} folds. Open symbols: published values, for the authors' data "
    "{cite}`gardner2023synthetic`. Compare the paper's Fig. 5c.",
    alt="Test error against pre-training size: "
    + ", ".join(
        f"{row.rmse_test_meV_per_atom:.1f} meV per atom at {row.n_pretrain_environments}"
        for row in summary_c.itertuples()
    )
    + f"; direct training {direct_all['rmse_test_meV_per_atom'].mean():.1f} meV per atom.",
    data=summary_c,
)
at_all_labels = pd.concat([curve_c, curve_d[curve_d["n_qm_labels"] == all_labels]]).drop_duplicates(grid.ASKED)
start, n_telling = findings.helps_from(at_all_labels)
if summary_c["rmse_test_meV_per_atom"].isna().all() or direct_all["rmse_test_meV_per_atom"].isna().all():
    seen_size = nothing
elif start is None:
    seen_size = (
        "At no size in the grid does the fine-tuned network err less than the directly trained one in every one of the "
        f"{n_telling} folds that have all sizes."
    )
else:
    seen_size = (
        f"From {start:,} environments on, the fine-tuned network errs less than the directly trained one in every "
        f"one of the {n_telling} folds that have all sizes. The cells that a fold trains on have {n_atoms:,} atoms, "
        f"so that this is {about(start / n_atoms)} times as many."
    )
little, n_little, n_folds_little = findings.gain_of_least_pretraining(at_all_labels)
if np.isfinite(little):
    seen_size += (
        f" After pre-training on {n_little:,} environments alone the error is {little:.2f} times that of direct "
        f"training (mean over {n_folds_little} folds)."
    )
display.glue("seen_size", seen_size)

# %% [markdown]
# {glue:text}`seen_size` In the paper, pre-training begins to help at about as many environments as D0 has. Pre-training
# has the same settings at each size, but for its batch, which is smaller for few environments, and its epochs, which
# are more.

# %% [markdown]
# ## How many QM labels?

# %% tags=["hide-input"]
pretrained_meV = float(
    table.loc[(table["training"] == grid.PRETRAINED) & table["fold"].isin(folds), "rmse_test_meV_per_atom"]
    .astype(float)
    .mean()
)
at_d = grid.requests(study, fits_d).merge(competing[~competing["used"]], on=list(grid.ASKED))
unused_d = findings.summary(at_d).dropna(subset=["rmse_test_meV_per_atom"])
display.show(
    figures.qm_labels(summary_d, paper_d, teacher_meV, pretrained_meV, unused=unused_d),
    name="qm-labels",
    caption=f"Test error against the number of QM-labelled cells, from random and from pre-trained weights, mean and "
    f"standard deviation over {len(folds)} folds. Small symbols: the settings that lost by validation error "
    "({numref}`tab-competing-settings`). Open symbols: published values, for the authors' data "
    "{cite}`gardner2023synthetic`. Compare the paper's Fig. 5d.",
    alt="Test error against the number of QM labels. "
    + "; ".join(
        f"{name}: "
        + ", ".join(f"{row.rmse_test_meV_per_atom:.1f} meV per atom at {row.n_qm_labels}" for row in part.itertuples())
        for name, part in summary_d.groupby("training")
    )
    + (f"; the pre-trained network without any: {pretrained_meV:.1f}." if np.isfinite(pretrained_meV) else "."),
    data=summary_d,
)
show = pd.DataFrame({"QM labels": sorted(summary_d["n_qm_labels"].unique())})
for name in (grid.DIRECT, grid.FINETUNED):
    part = summary_d[summary_d["training"] == name].set_index("n_qm_labels")
    theirs = paper_d[paper_d["training"] == name].set_index("n_qm_labels")["rmse_test_meV_per_atom"]
    show[f"{name} (meV)"] = show["QM labels"].map(part["rmse_test_meV_per_atom"])
    show[f"{name} spread (meV)"] = show["QM labels"].map(part["rmse_test_std_meV_per_atom"])
    show[f"{name} published (meV)"] = show["QM labels"].map(theirs)
ratios = {n: findings.fewer_labels(curve_d, n) for n in show["QM labels"]}
show["fewer labels (times)"] = [
    f"{'≥ ' if findings.is_lower_bound(curve_d, n) else ''}{about(e.value)}" if np.isfinite(e.value) else "-"
    for n, e in ratios.items()
]
display.show_table(
    show,
    name="qm-labels",
    caption="Test RMSE per atom, and how many times fewer labels fine-tuning needs for the error of direct training "
    "with the number of labels of the row (“≥”: even the fewest labels of the grid are enough).",
    formats={"QM labels": "{:,.0f}", **dict.fromkeys([c for c in show if "(meV)" in c], "{:.1f}")},
)

# %% tags=["hide-input"]
known = {n: e for n, e in ratios.items() if np.isfinite(e.value)}
if known:
    n, estimate = max(known.items())
    bound = findings.is_lower_bound(curve_d, n)
    if bound:
        text = f"fewer than {min(show['QM labels'])}: at least {estimate.value:.0f} times fewer (published: about 8)"
    else:
        text = (
            f"about {estimate.value:.1f} times fewer (90 % of bootstrap samples: "
            f"{estimate.low:.1f} to {estimate.high:.1f}; published: about 8)"
        )
    short_labels = f"The error of direct training with {n:,} labels is reached by fine-tuning with {text}."
    fine = show.set_index("QM labels")[f"{grid.FINETUNED} (meV)"].dropna()
    worse = fine[fine >= pretrained_meV]
    gains_from = [int(n) for n in fine.index if n > max(worse.index, default=0)]
    if np.isfinite(pretrained_meV):
        floor = f"The pre-trained network errs by {pretrained_meV:.1f} meV per atom with no label at all, " + (
            f"and fine-tuning errs less than that from {gains_from[0]:,} labels on"
            if gains_from
            else "and fine-tuning errs less than that with none of these numbers of labels"
        )
        short_labels += f" {floor}."
    least = show.set_index("QM labels").loc[min(known)]
    seen_labels = (
        f"{short_labels} With {min(known):,} labels, fine-tuning errs by {least[f'{grid.FINETUNED} (meV)']:.1f} meV "
        f"per "
        f"atom and direct training by {least[f'{grid.DIRECT} (meV)']:.1f}."
    )
else:
    short_labels = seen_labels = nothing
meets = {least: findings.meeting_point(curve_d, least) for least in (100, 200, 400)}
meet = meets.pop(200)
if np.isfinite(meet.value):
    others = [
        f"{about(other.value)} from {least} on" if np.isfinite(other.value) else f"nowhere from {least} on"
        for least, other in meets.items()
    ]
    seen_meet = (
        "Straight lines through the sizes from 200 labels on would meet at about "
        f"{about(meet.value)} labels (90 % of bootstrap samples that meet: {about(meet.low)} to {about(meet.high)}; "
        f"the paper estimates 5000). This is an extrapolation, and it depends on the sizes: {', '.join(others)}."
    )
elif known:
    seen_meet = "Straight lines through the sizes from 200 labels on do not meet beyond the data."
else:
    seen_meet = nothing
for name, value in {"short_labels": short_labels, "seen_labels": seen_labels, "seen_meet": seen_meet}.items():
    display.glue(name, value)

# %% [markdown]
# {glue:text}`seen_labels` {glue:text}`seen_meet`

# %% tags=["hide-input"]
competing["settings"] = ["plain" if grid.is_plain(text) else "search" for text in competing["hyperparameters"]]
both = competing[competing.groupby(findings.KINDS)["settings"].transform("nunique") > 1]
lines = []
for (training, n_environments, n), part in both.groupby(findings.KINDS):
    line = {"training": training, "environments": n_environments, "QM labels": n}
    for name in ("search", "plain"):
        mine = part[part["settings"] == name]
        line[f"{name}: validation"] = mine["rmse_validation_meV_per_atom"].astype(float).mean()
        line[f"{name}: test"] = mine["rmse_test_meV_per_atom"].astype(float).mean()
    n_known = part.groupby("settings")["rmse_test_meV_per_atom"].count()
    lines.append(line | {"folds": int(n_known.min()), "used": part.loc[part["used"], "settings"].iloc[0]})
shown = pd.DataFrame(lines or [{"training": "none: the search chose the plain settings everywhere"}])
if "environments" in shown and len(set(shown["environments"]) - {0}) <= 1:  # always all of them
    shown = shown.drop(columns="environments")
formats = {"environments": "{:,.0f}", "QM labels": "{:,.0f}"}
formats |= {f"{name}: {what}": "{:.1f}" for name in ("search", "plain") for what in ("validation", "test")}
display.show_table(
    shown,
    name="competing-settings",
    caption="The settings that compete: those of the search in the first fold, and the plain ones. Validation and test "
    "errors (meV per atom), means over the folds; the lower validation error in the folds that both have decides.",
    formats={column: form for column, form in formats.items() if column in shown},
)
unused = both[(both["training"] == grid.DIRECT) & (both["n_qm_labels"] == all_labels) & ~both["used"]]
other_gap = findings.paired(pd.concat([unused, table[table["training"] == grid.FINETUNED]]))
if np.isfinite([other_gap.value, gap.value]).all():
    other_mean = unused["rmse_test_meV_per_atom"].astype(float).mean()
    which = "that its search in one fold found" if unused["settings"].iloc[0] == "search" else "that are plain"
    matters = findings.cost_of_settings(unused, table)
    short_settings = (
        f"{'Settings matter too: w' if matters.low > 0 else 'W'}ith the settings {which}, direct training on all "
        f"labels errs by {other_mean:.1f} meV per atom."
    )
    seen_settings = (
        f"{short_settings} Fine-tuning would then seem to gain {other_gap.value:.1f} meV per atom instead of "
        f"{gap.value:.1f}."
    )
else:
    seen_settings, short_settings = nothing, ""
judged = [line for line in lines if np.isfinite([line["search: test"], line["plain: test"]]).all()]
misled = [line for line in judged if line[f"{line['used']}: test"] > min(line["search: test"], line["plain: test"])]
if judged:
    loss = [line[f"{line['used']}: test"] - min(line["search: test"], line["plain: test"]) for line in misled]
    worst = misled[int(np.argmax(loss))] if misled else {}
    seen_settings += (
        f" Validation chooses the settings with the higher test error in {len(misled)} of {len(judged)} cases. That "
        f"costs most in {'direct training' if worst['training'] == grid.DIRECT else 'fine-tuning'} with "
        f"{worst['QM labels']:,} labels, {max(loss):.1f} meV per atom. With few labels a handful of "
        "cells decide, and each training is stopped where its error on just these cells is lowest, which may "
        "favour settings whose error varies more."
        if misled
        else f" In all {len(judged)} cases the settings chosen have the lower test error too."
    )
display.glue("seen_settings", seen_settings)
display.glue("short_settings", short_settings)

# %% [markdown]
# **Where the gain comes from.** {glue:text}`seen_copy` The teacher has also seen the cells on which fine-tuning is
# tested, in the paper as here, so that a part of the gain is information about test cells (see below).
#
# **Settings.** The searches are small: few trials, one fold, a noisy validation set. {glue:text}`seen_settings`

# %% [markdown]
# ## Beyond the paper: the teacher
#
# The paper has one teacher. Three questions follow: how good must it be, does it matter what kind it is, and how much
# of the gain is knowledge of the test cells? Other teachers are cheap. LAMMPS fits a POD potential (proper orthogonal
# descriptors, {cite}`nguyen2023proper`), which is linear in its coefficients, in seconds.
#
# Each teacher labels the {glue:text}`n_taught:,` atoms of the same {glue:text}`n_taught_frames` frames of D1; a network
# is pre-trained on them, its zero of energy is shifted to that of the QM cells, and it is fine-tuned on
# {glue:text}`n_teacher_labels` cells, in {glue:text}`n_teacher_folds` folds. Of two learning rates the one with the
# lower validation error is taken, because a poor teacher needs larger steps. Directly trained networks see the same
# cells. {glue:text}`n_lessons_missing` of {glue:text}`n_lessons` fits are missing from the store.

# %% tags=["hide-input"]
taught_folds = range(min(p.teacher_folds, p.n_folds))
n_labels = min(p.teacher_labels, all_labels)
lessons = teacher_findings.lessons(study, p.teacher_cells, p.teacher_frames, n_labels, taught_folds)
asked = list(dict.fromkeys(lesson for part in lessons.values() for lesson in part))
taught = teachers(study, asked, use_store=p.use_store, compute=p.compute)
reference_fits = [
    fit for n in dict.fromkeys((n_labels, all_labels)) for k in taught_folds for fit in grid.directs(study, n, k)
]
reference = fine_tuning(study, reference_fits, use_store=p.use_store, compute=p.compute)
pool = pd.concat([competing[reference.columns], reference], ignore_index=True)  # all folds decide
pool = pool.drop_duplicates(list(grid.ASKED))
reference = grid.requests(study, reference_fits).merge(findings.selected(pool), on=list(grid.ASKED))
taught = teacher_findings.with_direct(taught, reference)
place = {lesson: number for number, lesson in enumerate(asked)}
parts = {name: taught.iloc[[place[lesson] for lesson in part]] for name, part in lessons.items()}
tables = {name: teacher_findings.means(part) for name, part in parts.items()}
for name, value in {
    "n_taught": int(taught["n_pretrain_environments"].max()),
    "n_taught_frames": p.teacher_frames,
    "n_teacher_labels": n_labels,
    "n_teacher_folds": len(taught_folds),
    "n_lessons": len(taught),
    "n_lessons_missing": int(taught["rmse_test_meV_per_atom"].isna().sum()),
}.items():
    display.glue(name, value)
theirs = paper_1.loc["qm_total_energy"]
stated = published.table("stated_values").set_index("quantity")["value"]
paper_ratios = (float(stated["teacher_rmse_energy"]) / theirs["direct"], theirs["finetuned"] / theirs["direct"])
at_all = reference[reference["n_qm_labels"] == all_labels].set_index("fold")["rmse_test_meV_per_atom"].astype(float)
of_teacher = parts["source"][parts["source"]["source"] == "GAP"].groupby("fold")[teacher_findings.TEACHER_ERROR].first()
of_teacher = of_teacher.dropna()
fitted = ", to which it was fitted" if "teacher" in card else ""
local_pretrained = mean(grid.PRETRAINED, "rmse_local_test_meV")
copied = mean(grid.PRETRAINED) / mean(grid.DIRECT)
display.glue(
    "seen_copy",
    f"On the test cells of {counted(len(of_teacher), 'fold')}{fitted}, the teacher errs by {of_teacher.mean():.1f} meV "
    f"per atom, direct training in the same folds by {at_all[of_teacher.index].mean():.1f} "
    f"(published, the teacher on all its own cells: {stated['teacher_rmse_energy']:.1f} and {theirs['direct']:.1f})"
    + (f"; on cells held out of another fit the teacher errs by {teacher_meV:.1f}" if np.isfinite(teacher_meV) else "")
    + ". What differs more is how well the network copies the teacher: the pre-trained network's RMSE on per-atom "
    f"energies is {local_pretrained:.0f} meV (published: {paper_1.loc['local_energies', 'pretrained']:.0f}), and on "
    f"total energies it errs {copied:.2f} times as much as direct training (published: "
    f"{theirs['pretrained'] / theirs['direct']:.2f})."
    if len(of_teacher) and np.isfinite([copied, gap.value, at_all[of_teacher.index].mean()]).all()
    else nothing,
)


def spell_teachers(table, labels):
    """Teachers with their errors in words, for the alternative text."""
    known = table.assign(label=labels).dropna(subset=["rmse_test_meV_per_atom"])
    return (
        "; ".join(
            f"{row.label}: teacher {row.rmse_teacher_test_meV_per_atom:.0f}, fine-tuned "
            f"{row.rmse_test_meV_per_atom:.0f} meV per atom"
            for row in known.itertuples()
        )
        or "0 results in the store"
    )


# %% [markdown]
# ### How good must the teacher be?

# %% tags=["hide-input"]
quality = tables["quality"]
kind = ["energies and forces" if forces else "energies" for forces in quality["forces"]]
labels = [f"{n} cells, {what}" for n, what in zip(quality["n_teacher_cells"], kind, strict=True)]
display.show(
    teacher_figures.quality(quality, paper_ratios),
    name="teacher-quality",
    caption=f"Error after pre-training on a teacher's labels and fine-tuning on {n_labels} cells, against the "
    "teacher's own error on test cells, both divided by the error of direct training on the same cells; mean and "
    f"standard deviation over {len(taught_folds)} folds. Numbers at the points: cells that the teacher was fitted to. "
    "No teacher has seen the test cells. Dotted: the paper's ratio. Fits that are missing are left out.",
    alt="Fine-tuned error against the teacher's. " + spell_teachers(quality, labels) + ".",
    data=quality,
)
known = quality.dropna(subset=["teacher_ratio", "ratio"])
if known.empty:
    seen_quality = nothing
else:
    worst, best = known.loc[known["teacher_ratio"].idxmax()], known.loc[known["teacher_ratio"].idxmin()]
    even = teacher_findings.break_even(known[known["forces"] == 0])
    seen_quality = (
        f"The teachers err from {best['teacher_ratio']:.2f} to {worst['teacher_ratio']:.1f} times as much as direct "
        f"training on {n_labels} cells ({known['direct_meV'].mean():.1f} meV per atom). After fine-tuning on these "
        f"cells the networks err {known['ratio'].min():.2f} to {known['ratio'].max():.2f} times as much as direct "
        "training. "
    )
    if np.isfinite(even):
        seen_quality += f"Teachers that err less than about {even:.1f} times as much as direct training help."
    elif (known["ratio"] < 1).all():
        seen_quality += "Every teacher of the grid helps, also the worst one."
    close = known.loc[(np.log(known["teacher_ratio"]) - np.log(paper_ratios[0])).abs().idxmin()]
    seen_quality += (
        f" In the paper the teacher errs {paper_ratios[0]:.2f} times as much as direct training on all labels, and "
        f"fine-tuning {paper_ratios[1]:.2f} times. The teacher here with the closest ratio "
        f"({close['teacher_ratio']:.2f}; fitted to {close['n_teacher_cells']:.0f} cells) leads to {close['ratio']:.2f}."
    )
display.glue("seen_quality", seen_quality)

# %% [markdown]
# {glue:text}`seen_quality`
#
# **Limits.** These networks are fine-tuned on few labels, the paper's on all. Fewer labels make pre-training more
# valuable. A teacher that was fitted to forces has learned from more numbers than its count of cells says, and one
# fitted to more cells than fine-tuning sees has learned from more QM energies than the directly trained network.

# %% [markdown]
# ### Does the source matter?

# %% tags=["hide-input"]
names = {"GAP": "GAP (the book's labels)", "POD": "POD, same QM data"}


def show_sources(table, part, labels, **texts):
    """The figure of errors by teacher, its rows labelled."""
    table = table.assign(label=labels)
    keys = ["source", "n_teacher_cells", "forces", "saw_test_cells", "n_qm_labels"]
    part = part.merge(table[[*keys, "label"]], on=keys)
    display.show(teacher_figures.errors(part, table), data=table, **texts)


source = tables["source"]
labels = [names.get(name, name) for name in source["source"]]
show_sources(
    source,
    parts["source"],
    labels,
    name="teacher-sources",
    caption=f"Test error after fine-tuning on {n_labels} cells, for labels from different sources, beside the error of "
    "the source itself after the same shift of its zero, and of direct training. GAP and POD have seen the test cells.",
    alt="Errors by source of labels. " + spell_teachers(source, labels) + ".",
)
known = source.assign(label=labels).dropna(subset=["ratio"])
seen_source = (
    "Fine-tuning errs "
    + ", ".join(
        f"{row.ratio:.2f} times as much as direct training after {row.label} (which itself errs by "
        f"{row.rmse_teacher_test_meV_per_atom:.0f} meV per atom)"
        for row in known.itertuples()
    )
    + "."
    if len(known)
    else nothing
)
display.glue("seen_source", seen_source)
own = parts["source"][parts["source"]["source"] == "GAP"]
before, after = (own[f"rmse_{name}_meV_per_atom"].astype(float).mean() for name in ("pretrained_test", "test"))
display.glue(
    "seen_source_limit",
    f"With the GAP's labels, fine-tuning on {n_labels} cells raises the error from {before:.1f} to {after:.1f} meV per "
    "atom: its learning rate was chosen on few validation cells, which do not choose it reliably, so that small "
    "differences between sources mean little."
    if after > before
    else "",
)

# %% [markdown]
# {glue:text}`seen_source` {glue:text}`seen_source_limit` Empirical potentials have seen no QM energy of this book: what
# helps there may be that the network learns which environments differ, not how much they differ. Tersoff and LCBOP
# also made the structures.

# %% [markdown]
# ### How much of the gain is leakage?

# %% tags=["hide-input"]
leak = tables["leakage"]
labels = [
    f"{n:,} labels, test cells {'seen' if seen else 'not seen'}"
    for n, seen in zip(leak["n_qm_labels"], leak["saw_test_cells"], strict=True)
]
show_sources(
    leak,
    parts["leakage"],
    labels,
    name="teacher-leakage",
    caption="Test error after fine-tuning, for POD teachers fitted to the energies of the training cells only, and of "
    f"the test cells as well ({len(taught_folds)} folds).",
    alt="Errors without and with the test cells in the teacher's fit. " + spell_teachers(leak, labels) + ".",
)
said = []
for n in dict.fromkeys(leak["n_qm_labels"]):
    found = teacher_findings.leakage(parts["leakage"], n)
    blind = parts["leakage"].query("n_qm_labels == @n and saw_test_cells == 0")
    gain = (blind["direct_meV"] - blind["rmse_test_meV_per_atom"]).dropna()
    if np.isfinite(found.value) and len(gain):
        several = found.low < found.high
        spread = f" (folds drawn with replacement: {found.low:.2f} to {found.high:.2f})" if several else " (one fold)"
        said.append(
            f"With {n:,} labels, fine-tuning errs by {found.value:.2f} meV per atom more if the teacher has not seen "
            f"the test cells{spread}; without them its gain over direct training is {gain.mean():.1f} meV per atom"
            + (f" ({gain.min():.1f} to {gain.max():.1f} in the folds)." if len(gain) > 1 else ".")
        )
display.glue("seen_leakage", " ".join(said) if said else nothing)

# %% [markdown]
# {glue:text}`seen_leakage` A limit: POD has few coefficients and can remember little of any single cell. A GAP with
# many representative points may remember more, so that this does not bound the leakage of the book's own labels.

# %% [markdown]
# ## What was tried
#
# The trials of the search, in the first fold. The number of trials is the same for both kinds of training.

# %% tags=["hide-input"]
if rows:
    trials = pd.concat(rows, ignore_index=True)
    display.show_table(
        trials.rename(
            columns={
                "n_qm_labels": "QM labels",
                "rmse_validation_meV_per_atom": "validation (meV)",
                "rmse_test_meV_per_atom": "test (meV)",
                "rmse_train_meV_per_atom": "training (meV)",
            }
        ).drop(columns=["rmse_local_test_meV", "rmse_local_train_meV"]),
        name="finetuning-trials",
        caption="Trials: hyperparameters and root mean square errors per atom.",
        formats={
            "QM labels": "{:,.0f}",
            "learning_rate": "{:.2g}",
            "weight_decay": "{:.2g}",
            "batch_size": "{:.0f}",
            "dropout": "{:.2f}",
            **dict.fromkeys(["validation (meV)", "test (meV)", "training (meV)"], "{:.1f}"),
        },
        headers={"learning_rate": "learning rate", "weight_decay": "weight decay", "batch_size": "cells in a batch"},
    )
else:
    display.show_table(pd.DataFrame({"trials": [0]}), name="finetuning-trials", caption="No search was made here.")

# %% [markdown]
# ## What it cost

# %% tags=["hide-input"]
cost = findings.summary(pd.concat([table, curve_c, curve_d]).drop_duplicates(grid.ASKED))
display.show_table(
    cost[["training", "n_pretrain_environments", "n_qm_labels", "fit_s"]].rename(
        columns={"n_pretrain_environments": "environments", "n_qm_labels": "QM labels", "fit_s": "seconds"}
    ),
    name="finetuning-cost",
    caption="Seconds of each fit on the machine that made the records, one core, mean over the folds.",
    formats={"environments": "{:,.0f}", "QM labels": "{:,.0f}", "seconds": "{:.1f}"},
)
