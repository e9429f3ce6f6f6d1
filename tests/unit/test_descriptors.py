"""SOAP power spectra, their cache, and coordination numbers."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from ase import Atoms
from ase.build import bulk, graphene, make_supercell
from ase.neighborlist import neighbor_list
from dscribe.descriptors import SOAP
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from synthetic_atoms.descriptors import (
    SOAP_SETTINGS,
    SoapSettings,
    Weighting,
    average_similarity,
    candidate_settings,
    coordination_numbers,
    features,
    power_spectrum,
    prepare,
    settings_table,
    spectrum,
)
from synthetic_atoms.errors import DataError, MissingDependencyError, ParameterError

features_module = sys.modules["synthetic_atoms.descriptors.features"]  # the package has a function of that name

DSCRIBE = [name for name, one in SOAP_SETTINGS.items() if one.library == "dscribe"]
"""The settings that need no optional package."""

INVARIANCE = 2e-6
"""Rounding to float32 of vectors of unit length, and some more."""


def random_cell(seed: int, n_atoms: int = 6, edge: float = 4.0, symbol: str = "C") -> Atoms:
    """Atoms at random in a small skewed periodic cell."""
    rng = np.random.default_rng(seed)
    cell = edge * np.eye(3) + rng.uniform(-0.6, 0.6, (3, 3))
    return Atoms(f"{symbol}{n_atoms}", scaled_positions=rng.random((n_atoms, 3)), cell=cell, pbc=True)


def cluster(seed: int, n_atoms: int = 6, spread: float = 1.2) -> Atoms:
    """Atoms at random, not periodic."""
    return Atoms(f"C{n_atoms}", positions=np.random.default_rng(seed).normal(scale=spread, size=(n_atoms, 3)))


seeds = st.integers(0, 2**32 - 1)
few = settings(max_examples=8, deadline=None, derandomize=True)


@pytest.mark.parametrize("setting", DSCRIBE)
@few
@given(seed=seeds)
def test_rotation_translation_and_permutation_change_nothing(setting: str, seed: int) -> None:
    rng = np.random.default_rng(seed)
    atoms = random_cell(seed)
    rotation = Rotation.random(random_state=seed).as_matrix()
    order = rng.permutation(len(atoms))
    moved = Atoms(
        atoms.symbols[order],
        positions=(atoms.positions[order] + rng.normal(scale=20.0, size=3)) @ rotation.T,
        cell=atoms.cell.array @ rotation.T,
        pbc=True,
    )
    difference = power_spectrum(moved, setting) - power_spectrum(atoms, setting)[order]
    assert np.abs(difference).max() < INVARIANCE


@pytest.mark.parametrize("setting", DSCRIBE)
@few
@given(seed=seeds)
def test_periodic_images_change_nothing(setting: str, seed: int) -> None:
    atoms = random_cell(seed, n_atoms=3, edge=3.0)
    rng = np.random.default_rng(seed)
    # Another cell of the same crystal, twice as large and sheared by whole lattice vectors; atoms outside the cell.
    larger = make_supercell(atoms, [[2, 0, 0], [1, 1, 0], [0, -1, 1]], order="atom-major")
    shifted = atoms.copy()
    shifted.positions += rng.integers(-3, 4, (len(atoms), 3)) @ atoms.cell.array
    expected = power_spectrum(atoms, setting)
    assert np.abs(power_spectrum(shifted, setting) - expected).max() < INVARIANCE
    assert np.abs(power_spectrum(larger, setting) - np.repeat(expected, 2, axis=0)).max() < INVARIANCE


def test_a_wide_box_equals_no_box() -> None:
    atoms = cluster(1)
    boxed = atoms.copy()
    boxed.cell, boxed.pbc = [30.0, 30.0, 30.0], True
    for setting in SOAP_SETTINGS:
        if SOAP_SETTINGS[setting].library == "quippy":
            pytest.importorskip("quippy")
        assert power_spectrum(atoms, setting) == pytest.approx(power_spectrum(boxed, setting), abs=INVARIANCE)


def test_the_element_does_not_matter() -> None:
    carbon, silicon = random_cell(3), random_cell(3, symbol="Si")
    assert np.array_equal(power_spectrum(carbon), power_spectrum(silicon))


@pytest.mark.parametrize("setting", list(SOAP_SETTINGS))
def test_vectors_have_unit_length_even_of_a_lone_atom(setting: str) -> None:
    if SOAP_SETTINGS[setting].library == "quippy":
        pytest.importorskip("quippy")
    vectors = power_spectrum([cluster(0), Atoms("C"), random_cell(1)], setting)
    assert vectors.shape == (13, 546)
    assert vectors.dtype == np.float32
    assert np.linalg.norm(vectors.astype(float), axis=1) == pytest.approx(np.ones(13), abs=1e-6)


def test_an_empty_density_gives_zeros() -> None:
    # c = 0 removes every neighbour and, with them, the centre: the only way to an empty density.
    nothing = replace(SOAP_SETTINGS["tuned"], weighting=Weighting(3.0, 8.0, c=0.0))
    assert not power_spectrum(cluster(0), nothing).any()


def test_dot_product_is_the_kernel_of_the_full_tensor() -> None:
    soap = SOAP_SETTINGS["tuned"]
    atoms = cluster(5)
    raw = SOAP(
        r_cut=soap.r_cut_A,
        sigma=soap.sigma_A,
        n_max=12,
        l_max=6,
        species=["C"],
        weighting={"function": "pow", "r0": soap.weighting.r0_A, "m": soap.weighting.m, "c": 1, "d": 1},
    )
    # get_location knows nothing of n and n', so unpack by hand and check what only the right order fulfils:
    # p_nn is a sum of squares, and p_nn'^2 <= p_nn p_n'n'.
    packed = raw.create(atoms).reshape(len(atoms), 7, 78)
    full = np.zeros((len(atoms), 7, 12, 12))
    for k, (n, n_prime) in enumerate(itertools.combinations_with_replacement(range(12), 2)):
        full[:, :, n, n_prime] = full[:, :, n_prime, n] = packed[:, :, k]
    diagonal = np.einsum("alnn->aln", full)
    assert (diagonal >= 0).all()
    assert (full**2 <= np.einsum("aln,alm->alnm", diagonal, diagonal) * (1 + 1e-9) + 1e-18).all()
    tensor = full.reshape(len(atoms), -1)
    tensor /= np.linalg.norm(tensor, axis=1, keepdims=True)
    vectors = power_spectrum(atoms).astype(float)
    assert vectors @ vectors.T == pytest.approx(tensor @ tensor.T, abs=1e-6)


def rotation_average(a: np.ndarray, b: np.ndarray, sigma: float) -> float:
    """Integral over rotations R of the squared overlap of two densities of Gaussians, b turned by R, by quadrature."""
    n = 16
    cos_beta, weight = np.polynomial.legendre.leggauss(n)
    turns = 2 * np.pi * np.arange(2 * n) / (2 * n)
    alpha, beta, gamma = (g.ravel() for g in np.meshgrid(turns, np.arccos(cos_beta), turns, indexing="ij"))
    weights = np.broadcast_to(weight[None, :, None], (2 * n, n, 2 * n)).ravel() / (2 * (2 * n) ** 2)
    rotations = Rotation.from_euler("ZYZ", np.stack([alpha, beta, gamma], axis=1)).as_matrix()
    turned = np.einsum("rij,bj->rbi", rotations, b)
    squared = ((a[None, :, None] - turned[:, None]) ** 2).sum(-1)
    overlap = np.exp(-squared / (4 * sigma**2)).sum((1, 2))
    return float(weights @ overlap**2)


def test_dot_product_is_the_rotational_average_of_density_overlaps() -> None:
    # The definition of the kernel (Bartok et al. 2013, eqn 21), where basis functions do not appear at all. Smooth
    # densities well inside the cutoff, so that 12 radial functions and l = 6 describe them.
    sigma = 0.9
    soap = SoapSettings(r_cut_A=6.0, sigma_A=sigma)
    environments = [cluster(seed, n_atoms=4, spread=0.8) for seed in range(3)]
    vectors = np.concatenate([power_spectrum(one, soap, centres=[0]) for one in environments]).astype(float)
    positions = [one.positions - one.positions[0] for one in environments]
    average = np.array([[rotation_average(a, b, sigma) for a in positions] for b in positions])
    expected = average / np.sqrt(np.outer(np.diag(average), np.diag(average)))
    found = vectors @ vectors.T
    assert np.ptp(found) > 0.02  # the environments differ
    assert found == pytest.approx(expected, abs=1e-3)


def test_centres_choose_rows() -> None:
    structures = [random_cell(1), cluster(2), random_cell(3)]
    everything = power_spectrum(structures)
    some = power_spectrum(structures, centres=[[4, 0], [], [5]])
    assert np.array_equal(some, everything[[4, 0, 17]])
    assert np.array_equal(power_spectrum(structures[0], centres=np.array([2])), everything[[2]])


def test_weights_are_dscribes() -> None:
    # Hide the centre: then the power spectrum of one neighbour scales with the square of its weight.
    for one in (*SOAP_SETTINGS.values(), *candidate_settings().values()):
        if one.weighting is None:
            continue
        weighting = {"function": one.weighting.function, "r0": one.weighting.r0_A, "m": one.weighting.m, "c": 1, "d": 1}
        common = {"r_cut": one.r_cut_A, "sigma": one.sigma_A, "n_max": 8, "l_max": 4, "species": ["C"]}
        weighted = SOAP(weighting={**weighting, "w0": 0.0}, **common)
        bare = SOAP(weighting={"w0": 0.0}, **common)
        for r in (1.5, 2.5, 3.2, one.r_cut_A, one.r_cut_A + 0.5):
            pair = Atoms("C2", positions=[[0, 0, 0], [r, 0, 0]])
            ratio = np.linalg.norm(weighted.create(pair, centers=[0])) / np.linalg.norm(bare.create(pair, centers=[0]))
            assert one.weight(np.array([r]))[0] == pytest.approx(np.sqrt(ratio), abs=1e-6)


@pytest.mark.parametrize("setting", list(SOAP_SETTINGS))
def test_atoms_beyond_the_reach_have_no_influence(setting: str) -> None:
    if SOAP_SETTINGS[setting].library == "quippy":
        pytest.importorskip("quippy")
    reach = SOAP_SETTINGS[setting].reach_A
    alone = power_spectrum(Atoms("C"), setting)
    beyond = power_spectrum(Atoms("C2", positions=[[0, 0, 0], [reach + 0.01, 0, 0]]), setting, centres=[0])
    within = power_spectrum(Atoms("C2", positions=[[0, 0, 0], [3.0, 0, 0]]), setting, centres=[0])
    assert np.array_equal(beyond, alone)
    assert np.abs(within - alone).max() > 1e-3


def test_settings_table_gives_the_weight_at_the_cutoff() -> None:
    table = settings_table()
    assert list(table.index) == ["tuned", "paper-like", "plain", "quippy"]
    assert table.loc["paper-like", "weight_at_cutoff"] == pytest.approx(1 / (1 + (3.7 / 3.0) ** 8))
    assert table.loc["plain", "weight_at_cutoff"] == 1.0
    assert table.loc["quippy", "weight_at_cutoff"] == pytest.approx(0.0, abs=1e-12)
    assert (table[["n_max", "l_max"]] == [12, 6]).all(axis=None)
    assert (settings_table(candidate_settings())["weight_at_cutoff"].iloc[1:] < 0.02).all()


def test_quippy_and_dscribe_agree_on_what_is_similar() -> None:
    pytest.importorskip("quippy")
    structures = [random_cell(seed, n_atoms=10, edge=4.5) for seed in range(4)]
    crystals = [bulk("C", "diamond", a=3.57), graphene(a=2.46, vacuum=5.0)]
    similarity = {}
    for setting in SOAP_SETTINGS:
        vectors = power_spectrum(structures + crystals, setting).astype(float)
        similarity[setting] = (vectors @ vectors.T)[np.triu_indices(len(vectors), 1)]
    for setting, rank_correlation in (("tuned", 0.9), ("paper-like", 0.9), ("plain", 0.6)):
        ranks = [np.argsort(np.argsort(similarity[name])) for name in (setting, "quippy")]
        assert np.corrcoef(ranks)[0, 1] > rank_correlation


def test_quippy_missing_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "quippy.descriptors", None)
    spectrum._quippy.cache_clear()
    with pytest.raises(MissingDependencyError, match="quippy-ase"):
        power_spectrum(cluster(0), "quippy")


def test_average_similarity() -> None:
    diamond = bulk("C", "diamond", a=3.57)
    assert average_similarity(diamond, zeta=4.0) == pytest.approx(1.0, abs=1e-5)  # both atoms are alike
    atoms = random_cell(0)
    vectors = power_spectrum(atoms).astype(float)
    mean = np.mean([(x @ y) ** 4 for x in vectors for y in vectors])
    assert average_similarity(atoms, zeta=4.0) == pytest.approx(mean)
    assert average_similarity(vectors, zeta=4.0) == pytest.approx(mean)
    finer = average_similarity(atoms, replace(SOAP_SETTINGS["tuned"], l_max=12))
    assert finer != average_similarity(atoms)
    assert finer == pytest.approx(average_similarity(atoms), rel=1e-2)


def test_coordination_numbers_of_known_structures() -> None:
    diamond, sheet = bulk("C", "diamond", a=3.57), graphene(a=2.46, vacuum=5.0)
    chain = Atoms("C", cell=[1.3, 10.0, 10.0], pbc=[True, False, False])
    assert coordination_numbers(diamond).tolist() == [4, 4]
    assert coordination_numbers(sheet).tolist() == [3, 3]
    assert coordination_numbers(chain).tolist() == [2]
    pair = Atoms("C2", positions=[[0, 0, 0], [1.84, 0, 0]])
    assert coordination_numbers([chain, pair, diamond.repeat(4)]).tolist() == [2, 1, 1, *[4] * 128]
    # Up to the second shell (2.52 A) in a cell that sees images of itself.
    assert coordination_numbers(diamond, cutoff_A=2.6).tolist() == [16, 16]


@few
@given(seed=seeds, edge=st.floats(3.0, 8.0))
def test_coordination_numbers_equal_ases(seed: int, edge: float) -> None:
    rng = np.random.default_rng(seed)
    atoms = Atoms("C20", positions=rng.uniform(-edge, 2 * edge, (20, 3)), cell=[edge, edge, edge], pbc=True)
    atoms.positions[0] = [0.0, -1e-17, edge]
    expected = np.bincount(neighbor_list("i", atoms, 1.85), minlength=20)
    assert coordination_numbers(atoms).tolist() == expected.tolist()


class Frames:
    """A small dataset: trajectories of equal or unequal length."""

    def __init__(self, frames: list[Atoms], trajectory: list[int]) -> None:
        self.frames = frames
        self.trajectory = np.array(trajectory)
        self.frame = np.repeat(np.arange(len(frames)), [len(one) for one in frames])
        self.n_frames = len(frames)
        self.n_environments = len(self.frame)
        self.asked: list[int] = []

    def atoms(self, i: int) -> Atoms:
        self.asked.append(i)
        return self.frames[i]


@pytest.fixture
def data() -> Frames:
    sizes = [4, 6, 4, 5, 7, 4, 4]
    return Frames([random_cell(i, n) for i, n in enumerate(sizes)], [3, 3, 3, 8, 8, 1, 1])


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where this test's features are cached."""
    monkeypatch.setenv("SYNTHETIC_ATOMS_CACHE", str(tmp_path))
    return tmp_path / "soap"


