"""The two kinds of data and their sources: what is written is read back, and every fault ends in one sentence."""

from __future__ import annotations

import copy
import json
import tempfile
from dataclasses import replace
from pathlib import Path

import ase.io
import numpy as np
import pytest
from ase.geometry import get_distances
from hypothesis import given, settings
from hypothesis import strategies as st

from synthetic_atoms.datasets import (
    LocalEnergies,
    TotalEnergies,
    concatenate,
    embedded,
    folder,
    iter_local_energies,
    load_local_energies,
    load_total_energies,
)
from synthetic_atoms.datasets.collector import wrap
from synthetic_atoms.datasets.sampling import Sampling
from synthetic_atoms.errors import DataError, ParameterError
from synthetic_atoms.files import sha256
from synthetic_atoms.interfaces import Environments

NAN = float("nan")
PER_FRAME = ("density_g_cm3", "anneal_temperature_K", "temperature_K", "time_ps")


def make_local(sizes=(3, 1, 2, 4), trajectory=(7, 7, 2, 2), seed=0, **changes) -> LocalEnergies:
    """Small frames of different sizes in triclinic cells, at a density that their headers may state."""
    rng = np.random.default_rng(seed)
    n, frames = sum(sizes), len(sizes)
    cells = np.eye(3) * 3.0 + rng.uniform(-0.3, 0.3, (frames, 3, 3))
    frame = np.repeat(np.arange(frames), sizes)
    masses = 12.011 / 0.602214076 * np.array(sizes)
    content = {
        "positions_A": np.einsum("ni,nij->nj", rng.uniform(0, 1, (n, 3)), cells[frame]),
        "frame": frame,
        "cells_A": cells,
        "trajectory": np.array(trajectory),
        "density_g_cm3": masses / np.abs(np.linalg.det(cells)),
        "anneal_temperature_K": rng.uniform(2000, 4000, frames),
        "temperature_K": np.full(frames, NAN),
        "time_ps": np.arange(frames) * 1.5,
        "symbol": "C",
        "free_atom_energy_eV": -48.5,
        "name": "test",
        "local_energy_eV": rng.normal(-57, 1, n),
    }
    return LocalEnergies(**(content | changes))


def make_total(seed=0, **changes) -> TotalEnergies:
    """Total energies of the same frames."""
    local, rng = make_local(seed=seed), np.random.default_rng(seed)
    names = ("positions_A", "frame", "cells_A", *PER_FRAME, "symbol", "free_atom_energy_eV")
    content = {name: getattr(local, name) for name in names}
    content |= {"trajectory": np.array([3, 1, 0, 7])}
    content |= {"total_energy_eV": rng.normal(-200, 1, 4), "forces_eV_A": rng.normal(size=(10, 3))}
    return TotalEnergies(**(content | changes))


def assert_same(a, b) -> None:
    """Equal content, bit by bit."""
    assert type(a) is type(b)
    for name in ("frame", *a._per_environment, *a._per_frame):
        x, y = getattr(a, name), getattr(b, name)
        assert (x is None) == (y is None)
        if x is not None:
            np.testing.assert_array_equal(x, y, strict=True)
    assert (a.symbol, a.fingerprint) == (b.symbol, b.fingerprint)


def sentence(error: pytest.ExceptionInfo) -> str:
    """The message, which must be one line that ends like a sentence."""
    message = str(error.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


# ---------------------------------------------------------------------------------------------------- containers


def test_frames_and_their_atoms():
    data = make_local()
    assert isinstance(data, Environments)
    assert (data.n_frames, data.n_environments) == (4, 10)
    assert data.offsets.tolist() == [0, 3, 4, 6, 10]
    assert repr(data) == "LocalEnergies(test: 10 C atoms in 4 frames of 2 trajectories)"
    atoms = data.atoms(2)
    assert atoms.pbc.all()
    assert atoms.get_chemical_symbols() == ["C", "C"]
    np.testing.assert_array_equal(atoms.positions, data.positions_A[4:6])
    np.testing.assert_array_equal(atoms.cell.array, data.cells_A[2])
    np.testing.assert_array_equal(atoms.arrays["local_energy"], data.local_energy_eV[4:6])
    assert atoms.info["run_id"] == 2
    assert atoms.info["time"] == 3.0
    assert "temperature" not in atoms.info  # unknown
    np.testing.assert_array_equal(data.atoms(-1).positions, data.atoms(3).positions)
    with pytest.raises(ParameterError, match="Expected a frame below 4, found 4"):
        data.atoms(4)
    cells = make_total()
    assert cells.atoms(1).get_potential_energy() == cells.total_energy_eV[1]
    np.testing.assert_array_equal(cells.atoms(1).get_forces(), cells.forces_eV_A[3:4])


def test_arrays_are_read_only():
    data = make_local()
    with pytest.raises(ValueError, match="read-only"):
        data.local_energy_eV[0] = 0.0
    mine = np.zeros(10)
    replace(data, local_energy_eV=mine)
    mine[0] = 1.0  # what was handed in stays as it was


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"frame": np.array([0, 0, 0, 2, 2, 2, 3, 3, 3, 3])}, "without gaps"),
        ({"frame": np.array([0, 0, 0, 1, 2, 1, 2, 3, 3, 3])}, "out of order"),
        ({"frame": np.array([0, 0, 0, 1, 2, 2, 2, 2, 2, 2])}, "to the last of 4 frames"),
        ({"local_energy_eV": np.array([NAN] + [0.0] * 9)}, "finite numbers in 'local_energy_eV'"),
        ({"positions_A": np.full((10, 3), np.inf)}, "finite numbers in 'positions_A'"),
        ({"density_g_cm3": np.full(4, NAN)}, "finite numbers in 'density_g_cm3'"),
        ({"symbol": "Xy"}, "chemical symbol for test, found 'Xy'"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes, expected):
    with pytest.raises(DataError, match=expected) as error:
        make_local(**changes)
    sentence(error)


