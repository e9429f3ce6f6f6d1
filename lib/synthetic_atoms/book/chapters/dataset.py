"""Parameters of chapter 01_dataset."""

from __future__ import annotations

from pydantic import Field

from synthetic_atoms.book.chapters.fields import Common, dataset_field


class Dataset(Common):
    """Chapter 01_dataset."""

    dataset: str = dataset_field("embedded-all")
    kde_environments: int = Field(
        20_000, ge=100, le=10_000_000, description="Most environments behind each kernel density estimate."
    )
    ring_frames: int = Field(600, ge=1, le=1_000_000, description="Most final frames whose rings are counted.")
    cost_structures: int = Field(
        5, ge=0, le=1000, description="Structures whose labelling is timed, of each kind; 0 for none."
    )
