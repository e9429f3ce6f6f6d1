"""A Dask scheduler that others run, or one whose workers are jobs of a queue (SLURM, PBS, ...) described in YAML.

The file has the form of dask-jobqueue's own configuration, and says how many jobs to ask for:

.. code-block:: yaml

    jobs: 4
    jobqueue:
      slurm:
        cores: 16
        processes: 16
        memory: 64GB
        walltime: "04:00:00"
        queue: standard
"""

from __future__ import annotations

import logging
import os
import shutil
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

import yaml

from synthetic_atoms.errors import MissingDependencyError, ParameterError, SyntheticAtomsError, suggest
from synthetic_atoms.scheduling import SCHEDULER_VARIABLE, THREAD_VARIABLES, connect, say

SYSTEMS = {
    "htcondor": "HTCondorCluster", "local": "LocalCluster", "lsf": "LSFCluster", "moab": "MoabCluster",
    "oar": "OARCluster", "pbs": "PBSCluster", "sge": "SGECluster", "slurm": "SLURMCluster",
}  # fmt: skip
"""Class of dask-jobqueue for each kind of queue; ``local`` starts its jobs as processes of this machine."""

SAME = ("synthetic-atoms", "numpy", "scipy", "torch", "dscribe", "scikit-learn")
"""Packages that workers must have in the same version, since they decide results."""


SUBMISSION_S = 60.0
"""A queue has so long to say that it takes the jobs."""


def _defaults(system: str) -> dict[str, Any]:
    """One single-threaded process per core, as on one machine; local jobs have no script that could say so."""
    found: dict[str, Any] = {"scheduler_options": {"dashboard_address": ":0"}, "silence_logs": "CRITICAL"}
    if system != "local":
        found["job_script_prologue"] = [f"export {name}=1" for name in THREAD_VARIABLES]
    return found


def is_file(scheduler: str) -> bool:
    """Whether a scheduler is given by a YAML file instead of its address."""
    return scheduler.endswith((".yaml", ".yml"))


def _described(path: Path) -> tuple[str, dict[str, Any], int]:
    """Kind of queue, arguments for its jobs, and number of jobs."""
    try:
        content = yaml.safe_load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise ParameterError(
            f"Expected a YAML file at {path}, found one that cannot be read ({' '.join(str(error).split())})."
        ) from None
    jobqueue = content.get("jobqueue") if isinstance(content, dict) else None
    if not isinstance(jobqueue, dict) or len(jobqueue) != 1:
        raise ParameterError(f"Expected one queue under 'jobqueue' in {path}, found another content.")
    ((system, arguments),) = jobqueue.items()
    if system not in SYSTEMS:
        raise ParameterError(f"Unknown queue {str(system)!r} in {path}{suggest(str(system), list(SYSTEMS))}")
    jobs = content.get("jobs", 1)
    if not isinstance(jobs, int) or isinstance(jobs, bool) or jobs < 1:
        raise ParameterError(f"Expected 'jobs' in {path} to be an integer of at least 1, found {jobs}.")
    if not isinstance(arguments, dict) or not {"cores", "memory"} <= set(arguments):
        raise ParameterError(f"Expected 'cores' and 'memory' for the jobs of {system} in {path}, found others.")
    return system, arguments, jobs


@contextmanager
def job_cluster(path: Path) -> Iterator[Any]:
    """The cluster that a file describes, its jobs not yet asked for.

    Raises
    ------
    ParameterError
        If the file is not as it must be.
    MissingDependencyError
        If dask-jobqueue is not installed.
    """
    system, arguments, _ = _described(path)
    try:
        import dask_jobqueue
        from dask_jobqueue.local import LocalCluster
    except ImportError:
        raise MissingDependencyError(
            "Expected dask-jobqueue for a queue of jobs, found it not installed: run pip install dask-jobqueue."
        ) from None
    kind = LocalCluster if system == "local" else getattr(dask_jobqueue, SYSTEMS[system])
    try:
        cluster = kind(**_defaults(system) | {"processes": arguments["cores"]} | arguments)
    except (TypeError, ValueError, OSError, RuntimeError) as error:
        raise ParameterError(
            f"Expected arguments that dask-jobqueue takes for {system} in {path}, found others "
            f"({' '.join(str(error).split())})."
        ) from error
    try:
        yield cluster
    finally:
        with suppress(Exception):  # jobs that were never taken cannot be cancelled either
            cluster.close()


