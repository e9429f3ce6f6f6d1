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
# # Learning curves
#
# **In short.** How does the error fall as more environments are used for training? The paper's Fig. 3 compares three
# kinds of model over four orders of magnitude: Gaussian process regression (GPR), a neural network (NN) and deep kernel
# learning (DKL). This chapter repeats them on the book's own data. {glue:text}`short_slope` {glue:text}`short_ratio`
# {glue:text}`short_deep` {glue:text}`short_rates` {glue:text}`short_whole`
#
# **What differs from the paper.** Data and labels are our own ([The dataset](01_dataset.ipynb)), so absolute errors
# need not agree. The descriptor is DScribe's SOAP with a smooth radial weighting instead of quippy's with a smooth
# cutoff. The networks' settings are plausible ones, not the best of a large search ([Technical
# details](07_technical_details.ipynb)); they have neither dropout nor weight decay, which the authors' networks have:
# early stopping alone regularises them.

# %% tags=["parameters"]
profile = "book"  # which set of parameters this is
dataset = "embedded"  # "embedded", "embedded-all", "paper", or a folder of extended XYZ files
n_trajectories = None  # use this many trajectories; None: all
sizes = [100, 310, 1000, 3100, 10000, 31000, 100000, 310000, 1000000]  # numbers of training environments
models = ["GPR", "NN", "DKL"]  # which models to compare
n_folds = 5  # cross-validation folds, by trajectory
max_test = None  # at most this many test environments per fold; None: all
soap = "tuned"  # descriptor: "tuned", "paper-like", "plain" or "quippy"
n_sparse = 5000  # representative points of GPR, at most
sigma_meV = 10.0  # regularisation of GPR
zeta = 4  # exponent of the SOAP kernel
seed = 0  # seeds folds, samples and networks
trajectory_sizes = [1000, 3100, 10000]  # numbers of training environments at which trajectories are compared
use_store = True  # read stored results
compute = False  # compute results that the store lacks

# %% tags=["hide-input"]
from dataclasses import replace

import numpy as np
import pandas as pd

from synthetic_atoms import published
from synthetic_atoms.book import display, parameters
from synthetic_atoms.descriptors.coordination import bond_A
from synthetic_atoms.experiments import curve_findings as findings
from synthetic_atoms.experiments.all_models import Comparison
from synthetic_atoms.experiments.all_models import whole as whole_of
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.experiments.learning_curves import DEFAULTS, loglog_slope, most_epochs, summary
from synthetic_atoms.experiments.learning_curves import ESTIMATORS as NETWORKS
from synthetic_atoms.experiments.records import accelerator_of
from synthetic_atoms.experiments.trajectory_errors import by_trajectory, trajectory_errors
from synthetic_atoms.figures import learning_curves as figures
from synthetic_atoms.figures.style import COORDINATION_LABELS
from synthetic_atoms.models.neural_network import MANY
from synthetic_atoms.paths import is_own
from synthetic_atoms.wording import about, counted, listed

p = parameters.validate_notebook("03_learning_curves", globals())
for name in ("zeta", "sigma_meV", "n_sparse", "n_folds"):
    display.glue(name, getattr(p, name))

# %% [markdown]
# ## What is asked and what is done
#
# Each model predicts the per-atom energy of an environment from its SOAP power spectrum {cite}`bartok2013representing`.
#
# - **GPR** is the paper's sparse form (its eqn 3): the coefficients of $M$ representative environments are
#
#   $$\mathbf{c} = [\mathbf{K}_{MM} + \mathbf{K}_{MN}\Sigma^{-1}\mathbf{K}_{NM}]^{-1}
#   \mathbf{K}_{MN}\Sigma^{-1}\mathbf{y},$$
#
#   with the kernel $k(\mathbf{x}, \mathbf{x}') = (\mathbf{x}\cdot\mathbf{x}')^\zeta$, $\zeta$ = {glue:text}`zeta`, and
#   $\Sigma = \sigma^2\mathbf{I}$ with $\sigma$ = {glue:text}`sigma_meV:g` meV.
#   The representative points are the first $M$ of the shuffled
#   training set, at most {glue:text}`n_sparse:,`. One pass over the training set gives the models of all sizes
#   ([Insights into Gaussian process regression](04_gpr_insights.ipynb)).
# - **NN** is a fully connected network with CELU activations {cite}`barron2017continuously` on standardised inputs,
#   trained with Adam and stopped early by the error on a validation set: a tenth of the training environments, at most
#   1000. With more than $10^5$ environments, where an epoch has more steps, it may go without a lower one for about as
#   many steps as with $10^5$. {glue:text}`capped_NN`
# - **DKL** trains a network and a Gaussian process on the network's outputs together {cite}`wilson2016stochastic`. The
#   process is sparse: it is described by inducing points, and all parameters follow from a bound of the evidence. A
#   training in which the process takes everything for noise begins again with half the learning rate ([Technical
#   details](07_technical_details.ipynb)). Training stops as that of NN does. {glue:text}`capped_DKL`
#
# The settings of the two are not the same: {numref}`tab-network-settings`. They were set by hand.
#
# Errors are mean absolute errors (MAE) on the environments of trajectories that the model has not seen:
# cross-validation in {glue:text}`n_folds` folds in which every trajectory lies wholly in the training set or wholly in
# the test set. Within a fold the smaller training sets are subsets of the larger ones, drawn at random from all
# environments without replacement.

