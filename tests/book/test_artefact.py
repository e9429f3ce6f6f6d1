"""The archive: complete, the same each time, and checked against itself."""

from __future__ import annotations

import gzip
import io
import json
import os
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest
from rocrate.rocrate import ROCrate

from synthetic_atoms.book import artefact
from synthetic_atoms.book.project import BookError


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(
        ["git", "-c", "user.name=Anyone", "-c", "user.email=anyone@example.org", *arguments],
        cwd=folder, check=True, capture_output=True,
    )  # fmt: skip


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    """A checkout with one commit and a built book."""
    folder = tmp_path / "project"
    for name, text in {
        "_config.yml": "title: x\n", "_toc.yml": "root: index\n", "notebooks/01.py": "#\n", ".gitignore": "_build/\n",
        "requirements.lock": "numpy==2\n", "CITATION.cff": "title: x\n", "data/embedded/README.md": "#\n",
    }.items():  # fmt: skip
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    git(folder, "init", "-q")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "All")
    for name in ("html/index.html", "html/_static/a.css", "html/_downloads/01-offline.zip",
                 "source/downloads/01/01-executed.ipynb", "source/downloads/01/01-offline.zip"):  # fmt: skip
        path = folder / "_build" / "book" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(name)
    described = folder / "_build" / "book" / "source" / "downloads" / "01" / "01-provenance.json"
    described.write_text(json.dumps({"chapter": "01", "uncommitted_changes": False}))
    (folder / "_build" / "book" / artefact.PDF).write_bytes(b"%PDF-1.4")
    monkeypatch.setenv("SYNTHETIC_ATOMS_ROOT", str(folder))
    return folder


def test_it_is_the_same_each_time_and_agrees_with_itself(project, tmp_path):
    one, two = tmp_path / "1.tar.gz", tmp_path / "2.tar.gz"
    assert artefact.build(one) == artefact.build(two)
    assert one.read_bytes() == two.read_bytes()
    assert artefact.verify(one) == 7 + 5 + 2
    zips = [name for name in artefact.contents(one) if name.endswith("-offline.zip")]
    assert zips == ["book/_downloads/01-offline.zip"]  # once is enough


def test_other_programs_read_its_description(project, tmp_path):
    artefact.build(tmp_path / "a.tar.gz")
    with tarfile.open(tmp_path / "a.tar.gz") as archive:
        archive.extractall(tmp_path / "out", filter="data")
    (folder,) = (tmp_path / "out").iterdir()
    crate = ROCrate(str(folder))
    assert "10.1039/d2dd00137c" in str(crate.root_dataset["isBasedOn"])
    assert {"source/", "book/", "executed/"} <= {entity.id for entity in crate.data_entities}
    done = subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=folder, capture_output=True)
    assert done.returncode == 0


def test_it_is_not_made_of_what_is_not_committed_or_not_built(project, tmp_path):
    (project / "new.txt").write_text("x")
    with pytest.raises(BookError, match="without uncommitted changes"):
        artefact.build(tmp_path / "a.tar.gz")
    (project / "new.txt").unlink()
    shutil.rmtree(project / "_build" / "book" / "html")
    with pytest.raises(BookError, match="run 'make book' first"):
        artefact.build(tmp_path / "a.tar.gz")


def test_it_is_not_made_of_a_chapter_that_no_commit_describes_or_of_an_older_pdf(project, tmp_path):
    book = project / "_build" / "book"
    described = book / "source" / "downloads" / "01" / "01-provenance.json"
    clean = described.read_text()
    described.write_text(clean.replace("false", "true"))
    with pytest.raises(BookError, match="found that 01 was run with uncommitted changes"):
        artefact.build(tmp_path / "a.tar.gz")
    described.write_text(clean)
    os.utime(book / artefact.PDF, (0, 0))
    with pytest.raises(BookError, match="run 'make pdf' first"):
        artefact.build(tmp_path / "a.tar.gz")
    (book / artefact.PDF).unlink()
    with pytest.raises(BookError, match="run 'make pdf' first"):
        artefact.build(tmp_path / "a.tar.gz")


def packed(members: dict[str, bytes]) -> bytes:
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w") as archive:
        for name, content in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(raw.getvalue())


def test_a_changed_archive_is_refused_in_one_sentence(project, tmp_path):
    path = tmp_path / "a.tar.gz"
    artefact.build(path)
    with tarfile.open(path) as archive:
        members = {member.name: archive.extractfile(member).read() for member in archive}
    name = next(one for one in members if one.endswith("book/index.html"))
    cases = {
        "another content": members | {name: b"other"},
        "difference in 'book/index.html'": {key: value for key, value in members.items() if key != name},
        "difference in 'book/more.html'": members | {name.replace("index", "more"): b"x"},
        "Expected plain files": members | {"../escape": b"x"},
        "one of them missing": {key: value for key, value in members.items() if not key.endswith("SHA256SUMS")},
    }
    for message, changed in cases.items():
        path.write_bytes(packed(changed))
        with pytest.raises(BookError, match=message):
            artefact.verify(path)
    path.write_bytes(packed(members)[:-100])
    with pytest.raises(BookError, match="damaged"):
        artefact.verify(path)
    with pytest.raises(BookError, match="no such file"):
        artefact.verify(tmp_path / "none.tar.gz")
