"""Our value and the verdict for each claim on the data and their descriptor."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from synthetic_atoms.categories import CATEGORIES
from synthetic_atoms.claims.evidence import Evidence
from synthetic_atoms.claims.ledger import Outcome, judged
from synthetic_atoms.datasets import load_local_energies
from synthetic_atoms.descriptors import soap_settings
from synthetic_atoms.descriptors.spectrum import average_similarity
from synthetic_atoms.experiments.descriptor_settings import is_available
from synthetic_atoms.experiments.environments import spread_final_frames


def _means_by_kind(evidence: Evidence) -> dict[str, float]:
    data, coordination = evidence.dataset.load(), evidence.dataset.coordination()
    return {name: float(data.local_energy_eV[coordination == number].mean()) for name, number in CATEGORIES.items()}


def dataset_size(evidence: Evidence) -> Outcome:
    data = load_local_energies("embedded-all") if evidence.dataset.name == "embedded" else evidence.dataset.load()
    n, trajectories = data.n_environments, len(np.unique(data.trajectory))
    return judged(n >= 22_900_000, True, f"{n:,} environments, {trajectories} trajectories")


def sp_energies_high(evidence: Evidence) -> Outcome:
    means = _means_by_kind(evidence)
    gap = means["sp"] - max(means["sp2"], means["sp3"])
    return judged(gap > 0.5, gap > 0, f"sp {gap:.2f} eV above the nearer of both")


def sp2_sp3_alike(evidence: Evidence) -> Outcome:
    means = _means_by_kind(evidence)
    gap = means["sp2"] - means["sp3"]
    return judged(abs(gap) <= 0.3, abs(gap) <= 1.0, f"sp² {gap:+.2f} eV from sp³")


def mostly_sp2(evidence: Evidence) -> Outcome:
    coordination = evidence.dataset.coordination()
    sp, sp2 = (float((coordination == CATEGORIES[name]).mean()) for name in ("sp", "sp2"))
    return judged(sp < sp2 / 2, sp < sp2, f"sp {sp:.0%}, sp² {sp2:.0%}")


def soap_converged(evidence: Evidence) -> Outcome:
    if not is_available("quippy"):  # DScribe's radial basis cannot be made so large
        return Outcome("no record", "needs quippy")
    base = soap_settings("quippy")
    data = evidence.dataset.load()
    changes = []
    for frame in spread_final_frames(data, 12):
        usual, large = (
            average_similarity(data.atoms(int(frame)), replace(base, n_max=n, l_max=m)) for n, m in ((12, 6), (16, 16))
        )
        changes.append(100 * abs(usual / large - 1))
    change = float(np.mean(changes))
    return judged(change < 0.015, change < 0.15, f"{change:.4f} % (mean of {len(changes)} frames)")


CHECKS: dict[str, Callable[[Evidence], Outcome]] = {
    "dataset-size": dataset_size,
    "sp-energies-high": sp_energies_high,
    "sp2-sp3-alike": sp2_sp3_alike,
    "mostly-sp2": mostly_sp2,
    "soap-converged": soap_converged,
}
