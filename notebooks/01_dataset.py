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
# such "synthetic" labels for 22.9 million carbon environments. {glue:text}`in_short`
#
# **What differs from the paper.** {glue:text}`differs` Compare shapes and ratios with the paper, not absolute energies.

# %% tags=["parameters"]
profile = "book"  # which set of parameters this is
dataset = "embedded-all"  # "embedded", "embedded-all", "paper", or a folder of extended XYZ files
n_trajectories = None  # use this many trajectories; None: all
kde_environments = 20000  # at most this many environments per density estimate
ring_frames = 600  # count the rings of at most this many final frames
cost_structures = 5  # time the labelling of this many structures of each kind; 0: none
seed = 0  # seeds every random choice on this page

# %% tags=["hide-input"]
from pathlib import Path

import numpy as np
import pandas as pd
from ase.data import atomic_names, atomic_numbers
from ase.neighborlist import neighbor_list

from synthetic_atoms import published, structure
from synthetic_atoms.book import display, parameters
from synthetic_atoms.categories import CATEGORIES, categories_of, how_many, short_label, spelled
from synthetic_atoms.datasets import data_card, load_local_energies, load_total_energies
from synthetic_atoms.datasets.embedded import TOTAL
from synthetic_atoms.descriptors import coordination_numbers
from synthetic_atoms.descriptors.coordination import bond_A
from synthetic_atoms.errors import DataError, MissingDependencyError
from synthetic_atoms.experiments import teacher_settings
from synthetic_atoms.figures import chain, galleries
from synthetic_atoms.figures import dataset as figures
from synthetic_atoms.paths import OWN_DATASETS, data_directory, is_own
from synthetic_atoms.synthesis import costs
from synthetic_atoms.synthesis.crystals import diamond, graphite
from synthetic_atoms.synthesis.teacher import Teacher
from synthetic_atoms.wording import about, listed

p = parameters.validate_notebook("01_dataset", globals())

# %% [markdown]
# ## Where the labels come from
#
# The idea of the paper's Fig. 1 is a chain of four steps. A few structures get quantum-mechanical (QM) energies. A
# potential is fitted to them: the *teacher*. Many more structures are made. The teacher labels each atom of those.
# The chain behind this book's own data has the same four steps, each with a program that installs in a minute:
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
# The same steps can be run again, larger or with other programs: see [How to rerun](../book/how_to_rerun.md).
# {glue:text}`which_data`

# %% tags=["hide-input"]
data = load_local_energies(p.dataset, n_trajectories=p.n_trajectories, seed=p.seed)
coordination = coordination_numbers(data)
has_reference = np.isfinite(data.free_atom_energy_eV)
reference = data.free_atom_energy_eV if has_reference else 0.0
binding = data.local_energy_eV - reference
card = data_card(p.dataset)
has_teacher = card is not None and bool(card.get("teacher"))
element = atomic_names[atomic_numbers[data.symbol]].lower()
bond = bond_A(data.symbol)
categories = categories_of(data.symbol, coordination)
as_in_paper = categories == CATEGORIES  # carbon: sp, sp2, sp3
zero = "relative to the free atom" if has_reference else "as stored"
energies_are = f"the teacher's, {zero}" if has_teacher or p.dataset.startswith("paper") else zero
digits = max(2, 1 - int(np.floor(np.log10(max(binding.std(), 1e-9)))))  # of energies in eV, for two of their spread

if is_own(p.dataset):
    in_short = (
        "This chapter shows the smaller set that comes with this book, made by the same chain of steps. It draws that "
        "chain (Fig. 1), the energies (Fig. 2a), and the variety of the structures: chains and sheets at low density, "
        "networks of four-bonded atoms at high density. Atoms with two neighbours lie well above those with three or "
        "four, as in the paper."
    )
    differs = "The quantum mechanics here is GFN1-xTB, not DFT, and the potential is our own, not C-GAP-17."
    which_data = "This page shows the data that were made with them."
else:
    in_short = (
        f"This run of the chapter shows other data, '{data.name}': {data.n_environments:,} environments of {element} "
        f"({data.symbol}). It draws their energies (Fig. 2a) and the variety of their structures."
    )
    differs = "The data are others than this book's own, and what it says elsewhere about its own need not hold here."
    method = (card or {}).get("method", {})
    which_data = (
        f"The data of this run, '{data.name}', were made with other steps: driver {method['driver']}; labels from "
        f"{method['labeller']}."
        if {"driver", "labeller"} <= set(method)
        else f"How the data of this run, '{data.name}', were made is not in them."
    )
display.glue("in_short", in_short)
display.glue("differs", differs)
display.glue("which_data", which_data)
display.glue("n_environments", data.n_environments)
display.glue("n_frames", data.n_frames)
display.glue("n_trajectories_found", len(np.unique(data.trajectory)))
display.glue("density_low", data.density_g_cm3.min())
fitted_to = load_local_energies("embedded") if p.dataset == "embedded-all" else data
display.glue(
    "part_remark",
    "All chapters use these data."
    if fitted_to.n_environments >= data.n_environments
    else f"The fits of the following chapters were made with a part of them, the {fitted_to.n_environments:,} "
    f"environments of {len(np.unique(fitted_to.trajectory))} trajectories: each density at some temperatures.",
)
display.glue("density_high", data.density_g_cm3.max())
data

