"""Faults, provoked and counted: none may end in a traceback, a wrong result, or a lost record.

    python tests/faults/faults.py                  # all of them
    python tests/faults/faults.py --share 0.1      # every tenth of each kind

Each fault is a small real one: the program's own functions on damaged files, killed processes, full and read-only
disks, dead schedulers, a network without an answer. A fault is survived if it ends in one sentence
(:class:`SyntheticAtomsError`) or in the right result.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import resource
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
import yaml
from distributed import LocalCluster
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from synthetic_atoms import clusters, scheduling
from synthetic_atoms.book import cli, execute, parameters, profiles, record_commands
from synthetic_atoms.datasets import embedded, fetch, load_local_energies, load_total_energies
from synthetic_atoms.descriptors import features
from synthetic_atoms.errors import ParameterError, SyntheticAtomsError
from synthetic_atoms.experiments import stores
from synthetic_atoms.experiments.records import RecordStore
from synthetic_atoms.files import read_npz, sha256, write_npz
from synthetic_atoms.models.neural_network import NeuralNetwork

Fault = tuple[str, Callable[[], None]]
COLUMNS = ["model", "n_train", "fold"], ["mae_test_meV", "note"]


class Failed(AssertionError):
    """A fault that did harm."""


def survives(action: Callable[[], object], right: Callable[[object], bool] = lambda _: True) -> None:
    """The action ends in one sentence, or in the right result."""
    try:
        result = action()
    except SyntheticAtomsError as error:
        text = str(error)
        if "\n" in text or "Traceback" in text or not text.strip():
            raise Failed(f"not one sentence: {text!r}") from error
        return
    if not right(result):
        raise Failed(f"a wrong result: {result!r}"[:300])


def must_refuse(action: Callable[[], object]) -> None:
    """The action ends in one sentence and in nothing else."""
    survives(action, lambda _: False)


def in_child(action: Callable[[], None], *, kill_after_s: float | None = None) -> int:
    """Run an action in a forked process; its status, or minus the signal that ended it."""
    number = os.fork()
    if number == 0:
        status = 1
        try:
            action()
            status = 0
        except Failed as error:
            sys.stderr.write(f"{error}\n")
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(status)
    if kill_after_s is not None:
        time.sleep(kill_after_s)
        with contextlib.suppress(ProcessLookupError):
            os.kill(number, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])


def succeeds(action: Callable[[], None]) -> None:
    """:func:`in_child`, which must end well."""
    if status := in_child(action):
        raise Failed(f"the child ended with {status}")


def damage(content: bytes, kind: str, start: int, stop: int, rng: random.Random) -> bytes:
    """A region of a file lost, zeroed, flipped, or all from there on cut off."""
    region = content[start:stop]
    changed = {
        "cut": b"",
        "lost": content[stop:],
        "zeros": bytes(len(region)) + content[stop:],
        "flip": bytes([region[0] ^ (1 << rng.randrange(8))]) + content[start + 1 :],
        "noise": rng.randbytes(len(region)) + content[stop:],
    }[kind]
    return content[:start] + changed


def regions(content: bytes, number: int, rng: random.Random) -> Iterator[tuple[str, bytes]]:
    """A file damaged in each of so many regions, which together are all of it."""
    edges = np.linspace(0, len(content), number + 1).astype(int)
    for index, (start, stop) in enumerate(pairwise(edges)):
        kind = ("flip", "cut", "noise", "lost", "zeros")[index % 5]
        damaged = damage(content, kind, int(start), int(stop), rng)
        if damaged != content:
            yield f"{kind} at byte {start} of {len(content)}", damaged


def row(fold: int, writer: str = "NN", size: int = 100) -> dict[str, object]:
    """A record that can be told right from wrong."""
    return {"model": writer, "n_train": size, "fold": fold, "mae_test_meV": 100.0 + fold, "note": "as computed"}


def right_rows(frame) -> bool:
    """Whether every record is as it was computed."""
    return bool((frame["mae_test_meV"] == 100.0 + frame["fold"]).all() and (frame["note"] == "as computed").all())


def own_store(folder: Path) -> RecordStore:
    """A store as users have for data of their own."""
    return RecordStore(folder / "fits.csv", *COLUMNS, checked=True)


# ------------------------------------------------------------------------------------------------- the kinds of faults

_WORDS = st.text("abcdefnst_=-:[]{}#&*!|>'\"%@`, 0123456789.\n\x00é∞", max_size=12)
_VALUES = st.recursive(
    st.one_of(
        st.none(), st.booleans(), st.integers(-(10**12), 10**12), st.floats(), _WORDS, st.sampled_from([1e4, "1e4", -1])
    ),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(_WORDS, inner, max_size=2),
    max_leaves=4,
)


def bad_parameters(number: int) -> Iterator[Fault]:
    """Values, names and YAML of any kind for every chapter, by property testing."""
    found: list[tuple[str, str, str]] = []

    @settings(max_examples=number, derandomize=True, database=None, deadline=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.sampled_from(list(parameters.CHAPTERS)), st.data())
    def draw(chapter: str, data) -> None:
        names = list(parameters.CHAPTERS[chapter].model_fields)
        name = data.draw(st.sampled_from(names) | st.sampled_from(names).map(lambda n: n[:-1] + "x") | _WORDS)
        value = data.draw(_VALUES)
        text = data.draw(st.just(json.dumps(value)) | st.just(str(value)) | _WORDS)
        found.append((chapter, name, text))

    draw()
    for chapter, name, text in found[:number]:

        def check(chapter=chapter, name=name, text=text) -> None:
            values: dict = {}

            def resolve():
                values.update(cli._absolute_dataset(profiles.parse_assignments([f"{name}={text}"])))
                return profiles.resolve(chapter, "smoke", values)

            survives(resolve, lambda model: all(getattr(model, key) == value for key, value in values.items()))

        yield f"{chapter} -p {name}={text!r}", check


def bad_files_of_parameters(number: int) -> Iterator[Fault]:
    """A file of parameters, a profile, a queue or a plan that is damaged or something else."""
    rng = random.Random(1)
    folder = Path(tempfile.mkdtemp())
    good = yaml.safe_dump({"sizes": [10, 100], "n_folds": 3, "seed": 1}).encode()
    queue = yaml.safe_dump({"jobs": 2, "jobqueue": {"slurm": {"cores": 2, "memory": "4GB", "queue": "x"}}}).encode()
    texts = [text for _, text in regions(good, number // 2, rng)]
    texts += [b"", b"[1, 2]", b"\xff\xfe", b"a: &x [*x]", b"!!python/object/apply:os.system ['true']", b"1: 2", b"\x00"]
    for index, text in enumerate(texts):

        def check(text=text, index=index) -> None:
            path = folder / f"{index}.yaml"
            path.write_bytes(text)
            survives(lambda: profiles.resolve("03_learning_curves", "smoke", profiles.parameters_file(path)))

        yield f"parameters {text!r}", check
    others = [b"jobqueue: {slurn: {cores: 1, memory: 1GB}}", b"jobqueue: {slurm: {cores: x, memory: 1GB}}",
              b"jobqueue: {slurm: {cores: 1, memory: lots}}", b"jobqueue: {slurm: {cores: 1, memory: 1GB, odd: 1}}",
              b"jobqueue: {slurm: {cores: 1}}", b"jobs: 0", b"[]", b"jobqueue: 3"]  # fmt: skip
    for index, text in enumerate([text for _, text in regions(queue, 8, rng)] + others):

        def check(text=text, index=index) -> None:
            path = folder / f"queue-{index}.yaml"
            path.write_bytes(text)
            survives(lambda: clusters.job_script(path), lambda script: "#SBATCH" in script)

        yield f"queue {text!r}", check


def damaged_records(number: int) -> Iterator[Fault]:
    """A store of records with damage at every region: refused, or read as computed; nothing is added to it."""
    folder = Path(tempfile.mkdtemp())
    own_store(folder).add([row(fold) for fold in range(40)])
    content, sums = own_store(folder).path.read_bytes(), (folder / ".fits.csv.sha256").read_bytes()
    rng = random.Random(2)
    for name, damaged in regions(content, number, rng):

        def check(damaged=damaged) -> None:
            place = Path(tempfile.mkdtemp(dir=folder))
            (place / ".fits.csv.sha256").write_bytes(sums)
            store = own_store(place)
            store.path.write_bytes(damaged)
            survives(store.read, lambda frame: right_rows(frame) and len(frame) == 40)
            survives(lambda: store.add([row(99)]), lambda _: right_rows(store.read()) and len(store.read()) == 41)

        yield name, check
    for name, damaged in regions(sums, 4, rng):

        def check(damaged=damaged) -> None:
            place = Path(tempfile.mkdtemp(dir=folder))
            (place / ".fits.csv.sha256").write_bytes(damaged)
            store = own_store(place)
            store.path.write_bytes(content)
            survives(store.read, lambda frame: right_rows(frame) and len(frame) == 40)

        yield f"sums, {name}", check


def damaged_data(number: int) -> Iterator[Fault]:
    """A dataset, an archive of arrays, cached descriptors and a stored network, damaged at every region."""
    folder, rng = Path(tempfile.mkdtemp()), random.Random(3)
    toy = make_dataset(folder / "toy")
    expected = load_local_energies(str(toy)).local_energy_eV
    shard = toy / "local_energies" / "density-1.0.npz"
    for file in (shard, toy / "card.json"):
        # The card is not under a checksum itself: of a changed digit git knows, so it is cut and zeroed here.
        kinds = ("cut", "zeros", "lost") if file.suffix == ".json" else ("flip", "cut", "noise", "lost", "zeros")
        content = file.read_bytes()
        for name, damaged in regions(content, number // 4, rng):
            if name.split()[0] not in kinds:
                continue

            def check(file=file, damaged=damaged, content=content) -> None:
                file.write_bytes(damaged)
                try:
                    survives(
                        lambda: load_local_energies(str(toy)),
                        lambda data: np.array_equal(data.local_energy_eV, expected),
                    )
                finally:
                    file.write_bytes(content)

            yield f"{file.name}, {name}", check
    arrays = {"a": np.arange(500.0)}
    write_npz(folder / "a.npz", arrays)
    for name, damaged in regions((folder / "a.npz").read_bytes(), number // 4, rng):

        def check(damaged=damaged) -> None:
            path = folder / "damaged.npz"
            path.write_bytes(damaged)
            survives(lambda: read_npz(path, {"a": "f1"}), lambda found: np.array_equal(found["a"], arrays["a"]))

        yield f"arrays, {name}", check
    os.environ["SYNTHETIC_ATOMS_CACHE"] = str(folder / "cache")
    data = load_local_energies(str(toy))
    vectors = features(data, "plain", workers=0)
    block = next((folder / "cache").rglob("*.npy"))
    whole = block.read_bytes()
    for name, damaged in regions(whole, number // 4, rng):

        def check(damaged=damaged) -> None:
            block.write_bytes(damaged)
            survives(lambda: features(data, "plain", workers=0), lambda found: np.array_equal(found, vectors))

        yield f"descriptors, {name}", check
    x = np.random.default_rng(0).normal(size=(30, 4))
    model = NeuralNetwork((6,), max_epochs=2, seed=0).fit(x, x[:, 0])
    model.save(folder / "network.safetensors")
    predicted = model.predict(x)
    for name, damaged in regions((folder / "network.safetensors").read_bytes(), number // 4, rng):

        def check(damaged=damaged) -> None:
            path = folder / "damaged.safetensors"
            path.write_bytes(damaged)
            survives(lambda: NeuralNetwork.load(path).predict(x), lambda found: np.array_equal(found, predicted))

        yield f"network, {name}", check


def damaged_runs(number: int) -> Iterator[Fault]:
    """The provenance of a run, damaged: it is then not taken for an unchanged one."""
    folder, rng = Path(tempfile.mkdtemp()), random.Random(4)
    (folder / "01_dataset.ipynb").write_text("{}")
    content = json.dumps({"chapter": "01_dataset", "inputs_sha256": "0" * 64, "seconds": 1.0, "started": "x"}).encode()
    for name, damaged in regions(content, number, rng):

        def check(damaged=damaged) -> None:
            (folder / execute.PROVENANCE).write_bytes(damaged)
            survives(lambda: execute.read_provenance(folder), lambda found: isinstance(found, dict))
            survives(lambda: execute._reusable("01_dataset", folder, "1" * 64), lambda found: found is None)

        yield name, check


def kills(number: int) -> Iterator[Fault]:
    """A process that writes records, arrays or a network is killed: what it had acknowledged is there, and whole."""
    rng = random.Random(5)
    x = np.random.default_rng(0).normal(size=(30, 4))
    model = NeuralNetwork((6,), max_epochs=1, seed=0).fit(x, x[:, 0])
    for index, moment in enumerate(rng.uniform(0.005, 0.12) for _ in range(number)):

        def check(index=index, moment=moment) -> None:
            with tempfile.TemporaryDirectory() as place:
                store = own_store(Path(place))
                acknowledged = os.open(Path(place) / "acknowledged", os.O_CREAT | os.O_WRONLY | os.O_APPEND)

                def write_records() -> None:
                    for fold in range(10_000):
                        store.add([row(fold)])
                        os.write(acknowledged, b"x")

                def write_arrays() -> None:
                    for fold in range(10_000):
                        write_npz(Path(place) / "a.npz", {"a": np.full(20_000, float(fold))})

                def write_network() -> None:
                    while True:
                        model.save(Path(place) / "n.safetensors")

                in_child((write_records, write_records, write_arrays, write_network)[index % 4], kill_after_s=moment)
                os.close(acknowledged)
                count = (Path(place) / "acknowledged").stat().st_size
                frame = store.read()
                if len(frame) < count or not right_rows(frame):
                    raise Failed(f"{count} records were acknowledged, {len(frame)} are there")
                store.add([row(10_001)])
                if len(store.read()) != len(frame) + 1:
                    raise Failed("nothing can be added any more")
                if (path := Path(place) / "a.npz").exists() and len(set(read_npz(path, {"a": "f1"})["a"])) != 1:
                    raise Failed("arrays of two writers")
                if (path := Path(place) / "n.safetensors").exists():
                    NeuralNetwork.load(path)

        yield f"kill {index}", check


def two_at_once(number: int) -> Iterator[Fault]:
    """Two processes and a reader on one store, or two runs into one folder."""
    for index in range(number):

        def check(index=index) -> None:
            with tempfile.TemporaryDirectory() as place:
                store = own_store(Path(place))

                def write(writer: str) -> None:
                    for fold in range(8):
                        store.add([row(fold, writer)])

                first = os.fork()
                if first == 0:
                    try:
                        write("A")
                    except BaseException:
                        os._exit(1)
                    os._exit(0)
                if index % 2:
                    for _ in range(20):
                        if not right_rows(store.read()):
                            raise Failed("a half-written table was read")
                succeeds(lambda: write("B"))
                if os.waitpid(first, 0)[1]:
                    raise Failed("the first writer failed")
                if len(store.read()) != 16 or not right_rows(store.read()):
                    raise Failed(f"{len(store.read())} of 16 records are there")

        yield f"two writers {index}", check

    def claimed() -> None:
        with tempfile.TemporaryDirectory() as place:
            number = os.fork()
            if number == 0:
                execute._claim(Path(place) / "run")
                time.sleep(20)
                os._exit(0)
            while not list(Path(place).glob(".run.running-*")):
                time.sleep(0.01)
            must_refuse(lambda: execute._claim(Path(place) / "run"))
            os.kill(number, signal.SIGKILL)
            os.waitpid(number, 0)
            execute._claim(Path(place) / "run")

    yield "two runs into one folder", claimed


@contextlib.contextmanager
def full_disk() -> Iterator[Path]:
    """A folder on a disk of 64 kB, if this user may mount one."""
    folder = Path(tempfile.mkdtemp())
    done = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if done.returncode:
        raise Skipped("no right to mount a small disk")
    try:
        yield folder
    finally:
        subprocess.run(["umount", "-l", str(folder)], check=False)


class Skipped(Exception):
    """A fault that this machine does not let one provoke."""


def writers() -> dict[str, Callable[[Path], object]]:
    """All that writes, each far more than 64 kB."""
    x = np.random.default_rng(0).normal(size=(30, 4))
    model = NeuralNetwork((200, 200), max_epochs=1, seed=0).fit(x, x[:, 0])
    toy = load_local_energies(str(make_dataset(Path(tempfile.mkdtemp()) / "toy")))
    remote = fetch.Remote("C-GAP-17.extxyz", "", "0", "")
    big = Path(tempfile.mkdtemp()) / "big.bin"
    big.write_bytes(random.Random(0).randbytes(300_000))

    def cached(folder: Path) -> object:
        os.environ["SYNTHETIC_ATOMS_CACHE"] = str(folder)
        return features(toy, "plain", workers=0)

    def copied(folder: Path) -> object:
        fetch.FILES["x"] = fetch.Remote(remote.name, "", sha256(big)[:12], "")
        return fetch.fetch("x", folder / "paper", big)

    return {
        "records": lambda folder: own_store(folder).add([row(fold) | {"note": "x" * 200} for fold in range(2000)]),
        "arrays": lambda folder: write_npz(folder / "a.npz", {"a": np.random.default_rng(0).normal(size=50_000)}),
        "network": lambda folder: model.save(folder / "n.safetensors"),
        "descriptors": cached,
        "fetched file": copied,
        "exported records": lambda folder: record_commands.export(
            "sparse_gpr", [], folder / "out.csv", overwrite=True, own=False
        ),
    }


def disks(number: int) -> Iterator[Fault]:
    """Full and read-only disks: one sentence, and what was there before is still there, whole."""
    all_writers = writers()
    for name, write in all_writers.items():

        def on_full(write=write) -> None:
            with full_disk() as folder:
                own_store(folder).add([row(1)])
                succeeds(lambda: must_refuse(lambda: write(folder)))
                if not right_rows(own_store(folder).read()) or len(own_store(folder).read()) != 1:
                    raise Failed("the record from before is gone")
                own_store(folder).path.unlink()
                if left := [path.name for path in folder.rglob("*.part")]:
                    raise Failed(f"left behind: {left}")

        def at_limit(write=write) -> None:
            with tempfile.TemporaryDirectory() as place:
                own_store(Path(place)).add([row(1)])

                def limited() -> None:
                    resource.setrlimit(resource.RLIMIT_FSIZE, (30_000, 30_000))
                    must_refuse(lambda: write(Path(place)))

                succeeds(limited)
                if len(own_store(Path(place)).read()) != 1:
                    raise Failed("the record from before is gone")

        def read_only(write=write) -> None:
            with tempfile.TemporaryDirectory() as place:
                own_store(Path(place)).add([row(1)])
                Path(place).chmod(0o555)

                def as_nobody() -> None:
                    if os.getuid() == 0:
                        os.setuid(65534)
                    must_refuse(lambda: write(Path(place)))

                try:
                    succeeds(as_nobody)
                finally:
                    Path(place).chmod(0o755)
                if len(own_store(Path(place)).read()) != 1:
                    raise Failed("the record from before is gone")

        def no_folder(write=write) -> None:
            with tempfile.NamedTemporaryFile() as file:
                must_refuse(lambda: write(Path(file.name) / "sub"))

        yield f"full disk, {name}", on_full
        yield f"file size limit, {name}", at_limit
        yield f"read-only folder, {name}", read_only
        yield f"a file where the folder should be, {name}", no_folder


def no_network(number: int) -> Iterator[Fault]:
    """The authors' data without an answer from the network."""
    for name in ("https_proxy", "HTTPS_PROXY", "http_proxy", "HTTP_PROXY"):
        os.environ[name] = "http://127.0.0.1:9"
    os.environ["SYNTHETIC_ATOMS_USER_DATA"] = tempfile.mkdtemp()
    for dataset in ("C-GAP-17", "C-SYNTH-23M"):
        yield f"fetch {dataset}", lambda dataset=dataset: must_refuse(lambda: fetch.fetch(dataset))
    yield "dataset=paper", lambda: must_refuse(lambda: load_local_energies("paper"))
    yield "cells of dataset=paper", lambda: must_refuse(lambda: load_total_energies("paper"))


