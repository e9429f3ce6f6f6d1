"""Checks of the arrays that an estimator is given."""

from __future__ import annotations

from numbers import Integral
from typing import Any

from sklearn.base import BaseEstimator
from sklearn.utils.validation import validate_data

from synthetic_atoms.errors import DataError


class InputError(DataError, ValueError):
    """Features or targets that an estimator cannot use; a ``ValueError`` too, as scikit-learn's conventions ask."""


def checked(estimator: BaseEstimator, X: Any, y: Any = "no_validation", **options: Any) -> Any:
    """scikit-learn's ``validate_data`` with its complaints as one sentence.

    Raises
    ------
    InputError
        If an array has a wrong shape, is empty, or holds NaN, infinity or anything but real numbers.
    """
    try:
        return validate_data(estimator, X, y, **options)
    except ValueError as error:
        text = str(error)
        # Of a long complaint about NaN the first line says it all; others need their later lines.
        text = text.split("\n")[0] if "NaN" in text or "infinity" in text else " ".join(text.split())
        raise InputError(f"Expected finite numbers in arrays of matching shapes, found: {text.rstrip('.')}.") from error


def is_integer(value: object) -> bool:
    """Whether it is a whole number of an integral type, and not a truth value."""
    return isinstance(value, Integral) and not isinstance(value, bool)
