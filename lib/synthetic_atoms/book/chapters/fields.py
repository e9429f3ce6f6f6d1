"""Parameters that every chapter has, and types that several share."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field
from pydantic_core import PydanticCustomError


def ascending(values: list) -> list:
    """Refuse values that do not increase."""
    if any(second <= first for first, second in pairwise(values)):
        raise PydanticCustomError("ascending", "not ascending")
    return values


def distinct(values: list[str]) -> list[str]:
    """Refuse repeated values."""
    if len(set(values)) < len(values):
        raise PydanticCustomError("distinct", "repeated")
    return values


Sizes = Annotated[
    list[Annotated[int, Field(ge=10, le=100_000_000)]],
    AfterValidator(ascending),
    Field(min_length=1, max_length=50, json_schema_extra={"also": "in ascending order"}),
]
"""Numbers of training environments."""


def dataset_field(default: str) -> Any:
    """The parameter that names a chapter's data."""
    return Field(
        default,
        min_length=1,
        description="Source of the data: the repository's own, the authors', or extended XYZ files of one's own.",
        json_schema_extra={
            "allowed": "embedded, embedded-all, embedded-pod, paper, paper:PATH or the path of a folder or file"
        },
    )


class Common(BaseModel):
    """Parameters that every chapter has."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, validate_default=True)

    profile: str = Field(
        "book",
        min_length=1,
        description="Name of the profile that the other values come from.",
        json_schema_extra={"allowed": "the name of a profile"},
    )
    dataset: str = dataset_field("embedded")
    n_trajectories: int | None = Field(
        None, ge=1, le=1_000_000, description="Number of trajectories used; null for all."
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seed of every random choice in the chapter.")
