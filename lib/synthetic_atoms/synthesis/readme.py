"""The data card's page for people."""

from __future__ import annotations

import math
import textwrap
from collections.abc import Sequence
from dataclasses import replace

from synthetic_atoms.descriptors.coordination import bond_A
from synthetic_atoms.synthesis.method import EMBEDDED_METHOD
from synthetic_atoms.synthesis.plan import Plan

COLD_K = 1500.0
"""Cells below this temperature say what an atom costs at rest; in hotter ones thermal energy adds to it."""

OUTLIER_eV = 4.0
"""An environment whose energy is further than this from its coordination number's mean counts as an outlier."""


def is_embedded(plan: Plan) -> bool:
    """Whether a plan is that of the dataset in this repository, or of a part of it."""
    return replace(plan, cells=10, crystals=2, trajectories="all", work=None) == replace(Plan(), cells=10, crystals=2)


_HEAD = "| coordination | atoms | % | mean energy (eV) | standard deviation (eV) |\n|---|---|---|---|---|"


def _table(groups: dict[str, dict], symbol: str) -> str:
    names = {"2": "2 (sp)", "3": "3 (sp2)", "4": "4 (sp3)"} if symbol == "C" else {}
    rows = [
        f"| {names.get(number, number)} | {group['count']:,} | {group['percent']:.2f} | {group['mean_eV']:.2f} "
        f"| {group['std_eV']:.2f} |"
        for number, group in groups.items()
    ]
    return "\n".join([_HEAD, *rows])


def _stages(protocol: dict[str, float], temperatures: Sequence[int]) -> str:
    low, high = min(temperatures), max(temperatures)
    between = f"{low}-{high}" if low != high else f"{low}"
    return (
        f"melt at {protocol['melt_K']:g} K ({protocol['melt_ps']:g} ps), quench to {protocol['cold_K']:g} K "
        f"({protocol['quench_ps']:g} ps), anneal at {between} K ({protocol['anneal_ps']:g} ps), cool to "
        f"{protocol['cold_K']:g} K ({protocol['cool_ps']:g} ps)"
    )


def readme(card: dict, plan: Plan) -> str:
    """The page, from the content of ``card.json``."""
    found = card["statistics"]
    versions = ", ".join(f"{name} {number}" for name, number in card["versions"].items())
    symbol, missing = card["symbol"], card["missing"]
    local = (
        f"D1, per-atom energies: {found['n_trajectories']} trajectories, {found['n_frames']:,} frames, "
        f"{found['n_environments']:,} environments; one file per density"
    )
    total = f"D0, total energies and forces: {found['n_cells']:,} cells, with the labeller's per-atom energies beside"
    rows = [f"| `local_energies/density-*.npz` | {local} |"]
    rows += [f"| `total_energies.npz` | {total} |"] if found["n_cells"] else []
    rows += ["| `teacher.tar.xz` | the teacher, a GAP for quippy |"] if card["teacher"] else []
    rows += ["| `card.json` | the numbers of this page and the files' SHA-256 checksums |"]
    energy = card["free_atom_energy_eV"]
    free_atom = f", the free atom at {energy:.2f} eV" if math.isfinite(energy) else ""
    lacks = (
        f"\nOf the units that were asked for, {missing['cells']} cells and {missing['trajectories']} trajectories "
        "failed and are not here.\n"
        if any(missing.values())
        else ""
    )
    return f"""# Data card

{_INTRODUCTION[is_embedded(plan)]}

| file | what |
|---|---|
{chr(10).join(rows)}
{lacks}
Arrays, all read without pickle: `positions_mA` (frames, atoms, 3), integer milliangstroms in a cubic cell of
`cell_length_A`; `local_energy_eV` (frames, atoms); per frame `density_g_cm3`, `anneal_temperature_K`, `temperature_K`
(the thermostat's at that moment), `trajectory` and `time_ps`. Labels belong to the rounded positions. In
`total_energies.npz` also `total_energy_eV` (cells,) and `forces_eV_A` (cells, atoms, 3).

## How they were made

{_steps(card, plan)}

Everything random follows from the seed {card["seed"]}. Versions: {versions}.

## What they are like

All frames (neighbours within {bond_A(symbol)} A; energies as stored{free_atom}):

{_table(found["coordination"], symbol)}

The last frame of each trajectory, at {plan.protocol.cold_K:g} K:

{_table(found["coordination_final_frames"], symbol)}

{_tails(found)}

## Known limits

{_limits(card, plan)}
"""


