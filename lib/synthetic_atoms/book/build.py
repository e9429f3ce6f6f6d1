"""From notebooks to the rendered book: execute, stage, build."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tqdm import tqdm

from synthetic_atoms.book import parameters, profiles, project, staging
from synthetic_atoms.book.parallel import execute_all


def chapter_parameters(profile: str, *, compute: bool = False) -> list[tuple[str, parameters.Common]]:
    """Every chapter with its parameters in a profile; ``compute`` asks for results that the store lacks."""
    chapters = []
    for chapter, model in parameters.CHAPTERS.items():
        extra = {"compute": True} if compute and "compute" in model.model_fields else {}
        chapters.append((chapter, profiles.resolve(chapter, profile, extra)))
    return chapters


def _complaints(log: str) -> list[str]:
    lines = [line.strip() for line in re.sub(r"\x1b\[[0-9;]*m", "", log).splitlines()] + [""]
    return [
        f"{line} {lines[index + 1]}" if line.endswith("rror:") else line
        for index, line in enumerate(lines)
        if re.search(r"\b(WARNING|ERROR|CRITICAL):|[Ee]rror:", line)
    ]


def render(source: Path, html: Path) -> None:
    """Run Jupyter Book on a source folder, warnings being errors; ``html`` is replaced once that has succeeded.

    Raises
    ------
    BookError
        If Jupyter Book or Sphinx warns or fails; the message has the first complaint and names the log.
    """
    working = html.with_name("working")
    shutil.rmtree(working, ignore_errors=True)
    command = [sys.executable, "-c", "from jupyter_book.cli.main import main; main()"]
    command += ["build", str(source), "--path-output", str(working)]
    # -n: a reference that leads nowhere is a warning; -W: a warning fails the build, once all of it has been read.
    command += ["--all", "-n", "-W", "--keep-going"]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    log = html.with_name("build.log")
    log.write_text(done.stdout, encoding="utf-8")
    if done.returncode != 0 or not (working / "_build" / "html" / "index.html").is_file():
        complaints = _complaints(done.stdout) or done.stdout.strip().splitlines()[-1:] or ["no output"]
        first = complaints[0].replace(f"{source}/", "")
        raise project.BookError(
            f"Expected the book to build without warnings, found {len(complaints)}, the first of them '{first}'; "
            f"the whole log is in {log}."
        )
    shutil.rmtree(html, ignore_errors=True)
    (working / "_build" / "html").rename(html)
    shutil.rmtree(working)


def build(
    profile: str = profiles.PUBLISHED_PROFILE, *, compute: bool = False, fresh: bool = False, jobs: int | None = None
) -> Path:
    """Execute every chapter, stage the book's sources and render them.

    Parameters
    ----------
    profile
        Profile that sets the chapters' parameters.
    compute
        Compute results that the store lacks, however long that takes.
    fresh
        Execute chapters even if nothing they depend on has changed.

    jobs
        Chapters that run at a time; None for what the cores and the memory allow.

    Returns
    -------
    pathlib.Path
        The book's first page, ``_build/book/html/index.html``.

    Raises
    ------
    SyntheticAtomsError
        If a parameter, a notebook or a page is not as it must be.
    NotebookDefect
        If a notebook stops with an unexpected error.
    """
    chapters = chapter_parameters(profile, compute=compute)
    folder = project.build_directory()
    executions = execute_all(chapters, folder / "executed" / profile, fresh=fresh, jobs=jobs)
    source, html = folder / "book" / "source", folder / "book" / "html"
    clock = time.perf_counter()
    tqdm.write("book: rendering", file=sys.stderr)
    staging.stage(executions, source)
    render(source, html)
    tqdm.write(f"book: {time.perf_counter() - clock:.1f} s", file=sys.stderr)
    return html / "index.html"