def dead_schedulers(number: int) -> Iterator[Fault]:
    """No scheduler, none at that port, one whose workers die, one without its queue's commands."""
    for address in ("missing.yaml", "tcp://127.0.0.1:1", "127.0.0.1:1", "nowhere", "tcp://", "http://127.0.0.1:1"):

        def check(address=address) -> None:
            def reach() -> None:
                with clusters.fits_on(address):
                    pass

            must_refuse(reach)

        yield f"--scheduler {address}", check
    folder = Path(tempfile.mkdtemp())
    for system in ("slurm", "pbs", "sge", "lsf"):

        def check(system=system) -> None:
            path = folder / f"{system}.yaml"
            path.write_text(yaml.safe_dump({"jobqueue": {system: {"cores": 1, "memory": "1GB"}}}))
            environment, os.environ["PATH"] = os.environ["PATH"], "/nonexistent"
            try:
                with contextlib.redirect_stderr(io.StringIO()):

                    def reach() -> None:
                        with clusters.fits_on(str(path)):
                            pass

                    must_refuse(reach)
            finally:
                os.environ["PATH"] = environment

        yield f"no {system} here", check

    def killed_workers() -> None:
        code = "import os; from synthetic_atoms.scheduling import run_units; print(run_units(os._exit, [1], workers=1))"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
        if "Traceback" in done.stderr or "killed or crashed" not in done.stdout or not done.stdout.startswith("([], ["):
            raise Failed(done.stdout + done.stderr[-500:])

    yield "a worker that is killed", killed_workers


