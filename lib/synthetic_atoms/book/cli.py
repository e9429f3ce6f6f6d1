"""The command ``synthetic-atoms``."""

from __future__ import annotations

import hashlib
import json
import secrets
import sys
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

import typer

from synthetic_atoms.book import cleaning, generation, parameters, profiles, project, record_commands
from synthetic_atoms.errors import ParameterError, SyntheticAtomsError, suggest
from synthetic_atoms.paths import is_own

app = typer.Typer(
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="Synthetic Atoms: run the book's chapters again, with other parameters, and build the book.",
    epilog="Exit status: 0 success; 1 a defect (its traceback is shown); 2 bad input, or something missing on this "
    "machine, in one sentence; 130 interrupted. Shell completion: synthetic-atoms --install-completion.",
)
app.add_typer(record_commands.app, name="records")
app.command()(cleaning.clean)

ProfileOption = Annotated[
    str,
    typer.Option("--profile", envvar="PROFILE", help="Set of parameters: a file in notebooks/profiles, without .yaml."),
]
SchedulerOption = Annotated[
    str | None,
    typer.Option(
        "--scheduler",
        metavar="ADDRESS|FILE.yaml",
        help="Fit on the workers of this Dask scheduler (tcp://host:8786), or on jobs of a queue described in YAML.",
    ),
]


def _known(names: Iterable[str]) -> Callable[[str], list[str]]:
    """Completion in the shell: the names that begin with what has been typed."""
    return lambda incomplete: [name for name in names if name.startswith(incomplete)]


ChapterArgument = Annotated[
    str,
    typer.Argument(
        help="Chapter: " + ", ".join(parameters.CHAPTERS),
        autocompletion=_known(parameters.CHAPTERS),
        show_default=False,
    ),
]


@app.command()
def book(
    profile: ProfileOption = profiles.PUBLISHED_PROFILE,
    compute: Annotated[
        bool, typer.Option("--compute", help="Compute results that the store lacks; this can take hours.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Execute chapters even if nothing has changed.")] = False,
    jobs: Annotated[
        int | None, typer.Option("--jobs", "-j", min=1, help="Chapters at a time; default: as cores and memory allow.")
    ] = None,
    scheduler: SchedulerOption = None,
) -> None:
    """Execute every chapter and render the book into _build/book/html."""
    from synthetic_atoms.book.build import build
    from synthetic_atoms.clusters import fits_on

    with fits_on(scheduler):
        typer.echo(build(profile, compute=compute, fresh=fresh, jobs=jobs))


def _absolute_dataset(values: dict[str, Any]) -> dict[str, Any]:
    """The dataset's path as seen from here, since the notebook runs in another folder."""
    dataset = values.get("dataset")
    if not isinstance(dataset, str) or is_own(dataset) or dataset in ("paper", ""):
        return values
    prefix = "paper:" if dataset.startswith("paper:") else ""
    path = Path(dataset.removeprefix(prefix)).expanduser().resolve()
    if not path.exists():
        raise ParameterError(
            "Expected 'dataset' to be embedded, embedded-all, embedded-pod, paper or a path that exists, found "
            f"{dataset}."
        )
    return values | {"dataset": f"{prefix}{path}"}


def run_folder(chapter: str, values: parameters.Common) -> Path:
    """Folder of a run that was given no name: the same parameters have the same one."""
    text = values.model_dump_json(exclude={"profile"})
    return Path("runs") / f"{chapter}-{values.profile}-{hashlib.sha256(text.encode()).hexdigest()[:8]}"


@app.command()
def run(
    chapter: ChapterArgument,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--parameter", "-p", metavar="NAME=VALUE", help="A parameter, its value in YAML; repeatable."),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option(
            "--parameters", "--parameters-file", "-f", help="YAML file with parameters by name; -p goes first."
        ),
    ] = None,
    profile: ProfileOption = profiles.PUBLISHED_PROFILE,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder for the results; default: runs/CHAPTER-PROFILE-HASH.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the folder if it exists.")] = False,
    scheduler: SchedulerOption = None,
) -> None:
    """Execute one chapter into a folder: notebook, figures, tables, log and provenance.json."""
    from synthetic_atoms.book.execute import execute
    from synthetic_atoms.clusters import fits_on

    values = profiles.parameters_file(file) if file is not None else {}
    values |= profiles.parse_assignments(assignments or [])
    chosen = profiles.resolve(chapter, profile, _absolute_dataset(values))
    folder = (output or run_folder(chapter, chosen)).resolve()
    with fits_on(scheduler):
        typer.echo(execute(chapter, chosen, folder, overwrite=overwrite).notebook)


