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
# # Descriptors and models
#
# **In short.** A regression needs each atom's surroundings as a list of numbers. The paper uses the SOAP power
# spectrum. This chapter shows what it looks like for real atoms, how it becomes a kernel, and which models work on
# it: the parts of Fig. 2b-e. It then asks how much the setting of SOAP matters. {glue:text}`short_settings`
# {glue:text}`short_convergence`
#
# **What differs from the paper.** {glue:text}`data_remark` (see [The dataset](01_dataset.ipynb)). The authors computed
# SOAP with quippy; this book uses DScribe {cite}`himanen2020dscribe` and puts quippy beside it. The picture of the deep
# kernel is a schematic; [Learning curves](03_learning_curves.ipynb) trains such models.

# %% tags=["parameters"]
profile = "book"  # which set of parameters this is
dataset = "embedded"  # "embedded", "embedded-all", "paper", or a folder of extended XYZ files
n_trajectories = None  # use this many trajectories; None: all
n_structures = 12  # final frames used for examples, convergence, invariance and timing
n_kernel = 20  # environments of each kind in the kernel matrices
n_pairs = 3000  # pairs of environments on which settings are compared
n_network = 1000  # environments that the network drawn is trained on
sizes = [310, 1000, 3100, 10000]  # numbers of training environments of the SOAP settings
candidate_sizes = [1000, 3100, 10000]  # the same for the candidate weightings
n_folds = 5  # cross-validation folds, by trajectory
max_test = 10000  # at most this many test environments per fold; None: all
n_sparse = 3100  # representative points of GPR, at most
sigma_meV = 10.0  # regularisation of GPR
zeta = 4  # exponent of the SOAP kernel
seed = 0  # seeds every random choice on this page
use_store = True  # read stored results
compute = False  # compute results that the store lacks

# %% tags=["hide-input"]
from dataclasses import replace

import numpy as np
import pandas as pd
from ase.data import atomic_names, atomic_numbers

from synthetic_atoms import published
from synthetic_atoms.book import display, parameters
from synthetic_atoms.categories import atom_label, categories_of, how_many, short_label, spelled
from synthetic_atoms.datasets import data_card
from synthetic_atoms.descriptors import (
    SOAP_SETTINGS,
    coordination_numbers,
    features,
    power_spectrum,
    settings_table,
    soap_settings,
)
from synthetic_atoms.descriptors.coordination import CARBON_BOND_A, bond_A
from synthetic_atoms.experiments import descriptor_settings as experiment
from synthetic_atoms.experiments import environments
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.experiments.gpr_grid import Study, Sweep
from synthetic_atoms.figures import descriptors as figures
from synthetic_atoms.figures import models as model_figures
from synthetic_atoms.models.neural_network import NeuralNetwork, default_hyperparameters
from synthetic_atoms.paths import is_own

p = parameters.validate_notebook("02_descriptors_and_models", globals())

# %% [markdown]
# ## A fingerprint of an environment
#
# **What is asked.** A rotation, a shift or another numbering of the atoms does not change an energy. A good list of
# numbers should not change either.
#
# **What was done.** SOAP, the smooth overlap of atomic positions {cite}`bartok2013representing`, puts a Gaussian on
# every neighbour and expands their sum around the central atom in radial functions $R_n$ and spherical harmonics:
#
# $$\rho(\mathbf{r}) = \sum_{n=1}^{n_\mathrm{max}}\sum_{l=0}^{l_\mathrm{max}}\sum_{m=-l}^{l}
# c_{nlm}\, R_n(r)\, Y_{lm}(\hat{\mathbf{r}}).$$
#
# Sums over $m$ of products of coefficients do not change with a rotation. They are the power spectrum,
#
# $$p_{nn'l} = \pi \sqrt{\tfrac{8}{2l+1}} \sum_m c_{nlm}^{*}\, c_{n'lm},$$
#
# here for $n_\mathrm{max}$ = {glue:text}`n_max` and $l_\mathrm{max}$ = {glue:text}`l_max`, as in the paper:
# {glue:text}`n_features` different numbers, scaled to a vector of unit length. Two more lengths decide what an atom
# sees: the cutoff $r_\mathrm{cut}$ and the width $\sigma_\mathrm{at}$ of the Gaussians. {glue:text}`lengths_remark`

# %% tags=["hide-input"]
used = Dataset(p.dataset, n_trajectories=p.n_trajectories, seed=p.seed)
data = used.load()
chosen = environments.spread_final_frames(data, p.n_structures)
structures = [data.atoms(i) for i in chosen]
rows = np.concatenate([np.arange(data.offsets[i], data.offsets[i + 1]) for i in chosen])
atom_of_row = np.concatenate([np.arange(len(one)) for one in structures])
frame_of_row = np.repeat(np.arange(len(structures)), [len(one) for one in structures])
vectors = power_spectrum(structures)
coordination = coordination_numbers(structures)
tuned = soap_settings("tuned")
bond = bond_A(data.symbol)
categories = categories_of(data.symbol, coordination)
counts = {name: int((coordination == number).sum()) for name, number in categories.items()}
least = 2 if max(counts.values()) > 1 else 1  # of a kind, so that it can be compared with its own
kinds = {name: number for name, number in categories.items() if counts[name] >= least}
labels = {name: short_label(name) for name in kinds}

