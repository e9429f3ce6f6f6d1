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
# # Insights into Gaussian process regression
#
# **In short.** Sparse Gaussian process regression (GPR) has two settings that the paper's Fig. 4 examines: the number
# of representative points $M$, which sets the cost of a prediction, and the regularisation $\sigma$, the error that the
# model expects in its labels. {glue:text}`short_points` {glue:text}`short_sigma` In the paper's curves the error rises
# towards small $\sigma$. There are two estimators, DTC in the paper's text and FITC in the authors' code.
# {glue:text}`short_small_sigma`
#
# **What differs from the paper.** Data and labels are our own ([The dataset](01_dataset.ipynb)), and so is the setting
# of the descriptor ([Descriptors and models](02_descriptors_and_models.ipynb)): compare shapes and ratios, not absolute
# errors. The paper's text gives one estimator and the authors' code uses another; this chapter shows both. All models
# of a figure come from few passes over the data instead of one fit each. [Where this book differs from the
# paper](../book/deviations.md) lists the rest.

# %% tags=["parameters"]
profile = "book"  # which set of parameters this is
dataset = "embedded"  # "embedded", "embedded-all", "paper", or a folder of extended XYZ files
n_trajectories = None  # use this many trajectories; None: all
sizes = [100, 310, 1000, 3100, 10000, 31000, 100000, 310000, 1000000]  # N of the learning curves
n_sparse = [100, 200, 500, 1000, 2000, 5000, 10000]  # numbers of representative points, M
m_reference = 5000  # M of the scan over sigma
large_up_to = 100000  # largest N of learning curves with M above m_reference
sigma_meV = 10.0  # regularisation of the learning curves
sigma_sizes = [1000, 2000, 5000, 10000, 100000, 1000000]  # N of the scan over sigma
sigmas_meV = [0.1, 0.215, 0.463, 1.0, 2.15, 4.63, 10.0, 21.5, 46.3, 100.0, 215.0, 463.0, 1000.0]  # the scan
estimators = ["dtc", "fitc"]  # estimators of sparse GPR
fitc_all_folds_up_to = 100000  # largest N of FITC's scan in all folds; beyond, one fold
n_folds = 5  # cross-validation folds, by trajectory
max_test = None  # at most this many test environments per fold; None: all
zeta = 4  # exponent of the SOAP kernel
kernel_offset = 0.0  # constant added to the dot product
jitter = 1e-12  # added to the representative points' kernel matrix, relative to its mean diagonal; more if singular
soap = "tuned"  # descriptor: "tuned", "paper-like", "plain" or "quippy"
seed = 0  # seeds folds and samples
use_store = True  # read stored results
compute = False  # compute results that the store lacks

# %% tags=["hide-input"]
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd

from synthetic_atoms import published
from synthetic_atoms.book import display, parameters
from synthetic_atoms.experiments import gpr_findings as findings
from synthetic_atoms.experiments import gpr_insights as insights
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.experiments.gpr_grid import Study, Sweep, figure_4
from synthetic_atoms.experiments.gpr_path import sparse_gpr
from synthetic_atoms.figures import gpr as figures
from synthetic_atoms.figures.style import COORDINATION_LABELS

p = parameters.validate_notebook("04_gpr_insights", globals())
for name in ("zeta", "sigma_meV", "m_reference", "n_folds"):
    display.glue(name, getattr(p, name))
few, many = sorted({*p.n_sparse, p.m_reference})[-2:]
offset = f"{p.kernel_offset:g} + " if p.kernel_offset else ""
display.glue("kernel", f"({offset}x·x')^{p.zeta}")
display.glue("few", few)
display.glue("many", many)

# %% [markdown]
# ## What is asked and what is done
#
# Full GPR compares every pair of its $N$ training environments. The sparse form compares all of them with $M$
# *representative* ones only (the paper's eqn 3):
#
# $$\mathbf{c} = [\mathbf{K}_{MM} + \mathbf{K}_{MN}\Sigma^{-1}\mathbf{K}_{NM}]^{-1}
# \mathbf{K}_{MN}\Sigma^{-1}\mathbf{y}.$$
#
# A prediction is then a sum over $M$ kernel values. Here the kernel is {glue:text}`kernel` of two SOAP vectors, and the
# representative points are the first $M$ of the shuffled training set. Two questions follow. How many representative
# points are needed? And how does the error depend on $\sigma$, the standard deviation of the noise that the model
# expects in its labels?
#
# **Two estimators.** What $\Sigma$ is, is a choice {cite}`quinonero2005unifying`.
#
# - **DTC** (deterministic training conditional): $\Sigma = \sigma^2\mathbf{I}$, as in the paper's text.
# - **FITC** (fully independent training conditional), which the authors' code uses: $\Sigma = \sigma^2\mathbf{I} +
#   \mathrm{diag}(\mathbf{K}_{NN} - \mathbf{K}_{NM}\mathbf{K}_{MM}^{-1}\mathbf{K}_{MN})$. The second term is the part of
#   a training point that the representative points cannot express. FITC counts it as noise of that point.
#
# As long as all training points are representative ($N \le M$), the two are the same model.
#
# **One pass.** The sum $\mathbf{K}_{MN}\Sigma^{-1}\mathbf{K}_{NM}$ over $N$ points is on the way to the sum over more
# points. So one pass over the training set, a block of rows at a time, gives the models for every $N$. For DTC
# $\sigma$ comes in only after the sum, and fewer representative points are a corner of the matrix, so the same pass
# gives every $\sigma$ and every $M$ too. FITC weighs each point by $\sigma$ and by the representative points and
# needs a sum for each pair of them, but the kernel values are shared.
#
# Errors are mean absolute errors (MAE) on trajectories that the model has not seen, in {glue:text}`n_folds` folds.
# Training errors are taken on at most 10,000 training points, drawn from all of them. Where two models are compared,
# it is fold by fold, on the same training and test data; "±" is the standard deviation of the differences over the
# folds. It says how far the folds agree. It is not a standard error, because folds share training data.

