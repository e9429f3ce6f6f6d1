"""The real notebooks: their form, their parameters, and a whole run of each in the smoke profile."""

from __future__ import annotations

import ast
import fcntl
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest
import yaml

from synthetic_atoms.book import display, pairing, parameters, profiles, project

ROOT = Path(__file__).resolve().parents[2]


def code_cells(chapter: str) -> list[nbformat.NotebookNode]:
    notebook = nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", as_version=4)
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def test_pairs_agree():
    pairing.check()


def test_chapters_are_the_notebooks_and_all_are_in_the_contents():
    assert pairing.names() == sorted(parameters.CHAPTERS)
    listed = yaml.safe_load((ROOT / "_toc.yml").read_text())
    files = [chapter["file"] for part in listed["parts"] for chapter in part["chapters"]]
    assert [name for name in files if name.startswith("notebooks/")] == [f"notebooks/{n}" for n in parameters.CHAPTERS]


@pytest.mark.parametrize("chapter", parameters.CHAPTERS)
def test_defaults_in_the_notebook_are_those_of_the_schema(chapter):
    first = code_cells(chapter)[0]
    assert first.metadata.tags == ["parameters"]
    found = {node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(first.source).body}
    assert found == parameters.CHAPTERS[chapter]().model_dump()


@pytest.mark.parametrize("chapter", parameters.CHAPTERS)
def test_notebook_validates_its_parameters_in_its_second_cell(chapter):
    second = code_cells(chapter)[1].source
    assert f'p = parameters.validate_notebook("{chapter}", globals())' in second
    assert all("parameters" not in cell.metadata.get("tags", []) for cell in code_cells(chapter)[1:])


@pytest.mark.parametrize("chapter", parameters.CHAPTERS)
def test_links_lead_to_files_and_have_words_which_jupyterlab_does_not_fill_in(chapter):
    notebook = nbformat.read(ROOT / "notebooks" / f"{chapter}.ipynb", as_version=4)
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    links = re.findall(r"\[([^\]]*)\]\(([^)\s]+)\)", text)
    assert all(words.strip() for words, _ in links), links
    local = [target.split("#")[0] for _, target in links if "//" not in target]
    assert all((ROOT / "notebooks" / target).exists() for target in local), local


@pytest.fixture(scope="module", params=list(parameters.CHAPTERS))
def executed(request, testrun_uid) -> Path:
    """Folder of a chapter that was executed in the smoke profile, once for all processes of the tests."""
    chapter = request.param
    folder = project.build_directory() / "executed" / "smoke" / chapter  # where 'make book' finds it unchanged
    note = project.build_directory() / "tests" / f"{chapter}.ran"
    note.parent.mkdir(parents=True, exist_ok=True)
    with note.open("a+") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        stream.seek(0)
        if stream.read() != testrun_uid or not (folder / "provenance.json").is_file():
            execute(chapter, folder)
            stream.truncate(0)
            stream.write(testrun_uid)
    return folder


def execute(chapter: str, folder: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "synthetic_atoms", "run", chapter, "--profile", "smoke", "-o", folder, "--overwrite"],
        cwd=ROOT,
        env={**os.environ, "OMP_NUM_THREADS": "2"},
        capture_output=True,
        text=True,
        timeout=1200,
    )
    assert done.returncode == 0, done.stderr


@pytest.mark.xdist_group("notebooks")
class TestSmokeRun:
    """What every executed chapter has."""

    def test_it_ran_with_the_smoke_parameters(self, executed):
        provenance = json.loads((executed / "provenance.json").read_text())
        assert provenance["parameters"] == profiles.resolve(executed.name, "smoke").model_dump()
        assert provenance["values"]

    def test_it_warns_of_nothing(self, executed):
        log = executed / "log.txt"
        assert "Warning" not in (log.read_text() if log.exists() else "")

    def test_every_figure_and_table_has_its_files_a_caption_and_alt_text_with_values(self, executed):
        notebook = nbformat.read(executed / f"{executed.name}.ipynb", as_version=4)
        bundles = [output.get("data", {}) for cell in notebook.cells for output in cell.get("outputs", [])]
        shown = [b[kind] for b in bundles for kind in (display.FIGURE_MIME, display.TABLE_MIME) if kind in b]
        assert shown
        for content in shown:
            assert content["caption"].rstrip().endswith((".", ")"))
            for name in content["files"]:
                assert (executed / name).stat().st_size > 0
            if "alt" in content:
                assert any(character.isdigit() for character in content["alt"])
                assert "nan" not in content["alt"].split()
        assert not any("image/png" in bundle and display.FIGURE_MIME not in bundle for bundle in bundles)
