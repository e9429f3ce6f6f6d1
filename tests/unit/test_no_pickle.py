"""No pickle is loaded anywhere, archives are unpacked through one filter, downloads have one place."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted(
    [*(ROOT / "lib").rglob("*.py"), *(ROOT / "notebooks").glob("*.py"), *(ROOT / "benchmarks").glob("*.py")]
)

FORBIDDEN = (
    r"allow_pickle\s*=\s*True", r"\btorch\.load\(", r"\bpickle\.loads?\(", r"\bcPickle\b", r"\bread_pickle\(",
    r"\bjoblib\.load\(", r"\bdill\b", r"\bshelve\b", r"\bmarshal\.loads?\(", r"yaml\.(unsafe_)?load\((?!.*_Loader)",
    r"\beval\(", r"\bexec\(", r"shell\s*=\s*True", r"extractall\((?!.*filter=\"data\")", r"unpack_archive\(",
    r"\bload_atoms\b",
)  # fmt: skip


@pytest.mark.parametrize("pattern", FORBIDDEN)
def test_forbidden_calls_are_not_there(pattern):
    found = [
        f"{path.relative_to(ROOT)}:{number}"
        for path in SOURCES
        for number, line in enumerate(path.read_text().splitlines(), 1)
        if re.search(pattern, line) and not line.lstrip().startswith("#") and ".eval(" not in line
    ]
    assert found == []


def test_every_numpy_load_says_that_it_takes_no_pickle():
    for path in SOURCES:
        for call in re.findall(r"np\.load\([^)]*\)", path.read_text()):
            assert "allow_pickle=False" in call, path


def test_the_network_is_asked_in_one_place():
    asking = [path.name for path in SOURCES if re.search(r"urlopen|requests\.get|urlretrieve|httpx", path.read_text())]
    assert asking == ["fetch.py"]