# %% tags=["hide-input"]
study = Study(
    dataset=Dataset(p.dataset, n_trajectories=p.n_trajectories, seed=p.seed),
    soap=p.soap,
    n_folds=p.n_folds,
    seed=p.seed,
    max_test=p.max_test,
    zeta=p.zeta,
    kernel_offset=p.kernel_offset,
    jitter=p.jitter,
)
asked = {
    "sizes": p.sizes,
    "m_reference": p.m_reference,
    "large_up_to": p.large_up_to,
    "sigma_meV": p.sigma_meV,
    "sigma_sizes": p.sigma_sizes,
    "sigmas_meV": p.sigmas_meV,
    "fitc_all_folds_up_to": p.fitc_all_folds_up_to,
}
grid = figure_4(**asked, n_sparse=p.n_sparse, estimators=p.estimators)
records = sparse_gpr(study, grid, use_store=p.use_store, compute=p.compute)
largest = study.largest_size()
too_large = sorted(n for n in {*p.sizes, *p.sigma_sizes} if n > largest)

display.glue("n_fits", len(records))
display.glue("n_missing", int(records["mae_test_meV"].isna().sum()))
display.glue(
    "left_out",
    f"Every fold has at least {largest:,} training environments; larger N ({', '.join(f'{n:,}' for n in too_large)}) "
    "are left out."
    if too_large
    else f"Every fold has at least {largest:,} training environments, enough for every N.",
)

# %% [markdown]
# The grid has {glue:text}`n_fits:,` fits. Of these {glue:text}`n_missing:,` are missing from the store and appear as
# gaps. {glue:text}`left_out`

# %% [markdown]
# ## How many representative points?
#
# Learning curves for several $M$, at $\sigma$ = {glue:text}`sigma_meV:g` meV. A curve leaves the common line where $N$
# exceeds its $M$. From there on more data still improve the coefficients, but no longer the set of functions that the
# model can express, and the curve runs flat.

# %% tags=["hide-input"]
at_sigma = records[records["sigma_meV"] == float(f"{p.sigma_meV:.6g}")]
# Curves for several M, in the folds that all of them have at an N.
in_all = insights.in_shared_folds(at_sigma[at_sigma["estimator"] == "dtc"], ["n_train"])
dtc = insights.summary(in_all)
parts = []
for points in sorted({*p.n_sparse, p.m_reference}):
    part = dtc[dtc["m_sparse"] == np.minimum(points, dtc["n_train"])]
    reach = p.sizes if points <= p.m_reference else [n for n in p.sizes if n <= p.large_up_to]
    parts.append(part[part["n_train"].isin(reach)].assign(points=points))
points_curves = pd.concat(parts, ignore_index=True)
paper_points = published.table("fig4a_sparse_points")
same_points = paper_points[
    paper_points["m_sparse"].isin(p.n_sparse) & paper_points["n_train"].between(min(p.sizes), max(p.sizes))
]


def spell_points(points):
    """The end of one curve in words, for the alternative text."""
    part = points_curves[(points_curves["points"] == points) & points_curves["mae_test_meV"].notna()]
    if part.empty:
        return f"M = {points}: not in the store"
    last = part.loc[part["n_train"].idxmax()]
    return f"M = {points}: {last['mae_test_meV']:.0f} meV at N = {last['n_train']:.0f}"


display.show(
    figures.sparse_points(points_curves, same_points),
    name="sparse-points",
    caption=(
        f"Learning curves of sparse GPR for several numbers of representative points M (DTC, σ = {p.sigma_meV:g} meV, "
        "mean over the folds that all M have at an N). Left: this book's data. Right, open symbols and dashed lines: "
        "the published values, for the authors' data {cite}`gardner2023synthetic`. Compare the paper's Fig. 4a."
    ),
    alt="Double-logarithmic learning curves, one for each number of representative points. They fall together and "
    "flatten one after the other, those with the fewest points first. Ours end at "
    + "; ".join(spell_points(points) for points in sorted(set(points_curves["points"])))
    + ".",
    data=points_curves[["points", "n_train", "mae_test_meV", "mae_test_std_meV", "folds"]].merge(
        same_points.rename(columns={"m_sparse": "points", "mae_test_meV": "published_mae_test_meV"})[
            ["points", "n_train", "published_mae_test_meV"]
        ],
        on=["points", "n_train"],
        how="outer",
    ),
)

