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
# # Maps of structure
#
# **In short.** A map puts similar environments close to each other in two dimensions. The paper's Figs 6 and 7 compare
# a map made from SOAP vectors with one made from what a network has learned, its last hidden layer.
# {glue:text}`short_separation` {glue:text}`short_smooth` {glue:text}`short_baselines`
#
# **What differs from the paper.** Data, labels and network are our own ([The dataset](01_dataset.ipynb), [Pre-training
# and fine-tuning](05_pretraining.ipynb)). The SOAP map is drawn twice, with a setting like the paper's, of broad
# Gaussians, and with the book's, because the setting changes the map. The paper judges maps by eye; here the judgements
# are numbers as well.

# %% tags=["parameters"]
profile = "book"  # which set of parameters this is
dataset = "embedded"  # "embedded", "embedded-all", "paper", or a folder of extended XYZ files
n_trajectories = None  # use this many trajectories; None: all
n_environments = 30000  # environments on the maps
n_neighbors = 200  # of UMAP
n_epochs = 50  # of UMAP
min_dist = 0.1  # of UMAP
n_measured = 8000  # environments on the maps that are measured
map_seeds = [0, 1, 2]  # seeds of the maps that are measured
baselines = ["untrained NN", "autoencoder", "PCA", "PCovR"]  # representations to compare with
n_interactive = 1500  # environments on the interactive map
structure = "C60"  # what is placed on the maps: "C60", "graphene-edge", "diamond-surface", or a file
n_folds = 10  # folds of the network's training
soap = "tuned"  # descriptor of the network: "tuned", "paper-like", "plain" or "quippy"
seed = 0  # seeds folds, samples and the network
use_store = True  # read stored results
compute = False  # compute results that the store lacks

# %% tags=["hide-input"]
from dataclasses import replace

import numpy as np
import pandas as pd

from synthetic_atoms import structure as structures
from synthetic_atoms.book import display, parameters
from synthetic_atoms.book.viewer import cutout, show_viewer
from synthetic_atoms.categories import categories_of, short_label
from synthetic_atoms.datasets import data_card
from synthetic_atoms.descriptors.coordination import bond_A
from synthetic_atoms.descriptors.spectrum import power_spectrum
from synthetic_atoms.experiments import map_measures as measured
from synthetic_atoms.experiments import own_structure
from synthetic_atoms.experiments import structure_maps as experiment
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.experiments.fine_tuning_grid import FineTuning
from synthetic_atoms.figures import galleries
from synthetic_atoms.figures import maps as figures
from synthetic_atoms.synthesis.crystals import diamond, graphite

p = parameters.validate_notebook("06_structure_maps", globals())
source = Dataset(p.dataset, n_trajectories=p.n_trajectories, seed=p.seed)
study = experiment.MapStudy(
    FineTuning(source, n_folds=p.n_folds, seed=p.seed, soap=p.soap),
    n_environments=p.n_environments,
    n_neighbors=p.n_neighbors,
    n_epochs=p.n_epochs,
    min_dist=p.min_dist,
    seed=p.seed,
)
if p.use_store:
    source.check_stored()
data = source.load()
maps = experiment.stored_maps(study) if p.use_store else None
made = maps is None
if made:
    maps = experiment.make_maps(study)
    if p.use_store and p.compute:
        experiment.write_maps(study, maps)
model = study.network()
coordination = source.coordination()[maps.rows]
categories = categories_of(data.symbol, coordination)
crystals = data.symbol == "C"
card = data_card(p.dataset) or {}
teacher = card.get("teacher", {})
if crystals and "graphite_qm_eV_per_atom" in teacher:
    zero = teacher["graphite_qm_eV_per_atom"] + teacher["graphite_error_eV_per_atom"]
    zero_name = "graphite's"
else:
    zero = float(np.median(data.local_energy_eV[maps.rows]))
    zero_name = "the median"
