"""SOAP power spectra of single-element structures, normalised so that a dot product is the SOAP kernel."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import numpy as np
from ase import Atoms
from ase.cell import Cell
from dscribe.descriptors import SOAP
from jaxtyping import Float, Float32
from scipy.linalg import LinAlgWarning

from synthetic_atoms.descriptors.settings import SoapSettings, soap_settings
from synthetic_atoms.errors import DataError, MissingDependencyError, ParameterError


def power_spectrum(
    atoms: Atoms | Sequence[Atoms],
    setting: str | SoapSettings = "tuned",
    centres: Sequence[Any] | np.ndarray | None = None,
) -> Float32[np.ndarray, "environments features"]:
    """Normalised SOAP power spectrum of each environment (Bartok et al., doi 10.1103/PhysRevB.87.184115).

    The element does not matter as long as a structure has only one. Features with n != n', which stand for two equal
    ones, carry a factor sqrt(2), so that the dot product of two vectors is the full, normalised SOAP kernel.

    Parameters
    ----------
    atoms
        One structure or several; periodic along the axes that its ``pbc`` says.
    setting
        A name in :data:`~synthetic_atoms.descriptors.settings.SOAP_SETTINGS`, or settings.
    centres
        Indices of the atoms whose environments are wanted (for several structures, one sequence each); all if None.

    Returns
    -------
    numpy.ndarray
        One row of unit length for each environment, structure by structure; a row is zero where the density is.

    Raises
    ------
    DataError
        If a structure has no atoms, more than one element, positions that are not finite, or a periodic cell
        without volume.
    ParameterError
        If the setting is unknown or cannot be computed, or a centre does not exist.
    MissingDependencyError
        If the setting needs quippy and it is not installed.
    """
    soap = soap_settings(setting)
    if isinstance(atoms, Atoms):
        structures, wanted = [atoms], [centres]
    else:
        structures = list(atoms)
        wanted = [None] * len(structures) if centres is None else list(centres)
        if len(wanted) != len(structures):
            raise ParameterError(
                f"Expected one sequence of centres for each of {len(structures)} structures, found {len(wanted)}."
            )
    compute = _quippy_spectrum if soap.library == "quippy" else _dscribe_spectrum
    rows = [np.zeros((0, soap.n_features), dtype=np.float32)]
    for structure, indices in zip(structures, wanted, strict=True):
        chosen = _centres(indices, len(structure))
        vectors = compute(_checked(structure), soap, chosen)
        length = np.linalg.norm(vectors, axis=1, keepdims=True)
        rows.append(np.divide(vectors, length, out=np.zeros_like(vectors), where=length > 0).astype(np.float32))
    return np.concatenate(rows)


def average_similarity(
    structure: Atoms | Float[np.ndarray, "environments features"],
    setting: str | SoapSettings = "tuned",
    zeta: float = 1.0,
) -> float:
    """Mean of the SOAP similarity matrix (x_i . x_j)^zeta over all pairs of environments of one structure.

    The paper's test of convergence is this number at (n_max, l_max) = (12, 6) against (16, 16); with quippy's SOAP
    and ``zeta=1`` the two agree within its 0.01 %.

    Parameters
    ----------
    structure
        The structure, or power spectra that are already there.
    setting
        As for :func:`power_spectrum`; unused for power spectra.
    zeta
        Exponent of the kernel.

    Raises
    ------
    ParameterError
        If zeta is not positive, or the setting cannot be computed (DScribe's radial basis breaks down numerically
        above n_max = 13 or l_max = 12).
    """
    if not zeta > 0:
        raise ParameterError(f"Expected a positive zeta, found {zeta}.")
    vectors = power_spectrum(structure, setting) if isinstance(structure, Atoms) else structure
    vectors = vectors.astype(np.float64)
    return float(np.mean((vectors @ vectors.T) ** zeta))


def _checked(structure: Atoms) -> Atoms:
    """A copy with its atoms inside the cell, as DScribe wants them."""
    name = structure.get_chemical_formula() or "an empty structure"
    if len(set(structure.numbers)) != 1:
        raise DataError(f"Expected a structure of a single element, found {name}.")
    if not (np.isfinite(structure.positions).all() and np.isfinite(structure.cell.array).all()):
        raise DataError(f"Expected finite positions and cell vectors, found others in {name}.")
    periodic = structure.cell.array[structure.pbc]
    if np.linalg.matrix_rank(periodic) < len(periodic):
        raise DataError(f"Expected a cell vector along each periodic direction, found a flat cell in {name}.")
    # Cell vectors along directions that are not periodic mean nothing, but DScribe wants them.
    cell = Cell(np.where(structure.pbc[:, None], structure.cell.array, 0.0)).complete()
    copy = Atoms(numbers=structure.numbers, positions=structure.positions, cell=cell, pbc=structure.pbc)
    copy.wrap()
    return copy


def _centres(indices: Any, n_atoms: int) -> np.ndarray | None:
    if indices is None:
        return None
    chosen = np.asarray(indices)
    if chosen.size == 0:
        return np.zeros(0, dtype=np.int64)
    if chosen.ndim != 1 or chosen.dtype.kind not in "iu" or chosen.min() < 0 or chosen.max() >= n_atoms:
        raise ParameterError(f"Expected centres as indices from 0 to {n_atoms - 1}, found {indices!r}.")
    return chosen.astype(np.int64)


@lru_cache(maxsize=32)
def _dscribe(soap: SoapSettings, number: int) -> tuple[SOAP, np.ndarray]:
    """DScribe's calculator and the factor of each feature."""
    weighting = None
    if soap.weighting is not None:
        weighting = {"function": soap.weighting.function, "r0": soap.weighting.r0_A}
        weighting |= {"m": soap.weighting.m, "c": soap.weighting.c, "d": soap.weighting.d}
    try:
        # With too many radial functions their overlap matrix is singular to working precision: DScribe then fails only
        # where its root is complex; elsewhere scipy warns, and the numbers are off in the fourth digit.
        with warnings.catch_warnings(action="error", category=LinAlgWarning):
            calculator = SOAP(
                r_cut=soap.r_cut_A,
                sigma=soap.sigma_A,
                n_max=soap.n_max,
                l_max=soap.l_max,
                weighting=weighting,
                species=[int(number)],
                periodic=True,
            )
    except (ValueError, LinAlgWarning) as error:
        raise ParameterError(
            f"Expected a radial basis that DScribe can orthonormalise, found n_max = {soap.n_max}, "
            f"l_max = {soap.l_max} with a cutoff of {soap.r_cut_A} A: lower n_max or l_max."
        ) from error
    # DScribe gives, for each l, the pairs n <= n' once.
    n, n_prime = np.triu_indices(soap.n_max)
    return calculator, np.tile(np.where(n == n_prime, 1.0, np.sqrt(2.0)), soap.l_max + 1)


