"""The book's source folder: hand-written pages, executed notebooks, and pages made from what was run."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import nbformat
import yaml

from synthetic_atoms.book import colab, offline, parameters, profiles, project, scaling
from synthetic_atoms.book.execute import PROVENANCE, Execution, source_notebook

EXECUTED_ONLY = ("injected-parameters",)
"""Tags of cells that papermill adds."""


def _insert_below_title(notebook: nbformat.NotebookNode, text: str) -> None:
    first = notebook.cells[0]
    title, _, rest = first.source.partition("\n")
    if first.cell_type != "markdown" or not title.startswith("# "):
        raise project.BookError("Expected every notebook to open with a title ('# ...'), found one that does not.")
    first.source = f"{title}\n\n{text}\n\n{rest.lstrip()}"


def banner(chapter: str, values: parameters.Common) -> str:
    """MyST Markdown saying how a page's parameters differ from the published ones; empty if they do not."""
    changed = profiles.differences(chapter, values)
    if not changed:
        return ""
    lines = [
        f"- `{name}` = `{parameters.as_yaml(value)}` (published: `{parameters.as_yaml(published)}`)"
        for name, (value, published) in changed.items()
    ]
    return (
        ":::{admonition} Not the published parameters\n:class: warning\n"
        f"This page was run with other parameters than the published book (profile `{values.profile}`):\n\n"
        + "\n".join(lines)
        + "\n:::"
    )


def _footer(chapter: str, execution: Execution) -> str:
    folder = f"../downloads/{chapter}"
    found = execution.provenance
    return (
        "## Run this page again\n\n"
        f"```bash\nsynthetic-atoms run {chapter} --profile {found['parameters']['profile']}\n```\n\n"
        f"This page took {found['seconds']:.0f} s and {found['peak_memory_MB'] / 1000:.1f} GB of memory "
        f"([details](../execution.md)); [](../parameters.md) lists what can be changed.\n\n"
        f"Download: {{download}}`notebook <{folder}/{chapter}.ipynb>` · "
        f"{{download}}`notebook with its results <{folder}/{chapter}-executed.ipynb>` · "
        f"{{download}}`all that it needs <{folder}/{chapter}{offline.SUFFIX}>` (notebook, library, data, lock file) · "
        f"{{download}}`what was run <{folder}/{chapter}-{PROVENANCE}>`"
    )


def stage_notebook(execution: Execution, source: Path) -> None:
    """Put an executed chapter into the book's source folder, with a banner if it needs one and a closing section.

    Raises
    ------
    BookError
        If another chapter has a figure or table of the same name.
    """
    chapter = execution.chapter
    values = parameters.validate(chapter, execution.provenance["parameters"])
    notebook = nbformat.read(execution.notebook, as_version=4)
    changed = banner(chapter, values)
    for cell in notebook.cells:
        if cell.cell_type == "markdown":
            cell.source = cell.source.replace("](../book/", "](../")
        tags = cell.metadata.setdefault("tags", [])
        if set(EXECUTED_ONLY) & set(tags):
            tags.append("hide-input" if changed else "remove-cell")
    if changed:
        _insert_below_title(notebook, changed)
    footer = nbformat.v4.new_markdown_cell(_footer(chapter, execution))
    footer["id"] = "run-again"
    notebook.cells.append(footer)
    folder = source / "notebooks"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / execution.notebook.name).write_text(nbformat.writes(notebook), encoding="utf-8")
    for kind in ("figures", "tables"):
        for path in sorted((execution.folder / kind).glob("*")):
            target = folder / kind / path.name
            if target.exists():
                raise project.BookError(
                    f"Expected names of {kind} to be unique in the book, found '{path.stem}' in chapter {chapter} "
                    "and in one before it."
                )
            target.parent.mkdir(exist_ok=True)
            shutil.copy2(path, target)
    if (execution.folder / "viewers").is_dir():
        shutil.copytree(execution.folder / "viewers", source / "_static" / "viewers", dirs_exist_ok=True)
    downloads = source / "downloads" / chapter
    downloads.mkdir(parents=True)
    colab.write_copy(source_notebook(chapter), downloads / f"{chapter}.ipynb")
    shutil.copy2(execution.notebook, downloads / f"{chapter}-executed.ipynb")
    shutil.copy2(execution.folder / PROVENANCE, downloads / f"{chapter}-{PROVENANCE}")
    offline.write(chapter, execution.provenance["parameters"], downloads / f"{chapter}{offline.SUFFIX}")


