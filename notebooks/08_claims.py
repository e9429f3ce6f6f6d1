# ---
# jupyter:
#   jupytext:
#     formats: ipynb,py:percent
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3 (ipykernel)
#     language: python
#     name: python3
# ---

# %% [markdown]
# # The claims, one by one
#
# **In short.** {glue:text}`summary`
#
# Each row below is a claim or a printed number of the paper, in our own words, with the place where it stands, the
# published value, what this book found, the test that decides, and the verdict. Verdicts are computed from the stored
# records of the embedded data. No one edits them; a change of a verdict must be acknowledged in the
# [changelog](../book/changelog.md) before it can be published.
#
# **What a verdict means.** *Reproduced*: the test is passed on this book's data, which are not the authors'.
# *Partly*: a weaker form of it is. *Not reproduced*: neither. *No record*: the fits that would tell have not been
# made here, most often because they need more environments than these data have. A claim that is not reproduced may
# still hold for the authors' data.

# %% tags=["parameters"]
profile = "book"  # which set of parameters this is
dataset = "embedded"  # the records of which data are judged
n_trajectories = None  # not used: records are those of whole datasets
seed = 0  # not used: nothing is drawn

# %% tags=["hide-input"]
import pandas as pd

from synthetic_atoms import claims
from synthetic_atoms.book import display, parameters
from synthetic_atoms.claims.evidence import Evidence
from synthetic_atoms.figures import claims as figures

p = parameters.validate_notebook("08_claims", globals())
evidence = Evidence(p.dataset)
table = claims.ledger(evidence)
counts = table["verdict"].value_counts()
for verdict in claims.VERDICTS:
    display.glue(f"n_{verdict.replace(' ', '_')}", int(counts.get(verdict, 0)))
display.glue("n_claims", len(table))
display.glue("n_fitted", len(set(evidence.dataset.load().trajectory.tolist())))
judged = len(table) - int(counts.get("no record", 0)) - int(counts.get("not applicable", 0))
display.glue(
    "summary",
    f"Of {len(table)} claims, {judged} can be judged with what has been computed: {counts.get('reproduced', 0)} are "
    f"reproduced, {counts.get('partly', 0)} partly, {counts.get('not reproduced', 0)} are not. For "
    f"{counts.get('no record', 0)} the records are missing.",
)

# %% tags=["hide-input"]
by_chapter = table.groupby(["chapter", "verdict"], sort=False).size().unstack(fill_value=0)
by_chapter = by_chapter.reindex(columns=list(claims.VERDICTS), fill_value=0).reset_index()
display.show(
    figures.verdicts(by_chapter, claims.VERDICTS),
    name="verdicts",
    caption="Verdicts on the claims by the chapter that treats them.",
    alt="Stacked bars. "
    + " ".join(
        f"{row['chapter']}: " + ", ".join(f"{row[v]} {v}" for v in claims.VERDICTS if row[v]) + "."
        for _, row in by_chapter.iterrows()
    ),
    data=by_chapter,
)

# %% [markdown]
# ## The ledger

# %% tags=["hide-input"]
for chapter, part in table.groupby("chapter", sort=False):
    display.show_table(
        pd.DataFrame(
            {
                "claim": [f"{row.says} *({row.where})*" for row in part.itertuples()],
                "verdict": part["verdict"],
                "published": part["published"],
                "this book": part["ours"],
                "reproduced if": part["test"],
                "shown in": [f"{{numref}}`{figure}`" for figure in part["figure"]],
            }
        ),
        name=f"claims-{chapter[:2]}",
        caption=f"Claims that chapter {chapter[:2]} treats.",
    )

# %% [markdown]
# ## Every printed number
#
# The numbers that the paper prints about its own data, settings and results, in the order of the text. Ours are
# computed from the stored records or read from the settings that these were made with. Where the data, the teacher or
# the quantum-mechanical method differ, absolute errors need not agree: [Where this book differs from the
# paper](../book/deviations.md) says why.

# %% tags=["hide-input"]
display.show_table(
    claims.printed_numbers(evidence).rename(columns={"what": "number", "ours": "this book"}),
    name="printed-numbers",
    caption="Numbers printed in the paper, and this book's.",
)

# %% [markdown]
# ## What is not reproduced, and why

# %% tags=["hide-input"]
REASONS = {
    "dataset-size": "The embedded data are smaller by intention; the authors' own can be used with `dataset=paper`.",
    "sp2-sp3-alike": "The quantum-mechanical method favours sp³, and the structures come from empirical potentials.",
    "dkl-slow": "The archived time of the network is too short to be that of a computation; measured here, "
    "most of both models' cost is that of the same layers.",
    "learning-rate": "With more environments each trial of the search is a single fit, so that chance takes part in "
    "which of the good ones is best.",
    "wide-networks": "The search here has no trials at N = 10⁵.",
    "high-dropout": "The search here is small, and the largest training sets are not in it.",
    "pretrained-close": "The teacher here was fitted to these energies with a smaller error than the paper's.",
    "gpr-best-small": "On these data the network is nearly as good: data, teacher and descriptor differ from the "
    "paper's.",
    "dkl-slightly-better": "Settings of deep kernels were searched little here; they are more sensitive to them.",
    "ten-thousand-points": "More points help more here, at the largest sizes.",
    "gap-finetuning": "There are more labels here, and training stops early.",
    "sigma-extremes": "With the estimator of the paper's text the curve is nearly flat towards small σ where N is well "
    "above M; the published rise is that of the authors' code.",
    "sigma-minimum": "The best value neither rises nor falls with N in all steps.",
    "fewer-labels": "The factor depends on the number of labels; the table in chapter 05 has it for each.",
    "pretraining-size": "The order of magnitude is not found: far fewer environments suffice here.",
    "sp-island": "Most sp atoms form an island of their own; the others lie among sp² atoms.",
}
odd = table[table["verdict"].isin(["partly", "not reproduced"])]
display.show_table(
    pd.DataFrame(
        {
            "claim": odd["says"],
            "verdict": odd["verdict"],
            "this book": odd["ours"],
            "remark": [REASONS.get(name, "") for name in odd["id"]],
        }
    ),
    name="not-reproduced",
    caption="Claims that are reproduced in part or not at all.",
)

# %% [markdown]
# ## Where the published record disagrees with itself
#
# A reader who compares the paper with the authors' archived records and code meets differences. This book follows the
# text and lists what it found. Numbers are from the archived records; statements about code are from the published
# repositories.

# %% tags=["hide-input"]
display.show_table(
    claims.contradictions().rename(columns={"one": "on the one hand", "other": "on the other"}),
    name="contradictions",
    caption="Differences within the published record.",
)
