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
# # The dataset
#
# **In short.** A machine-learned potential gives every atom an energy of its own, for next to nothing. The paper uses
# such "synthetic" labels for 22.9 million carbon environments. This chapter shows the smaller set that comes with this
# book, made by the same chain of steps. It draws that chain (Fig. 1), the energies (Fig. 2a), and the variety of the
# structures: chains and sheets at low density, networks of four-bonded atoms at high density. Atoms with two
# neighbours lie well above those with three or four, as in the paper.
#
# **What differs from the paper.** The quantum mechanics here is GFN1-xTB, not DFT, and the potential is our own, not
# C-GAP-17. Compare shapes and ratios with the paper, not absolute energies.

# %% tags=["parameters"]
profile = "book"  # which set of parameters this is
dataset = "embedded"  # "embedded", "paper", or a folder of extended XYZ files
n_trajectories = None  # use this many trajectories; None: all
kde_environments = 20000  # at most this many environments per density estimate
ring_frames = 600  # count the rings of at most this many final frames
cost_structures = 5  # time the labelling of this many structures of each kind; 0: none
seed = 0  # seeds every random choice on this page

# %% tags=["hide-input"]
from pathlib import Path

import numpy as np
import pandas as pd
from ase.neighborlist import neighbor_list

from synthetic_atoms import structure
from synthetic_atoms.book import display, parameters
from synthetic_atoms.datasets import data_card, load_local_energies, load_total_energies
from synthetic_atoms.descriptors import coordination_numbers
from synthetic_atoms.errors import MissingDependencyError
from synthetic_atoms.figures import chain, structures
from synthetic_atoms.figures import dataset as figures
from synthetic_atoms.paths import data_directory
from synthetic_atoms.synthesis import costs
from synthetic_atoms.synthesis.crystals import diamond, graphite
from synthetic_atoms.synthesis.teacher import Teacher

p = parameters.validate_notebook("01_dataset", globals())

# %% [markdown]
# ## Where the labels come from
#
# The idea of the paper's Fig. 1 is a chain of four steps. A few structures get quantum-mechanical (QM) energies. A
# potential is fitted to them: the *teacher*. Many more structures are made. The teacher labels each atom of those.
# Our chain has the same four steps, each with a program that installs in a minute:
#
# 1. **Structures.** LAMMPS {cite}`thompson2022lammps` takes random carbon cells through the paper's protocol: melt at
#    9000 K (5 ps), quench to 300 K (5 ps), anneal at 2000 to 4000 K (100 ps), cool to 300 K (50 ps). The authors drove
#    this with C-GAP-17 {cite}`deringer2017machine`. We drive it with Tersoff's potential {cite}`tersoff1989modeling`,
#    which is far cheaper, and let every snapshot relax for 0.3 ps with LCBOP
#    {cite}`los2003intrinsic`, which knows about conjugation.
# 2. **QM energies.** Small cells of 64 atoms, each from a trajectory of its own, get energies and forces from
#    GFN1-xTB {cite}`grimme2017robust`. The paper uses DFT.
# 3. **The teacher.** A Gaussian approximation potential (GAP) {cite}`bartok2010gaussian` with pair, angle and SOAP
#    terms within 3.7 Å is fitted to those cells.
# 4. **Synthetic labels.** The teacher gives every atom of every 200-atom snapshot an energy.
#
# The same steps can be run again, larger or with other programs: see [](../book/how_to_rerun.md).

# %% tags=["hide-input"]
data = load_local_energies(p.dataset, n_trajectories=p.n_trajectories, seed=p.seed)
coordination = coordination_numbers(data)
has_reference = np.isfinite(data.free_atom_energy_eV)
reference = data.free_atom_energy_eV if has_reference else 0.0
binding = data.local_energy_eV - reference

display.glue("n_environments", data.n_environments)
display.glue("n_frames", data.n_frames)
display.glue("n_trajectories_found", len(np.unique(data.trajectory)))
display.glue("density_low", data.density_g_cm3.min())
display.glue("density_high", data.density_g_cm3.max())
data

# %% [markdown]
# This page uses {glue:text}`n_environments:,` environments in {glue:text}`n_frames:,` frames of
# {glue:text}`n_trajectories_found` trajectories, at densities from {glue:text}`density_low:.1f` to
# {glue:text}`density_high:.1f` g/cm³.

# %% [markdown]
# ## The chain and its costs
#
# What a label costs is measured here, when the page runs: the processor time of one core, for structures of our data.
# GFN1-xTB gives the energy of a cell and the forces on its atoms. The teacher gives the energy of each atom.

# %% tags=["hide-input"]
card = data_card(p.dataset)
source = p.dataset if card is not None else "embedded"  # other data come without the parts of the chain
chain_card = card if card is not None else data_card(source)
cells = load_total_energies(source)
everything = data if card is not None and p.n_trajectories is None else load_local_energies(source)
folder = data_directory() / "embedded" if source == "embedded" else Path(source)


