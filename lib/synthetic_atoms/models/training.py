"""Minibatch training with early stopping and checkpoints, for any model that torch differentiates."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.optim import AdamW
from tqdm.auto import tqdm

from synthetic_atoms.errors import ParameterError
from synthetic_atoms.models.checkpoint import Checkpoint, Progress

QUICK = 10.0
"""Factor on the learning rate of parameters that a module names as ``quick``."""

CHECKPOINT_SECONDS = 60.0
"""Least time between two checkpoints, so that writing them costs next to nothing."""


class DivergedError(ParameterError):
    """Training has left the finite numbers before its first validation error."""


@dataclass(frozen=True)
class TrainingOptions:
    """How to train.

    Attributes
    ----------
    learning_rate, weight_decay
        Of Adam; the decay is decoupled from the gradient (AdamW, arXiv 1711.05101) and spares biases.
    batch_size
        Samples in a step.
    max_epochs
        Most passes over the data.
    patience
        Training ends after so many epochs without a lower validation error.
    decay_factor, decay_patience
        The learning rate is multiplied by the factor after so many epochs without a lower validation error.
    progress
        Show a bar with the epoch, the validation error and the time left.
    """

    learning_rate: float
    batch_size: int
    max_epochs: int
    patience: int
    weight_decay: float = 0.0
    decay_factor: float = 1.0
    decay_patience: int = 10
    progress: bool = False

    def __post_init__(self) -> None:
        allowed = {
            "learning_rate": (self.learning_rate > 0 and math.isfinite(self.learning_rate), "a positive number"),
            "batch_size": (self.batch_size >= 1, "1 or more"),
            "max_epochs": (self.max_epochs >= 1, "1 or more"),
            "patience": (self.patience >= 1, "1 or more"),
            "weight_decay": (self.weight_decay >= 0, "0 or more"),
            "decay_factor": (0 < self.decay_factor <= 1, "above 0 and at most 1"),
            "decay_patience": (self.decay_patience >= 1, "1 or more"),
        }
        for name, (fine, expected) in allowed.items():
            if not fine:
                raise ParameterError(f"Expected {name} to be {expected}, found {getattr(self, name)}.")


def choose_device(device: str) -> torch.device:
    """The device of that name; ``"auto"`` is a CUDA GPU where there is one, else the CPU.

    Raises
    ------
    ParameterError
        If there is no such device here.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    try:
        chosen = torch.device(device)
        torch.empty(0, device=chosen)
    except (RuntimeError, AssertionError) as error:
        raise ParameterError(f"Expected a device that torch finds here ('auto', 'cpu'), found {device!r}.") from error
    return chosen


def accelerator() -> str | None:
    """Name of the GPU that ``choose_device("auto")`` takes; None where there is none."""
    return torch.cuda.get_device_name() if choose_device("auto").type == "cuda" else None


