"""Two runs on one machine give the same numbers, and the same notebook but for what measures time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from synthetic_atoms.book.comparison import MEASURED

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("determinism")]

ROOT = Path(__file__).resolve().parents[2]


def run(chapter: str, folder: Path) -> Path:
    """Execute a chapter in the smoke profile with an empty cache."""
    done = subprocess.run(
        [sys.executable, "-m", "synthetic_atoms", "run", chapter, "--profile", "smoke", "-o", folder],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "1", "SYNTHETIC_ATOMS_CACHE": str(folder) + "-cache"},
        capture_output=True,
        text=True,
        timeout=3000,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.parametrize(
    "chapter", ["01_dataset", "02_descriptors_and_models", "03_learning_curves", "04_gpr_insights"]
)
def test_two_runs_give_the_same_numbers(chapter, tmp_path):
    one, two = (run(chapter, tmp_path / name) for name in ("one", "two"))
    first, second = (json.loads((folder / "provenance.json").read_text()) for folder in (one, two))
    assert first["data"] == second["data"] != []
    values = {name: value for name, value in first["values"].items() if not MEASURED.search(name)}
    assert len(values) > 3
    assert values == {name: value for name, value in second["values"].items() if not MEASURED.search(name)}
    tables = sorted(path.relative_to(one) for path in one.rglob("*.csv"))
    assert tables == sorted(path.relative_to(two) for path in two.rglob("*.csv"))
    assert tables
    for path in tables:
        left, right = pd.read_csv(one / path), pd.read_csv(two / path)
        assert list(left) == list(right)
        kept = [name for name in left if not MEASURED.search(name)]
        if not MEASURED.search(path.stem):
            pd.testing.assert_frame_equal(left[kept], right[kept], check_exact=True)
