"""Errors that end a run in one sentence."""

from __future__ import annotations

import difflib
from collections.abc import Sequence


class SyntheticAtomsError(Exception):
    """An expected failure: bad input, a missing or damaged file, a wrong parameter.

    The message is one sentence that says what was expected and what was found. The command line prints it and
    exits with status 2; a traceback is shown for any other exception, because that would be a defect.
    """

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in a notebook instead of a traceback."""
        return [f"{type(self).__name__}: {self}"]


class DataError(SyntheticAtomsError):
    """A data file is missing, truncated, or of the wrong shape, type or content."""


class ParameterError(SyntheticAtomsError):
    """A parameter is unknown, of the wrong type, or out of its allowed range."""


class MissingDependencyError(SyntheticAtomsError):
    """An optional package (or a program that it brings) is needed and not installed."""


def suggest(name: str, known: Sequence[str]) -> str:
    """End of a sentence about an unknown name: the known one that is like it, or else all of them."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else f"; expected one of {', '.join(known)}."
