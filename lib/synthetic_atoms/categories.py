"""Kinds of atoms by number of neighbours: the paper's sp, sp2 and sp3 for carbon, the commonest numbers otherwise."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from jaxtyping import Int

from synthetic_atoms.wording import listed

CATEGORIES = {"sp": 2, "sp2": 3, "sp3": 4}
"""Coordination numbers of the paper's three categories."""

MOST = 3
"""Categories that a figure has colours for."""

_SHORT = {"sp": "sp", "sp2": "sp²", "sp3": "sp³"}
_WORDS = {1: "one", 2: "two", 3: "three", 4: "four"}


def categories_of(symbol: str, coordination: Int[np.ndarray, " environments"]) -> dict[str, int]:
    """Names and coordination numbers of the categories that some atoms are sorted into.

    Parameters
    ----------
    symbol
        The element. Carbon has :data:`CATEGORIES`, if any of its atoms has two to four neighbours.
    coordination
        Numbers of neighbours. Where there are no names for them, the :data:`MOST` commonest become the categories
        ``n3``, ``n4``, ... in ascending order.
    """
    if symbol == "C" and np.isin(coordination, list(CATEGORIES.values())).any():
        return dict(CATEGORIES)
    counts = np.bincount(coordination)
    commonest = np.argsort(-counts, kind="stable")[:MOST]
    return {f"n{number}": int(number) for number in sorted(commonest) if counts[number]}


def short_label(name: str) -> str:
    """A category as people write it: ``sp²``, ``4 neighbours``."""
    return _SHORT.get(name) or _neighbours(int(name[1:]))


def long_label(name: str) -> str:
    """A category with its number of neighbours: ``sp² (3 neighbours)``, ``4 neighbours``."""
    return f"{_SHORT[name]} ({_neighbours(CATEGORIES[name])})" if name in _SHORT else short_label(name)


def legend_label(name: str) -> str:
    """A category for a legend with the title "number of neighbours": ``sp² (3)``, ``4``."""
    return f"{_SHORT[name]} ({CATEGORIES[name]})" if name in _SHORT else name[1:]


def atom_label(name: str) -> str:
    """An atom of a category: ``sp² atom``, ``atom with 4 neighbours``."""
    return f"{_SHORT[name]} atom" if name in _SHORT else f"atom with {short_label(name)}"


def spelled(categories: Mapping[str, int]) -> str:
    """The categories as part of a sentence: ``two (sp) and three (sp²) neighbours``, ``3, 4 and 5 neighbours``."""
    words = [
        f"{_WORDS[number]} ({_SHORT[name]})" if name in _SHORT else str(number) for name, number in categories.items()
    ]
    return f"{listed(words)} {'neighbour' if words == ['1'] else 'neighbours'}"


def how_many(number: int, what: str) -> str:
    """A count with its noun: ``one curve``, ``three curves``, ``26 squares``."""
    return f"{_WORDS.get(number, f'{number:,}')} {what}{'' if number == 1 else 's'}"


def _neighbours(number: int) -> str:
    return f"{number} neighbour{'' if number == 1 else 's'}"