def some(frames, count=p.cost_structures):
    """The structures that are timed, evenly spaced."""
    chosen = np.linspace(0, frames.n_frames - 1, min(count, frames.n_frames))
    return [frames.atoms(int(number)) for number in chosen]


measured, missing = {}, []
if p.cost_structures:
    for name, package, measure in (
        ("qm", "tblite", lambda: costs.qm_cost(some(cells))),
        ("doubled", "tblite", lambda: costs.qm_cost(some(cells, 1), doubled=True)),
        ("teacher", "quippy", lambda: costs.teacher_cost(Teacher(folder / "teacher.tar.xz"), some(everything))),
    ):
        try:
            measured[name] = measure()
        except MissingDependencyError:
            missing += [package] if package not in missing else []


def cost_text(name):
    """A cost as the figure shows it."""
    return f"{measured[name].ms_per_atom:.2g} ms per atom" if name in measured else "not measured here"


if not missing and p.cost_structures:
    ratio = measured["qm"].ms_per_atom / measured["teacher"].ms_per_atom
    minutes = {name: cost.ms_per_atom * everything.n_environments / 60_000 for name, cost in measured.items()}
    cost_remark = (
        f"Per atom, a label of the teacher costs {measured['teacher'].ms_per_atom:.2g} ms and one of GFN1-xTB "
        f"{measured['qm'].ms_per_atom:.2g} ms: {ratio:.0f} times as much. All {everything.n_environments:,} labels of "
        f"the teacher would take {minutes['teacher']:.1f} minutes of one core. At the same time per atom as in a cell "
        f"of {measured['qm'].n_atoms} atoms, GFN1-xTB would take {minutes['qm']:.0f} minutes. In larger cells it takes "
        f"longer for each atom: {measured['doubled'].ms_per_atom:.2g} ms in one of {measured['doubled'].n_atoms}."
    )
else:
    reason = f"{' and '.join(missing)} not installed" if missing else "not asked for"
    cost_remark = f"The costs were not all measured when this page ran ({reason})."
display.glue("cost_remark", cost_remark)

timed = [
    (name, text)
    for name, text in (("qm", "cells timed:"), ("doubled", "two cells joined:"), ("teacher", "frames:"))
    if name in measured
]
cost_rows = [
    {
        "label": label,
        "atoms": measured[name].n_atoms if name in measured else np.nan,
        "s per structure": measured[name].seconds if name in measured else np.nan,
        "ms per atom": measured[name].ms_per_atom if name in measured else np.nan,
        "change (meV)": 1000 * measured[name].largest_change_eV if name in measured else np.nan,
    }
    for name, label in (
        ("qm", "GFN1-xTB: energy and forces"),
        ("doubled", "GFN1-xTB, two cells joined"),
        ("teacher", "teacher: per-atom energies"),
    )
]
display.show_table(
    pd.DataFrame(cost_rows),
    name="label-costs",
    caption=(
        "Processor time of labelling a structure on one core "
        f"({', '.join(f'{text} {measured[name].n_structures}' for name, text in timed) or 'none timed'}), the median, "
        "and the largest change of a label from the stored one. A dash: nothing to compare with, or not measured here."
    ),
    formats={
        "atoms": "{:.0f}",
        "s per structure": "{:.2f}",
        "ms per atom": "{:.2g}",
        "change (meV)": "{:.4f}",
    },
)

# %% tags=["hide-input"]
stages = chain.choose_frames(everything)
drawn = [everything.atoms(frame) for frame in stages]
drawn_coordination = [coordination_numbers(atoms) for atoms in drawn]
zero = everything.free_atom_energy_eV if np.isfinite(everything.free_atom_energy_eV) else 0.0
drawn_energy = [atoms.arrays["local_energy"] - zero for atoms in drawn]
near = np.abs(cells.density_g_cm3 - everything.density_g_cm3[stages[-1]]) + 0.001 * np.abs(
    cells.temperature_K - cells.anneal_temperature_K
)
cell_number = int(np.argmin(np.nan_to_num(near, nan=np.inf)))
cell = cells.atoms(cell_number)
cell_coordination = coordination_numbers(cell)
cell_forces = cell.get_forces()
names_of_stages = []
for number, (word, frame) in enumerate(zip(("melt", "annealing", "final"), stages, strict=True)):
    known = np.isfinite(everything.temperature_K[frame])
    where = f"{everything.time_ps[frame]:.0f} ps, {everything.temperature_K[frame]:.0f} K"
    names_of_stages.append(f"{word}\n{where}" if known else f"frame {number + 1}")