@pytest.mark.parametrize(("name", "rows"), [("time_ps", 4), ("local_energy_eV", 10)])
def test_lengths_are_checked_without_type_checks(name, rows):
    """The type checks that the tests switch on would refuse these before ``__init__``."""
    data = copy.copy(make_local())
    object.__setattr__(data, name, np.zeros(3))
    with pytest.raises(DataError, match=f"Expected {rows} rows of '{name}' in test, found 3"):
        data.__post_init__()


@settings(max_examples=50, deadline=None)
@given(data=st.data())
def test_selection_is_frame_by_frame(data):
    sizes = data.draw(st.lists(st.integers(1, 4), min_size=1, max_size=8))
    frames = len(sizes)
    trajectory = data.draw(st.lists(st.integers(-3, 3), min_size=frames, max_size=frames))
    whole = make_local(sizes, trajectory)
    chosen = data.draw(st.lists(st.integers(0, frames - 1), min_size=1, max_size=10))
    some = whole.select_frames(chosen)
    assert some.trajectory.tolist() == [trajectory[i] for i in chosen]
    for new, old in enumerate(chosen):
        np.testing.assert_array_equal(some.atoms(new).positions, whole.atoms(old).positions)
        np.testing.assert_array_equal(some.atoms(new).arrays["local_energy"], whole.atoms(old).arrays["local_energy"])
    mask = np.isin(np.arange(frames), chosen)
    assert_same(whole.select_frames(mask), whole.select_frames(np.flatnonzero(mask)))
    assert_same(whole.select_trajectories([trajectory[0]]), whole.select_frames(np.array(trajectory) == trajectory[0]))
    cut = data.draw(st.integers(0, frames))
    parts = [whole.select_frames(part) for part in (range(cut), range(cut, frames)) if len(part)]
    assert_same(concatenate(parts), whole)


def test_selections_that_cannot_be_made():
    data = make_local()
    for which, expected in [
        ([4], "from 0 to 3, found 4 to 4"),
        ([-1, 2], "found -1 to 2"),
        ([], "at least one frame"),
        (np.zeros(4, dtype=bool), "at least one frame"),
        (np.ones(5, dtype=bool), "mask of 4 frames, found one of shape"),
    ]:
        with pytest.raises(ParameterError, match=expected) as error:
            data.select_frames(which)
        sentence(error)
    with pytest.raises(ParameterError, match="found 3, which is not"):
        data.select_trajectories([2, 3])


def test_parts_must_fit():
    data = make_local()
    for other in (replace(data, symbol="Si"), replace(data, free_atom_energy_eV=NAN)):
        with pytest.raises(DataError, match=r"in test, found C with -48\.5 eV and"):
            concatenate([data, other])
    with pytest.raises(DataError, match="found none"):
        concatenate([])
    unknown = replace(data, free_atom_energy_eV=NAN)
    assert concatenate([unknown, unknown]).n_frames == 8
    assert concatenate([make_total(), make_total(local_energy_eV=np.zeros(10))]).local_energy_eV is None


def test_fingerprint_follows_the_content_only():
    data = make_local()
    assert data.fingerprint == make_local().fingerprint
    assert data.fingerprint == replace(data, name="other", trajectory_names=("a", "b")).fingerprint
    assert len(data.fingerprint) == 64
    changed = {"symbol": "Si", "free_atom_energy_eV": -48.4, "frame": np.repeat(np.arange(4), (4, 1, 2, 3))}
    for name in (*data._per_environment, *data._per_frame):
        array = np.array(getattr(data, name))
        array.flat[-1] = 5 if name in ("trajectory", "temperature_K") else np.nextafter(array.flat[-1], 9e9)
        changed[name] = array
    fingerprints = {replace(data, **{name: value}).fingerprint for name, value in changed.items()}
    assert len(fingerprints | {data.fingerprint}) == len(changed) + 1
    zeros = data.positions_A * 0.0
    assert replace(data, positions_A=zeros).fingerprint == replace(data, positions_A=-zeros).fingerprint
    assert make_total().fingerprint != make_total(local_energy_eV=np.zeros(10)).fingerprint


# ------------------------------------------------------------------------------------------------------ sampling


@settings(max_examples=100, deadline=None)
@given(
    keys=st.lists(st.integers(0, 4), min_size=1, max_size=60),
    every=st.integers(1, 4),
    count=st.none() | st.integers(1, 3),
    seed=st.integers(0, 2**32),
)
def test_frames_of_each_trajectory(keys, every, count, seed):
    sampling = Sampling(frames_per_trajectory=count, every=every, seed=seed)
    kept = {key: [i for i, k in enumerate(keys) if k == key][::every] for key in set(keys)}
    shortest = min(map(len, kept.values()))
    if count is not None and count > shortest:
        with pytest.raises(ParameterError, match=f"at most .* found {count}"):
            sampling.choose_frames(keys)
        return
    chosen = sampling.choose_frames(keys)
    assert (np.diff(chosen) > 0).all()
    for key, frames in kept.items():
        mine = [i for i in chosen.tolist() if keys[i] == key]
        assert set(mine) <= set(frames)
        assert mine[-1] == frames[-1]  # the final one is always there
        assert len(mine) == (len(frames) if count is None else count)
        alone = sampling.choose_frames([key] * keys.count(key))
        everywhere = np.flatnonzero(np.array(keys) == key)
        assert everywhere[alone].tolist() == mine  # whatever other trajectories there are


def test_trajectories_are_drawn_evenly_and_repeatably():
    keys = [f"t{i % 10}" for i in range(40)]
    drawn = [Sampling(n_trajectories=3, seed=seed).choose_trajectories(keys) for seed in range(400)]
    assert drawn[5] == Sampling(n_trajectories=3, seed=5).choose_trajectories(keys)
    assert all(names == sorted(set(names)) and len(names) == 3 for names in drawn)
    counts = np.unique([name for names in drawn for name in names], return_counts=True)[1]
    assert len(counts) == 10
    assert np.abs(counts - 120).max() < 40  # 120 expected, standard deviation 9
    with pytest.raises(ParameterError, match="at most 10, the number there is, found 11"):
        Sampling(n_trajectories=11).choose_trajectories(keys)


