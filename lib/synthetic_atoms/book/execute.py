"""Executing a chapter: papermill on the clean notebook, into a folder that tells what was run."""

from __future__ import annotations

import glob
import hashlib
import json
import logging
import os
import platform
import shutil
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat
import psutil
from tqdm import tqdm

from synthetic_atoms.book import project
from synthetic_atoms.book.kernel import environment, private_kernel
from synthetic_atoms.book.monitoring import PeakMemory, Relay
from synthetic_atoms.book.parameters import Common
from synthetic_atoms.datasets import NOTES_VARIABLE
from synthetic_atoms.errors import SyntheticAtomsError
from synthetic_atoms.files import atomic_write
from synthetic_atoms.paths import is_own
from synthetic_atoms.scheduling import available_cores

PROVENANCE = "provenance.json"
LOG = "log.txt"
WIDGET_MIME = "application/vnd.jupyter.widget-view+json"
GLUE_MIME = "application/papermill.record/text/plain"


class NotebookDefect(RuntimeError):
    """A notebook stopped with an exception that nobody expected; the message holds its traceback."""


@dataclass(frozen=True)
class Execution:
    """An executed chapter: its folder (notebook, ``figures/``, ``provenance.json``, ``log.txt``) and its provenance."""

    chapter: str
    folder: Path
    provenance: dict[str, Any]
    reused: bool = False

    @property
    def notebook(self) -> Path:
        """The executed notebook."""
        return self.folder / f"{self.chapter}.ipynb"


def source_notebook(chapter: str) -> Path:
    """The clean notebook of a chapter; :class:`~synthetic_atoms.book.project.BookError` if it is missing."""
    path = project.root() / "notebooks" / f"{chapter}.ipynb"
    if not path.is_file():
        raise project.BookError(f"Expected the notebook of chapter {chapter} at {path}, found none.")
    return path