def wrong_versions(number: int) -> Iterator[Fault]:
    """Workers, caches and networks of other versions."""

    def check(package: str) -> None:
        with LocalCluster(n_workers=1, processes=False, dashboard_address=":0", memory_limit=0) as cluster:
            address = cluster.scheduler_address
            clusters.check_versions(address)
            with scheduling.connect(scheduler=address) as client:
                found = client.run(clusters.worker_versions)
            must_refuse(lambda: clusters.same_versions(address, found, clusters.worker_versions() | {package: "0.0.1"}))

    for package in ("numpy", "torch", "synthetic-atoms"):
        yield f"workers with another {package}", lambda package=package: check(package)

    def other_format() -> None:
        folder = Path(tempfile.mkdtemp())
        x = np.random.default_rng(0).normal(size=(30, 4))
        model = NeuralNetwork((6,), max_epochs=1, seed=0).fit(x, x[:, 0])
        kept, NeuralNetwork.FORMAT = NeuralNetwork.FORMAT, "synthetic-atoms network 99"
        try:
            model.save(folder / "n.safetensors")
        finally:
            NeuralNetwork.FORMAT = kept
        must_refuse(lambda: NeuralNetwork.load(folder / "n.safetensors"))

    yield "a network in a later format", other_format

    def other_columns() -> None:
        folder = Path(tempfile.mkdtemp())
        RecordStore(folder / "fits.csv", COLUMNS[0], [*COLUMNS[1], "later"]).add([row(1) | {"later": 1}])
        store = own_store(folder)
        must_refuse(store.read)
        must_refuse(lambda: store.add([row(2)]))

    yield "records with a later version's columns", other_columns


