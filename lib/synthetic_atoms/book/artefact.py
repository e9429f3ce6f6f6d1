"""One archive of everything a reader or a citing author needs, described by an RO-Crate (doi 10.3233/DS-210053)."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import subprocess
import tarfile
import tempfile
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path, PurePosixPath

from rocrate.rocrate import ROCrate

from synthetic_atoms.book import offline, project
from synthetic_atoms.book.execute import PROVENANCE
from synthetic_atoms.files import atomic_write

CHECKSUMS, METADATA, PDF = "SHA256SUMS", "ro-crate-metadata.json", "synthetic-atoms.pdf"

PARTS = {
    "source": "The repository at the commit: notebooks, library, data, records, lock file, tests",
    "book": "The rendered book; open index.html",
    "executed": "Each chapter's notebook as it was run, with its results and a description of the run",
}
"""Folders of the archive, and what is in them."""


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(project.root()), *arguments], capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError) as error:
        raise project.BookError("Expected the project to be a git checkout with a commit, found none.") from error
    return done.stdout


def _sources() -> Iterator[tuple[str, bytes]]:
    """The committed files, as they are in the commit."""
    done = subprocess.run(["git", "-C", str(project.root()), "archive", "HEAD"], capture_output=True, check=True)
    with tarfile.open(fileobj=io.BytesIO(done.stdout)) as archive:
        for member in archive:
            if member.isfile():
                yield f"source/{member.name}", archive.extractfile(member).read()


def _built() -> Iterator[tuple[str, bytes]]:
    book = project.build_directory() / "book"
    for part, folder in (("book", book / "html"), ("executed", book / "source" / "downloads")):
        if not folder.is_dir():
            raise project.BookError(f"Expected the built book in {folder}, found none: run 'make book' first.")
        for path in sorted(folder.rglob("*")):
            twice = part == "executed" and path.name.endswith(offline.SUFFIX)  # the book has it among its downloads
            if path.is_file() and not path.name.endswith(".doctree") and not twice:
                yield f"{part}/{path.relative_to(folder).as_posix()}", path.read_bytes()
    printed, first = book / PDF, book / "html" / "index.html"
    if not printed.is_file() or printed.stat().st_mtime < first.stat().st_mtime:
        raise project.BookError(f"Expected the book in print at {printed}, newer than {first}: run 'make pdf' first.")
    yield PDF, printed.read_bytes()


def _description(files: dict[str, bytes], commit: str, when: datetime) -> bytes:
    """The RO-Crate's metadata; the same files give the same bytes."""
    crate = ROCrate(gen_preview=False)
    crate.name = "Synthetic Atoms: executable companion, rendered and with its sources"
    crate.description = (
        "An executable companion to J. L. A. Gardner, Z. Faure Beaulieu and V. L. Deringer, Synthetic data enable "
        f"experiments in atomistic machine learning, Digital Discovery 2, 651 (2023). Commit {commit}."
    )
    crate.datePublished = when
    crate.license = "https://spdx.org/licenses/MIT"
    crate.root_dataset["isBasedOn"] = "https://doi.org/10.1039/d2dd00137c"
    crate.root_dataset["version"] = commit
    for part, text in PARTS.items():
        crate.add_directory(dest_path=f"{part}/", properties={"name": part, "description": text})
    described = {
        "source/data/embedded/README.md": ("Data card of the embedded dataset", "https://spdx.org/licenses/CC-BY-4.0"),
        "source/requirements.lock": ("Versions of every package", None),
        "source/CITATION.cff": ("How to cite", None),
        "book/index.html": ("First page of the book", None),
        PDF: ("The book in one PDF", None),
    }
    with tempfile.TemporaryDirectory() as scratch:
        for name, (title, licence) in described.items():
            if name in files:
                content = Path(scratch) / PurePosixPath(name).name
                content.write_bytes(files[name])
                extra = {"license": licence} if licence else {}
                properties = {"name": title, "sha256": hashlib.sha256(files[name]).hexdigest(), **extra}
                crate.add_file(content, dest_path=name, properties=properties)
        # What the library writes of the present moment is replaced by the commit's.
        graph = crate.metadata.generate()
    for entity in graph["@graph"]:
        for key in ("dateCreated", "dateModified", "datePublished", "sdDatePublished"):
            if key in entity:
                entity[key] = when.isoformat()
    graph["@graph"].sort(key=lambda entity: entity["@id"])
    return (json.dumps(graph, indent=1, sort_keys=True) + "\n").encode()