def inputs_digest(chapter: str, parameters: Common) -> str | None:
    """SHA-256 over all that an execution depends on; ``None`` if it reads data from outside the project."""
    if not is_own(parameters.dataset):
        return None
    if hasattr(parameters, "structure"):
        from synthetic_atoms.experiments.own_structure import EXAMPLES  # slow to import

        if parameters.structure not in EXAMPLES:
            return None
    root = project.root()
    digest = hashlib.sha256()
    digest.update(f"{chapter} {sys.version} {platform.machine()} {parameters.model_dump_json()}".encode())
    files = [source_notebook(chapter), root / "requirements.lock"]
    files += sorted((root / "lib").rglob("*.py")) + sorted((root / "data").rglob("*"))
    for path in files:
        if path.is_file():
            digest.update(str(path.relative_to(root)).encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()


def _run_notebook(chapter: str, parameters: Common, folder: Path) -> None:
    """Execute the notebook in ``folder``; raises what the notebook raised, if it is one of our errors."""
    import papermill
    from nbclient.exceptions import DeadKernelError
    from papermill.exceptions import PapermillExecutionError

    for name in ("papermill", "asyncio"):  # what they would log is raised as well
        logging.getLogger(name).setLevel(logging.CRITICAL)
    interactive = sys.stderr.isatty()
    bar = {"desc": chapter, "unit": "cell", "leave": False, "dynamic_ncols": True} if interactive else False
    with private_kernel() as kernel:
        try:
            papermill.execute_notebook(
                source_notebook(chapter),
                folder / f"{chapter}.ipynb",
                parameters=parameters.model_dump(),
                kernel_name=kernel,
                cwd=folder,
                progress_bar=bar,
                stderr_file=Relay(sys.stderr, chapter, 10 if interactive else 60),
                start_timeout=120,
            )
        except PapermillExecutionError as error:
            if error.ename == "KeyboardInterrupt":
                raise KeyboardInterrupt from None
            if error.ename in (known := project.known_errors()):
                raise known[error.ename](error.evalue) from None
            if [*error.traceback] == [f"{error.ename}: {error.evalue}"]:  # how all of ours show themselves in IPython
                raise SyntheticAtomsError(error.evalue) from None
            raise NotebookDefect(f"Chapter {chapter} stopped with an unexpected error.{error}") from None
        except DeadKernelError:
            raise project.BookError(
                f"Expected chapter {chapter} to run to its end, found its process killed; it may need more memory."
            ) from None


def _clean(path: Path) -> tuple[str, dict[str, str]]:
    """Take out of an executed notebook what differs from run to run; returns its standard error and glued values."""
    notebook = nbformat.read(path, as_version=4)
    messages: list[str] = []
    glued: dict[str, str] = {}
    for key in ("papermill", "widgets"):
        notebook.metadata.pop(key, None)
    for cell in notebook.cells:
        for key in ("papermill", "execution"):
            cell.metadata.pop(key, None)
        if "injected-parameters" in cell.metadata.get("tags", []):
            cell["id"] = "injected-parameters"
        kept = []
        for output in cell.get("outputs", []):
            data = output.get("data", {})
            if output.output_type == "stream" and output.name == "stderr":
                messages.append(output.text)
            elif WIDGET_MIME not in data:
                kept.append(output)
            if GLUE_MIME in data:
                glued[output.metadata["scrapbook"]["name"]] = data[GLUE_MIME]
        if "outputs" in cell:
            cell["outputs"] = kept
    with atomic_write(path, "w") as stream:
        stream.write(nbformat.writes(notebook) + "\n")
    return "".join(messages), glued


def _data_notes(path: Path) -> list[dict[str, Any]]:
    """The datasets that a notebook and its workers loaded, each once; the file is removed."""
    lines = sorted(set(path.read_text(encoding="utf-8").splitlines())) if path.is_file() else []
    path.unlink(missing_ok=True)
    return [json.loads(line) for line in lines]


def _claim(folder: Path) -> Path:
    """The hidden folder to run in; refused while another process runs into the same one, what killed ones left goes."""
    for other in folder.parent.glob(f".{glob.escape(folder.name)}.running-*"):
        number = other.name.rpartition("-")[2]
        if number.isdigit() and int(number) != os.getpid() and psutil.pid_exists(int(number)):
            raise project.BookError(
                f"Expected no other run into {folder}, found process {number} at it; choose another with --output."
            )
        shutil.rmtree(other, ignore_errors=True)
    working = folder.with_name(f".{folder.name}.running-{os.getpid()}")
    working.mkdir(parents=True)
    return working


def describe(chapter: str, parameters: Common, seconds: float, peak_bytes: int, started: datetime) -> dict[str, Any]:
    """What there is to know about a run: code, parameters, versions, machine and cost."""
    commit, dirty = project.git_state(project.root())
    return {
        "chapter": chapter,
        "parameters": parameters.model_dump(),
        "commit": commit,
        "uncommitted_changes": dirty,
        "started": started.isoformat(timespec="seconds"),
        "seconds": round(seconds, 2),
        "peak_memory_MB": round(peak_bytes / 1e6),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
        "threads": int(os.environ.get("OMP_NUM_THREADS", "0") or 0) or available_cores(),
        "versions": project.versions(),
    }


def read_provenance(folder: Path) -> dict[str, Any]:
    """Provenance of a finished run; :class:`~synthetic_atoms.book.project.BookError` if it is missing or damaged."""
    path = folder / PROVENANCE
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise project.BookError(
            f"Expected the provenance of a run at {path}, found none that reads ({error})."
        ) from None
    if not isinstance(content, dict):
        raise project.BookError(f"Expected a JSON object at {path}, found {type(content).__name__}.")
    return content


def _reusable(chapter: str, folder: Path, digest: str | None) -> Execution | None:
    if digest is None or not (folder / f"{chapter}.ipynb").is_file():
        return None
    try:
        provenance = read_provenance(folder)
    except project.BookError:
        return None
    return Execution(chapter, folder, provenance, reused=True) if provenance.get("inputs_sha256") == digest else None


def _say(text: str) -> None:
    tqdm.write(text, file=sys.stderr)


def execute(
    chapter: str, parameters: Common, folder: Path, *, overwrite: bool = False, reuse: bool = False
) -> Execution:
    """Execute a chapter into a folder of its own.

    The notebook runs in a hidden folder beside ``folder``, which takes its place once the run has succeeded. After an
    unexpected error that folder is kept as ``FOLDER.failed``.

    Parameters
    ----------
    chapter
        Stem of the notebook's name.
    parameters
        Validated parameters.
    folder
        Where the executed notebook and its files go.
    overwrite
        Replace ``folder`` if it exists.
    reuse
        Keep what ``folder`` holds if it was made from the same notebook, code, data and parameters.

    Raises
    ------
    BookError
        If ``folder`` exists and may not be replaced, or the notebook's process is killed.
    SyntheticAtomsError
        If the notebook raised it.
    NotebookDefect
        If the notebook raised anything else.
    """
    digest = inputs_digest(chapter, parameters)
    if reuse and (found := _reusable(chapter, folder, digest)):
        _say(f"{chapter}: unchanged, executed {found.provenance['started']} in {found.provenance['seconds']:.0f} s")
        return found
    if folder.exists() and not overwrite:
        raise project.BookError(
            f"Expected no folder at {folder}, found one; choose another with --output or replace it with --overwrite."
        )
    working: Path | None = None
    started, clock = datetime.now(UTC), time.perf_counter()
    cells = sum(cell.cell_type == "code" for cell in nbformat.read(source_notebook(chapter), as_version=4).cells)
    _say(f"{chapter}: executing {cells} cells (profile {parameters.profile})")
    try:
        working = _claim(folder)
        notes = working / ".data"
        with environment(**{NOTES_VARIABLE: str(notes)}), PeakMemory() as memory:
            _run_notebook(chapter, parameters, working)
        seconds = time.perf_counter() - clock
        messages, glued = _clean(working / f"{chapter}.ipynb")
        provenance = describe(chapter, parameters, seconds, memory.peak, started)
        provenance |= {"data": _data_notes(notes), "inputs_sha256": digest, "values": glued}
        if messages:
            (working / LOG).write_text(messages, encoding="utf-8")
        (working / PROVENANCE).write_text(json.dumps(provenance, indent=2) + "\n", encoding="utf-8")
        if overwrite and folder.exists():
            shutil.rmtree(folder)
        working.rename(folder)  # refused if another run has finished there in the meantime
    except NotebookDefect as error:
        failed = folder.with_name(f"{folder.name}.failed")
        shutil.rmtree(failed, ignore_errors=True)
        working.rename(failed)
        raise NotebookDefect(f"{error}The notebook as far as it came: {failed / chapter}.ipynb") from None
    except OSError as error:
        raise project.BookError(
            f"Expected a writable folder for {folder}, found: {error.strerror or error}."
        ) from error
    finally:
        if working is not None:
            shutil.rmtree(working, ignore_errors=True)
    _say(f"{chapter}: {seconds:.1f} s, peak memory {memory.peak / 1e6:.0f} MB")
    return Execution(chapter, folder, provenance)
