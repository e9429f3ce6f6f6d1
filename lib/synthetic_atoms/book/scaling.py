"""The tables of the page on scaling, computed when the book is built: nothing in them is typed."""

from __future__ import annotations

from pathlib import Path

import pandas as pd

from synthetic_atoms.book import project
from synthetic_atoms.descriptors import soap_settings
from synthetic_atoms.descriptors.features import SECONDS_PER_ENVIRONMENT

SIZES = (10**6, 10**7, 10**8)
"""Numbers of environments of the arithmetic."""

N_SPARSE = 5000
THREADS = 64
PARAMETERS = 1_000_000
"""Weights of the network of the arithmetic."""

EPOCHS = 100


def measured() -> pd.DataFrame | None:
    """What ``benchmarks/scaling.py`` measured last; None if it has not been run."""
    path = project.root() / "benchmarks" / "scaling.csv"
    return pd.read_csv(path) if path.is_file() else None


def measured_table() -> str:
    """The measurement in Markdown, with the load under which it was made."""
    table = measured()
    if table is None:
        return "*Not measured on this machine yet: run `python benchmarks/scaling.py`.*"
    one = float(table.loc[table["workers"] == 1, "seconds"].iloc[0])
    lines = ["| workers | seconds | speed-up | GFLOP/s per core | load average |", "| --- | --- | --- | --- | --- |"]
    lines += [
        f"| {row.workers} | {row.seconds:.1f} | {one / row.seconds:.2f} | {row.gflops_per_core:.1f} "
        f"| {row.load_average:.1f} |"
        for row in table.itertuples()
    ]
    first = table.iloc[0]
    text = (
        f"{first['fits']:.0f} fits of sparse GPR (N = {first['n_train']:,.0f}, M = {first['m_sparse']:,.0f}) on "
        f"{first['cores']:.0f} cores. The fastest of several rounds counts."
    )
    if table["load_average"].max() > first["cores"] + 0.5:
        text += (
            " **Other programs were using the machine at the time** (load average above the number of cores): the "
            "ratio is no measure of the program."
        )
    return "\n".join([*lines, "", text])


def arithmetic(n: int, gflops: float) -> dict[str, float]:
    """Bytes, floating-point operations and core hours for ``n`` environments.

    Parameters
    ----------
    n
        Number of environments.
    gflops
        Speed of one core in 10^9 operations per second.
    """
    soap = soap_settings("tuned")
    gpr = n * (2.0 * N_SPARSE * soap.n_features + 2.0 * N_SPARSE**2)
    network = 6.0 * n * PARAMETERS * EPOCHS  # two operations a weight forwards, four backwards
    hours = 1e9 * gflops * 3600
    return {
        "data_GB": n * (3 * 2 + 4) / 1e9,
        "descriptors_GB": n * soap.n_features * 4 / 1e9,
        "descriptors_h": n * SECONDS_PER_ENVIRONMENT[soap.library] / 3600,
        "gpr_FLOP": gpr,
        "gpr_h": gpr / hours,
        "network_FLOP": network,
        "network_h": network / hours,
    }


def arithmetic_table(gflops: float) -> str:
    """The arithmetic in Markdown, one column for each number of environments."""
    found = [arithmetic(n, gflops) for n in SIZES]
    rows = [
        ("positions and energies (GB)", "data_GB", ",.3g"),
        ("descriptors, if kept (GB)", "descriptors_GB", ",.0f"),
        ("descriptors (core hours)", "descriptors_h", ",.1f"),
        (f"GPR, M = {N_SPARSE:,}: operations", "gpr_FLOP", ".1e"),
        ("GPR (core hours)", "gpr_h", ",.0f"),
        (f"NN, {PARAMETERS:,} weights, {EPOCHS} epochs: operations", "network_FLOP", ".1e"),
        ("NN (core hours)", "network_h", ",.0f"),
    ]
    lines = ["| environments | " + " | ".join(f"{n:,}" for n in SIZES) + " |", "| --- " * (len(SIZES) + 1) + "|"]
    for name, key, form in rows:
        lines.append(f"| {name} | " + " | ".join(format(one[key], form) for one in found) + " |")
    largest = found[-1]
    lines += [
        "",
        f"At {gflops:.1f} GFLOP/s for each core, the descriptors of {SIZES[-1]:,} environments take "
        f"{largest['descriptors_h']:,.1f} core hours, which any number of workers share. A pass of GPR is one unit and "
        f"stays on one worker: {largest['gpr_h'] / 24:,.1f} days with one thread, {largest['gpr_h'] / THREADS:,.1f} "
        f"hours with {THREADS}. Five folds are five units. A pass holds {3 * 8 * N_SPARSE**2 / 1e9:.1f} GB of sums, "
        "whatever the number of environments.",
    ]
    return "\n".join(lines)


def tables() -> str:
    """Everything that ``scaling.md`` includes."""
    table = measured()
    gflops = float(table.loc[table["workers"] == 1, "gflops_per_core"].iloc[0]) if table is not None else 10.0
    assumed = "" if table is not None else "\n\nThe speed of a core is assumed, not measured."
    return (
        f"## Measured: one and two workers\n\n{measured_table()}\n\n"
        f"## The arithmetic for 10⁸ environments\n\n{arithmetic_table(gflops)}{assumed}\n"
    )


def write(source: Path) -> None:
    """Put the tables where the page includes them."""
    (source / "scaling_tables.md").write_text(tables(), encoding="utf-8")