# %% [markdown]
# This page uses {glue:text}`n_environments:,` environments in {glue:text}`n_frames:,` frames of
# {glue:text}`n_trajectories_found` trajectories, at densities from {glue:text}`density_low:.1f` to
# {glue:text}`density_high:.1f` g/cm³. {glue:text}`part_remark`

# %% [markdown]
# ## The chain and its costs
#
# {glue:text}`costs_intro`

# %% tags=["hide-input"]
lacking = [
    text
    for text, there in (
        ("quantum-mechanical cells", card is not None and TOTAL in card["sha256"]),
        ("a teacher", has_teacher),
    )
    if not there
]
has_chain = not lacking
if has_chain:
    cells = load_total_energies(p.dataset)
    everything = data if p.n_trajectories is None else load_local_energies(p.dataset)
    folder = data_directory() / "embedded" if p.dataset in OWN_DATASETS else Path(p.dataset).expanduser()
    qm_name = card.get("method", {}).get("qm", "GFN1-xTB").split("(")[0].split(":")[-1].strip()
    costs_intro = (
        "What a label costs is measured here, when the page runs: the processor time of one core, for structures of "
        f"our data. {qm_name} gives the energy of a cell and the forces on its atoms. The teacher gives the energy of "
        "each atom."
    )
else:
    costs_intro = (
        "For data that come with quantum-mechanical cells and a teacher, this section draws the chain and measures "
        f"what a label costs. These come without {' and '.join(lacking)}, so both are left out."
    )
display.glue("costs_intro", costs_intro)


def some(frames, count=p.cost_structures):
    """The structures that are timed, evenly spaced."""
    chosen = np.linspace(0, frames.n_frames - 1, min(count, frames.n_frames))
    return [frames.atoms(int(number)) for number in chosen]


measured, missing = {}, []
if has_chain and p.cost_structures:
    measures = [
        ("qm", "tblite", lambda: costs.qm_cost(some(cells))),
        ("doubled", "tblite", lambda: costs.qm_cost(some(cells, 1), doubled=True)),
        ("teacher", "quippy", lambda: costs.teacher_cost(Teacher(folder / "teacher.tar.xz"), some(everything))),
    ]
    for name, package, measure in measures if qm_name == "GFN1-xTB" else measures[2:]:
        try:
            measured[name] = measure()
        except MissingDependencyError:
            missing += [package] if package not in missing else []


def cost_text(name):
    """A cost as the figure shows it."""
    return f"{about(measured[name].ms_per_atom)} ms per atom" if name in measured else "not measured here"


if not has_chain:
    cost_remark = "How much a teacher saves can therefore not be shown for these data."
elif {"qm", "doubled", "teacher"} <= set(measured):
    ratio = measured["qm"].ms_per_atom / measured["teacher"].ms_per_atom
    minutes = {name: cost.ms_per_atom * everything.n_environments / 60_000 for name, cost in measured.items()}
    cost_remark = (
        f"Per atom, a label of the teacher costs {about(measured['teacher'].ms_per_atom)} ms and one of GFN1-xTB "
        f"{about(measured['qm'].ms_per_atom)} ms: {ratio:.0f} times as much. All {everything.n_environments:,} labels "
        f"of the teacher would take {minutes['teacher']:.1f} minutes of one core. At the same time per atom as in a "
        f"cell of {measured['qm'].n_atoms} atoms, GFN1-xTB would take {minutes['qm']:.0f} minutes. In larger cells it "
        f"takes longer for each atom: {about(measured['doubled'].ms_per_atom)} ms in one of "
        f"{measured['doubled'].n_atoms}."
    )
else:
    reason = (
        f"{' and '.join(missing)} not installed"
        if missing
        else f"only GFN1-xTB can be timed, not {qm_name}"
        if p.cost_structures
        else "not asked for"
    )
    cost_remark = f"The costs were not all measured when this page ran ({reason})."
if has_chain and qm_name == "GFN1-xTB":
    cost_remark += (
        " In the paper the step on the left is DFT, which costs far more than GFN1-xTB, a semi-empirical method. There "
        "the teacher saves orders of magnitude; here the ratio is much smaller, because our quantum mechanics is "
        "itself cheap. Besides, GFN1-xTB gives one energy for a whole cell, where the teacher gives one for each atom."
    )
display.glue("cost_remark", cost_remark)

timed = [
    (name, text)
    for name, text in (("qm", "cells timed:"), ("doubled", "two cells joined:"), ("teacher", "frames:"))
    if name in measured
]
if has_chain:
    cost_rows = [
        {
            "label": label,
            "atoms": measured[name].n_atoms if name in measured else np.nan,
            "s per structure": measured[name].seconds if name in measured else np.nan,
            "ms per atom": measured[name].ms_per_atom if name in measured else np.nan,
            "change (meV)": 1000 * measured[name].largest_change_eV if name in measured else np.nan,
        }
        for name, label in (
            ("qm", f"{qm_name}: energy and forces"),
            ("doubled", f"{qm_name}, two cells joined"),
            ("teacher", "teacher: per-atom energies"),
        )
    ]
    display.show_table(
        pd.DataFrame(cost_rows),
        name="label-costs",
        caption=(
            "Processor time of labelling a structure on one core "
            f"({', '.join(f'{text} {measured[name].n_structures}' for name, text in timed) or 'none timed'}), the "
            "median, and the largest change of a label from the stored one. A dash: nothing to compare with, or not "
            "measured here."
        ),
        formats={
            "atoms": "{:.0f}",
            "s per structure": "{:.2f}",
            "ms per atom": "{:.2g}",
            "change (meV)": "{:.4f}",
        },
    )