# %% tags=["hide-input"]
change = insights.more_points(records, few, many, p.sigma_meV)
text = findings.more_points(change, few, many)
theirs = paper_points.pivot(index="n_train", columns="m_sparse", values="mae_test_meV")
if {few, many} <= set(theirs.columns):
    both = (theirs[many] / theirs[few] - 1).dropna()
    both = both[(both.index > few) & both.index.isin(p.sizes)]
    if len(both):
        spelled = ", ".join(f"{100 * value:+.1f} % at N = {n:,}" for n, value in both.items())
        text += f" The published means change by {spelled}."
display.glue("points_finding", text)
display.glue(
    "short_points",
    f"Going from M = {few:,} to {many:,} changes the error by {findings.percent(change[max(change)], p.n_folds)} at "
    f"N = {max(change):,}."
    if change
    else f"Whether M = {many:,} helps over {few:,} cannot be said: the fits are not in the store.",
)
difference = insights.estimators_compared(records, p.m_reference, p.sigma_meV)
display.glue("estimators_finding", findings.estimators(difference, p.m_reference))

# %% [markdown]
# **Does a larger $M$ help?** {glue:text}`points_finding`
#
# **The two estimators.** At $\sigma$ = {glue:text}`sigma_meV:g` meV and $M$ = {glue:text}`m_reference:,`:
# {glue:text}`estimators_finding` {numref}`tab-gpr-estimators` has the errors by coordination as well, the GPR part of
# the paper's Fig. 3.

# %% tags=["hide-input"]
reference = at_sigma[at_sigma["m_sparse"] == np.minimum(p.m_reference, at_sigma["n_train"])]
reference = reference[reference["n_train"].isin(p.sizes)]
reference = insights.summary(insights.in_shared_folds(reference, ["n_train"])).sort_values(["n_train", "estimator"])
table = pd.DataFrame(
    {
        "N": reference["n_train"],
        "estimator": reference["estimator"].str.upper(),
        "test": reference["mae_test_meV"],
        "spread": reference["mae_test_std_meV"],
        "training": reference["mae_train_meV"],
    }
)
carbon = study.dataset.load().symbol == "C"
kinds = {"sp": "2 neighbours", "sp2": "3 neighbours", "sp3": "4 neighbours"}
for key, name in (COORDINATION_LABELS if carbon else kinds).items():
    table[name] = reference[f"mae_{key}_meV"]
errors = list(table.columns[2:])
table["folds"] = reference["folds"]
display.show_table(
    table,
    name="gpr-estimators",
    caption=(
        f"Errors of both estimators (MAE in meV) at σ = {p.sigma_meV:g} meV and M = {p.m_reference:,} or N if that is "
        "less: test error, its standard deviation over the folds, training error, and test error by number of "
        "neighbours, in the folds that both have. A dash marks a missing fit."
    ),
    formats={"N": "{:,.0f}"} | dict.fromkeys(errors, "{:.1f}"),
)

# %% [markdown]
# ## How much regularisation?
#
# A small $\sigma$ tells the model to trust every label, a large one to smooth over them. Too small a value should
# overfit, too large a value underfit. {numref}`fig-regularisation` shows the test error over $\sigma$ for several $N$.

# %% tags=["hide-input"]
scanned = [float(f"{sigma:.6g}") for sigma in p.sigmas_meV]
scan_records = records[
    records["n_train"].isin(p.sigma_sizes)
    & records["sigma_meV"].isin(scanned)
    & (records["m_sparse"] == np.minimum(p.m_reference, records["n_train"]))
]
scan = insights.summary(insights.in_shared_folds(scan_records, ["estimator", "n_train"]))
paper_scan = published.table("fig4b_regularisation")
curves = insights.sigma_curves(scan_records, p.m_reference)
paper_curves = insights.published_curves(paper_scan)


def spell_scan(estimator):
    """Lowest error of each curve of an estimator in words, for the alternative text."""
    known = scan[(scan["estimator"] == estimator) & scan["mae_test_meV"].notna()]
    lowest = known.loc[known.groupby("n_train")["mae_test_meV"].idxmin()]
    spelled = [
        f"{row.mae_test_meV:.0f} meV at sigma = {row.sigma_meV:g} meV for N = {row.n_train}"
        for row in lowest.itertuples()
    ]
    return f"{estimator.upper()}: " + ("lowest " + ", ".join(spelled) if spelled else "not in the store")


same_scan = paper_scan[paper_scan["n_train"].isin(p.sigma_sizes)]
if same_scan.empty:
    same_scan = paper_scan
