"""Interactive maps on a page: chemiscope (Fraux et al., doi 10.21105/joss.02117) in a frame, without any network."""

from __future__ import annotations

import html
import json
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import chemiscope
import numpy as np
from ase import Atoms
from IPython.display import display

from synthetic_atoms.book.display import OUTPUT_MARK
from synthetic_atoms.files import atomic_write

VIEWER_MIME = "application/vnd.synthetic-atoms.viewer+json"
VIEWERS = Path("viewers")
"""Folder, beside the notebook that runs, that viewers and the program they need are written to."""

SCRIPT = "chemiscope.min.js"

_PAGE = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>{title}</title>
<script src="{script}"></script>
<style>
body {{ margin: 0; font-family: "DejaVu Sans", Verdana, sans-serif; background: #fff; color: #111; }}
main {{ display: grid; grid-template-columns: 1fr 1fr; gap: 8px; padding: 4px; }}
#map {{ height: 430px; position: relative; }}
#structure {{ height: 300px; position: relative; }}
#info {{ font-size: 0.85rem; }}
#problem {{ color: #a00; padding: 4px; }}
@media (max-width: 640px) {{ main {{ grid-template-columns: 1fr; }} #map {{ height: 340px; }} }}
</style>
</head>
<body>
<p id="problem" role="alert" hidden></p>
<main><section><div id="meta" hidden></div><div id="map"></div></section>
<section><div id="structure"></div><div id="info"></div></section></main>
<script id="data" type="application/json">{data}</script>
<script>
const problem = (text) => {{ const p = document.getElementById("problem"); p.textContent = text; p.hidden = false; }};
try {{
  const data = JSON.parse(document.getElementById("data").textContent);
  const warnings = new Chemiscope.Warnings();
  const places = {{ map: "map", info: "info", meta: "meta", structure: "structure" }};
  Chemiscope.DefaultVisualizer.load(places, data, warnings)
    .then((viewer) => {{ window.viewer = viewer; document.body.dataset.ready = "yes"; }})
    .catch((error) => problem(String(error)));
}} catch (error) {{ problem(String(error)); }}
</script>
</body>
</html>
"""


def _rounded(value: Any) -> Any:
    if isinstance(value, float):
        return float(f"{value:.4g}")
    if isinstance(value, dict):
        return {key: _rounded(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_rounded(item) for item in value]
    return value


def show_viewer(
    structures: Sequence[Atoms],
    properties: Mapping[str, Sequence[float | str]],
    *,
    axes: tuple[str, str],
    colour: str,
    name: str,
    caption: str,
    title: str,
) -> None:
    """Show environments as points of a map, each with its atoms in three dimensions.

    Writes ``viewers/NAME.html``, a page that works by itself, beside the notebook that runs.

    Parameters
    ----------
    structures
        One cut-out for each environment; its first atom is the one that the properties belong to.
    properties
        Values for each environment.
    axes, colour
        Properties that are drawn at first.
    name
        Unique in the book.
    caption, title
        Below the frame, and what it is called for those who do not see it.
    """
    data = chemiscope.create_input(
        structures=list(structures),
        properties={key: {"target": "atom", "values": list(values)} for key, values in properties.items()},
        environments=[(index, 0, 3.7) for index in range(len(structures))],
        metadata={"name": title},
        settings={
            "map": {"x": {"property": axes[0]}, "y": {"property": axes[1]}, "color": {"property": colour}},
            "structure": [{"environments": {"activated": False}, "keepOrientation": False}],
        },
    )
    text = json.dumps(_rounded(data), separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")
    VIEWERS.mkdir(exist_ok=True)
    path = VIEWERS / f"{name}.html"
    with atomic_write(path, "w") as stream:
        stream.write(_PAGE.format(title=html.escape(title), script=SCRIPT, data=text))
    shutil.copyfile(Path(chemiscope.__file__).parent / "sphinx" / "static" / SCRIPT, VIEWERS / SCRIPT)
    content = {"name": name, "caption": " ".join(caption.split()), "title": title, "file": path.name}
    text = f"Open {path} in a browser. {content['caption']}"
    display({VIEWER_MIME: content, "text/plain": text}, raw=True, metadata={OUTPUT_MARK: name})


def viewer_markdown(content: Mapping[str, Any]) -> str:
    """MyST Markdown of a viewer that :func:`show_viewer` has written."""
    title, file = html.escape(content["title"], quote=True), f"../_static/viewers/{content['file']}"
    return (
        "~~~~{raw} html\n"
        f'<iframe class="sa-viewer" id="viewer-{content["name"]}" src="{file}" title="{title}" loading="lazy">'
        "</iframe>\n"
        f'<p><a href="{file}">Open the map by itself</a></p>\n~~~~\n\n{content["caption"]}\n'
    )


def cutout(atoms: Atoms, index: int, radius_A: float = 4.0) -> Atoms:
    """The atoms within a radius of one, that one first and at the origin, without a cell."""
    from matscipy.neighbours import neighbour_list

    first, second, vectors = neighbour_list("ijD", atoms, radius_A)
    mine = first == index
    numbers = atoms.numbers[np.concatenate([[index], second[mine]])]
    return Atoms(numbers, np.vstack([np.zeros(3), vectors[mine]]))
