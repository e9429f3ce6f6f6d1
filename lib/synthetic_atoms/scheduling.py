"""Independent units of work in parallel, through Dask: on this machine by default, on any scheduler by its address."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TypeVar

import dask
from distributed import Client, LocalCluster, as_completed
from tqdm.auto import tqdm

from synthetic_atoms.errors import ParameterError, SyntheticAtomsError

Unit = TypeVar("Unit")
Result = TypeVar("Result")

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables that set how many threads numerical libraries use."""


def available_cores() -> int:
    """Number of cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@contextmanager
def connect(workers: int | None = None, scheduler: str | None = None) -> Iterator[Client]:
    """A Dask client: to ``scheduler`` (an address such as ``tcp://host:8786``) or to new local worker processes.

    Local workers are single-threaded, one per core unless ``workers`` says otherwise.

    Raises
    ------
    ParameterError
        If no scheduler answers at the address.
    """
    if scheduler is not None:
        try:
            client = Client(scheduler, timeout="10s", set_as_default=False)
        except (OSError, TimeoutError, ValueError) as error:
            raise ParameterError(f"Expected a Dask scheduler at {scheduler}, found none ({error}).") from error
        with client:
            yield client
        return
    environment = {name: "1" for name in THREAD_VARIABLES}
    with (
        dask.config.set({"distributed.nanny.pre-spawn-environ": environment}),
        LocalCluster(
            n_workers=workers or available_cores(),
            threads_per_worker=1,
            memory_limit=0,
            dashboard_address=":0",  # any free port: two runs on one machine do not meet
            silence_logs=logging.CRITICAL,
        ) as cluster,
        Client(cluster, set_as_default=False) as client,
    ):
        yield client


def run_units(
    function: Callable[[Unit], Result],
    units: Sequence[Unit],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    description: str = "",
    on_result: Callable[[Result], None] = lambda result: None,
) -> tuple[list[Result], list[SyntheticAtomsError]]:
    """Apply ``function`` to each unit, with a progress bar; results in the order in which they come.

    A unit that ends in a :class:`SyntheticAtomsError` costs only itself: its error is printed at once, and returned
    beside the results. ``workers=0`` runs everything in this process.
    ``on_result`` is called with each result as it comes: what it stores is kept if the rest is interrupted.
    """
    results: list[Result] = []
    failures: list[SyntheticAtomsError] = []
    bar = tqdm(total=len(units), desc=description, unit="unit", dynamic_ncols=True, mininterval=1.0, disable=not units)
    with bar:
        if workers == 0 or not units:
            for unit in units:
                try:
                    results.append(function(unit))
                    on_result(results[-1])
                except SyntheticAtomsError as error:
                    failures.append(error)
                    bar.write(str(error), file=sys.stderr)
                bar.update()
            return results, failures
        with connect(workers, scheduler) as client:
            for future in as_completed(client.map(function, units, pure=False), loop=client.loop):
                error = future.exception()
                if error is None:
                    results.append(future.result())
                    on_result(results[-1])
                elif isinstance(error, SyntheticAtomsError):
                    failures.append(error)
                    bar.write(str(error), file=sys.stderr)
                else:
                    raise error
                bar.update()
    return results, failures