energy = data.local_energy_eV[maps.rows] - zero
for name, value in {
    "n_shown": len(maps.rows),
    "n_measured": min(p.n_measured, len(maps.rows)),
    "n_faithful": min(measured.FAITHFUL, p.n_measured, len(maps.rows)),
    "n_seeds": len(p.map_seeds),
    "n_trained": study.fit().n_pretrain,
    "n_neighbors": p.n_neighbors,
    "network_validation_meV": 1000 * model.validation_mae_,
    "n_hidden": int(model.hidden_layers[-1]),
    "maps_remark": "They were computed on this page."
    if made
    else "They are stored, because UMAP's coordinates differ "
    "between machines even with the same seed; use_store=false computes them anew.",
}.items():
    display.glue(name, value)

# %% [markdown]
# ## What is asked and what is done
#
# UMAP {cite}`mcinnes2018umap` looks for places in the plane such that environments that are neighbours in some
# representation are neighbours on the map. It is given {glue:text}`n_shown:,` environments, drawn at random from
# trajectories that the network has not seen, in three representations:
#
# - **SOAP**: the vectors that the network starts from, in the book's setting ([Descriptors and
#   models](02_descriptors_and_models.ipynb)).
# - **SOAP, sigma 0.5**: with Gaussians of 0.5 Å as in the paper, and a cutoff and weighting like the paper's; in
#   DScribe, whose vectors differ from the paper's ([Descriptors and models](02_descriptors_and_models.ipynb)).
# - **NN**: the {glue:text}`n_hidden` activations of the last hidden layer of the pre-trained network of [Pre-training
#   and fine-tuning](05_pretraining.ipynb), which has learned per-atom energies of {glue:text}`n_trained:,` other
#   environments. Its mean absolute error on validation environments is {glue:text}`network_validation_meV:.1f` meV.
#
# Distances are Euclidean; UMAP compares {glue:text}`n_neighbors` neighbours (the authors': 200). The maps have no axes:
# only who is close to whom has a meaning. {glue:text}`maps_remark`

# %% tags=["hide-input"]
similarity = None
if crystals:
    x = study.representation(experiment.PAPER_LIKE, maps.rows)
    references = [power_spectrum(make(), "paper-like", centres=[0])[0] for make in (diamond, graphite)]
    similarity = tuple((x @ reference).astype(float) ** 4 for reference in references)
label = f"energy less {zero_name} (eV)"
shown = {name: maps.coordinates[name] for name in experiment.MAPS}
columns = {"energy_eV": energy, "coordination": coordination, "cluster": maps.cluster + 1}
if similarity is not None:
    columns |= {"similarity_diamond": similarity[0], "similarity_graphite": similarity[1]}
places = {
    f"{axis}_{name.split(',')[0] if name != experiment.PAPER_LIKE else 'SOAP_0.5'}": xy[:, i]
    for name, xy in shown.items()
    for i, axis in enumerate("xy")
}
values = pd.DataFrame({"environment": maps.rows, **places, **columns})
shares = {name: float((coordination == number).mean()) for name, number in categories.items()}
display.show(
    figures.map_grid(shown, energy, label, coordination, categories, similarity),
    name="structure-maps",
    caption=f"Maps of the same {len(maps.rows):,} environments from SOAP vectors and from the last hidden layer of a "
    f"network. Columns: per-atom energy; number of neighbours within {bond_A(data.symbol):g} Å"
    + (
        "; similarity to diamond (red) and graphite (blue), the SOAP kernel with sigma 0.5 Å, ζ = 4. "
        if crystals
        else ". "
    )
    + "Compare the paper's Fig. 6.",
    alt=f"{len(shown)} maps in rows, coloured by energy, coordination"
    + (" and similarity to diamond and graphite. " if crystals else ". ")
    + "Shares of environments: "
    + ", ".join(f"{short_label(name)} {share:.0%}" for name, share in shares.items())
    + f". Energies from {np.percentile(energy, 1):.1f} to {np.percentile(energy, 99):.1f} eV.",
    data=values,
)

