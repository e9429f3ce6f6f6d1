"""How good a map is, in numbers: separation, smoothness, faithfulness, mixing; and their records."""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from sklearn.manifold import trustworthiness
from sklearn.metrics import adjusted_mutual_info_score
from sklearn.neighbors import NearestNeighbors

from synthetic_atoms.categories import CATEGORIES
from synthetic_atoms.experiments.records import (
    Done,
    Keep,
    RecordStore,
    machine,
    read_or_compute,
    record_store,
    versions,
)
from synthetic_atoms.experiments.structure_maps import BASELINES, LEARNED, MAPS, MapStudy, clusters
from synthetic_atoms.scheduling import run_units

NEIGHBOURS = 20
"""Neighbours on the map that the measures look at."""

FAITHFUL = 3000
"""Environments on which trustworthiness and continuity are taken: their cost grows with the square."""

MEASURED = 8000
"""Environments on the maps that the claims are judged by."""

ASKED = (
    "dataset", "dataset_fingerprint", "soap", "network", "n_environments", "n_neighbors", "n_epochs", "min_dist",
    "representation", "seed",
)  # fmt: skip
FOUND = (
    "purity_sp", "purity_sp2", "purity_sp3", "ami", "energy_variance_ratio", "trustworthiness", "continuity",
    "purity_nn_clusters", "fit_s", "machine", "versions",
)  # fmt: skip


def store(dataset: str = "embedded") -> RecordStore:
    """The stored measures: with the project for its own data, else the user's."""
    return record_store("structure_maps.csv", dataset, ASKED, FOUND)


def neighbours(coordinates: Float[np.ndarray, "n d"], k: int = NEIGHBOURS) -> Int[np.ndarray, "n k"]:
    """The k nearest other points of each point."""
    k = min(k, len(coordinates) - 1)
    return NearestNeighbors(n_neighbors=k).fit(coordinates).kneighbors(return_distance=False)


def purity(near: Int[np.ndarray, "n k"], labels: Int[np.ndarray, " n"], label: int | None = None) -> float:
    """Share of neighbours that have the label of the point, averaged over the points (of one label)."""
    same = labels[near] == labels[:, None]
    chosen = same if label is None else same[labels == label]
    return float(chosen.mean()) if len(chosen) else float("nan")


def variance_ratio(near: Int[np.ndarray, "n k"], values: Float[np.ndarray, " n"]) -> float:
    """Mean variance of a property among map neighbours, relative to its variance over all: 0 smooth, 1 random."""
    total = values.var()
    return float(values[near].var(axis=1).mean() / total) if total > 0 else float("nan")


def measures(
    representation: Float[np.ndarray, "n features"],
    coordinates: Float[np.ndarray, "n 2"],
    coordination: Int[np.ndarray, " n"],
    energy_eV: Float[np.ndarray, " n"],
    nn_cluster: Int[np.ndarray, " n"],
) -> dict[str, float]:
    """All measures of one map.

    ``purity_*`` is the share of the 20 nearest neighbours on the map with the same coordination; ``ami`` the adjusted
    mutual information of the map's own seven clusters with coordination; ``energy_variance_ratio`` see
    :func:`variance_ratio`; trustworthiness and continuity (Venna and Kaski 2001) compare neighbours on the map with
    those in the representation; ``purity_nn_clusters`` is the share of neighbours in the same cluster of the network's
    map (low: the clusters are mixed).
    """
    near = neighbours(coordinates)
    some = slice(0, FAITHFUL)
    k = min(NEIGHBOURS, len(coordinates[some]) // 2 - 1)
    return {
        **{f"purity_{name}": purity(near, coordination, number) for name, number in CATEGORIES.items()},
        "ami": float(adjusted_mutual_info_score(coordination, clusters(coordinates))),
        "energy_variance_ratio": variance_ratio(near, energy_eV),
        "trustworthiness": float(trustworthiness(representation[some], coordinates[some], n_neighbors=k)),
        "continuity": float(trustworthiness(coordinates[some], representation[some], n_neighbors=k)),
        "purity_nn_clusters": purity(near, nn_cluster),
    }


def requests(study: MapStudy, representations: Sequence[str], seeds: Iterable[int]) -> pd.DataFrame:
    """One row per map, with the columns :data:`ASKED`."""
    rows = [{**study.settings(), "representation": name, "seed": seed} for name in representations for seed in seeds]
    return pd.DataFrame(rows, columns=list(ASKED))


@lru_cache(maxsize=4)
def _clusters_of_network(study: MapStudy, seed: int) -> Int[np.ndarray, " environments"]:
    """Clusters on the network's own map; kept in memory for the maps of other representations."""
    return clusters(study.embed(study.representation(LEARNED, study.rows(), seed), seed))


def run_map(item: tuple[MapStudy, dict[str, Any]]) -> dict[str, Any]:
    """The complete record of one map."""
    study, asked = item
    name, seed, rows = asked["representation"], int(asked["seed"]), study.rows()
    start = time.perf_counter()
    x = study.representation(name, rows, seed)
    coordinates = study.embed(x, seed)
    seconds = time.perf_counter() - start
    found = measures(
        x,
        coordinates,
        study.dataset.coordination()[rows],
        study.dataset.load().local_energy_eV[rows],
        _clusters_of_network(study, seed),
    )
    return {**asked, **found, "fit_s": seconds, "machine": machine(), "versions": versions()}


def map_measures(
    study: MapStudy,
    representations: Sequence[str] = (*MAPS, *BASELINES),
    seeds: Sequence[int] = (0, 1, 2),
    *,
    use_store: bool = True,
    compute: bool = False,
    workers: int | None = None,
) -> pd.DataFrame:
    """The records of maps: read from the store, computed where that is asked for; parameters as elsewhere."""
    if use_store:
        study.dataset.check_stored()

    def work(missing: pd.DataFrame, keep: Keep) -> Done:
        units = [(study, row) for row in missing.to_dict("records")]
        return run_units(run_map, units, workers=workers, description="maps", on_result=lambda row: keep([row]))

    return read_or_compute(
        requests(study, representations, seeds),
        store(study.dataset.name),
        "ami",
        work,
        use_store=use_store,
        compute=compute,
    )


def summary(records: pd.DataFrame) -> pd.DataFrame:
    """Mean and spread over the seeds of each representation, in the order in which they come."""
    columns = [name for name in FOUND if name not in ("machine", "versions")]
    groups = records.astype(dict.fromkeys(columns, float)).groupby("representation", sort=False)[columns]
    return groups.mean().join(groups.std(ddof=1).add_suffix("_std")).reset_index()
