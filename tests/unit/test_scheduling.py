"""Units of work on local processes and on a Dask scheduler, and what happens when either fails."""

from __future__ import annotations

import gc
import os
import signal
from pathlib import Path

import pytest
from distributed import Client, LocalCluster

from synthetic_atoms.errors import DataError, MissingDependencyError, ParameterError, SyntheticAtomsError
from synthetic_atoms.scheduling import Pool, connect, run_units

pytestmark = pytest.mark.xdist_group("scheduling")


def halve(number: int) -> int:
    """A unit that fails for odd numbers, in one way or another."""
    if number == 7:
        raise DataError("Expected room on the disk, found none.")
    if number % 2:
        raise SyntheticAtomsError(f"Expected an even number, found {number}.")
    return number // 2


def die_at_three(number: int) -> int:
    """A unit that takes its process with it."""
    if number == 3:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


@pytest.fixture(scope="module")
def cluster():
    """A scheduler with one worker process, as others would have started it."""
    with LocalCluster(n_workers=1, threads_per_worker=1, dashboard_address=":0", memory_limit=0) as cluster:
        yield cluster


def test_a_failed_unit_costs_only_itself(capsys):
    results, failures = run_units(halve, [2, 3, 4, 5], workers=0)
    assert results == [1, 2]
    assert [str(error) for error in failures] == [f"Expected an even number, found {n}." for n in (3, 5)]
    assert "found 3" in capsys.readouterr().err


def test_a_fatal_error_ends_the_batch():
    with Pool(workers=0, fatal=(DataError,)) as pool, pytest.raises(DataError, match="room on the disk"):
        pool.run(halve, [2, 7, 4])
    assert len(run_units(halve, [2, 7, 4], workers=0)[1]) == 1


@pytest.mark.parametrize("workers", [0, 1])
def test_each_result_is_handed_over_as_it_comes(workers):
    kept = []
    run_units(halve, [2, 3, 4], workers=workers, on_result=kept.append)
    assert sorted(kept) == [1, 2]


def test_results_before_a_fatal_error_are_handed_over():
    kept = []
    with Pool(workers=0, fatal=(DataError,)) as pool, pytest.raises(DataError):
        pool.run(halve, [2, 4, 7, 6], on_result=kept.append)
    assert kept == [1, 2]


def test_a_missing_package_is_fatal_by_default():
    def needs(_: int) -> None:
        raise MissingDependencyError("Expected a package, found none.")

    with pytest.raises(MissingDependencyError):
        run_units(needs, [1, 2], workers=0)


def test_a_defect_is_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        run_units(lambda number: 1 // number, [1, 0], workers=0)


def test_batches_on_a_scheduler_share_its_workers(cluster, tmp_path):
    with Pool(scheduler=cluster.scheduler_address, fatal=(DataError,)) as pool:
        pool.check_shared(tmp_path / "work")
        assert list((tmp_path / "work").iterdir()) == []
        results, failures = pool.run(halve, range(6))
        assert sorted(results) == [0, 1, 2]
        assert len(failures) == 3
        with pytest.raises(DataError):
            pool.run(halve, [2, 7])
        assert pool.run(halve, [8]) == ([4], [])


def test_a_killed_worker_is_one_failed_unit():
    results, failures = run_units(die_at_three, [1, 2, 3, 4], workers=1)
    assert sorted(results) == [1, 2, 4]
    assert len(failures) == 1
    assert "killed or crashed" in str(failures[0])


@pytest.mark.parametrize("address", ["tcp://127.0.0.1:1", "nowhere", "tcp://127.0.0.1"])
def test_no_scheduler_at_the_address_is_one_sentence(address):
    message = f"Expected a Dask scheduler at {address}, found none"
    with pytest.raises(ParameterError, match=message) as caught, connect(scheduler=address, timeout_s=0.5):
        pass
    assert "\n" not in str(caught.value)


def test_fewer_than_no_workers_are_refused():
    with pytest.raises(ParameterError, match="found -1"):
        Pool(workers=-1)


def test_paths_travel(cluster, tmp_path):
    (tmp_path / "there").write_text("")
    paths = [tmp_path / "there", tmp_path / "not"]
    assert run_units(Path.exists, paths[:1], scheduler=cluster.scheduler_address) == ([True], [])


def test_a_client_that_found_no_scheduler_is_gone_at_once():
    """It would close itself at any later moment, perhaps while another one starts, and wait for that for ever."""
    with pytest.raises(ParameterError, match="found none"), connect(scheduler="tcp://127.0.0.1:9", timeout_s=0.2):
        pass
    left = [one for one in gc.get_objects() if type(one) is Client and "127.0.0.1:9" in str(one._start_arg)]
    assert not left
