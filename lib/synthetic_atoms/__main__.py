"""``python -m synthetic_atoms``: the same as the command ``synthetic-atoms``."""

from __future__ import annotations

from synthetic_atoms.book.cli import main

if __name__ == "__main__":
    main()