typical = {
    name: environments.typical_environment(vectors, np.flatnonzero(coordination == number))
    for name, number in kinds.items()
}
spectra = {name: environments.spectrum_table(vectors[index], tuned) for name, index in typical.items()}
positions = {
    name: environments.neighbourhood(structures[frame_of_row[index]], int(atom_of_row[index]), tuned.r_cut_A)
    for name, index in typical.items()
}
names = list(typical)
overlap = vectors[list(typical.values())].astype(float)
overlap = overlap @ overlap.T
closest = [
    f"{labels[names[i]]} and {labels[names[j]]} {overlap[i, j]:.3f}"
    for i in range(len(names))
    for j in range(i + 1, len(names))
]
display.glue("n_max", tuned.n_max)
display.glue("l_max", tuned.l_max)
display.glue("n_features", tuned.n_features)
display.glue("r_cut", tuned.r_cut_A)
display.glue("sigma_at", tuned.sigma_A)
display.glue("n_structures_used", len(structures))
display.glue("n_examples", len(vectors))
display.glue(
    "overlaps_remark",
    f"The dot products of those shown are: {', '.join(closest)}."
    if closest
    else f"With one kind of atom, the lowest dot product of any two of the atoms is {(vectors @ vectors.T).min():.3f}.",
)
in_reach = np.concatenate([coordination_numbers(one, tuned.r_cut_A) for one in structures]).mean()
element = atomic_names[atomic_numbers[data.symbol]].lower()
if data.symbol == "C":
    lengths_remark = "The lengths used here were chosen for carbon, as those of the paper were."
else:
    lengths_remark = (
        f"The lengths used here were chosen for carbon and are kept for {element}, whose bonds are about "
        f"{bond / CARBON_BOND_A:.2f} times as long: an atom sees {in_reach:.1f} others within the cutoff of "
        f"{tuned.r_cut_A:g} Å on average. Lengths made for {element} may well give lower errors than those below."
    )
display.glue("lengths_remark", lengths_remark)
display.glue(
    "data_remark",
    "Data and labels are our own" if is_own(p.dataset) else f"This run has other data: {element}, '{data.name}'",
)


def share_of_degree(name, degree):
    """Share of a spectrum's squared length that one degree holds, in per cent."""
    table = spectra[name]
    return 100 * float((table.loc[table["l"] == degree, "value"] ** 2).sum())


higher = {name: 100 - share_of_degree(name, 0) for name in spectra}
display.glue("higher", ", ".join(f"{labels[name]} {value:.0f} %" for name, value in higher.items()))
display.glue("around", ", ".join(f"{len(positions[name]) - 1} around the {atom_label(name)}" for name in positions))

# %% tags=["hide-input"]
behind = [table.assign(kind=name, part="feature") for name, table in spectra.items()]
behind += [
    pd.DataFrame(around, columns=["x_A", "y_A", "z_A"]).assign(kind=name, part="atom")
    for name, around in positions.items()
]
display.show(
    figures.power_spectra(positions, spectra, tuned.r_cut_A, categories, bond_A=bond),
    name="power-spectra",
    caption=(
        f"Left: typical atoms with {spelled(kinds)} in final frames of the data, "
        "coloured, with all atoms within the cutoff (dashed circle); lighter atoms lie behind, bonds join atoms within "
        f"{bond:g} Å. Right: their power spectra, degree by degree. Compare the paper's Fig. 2b "
        "{cite}`gardner2023synthetic`."
    ),
    alt=f"Neighbourhoods and power spectra of {how_many(len(names), 'atom')}, {tuned.n_features} features each. "
    + " ".join(
        f"{labels[name]}: {len(positions[name]) - 1} atoms within {tuned.r_cut_A:g} Å, {higher[name]:.0f} % of the "
        "squared length in degrees above 0."
        for name in names
    ),
    data=pd.concat(behind, ignore_index=True)[["kind", "part", "l", "n", "n_prime", "value", "x_A", "y_A", "z_A"]],
)

# %% [markdown]
# **What one sees.** The atoms shown are the most typical of their kind: of all {glue:text}`n_examples:,` atoms in
# {glue:text}`n_structures_used` final frames, the ones most similar on average to the others with as many neighbours.
# Within $r_\mathrm{cut}$ = {glue:text}`r_cut:.1f` Å there are {glue:text}`around`.
#
# **What it means.** Degree $l = 0$ holds what does not depend on direction: how many atoms, how far away. The higher
# degrees hold the angles. Their share of the squared length is small: {glue:text}`higher`. All vectors therefore
# point nearly the same way. {glue:text}`overlaps_remark` A kernel has to make much of small differences.

# %% [markdown]
# ## The SOAP kernel
#
# **What is asked.** How alike are two environments? The kernel is the dot product of their power spectra to a power,
#
# $$k(\mathbf{x}, \mathbf{x}') = (\mathbf{x}\cdot\mathbf{x}')^\zeta,$$
#
# with $\zeta = 4$ in the paper. What does the power do?

# %% tags=["hide-input"]
rng = np.random.default_rng(p.seed)
members = []
for name, number in kinds.items():
    own = rng.permutation(np.flatnonzero(coordination == number))[: p.n_kernel]
    members.append(own[np.argsort(-(vectors[own] @ vectors[typical[name]]), kind="stable")])
members = np.concatenate(members)
own_kinds = coordination[members]
similarity = vectors[members].astype(float)
similarity = np.minimum(similarity @ similarity.T, 1.0)
summary = environments.kernel_summary(similarity, own_kinds)
by_zeta = summary.set_index("zeta")