# %% tags=["hide-input"]
if similarity is not None and (coordination == categories["sp2"]).any():
    flat = coordination == categories["sp2"]
    odd = flat & (similarity[0] > similarity[1])
    seen_maps = (
        f"Mean energies, less {zero_name}, are "
        + ", ".join(f"{energy[coordination == n].mean():.1f} eV ({short_label(k)})" for k, n in categories.items())
        + f". Of the sp² atoms {odd.sum() / flat.sum():.1%} are more like diamond than like graphite in their SOAP "
        "vectors"
    )
    if odd.any() and (flat & ~odd).any():
        seen_maps += (
            "; their energy differs from that of the others by "
            f"{energy[odd].mean() - energy[flat & ~odd].mean():+.2f} eV on average. The paper takes such atoms for sp³ "
            "atoms that lack a neighbour and have a dangling bond"
        )
    seen_maps += "."
else:
    seen_maps = ""
display.glue("seen_maps", seen_maps)

# %% [markdown]
# {glue:text}`seen_maps`

# %% [markdown]
# ## The maps in numbers
#
# What a map shows can be measured. For this, smaller maps of {glue:text}`n_measured:,` of the environments were made
# for themselves, with {glue:text}`n_seeds` seeds each:
#
# - *purity*: the share of an atom's 20 nearest neighbours on the map with its own coordination number; 1 means that the
#   kinds are apart;
# - *AMI*: adjusted mutual information between seven clusters found on the map and coordination; 0 is chance, 1 means
#   that one tells the other;
# - *energy variance*: that among the 20 neighbours on the map over that of all; 0 is a smooth map, 1 a random one;
# - *trustworthiness* and *continuity* {cite}`venna2001neighborhood`: whether neighbours on the map are neighbours in
#   the representation, and the other way round, for the first {glue:text}`n_faithful:,` environments;
# - *NN clusters*: the share of the 20 neighbours that lie in the same cluster of the network's map; a low value means
#   that this map mixes the network's clusters.
#
# Further representations tell what makes the network's map. The *untrained* network has the same layers with random
# weights. The *autoencoder* is a network trained to reproduce SOAP vectors through 32 units: as flexible, but it never
# sees an energy. *PCA* keeps 32 linear components of the SOAP vectors. *PCovR*, principal covariates regression
# {cite}`dejong1992principal`, keeps 32 linear components chosen half for the vectors and half for the energy.
# Autoencoder, PCA and PCovR are fitted to the environments that are mapped; the network has not seen these. So where
# they do as well, they have had the easier task.

# %% tags=["hide-input"]
small = replace(study, n_environments=min(p.n_measured, p.n_environments))
records = measured.map_measures(
    small, (*experiment.MAPS, *p.baselines), p.map_seeds, use_store=p.use_store, compute=p.compute
)
summary = measured.summary(records)
missing = int(records["ami"].isna().sum())
titles = {
    "purity_sp2": "purity of sp²",
    "purity_sp3": "purity of sp³",
    "ami": "AMI",
    "energy_variance_ratio": "energy variance",
    "trustworthiness": "trustworthiness",
    "purity_nn_clusters": "NN clusters",
}
if not crystals:
    titles = {key: title for key, title in titles.items() if not key.startswith("purity_sp")}
known = summary.dropna(subset=["ami"])
display.glue("n_missing", missing)
if len(known):
    display.show(
        figures.measures(known, titles),
        name="map-measures",
        caption="Measures of the maps of several representations, mean and standard deviation over the seeds.",
        alt="Bar charts. "
        + " ".join(
            f"{row.representation}: "
            + ", ".join(f"{title} {getattr(row, column):.2f}" for column, title in titles.items())
            + "."
            for row in known.itertuples()
        ),
        data=known,
    )
table = summary[["representation", "purity_sp", "purity_sp2", "purity_sp3", "ami", "energy_variance_ratio",
                 "trustworthiness", "continuity", "purity_nn_clusters", "fit_s"]]  # fmt: skip
