"""A small project: short notebooks under the names of the real chapters, and the book's own configuration."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import yaml

from synthetic_atoms.book import pairing, parameters

REPOSITORY = Path(__file__).resolve().parents[2]

DATASET = r"""
# %% [markdown]
# # A small chapter
#
# In short: {glue:text}`answer:.2f` meV, as {numref}`fig-small` and {numref}`tab-small` show {cite}`someone2023`.

# %% tags=["parameters"]
profile = "book"
dataset = "embedded"
n_trajectories = None
seed = 0
kde_environments = 20000

# %% tags=["hide-input"]
from synthetic_atoms.book import display, parameters

p = parameters.validate_notebook("01_dataset", globals())

# %% tags=["hide-input"]
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd

data = pd.DataFrame({"n": [100, 310, 1000], "mae_meV": [162.25, 92.5, np.nan]})
display.glue("answer", np.float64(data["mae_meV"].min()))
display.glue("kind", "sparse GPR")
figure, axes = plt.subplots(figsize=(5, 3))
axes.loglog(data["n"], data["mae_meV"], marker="o")
display.show(
    figure,
    name="small",
    caption="Errors fall as $N^{-1/2}$ {cite}`someone2023`; compare {numref}`tab-small` and `code`.",
    alt='A line "falls": from 162 meV at 100 to 92 meV at 310',
    data=data,
)
display.show_table(
    data,
    name="small",
    caption="The same numbers in meV, *rounded*.",
    formats={"mae_meV": "{:.1f}", "n": "{:,}"},
    headers={"n": "$N$", "mae_meV": "MAE | meV"},
)

# %% [markdown]
# ## A section
#
# A formula in the text, $k(\mathbf{x}, \mathbf{x}')^\zeta$, and one by itself:
#
# $$
# \mathbf{c} = \left[\mathbf{K}_{MM} + \mathbf{K}_{MN}\Sigma^{-1}\mathbf{K}_{NM}\right]^{-1}
# \mathbf{K}_{MN}\Sigma^{-1}\mathbf{y}
# $$ (coefficients)
#
# Equation {eq}`coefficients` is used with {glue:text}`kind`.
"""

LEARNING = r"""
# %% [markdown]
# # Another chapter
#
# About coordination numbers.
# See {numref}`fig-small` of [the chapter before](01_dataset.ipynb#a-section); [](../book/data.md).

# %% tags=["parameters"]
profile = "book"
dataset = "embedded"
n_trajectories = None
sizes = [100, 310, 1000, 3100, 10000]
models = ["GPR", "NN"]
n_folds = 5
max_test = None
soap = "tuned"
n_sparse = 5000
sigma_meV = 10.0
zeta = 4
seed = 0
use_store = True
compute = False

# %%
from synthetic_atoms.book import display, parameters

p = parameters.validate_notebook("03_learning_curves", globals())
display.glue("largest", p.sizes[-1])

# %%
import sys

import matplotlib.pyplot as plt
import pandas as pd

figure, axes = plt.subplots(figsize=(6.4, 4))
axes.plot(p.sizes)
display.show(figure, name="other", caption="Sizes.", alt="From 100 to 310.", data=pd.DataFrame({"n": p.sizes}))
print("a warning that belongs in the log", file=sys.stderr)
print(f"largest size {p.sizes[-1]}")
"""

OTHER = r"""
# %% [markdown]
# # {name}

# %% tags=["parameters"]
{values}

# %%
from synthetic_atoms.book import parameters

p = parameters.validate_notebook("{name}", globals())
"""

INDEX = """# A small book

The front page shows {glue:text}`../notebooks/01_dataset.ipynb::answer:.1f` meV, from {numref}`fig-small`, and links to
[parameters](parameters.md), [the chapter](../notebooks/01_dataset.ipynb) and [](references.md).
"""

REFERENCES = """@article{someone2023, author = {Some One}, title = {A title}, journal = {A Journal}, year = {2023}}
"""


def make_project(root: Path) -> Path:
    """Write the small project's files."""
    (root / "notebooks").mkdir(parents=True)
    (root / "data").mkdir()
    for name in ("_config.yml", "_toc.yml", "requirements.lock"):
        shutil.copy2(REPOSITORY / name, root / name)
    shutil.copytree(REPOSITORY / "notebooks" / "profiles", root / "notebooks" / "profiles")
    shutil.copytree(REPOSITORY / "book" / "_static", root / "book" / "_static")
    pages = {
        "index.md": INDEX,
        "references.bib": REFERENCES,
        "references.md": "# References\n\n```{bibliography}\n```\n",
    }
    listed = yaml.safe_load((root / "_toc.yml").read_text())
    for chapter in [chapter for part in listed["parts"] for chapter in part["chapters"]]:
        if not chapter["file"].startswith("notebooks/") and chapter["file"] not in ("parameters", "execution"):
            pages.setdefault(f"{chapter['file']}.md", f"# {chapter['file']}\n\nText.\n")
    for name, text in pages.items():
        (root / "book" / name).write_text(text)
    for name, model in parameters.CHAPTERS.items():
        values = "\n".join(f"{key} = {value!r}" for key, value in model().model_dump().items())
        text = {"01_dataset": DATASET, "03_learning_curves": LEARNING}.get(name, OTHER.format(name=name, values=values))
        (root / "notebooks" / f"{name}.py").write_text(text.lstrip())
        notebook = pairing.from_text(text.lstrip())
        (root / "notebooks" / f"{name}.ipynb").write_text(nbformat.writes(notebook) + "\n")
    return root


def run_command(root: Path, *arguments: str, **variables: str) -> subprocess.CompletedProcess:
    """Run ``synthetic-atoms`` on a project as a user would, in a process of its own."""
    environment = {**os.environ, "SYNTHETIC_ATOMS_ROOT": str(root), "COLUMNS": "200", **variables}
    for name in ("PROFILE", "BOOK_REPOSITORY_URL"):
        if name not in variables:
            environment.pop(name, None)
    return subprocess.run(
        [sys.executable, "-m", "synthetic_atoms", *arguments],
        capture_output=True,
        text=True,
        cwd=root,
        env=environment,
        timeout=300,
    )