display.show(
    figures.regularisation(scan, same_scan),
    name="regularisation",
    caption=(
        f"Test error of sparse GPR against the regularisation σ, for several N, with M = {p.m_reference:,} or N if "
        "that is less; mean over the folds that have every σ. Dashed lines and open symbols: the published values, for "
        "the authors' data "
        "{cite}`gardner2023synthetic`. Compare the paper's Fig. 4b."
    ),
    alt="Panels of test error over sigma on logarithmic axes, one curve for each N. "
    + ". ".join(spell_scan(name) for name in p.estimators)
    + ".",
    data=scan[
        ["estimator", "n_train", "sigma_meV", "mae_test_meV", "mae_test_std_meV", "mae_train_meV", "folds"]
    ].merge(
        same_scan.rename(
            columns={"mae_test_meV": "published_mae_test_meV", "mae_train_meV": "published_mae_train_meV"}
        )[["n_train", "sigma_meV", "published_mae_test_meV", "published_mae_train_meV"]],
        on=["n_train", "sigma_meV"],
        how="left",
    ),
)

# %% tags=["hide-input"]
names = {"dtc": "DTC", "fitc": "FITC"}
for key, name in names.items():
    display.glue(f"optimum_{key}", findings.optimum(curves, key, name))
    display.glue(f"flattening_{key}", findings.flattening(curves, key, name))
display.glue("optimum_published", findings.optimum(paper_curves, "published", "The published values"))
display.glue("flattening_published", findings.flattening(paper_curves, "published", "The published values"))
long, verdict = findings.small_sigma(curves, paper_curves, p.m_reference)
display.glue("small_sigma_finding", long)
display.glue("small_sigma_verdict", verdict)
display.glue("short_small_sigma", verdict)
n_curves = curves.groupby(["estimator", "n_train"]).size()
few_folds = [
    f"{names[estimator]} at N = {n:,} ({number})" for (estimator, n), number in n_curves[n_curves < p.n_folds].items()
]
display.glue(
    "few_folds",
    f"Fewer than {p.n_folds} folds have {', '.join(few_folds)}."
    if few_folds
    else f"Each of these curves comes from the same {p.n_folds} folds."
    if len(n_curves)
    else "",
)

# %% [markdown]
# **Where is the best $\sigma$, and does it move up with $N$?** {glue:text}`optimum_dtc` {glue:text}`optimum_fitc`
# {glue:text}`optimum_published` The place of a minimum is read from a parabola through the lowest value and its
# neighbours. These are minima of the test error: they describe the curve and are not a way to choose $\sigma$.
# {glue:text}`few_folds`
#
# **Does the curve flatten with $N$?** {glue:text}`flattening_dtc` {glue:text}`flattening_fitc`
# {glue:text}`flattening_published`


# %% tags=["hide-input"]
def geometric_mean(values):
    """As suits ratios."""
    return float(np.exp(np.log(values).mean()))


groups = curves.groupby(["estimator", "n_train"], sort=True)
table = pd.DataFrame(
    {
        "best": groups["best_sigma_meV"].agg(geometric_mean),
        "from": groups["best_sigma_meV"].min(),
        "to": groups["best_sigma_meV"].max(),
        "width": groups["width_decades"].mean(),
        "small": groups["rise_small"].agg(geometric_mean),
        "small, training": groups["rise_small_train"].agg(geometric_mean),
        "large": groups["rise_large"].agg(geometric_mean),
        "folds": groups.size(),
    }
).reset_index()
theirs = paper_curves[paper_curves["n_train"].isin(p.sigma_sizes)]
table = pd.concat(
    [
        table,
        pd.DataFrame(
            {
                "estimator": "published",
                "n_train": theirs["n_train"],
                "best": theirs["best_sigma_meV"],
                "width": theirs["width_decades"],
                "small": theirs["rise_small"],
                "small, training": theirs["rise_small_train"],
                "large": theirs["rise_large"],
            }
        ),
    ],
    ignore_index=True,
)
table["estimator"] = table["estimator"].map(lambda name: names.get(name, name))
display.show_table(
    table.rename(columns={"n_train": "N", "best": "best σ (meV)", "width": "width (decades)"}),
    name="sigma-curves",
    caption=(
        "The curves in numbers (geometric means over the folds): best σ, the lowest and highest of them; width of the "
        f"stretch within {100 * (insights.TOLERATED - 1):.0f} % of the lowest test error; and how many times the "
        "lowest error the test error is at the smallest σ of the scan, the training error there, and the test error at "
        f"the largest σ. The scan has {len(p.sigmas_meV)} values of σ from {min(p.sigmas_meV):g} to "
        f"{max(p.sigmas_meV):g} meV, the "
        f"published one {paper_scan['sigma_meV'].nunique()} from {paper_scan['sigma_meV'].min():g} to "
        f"{paper_scan['sigma_meV'].max():g} meV. A dash marks what is not there."
    ),
    formats={
        "N": "{:,.0f}",
        "best σ (meV)": "{:.3g}",
        "from": "{:.3g}",
        "to": "{:.3g}",
        "width (decades)": "{:.2f}",
        "small": "{:.2f}",
        "small, training": "{:.2f}",
        "large": "{:.2f}",
        "folds": "{:.0f}",
    },
)