display.show_table(
    table.rename(
        columns={
            "purity_sp": "sp", "purity_sp2": "sp²", "purity_sp3": "sp³", "ami": "AMI",
            "energy_variance_ratio": "energy variance", "purity_nn_clusters": "NN clusters", "fit_s": "seconds",
        }
    ),
    name="map-measures",
    caption="The same numbers: purity of the three kinds, and the other measures; seconds for representation and map.",
    formats=dict.fromkeys(
        ["sp", "sp²", "sp³", "AMI", "energy variance", "trustworthiness", "continuity", "NN clusters"], "{:.2f}"
    )
    | {"seconds": "{:.0f}"},
)  # fmt: skip


# %% tags=["hide-input"]
def number(name, column):
    """A measure of one representation's map; NaN where there is none."""
    row = summary[summary["representation"] == name]
    return float(row[column].iloc[0]) if len(row) else float("nan")


NN, BOOK, BROAD = experiment.LEARNED, experiment.TUNED, experiment.PAPER_LIKE
nothing = "The measures that would tell are not in the store."
texts = dict.fromkeys(
    ("short_separation", "short_smooth", "short_baselines", "seen_separation", "seen_smooth", "seen_baselines"), nothing
)
if np.isfinite([number(name, "ami") for name in (NN, BOOK, BROAD)]).all():
    if crystals:
        purities = {name: (number(name, "purity_sp2"), number(name, "purity_sp3")) for name in (NN, BOOK, BROAD)}
        texts["short_separation"] = (
            f"On the network's map {purities[NN][1]:.0%} of the neighbours of an sp³ atom are sp³ atoms, on the SOAP "
            f"map with broad Gaussians {purities[BROAD][1]:.0%}, with the book's setting {purities[BOOK][1]:.0%}"
        )
        unsupervised = [(number(name, "purity_sp3"), name) for name in ("autoencoder", "PCA") if name in p.baselines]
        unsupervised = [pair for pair in unsupervised if np.isfinite(pair[0])]
        if unsupervised:
            share, name = max(unsupervised)
            texts["short_separation"] += f". On that of {name}, which uses no energies, it is {share:.0%}"
        texts["short_separation"] += "."
        kinds_text = "; ".join(
            f"{name}: {two:.0%} (sp²) and {three:.0%} (sp³)" for name, (two, three) in purities.items()
        )
        texts["seen_separation"] = (
            f"Shares of neighbours of the same kind are {kinds_text}. The network's map "
            + (
                "separates sp² from sp³ best, as the paper says"
                if all(purities[NN][i] > max(purities[BOOK][i], purities[BROAD][i]) for i in (0, 1))
                else "does not separate both kinds best, which the paper says it does"
            )
            + f". From broad Gaussians to the book's setting the SOAP map's sp³ purity changes by "
            f"{purities[BOOK][1] - purities[BROAD][1]:+.2f}, from there to the network's by "
            f"{purities[NN][1] - purities[BOOK][1]:+.2f}: the contrast that the paper draws between SOAP and network "
            f"has "
            "a part that belongs to the descriptor's setting."
        )
    else:
        texts["short_separation"] = texts["seen_separation"] = (
            f"Clusters found on the maps share information with coordination: AMI {number(NN, 'ami'):.2f} (NN), "
            f"{number(BOOK, 'ami'):.2f} (SOAP)."
        )
    variance = {name: number(name, "energy_variance_ratio") for name in (NN, BOOK, BROAD)}
    texts["short_smooth"] = (
        f"The energy varies among map neighbours by {variance[NN]:.0%} of its variance over all for the network and "
        f"{variance[BROAD]:.0%} for SOAP with broad Gaussians."
    )
    texts["seen_smooth"] = (
        f"{texts['short_smooth']} With the book's setting it is {variance[BOOK]:.0%}. The network's map is "
        + (
            "the smoothest of the three, "
            if variance[NN] == min(variance.values())
            else "not the smoothest of the three, "
        )
        + "and the paper finds its energies much smoother than SOAP's; the network was trained on just this quantity."
    )
    others = [name for name in p.baselines if np.isfinite(number(name, "ami"))]
    if others:
        best = max(others, key=lambda name: number(name, "ami"))
        texts["seen_baselines"] = (
            f"The network's AMI with coordination is {number(NN, 'ami'):.2f}; the highest of the other "
            f"representations is "
            f"{best}'s with {number(best, 'ami'):.2f}. Their energy variances are "
            + ", ".join(f"{number(name, 'energy_variance_ratio'):.0%} ({name})" for name in others)
            + f", against {variance[NN]:.0%} for the trained network. "
        )
        blind = [name for name in ("untrained NN", "autoencoder", "PCA") if name in others]
        if blind:
            lead = min(number(name, "energy_variance_ratio") for name in blind) / variance[NN]
            texts["short_baselines"] = (
                f"On the maps of representations that saw no energies ({', '.join(blind)}) it varies at least "
                f"{lead:.1f} times as much as on the network's."
            )
            texts["seen_baselines"] += (
                f"Flexibility alone does not give the smooth map: without energies the variance is at least {lead:.1f} "
                "times the trained network's."
                if lead > 1
                else "A representation that never saw an energy has an equally smooth map: supervision is not what "
                "makes it."
            )
            if {"PCA", "PCovR"} <= set(others):
                gain = number("PCovR", "energy_variance_ratio") / number("PCA", "energy_variance_ratio")
                texts["seen_baselines"] += (
                    f" PCovR, linear but with energies, has {gain:.2f} times PCA's energy variance: a linear map gains "
                    f"{'little' if gain > 0.9 else 'something'} from them."
                )
            if crystals:
                pure = {name: (number(name, "purity_sp2"), number(name, "purity_sp3")) for name in blind}
                top = max(blind, key=lambda name: pure[name][1])
                texts["seen_baselines"] += (
                    f" Of these, {top} separates sp³ best: {pure[top][1]:.0%} of an sp³ atom's neighbours are sp³ "
                    f"({purities[NN][1]:.0%} on the network's map), {pure[top][0]:.0%} of an sp² atom's are sp² "
                    f"({purities[NN][0]:.0%}). "
                    + (
                        "So it takes no energies to tell sp³ atoms apart this well."
                        if pure[top][1] > purities[NN][1] - 0.02
                        else "So energies help to tell sp³ atoms apart."
                    )
                )