entries = pd.DataFrame(similarity).rename_axis("row").reset_index().melt("row", var_name="column", value_name="zeta_1")
entries["zeta_4"] = entries["zeta_1"] ** 4
entries.insert(2, "row_neighbours", own_kinds[entries["row"]])
entries.insert(3, "column_neighbours", own_kinds[entries["column"].astype(int)])
display.show(
    figures.kernel_matrices(similarity, own_kinds, (1, 4), categories),
    name="kernel-matrices",
    caption=(
        "The SOAP kernel between environments of final frames, sorted by number of neighbours and, within each kind, "
        "by similarity to its most typical atom. Left: the plain dot product. Right: its fourth power, the paper's "
        "kernel. Compare the paper's Fig. 2c {cite}`gardner2023synthetic`."
    ),
    alt=f"Two matrices of {len(members)} by {len(members)} kernel values"
    + (" with bright diagonal blocks. " if len(kinds) > 1 else ". ")
    + " ".join(
        f"Zeta {z}: "
        + (f"mean {by_zeta.loc[z, 'same_kind']:.3f} between atoms of one kind, " if least > 1 else "")
        + f"lowest value {by_zeta.loc[z, 'lowest']:.3f}."
        for z in (1, 4)
    ),
    data=entries,
)

# %% tags=["hide-input"]
display.show_table(
    summary,
    name="kernel-zeta",
    caption=(
        "What the power does. Effective dimension: squared sum of the eigenvalues of the kernel matrix over the sum of "
        "their squares. It is 1 if all environments are alike, and their number if none resembles another."
    ),
    formats={
        "same_kind": "{:.3f}",
        "different_kind": "{:.3f}",
        "lowest": "{:.3f}",
        "effective_dimension": "{:.2f}",
    },
    headers={
        "zeta": "$\\zeta$",
        "same_kind": "mean, same kind",
        "different_kind": "mean, different kinds",
        "lowest": "lowest",
        "effective_dimension": "effective dimension",
    },
)
display.glue("n_members", len(members))
for z in (1, 4):
    display.glue(f"dimension_{z}", by_zeta.loc[z, "effective_dimension"])
one, four = by_zeta.loc[1], by_zeta.loc[4]
if len(kinds) > 1 and least > 1:
    kernel_remark = (
        f"Atoms of one kind form blocks. With ζ = 1 even different kinds have a kernel of {one['different_kind']:.3f} "
        f"on average, and no value is below {one['lowest']:.3f}. With ζ = 4 these become {four['different_kind']:.3f} "
        f"and {four['lowest']:.3f}, against {four['same_kind']:.3f} between atoms of one kind."
    )
else:
    kernel_remark = (
        f"With ζ = 1 no value is below {one['lowest']:.3f}, with ζ = 4 none below {four['lowest']:.3f}. There are no "
        "blocks, for want of several atoms of different kinds."
    )
display.glue("kernel_remark", kernel_remark)

# %% [markdown]
# **What one sees.** {glue:text}`kernel_remark`
#
# **What it means.** The power spreads the values. The effective dimension of these {glue:text}`n_members`
# environments grows from {glue:text}`dimension_1:.2f` to {glue:text}`dimension_4:.2f`. It also brings in products of
# features: a fit with $\zeta = 4$ is a polynomial of degree four in the power spectrum, where $\zeta = 1$ is only
# linear.

# %% [markdown]
# ## The neural network
#
# **What was done.** The network takes the same vector as its input. Each of its hidden units forms a weighted sum of
# the layer before and bends it with a CELU {cite}`barron2017continuously`; the last layer gives one energy. The one
# drawn is the default of [the learning curves](03_learning_curves.ipynb) for {glue:text}`n_network_used:,` training
# environments, trained here on that many {glue:text}`network_frames`, for at most {glue:text}`max_epochs` epochs.

# %% tags=["hide-input"]
free_atom = data.free_atom_energy_eV if np.isfinite(data.free_atom_energy_eV) else 0.0
others = np.setdiff1d(np.arange(data.n_environments), rows)
unseen = len(others) >= 10
others = others if unseen else np.arange(data.n_environments)
train = rng.permutation(others)[: p.n_network]
max_epochs = 40
network = NeuralNetwork(**default_hyperparameters(len(train)), max_epochs=max_epochs, seed=p.seed)
network.fit(features(data, "tuned", rows=train, workers=0), data.local_energy_eV[train] - free_atom)

shown = "sp2" if "sp2" in typical else names[0]
x_shown = vectors[[typical[shown]]]
values = [x_shown[0]] + [network.hidden(x_shown, layer)[0] for layer in range(len(network.network_.layers))]
predicted = float(network.predict(x_shown)[0])
true = float(data.local_energy_eV[rows[typical[shown]]] - free_atom)
digits = max(2, 1 - int(np.floor(np.log10(max(data.local_energy_eV.std(), 1e-9)))))  # two of the energies' spread
layers = model_figures.layer_table(network.network_)

