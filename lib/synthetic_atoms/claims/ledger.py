"""The table of claims, and the verdicts that have been acknowledged."""

from __future__ import annotations

import csv
import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import yaml

from synthetic_atoms import published
from synthetic_atoms.claims.evidence import Evidence
from synthetic_atoms.errors import DataError
from synthetic_atoms.files import atomic_write
from synthetic_atoms.paths import data_directory

VERDICTS = ("reproduced", "partly", "not reproduced", "not applicable", "no record")
"""What can be said of a claim; the last one where the records that would tell have not been computed."""

_KEYS = ("id", "where", "says", "published", "test", "chapter", "figure")


@dataclass(frozen=True)
class Outcome:
    """What was found for a claim: a verdict of :data:`VERDICTS`, and our value in words."""

    verdict: str
    ours: str


NO_RECORD = Outcome("no record", "not computed")


def judged(reproduced: bool | np.bool_, partly: bool | np.bool_, ours: str) -> Outcome:
    """The verdict from the two tests of a claim."""
    return Outcome("reproduced" if reproduced else "partly" if partly else "not reproduced", ours)


def read_entries(name: str) -> list[dict[str, str]]:
    """A list of ``data/published/``; :class:`~synthetic_atoms.errors.DataError` if it is missing or damaged."""
    path = data_directory() / "published" / name
    try:
        entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, yaml.YAMLError) as error:
        raise DataError(f"Expected a list in {path}, found: {' '.join(str(error).split())}.") from error
    if not isinstance(entries, list) or not all(isinstance(entry, dict) for entry in entries):
        raise DataError(f"Expected a list of entries in {path}, found something else.")
    return entries


def claims() -> list[dict[str, str]]:
    """The claims as they stand in ``data/published/claims.yaml``.

    Raises
    ------
    DataError
        If the file is missing or damaged, a claim lacks a field, or two have the same id.
    """
    entries = read_entries("claims.yaml")
    for entry in entries:
        if sorted(entry) != sorted(_KEYS):
            raise DataError(f"Expected the fields {', '.join(_KEYS)} in each claim, found {', '.join(entry)}.")
    ids = [entry["id"] for entry in entries]
    twice = sorted({one for one in ids if ids.count(one) > 1})
    if twice:
        raise DataError(f"Expected each claim once, found '{twice[0]}' more often.")
    return entries


def ledger(evidence: Evidence | None = None) -> pd.DataFrame:
    """Every claim with ``verdict`` and ``ours``; one row each, in the paper's order.

    Raises
    ------
    DataError
        If a claim has no check, or a check no claim.
    """
    from synthetic_atoms.claims import curve_checks, data_checks, gpr_checks, network_checks

    evidence = evidence or Evidence()
    modules = (data_checks, curve_checks, gpr_checks, network_checks)
    checks = {name: check for module in modules for name, check in module.CHECKS.items()}
    table = pd.DataFrame(claims())
    odd = sorted(set(table["id"]) ^ set(checks))
    if odd:
        raise DataError(
            f"Expected a check for every claim and a claim for every check, found a difference in '{odd[0]}'."
        )
    outcomes = [checks[name](evidence) for name in table["id"]]
    return table.assign(ours=[one.ours for one in outcomes], verdict=[one.verdict for one in outcomes])


def contradictions() -> pd.DataFrame:
    """Where the published record disagrees with itself: ``about``, ``one``, ``other``; numbers from the tables."""
    curves = published.table("fig3_learning_curves").set_index(["model", "n_train"])
    points = published.table("fig4a_sparse_points").set_index(["m_sparse", "n_train"])["mae_test_meV"]
    networks = curves[curves.index.get_level_values("model") != "GPR"]
    direct = published.table("fig5d_qm_labels").query("training == 'direct'").sort_values("n_qm_labels").iloc[-1]
    times = {model: float(curves.loc[(model, 1_000_000), "test_s"]) for model in ("NN", "DKL")}
    values = {
        "nn_1e6_test": curves.loc[("NN", 1_000_000), "mae_test_meV"],
        "nn_1e6_train": curves.loc[("NN", 1_000_000), "mae_train_meV"],
        "gpr_1e5_test": curves.loc[("GPR", 100_000), "mae_test_meV"],
        "gpr_1e5_train": curves.loc[("GPR", 100_000), "mae_train_meV"],
        "m5000": points.get((5000, 100_000), float("nan")),
        "m10000": points.get((10_000, 100_000), float("nan")),
        "one_fold": int((networks["folds"] == 1).sum()),
        "network_points": len(networks),
        "nn_seconds": times["NN"],
        "ratio": times["DKL"] / times["NN"],
        "direct_last": direct["rmse_test_meV_per_atom"],
        "direct_n": int(direct["n_qm_labels"]),
    }
    entries = read_entries("contradictions.yaml")
    rows = [{key: text.format(**values) for key, text in entry.items()} for entry in entries]
    return pd.DataFrame(rows, columns=["about", "one", "other"])


def _file() -> Path:
    return data_directory() / "records" / "verdicts.csv"


def recorded_verdicts() -> dict[str, str]:
    """The verdicts that have been acknowledged, by claim.

    Raises
    ------
    DataError
        If the file is missing or damaged.
    """
    try:
        with _file().open(encoding="utf-8", newline="") as stream:
            return {row["id"]: row["verdict"] for row in csv.DictReader(stream, strict=True)}
    except (OSError, KeyError, csv.Error, UnicodeDecodeError) as error:
        raise DataError(f"Expected acknowledged verdicts in {_file()}, found: {error}.") from error


def write_verdicts(table: pd.DataFrame) -> None:
    """Acknowledge the verdicts of a ledger."""
    with atomic_write(_file(), "w") as stream:
        table[["id", "verdict"]].to_csv(stream, index=False, lineterminator="\n")


def verdict_digest(verdicts: dict[str, str]) -> str:
    """Eight characters that change with any verdict; the changelog names those that are acknowledged."""
    text = "\n".join(f"{name},{verdict}" for name, verdict in sorted(verdicts.items()))
    return hashlib.blake2b(text.encode(), digest_size=4).hexdigest()