for name, value in texts.items():
    display.glue(name, value)

# %% [markdown]
# Of the maps asked for, {glue:text}`n_missing` are missing from the store.
#
# **Separation.** {glue:text}`seen_separation`
#
# **Smoothness.** {glue:text}`seen_smooth`
#
# **What makes the network's map.** The paper argues that supervision makes it, not flexibility alone.
# {glue:text}`seen_baselines`

# %% [markdown]
# ## Clusters
#
# BIRCH {cite}`zhang1996birch` divides the network's map into seven clusters. The same labels are then drawn on the SOAP
# maps.

# %% tags=["hide-input"]
rows = []
for i in range(maps.cluster.max() + 1):
    mine = maps.cluster == i
    counts = {name: float((coordination[mine] == number).mean()) for name, number in categories.items()}
    row = {"cluster": i + 1, "environments": int(mine.sum())}
    row |= {f"{short_label(name)} (%)": 100 * share for name, share in counts.items()}
    row |= {"energy (eV)": energy[mine].mean(), "spread (eV)": energy[mine].std()}
    if similarity is not None:
        row |= {"like diamond": similarity[0][mine].mean(), "like graphite": similarity[1][mine].mean()}
    rows.append(row)
clusters = pd.DataFrame(rows)
main_kind = [
    short_label(max(categories, key=lambda name: (coordination[maps.cluster == i] == categories[name]).mean()))
    for i in range(len(clusters))
]
names = [f"{i + 1} ({kind})" for i, kind in enumerate(main_kind)]
near = {name: measured.neighbours(xy) for name, xy in shown.items()}
mixing = {name: measured.purity(index, maps.cluster) for name, index in near.items()}
chance = float(((np.bincount(maps.cluster) / len(maps.cluster)) ** 2).sum())
display.show(
    figures.cluster_maps({name: shown[name] for name in (NN, BOOK, BROAD)}, maps.cluster, names),
    name="clusters",
    caption="Clusters found on the network's map (left), and the same environments on the SOAP maps. Numbers are by "
    "size; in brackets the commonest kind of atom. Compare the paper's Fig. 7.",
    alt="Seven clusters on three maps. Share of map neighbours in the same cluster: "
    + ", ".join(f"{name} {value:.0%}" for name, value in mixing.items())
    + ". "
    + "; ".join(f"cluster {row['cluster']}: {row['environments']} environments" for row in rows)
    + ".",
    data=values[["environment", "cluster"]],
)
formats = dict.fromkeys([c for c in clusters if c.endswith("(%)")], "{:.0f}") | {"environments": "{:,.0f}"}
formats |= dict.fromkeys([c for c in clusters if c.endswith("(eV)") or c.startswith("like")], "{:.2f}")
display.show_table(
    clusters,
    name="clusters",
    caption=f"The clusters: kinds of atoms, energy less {zero_name} and similarities, means.",
    formats=formats,
)  # fmt: skip
display.glue(
    "seen_mixing",
    f"On the network's map {mixing[NN]:.0%} of an environment's neighbours are in its cluster, on the SOAP map "
    f"{mixing[BOOK]:.0%} and with broad Gaussians {mixing[BROAD]:.0%}; by chance it would be {chance:.0%}. "
    + (
        "With broad Gaussians the clusters are mixed, as in the paper"
        + (", but far from at random." if mixing[BROAD] > 2 * chance else ".")
        if mixing[BROAD] < mixing[NN] - 0.05
        else "With broad Gaussians the map keeps the clusters apart, other than in the paper."
    ),
)

