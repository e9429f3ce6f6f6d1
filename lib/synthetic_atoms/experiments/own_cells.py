"""Fine-tuning a pre-trained network on one's own few quantum-mechanical energies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from ase import Atoms
from ase.calculators.calculator import PropertyNotImplementedError
from ase.io import read
from jaxtyping import Float, Int
from sklearn.model_selection import KFold

from synthetic_atoms.descriptors.spectrum import power_spectrum
from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.experiments.fine_tuning_grid import n_validation
from synthetic_atoms.models.neural_network import NeuralNetwork
from synthetic_atoms.models.total_energies import fit_total_energies, total_energies
from synthetic_atoms.paths import data_directory

SETTINGS: dict[str, Any] = {"learning_rate": 1e-4, "batch_size": 10, "max_epochs": 200, "patience": 40}
"""Careful defaults, for tens to hundreds of cells."""


@dataclass(frozen=True)
class Report:
    """Errors per atom (eV) on cells that the network was not trained on, over the folds.

    ``before`` is the error of the pre-trained network with nothing but a constant fitted to the training cells,
    ``after`` that of the fine-tuned one; both have one number per fold.
    """

    n_cells: int
    n_atoms: int
    before: Float[np.ndarray, " folds"]
    after: Float[np.ndarray, " folds"]

    def __str__(self) -> str:
        def text(values: np.ndarray) -> str:
            return f"{1000 * values.mean():.1f} ± {1000 * values.std(ddof=1):.1f} meV per atom"

        return (
            f"{self.n_cells} cells, {self.n_atoms} atoms. Test RMSE over {len(self.before)} folds: "
            f"{text(self.before)} with "
            f"a constant only, {text(self.after)} after fine-tuning."
        )


def shipped_network() -> Path:
    """The pre-trained network that comes with the project.

    Raises
    ------
    DataError
        If it is not there.
    """
    found = sorted((data_directory() / "models").glob("pre-trained-*.safetensors"))
    if not found:
        raise DataError(f"Expected a pre-trained network in {data_directory() / 'models'}, found none.")
    return found[0]


def read_cells(path: Path, symbol: str = "C") -> list[Atoms]:
    """Structures with energies from a file that ASE reads.

    Raises
    ------
    DataError
        If the file is missing or unreadable, or a structure has no energy or other elements.
    """
    path = Path(path)
    if not path.is_file():
        raise DataError(f"Expected structures with energies in {path}, found no such file.")
    try:
        cells = read(path, index=":")
    except Exception as error:  # ASE's readers raise whatever they stumble over
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"Expected structures that ASE reads in {path}, found: {reason}.") from error
    for number, atoms in enumerate(cells, start=1):
        try:
            energy = float(atoms.get_potential_energy())
        except (RuntimeError, PropertyNotImplementedError):
            energy = float("nan")
        if not np.isfinite(energy):
            raise DataError(f"Expected a finite energy of every structure in {path}, found none for number {number}.")
        others = sorted(set(atoms.get_chemical_symbols()) - {symbol})
        if others or not len(atoms):
            raise DataError(
                f"Expected {symbol} atoms only in {path}, found {', '.join(others) or 'no atoms'} in number {number}."
            )
    return cells


def fine_tune(
    cells: Sequence[Atoms],
    start: NeuralNetwork,
    *,
    soap: str = "tuned",
    n_folds: int = 5,
    seed: int = 0,
    **settings: Any,
) -> tuple[NeuralNetwork, Report]:
    """Fine-tune a network on total energies, and estimate its error by cross-validation over the cells.

    Energies of another method have another zero. The mean difference per atom over the training cells is taken out
    first and becomes part of the network.

    Parameters
    ----------
    cells
        Structures with energies (eV), each independent of the others: frames of one trajectory are alike and make the
        estimate too good.
    start
        The pre-trained network.
    soap
        The descriptor's setting that it was trained with.
    n_folds, seed
        Of the cross-validation.
    settings
        As for :func:`~synthetic_atoms.models.total_energies.fit_total_energies`, on top of :data:`SETTINGS`.

    Raises
    ------
    ParameterError
        If there are too few cells for the folds.
    """
    if not 2 <= n_folds <= len(cells) // 3:
        raise ParameterError(f"Expected from 2 to {len(cells) // 3} folds for {len(cells)} cells, found {n_folds}.")
    x = power_spectrum(list(cells), soap)
    sizes = np.array([len(atoms) for atoms in cells])
    cell = np.repeat(np.arange(len(cells)), sizes)
    energy = np.array([atoms.get_potential_energy() for atoms in cells])

    def shift(model: NeuralNetwork, chosen: Int[np.ndarray, " chosen"]) -> float:
        return float(np.mean((energy - total_energies(model, x, cell))[chosen] / sizes[chosen]))

    def rmse(model: NeuralNetwork, constant: float, chosen: Int[np.ndarray, " chosen"]) -> float:
        error = (total_energies(model, x, cell) - energy)[chosen] / sizes[chosen] + constant
        return float(np.sqrt(np.mean(error**2)))

    def tuned(chosen: Int[np.ndarray, " chosen"]) -> NeuralNetwork:
        constant = shift(start, chosen)
        rows = np.isin(cell, chosen)
        held_out = np.random.default_rng(seed).permutation(len(chosen))[: n_validation(len(chosen))]
        model = fit_total_energies(
            x[rows],
            np.searchsorted(chosen, cell[rows]),
            energy[chosen] - constant * sizes[chosen],
            validation=held_out,
            start=start,
            **{**SETTINGS, "seed": seed, **settings},
        )
        model.target_mean_ += constant
        return model

    before, after = [], []
    for train, test in KFold(n_folds, shuffle=True, random_state=seed).split(np.arange(len(cells))):
        before.append(rmse(start, shift(start, train), test))
        after.append(rmse(tuned(train), 0.0, test))
    report = Report(len(cells), int(sizes.sum()), np.array(before), np.array(after))
    return tuned(np.arange(len(cells))), report
