"""What was tried before the teacher's settings were chosen: held-out errors, and the distance of sp2 and sp3 atoms."""

from __future__ import annotations

import tempfile
import time
from collections.abc import Sequence
from dataclasses import asdict, fields, replace
from functools import lru_cache
from pathlib import Path

import numpy as np
import pandas as pd
from ase import Atoms

from synthetic_atoms.datasets import TotalEnergies, load_total_energies
from synthetic_atoms.descriptors import coordination_numbers
from synthetic_atoms.experiments.records import RecordStore, machine, record_store
from synthetic_atoms.scheduling import available_cores, say
from synthetic_atoms.synthesis import quantum, teacher
from synthetic_atoms.synthesis.crystals import strained_crystals
from synthetic_atoms.synthesis.fitting import HELD_OUT
from synthetic_atoms.synthesis.plan import Plan
from synthetic_atoms.synthesis.readme import COLD_K
from synthetic_atoms.synthesis.teacher import GapSettings

SETTINGS = tuple(field.name for field in fields(GapSettings))
ASKED = ("dataset_fingerprint", "n_cells", "n_crystals", "seed", *SETTINGS)
FOUND = (
    "rmse_energy_meV_per_atom", "mae_energy_meV_per_atom", "rmse_force_eV_A", "diamond_error_meV_per_atom",
    "graphite_error_meV_per_atom", "sp2_sp3_gap_eV", "n_held_out", "fit_s", "evaluate_s", "machine",
)  # fmt: skip

CANDIDATES = (
    GapSettings(),
    GapSettings(force_fraction=0.2),
    GapSettings(force_fraction=0.2, n_sparse_soap=400),
    GapSettings(force_fraction=0.2, delta_soap_eV=0.05),
)
"""The default settings, and others."""


TRIAL_CELLS = 400
"""Cells of a trial: a fit to some of them takes minutes, and ranks settings."""


def store(dataset: str = "embedded") -> RecordStore:
    """The stored trials."""
    return record_store("teacher_settings.csv", dataset, ASKED, FOUND)


def request(cells: TotalEnergies, settings: GapSettings, plan: Plan, n_cells: int | None = None) -> dict[str, object]:
    """What one trial asks for."""
    return {
        "dataset_fingerprint": cells.fingerprint[:12],
        "n_cells": n_cells or cells.n_frames,
        "n_crystals": plan.crystals,
        "seed": plan.seed,
        **asdict(settings),
    }


def trial(cells: TotalEnergies, settings: GapSettings, plan: Plan, n_cells: int | None = None) -> dict[str, object]:
    """Fit a teacher without every fifth cell, and measure it on those.

    Parameters
    ----------
    cells
        Cells with quantum-mechanical total energies and forces.
    settings
        The teacher's settings.
    plan
        Says how many strained crystals are fitted as well, and the seed.
    n_cells
        Use the first ones only, whose densities are those of all; None for all.

    Returns
    -------
    dict
        A record: errors on the held-out cells, errors of the perfect crystals, and the distance in energy of sp2 and
        sp3 atoms in held-out cells below :data:`COLD_K`.
    """
    used = range(n_cells or cells.n_frames)
    structures = [cells.atoms(i) for i in used]
    energies = cells.total_energy_eV.tolist()
    forces = [cells.forces_eV_A[cells.frame == i] for i in used]
    held_out = [i for i in used if i % HELD_OUT == HELD_OUT - 1]
    rest = sorted(set(used) - set(held_out))
    crystals, labels = _crystals(plan.crystals, plan.seed, cells.symbol)
    with tempfile.TemporaryDirectory(prefix="teacher-") as folder:
        archive = Path(folder) / "trial.tar.xz"
        start = time.perf_counter()
        teacher.fit(
            [structures[i] for i in rest] + crystals,
            [energies[i] for i in rest] + [energy for energy, _ in labels],
            [forces[i] for i in rest] + [force for _, force in labels],
            cells.free_atom_energy_eV, archive, settings, seed=plan.seed, threads=available_cores(),
        )  # fmt: skip
        middle = time.perf_counter()
        fitted = teacher.Teacher(archive)
    found = teacher.errors(
        fitted, [structures[i] for i in held_out], [energies[i] for i in held_out], [forces[i] for i in held_out]
    )
    crystal_errors = [
        1000 * (fitted.total(atoms)[0] - energy) / len(atoms)
        for atoms, (energy, _) in zip(crystals[:2], labels[:2], strict=True)
    ]
    return {
        **request(cells, settings, plan, n_cells),
        **{name: found[name] for name in FOUND[:3]},
        "diamond_error_meV_per_atom": crystal_errors[0],
        "graphite_error_meV_per_atom": crystal_errors[1],
        "sp2_sp3_gap_eV": _gap(fitted, [structures[i] for i in held_out if cells.temperature_K[i] < COLD_K]),
        "n_held_out": len(held_out),
        "fit_s": middle - start,
        "evaluate_s": time.perf_counter() - middle,
        "machine": machine(),
    }


@lru_cache(maxsize=1)
def _crystals(count: int, seed: int, symbol: str) -> tuple[list[Atoms], list[tuple[float, np.ndarray]]]:
    """The strained crystals, and the energy and forces of each: once for all trials."""
    crystals = strained_crystals(count, seed, symbol=symbol)
    return crystals, [quantum.label(atoms) for atoms in crystals]


def _gap(fitted: teacher.Teacher, structures: Sequence[Atoms]) -> float:
    """Mean energy (eV) of sp2 atoms above that of sp3 atoms in some structures; NaN if there are none of a kind."""
    local = np.concatenate([np.zeros(0), *(fitted.local_energies(atoms) for atoms in structures)])
    coordination = coordination_numbers(structures)
    sp2, sp3 = local[coordination == 3], local[coordination == 4]
    return float(sp2.mean() - sp3.mean()) if len(sp2) and len(sp3) else float("nan")


def trials(
    candidates: Sequence[GapSettings] = CANDIDATES,
    n_cells: int | None = None,
    *,
    dataset: str = "embedded",
    compute: bool = False,
) -> pd.DataFrame:
    """The trials of some settings on a dataset's cells, one row each in the order given; NaN where there is none.

    Parameters
    ----------
    candidates
        Settings.
    n_cells
        Number of cells; None for all.
    dataset
        Name of the dataset.
    compute
        Carry out and store the trials that the store lacks: minutes each.
    """
    # Without the per-atom energies, which a teacher gave them: trials come before it.
    cells, plan = replace(load_total_energies(dataset), local_energy_eV=None), Plan()
    requests = pd.DataFrame([request(cells, settings, plan, n_cells) for settings in candidates], columns=list(ASKED))
    if compute:
        missing = store(dataset).select(requests)["rmse_energy_meV_per_atom"].isna().to_numpy()
        for settings, absent in zip(candidates, missing, strict=True):
            if absent:
                say(f"Fitting {settings}.")
                store(dataset).add([trial(cells, settings, plan, n_cells)])
    return store(dataset).select(requests)


if __name__ == "__main__":
    print(trials(n_cells=TRIAL_CELLS, compute=True).to_string())