# %% tags=["hide-input"]
data = Dataset(p.dataset, n_trajectories=p.n_trajectories, seed=p.seed)
symbol = data.load().symbol
comparison = Comparison(
    dataset=data,
    models=tuple(p.models),
    sizes=tuple(p.sizes),
    n_folds=p.n_folds,
    seed=p.seed,
    soap=p.soap,
    max_test=p.max_test,
    n_sparse=p.n_sparse,
    sigma_meV=p.sigma_meV,
    zeta=p.zeta,
)
largest, sizes_used = comparison.largest(), comparison.sizes_used()
left_out = [n for n in p.sizes if n > largest]
records = comparison.records(use_store=p.use_store, compute=p.compute)
curves = summary(records)
paper = published.table("fig3_learning_curves")

# Larger training sets need all trajectories, of which these data may be a part.
whole_records = comparison.with_all_trajectories() if p.use_store else records.iloc[:0]
whole = summary(whole_records) if len(whole_records) else None
n_here, n_whole = (len(np.unique(one.load().trajectory)) for one in (data, data if whole is None else whole_of(data)))
if whole is None:
    whole_remark = ""
else:
    trained = listed(whole["model"].unique())
    counts = " to ".join(str(n) for n in sorted({whole["folds"].min(), whole["folds"].max()}))
    whole_remark = (
        f"The whole data set of {n_whole} trajectories gives more; {trained} "
        f"{'have' if ' and ' in trained else 'has'} been trained on up to {whole['n_train'].max():,} of its "
        f"environments, in {counts} of {p.n_folds} folds (half-filled symbols below)."
    )
display.glue("whole_remark", whole_remark)
records, whole_records = (
    fits.assign(on=[accelerator_of(text) or "CPU" if isinstance(text, str) else None for text in fits["machine"]])
    for fits in (records, whole_records)
)
every_fit = pd.concat([records, whole_records[whole_records["n_train"] > largest]]) if whole is not None else records


def capped(model):
    """Sentences about the sizes at which a model has fewer epochs than it might need, and what they are trained at."""
    sentences = []
    fits = every_fit[(every_fit["model"] == model) & (every_fit["n_train"] > MANY)]
    for n, part in fits.dropna(subset=["epochs"]).groupby("n_train"):
        limit = most_epochs(model, int(n))
        if limit < most_epochs(model, MANY):
            given, usual = (DEFAULTS[model](int(at))["learning_rate"] for at in (n, MANY))
            rate = f", at a learning rate of {given:g} instead of {usual:g}" if given != usual else ""
            ended = int((part["epochs"] == limit).sum())
            sentences.append(
                f"With N = {n:,.0f} {model} has {limit} epochs at most{rate}; this limit ended {ended} of "
                f"{counted(len(part), 'training')}."
            )
    return " ".join(sentences)


for model in NETWORKS:
    display.glue(f"capped_{model}", capped(model))

# Sizes that a model has in some folds only: its mean is not of the same folds as that of the others.
stored = records.dropna(subset=["mae_test_meV"]).groupby(["model", "n_train"], sort=False)["fold"].nunique()
partial = listed(
    f"{model} at N = {n:,} in {count} of {p.n_folds} folds" for (model, n), count in stored.items() if count < p.n_folds
)
display.glue("n_fits", len(records))
display.glue("n_missing", int(records["mae_test_meV"].isna().sum()))
display.glue("partial_remark", f"Some sizes are stored in some folds only: {partial}." if partial else "")
display.glue(
    "left_out",
    f"Every fold has at least {largest:,} training environments; larger sizes ({', '.join(f'{n:,}' for n in left_out)})"
    " are left out."
    if left_out
    else f"Every fold has at least {largest:,} training environments, enough for every size.",
)
display.glue(
    "lengths_remark",
    "The lengths of the descriptor were chosen for carbon"
    + ("." if symbol == "C" else f" and are kept for {symbol}; others may well give lower errors."),
)

# %% [markdown]
# The grid has {glue:text}`n_fits` fits; {glue:text}`n_missing` of them are missing from the store and left out of the
# means. {glue:text}`partial_remark` {glue:text}`left_out` {glue:text}`whole_remark` {glue:text}`lengths_remark`

# %% tags=["hide-input"]
rows = []
for model in (model for model in p.models if model in DEFAULTS):
    fitted = every_fit[(every_fit["model"] == model) & every_fit["mae_test_meV"].notna()]
    for n in sorted(fitted["n_train"].unique()):
        given = NETWORKS[model]().get_params() | DEFAULTS[model](n)
        rows.append(
            {
                "model": model,
                "N": n,
                "hidden layers": f"{len(given['hidden_layers'])} x {given['hidden_layers'][0]}",
                "inducing points": given.get("n_inducing", np.nan),
                "learning rate": given["learning_rate"],
                "batch": given["batch_size"],
                "patience (epochs)": given["patience"],
                "most epochs": given["max_epochs"],
            }
        )
display.show_table(
    pd.DataFrame(
        rows,
        columns=[
            "model",
            "N",
            "hidden layers",
            "inducing points",
            "learning rate",
            "batch",
            "patience (epochs)",
            "most epochs",
        ],
    ),
    name="network-settings",
    caption="Settings of the two kinds of network: number and width of the hidden layers, inducing points at most, "
    "first learning rate of Adam (halved after 10 epochs without progress, fewer beyond N = 100,000), environments in "
    "a step, epochs without a lower validation error after which training ends, and the most epochs.",
    formats={"N": "{:,.0f}", "inducing points": "{:.0f}", "learning rate": "{:.2g}"},
)


# %% tags=["hide-input"]
STRAIGHT_UP_TO = 3100  # N, beyond which GPR's representative points soon run out


