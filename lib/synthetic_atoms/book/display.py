"""What notebooks show: figures and tables that the book numbers, captions and offers for download; glued numbers."""

from __future__ import annotations

import base64
import io
import math
import numbers
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import display
from matplotlib import rc_context
from matplotlib.figure import Figure

from synthetic_atoms.files import atomic_write

FIGURE_MIME = "application/vnd.synthetic-atoms.figure+json"
TABLE_MIME = "application/vnd.synthetic-atoms.table+json"
OUTPUT_MARK = "synthetic_atoms"
"""Key in an output's metadata that tells the book to render our own type of the bundle and none of the others."""

FIGURES = Path("figures")
TABLES = Path("tables")
"""Folders, beside the notebook that runs, that figures and tables are written to, with the data behind them."""

DPI = 200
CSS_PIXELS_PER_INCH = 96


def _check_name(name: str) -> None:
    if not re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)*", name):
        raise ValueError(f"Expected a name of lower-case letters, digits and single hyphens, found {name!r}.")


def _one_line(text: str, what: str) -> str:
    line = " ".join(text.split())
    if not line:
        raise ValueError(f"Expected {what}, found an empty text.")
    return line


def _write_csv(data: pd.DataFrame, path: Path) -> None:
    with atomic_write(path, "w") as stream:
        data.to_csv(stream, index=False, float_format="%.6g", lineterminator="\n")


def show(figure: Figure, *, name: str, caption: str, alt: str, data: pd.DataFrame) -> None:
    """Show a figure in a notebook, and in the book numbered, with a caption and its files to download.

    Writes ``figures/NAME.png`` (200 dpi), ``.svg`` and ``.csv`` beside the notebook that runs, and closes the figure.
    Other pages refer to it as ``{numref}`fig-NAME```. The same figure gives the same bytes.

    Parameters
    ----------
    figure
        The figure.
    name
        Unique in the book; lower-case letters, digits and hyphens.
    caption
        One paragraph of MyST Markdown.
    alt
        What the figure shows, with its values, as plain text for those who do not see it.
    data
        The numbers that are drawn.
    """
    _check_name(name)
    image = io.BytesIO()
    with rc_context({"svg.hashsalt": name}):
        figure.savefig(image, format="png", dpi=DPI)
        vector = io.BytesIO()
        figure.savefig(vector, format="svg", metadata={"Date": None})
    plt.close(figure)
    for suffix, content in (("png", image.getvalue()), ("svg", vector.getvalue())):
        with atomic_write(FIGURES / f"{name}.{suffix}") as stream:
            stream.write(content)
    _write_csv(data, FIGURES / f"{name}.csv")
    alt = _one_line(alt, f"alt text for figure {name}")
    width, height = (round(CSS_PIXELS_PER_INCH * length) for length in figure.get_size_inches())
    content = {
        "name": name,
        "caption": _one_line(caption, f"a caption for figure {name}"),
        "alt": alt,
        "image": f"{FIGURES}/{name}.png",
        "width": width,
        "files": [f"{FIGURES}/{name}.{suffix}" for suffix in ("png", "svg", "csv")],
    }
    bundle = {
        "image/png": base64.b64encode(image.getvalue()).decode("ascii"),
        "text/plain": f"Figure '{name}': {alt}",
        FIGURE_MIME: content,
    }
    display(bundle, raw=True, metadata={"image/png": {"width": width, "height": height}, OUTPUT_MARK: name})


def _cell(value: Any, template: str) -> str:
    if value is None or value is pd.NA or (isinstance(value, numbers.Real) and math.isnan(value)):
        return "\N{EN DASH}"
    return template.format(value).replace("|", "\\|")


def show_table(
    table: pd.DataFrame,
    *,
    name: str,
    caption: str,
    formats: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
) -> None:
    """Show a table in a notebook, and in the book numbered, with a caption and its data as CSV.

    Writes ``tables/NAME.csv`` beside the notebook that runs. Other pages refer to it as ``{numref}`tab-NAME```.

    Parameters
    ----------
    table
        The rows; its index is not shown.
    name, caption
        As for :func:`show`.
    formats
        Format string by column, such as ``{"mae_meV": "{:.1f}"}``; missing values become a dash.
    headers
        Column titles in MyST Markdown, where the column's name will not do.
    """
    _check_name(name)
    formats, headers = formats or {}, headers or {}
    for given in (*formats, *headers):
        if given not in table.columns:
            raise ValueError(f"Expected formats and headers for columns {list(table.columns)}, found {given!r}.")
    _write_csv(table, TABLES / f"{name}.csv")
    rows = [
        [_cell(value, formats.get(column, "{}")) for column, value in zip(table.columns, row, strict=True)]
        for row in table.astype(object).itertuples(index=False, name=None)
    ]
    titles = [headers.get(column, column).replace("|", "\\|") for column in table.columns]
    content = {
        "name": name,
        "caption": _one_line(caption, f"a caption for table {name}"),
        "columns": titles,
        "align": ["right" if pd.api.types.is_numeric_dtype(table[column]) else "left" for column in table.columns],
        "rows": rows,
        "files": [f"{TABLES}/{name}.csv"],
    }
    shown = pd.DataFrame(rows, columns=titles)
    bundle = {"text/html": shown.to_html(index=False), "text/plain": shown.to_string(index=False), TABLE_MIME: content}
    display(bundle, raw=True, metadata={OUTPUT_MARK: name})


def glue(name: str, value: object) -> None:
    """Give a number or text a name, for prose to show it: ``{glue:text}`NAME:.1f```.

    NumPy scalars become Python's own numbers, since the book formats their text.

    Raises
    ------
    TypeError
        If the value is neither a number nor text.
    """
    from myst_nb import glue as glue_hidden

    if isinstance(value, np.generic):
        value = value.item()
    if not isinstance(value, (bool, int, float, str)):
        raise TypeError(f"Expected a number or text to glue as {name!r}, found {type(value).__name__}.")
    glue_hidden(name, value, display=False)
