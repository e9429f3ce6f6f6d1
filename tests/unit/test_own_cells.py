"""Fine-tuning on a file of one's own, from the command line to the calculator."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest
from ase.calculators.singlepoint import SinglePointCalculator
from ase.io import read, write

from synthetic_atoms.datasets import load_total_energies
from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.experiments import own_cells
from synthetic_atoms.models.calculator import NetworkCalculator
from synthetic_atoms.models.neural_network import NeuralNetwork

ZERO_eV = 13.6
"""Per atom: another method has another zero."""


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    """Thirty of the repository's own cells, their energies moved by a constant per atom."""
    cells = load_total_energies("embedded")
    path = tmp_path_factory.mktemp("cells") / "mine.extxyz"
    frames = []
    for frame in np.random.default_rng(0).choice(cells.n_frames, 30, replace=False):
        atoms = cells.atoms(int(frame))
        atoms.calc = SinglePointCalculator(atoms, energy=float(cells.total_energy_eV[frame]) + ZERO_eV * len(atoms))
        frames.append(atoms)
    write(path, frames)
    return path


def test_from_a_file_to_a_calculator(file, tmp_path):
    output = tmp_path / "mine.safetensors"
    command = [sys.executable, "-m", "synthetic_atoms", "fine-tune", str(file), "-o", str(output), "--folds", "2"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    assert "30 cells, 1920 atoms" in done.stdout
    atoms = read(file, index=3)
    energy = atoms.get_potential_energy()
    atoms.calc = NetworkCalculator(output)
    assert atoms.get_potential_energy() == pytest.approx(energy, abs=0.15 * len(atoms))
    assert atoms.get_potential_energies().sum() == pytest.approx(atoms.get_potential_energy())
    again = subprocess.run(command, capture_output=True, text=True, timeout=300)
    assert again.returncode == 2
    assert "exists already" in again.stderr


def test_the_zero_of_the_energies_does_not_matter(file):
    start = NeuralNetwork.load(own_cells.shipped_network())
    cells = own_cells.read_cells(file)
    _, moved = own_cells.fine_tune(cells, start, n_folds=2, max_epochs=2)
    for atoms in cells:
        atoms.calc = SinglePointCalculator(atoms, energy=atoms.get_potential_energy() - ZERO_eV * len(atoms))
    _, plain = own_cells.fine_tune(cells, start, n_folds=2, max_epochs=2)
    np.testing.assert_allclose(moved.before, plain.before, rtol=1e-6)
    np.testing.assert_allclose(moved.after, plain.after, rtol=1e-3)
    assert plain.before.max() < 0.06  # the shipped network knows these energies


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ('1\nLattice="5 0 0 0 5 0 0 0 5" Properties=species:S:1:pos:R:3\nC 0 0 0\n', "found none for number 1"),
        ("1\nProperties=species:S:1:pos:R:3 energy=-1.0\nSi 0 0 0\n", "found Si in number 1"),
        ("nonsense", "ASE reads"),
    ],
)
def test_files_that_will_not_do_end_in_one_sentence(text, message, tmp_path):
    path = tmp_path / "x.extxyz"
    path.write_text(text)
    with pytest.raises(DataError, match=message):
        own_cells.read_cells(path)
    with pytest.raises(DataError, match="no such file"):
        own_cells.read_cells(tmp_path / "none.extxyz")


def test_too_few_cells_for_the_folds_are_refused(file):
    start = NeuralNetwork.load(own_cells.shipped_network())
    with pytest.raises(ParameterError, match="found 5"):
        own_cells.fine_tune(own_cells.read_cells(file)[:9], start, n_folds=5)
