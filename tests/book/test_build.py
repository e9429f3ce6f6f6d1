"""From the small project's notebooks to rendered pages, and what makes a build fail."""

from __future__ import annotations

import re
import shutil
from html.parser import HTMLParser
from pathlib import Path

import pytest
import yaml
from small_book import run_command

from synthetic_atoms.book import build, execute, parameters, profiles, project, staging

pytestmark = pytest.mark.xdist_group("book")


class Page(HTMLParser):
    """Text, elements and targets of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes):
        self.elements.append((tag, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def find(self, tag: str, **wanted: str) -> list[dict[str, str | None]]:
        """Attributes of the elements of a kind that have the given classes or other attributes."""
        return [
            found
            for name, found in self.elements
            if name == tag and all(value in (found.get(key.rstrip("_")) or "") for key, value in wanted.items())
        ]


@pytest.fixture(scope="module")
def html(built_project: Path) -> Path:
    """The rendered pages."""
    return built_project / "_build" / "book" / "html"


@pytest.fixture(scope="module")
def chapter(html: Path) -> Page:
    """The page with a figure, a table and equations."""
    return Page(html / "notebooks" / "01_dataset.html")


def test_glued_numbers_are_formatted_on_their_page_and_on_another(chapter, html):
    assert "In short: 92.50 meV" in chapter.text
    assert "is used with sparse GPR." in chapter.text
    assert "The front page shows 92.5 meV" in Page(html / "index.html").text


def test_figure_is_numbered_described_and_downloadable(chapter, html):
    assert len(chapter.find("figure", id="fig-small", class_="sa-figure")) == 1
    (image,) = chapter.find("img", src="small.png")
    assert image["alt"] == 'A line "falls": from 162 meV at 100 to 92 meV at 310'
    assert (html / "notebooks" / image["src"]).read_bytes().startswith(b"\x89PNG")
    assert re.search(r"Figure 1\s+Errors fall as", chapter.text)
    links = [found["href"] for found in chapter.find("a", class_="download")]
    suffixes = [link.rpartition(".")[2] for link in links]
    assert suffixes == ["png", "svg", "csv", "csv", "ipynb", "ipynb", "zip", "json"]
    assert all((html / "notebooks" / link).is_file() for link in links)
    assert (html / "notebooks" / links[2]).read_text().startswith("n,mae_meV\n100,162.25\n")


def test_references_across_pages_carry_the_number(html):
    other = Page(html / "notebooks" / "03_learning_curves.html")
    assert "See Figure 1 of the chapter before" in other.text
    assert other.find("a", href="01_dataset.html#fig-small")
    assert other.find("a", href="../data.html")


def test_table_is_numbered_and_formatted(chapter):
    assert len(chapter.find("table", id="tab-small", class_="sa-table")) == 1
    assert re.search(r"Table 1\s+The same numbers in meV, rounded", chapter.text)
    for text in ("MAE | meV", "162.2", "92.5", "1,000", "\N{EN DASH}"):
        assert text in chapter.text


def test_equations_are_mathml_without_any_script(chapter):
    assert len(chapter.find("math")) >= 4
    assert chapter.find("math", display="block")
    assert not [found for found in chapter.find("script") if "mathjax" in str(found).lower()]
    assert "Equation (1) is used" in chapter.text


def test_pages_need_nothing_from_elsewhere(html):
    for path in html.rglob("*.html"):
        page = Page(path)
        for tag, attribute in (("script", "src"), ("img", "src"), ("link", "href")):
            for found in page.find(tag):
                assert not (found.get(attribute) or "").startswith(("http:", "https:", "//")), (path, found)


def test_banner_says_what_differs_from_the_published(chapter, built_project):
    assert "Not the published parameters" in chapter.text
    assert "n_trajectories = 6 (published: null)" in chapter.text
    assert "profile smoke" in chapter.text
    published = profiles.resolve("01_dataset", "book", {})
    assert staging.banner("01_dataset", published) == ""


def test_standard_error_stays_in_the_log(html):
    page = Page(html / "notebooks" / "03_learning_curves.html")
    assert "largest size 310" in page.text
    assert "a warning that belongs in the log" not in page.text.partition("Run this page again")[0].replace(
        'print("a warning that belongs in the log"', ""
    )


def test_parameters_page_lists_all(html):
    text = Page(html / "parameters.html").text
    for chapter in parameters.CHAPTERS:
        for row in parameters.table(chapter):
            assert row["name"] in text
            assert row["meaning"].replace("`", "").split("'")[0] in text


def test_execution_page_tells_time_and_versions(html):
    text = Page(html / "execution.html").text
    assert re.search(r"A small chapter\s+smoke\s+\d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC\s+\d+\.\d\s+\d+", text)
    assert re.search(r"papermill\s+2\.", text)


def test_unchanged_chapters_are_not_run_again(built_project, tmp_path):
    root = tmp_path / "copy"
    shutil.copytree(built_project, root)
    done = run_command(root, "book", "--profile", "smoke", BOOK_REPOSITORY_URL="https://example.org/some/book")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("unchanged") == len(parameters.CHAPTERS)
    assert Page(root / "_build" / "book" / "html" / "index.html").find("a", href="https://example.org/some/book")


def test_compute_is_asked_of_chapters_that_know_it():
    chosen = dict(build.chapter_parameters("book", compute=True))
    assert chosen["03_learning_curves"].compute
    assert not dict(build.chapter_parameters("book"))["03_learning_curves"].compute
    assert staging.banner("03_learning_curves", chosen["03_learning_curves"]) == ""


def test_digest_covers_all_that_a_run_depends_on(small_project):
    chapter, values = "01_dataset", parameters.validate("01_dataset", {})
    digests = {execute.inputs_digest(chapter, values)}
    assert digests == {execute.inputs_digest(chapter, values)}
    digests.add(execute.inputs_digest(chapter, parameters.validate(chapter, {"seed": 1})))
    for name in ("notebooks/01_dataset.ipynb", "lib/synthetic_atoms/new.py", "data/new/file.csv", "requirements.lock"):
        path = small_project / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes((path.read_bytes() if path.exists() else b"") + b" ")
        digests.add(execute.inputs_digest(chapter, values))
    assert len(digests) == 6
    (small_project / "notebooks" / "03_learning_curves.ipynb").write_text("another chapter")
    assert execute.inputs_digest(chapter, values) in digests
    assert execute.inputs_digest(chapter, parameters.validate(chapter, {"dataset": "/some/folder"})) is None


def test_a_structure_of_ones_own_is_read_at_every_run():
    chapter = "06_structure_maps"
    assert execute.inputs_digest(chapter, parameters.validate(chapter, {"structure": "graphene-edge"})) is not None
    assert execute.inputs_digest(chapter, parameters.validate(chapter, {"structure": "mine.extxyz"})) is None


FAULTS = {
    "[a page](nowhere.md)": "nowhere.md",
    "{numref}`fig-nowhere`": "fig-nowhere",
    "{cite}`nobody1999`": "nobody1999",
    r"$\nonsense{x}$": r"Unknown LaTeX command",
    "{glue:text}`../notebooks/01_dataset.ipynb::nothing:.1f`": "'nothing' not found",
}
"""What a page must not contain, and what the log says about it."""


def test_a_page_with_errors_fails_the_build_and_leaves_the_last_one(built_project, tmp_path):
    source, html = tmp_path / "book" / "source", tmp_path / "book" / "html"
    shutil.copytree(built_project / "_build" / "book" / "source", source)
    with (source / "data.md").open("a") as stream:
        stream.write("\n" + "\n\n".join(fault.replace("../notebooks", "notebooks") for fault in FAULTS) + "\n")
    html.mkdir()
    (html / "index.html").write_text("the last book")
    with pytest.raises(
        project.BookError, match=rf"found {len(FAULTS)}, the first of them 'data.md:\d+: WARNING"
    ) as caught:
        build.render(source, html)
    assert "\n" not in str(caught.value)
    log = (tmp_path / "book" / "build.log").read_text()
    assert all(message in log for message in FAULTS.values())
    assert (html / "index.html").read_text() == "the last book"


def test_figures_of_the_same_name_are_refused(built_project, tmp_path, monkeypatch):
    monkeypatch.setenv("SYNTHETIC_ATOMS_ROOT", str(built_project))
    folder = built_project / "_build" / "executed" / "smoke" / "01_dataset"
    execution = execute.Execution("01_dataset", folder, execute.read_provenance(folder))
    staging.stage_notebook(execution, tmp_path)
    with pytest.raises(project.BookError, match="unique in the book, found 'small'"):
        staging.stage_notebook(execution, tmp_path)


def test_configuration_has_no_address_unless_it_is_told(monkeypatch):
    text = (Path(__file__).resolve().parents[2] / "_config.yml").read_text()
    for name in ("BOOK_REPOSITORY_URL", "BOOK_BASE_URL", "BOOK_BINDERHUB_URL", "BOOK_COLAB_URL"):
        monkeypatch.delenv(name, raising=False)
    assert staging.configuration(text) == yaml.safe_load(text)
    monkeypatch.setenv("BOOK_REPOSITORY_URL", "https://example.org/book")
    monkeypatch.setenv("BOOK_BINDERHUB_URL", "https://binder.example.org")
    found = staging.configuration(text)
    assert found["repository"] == {"url": "https://example.org/book", "branch": "main"}
    assert found["launch_buttons"]["binderhub_url"] == "https://binder.example.org"
    assert found["html"]["use_repository_button"]