class _Reasons(logging.Handler):
    """Keeps what Dask only logs: why a job could not be submitted."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        """Keep the message of the exception behind a record."""
        error = record.exc_info[1] if record.exc_info else None
        self.found.append(" ".join(str(error if error is not None else record.getMessage()).split()))


def _submit(cluster: Any, jobs: int) -> None:
    """Ask the queue for jobs; raises :class:`SyntheticAtomsError` unless it takes one."""
    command = (cluster.job_cls.submit_command or "").split()[:1]
    if command and shutil.which(command[0]) is None:
        raise SyntheticAtomsError(f"Expected the queue's command {command[0]} on this machine, found none.")
    logger, reasons = logging.getLogger("tornado.application"), _Reasons()
    logger.addHandler(reasons)
    propagate, logger.propagate = logger.propagate, False
    try:
        cluster.scale(jobs=jobs)
        deadline = time.monotonic() + SUBMISSION_S
        while not cluster.workers and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(0.1)  # the job's number comes just before, the reason for none just after
    finally:
        logger.removeHandler(reasons)
        logger.propagate = propagate
    if not any(getattr(job, "job_id", None) for job in cluster.workers.values()):
        reason = reasons.found[-1] if reasons.found else f"no answer within {SUBMISSION_S:.0f} s"
        raise SyntheticAtomsError(f"Expected the queue to take {jobs} jobs, found: {reason}.")


def job_script(path: Path) -> str:
    """The script of one job, as it would be given to the queue."""
    with job_cluster(path) as cluster:
        return cluster.job_script()


def worker_versions() -> dict[str, str]:
    """Versions, on a worker, of the packages that decide results."""
    found = {}
    for name in SAME:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "none"
    return found


def check_versions(address: str) -> None:
    """Refuse workers that have other versions of what decides results.

    Raises
    ------
    ParameterError
        If no scheduler answers, or a worker lacks this package or differs; the sentence names it.
    """
    with connect(scheduler=address) as client:
        try:
            found = client.run(worker_versions)
        except Exception as error:  # whatever a worker without the package raises
            raise ParameterError(
                f"Expected workers at {address} that have this package, found one that does not "
                f"({type(error).__name__}: {' '.join(str(error).split())})."
            ) from error
    same_versions(address, found, worker_versions())
    if not found:
        say(f"The scheduler at {address} has no workers yet; waiting for the first.")


def same_versions(address: str, found: Mapping[str, Mapping[str, str]], own: Mapping[str, str]) -> None:
    """Refuse workers whose versions, by address, are not our own.

    Raises
    ------
    ParameterError
        If one differs; the sentence names the package and the worker.
    """
    for worker, versions in sorted(found.items()):
        for name in SAME:
            if versions[name] != own[name]:
                raise ParameterError(
                    f"Expected {name} {own[name]} on every worker of {address}, found {versions[name]} at {worker}."
                )


@contextmanager
def scheduler_address(scheduler: str | None) -> Iterator[str | None]:
    """The address of a scheduler given by an address or a YAML file, whose jobs run until the end of the block.

    Raises
    ------
    ParameterError
        If it cannot be reached, its file is not as it must be, or its workers have other versions.
    SyntheticAtomsError
        If the queue refuses the jobs.
    """
    if scheduler is None:
        yield None
    elif not is_file(scheduler):
        check_versions(scheduler)
        yield scheduler
    else:
        path = Path(scheduler)
        with job_cluster(path) as cluster:
            jobs = _described(path)[2]
            _submit(cluster, jobs)
            say(f"Asked the queue for {jobs} jobs; the scheduler is at {cluster.scheduler_address}.")
            yield cluster.scheduler_address


@contextmanager
def fits_on(scheduler: str | None) -> Iterator[None]:
    """Fits within the block, those of notebooks too, go to a scheduler (address or YAML file) if one is given."""
    with scheduler_address(scheduler) as address:
        before = os.environ.get(SCHEDULER_VARIABLE)
        if address is not None:
            os.environ[SCHEDULER_VARIABLE] = address
        try:
            yield
        finally:
            if address is not None:
                os.environ.pop(SCHEDULER_VARIABLE)
                if before is not None:
                    os.environ[SCHEDULER_VARIABLE] = before
