"""What the rest of the library needs of a dataset."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

import numpy as np
from ase import Atoms


@runtime_checkable
class Environments(Protocol):
    """Frames, in trajectories, whose atomic environments are counted frame by frame."""

    n_frames: int
    n_environments: int
    frame: np.ndarray
    """Index of each environment's frame, ascending."""
    trajectory: np.ndarray
    """Label of each frame's trajectory."""

    def atoms(self, i: int) -> Atoms:
        """Frame i."""
        ...
