"""The SOAP settings that this project uses, by name."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import pandas as pd
from jaxtyping import Float

from synthetic_atoms.errors import ParameterError


@dataclass(frozen=True)
class Weighting:
    """How much a neighbour at distance r counts in DScribe's atomic density.

    ``pow`` is c / (d + (r / r0)^m) (Willatt et al., doi 10.1039/c8cp05921g); ``poly`` is
    c (1 + 2 (r / r0)^3 - 3 (r / r0)^2)^m up to r0 and zero beyond (Caro, doi 10.1103/PhysRevB.100.024112).
    """

    r0_A: float
    m: float
    c: float = 1.0
    d: float = 1.0
    function: Literal["pow", "poly"] = "pow"

    def __call__(self, r_A: Float[np.ndarray, " points"]) -> Float[np.ndarray, " points"]:
        """The weight at each distance (Angstrom)."""
        x = r_A / self.r0_A
        if self.function == "pow":
            return self.c / (self.d + x**self.m)
        return self.c * np.where(x < 1.0, 1.0 + 2.0 * x**3 - 3.0 * x**2, 0.0) ** self.m


@dataclass(frozen=True)
class SoapSettings:
    """Everything that determines a power spectrum; vectors are always normalised to unit length.

    Parameters
    ----------
    r_cut_A
        Radial cutoff.
    sigma_A
        Standard deviation of the Gaussian put on each atom.
    n_max, l_max
        Numbers of radial functions and highest degree of the spherical harmonics.
    weighting
        DScribe's weighting of the density; None for none.
    transition_width_A
        Width over which quippy's cosine cutoff falls to zero.
    library
        Which program computes the power spectrum.

    Raises
    ------
    ParameterError
        If a length is not positive, n_max < 1, l_max is outside 0-20, or an option belongs to the other library.
    """

    r_cut_A: float
    sigma_A: float
    n_max: int = 12
    l_max: int = 6
    weighting: Weighting | None = None
    transition_width_A: float | None = None
    library: Literal["dscribe", "quippy"] = "dscribe"

    def __post_init__(self) -> None:
        if not (self.r_cut_A > 1 and self.sigma_A > 0):
            raise ParameterError(
                f"Expected a SOAP cutoff above 1 A and a positive width, found {self.r_cut_A} and {self.sigma_A} A."
            )
        if not (self.n_max >= 1 and 0 <= self.l_max <= 20):
            raise ParameterError(
                f"Expected n_max of 1 or more and l_max from 0 to 20, found {self.n_max} and {self.l_max}."
            )
        if self.library == "dscribe" and self.transition_width_A is not None:
            raise ParameterError("Expected a transition width only with quippy, found one with DScribe.")
        if self.library == "quippy" and (self.weighting is not None or self.transition_width_A is None):
            raise ParameterError(
                "Expected a transition width and no weighting with quippy, "
                f"found {self.transition_width_A} and {self.weighting}."
            )

    @property
    def n_features(self) -> int:
        """Length of a power-spectrum vector: pairs n <= n' for each l."""
        return self.n_max * (self.n_max + 1) // 2 * (self.l_max + 1)

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that change with any of the settings, and not with their name."""
        return hashlib.sha256(repr(self).encode()).hexdigest()[:8]

    @property
    def reach_A(self) -> float:
        """Distance beyond which an atom has no influence at all.

        DScribe keeps atoms outside the nominal cutoff while the tail of their Gaussian, down to a thousandth of its
        height, still touches it; quippy drops them at the cutoff.
        """
        padding = self.sigma_A * math.sqrt(-2.0 * math.log(1e-3)) if self.library == "dscribe" else 0.0
        return self.r_cut_A + padding

    def weight(self, r_A: Float[np.ndarray, " points"]) -> Float[np.ndarray, " points"]:
        """Weight of a neighbour at each distance, within :attr:`reach_A`."""
        inside = (r_A < self.reach_A).astype(np.float64)
        if self.library == "quippy":
            into = (r_A - self.r_cut_A) / self.transition_width_A + 1.0
            return inside * 0.5 * (1.0 + np.cos(np.pi * np.clip(into, 0.0, 1.0)))
        return inside if self.weighting is None else inside * self.weighting(r_A)


SOAP_SETTINGS: dict[str, SoapSettings] = {
    "tuned": SoapSettings(3.9, 0.4, weighting=Weighting(r0_A=3.2, m=10.0)),
    "paper-like": SoapSettings(3.7, 0.5, weighting=Weighting(r0_A=3.0, m=8.0)),
    "plain": SoapSettings(3.7, 0.5),
    "quippy": SoapSettings(3.7, 0.5, transition_width_A=0.5, library="quippy"),
}
"""The named settings. "tuned" is the default everywhere and this is the only place where it is set."""


def soap_settings(setting: str | SoapSettings) -> SoapSettings:
    """The settings of that name, among the named ones and the candidates, or the settings themselves.

    Raises
    ------
    ParameterError
        If there is no such name.
    """
    if isinstance(setting, SoapSettings):
        return setting
    known = candidate_settings() | SOAP_SETTINGS
    if setting not in known:
        names = ", ".join(repr(name) for name in SOAP_SETTINGS)
        raise ParameterError(f"Expected a SOAP setting out of {names}, found {setting!r}.")
    return known[setting]


def candidate_settings() -> dict[str, SoapSettings]:
    """Candidates that chapter 02 compares with "tuned"; all but the first fall below 0.02 at the cutoff."""
    start = SoapSettings(3.9, 0.4, weighting=Weighting(r0_A=3.2, m=10.0))
    weightings = {
        "pow r0 3.2 m 20": Weighting(3.2, 20.0),
        "pow r0 3.0 m 15": Weighting(3.0, 15.0),
        "pow r0 2.8 m 12": Weighting(2.8, 12.0),
        "pow r0 2.5 m 9": Weighting(2.5, 9.0),
        "pow r0 2.2 m 7": Weighting(2.2, 7.0),
        "pow r0 2.0 m 6": Weighting(2.0, 6.0),
        "poly r0 3.9 m 1": Weighting(3.9, 1.0, function="poly"),
        "poly r0 3.9 m 2": Weighting(3.9, 2.0, function="poly"),
    }
    candidates = {"pow r0 3.2 m 10": start}
    candidates |= {name: replace(start, weighting=weighting) for name, weighting in weightings.items()}
    return candidates


def settings_table(settings: Mapping[str, SoapSettings] | None = None) -> pd.DataFrame:
    """The settings side by side, with the weight of a neighbour at the nominal cutoff.

    Parameters
    ----------
    settings
        :data:`SOAP_SETTINGS` unless given.
    """
    rows = []
    for name, one in (SOAP_SETTINGS if settings is None else settings).items():
        weighting = one.weighting
        rows.append(
            {
                "setting": name,
                "library": one.library,
                "r_cut_A": one.r_cut_A,
                "sigma_A": one.sigma_A,
                "n_max": one.n_max,
                "l_max": one.l_max,
                "weighting": weighting.function if weighting else ("cosine" if one.library == "quippy" else "none"),
                "r0_A": weighting.r0_A if weighting else np.nan,
                "m": weighting.m if weighting else np.nan,
                "weight_at_cutoff": float(one.weight(np.array([one.r_cut_A]))[0]),
                "reach_A": one.reach_A,
            }
        )
    return pd.DataFrame(rows).set_index("setting")
