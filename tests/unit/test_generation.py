"""Datasets of one's own: what may be asked for, other drivers and labellers, and faults while they are made."""

from __future__ import annotations

import json
import os
import resource
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml
from ase import Atoms
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
from hypothesis import given, settings
from hypothesis import strategies as st

from synthetic_atoms.datasets import load_local_energies, load_total_energies
from synthetic_atoms.errors import DataError, MissingDependencyError, ParameterError, SyntheticAtomsError
from synthetic_atoms.synthesis import ase_dynamics, structures
from synthetic_atoms.synthesis.ase_dynamics import melt_quench_anneal_ase, random_positions
from synthetic_atoms.synthesis.dynamics import melt_quench_anneal
from synthetic_atoms.synthesis.method import CalculatorSpec
from synthetic_atoms.synthesis.options import make_plan, parse_range, read_plan
from synthetic_atoms.synthesis.pipeline import generate
from synthetic_atoms.synthesis.plan import Plan
from synthetic_atoms.synthesis.potentials import pair_style
from synthetic_atoms.synthesis.protocol import PAPER_PROTOCOL, Protocol
from synthetic_atoms.synthesis.reuse import restore
from synthetic_atoms.synthesis.structures import make_all
from synthetic_atoms.synthesis.teacher import GapSettings

EMT_NAME = "ase.calculators.emt:EMT"
BRIEF = {"melt_ps": 0.02, "quench_ps": 0.02, "anneal_ps": 0.02, "cool_ps": 0.02, "relax_ps": 0.01}
ASKED = {
    "densities_g_cm3": [1.5, 2.05],
    "anneal_temperatures_K": [2000, 3000],
    "cells": 3,
    "snapshots": 2,
    "atoms_per_cell": 6,
    "atoms_per_frame": 8,
    "protocol": BRIEF,
    "cell_protocol": BRIEF,
    "qm": EMT_NAME,
    "labeller": EMT_NAME,
}


def asked(work: Path, **changes) -> Plan:
    """A plan of two densities and two temperatures, without a GAP: a second or two to carry out."""
    return make_plan(ASKED | changes, work)[0]


