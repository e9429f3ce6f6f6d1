"""Numbers as they stand in sentences."""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Real


def about(value: Real) -> str:
    """A number in two significant digits, written out: ``4,500``, ``27``, ``0.45``; ``nan`` and ``inf`` as they are."""
    if not math.isfinite(value) or value == 0:
        return f"{value:g}"
    digits = 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, digits)
    if abs(rounded) >= 10 ** (2 - digits):  # 0.996 has become 1.0
        digits -= 1
    return f"{rounded:,.{max(digits, 0)}f}"


def listed(items: Iterable[str]) -> str:
    """``a``, ``a and b``, ``a, b and c``; nothing for nothing."""
    *first, last = list(items) or [""]
    return " and ".join(filter(None, [", ".join(first), last]))


def counted(number: int, noun: str) -> str:
    """``1 fold``, ``3 folds``."""
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"