# %% [markdown]
# ## The rise at small sigma
#
# In the published curves the test error rises towards small $\sigma$. Once $N$ exceeds $M$, the *training* error rises
# there as well. Overfitting cannot explain that: a model that overfits follows its training points more closely, not
# less.
# {numref}`fig-small-sigma` puts both estimators side by side.

# %% tags=["hide-input"]
shown = findings.shown_size(curves, p.m_reference) or max(p.sigma_sizes)
at_size = insights.summary(insights.in_shared_folds(scan_records[scan_records["n_train"] == shown], ["n_train"]))
theirs = paper_scan[paper_scan["n_train"] == shown]


def spell_ends(estimator):
    """Errors at the smallest sigma in words, for the alternative text."""
    part = at_size[(at_size["estimator"] == estimator) & at_size["mae_test_meV"].notna()]
    if part.empty:
        return f"{names[estimator]} is not in the store"
    row = part.loc[part["sigma_meV"].idxmin()]
    return (
        f"{names[estimator]} at sigma = {row['sigma_meV']:g} meV: test {row['mae_test_meV']:.1f}, training "
        f"{row['mae_train_meV']:.1f} meV"
    )


display.show(
    figures.small_sigma(at_size, theirs),
    name="small-sigma",
    caption=(
        f"Test and training error against σ at N = {shown:,}, M = {min(p.m_reference, shown):,}: DTC, FITC"
        + (" and the published values." if len(theirs) else "; there are no published values for this N.")
    ),
    alt=f"Two panels, test and training error over sigma at N = {shown}. "
    + "; ".join(spell_ends(name) for name in names)
    + ".",
    data=at_size[["estimator", "n_train", "sigma_meV", "mae_test_meV", "mae_train_meV", "folds"]],
)

# %% [markdown]
# **What one sees.** {glue:text}`small_sigma_finding` {glue:text}`small_sigma_verdict`
#
# **What to expect from the equations.** For DTC $\sigma^2$ is the weight of a penalty in a least-squares fit. A smaller
# penalty can only bring the squared training error down; with $N$ well above $M$ the data outweigh it, so the curve
# has little reason to rise. FITC gives a point the weight $1/(\sigma^2 + r)$, where $r$ is what the representative
# points cannot express of it. For the representative points themselves $r$ is zero. As $\sigma$ falls, their weight
# grows without bound, while that of the others stays: the model passes through its $M$ representative points and
# hardly listens to the rest. It becomes a model of $M$ training points, with the training error that this means for
# the others.
#
# So in FITC $\sigma$ also decides how many labels count. In DTC it is only the expected error of a label, as the
# paper's text says.

# %% [markdown]
# ## The kernel of the authors' code
#
# The published values come from code whose kernel is $(1 + \mathbf{x}\cdot\mathbf{x}')^5$, not the
# $(\mathbf{x}\cdot\mathbf{x}')^4$ of the text. A SOAP vector has length one, so that the prior variance of an energy
# is $2^5 = 32$ eV² with the former and 1 eV² with the latter. What counts is $\sigma$ beside the prior: the same
# $\sigma$ is a weaker regularisation in their code, by a factor of about $\sqrt{32} \approx 6$, if the shape of the
# kernel does not matter. {glue:text}`kernel_finding`

# %% tags=["hide-input"]
CODE = {"zeta": 5, "kernel_offset": 1.0}
code_study = replace(study, **CODE)
code_name = f"(1 + x·x')^{CODE['zeta']}"
sizes_scanned = sorted(int(n) for n in curves["n_train"].unique())
compared = next((n for n in sizes_scanned if n > p.m_reference), max(sizes_scanned, default=None))
usual_curves = curves[curves["n_train"] == compared]
code_curves = curves.iloc[:0]
if code_study == study:
    kernel_finding = "This page uses that kernel."
elif compared is None:
    kernel_finding = findings.MISSING
else:
    code_grid = [Sweep((compared,), (p.m_reference,), p.sigmas_meV, p.estimators)]
    code_records = sparse_gpr(code_study, code_grid, use_store=p.use_store, compute=p.compute)
    code_curves = insights.sigma_curves(code_records.dropna(subset=["mae_test_meV"]), p.m_reference)
    kernel_finding = findings.kernels(usual_curves, code_curves, names, compared, p.n_folds)
display.glue("kernel_finding", kernel_finding)
if len(code_curves):  # in the folds that both have
    both = usual_curves.merge(code_curves, on=["estimator", "fold"])[["estimator", "fold"]]
    usual_curves, code_curves = usual_curves.merge(both), code_curves.merge(both)
