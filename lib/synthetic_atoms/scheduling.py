"""Independent units of work in parallel, through Dask: on this machine by default, on any scheduler by its address."""

from __future__ import annotations

import gc
import logging
import os
import sys
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TypeVar

import dask
import psutil
from distributed import Client, LocalCluster, as_completed, get_worker
from distributed.scheduler import KilledWorker
from distributed.utils import silence_logging_cmgr
from tqdm.auto import tqdm

from synthetic_atoms.errors import MissingDependencyError, ParameterError, SyntheticAtomsError
from synthetic_atoms.files import atomic_write

# A message to a worker that has just died is no news for the reader: its unit goes to another one.
logging.getLogger("distributed.batched").setLevel(logging.CRITICAL)

Unit = TypeVar("Unit")
Result = TypeVar("Result")

THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
"""Environment variables that set how many threads numerical libraries use."""


SCHEDULER_VARIABLE = "SYNTHETIC_ATOMS_SCHEDULER"
"""Environment variable with the address of the Dask scheduler that runs what is not told otherwise."""


def default_scheduler() -> str | None:
    """The scheduler named in the environment; None on a worker, which computes by itself."""
    try:
        get_worker()
    except ValueError:
        return os.environ.get(SCHEDULER_VARIABLE) or None
    return None


def available_cores() -> int:
    """Number of cores this process may run on."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def memory_limit_bytes() -> float:
    """Memory that a unit may take: a worker's limit shared among its threads, or what is free on this machine."""
    try:
        worker = get_worker()
    except ValueError:
        return float(psutil.virtual_memory().available)
    limit = worker.memory_manager.memory_limit
    return limit / worker.state.nthreads if limit else float(psutil.virtual_memory().available)


def rows_within_memory(bytes_per_row: int | float, most: int, share: float = 0.25) -> int:
    """Rows to handle at a time so that they take at most a share of the memory that is there; ``most`` if all fit."""
    return max(1, min(most, int(share * memory_limit_bytes() / bytes_per_row)))