def known(model):
    """The sizes at which a model has results."""
    return [int(n) for n in curves.loc[(curves["model"] == model) & curves["mae_test_meV"].notna(), "n_train"]]


def value(model, n_train, column="mae_test_meV"):
    """One number of the summary, NaN where there is none."""
    row = curves[(curves["model"] == model) & (curves["n_train"] == n_train)]
    return float(row[column].iloc[0]) if len(row) else float("nan")


def spell(model):
    """A model's curve in words, for the alternative text."""
    spelled = [f"{value(model, n):.0f} meV at N = {n}" for n in known(model)]
    return f"{model}: " + (", ".join(spelled) if spelled else "0 results in the store")


def spell_whole(model):
    """The curve of a model trained on all trajectories in words, for the alternative text."""
    part = whole[whole["model"] == model]
    return f"{model}: " + ", ".join(f"{row.mae_test_meV:.0f} meV at N = {row.n_train}" for row in part.itertuples())


display.show(
    figures.learning_curves(
        curves, paper[paper["n_train"] <= max(p.sizes)], whole, (f"{n_here} trajectories", f"{n_whole} trajectories")
    ),
    name="learning-curves",
    caption=(
        "Learning curves: test error against the number of training environments, mean and standard deviation over "
        f"the folds. Filled symbols and solid lines: this book's data, {n_here} trajectories"
        + (f" (in fewer folds: {partial}). " if partial else ". ")
        + ("" if whole is None else f"Half-filled symbols and dotted lines: all {n_whole}. ")
        + "Open symbols and dashed lines: the published "
        "values, for the authors' data {cite}`gardner2023synthetic`. Compare the paper's Fig. 3."
    ),
    alt="Double-logarithmic learning curves falling from left to right. "
    + "; ".join(spell(m) for m in p.models)
    + ("" if whole is None else "; with all trajectories " + "; ".join(spell_whole(m) for m in whole["model"].unique()))
    + ".",
    data=curves
    if whole is None
    else pd.concat([curves.assign(trajectories="stored part"), whole.assign(trajectories="all")]),
)

# %% tags=["hide-input"]
table = curves.pivot(index="n_train", columns="model", values=["mae_test_meV", "mae_test_std_meV"])
theirs = paper.pivot(index="n_train", columns="model", values="mae_test_meV")
wide = pd.DataFrame({"N": table.index})
formats = {"N": "{:,.0f}"}
for model in p.models:
    wide[f"{model} (meV)"] = table["mae_test_meV", model].to_numpy()
    wide[f"{model} spread (meV)"] = table["mae_test_std_meV", model].to_numpy()
    wide[f"{model} published (meV)"] = theirs[model].reindex(table.index).to_numpy()
    formats |= dict.fromkeys([f"{model} (meV)", f"{model} spread (meV)", f"{model} published (meV)"], "{:.1f}")
display.show_table(
    wide,
    name="learning-curves",
    caption="Test MAE: mean over the folds, standard deviation over the folds, and the published value."
    + (f" In fewer folds: {partial}." if partial else ""),
    formats=formats,
)

if whole is not None:
    beyond = whole[whole["n_train"] > largest].pivot(index="n_train", columns="model")
    wide = pd.DataFrame({"N": beyond.index})
    formats = {"N": "{:,.0f}"}
    for model in (model for model in p.models if model in beyond["mae_test_meV"]):
        for column, label in (("mae_test_meV", "(meV)"), ("mae_test_std_meV", "spread (meV)"), ("folds", "folds")):
            wide[f"{model} {label}"] = beyond[column, model].to_numpy()
            formats[f"{model} {label}"] = "{:.0f}" if column == "folds" else "{:.1f}"
        wide[f"{model} published (meV)"] = theirs[model].reindex(beyond.index).to_numpy()
        formats[f"{model} published (meV)"] = "{:.1f}"
    display.show_table(
        wide,
        name="learning-curves-whole",
        caption="Test MAE of models trained on more environments than the data above have, from all trajectories: "
        "mean and standard deviation over the folds that are stored, their number, and the published value.",
        formats=formats,
    )

# %% tags=["hide-input"]
nothing = "The fits that would tell are not in the store."
with_results = [model for model in p.models if known(model)]
in_every_fold = {model: {int(n) for n in findings.by_fold(records, model).index} for model in with_results}
shared = sorted(set.intersection(*in_every_fold.values())) if with_results else []
early = [n for n in shared if n <= STRAIGHT_UP_TO]
slopes, straight, last_slopes, reached = [], [], [], []
for model in with_results:
    ours = known(model)
    same = paper[(paper["model"] == model) & paper["n_train"].isin(shared)]
    steep = findings.slope(records, model, shared)
    if np.isfinite(steep.value):
        text = f"{steep.value:z.2f} for {model}"
        if len(same) > 1:
            text += f" (published values: {loglog_slope(same['n_train'], same['mae_test_meV']):.2f})"
        slopes.append(text)
    first = findings.slope(records, model, early)
    if len(early) > 2 and np.isfinite(first.value):
        straight.append(
            f"{model} {first.value:z.2f} ({first.low:z.2f} to {first.high:z.2f}; R² = "
            f"{findings.straightness(records, model, early):.3f})"
        )
    far = whole_records[whole_records["model"] == model] if len(whole_records) else records.iloc[:0]
    complete = list(findings.by_fold(far, model).index)
    source = far if len(complete) > 1 and complete[-1] > ours[-1] else records
    errors = findings.by_fold(source, model)
    ends = list(errors.index[-2:])
    if len(ends) == 2 and len(shared) > 2:
        end = findings.slope(source, model, ends)
        last_slopes.append(
            f"{end.value:z.2f} for {model} (N = {ends[0]:,} to {ends[1]:,}, {counted(errors.shape[1], 'fold')})"
        )
    spread = value(model, ours[-1], "mae_test_std_meV")
    around = f" ± {spread:.1f}" if np.isfinite(spread) else ""
    reached.append(
        f"{model} {value(model, ours[-1]):.1f}{around} meV at N = {ours[-1]:,}"
        + ("" if stored[model, ours[-1]] == p.n_folds else f" ({counted(int(stored[model, ours[-1]]), 'fold')})")
    )
