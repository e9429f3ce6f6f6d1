"""A small dataset whose energies are a known function of the environment, and a store of its own for each test."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from synthetic_atoms.datasets import embedded
from synthetic_atoms.experiments import (
    fine_tuning,
    gpr_path,
    hyperparameters,
    map_measures,
    teachers,
    trajectory_errors,
)
from synthetic_atoms.experiments import learning_curves as experiment
from synthetic_atoms.files import sha256

ATOMS, EDGE_A, TRAJECTORIES, FRAMES = 32, 7.0, 4, 4


@pytest.fixture(scope="session")
def folder(tmp_path_factory) -> Path:
    """A dataset in the embedded format: energies fall with the number of atoms nearby, smoothly."""
    folder = tmp_path_factory.mktemp("data") / "toy"
    rng = np.random.default_rng(1)
    positions = rng.integers(0, round(1000 * EDGE_A), size=(TRAJECTORIES * FRAMES, ATOMS, 3)).astype(np.uint16)
    energies = np.empty(positions.shape[:2], dtype=np.float32)
    for frame, one in enumerate(positions / 1000):
        difference = one[:, None] - one[None]
        distance = np.linalg.norm(difference - EDGE_A * np.rint(difference / EDGE_A), axis=-1)
        energies[frame] = -50 - np.exp(-(distance**2) / 2).sum(axis=1)
    frames = len(positions)
    path = folder / "local_energies" / "density-1.0.npz"
    embedded.write_local_shard(
        path,
        positions_mA=positions,
        cell_length_A=np.full(frames, EDGE_A),
        local_energy_eV=energies,
        density_g_cm3=np.ones(frames),
        anneal_temperature_K=np.full(frames, 3000.0),
        temperature_K=np.full(frames, 300.0),
        trajectory=np.repeat(np.arange(TRAJECTORIES), FRAMES),
        time_ps=np.tile(np.arange(FRAMES, dtype=float), TRAJECTORIES),
    )
    card = {"symbol": "C", "free_atom_energy_eV": -47.0, "sha256": {"local_energies/density-1.0.npz": sha256(path)}}
    (folder / "card.json").write_text(json.dumps(card))
    return folder


@pytest.fixture
def own_store_and_cache(tmp_path, monkeypatch):
    """Each test has a store and a cache of its own."""
    monkeypatch.setenv("SYNTHETIC_ATOMS_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(
        experiment, "store", lambda *_: experiment.RecordStore(tmp_path / "r.csv", experiment.ASKED, experiment.FOUND)
    )
    monkeypatch.setattr(
        gpr_path, "store", lambda *_: experiment.RecordStore(tmp_path / "gpr.csv", gpr_path.ASKED, gpr_path.FOUND)
    )
    for number, module in enumerate((fine_tuning, hyperparameters, map_measures, teachers, trajectory_errors)):
        monkeypatch.setattr(
            module,
            "store",
            lambda *_, module=module, number=number: experiment.RecordStore(
                tmp_path / f"other-{number}.csv", module.ASKED, module.FOUND
            ),
        )