chain_trajectories = len(np.unique(everything.trajectory))
texts = {
    "few": f"few: {cells.n_frames:,} cells\nof {len(cell)} atoms",
    "qm": f"GFN1-xTB\n{cost_text('qm')}",
    "qm_labels": "QM energies\nand forces",
    "fit": "fit",
    "many": f"many: {everything.n_frames:,} frames of {len(drawn[-1])} atoms\nfrom {chain_trajectories:,} trajectories",
    "teacher": f"teacher (GAP)\n{cost_text('teacher')}",
    "labels": f"{everything.n_environments:,} synthetic labels:\nper-atom energies",
}
atoms_drawn = pd.concat(
    [
        pd.DataFrame(atoms.positions, columns=["x_A", "y_A", "z_A"]).assign(
            panel=panel, cell_length_A=atoms.cell.lengths()[0], neighbours=counts, **labels
        )
        for panel, atoms, counts, labels in (
            (
                "QM cell",
                cell,
                cell_coordination,
                dict(zip(("fx_eV_A", "fy_eV_A", "fz_eV_A"), cell_forces.T, strict=True)),
            ),
            *(
                (name.replace("\n", ", "), atoms, counts, {"energy_eV": energy})
                for name, atoms, counts, energy in zip(
                    names_of_stages, drawn, drawn_coordination, drawn_energy, strict=True
                )
            ),
        )
    ],
    ignore_index=True,
)
display.show(
    chain.chain(
        cell,
        cell_coordination,
        cell_forces,
        drawn,
        drawn_coordination,
        drawn_energy,
        stages=names_of_stages,
        texts=texts,
    ),
    name="chain",
    caption=(
        "The chain of labels, drawn with structures of our data. Left: a few small cells get quantum-mechanical "
        "energies and forces (arrows). The teacher is fitted to them. Right: frames of one trajectory at "
        f"{everything.density_g_cm3[stages[-1]]:.1f} g/cm³, as many others, get an energy for each atom from the "
        "teacher. All cells are drawn to the same scale; atoms farther from the viewer are paler; bonds that end half "
        "way lead to the next periodic image. Compare the paper's Fig. 1 {cite}`gardner2023synthetic`."
    ),
    alt=(
        f"Two columns. Left: {cells.n_frames:,} cells of {len(cell)} atoms, an arrow to GFN1-xTB ({cost_text('qm')}), "
        "an arrow to energies and forces, and from there an arrow named fit to the teacher. Right: "
        f"{everything.n_frames:,} frames of {len(drawn[-1])} atoms, an arrow to the teacher ({cost_text('teacher')}), "
        f"an arrow to {everything.n_environments:,} per-atom energies. Three frames are drawn: "
        + "; ".join(
            f"{name.replace(chr(10), ', ')}, mean energy {energy.mean():.2f} eV"
            for name, energy in zip(names_of_stages, drawn_energy, strict=True)
        )
        + ". Atoms are coloured by their number of neighbours above and by their energy below."
    ),
    data=atoms_drawn,
)

# %% [markdown]
# {glue:text}`cost_remark` In the paper the step on the left is DFT, which costs far more than GFN1-xTB, a
# semi-empirical method. There the teacher saves orders of magnitude; here the ratio is much smaller, because our
# quantum mechanics is itself cheap. Besides, GFN1-xTB gives one energy for a whole cell, where the teacher gives one
# for each atom.

# %% tags=["hide-input"]
if card is not None:
    teacher = card["teacher"]
    rows = [
        ("cells with GFN1-xTB energies and forces (D0)", cells.n_frames, f"{len(cell)}-atom cells"),
        ("energy error on held-out cells (RMSE)", teacher["held_out"]["rmse_energy_meV_per_atom"], "meV per atom"),
        ("force error on held-out cells (RMSE)", teacher["held_out"]["rmse_force_eV_A"], "eV/Å"),
        ("held-out cells", teacher["held_out"]["n_cells"], "cells"),
        ("diamond: teacher minus QM", 1000 * teacher["diamond_error_eV_per_atom"], "meV per atom"),
        ("graphite: teacher minus QM", 1000 * teacher["graphite_error_eV_per_atom"], "meV per atom"),
        ("free atom, GFN1-xTB", card["free_atom_energy_eV"], "eV"),
    ]
    display.show_table(
        pd.DataFrame(rows, columns=["quantity", "value", "unit"]),
        name="teacher",
        caption=(
            "The teacher of the embedded data. Held-out errors come from a fit without every fifth cell; the labels "
            "come from a fit to all of them. C-GAP-17 errs by 51.3 meV per atom on its own training cells "
            "{cite}`gardner2023synthetic`."
        ),
        formats={"value": "{:,.4g}"},
    )

# %% [markdown]
# ## Energies of sp, sp² and sp³ atoms
#
# A simple way to sort carbon atoms is to count neighbours: two as in a chain (sp), three as in graphite (sp²), four as
# in diamond (sp³). A neighbour is an atom within 1.85 Å. The table gives the shares and the energies; the figure gives
# the distributions.

