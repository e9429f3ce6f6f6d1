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
# book, made by the same chain of steps, and redraws Fig. 2a from it. Atoms with two neighbours lie well above those
# with three or four, as in the paper.
#
# **What differs from the paper.** The quantum mechanics here is GFN1-xTB, not DFT, and the potential is our own, not
# C-GAP-17. Compare shapes and ratios with the paper, not absolute energies.

# %% tags=["parameters"]
profile = "book"  # which set of parameters this is
dataset = "embedded"  # "embedded", "paper", or a folder of extended XYZ files
n_trajectories = None  # use this many trajectories; None: all
kde_environments = 20000  # at most this many environments per density estimate
seed = 0  # seeds every random choice on this page

# %% tags=["hide-input"]
import numpy as np
import pandas as pd

from synthetic_atoms.book import display, parameters
from synthetic_atoms.datasets import data_card, load_local_energies, load_total_energies
from synthetic_atoms.descriptors import coordination_numbers
from synthetic_atoms.figures import dataset as figures

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

# %% tags=["hide-input"]
card = data_card(p.dataset)
if card is not None:
    teacher = card["teacher"]
    cells = load_total_energies(p.dataset)
    rows = [
        ("cells with GFN1-xTB energies and forces (D0)", cells.n_frames, "64-atom cells"),
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
        f"Part of the difference here is the quantum mechanics: GFN1-xTB puts diamond {crystals:.2f} eV per atom below "
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
        + ". The sp distribution lies highest and is set apart; sp² and sp³ overlap."
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
# ## The authors' data instead
#
# Every chapter also runs on the authors' 22.9 million environments, or on any folder of extended XYZ files with
# per-atom energies. Set the parameter `dataset`: see [](../book/how_to_rerun.md).
