"""Parameters of chapter 05_pretraining."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import AfterValidator, Field

from synthetic_atoms.book.chapters.fields import Common, Sizes, ascending


class Pretraining(Common):
    """Chapter 05_pretraining."""

    n_cells: int | None = Field(
        None, ge=20, le=1_000_000, description="Number of cells with total energies used; null for all."
    )
    n_folds: int = Field(10, ge=2, le=20, description="Folds of the table, by trajectory.")
    curve_folds: int = Field(5, ge=1, le=20, description="How many of these folds the curves use.")
    pretrain_sizes: Sizes = Field(
        [200, 600, 2000, 6000, 20_000, 60_000, 140_000],
        description="Numbers of environments in pre-training; all that there are, are added.",
    )
    label_sizes: Annotated[
        list[Annotated[int, Field(ge=5, le=1_000_000)]],
        AfterValidator(ascending),
        Field(min_length=1, max_length=50, json_schema_extra={"also": "in ascending order"}),
    ] = Field(
        [25, 50, 100, 200, 400, 800, 1200],
        description="Numbers of cells in direct training and fine-tuning; all that there are, are added.",
    )
    n_trials: int = Field(9, ge=0, le=1000, description="Trials of each search for hyperparameters; 0 for none.")
    cell_passes: int = Field(
        53_000, ge=100, le=100_000_000, description="About as many cells are seen in each fit: sets its epochs."
    )
    n_parity: int = Field(1000, ge=10, le=1_000_000, description="Most test atoms in the parity plots.")
    teacher_cells: Annotated[
        list[Annotated[int, Field(ge=5, le=1_000_000)]],
        AfterValidator(ascending),
        Field(min_length=1, max_length=20, json_schema_extra={"also": "in ascending order"}),
    ] = Field([25, 50, 100, 400], description="Cells that POD teachers are fitted to; all that there are, are added.")
    teacher_frames: int = Field(
        100, ge=1, le=1_000_000, description="Frames whose atoms the teachers label for pre-training."
    )
    teacher_labels: int = Field(100, ge=10, le=1_000_000, description="Cells in fine-tuning after these teachers.")
    teacher_folds: int = Field(3, ge=1, le=20, description="How many of the folds the comparison of teachers uses.")
    soap: Literal["tuned", "paper-like", "plain", "quippy"] = Field(
        "tuned", description="Setting of the SOAP descriptor; chapter 02 compares them."
    )
    use_store: bool = Field(True, description="Whether stored results are read; if not, all are computed.")
    compute: bool = Field(
        False, description="Whether results that the store lacks are computed; if not, they are drawn as gaps."
    )
