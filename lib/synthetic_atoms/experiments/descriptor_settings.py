"""SOAP settings compared: regression error, convergence, agreement, invariance and speed (the paper's Methods)."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pandas as pd
from ase import Atoms
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from synthetic_atoms.descriptors import SOAP_SETTINGS, average_similarity, candidate_settings, power_spectrum
from synthetic_atoms.descriptors.settings import SoapSettings, soap_settings
from synthetic_atoms.errors import MissingDependencyError, ParameterError
from synthetic_atoms.experiments.gpr_grid import ASKED, Study, Sweep, requests
from synthetic_atoms.experiments.gpr_path import FOUND, sparse_gpr


def is_available(setting: str | SoapSettings) -> bool:
    """Whether the program that computes a setting is installed."""
    try:
        power_spectrum(Atoms("C"), setting)
    except MissingDependencyError:
        return False
    return True


def compare_settings(
    study: Study,
    sweep: Sweep,
    settings: Sequence[str],
    *,
    use_store: bool = True,
    compute: bool = False,
) -> pd.DataFrame:
    """The records of one grid for several SOAP settings, one after the other.

    A setting whose program is not installed has a row of NaN for each fit that the store lacks.

    Parameters
    ----------
    study
        What the fits share; its ``soap`` is replaced.
    sweep
        The grid.
    settings
        Names of the settings.
    use_store, compute
        As for :func:`~synthetic_atoms.experiments.gpr_path.sparse_gpr`.

    Returns
    -------
    pandas.DataFrame
        The records, setting by setting.

    Raises
    ------
    ParameterError
        If a size is larger than some fold's training set.
    """
    if max(sweep.sizes) > (largest := study.largest_size()):
        raise ParameterError(
            f"Expected sizes of at most {largest}, as many training environments as every fold has, "
            f"found {max(sweep.sizes)}."
        )
    parts = []
    for setting in settings:
        one = replace(study, soap=setting)
        computed = compute and is_available(setting)
        if computed or use_store:
            parts.append(sparse_gpr(one, [sweep], use_store=use_store, compute=computed))
        else:
            parts.append(requests(one, [sweep]).reindex(columns=[*ASKED, *FOUND]))
    return pd.concat([part.astype({"mae_test_meV": float}) for part in parts], ignore_index=True)


def settings_summary(records: pd.DataFrame, reference: str = "tuned") -> pd.DataFrame:
    """Mean test error of each setting at each size, its spread, and its difference from a reference setting.

    Differences are taken fold by fold, where both settings see the same training and test environments.

    Returns
    -------
    pandas.DataFrame
        ``soap``, ``n_train``, ``mae_test_meV``, ``mae_test_std_meV`` and, over the folds that have both,
        ``difference_meV``, ``difference_std_meV`` and ``folds_lower``, the number of them in which the setting errs
        less than the reference; ``folds`` with a result.
    """
    keys = ["n_train", "fold"]
    base = records.loc[records["soap"] == reference].set_index(keys)["mae_test_meV"].rename("reference")
    table = records.join(base, on=keys)
    table["difference_meV"] = table["mae_test_meV"] - table["reference"]
    table["lower"] = table["difference_meV"] < 0
    groups = table.groupby(["soap", "n_train"], sort=False)
    return pd.DataFrame(
        {
            "mae_test_meV": groups["mae_test_meV"].mean(),
            "mae_test_std_meV": groups["mae_test_meV"].std(ddof=1),
            "difference_meV": groups["difference_meV"].mean(),
            "difference_std_meV": groups["difference_meV"].std(ddof=1),
            "folds_lower": groups["lower"].sum(),
            "folds": groups["mae_test_meV"].count(),
        }
    ).reset_index()


def candidate_names() -> list[str]:
    """Names under which records hold the candidate settings; one that has a proper name goes by that."""
    named = {one: name for name, one in SOAP_SETTINGS.items()}
    return [named.get(one, name) for name, one in candidate_settings().items()]


def convergence(
    structures: Sequence[Atoms],
    setting: str | SoapSettings,
    sizes: Sequence[tuple[int, int]],
    reference: tuple[int, int],
    zeta: float = 1.0,
) -> pd.DataFrame:
    """Average similarity of each structure at several (n_max, l_max), and its relative change from a reference.

    Parameters
    ----------
    structures
        The structures; each has its own average over all pairs of its environments.
    setting
        Everything but n_max and l_max.
    sizes
        Pairs (n_max, l_max).
    reference
        The pair that the others are compared with.
    zeta
        Exponent of the kernel.

    Returns
    -------
    pandas.DataFrame
        ``structure``, ``n_max``, ``l_max``, ``mean_similarity``, ``change_percent``.
    """
    soap = soap_settings(setting)
    rows = []
    for number, structure in enumerate(structures):
        fine = average_similarity(structure, replace(soap, n_max=reference[0], l_max=reference[1]), zeta)
        for n_max, l_max in sizes:
            coarse = average_similarity(structure, replace(soap, n_max=n_max, l_max=l_max), zeta)
            rows.append((number, n_max, l_max, coarse, 100.0 * (coarse / fine - 1.0)))
    return pd.DataFrame(rows, columns=["structure", "n_max", "l_max", "mean_similarity", "change_percent"])


def random_pairs(n: int, n_pairs: int, seed: int = 0) -> Int[np.ndarray, "pairs 2"]:
    """Pairs of different indices below n, drawn at random with replacement.

    Raises
    ------
    ParameterError
        If n < 2.
    """
    if n < 2:
        raise ParameterError(f"Expected at least two environments to make pairs of, found {n}.")
    rng = np.random.default_rng(seed)
    first = rng.integers(n, size=n_pairs)
    return np.stack([first, (first + rng.integers(1, n, size=n_pairs)) % n], axis=1)


def pair_similarities(
    vectors: Float[np.ndarray, "environments features"], pairs: Int[np.ndarray, "pairs 2"]
) -> Float[np.ndarray, " pairs"]:
    """Dot product of the two environments of each pair."""
    return np.einsum("ij,ij->i", *(vectors[pairs[:, side]].astype(np.float64) for side in (0, 1)))


def invariance(structures: Sequence[Atoms], setting: str | SoapSettings, seed: int = 0) -> dict[str, float]:
    """Largest change of any feature when structures are moved in ways that change no environment.

    Parameters
    ----------
    structures
        Periodic structures.
    setting
        The descriptor.
    seed
        Seeds the rotations, shifts and orders.

    Returns
    -------
    dict
        ``rotation`` (of cell and atoms), ``translation`` (of all atoms across the cell's faces), ``permutation`` (of
        the atoms' order).
    """
    rng = np.random.default_rng(seed)
    largest = dict.fromkeys(("rotation", "translation", "permutation"), 0.0)
    for structure in structures:
        before = power_spectrum(structure, setting)
        turn = Rotation.random(random_state=rng).as_matrix()
        turned = structure.copy()
        turned.set_cell(structure.cell.array @ turn.T)
        turned.set_positions(structure.positions @ turn.T)
        moved = structure.copy()
        moved.translate(rng.uniform(-10.0, 10.0, size=3))
        order = rng.permutation(len(structure))
        for name, changed, expected in (
            ("rotation", turned, before),
            ("translation", moved, before),
            ("permutation", structure[order], before[order]),
        ):
            change = float(np.abs(power_spectrum(changed, setting) - expected).max())
            largest[name] = max(largest[name], change)
    return largest


def throughput(structures: Sequence[Atoms], setting: str | SoapSettings, repeats: int = 5) -> dict[str, float]:
    """Processor time for one power spectrum, over several passes through some structures after one to warm up.

    Processor time, not wall time: other programs that share the cores then cost little of the measure.

    Returns
    -------
    dict
        ``ms_per_environment`` (median of the passes), ``lowest_ms`` and ``highest_ms``.
    """
    n = sum(map(len, structures))
    power_spectrum(structures[:1], setting)
    passes = []
    for _ in range(repeats):
        start = time.process_time()
        power_spectrum(structures, setting)
        passes.append(1000.0 * (time.process_time() - start) / n)
    return {
        "ms_per_environment": float(np.median(passes)),
        "lowest_ms": float(np.min(passes)),
        "highest_ms": float(np.max(passes)),
    }
