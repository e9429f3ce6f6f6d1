"""Fits that are interrupted and go on, and features that are read block by block."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from synthetic_atoms.errors import DataError
from synthetic_atoms.models import training
from synthetic_atoms.models.deep_kernel import DeepKernel
from synthetic_atoms.models.network import Network
from synthetic_atoms.models.network_regressor import NetworkRegressor
from synthetic_atoms.models.neural_network import NeuralNetwork
from synthetic_atoms.models.variational_gp import DeepGP

SHARED = {"batch_size": 16, "dropout": 0.2, "weight_decay": 0.1, "decay_patience": 1, "patience": 4, "device": "cpu"}


def network(**changes) -> NeuralNetwork:
    return NeuralNetwork((12, 8), **{**SHARED, "learning_rate": 0.02, "max_epochs": 12, **changes})


def deep_kernel(**changes) -> DeepKernel:
    own = {"feature_dimension": 2, "n_inducing": 8, "learning_rate": 0.02, "max_epochs": 6}
    return DeepKernel((12,), **{**SHARED, **own, **changes})


@pytest.fixture(autouse=True)
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def every_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """Checkpoints after each epoch."""
    monkeypatch.setattr(training, "CHECKPOINT_SECONDS", 0.0)


@pytest.fixture(scope="module")
def data() -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    X = rng.normal(size=(70, 4))
    return X, X[:, 0] - X[:, 1] ** 2 + 0.3 * rng.normal(size=70)


def assert_same(one: NetworkRegressor, other: NetworkRegressor) -> None:
    """Bit for bit, but for the time that it took."""
    for name, value in one.network_.state_dict().items():
        assert torch.equal(value, other.network_.state_dict()[name]), name

    def without_time(model: NetworkRegressor) -> list[dict[str, float | int]]:
        return [{name: value for name, value in epoch.items() if name != "seconds"} for epoch in model.history_]

    assert without_time(one) == without_time(other)


@pytest.mark.parametrize(("make", "module"), [(network, Network), (deep_kernel, DeepGP)])
def test_an_interrupted_fit_goes_on_as_if_nothing_had_happened(
    make: Callable[..., NetworkRegressor], module: type, data, every_epoch, monkeypatch, tmp_path: Path
) -> None:
    whole = make().fit(*data)
    path = tmp_path / "state.safetensors"
    original, calls = module.loss, []

    def interrupted(self, x, target):
        calls.append(len(x))
        if len(calls) in (10, 22):  # the second of four batches of the third epoch, the last one of the fifth
            raise KeyboardInterrupt
        return original(self, x, target)

    monkeypatch.setattr(module, "loss", interrupted)
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            make().fit(*data, checkpoint=path)
    resumed = make().fit(*data, checkpoint=path)
    assert_same(resumed, whole)
    seconds = [epoch["seconds"] for epoch in resumed.history_]
    assert seconds == sorted(seconds)
    # Only the batches of the two broken epochs were repeated.
    assert len(calls) == 4 * len(whole.history_) + 2 + 4


@pytest.mark.parametrize("make", [network, deep_kernel])
def test_a_finished_fit_is_not_done_again_and_can_be_continued(make, data, every_epoch, monkeypatch, tmp_path) -> None:
    path = tmp_path / "state.safetensors"
    free = {"patience": 100}
    first = make(max_epochs=3, **free).fit(*data, checkpoint=path)
    longer = make(max_epochs=5, **free).fit(*data, checkpoint=path)
    assert_same(longer, make(max_epochs=5, **free).fit(*data))
    assert len(first.history_) == 3
    monkeypatch.setattr(training, "_one_epoch", lambda *_: pytest.fail("an epoch was repeated"))
    assert_same(make(max_epochs=5, **free).fit(*data, checkpoint=path), longer)


def test_early_stopping_counts_on(data, every_epoch, tmp_path) -> None:
    path = tmp_path / "state.safetensors"
    whole = network(max_epochs=200).fit(*data)
    assert len(whole.history_) < 200
    assert whole.history_[-2]["learning_rate"] < whole.history_[0]["learning_rate"]
    for limit in (2, len(whole.history_) - 1, 200):
        last = network(max_epochs=limit).fit(*data, checkpoint=path)
    assert_same(last, whole)


def test_short_fits_write_nothing(data, tmp_path) -> None:
    network(max_epochs=2).fit(*data, checkpoint=tmp_path / "state.safetensors")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "changed",
    [
        lambda X, y: network(learning_rate=0.01).fit(X, y, checkpoint=PATH[0]),
        lambda X, y: network(seed=1).fit(X, y, checkpoint=PATH[0]),
        lambda X, y: network().fit(X, y + 1e-9, checkpoint=PATH[0]),
        lambda X, y: network().fit(X * 1.001, y, checkpoint=PATH[0]),
        lambda X, y: network().fit(X[::-1], y[::-1], checkpoint=PATH[0]),
        lambda X, y: deep_kernel().fit(X, y, checkpoint=PATH[0]),
    ],
)
def test_a_checkpoint_of_another_fit_is_one_sentence(changed, data, every_epoch, tmp_path) -> None:
    PATH[:] = [tmp_path / "state.safetensors"]
    network(max_epochs=2).fit(*data, checkpoint=PATH[0])
    before = PATH[0].read_bytes()
    with pytest.raises(DataError, match=r"^Expected a checkpoint of this training at .*, found one of other .*\.$"):
        changed(*data)
    assert PATH[0].read_bytes() == before


PATH: list[Path] = []


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(path.read_bytes()[:-30]),
        lambda path: path.write_bytes(b""),
        lambda path: save_file({"x": torch.zeros(2)}, path),
    ],
)
def test_a_damaged_checkpoint_is_one_sentence(damage, data, every_epoch, tmp_path) -> None:
    path = tmp_path / "state.safetensors"
    network(max_epochs=2).fit(*data, checkpoint=path)
    damage(path)
    with pytest.raises(DataError, match=r"^Expected a checkpoint of a training at .*, found: .*\.$") as caught:
        network(max_epochs=2).fit(*data, checkpoint=path)
    assert "\n" not in str(caught.value)


class Blocks:
    """Rows that only come in blocks, as those of a file that is larger than memory."""

    def __init__(self, rows: np.ndarray) -> None:
        self.rows, self.largest = rows, 0

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, key: slice) -> np.ndarray:
        self.largest = max(self.largest, key.stop - key.start)
        return self.rows[key].copy()


@pytest.mark.parametrize("make", [network, deep_kernel])
def test_rows_from_a_file_are_rows_of_an_array(make, data, tmp_path, monkeypatch) -> None:
    from synthetic_atoms.models import network as network_module
    from synthetic_atoms.models import network_regressor

    X, y = data[0].astype(np.float32), data[1]
    np.save(tmp_path / "x.npy", X)
    mapped = np.load(tmp_path / "x.npy", mmap_mode="r")
    for module in (network_module, network_regressor):
        for name in ("CHUNK", "IN_CACHE"):
            monkeypatch.setattr(module, name, 16)
    blocks = Blocks(X)
    of_array, of_file, of_blocks = (make(max_epochs=2).fit(rows, y) for rows in (X, mapped, blocks))
    assert_same(of_file, of_array)
    assert_same(of_blocks, of_array)
    assert blocks.largest == 16
    expected = of_array.predict(X)
    assert np.array_equal(of_file.predict(mapped), expected)
    assert np.array_equal(of_blocks.predict(blocks), expected)
    assert of_blocks.n_features_in_ == 4


@pytest.mark.parametrize(
    ("rows", "y", "words"),
    [
        (np.ones((20, 3)), np.ones(19), "one target for each of 20 rows"),
        (np.where(np.arange(60).reshape(20, 3) == 40, np.nan, 1.0), np.ones(20), "NaN or infinity in row 13"),
        (np.ones(20), np.ones(20), "two dimensions"),
        (np.ones((20, 3)), np.full(20, np.inf), "finite targets"),
        (np.ones((1, 3)), np.ones(1), "at least two rows"),
    ],
)
def test_bad_rows_are_one_sentence(rows, y, words) -> None:
    with pytest.raises(DataError, match=words) as caught:
        network().fit(Blocks(rows), y)
    assert str(caught.value).startswith("Expected ")


def test_other_features_than_in_training_are_refused(data) -> None:
    model = network(max_epochs=1).fit(*data)
    with pytest.raises(DataError, match="4 features"):
        model.predict(Blocks(np.ones((5, 3))))
