"""Figures, tables, glued values and equations, by themselves."""

from __future__ import annotations

import io
import json
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from docutils.utils.math import MathError
from matplotlib.figure import Figure

from synthetic_atoms.book import display, mathml, render
from synthetic_atoms.book.monitoring import Relay

TABLE = pd.DataFrame({"model": ["GPR", "NN"], "mae_meV": [30.04, np.nan], "count": [1000, 2000]})


@pytest.fixture
def shown(monkeypatch, tmp_path):
    """What is displayed, as ``(bundle, metadata)``, in a folder of the test's own."""
    found = []
    monkeypatch.setattr(display, "display", lambda bundle, raw, metadata: found.append((bundle, metadata)))
    monkeypatch.chdir(tmp_path)
    return found


def draw() -> Figure:
    figure = Figure(figsize=(3, 2))
    figure.add_subplot().plot([1, 2], [3, 4], label="a line")
    return figure


def test_the_same_figure_gives_the_same_bytes(shown, tmp_path):
    files = []
    for _ in range(2):
        display.show(draw(), name="a-line", caption="A\n  caption.", alt="A line.", data=TABLE)
        files.append({path.name: path.read_bytes() for path in sorted((tmp_path / "figures").iterdir())})
    assert files[0] == files[1]
    assert set(files[0]) == {"a-line.png", "a-line.svg", "a-line.csv"}
    bundle, metadata = shown[0]
    assert bundle == shown[1][0]
    assert metadata["image/png"] == {"width": 288, "height": 192}
    content = bundle[display.FIGURE_MIME]
    assert content["caption"] == "A caption."
    assert content["width"] == 288
    json.dumps(bundle)


@pytest.mark.parametrize("name", ["", "A", "a b", "a_b", "-a", "a--b", "../a"])
def test_names_that_would_not_work_as_labels_are_refused(shown, name):
    with pytest.raises(ValueError, match="lower-case letters"):
        display.show(draw(), name=name, caption="A", alt="B", data=TABLE)
    with pytest.raises(ValueError, match="lower-case letters"):
        display.show_table(TABLE, name=name, caption="A")
    assert not shown


@pytest.mark.parametrize("missing", ["caption", "alt"])
def test_caption_and_alt_text_are_required(shown, missing):
    texts = {"caption": "A", "alt": "B"} | {missing: " \n"}
    with pytest.raises(ValueError, match="found an empty text"):
        display.show(draw(), name="a", data=TABLE, **texts)


def test_table_cells_are_formatted_and_escaped(shown, tmp_path):
    display.show_table(
        TABLE.assign(model=["G|R", "NN"]),
        name="errors",
        caption="Errors.",
        formats={"mae_meV": "{:.1f}", "count": "{:,}"},
        headers={"mae_meV": "MAE (meV)"},
    )
    content = shown[0][0][display.TABLE_MIME]
    assert content["columns"] == ["model", "MAE (meV)", "count"]
    assert content["rows"] == [["G\\|R", "30.0", "1,000"], ["NN", "\N{EN DASH}", "2,000"]]
    assert content["align"] == ["left", "right", "right"]
    assert (tmp_path / "tables" / "errors.csv").read_text() == "model,mae_meV,count\nG|R,30.04,1000\nNN,,2000\n"
    with pytest.raises(ValueError, match="'mae'"):
        display.show_table(TABLE, name="errors", caption="Errors.", formats={"mae": "{:.1f}"})


@pytest.mark.parametrize("value", [None, [1.0], np.zeros(3), 1j])
def test_only_numbers_and_text_are_glued(value):
    with pytest.raises(TypeError, match="number or text"):
        display.glue("x", value)


def test_markdown_of_a_figure_quotes_its_alt_text():
    content = {
        "name": "a",
        "caption": "C.",
        "alt": 'say "x": 1 \\ 2',
        "image": "figures/a.png",
        "width": 10,
        "files": [],
    }
    lines = render.figure_markdown(content).splitlines()
    assert lines[0] == "~~~~{figure} figures/a.png"
    (alt,) = [line for line in lines if line.startswith(":alt: ")]
    assert json.loads(alt.removeprefix(":alt: ")) == content["alt"]


@pytest.mark.parametrize(
    "latex",
    [
        r"k(\mathbf{x}, \mathbf{x}')^\zeta",
        r"E = \sum_{i=1}^{N} \varepsilon_i + \frac{1}{2} \lVert w \rVert^2",
        r"\begin{aligned} a &= b \\ c &= d \end{aligned}",
        r"\sigma = 10\,\mathrm{meV}, \quad \text{MAE} \propto N^{-1/2}",
    ],
)
def test_equations_become_well_formed_mathml(latex):
    for block in (False, True):
        root = ElementTree.fromstring(mathml.to_mathml(latex, block=block))
        assert root.tag == "{http://www.w3.org/1998/Math/MathML}math"
        assert root.get("display") == ("block" if block else None)
        assert "'" not in "".join(root.itertext())


def test_unknown_latex_is_an_error():
    with pytest.raises(MathError, match="nonsense"):
        mathml.to_mathml(r"\nonsense{x}")


def test_messages_are_passed_on_at_once_and_progress_now_and_then():
    stream = io.StringIO()
    relay = Relay(stream, "03", interval_s=1000.0)
    relay.write("fits:   0%|          | 0/3 [00:00<?]\rfits:  33%|###       | 1/3 [00:01<00:02]")
    relay.write("a warning\n\n")
    relay.write("\rfits: 100%|##########| 3/3 [00:03<00:00]")
    shown = [line.split("|")[0] for line in stream.getvalue().splitlines()]
    assert shown == ["  03: fits:   0%", "  03: a warning", "  03: fits: 100%"]
