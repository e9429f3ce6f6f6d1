"""Fetching the authors' data from a server of our own: checked by hash, unpacked safely, refused in one sentence."""

from __future__ import annotations

import hashlib
import http.server
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import pytest

from synthetic_atoms.datasets import fetch
from synthetic_atoms.errors import DataError


@pytest.fixture
def server(tmp_path, monkeypatch):
    """A folder that a server on this machine offers; a user's data folder of its own."""
    monkeypatch.setenv("SYNTHETIC_ATOMS_USER_DATA", str(tmp_path / "user"))
    for name in ("HTTPS_PROXY", "HTTP_PROXY", "https_proxy", "http_proxy", "ALL_PROXY", "all_proxy"):
        monkeypatch.delenv(name, raising=False)
    offered = tmp_path / "offered"
    offered.mkdir()

    class Handler(http.server.SimpleHTTPRequestHandler):
        def __init__(self, *arguments):
            super().__init__(*arguments, directory=str(offered))

        def log_message(self, *_):
            pass

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as one:
        thread = threading.Thread(target=one.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{one.server_port}"
        monkeypatch.setattr(fetch, "FILES", {k: replace(v, url=f"{address}/{v.name}") for k, v in fetch.FILES.items()})
        yield offered
        one.shutdown()
        thread.join()


def offer(folder: Path, dataset: str, content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    """Put a file on the server and expect its hash."""
    remote = fetch.FILES[dataset]
    (folder / remote.name).write_bytes(content)
    right = replace(remote, sha256_start=hashlib.sha256(content).hexdigest()[:12])
    monkeypatch.setattr(fetch, "FILES", fetch.FILES | {dataset: right})


def zipped(path: Path, members: dict[str, str], link: str | None = None) -> bytes:
    with zipfile.ZipFile(path, "w") as archive:
        for name, text in members.items():
            archive.writestr(name, text)
        if link is not None:
            info = zipfile.ZipInfo(link)
            info.external_attr = 0o120777 << 16
            archive.writestr(info, "/etc/passwd")
    return path.read_bytes()


def test_a_file_is_fetched_once(server, monkeypatch):
    offer(server, "C-GAP-17", b"64\n", monkeypatch)
    folder = fetch.fetch("C-GAP-17")
    assert folder == fetch.fetched_folder()
    assert [path.name for path in folder.iterdir()] == ["C-GAP-17.extxyz"]
    with pytest.raises(DataError, match="found it there"):
        fetch.fetch("C-GAP-17")


def test_an_archive_is_unpacked_and_nothing_leaves_its_folder(server, tmp_path, monkeypatch):
    evil = {
        "results/density-1.0-T-2000.extxyz": "a", "../../density-2.0-T-2000.extxyz": "b",
        "/tmp/density-3.0-T-2000.extxyz": "c", "..\\density-1.5-T-2000.extxyz": "d", "../run.sh": "e",
    }  # fmt: skip
    content = zipped(tmp_path / "a.zip", evil, link="density-9.0-T-2000.extxyz")
    offer(server, "C-SYNTH-23M", content, monkeypatch)
    before = {path for path in tmp_path.rglob("*") if "user" not in path.parts}
    folder = fetch.fetch("C-SYNTH-23M")
    found = {path.name: path.read_text() for path in (folder / "results").iterdir()}
    assert found == {
        f"density-{d}-T-2000.extxyz": t for d, t in [("1.0", "a"), ("2.0", "b"), ("3.0", "c"), ("1.5", "d")]
    }
    assert [path.name for path in folder.iterdir()] == ["results"]
    assert {path for path in tmp_path.rglob("*") if "user" not in path.parts} == before
    assert not Path("/tmp/density-3.0-T-2000.extxyz").exists()


def test_another_file_than_the_authors_is_refused(server):
    for dataset, remote in fetch.FILES.items():
        (server / remote.name).write_bytes(b"something else")
        with pytest.raises(DataError, match=f"begins with {remote.sha256_start}, found f41f3fa625ff"):
            fetch.fetch(dataset)
        assert list(fetch.fetched_folder().iterdir()) == []
        with pytest.raises(DataError, match="not the authors' file"):
            fetch.fetch(dataset, file=server / remote.name)


def test_a_damaged_archive_leaves_nothing_unpacked(server, tmp_path, monkeypatch):
    content = zipped(tmp_path / "a.zip", {"results/density-1.0-T-2000.extxyz": "text" * 100})
    for damaged in (content[:60], content.replace(b"texttext", b"TEXTtext", 1), b"no archive"):
        offer(server, "C-SYNTH-23M", damaged, monkeypatch)
        with pytest.raises(DataError, match="Expected to unpack"):
            fetch.fetch("C-SYNTH-23M", file=server / "carbon-data-v1.0.zip")
        assert list(fetch.fetched_folder().iterdir()) == []


@pytest.mark.parametrize("dataset", fetch.FILES)
def test_no_network_is_one_sentence(dataset, monkeypatch, tmp_path):
    monkeypatch.setenv("SYNTHETIC_ATOMS_USER_DATA", str(tmp_path / "user"))
    for name in ("https_proxy", "HTTPS_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:9")
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(DataError, match=r"found no way to it .*--file") as caught:
        fetch.fetch(dataset)
    assert "\n" not in str(caught.value)
    assert [path for path in (tmp_path / "user").rglob("*") if path.is_file()] == []


def test_a_missing_file_on_the_server_is_one_sentence(server):
    with pytest.raises(DataError, match="404"):
        fetch.fetch("C-GAP-17")