def contents(folder: Path) -> dict[str, bytes]:
    """Every file below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> tuple[Path, Plan]:
    """A dataset made without interruption, and its plan."""
    plan = asked(tmp_path_factory.mktemp("work"))
    output = tmp_path_factory.mktemp("data") / "whole"
    assert generate(output, plan, workers=0) == []
    return output, plan


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ({"cell": 12}, "plan.yaml; did you mean 'cells'?"),
        ({"protocol": {"melt_p": 1}}, "'protocol'; did you mean 'melt_ps'?"),
        ({"protocol": {"melt_ps": 0}}, "'melt_ps' to be at least 0.001"),
        ({"teacher": {"n_sparse": 3}}, "in 'teacher'; did you mean 'n_sparse"),
        ({"cells": "many"}, "an integer as 'cells', found 'many'"),
        ({"cells": 10.5}, "an integer as 'cells', found 10.5"),
        ({"densities_g_cm3": ["dense"]}, "a number as 'densities_g_cm3', found 'dense'"),
        ({"densities_g_cm3": [50]}, "densities from"),
        ({"element": "Xx"}, "symbol of an element, such as C or Si, found 'Xx'"),
        ({"element": False}, "in quotes"),
        ({"element": "Si"}, "a driver for Si"),
        ({"qm": "tblite"}, "module:callable, found 'tblite'"),
        ({"qm": {"calculators": "a:b"}}, "did you mean 'calculator'"),
        ({"qm": {"calculator": EMT_NAME, "arguments": [1]}}, "arguments of 'qm' by name"),
        ({"driver": {"pair_coeff": "* *"}}, "'pair_style' in 'driver'"),
        ({"driver": {"pair_style": "lj/cut 3", "units": "si"}}, "'metal' or 'real', found 'si'"),
        ({"driver": EMT_NAME, "relaxer": {"pair_style": "lj/cut 3"}}, "relaxer of the driver's kind"),
        ({"labeller": EMT_NAME, "teacher": {"zeta": 2}}, "either a labeller or settings of the teacher"),
        ([1], "map names to values"),
    ],
)  # fmt: skip
def test_a_wrong_plan_is_one_sentence(values, words, tmp_path):
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(values))
    with pytest.raises(ParameterError) as caught:
        make_plan(read_plan(tmp_path / "plan.yaml"))
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)


def test_an_empty_plan_is_the_embedded_one(tmp_path):
    (tmp_path / "plan.yaml").write_text("")
    assert make_plan(read_plan(tmp_path / "plan.yaml"))[0] == Plan()
    with pytest.raises(ParameterError, match=r"a plan in YAML at .*none\.yaml"):
        read_plan(tmp_path / "none.yaml")


def test_ranges_hold_both_ends():
    assert parse_range("1.0:3.5:0.1", "densities") == list(Plan().densities_g_cm3)
    assert parse_range("2000,3e3", "temperatures") == [2000, 3000]
    for text in ("1:2", "1:2:0", "2:1:0.1", "a:b:c", "1:2:0.3"):
        with pytest.raises(ParameterError, match="FROM:TO:STEP"):
            parse_range(text, "densities")


def test_other_methods_have_other_folders(tmp_path):
    (tmp_path / "own.tersoff").write_text("one")
    own = {"pair_style": "tersoff", "pair_coeff": f"* * {tmp_path}/own.tersoff C"}
    plans = [
        Plan(work=tmp_path),
        *(
            make_plan(changes, tmp_path)[0]
            for changes in (
                {"driver": {"pair_style": "airebo 3.0", "pair_coeff": "* * CH.airebo C"}},
                {"driver": EMT_NAME},
                {"driver": {"calculator": EMT_NAME, "arguments": {"asap_cutoff": True}}},
                {"qm": EMT_NAME},
                {"relaxer": None},
                {"driver": own},
            )
        ),
    ]
    (tmp_path / "own.tersoff").write_text("other parameters")
    plans.append(make_plan({"driver": own}, tmp_path)[0])
    assert len({plan.folder for plan in plans}) == len(plans)
    assert all(plan.folder == make_plan({}, tmp_path)[0].folder for plan in plans[:1])
    # Trajectories and cells do not depend on who labels them; their labels are kept apart by the labeller.
    assert make_plan({"labeller": EMT_NAME}, tmp_path)[0].folder == plans[0].folder


def test_close_densities_do_not_share_a_file(tmp_path):
    names = [unit.path.name for unit in asked(tmp_path, densities_g_cm3=[1.1, 1.05, 1.14]).trajectory_units()]
    assert len(set(names)) == 6
    assert {"density-1.1-T-2000.npz", "density-1.05-T-2000.npz"} < set(names)


@settings(max_examples=20, deadline=None)
@given(seed=st.integers(0, 1000), n_atoms=st.integers(1, 30))
def test_random_positions_keep_their_distance(seed, n_atoms):
    positions = random_positions(n_atoms, 8.0, 1.5, np.random.default_rng(seed))
    distances = Atoms(f"C{n_atoms}", positions, cell=[8] * 3, pbc=True).get_all_distances(mic=True)
    assert (distances[~np.eye(n_atoms, dtype=bool)] >= 1.5).all()
    assert ((positions >= 0) & (positions < 8)).all()


def with_ase(**changes):
    """A tiny trajectory of copper."""
    options = {
        "n_atoms": 4,
        "density_g_cm3": 8.0,
        "anneal_temperature_K": 2000.0,
        "snapshot_steps": np.array([10, 33]),
        "seed": 3,
        "driver": CalculatorSpec.of(EMT_NAME),
        "protocol": Protocol(**BRIEF),
        "symbol": "Cu",
    }
    return melt_quench_anneal_ase(**(options | changes))


def test_an_ase_driver_repeats_and_a_later_snapshot_changes_nothing(monkeypatch):
    monkeypatch.setattr(ase_dynamics, "_START_STEPS", 20)
    first, alone = with_ase(), with_ase(snapshot_steps=np.array([10]))
    np.testing.assert_array_equal(first.positions_mA[0], alone.positions_mA[0])
    np.testing.assert_allclose(first.time_ps, [0.01, 0.033])
    assert first.temperature_K[1] == pytest.approx(9000 - 8700 * 13 / 20)
    assert first.cell_length_A == pytest.approx((4 * 63.546 / 8.0 / 0.602214076) ** (1 / 3), abs=1e-3)
    relaxed = with_ase(relaxer=CalculatorSpec.of(EMT_NAME))
    assert np.abs(relaxed.positions_mA.astype(int) - first.positions_mA).max() > 0
    with pytest.raises(SyntheticAtomsError, match=r"4 random atoms to fit|expected \d+ random"):
        with_ase(density_g_cm3=900.0)


class Free(Calculator):
    """An ideal gas."""

    implemented_properties = ("energy", "forces")

    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        """No energy, no forces."""
        self.results = {"energy": 0.0, "forces": np.zeros((len(atoms), 3))}


def test_an_ase_driver_follows_the_protocols_temperatures():
    # An ideal gas: its kinetic temperature is the thermostat's, whatever the forces.
    protocol = Protocol(melt_ps=0.6, quench_ps=0.5, anneal_ps=0.6, cool_ps=0.01)
    rng = np.random.default_rng(1)
    atoms = Atoms("C400", rng.uniform(0, 100, (400, 3)), cell=[100] * 3, pbc=True)
    atoms.calc = Free()
    ase_dynamics.thermalise(atoms, 2000.0, rng)
    states = ase_dynamics._run_stages(atoms, protocol, 3000.0, [600, 1700], rng)
    for (_, momenta), expected in zip(states, (9000, 3000), strict=True):
        atoms.set_momenta(momenta)
        assert atoms.get_temperature() == pytest.approx(expected, rel=0.12)  # 1200 degrees of freedom: 4 % noise


def test_real_units_give_what_metal_units_give():
    # Atoms without forces move as velocities, thermostats and time steps say, once in ps and once in fs.
    driven = [
        melt_quench_anneal(
            n_atoms=8, density_g_cm3=1.0, anneal_temperature_K=3000.0, snapshot_steps=np.array([5, 75]), seed=1,
            protocol=Protocol(**BRIEF), driver=style, relaxer=style,
        )
        for style in (pair_style("lj/cut 4.0", ["* * 0.0 2.0"], units=units) for units in ("metal", "real"))
    ]  # fmt: skip
    difference = np.abs(driven[0].positions_mA.astype(int) - driven[1].positions_mA)
    edge = round(1000 * driven[0].cell_length_A)
    assert np.minimum(difference, edge - difference).max() <= 2


def test_a_calculator_labels_the_stored_positions(finished):
    output, _ = finished
    data, cells = load_local_energies(str(output)), load_total_energies(str(output))
    assert (data.n_frames, cells.n_frames) == (8, 3)
    for frame in (0, 5):
        atoms = data.atoms(frame)
        atoms.calc = EMT()
        np.testing.assert_allclose(data.local_energy_eV[data.frame == frame], atoms.get_potential_energies(), rtol=1e-6)
    atoms = cells.atoms(1)
    atoms.calc = EMT()
    assert cells.total_energy_eV[1] == pytest.approx(atoms.get_potential_energy())
    card = json.loads((output / "card.json").read_text())
    assert card["method"]["labeller"] == f"{EMT_NAME}()"
    assert card["missing"] == {"cells": 0, "trajectories": 0}
    assert not (output / "teacher.tar.xz").exists()
    readme = (output / "README.md").read_text()
    assert EMT_NAME in readme
    assert "GAP" not in readme


def test_damaged_files_are_made_again(finished, tmp_path, capsys):
    output, plan = finished
    before = contents(plan.folder)
    victims = [path for path in sorted(plan.folder.rglob("*.npz")) if path.parent.name != "cells"][::3]
    victims += sorted((plan.folder / "cells").iterdir())[:1]
    for number, path in enumerate(victims):
        path.write_bytes(path.read_bytes()[: 100 * number])
    assert generate(tmp_path / "again", plan, workers=0) == []
    said = capsys.readouterr().err
    assert all(path.name in said for path in victims)
    assert said.count("Making a damaged file again") == len(victims)
    assert contents(plan.folder) == before
    assert contents(tmp_path / "again") == contents(output)


def refuse(unit):
    raise AssertionError(f"{unit.name} was made again")


def test_a_dataset_is_enlarged_from_its_own_files(finished, tmp_path, monkeypatch):
    """Without the first one's work folder: what is there is taken, byte by byte, and only the rest is made."""
    output, _ = finished
    grown = tmp_path / "grown"
    shutil.copytree(output, grown)
    plan = asked(tmp_path / "work", cells=5)
    make_cell, made = structures._cell, []
    monkeypatch.setattr(structures, "_trajectory", refuse)
    monkeypatch.setattr(structures, "_cell", lambda unit: made.append(unit.number) or make_cell(unit))
    assert generate(grown, plan, workers=0) == []
    assert made == [3, 4]
    monkeypatch.undo()
    assert generate(tmp_path / "anew", asked(tmp_path / "other", cells=5), workers=0) == []
    assert contents(grown) == contents(tmp_path / "anew")
    assert contents(plan.folder) == contents(asked(tmp_path / "other", cells=5).folder)


