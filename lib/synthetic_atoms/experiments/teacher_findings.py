"""Which teachers are compared beyond the paper, and what the comparison says."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd

from synthetic_atoms.experiments.bootstrap import Estimate, bootstrap
from synthetic_atoms.experiments.fine_tuning_findings import ERROR
from synthetic_atoms.experiments.fine_tuning_grid import FineTuning
from synthetic_atoms.experiments.teachers import EMPIRICAL, GAP, Lesson, Teacher

TEACHER_ERROR = "rmse_teacher_test_meV_per_atom"
_KEYS = ["source", "n_teacher_cells", "forces", "saw_test_cells", "n_qm_labels"]


def quality_teachers(study: FineTuning, sizes: Sequence[int]) -> list[Teacher]:
    """POD potentials fitted to the energies of more and more cells, and to forces too at both ends."""
    most = study.most_labels()
    known = [n for n in sizes if n < most]
    energies = [Teacher("POD", n) for n in [*known, most]]
    return energies + [Teacher("POD", n, forces=True) for n in dict.fromkeys([*known[:1], most])]


def source_teachers(study: FineTuning) -> list[Teacher]:
    """The dataset's own labels, a POD fitted to the same cells, and empirical potentials if the element is carbon."""
    pod = Teacher("POD", study.most_labels(), forces=True, saw_test=True)
    return [GAP, pod] + [Teacher(name) for name in EMPIRICAL if study.dataset.load().symbol == "C"]


def leakage_teachers(study: FineTuning) -> list[Teacher]:
    """The same POD without and with the fold's test cells."""
    return [Teacher("POD", study.most_labels(), saw_test=seen) for seen in (False, True)]


def lessons(
    study: FineTuning, sizes: Sequence[int], n_frames: int, n_labels: int, folds: Sequence[int]
) -> dict[str, list[Lesson]]:
    """The fits of the three questions: ``quality``, ``source``, and ``leakage``, the last with all labels as well."""

    def those(teachers: list[Teacher], *labels: int) -> list[Lesson]:
        return [Lesson(teacher, n_frames, n, fold) for n in labels for teacher in teachers for fold in folds]

    return {
        "quality": those(quality_teachers(study, sizes), n_labels),
        "source": those(source_teachers(study), n_labels),
        "leakage": those(leakage_teachers(study), *dict.fromkeys((n_labels, study.most_labels()))),
    }


def with_direct(records: pd.DataFrame, direct: pd.DataFrame) -> pd.DataFrame:
    """Records with ``direct_meV``, the test error of direct training on as many labels in the same fold, and ratios.

    ``teacher_ratio`` and ``ratio`` are the errors of the teacher and of the fine-tuned network divided by it.
    """
    reference = direct.set_index(["n_qm_labels", "fold"])[ERROR].astype(float)
    found = records.astype({name: float for name in records if name.startswith("rmse_")})
    pairs = zip(found["n_qm_labels"], found["fold"], strict=True)
    found["direct_meV"] = [reference.get(pair, np.nan) for pair in pairs]
    found.loc[found[ERROR].isna(), "direct_meV"] = np.nan  # means are over the folds that both have
    found["teacher_ratio"] = found[TEACHER_ERROR] / found["direct_meV"]
    found["ratio"] = found[ERROR] / found["direct_meV"]
    return found


def means(records: pd.DataFrame) -> pd.DataFrame:
    """Means over the folds of errors and ratios for each teacher, their standard deviations, and how many folds."""
    names = [n for n in records if n.startswith("rmse_")] + ["direct_meV", "teacher_ratio", "ratio"]
    groups = records.groupby(_KEYS, sort=False)
    table = groups[names].mean()
    for name in (ERROR, "ratio", "teacher_ratio"):
        table[f"{name}_std"] = groups[name].std(ddof=1)
    table["folds"] = groups[ERROR].count()
    return table.reset_index()


def leakage(records: pd.DataFrame, n_labels: int) -> Estimate:
    """How much more fine-tuning errs if the teacher has not seen the test cells (meV per atom), fold by fold."""
    part = records[records["n_qm_labels"] == n_labels]
    without, having = (
        part[part["saw_test_cells"] == seen].pivot_table(index="n_qm_labels", columns="fold", values=ERROR)
        for seen in (0, 1)
    )
    return bootstrap(lambda a, b: float(a[0] - b[0]), without.dropna(axis=1), having.dropna(axis=1))


def break_even(table: pd.DataFrame) -> float:
    """Teacher's error relative to direct training's from which on pre-training no longer helps; NaN if it always does.

    Interpolated in the logarithms between the last teacher that helps and the first that does not.
    """
    known = table.dropna(subset=["teacher_ratio", "ratio"]).sort_values("teacher_ratio")
    helps = (known["ratio"] < 1).to_numpy()
    if not len(known) or helps.all() or not helps[0]:
        return float("nan")
    i = int(np.argmin(helps))
    x, y = np.log(known["teacher_ratio"].to_numpy()), np.log(known["ratio"].to_numpy())
    return float(np.exp(np.interp(0.0, y[i - 1 : i + 1], x[i - 1 : i + 1])))