display.glue("n_network_used", len(train))
display.glue("max_epochs", max_epochs)
display.glue("epochs_run", len(network.history_))
display.glue("network_parameters", layers["parameters"].sum())
display.glue("network_mae", f"{1000 * network.validation_mae_:.{1 if network.validation_mae_ < 0.01 else 0}f}")
display.glue("network_predicted", f"{predicted:.{digits}f}")
display.glue("network_true", f"{true:.{digits}f}")
display.glue("network_shown", atom_label(shown) + (", which it has not seen" if unseen else ""))
display.glue(
    "network_frames",
    "from frames other than those of this page's examples"
    if unseen
    else "from all frames, because there are no others",
)
display.show(
    model_figures.neural_network(layers, values, predicted, true, digits),
    name="neural-network",
    caption=(
        "A trained network and what it holds for the "
        f"{atom_label(shown)} above: features in grey, activations of hidden units in blue (negative) and red "
        "(positive), scaled in each layer. A few units of each layer are drawn. Energies: "
        f"{'relative to the free atom' if np.isfinite(data.free_atom_energy_eV) else 'as stored'}. "
        "Compare the paper's Fig. 2d {cite}`gardner2023synthetic`."
    ),
    alt=f"A fully connected network: {layers['inputs'].iloc[0]} features, hidden layers of "
    + ", ".join(str(units) for units in layers["units"].iloc[:-1])
    + f" units, one output of {predicted:.{digits}f} eV where the label is {true:.{digits}f} eV.",
    data=model_figures.network_table([*values, np.array([predicted])]),
)
display.show_table(
    layers,
    name="network-layers",
    caption="The network's layers, read from its weights. Parameters are weights and biases.",
    formats={"inputs": "{:,}", "units": "{:,}", "parameters": "{:,}"},
)

# %% [markdown]
# **What one sees.** The network has {glue:text}`network_parameters:,` parameters, far more than it has training
# environments. What keeps it from learning them by heart: the weights kept are those of the epoch with the lowest
# error on environments that were held out. It ran {glue:text}`epochs_run` epochs, and that error is
# {glue:text}`network_mae` meV. For the {glue:text}`network_shown`, the network gives
# {glue:text}`network_predicted` eV; the label is {glue:text}`network_true` eV.
#
# **What differs from the paper.** The authors searched for the best depth, width, learning rate, dropout and weight
# decay; here they are fixed. The paper's best networks for large data have three hidden layers of about 800 units.

# %% [markdown]
# ## Deep kernel learning
#
# The third model joins the two {cite}`wilson2016stochastic`. A network without its last layer compresses the power
# spectrum $\mathbf{x}$ to a short vector $\mathbf{z}$. Gaussian process regression with the kernel of a radial basis
# function (RBF), which falls with the distance between two such vectors, then predicts. Both are trained together:
# the network learns a space in which near means similar in energy.

# %% tags=["hide-input"]
display.show(
    model_figures.deep_kernel(tuned.n_features),
    name="deep-kernel",
    caption=(
        "Deep kernel learning, a schematic: no model of this kind has been run for this page. Solid: parts that exist "
        "above. Dashed: the compressed space and the regression in it. Compare the paper's Fig. 2e "
        "{cite}`gardner2023synthetic`."
    ),
    alt=f"Four boxes from left to right: SOAP vector of {tuned.n_features} features, network, compressed "
    "representation, Gaussian process regression with an RBF kernel. A note says: schematic.",
    data=pd.DataFrame(
        {
            "part": ["SOAP power spectrum", "network", "compressed representation", "Gaussian process regression"],
            "outputs": [tuned.n_features, None, None, 1],
            "run_here": [True, True, False, False],
        }
    ),
)

# %% [markdown]
# ## Settings of SOAP
#
# **What is asked.** The paper's setting is $r_\mathrm{cut}$ = {glue:text}`paper_r_cut:.1f` Å, $\sigma_\mathrm{at}$ =
# {glue:text}`paper_sigma:.1f` Å, computed with quippy. Is the same setting with another program the same descriptor?
# {glue:text}`n_named` settings have a name in this book.

# %% tags=["hide-input"]
named = list(SOAP_SETTINGS)
has_quippy = experiment.is_available("quippy")
described = settings_table().reset_index()
display.show_table(
    described[["setting", "library", "r_cut_A", "sigma_A", "weighting", "r0_A", "m", "weight_at_cutoff", "reach_A"]],
    name="soap-parameters",
    caption=(
        f"The named settings; all have $n_\\mathrm{{max}}$ = {tuned.n_max} and $l_\\mathrm{{max}}$ = {tuned.l_max}. "
        "Weighting `pow` is $1/(1 + (r/r_0)^m)$, `cosine` is quippy's smooth cutoff. Reach: distance beyond which an "
        "atom has no influence. DScribe keeps atoms outside the cutoff whose Gaussians still touch it."
    ),
    formats={
        "r_cut_A": "{:.1f}",
        "sigma_A": "{:.1f}",
        "r0_A": "{:.1f}",
        "m": "{:.0f}",
        "weight_at_cutoff": "{:.3f}",
        "reach_A": "{:.2f}",
    },
    headers={
        "r_cut_A": "$r_\\mathrm{cut}$ (Å)",
        "sigma_A": "$\\sigma_\\mathrm{at}$ (Å)",
        "r0_A": "$r_0$ (Å)",
        "m": "$m$",
        "weight_at_cutoff": "weight at the cutoff",
        "reach_A": "reach (Å)",
    },
)
if has_quippy:
    quippy_remark = "quippy is installed here, and everything below was measured with it."
else:
    quippy_remark = (
        "quippy is an optional package and is not installed here. What would have to be computed with it is left out "
        "below, and shown as a dash in tables."
    )
display.glue("quippy_remark", quippy_remark)
authors = soap_settings("quippy")
display.glue("paper_r_cut", authors.r_cut_A)
display.glue("paper_sigma", authors.sigma_A)
display.glue("transition", authors.transition_width_A)
display.glue("n_named", {4: "Four"}.get(len(named), str(len(named))))

