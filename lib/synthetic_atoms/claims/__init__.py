"""The ledger: every claim of the paper, its value, ours, and a verdict that code computes."""

from __future__ import annotations

from synthetic_atoms.claims.ledger import (
    VERDICTS,
    contradictions,
    ledger,
    recorded_verdicts,
    verdict_digest,
    write_verdicts,
)
from synthetic_atoms.claims.printed import printed_numbers

__all__ = [
    "VERDICTS",
    "contradictions",
    "ledger",
    "printed_numbers",
    "recorded_verdicts",
    "verdict_digest",
    "write_verdicts",
]
