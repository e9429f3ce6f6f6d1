"""A chapter's archive has all that the chapter needs: it runs where nothing else of the project is."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import zipfile

import pytest

from synthetic_atoms.book import offline, parameters, profiles


def run_from_archive(chapter: str, profile: str, folder) -> None:
    offline.write(chapter, profiles.resolve(chapter, profile, {}).model_dump(), folder / "a.zip")
    with zipfile.ZipFile(folder / "a.zip") as archive:
        archive.extractall(folder)
    (root,) = [path for path in folder.iterdir() if path.is_dir()]
    command = f"run {chapter} --profile {profile} -f parameters.yaml --output results"
    environment = {name: value for name, value in os.environ.items() if name != "SYNTHETIC_ATOMS_ROOT"}
    done = subprocess.run(
        [sys.executable, "-m", "synthetic_atoms", *command.split()],
        cwd=root,
        env={**environment, "PYTHONPATH": str(root / "lib"), "XDG_CACHE_HOME": str(folder / "cache")},
        capture_output=True,
        text=True,
        timeout=1800,
    )
    assert done.returncode == 0, done.stderr
    assert (root / "results" / f"{chapter}.ipynb").is_file()
    where = "import synthetic_atoms as s; print(s.__file__)"
    found = subprocess.run(
        [sys.executable, "-c", where],
        env={**environment, "PYTHONPATH": str(root / "lib")},
        capture_output=True,
        text=True,
    )
    assert found.stdout.startswith(str(root))  # it was the archive's library that ran


def test_every_chapter_has_an_archive():
    assert list(offline.MORE_DATA) == list(parameters.CHAPTERS)


def test_the_last_chapter_runs_from_its_archive(tmp_path):
    run_from_archive("08_claims", "smoke", tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("chapter", parameters.CHAPTERS)
def test_each_chapter_runs_as_published_from_its_archive(chapter, tmp_path):
    run_from_archive(chapter, "book", tmp_path)


def test_the_same_files_give_the_same_bytes(tmp_path):
    digests = set()
    for name in ("1.zip", "2.zip"):
        offline.write("03_learning_curves", {"profile": "book", "seed": 0}, tmp_path / name)
        digests.add(hashlib.sha256((tmp_path / name).read_bytes()).hexdigest())
    assert len(digests) == 1
    with zipfile.ZipFile(tmp_path / "1.zip") as archive:
        names = archive.namelist()
    assert not [name for name in names if "__pycache__" in name or "/." in name or name.startswith(("/", ".."))]
