"""Parameters of chapter 04_gpr_insights."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from synthetic_atoms.book.chapters.fields import Common, Sizes, ascending, distinct


class GprInsights(Common):
    """Chapter 04_gpr_insights."""

    sizes: Sizes = Field(
        [100, 310, 1000, 3100, 10_000, 31_000, 100_000, 310_000, 1_000_000],
        description="Numbers of training environments, N, of the learning curves.",
    )
    n_sparse: Annotated[
        list[Annotated[int, Field(ge=10, le=20_000)]],
        AfterValidator(ascending),
        Field(min_length=2, max_length=20, json_schema_extra={"also": "in ascending order"}),
    ] = Field([100, 200, 500, 1000, 2000, 5000, 10_000], description="Numbers of representative points, M.")
    m_reference: int = Field(
        5000, ge=10, le=20_000, description="M of the scan over sigma; larger M have short learning curves."
    )
    large_up_to: int = Field(
        100_000, ge=10, le=100_000_000, description="Largest N of learning curves with M above m_reference."
    )
    sigma_meV: float = Field(10.0, gt=0, le=10_000, description="Regularisation of the learning curves in meV.")
    sigma_sizes: Sizes = Field(
        [1000, 2000, 5000, 10_000, 100_000, 1_000_000],
        description="Numbers of training environments of the scan over sigma.",
    )
    sigmas_meV: Annotated[
        list[Annotated[float, Field(gt=0, le=10_000)]],
        AfterValidator(ascending),
        Field(min_length=3, max_length=50, json_schema_extra={"also": "in ascending order"}),
    ] = Field(
        [0.1, 0.215, 0.463, 1.0, 2.15, 4.63, 10.0, 21.5, 46.3, 100.0, 215.0, 463.0, 1000.0],
        description="Regularisation values of the scan, in meV.",
    )
    estimators: Annotated[
        list[Literal["dtc", "fitc"]],
        AfterValidator(distinct),
        Field(min_length=1, json_schema_extra={"also": "each once"}),
    ] = Field(["dtc", "fitc"], description="Estimators of sparse GPR.")
    fitc_all_folds_up_to: int = Field(
        100_000,
        ge=10,
        le=100_000_000,
        description="Largest N of FITC's scan over sigma in all folds; beyond, one fold.",
    )
    n_folds: int = Field(5, ge=2, le=20, description="Folds of the cross-validation by trajectory.")
    max_test: int | None = Field(
        None, ge=100, le=100_000_000, description="Most test environments in a fold; null for all."
    )
    zeta: int = Field(4, ge=1, le=10, description="Exponent of the GPR's dot-product kernel.")
    kernel_offset: float = Field(
        0.0, ge=0, le=100, description="Constant added to the dot product; 0 in the paper's text, 1 in its code."
    )
    jitter: float = Field(
        1e-12,
        ge=0,
        lt=1,
        description="Added to the kernel matrix of the representative points, relative to its mean diagonal; more if "
        "it is singular.",
    )
    soap: Literal["tuned", "paper-like", "plain", "quippy"] = Field(
        "tuned", description="Setting of the SOAP descriptor; chapter 02 compares them."
    )
    use_store: bool = Field(True, description="Whether stored results are read; if not, all are computed.")
    compute: bool = Field(
        False, description="Whether results that the store lacks are computed; if not, they are drawn as gaps."
    )