@contextmanager
def connect(workers: int | None = None, scheduler: str | None = None, *, timeout_s: float = 10.0) -> Iterator[Client]:
    """A Dask client: to ``scheduler`` (an address such as ``tcp://host:8786``) or to new local worker processes.

    Local workers are single-threaded, one per core unless ``workers`` says otherwise.

    Raises
    ------
    ParameterError
        If no scheduler answers at the address within ``timeout_s``.
    """
    if scheduler is not None:
        reason = None
        try:
            client = Client(scheduler, timeout=timeout_s, set_as_default=False)
        except (OSError, TimeoutError, ValueError, TypeError) as error:
            reason = " ".join(str(error).split()).rstrip(".") or type(error).__name__
        if reason is not None:
            # The client that failed closes itself when it is collected, and takes a lock for that. Now, and not while
            # another client or cluster starts, which holds that lock: the process would wait for itself for ever.
            gc.collect()
            raise ParameterError(f"Expected a Dask scheduler at {scheduler}, found none ({reason}).")
        # A scheduler that goes is one sentence here; Dask's own log of it is pages long.
        with silence_logging_cmgr(logging.CRITICAL), client:
            yield client
        return
    environment = {name: "1" for name in THREAD_VARIABLES}
    with (
        # A worker holds one unit at a time: Dask blames all that a worker holds for its death, started or not.
        dask.config.set(
            {"distributed.nanny.pre-spawn-environ": environment, "distributed.scheduler.worker-saturation": 1.0}
        ),
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


class Pool:
    """Workers that several batches of units share; they are started when the first unit needs them.

    Use it in a ``with`` statement. What travels to and from the workers is each unit and its result, so both should be
    small: paths and a few numbers.

    Parameters
    ----------
    workers
        Local processes, one per core by default; 0 runs everything in this process.
    scheduler
        Address of a Dask scheduler, whose workers are used instead.
    fatal
        Kinds of errors after which no further unit can succeed: the first one ends the batch.
    """

    def __init__(
        self,
        workers: int | None = None,
        scheduler: str | None = None,
        *,
        fatal: tuple[type[SyntheticAtomsError], ...] = (MissingDependencyError,),
    ) -> None:
        if workers is not None and workers < 0:
            raise ParameterError(f"Expected 0 workers or more, found {workers}.")
        self.workers, self.scheduler, self.fatal = workers, scheduler, fatal
        self._stack, self._client = ExitStack(), None

    def __enter__(self) -> Pool:
        return self

    def __exit__(self, *error: object) -> None:
        self._client = None
        self._stack.close()

    @property
    def client(self) -> Client:
        """The Dask client; connected to, or started, when it is first asked for."""
        if self._client is None:
            self._client = self._stack.enter_context(connect(self.workers, self.scheduler))
        return self._client

    def check_shared(self, folder: Path) -> None:
        """Refuse remote workers that do not see a folder; local ones always do.

        Raises
        ------
        ParameterError
            If a worker of the scheduler does not find a file that was written here.
        DataError
            If the folder cannot be written.
        """
        if self.scheduler is None:
            return
        token = folder / f".shared-{uuid.uuid4().hex}"
        with atomic_write(token, "w") as stream:
            stream.write("seen\n")
        try:
            seen = self.client.run(os.path.exists, str(token))
        finally:
            token.unlink(missing_ok=True)
        blind = sorted(address for address, there in seen.items() if not there)
        if blind:
            raise ParameterError(
                f"Expected every Dask worker to share the folder {folder}, found {len(blind)} of {len(seen)} that do "
                f"not, the first at {blind[0]}."
            )
        if not seen:
            say(f"The scheduler at {self.scheduler} has no workers yet; waiting for the first.")

    def run(
        self,
        function: Callable[[Unit], Result],
        units: Sequence[Unit],
        description: str = "",
        *,
        on_result: Callable[[Result], None] = lambda result: None,
    ) -> tuple[list[Result], list[SyntheticAtomsError]]:
        """Apply ``function`` to each unit, with a progress bar; results in the order in which they come.

        A unit that ends in a :class:`SyntheticAtomsError` costs only itself, unless the error is a fatal one: it is
        printed at once, and returned beside the results.
        ``on_result`` is called with each result as it comes: what it stores is kept if the rest is interrupted.

        Raises
        ------
        SyntheticAtomsError
            A fatal error, or the scheduler has gone.
        """
        results: list[Result] = []
        failures: list[SyntheticAtomsError] = []
        bar = tqdm(
            total=len(units), desc=description, unit="unit", dynamic_ncols=True, mininterval=1.0, disable=not units
        )
        with bar:
            for result, error in self._outcomes(function, units):
                if error is None:
                    results.append(result)
                    on_result(result)
                elif isinstance(error, self.fatal) or not isinstance(error, SyntheticAtomsError):
                    bar.leave = False
                    raise error
                else:
                    failures.append(error)
                    bar.write(str(error), file=sys.stderr)
                bar.update()
        return results, failures

    def _outcomes(
        self, function: Callable[[Unit], Result], units: Sequence[Unit]
    ) -> Iterator[tuple[Result | None, BaseException | None]]:
        """Result or error of each unit as they come."""
        if self.workers == 0 and self.scheduler is None:
            for unit in units:
                try:
                    yield function(unit), None
                except SyntheticAtomsError as error:
                    yield None, error
            return
        if not units:
            return
        for future in as_completed(self.client.map(function, units, pure=False), loop=self.client.loop):
            if future.cancelled():
                raise SyntheticAtomsError(
                    f"Expected the Dask scheduler at {self.scheduler or 'this machine'} to last until all units are "
                    "done, but it has gone; what was finished is kept."
                )
            error = future.exception()
            if isinstance(error, KilledWorker):
                error = SyntheticAtomsError(
                    "Expected a worker process to finish a unit, but every one that tried it was killed or crashed."
                )
            yield (None, error) if error is not None else (future.result(), None)


def say(text: str) -> None:
    """A line for the reader on standard error, above any progress bar."""
    tqdm.write(text, file=sys.stderr)


def run_units(
    function: Callable[[Unit], Result],
    units: Sequence[Unit],
    *,
    workers: int | None = None,
    scheduler: str | None = None,
    description: str = "",
    on_result: Callable[[Result], None] = lambda result: None,
    shared: Path | None = None,
) -> tuple[list[Result], list[SyntheticAtomsError]]:
    """:meth:`Pool.run` with workers of its own. ``workers=0`` runs everything in this process.

    A scheduler named in the environment (:data:`SCHEDULER_VARIABLE`) goes before local workers and this process.
    ``shared`` is a folder that its workers must share, see :meth:`Pool.check_shared`.
    """
    with Pool(workers, scheduler or default_scheduler()) as pool:
        if shared is not None:
            pool.check_shared(shared)
        return pool.run(function, units, description, on_result=on_result)