# %% tags=["hide-input"]
if has_chain:
    stages = chain.choose_frames(everything)
    drawn = [everything.atoms(frame) for frame in stages]
    drawn_coordination = [coordination_numbers(atoms) for atoms in drawn]
    drawn_energy = [atoms.arrays["local_energy"] - reference for atoms in drawn]
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
    texts = {
        "few": f"few: {cells.n_frames:,} cells\nof {len(cell)} atoms",
        "qm": f"{qm_name}\n{cost_text('qm')}",
        "qm_labels": "QM energies\nand forces",
        "fit": "fit",
        "many": f"many: {everything.n_frames:,} frames of {len(drawn[-1])} atoms\n"
        f"from {len(np.unique(everything.trajectory)):,} trajectories",
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
            categories,
            zero=zero,
            stages=names_of_stages,
            texts=texts,
        ),
        name="chain",
        caption=(
            "The chain of labels, drawn with structures of our data. Left: a few small cells get quantum-mechanical "
            "energies and forces (arrows). The teacher is fitted to them. Right: frames of one trajectory at "
            f"{everything.density_g_cm3[stages[-1]]:.1f} g/cm³, as many others, get an energy for each atom from the "
            "teacher. All cells are drawn to the same scale; atoms farther from the viewer are paler; bonds that end "
            "half way lead to the next periodic image. Compare the paper's Fig. 1 {cite}`gardner2023synthetic`."
        ),
        alt=(
            f"Two columns. Left: {cells.n_frames:,} cells of {len(cell)} atoms, an arrow to {qm_name} "
            f"({cost_text('qm')}), an arrow to energies and forces, and from there an arrow named fit to the teacher. "
            f"Right: {everything.n_frames:,} frames of {len(drawn[-1])} atoms, an arrow to the teacher "
            f"({cost_text('teacher')}), an arrow to {everything.n_environments:,} per-atom energies. Three frames are "
            "drawn: "
            + "; ".join(
                f"{name.replace(chr(10), ', ')}, mean energy {energy.mean():.{digits}f} eV"
                for name, energy in zip(names_of_stages, drawn_energy, strict=True)
            )
            + ". Atoms are coloured by their number of neighbours above and by their energy below."
        ),
        data=atoms_drawn,
    )

# %% [markdown]
# {glue:text}`cost_remark`

# %% tags=["hide-input"]
if has_chain:
    teacher, stated = card["teacher"], published.table("stated_values").set_index("quantity")
    rows = [
        (f"cells with {qm_name} energies and forces (D0)", cells.n_frames, f"{len(cell)}-atom cells"),
        ("energy error on held-out cells (RMSE)", teacher["held_out"]["rmse_energy_meV_per_atom"], "meV per atom"),
        ("force error on held-out cells (RMSE)", teacher["held_out"]["rmse_force_eV_A"], "eV/Å"),
        ("held-out cells", teacher["held_out"]["n_cells"], "cells"),
        *(
            (f"{crystal}: teacher minus QM", 1000 * teacher[f"{crystal}_error_eV_per_atom"], "meV per atom")
            for crystal in ("diamond", "graphite")
            if f"{crystal}_error_eV_per_atom" in teacher
        ),
        (f"free atom, {qm_name}", card["free_atom_energy_eV"], "eV"),
    ]
    display.show_table(
        pd.DataFrame(rows, columns=["quantity", "value", "unit"]),
        name="teacher",
        caption=(
            f"The teacher of the {'embedded ' if p.dataset in OWN_DATASETS else ''}data. Held-out errors come from a "
            "fit without every fifth cell; the labels come from a fit to all of them. C-GAP-17 errs by "
            f"{stated.loc['teacher_rmse_energy', 'value']:.1f} meV per atom on its own training cells "
            "{cite}`gardner2023synthetic`."
        ),
        formats={"value": "{:,.4g}"},
    )