def bad_conditions(number: int) -> Iterator[Fault]:
    """Conditions on records that cannot be read."""
    frame = stores.open_store("sparse_gpr").read()
    for text in (
        "",
        "=",
        "n_train",
        "n_train=",
        "n_train=x",
        "n_tran=1",
        "model>GPR",
        "a=b=c",
        "n_train>=1e400",
        "\x00",
    ):
        yield repr(text), lambda text=text: survives(lambda: stores.filtered(frame, [text]))
    yield "unknown store", lambda: must_refuse(lambda: stores.open_store("../secrets"))


KINDS: dict[str, tuple[Callable[[int], Iterator[Fault]], int]] = {
    "bad parameters": (bad_parameters, 100),
    "bad files of parameters": (bad_files_of_parameters, 30),
    "damaged records": (damaged_records, 60),
    "damaged data, descriptors, networks": (damaged_data, 80),
    "damaged runs": (damaged_runs, 10),
    "kills during writes": (kills, 40),
    "two at once": (two_at_once, 8),
    "full and read-only disks": (disks, 24),
    "no network": (no_network, 4),
    "dead schedulers": (dead_schedulers, 11),
    "wrong versions": (wrong_versions, 5),
    "conditions on records": (bad_conditions, 11),
}


def make_dataset(folder: Path) -> Path:
    """A small dataset in the embedded format."""
    rng = np.random.default_rng(1)
    path = folder / "local_energies" / "density-1.0.npz"
    embedded.write_local_shard(
        path,
        positions_mA=rng.integers(0, 6000, size=(4, 12, 3)).astype(np.uint16),
        cell_length_A=np.full(4, 6.0),
        local_energy_eV=rng.normal(-57, 1, size=(4, 12)).astype(np.float32),
        density_g_cm3=np.ones(4),
        anneal_temperature_K=np.full(4, 3000.0),
        temperature_K=np.full(4, 300.0),
        trajectory=np.repeat(np.arange(2), 2),
        time_ps=np.tile(np.arange(2.0), 2),
    )
    card = {"symbol": "C", "free_atom_energy_eV": -47.0, "sha256": {"local_energies/density-1.0.npz": sha256(path)}}
    (folder / "card.json").write_text(json.dumps(card))
    return folder


