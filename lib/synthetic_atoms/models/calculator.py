"""A network as an ASE calculator: energies of structures, as sums over atoms."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
from ase import Atoms
from ase.calculators.calculator import Calculator, all_changes

from synthetic_atoms.descriptors.spectrum import power_spectrum
from synthetic_atoms.models.neural_network import NeuralNetwork


class NetworkCalculator(Calculator):
    """Energies (eV) from a trained network; it has no forces.

    Parameters
    ----------
    model
        The network, or the file that it was saved in.
    soap
        Name of the descriptor's setting that it was trained with.

    Raises
    ------
    DataError
        If the file is missing or damaged, or a structure cannot be described.
    """

    implemented_properties: ClassVar[list[str]] = ["energy", "energies"]

    def __init__(self, model: NeuralNetwork | Path | str, soap: str = "tuned", **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.model = model if isinstance(model, NeuralNetwork) else NeuralNetwork.load(Path(model))
        self.soap = soap

    def calculate(
        self, atoms: Atoms | None = None, properties: list[str] | None = None, system_changes: list[str] = all_changes
    ) -> None:
        """Fill ``results`` with ``energy`` and the energy of each atom, ``energies``; called by ASE."""
        super().calculate(atoms, properties or ["energy"], system_changes)
        energies = self.model.predict(power_spectrum(self.atoms, self.soap))
        self.results = {"energy": float(np.sum(energies)), "energies": energies}