# %% tags=["hide-input"]
if p.dataset in OWN_DATASETS:
    trials = teacher_settings.trials(n_cells=teacher_settings.TRIAL_CELLS)
    known = trials["rmse_energy_meV_per_atom"].notna()
    apart = "sp² above sp³ (eV)"
    tried = pd.DataFrame(
        {
            "δ of SOAP (eV)": trials["delta_soap_eV"],
            "M of SOAP": trials["n_sparse_soap"],
            "σ, energy (meV)": trials["sigma_energy_meV"],
            "cells with forces": 100 * trials["force_fraction"],
            "error (meV per atom)": trials["rmse_energy_meV_per_atom"],
            "force error (eV/Å)": trials["rmse_force_eV_A"],
            apart: trials["sp2_sp3_gap_eV"],
        }
    )
    display.show_table(
        tried,
        name="teacher-trials",
        caption=(
            f"Settings tried for the teacher, each fitted to {teacher_settings.TRIAL_CELLS:,} cells without every "
            "fifth one: errors (RMSE) on those, and how far the mean energies of sp² and sp³ atoms lie apart in those "
            f"below {teacher_settings.COLD_K:,.0f} K. The first row has the settings of the teacher "
            "that labelled the data, which was fitted to more cells."
        ),
        formats={
            "δ of SOAP (eV)": "{:g}",
            "M of SOAP": "{:,.0f}",
            "σ, energy (meV)": "{:g}",
            "cells with forces": "{:.0f} %",
            "error (meV per atom)": "{:.1f}",
            "force error (eV/Å)": "{:.2f}",
            apart: "{:.2f}",
        },
    )
    at_rest = card["statistics"]["quantum_mechanics_by_coordination_eV"]
    last = card["statistics"]["coordination_final_frames"]
    gap = last["3"]["mean_eV"] - last["4"]["mean_eV"]
    weak, strong = (
        trials[trials["delta_soap_eV"] == delta].sort_values(["force_fraction", "n_sparse_soap"]).iloc[-1]
        for delta in (trials["delta_soap_eV"].min(), trials["delta_soap_eV"].max())
    )
    regressed = at_rest["3"] - at_rest["4"]
    error_change = strong["rmse_energy_meV_per_atom"] - weak["rmse_energy_meV_per_atom"]
    gap_change = 1000 * (strong["sp2_sp3_gap_eV"] - weak["sp2_sp3_gap_eV"])
    trials_remark = (
        f"Of the {len(trials)} settings tried the errors lie between {trials['rmse_energy_meV_per_atom'].min():.1f} "
        f"and {trials['rmse_energy_meV_per_atom'].max():.1f} meV per atom. How a GAP shares the energy of a cell among "
        "its atoms may depend on the prior scales δ of its terms. A stronger SOAP term "
        f"(δ = {strong['delta_soap_eV']:g} instead of {weak['delta_soap_eV']:g} eV) changes the error by "
        f"{error_change:+.1f} meV per atom and the distance of sp² and sp³ atoms by {gap_change:+.0f} meV. In the "
        f"paper's data these atoms have nearly equal energies; in the last frames of ours sp² atoms lie {gap:.2f} eV "
        "higher. How much of that is the teacher's way of sharing is not known exactly: without any teacher, a linear "
        "regression of the quantum-mechanical total energies of the cold cells on the numbers of sp, sp² and sp³ atoms "
        f"finds {regressed:.2f} eV."
        if known.all()
        else "Not all settings that were tried are in the store."
    )
else:
    trials_remark = ""
display.glue("trials_remark", trials_remark)

# %% [markdown]
# {glue:text}`trials_remark`

# %% [markdown]
# ## Energies by number of neighbours
#
# {glue:text}`sorting_remark` The table gives the shares and the energies; the figure gives the distributions.

# %% tags=["hide-input"]
if as_in_paper:
    sorting_remark = (
        "A simple way to sort carbon atoms is to count neighbours: two as in a chain (sp), three as in graphite (sp²), "
        f"four as in diamond (sp³). A neighbour is an atom within {bond:g} Å."
    )
else:
    sorting_remark = (
        f"A simple way to sort atoms is to count neighbours. A neighbour is an atom within {bond:g} Å: "
        + ("the paper's limit." if data.symbol == "C" else "the paper's limit for carbon, scaled by covalent radii.")
    )
display.glue("sorting_remark", sorting_remark)
table = (
    pd.DataFrame({"neighbours": coordination, "energy": binding})
    .groupby("neighbours")["energy"]
    .agg(["count", "mean", "std"])
    .reset_index()
)
names = {number: short_label(name) for name, number in categories.items()}
if as_in_paper:
    table.insert(1, "category", [names.get(n, "other") for n in table["neighbours"]])
table["share"] = 100 * table["count"] / table["count"].sum()
mean = dict(zip(table["neighbours"], table["mean"], strict=True))
display.show_table(
    table[[*(["neighbours", "category"] if as_in_paper else ["neighbours"]), "count", "share", "mean", "std"]].rename(
        columns={"count": "atoms", "share": "share (%)", "mean": "mean energy (eV)", "std": "standard deviation (eV)"}
    ),
    name="coordination",
    caption=f"Atoms by number of neighbours within {bond:g} Å, all frames. Energies are {zero}.",
    formats={
        "atoms": "{:,.0f}",
        "share (%)": "{:.2f}",
        "mean energy (eV)": f"{{:.{digits}f}}",
        "standard deviation (eV)": f"{{:.{digits}f}}",
    },
)


def difference(higher, lower):
    """How far the atoms of one category lie above those of another, in words."""
    shift = mean[categories[higher]] - mean[categories[lower]]
    side = "above" if shift >= 0 else "below"
    return f"the {short_label(higher)} atoms lie {abs(shift):.2f} eV {side} the {short_label(lower)} atoms"


pairs = [pair for pair in (("sp", "sp2"), ("sp2", "sp3")) if as_in_paper and {categories[n] for n in pair} <= set(mean)]
if pairs:
    energies_remark = (
        f"On average, {listed([difference(*pair) for pair in pairs])}. The paper finds sp notably higher, and sp² and "
        'sp³ "rather similar".'
    )
    if has_teacher and {"graphite_qm_eV_per_atom", "diamond_qm_eV_per_atom"} <= set(card["teacher"]):
        crystals = card["teacher"]["graphite_qm_eV_per_atom"] - card["teacher"]["diamond_qm_eV_per_atom"]
        energies_remark += (
            f" Part of the difference here is the quantum mechanics: in 64-atom cells {qm_name} puts diamond "
            f"{abs(crystals):.2f} eV per atom {'below' if crystals >= 0 else 'above'} graphite, where DFT finds the "
            "two nearly equal. The rest belongs to the structures, and to how the teacher divides a cell's energy."
        )