@pytest.mark.parametrize("wrong", [{"every": 0}, {"n_trajectories": 0}, {"frames_per_trajectory": -1}, {"seed": -1}])
def test_numbers_out_of_range(wrong):
    with pytest.raises(ParameterError, match=f"'{next(iter(wrong))}' to be a whole number from") as error:
        load_local_energies("embedded", **wrong)
    sentence(error)


# ------------------------------------------------------------------------------------------------------ embedded


def shard(density=1.0, trajectories=(0, 1, 2), frames=4, atoms=6, seed=0) -> dict[str, np.ndarray]:
    """Arrays of one shard."""
    rng = np.random.default_rng([seed, int(10 * density)])
    n, edge = frames * len(trajectories), round((atoms * 19.9447 / density) ** (1 / 3), 3)
    return {
        "positions_mA": rng.integers(0, int(1000 * edge), (n, atoms, 3)).astype(np.uint16),
        "cell_length_A": np.float64(edge),
        "local_energy_eV": rng.normal(-57, 1, (n, atoms)).astype(np.float32),
        "density_g_cm3": np.full(n, density),
        "anneal_temperature_K": np.repeat(2000.0 + 100 * np.array(trajectories), frames),
        "temperature_K": rng.uniform(300, 9000, n),
        "trajectory": np.repeat(np.array(trajectories, dtype=np.int32), frames),
        "time_ps": np.tile(np.linspace(1, 160, frames), len(trajectories)),
    }


def cells(n=5, atoms=4, seed=0, local=True) -> dict[str, np.ndarray]:
    """Arrays of total_energies.npz."""
    rng = np.random.default_rng(seed)
    edges = np.round(rng.uniform(3.0, 4.0, n), 3)
    arrays = {
        "positions_mA": rng.integers(0, 3000, (n, atoms, 3)).astype(np.uint16),
        "cell_length_A": edges,
        "total_energy_eV": rng.normal(-200, 1, n),
        "forces_eV_A": rng.normal(size=(n, atoms, 3)).astype(np.float32),
        "density_g_cm3": atoms * 19.9447 / edges**3,
        "anneal_temperature_K": np.full(n, 3000.0),
        "temperature_K": np.full(n, 300.0),
        "trajectory": np.arange(n, dtype=np.int32),
        "time_ps": np.full(n, NAN),
    }
    return arrays | ({"local_energy_eV": rng.normal(-50, 1, (n, atoms)).astype(np.float32)} if local else {})


def write_card(root: Path, **entries) -> None:
    files = [*sorted(root.glob("local_energies/*.npz")), *root.glob("total_energies.npz")]
    card = {"free_atom_energy_eV": -48.5, "sha256": {p.relative_to(root).as_posix(): sha256(p) for p in files}}
    (root / "card.json").write_text(json.dumps(card | entries))


@pytest.fixture
def embedded_folder(tmp_path, monkeypatch) -> Path:
    """A small dataset in the embedded format, where the library looks for the embedded data."""
    root = tmp_path / "data" / "embedded"
    for number, density in enumerate((1.0, 2.0, 3.5)):
        arrays = shard(density, trajectories=range(3 * number, 3 * number + 3))
        embedded.write_local_shard(root / embedded.LOCAL / f"density-{density}.npz", **arrays)
    embedded.write_total_energies(root / "total_energies.npz", **cells())
    write_card(root)
    monkeypatch.setenv("SYNTHETIC_ATOMS_DATA", str(root.parent))
    return root


def test_embedded_data_are_read_as_written(embedded_folder):
    data = load_local_energies()
    assert repr(data) == "LocalEnergies(embedded: 216 C atoms in 36 frames of 9 trajectories)"
    parts = [shard(d, range(3 * i, 3 * i + 3)) for i, d in enumerate((1.0, 2.0, 3.5))]
    for name in ("trajectory", *PER_FRAME):
        np.testing.assert_array_equal(getattr(data, name), np.concatenate([part[name] for part in parts]))
    positions = np.concatenate([part["positions_mA"].reshape(-1, 3) for part in parts])
    np.testing.assert_array_equal(np.rint(data.positions_A * 1000), positions)
    energies = np.concatenate([part["local_energy_eV"].ravel() for part in parts])
    np.testing.assert_array_equal(data.local_energy_eV.astype(np.float32), energies)
    np.testing.assert_array_equal(data.cells_A[-1], np.eye(3) * parts[-1]["cell_length_A"])
    assert data.free_atom_energy_eV == -48.5
    assert_same(concatenate(list(iter_local_energies())), data)
    assert [part.density_g_cm3[0] for part in iter_local_energies()] == [1.0, 2.0, 3.5]
    assert_same(load_local_energies(str(embedded_folder)), data)


@settings(max_examples=25, deadline=None)
@given(
    frames=st.integers(1, 3),
    atoms=st.integers(1, 5),
    seed=st.integers(0, 10**6),
    per_frame=st.booleans(),
    local=st.booleans(),
)
def test_writer_and_reader_agree(frames, atoms, seed, per_frame, local):
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        arrays, small = shard(1.7, (3, 1), frames, atoms, seed), cells(frames, atoms, seed, local)
        if per_frame:
            arrays["cell_length_A"] = np.full(2 * frames, arrays["cell_length_A"])
        embedded.write_local_shard(root / embedded.LOCAL / "density-1.7.npz", **arrays)
        embedded.write_total_energies(root / "total_energies.npz", **small)
        write_card(root, symbol="Si", free_atom_energy_eV=NAN)
        data, labelled = load_local_energies(name), load_total_energies(name)
    assert data.symbol == labelled.symbol == "Si"
    assert np.isnan(data.free_atom_energy_eV)
    np.testing.assert_array_equal(data.local_energy_eV, arrays["local_energy_eV"].ravel())
    np.testing.assert_array_equal(data.positions_A, arrays["positions_mA"].reshape(-1, 3) / 1000)
    np.testing.assert_array_equal(labelled.total_energy_eV, small["total_energy_eV"])
    np.testing.assert_array_equal(labelled.forces_eV_A, small["forces_eV_A"].reshape(-1, 3))
    np.testing.assert_array_equal(labelled.cells_A[:, 2, 2], small["cell_length_A"])
    assert np.isnan(labelled.time_ps).all()
    assert (labelled.local_energy_eV is None) == (not local)
    if local:
        np.testing.assert_array_equal(labelled.local_energy_eV, small["local_energy_eV"].ravel())


