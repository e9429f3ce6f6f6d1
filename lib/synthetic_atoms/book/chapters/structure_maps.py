"""Parameters of chapter 06_structure_maps."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from synthetic_atoms.book.chapters.fields import Common, ascending, distinct


class StructureMaps(Common):
    """Chapter 06_structure_maps."""

    n_environments: int = Field(30_000, ge=100, le=10_000_000, description="Most environments on the maps.")
    n_neighbors: int = Field(200, ge=2, le=10_000, description="Neighbours that UMAP compares.")
    n_epochs: int = Field(50, ge=1, le=10_000, description="Epochs of UMAP.")
    min_dist: float = Field(0.1, ge=0, le=1, description="Least distance of points that UMAP aims at.")
    n_measured: int = Field(8000, ge=100, le=10_000_000, description="Most environments on the maps that are measured.")
    map_seeds: Annotated[
        list[Annotated[int, Field(ge=0, le=2**31 - 1)]],
        AfterValidator(ascending),
        Field(min_length=1, max_length=20, json_schema_extra={"also": "in ascending order"}),
    ] = Field([0, 1, 2], description="Seeds of the maps that are measured.")
    baselines: Annotated[
        list[Literal["untrained NN", "autoencoder", "PCA", "PCovR"]],
        AfterValidator(distinct),
        Field(json_schema_extra={"also": "each once"}),
    ] = Field(["untrained NN", "autoencoder", "PCA", "PCovR"], description="Representations to compare with.")
    n_interactive: int = Field(1500, ge=10, le=5000, description="Most environments on the interactive map.")
    structure: str = Field(
        "C60",
        min_length=1,
        description="Structure that is placed on the maps.",
        json_schema_extra={"allowed": "C60, graphene-edge, diamond-surface or the path of a structure file"},
    )
    n_folds: int = Field(10, ge=2, le=20, description="Folds, by trajectory, of the network's training.")
    soap: Literal["tuned", "paper-like", "plain", "quippy"] = Field(
        "tuned", description="Setting of the network's SOAP descriptor; chapter 02 compares them."
    )
    use_store: bool = Field(True, description="Whether stored results are read; if not, all are computed.")
    compute: bool = Field(
        False, description="Whether results that the store lacks are computed; if not, they are drawn as gaps."
    )