def _table(header: Sequence[str], rows: Iterable[Sequence[object]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(str(cell).replace("|", "\\|") for cell in line) + " |" for line in lines)


def parameters_page() -> str:
    """Page that lists every chapter's parameters, and what the profiles set them to."""
    parts = [
        "# Parameters\n\n"
        "Every chapter takes parameters. They are checked before anything runs: an unknown name, a wrong type or a "
        "value out of range ends the run in one sentence. `synthetic-atoms parameters CHAPTER` prints the same tables. "
        "[](how_to_rerun.md) tells how to set them."
    ]
    names = profiles.profile_names()
    for chapter in parameters.CHAPTERS:
        rows = parameters.table(chapter)
        described = _table(
            ["name", "type", "default", "allowed", "meaning"],
            [[f"`{r['name']}`", r["type"], f"`{r['default']}`", r["allowed"], r["meaning"]] for r in rows],
        )
        values = {name: profiles.resolve(chapter, name).model_dump() for name in names}
        set_by = _table(
            ["name", *names],
            [
                [f"`{row['name']}`", *(f"`{parameters.as_yaml(values[name][row['name']])}`" for name in names)]
                for row in rows
                if row["name"] != "profile"
            ],
        )
        parts.append(f"## {chapter}\n\n{described}\n\n**Values in the profiles**\n\n{set_by}")
    return "\n\n".join(parts) + "\n"


def execution_page(executions: Sequence[Execution]) -> str:
    """Page that says what was run: when, on what, how long, with which versions."""
    found = [execution.provenance for execution in executions]
    rows = [
        [
            f"[](notebooks/{p['chapter']}.ipynb)",
            p["parameters"]["profile"],
            p["started"].replace("T", " ").replace("+00:00", " UTC"),
            f"{p['seconds']:.1f}",
            p["peak_memory_MB"],
            f"`{p['commit'][:10]}`{' with changes' if p['uncommitted_changes'] else ''}" if p["commit"] else "unknown",
        ]
        for p in found
    ]
    machines = sorted({f"{p['platform']}, {p['cores']} cores, Python {p['python']}" for p in found})
    versions: dict[str, set[str]] = {}
    for p in found:
        for name, version in p["versions"].items():
            versions.setdefault(name, set()).add(version)
    return (
        "# Execution\n\n"
        "Each chapter is a notebook that papermill executed from its clean form. Memory is the largest amount that the "
        "notebook and its workers held together.\n\n"
        + _table(["chapter", "profile", "started", "seconds", "peak memory (MB)", "commit"], rows)
        + "\n\n## Machine\n\n"
        + "\n".join(f"- {machine}" for machine in machines)
        + "\n\n## Versions\n\n"
        + _table(["package", "version"], [[name, ", ".join(sorted(versions[name]))] for name in sorted(versions)])
        + "\n"
    )


def configuration(text: str) -> dict[str, Any]:
    """``_config.yml`` with what only the machine that builds the book knows.

    ``BOOK_REPOSITORY_URL`` (and ``BOOK_REPOSITORY_BRANCH``, ``BOOK_BINDERHUB_URL``, ``BOOK_COLAB_URL``) and
    ``BOOK_BASE_URL`` add the address of the repository, launch buttons and the address of the book; without them the
    book has none.
    """
    content = yaml.safe_load(text)
    html = content.setdefault("html", {})
    if address := os.environ.get("BOOK_REPOSITORY_URL"):
        content["repository"] = {"url": address, "branch": os.environ.get("BOOK_REPOSITORY_BRANCH", "main")}
        html |= {"use_repository_button": True, "use_issues_button": True}
        known = [name for name in ("gitlab", "bitbucket") if name in address]
        theme = content["sphinx"]["config"].setdefault("html_theme_options", {})
        theme["repository_provider"] = known[0] if known else "github"  # the theme refuses to guess from other hosts
        for key, variable in (("binderhub_url", "BOOK_BINDERHUB_URL"), ("colab_url", "BOOK_COLAB_URL")):
            if os.environ.get(variable):
                content.setdefault("launch_buttons", {})[key] = os.environ[variable]
    if base := os.environ.get("BOOK_BASE_URL"):
        html["baseurl"] = base
    return content


def stage(executions: Sequence[Execution], source: Path) -> None:
    """Make the book's source folder anew.

    Pages move from ``book/`` to the top of it; links between pages and notebooks that hold in the repository are
    changed to hold there too.

    Raises
    ------
    BookError
        If a file of the book is missing, or two chapters share the name of a figure or table.
    """
    root = project.root()
    if not (root / "book").is_dir():
        raise project.BookError(f"Expected the book's pages in {root / 'book'}, found no such folder.")
    shutil.rmtree(source, ignore_errors=True)
    shutil.copytree(root / "book", source)
    for page in source.glob("*.md"):
        text = page.read_text(encoding="utf-8")
        page.write_text(text.replace("../notebooks/", "notebooks/"), encoding="utf-8")
    content = configuration((root / "_config.yml").read_text(encoding="utf-8"))
    (source / "_config.yml").write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")
    shutil.copy2(root / "_toc.yml", source / "_toc.yml")
    card = root / "data" / "embedded" / "README.md"
    if card.is_file():
        shutil.copy2(card, source / "data_card.md")  # data.md includes it
    changes = root / "CHANGELOG.md"
    if changes.is_file():
        shutil.copy2(changes, source / "changelog_text.md")  # changelog.md includes it
    scaling.write(source)
    for execution in executions:
        stage_notebook(execution, source)
    (source / "parameters.md").write_text(parameters_page(), encoding="utf-8")
    (source / "execution.md").write_text(execution_page(executions), encoding="utf-8")