def test_sample_of_embedded_data(embedded_folder):
    whole = load_local_energies()
    options = {"n_trajectories": 4, "frames_per_trajectory": 2, "seed": 3}
    sample = load_local_energies(**options)
    numbers, counts = np.unique(sample.trajectory, return_counts=True)
    assert len(numbers) == 4
    assert counts.tolist() == [2, 2, 2, 2]
    np.testing.assert_array_equal(sample.time_ps[1::2], 160.0)
    known = dict(zip(moments(whole), first_energies(whole), strict=True))
    assert [known[moment] for moment in moments(sample)] == first_energies(sample)
    assert_same(concatenate(list(iter_local_energies(**options))), sample)
    assert load_local_energies(**(options | {"seed": 4})).fingerprint != sample.fingerprint
    thinned = load_local_energies(every=3)
    np.testing.assert_array_equal(thinned.time_ps, np.tile([1.0, 160.0], 9))


def moments(data: LocalEnergies) -> list[tuple[int, float]]:
    return list(zip(data.trajectory.tolist(), data.time_ps.tolist(), strict=True))


def first_energies(data: LocalEnergies) -> list[float]:
    return data.local_energy_eV[data.offsets[:-1]].tolist()


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"local_energy_eV": np.full((12, 6), NAN)}, "finite numbers in 'local_energy_eV'"),
        ({"local_energy_eV": np.zeros((12, 5))}, r"'local_energy_eV' .* shape \(12, 6\), found \(12, 5\)"),
        ({"positions_mA": np.full((12, 6, 3), 65000)}, "within the cell of 4928 mA in frame 1 .* found 65000"),
        ({"positions_mA": np.full((12, 6, 3), -1)}, "'positions_mA' .* fit into uint16"),
        ({"positions_mA": np.full((12, 6, 3), 0.5)}, "'positions_mA' .* fit into uint16"),
        ({"positions_mA": np.zeros((12, 18))}, r"shape \(frames, atoms, 3\), found \(12, 18\)"),
        ({"trajectory": np.zeros(11)}, "'trajectory' .* found"),
        ({"cell_length_A": np.zeros(2)}, "'cell_length_A' .* found"),
    ],
)
def test_writer_refuses_what_does_not_fit(tmp_path, change, expected):
    with pytest.raises(DataError, match=expected) as error:
        embedded.write_local_shard(tmp_path / "a.npz", **(shard() | change))
    sentence(error)
    assert not list(tmp_path.iterdir())


def _truncate(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-50])


