"""``synthetic-atoms records``: what the stores of results hold."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from synthetic_atoms.errors import ParameterError, suggest
from synthetic_atoms.files import atomic_write

app = typer.Typer(
    no_args_is_help=True,
    help="List, filter and export the stored results: one row for each fit.\n\n"
    "Results on the book's own data lie in data/records; those on any other data in a folder of the user's own, "
    "which --own reads ($SYNTHETIC_ATOMS_USER_DATA/records).",
)

NameArgument = Annotated[str, typer.Argument(help="Store: see 'records list'.")]
ConditionArgument = Annotated[
    list[str] | None,
    typer.Argument(metavar="[CONDITION]...", help="Such as model=NN or 'n_train>=1000'; all must hold."),
]
OwnOption = Annotated[bool, typer.Option("--own", help="The results on one's own data.")]


@app.command("list")
def list_stores() -> None:
    """Say which stores there are, how many records each holds, and where."""
    from synthetic_atoms.experiments import stores

    for own in (False, True):
        for name in stores.present(own=own):
            store = stores.open_store(name, own=own)
            typer.echo(f"{name:18} {len(store.read()):6}  {store.path}")


@app.command("filter")
def show(
    name: NameArgument,
    conditions: ConditionArgument = None,
    columns: Annotated[
        str | None, typer.Option(help="Names of the columns shown, with commas between them; default: all.")
    ] = None,
    own: OwnOption = False,
) -> None:
    """Print the records that meet some conditions, as a table."""
    from synthetic_atoms.experiments import stores

    found = stores.filtered(stores.open_store(name, own=own).read(), conditions or [])
    if columns is not None:
        wanted = [column.strip() for column in columns.split(",") if column.strip()]
        unknown = [column for column in wanted if column not in found]
        if unknown:
            raise ParameterError(f"Unknown column {unknown[0]!r}{suggest(unknown[0], list(found.columns))}")
        found = found[wanted]
    typer.echo(found.to_string(index=False, max_colwidth=40) if len(found) else "")
    typer.echo(f"{len(found)} records.", err=True)


@app.command()
def export(
    name: NameArgument,
    conditions: ConditionArgument = None,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File (.csv or .json); default: CSV to standard output.")
    ] = None,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace the file if it exists.")] = False,
    own: OwnOption = False,
) -> None:
    """Write the records that meet some conditions as CSV or JSON."""
    from synthetic_atoms.experiments import stores

    if output is not None and output.suffix not in (".csv", ".json"):
        raise ParameterError(f"Expected a file ending in .csv or .json, found {output}.")
    if output is not None and output.exists() and not overwrite:
        raise ParameterError(f"Expected no file at {output}, found one; replace it with --overwrite.")
    found = stores.filtered(stores.open_store(name, own=own).read(), conditions or [])
    if output is None:
        found.to_csv(sys.stdout, index=False, lineterminator="\n")
        return
    with atomic_write(output, "w") as stream:
        if output.suffix == ".json":
            found.to_json(stream, orient="records", indent=1)
        else:
            found.to_csv(stream, index=False, lineterminator="\n")
    typer.echo(f"{len(found)} records are in {output}.")
