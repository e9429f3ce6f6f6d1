"""Queues and schedulers: the right script for a job without a queue, and fits on two workers under a memory limit."""

from __future__ import annotations

import gc
import os
import sys
from pathlib import Path

import pandas as pd
import pytest
import yaml
from distributed import LocalCluster

from synthetic_atoms import clusters
from synthetic_atoms.errors import ParameterError, SyntheticAtomsError
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.experiments.gpr_grid import Study, Sweep
from synthetic_atoms.experiments.gpr_path import sparse_gpr
from synthetic_atoms.scheduling import SCHEDULER_VARIABLE, default_scheduler, rows_within_memory, run_units

pytestmark = [
    pytest.mark.xdist_group("scheduling"),
    # dask-jobqueue leaves half-made clusters behind when a description is refused, and they complain of it
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning", "ignore:unclosed cluster"),
]


@pytest.fixture(autouse=True)
def _nothing_is_left_for_other_tests():
    yield
    gc.collect()


def described(folder: Path, system: str, jobs: object = 1, **arguments: object) -> Path:
    path = folder / "queue.yaml"
    path.write_text(yaml.safe_dump({"jobs": jobs, "jobqueue": {system: arguments}}))
    return path


def test_script_of_a_slurm_job(tmp_path):
    path = described(tmp_path, "slurm", cores=16, memory="64GB", walltime="04:00:00", queue="standard", account="me")
    lines = clusters.job_script(path).splitlines()
    expected = {"-p standard", "-A me", "-n 1", "--cpus-per-task=16", "-t 04:00:00"}
    assert {f"#SBATCH {text}" for text in expected} <= set(lines)
    assert any(line.startswith("#SBATCH --mem=60G") for line in lines)
    assert "export OMP_NUM_THREADS=1" in lines
    assert f"{sys.executable} -m distributed.cli.dask_worker tcp://" in lines[-1]
    assert "--nthreads 1" in lines[-1]
    assert "--nworkers 16" in lines[-1]


def test_script_of_a_pbs_job(tmp_path):
    path = described(tmp_path, "pbs", cores=8, memory="32GB", walltime="01:00:00", resource_spec="select=1:ncpus=8")
    script = clusters.job_script(path)
    assert "#PBS -l select=1:ncpus=8\n" in script
    assert "#PBS -l walltime=01:00:00\n" in script
    assert "--nworkers 8" in script


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("jobqueue: {slurn: {cores: 1, memory: 1GB}}", "did you mean 'slurm'"),
        ("jobqueue: {slurm: {cores: 1}}", "'cores' and 'memory'"),
        ("jobs: 0\njobqueue: {slurm: {cores: 1, memory: 1GB}}", "at least 1, found 0"),
        ("jobqueue: {slurm: {cores: 1, memory: 1GB, wall: 3}}", "arguments that dask-jobqueue takes for slurm"),
        ("[1]", "one queue under 'jobqueue'"),
        ("{", "cannot be read"),
    ],
)
def test_a_wrong_description_is_one_sentence(tmp_path, text, words):
    path = tmp_path / "queue.yaml"
    path.write_text(text)
    with pytest.raises(ParameterError, match=words) as caught:
        clusters.job_script(path)
    assert "\n" not in str(caught.value)


def test_a_queue_that_is_not_here_or_refuses(tmp_path, monkeypatch):
    path = described(tmp_path, "slurm", cores=1, memory="1GB")
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(SyntheticAtomsError, match="queue's command sbatch"), clusters.fits_on(str(path)):
        pass
    (tmp_path / "sbatch").write_text("#!/bin/sh\necho 'invalid partition' >&2\nexit 1\n")
    (tmp_path / "sbatch").chmod(0o755)
    with pytest.raises(SyntheticAtomsError, match="invalid partition") as caught, clusters.fits_on(str(path)):
        pass
    assert "\n" not in str(caught.value)
    assert SCHEDULER_VARIABLE not in os.environ


def test_units_run_in_the_jobs_of_a_queue(tmp_path):
    path = described(tmp_path, "local", cores=1, memory="1GB")  # dask-jobqueue's queue that is this machine itself
    with clusters.fits_on(str(path)):
        assert default_scheduler().startswith("tcp://")
        assert run_units(abs, [-1], workers=0) == ([1], [])
    assert default_scheduler() is None


def test_fits_on_two_workers_under_a_memory_limit_are_the_same(folder, tmp_path, monkeypatch):
    """The example of the page on scaling: two local processes with a limit each."""
    monkeypatch.setenv("SYNTHETIC_ATOMS_CACHE", str(tmp_path / "cache"))
    study, sweep = Study(Dataset(str(folder)), n_folds=2), Sweep((20, 80), (10,), (10.0,))
    here = sparse_gpr(study, [sweep], use_store=False, compute=True)
    with (
        LocalCluster(n_workers=2, threads_per_worker=1, memory_limit="2GiB", dashboard_address=":0") as cluster,
        clusters.fits_on(cluster.scheduler_address),
    ):
        there = sparse_gpr(study, [sweep], use_store=False, compute=True)
    pd.testing.assert_series_equal(here["mae_test_meV"], there["mae_test_meV"], rtol=1e-6)


def test_rows_at_a_time_follow_from_the_memory():
    assert rows_within_memory(1.0, 2048) == 2048
    assert rows_within_memory(1e15, 2048) == 1