def _flip(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


@pytest.mark.parametrize(
    ("file", "fault", "expected"),
    [
        ("local_energies/density-2.0.npz", _truncate, r"density-2\.0\.npz with the SHA-256 .* damaged or changed"),
        ("local_energies/density-2.0.npz", _flip, r"density-2\.0\.npz with the SHA-256 .* damaged or changed"),
        ("local_energies/density-2.0.npz", Path.unlink, r"readable file at .*density-2\.0\.npz, found: No such file"),
        ("total_energies.npz", _flip, r"total_energies\.npz with the SHA-256"),
        ("card.json", Path.unlink, r"card at .*card\.json, found: No such file"),
        ("card.json", lambda path: path.write_text("{"), r"in JSON at .*card\.json"),
        ("card.json", lambda path: path.write_text("[]"), r"an entry 'free_atom_energy_eV' in .*card\.json"),
        (
            "card.json",
            lambda path: path.write_text('{"free_atom_energy_eV": 1, "sha256": {}}'),
            r"(shards 'local_energies/\*\.npz'|the checksum of total_energies\.npz) in .*card\.json, found none",
        ),
    ],
)
def test_damaged_embedded_data(embedded_folder, file, fault, expected):
    fault(embedded_folder / file)
    load = load_total_energies if file == "total_energies.npz" else load_local_energies
    with pytest.raises(DataError, match=expected) as error:
        load()
    sentence(error)
    if file == "card.json":
        with pytest.raises(DataError, match=expected):
            load_total_energies()


def test_shards_with_wrong_content_but_right_checksum(embedded_folder):
    path = embedded_folder / "local_energies" / "density-2.0.npz"
    arrays = shard(2.0)
    for change, expected in [
        ({"local_energy_eV": arrays["local_energy_eV"][:, :-1]}, "shape"),
        ({"positions_mA": arrays["positions_mA"] + np.uint16(60000)}, "within the cell"),
        ({"trajectory": arrays["trajectory"].astype(float)}, "kind 'iu'"),
    ]:
        np.savez(path, **(arrays | change))
        write_card(embedded_folder)
        with pytest.raises(DataError, match=expected) as error:
            load_local_energies()
        assert "density-2.0.npz" in sentence(error)
    np.savez(path, **{name: array for name, array in arrays.items() if name != "time_ps"})
    write_card(embedded_folder)
    with pytest.raises(DataError, match=r"an array 'time_ps' in .*density-2"):
        load_local_energies()


def test_no_data_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("SYNTHETIC_ATOMS_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="SYNTHETIC_ATOMS_DATA") as error:
        load_local_energies()
    sentence(error)


# -------------------------------------------------------------------------------- extended XYZ, anyone's data


@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_export_and_import_give_the_same_bits(data):
    sizes = data.draw(st.lists(st.integers(1, 3), min_size=1, max_size=4))
    frames = len(sizes)
    numbers = [(i * 7) % 3 for i in range(frames)]  # a trajectory's frames are of one size
    sizes = [sizes[numbers.index(number)] for number in numbers]
    finite = st.floats(-1e6, 1e6, allow_subnormal=False)
    optional = st.just(NAN) | st.floats(0, 1e4)
    words = st.text(st.characters(codec="utf-8", exclude_categories=("C", "Z")), min_size=2, max_size=12)
    names = st.lists(words.map(lambda text: f"a {text}"), min_size=3, max_size=3, unique=True)
    original = make_local(
        sizes,
        numbers,
        seed=data.draw(st.integers(0, 10**6)),
        local_energy_eV=np.array(data.draw(st.lists(finite, min_size=sum(sizes), max_size=sum(sizes)))),
        temperature_K=np.array(data.draw(st.lists(optional, min_size=frames, max_size=frames))),
        free_atom_energy_eV=data.draw(st.just(NAN) | finite),
        symbol="C",
        trajectory_names=data.draw(st.just(()) | names.map(tuple)),
    )
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "data.extxyz"
        original.to_extxyz(path)
        read = load_local_energies(str(path))
        if original.trajectory_names:  # named trajectories are numbered as they come
            kept = [original.trajectory_name(i) for i in range(frames)]
            assert [read.trajectory_name(i) for i in range(frames)] == kept
            read = replace(read, trajectory=original.trajectory)
        assert_same(read, original)
        np.testing.assert_array_equal(
            np.concatenate([atoms.positions for atoms in ase.io.iread(path, index=":")]), original.positions_A
        )


def test_total_energies_round_trip(tmp_path):
    for cells_ in (make_total(), make_total(local_energy_eV=np.linspace(-1, 1, 10))):
        cells_.to_extxyz(tmp_path / "cells.extxyz")
        assert_same(load_total_energies(str(tmp_path / "cells.extxyz")), cells_)
    with pytest.raises(ParameterError, match="Expected a file with total energies"):
        load_total_energies(str(tmp_path))


def test_embedded_data_can_be_exported(embedded_folder, tmp_path):
    data = load_local_energies()
    data.to_extxyz(tmp_path / "out" / "data.xyz")
    assert_same(load_local_energies(str(tmp_path / "out")), data)


def xyz(
    frames=3, atoms=4, *, energy="local_energy", fields="run_id={run}", run=1, symbol="Si", seed=0, edge=6.0
) -> str:
    """An extended XYZ file as someone else may have written it."""
    rng = np.random.default_rng([seed, run])
    lattice = f'Lattice="{edge} 0.0 0.0 0.0 {edge} 0.0 0.0 0.0 {edge}"'
    text = ""
    for frame in range(frames):
        text += f"{atoms}\n{lattice} Properties=species:S:1:pos:R:3:{energy}:R:1 "
        text += fields.format(run=run, frame=frame) + "\n"
        for x, y, z, e in np.column_stack([rng.uniform(0, edge, (atoms, 3)), rng.normal(-100, 1, atoms)]):
            text += f"{symbol} {x:.8f} {y:.8f} {z:.8f} {e:.8f}\n"
    return text


@pytest.fixture
def someones(tmp_path) -> Path:
    """A folder with three files, in two of which a trajectory goes on."""
    root = tmp_path / "mine"
    (root / "sub").mkdir(parents=True)
    (root / "a.extxyz").write_text(xyz(run=4))
    (root / "b.xyz").write_text(xyz(run=4, seed=1) + xyz(run=9, seed=2))
    (root / "sub" / "c.xyz").write_text(xyz(run=5, fields="trajectory={run} time={frame}"))
    (root / "notes.txt").write_text("not data")
    return root


def test_folder_of_ones_own(someones):
    data = load_local_energies(str(someones))
    assert repr(data) == "LocalEnergies(mine: 48 Si atoms in 12 frames of 3 trajectories)"
    assert data.trajectory.tolist() == [4] * 6 + [9] * 3 + [5] * 3
    assert np.isnan(data.time_ps[:9]).all()
    assert data.time_ps[9:].tolist() == [0, 1, 2]
    np.testing.assert_allclose(data.density_g_cm3, 4 * 28.085 * 1.66053907 / 6.0**3, rtol=1e-6)
    assert np.isnan(data.free_atom_energy_eV)
    reference = [atoms for name in ("a.extxyz", "b.xyz", "sub/c.xyz") for atoms in ase.io.iread(someones / name)]
    for index, atoms in enumerate(reference):
        np.testing.assert_array_equal(data.atoms(index).positions, atoms.positions)
        np.testing.assert_array_equal(data.atoms(index).arrays["local_energy"], atoms.arrays["local_energy"])
    assert_same(concatenate(list(iter_local_energies(str(someones)))), data)


def test_sample_of_ones_own_data(someones):
    whole = load_local_energies(str(someones))
    sample = load_local_energies(str(someones), frames_per_trajectory=2, every=2, seed=1)
    assert sample.trajectory.tolist() == [4, 4, 9, 9, 5, 5]
    assert set(first_energies(sample)) <= set(first_energies(whole))
    assert first_energies(sample)[1] == first_energies(whole)[4]  # frames 0, 2, 4 of trajectory 4: 4 is the last
    one = load_local_energies(str(someones), n_trajectories=1, seed=1)
    assert_same(one, whole.select_trajectories(one.trajectory[:1]))
    options = {"n_trajectories": 2, "every": 2, "seed": 2}
    parts = list(iter_local_energies(str(someones), **options))
    assert_same(concatenate(parts), load_local_energies(str(someones), **options))


def test_files_are_trajectories_if_headers_name_none(tmp_path):
    for run, name in enumerate(("b", "a", "a b")):
        (tmp_path / f"{name}.xyz").write_text(xyz(run=run, fields="", frames=2))
    (tmp_path / "sub").mkdir()
    (tmp_path / "sub" / "b.xyz").write_text(xyz(run=7, fields='pbc="T T T"', frames=1))
    data = load_local_energies(str(tmp_path))
    assert data.trajectory_names == ("a b", "a", "b", "sub/b")
    assert data.trajectory.tolist() == [0, 0, 1, 1, 2, 2, 3]
    assert data.atoms(6).info["trajectory"] == "sub/b"
    assert_same(load_local_energies(str(tmp_path), n_trajectories=4), data)


@pytest.mark.parametrize("name", ["local_energy", "gap17_energy", "my_energies", "energies"])
def test_energy_column(tmp_path, name):
    (tmp_path / "a.xyz").write_text(xyz(energy=name))
    expected = load_local_energies_of(xyz(), tmp_path / "other")
    found = load_local_energies(str(tmp_path / "a.xyz"), energy_column=name)
    assert_same(found, expected)
    if name in ("local_energy", "gap17_energy"):
        assert_same(load_local_energies(str(tmp_path / "a.xyz")), expected)
    else:
        with pytest.raises(DataError, match=f"found {name}: name it with the parameter energy_column") as error:
            load_local_energies(str(tmp_path / "a.xyz"))
        sentence(error)


def load_local_energies_of(text: str, root: Path) -> LocalEnergies:
    root.mkdir(exist_ok=True)
    (root / "one.xyz").write_text(text)
    return load_local_energies(str(root))


def edited(old: str, new: str, count: int = -1):
    """A fault that replaces text (the last occurrence if ``count`` is 0)."""

    def change(text: str) -> str:
        assert old in text
        return new.join(text.rsplit(old, 1)) if count == 0 else text.replace(old, new, count)

    return change


FAULTS = {
    "empty": (lambda text: "", "at least one frame in .*found an empty file"),
    "blank": (lambda text: "\n\n", "at least one frame in .*found an empty file"),
    "last frame cut at a line": (lambda text: text[: text.rstrip().rindex("\n") + 1], "4 atoms in frame 3 .*found 3"),
    "last frame cut in a number": (lambda text: text[:-3], "end with a line break, found none"),
    "only a count": (lambda text: text + "4\n", "4 atoms in frame 4 .*found 0"),
    "line missing": (edited("\nSi", "\n#", 1), "frame 1"),
    "blank line inside": (edited("\n4\n", "\n\n4\n", 1), r"number of atoms at the start of frame 2 .*found ''"),
    "not text": (lambda text: "\udcff" + text, "readable extended XYZ file"),
    "not xyz": (lambda text: "hello\nworld\n", "number of atoms at the start of frame 1 .*found 'hello'"),
    "no atoms": (lambda text: "0\n\n" + text, "number of atoms at the start of frame 1 .*found '0'"),
    "mixed elements": (edited("\nSi ", "\nC ", 1), "only C atoms in frame 1 .*found C, Si"),
    "another element later": (
        lambda text: text + xyz(1, run=1, seed=5, symbol="C"),
        "only Si atoms in frame 4 .*found C",
    ),
    "no such element": (edited("\nSi ", "\nQq ", 1), "extended XYZ format in frame 1"),
    "no energy column": (edited(":local_energy:R:1", ""), "column of local energies .* frame 1 .*no further column"),
    "column missing later": (edited(":local_energy:R:1", "", 0), "'local_energy' in frame 3 .*no further column"),
    "two candidates": (edited("local_energy:R:1", "local_energy:R:1:gap17_energy:R:1"), "frame 1"),
    "a value missing": (lambda text: text.rsplit(" ", 1)[0] + "\n", "extended XYZ format in frame 3"),
    "a value that is no number": (edited(" -", " minus", 0), "extended XYZ format in frame 3 .*minus"),
    "NaN energy": (lambda text: text.rsplit(" ", 1)[0] + " nan\n", "'local_energy' of frame 3 .*found nan for atom 4"),
    "infinite energy": (lambda text: text.rsplit(" ", 1)[0] + " -inf\n", "'local_energy' of frame 3 .*found -inf"),
    "NaN position": (edited("Si ", "Si nan ", 0), "finite positions in frame 3"),
    "energies of three columns": (edited("pos:R:3:local_energy:R:1", "x:R:1:local_energy:R:3"), "frame 1"),
    "energies that are words": (edited("local_energy:R:1", "local_energy:S:1"), "numbers of shape"),
    "a frame twice": (lambda text: text + "".join(text.splitlines(True)[:6]), "frame 4 of .*again: it is frame 1 of"),
    "a frame in two trajectories": (
        lambda text: text + "".join(text.splitlines(True)[:6]).replace("run_id=1", "run_id=2"),
        "frame 4 of .*again: it is frame 1 of",
    ),
    "another size": (lambda text: text + xyz(1, 5, seed=3), "4 atoms in frame 4 .*trajectory 1, found 5"),
    "named and numbered": (lambda text: text + xyz(1, seed=3, fields="run_id=x"), "found 'x' in frame 4"),
    "no cell": (edited("Lattice", "Box"), "periodic in three directions in frame 1"),
    "flat cell": (edited('6.0"', '0.0"'), "periodic in three directions in frame 1"),
    "a surface": (edited("run_id=1", 'run_id=1 pbc="T T F"', 1), "periodic in three directions in frame 1"),
    "header with an open quote": (edited('Lattice="', 'Lattice="a', 1), "extended XYZ format in frame 1"),
    "density of another cell": (edited("run_id=1", "run_id=1 density=2330.0"), r"density of its cell, 0\.864 g/cm3"),
    "time in words": (edited("run_id=1", "run_id=1 time=late"), "number in the header field 'time' of frame 1"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_faults_of_files(tmp_path, fault):
    change, expected = FAULTS[fault]
    path = tmp_path / "bad.extxyz"
    path.write_bytes(change(xyz()).encode(errors="surrogateescape"))
    two = fault in ("a frame in two trajectories", "named and numbered")  # drawing one of them would hide the fault
    for options in ({}, {"n_trajectories": 1 + two}):  # with and without a first look at the headers
        with pytest.raises(DataError, match=expected) as error:
            load_local_energies(str(tmp_path), **options)
        assert "bad.extxyz" in sentence(error)


def test_a_frame_may_come_back_later_in_its_trajectory(tmp_path):
    text = xyz(1, fields="run_id=1 time=1")
    assert load_local_energies_of(text + text.replace("time=1", "time=2"), tmp_path).n_frames == 2
    for again in (text, text.replace("run_id=1 time=1", "run_id=2 time=2")):
        with pytest.raises(DataError, match="again"):
            load_local_energies_of(text + again, tmp_path)


def test_the_same_file_twice(tmp_path):
    for name in ("a", "b"):
        (tmp_path / f"{name}.xyz").write_text(xyz(fields=""))
    with pytest.raises(DataError, match=r"the frame frame 1 of .*b\.xyz again: it is frame 1 of .*a\.xyz"):
        load_local_energies(str(tmp_path))


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_no_cut_goes_unnoticed(data):
    """A file cut anywhere but between two frames is refused."""
    text = xyz(frames=3)
    boundaries = {len("".join(text.splitlines(True)[: 6 * k])) for k in (1, 2, 3)}
    cut = data.draw(st.integers(1, len(text) - 1) | st.sampled_from(sorted(boundaries)))
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "cut.xyz").write_text(text[:cut])
        if cut in boundaries:
            assert load_local_energies(name).n_frames == sorted(boundaries).index(cut) + 1
        else:
            with pytest.raises(DataError, match=r"cut\.xyz"):
                load_local_energies(name)


def test_line_endings_and_final_blank_lines_do_not_matter(tmp_path):
    expected = load_local_energies_of(xyz(), tmp_path / "a")
    (tmp_path / "b.xyz").write_bytes(xyz().replace("\n", "\r\n").encode() + b"\r\n\r\n")
    assert_same(load_local_energies(str(tmp_path / "b.xyz")), expected)


def test_nothing_to_read(tmp_path):
    for dataset, expected in [
        (str(tmp_path), r"files named \*\.extxyz or \*\.xyz in .*found none"),
        (
            str(tmp_path / "nowhere"),
            "'embedded', 'embedded-all', 'embedded-pod', 'paper', 'paper:/path/to/folder' or an existing folder",
        ),
        ("embeded", "found 'embeded'"),
    ]:
        with pytest.raises(DataError, match=expected) as error:
            load_local_energies(dataset)
        sentence(error)
    with pytest.raises(ParameterError, match="'energy_column' only with"):
        load_local_energies("embedded", energy_column="local_energy")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (edited("energy=", "enrgy=", 0), "'energy' of frame 4 .*found None"),
        (edited("energy=", "energy=nan junk=", 0), "'energy' of frame 4 .*found nan"),
        (edited(":forces:R:3", "", 0), "'forces' in frame 4 .*no further column"),
        (lambda text: text.rsplit(" ", 1)[0] + " nan\n", "'forces' of frame 4"),
    ],
)
def test_faults_of_total_energies(tmp_path, change, expected):
    path = tmp_path / "cells.extxyz"
    replace(make_total(), free_atom_energy_eV=NAN).to_extxyz(path)
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=expected) as error:
        folder.load_total(path)
    assert "cells.extxyz" in sentence(error)