short_slope = (
    f"From N = {shared[0]:,} to {shared[-1]:,} the slope of log MAE against log N is {listed(slopes)}."
    if slopes
    else nothing
)
seen_slope = short_slope
if straight:
    seen_slope += (
        f" For small sets the paper finds straight lines in the double-logarithmic plot. Up to N = {early[-1]:,} the "
        f"slopes are {'; '.join(straight)}. (R² is the part of the variance of log MAE that a straight line explains.)"
    )
if last_slopes:
    seen_slope += (
        f" Between the last two sizes of each model, of those that are complete, they are {listed(last_slopes)}. "
        "A curve that saturates has a slope of zero there; the paper says that of GPR, whose number of representative "
        "points is fixed."
    )
display.glue("short_slope", short_slope)
display.glue("seen_slope", seen_slope)
speed = records[records["predict_s"].notna() & (records["on"] == "CPU")].assign(
    us=lambda t: 1e6 * t["predict_s"] / t["n_test"]
)
both = speed.pivot_table(index="n_train", columns="model", values="us").reindex(columns=["NN", "DKL"]).dropna()
if len(both):
    n, us = int(both.index[-1]), both.iloc[-1]
    depth = {model: len(DEFAULTS[model](n)["hidden_layers"]) for model in ("NN", "DKL")}
    seen_speed = (
        f"Predicting one environment on a processor takes {us['NN']:.0f} µs (NN) and {us['DKL']:.0f} µs (DKL), a "
        f"ratio of {us['DKL'] / us['NN']:.1f} (trained on {n:,}). That is the mean alone, without DKL's standard "
        f"deviation, and with the scaling of the inputs. The network has {counted(depth['NN'], 'hidden layer')} and "
        f"DKL {depth['DKL']}, before its Gaussian process."
    )
else:
    seen_speed = nothing
display.glue("seen_speed", seen_speed)
display.glue("seen_reached", f"At the largest size each reaches: {'; '.join(reached)}." if reached else nothing)


def against(first, second):
    """Sentences about one model against another, paired by fold: a short one and a long one."""
    pairs = findings.compare(records, first, second)
    few = in_few_folds(records[~records["n_train"].isin(pairs["n_train"])], first, second)
    if pairs.empty:
        text = (
            f"Where not every fold has both, {first}'s test error is {few}."
            if few
            else f"There is no size at which both {first} and {second} have results here."
        )
        return text, text
    folds = int(pairs["folds"].max())
    within = (
        "every fold"
        if folds == p.n_folds
        else "the one fold that both have"
        if folds == 1
        else f"the {folds} folds that both have"
    )
    wide_paper = paper.pivot(index="n_train", columns="model", values="mae_test_meV")
    theirs = (wide_paper[first] / wide_paper[second]).reindex(pairs["n_train"]).to_numpy()
    ends = pairs.iloc[sorted({0, len(pairs) - 1})]
    parts = [
        f"{row.ratio:.2f} times {second}'s at N = {row.n_train:,.0f}"
        + (f" ({row.low:.2f} to {row.high:.2f})" if row.folds > 1 else "")
        for row in ends.itertuples()
    ]
    published_ends = [
        f"{theirs[i]:.2f} at N = {pairs['n_train'].iloc[i]:,}"
        for i in sorted({0, len(pairs) - 1})
        if np.isfinite(theirs[i])
    ]
    short = f"{first}'s error is {' and '.join(parts)}."
    ahead = int((pairs["ratio"] < 1).sum())
    every = int((pairs["ahead"] == pairs["folds"]).sum())
    long = short
    if pairs["folds"].max() > 1:
        long += (
            " (In brackets: 90 % of bootstrap samples over the folds, paired; with few folds that share training data, "
            "a lower bound of the uncertainty.)"
        )
    if published_ends:
        long += f" The published values give {listed(published_ends)}."
    long += f" {first} has the lower error at {ahead} of {len(pairs)} sizes, in {within} at {every}."
    cross, published_cross = (
        findings.crossover(records, first, second),
        findings.published_crossover(paper, first, second),
    )
    there = (
        f"the published curves cross at about N = {about(published_cross)}"
        if np.isfinite(published_cross)
        else "the published curves do not cross"
    )
    if np.isfinite(cross.value):
        among = f" Among the sizes that are in {within}"
        long += (
            f"{among}, {first} errs less from about N = {about(cross.value)} on ({about(cross.low)} to "
            f"{about(cross.high)}); {there}."
        )
        further = pairs.loc[pairs["n_train"] > cross.value, "n_train"]
        alone = f" Only one of them, N = {further.iloc[0]:,}, lies beyond." if len(further) == 1 else ""
        long += alone
        short += f"{among}, it errs less from about N = {about(cross.value)} on; {there}.{alone}"
    else:
        last = pairs.iloc[-1]
        state = (
            f"errs less at the largest size in {within}"
            if last["ratio"] < 1
            else f"is not overtaken by the largest size in {within}"
        )
        who = first if last["ratio"] < 1 else second
        long += f" The curves do not cross once and for all here: {who} {state}; {there}."
    if few:
        short += f" In fewer folds it is {few}."
        long += f" In fewer folds its error is {few}."
    return short, long


