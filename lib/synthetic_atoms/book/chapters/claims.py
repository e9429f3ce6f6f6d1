"""Parameters of chapter 08_claims."""

from __future__ import annotations

from synthetic_atoms.book.chapters.fields import Common


class Claims(Common):
    """Chapter 08_claims, which reads stored records only."""