@settings(max_examples=100, deadline=None)
@given(seed=st.integers(0, 10**6), span=st.floats(0.5, 30))
def test_wrapping(seed, span):
    """Wrapped atoms lie inside, a whole number of cells away; those inside before are not touched at all."""
    rng = np.random.default_rng(seed)
    cell = np.eye(3) * 10 + rng.uniform(-2, 2, (3, 3))
    fractional = rng.uniform(-span, span, (20, 3)) * rng.integers(0, 2, (20, 1)) + rng.uniform(0, 1, (20, 3))
    positions = fractional @ cell
    wrapped = wrap(positions, cell)
    after = wrapped @ np.linalg.inv(cell)
    assert (after > -1e-8).all()
    assert (after < 1 + 1e-8).all()
    moved = (positions - wrapped) @ np.linalg.inv(cell)
    np.testing.assert_allclose(moved, np.rint(moved), atol=1e-9)
    inside = ((fractional > 1e-9) & (fractional < 1 - 1e-9)).all(axis=1)
    np.testing.assert_array_equal(wrapped[inside], positions[inside])
    np.testing.assert_array_equal(wrap(wrapped, cell), wrapped)


# ----------------------------------------------------------------------------------------------- the paper's data


def archive_file(density: float, temperature: int, run: int, *, frames: int, forces: bool = False) -> str:
    """One file of the authors' archive, in their format to the letter; some atoms lie outside the cell."""
    rng = np.random.default_rng(run)
    atoms = 8
    edge = (atoms * 12.011 / (density * 0.602214)) ** (1 / 3)
    text = ""
    for time in range(frames):
        columns = "species:S:1:pos:R:3:gap17_energy:R:1" + (":gap17_forces:R:3" if forces else "")
        text += f"{atoms}\n"
        text += f'Lattice="{edge} 0.0 0.0 0.0 {edge} 0.0 0.0 0.0 {edge}" Properties={columns} '
        text += f'anneal_T={temperature} density={density} run_id={run} time={time} pbc="T T T"\n'
        for _ in range(atoms):
            numbers = [*rng.uniform(-0.5, edge + 0.5, 3), rng.normal(-157, 1)]
            numbers += rng.normal(size=3).tolist() if forces else []
            text += "C " + "".join(f" {number:16.8f}" for number in numbers)[1:] + "\n"
    return text


