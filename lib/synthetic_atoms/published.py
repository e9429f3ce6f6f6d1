"""The paper's own values (see ``data/published/README.md`` for their source)."""

from __future__ import annotations

import pandas as pd

from synthetic_atoms.errors import DataError
from synthetic_atoms.paths import data_directory

TABLES: dict[str, tuple[str, ...]] = {
    "fig3_learning_curves": ("model", "n_train", "mae_test_meV", "mae_train_meV", "folds"),
    "fig4a_sparse_points": ("m_sparse", "n_train", "mae_test_meV", "folds"),
    "fig4b_regularisation": ("n_train", "sigma_meV", "mae_test_meV", "mae_train_meV"),
    "stated_values": ("quantity", "n_train", "m_sparse", "value", "unit"),
    "fig5c_pretraining_size": ("n_pretrain_environments", "rmse_test_meV_per_atom"),
    "fig5d_qm_labels": ("training", "n_qm_labels", "rmse_test_meV_per_atom"),
    "table1_finetuning": ("tested_on", "model", "rmse_meV_per_atom"),
}
"""Published tables and the columns that each must have."""


def table(name: str) -> pd.DataFrame:
    """One table of published values.

    Raises
    ------
    DataError
        If there is no such table, or its file is missing, damaged, or lacks a column.
    """
    if name not in TABLES:
        raise DataError(f"Expected the name of a published table ({', '.join(sorted(TABLES))}), found '{name}'.")
    path = data_directory() / "published" / f"{name}.csv"
    if not path.is_file():
        raise DataError(f"Expected published values in {path}, found no such file.")
    try:
        frame = pd.read_csv(path)
    except (ValueError, UnicodeDecodeError) as error:
        raise DataError(f"Expected a table of published values in {path}, found a damaged one ({error}).") from error
    missing = [column for column in TABLES[name] if column not in frame.columns]
    if missing:
        raise DataError(f"Expected a column '{missing[0]}' in {path}, found {', '.join(frame.columns)}.")
    return frame