# %% [markdown]
# quippy multiplies each neighbour by a weight that falls smoothly to zero over the last {glue:text}`transition:.1f` Å
# before the cutoff. DScribe does not, unless it is told to weigh ("plain" is not; "paper-like" and "tuned" are).
# {glue:text}`quippy_remark`
#
# ### Which one predicts energies best
#
# **What was done.** Gaussian process regression as in the paper's eqn 3, $\zeta$ = {glue:text}`zeta_used`, $\sigma$ =
# {glue:text}`sigma_used:.0f` meV, at most {glue:text}`m_used:,` representative points, {glue:text}`n_folds_used`-fold
# cross-validation by trajectory, once for each setting on the same folds and environments. Test errors are taken on
# at most {glue:text}`max_test_used` environments in each fold.

# %% tags=["hide-input"]
study = Study(
    dataset=used,
    n_folds=p.n_folds,
    seed=p.seed,
    max_test=p.max_test,
    zeta=p.zeta,
)
sweep = Sweep(p.sizes, m_sparse=(p.n_sparse,), sigmas_meV=(p.sigma_meV,))
computes = p.compute or not p.use_store  # without stored results there is nothing else to show
records = experiment.compare_settings(study, sweep, named, use_store=p.use_store, compute=computes)
errors = experiment.settings_summary(records)
paper = published.table("fig3_learning_curves")
paper = paper[(paper["model"] == "GPR") & (paper["n_train"] >= min(p.sizes)) & (paper["n_train"] <= max(p.sizes))]
n_passes = 5
cost = {name: experiment.throughput(structures, name, n_passes) for name in named if name != "quippy" or has_quippy}

display.glue("zeta_used", p.zeta)
display.glue("sigma_used", p.sigma_meV)
display.glue("m_used", p.n_sparse)
display.glue("n_folds_used", p.n_folds)
display.glue("max_test_used", "all" if p.max_test is None else f"{p.max_test:,}")
display.glue("n_missing", int(records["mae_test_meV"].isna().sum()))
display.glue("n_fits", len(records))


def mae(name, size, column="mae_test_meV", table=errors):
    """One number of a summary of errors, NaN where there is none."""
    row = table[(table["soap"] == name) & (table["n_train"] == size)]
    return float(row[column].iloc[0]) if len(row) else float("nan")


def in_meV(error):
    """An error with one digit if it is small."""
    return f"{error:.0f}" if error >= 10 else f"{error:.1f}"


largest = max(p.sizes)
curve_texts = [
    f"{name} {in_meV(mae(name, min(p.sizes)))} to {in_meV(mae(name, largest))} meV"
    for name in named
    if np.isfinite([mae(name, min(p.sizes)), mae(name, largest)]).all()
]
display.show(
    figures.settings_curves(errors, paper),
    name="soap-settings",
    caption=(
        "Test error of GPR for the named settings of SOAP: mean and standard deviation over the folds. Open symbols: "
        "the published values, for the authors' data and quippy's SOAP {cite}`gardner2023synthetic`."
    ),
    alt=f"Double-logarithmic learning curves from N = {min(p.sizes)} to {largest}. "
    + ("; ".join(curve_texts) if curve_texts else "No curve of this book is in the store")
    + ".",
    data=errors,
)

# %% tags=["hide-input"]
wide = errors.pivot(index="soap", columns="n_train", values="mae_test_meV").reindex(named)
wide.loc["published"] = paper.set_index("n_train")["mae_test_meV"].reindex(wide.columns)
table = pd.DataFrame({"setting": wide.index})
for size in p.sizes:
    table[f"N = {size:,}"] = wide[size].to_numpy()
table["ms per environment"] = [cost.get(name, {}).get("ms_per_environment", np.nan) for name in wide.index]
display.show_table(
    table,
    name="soap-settings",
    caption=(
        "Test MAE (meV), mean over the folds, and processor time for one power spectrum on one core, measured as this "
        "page ran. A dash marks what is not there."
    ),
    formats={f"N = {size:,}": "{:.1f}" for size in p.sizes} | {"ms per environment": "{:.2f}"},
)
ratio_plain = mae("plain", largest) / mae("tuned", largest)
ratio_quippy = mae("quippy", largest) / mae("tuned", largest)
ratio_like = mae("paper-like", largest) / mae("tuned", largest)
if np.isfinite(ratio_plain):
    without_weight = ratio_plain / ratio_like
    short_settings = (
        f"{'It matters: with' if without_weight >= 1.2 else 'With'} the same cutoff and width, leaving out a smooth "
        f"weight makes the error {without_weight:.1f} times as large."
    )
    seen = (
        f"At N = {largest:,} the tuned setting errs by {mae('tuned', largest):.1f} meV, the paper-like one "
        f"{ratio_like:.2f} times as much and the plain one {ratio_plain:.2f} times. Taken fold by fold, plain minus "
        f"tuned is {mae('plain', largest, 'difference_meV'):.1f} ± {mae('plain', largest, 'difference_std_meV'):.1f} "
        f"meV (mean and standard deviation), and plain errs less in {mae('plain', largest, 'folds_lower'):.0f} of "
        f"{p.n_folds} folds."
    )
else:
    short_settings, seen = "The fits that would tell are not in the store.", "The fits are not in the store."
if np.isfinite(ratio_quippy):
    seen += (
        f" quippy's SOAP, the authors' own, errs {ratio_quippy:.2f} times as much as the tuned setting "
        f"({mae('quippy', largest, 'difference_meV'):+.1f} ± {mae('quippy', largest, 'difference_std_meV'):.1f} meV, "
        f"less in {mae('quippy', largest, 'folds_lower'):.0f} of {p.n_folds} folds)."
    )