else:
    energies_remark = (
        f"The mean {'energies are' if len(names) > 1 else 'energy is'} "
        + listed([f"{mean[number]:.{digits}f} eV ({label})" for number, label in names.items() if number in mean])
        + "."
    )

# %% tags=["hide-input"]
try:
    densities = figures.energy_densities(
        binding, coordination, categories, max_environments=p.kde_environments, seed=p.seed
    )
except DataError:  # too few atoms, or all with the same energy
    energies_remark += " No kind of atom has enough different energies for a distribution to be drawn."
else:
    drawn_kinds = {name: number for name, number in categories.items() if name in set(densities["category"])}
    display.show(
        figures.energy_distributions(densities, categories, zero=zero),
        name="energies",
        caption=(
            f"Distribution of per-atom energies for atoms with {spelled(drawn_kinds)}: kernel density estimates, each "
            f"of unit area. Energies are {energies_are}. Compare the paper's Fig. 2a {{cite}}`gardner2023synthetic`."
        ),
        alt=(
            f"Energy distributions, {how_many(len(drawn_kinds), 'curve')}. Mean energies {zero}: "
            + ", ".join(f"{names[n]} {mean[n]:.{digits}f} eV" for n in drawn_kinds.values())
            + "."
        ),
        data=densities,
    )
display.glue("energies_remark", energies_remark)

# %% [markdown]
# {glue:text}`energies_remark`
#
# How a total energy is divided among atoms is not observable. Each potential makes its own choice; that of the book's
# own teacher depends on the weights of its pair, angle and SOAP terms. What the paper asks of the labels is only that
# they are a well-defined function of the environment that can be learned. The chapter on
# [learning curves](03_learning_curves.ipynb) shows whether they are.

# %% [markdown]
# ## How varied the structures are
#
# The paper speaks of a wide variety: graphitic structures, cage-like clusters, grains of diamond, tetrahedral amorphous
# carbon. This section looks at the final frame of each trajectory in three ways: numbers of neighbours, rings, and
# distances.
#
# ### Neighbours

# %% tags=["hide-input"]
finals = structure.final_frames(data)
candidates = np.flatnonzero(np.isin(data.frame, finals))
bonded = bool(coordination[candidates].any())
columns = {name: f"{name}_percent" for name in categories}
shares = structure.coordination_shares(data, coordination, finals, categories)
by_density = shares.groupby("density_g_cm3")[list(columns.values())].mean()
lowest, highest = by_density.index[0], by_density.index[-1]


def shares_at(density, places=0):
    """The mean shares of the categories at one density, in words."""
    row = by_density.loc[density]
    return ", ".join(f"{short_label(name)} {row[column]:.{places}f} %" for name, column in columns.items())


def at_both_ends(low, high, unit=""):
    """A value at the lowest and at the highest density, in words; once if there is only one density."""
    if lowest == highest:
        return f"{low}{unit} at {lowest:.1f} g/cm³"
    return f"{low}{unit} at {lowest:.1f} g/cm³ and {high}{unit} at {highest:.1f} g/cm³"


if not bonded:
    shares_remark = (
        f"No atom of the final frames has another within {bond:g} Å. Such data are not sorted by neighbours, and have "
        "no bonds to be counted."
    )
elif as_in_paper and lowest < highest and p.dataset.split(":")[0] in (*OWN_DATASETS, "paper"):
    most = by_density["sp2_percent"].idxmax()
    shares_remark = (
        f"The shares change strongly with density. At {lowest:.1f} g/cm³, {by_density.loc[lowest, 'sp_percent']:.0f} % "
        f"of the atoms are sp, in chains, and {by_density.loc[lowest, 'sp3_percent']:.0f} % are sp³. At {highest:.1f} "
        f"g/cm³, {by_density.loc[highest, 'sp_percent']:.1f} % are sp and {by_density.loc[highest, 'sp3_percent']:.0f} "
        "% are sp³. The share of sp² is largest, "
        f"{by_density.loc[most, 'sp2_percent']:.0f} %, at {most:.1f} g/cm³."
    )
else:
    shares_remark = f"The shares at {lowest:.1f} g/cm³: {shares_at(lowest)}."
    if lowest < highest:
        shares_remark += f" At {highest:.1f} g/cm³: {shares_at(highest)}."
display.glue("shares_remark", shares_remark)
if bonded:
    display.show(
        figures.shares_by_density(shares, categories),
        name="shares-density",
        caption=(
            f"Shares of atoms with {spelled(categories)} within {bond:g} Å in the final frame of each trajectory, "
            "against density. Lines join the means of each density."
        ),
        alt=(
            f"{how_many(len(categories), 'curve').capitalize()} against density. "
            + " ".join(
                f"At {density:.1f} g/cm³: {shares_at(density)}."
                for density in by_density.index[np.unique(np.linspace(0, len(by_density) - 1, 4).astype(int))]
            )
        ),
        data=shares,
    )