@pytest.fixture
def archive(tmp_path) -> Path:
    """The unpacked Zenodo archive, much reduced."""
    root = tmp_path / "jla-gardner-carbon-data"
    (root / "results").mkdir(parents=True)
    run = 0
    for temperature in (2000, 2100):
        for density in (1.0, 1.1, 3.5):
            run += 1
            name = f"density-{density}-T-{temperature}.extxyz"
            text = archive_file(density, temperature, run, frames=5, forces=temperature == 2100)
            (root / "results" / name).write_text(text)
    return root


def test_papers_data_from_a_folder(archive, monkeypatch):
    data = load_local_energies(f"paper:{archive.parent}")
    assert data.name == "C-SYNTH-23M (6 of 546 trajectories)"
    assert (data.n_frames, data.n_environments) == (30, 240)
    assert data.trajectory[::5].tolist() == [1, 4, 2, 5, 3, 6]
    assert data.density_g_cm3[::5].tolist() == [1.0, 1.0, 1.1, 1.1, 3.5, 3.5]
    assert data.anneal_temperature_K[::5].tolist() == [2000, 2100] * 3
    assert data.time_ps[:5].tolist() == [0, 1, 2, 3, 4]
    assert np.isnan(data.temperature_K).all()
    assert data.free_atom_energy_eV == pytest.approx(-148.314, abs=1e-3)
    paths = sorted((archive / "results").iterdir())
    reference = [atoms for path in paths for atoms in ase.io.iread(path, index=":")]
    outside = 0
    for index, atoms in enumerate(reference):
        mine = data.atoms(index)
        np.testing.assert_array_equal(mine.arrays["local_energy"], atoms.arrays["gap17_energy"])
        scaled = mine.get_scaled_positions(wrap=False)
        assert (scaled >= 0).all()
        assert (scaled <= 1).all()
        outside += (mine.positions != atoms.positions).any(axis=1).sum()
        shift = get_distances(mine.positions, atoms.positions, cell=atoms.cell, pbc=True)[1].diagonal()
        np.testing.assert_allclose(shift, 0, atol=1e-9)
    assert outside > 20
    monkeypatch.setenv("SYNTHETIC_ATOMS_PAPER_DATA", str(archive))
    assert_same(load_local_energies("paper"), data)
    parts = list(iter_local_energies("paper"))
    assert [part.n_frames for part in parts] == [5] * 6
    assert_same(concatenate(parts), data)


