"""Where the atoms of one's own structure fall on the maps, and whether the network knows such atoms."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
from ase import Atoms
from ase.build import diamond100, graphene_nanoribbon, molecule
from ase.io import read
from jaxtyping import Float
from sklearn.neighbors import NearestNeighbors

from synthetic_atoms.descriptors import coordination_numbers
from synthetic_atoms.descriptors.spectrum import power_spectrum
from synthetic_atoms.errors import DataError, SyntheticAtomsError
from synthetic_atoms.experiments.structure_maps import LEARNED, PAPER_LIKE, MapStudy, StoredMaps

PLACING = 10
"""Environments on the map among which an atom is placed."""


def _fullerene() -> Atoms:
    atoms = molecule("C60")
    atoms.center(vacuum=5.0)
    return atoms


def _edge() -> Atoms:
    atoms = graphene_nanoribbon(4, 2, type="zigzag", saturated=False, vacuum=6.0)
    atoms.pbc = (False, False, True)
    return atoms


def _surface() -> Atoms:
    atoms = diamond100("C", size=(2, 2, 8), vacuum=6.0, orthogonal=True)
    atoms.pbc = (True, True, False)
    return atoms


EXAMPLES = {"C60": _fullerene, "graphene-edge": _edge, "diamond-surface": _surface}
"""Structures that are made when they are asked for by name, as cut from the crystal: nothing is relaxed."""


def load_structure(name: str, symbol: str = "C") -> Atoms:
    """A structure from :data:`EXAMPLES`, or from a file that ASE reads (its last frame).

    Raises
    ------
    DataError
        If there is no such file, it cannot be read, or it holds other elements.
    """
    if name in EXAMPLES:
        return EXAMPLES[name]()
    path = Path(name).expanduser()
    if not path.is_file():
        raise DataError(f"Expected a structure file or one of {', '.join(EXAMPLES)}, found no file '{name}'.")
    try:
        atoms = read(path, index=-1)
    except SyntheticAtomsError:
        raise
    except Exception as error:  # ASE's readers raise whatever they stumble over
        reason = " ".join(str(error).split()) or type(error).__name__
        raise DataError(f"Expected a structure that ASE reads in {path}, found: {reason}.") from error
    others = sorted(set(atoms.get_chemical_symbols()) - {symbol})
    if others or not len(atoms):
        found = ", ".join(others) if others else "no atoms"
        raise DataError(f"Expected {symbol} atoms only in {path}, found {found}.")
    return atoms


def place(
    study: MapStudy, maps: StoredMaps, atoms: Atoms, n_known: int | None = None
) -> tuple[dict[str, Float[np.ndarray, "atoms 2"]], pd.DataFrame]:
    """Places of all atoms on each map, and what is known of them.

    An atom is placed at the mean of the places of the ten environments that are most alike in what the map was made of,
    weighted by the inverse distance. (UMAP starts its own placing of new points in this way. Going on from there needs
    the fitted model, which only pickle would keep.)

    Parameters
    ----------
    study, maps
        The maps.
    atoms
        The structure.
    n_known
        Training environments that distances are taken to; None for 20,000, or all if there are fewer.

    Returns
    -------
    dict
        For each map, coordinates of shape (atoms, 2).
    pandas.DataFrame
        For each atom ``energy_eV`` (predicted), ``coordination``, ``nearest`` (the environment on the network's map
        that is most alike), ``distance`` (Euclidean, between its SOAP vector and the nearest one in training), and
        ``percentile``: how many per cent of test environments are closer to the training data than this atom.
    """
    soap = study.training.soap
    x = power_spectrum(atoms, soap)
    model = study.network()
    new = {name: x for name in maps.coordinates}
    new[LEARNED] = model.hidden(x)
    new[PAPER_LIKE] = power_spectrum(atoms, "paper-like")
    places, nearest = {}, None
    for name, xy in maps.coordinates.items():
        known = study.representation(name, maps.rows)
        distance, index = NearestNeighbors(n_neighbors=min(PLACING, len(known))).fit(known).kneighbors(new[name])
        weight = 1.0 / np.maximum(distance, 1e-9)
        places[name] = np.einsum("nk,nkd->nd", weight / weight.sum(axis=1, keepdims=True), xy[index])
        if name == LEARNED:
            nearest = maps.rows[index[:, 0]]

    n_known = min(n_known or 20_000, study.training.most_environments())
    trained = NearestNeighbors(n_neighbors=1).fit(study.representation("SOAP", study.reference_rows(n_known)))
    usual = np.sort(trained.kneighbors(study.representation("SOAP", maps.rows[:2000]))[0][:, 0])
    distance = trained.kneighbors(x)[0][:, 0]
    table = pd.DataFrame(
        {
            "atom": np.arange(len(atoms)),
            "energy_eV": model.predict(x),
            "coordination": coordination_numbers(atoms),
            "nearest": nearest,
            "distance": distance,
            "percentile": 100.0 * np.searchsorted(usual, distance) / len(usual),
        }
    )
    return places, table


def kinds(table: pd.DataFrame) -> pd.DataFrame:
    """Atoms that are alike, counted: the same coordination and nearly the same energy (20 meV)."""
    rounded = table.assign(step=(50 * table["energy_eV"]).round())
    groups = rounded.groupby(["coordination", "step"], sort=False)
    found = groups.agg(
        atoms=("atom", "count"), first=("atom", "min"), energy_eV=("energy_eV", "mean"), nearest=("nearest", "first"),
        distance=("distance", "mean"), percentile=("percentile", "mean"),
    )  # fmt: skip
    return found.reset_index().drop(columns="step")
