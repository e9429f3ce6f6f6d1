"""What this machine has and lacks."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import shutil
import sys
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from packaging.requirements import Requirement
from packaging.version import Version

from synthetic_atoms.book import project
from synthetic_atoms.errors import SyntheticAtomsError
from synthetic_atoms.files import cache_directory


@dataclass(frozen=True)
class Finding:
    """One thing that was looked for."""

    name: str
    fine: bool
    needed: bool
    text: str


def _package(requirement: Requirement, *, needed: bool) -> Finding:
    name = requirement.name
    try:
        version = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(name, False, needed, f"{requirement}: not installed")
    fine = requirement.specifier.contains(version, prereleases=True)
    return Finding(name, fine, needed, f"{name} {version}" + ("" if fine else f", expected {requirement.specifier}"))


def _program(names: tuple[str, ...], purpose: str) -> Finding:
    found = next((path for name in names if (path := shutil.which(name))), None)
    return Finding(names[0], found is not None, False, f"{found or names[0] + ': not found'} ({purpose})")


def _locked() -> Finding:
    """Whether versions are those of requirements.lock, with which the stored results were made."""
    try:
        lines = (project.root() / "requirements.lock").read_text(encoding="utf-8").splitlines()
    except (OSError, SyntheticAtomsError):
        return Finding("lock", False, False, "requirements.lock: not found")
    pins = dict(line.split("==") for line in lines if "==" in line and not line.startswith("#"))
    other = []
    for name, pinned in pins.items():
        with contextlib.suppress(metadata.PackageNotFoundError):
            if Version(metadata.version(name)).public != pinned:
                other.append(f"{name} {metadata.version(name)} instead of {pinned}")
    text = f"{len(pins) - len(other)} of {len(pins)} packages as in requirements.lock"
    return Finding("lock", not other, False, text + (f"; others: {', '.join(other)}" if other else ""))


def _memory_GB() -> float:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 1e9


def examine() -> list[Finding]:
    """All that the book needs, and what only some commands need."""
    findings = [
        Finding("python", sys.version_info >= (3, 11), True, f"Python {sys.version.split()[0]} at {sys.executable}"),
        Finding("memory", True, False, f"{os.cpu_count()} cores, {_memory_GB():.0f} GB of memory"),
    ]
    try:
        root = project.root()
        findings.append(Finding("project", True, True, f"project at {root}"))
        embedded = root / "data" / "embedded" / "card.json"
        findings.append(Finding("embedded data", embedded.is_file(), True, f"embedded data ({embedded.parent})"))
    except SyntheticAtomsError as error:
        findings.append(Finding("project", False, True, str(error)))
    cache = cache_directory()
    existing = next(path for path in (cache, *cache.parents) if path.exists())
    free_GB = shutil.disk_usage(existing).free / 1e9
    findings.append(Finding("cache", os.access(existing, os.W_OK), True, f"cache at {cache}, {free_GB:.0f} GB free"))
    runtime = project.direct_dependencies()
    findings += [_package(requirement, needed=True) for requirement in runtime]
    names = {requirement.name for requirement in runtime}
    for extra in ("cluster", "pdf", "synthesis", "test"):
        optional = [r for r in project.direct_dependencies((extra,)) if r.name not in names]
        findings += [_package(requirement, needed=False) for requirement in optional]
    findings.append(_locked())
    findings.append(_program(("gap_fit", str(Path(sys.executable).parent / "gap_fit")), "to fit the teacher"))
    findings.append(_program(("chromium", "chromium-browser", "google-chrome"), "for the PDF and the browser tests"))
    if importlib.util.find_spec("torch"):
        import torch

        gpu = torch.cuda.is_available()
        text = torch.cuda.get_device_name() if gpu else "no GPU: networks are trained on the CPU"
        findings.append(Finding("GPU", gpu, False, text))
    return findings
