"""Numbers as they stand in sentences."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from synthetic_atoms.wording import about, counted, listed


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (4512, "4,500"), (27.4, "27"), (0.449, "0.45"), (0.0021, "0.0021"), (0.996, "1.0"), (9.96, "10"), (99.6, "100"),
        (-3.14, "-3.1"), (0, "0"), (math.nan, "nan"), (math.inf, "inf"), (12_345_678, "12,000,000"),
    ],
)  # fmt: skip
def test_two_digits_written_out(value, text):
    assert about(value) == text


@given(st.floats(min_value=1e-6, max_value=1e12))
def test_within_a_rounding_of_two_digits(value):
    text = about(value)
    assert "e" not in text
    assert float(text.replace(",", "")) == pytest.approx(value, rel=0.05)


@pytest.mark.parametrize(
    ("items", "text"), [([], ""), (["a"], "a"), (["a", "b"], "a and b"), (["a", "b", "c"], "a, b and c")]
)
def test_lists_are_written_out(items, text):
    assert listed(items) == listed(iter(items)) == text


def test_nouns_are_counted():
    assert [counted(number, "fold") for number in (0, 1, 3, 2000)] == ["0 folds", "1 fold", "3 folds", "2,000 folds"]