def files_of(folder: Path) -> list[Path]:
    return sorted(folder.glob("*/*.npy"))


def test_features_are_kept_and_read_back(data: Frames, folder: Path) -> None:
    expected = power_spectrum(data.frames)
    assert np.array_equal(features(data), expected)
    files = files_of(folder)
    assert len(files) == 3  # one for each trajectory
    times = [path.stat().st_mtime_ns for path in files]
    assert np.array_equal(features(data), expected)
    assert [path.stat().st_mtime_ns for path in files_of(folder)] == times
    # What is read are the files, not something computed again.
    np.save(files[0], np.load(files[0])[:, ::-1])
    assert not np.array_equal(features(data), expected)


def test_features_without_cache_write_nothing(data: Frames, folder: Path) -> None:
    assert np.array_equal(features(data, cache=False), power_spectrum(data.frames))
    assert not folder.exists()


@few
@given(choice=st.data())
def test_rows_equal_rows_of_all(choice: st.DataObject, tmp_path_factory: pytest.TempPathFactory) -> None:
    sizes = choice.draw(st.lists(st.integers(1, 4), min_size=1, max_size=6))
    trajectory = choice.draw(st.lists(st.integers(0, 2), min_size=len(sizes), max_size=len(sizes)))
    data = Frames([random_cell(i, n) for i, n in enumerate(sizes)], trajectory)
    rows = choice.draw(st.lists(st.integers(0, data.n_environments - 1), max_size=20))
    everything = power_spectrum(data.frames)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SYNTHETIC_ATOMS_CACHE", str(tmp_path_factory.mktemp("cache")))
        patch.setattr(features_module, "WHOLE_BLOCK_SHARE", choice.draw(st.sampled_from([0.0, 0.5, 2.0])))
        patch.setattr(features_module, "FRAMES_PER_BLOCK", choice.draw(st.integers(1, 3)))
        for cache in (False, True, True):
            assert np.array_equal(features(data, rows=rows, cache=cache), everything[rows])


