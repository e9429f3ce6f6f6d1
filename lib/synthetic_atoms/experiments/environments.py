"""Examples of environments: which are typical, what surrounds them, how alike they are (Fig. 2b, c)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
from ase import Atoms
from ase.neighborlist import neighbor_list
from jaxtyping import Float, Int

from synthetic_atoms.datasets import Frames
from synthetic_atoms.descriptors.settings import SoapSettings
from synthetic_atoms.errors import ParameterError
from synthetic_atoms.structure import final_frames


def spread_final_frames(data: Frames, n: int) -> Int[np.ndarray, " chosen"]:
    """Last frames of up to n trajectories, spread evenly over those sorted by density, in that order.

    Raises
    ------
    ParameterError
        If n < 1.
    """
    if n < 1:
        raise ParameterError(f"Expected at least one structure, found {n}.")
    last = final_frames(data)
    last = last[np.argsort(data.density_g_cm3[last], kind="stable")]
    return last[np.unique(np.linspace(0, len(last) - 1, min(n, len(last))).round().astype(np.int64))]


def typical_environment(
    vectors: Float[np.ndarray, "environments features"], members: Int[np.ndarray, " members"]
) -> int:
    """The member that is the most similar, on average, to all members.

    Raises
    ------
    ParameterError
        If there is no member.
    """
    if len(members) == 0:
        raise ParameterError("Expected at least one environment to choose from, found none.")
    own = vectors[members].astype(np.float64)
    return int(members[np.argmax(own @ own.mean(axis=0))])


def neighbourhood(atoms: Atoms, centre: int, radius_A: float) -> Float[np.ndarray, "atoms 3"]:
    """Positions (Angstrom) relative to an atom of all atoms within a radius, nearest first: the atom itself leads.

    The view is that of the bonds: the first two axes are those along which the nearest atoms spread most.

    Raises
    ------
    ParameterError
        If there is no such atom.
    """
    if not 0 <= centre < len(atoms):
        raise ParameterError(f"Expected an atom from 0 to {len(atoms) - 1}, found {centre}.")
    first, vectors = neighbor_list("iD", atoms, radius_A)
    around = vectors[first == centre]
    around = around[np.argsort(np.linalg.norm(around, axis=1), kind="stable")]
    positions = np.concatenate([np.zeros((1, 3)), around])
    axes = np.linalg.svd(positions[:5] - positions[:5].mean(axis=0))[2]
    return positions @ axes.T


def spectrum_table(vector: Float[np.ndarray, " features"], soap: SoapSettings) -> pd.DataFrame:
    """A power spectrum with the labels of its features: ``l``, ``n``, ``n_prime`` (n <= n'), ``value``.

    The order is DScribe's: degree by degree, and in each the pairs of radial functions.
    """
    n, n_prime = np.triu_indices(soap.n_max)
    degrees = soap.l_max + 1
    return pd.DataFrame(
        {
            "l": np.repeat(np.arange(degrees), len(n)),
            "n": np.tile(n + 1, degrees),
            "n_prime": np.tile(n_prime + 1, degrees),
            "value": vector,
        }
    )


def kernel_summary(
    similarity: Float[np.ndarray, "environments environments"],
    kinds: Int[np.ndarray, " environments"],
    zetas: Sequence[int] = (1, 2, 4, 8),
) -> pd.DataFrame:
    """What raising a similarity matrix to a power does to it.

    Parameters
    ----------
    similarity
        Dot products of unit vectors, x . x'.
    kinds
        A label of each environment, such as its coordination number.
    zetas
        The powers.

    Returns
    -------
    pandas.DataFrame
        ``zeta``; mean kernel value of pairs of different environments ``same_kind`` and ``different_kind``; the
        smallest value ``lowest``; and ``effective_dimension``, (sum of eigenvalues)^2 / sum of squared eigenvalues:
        1 if all environments are alike, their number if none resembles another.
    """
    apart = ~np.eye(len(kinds), dtype=bool)
    same = kinds[:, None] == kinds[None, :]
    rows = []
    for zeta in zetas:
        kernel = similarity**zeta
        rows.append(
            {
                "zeta": zeta,
                "same_kind": _mean(kernel[same & apart]),
                "different_kind": _mean(kernel[~same]),
                "lowest": float(kernel.min()),
                "effective_dimension": float(np.trace(kernel) ** 2 / np.sum(kernel**2)),
            }
        )
    return pd.DataFrame(rows)


def _mean(values: Float[np.ndarray, " values"]) -> float:
    return float(values.mean()) if len(values) else float("nan")