# %% tags=["hide-input"]
names = {2: "sp", 3: "sp²", 4: "sp³"}
table = (
    pd.DataFrame({"neighbours": coordination, "energy": binding})
    .groupby("neighbours")["energy"]
    .agg(["count", "mean", "std"])
    .reset_index()
)
table.insert(1, "category", [names.get(n, "other") for n in table["neighbours"]])
table["share"] = 100 * table["count"] / table["count"].sum()
mean = dict(zip(table["neighbours"], table["mean"], strict=True))
share = dict(zip(table["neighbours"], table["share"], strict=True))
for number, key in ((2, "sp"), (3, "sp2"), (4, "sp3")):
    display.glue(f"mean_{key}", mean.get(number, np.nan))
    display.glue(f"share_{key}", share.get(number, 0.0))
display.glue("sp_minus_sp2", mean.get(2, np.nan) - mean.get(3, np.nan))
display.glue("sp2_minus_sp3", mean.get(3, np.nan) - mean.get(4, np.nan))
if card is None:
    remark = "The card of the data set says nothing about the energies of its crystals."
else:
    crystals = card["teacher"]["graphite_qm_eV_per_atom"] - card["teacher"]["diamond_qm_eV_per_atom"]
    remark = (
        "Part of the difference here is the quantum mechanics: in 64-atom cells GFN1-xTB puts diamond "
        f"{crystals:.2f} eV per atom below "
        "graphite, where DFT finds the two nearly equal. The rest belongs to the structures, and to how the teacher "
        "divides a cell's energy."
    )
display.glue("similar_remark", remark)
display.show_table(
    table[["neighbours", "category", "count", "share", "mean", "std"]].rename(
        columns={"count": "atoms", "share": "share (%)", "mean": "mean energy (eV)", "std": "standard deviation (eV)"}
    ),
    name="coordination",
    caption="Atoms by number of neighbours within 1.85 Å, all frames. Energies are relative to the free atom.",
    formats={
        "atoms": "{:,.0f}",
        "share (%)": "{:.2f}",
        "mean energy (eV)": "{:.2f}",
        "standard deviation (eV)": "{:.2f}",
    },
)

# %% tags=["hide-input"]
densities = figures.energy_densities(binding, coordination, max_environments=p.kde_environments, seed=p.seed)
display.show(
    figures.energy_distributions(densities),
    name="energies",
    caption=(
        "Distribution of per-atom energies for atoms with two (sp), three (sp²) and four (sp³) neighbours: kernel "
        "density estimates, each of unit area. Energies are the teacher's, relative to the free atom. Compare the "
        "paper's Fig. 2a {cite}`gardner2023synthetic`."
    ),
    alt=(
        "Three overlapping energy distributions. Means relative to the free atom: "
        + ", ".join(f"{names[n]} {mean[n]:.2f} eV" for n in (2, 3, 4) if n in mean)
        + "."
    ),
    data=densities,
)

# %% [markdown]
# The sp atoms lie {glue:text}`sp_minus_sp2:.2f` eV above the sp² atoms on average, and the sp² atoms
# {glue:text}`sp2_minus_sp3:.2f` eV above the sp³ atoms. The paper finds sp notably higher, and sp² and sp³ "rather
# similar". {glue:text}`similar_remark`
#
# How a total energy is divided among atoms is not observable. Each potential makes its own choice; ours depends on the
# weights of its pair, angle and SOAP terms. What the paper asks of the labels is only that they are a well-defined
# function of the environment that can be learned. The chapter on [learning curves](03_learning_curves.ipynb) shows
# that they are.

# %% [markdown]
# ## How varied the structures are
#
# The paper speaks of a wide variety: graphitic structures, cage-like clusters, grains of diamond, tetrahedral amorphous
# carbon. This section looks at the final frame of each trajectory, after annealing and cooling, in three ways: numbers
# of neighbours, rings, and distances.
#
# ### Neighbours

# %% tags=["hide-input"]
finals = structure.final_frames(data)
shares = structure.coordination_shares(data, coordination, finals)
by_density = shares.groupby("density_g_cm3")[["sp_percent", "sp2_percent", "sp3_percent"]].mean()
lowest, highest = by_density.index[0], by_density.index[-1]
for key, column in (("sp", "sp_percent"), ("sp2", "sp2_percent"), ("sp3", "sp3_percent")):
    display.glue(f"{key}_at_low", by_density[column].iloc[0])
    display.glue(f"{key}_at_high", by_density[column].iloc[-1])
display.glue("final_density_low", lowest)
display.glue("final_density_high", highest)
display.glue("sp2_most_density", by_density["sp2_percent"].idxmax())
display.glue("sp2_most", by_density["sp2_percent"].max())
display.show(
    figures.shares_by_density(shares),
    name="shares-density",
    caption=(
        "Shares of atoms with two (sp), three (sp²) and four (sp³) neighbours within 1.85 Å in the final frame of each "
        "trajectory, against density. Lines join the means of each density."
    ),
    alt=(
        "Three curves against density. "
        + " ".join(
            f"At {density:.1f} g/cm³: sp {row['sp_percent']:.0f} %, sp² {row['sp2_percent']:.0f} %, "
            f"sp³ {row['sp3_percent']:.0f} %."
            for density, row in by_density.iloc[
                np.unique(np.linspace(0, len(by_density) - 1, 4).astype(int))
            ].iterrows()
        )
    ),
    data=shares,
)