def by_size(fits, first, second):
    """Two models of this page compared at each size in the folds that both have there, one row for each size."""
    if not {first, second} <= set(p.models):
        return []
    pairs = (findings.compare(part, first, second) for _, part in fits.groupby("n_train"))
    return [row for pair in pairs for row in pair.itertuples()]


def in_few_folds(fits, first, second):
    """Each size's ratio of two models' errors in the folds that both have there, in words; these may be few."""
    theirs = paper.pivot(index="n_train", columns="model", values="mae_test_meV")
    theirs = (theirs[first] / theirs[second]).dropna()
    return listed(
        f"{row.ratio:.2f} times {second}'s at N = {row.n_train:,} ("
        + ("one fold" if row.folds == 1 else f"less in {row.ahead} of {row.folds} folds")
        + (f"; published: {theirs[row.n_train]:.2f})" if row.n_train in theirs else ")")
        for row in by_size(fits, first, second)
    )


def with_more(first, second):
    """A sentence about two models that were trained on more environments."""
    ratios = in_few_folds(whole_records[whole_records["n_train"] > largest], first, second)
    return f"Trained on environments of all trajectories, {first}'s test error is {ratios}." if ratios else ""


def ended_early():
    """A sentence about each size of a comparison at which the limit of epochs ended trainings."""
    sentences = []
    many = every_fit[every_fit["n_train"] > MANY].dropna(subset=["mae_test_meV"])
    compared = {n for pair in (("NN", "GPR"), ("DKL", "NN")) for n in (row.n_train for row in by_size(many, *pair))}
    for n, fits in many[many["n_train"].isin(compared)].groupby("n_train"):
        limits = {model: most_epochs(model, int(n)) for model in NETWORKS if model in set(fits["model"])}
        ended = [
            f"{limit} for {model}"
            for model, limit in limits.items()
            if (fits.loc[fits["model"] == model, "epochs"] == limit).any()
        ]
        if ended:
            sentences.append(
                f"At N = {n:,} trainings ended at the limit of epochs ({listed(ended)}); with more, the ratios may be "
                "others."
            )
    return " ".join(sentences)


def other_rates():
    """A sentence about the larger sizes at which both networks are compared and trained at other learning rates."""
    both = [row.n_train for row in by_size(whole_records[whole_records["n_train"] > largest], *NETWORKS)]
    rates = {n: {model: DEFAULTS[model](n)["learning_rate"] for model in NETWORKS} for n in both}
    differ = listed(
        f"N = {n:,} ({listed(f'{rate:g} for {model}' for model, rate in at.items())})"
        for n, at in rates.items()
        if len(set(at.values())) > 1
    )
    return f"The networks are trained at different learning rates at {differ}." if differ else ""


more_sentences = [with_more("NN", "GPR"), with_more("DKL", "NN"), other_rates(), ended_early()]
seen_whole = " ".join(filter(None, more_sentences))
if whole is not None:
    last = [part.loc[part["n_train"].idxmax()] for _, part in whole.groupby("model", sort=False)]
    seen_whole += " The largest sets give " + "; ".join(
        f"{row['model']} {row['mae_test_meV']:.1f} meV in test and {row['mae_train_meV']:.1f} meV in training at "
        f"N = {row['n_train']:,} ({counted(row['folds'], 'fold')})"
        for row in last
    )
    seen_whole += "."
    if any(row["folds"] == 1 for row in last):
        seen_whole += (
            " What comes from one fold is one training: it has no spread, and another seed may give another error."
        )
display.glue("seen_whole", seen_whole.strip() or "There are no fits with more environments for these data.")
display.glue("short_whole", " ".join(filter(None, more_sentences)))

for name, first, second in (("ratio", "NN", "GPR"), ("deep", "DKL", "NN")):
    if first in p.models and second in p.models:
        short, long = against(first, second)
    else:
        short = long = f"{first} and {second} are not both among the models of this page."
    display.glue(f"short_{name}", short)
    display.glue(f"seen_{name}", long)


def at_same_rate():
    """DKL against the network where both were trained at the same learning rate: a short sentence and a long text."""
    pairs = findings.compare(records, "DKL", "NN")
    if pairs.empty or not p.use_store:
        return "", ""
    n = int(pairs["n_train"].iloc[-1])
    slow, fast = (DEFAULTS[model](n)["learning_rate"] for model in ("DKL", "NN"))
    networks, kernels = comparison.at_rate("NN", (n,), slow), comparison.at_rate("DKL", (n,), fast, restarts=0)
    if slow == fast or not (len(networks) or len(kernels)):
        return "", ""
    usual = records[records["n_train"] == n]

    def of(first, second):
        """The ratio of two sets of fits in the folds that both have."""
        return findings.compare(pd.concat([first.assign(model="1"), second.assign(model="2")]), "1", "2").iloc[0]

    def ratio(first, second):
        """The same in words."""
        pair = of(first, second)
        around = f" ({pair['low']:.2f} to {pair['high']:.2f})" if pair["folds"] > 1 else ""
        return f"{pair['ratio']:.2f}{around}", f"less in {pair['ahead']:.0f} of {counted(int(pair['folds']), 'fold')}"

    nn, dkl = (usual[usual["model"] == model] for model in ("NN", "DKL"))
    short = f"At N = {n:,} the two differ in their learning rates as well, which is asked below."
    text = f"At N = {n:,} DKL was trained at a learning rate of {slow:g}, the network at {fast:g}."
    if len(networks):
        change, (times, ahead) = ratio(networks, nn)[0], ratio(dkl, networks)
        text += (
            f" At DKL's rate the network's error is {change} times as large as at its own, and DKL's is {times} times "
            f"that, {ahead}."
        )
        lead, left = pairs["ratio"].iloc[-1], of(dkl, networks)["ratio"]
        if lead < 1 and left > np.sqrt(lead):
            text += " So most of DKL's lead at this size is due to its learning rate."
            short = f"At N = {n:,} most of the lead is due to another learning rate."
    if len(kernels):
        energy = data.load().local_energy_eV
        learned = kernels[kernels["mae_test_meV"] < 900 * float(np.abs(energy - energy.mean()).mean())]
        failed = len(kernels) - len(learned)
        text += f" At the network's rate {failed} of {len(kernels)} trainings of DKL fail"
        if len(learned):
            times, ahead = ratio(learned, nn)
            text += f"; in the others its error is {times} times the network's, {ahead}"
        text += "."
    return short, text