display.glue("short_settings", short_settings)
display.glue("seen_settings", seen)
card = data_card(p.dataset)
if card is None or not card.get("teacher"):
    teacher_remark = "How far the potential that made these labels sees is not in the data."
else:
    teacher = card["teacher"]["settings"]
    teacher_remark = (
        f"The potential that made our labels sees {teacher['cutoff_A']:g} Å far with its pair and SOAP terms and only "
        f"{teacher['cutoff_3b_A']:g} Å with its angle term."
    )
    if teacher["delta_soap_eV"] < 0.1 * teacher["delta_3b_eV"]:
        teacher_remark += (
            f" Its SOAP term is weak: a prior scale of {teacher['delta_soap_eV']:g} eV against "
            f"{teacher['delta_3b_eV']:g} eV for angles. Such labels depend mostly on near neighbours, and reward a "
            "descriptor that weighs them most."
        )
display.glue("teacher_remark", teacher_remark)

# %% [markdown]
# **What one sees.** {glue:text}`seen_settings` Of the {glue:text}`n_fits` fits {glue:text}`n_missing` are missing.
#
# **What it means.** A likely reason why a weight by distance helps: near atoms matter more than far ones, and a weight
# that says so spares the regression from finding it out. {glue:text}`teacher_remark` With other labels the order may
# differ.
#
# **What differs from the paper.** The published errors belong to other data, with other labels. Only the shape of the
# curve can be compared.

# %% [markdown]
# ### A weight that is gone at the cutoff
#
# The tuned weighting is {glue:text}`tuned_weight:.2f` at the cutoff, beyond which only the tails of the Gaussians
# reach. Is there one as good that falls below 0.02? This page tries {glue:text}`n_candidates` others on the same folds:
# steeper powers, and polynomials {cite}`caro2019optimizing`.

# %% tags=["hide-input"]
candidates = experiment.candidate_names()
tried = experiment.compare_settings(
    study, replace(sweep, sizes=p.candidate_sizes), candidates, use_store=p.use_store, compute=computes
)
tried = experiment.settings_summary(tried)
weights = settings_table({name: soap_settings(name) for name in candidates})["weight_at_cutoff"]
biggest = max(p.candidate_sizes)
table = pd.DataFrame({"weighting": candidates, "weight at the cutoff": [weights[name] for name in candidates]})
for size in p.candidate_sizes:
    table[f"N = {size:,}"] = [mae(name, size, table=tried) for name in candidates]
table["difference"] = [mae(name, biggest, "difference_meV", tried) for name in candidates]
table["spread"] = [mae(name, biggest, "difference_std_meV", tried) for name in candidates]
display.show_table(
    table,
    name="soap-candidates",
    caption=(
        "Candidates for the radial weighting, with the tuned cutoff and width: weight at the cutoff, test MAE (meV), "
        f"and its difference from the tuned setting's at N = {biggest:,}, mean and standard deviation over the folds."
    ),
    formats={f"N = {size:,}": "{:.1f}" for size in p.candidate_sizes}
    | {"weight at the cutoff": "{:.3f}", "difference": "{:+.2f}", "spread": "{:.2f}"},
)
column = f"N = {biggest:,}"
eligible = table[(table["weight at the cutoff"] < 0.02) & table[column].notna()].set_index("weighting")
best = eligible[column].idxmin() if len(eligible) else None


def compared(name):
    """One candidate against the tuned setting, in words."""
    return (
        f"{eligible.loc[name, column]:.1f} meV at N = {biggest:,}, {eligible.loc[name, 'difference']:+.2f} ± "
        f"{eligible.loc[name, 'spread']:.2f} meV against the tuned setting and less in "
        f"{mae(name, biggest, 'folds_lower', tried):.0f} of {p.n_folds} folds"
    )


if best is None:
    verdict = "The fits that would tell are not in the store."
else:
    verdict = f"Of those below 0.02 at the cutoff, '{best}' has the lowest error: {compared(best)}."
    nearest = [name for name in eligible.index if soap_settings(name).weighting.r0_A == tuned.weighting.r0_A]
    if nearest and nearest[0] != best:
        verdict += (
            f" '{nearest[0]}', which differs from the tuned setting in steepness alone, has {compared(nearest[0])}."
        )
if best is None:
    meaning = "Nothing can be said without the fits."
elif eligible.loc[best, "difference"] < 0:
    meaning = "A weight that is gone at the cutoff need not cost accuracy."
else:
    meaning = "On these labels none that is gone at the cutoff is as good as the tuned weight."
display.glue("meaning", meaning)
display.glue("n_candidates", len(candidates) - 1)
display.glue("tuned_weight", weights["tuned"])
display.glue("verdict", verdict)

# %% tags=["hide-input"]
drawn = ["tuned", "paper-like", "quippy", *([best] if best is not None else [])]
weight_curves = figures.weights_table({name: soap_settings(name) for name in drawn})
display.show(
    figures.radial_weights(weight_curves, tuned.r_cut_A),
    name="radial-weights",
    caption=(
        "Weight of a neighbour against its distance, for three named settings and the best candidate. The line marks "
        "the cutoff of the tuned setting; quippy and paper-like end at 3.7 Å, but a DScribe atom just outside is still "
        "felt with the tail of its Gaussian."
    ),
    alt="Weights that fall from 1 near the atom. At the nominal cutoff: "
    + ", ".join(
        f"{name} {float(soap_settings(name).weight(np.array([soap_settings(name).r_cut_A]))[0]):.3f}" for name in drawn
    )
    + ".",
    data=weight_curves,
)

