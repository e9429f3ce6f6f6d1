"""Parameters of chapter 03_learning_curves."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from synthetic_atoms.book.chapters.fields import Common, Sizes, ascending, distinct


class LearningCurves(Common):
    """Chapter 03_learning_curves."""

    sizes: Sizes = Field(
        [100, 310, 1000, 3100, 10_000, 31_000, 100_000, 310_000, 1_000_000],
        description="Numbers of training environments, N.",
    )
    n_folds: int = Field(5, ge=2, le=20, description="Folds of the cross-validation by trajectory.")
    models: Annotated[
        list[Literal["GPR", "NN", "DKL"]],
        AfterValidator(distinct),
        Field(min_length=1, json_schema_extra={"also": "each once"}),
    ] = Field(["GPR", "NN", "DKL"], description="Regression methods compared.")
    n_sparse: int = Field(5000, ge=10, le=20_000, description="Most representative points of the GPR, M.")
    sigma_meV: float = Field(10.0, gt=0, le=10_000, description="Regularisation of the GPR in meV.")
    zeta: int = Field(4, ge=1, le=10, description="Exponent of the GPR's dot-product kernel.")
    soap: Literal["tuned", "paper-like", "plain", "quippy"] = Field(
        "tuned", description="Setting of the SOAP descriptor; chapter 02 compares them."
    )
    max_test: int | None = Field(
        None, ge=100, le=100_000_000, description="Most test environments in a fold; null for all."
    )
    trajectory_sizes: Annotated[
        list[Annotated[int, Field(ge=10, le=100_000_000)]],
        AfterValidator(ascending),
        Field(max_length=50, json_schema_extra={"also": "in ascending order; none: no comparison"}),
    ] = Field(
        [1000, 3100, 10_000], description="Numbers of training environments whose models are compared by trajectory."
    )
    use_store: bool = Field(True, description="Whether stored results are read; if not, all are computed.")
    compute: bool = Field(
        False, description="Whether results that the store lacks are computed; if not, they are drawn as gaps."
    )
