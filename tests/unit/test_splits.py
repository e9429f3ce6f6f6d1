"""Cross-validation by trajectory and nested samples."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from synthetic_atoms.errors import ParameterError
from synthetic_atoms.splits import Split, group_splits, splits_by_trajectory, validation_split

groups = st.lists(st.integers(0, 9), min_size=2, max_size=60).filter(lambda g: len(set(g)) >= 2).map(np.array)
seeds = st.integers(0, 2**31)


def folds_of(group: np.ndarray, wanted: int) -> int:
    return min(wanted, len(np.unique(group)))


@given(group=groups, wanted=st.integers(2, 6), seed=seeds)
@settings(deadline=None)
def test_no_group_is_on_both_sides_and_all_are_tested_once(group: np.ndarray, wanted: int, seed: int) -> None:
    splits = group_splits(group, folds_of(group, wanted), seed)
    for split in splits:
        assert not set(group[split.train]) & set(group[split.test])
        assert sorted([*split.train, *split.test]) == list(range(len(group)))
    assert sorted(np.concatenate([split.test for split in splits])) == list(range(len(group)))
    # As many groups in each fold as can be.
    counts = [len(np.unique(group[split.test])) for split in splits]
    assert max(counts) - min(counts) <= 1


@given(group=groups, seed=seeds, data=st.data())
@settings(deadline=None)
def test_samples_are_nested_and_without_replacement(group: np.ndarray, seed: int, data: st.DataObject) -> None:
    split = group_splits(group, 2, seed)[0]
    larger = data.draw(st.integers(1, len(split.train)))
    smaller = data.draw(st.integers(1, larger))
    assert np.array_equal(split.sample(smaller), split.sample(larger)[:smaller])
    assert len(set(split.sample(larger))) == larger


@given(group=groups, seed=seeds, max_test=st.integers(1, 30))
@settings(deadline=None)
def test_splits_repeat_and_a_test_sample_changes_nothing_else(group: np.ndarray, seed: int, max_test: int) -> None:
    first, again = (group_splits(group, 2, seed, max_test) for _ in range(2))
    whole = group_splits(group, 2, seed)
    for a, b, c in zip(first, again, whole, strict=True):
        assert np.array_equal(a.train, b.train)
        assert np.array_equal(a.test, b.test)
        assert np.array_equal(a.train, c.train)
        assert len(a.test) == min(max_test, len(c.test))
        assert set(a.test) <= set(c.test)
        assert (np.diff(a.test) > 0).all()


def test_seeds_and_folds_differ() -> None:
    group = np.repeat(np.arange(10), 20)
    orders = [tuple(split.train) for seed in (0, 1) for split in group_splits(group, 5, seed)]
    assert len(set(orders)) == 10
    tested = [tuple(np.unique(group[split.test])) for seed in (0, 1) for split in group_splits(group, 5, seed)]
    assert set(tested[:5]) != set(tested[5:])


def test_training_order_is_shuffled() -> None:
    train = group_splits(np.repeat(np.arange(10), 100), 5)[0].train
    # Without shuffling, positions and indices are perfectly correlated.
    assert abs(np.corrcoef(np.arange(len(train)), train)[0, 1]) < 0.15


def test_a_dataset_is_split_by_the_trajectories_of_its_frames() -> None:
    class Data(SimpleNamespace):
        def atoms(self, i: int) -> None:
            raise AssertionError("structures are not needed")

    # Two frames of trajectory 7, one each of 5 and 9; frames of 3, 1, 2 and 2 atoms.
    frame = np.repeat(np.arange(4), [3, 1, 2, 2])
    data = Data(n_frames=4, n_environments=8, frame=frame, trajectory=np.array([7, 5, 7, 9]))
    found = splits_by_trajectory(data, n_folds=3, seed=4)
    expected = group_splits(np.array([7, 7, 7, 5, 7, 7, 9, 9]), 3, 4)
    assert [split.test.tolist() for split in found] == [split.test.tolist() for split in expected]
    assert sorted(split.test.tolist() for split in found) == [[0, 1, 2, 4, 5], [3], [6, 7]]


@given(n=st.integers(2, 30000), seed=seeds)
@settings(deadline=None, max_examples=50)
def test_validation_split(n: int, seed: int) -> None:
    fit, held_out = validation_split(n, seed)
    assert len(held_out) == max(1, min(n // 10, 1000))
    assert np.array_equal(np.sort(np.concatenate([fit, held_out])), np.arange(n))
    again = validation_split(n, seed)
    assert np.array_equal(held_out, again[1])


@pytest.mark.parametrize("n", [0, -3, 81])
def test_more_samples_than_there_are(n: int) -> None:
    split = Split(2, np.arange(80), np.arange(80, 100))
    with pytest.raises(ParameterError, match=rf"^Expected 1 to 80 training environments in fold 2, .* {n}\.$"):
        split.sample(n)


@pytest.mark.parametrize("n_folds", [0, 1, 4])
def test_more_folds_than_trajectories(n_folds: int) -> None:
    with pytest.raises(ParameterError, match=rf"trajectories \(3\), found {n_folds}\.$"):
        group_splits(np.array([1, 1, 2, 5]), n_folds)


def test_no_test_environments() -> None:
    with pytest.raises(ParameterError, match="max_test = 0"):
        group_splits(np.array([1, 2]), 2, max_test=0)


def test_nothing_to_validate_on() -> None:
    with pytest.raises(ParameterError, match="at least 2 samples"):
        validation_split(1)