labelled = {f"({offset}x·x')^{p.zeta}": usual_curves, code_name: code_curves}
rows = [
    {
        "kernel": kernel,
        "estimator": names[estimator],
        "lowest error (meV)": part["lowest_meV"].mean(),
        "best σ (meV)": geometric_mean(part["best_sigma_meV"]),
        "small": geometric_mean(part["rise_small"]),
        "small, training": geometric_mean(part["rise_small_train"]),
        "folds": len(part),
    }
    for kernel, table in labelled.items()
    for estimator, part in table.groupby("estimator", sort=False)
]
display.show_table(
    pd.DataFrame(
        rows, columns=["kernel", "estimator", "lowest error (meV)", "best σ (meV)", "small", "small, training", "folds"]
    ),
    name="gpr-kernels",
    caption=(
        "Kernels"
        + (f" at N = {compared:,}, M = {min(p.m_reference, compared):,}" if compared else "")
        + ": lowest test error of the scan over σ, mean over the folds, the σ where it is, and how many times the "
        f"lowest error test and training errors are at σ = {min(p.sigmas_meV):g} meV (geometric means over the folds)."
    ),
    formats={
        "lowest error (meV)": "{:.1f}",
        "best σ (meV)": "{:.3g}",
        "small": "{:.2f}",
        "small, training": "{:.2f}",
        "folds": "{:.0f}",
    },
)

# %% [markdown]
# ## With all trajectories
#
# {glue:text}`whole_remark` The command for such fits:
#
# ```sh
# synthetic-atoms run 04_gpr_insights -p dataset=embedded-all -p estimators=[dtc] \
#   -p n_sparse=[100,200,500,1000,2000,5000] -p compute=true
# ```

# %% tags=["hide-input"]
WHOLE = "embedded-all"
whole_records = pd.DataFrame()
if p.dataset == "embedded" and p.n_trajectories is None and p.use_store and p.max_test is None:
    whole_study = replace(study, dataset=Dataset(WHOLE, seed=p.seed))
    if whole_study.largest_size() > largest:
        usual = [m for m in p.n_sparse if m <= p.m_reference]
        whole_grid = figure_4(**asked, n_sparse=usual, estimators=list(dict.fromkeys(["dtc", *p.estimators])))
        whole_records = sparse_gpr(whole_study, whole_grid).dropna(subset=["mae_test_meV"])
        on_curves = (whole_records["estimator"] == "dtc") & (whole_records["sigma_meV"] == float(f"{p.sigma_meV:.6g}"))
        if not on_curves.any():  # a sigma without learning curves
            whole_records = whole_records.iloc[:0]
if len(whole_records):
    n_whole = len(np.unique(whole_study.dataset.load().trajectory))
    whole_folds = whole_records.groupby("estimator")["fold"].nunique()
    display.glue(
        "whole_remark",
        f"The fits above share {len(np.unique(study.dataset.load().trajectory))} trajectories. The whole data set has "
        f"{n_whole}, so that a fold has up to {whole_study.largest_size():,} training environments. DTC has been "
        f"fitted to those as well, in {whole_folds['dtc']} of {p.n_folds} folds, with all M and all σ of a fold from "
        "one pass. "
        + (
            f"FITC, which needs a sum for each σ, has been fitted with M = {p.m_reference:,} in {whole_folds['fitc']} "
            "of them. "
            if "fitc" in whole_folds
            else ""
        )
        + "The test sets are other ones than above: compare curves, not single values.",
    )
    at_sigma_whole = whole_records[on_curves.reindex(whole_records.index)]
    at_sigma_whole = insights.summary(insights.in_shared_folds(at_sigma_whole, ["n_train"]))
    whole_points = pd.concat(
        [
            at_sigma_whole[
                (at_sigma_whole["m_sparse"] == np.minimum(points, at_sigma_whole["n_train"]))
                & at_sigma_whole["n_train"].isin(p.sizes)
            ].assign(points=points)
            for points in sorted({*p.n_sparse, p.m_reference})
            if points <= p.m_reference
        ],
        ignore_index=True,
    )
    few_points = same_points[same_points["m_sparse"] <= p.m_reference]
    last = int(whole_points["n_train"].max())
    ends = whole_points[whole_points["n_train"] == last]
    display.show(
        figures.sparse_points(whole_points, few_points),
        name="sparse-points-whole",
        caption=(
            f"Learning curves of sparse GPR for several numbers of representative points M (DTC, σ = {p.sigma_meV:g} "
            f"meV, mean over the folds) with all {n_whole} trajectories, and the published values. Compare "
            "the paper's Fig. 4a."
        ),
        alt="Double-logarithmic learning curves, one for each number of representative points, which flatten one after "
        f"the other. Ours at N = {last}: "
        + "; ".join(f"{row.mae_test_meV:.1f} meV with M = {row.points}" for row in ends.itertuples())
        + ".",
        data=whole_points[["points", "n_train", "mae_test_meV", "mae_test_std_meV", "folds"]],
    )