# %% [markdown]
# **What one sees.** {glue:text}`verdict`
#
# **What it means.** {glue:text}`meaning` The candidates were compared by test error, so the best of them looks a
# little better than it is, and another teacher may prefer another weight. The default of this book stays "tuned": the
# stored results of other chapters were made with it.

# %% [markdown]
# ## Is (12, 6) enough
#
# **What is asked.** The paper says that the average SOAP similarity within a 200-atom structure agrees within 0.01 %
# between $(n_\mathrm{max}, l_\mathrm{max})$ = (12, 6) and (16, 16).
#
# **What was done.** The average of $\mathbf{x}\cdot\mathbf{x}'$ over all pairs of environments of a structure, for
# {glue:text}`n_structures_used` final frames from the lowest to the highest density. DScribe's radial functions
# cannot be made orthogonal in double precision much beyond $n_\mathrm{max}$ = 12 at these cutoffs. For its settings
# the reference is therefore (12, 12), which tests $l_\mathrm{max}$ alone.

# %% tags=["hide-input"]
fixed = (12, 6)
grid = [(12, 2), (12, 4), (12, 6), (12, 8), (8, 6), (10, 6)]
parts, rows_converged = [], []
for name in named:
    if name == "quippy" and not has_quippy:
        continue
    reference = (16, 16) if name == "quippy" else (12, 12)
    wanted = [*grid, (14, 6), (16, 6)] if name == "quippy" else grid if name == "tuned" else [fixed]
    found = experiment.convergence(structures, name, wanted, reference).assign(setting=name)
    parts.append(found)
    change = found[(found["n_max"] == fixed[0]) & (found["l_max"] == fixed[1])]["change_percent"]
    average = found[(found["n_max"] == fixed[0]) & (found["l_max"] == fixed[1])]["mean_similarity"]
    rows_converged.append(
        {
            "setting": name,
            "reference": f"({reference[0]}, {reference[1]})",
            "average similarity": average.mean(),
            "mean change (%)": change.mean(),
            "largest change (%)": change.abs().max(),
            "within 0.01 %": int((change.abs() <= 0.01).sum()),
            "structures": len(change),
        }
    )
converged = pd.DataFrame(rows_converged)
changes = pd.concat(parts, ignore_index=True)
display.show_table(
    converged,
    name="soap-convergence",
    caption=(
        "Change of the average similarity of a structure when (12, 6) is used instead of the reference: mean and "
        "largest over the structures, and how many change by at most 0.01 %."
    ),
    formats={"average similarity": "{:.4f}", "mean change (%)": "{:.4f}", "largest change (%)": "{:.4f}"},
)
line = converged.set_index("setting")
own = line.loc["quippy" if has_quippy else "tuned"]
short_convergence = (
    f"The paper's (12, 6) is converged to {own['largest change (%)']:.3f} % or better "
    f"({'quippy' if has_quippy else 'tuned'}), {own['within 0.01 %']} of {own['structures']} structures within 0.01 %."
)
if not has_quippy:
    converged_remark = "The paper's own test needs quippy; this one varies less."
elif own["largest change (%)"] < 0.015:
    converged_remark = "The paper's number holds to the one digit that it is given with."
elif own["mean change (%)"] < 0.015:
    converged_remark = "The paper's number holds on average, to the one digit that it is given with, not everywhere."
else:
    converged_remark = "For these structures the change is larger than the paper's number."
display.glue("converged_remark", converged_remark)
display.glue("short_convergence", short_convergence)
display.glue("converged_name", "quippy, (12, 6) against (16, 16)" if has_quippy else "the tuned setting")
display.glue("converged_mean", own["mean change (%)"])
display.glue("converged_most", own["largest change (%)"])
display.glue("converged_within", int(own["within 0.01 %"]))
display.glue("tuned_most", line.loc["tuned", "largest change (%)"])
dissimilarity = 1 - own["average similarity"]
if 100 * dissimilarity >= 0.05:
    dissimilarity_remark = (
        f"But all similarities are close to 1. What tells environments apart is what is missing to 1, on average "
        f"{100 * dissimilarity:.1f} %, and relative to that the change is "
        f"{own['mean change (%)'] * own['average similarity'] / dissimilarity:.2f} %."
    )
else:
    dissimilarity_remark = "But the environments of these structures are so alike that the test says little."
display.glue("dissimilarity_remark", dissimilarity_remark)

# %% tags=["hide-input"]
both = changes[changes["setting"].isin(["tuned", "quippy"])]
medians = both.groupby(["setting", "n_max", "l_max"])["change_percent"].apply(lambda change: change.abs().median())
display.show(
    figures.convergence(both, fixed=fixed),
    name="soap-convergence",
    caption=(
        "Change of a structure's average similarity with $l_\\mathrm{max}$ (left) and $n_\\mathrm{max}$ (right), "
        "relative to (16, 16) for quippy and to (12, 12) for the tuned setting. Pale: one structure each. Lines: "
        "medians."
    ),
    alt="Changes in per cent on a logarithmic axis, falling with l_max and n_max. Median at (12, 6): "
    + ", ".join(f"{name} {medians[name, 12, 6]:.4f} %" for name in both["setting"].unique())
    + "; at (12, 2): "
    + ", ".join(f"{name} {medians[name, 12, 2]:.3f} %" for name in both["setting"].unique())
    + ".",
    data=both,
)

