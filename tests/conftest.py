"""Shape and type checks at run time for the whole library, and fixtures used across the tests."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")

from jaxtyping import install_import_hook

install_import_hook("synthetic_atoms", "beartype.beartype")