@app.command("parameters")
def show_parameters(
    chapter: ChapterArgument,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """List a chapter's parameters: name, type, default, allowed values, meaning."""
    rows = parameters.table(chapter)
    if as_json:
        typer.echo(json.dumps(rows, indent=2))
        return
    from rich.console import Console
    from rich.table import Table

    shown = Table(title=chapter, title_justify="left", show_lines=True)
    for column in rows[0]:
        shown.add_column(column, overflow="fold", no_wrap=column == "name")
    for row in rows:
        shown.add_row(*row.values())
    Console().print(shown)


@app.command()
def pair(
    write: Annotated[
        bool, typer.Option("--write/--check", help="Make each .ipynb from its .py, or only compare them.")
    ] = False,
) -> None:
    """Compare the two forms of every notebook (.py and .ipynb), or make the .ipynb from the .py."""
    from synthetic_atoms.book import pairing

    if write:
        for path in pairing.write():
            typer.echo(f"wrote {path}")
    else:
        pairing.check()
        typer.echo(f"{len(pairing.names())} pairs agree")


app.command(help=generation.HELP)(generation.generate)


@app.command()
def relabel(
    dataset: Annotated[str, typer.Argument(help="embedded-pod: a POD potential fitted to the embedded cells.")],
) -> None:
    """Make the labels of another potential for the embedded structures again."""
    from synthetic_atoms.synthesis.relabelling import relabel as make

    typer.echo(f"The labels are in {make(dataset)}.")


@app.command()
def fetch(
    dataset: Annotated[
        str | None, typer.Argument(help="C-SYNTH-23M or C-GAP-17; default: both, several GB.", show_default=False)
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder; default: where dataset=paper finds the data.")
    ] = None,
    file: Annotated[Path | None, typer.Option(help="The file itself, if it has been downloaded already.")] = None,
) -> None:
    """Download the authors' data, check them by hash and unpack them for dataset=paper."""
    from synthetic_atoms.datasets import fetch as fetching

    if dataset is not None and dataset not in fetching.FILES:
        raise ParameterError(f"Unknown dataset {dataset!r}{suggest(dataset, list(fetching.FILES))}")
    if file is not None and dataset is None:
        raise ParameterError(f"Expected the dataset's name with --file, found none of {', '.join(fetching.FILES)}.")
    for name in [dataset] if dataset else fetching.FILES:
        typer.echo(f"{name} is in {fetching.fetch(name, output, file)}.")


@app.command("job-script")
def show_job_script(
    file: Annotated[Path, typer.Argument(help="YAML file that describes a queue: see --scheduler.")],
) -> None:
    """Print the script of one job that --scheduler FILE.yaml would give to the queue."""
    from synthetic_atoms.clusters import job_script

    typer.echo(job_script(file))


@app.command()
def audit(
    seconds: Annotated[
        float, typer.Option(help="Time budget: what the chosen records took when they were made.")
    ] = 120,
    seed: Annotated[int | None, typer.Option(help="Chooses the records; by default another choice every time.")] = None,
    workers: Annotated[int, typer.Option(help="Local processes.")] = 1,
) -> None:
    """Refit randomly chosen stored results and fail if one does not come out again."""
    from synthetic_atoms.experiments.audit import audit as refit

    seed = seed if seed is not None else secrets.randbelow(2**31)
    findings, coverage = refit(seconds, seed, workers)
    for finding in findings:
        typer.echo(str(finding))
    typer.echo(
        f"{len(findings)} of {coverage.total} records refitted (seed {seed}), chosen among {coverage.affordable} that "
        f"cost less than {seconds:g} s each; {coverage.possible - coverage.affordable} cost more, "
        f"{coverage.total - coverage.possible} were made with a program or a GPU that is not here."
    )
    if not findings:
        raise SyntheticAtomsError(
            f"Expected at least one of {coverage.total} records to be one that can be refitted here, found none: each "
            "needs a program or a GPU that is not here."
        )
    drifted = [finding for finding in findings if not finding.fine]
    if drifted:
        raise SyntheticAtomsError(
            f"Expected every refitted record to come out again, found {len(drifted)} of {len(findings)} that did not; "
            f"the first: {drifted[0]}."
        )


@app.command()
def artefact(
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the archive goes (.tar.gz).")] = Path(
        "_build/synthetic-atoms.tar.gz"
    ),
    check: Annotated[Path | None, typer.Option("--verify", help="Check this archive instead of making one.")] = None,
    against: Annotated[
        Path | None, typer.Option(help="With --verify: compare sources and results with those of this archive too.")
    ] = None,
    tolerance: Annotated[float, typer.Option(help="Relative difference up to which two results are the same.")] = 0.0,
) -> None:
    """Pack sources, book and executed notebooks into one archive with checksums and an RO-Crate, or check one."""
    from synthetic_atoms.book import artefact as archive
    from synthetic_atoms.book import comparison

    if against is not None and check is None:
        raise ParameterError("Expected --verify ARCHIVE together with --against, found none.")
    if check is not None and against is not None:
        found = comparison.compare(check, against, tolerance)
        for text in found.differences:
            typer.echo(text)
        typer.echo(
            f"{found.sources} source files, {found.values} values and {found.tables} tables compared: "
            f"{len(found.differences)} differ."
        )
        if found.differences:
            raise typer.Exit(1)
        return
    if check is not None:
        typer.echo(f"{archive.verify(check)} files in {check} are as they were packed.")
        return
    output.parent.mkdir(parents=True, exist_ok=True)
    typer.echo(f"{archive.build(output)}  {output}")


