"""Minibatch training with early stopping, for any model that torch differentiates."""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from tqdm.auto import tqdm

from synthetic_atoms.errors import ParameterError


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


def train(
    model: nn.Module,
    n_samples: int,
    batch_loss: Callable[[Tensor], Tensor],
    validation_error: Callable[[], float],
    options: TrainingOptions,
    generator: torch.Generator,
) -> list[dict[str, float | int]]:
    """Minimise a loss and leave the model with the weights of its lowest validation error.

    Parameters
    ----------
    model
        Its parameters are trained, in place.
    n_samples
        Number of training samples.
    batch_loss
        Loss of the samples with these indices (int64, on the CPU).
    validation_error
        The error to watch; called after each epoch with the model in evaluation mode.
    options
        Learning rate, batches, patience.
    generator
        Orders the samples (on the CPU).

    Returns
    -------
    list
        One entry for each epoch: ``epoch``, ``train_loss``, ``validation_error``, ``learning_rate``, ``seconds``.

    Raises
    ------
    ParameterError
        If the very first validation error is not a finite number, or no later one is.
    """
    weights = [p for p in model.parameters() if p.ndim > 1]
    others = [p for p in model.parameters() if p.ndim <= 1]
    groups = [{"params": weights, "weight_decay": options.weight_decay}, {"params": others, "weight_decay": 0.0}]
    optimizer = torch.optim.AdamW([g for g in groups if g["params"]], lr=options.learning_rate, fused=True)
    history: list[dict[str, float | int]] = []
    best, best_state, best_epoch, decayed_at = math.inf, None, 0, 0
    start = time.perf_counter()
    with tqdm(
        total=options.max_epochs, desc="epochs", unit="epoch", disable=not options.progress, mininterval=0.5
    ) as bar:
        for epoch in range(1, options.max_epochs + 1):
            model.train()
            total = torch.zeros((), dtype=torch.float64)
            order = torch.randperm(n_samples, generator=generator)
            for indices in order.split(options.batch_size):
                optimizer.zero_grad(set_to_none=True)
                loss = batch_loss(indices)
                loss.backward()
                optimizer.step()
                # Stays on the device: reading it here would make a GPU wait at every step.
                total = total.to(loss.device) + loss.detach() * len(indices)
            model.eval()
            with torch.no_grad():
                error = validation_error()
            rate = optimizer.param_groups[0]["lr"]
            history.append(
                {
                    "epoch": epoch,
                    "train_loss": total.item() / n_samples,
                    "validation_error": error,
                    "learning_rate": rate,
                    "seconds": time.perf_counter() - start,
                }
            )
            if error < best:
                best, best_epoch = error, epoch
                best_state = {name: value.detach().clone() for name, value in model.state_dict().items()}
            bar.update()
            bar.set_postfix({"validation error": f"{error:.4g}", "lowest": f"{best:.4g}"}, refresh=False)
            if not math.isfinite(error) or epoch - best_epoch >= options.patience:
                break
            if epoch - max(best_epoch, decayed_at) >= options.decay_patience:
                decayed_at = epoch
                for group in optimizer.param_groups:
                    group["lr"] *= options.decay_factor
    if best_state is None:
        raise ParameterError(
            f"Expected a learning rate at which training stays finite, found {options.learning_rate}: lower it."
        )
    model.load_state_dict(best_state)
    model.eval()
    return history
