"""Fingerprints of atomic environments: SOAP power spectra, their cache on disk, coordination numbers."""

from __future__ import annotations

from synthetic_atoms.descriptors.coordination import coordination_numbers
from synthetic_atoms.descriptors.features import features, prepare
from synthetic_atoms.descriptors.row_file import RowFile
from synthetic_atoms.descriptors.settings import (
    SOAP_SETTINGS,
    SoapSettings,
    Weighting,
    candidate_settings,
    settings_table,
    soap_settings,
)
from synthetic_atoms.descriptors.spectrum import average_similarity, power_spectrum

__all__ = [
    "SOAP_SETTINGS",
    "RowFile",
    "SoapSettings",
    "Weighting",
    "average_similarity",
    "candidate_settings",
    "coordination_numbers",
    "features",
    "power_spectrum",
    "prepare",
    "settings_table",
    "soap_settings",
]