@app.command()
def pdf(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Where it goes, by default beside the built book.")
    ] = None,
) -> None:
    """Print the built book into one PDF, with Chromium."""
    from synthetic_atoms.book import artefact as archive
    from synthetic_atoms.book import pdf as printing
    from synthetic_atoms.book import project

    root, book = project.root(), project.build_directory() / "book"
    output = output or book / archive.PDF
    sheets = printing.write(book / "html", root / "_toc.yml", output, project.commit_time(root))
    typer.echo(f"{sheets} pages  {output}")


@app.command(name="fine-tune")
def fine_tune(
    structures: Annotated[Path, typer.Argument(help="Structures with total energies, in a file that ASE reads.")],
    output: Annotated[Path, typer.Option("--output", "-o", help="Where the network goes (.safetensors).")],
    start: Annotated[Path | None, typer.Option(help="The network to start from; by default the shipped one.")] = None,
    soap: Annotated[str, typer.Option(help="Descriptor setting that it was trained with.")] = "tuned",
    folds: Annotated[int, typer.Option(help="Folds of the cross-validation.")] = 5,
    seed: Annotated[int, typer.Option(help="Seeds folds and training.")] = 0,
) -> None:
    """Fine-tune a pre-trained network on your own few total energies; prints its error and saves it."""
    from synthetic_atoms.experiments import own_cells
    from synthetic_atoms.models.neural_network import NeuralNetwork

    if output.exists():
        raise SyntheticAtomsError(f"Expected a new file as output, found that {output} exists already.")
    cells = own_cells.read_cells(structures)
    network = NeuralNetwork.load(start or own_cells.shipped_network())
    model, report = own_cells.fine_tune(cells, network, soap=soap, n_folds=folds, seed=seed)
    model.save(output)
    typer.echo(str(report))
    typer.echo(f"Saved in {output}; NetworkCalculator('{output}') is an ASE calculator.")


@app.command()
def verdicts(
    write: Annotated[bool, typer.Option("--write", help="Acknowledge the verdicts as they are now.")] = False,
) -> None:
    """Judge every claim of the paper by the stored records; fails if a verdict has changed and is not acknowledged."""
    from synthetic_atoms import claims

    table = claims.ledger()
    for row in table.itertuples():
        typer.echo(f"{row.verdict:15} {row.id:22} {row.ours}")
    if write:
        claims.write_verdicts(table)
    found, known = dict(zip(table["id"], table["verdict"], strict=True)), claims.recorded_verdicts()
    changed = sorted(name for name in found.keys() | known.keys() if found.get(name) != known.get(name))
    if changed:
        raise SyntheticAtomsError(
            f"Expected the acknowledged verdict of '{changed[0]}', '{known.get(changed[0], 'none')}', found "
            f"'{found.get(changed[0], 'none')}': run it with --write and name the change in CHANGELOG.md."
        )
    typer.echo(f"Acknowledged. CHANGELOG.md must name {claims.verdict_digest(known)}.")


@app.command()
def doctor() -> None:
    """Say what this machine has and lacks; fails if the book cannot be built here."""
    from synthetic_atoms.book.doctor import examine

    findings = examine()
    for finding in findings:
        typer.echo(f"{'ok     ' if finding.fine else 'MISSING' if finding.needed else 'absent '} {finding.text}")
    missing = [finding.name for finding in findings if finding.needed and not finding.fine]
    if missing:
        raise project.BookError(
            f"Expected this machine to have all that the book needs, found no {', '.join(missing)}."
        )


def main() -> None:
    """Entry point: an expected failure is one sentence and status 2, a defect in a notebook its traceback and 1."""
    try:
        app()
    except SyntheticAtomsError as error:
        typer.echo(str(error), err=True)
        sys.exit(2)
    except KeyboardInterrupt:
        typer.echo("Interrupted.", err=True)
        sys.exit(130)
    except MemoryError:
        typer.echo("Expected enough memory, found none left.", err=True)
        sys.exit(2)
    except Exception as error:
        if type(error).__name__ != "NotebookDefect":  # by name: its module is slow to import
            raise
        typer.echo(str(error), err=True)
        sys.exit(1)