# %% [markdown]
# The shares change strongly with density. At {glue:text}`final_density_low:.1f` g/cm³,
# {glue:text}`sp_at_low:.0f` % of the atoms are sp,
# in chains, and {glue:text}`sp3_at_low:.0f` % are sp³. At {glue:text}`final_density_high:.1f` g/cm³,
# {glue:text}`sp_at_high:.1f` % are sp and {glue:text}`sp3_at_high:.0f` % are sp³, as in tetrahedral amorphous carbon.
# The share of sp² is largest, {glue:text}`sp2_most:.0f` %, at {glue:text}`sp2_most_density:.1f` g/cm³.

# %% tags=["hide-input"]
slopes = {key: structure.slope_with_temperature(shares, f"{key}_percent") for key in ("sp", "sp2", "sp3")}
if all(slope is not None for slope in slopes.values()):
    labels = {"sp": "sp", "sp2": "sp²", "sp3": "sp³"}
    temperature_remark = (
        "At equal density, 1000 K more in annealing change the shares by "
        + ", ".join(f"{slope:+.1f} ± {error:.1f} points ({labels[key]})" for key, (slope, error) in slopes.items())
        + "; the uncertainty is the standard error of a least-squares fit with one constant for each density."
    )
else:
    temperature_remark = (
        "These data hold no two trajectories of the same density that were annealed at different temperatures. What "
        "the temperature does by itself can therefore not be told from them."
    )
display.glue("temperature_remark", temperature_remark)
known = shares.dropna(subset=["anneal_temperature_K"])
if len(known):
    most_sp, most_sp3 = known.loc[known["sp_percent"].idxmax()], known.loc[known["sp3_percent"].idxmax()]
    display.show(
        figures.shares_by_density_and_temperature(known),
        name="shares-temperature",
        caption=(
            "Shares of sp and of sp³ atoms in the final frame of each trajectory (squares), by density and annealing "
            "temperature."
        ),
        alt=(
            f"Two maps of {len(known)} squares. sp is most frequent, {most_sp['sp_percent']:.0f} %, at "
            f"{most_sp['density_g_cm3']:.1f} g/cm³ and {most_sp['anneal_temperature_K']:.0f} K; sp³, "
            f"{most_sp3['sp3_percent']:.0f} %, at {most_sp3['density_g_cm3']:.1f} g/cm³ and "
            f"{most_sp3['anneal_temperature_K']:.0f} K."
        ),
        data=known,
    )

# %% [markdown]
# {glue:text}`temperature_remark`

# %% [markdown]
# ### Rings
#
# A ring is a closed path of bonds. We count shortest-path rings {cite}`franzblau1991computation`: those on which no two
# atoms are joined by a shorter path than along the ring. The counting is done by matscipy {cite}`grigorev2024matscipy`.
# A sheet of graphite has only rings of six, and so has diamond.

# %% tags=["hide-input"]
counted = finals
if len(counted) > p.ring_frames:
    counted = np.sort(np.random.default_rng(p.seed).choice(finals, p.ring_frames, replace=False))
rings = structure.ring_table(data, counted)
ring_means = rings.pivot_table(index="density_g_cm3", columns="ring_size", values="rings_per_100_atoms")
one_of_each = pd.Series(counted).groupby(np.round(data.density_g_cm3[counted], 1)).first()
around = [structure.shortest_path_around(data.atoms(int(frame))) for frame in one_of_each]
around = min((steps for steps in around if steps is not None), default=None)
if around is None:
    around_remark = "No path of bonds leads around a cell, so that all counts are exact."
else:
    exact = (
        "so that all counts shown are exact"
        if around >= structure.LARGEST_RING
        else "so that larger rings may be missed"
    )
    around_remark = (
        "In a small periodic cell a path around the cell can be a short cut. The shortest such path has "
        f"{around} bonds (in one frame of each density), {exact}."
    )
display.glue("around_remark", around_remark)
for name, crystal in (("diamond", diamond(3)), ("graphite", graphite(6))):
    display.glue(f"six_rings_{name}", 100 * float(structure.ring_counts(crystal)[6]) / len(crystal))
for size in (5, 6, 7, 8):
    display.glue(f"rings_{size}_low", ring_means[size].iloc[0])
    display.glue(f"rings_{size}_high", ring_means[size].iloc[-1])