else:
    display.glue(
        "whole_remark",
        "Fits to all trajectories are shown where the book's data and stored results are used and the store has such "
        "fits.",
    )
    display.show_table(
        pd.DataFrame({"fits": [f"dataset={WHOLE}, DTC"]}),
        name="gpr-whole",
        caption="Fits that are not shown on this page.",
    )

# %% tags=["hide-input"]
whole_finding = findings.MISSING
if len(whole_records):
    whole_scan = whole_records[
        whole_records["n_train"].isin(p.sigma_sizes)
        & whole_records["sigma_meV"].isin(scanned)
        & (whole_records["m_sparse"] == np.minimum(p.m_reference, whole_records["n_train"]))
    ]
    whole_curves = insights.sigma_curves(whole_scan, p.m_reference)
    whole_scan = insights.summary(insights.in_shared_folds(whole_scan, ["estimator", "n_train"]))
    display.show(
        figures.regularisation(whole_scan, same_scan),
        name="regularisation-whole",
        caption=(
            f"Test error of sparse GPR against the regularisation σ with all {n_whole} trajectories (M = "
            f"{p.m_reference:,} or N, mean over the folds: "
            + ", ".join(f"{names[estimator]} {number}" for estimator, number in whole_folds.items())
            + "), and the published values. Compare the paper's Fig. 4b."
        ),
        alt="Panels of test error over sigma on logarithmic axes, one curve for each N. Lowest: "
        + ", ".join(
            f"{names[estimator]} {row.lowest_meV:.1f} meV at sigma = {row.best_sigma_meV:.2g} meV for N = {n}"
            for (estimator, n), row in whole_curves.groupby(["estimator", "n_train"])[["lowest_meV", "best_sigma_meV"]]
            .mean()
            .iterrows()
        )
        + ".",
        data=whole_scan[
            ["estimator", "n_train", "sigma_meV", "mae_test_meV", "mae_test_std_meV", "mae_train_meV", "folds"]
        ],
    )
    compared = whole_points[whole_points["points"] == p.m_reference].set_index("n_train").sort_index()
    part_means = dtc[dtc["m_sparse"] == np.minimum(p.m_reference, dtc["n_train"])].set_index("n_train")["mae_test_meV"]
    theirs = paper_points[paper_points["m_sparse"] == p.m_reference].set_index("n_train")
    table = pd.DataFrame(
        {
            "N": compared.index,
            "test": compared["mae_test_meV"],
            "spread": compared["mae_test_std_meV"],
            "training": compared["mae_train_meV"],
            "folds": compared["folds"],
            "part of the data": part_means.reindex(compared.index),
            "published": theirs["mae_test_meV"].reindex(compared.index),
            "until done (s)": compared["fit_s"],
            "memory (GB)": compared["peak_memory_GB"],
            "authors (s)": theirs["train_s"].reindex(compared.index),
        }
    )
    display.show_table(
        table,
        name="gpr-whole",
        caption=(
            f"DTC with M = {p.m_reference:,} (or N), σ = {p.sigma_meV:g} meV and all trajectories (MAE in meV): test "
            "error, its standard deviation over the folds, training error; test error of the smaller part above, and "
            "the published one; seconds from the start of the pass until this model was there, peak memory over the "
            "whole pass, and the authors' training times on their own machines."
        ),
        formats={"N": "{:,.0f}", "folds": "{:.0f}", "until done (s)": "{:,.1f}", "authors (s)": "{:,.0f}"}
        | dict.fromkeys(["test", "spread", "training", "part of the data", "published", "memory (GB)"], "{:.1f}"),
    )
    gains = []
    for a, b in pairwise(compared.index):
        if a >= p.m_reference:
            change = insights.Paired.relative(
                insights.one_model(whole_records, "dtc", int(b), p.m_reference, float(f"{p.sigma_meV:.6g}")),
                insights.one_model(whole_records, "dtc", int(a), p.m_reference, float(f"{p.sigma_meV:.6g}")),
            )
            paper_change = theirs["mae_test_meV"].get(b, np.nan) / theirs["mae_test_meV"].get(a, np.nan) - 1
            text = f"{findings.percent(change)} from N = {a:,} to {b:,}"
            gains.append(text + (f" (published {100 * paper_change:+.1f} %)" if np.isfinite(paper_change) else ""))
    whole_finding = f"With M = {p.m_reference:,} the test error changes by {', '.join(gains)}. " if gains else ""
    for estimator in whole_folds.index:
        whole_finding += (
            f"{findings.optimum(whole_curves, estimator, names[estimator])} "
            f"{findings.flattening(whole_curves, estimator, names[estimator])} "
        )
    for row in paper_curves[paper_curves["n_train"] == whole_curves["n_train"].max()].itertuples():
        whole_finding += (
            f"The published curve for N = {row.n_train:,} is lowest at σ = {row.best_sigma_meV:.2g} meV; at the "
            f"smallest σ its error is {row.rise_small:.2f} times the lowest, at the largest {row.rise_large:.2f} times."
        )
