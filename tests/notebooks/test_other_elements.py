"""Chapters on a folder of silicon and on one of argon, whose atoms have no neighbours: minutes long."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
from ase.build import bulk
from ase.io import write

from synthetic_atoms.book import display

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("notebooks")]

ROOT = Path(__file__).resolve().parents[2]
SMALL = {
    "01_dataset": {},
    "02_descriptors_and_models": {
        "n_structures": 2,
        "n_pairs": 50,
        "n_network": 40,
        "sizes": [20, 40],
        "candidate_sizes": [20],
        "n_folds": 2,
        "max_test": 100,
        "use_store": False,
    },
    "03_learning_curves": {
        "sizes": [20, 40],
        "n_folds": 2,
        "n_sparse": 30,
        "max_test": 100,
        "use_store": False,
    },
    "04_gpr_insights": {
        "sizes": [20, 40],
        "n_sparse": [10, 20],
        "m_reference": 15,
        "sigma_sizes": [20, 40],
        "sigmas_meV": [1.0, 10.0, 100.0],
        "n_folds": 2,
        "max_test": 100,
        "use_store": False,
    },
    "06_structure_maps": {
        "n_environments": 120,
        "n_neighbors": 10,
        "n_measured": 100,
        "map_seeds": [0],
        "baselines": ["PCA"],
        "n_interactive": 10,
        "n_folds": 2,
        "use_store": False,
        "compute": True,
    },
}
CRYSTALS = {"Si": ("diamond", 5.43, 1), "Ar": ("fcc", 5.3, 2)}


@pytest.fixture(scope="module", params=list(CRYSTALS))
def folder(request, tmp_path_factory) -> Path:
    """Four trajectories as plain files, with nothing but positions and energies."""
    lattice, edge, repeat = CRYSTALS[request.param]
    folder = tmp_path_factory.mktemp("other") / request.param
    folder.mkdir()
    rng = np.random.default_rng(0)
    for number in range(4):
        frames = []
        for step in range(4):
            atoms = bulk(request.param, lattice, edge * (1 + 0.02 * number), cubic=True).repeat((2, 2, repeat))
            atoms.rattle(0.05 + 0.08 * step, seed=int(rng.integers(1e6)))
            distance = atoms.get_all_distances(mic=True)
            atoms.arrays["local_energy"] = -0.1 * np.exp(-((distance / edge) ** 2)).sum(axis=1)
            frames.append(atoms)
        write(folder / f"run-{number}.extxyz", frames, columns=["symbols", "positions", "local_energy"])
    return folder


@pytest.mark.parametrize("chapter", SMALL)
def test_a_chapter_runs_and_says_nothing_about_carbons_bonds(chapter, folder, tmp_path):
    given = [part for name, value in SMALL[chapter].items() for part in ("-p", f"{name}={json.dumps(value)}")]
    done = subprocess.run(
        [sys.executable, "-m", "synthetic_atoms", "run", chapter, "-p", f"dataset={folder}", *given, "-o", "out"],
        cwd=tmp_path,
        env={**os.environ, "SYNTHETIC_ATOMS_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        timeout=600,
    )
    assert done.returncode == 0, done.stderr
    notebook = nbformat.read(tmp_path / "out" / f"{chapter}.ipynb", as_version=4)
    data = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
    said = [bundle["application/papermill.record/text/plain"] for bundle in data if len(bundle) == 1 and
            "application/papermill.record/text/plain" in bundle]  # fmt: skip
    shown = [bundle[kind] for bundle in data for kind in (display.FIGURE_MIME, display.TABLE_MIME) if kind in bundle]
    texts = said + [content[part] for content in shown for part in ("caption", "alt") if part in content]
    assert shown
    assert said
    for text in texts:
        assert not re.search(r"\bnan\b|\binf\b", text), text
        assert "1.85" not in text
        assert "sp²" not in text
