"""The state of an unfinished training on disk, from which it goes on as if it had not been interrupted."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from synthetic_atoms.errors import DataError
from synthetic_atoms.models.weights import read_weights, write_weights

FORMAT = "synthetic-atoms training 1"
"""What a checkpoint says it is."""

_DAMAGE = (SafetensorError, OSError, KeyError, TypeError, ValueError, RuntimeError, AttributeError, IndexError)
"""What a file that is not a checkpoint of this model makes the libraries raise."""


@dataclass
class Progress:
    """How far a training has come.

    Attributes
    ----------
    history
        One entry for each finished epoch, see :func:`synthetic_atoms.models.training.train`.
    best_epoch, decayed_at
        Epoch of the lowest validation error, and of the last reduction of the learning rate; 0 for none.
    best_state
        The weights at the end of the best epoch.
    """

    history: list[dict[str, float | int]] = field(default_factory=list)
    best_epoch: int = 0
    decayed_at: int = 0
    best_state: dict[str, Tensor] | None = None

    @property
    def best(self) -> float:
        """Lowest validation error so far; infinity before the first."""
        return float(self.history[self.best_epoch - 1]["validation_error"]) if self.best_epoch else math.inf

    @property
    def seconds(self) -> float:
        """Time spent so far."""
        return float(self.history[-1]["seconds"]) if self.history else 0.0


@dataclass(frozen=True)
class Checkpoint:
    """A file that holds everything that decides how a training goes on.

    These are the weights, the best weights, the optimiser's moments and learning rates, the states of all generators of
    random numbers, and the history. On one machine with the same number of threads a resumed training gives the same
    numbers as an uninterrupted one. The file is written atomically, as safetensors.

    Parameters
    ----------
    path
        The file; it need not exist yet.
    identity
        What is trained: a checkpoint with another one is refused.
    """

    path: Path
    identity: str

    def write(self, progress: Progress, model: nn.Module, optimizer: torch.optim.Optimizer, order: torch.Generator):
        """Replace the file by the present state.

        Raises
        ------
        DataError
            If the file cannot be written.
        """
        tensors = {f"model.{name}": value for name, value in model.state_dict().items()}
        tensors |= {f"best.{name}": value for name, value in (progress.best_state or {}).items()}
        for number, moments in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{name}": value for name, value in moments.items()}
        tensors |= {f"random.{name}": get() for name, (get, _) in _generators(model, order).items()}
        about = {
            "format": FORMAT,
            "identity": self.identity,
            "history": progress.history,
            "best_epoch": progress.best_epoch,
            "decayed_at": progress.decayed_at,
            "learning_rates": [group["lr"] for group in optimizer.param_groups],
        }
        # Copies: the weights and the best weights may share memory, which safetensors refuses.
        tensors = {name: value.detach().cpu().clone().contiguous() for name, value in tensors.items()}
        write_weights(self.path, tensors, about)

    def read(self, model: nn.Module, optimizer: torch.optim.Optimizer, order: torch.Generator) -> Progress:
        """Put model, optimiser and generators into the stored state; without a file they stay as they are.

        Raises
        ------
        DataError
            If the file is damaged, or belongs to another training.
        """
        if not self.path.exists():
            return Progress()
        try:
            about, tensors = read_weights(self.path)
            if about["format"] != FORMAT:
                raise ValueError(f"format {about['format']!r}")
            if about["identity"] != self.identity:
                raise DataError(
                    f"Expected a checkpoint of this training at {self.path}, found one of other data or parameters: "
                    "delete it or name another file."
                )
            model.load_state_dict(_part(tensors, "model."))
            best = {name: value.to(_device(model)) for name, value in _part(tensors, "best.").items()}
            moments: dict[int, dict[str, Tensor]] = {}
            for name, value in _part(tensors, "optimizer.").items():
                number, _, kind = name.partition(".")
                moments.setdefault(int(number), {})[kind] = value
            optimizer.load_state_dict({**optimizer.state_dict(), "state": moments})
            for group, rate in zip(optimizer.param_groups, about["learning_rates"], strict=True):
                group["lr"] = float(rate)
            for name, (_, put) in _generators(model, order).items():
                put(tensors[f"random.{name}"])
            return Progress(about["history"], int(about["best_epoch"]), int(about["decayed_at"]), best or None)
        except _DAMAGE as error:
            reason = " ".join(str(error).split()) or type(error).__name__
            raise DataError(f"Expected a checkpoint of a training at {self.path}, found: {reason}.") from error


def attempt_file(path: Path, attempt: int) -> Path:
    """The checkpoint of a training that was started again: ``path`` itself, then with a number before its ending."""
    return path if attempt == 0 else path.with_name(f"{path.stem}-again{attempt}{path.suffix}")


def remove_checkpoints(path: Path) -> None:
    """Remove a training's checkpoint and those of its further attempts, as far as they are there."""
    for file in (path, *path.parent.glob(f"{path.stem}-again*{path.suffix}")):
        file.unlink(missing_ok=True)


def _part(tensors: dict[str, Tensor], prefix: str) -> dict[str, Tensor]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _device(model: nn.Module) -> torch.device:
    return next(model.parameters()).device


def _generators(
    model: nn.Module, order: torch.Generator
) -> dict[str, tuple[Callable[[], Tensor], Callable[[Tensor], None]]]:
    """How to read and set the state of each generator that training draws from."""
    device = _device(model)
    found = {
        "order": (order.get_state, order.set_state),
        "cpu": (torch.get_rng_state, torch.set_rng_state),
    }
    if device.type == "cuda":
        found["cuda"] = (
            lambda: torch.cuda.get_rng_state(device),
            lambda state: torch.cuda.set_rng_state(state, device),
        )
    return found