display.glue("whole_finding", whole_finding)
lowest = whole_curves if len(whole_records) else curves
lowest = lowest[lowest["n_train"].isin([lowest["n_train"].min(), lowest["n_train"].max()])]
theirs_lowest = paper_curves[paper_curves["n_train"].isin(lowest["n_train"])]
display.glue(
    "short_sigma",
    "The error is lowest at "
    + "; ".join(f"{findings.at_ends(part)} with {names[estimator]}" for estimator, part in lowest.groupby("estimator"))
    + "; "
    + (
        "the published curves are lowest at "
        + " and ".join(f"{row.best_sigma_meV:.2g} meV for N = {row.n_train:,}" for row in theirs_lowest.itertuples())
        + "."
        if len(theirs_lowest)
        else "the paper finds around 10 meV for most N."
    )
    if len(lowest)
    else findings.MISSING,
)

# %% [markdown]
# **What one sees.** {glue:text}`whole_finding`

# %% [markdown]
# ## What it cost

# %% tags=["hide-input"]
stated = published.table("stated_values").set_index("quantity")
minutes, memory = stated.loc["gpr_training_time"], stated.loc["gpr_memory_more_than"]
display.glue("paper_minutes", float(minutes["value"]))
display.glue("paper_n", int(minutes["n_train"]))
archived = paper_points.set_index(["m_sparse", "n_train"])["train_s"].get(
    (int(minutes["m_sparse"]), int(minutes["n_train"])), np.nan
)
display.glue(
    "paper_archived",
    f"The archived times of the same fit are {archived / 60:.0f} minutes on average; why they differ is not said. The "
    "shorter one is taken for comparison."
    if np.isfinite(archived)
    else "",
)
display.glue("paper_m", int(minutes["m_sparse"]))
display.glue("paper_memory", float(memory["value"]))
display.glue("paper_memory_n", int(memory["n_train"]))
rows = []
for estimator, name in names.items():
    part = reference[(reference["estimator"] == estimator) & reference["folds"].gt(0)]
    for row in part.itertuples():
        rows.append(
            {
                "N": row.n_train,
                "estimator": name,
                "share (s)": row.share_s,
                "until done (s)": row.fit_s,
                "memory (GB)": row.peak_memory_GB,
            }
        )
cost = pd.DataFrame(rows, columns=["N", "estimator", "share (s)", "until done (s)", "memory (GB)"])
authors = paper_points[paper_points["m_sparse"] == p.m_reference].set_index("n_train")["train_s"]
cost["authors (s)"] = cost["N"].map(authors).astype(float)
cost["authors' memory"] = np.where(cost["N"] >= memory["n_train"], f"more than {memory['value']:g} GB", "not given")
display.show_table(
    cost,
    name="gpr-cost",
    caption=(
        f"Cost of the models at M = {p.m_reference:,} (or N) and σ = {p.sigma_meV:g} meV, mean over the folds: the "
        "model's fair share of its pass; seconds from the start of the pass until it was there, with all models that "
        "came before it; peak memory of the process over the whole pass. The last two tell about the pass: a small "
        "model that shares one with many σ waits for those. Beside it the authors' training times on their own "
        "machines."
    ),
    formats={
        "N": "{:,.0f}",
        "until done (s)": "{:,.1f}",
        "share (s)": "{:,.2f}",
        "memory (GB)": "{:.1f}",
        "authors (s)": "{:,.0f}",
    },
)
passes = records.dropna(subset=["pass_s"]).drop_duplicates(["estimator", "fold", "pass_s", "predict_s"])
total = float(passes["pass_s"].sum() + passes["predict_s"].sum())
n_known = int(records["mae_test_meV"].notna().sum())
if len(passes):
    threads = sorted({int(value) for value in passes["threads"]})
    peak = passes["peak_memory_GB"].max()
    display.glue(
        "passes_text",
        f"The {n_known:,} fits of this page took {len(passes)} passes and {total:,.{0 if total > 9 else 1}f} s in all, "
        f"with {' or '.join(map(str, threads))} thread{'s' if threads != [1] else ''}, fits and predictions together, "
        "without the descriptors." + (f" No process needed more than {peak:.1f} GB." if np.isfinite(peak) else ""),
    )
else:
    display.glue("passes_text", findings.MISSING)

# %% [markdown]
# {glue:text}`passes_text` For $N$ = {glue:text}`paper_n:,` and $M$ = {glue:text}`paper_m:,` the paper reports
# {glue:text}`paper_minutes:g` minutes on a node with two processors. {glue:text}`paper_archived` From $N$ =
# {glue:text}`paper_memory_n:,` on, the dashed part of its Fig. 3, the authors' fits needed more than
# {glue:text}`paper_memory:g` GB of memory. A pass needs room for its sums, whose size is set by $M$, and for one block
# of rows; $N$ does not enter.
#
# A share divides a pass among its models: reading the rows from one $N$ to the next counts for all models that need
# them, in equal parts, and solving the equations for the models of that $N$.