# %% [markdown]
# {glue:text}`seen_mixing`
#
# Which atoms are in a cluster? Of each, the next figure shows the environment of median energy.

# %% tags=["hide-input"]
entries, bonds = [], []
for i in range(len(clusters)):
    mine = np.flatnonzero(maps.cluster == i)
    middle = mine[np.argsort(energy[mine])[len(mine) // 2]]
    frame = int(data.frame[maps.rows[middle]])
    around = structures.neighbourhood(data.atoms(frame), int(maps.rows[middle]) - int(data.offsets[frame]))
    sign = "\N{MINUS SIGN}" if energy[middle] < 0 else "+"
    entries.append((around, f"{names[i]}\n{sign}{abs(energy[middle]):.2f} eV"))
    lengths = np.concatenate([around.bond_lengths_A, [np.nan]])
    bonds.append(
        {
            "cluster": i + 1,
            "energy_eV": energy[middle],
            "mean_bond_A": np.nanmean(lengths[:-1] if len(lengths) > 1 else lengths),
        }
    )
if any(len(entry[0].bond_lengths_A) for entry in entries):
    display.show(
        galleries.named_gallery(entries, 3, categories),
        name="cluster-gallery",
        caption=f"The environment of median energy in each cluster, with its energy less {zero_name}. The atom "
        f"itself is "
        "ringed; numbers are the lengths of its bonds in Å. Atoms up to two bonds away are drawn.",
        alt="Small drawings. "
        + " ".join(
            f"Cluster {row['cluster']}: {row['energy_eV']:.2f} eV, mean bond {row['mean_bond_A']:.2f} Å."
            for row in bonds
        ),
        data=pd.DataFrame(bonds),
    )

# %% [markdown]
# ## A map to walk in
#
# Click a point to see its environment; choose another property for colours or axes in the menu at the corner of the
# map.

# %% tags=["hide-input"]
chosen = np.arange(min(p.n_interactive, len(maps.rows)))
cutouts = []
for row in maps.rows[chosen]:
    frame = int(data.frame[row])
    cutouts.append(cutout(data.atoms(frame), int(row) - int(data.offsets[frame])))
properties = {
    "NN map 1": maps.coordinates[NN][chosen, 0], "NN map 2": maps.coordinates[NN][chosen, 1],
    "SOAP map 1": maps.coordinates[BOOK][chosen, 0], "SOAP map 2": maps.coordinates[BOOK][chosen, 1],
    "energy (eV)": energy[chosen], "neighbours": coordination[chosen].astype(float),
    "cluster": (maps.cluster[chosen] + 1).astype(float),
}  # fmt: skip
if similarity is not None:
    properties |= {"like diamond": similarity[0][chosen], "like graphite": similarity[1][chosen]}
show_viewer(
    cutouts,
    {name: [float(v) for v in column] for name, column in properties.items()},
    axes=("NN map 1", "NN map 2"),
    colour="energy (eV)",
    name="structure-map",
    caption=f"The network's map of {len(chosen):,} environments, coloured by energy less {zero_name}, in chemiscope "
    "{cite}`fraux2020chemiscope`. The atoms within 4 Å of the chosen one are shown.",
    title="Interactive map of environments with their atoms in three dimensions",
)

# %% [markdown]
# ## Your own structure on the maps
#
# `-p structure=FILE` places the atoms of any structure on the maps; `C60`, `graphene-edge` and `diamond-surface` are
# made on the spot, as cut from the crystal. An atom goes to the weighted mean of the places of the ten environments
# that are most like it. The distance between its SOAP vector and the nearest one in training tells whether the
# network is out of its depth: the last column says how many per cent of the test environments are closer to the
# training data.

# %% tags=["hide-input"]
if crystals or p.structure not in own_structure.EXAMPLES:
    atoms = own_structure.load_structure(p.structure, data.symbol)
    spots, atoms_table = own_structure.place(study, maps, atoms)
    title = p.structure if p.structure in own_structure.EXAMPLES else p.structure.rsplit("/", 1)[-1]
    kinds = own_structure.kinds(atoms_table)
    display.show(
        figures.placed({name: shown[name] for name in (NN, BOOK)}, spots, title),
        name="own-structure",
        caption=f"The atoms of {title} on the maps.",
        alt=f"{len(atoms)} atoms of {title} on two maps. "
        + " ".join(
            f"{row.atoms} atoms with {row.coordination} neighbours: {row.energy_eV - zero:.2f} eV, percentile "
            f"{row.percentile:.0f}."
            for row in kinds.head(6).itertuples()
        ),
        data=atoms_table,
    )
    near_frame = data.frame[kinds["nearest"].to_numpy(dtype=int)]
    display.show_table(
        pd.DataFrame(
            {
                "atoms": kinds["atoms"],
                "neighbours": kinds["coordination"],
                f"energy less {zero_name} (eV)": kinds["energy_eV"] - zero,
                "most alike: density (g/cm³)": data.density_g_cm3[near_frame],
                "its energy (eV)": data.local_energy_eV[kinds["nearest"].to_numpy(dtype=int)] - zero,
                "distance": kinds["distance"],
                "percentile": kinds["percentile"],
            }
        ).head(12),
        name="own-structure",
        caption=f"Kinds of atoms in {title} (at most twelve): predicted energy, the environment on the map that is "
        f"most "
        "alike for the network, and the distance from the training data.",
        formats={
            f"energy less {zero_name} (eV)": "{:.2f}", "most alike: density (g/cm³)": "{:.1f}",
            "its energy (eV)": "{:.2f}", "distance": "{:.3f}", "percentile": "{:.0f}",
        },
    )  # fmt: skip
    far = float((atoms_table["percentile"] > 95).mean())
    display.glue(
        "seen_own",
        f"{far:.0%} of the atoms of {title} are farther from the training data than 95 % of the test environments. "
        + (
            "For these the predicted energies should not be relied on."
            if far > 0
            else "The network knows such environments."
        ),
    )
else:
    display.glue("seen_own", f"The examples are made of carbon; name a file with {data.symbol} atoms.")

# %% [markdown]
# {glue:text}`seen_own`
