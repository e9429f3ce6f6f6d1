"""Records of GPR and of the networks in one table, and those that all trajectories give beyond a part of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import pandas as pd

from synthetic_atoms.experiments.dataset import Dataset, largest_training_set
from synthetic_atoms.experiments.gpr_grid import Study, Sweep
from synthetic_atoms.experiments.gpr_path import sparse_gpr
from synthetic_atoms.experiments.learning_curves import Curve, learning_curves, without_held_out

NUMBERS = (
    "mae_test_meV", "rmse_test_meV", "mae_train_meV", "mae_validation_meV", "mae_sp_meV", "mae_sp2_meV", "mae_sp3_meV",
    "epochs", "fit_s", "predict_s", "n_test",
)  # fmt: skip
"""What both kinds of record say, NaN where one does not; training errors are those of fitted rows."""


def whole(dataset: Dataset) -> Dataset:
    """All trajectories: ``embedded`` is a part of them, other data are whole."""
    return replace(dataset, name="embedded-all") if dataset.name == "embedded" else dataset


@dataclass(frozen=True)
class Comparison:
    """Fits of GPR (DTC) and of networks with their usual settings, on the same training and test environments.

    Attributes
    ----------
    dataset
        The environments.
    models
        Any of ``"GPR"``, ``"NN"`` and ``"DKL"``.
    sizes
        Numbers of training environments; those that not every fold has are left out.
    n_folds, seed, soap, max_test
        As in :class:`~synthetic_atoms.experiments.learning_curves.Curve`.
    n_sparse, sigma_meV, zeta
        Settings of GPR.
    """

    dataset: Dataset = field(default_factory=Dataset)
    models: tuple[str, ...] = ("GPR", "NN", "DKL")
    sizes: tuple[int, ...] = (100, 310, 1000, 3100, 10_000)
    n_folds: int = 5
    seed: int = 0
    soap: str = "tuned"
    max_test: int | None = None
    n_sparse: int = 5000
    sigma_meV: float = 10.0
    zeta: int = 4

    def largest(self) -> int:
        """The largest number of training environments that every fold has."""
        return largest_training_set(self.dataset, self.n_folds, self.seed)

    def sizes_used(self) -> list[int]:
        """The sizes that every fold has."""
        largest = self.largest()
        return [n for n in self.sizes if n <= largest]

    def records(self, *, use_store: bool = True, compute: bool = False) -> pd.DataFrame:
        """One row per fit: ``model``, ``n_train``, ``fold``, ``machine`` and :data:`NUMBERS`; NaN where it is missing.

        Raises
        ------
        ParameterError
            If no fold has as many environments as the smallest size.
        """
        shared = {
            "dataset": self.dataset, "n_folds": self.n_folds, "seed": self.seed, "soap": self.soap,
            "max_test": self.max_test,
        }  # fmt: skip
        how = {"use_store": use_store, "compute": compute}
        networks = tuple(model for model in self.models if model != "GPR")
        sizes = tuple(self.sizes_used())
        parts = []
        if "GPR" in self.models or not sizes:  # without a size GPR's grid says what was expected
            sweep = Sweep(self.sizes, m_sparse=(self.n_sparse,), sigmas_meV=(self.sigma_meV,))
            parts.append(sparse_gpr(Study(**shared, zeta=self.zeta), [sweep], **how))
        if networks and sizes:
            fits = learning_curves(Curve(**shared, models=networks, sizes=sizes), **how)
            parts.append(without_held_out(fits))
        columns = ["model", "n_train", "fold", "machine", *NUMBERS]
        tables = [part.reindex(columns=columns).astype(dict.fromkeys(NUMBERS, float)) for part in parts]
        return pd.concat(tables, ignore_index=True)

    def at_rate(self, model: str, sizes: Sequence[int], learning_rate: float, **settings: object) -> pd.DataFrame:
        """Stored records of a network at another learning rate, and with other settings that differ from the usual.

        The columns are those of :func:`~synthetic_atoms.experiments.learning_curves.learning_curves`; what is not
        stored is not there.
        """
        given = {model: {"learning_rate": learning_rate, **settings}}
        shared = (self.n_folds, self.seed, self.soap, self.max_test, given)
        curve = Curve(self.dataset, (model,), tuple(sizes), *shared)
        return without_held_out(learning_curves(curve).dropna(subset=["mae_test_meV"]))

    def with_all_trajectories(self) -> pd.DataFrame:
        """Stored records of the same models and sizes with all trajectories, where these data are a part of them.

        Empty where they are not, and where nothing is stored beyond the sizes that the part has.
        """
        larger = replace(self, dataset=whole(self.dataset))
        if larger.dataset != self.dataset and self.dataset.n_trajectories is None and self.max_test is None:
            largest = self.largest()
            if max(larger.sizes_used(), default=0) > largest:
                records = larger.records().dropna(subset=["mae_test_meV"])
                if (records["n_train"] > largest).any():
                    return records
        return pd.DataFrame(columns=["model", "n_train", "fold", "machine", *NUMBERS])
