"""Numbers as they stand in sentences."""

from __future__ import annotations

import math
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