display.glue("small_rings", float(rings.loc[rings["ring_size"] < 5, "rings_per_100_atoms"].mean() * 2))
display.glue("ring_frames_counted", len(counted))
per_frame = rings[rings["ring_size"] >= 5].pivot_table(
    index=["trajectory", "density_g_cm3"], columns="ring_size", values="rings_per_100_atoms"
)
six_share = 100 * per_frame[6] / per_frame.sum(axis=1).where(lambda total: total > 0)
display.glue("ordered_share", six_share.max())
display.glue("ordered_density", six_share.idxmax()[1])
display.show(
    figures.rings_by_density(rings),
    name="rings",
    caption=(
        "Shortest-path rings of five to eight atoms in the final frames, for each 100 atoms of the cell, against "
        "density: means over the trajectories of each density. The data file has all sizes from three to eight."
    ),
    alt=(
        "Four curves against density. Rings per 100 atoms: "
        + "; ".join(
            f"at {density:.1f} g/cm³ "
            + ", ".join(f"{ring_means.loc[density, size]:.0f} of {size} atoms" for size in (5, 6, 7, 8))
            for density in (ring_means.index[0], ring_means.index[len(ring_means) // 2], ring_means.index[-1])
        )
        + "."
    ),
    data=rings,
)

# %% [markdown]
# The {glue:text}`ring_frames_counted` final frames hold rings of many sizes. Six-membered rings number
# {glue:text}`rings_6_low:.0f` for each 100 atoms at {glue:text}`final_density_low:.1f` g/cm³ and
# {glue:text}`rings_6_high:.0f` at {glue:text}`final_density_high:.1f` g/cm³; seven-membered ones
# {glue:text}`rings_7_low:.0f` and {glue:text}`rings_7_high:.0f`. An ordered sheet would have
# {glue:text}`six_rings_graphite:.0f` of six, diamond {glue:text}`six_rings_diamond:.0f`, and neither any of five, seven
# or eight. Of the rings of five to eight in a perfect crystal, all have six atoms; in our most ordered final frame, at
# {glue:text}`ordered_density:.1f` g/cm³, {glue:text}`ordered_share:.0f` % do. The paper reports grains of diamond from
# its trajectories; a frame that is one grain would stand out here. Rings of three and four number
# {glue:text}`small_rings:.2f` for each 100 atoms together. {glue:text}`around_remark`

# %% [markdown]
# ### Distances
#
# The radial distribution function g(r) is the density of atoms at a distance r from an atom, divided by the mean
# density. It is one for a gas without forces. We compute it with ASE {cite}`larsen2017atomic` up to half the edge of
# the cell.

# %% tags=["hide-input"]
densities_shown = by_density.index[np.unique(np.linspace(0, len(by_density) - 1, 4).astype(int))]
functions, bond_rows = [], []
for density in densities_shown:
    here = [data.atoms(int(frame)) for frame in finals[shares["density_g_cm3"].to_numpy() == density]]
    r, g = structure.radial_distribution(here)
    functions.append(pd.DataFrame({"density_g_cm3": density, "r_A": r, "g": g}))
    lengths = np.concatenate([neighbor_list("d", atoms, structure.BOND_A) for atoms in here])
    bond_rows.append(
        {
            "density (g/cm³)": density,
            "frames": len(here),
            "mean bond (Å)": lengths.mean(),
            "standard deviation (Å)": lengths.std(),
            "neighbours per atom": len(lengths) / sum(len(atoms) for atoms in here),
            "gain": sum(len(neighbor_list("i", atoms, structure.BOND_A + 0.1)) for atoms in here) / len(lengths) - 1,
            "first peak of g": g.max(),
        }
    )
functions = pd.concat(functions, ignore_index=True)
bond_table = pd.DataFrame(bond_rows)
display.glue("gain_low", 100 * bond_table["gain"].min())
display.glue("gain_high", 100 * bond_table["gain"].max())
bond_table = bond_table.drop(columns="gain")
sheet = graphite(6)
sheet = sheet[np.isclose(sheet.positions[:, 2], sheet.positions[0, 2])]
distances = []
for name, crystal in (("graphite", sheet), ("diamond", diamond(3))):
    found = np.unique(np.round(crystal.get_distances(0, range(1, len(crystal)), mic=True), 3))
    distances += [(name, distance) for distance in found[found < 4.0]]
    display.glue(f"bond_{name}", found[0])
distances = pd.DataFrame(distances, columns=["crystal", "distance_A"])
display.glue("bond_low", bond_table["mean bond (Å)"].iloc[0])
display.glue("bond_high", bond_table["mean bond (Å)"].iloc[-1])
display.show(
    figures.radial_distributions(functions, distances),
    name="radial-distribution",
    caption=(
        "Radial distribution functions of the final frames at several densities, each shifted upwards; grey lines mark "
        "the value of one. Each ends at half the edge of its cell. Ticks: distances of neighbours in crystals."
    ),
    alt=(
        "One curve above the other, each with a sharp first peak, a gap, a broader second peak near 2.5 Å and then "
        "values near one. "
        + " ".join(
            f"At {row['density (g/cm³)']:.1f} g/cm³ the mean bond is {row['mean bond (Å)']:.3f} Å and the first peak "
            f"reaches {row['first peak of g']:.1f}."
            for row in bond_rows
        )
    ),
    data=functions,
)
display.show_table(
    bond_table,
    name="bonds",
    caption="Bonds (up to 1.85 Å) in the final frames, and the height of the first peak of g(r).",
    formats={
        "density (g/cm³)": "{:.1f}",
        "mean bond (Å)": "{:.3f}",
        "standard deviation (Å)": "{:.3f}",
        "neighbours per atom": "{:.2f}",
        "first peak of g": "{:.1f}",
    },
)

# %% [markdown]
# The first peak holds the bonds. Their mean length is {glue:text}`bond_low:.3f` Å at
# {glue:text}`final_density_low:.1f` g/cm³ and {glue:text}`bond_high:.3f` Å at
# {glue:text}`final_density_high:.1f` g/cm³; it is {glue:text}`bond_graphite:.3f` Å in graphite and
# {glue:text}`bond_diamond:.3f` Å in diamond. Few atoms lie between the first and the second peak: were the limit of a
# bond 0.1 Å larger, there would be {glue:text}`gain_low:.1f` to {glue:text}`gain_high:.1f` % more bonds, depending on
# the density. The numbers of neighbours on this page therefore hardly depend on it.

# %% [markdown]
# ## Typical and extreme structures

# %% tags=["hide-input"]
sizes = np.diff(data.offsets)
mean_energy = np.bincount(data.frame, weights=binding) / sizes
table_of_finals = shares.assign(
    frame=finals, energy_eV=mean_energy[finals], six_rings=np.nan, density_g_cm3=shares["density_g_cm3"]
)
six = rings[rings["ring_size"] == 6].set_index("trajectory")["rings_per_100_atoms"]
table_of_finals["six_rings"] = table_of_finals["trajectory"].map(six)
typical = []
for density in by_density.index[[0, len(by_density) // 2, -1]].unique():
    group = table_of_finals[table_of_finals["density_g_cm3"] == density].sort_values("energy_eV")
    typical.append(group.iloc[(len(group) - 1) // 2])


def annealed(temperature):
    """When a trajectory was annealed, for a line of text."""
    return f"annealed at {temperature:.0f} K" if np.isfinite(temperature) else "annealing unknown"


def signed(energy, digits=2):
    """An energy with a proper minus sign."""
    return f"{energy:.{digits}f}".replace("-", "\N{MINUS SIGN}")


shown_frames = [data.atoms(int(row["frame"])) for row in typical]
display.show(
    structures.frame_gallery(
        shown_frames,
        [coordination_numbers(atoms) for atoms in shown_frames],
        [
            f"{row['density_g_cm3']:.1f} g/cm³\n{annealed(row['anneal_temperature_K'])}\n"
            f"{signed(row['energy_eV'])} eV per atom"
            for row in typical
        ],
    ),
    name="final-frames",
    caption=(
        "Final frames at low, medium and high density, each that of the median energy among the trajectories of its "
        "density. Energies are the teacher's, relative to the free atom. Each cell fills its panel, whatever its "
        "size."
    ),
    alt="Cells of "
    + "; ".join(
        f"{row['density_g_cm3']:.1f} g/cm³, {annealed(row['anneal_temperature_K'])}, "
        f"{row['energy_eV']:.2f} eV per atom, "
        f"{row['sp_percent']:.0f} % sp, {row['sp2_percent']:.0f} % sp², {row['sp3_percent']:.0f} % sp³"
        for row in typical
    )
    + ". From left to right the network fills the cell.",
    data=pd.concat(
        [
            pd.DataFrame(atoms.positions, columns=["x_A", "y_A", "z_A"]).assign(
                density_g_cm3=row["density_g_cm3"],
                cell_length_A=atoms.cell.lengths()[0],
                neighbours=coordination_numbers(atoms),
                energy_eV=atoms.arrays["local_energy"] - reference,
            )
            for row, atoms in zip(typical, shown_frames, strict=True)
        ],
        ignore_index=True,
    ),
)

# %% tags=["hide-input"]
extremes = [
    ("lowest energy", "energy_eV", "idxmin"),
    ("highest energy", "energy_eV", "idxmax"),
    ("most sp", "sp_percent", "idxmax"),
    ("most sp²", "sp2_percent", "idxmax"),
    ("most sp³", "sp3_percent", "idxmax"),
    ("most six-membered rings", "six_rings", "idxmax"),
    ("fewest six-membered rings", "six_rings", "idxmin"),
]
extreme_rows = pd.DataFrame(
    [
        {"final frame with": text} | table_of_finals.loc[getattr(table_of_finals[column], how)()].to_dict()
        for text, column, how in extremes
    ]
)
display.show_table(
    extreme_rows[
        [
            "final frame with",
            "density_g_cm3",
            "anneal_temperature_K",
            "energy_eV",
            "sp_percent",
            "sp2_percent",
            "sp3_percent",
            "six_rings",
        ]
    ].rename(
        columns={
            "density_g_cm3": "density (g/cm³)",
            "anneal_temperature_K": "annealed at (K)",
            "energy_eV": "energy (eV per atom)",
            "sp_percent": "sp (%)",
            "sp2_percent": "sp² (%)",
            "sp3_percent": "sp³ (%)",
            "six_rings": "six-rings per 100 atoms",
        }
    ),
    name="extreme-frames",
    caption="Extreme final frames. Energies are means over the cell, relative to the free atom.",
    formats={
        "density (g/cm³)": "{:.1f}",
        "annealed at (K)": "{:.0f}",
        "energy (eV per atom)": "{:.2f}",
        "sp (%)": "{:.1f}",
        "sp² (%)": "{:.1f}",
        "sp³ (%)": "{:.1f}",
        "six-rings per 100 atoms": "{:.1f}",
    },
)

# %% [markdown]
# Single environments spread more than whole frames. The next figure shows, for each category, the environment of
# lowest, median and highest energy in the final frames.

# %% tags=["hide-input"]
candidates = np.flatnonzero(np.isin(data.frame, finals))
picked = structure.typical_and_extreme(data.local_energy_eV, coordination, candidates)
ranks, categories = ("lowest", "typical", "highest"), {"sp": "sp", "sp2": "sp²", "sp3": "sp³"}
rows, environment_rows, bond_records = [], [], []
for category, label in categories.items():
    row = []
    for rank in ranks:
        match = picked[(picked["category"] == category) & (picked["rank"] == rank)]
        if match.empty:
            row.append(None)
            continue
        number = int(match["environment"].iloc[0])
        frame = int(data.frame[number])
        around_atom = structure.neighbourhood(data.atoms(frame), number - int(data.offsets[frame]))
        density, temperature = data.density_g_cm3[frame], data.anneal_temperature_K[frame]
        text = f"{signed(binding[number])} eV\n{density:.1f} g/cm³" + (
            f", {temperature:.0f} K" if np.isfinite(temperature) else ""
        )
        row.append((around_atom, text))
        environment_rows.append(
            {
                "environment": f"{label}, {rank}",
                "energy (eV)": binding[number],
                "density (g/cm³)": density,
                "annealed at (K)": temperature,
                "bonds (Å)": ", ".join(f"{length:.2f}" for length in around_atom.bond_lengths_A),
                "mean bond (Å)": around_atom.bond_lengths_A.mean(),
            }
        )
        bond_records.append(
            pd.DataFrame(around_atom.positions_A, columns=["x_A", "y_A", "z_A"]).assign(
                category=category,
                rank=rank,
                energy_eV=binding[number],
                bonds_from_centre=around_atom.shell,
                neighbours=around_atom.coordination,
            )
        )
    rows.append(row)
environment_table = pd.DataFrame(environment_rows)
by_rank = environment_table.groupby(environment_table["environment"].str.split(", ").str[1])["mean bond (Å)"].mean()
display.glue("bond_of_lowest", by_rank["lowest"])
display.glue("bond_of_highest", by_rank["highest"])
spread = environment_table["energy (eV)"].max() - environment_table["energy (eV)"].min()
display.glue("spread_of_environments", spread)
display.glue("spread_of_frames", table_of_finals["energy_eV"].max() - table_of_finals["energy_eV"].min())
display.show(
    structures.environment_gallery(rows, list(categories.values()), ranks),
    name="environments",
    caption=(
        "Environments of lowest, median (typical) and highest energy of each category in the final frames. The atom "
        "itself is ringed; numbers are the lengths of its bonds in Å. Above each: the teacher's energy relative to the "
        "free atom, the density of the cell and its annealing temperature. Atoms up to two bonds away are drawn."
    ),
    alt="Small drawings of atoms with their neighbours. "
    + " ".join(
        f"{row['environment']}: {row['energy (eV)']:.2f} eV, {row['density (g/cm³)']:.1f} g/cm³, "
        f"bonds {row['bonds (Å)']} Å."
        for row in environment_rows
    ),
    data=pd.concat(bond_records, ignore_index=True),
)

# %% [markdown]
# The environments shown span {glue:text}`spread_of_environments:.1f` eV; the means of whole final frames only
# {glue:text}`spread_of_frames:.1f` eV. The bonds of the three atoms of lowest energy are
# {glue:text}`bond_of_lowest:.2f` Å long on average, those of the three of highest energy
# {glue:text}`bond_of_highest:.2f` Å.

# %% [markdown]
# ## The authors' data instead
#
# Every chapter also runs on the authors' 22.9 million environments, or on any folder of extended XYZ files with
# per-atom energies. Set the parameter `dataset`: see [](../book/how_to_rerun.md).