def _check_clean(files: dict[str, bytes]) -> None:
    """Refuse results of a checkout that no commit describes."""
    for name, content in files.items():
        if name.startswith("executed/") and name.endswith(PROVENANCE):
            run = json.loads(content)
            if run["uncommitted_changes"]:
                raise project.BookError(
                    f"Expected a book run from a commit, found that {run['chapter']} was run with uncommitted changes: "
                    "run 'make book BOOK_ARGS=--fresh' first."
                )


def build(output: Path) -> str:
    """Write the archive (``.tar.gz``) of the committed sources and the book that is built and printed.

    The same commit and the same built book give the same bytes: members are sorted, times are the commit's.

    Returns
    -------
    str
        SHA-256 of the archive.

    Raises
    ------
    BookError
        If there is no commit, the checkout has uncommitted changes, a chapter was run with such changes, or the
        book is not built and printed.
    """
    commit = _git("rev-parse", "HEAD").strip()
    if _git("status", "--porcelain").strip():
        raise project.BookError("Expected a checkout without uncommitted changes, found some: commit them first.")
    when = project.commit_time(project.root())
    files = dict(sorted([*_sources(), *_built()]))
    _check_clean(files)
    files[METADATA] = _description(files, commit, when)
    sums = "".join(f"{hashlib.sha256(content).hexdigest()}  {name}\n" for name, content in sorted(files.items()))
    files[CHECKSUMS] = sums.encode()
    top = f"synthetic-atoms-{commit[:10]}"
    with (
        atomic_write(output) as stream,
        gzip.GzipFile("", "wb", 6, stream, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for name, content in sorted(files.items()):
            member = tarfile.TarInfo(f"{top}/{name}")
            member.size, member.mtime, member.mode = len(content), int(when.timestamp()), 0o644
            archive.addfile(member, io.BytesIO(content))
    return hashlib.sha256(output.read_bytes()).hexdigest()


def verify(archive: Path) -> int:
    """How many files of an archive were checked against its own checksums and description: see :func:`contents`."""
    return len(contents(archive)) - 1  # the sums themselves have none


def contents(archive: Path) -> dict[str, bytes]:
    """The files of an archive, checked against its own checksums and description; nothing is unpacked.

    Returns
    -------
    dict
        Content by name, without the folder that all files are in.

    Raises
    ------
    BookError
        If the file is missing or damaged, or a member is missing, changed, unknown or not a plain file.
    """
    if not archive.is_file():
        raise project.BookError(f"Expected an archive at {archive}, found no such file.")
    found: dict[str, bytes] = {}
    try:
        with tarfile.open(archive, "r:gz") as opened:
            for member in opened:
                parts = PurePosixPath(member.name).parts
                if not member.isfile() or len(parts) < 2 or ".." in parts or member.name.startswith("/"):
                    raise project.BookError(f"Expected plain files in one folder of {archive}, found '{member.name}'.")
                found["/".join(parts[1:])] = opened.extractfile(member).read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise project.BookError(f"Expected an archive (.tar.gz) at {archive}, found a damaged one: {error}.") from error
    if CHECKSUMS not in found or METADATA not in found:
        raise project.BookError(f"Expected {CHECKSUMS} and {METADATA} in {archive}, found one of them missing.")
    lines = [line.partition("  ") for line in found[CHECKSUMS].decode("utf-8", "replace").splitlines()]
    listed = {name: digest for digest, _, name in lines}
    odd = sorted((set(found) - {CHECKSUMS}) ^ set(listed))
    if odd:
        raise project.BookError(
            f"Expected the files that {CHECKSUMS} of {archive} lists, found a difference in '{odd[0]}'."
        )
    for name, digest in listed.items():
        if hashlib.sha256(found[name]).hexdigest() != digest:
            raise project.BookError(f"Expected '{name}' in {archive} with its checksum, found another content.")
    try:
        graph = json.loads(found[METADATA])["@graph"]
        described = {entity["@id"] for entity in graph}
    except (ValueError, KeyError, TypeError) as error:
        raise project.BookError(f"Expected an RO-Crate's description in {archive}, found a damaged one.") from error
    absent = sorted(
        name for name in described if name.startswith(tuple(PARTS)) and not name.endswith("/") and name not in found
    )
    if absent or not {f"{part}/" for part in PARTS} <= described:
        raise project.BookError(f"Expected the parts that {METADATA} describes in {archive}, found a difference.")
    return found
