"""Parameters of chapter 02_descriptors_and_models."""

from __future__ import annotations

from pydantic import Field

from synthetic_atoms.book.chapters.fields import Common, Sizes


class DescriptorsAndModels(Common):
    """Chapter 02_descriptors_and_models."""

    n_structures: int = Field(
        12, ge=1, le=1000, description="Most final frames used for examples, convergence, invariance and timing."
    )
    n_kernel: int = Field(20, ge=2, le=200, description="Most environments of each kind in the kernel matrices.")
    n_pairs: int = Field(3000, ge=10, le=1_000_000, description="Pairs of environments on which settings are compared.")
    n_network: int = Field(1000, ge=10, le=100_000, description="Environments that the network drawn is trained on.")
    sizes: Sizes = Field(
        [310, 1000, 3100, 10_000], description="Numbers of training environments of the SOAP settings."
    )
    candidate_sizes: Sizes = Field(
        [1000, 3100, 10_000], description="Numbers of training environments of the candidate weightings."
    )
    n_folds: int = Field(5, ge=2, le=20, description="Folds of the cross-validation by trajectory.")
    max_test: int | None = Field(
        10_000, ge=100, le=100_000_000, description="Most test environments in a fold; null for all."
    )
    n_sparse: int = Field(3100, ge=10, le=20_000, description="Most representative points of the GPR, M.")
    sigma_meV: float = Field(10.0, gt=0, le=10_000, description="Regularisation of the GPR in meV.")
    zeta: int = Field(4, ge=1, le=10, description="Exponent of the GPR's dot-product kernel.")
    use_store: bool = Field(True, description="Whether stored results are read; if not, all are computed.")
    compute: bool = Field(
        False, description="Whether results that the store lacks are computed; if not, they are drawn as gaps."
    )