def train(
    model: nn.Module,
    n_samples: int,
    batch_loss: Callable[[Tensor], Tensor],
    validation_error: Callable[[], float],
    options: TrainingOptions,
    generator: torch.Generator,
    *,
    checkpoint: Checkpoint | None = None,
) -> list[dict[str, float | int]]:
    """Minimise a loss and leave the model with the weights of its lowest validation error.

    Parameters
    ----------
    model
        Its parameters are trained, in place. If it has them, ``decayed`` is the part whose matrices weight decay acts
        on (otherwise all of it), and ``quick`` are parameters whose learning rate is :data:`QUICK` times the others'.
    n_samples
        Number of training samples.
    batch_loss
        Loss of the samples with these indices (int64, on the CPU), a mean over them. A ``FloatingPointError`` says
        that the model has diverged and ends the training, as a validation error that is not finite does.
    validation_error
        The error to watch; called after each epoch with the model in evaluation mode.
    options
        Learning rate, batches, patience.
    generator
        Orders the samples (on the CPU).
    checkpoint
        Where to go on from, and to keep the state after the first epoch that ends :data:`CHECKPOINT_SECONDS` or more
        after the last one was kept; and at the end of a training that took longer than that. The file stays.

    Returns
    -------
    list
        One entry for each epoch: ``epoch``, ``train_loss``, ``validation_error``, ``learning_rate``, ``seconds``.

    Raises
    ------
    DivergedError
        If the very first validation error is not a finite number.
    DataError
        If the checkpoint is not one of this training, or cannot be written.
    """
    optimizer = _optimizer(model, options)
    progress = checkpoint.read(model, optimizer, generator) if checkpoint else Progress()
    batches = -(-n_samples // options.batch_size)
    start = time.perf_counter() - progress.seconds
    kept = time.perf_counter()
    bar = tqdm(
        total=options.max_epochs * batches,
        initial=min(len(progress.history), options.max_epochs) * batches,
        unit="batch",
        disable=not options.progress,
        mininterval=0.5,
        dynamic_ncols=True,
    )
    with bar:
        while not _finished(progress, options):
            epoch = len(progress.history) + 1
            bar.set_description(f"epoch {epoch}/{options.max_epochs}", refresh=False)
            try:
                loss = _one_epoch(model, optimizer, n_samples, batch_loss, options.batch_size, generator, bar)
                model.eval()
                with torch.no_grad():
                    error = validation_error()
            except FloatingPointError:
                loss = error = math.nan
            progress.history.append(
                {
                    "epoch": epoch,
                    "train_loss": loss,
                    "validation_error": error,
                    "learning_rate": optimizer.param_groups[0]["lr"],
                    "seconds": time.perf_counter() - start,
                }
            )
            if error < progress.best:
                progress.best_epoch = epoch
                progress.best_state = {name: value.detach().clone() for name, value in model.state_dict().items()}
            bar.set_postfix({"validation error": f"{error:.4g}", "lowest": f"{progress.best:.4g}"}, refresh=False)
            if epoch - max(progress.best_epoch, progress.decayed_at) >= options.decay_patience:
                progress.decayed_at = epoch
                for group in optimizer.param_groups:
                    group["lr"] *= options.decay_factor
            late = time.perf_counter() - kept >= CHECKPOINT_SECONDS
            long = _finished(progress, options) and progress.seconds >= CHECKPOINT_SECONDS
            if checkpoint and math.isfinite(error) and (late or long):
                checkpoint.write(progress, model, optimizer, generator)
                kept = time.perf_counter()
        bar.total = bar.n  # a training that stopped early is complete
        bar.refresh()
    if progress.best_state is None:
        raise DivergedError(
            f"Expected a learning rate at which training stays finite, found {options.learning_rate}: lower it."
        )
    model.load_state_dict(progress.best_state)
    model.eval()
    return progress.history


def _optimizer(model: nn.Module, options: TrainingOptions) -> AdamW:
    """Adam for all parameters; a module may name those that are not ``decayed`` and those that are ``quick``."""
    decayed = getattr(model, "decayed", model)
    matrices = {id(p): p for p in decayed.parameters() if p.ndim > 1}
    quick = {id(p): p for p in getattr(model, "quick", ())}
    others = [p for p in model.parameters() if id(p) not in matrices and id(p) not in quick]
    groups = [
        {"params": list(matrices.values()), "weight_decay": options.weight_decay},
        {"params": others, "weight_decay": 0.0},
        {"params": list(quick.values()), "weight_decay": 0.0, "lr": QUICK * options.learning_rate},
    ]
    return AdamW([g for g in groups if g["params"]], lr=options.learning_rate, fused=True)


def _finished(progress: Progress, options: TrainingOptions) -> bool:
    """Whether there is no further epoch: the limit, patience, or a model that has diverged."""
    if not progress.history:
        return False
    epoch, error = progress.history[-1]["epoch"], progress.history[-1]["validation_error"]
    stale = epoch - progress.best_epoch >= options.patience
    return bool(epoch >= options.max_epochs or stale or not math.isfinite(error))


def _one_epoch(
    model: nn.Module,
    optimizer: AdamW,
    n_samples: int,
    batch_loss: Callable[[Tensor], Tensor],
    batch_size: int,
    generator: torch.Generator,
    bar: tqdm,
) -> float:
    """Pass once over the samples in random order; the mean loss on the way."""
    model.train()
    total = torch.zeros((), dtype=torch.float64)
    for indices in torch.randperm(n_samples, generator=generator).split(batch_size):
        optimizer.zero_grad(set_to_none=True)
        loss = batch_loss(indices)
        loss.backward()
        optimizer.step()
        # Stays on the device: reading it here would make a GPU wait at every step.
        total = total.to(loss.device) + loss.detach() * len(indices)
        bar.update()
    return total.item() / n_samples