def _neighbours(number: int) -> str:
    return f"{number} neighbour{'' if number == 1 else 's'}"


def _tails(found: dict) -> str:
    """The extreme energies, and what is beyond the tails."""
    ends = [
        f"{end['energy_eV']:.2f} eV (an atom with {_neighbours(end['coordination'])} at {end['density_g_cm3']:g} g/cm3 "
        f"and {end['temperature_K']:.0f} K)"
        for end in (found["lowest"], found["highest"])
    ]
    text = (
        f"Local energies range from {ends[0]} to {ends[1]}. {found['n_outliers']:,} environments lie more than "
        f"{OUTLIER_eV:.0f} eV from the mean of their coordination number"
    )
    if found["n_outliers"]:
        by_number = ", ".join(f"{count:,} with {number}" for number, count in found["outlier_coordination"].items())
        text += f" (by neighbours: {by_number}); {found['outliers_above_4500_K']:,} of them were taken above 4500 K"
    return _wrapped(f"{text}.", 0)


_INTRODUCTION = {
    True: """Carbon structures with quantum-mechanical total energies, and with per-atom energies from a
machine-learned potential, made from nothing by this project's own code (`synthetic-atoms generate`). Chapter 01
shows all of them; the fits of the other chapters use the part `dataset=embedded`.

**The labels are not the paper's**: the quantum mechanics is GFN1-xTB, not DFT, and the potential is our own, not
C-GAP-17. Licence: CC BY 4.0.""",
    False: "Structures with per-atom energies, made with `synthetic-atoms generate`.",
}


def _steps(card: dict, plan: Plan) -> str:
    """The making in numbered sentences."""
    method, teacher, temperatures = card["method"], card["teacher"], plan.anneal_temperatures_K
    low, high = min(plan.densities_g_cm3), max(plan.densities_g_cm3)
    densities = f"densities from {low:g} to {high:g} g/cm3" if low != high else f"density {low:g} g/cm3"
    driver = (
        "LAMMPS drives the atoms with Tersoff's 1989 potential"
        if plan.method == EMBEDDED_METHOD
        else f"{method['driver']} drives the atoms"
    )
    relaxed = ""
    if plan.method.relaxer is not None and plan.protocol.relax_ps:
        relaxer = "LCBOP" if plan.method == EMBEDDED_METHOD else method["relaxer"]
        relaxed = f" Each then runs {plan.protocol.relax_ps:g} ps with {relaxer} at its own temperature"
        relaxed += (
            ", because Tersoff's potential has no conjugation and leaves threefold atoms strained."
            if plan.method == EMBEDDED_METHOD
            else "."
        )
    asked, grid = sum(1 for _ in plan.trajectory_units()), len(temperatures) * len(plan.densities_g_cm3)
    part = (
        f" Of the {grid} pairs of a density and an annealing temperature {asked} were run: one for each density, "
        "then whole temperatures, spread over the range."
        if asked < grid
        else ""
    )
    steps = [
        f"**Structures.** {driver} through the protocol: {_stages(card['protocol'], temperatures)}; "
        f"{densities}.{part} Snapshots are taken at random moments of the whole run, and at its end.{relaxed}"
    ]
    if card["statistics"]["n_cells"]:
        steps.append(
            "**Quantum-mechanical labels.** Each small cell comes from a trajectory of its own "
            f"({_stages(card['protocol_cells'], temperatures)}), with one snapshot at a random moment. "
            f"{method['qm']}. The free atom lies at {card['free_atom_energy_eV']:.4f} eV."
        )
    if teacher:
        held_out, training, settings = teacher["held_out"], teacher["training"], teacher["settings"]
        steps.append(
            f"**Teacher.** A GAP with pair, angle and SOAP terms within {settings['cutoff_A']} A "
            f"({settings['n_sparse_2b']}, {settings['n_sparse_3b']} and {settings['n_sparse_soap']} representative "
            f"points), fitted to the {teacher['n_cells']:,} cells and to {teacher['n_crystals']} strained and rattled "
            f"crystals. Fitted without every fifth cell, it errs on those {held_out['n_cells']} cells by "
            f"{held_out['rmse_energy_meV_per_atom']:.1f} meV per atom and {held_out['rmse_force_eV_A']:.2f} eV/A "
            f"(root mean square). The fit to all of them errs on {training['n_cells']} of its training cells by "
            f"{training['rmse_energy_meV_per_atom']:.1f} meV per atom and {training['rmse_force_eV_A']:.2f} eV/A."
        )
    steps.append(f"**Synthetic labels.** Per-atom energies of {'the teacher' if teacher else method['labeller']}.")
    return "\n".join(_wrapped(f"{number}. {step}", 3) for number, step in enumerate(steps, start=1))


