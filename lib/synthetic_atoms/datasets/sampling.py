"""Taking part of a dataset: some trajectories, some frames of each."""

from __future__ import annotations

import zlib
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from synthetic_atoms.errors import ParameterError


@dataclass(frozen=True)
class Sampling:
    """Which part of a dataset is read; the same numbers always give the same part.

    Attributes
    ----------
    n_trajectories
        Number of trajectories, drawn at random without replacement; None for all.
    frames_per_trajectory
        Number of frames of each trajectory: the final one and others drawn at random; None for all.
    every
        Keep each ``every``-th frame of a trajectory, from its first one; ``frames_per_trajectory`` draws from these.
    seed
        Seeds the draws. What is drawn from one trajectory does not depend on which others there are.

    Raises
    ------
    ParameterError
        If a number is not whole or below 1 (``seed``: below 0).
    """

    n_trajectories: int | None = None
    frames_per_trajectory: int | None = None
    every: int = 1
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in {"n_trajectories": 1, "frames_per_trajectory": 1, "every": 1, "seed": 0}.items():
            value = getattr(self, name)
            if value is None and name in ("n_trajectories", "frames_per_trajectory"):
                continue
            if not isinstance(value, (int, np.integer)) or isinstance(value, bool) or value < least:
                raise ParameterError(f"Expected '{name}' to be a whole number from {least} up, found {value!r}.")

    @property
    def takes_everything(self) -> bool:
        """Whether the sample is the whole dataset."""
        return self.n_trajectories is None and self.frames_per_trajectory is None and self.every == 1

    def choose_trajectories(self, keys: Sequence[Hashable]) -> list:
        """Part of the distinct ``keys``, in their order.

        Raises
        ------
        ParameterError
            If there are fewer than ``n_trajectories``.
        """
        distinct = list(dict.fromkeys(keys))
        if self.n_trajectories is None:
            return distinct
        if self.n_trajectories > len(distinct):
            raise ParameterError(
                f"Expected 'n_trajectories' to be at most {len(distinct)}, the number there is, "
                f"found {self.n_trajectories}."
            )
        chosen = np.random.default_rng(self.seed).choice(len(distinct), size=self.n_trajectories, replace=False)
        return [distinct[index] for index in sorted(chosen)]

    def choose_frames(self, keys: Sequence[Hashable]) -> Int[np.ndarray, " chosen"]:
        """Indices, in increasing order, of the frames to keep, given the trajectory of each frame.

        Raises
        ------
        ParameterError
            If a trajectory has fewer than ``frames_per_trajectory``.
        """
        members: dict[Hashable, list[int]] = {}
        for index, key in enumerate(keys):
            members.setdefault(key, []).append(index)
        kept = []
        for key, frames in members.items():
            frames = frames[:: self.every]
            count = self.frames_per_trajectory
            if count is not None:
                if count > len(frames):
                    raise ParameterError(
                        f"Expected 'frames_per_trajectory' to be at most {len(frames)}, the number left in trajectory "
                        f"{key} by every={self.every}, found {count}."
                    )
                rng = np.random.default_rng([self.seed, zlib.crc32(str(key).encode())])
                others = rng.choice(len(frames) - 1, size=count - 1, replace=False)
                frames = [frames[index] for index in others] + frames[-1:]
            kept += frames
        return np.array(sorted(kept), dtype=np.int64)
