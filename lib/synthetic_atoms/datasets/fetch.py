"""Downloading the authors' data: checked by hash before anything is unpacked, and unpacked without trusting names.

The hashes are those that load-atoms publishes with the two datasets: the first 12 hexadecimal digits of SHA-256.
(load-atoms itself is not used: it only warns of another hash, and keeps its copy as pickles.)
"""

from __future__ import annotations

import http.client
import os
import shutil
import stat
import tempfile
import urllib.request
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tqdm.auto import tqdm

from synthetic_atoms.errors import DataError
from synthetic_atoms.files import atomic_write, sha256
from synthetic_atoms.paths import user_data_directory

BLOCK_BYTES = 1 << 20
TIMEOUT_S = 60.0


@dataclass(frozen=True)
class Remote:
    """A file of the authors' data: its name, where it is, how its SHA-256 begins, what it holds."""

    name: str
    url: str
    sha256_start: str
    what: str


FILES = {
    "C-SYNTH-23M": Remote(
        "carbon-data-v1.0.zip",
        "https://zenodo.org/records/7704087/files/jla-gardner/carbon-data-v1.0.zip",
        "b43fc702ef6d",
        "22.9 million environments labelled by C-GAP-17 (doi 10.5281/zenodo.7704087, MIT licence)",
    ),
    "C-GAP-17": Remote(
        "C-GAP-17.extxyz",
        "https://github.com/jla-gardner/load-atoms/raw/main/database/C-GAP-17/C-GAP-17.extxyz",
        "8dd037b59c88",
        "cells with DFT energies (doi 10.1103/PhysRevB.95.094203, CC BY-NC-SA 4.0 licence)",
    ),
}


def fetched_folder() -> Path:
    """Where the authors' data are put: ``paper`` in the user's data folder."""
    return user_data_directory() / "paper"


def check_hash(path: Path, remote: Remote) -> None:
    """Refuse a file that is not the authors'.

    Raises
    ------
    DataError
        If its SHA-256 begins otherwise.
    """
    found = sha256(path)[: len(remote.sha256_start)]
    if found != remote.sha256_start:
        raise DataError(
            f"Expected {remote.name} with a SHA-256 that begins with {remote.sha256_start}, found {found} in {path}: "
            "it is damaged or not the authors' file."
        )


def _blocks(remote: Remote) -> Iterator[bytes]:
    """What the server sends, with a progress bar."""
    try:
        with urllib.request.urlopen(remote.url, timeout=TIMEOUT_S) as answer:
            total = int(answer.headers.get("content-length", 0)) or None
            with tqdm(total=total, desc=remote.name, unit="B", unit_scale=True, dynamic_ncols=True) as bar:
                while block := answer.read(BLOCK_BYTES):
                    bar.update(len(block))
                    yield block
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise DataError(
            f"Expected to download {remote.name} from {remote.url}, found no way to it "
            f"({' '.join(str(error).split())}): without network, download it elsewhere and name it with --file."
        ) from error


def download(remote: Remote, path: Path) -> None:
    """Download a file to ``path``, which appears only once its hash is right.

    Raises
    ------
    DataError
        If the network, the disk or the hash is not as it must be.
    """
    with atomic_write(path) as stream:
        for block in _blocks(remote):
            stream.write(block)
        stream.flush()
        check_hash(Path(stream.name), remote)


def unpack(archive: Path, folder: Path) -> int:
    """Unpack the ``.extxyz`` files of a zip archive below ``folder/results``; how many there are.

    Only the last part of each member's name is used, so that none can point elsewhere; links and all else are left
    out; the folder appears once it is whole.

    Raises
    ------
    DataError
        If the archive is damaged, holds a name twice, or the disk is full.
    """
    target = folder / "results"
    temporary: Path | None = None
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=".unpacking-", dir=folder))
        with zipfile.ZipFile(archive) as members:
            wanted = [
                member
                for member in members.infolist()
                if member.filename.endswith(".extxyz") and not stat.S_ISLNK(member.external_attr >> 16)
            ]
            for member in tqdm(wanted, desc="unpacking", unit="file", dynamic_ncols=True):
                name = PurePosixPath(member.filename.replace("\\", "/")).name
                with members.open(member) as source, (temporary / name).open("xb") as stream:
                    shutil.copyfileobj(source, stream, BLOCK_BYTES)
        temporary.chmod(0o755)
        os.replace(temporary, target)
        temporary = None
    except (zipfile.BadZipFile, NotImplementedError, EOFError, OSError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"Expected to unpack {archive} into {target}, found: {reason}.") from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    return len(wanted)


def fetch(dataset: str, folder: Path | None = None, file: Path | None = None) -> Path:
    """Put one of the authors' datasets where ``dataset=paper`` finds it; the folder.

    Parameters
    ----------
    dataset
        A key of :data:`FILES`.
    folder
        Where to put it; :func:`fetched_folder` by default.
    file
        The file itself, if it has been downloaded already.

    Raises
    ------
    DataError
        If the file cannot be had, is not the authors', or the data are there already.
    """
    remote, folder = FILES[dataset], folder or fetched_folder()
    archived = remote.name.endswith(".zip")
    there = folder / ("results" if archived else remote.name)
    if there.exists():
        raise DataError(f"Expected no {dataset} at {there} yet, found it there.")
    if file is not None:
        check_hash(file, remote)
    elif archived:
        file = folder / remote.name
        if not file.is_file():
            download(remote, file)
        check_hash(file, remote)
    else:
        download(remote, there)
        return folder
    if archived:
        unpack(file, folder)
        (folder / remote.name).unlink(missing_ok=True)
    else:
        with atomic_write(there) as stream, Path(file).open("rb") as source:
            shutil.copyfileobj(source, stream, BLOCK_BYTES)
    return folder
