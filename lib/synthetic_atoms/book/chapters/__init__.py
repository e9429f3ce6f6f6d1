"""The chapters that are notebooks, and what each can be asked: one module of parameters per chapter."""

from __future__ import annotations

from synthetic_atoms.book.chapters.claims import Claims
from synthetic_atoms.book.chapters.dataset import Dataset
from synthetic_atoms.book.chapters.descriptors import DescriptorsAndModels
from synthetic_atoms.book.chapters.fields import Common
from synthetic_atoms.book.chapters.gpr_insights import GprInsights
from synthetic_atoms.book.chapters.learning_curves import LearningCurves
from synthetic_atoms.book.chapters.pretraining import Pretraining
from synthetic_atoms.book.chapters.structure_maps import StructureMaps
from synthetic_atoms.book.chapters.technical_details import TechnicalDetails

CHAPTERS: dict[str, type[Common]] = {
    "01_dataset": Dataset,
    "02_descriptors_and_models": DescriptorsAndModels,
    "03_learning_curves": LearningCurves,
    "04_gpr_insights": GprInsights,
    "05_pretraining": Pretraining,
    "06_structure_maps": StructureMaps,
    "07_technical_details": TechnicalDetails,
    "08_claims": Claims,
}
"""The chapters that are notebooks, by the stem of the notebook's name."""
