"""What the claims are judged by: the stored records, the data, and the kept maps."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cached_property
from types import ModuleType

import numpy as np
import pandas as pd

from synthetic_atoms.datasets import data_card
from synthetic_atoms.experiments import (
    fine_tuning,
    gpr_grid,
    gpr_path,
    hyperparameters,
    learning_curves,
    map_measures,
    teachers,
)
from synthetic_atoms.experiments.all_models import whole
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.experiments.fine_tuning_findings import selected
from synthetic_atoms.experiments.fine_tuning_grid import (
    DIRECT,
    FINETUNED,
    PRETRAINED,
    FineTuning,
    directs,
    finetuneds,
    pretrained,
)
from synthetic_atoms.experiments.learning_curves import Curve, without_held_out
from synthetic_atoms.experiments.search_findings import as_good_as_best, common_trials
from synthetic_atoms.experiments.search_grid import Search
from synthetic_atoms.experiments.structure_maps import MapStudy, StoredMaps, stored_maps
from synthetic_atoms.experiments.teacher_findings import TEACHER_ERROR

USUAL = {"m_sparse": 5000, "sigma_meV": 10.0, "zeta": 4, "kernel_offset": 0.0}
"""The settings of GPR that the paper names."""

ENOUGH_TRIALS = 10
"""Of fewer trials the best one tells little about the best settings."""


def best_of_equal_budgets(table: pd.DataFrame, *, among: str, within: str) -> pd.DataFrame:
    """The best trial by validation error, of those that all have made.

    Parameters
    ----------
    table
        Trials of the search for settings.
    among
        The column whose values share a budget, such as ``"model"``: only trials that all of them made count.
    within
        The column within whose values trials are counted, such as ``"n_train"``.

    Returns
    -------
    pandas.DataFrame
        A row for each pair of values, with ``n_trials``, the number of trials that it is the best of.
    """
    table = common_trials(table, among=among, within=within)
    table = table[np.isfinite(table["mae_validation_meV"].astype(float))]
    if table.empty:
        return table
    best = table.loc[table.groupby([among, within])["mae_validation_meV"].idxmin()]
    return best.assign(n_trials=best[within].map(table.groupby(within)["trial"].nunique()))


class Evidence:
    """Records of the embedded data, read once; each is empty where nothing has been computed."""

    def __init__(self, dataset: str = "embedded", soap: str = "tuned") -> None:
        self.dataset = Dataset(dataset)
        self.soap = soap

    @property
    def whole_dataset(self) -> Dataset:
        """All trajectories: ``embedded`` is a part of them, other data are whole."""
        return whole(self.dataset)

    def _records(self, kept_by: ModuleType, of: Dataset | None = None, **study: object) -> pd.DataFrame:
        """Records of an experiment with some data, this descriptor, and what else is given by column."""
        of = of or self.dataset
        table = kept_by.store(of.name).read()
        asked = {"dataset_fingerprint": of.load().fingerprint[:12], "soap": self.soap, **study}
        return table[np.logical_and.reduce([table[name] == value for name, value in asked.items()])]

    def _gpr_of(self, dataset: Dataset) -> pd.DataFrame:
        study = gpr_grid.Study()
        table = self._records(gpr_path, dataset, n_folds=study.n_folds, seed=study.seed)
        return table[(table["zeta"] == USUAL["zeta"]) & (table["kernel_offset"] == USUAL["kernel_offset"])]

    @cached_property
    def gpr(self) -> pd.DataFrame:
        """All records of GPR with the usual kernel."""
        return self._gpr_of(self.dataset)

    @cached_property
    def whole_gpr(self) -> pd.DataFrame:
        """The same with all trajectories, where ``embedded`` is a part of them."""
        return self._gpr_of(self.whole_dataset) if self.dataset.name == "embedded" else self.gpr

    @staticmethod
    def usual_gpr(gpr: pd.DataFrame) -> pd.DataFrame:
        """DTC with M = 5000 or N if that is less, 10 meV, and all test environments."""
        return gpr[
            (gpr["estimator"] == "dtc")
            & (gpr["sigma_meV"] == USUAL["sigma_meV"])
            & (gpr["m_sparse"] == np.minimum(gpr["n_train"], USUAL["m_sparse"]))
            & (gpr["max_test"] == 0)
        ]

    def _curves_of(self, dataset: Dataset, gpr: pd.DataFrame) -> pd.DataFrame:
        usual = Curve(soap=self.soap)
        networks = self._records(learning_curves, dataset, n_folds=usual.n_folds, seed=usual.seed)
        usual_settings = [
            json.dumps(usual.settings(row.model, int(row.n_train)), sort_keys=True) == row.hyperparameters
            for row in networks.itertuples()
        ]
        networks = without_held_out(networks[np.array(usual_settings, dtype=bool)])
        columns = [
            "model",
            "n_train",
            "fold",
            "mae_test_meV",
            "mae_train_meV",
            "n_test",
            "fit_s",
            "predict_s",
            "machine",
        ]
        tables = [self.usual_gpr(gpr)[columns], networks.loc[networks["max_test"] == 0, columns]]
        return pd.concat(tables, ignore_index=True)

    @cached_property
    def curves(self) -> pd.DataFrame:
        """Test errors of GPR (DTC, M = 5000 or N if that is less, 10 meV), NN and DKL as usual, at every N and fold."""
        return self._curves_of(self.dataset, self.gpr)

    @cached_property
    def whole_curves(self) -> pd.DataFrame:
        """The same with all trajectories, where ``embedded`` is a part of them."""
        return self._curves_of(self.whole_dataset, self.whole_gpr)

    def largest(self, *models: str, folds: int = 1) -> pd.DataFrame:
        """Records at the largest N that these models have in common, in the folds that all these models have.

        ``folds`` is how many these must be at least.
        """
        tables = [table[table["model"].isin(models)] for table in (self.curves, self.whole_curves)]
        best = tables[0].iloc[:0]
        for table in tables:
            shared = table.groupby(["n_train", "fold"])["model"].transform("nunique") == len(models)
            table = table[shared]
            table = table[table.groupby("n_train")["fold"].transform("nunique") >= folds]
            if len(table) and (best.empty or table["n_train"].max() > best["n_train"].max()):
                best = table[table["n_train"] == table["n_train"].max()]
        return best

    def by_fold(self, model: str) -> pd.DataFrame:
        """Test errors: a row per N, a column per fold, complete rows only."""
        part = self.curves[self.curves["model"] == model]
        return part.pivot_table(index="n_train", columns="fold", values="mae_test_meV", aggfunc="first").dropna()

    def _of_cells(self, kept_by: ModuleType) -> tuple[FineTuning, pd.DataFrame]:
        """The study of chapter 05, and an experiment's records of it: those of all cells."""
        study = FineTuning(self.dataset, soap=self.soap)
        table = self._records(kept_by, n_folds=study.n_folds, seed=study.seed)
        if len(table):  # other data need not have cells
            table = table[table["cells_fingerprint"] == study.qm().fingerprint[:12]]
        return study, table

    @cached_property
    def tuning(self) -> pd.DataFrame:
        """Records of direct training, pre-training and fine-tuning with the settings that are used (no trials)."""
        study, table = self._of_cells(fine_tuning)
        if table.empty:
            return table
        compete = []
        for row in table.to_dict("records"):
            n_pre, n, fold = (int(row[k]) for k in ("n_pretrain_environments", "n_qm_labels", "fold"))
            fits = {
                DIRECT: lambda n_pre, n, fold: directs(study, n, fold),
                FINETUNED: lambda n_pre, n, fold: finetuneds(study, n_pre, n, fold),
                PRETRAINED: lambda n_pre, n, fold: [pretrained(n_pre, fold)],
            }[row["training"]](n_pre, n, fold)
            compete.append(row["hyperparameters"] in [fit.hyperparameters for fit in fits])
        return selected(table[np.array(compete)])

    def teacher_on_own_cells(self, folds: Sequence[int]) -> pd.Series:
        """Error of the dataset's own teacher on the test cells of some folds, to which it was fitted, by fold."""
        _, table = self._of_cells(teachers)
        own = table[(table["source"] == teachers.GAP.source) & table["fold"].isin(folds)]
        return own.groupby("fold")[TEACHER_ERROR].first()

    def curve_d(self) -> pd.DataFrame:
        """Direct training, and fine-tuning after pre-training on everything, for every number of labels."""
        most = self.tuning["n_pretrain_environments"].max() if len(self.tuning) else 0
        return self.tuning[self.tuning["n_pretrain_environments"].isin([0, most]) & (self.tuning["n_qm_labels"] > 0)]

    def table_1(self) -> pd.DataFrame:
        """The three networks trained on everything."""
        table = self.tuning
        if table.empty:
            return table
        most, labels = table["n_pretrain_environments"].max(), table["n_qm_labels"].max()
        full = table["n_pretrain_environments"].isin([0, most]) & table["n_qm_labels"].isin([0, labels])
        return table[full]

    @cached_property
    def map_summary(self) -> pd.DataFrame:
        """Measures of the maps, means over the seeds, by representation."""
        table = self._records(map_measures)
        if len(table):
            study = MapStudy(FineTuning(self.dataset, soap=self.soap), n_environments=map_measures.MEASURED)
            table = self._records(map_measures, **study.settings())
        return map_measures.summary(table).set_index("representation") if len(table) else pd.DataFrame()

    @cached_property
    def maps(self) -> StoredMaps | None:
        """The kept maps."""
        return stored_maps(MapStudy(FineTuning(self.dataset, soap=self.soap)))

    @cached_property
    def _all_trials(self) -> pd.DataFrame:
        search = Search(soap=self.soap)
        columns = ("n_folds", "fold", "seed", "max_test", "patience")
        table = self._records(hyperparameters, **{name: getattr(search, name) for name in columns})
        usual = [
            (row.max_epochs, row.repeats) == (search.epoch_cap(row.n_train), search.repeats(row.n_train))
            for row in table.itertuples()
        ]
        return table[np.array(usual, dtype=bool)]

    @cached_property
    def trials(self) -> pd.DataFrame:
        """The best trial of each model by validation error, among the trials that all models have: equal budgets.

        ``n_trials`` says how many these are; sizes with fewer than :data:`ENOUGH_TRIALS` are left out.
        """
        best = best_of_equal_budgets(self._all_trials, among="model", within="n_train")
        return best[best["n_trials"] >= ENOUGH_TRIALS] if len(best) else best

    def as_good_as(self, best: pd.Series) -> pd.DataFrame:
        """The trials of a best trial's model and size within one standard error of it; none where it has none."""
        table = common_trials(self._all_trials)
        good = as_good_as_best(table[table["n_train"] == best["n_train"]])
        return good[best["model"]] if good else table.iloc[:0]

    @cached_property
    def network_trials(self) -> pd.DataFrame:
        """The best trial of NN by validation error, by training-set size, among the trials that every size has."""
        table = self._all_trials
        best = best_of_equal_budgets(table[table["model"] == "NN"], among="n_train", within="model")
        return best.set_index("n_train").sort_index() if len(best) else best

    @cached_property
    def card(self) -> dict:
        """The data card."""
        return data_card(self.dataset.name) or {}