short, long = at_same_rate() if {"DKL", "NN"} <= set(p.models) else ("", "")
display.glue("short_rates", short)
display.glue("seen_rates", long)

# %% [markdown]
# ## What one sees
#
# **How fast the error falls.** {glue:text}`seen_slope`
#
# **GPR and the network.** {glue:text}`seen_ratio` The paper reports a clear advantage of GPR for small training sets,
# which shrinks as they grow, until the network is ahead. Data, teacher, descriptor and the network's settings all
# differ from the paper's; what the teacher does to the ratio is asked below.
#
# **More environments.** {glue:text}`seen_whole`
#
# **Deep kernels.** {glue:text}`seen_deep` {glue:text}`seen_rates` The paper finds DKL slightly ahead of the network, at
# about a hundred times its prediction cost. {glue:text}`seen_speed` The archived time of the authors' network is too
# short to be that of a computation, so that the hundredfold cannot be checked against it.
#
# **How far they get.** {glue:text}`seen_reached` (Mean and standard deviation over folds; the latter is not a standard
# error, because folds share training data.)

# %% [markdown]
# ## How sure are the ratios?
#
# There are few folds, and they share most of their training data. But every trajectory is in the test set of one fold,
# so that two models can also be compared trajectory by trajectory. Two things are then left to chance: which training
# set a model had, and which trajectories it met. A bootstrap imitates both. It draws folds with replacement, and
# within each of them its test trajectories. {glue:text}`trajectory_remark`

# %% tags=["hide-input"]
grid = replace(comparison, sizes=tuple(n for n in p.trajectory_sizes if n <= largest))
on_trajectories = by_trajectory(trajectory_errors(grid, use_store=p.use_store, compute=p.compute))
densities = pd.Series(data.load().density_g_cm3).groupby(data.load().trajectory).first()
by_pair, scattered, sentences = {}, {}, []
for first, second in (("NN", "GPR"), ("DKL", "NN")):
    compared = findings.compare_by_trajectory(on_trajectories, first, second)
    if compared.empty:
        continue
    name, last = f"{first} / {second}", compared.iloc[-1]
    by_pair[name] = compared
    rows = on_trajectories[on_trajectories["n_train"] == last["n_train"]]
    wide = rows.pivot_table(index="trajectory", columns="model", values="mae_meV").dropna(subset=[first, second])
    scattered[name] = pd.DataFrame({"density_g_cm3": densities.loc[wide.index], "ratio": wide[first] / wide[second]})
    sentence = (
        f"At N = {last['n_train']:,.0f}, {first}'s error on all environments is {last['ratio']:.2f} times {second}'s "
        f"({last['low']:.2f} to {last['high']:.2f}). {first} errs less on {last['ahead']:.0f} of "
        f"{last['trajectories']:.0f} trajectories"
    )
    trend = findings.rank_correlation(
        scattered[name]["density_g_cm3"],
        scattered[name]["ratio"],
        rows.groupby("trajectory")["fold"].first()[wide.index],
    )
    if np.isfinite(trend.value):
        sentence += (
            f"; the rank correlation of the ratio with the mass density is {trend.value:+.2f} ({trend.low:+.2f} to "
            f"{trend.high:+.2f})"
        )
        if trend.low * trend.high > 0:
            denser, lighter = (first, second) if trend.value < 0 else (second, first)
            sentence += f", which means that dense structures favour {denser}, and light ones {lighter}"
    sentences.append(sentence + ".")
if by_pair:
    display.show_table(
        pd.concat([part.assign(models=name) for name, part in by_pair.items()])[
            ["models", "n_train", "ratio", "low", "high", "trajectories", "ahead"]
        ].rename(columns={"n_train": "N", "low": "5 %", "high": "95 %", "ahead": "first errs less in"}),
        name="by-trajectory",
        caption="Ratio of the test errors of two models on all environments of the trajectories that both were tested "
        f"on, percentiles of {findings.RESAMPLES} bootstrap samples, the number of trajectories, and in how many of "
        "them the first model errs less.",
        formats={"N": "{:,.0f}", **dict.fromkeys(["ratio", "5 %", "95 %"], "{:.3f}")},
    )
    display.show(
        figures.ratios_by_trajectory(scattered),
        name="by-trajectory",
        caption="Ratio of two models' test errors on each trajectory against its mass density, at N = "
        + ", ".join(f"{by_pair[name]['n_train'].max():,} ({name})" for name in scattered)
        + ". Below the line the first model errs less.",
        alt="Scatter of ratios against density. "
        + " ".join(
            f"{name}: {part['ratio'].min():.2f} to {part['ratio'].max():.2f}, median {part['ratio'].median():.2f}."
            for name, part in scattered.items()
        ),
        data=pd.concat([part.assign(models=name) for name, part in scattered.items()]).reset_index(),
    )
    trajectory_remark = (
        "This is done "
        + " and ".join(
            f"for {name} at N = {', '.join(f'{n:,}' for n in part['n_train'])}" for name, part in by_pair.items()
        )
        + ". The models are fitted anew for this; on another machine a network's error may differ by a few per cent. "
        "Larger sets were left out because of what these fits cost: for those only the folds tell how sure a ratio is."
    )
    sentences.append(
        "(In brackets: 90 % of the bootstrap samples, of folds and trajectories also for the correlation.) The ratio "
        "of all errors is not the typical ratio of a trajectory: where errors are large, they count more."
    )
