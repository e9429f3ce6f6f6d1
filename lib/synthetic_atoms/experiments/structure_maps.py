"""Two-dimensional maps of environments: UMAP of SOAP vectors and of what a network has learned (Figs 6 and 7)."""

from __future__ import annotations

import hashlib
import json
import time
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from jaxtyping import Float, Int
from sklearn.cluster import Birch
from sklearn.decomposition import PCA
from sklearn.exceptions import ConvergenceWarning
from sklearn.linear_model import Ridge
from sklearn.neural_network import MLPRegressor
from skmatter.decomposition import PCovR

from synthetic_atoms.descriptors import features
from synthetic_atoms.errors import ParameterError
from synthetic_atoms.experiments.dataset import Dataset
from synthetic_atoms.experiments.fine_tuning import digest, network
from synthetic_atoms.experiments.fine_tuning_grid import FineTuning, Fit, pretrained
from synthetic_atoms.files import read_npz, write_npz
from synthetic_atoms.models.network import Network
from synthetic_atoms.models.neural_network import NeuralNetwork
from synthetic_atoms.paths import data_directory, is_own, user_data_directory

N_CLUSTERS = 7
"""Clusters in the map of the network, as in the paper's Fig. 7."""

N_COMPONENTS = 32
"""Dimensions that the linear baselines and the autoencoder keep."""

LEARNED, TUNED, PAPER_LIKE = "NN", "SOAP", "SOAP, sigma 0.5"
MAPS = (TUNED, PAPER_LIKE, LEARNED)
"""The maps that are drawn."""

BASELINES = ("untrained NN", "autoencoder", "PCA", "PCovR")
"""Representations that tell what of the network's map is due to what."""


@dataclass(frozen=True)
class MapStudy:
    """Which environments are mapped, with which network, and how.

    Attributes
    ----------
    training
        The data, their folds, and the descriptor of the network: it is the one pre-trained on per-atom energies in the
        first fold (chapter 05).
    n_environments
        Environments on the map, drawn at random from the first fold's test trajectories, which the network has not
        seen.
    n_neighbors, n_epochs, min_dist
        Of UMAP; the defaults are the authors'.
    seed
        Draws the environments.
    """

    training: FineTuning = field(default_factory=FineTuning)
    n_environments: int = 30_000
    n_neighbors: int = 200
    n_epochs: int = 50
    min_dist: float = 0.1
    seed: int = 0

    @property
    def dataset(self) -> Dataset:
        """The data."""
        return self.training.dataset

    def settings(self) -> dict[str, object]:
        """What decides a map, but the representation and the seeds of UMAP and of the environments' choice."""
        return {
            "dataset": self.dataset.name,
            "dataset_fingerprint": self.dataset.load().fingerprint[:12],
            "soap": self.training.soap,
            "network": digest(self.training, self.fit()),
            "n_environments": len(self.rows()),
            "n_neighbors": self.n_neighbors,
            "n_epochs": self.n_epochs,
            "min_dist": self.min_dist,
        }

    def fit(self) -> Fit:
        """The network: the one pre-trained on everything in the first fold."""
        return pretrained(self.training.most_environments(), 0)

    def network(self, *, compute: bool = True) -> NeuralNetwork:
        """The trained network; kept in memory."""
        return _network(self.training, self.fit(), compute)

    def rows(self, n: int | None = None) -> Int[np.ndarray, " environments"]:
        """The environments in the order in which they were drawn; the first n of them."""
        test = self.training.environments()[0].test
        wanted = min(self.n_environments, len(test))
        return np.random.default_rng([self.seed, 3]).permutation(test)[:wanted][:n]

    def reference_rows(self, n: int) -> Int[np.ndarray, " environments"]:
        """Some environments that the network was trained on."""
        return self.training.environments()[0].sample(n)

    def representation(
        self, name: str, rows: Int[np.ndarray, " environments"], seed: int = 0
    ) -> Float[np.ndarray, "environments features"]:
        """What UMAP compares: features of some environments.

        Parameters
        ----------
        name
            One of :data:`MAPS` or :data:`BASELINES`.
        rows
            The environments.
        seed
            Of the untrained network's weights and of the autoencoder.

        Raises
        ------
        ParameterError
            If there is no such representation.
        """
        if name == PAPER_LIKE:
            return features(self.dataset.load(), "paper-like", rows=rows)
        x = features(self.dataset.load(), self.training.soap, rows=rows)
        if name == TUNED:
            return x
        if name == LEARNED:
            return self.network().hidden(x)
        scaled = self.network().scaler_(x).numpy()
        if name == "untrained NN":
            return _untrained(self.network(), seed).hidden(x)
        if name == "autoencoder":
            return _bottleneck(scaled, seed)
        n = min(N_COMPONENTS, *scaled.shape)
        if name == "PCA":
            return PCA(n, svd_solver="full").fit_transform(scaled)
        if name == "PCovR":
            energy = self.dataset.load().local_energy_eV[rows]
            target = ((energy - energy.mean()) / energy.std())[:, None]
            centred = scaled.astype(np.float64) - scaled.mean(axis=0, dtype=np.float64)
            centred /= centred.std()
            # Nearly collinear features need a little more regularisation than scikit-matter's default.
            regression = Ridge(alpha=1e-3, fit_intercept=False)
            return PCovR(mixing=0.5, n_components=n, regressor=regression).fit(centred, target).transform(centred)
        raise ParameterError(f"Expected a representation among {', '.join((*MAPS, *BASELINES))}, found '{name}'.")

    def embed(
        self, x: Float[np.ndarray, "environments features"], seed: int = 42
    ) -> Float[np.ndarray, "environments 2"]:
        """UMAP's coordinates; the seed is the authors' by default. They differ between machines, even with a seed."""
        return reducer(len(x), self.n_neighbors, self.n_epochs, self.min_dist, seed).fit_transform(x)


