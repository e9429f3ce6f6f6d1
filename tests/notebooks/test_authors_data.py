"""The variant of the book on the authors' data, built from folders in the exact layout of their archives.

The authors' files are not here: structures and energies are this project's own, written as theirs are, with energies
moved to the zero of C-GAP-17. What is tested is that everything from the archive's format to the pages works.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from synthetic_atoms.book import project
from synthetic_atoms.datasets import load_local_energies, load_total_energies
from synthetic_atoms.datasets.paper import FREE_ATOM_ENERGY_EV

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("notebooks")]

N_TRAJECTORIES = 8


def write_trajectories(folder: Path) -> None:
    """``results/density-<rho>-T-<T>.extxyz``, some atoms outside the cell."""
    data = load_local_energies("embedded", n_trajectories=N_TRAJECTORIES)
    moved = data.local_energy_eV - data.free_atom_energy_eV + FREE_ATOM_ENERGY_EV
    rng = np.random.default_rng(0)
    (folder / "results").mkdir(parents=True)
    for number in np.unique(data.trajectory):
        text = ""
        for time, frame in enumerate(np.flatnonzero(data.trajectory == number)):
            atoms = data.atoms(frame)
            rows = slice(data.offsets[frame], data.offsets[frame + 1])
            edge, density = atoms.cell[0, 0], round(float(data.density_g_cm3[frame]), 1)
            temperature = int(data.anneal_temperature_K[frame])
            text += f'{len(atoms)}\nLattice="{edge} 0.0 0.0 0.0 {edge} 0.0 0.0 0.0 {edge}" '
            text += f"Properties=species:S:1:pos:R:3:gap17_energy:R:1 anneal_T={temperature} density={density} "
            text += f'run_id={number} time={time} pbc="T T T"\n'
            outside = np.where(rng.uniform(size=(len(atoms), 3)) < 0.01, edge, 0.0)
            for position, energy in zip(atoms.positions + outside, moved[rows], strict=True):
                text += "C " + " ".join(f"{value:16.8f}" for value in (*position, energy)) + "\n"
        (folder / "results" / f"density-{density}-T-{temperature}.extxyz").write_text(text)


def write_cells(folder: Path) -> None:
    """``C-GAP-17.extxyz``: cells of 64 atoms, and a dimer that is not to be taken."""
    data = load_total_energies("embedded")
    text = '2\nLattice="9.0 0 0 0 9.0 0 0 0 9.0" Properties=species:S:1:pos:R:3:forces:R:3 energy=-300.0 '
    text += 'config_type=dimer split=train pbc="T T T"\nC 0 0 0 0 0 0\nC 0 0 1.3 0 0 0\n'
    for frame in range(0, data.n_frames, 20):
        atoms = data.atoms(frame)
        rows = slice(data.offsets[frame], data.offsets[frame + 1])
        edge = atoms.cell[0, 0]
        energy = data.total_energy_eV[frame] + len(atoms) * (FREE_ATOM_ENERGY_EV - data.free_atom_energy_eV)
        text += f'{len(atoms)}\nLattice="{edge} 0.0 0.0 0.0 {edge} 0.0 0.0 0.0 {edge}" '
        text += f"Properties=species:S:1:pos:R:3:forces:R:3 energy={energy:.8f} config_type=bulk_amo split=train "
        text += 'pbc="T T T"\n'
        for row in np.hstack([atoms.positions, data.forces_eV_A[rows]]):
            text += "C " + " ".join(f"{value:16.8f}" for value in row) + "\n"
    (folder / "C-GAP-17.extxyz").write_text(text)


@pytest.fixture(scope="module")
def variant(tmp_path_factory) -> Path:
    """A copy of the project whose profile for the authors' data is as small as the smoke profile."""
    root = tmp_path_factory.mktemp("variant") / "project"
    for name in ("notebooks", "book", "data", "_config.yml", "_toc.yml", "CHANGELOG.md"):
        source = project.root() / name
        shutil.copytree(source, root / name) if source.is_dir() else shutil.copy2(source, root / name)
    profiles = root / "notebooks" / "profiles"
    authors = yaml.safe_load((profiles / "authors.yaml").read_text(encoding="utf-8"))
    smoke = yaml.safe_load((profiles / "smoke.yaml").read_text(encoding="utf-8"))
    small = {chapter: {**values, **(smoke[chapter] or {})} for chapter, values in authors.items()}
    assert all(values.get("dataset") == "paper" for chapter, values in small.items() if chapter != "08_claims")
    (profiles / "authors.yaml").write_text(yaml.safe_dump(small), encoding="utf-8")
    write_trajectories(root / "authors")
    write_cells(root / "authors")
    return root


def test_the_book_on_the_authors_data_is_built(variant, tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "synthetic_atoms", "book", "--profile", "authors"],
        cwd=variant,
        env={
            **os.environ,
            "SYNTHETIC_ATOMS_ROOT": str(variant),
            "SYNTHETIC_ATOMS_PAPER_DATA": str(variant / "authors"),
            "XDG_CACHE_HOME": str(tmp_path / "cache"),
        },
        capture_output=True,
        text=True,
        timeout=3600,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    html = variant / "_build" / "book" / "html"
    page = (html / "notebooks" / "01_dataset.html").read_text(encoding="utf-8")
    assert "C-SYNTH-23M" in page
    assert "Not the published parameters" in page
    for chapter in ("02_descriptors_and_models", "03_learning_curves", "04_gpr_insights", "06_structure_maps"):
        assert "sa-figure" in (html / "notebooks" / f"{chapter}.html").read_text(encoding="utf-8")