else:
    trajectory_remark = "The fits that would tell are not in the store, or two models are not both on this page."
display.glue("trajectory_remark", trajectory_remark)
display.glue("seen_trajectories", " ".join(sentences))

# %% [markdown]
# {glue:text}`seen_trajectories`

# %% [markdown]
# ## Which atoms are hard
#
# {glue:text}`kinds_remark`


# %% tags=["hide-input"]
names = {"sp": "sp", "sp2": "sp²", "sp3": "sp³"}
if symbol != "C":
    names = {"sp": "2 neighbours", "sp2": "3 neighbours", "sp3": "4 neighbours"}
kinds = {key: name for key, name in names.items() if curves[f"mae_{key}_meV"].notna().any()}
labels = {key: COORDINATION_LABELS[key] if symbol == "C" else name for key, name in kinds.items()}
if not kinds:
    kinds_remark = (
        f"No errors are known here for atoms with two, three or four neighbours within {bond_A(symbol):g} Å, so that "
        "they are not told apart."
    )
elif is_own(p.dataset):
    kinds_remark = "Most of the data are sp² atoms. Errors by coordination number show whether the rarer kinds suffer."
else:
    kinds_remark = "Errors by coordination number, from two to four, show whether some kinds of atoms are harder."
display.glue("kinds_remark", kinds_remark)


def spell_coordination(model):
    """Errors by coordination at the largest size in words, for the alternative text."""
    if not known(model):
        return f"{model}: 0 results in the store"
    last = known(model)[-1]
    parts = [(name, value(model, last, f"mae_{key}_meV")) for key, name in kinds.items()]
    parts = [f"{name} {number:.0f} meV" for name, number in parts if np.isfinite(number)]
    return f"{model} at N = {last}: {', '.join(parts)}"


if kinds:
    display.show(
        figures.by_coordination(curves, labels),
        name="by-coordination",
        caption=(f"Test error by number of neighbours of the atom (within {bond_A(symbol):g} Å), mean over the folds."),
        alt=f"Test error against training-set size by kind of atom ({', '.join(kinds.values())}), one panel per model. "
        + "; ".join(spell_coordination(model) for model in p.models)
        + ".",
        data=curves[["model", "n_train", *(f"mae_{key}_meV" for key in kinds)]],
    )

# %% [markdown]
# ## Training and test error
#
# The distance between training and test error is the generalisation gap.


# %% tags=["hide-input"]
def spell_training(model):
    """Training and test error at the largest size in words, for the alternative text."""
    if not known(model):
        return f"{model}: 0 results in the store"
    last = known(model)[-1]
    train, test = value(model, last, "mae_train_meV"), value(model, last)
    return f"{model} at N = {last}: training {train:.0f}, test {test:.0f} meV"


display.show(
    figures.train_and_test(curves),
    name="train-test",
    caption=(
        "Training error (open symbols, dotted lines) and test error (filled symbols, solid lines), mean over the "
        "folds. Training errors are taken on at most 10,000 of the training environments, and for networks without "
        "those that were held out for validation."
    ),
    alt="Training and test error against training-set size. "
    + "; ".join(spell_training(model) for model in p.models)
    + ".",
    data=curves[["model", "n_train", "mae_train_meV", "mae_test_meV"]],
)

# %% [markdown]
# ## Does the teacher matter?
#
# The labels are those of a GAP: the sum of a pair term, an angle term and kernels on SOAP vectors. A model that starts
# from SOAP vectors, GPR above all, may find such labels easier to learn than others. The structures of this book's data
# have therefore been labelled by another potential as well, which was fitted to the same QM cells: a proper orthogonal
# descriptor (POD) potential {cite}`nguyen2023proper`, which knows nothing of SOAP. A limit: the prior scale of our
# GAP's SOAP term is small beside those of the other two ([The dataset](01_dataset.ipynb)), so that the test is weaker
# than it would be for C-GAP-17. {glue:text}`teacher_remark`

# %% tags=["hide-input"]
GAP, POD = "GAP", "POD"
teacher_pairs = {}
other_records = pd.DataFrame()
at = ()
if p.dataset == "embedded" and p.n_trajectories is None and p.use_store:
    at = tuple(n for n in sizes_used if n <= 10_000)
if at:
    other_records = replace(comparison, dataset=Dataset("embedded-pod", seed=p.seed), sizes=at).records()
    other_records = other_records.dropna(subset=["mae_test_meV"])