def test_rows_touch_only_their_frames(data: Frames, folder: Path) -> None:
    # Environments 15 and 20 are in frames 3 and 4, the only ones of their trajectory.
    features(data, rows=[20, 15])
    assert set(data.asked) == {3, 4}
    assert [np.load(path).shape for path in files_of(folder)] == [(12, 546)]
    data.asked.clear()
    features(data, rows=[20], cache=False)
    assert data.asked == [4]


def test_few_rows_of_a_block_are_not_stored(folder: Path) -> None:
    data = Frames([random_cell(i, 6) for i in range(4)], [0, 0, 0, 0])
    assert np.array_equal(features(data, rows=[13, 2]), power_spectrum(data.frames)[[13, 2]])
    assert files_of(folder) == []
    features(data, rows=[13, 2, 5])
    assert len(files_of(folder)) == 1


def test_prepared_features_are_read_and_what_would_not_be_kept_is_not_computed(
    data: Frames, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    prepare(data, rows=[20, 15, 16])
    assert len(files_of(folder)) == 1
    one = Frames([random_cell(i, 6) for i in range(4)], [0, 0, 0, 0])
    expected = power_spectrum(data.frames)[[15, 20]]
    monkeypatch.setattr(features_module, "_compute", lambda unit: pytest.fail("computed again"))
    assert np.array_equal(features(data, rows=[15, 20]), expected)
    prepare(data, rows=[20, 15, 16])
    prepare(one, rows=[13, 2])  # too few of their block to be kept
    assert len(files_of(folder)) == 1


def test_a_growing_dataset_keeps_what_is_there(data: Frames, folder: Path) -> None:
    features(data)
    before = {path: path.stat().st_mtime_ns for path in files_of(folder)}
    grown = Frames([random_cell(77, 3), *data.frames], [0, *data.trajectory])
    assert np.array_equal(features(grown), power_spectrum(grown.frames))
    after = {path: path.stat().st_mtime_ns for path in files_of(folder)}
    assert len(after) == len(before) + 1
    assert before.items() <= after.items()


def test_another_setting_or_structure_has_its_own_files(data: Frames, folder: Path) -> None:
    features(data)
    assert np.array_equal(features(data, "plain"), power_spectrum(data.frames, "plain"))
    assert len(files_of(folder)) == 6
    data.frames[0].positions[0, 0] += 1e-3
    assert np.array_equal(features(data), power_spectrum(data.frames))
    assert len(files_of(folder)) == 7


def damage_cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-100])


