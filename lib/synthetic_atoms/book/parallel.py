"""Executing several chapters at a time."""

from __future__ import annotations

import multiprocessing
import os
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from pathlib import Path

import psutil

from synthetic_atoms.book import project
from synthetic_atoms.book.chapters import LAST, Common
from synthetic_atoms.book.execute import Execution, execute
from synthetic_atoms.book.kernel import environment
from synthetic_atoms.scheduling import THREAD_VARIABLES, available_cores

MEMORY_PER_CHAPTER_BYTES = 3e9
"""Free memory that a chapter is given when several run at a time; the largest of the published ones needs less."""


def parallel_jobs(chapters: int) -> int:
    """How many chapters run at a time: one for each core and each few GB of memory that are free."""
    by_memory = int(psutil.virtual_memory().available / MEMORY_PER_CHAPTER_BYTES)
    return max(1, min(available_cores(), by_memory, chapters))


def _execute_one(item: tuple[str, Common, Path, bool, int]) -> Execution:
    """One of several chapters, with its share of the threads."""
    chapter, parameters, folder, fresh, threads = item
    given = {name: str(threads) for name in THREAD_VARIABLES if name not in os.environ}
    with environment(**given):
        return execute(chapter, parameters, folder, overwrite=True, reuse=not fresh)


def execute_all(
    chapters: Sequence[tuple[str, Common]], folder: Path, *, fresh: bool = False, jobs: int | None = None
) -> list[Execution]:
    """Execute chapters for the book, each into ``folder/CHAPTER``; unchanged ones are kept.

    Up to ``jobs`` run at a time (:func:`parallel_jobs` by default), each with its share of the cores. The first error
    ends the rest; chapters of :data:`~synthetic_atoms.book.chapters.LAST` wait for all others.
    """
    done: dict[str, Execution] = {}
    for part in ([c for c in chapters if c[0] not in LAST], [c for c in chapters if c[0] in LAST]):
        at_once = min(jobs or parallel_jobs(len(part)), len(part))
        threads = max(1, available_cores() // max(at_once, 1))
        items = [(chapter, parameters, folder / chapter, fresh, threads) for chapter, parameters in part]
        if at_once <= 1:
            done |= {item[0]: _execute_one(item) for item in items}
            continue
        with ProcessPoolExecutor(at_once, mp_context=multiprocessing.get_context("spawn")) as pool:
            futures = [pool.submit(_execute_one, item) for item in items]
            try:
                for future in as_completed(futures):
                    found = future.result()
                    done[found.chapter] = found
            except BrokenProcessPool:
                raise project.BookError(
                    "Expected every chapter's process to last, found one killed; --jobs 1 needs less memory."
                ) from None
            except BaseException:
                pool.shutdown(cancel_futures=True)
                raise
    return [done[chapter] for chapter, _ in chapters]
