"""Parameters of chapter 07_technical_details."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from synthetic_atoms.book.chapters.fields import Common, Sizes


class TechnicalDetails(Common):
    """Chapter 07_technical_details."""

    search_sizes: Sizes = Field([1000, 10_000], description="Numbers of training environments of the search.")
    n_trials: int = Field(24, ge=1, le=1000, description="Trials of each model in the search.")
    max_epochs: int | None = Field(
        None, ge=1, le=100_000, description="Most epochs of a trial; null for a number that falls with N."
    )
    sizes: Sizes = Field(
        [100, 310, 1000, 3100, 10_000, 31_000, 100_000, 310_000, 1_000_000],
        description="Numbers of training environments whose training and test errors are compared.",
    )
    n_folds: int = Field(5, ge=2, le=20, description="Folds of the cross-validation by trajectory.")
    n_sparse: int = Field(5000, ge=10, le=20_000, description="Most representative points of the GPR, M.")
    n_calibration: int = Field(
        1000, ge=20, le=1_000_000, description="Training environments of the model whose error bars are checked."
    )
    max_test: int = Field(10_000, ge=100, le=100_000_000, description="Most test environments in these checks.")
    soap: Literal["tuned", "paper-like", "plain", "quippy"] = Field(
        "tuned", description="Setting of the SOAP descriptor; chapter 02 compares them."
    )
    use_store: bool = Field(True, description="Whether stored results are read; if not, all are computed.")
    compute: bool = Field(
        False, description="Whether results that the store lacks are computed; if not, they are drawn as gaps."
    )
