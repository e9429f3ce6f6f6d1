"""Every number that the paper prints about its own work, beside ours: computed from records or read from settings."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd

from synthetic_atoms.claims.evidence import USUAL, Evidence
from synthetic_atoms.claims.ledger import ledger, read_entries
from synthetic_atoms.descriptors import soap_settings
from synthetic_atoms.descriptors.coordination import bond_A
from synthetic_atoms.errors import DataError
from synthetic_atoms.experiments.fine_tuning_grid import DIRECT, FINETUNED, PRETRAINED, FineTuning
from synthetic_atoms.splits import validation_split
from synthetic_atoms.wording import counted

NOT_COMPUTED = "not computed"


def _protocol(evidence: Evidence, name: str) -> float:
    return float(evidence.card.get("protocol", {}).get(name, np.nan))


def _grid(values: np.ndarray, unit: str, digits: int) -> str:
    found = np.unique(values)
    steps = np.unique(np.round(np.diff(found), 6))
    text = f"{found[0]:.{digits}f} to {found[-1]:.{digits}f} {unit}"
    return f"{text} in steps of {steps[0]:.{digits}f} {unit}" if len(steps) == 1 else f"{text}, {len(found)} values"


def _table_1(training: str, column: str) -> Callable[[Evidence], str]:
    def value(evidence: Evidence) -> str:
        table = evidence.table_1()
        errors = table.loc[table["training"] == training, column].dropna() if len(table) else table
        if not len(errors):
            return NOT_COMPUTED
        unit = "meV per atom" if column.endswith("per_atom") else "meV"
        return f"{errors.mean():.1f} {unit} ({counted(len(errors), 'fold')})"

    return value


def _gap(training: str) -> Callable[[Evidence], str]:
    def value(evidence: Evidence) -> str:
        table = evidence.table_1()
        part = table[table["training"] == training] if len(table) else table
        if not len(part):
            return NOT_COMPUTED
        test, train = part["rmse_test_meV_per_atom"].mean(), part["rmse_train_meV_per_atom"].mean()
        return f"{test:.1f} and {train:.1f} meV per atom"

    return value


def _largest_network(evidence: Evidence) -> str:
    rows = evidence.largest("NN")
    if rows.empty:
        return NOT_COMPUTED
    means = rows[["mae_test_meV", "mae_train_meV"]].mean()
    folds = counted(len(rows), "fold")
    errors = f"{means['mae_test_meV']:.1f} and {means['mae_train_meV']:.1f} meV"
    return f"{errors} at N = {rows['n_train'].iloc[0]:,} ({folds})"


def _largest_gpr(evidence: Evidence) -> str:
    rows = evidence.largest("GPR")
    return f"{rows['n_train'].iloc[0]:,}" if len(rows) else NOT_COMPUTED


def _memory(evidence: Evidence) -> str:
    table = evidence.whole_gpr
    rows = table[(table["estimator"] == "dtc") & (table["m_sparse"] == USUAL["m_sparse"])]
    rows = rows[rows["n_train"] == rows["n_train"].max()]
    return f"{rows['peak_memory_GB'].max():.1f} GB at N = {rows['n_train'].max():,}" if len(rows) else NOT_COMPUTED


def _fewest(evidence: Evidence) -> str:
    curve = evidence.curve_d()
    least = curve.groupby("training")["n_qm_labels"].min() if len(curve) else {}
    return f"{least[DIRECT]} and {least[FINETUNED]}" if len(least) == 2 else NOT_COMPUTED


def _most(evidence: Evidence, column: str) -> str:
    return f"{int(evidence.tuning[column].max()):,}" if len(evidence.tuning) else NOT_COMPUTED


VALUES: dict[str, Callable[[Evidence], str]] = {
    "environments": lambda e: f"{e.whole_dataset.load().n_environments:,}",
    "labelling": lambda e: "measured when chapter 01 runs",
    "trajectories": lambda e: str(len(np.unique(e.whole_dataset.load().trajectory))),
    "atoms": lambda e: str(e.dataset.load().n_environments // e.dataset.load().n_frames),
    "densities": lambda e: _grid(e.dataset.load().density_g_cm3, "g/cm³", 1),
    "melt": lambda e: f"{_protocol(e, 'melt_K'):.0f} K for {_protocol(e, 'melt_ps'):g} ps",
    "quench": lambda e: f"to {_protocol(e, 'cold_K'):.0f} K over {_protocol(e, 'quench_ps'):g} ps",
    "anneal": lambda e: f"{_protocol(e, 'anneal_ps'):g} ps at {_grid(e.dataset.load().anneal_temperature_K, 'K', 0)}",
    "cool": lambda e: f"to {_protocol(e, 'cold_K'):.0f} K over {_protocol(e, 'cool_ps'):g} ps",
    "basis": lambda e: f"({soap_settings(e.soap).n_max}, {soap_settings(e.soap).l_max})",
    "soap": lambda e: f"{soap_settings(e.soap).r_cut_A:g} Å and {soap_settings(e.soap).sigma_A:g} Å",
    "zeta": lambda e: str(USUAL["zeta"]),
    "points": lambda e: f"{USUAL['m_sparse']:,}",
    "largest_gpr": _largest_gpr,
    "folds": lambda e: str(e.by_fold("GPR").shape[1]),
    "validation": lambda e: (
        f"{len(validation_split(1000, 0)[1]):,} of 1,000 points, {len(validation_split(100_000, 0)[1]):,} of 100,000"
    ),
    "memory": _memory,
    "direct_total": _table_1(DIRECT, "rmse_test_meV_per_atom"),
    "pretrained_total": _table_1(PRETRAINED, "rmse_test_meV_per_atom"),
    "finetuned_total": _table_1(FINETUNED, "rmse_test_meV_per_atom"),
    "direct_local": _table_1(DIRECT, "rmse_local_test_meV"),
    "pretrained_local": _table_1(PRETRAINED, "rmse_local_test_meV"),
    "finetuned_local": _table_1(FINETUNED, "rmse_local_test_meV"),
    "parity": lambda e: "1000",
    "pretraining": lambda e: _most(e, "n_pretrain_environments"),
    "fewest": _fewest,
    "mapped": lambda e: f"{len(e.maps.rows):,}" if e.maps else NOT_COMPUTED,
    "bond": lambda e: f"{bond_A(e.dataset.load().symbol):g} Å",
    "clusters": lambda e: str(len(np.unique(e.maps.cluster))) if e.maps else NOT_COMPUTED,
    "cell_folds": lambda e: str(FineTuning(e.dataset).n_folds),
    "direct_gap": _gap(DIRECT),
    "finetuned_gap": _gap(FINETUNED),
    "labels": lambda e: _most(e, "n_qm_labels"),
    "network_gap": _largest_network,
}
"""Our values by the name that ``printed_numbers.yaml`` gives them."""


def printed_numbers(evidence: Evidence | None = None) -> pd.DataFrame:
    """The numbers with ``where`` they stand, ``what`` they are, ``published`` and ``ours``, in the paper's order.

    Raises
    ------
    DataError
        If an entry of ``data/published/printed_numbers.yaml`` names no value or claim that there is.
    """
    evidence = evidence or Evidence()
    claims = ledger(evidence).set_index("id")["ours"]
    rows = []
    for entry in read_entries("printed_numbers.yaml"):
        if "claim" in entry and entry["claim"] in claims:
            ours = claims[entry["claim"]]
        elif entry.get("ours") in VALUES:
            ours = VALUES[entry["ours"]](evidence)
        else:
            raise DataError(f"Expected a value or a claim for '{entry.get('what')}', found none that is known.")
        rows.append({"where": entry["where"], "what": entry["what"], "published": entry["published"], "ours": ours})
    return pd.DataFrame(rows)