if len(other_records) and {"NN", "GPR"} <= set(other_records["model"]) & set(p.models):
    for first, second in (("NN", "GPR"), ("DKL", "NN")):
        both = {
            GAP: findings.compare(records, first, second),
            POD: findings.compare(other_records, first, second),
        }
        common = set.intersection(*(set(part["n_train"]) for part in both.values()))
        if common:
            teacher_pairs[f"{first} / {second}"] = {
                name: part[part["n_train"].isin(common)] for name, part in both.items()
            }
if teacher_pairs:
    pod = Dataset("embedded-pod").load().local_energy_eV
    gap = data.load().local_energy_eV
    teacher_remark = (
        "It shares energy among atoms in another way: its labels correlate with the GAP's by "
        f"{np.corrcoef(gap, pod)[0, 1]:.2f} and spread by {1000 * pod.std():.0f} instead of {1000 * gap.std():.0f} meV."
    )
    display.show(
        figures.teacher_ratios(teacher_pairs),
        name="other-teacher",
        caption="Ratio of the test errors of two models in the same fold, geometric mean over the folds, for the "
        "labels of two teachers. Bars: 90 % of bootstrap samples over the folds.",
        alt="Ratios against training-set size. "
        + " ".join(
            f"{name}, {teacher}: "
            + ", ".join(f"{row.ratio:.2f} at N = {row.n_train}" for row in part.itertuples())
            + "."
            for name, by_teacher in teacher_pairs.items()
            for teacher, part in by_teacher.items()
        ),
        data=pd.concat(
            [
                part.assign(models=name, teacher=teacher)
                for name, by_teacher in teacher_pairs.items()
                for teacher, part in by_teacher.items()
            ],
            ignore_index=True,
        ),
    )

    def share(model):
        """Error on the GAP's labels as a percentage of their spread."""
        return 100 * value(model, last) / (1000 * gap.std())

    by_size = other_records.groupby(["model", "n_train"])["mae_test_meV"].mean().unstack(0)
    last = int(by_size.dropna(subset=["GPR", "NN"]).index[-1])
    means = {
        name: {teacher: float(np.exp(np.log(part["ratio"]).mean())) for teacher, part in by_teacher.items()}
        for name, by_teacher in teacher_pairs.items()
    }
    sizes_text = "; ".join(
        f"{name} up to N = {max(part['n_train'].max() for part in by_teacher.values()):,}"
        for name, by_teacher in teacher_pairs.items()
    )
    seen_teacher = (
        "The ratio "
        + "; ".join(
            f"{name} is {value[GAP]:.2f} with the GAP's labels and {value[POD]:.2f} with the POD's"
            for name, value in means.items()
        )
        + f" (geometric means over the sizes that both have: {sizes_text}). At N = {last:,}, GPR errs by "
        f"{by_size.loc[last, 'GPR']:.0f} "
        f"and NN by {by_size.loc[last, 'NN']:.0f} meV on the POD's labels: "
        f"{100 * by_size.loc[last, 'GPR'] / (1000 * pod.std()):.1f} and "
        f"{100 * by_size.loc[last, 'NN'] / (1000 * pod.std()):.1f} % of their spread; on the GAP's, "
        f"{share('GPR'):.1f} and {share('NN'):.1f} %. "
        + (
            "So the GAP's labels do not favour GPR more than those of a potential without SOAP."
            if means["NN / GPR"][POD] > means["NN / GPR"][GAP]
            else "GPR's advantage is larger with the GAP's labels, whose SOAP kernels may favour it."
        )
    )
else:
    teacher_remark = "The comparison needs these data and stored results, which this run does not use."
    seen_teacher = "There is no such comparison for this run."
display.glue("teacher_remark", teacher_remark)
display.glue("seen_teacher", seen_teacher)

# %% [markdown]
# {glue:text}`seen_teacher`

# %% [markdown]
# ## What it cost
#
# Mean over the folds. For NN and DKL, the seconds of each fit and of predicting the test set of one fold. For GPR,
# whose sizes come from one pass, the seconds from the start of the pass until this size was done; the test set is
# predicted with all models of a pass at once. [Insights into Gaussian process regression](04_gpr_insights.ipynb)
# divides these costs further. The authors' times are their own wall times on their own machines; their test set has
# 264,000 environments. A GPU that trains several networks at once takes longer for each of them than it would for one.

# %% tags=["hide-input"]
on = (
    every_fit.dropna(subset=["on"]).groupby(["model", "n_train"])["on"].agg(lambda names: ", ".join(sorted(set(names))))
)
cost = (
    summary(every_fit.sort_values("n_train", kind="stable"))
    .sort_values("model", key=lambda names: names.map(p.models.index), kind="stable")[
        ["model", "n_train", "folds", "fit_s", "predict_s"]
    ]
    .dropna()
    .merge(on.reset_index(), how="left")
    .merge(
        paper[["model", "n_train", "train_s"]].rename(columns={"train_s": "authors_fit_s"}),
        on=["model", "n_train"],
        how="left",
    )
)
display.show_table(
    cost.rename(
        columns={
            "n_train": "N",
            "fit_s": "fit (s)",
            "predict_s": "predict the test set (s)",
            "on": "computed on",
            "authors_fit_s": "authors' fit (s)",
        }
    ),
    name="cost",
    caption="Cost of each fit on the machines that made the records, processors with two cores or the GPU named. Fits "
    "may have shared their machine with others."
    + ("" if whole is None else f" Beyond N = {largest:,}: all trajectories, whose test sets are larger."),
    formats={
        "N": "{:,.0f}",
        "folds": "{:.0f}",
        "fit (s)": "{:,.1f}",
        "predict the test set (s)": "{:.1f}",
        "authors' fit (s)": "{:,.1f}",
    },
)