def _dscribe_spectrum(
    structure: Atoms, soap: SoapSettings, centres: np.ndarray | None
) -> Float[np.ndarray, "environments features"]:
    calculator, factor = _dscribe(soap, int(structure.numbers[0]))
    if centres is not None and len(centres) == 0:
        return np.zeros((0, soap.n_features))
    return calculator.create_single(structure, centers=None if centres is None else centres.tolist()) * factor


@lru_cache(maxsize=32)
def _quippy(soap: SoapSettings, number: int) -> Any:
    try:
        from quippy.descriptors import Descriptor
    except ImportError as error:
        raise MissingDependencyError(
            "Expected the package quippy-ase for the SOAP setting 'quippy' (pip install quippy-ase), found none."
        ) from error
    return Descriptor(
        f"soap cutoff={soap.r_cut_A} cutoff_transition_width={soap.transition_width_A} atom_sigma={soap.sigma_A} "
        f"n_max={soap.n_max} l_max={soap.l_max} normalise=T n_species=1 species_Z={number} Z={number}"
    )


def _quippy_spectrum(
    structure: Atoms, soap: SoapSettings, centres: np.ndarray | None
) -> Float[np.ndarray, "environments features"]:
    open_axes = np.flatnonzero(~structure.pbc)
    if len(open_axes):
        # quippy reads every cell as periodic: leave so much room that the images do not see each other.
        structure.center(vacuum=soap.r_cut_A, axis=open_axes.tolist())
        structure.pbc = True
    vectors = _quippy(soap, int(structure.numbers[0])).calc(structure)["data"]
    # The last feature is quippy's covariance_sigma0, zero here.
    return (vectors if centres is None else vectors[centres])[:, :-1]
