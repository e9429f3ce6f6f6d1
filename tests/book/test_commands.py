"""The command line on a small project, errors provoked: one sentence and status 2, or a defect's traceback and 1."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time

import nbformat
import pandas as pd
import pytest
from typer.testing import CliRunner

from synthetic_atoms.book import cli, doctor, pairing, parameters, profiles
from synthetic_atoms.book.project import BookError
from synthetic_atoms.datasets import load_local_energies

pytestmark = pytest.mark.xdist_group("book")


def refused(done: subprocess.CompletedProcess, *words: str) -> str:
    """The one sentence that a command printed before it ended with status 2."""
    lines = [line for line in done.stderr.splitlines() if not line.startswith((*parameters.CHAPTERS, "book:"))]
    assert done.returncode == 2, done.stderr
    assert len(lines) == 1, done.stderr
    assert all(word in lines[0] for word in words), lines[0]
    assert "Traceback" not in done.stderr + done.stdout
    return lines[0]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("run", "03_learning_curves", "-p", "n_fold=3"), ("n_fold", "did you mean 'n_folds'")),
        (("run", "03_learning_curves", "-p", "n_folds=three"), ("an integer from 2 to 20", "found three")),
        (("run", "03_learning_curves", "-p", "n_folds"), ("name=value",)),
        (("run", "03_learning_curve",), ("did you mean '03_learning_curves'",)),
        (("run", "03_learning_curves", "--profile", "smok"), ("Unknown profile 'smok'", "'smoke'")),
        (("run", "03_learning_curves", "-f", "missing.yaml"), ("missing.yaml",)),
        (("run", "01_dataset", "-p", "dataset=nowhere"), ("'dataset'", "nowhere")),
        (("book", "--profile", "smok"), ("Unknown profile 'smok'",)),
        (("parameters", "1_dataset"), ("did you mean '01_dataset'",)),
    ],
)  # fmt: skip
def test_bad_input_ends_in_one_sentence(command, arguments, words, small_project):
    refused(command(*arguments), *words)
    assert not (small_project / "runs").exists()


def test_run_leaves_a_folder_that_tells_what_was_run(command, small_project):
    done = command("run", "01_dataset", "-p", "seed=7", "-p", "n_trajectories=2", "--output", "here")
    assert done.returncode == 0, done.stderr
    folder = small_project / "here"
    assert done.stdout.strip() == str(folder / "01_dataset.ipynb")
    provenance = json.loads((folder / "provenance.json").read_text())
    given = {"seed": 7, "n_trajectories": 2}
    assert provenance["parameters"] == profiles.resolve("01_dataset", "book", given).model_dump()
    assert provenance["values"] == {"answer": "92.5", "kind": "'sparse GPR'"}
    assert provenance["versions"]["numpy"]
    assert provenance["threads"] >= 1
    assert provenance["data"] == []  # this small chapter loads none
    assert provenance["seconds"] > 0
    assert provenance["peak_memory_MB"] > 10
    assert {path.name for path in (folder / "figures").iterdir()} == {"small.png", "small.svg", "small.csv"}
    assert (folder / "tables" / "small.csv").read_text() == "n,mae_meV\n100,162.25\n310,92.5\n1000,\n"
    notebook = nbformat.read(folder / "01_dataset.ipynb", as_version=4)
    nbformat.validate(notebook)
    assert "papermill" not in notebook.metadata
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 1  # what JupyterLab shows

    words = refused(command("run", "01_dataset", "--output", "here"), "Expected no folder", "--overwrite")
    assert str(folder) in words
    before = (folder / "01_dataset.ipynb").read_bytes()
    again = command("run", "01_dataset", "-p", "seed=7", "-p", "n_trajectories=2", "--output", "here", "--overwrite")
    assert again.returncode == 0, again.stderr
    assert (folder / "01_dataset.ipynb").read_bytes() == before  # nothing in it depends on the time or the place
    assert not [path.name for path in small_project.iterdir() if path.name.startswith(".here")]


def test_parameters_come_from_a_file_and_the_command_line(command, small_project):
    (small_project / "mine.yaml").write_text("sizes: [10, 1e2]\nn_folds: 3\n")
    done = command("run", "03_learning_curves", "-f", "mine.yaml", "-p", "n_folds=4")
    assert done.returncode == 0, done.stderr
    (folder,) = (small_project / "runs").iterdir()
    assert folder.name.startswith("03_learning_curves-book-")
    found = json.loads((folder / "provenance.json").read_text())["parameters"]
    assert (found["sizes"], found["n_folds"]) == ([10, 100], 4)
    assert (folder / "log.txt").read_text() == "a warning that belongs in the log\n"
    assert "03_learning_curves: a warning that belongs in the log" in done.stderr
    stored = nbformat.read(folder / "03_learning_curves.ipynb", as_version=4)
    assert not [o for cell in stored.cells for o in cell.get("outputs", []) if o.get("name") == "stderr"]


def test_dataset_is_a_path_as_seen_from_where_the_command_is_given(tmp_path, monkeypatch):
    (tmp_path / "mine").mkdir()
    monkeypatch.chdir(tmp_path)
    for given, passed in [
        ("mine", str(tmp_path / "mine")),
        ("paper:mine", f"paper:{tmp_path / 'mine'}"),
        ("embedded", "embedded"),
        ("paper", "paper"),
    ]:
        assert cli._absolute_dataset({"dataset": given}) == {"dataset": passed}


def test_our_error_in_a_notebook_is_its_sentence(command, replace_last_cell, small_project):
    code = "from synthetic_atoms.errors import DataError\nraise DataError('Expected a file at x, found none.')"
    replace_last_cell("03_learning_curves", code)
    done = command("run", "03_learning_curves", "-o", "here")
    assert refused(done) == "Expected a file at x, found none."
    assert sorted(path.name for path in small_project.iterdir() if "here" in path.name) == []


def test_our_rarer_errors_are_sentences_too(command, replace_last_cell):
    """Their classes are unknown to the command, which has not imported their modules."""
    code = "from synthetic_atoms.models.training import DivergedError\nraise DivergedError('Expected a, found b.')"
    replace_last_cell("03_learning_curves", code)
    assert refused(command("run", "03_learning_curves", "-o", "here")) == "Expected a, found b."


def test_two_runs_into_one_folder_do_not_meet(command, small_project):
    (small_project / f".here.running-{os.getpid()}").mkdir()  # a run by a living process
    refused(command("run", "03_learning_curves", "-o", "here"), "Expected no other run", str(os.getpid()))
    (small_project / f".here.running-{os.getpid()}").rename(small_project / ".here.running-999999999")
    done = command("run", "03_learning_curves", "-o", "here")
    assert done.returncode == 0, done.stderr
    assert [path.name for path in small_project.glob(".here*")] == []


def test_provenance_names_the_data_by_their_fingerprint(command, replace_last_cell, small_project):
    data = small_project / "cells.extxyz"
    line = "C 0.0 0.0 0.0 -57.0\n"
    properties = "Properties=species:S:1:pos:R:3:local_energy:R:1"
    data.write_text(f'1\nLattice="3 0 0 0 3 0 0 0 3" {properties} pbc="T T T"\n{line}')
    code = "from synthetic_atoms.datasets import load_local_energies\nfor _ in range(2): load_local_energies(p.dataset)"
    replace_last_cell("03_learning_curves", code)
    done = command("run", "03_learning_curves", "-o", "here", "-p", "dataset=cells.extxyz")
    assert done.returncode == 0, done.stderr
    found = json.loads((small_project / "here" / "provenance.json").read_text())["data"]
    own = load_local_energies(str(data))
    assert found == [{"dataset": str(data), "kind": "LocalEnergies", "fingerprint": own.fingerprint, "environments": 1}]
    assert not (small_project / "here" / ".data").exists()


def test_records_are_listed_filtered_and_exported(command, small_project):
    listed = command("records", "list")
    assert listed.returncode == 0, listed.stderr
    assert "sparse_gpr" in listed.stdout
    shown = command("records", "filter", "sparse_gpr", "n_train=100", "fold>=1", "--columns", "n_train,fold")
    assert shown.returncode == 0, shown.stderr
    assert {line.split()[0] for line in shown.stdout.splitlines()[1:] if line} == {"100"}
    for name in ("out.csv", "out.json"):
        assert command("records", "export", "sparse_gpr", "n_train<=310", "-o", name).returncode == 0
    table = pd.read_csv(small_project / "out.csv")
    assert set(table["n_train"]) == {100, 310}
    assert len(pd.read_json(small_project / "out.json")) == len(table)
    refused(command("records", "export", "sparse_gpr", "-o", "out.csv"), "--overwrite")
    for arguments, words in [
        (("sparse_gp",), "did you mean 'sparse_gpr'"),
        (("sparse_gpr", "n_trai=3"), "did you mean 'n_train'"),
        (("sparse_gpr", "n_train=many"), "a number to compare"),
        (("sparse_gpr", "estimator>a"), "which holds text"),
        (("sparse_gpr", "n_train"), "Expected a condition"),
    ]:
        refused(command("records", "export", *arguments), words)


def test_clean_removes_what_killed_runs_left_and_nothing_else(command, small_project, tmp_path):
    cache, user = tmp_path / "cache", tmp_path / "user"
    left = [cache / "checkpoints" / ".a.safetensors.x1.part", user / "records" / ".r.csv.x2.part"]
    kept = [cache / "checkpoints" / "a.safetensors", user / "records" / "r.csv", cache / "soap" / ".b.npy.x3.part"]
    for path in left + kept:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("x")
    for path in left:
        os.utime(path, (0, 0))  # the last of those kept is still being written
    for number, name in ((999999999, "dead"), (os.getpid(), "alive")):
        (small_project / f".{name}.running-{number}").mkdir()
    variables = {"SYNTHETIC_ATOMS_CACHE": str(cache), "SYNTHETIC_ATOMS_USER_DATA": str(user)}
    assert "would remove" in command("clean", "--dry-run", **variables).stdout
    assert all(path.exists() for path in left)
    done = command("clean", **variables)
    assert done.returncode == 0, done.stderr
    assert not any(path.exists() for path in left)
    assert all(path.exists() for path in kept)
    assert [path.name for path in small_project.glob(".*.running-*")] == [f".alive.running-{os.getpid()}"]
    command("clean", "--cache", **variables)
    assert list(cache.iterdir()) == []
    assert kept[1].exists()


def test_fetch_without_network_is_one_sentence(command, tmp_path):
    nowhere = {name: "http://127.0.0.1:9" for name in ("https_proxy", "HTTPS_PROXY")} | {"no_proxy": "", "NO_PROXY": ""}
    done = command("fetch", "C-GAP-17", SYNTHETIC_ATOMS_USER_DATA=str(tmp_path), **nowhere)
    refused(done, "Expected to download C-GAP-17.extxyz", "--file")
    refused(command("fetch", "C-GAP-71"), "did you mean 'C-GAP-17'")
    refused(command("fetch", "--file", "x"), "Expected the dataset's name")


def test_defect_in_a_notebook_shows_its_traceback(command, replace_last_cell, small_project):
    replace_last_cell("03_learning_curves", "1 / 0")
    done = command("run", "03_learning_curves", "-o", "here")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr
    assert "1 / 0" in done.stderr
    assert "papermill" not in done.stderr  # the notebook's traceback and none of ours
    assert not (small_project / "here").exists()
    assert (small_project / "here.failed" / "03_learning_curves.ipynb").is_file()


def test_killed_notebook_is_one_sentence(command, replace_last_cell):
    replace_last_cell("03_learning_curves", "import os\nos.kill(os.getpid(), 9)")
    refused(command("run", "03_learning_curves"), "killed", "memory")


def test_interrupt_ends_with_130_and_leaves_nothing(replace_last_cell, small_project):
    marker = small_project / "started"
    replace_last_cell("03_learning_curves", f"import time\nopen({str(marker)!r}, 'w').close()\ntime.sleep(600)")
    process = subprocess.Popen(
        [sys.executable, "-m", "synthetic_atoms", "run", "03_learning_curves", "-o", "here"],
        cwd=small_project,
        env={**os.environ, "SYNTHETIC_ATOMS_ROOT": str(small_project)},
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores it
    )
    deadline = time.monotonic() + 120
    while not marker.exists() and time.monotonic() < deadline:
        time.sleep(0.1)
    os.killpg(process.pid, signal.SIGINT)  # as a terminal does: to the command and to its notebook
    _, errors = process.communicate(timeout=120)
    assert process.returncode == 130, errors
    assert "Traceback" not in errors
    assert not [path.name for path in small_project.iterdir() if "here" in path.name]


def test_papermill_by_itself_refuses_unknown_parameters(small_project):
    """Someone who calls papermill directly gets the same check in the notebook's own first cell."""
    done = subprocess.run(
        [sys.executable, "-m", "papermill", "03_learning_curves.ipynb", "-", "-r", "n_fold", "x", "-k", "python3"],
        cwd=small_project / "notebooks",
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode != 0
    assert "did you mean 'n_folds'?" in done.stderr


def test_parameters_are_listed(command):
    done = command("parameters", "03_learning_curves")
    assert done.returncode == 0
    for row in parameters.table("03_learning_curves"):
        assert row["name"] in done.stdout
    assert json.loads(command("parameters", "01_dataset", "--json").stdout) == parameters.table("01_dataset")


def test_help_names_every_command(command):
    done = command("--help")
    assert done.returncode == 0
    assert "Exit status: 0 success; 1 a defect" in done.stdout
    for name in ("book", "run", "parameters", "pair", "generate", "fetch", "records", "audit", "clean", "doctor"):
        assert f" {name} " in done.stdout
        assert CliRunner().invoke(cli.app, [name, "--help"]).exit_code == 0
    unknown = command("nonsense")
    assert unknown.returncode == 2
    assert "No such command 'nonsense'" in unknown.stderr


def test_doctor_reports_what_is_missing(command, small_project):
    missing = [finding.name for finding in doctor.examine() if finding.needed and not finding.fine]
    assert missing == ["embedded data"]
    refused(command("doctor"), "embedded data")
    (small_project / "data" / "embedded").mkdir()
    (small_project / "data" / "embedded" / "card.json").write_text("{}")
    findings = doctor.examine()
    assert all(finding.fine for finding in findings if finding.needed)
    assert {"python", "numpy", "lammps", "chromium", "GPU"} <= {finding.name for finding in findings}


def test_pairs_agree_until_one_side_changes(small_project, command):
    pairing.check()
    source = small_project / "notebooks" / "01_dataset.py"
    source.write_text(source.read_text().replace("A small chapter", "A changed chapter"))
    with pytest.raises(BookError, match=r"01_dataset.ipynb has another cell 1; run 'make pair'"):
        pairing.check()
    refused(command("pair", "--check"), "01_dataset.ipynb has another cell 1")
    assert command("pair", "--write").stdout.strip().endswith("01_dataset.ipynb")
    pairing.check()
    assert pairing.write() == []


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda nb: nb.cells[1].update(execution_count=3), "outputs"),
        (lambda nb: nb.cells.pop(), "cells instead of"),
        (lambda nb: nb.cells[1].metadata.update(tags=[]), "another cell 2"),
        (lambda nb: nb.metadata.update(author="x"), "other metadata"),
    ],
)
def test_pair_differences_are_named(small_project, change, words):
    path = small_project / "notebooks" / "01_dataset.ipynb"
    notebook = nbformat.read(path, as_version=4)
    change(notebook)
    path.write_text(nbformat.writes(notebook))
    with pytest.raises(BookError, match=words):
        pairing.check()


@pytest.mark.parametrize("text", ["", "{", "[]"])
def test_unreadable_pair_is_named(small_project, text):
    (small_project / "notebooks" / "01_dataset.ipynb").write_text(text)
    with pytest.raises(BookError, match="01_dataset"):
        pairing.check()
    (small_project / "notebooks" / "01_dataset.ipynb").unlink()
    with pytest.raises(BookError, match="has not been made"):
        pairing.check()
    (small_project / "notebooks" / "03_learning_curves.py").unlink()
    with pytest.raises(BookError, match=r"found none beside 03_learning_curves.ipynb"):
        pairing.check()