def reducer(n: int, n_neighbors: int, n_epochs: int, min_dist: float, seed: int):
    """UMAP with these settings; it is imported here because that takes seconds."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from umap import UMAP

        # One job, as a seed asks for: named, so that there is no warning.
        return UMAP(
            n_neighbors=min(n_neighbors, n - 1), n_epochs=n_epochs, min_dist=min_dist, random_state=seed, n_jobs=1
        )


@lru_cache(maxsize=1)
def _network(training: FineTuning, fit: Fit, compute: bool) -> NeuralNetwork:
    return network(training, fit, compute=compute)


def _untrained(trained: NeuralNetwork, seed: int) -> NeuralNetwork:
    """A network of the same shape and scaling with random weights."""
    import torch

    model = NeuralNetwork(**trained.get_params())
    for name in ("scaler_", "n_features_in_", "target_mean_", "target_scale_"):
        setattr(model, name, getattr(trained, name))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model.network_ = Network(trained.n_features_in_, trained.hidden_layers).eval()
    return model


def _bottleneck(x: Float[np.ndarray, "n features"], seed: int) -> Float[np.ndarray, "n components"]:
    """Activations in the narrow layer of an autoencoder: as flexible as the network, but without energies."""
    widths = (256, min(N_COMPONENTS, x.shape[1]), 256)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it stops after a fixed number of epochs, by intention
        model = MLPRegressor(
            hidden_layer_sizes=widths, activation="tanh", max_iter=20, batch_size=min(200, len(x)), random_state=seed
        )
        model.fit(x, x)
    hidden = x
    for weights, offset in zip(model.coefs_[:2], model.intercepts_[:2], strict=True):
        hidden = np.tanh(hidden @ weights + offset)
    return hidden


def clusters(coordinates: Float[np.ndarray, "environments 2"]) -> Int[np.ndarray, " environments"]:
    """Seven clusters of a map by BIRCH, numbered by size, largest first (the paper's Fig. 7)."""
    scaled = np.asarray(coordinates, dtype=float) / (coordinates.std() or 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer than seven subclusters: then they are the clusters
        labels = Birch(threshold=0.1, n_clusters=N_CLUSTERS).fit_predict(scaled)
    order = np.argsort(-np.bincount(labels), kind="stable")
    return np.argsort(order)[labels]


@dataclass(frozen=True)
class StoredMaps:
    """Maps of the same environments.

    Attributes
    ----------
    rows
        The environments, shape (environments,).
    coordinates
        For each name in :data:`MAPS`, shape (environments, 2).
    cluster
        Cluster of each environment in the network's map.
    seconds
        What each map cost, in the order of the names; NaN if it was read.
    """

    rows: Int[np.ndarray, " environments"]
    coordinates: Mapping[str, Float[np.ndarray, "environments 2"]]
    cluster: Int[np.ndarray, " environments"]
    seconds: tuple[float, ...] = ()


def maps_file(study: MapStudy) -> Path:
    """Where maps with these settings are kept: with the project for its own data, else with the user's."""
    name = Path(study.dataset.name).stem
    text = json.dumps(study.settings() | {"dataset": name}, sort_keys=True)
    folder = data_directory() if is_own(study.dataset.name) else user_data_directory()
    return folder / "maps" / f"{name}-{hashlib.blake2b(text.encode(), digest_size=8).hexdigest()}.npz"


def make_maps(study: MapStudy) -> StoredMaps:
    """Compute the maps and the clusters."""
    rows, found, seconds = study.rows(), {}, []
    for name in MAPS:
        start = time.perf_counter()
        found[name] = study.embed(study.representation(name, rows))
        seconds.append(time.perf_counter() - start)
    return StoredMaps(rows, found, clusters(found[LEARNED]), tuple(seconds))


def write_maps(study: MapStudy, maps: StoredMaps) -> Path:
    """Keep maps, in half precision."""
    path = maps_file(study)
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {f"map_{i}": maps.coordinates[name].astype(np.float16) for i, name in enumerate(MAPS)}
    rows = maps.rows.astype(np.int32)
    write_npz(
        path, {**arrays, "rows": rows, "cluster": maps.cluster.astype(np.uint8), "seconds": np.array(maps.seconds)}
    )
    return path


def stored_maps(study: MapStudy) -> StoredMaps | None:
    """The kept maps, or None if there are none with these settings.

    Raises
    ------
    DataError
        If the file is damaged.
    """
    path = maps_file(study)
    if not path.is_file():
        return None
    kinds = {f"map_{i}": "f2" for i in range(len(MAPS))} | {"rows": "iu1", "cluster": "iu1", "seconds": "f1"}
    arrays = read_npz(path, kinds)
    if not np.array_equal(arrays["rows"], study.rows()):
        return None
    coordinates = {name: arrays[f"map_{i}"].astype(np.float64) for i, name in enumerate(MAPS)}
    return StoredMaps(
        arrays["rows"].astype(np.int64), coordinates, arrays["cluster"].astype(np.int64), tuple(arrays["seconds"])
    )