def test_what_a_damaged_or_another_dataset_holds_is_made_again(finished, tmp_path, capsys):
    output, _ = finished
    damaged = tmp_path / "damaged"
    shutil.copytree(output, damaged)
    shard = sorted((damaged / "local_energies").iterdir())[0]
    shard.write_bytes(shard.read_bytes()[:-100])
    assert restore(asked(tmp_path / "work"), damaged, GapSettings()) == 3 + 2
    said = capsys.readouterr().err
    assert shard.name in said
    assert "Making again" in said
    assert generate(damaged, asked(tmp_path / "work"), workers=0) == []
    assert contents(damaged) == contents(output)
    for other in (asked(tmp_path / "a", seed=1), asked(tmp_path / "b", snapshots=3), asked(tmp_path / "c", qm=None)):
        assert restore(other, output, GapSettings()) == 0
    (damaged / "card.json").write_text("{")
    assert restore(asked(tmp_path / "d"), damaged, GapSettings()) == 0
    assert restore(asked(tmp_path / "d"), tmp_path / "none", GapSettings()) == 0


def test_a_full_disk_is_one_sentence_and_loses_nothing(finished, tmp_path):
    output, _ = finished
    plan = asked(tmp_path / "work")
    first = list(plan.cell_units())[:2]
    assert make_all(first, workers=0) == []
    kept = {unit.path: unit.path.stat().st_mtime_ns for unit in first}
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        with pytest.raises(DataError, match=r"Could not write .*cells/00002\.npz.*room left") as caught:
            generate(tmp_path / "out", plan, workers=0)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "\n" not in str(caught.value)
    assert sorted(path for path in plan.folder.rglob("*") if path.is_file()) == sorted(kept)
    assert generate(tmp_path / "out", plan, workers=0) == []
    assert kept == {path: path.stat().st_mtime_ns for path in kept}
    assert contents(tmp_path / "out") == contents(output)