def main() -> int:
    """Provoke, count, print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--share", type=float, default=1.0, help="Part of each kind's faults, spread evenly.")
    parser.add_argument("--kind", action="append", choices=list(KINDS), help="Only these kinds.")
    arguments = parser.parse_args()
    if not 0 < arguments.share <= 1:
        raise ParameterError(f"Expected a share above 0 and at most 1, found {arguments.share}.")
    warnings.simplefilter("ignore")
    torch.set_num_threads(1)
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    memory = Path("/dev/shm")  # where waiting for the disk does not count
    base = tempfile.mkdtemp(prefix="faults-", dir=memory if os.access(memory, os.W_OK) else None)
    tempfile.tempdir = base
    Path(base).chmod(0o755)
    step = round(1 / arguments.share)
    total = bad = skipped = 0
    for kind in arguments.kind or KINDS:
        provoke, number = KINDS[kind]
        clock, count, failures = time.monotonic(), 0, 0
        environment = dict(os.environ)
        for index, (name, check) in enumerate(provoke(number)):
            if index % step:
                continue
            count += 1
            try:
                with contextlib.redirect_stdout(io.StringIO()):
                    check()
            except Skipped as reason:
                count -= 1
                skipped += 1
                print(f"  not provoked: {name}: {reason}")
            except Failed as error:
                failures += 1
                print(f"  HARM {kind}: {name}: {error}")
            except Exception as error:
                failures += 1
                where = traceback.extract_tb(error.__traceback__)[-1]
                print(f"  TRACEBACK {kind}: {name}: {error!r} at {where.filename}:{where.lineno}")
        os.environ.clear()
        os.environ.update(environment)
        print(f"{kind:38} {count:4} provoked, {failures:3} harmful, {time.monotonic() - clock:5.1f} s", flush=True)
        total, bad = total + count, bad + failures
    shutil.rmtree(base, ignore_errors=True)
    print(f"{total} faults provoked, {bad} did harm, {skipped} could not be provoked here.")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