def test_sample_of_the_papers_data(archive):
    dataset = f"paper:{archive}"
    whole = load_local_energies(dataset)
    sample = load_local_energies(dataset, n_trajectories=3, every=2, frames_per_trajectory=2, seed=5)
    assert sample.n_frames == 6
    assert sample.time_ps[1::2].tolist() == [4, 4, 4]
    assert set(sample.time_ps) <= {0, 2, 4}
    assert set(first_energies(sample)) <= set(first_energies(whole))
    assert load_local_energies(dataset, every=2).time_ps.tolist() == [0, 2, 4] * 6


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (edited("C ", "Si", 1), "only C atoms in frame 1 .*found C, Si"),
        (edited("gap17_energy", "energy_of_c"), "column 'gap17_energy' in frame 1 .*found energy_of_c"),
        (edited("run_id=3", "run_id=4", 0), "one trajectory in .*found 3, 4"),
        (edited("density=3.5", "density=1.0", 0), r"frame 5 .*3\.500 g/cm3, found 1\.0"),
        (lambda text: text[:-200], "before the end|line break"),
        (lambda text: "", "found an empty file"),
    ],
)
def test_faults_of_the_papers_files(archive, change, expected):
    path = archive / "results" / "density-3.5-T-2000.extxyz"
    path.write_text(change(path.read_text()))
    with pytest.raises(DataError, match=expected) as error:
        load_local_energies(f"paper:{archive}")
    assert "density-3.5-T-2000.extxyz" in sentence(error)


def test_a_trajectory_under_two_names(archive):
    text = (archive / "results" / "density-1.0-T-2000.extxyz").read_text()
    (archive / "results" / "density-1.0-T-2050.extxyz").write_text(text)
    with pytest.raises(DataError, match=r"T-2050\.extxyz again: it is frame 1 of .*T-2000\.extxyz"):
        load_local_energies(f"paper:{archive}")


@pytest.fixture
def nothing_fetched(monkeypatch, tmp_path) -> Path:
    """A user without downloads."""
    monkeypatch.delenv("SYNTHETIC_ATOMS_PAPER_DATA", raising=False)
    monkeypatch.setenv("SYNTHETIC_ATOMS_USER_DATA", str(tmp_path / "user"))
    return tmp_path / "user"


def test_papers_data_that_were_not_fetched(nothing_fetched):
    with pytest.raises(DataError, match=r"download and unpack carbon-data-v1\.0\.zip from .*zenodo\.7704087") as error:
        load_local_energies("paper")
    assert "dataset=paper:/path/to/folder" in sentence(error)
    with pytest.raises(DataError, match=r"download C-GAP-17\.extxyz") as error:
        load_total_energies("paper")
    sentence(error)


def test_papers_data_are_elsewhere(tmp_path, monkeypatch):
    for load, expected in [
        (load_local_energies, "results/density-<rho>-T-<T>.extxyz .*found none: download"),
        (load_total_energies, r"C-GAP-17\.extxyz .*found none: download"),
    ]:
        with pytest.raises(DataError, match=expected) as error:
            load(f"paper:{tmp_path}")
        sentence(error)
    monkeypatch.setenv("SYNTHETIC_ATOMS_PAPER_DATA", str(tmp_path / "nowhere"))
    with pytest.raises(DataError, match="nowhere, found no such folder"):
        load_local_energies("paper")


def quantum_cells() -> str:
    """C-GAP-17 in its own format: a dimer, amorphous cells of 64 and 216 atoms, a crystal and a surface."""
    rng, text = np.random.default_rng(0), ""
    kinds = ["dimer", "bulk_amo", "bulk_amo", "bulk_cryst", "surf_amo", "bulk_amo"]
    for kind, atoms in zip(kinds, [2, 64, 216, 64, 64, 64], strict=True):
        text += f'{atoms}\nLattice="9.0 0.0 0.0 0.0 9.0 0.0 0.0 0.0 9.0" Properties=species:S:1:pos:R:3:forces:R:3 '
        text += f'energy={-157.0 * atoms + rng.normal():.6f} config_type={kind} split=train pbc="T T T"\n'
        for row in rng.uniform(0, 9, (atoms, 6)):
            text += "C" + "".join(f" {number:16.8f}" for number in row) + "\n"
    return text


@pytest.mark.parametrize("column", ["forces", "force"])
def test_papers_quantum_cells(tmp_path, column):
    path = tmp_path / "C-GAP-17.extxyz"
    path.write_text(quantum_cells().replace(":forces:", f":{column}:"))
    data = load_total_energies(f"paper:{tmp_path}")
    assert data.name == "C-GAP-17, 64-atom bulk_amo"
    assert data.n_frames == 2
    assert len(np.unique(data.trajectory)) == 2
    original = ase.io.read(path, index=":")
    for index, atoms in enumerate([original[1], original[5]]):
        assert data.total_energy_eV[index] == atoms.get_potential_energy()
        forces = atoms.get_forces() if column == "forces" else atoms.arrays["force"]
        np.testing.assert_array_equal(data.forces_eV_A[64 * index : 64 * index + 64], forces)
        np.testing.assert_array_equal(data.atoms(index).positions, atoms.positions)