FICKLE = """
import os
from ase.calculators.calculator import Calculator
from ase.calculators.emt import EMT
class Fickle(EMT):
    def calculate(self, atoms=None, properties=("energy",), system_changes=()):
        if os.path.exists(os.environ["FICKLE"]) and atoms.cell[0, 0] < 4.5:
            raise RuntimeError("not today")
        super().calculate(atoms, properties, system_changes)
def without_energies():
    calculator = EMT()
    calculator.implemented_properties = ["energy", "forces"]
    return calculator
def nothing():
    return 3
class Endless(EMT):
    def calculate(self, *arguments):
        super().calculate(*arguments)
        self.results["energies"] = self.results["energies"] * float("nan")
"""


@pytest.fixture
def fickle(tmp_path, monkeypatch) -> Path:
    """A module of calculators with faults, and the file whose presence makes one of them fail."""
    (tmp_path / "fickle_calculators.py").write_text(FICKLE)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("FICKLE", str(tmp_path / "fail"))
    yield tmp_path / "fail"
    sys.modules.pop("fickle_calculators", None)


def test_failed_units_are_left_out_and_tried_again(fickle, tmp_path, capsys):
    plan = asked(tmp_path / "work", labeller="fickle_calculators:Fickle")
    fickle.write_text("")
    failures = generate(tmp_path / "out", plan, workers=0)
    assert len(failures) == 5
    assert "not today" in str(failures[0])
    card = json.loads((tmp_path / "out" / "card.json").read_text())
    assert card["missing"] == {"cells": 3, "trajectories": 2}
    assert "lacks 3 cells and 2 trajectories" in capsys.readouterr().err
    assert load_local_energies(str(tmp_path / "out")).n_frames == 4
    fickle.unlink()
    assert generate(tmp_path / "out", plan, workers=0) == []
    assert load_local_energies(str(tmp_path / "out")).n_frames == 8
    assert load_total_energies(str(tmp_path / "out")).n_frames == 3