def damage_empty(path: Path) -> None:
    path.write_bytes(b"")


def damage_noise(path: Path) -> None:
    path.write_bytes(b"not an array")


def damage_type(path: Path) -> None:
    np.save(path, np.load(path).astype(np.float64))


def damage_shape(path: Path) -> None:
    np.save(path, np.load(path)[:-1])


def damage_numbers(path: Path) -> None:
    array = np.load(path)
    array[2, 100:] = np.nan
    np.save(path, array)


def damage_zeros(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[:4096] + bytes(len(content) - 4096))


@pytest.mark.parametrize(
    "damage",
    [damage_cut, damage_empty, damage_noise, damage_type, damage_shape, damage_numbers, damage_zeros, Path.unlink],
)
def test_a_damaged_file_is_computed_again(data: Frames, folder: Path, damage: Callable[[Path], None]) -> None:
    expected = features(data)
    path = files_of(folder)[1]
    good = path.read_bytes()
    damage(path)
    assert np.array_equal(features(data), expected)
    assert path.read_bytes() == good


def test_worker_processes_give_the_same(data: Frames, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(features_module, "SECONDS_WORTH_WORKERS", 0.0)
    assert np.array_equal(features(data, workers=1), power_spectrum(data.frames))
    assert len(files_of(folder)) == 3


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: power_spectrum(cluster(0), "best"), ParameterError, "'tuned'.*'best'"),
        (lambda: power_spectrum(cluster(0), SoapSettings(3.7, 0.5, n_max=16)), ParameterError, "n_max = 16"),
        (lambda: power_spectrum(cluster(0), centres=[6]), ParameterError, "0 to 5"),
        (lambda: power_spectrum(cluster(0), centres=[0.5]), ParameterError, "0 to 5"),
        (lambda: power_spectrum([cluster(0)], centres=[[0], [1]]), ParameterError, "found 2"),
        (lambda: power_spectrum(Atoms("CO", positions=[[0, 0, 0], [1, 0, 0]])), DataError, "single element.*CO"),
        (lambda: power_spectrum(Atoms()), DataError, "single element"),
        (lambda: power_spectrum(Atoms("C", positions=[[0, 0, np.nan]])), DataError, "finite"),
        (lambda: power_spectrum(Atoms("C", pbc=True)), DataError, "flat cell"),
        (lambda: coordination_numbers(Atoms("C", positions=[[0, 0, np.inf]])), DataError, "finite"),
        (lambda: coordination_numbers(cluster(0), cutoff_A=0.0), ParameterError, "cutoff"),
        (lambda: average_similarity(cluster(0), zeta=0.0), ParameterError, "zeta"),
        (lambda: SoapSettings(0.9, 0.5), ParameterError, "cutoff"),
        (lambda: SoapSettings(3.7, 0.5, l_max=21), ParameterError, "l_max"),
        (lambda: SoapSettings(3.7, 0.5, library="quippy"), ParameterError, "transition width"),
        (lambda: SoapSettings(3.7, 0.5, transition_width_A=0.5), ParameterError, "only with quippy"),
    ],
)
def test_bad_input_is_one_sentence(call: Callable[[], object], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words) as caught:
        call()
    assert str(caught.value).endswith(".")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("rows", [[-1], [36], [0.5], [[1]]])
def test_bad_rows_are_refused(data: Frames, folder: Path, rows: list) -> None:
    with pytest.raises(ParameterError, match="0 to 33"):
        features(data, rows=rows)
