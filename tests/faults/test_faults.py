"""Provoked faults do no harm: a tenth of them always, all of them among the slow tests."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("faults.py")


@pytest.mark.parametrize(
    ("share", "least"), [("0.1", 30), pytest.param("1", 300, marks=pytest.mark.slow)], ids=["a tenth", "all"]
)
def test_no_fault_does_harm(share, least):
    done = subprocess.run(
        [sys.executable, SCRIPT, "--share", share], capture_output=True, text=True, check=False, timeout=3000
    )
    print(done.stdout)
    assert done.returncode == 0, done.stdout + done.stderr
    provoked, harm = re.search(r"(\d+) faults provoked, (\d+) did harm", done.stdout).groups()
    assert int(harm) == 0
    assert int(provoked) >= least