@pytest.mark.parametrize(
    ("labeller", "error", "words"),
    [
        ("fickle_calculators:without_energies", ParameterError, "gives 'energies'"),
        ("fickle_calculators:nothing", ParameterError, "to give an ASE calculator, found int"),
        ("fickle_calculators:Absent", ParameterError, "Expected 'Absent' in fickle_calculators"),
        ("absent_package.part:Any", MissingDependencyError, "needs the module 'absent_package.part'"),
        ({"calculator": "fickle_calculators:nothing", "arguments": {"kind": 1}}, ParameterError, "nothing(kind=1)"),
        ("fickle_calculators:Endless", DataError, "at least one labelled trajectory"),
    ],
)  # fmt: skip
def test_a_labeller_that_cannot_be_is_one_sentence(labeller, error, words, fickle, tmp_path, capsys):
    with pytest.raises(error) as caught:
        generate(tmp_path / "out", asked(tmp_path / "work", labeller=labeller), workers=0)
    assert words in str(caught.value)
    assert "\n" not in str(caught.value)
    assert not list(tmp_path.rglob("card.json"))
    assert ("not finite" in capsys.readouterr().err) == ("Endless" in str(labeller))


def test_a_pair_style_that_lammps_refuses_is_one_sentence(tmp_path):
    plan = asked(tmp_path, driver={"pair_style": "tersoff", "pair_coeff": "* * absent.tersoff C"})
    with pytest.raises(ParameterError, match=r"Expected LAMMPS to take .*absent\.tersoff") as caught:
        generate(tmp_path / "out", plan, workers=0)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("module", ["lammps", "tblite.ase", "quippy.potential"])
def test_a_missing_package_is_found_before_anything_is_made(module, monkeypatch, tmp_path):
    monkeypatch.setitem(sys.modules, module, None)  # what Python itself does with an import that is not to be
    with pytest.raises(MissingDependencyError, match="the 'synthesis' extra"):
        generate(tmp_path / "out", Plan(work=tmp_path / "work"), workers=0)
    assert not (tmp_path / "work").exists()


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(DataError, match=r"empty folder or an earlier dataset at .*'thesis\.tex'"):
        generate(tmp_path, asked(tmp_path / "work"), workers=0)


def command(*arguments: str, folder: Path, **options) -> subprocess.Popen:
    """``synthetic-atoms generate`` in a process group of its own."""
    start = [sys.executable, "-m", "synthetic_atoms", "generate", *arguments]
    return subprocess.Popen(
        start, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | options,
    )  # fmt: skip


def test_two_runs_at_once_agree(finished, tmp_path):
    output, _ = finished
    (tmp_path / "plan.yaml").write_text(yaml.safe_dump(ASKED))
    common = ("--plan", "plan.yaml", "--work", "work", "--workers", "0", "--output")
    runs = [command(*common, name, folder=tmp_path) for name in ("first", "second")]
    for run in runs:
        _, said = run.communicate(timeout=120)
        assert run.returncode == 0, said
    assert contents(tmp_path / "first") == contents(tmp_path / "second") == contents(output)


def test_the_command_line_refuses_in_one_sentence(tmp_path):
    (tmp_path / "plan.yaml").write_text("cels: 12\n")
    run = command("--plan", "plan.yaml", "--output", "out", folder=tmp_path)
    said = run.communicate(timeout=60)[1]
    assert run.returncode == 2
    assert said == "Unknown key 'cels' in the plan plan.yaml; did you mean 'cells'?\n"


def test_defaults_shown_in_the_help_are_the_plans():
    from synthetic_atoms.book import generation

    help_of = {name: hint.__metadata__[0].help for name, hint in _hints(generation.generate).items()}
    for name in ("cells", "crystals", "snapshots", "atoms_per_cell", "atoms_per_frame", "seed", "trajectories"):
        assert help_of[name].endswith(f"Default: {getattr(Plan(), name)}."), name
    assert str(PAPER_PROTOCOL.anneal_ps).removesuffix(".0") in help_of["protocol"]


def _hints(function) -> dict:
    from typing import get_type_hints

    return {name: hint for name, hint in get_type_hints(function, include_extras=True).items() if name != "return"}