# %% [markdown]
# {glue:text}`shares_remark`

# %% tags=["hide-input"]
slopes = {name: structure.slope_with_temperature(shares, column) for name, column in columns.items()}
if not bonded:
    temperature_remark = "What the annealing temperature changes can therefore not be told by numbers of neighbours."
elif all(slope is not None for slope in slopes.values()):
    temperature_remark = (
        "At equal density, 1000 K more in annealing change the shares by "
        + ", ".join(
            f"{slope:+.1f} ± {error:.1f} points ({short_label(name)})" for name, (slope, error) in slopes.items()
        )
        + "; the uncertainty is the standard error of a least-squares fit with one constant for each density."
    )
else:
    temperature_remark = (
        "These data hold no two trajectories of the same density that were annealed at different temperatures. What "
        "the temperature does by itself can therefore not be told from them."
    )
display.glue("temperature_remark", temperature_remark)
known = shares.dropna(subset=["anneal_temperature_K"])
if bonded and len(known):
    mapped = list(columns)[:: max(len(columns) - 1, 1)]
    most_of = {name: known.loc[known[columns[name]].idxmax()] for name in mapped}
    display.show(
        figures.shares_by_density_and_temperature(known, categories),
        name="shares-temperature",
        caption=(
            f"Shares of atoms with {spelled({name: categories[name] for name in mapped})} in the final frame of each "
            "trajectory (squares), by density and annealing temperature."
        ),
        alt=f"{how_many(len(mapped), 'map').capitalize()} of {how_many(len(known), 'square')}. The largest shares: "
        + "; ".join(
            f"{short_label(name)}, {row[columns[name]]:.0f} %, at {row['density_g_cm3']:.1f} g/cm³ and "
            f"{row['anneal_temperature_K']:.0f} K"
            for name, row in most_of.items()
        )
        + ".",
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
close_packed = coordination[candidates].mean() > 6
sizes_drawn = (5, 6, 7, 8)
rings = None
if bonded and not close_packed:
    rings = structure.ring_table(data, counted)
    if not rings.loc[rings["ring_size"].isin(sizes_drawn), "rings_per_100_atoms"].any():
        rings = None
if rings is None:
    rings_remark = (
        f"With {coordination[candidates].mean():.1f} neighbours for each atom nearly all rings are triangles of a "
        "dense packing, which say little; they are not counted here."
        if close_packed
        else "The final frames of these data hold no rings of five to eight atoms."
    )
else:
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
    per_frame = rings[rings["ring_size"] >= 5].pivot_table(
        index=["trajectory", "density_g_cm3"], columns="ring_size", values="rings_per_100_atoms"
    )
    six_share = 100 * per_frame[6] / per_frame.sum(axis=1).where(lambda total: total > 0)
    small = rings.loc[rings["ring_size"] < 5, "rings_per_100_atoms"].mean() * 2
    rows = {size: (f"{ring_means[size].iloc[0]:.0f}", f"{ring_means[size].iloc[-1]:.0f}") for size in sizes_drawn}
    rings_remark = (
        f"The {len(counted)} final frames hold rings of many sizes. Six-membered rings number for each 100 atoms "
        f"{at_both_ends(*rows[6])}, seven-membered ones {at_both_ends(*rows[7])}. "
    )
    if data.symbol == "C":
        ideal = {
            name: 100 * float(structure.ring_counts(crystal)[6]) / len(crystal)
            for name, crystal in (("diamond", diamond(3)), ("graphite", graphite(6)))
        }
        rings_remark += (
            f"An ordered sheet would have {ideal['graphite']:.0f} of six, diamond {ideal['diamond']:.0f}, and neither "
            "any of five, seven or eight. Of the rings of five to eight in a perfect crystal, all have six atoms; in "
            f"our most ordered final frame, at {six_share.idxmax()[1]:.1f} g/cm³, {six_share.max():.0f} % do. The "
            "paper reports grains of diamond from its trajectories; a frame that is one grain would stand out here. "
        )
    rings_remark += f"Rings of three and four number {small:.2f} for each 100 atoms together. {around_remark}"
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
                + ", ".join(f"{ring_means.loc[density, size]:.0f} of {size} atoms" for size in sizes_drawn)
                for density in dict.fromkeys(ring_means.index[[0, len(ring_means) // 2, -1]])
            )
            + "."
        ),
        data=rings,
    )
display.glue("rings_remark", rings_remark)

# %% [markdown]
# {glue:text}`rings_remark`

# %% [markdown]
# ### Distances
#
# The radial distribution function g(r) is the density of atoms at a distance r from an atom, divided by the mean
# density. It is one for a gas without forces. We compute it with ASE {cite}`larsen2017atomic` up to half the edge of
# the cell.

# %% tags=["hide-input"]
densities_shown = by_density.index[np.unique(np.linspace(0, len(by_density) - 1, 4).astype(int))]
functions, bond_rows, gains = [], [], []
for density in densities_shown:
    here = [data.atoms(int(frame)) for frame in finals[shares["density_g_cm3"].to_numpy() == density]]
    r, g = structure.radial_distribution(here)
    functions.append(pd.DataFrame({"density_g_cm3": density, "r_A": r, "g": g}))
    lengths = np.concatenate([neighbor_list("d", atoms, bond) for atoms in here])
    if len(lengths):
        gains.append(100 * (sum(len(neighbor_list("i", atoms, bond + 0.1)) for atoms in here) / len(lengths) - 1))
    bond_rows.append(
        {
            "density (g/cm³)": density,
            "frames": len(here),
            "mean bond (Å)": lengths.mean() if len(lengths) else np.nan,
            "standard deviation (Å)": lengths.std() if len(lengths) else np.nan,
            "neighbours per atom": len(lengths) / sum(len(atoms) for atoms in here),
            "highest peak at (Å)": r[g.argmax()],
            "first peak of g": g.max(),
        }
    )
functions = pd.concat(functions, ignore_index=True)
peaks = pd.DataFrame(bond_rows)
distances, crystal_bonds = [], {}
if data.symbol == "C":
    sheet = graphite(6)
    sheet = sheet[np.isclose(sheet.positions[:, 2], sheet.positions[0, 2])]
    for name, crystal in (("graphite", sheet), ("diamond", diamond(3))):
        found = np.unique(np.round(crystal.get_distances(0, range(1, len(crystal)), mic=True), 3))
        distances += [(name, distance) for distance in found[found < 4.0]]
        crystal_bonds[name] = found[0]
distances = pd.DataFrame(distances, columns=["crystal", "distance_A"])
display.show(
    figures.radial_distributions(functions, distances),
    name="radial-distribution",
    caption=(
        f"Radial distribution functions of final frames at {'several densities' if len(peaks) > 1 else 'one density'}, "
        f"{'each shifted upwards; ' if len(peaks) > 1 else ''}grey lines mark the value of one. Each ends at half the "
        "edge of its cell." + (" Ticks: distances of neighbours in crystals." if len(distances) else "")
    ),
    alt="Radial distribution functions, one curve above the other. "
    + " ".join(
        f"At {row['density (g/cm³)']:.1f} g/cm³ the highest peak, at {row['highest peak at (Å)']:.2f} Å, reaches "
        f"{row['first peak of g']:.1f}."
        for row in bond_rows
    ),
    data=functions,
)
if bonded:
    display.show_table(
        peaks.drop(columns="highest peak at (Å)"),
        name="bonds",
        caption=f"Bonds (up to {bond:g} Å) in the final frames, and the height of the first peak of g(r).",
        formats={
            "density (g/cm³)": "{:.1f}",
            "mean bond (Å)": "{:.3f}",
            "standard deviation (Å)": "{:.3f}",
            "neighbours per atom": "{:.2f}",
            "first peak of g": "{:.1f}",
        },
    )
    with_bonds = peaks.dropna(subset=["mean bond (Å)"])
    distances_remark = "The first peak holds the bonds. Their mean length is " + (
        at_both_ends(*(f"{with_bonds['mean bond (Å)'].iloc[end]:.3f}" for end in (0, -1)), " Å")
        if len(with_bonds) == len(peaks)
        else f"{with_bonds['mean bond (Å)'].mean():.3f} Å"
    )
    if crystal_bonds:
        distances_remark += (
            f"; it is {crystal_bonds['graphite']:.3f} Å in graphite and {crystal_bonds['diamond']:.3f} Å in diamond"
        )
    low, high = min(gains), max(gains)
    distances_remark += (
        f". Were the limit of a bond 0.1 Å larger, there would be {low:.1f} to {high:.1f} % more bonds, depending on "
        "the density. "
        if low < high
        else f". Were the limit of a bond 0.1 Å larger, there would be {low:.1f} % more bonds. "
    ) + (
        "Few atoms lie between the first and the second peak, and the numbers of neighbours on this page hardly depend "
        "on the limit."
        if high < 5
        else "The numbers of neighbours on this page depend on the limit."
    )
else:
    highest_peaks = (f"{peaks['highest peak at (Å)'].iloc[end]:.2f}" for end in (0, -1))
    distances_remark = (
        f"The highest peak lies at {at_both_ends(*highest_peaks, ' Å')}, beyond the {bond:g} Å within which atoms "
        "count as neighbours here."
    )
display.glue("distances_remark", distances_remark)

# %% [markdown]
# {glue:text}`distances_remark`

# %% [markdown]
# ## Typical and extreme structures

# %% tags=["hide-input"]
sizes = np.diff(data.offsets)
mean_energy = np.bincount(data.frame, weights=binding) / sizes
table_of_finals = shares.assign(frame=finals, energy_eV=mean_energy[finals], six_rings=np.nan)
if rings is not None:
    six = rings[rings["ring_size"] == 6].set_index("trajectory")["rings_per_100_atoms"]
    table_of_finals["six_rings"] = table_of_finals["trajectory"].map(six)
typical = []
for density in by_density.index[[0, len(by_density) // 2, -1]].unique():
    group = table_of_finals[table_of_finals["density_g_cm3"] == density].sort_values("energy_eV")
    typical.append(group.iloc[(len(group) - 1) // 2])


def annealed(temperature):
    """When a trajectory was annealed, for a line of text."""
    return f"annealed at {temperature:.0f} K" if np.isfinite(temperature) else "annealing unknown"


def signed(energy):
    """An energy with a proper minus sign."""
    return f"{energy:.{digits}f}".replace("-", "\N{MINUS SIGN}")


shown_frames = [data.atoms(int(row["frame"])) for row in typical]
display.show(
    galleries.frame_gallery(
        shown_frames,
        [coordination_numbers(atoms) for atoms in shown_frames],
        [
            f"{row['density_g_cm3']:.1f} g/cm³\n{annealed(row['anneal_temperature_K'])}\n"
            f"{signed(row['energy_eV'])} eV per atom"
            for row in typical
        ],
        categories,
    ),
    name="final-frames",
    caption=(
        f"Final frames {['of one', 'at low and high', 'at low, medium and high'][len(typical) - 1]} density, each that "
        f"of the median energy among the trajectories of its density. Energies are {energies_are}. Each cell fills its "
        "panel, whatever its size."
    ),
    alt="Cells of "
    + "; ".join(
        f"{row['density_g_cm3']:.1f} g/cm³, {annealed(row['anneal_temperature_K'])}, "
        f"{row['energy_eV']:.{digits}f} eV per atom, "
        + ", ".join(f"{short_label(name)} {row[column]:.0f} %" for name, column in columns.items())
        for row in typical
    )
    + ".",
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
]
if bonded:
    extremes += [(f"most {short_label(name)}", column, "idxmax") for name, column in columns.items()]
if rings is not None:
    extremes += [
        ("most six-membered rings", "six_rings", "idxmax"),
        ("fewest six-membered rings", "six_rings", "idxmin"),
    ]
share_headers = {column: f"{short_label(name)} (%)" for name, column in columns.items()} if bonded else {}
ring_headers = {"six_rings": "six-rings per 100 atoms"} if rings is not None else {}
headers = {
    "final frame with": "final frame with",
    "density_g_cm3": "density (g/cm³)",
    "anneal_temperature_K": "annealed at (K)",
    "energy_eV": "energy (eV per atom)",
    **share_headers,
    **ring_headers,
}
extreme_rows = pd.DataFrame(
    [
        {"final frame with": text} | table_of_finals.loc[getattr(table_of_finals[column], how)()].to_dict()
        for text, column, how in extremes
    ]
)
display.show_table(
    extreme_rows[list(headers)].rename(columns=headers),
    name="extreme-frames",
    caption=f"Extreme final frames. Energies are means over the cell, {zero}.",
    formats={
        "density (g/cm³)": "{:.1f}",
        "annealed at (K)": "{:.0f}",
        "energy (eV per atom)": f"{{:.{digits}f}}",
        **dict.fromkeys([*share_headers.values(), *ring_headers.values()], "{:.1f}"),
    },
)

# %% [markdown]
# Single environments spread more than whole frames. Where atoms have neighbours, the next figure shows for each kind of
# atom the environment of lowest, median and highest energy in the final frames.

# %% tags=["hide-input"]
shown_kinds = {name: number for name, number in categories.items() if number and bonded}
picked = structure.typical_and_extreme(data.local_energy_eV, coordination, candidates, shown_kinds)
ranks = ("lowest", "typical", "highest")
rows, environment_rows, bond_records = [], [], []
for category in shown_kinds:
    label, row = short_label(category), []
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
spread_of_frames = np.ptp(table_of_finals["energy_eV"])
if environment_rows:
    environment_table = pd.DataFrame(environment_rows)
    rank_of = environment_table["environment"].str.split(", ").str[1]
    by_rank = environment_table.groupby(rank_of)["mean bond (Å)"].mean()
    spread = np.ptp(environment_table["energy (eV)"])
    environments_remark = (
        f"The environments shown span {spread:.{digits - 1}f} eV; the means of whole final frames only "
        f"{spread_of_frames:.{digits - 1}f} eV. The bonds of the atoms of lowest energy are {by_rank['lowest']:.2f} Å "
        f"long on average, those of the atoms of highest energy {by_rank['highest']:.2f} Å."
    )
    display.show(
        galleries.environment_gallery(rows, [short_label(name) for name in shown_kinds], ranks, categories),
        name="environments",
        caption=(
            "Environments of lowest, median (typical) and highest energy of each kind in the final frames. The atom "
            "itself is ringed; numbers are the lengths of its bonds in Å, if it has at most four. Above each: "
            f"its energy ({energies_are}), the density of the cell and, if known, its annealing temperature. Atoms up "
            "to two bonds away are drawn."
        ),
        alt="Small drawings of atoms with their neighbours. "
        + " ".join(
            f"{row['environment']}: {row['energy (eV)']:.{digits}f} eV, {row['density (g/cm³)']:.1f} g/cm³, "
            f"bonds {row['bonds (Å)']} Å."
            for row in environment_rows
        ),
        data=pd.concat(bond_records, ignore_index=True),
    )
else:
    environments_remark = (
        f"No atom has a neighbour to be drawn. Single atoms of the final frames span "
        f"{np.ptp(binding[candidates]):.{digits - 1}f} eV, the means of whole frames "
        f"{spread_of_frames:.{digits - 1}f} eV."
    )
display.glue("environments_remark", environments_remark)

# %% [markdown]
# {glue:text}`environments_remark`

# %% [markdown]
# ## The authors' data instead
#
# Chapters 01 to 07 also run on the authors' 22.9 million environments, and all of these but chapter 05, which needs
# total energies too, on any folder of extended XYZ files with per-atom energies. Set the parameter `dataset`: see
# [How to rerun](../book/how_to_rerun.md).
