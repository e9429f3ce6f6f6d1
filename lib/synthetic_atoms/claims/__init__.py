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

__all__ = ["VERDICTS", "contradictions", "ledger", "recorded_verdicts", "verdict_digest", "write_verdicts"]