# %% [markdown]
# **What one sees.** For {glue:text}`converged_name`, the average changes by {glue:text}`converged_mean:.4f` % on
# average, by {glue:text}`converged_most:.4f` % at most, and by no more than 0.01 % in {glue:text}`converged_within`
# of {glue:text}`n_structures_used` structures. With the tuned setting the largest change is
# {glue:text}`tuned_most:.4f` %.
#
# **What it means.** {glue:text}`converged_remark` {glue:text}`dissimilarity_remark`

# %% [markdown]
# ## Our descriptor and the authors'
#
# **What is asked.** Do DScribe's settings and quippy's find the same environments alike? Is each of them as invariant
# as it should be? What do they cost?
#
# **What was done.** Dot products of {glue:text}`n_pairs_used:,` random pairs of the environments above, with each
# setting. Then some structures were turned, shifted across the faces of their cells and renumbered, and the largest
# change of any feature noted. Times are processor times of one core: the median of {glue:text}`n_passes` passes over
# the {glue:text}`n_structures_used` structures, after one structure to warm up. Other programs may have shared the
# machine; the range over the passes shows how much that matters.

# %% tags=["hide-input"]
pairs = experiment.random_pairs(len(vectors), p.n_pairs, p.seed)
present = [name for name in named if name in cost]
dots = pd.DataFrame({name: experiment.pair_similarities(power_spectrum(structures, name), pairs) for name in present})
ranks = dots.rank().corr()
linear = dots.corr()
rows_conform, rows_cost = [], []
for name in named:
    here = name in cost
    moved = experiment.invariance(structures[:3], name, p.seed) if here else {}
    rows_conform.append(
        {
            "setting": name,
            "rank correlation": ranks.loc[name, "quippy"] if here and has_quippy else np.nan,
            "correlation": linear.loc[name, "quippy"] if here and has_quippy else np.nan,
            "rotation": moved.get("rotation", np.nan),
            "translation": moved.get("translation", np.nan),
            "permutation": moved.get("permutation", np.nan),
        }
    )
    rows_cost.append(
        {
            "setting": name,
            "ms per environment": cost[name]["ms_per_environment"] if here else np.nan,
            "lowest (ms)": cost[name]["lowest_ms"] if here else np.nan,
            "highest (ms)": cost[name]["highest_ms"] if here else np.nan,
            "environments per second": 1000 / cost[name]["ms_per_environment"] if here else np.nan,
        }
    )
conformance = pd.DataFrame(rows_conform)
display.show_table(
    conformance,
    name="soap-conformance",
    caption=(
        "Agreement with quippy: correlation of ranks and of values of $\\mathbf{x}\\cdot\\mathbf{x}'$ over random "
        "pairs. Invariance: largest change of a feature under movements that should change none (0: equal in single "
        "precision)."
    ),
    formats={
        "rank correlation": "{:.3f}",
        "correlation": "{:.3f}",
        "rotation": "{:.0e}",
        "translation": "{:.0e}",
        "permutation": "{:.0e}",
    },
)
display.show_table(
    pd.DataFrame(rows_cost),
    name="soap-cost",
    caption=(
        "Processor time for one power spectrum on one core: median, lowest and highest of the passes, and how many "
        "spectra a core makes in a second."
    ),
    formats={
        "ms per environment": "{:.3f}",
        "lowest (ms)": "{:.3f}",
        "highest (ms)": "{:.3f}",
        "environments per second": "{:,.0f}",
    },
)
display.glue("n_pairs_used", len(pairs))
display.glue("n_passes", n_passes)
display.glue("worst_invariance", f"{np.nanmax(conformance[['rotation', 'translation', 'permutation']]):.0e}")
if has_quippy:
    display.show(
        figures.agreement(dots[[name for name in named if name in dots]]),
        name="soap-agreement",
        caption=(
            "Similarity of the same pairs of environments by DScribe's settings and by quippy, the authors' program. "
            "On the line both agree."
        ),
        alt="Scatter plots of dot products against quippy's. Rank correlations: "
        + ", ".join(f"{name} {ranks.loc[name, 'quippy']:.3f}" for name in named if name != "quippy")
        + ".",
        data=dots,
    )
    others = ranks["quippy"].drop("quippy")
    faster = cost["quippy"]["ms_per_environment"] / cost["tuned"]["ms_per_environment"]
    agreement_remark = (
        f"The order in which pairs are found similar agrees best with quippy's for '{others.idxmax()}' (rank "
        f"correlation {others.max():.3f}) and least for '{others.idxmin()}' ({others.min():.3f})."
    )
    speed_remark = (
        f"One power spectrum takes quippy {cost['quippy']['ms_per_environment']:.2f} ms and DScribe's tuned setting "
        f"{cost['tuned']['ms_per_environment']:.2f} ms: {faster:.1f} times less."
    )
else:
    agreement_remark = "quippy is not installed here, so the comparison with it is left out."
    speed_remark = ""
display.glue("agreement_remark", agreement_remark)
display.glue("speed_remark", speed_remark)

# %% [markdown]
# **What one sees.** {glue:text}`agreement_remark` {glue:text}`speed_remark` No feature changes by more than
# {glue:text}`worst_invariance` under any of the movements. Vectors have unit length and are kept in single precision:
# a change of that size is rounding.
#
# **What it means.** Programs that are given the same four numbers need not compute the same descriptor. What they do
# at the cutoff, and how they weigh distance, changes the error as {numref}`tab-soap-settings` and
# {numref}`tab-soap-candidates` show.