def _limits(card: dict, plan: Plan) -> str:
    """What is known to be wrong with the quantum mechanics and the teacher."""
    teacher = card["teacher"]
    lines = []
    if plan.method == EMBEDDED_METHOD and "graphite_qm_eV_per_atom" in teacher:
        difference = 1000 * (teacher["diamond_qm_eV_per_atom"] - teacher["graphite_qm_eV_per_atom"])
        lines.append(
            f"GFN1-xTB puts diamond {abs(difference):.0f} meV per atom {'below' if difference < 0 else 'above'} "
            "graphite in 64-atom cells; density-functional theory in the local density approximation finds them equal "
            "within 20 meV. The teacher differs from GFN1-xTB by "
            f"{1000 * teacher['diamond_error_eV_per_atom']:+.0f} meV per atom for diamond and "
            f"{1000 * teacher['graphite_error_eV_per_atom']:+.0f} meV per atom for graphite."
        )
    found = card["statistics"]
    at_rest, last = found["quantum_mechanics_by_coordination_eV"], found["coordination_final_frames"]
    if plan.method == EMBEDDED_METHOD and {"3", "4"} <= at_rest.keys() and {"3", "4"} <= last.keys():
        gap, regressed = last["3"]["mean_eV"] - last["4"]["mean_eV"], at_rest["3"] - at_rest["4"]
        lines.append(
            f"In the last frames sp2 atoms lie {gap:.2f} eV above sp3 atoms; in the paper's data they are nearly "
            "equal. How much of that is the teacher's way of sharing energies is not known exactly: without a teacher, "
            "a linear regression of the quantum-mechanical total energies of the cells below "
            f"{COLD_K:g} K on the numbers of sp, sp2 and sp3 atoms finds {regressed:.2f} eV. The sp2 networks that "
            "empirical potentials leave are far "
            "less ordered than graphite, and GFN1-xTB itself favours diamond."
        )
    if plan.method.qm is None and card["statistics"]["n_cells"]:
        lines.append("The cells are sampled at the Gamma point only, which is coarse for small cells.")
    driver = card["method"]["driver"]
    if plan.method == EMBEDDED_METHOD:
        driver = "empirical potentials, relaxed briefly with a better one"
    lines += [
        f"The structures are those of {driver}. They are not samples of the labeller's own energy surface.",
        "How a total energy is shared among atoms is the labeller's choice, not an observable.",
    ]
    return "\n".join(_wrapped(f"- {line}", 2) for line in lines)


def _wrapped(text: str, indent: int) -> str:
    """An item of a list in lines of at most 120 characters."""
    return textwrap.fill(text, 120, subsequent_indent=" " * indent, break_long_words=False, break_on_hyphens=False)
