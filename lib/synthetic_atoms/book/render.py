"""How MyST-NB renders the outputs of :mod:`synthetic_atoms.book.display`: numbered figures and tables.

Registered as an entry point of the group ``myst_nb.mime_renderers``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from docutils import nodes
from myst_nb.core.render import MimeData, NbElementRenderer

from synthetic_atoms.book.display import FIGURE_MIME, OUTPUT_MARK, TABLE_MIME
from synthetic_atoms.book.viewer import VIEWER_MIME, viewer_markdown


def _downloads(files: Sequence[str]) -> str:
    links = [f"{{download}}`{path.rpartition('.')[2].upper()} <{path}>`" for path in files]
    return "Download: " + " · ".join(links)


def figure_markdown(content: Mapping[str, Any]) -> str:
    """MyST Markdown of a figure that :func:`synthetic_atoms.book.display.show` has written."""
    return (
        f"~~~~{{figure}} {content['image']}\n"
        f":name: fig-{content['name']}\n"
        f":alt: {json.dumps(content['alt'], ensure_ascii=False)}\n"
        f":width: {content['width']}px\n"
        ":figclass: sa-figure\n\n"
        f"{content['caption']}\n\n{_downloads(content['files'])}\n~~~~\n"
    )


def table_markdown(content: Mapping[str, Any]) -> str:
    """MyST Markdown of a table that :func:`synthetic_atoms.book.display.show_table` has shown."""
    rule = ["---:" if align == "right" else ":---" for align in content["align"]]
    lines = ["| " + " | ".join(cells) + " |" for cells in (content["columns"], rule, *content["rows"])]
    return (
        f"~~~~{{table}} {content['caption']}\n:name: tab-{content['name']}\n:class: sa-table\n\n"
        + "\n".join(lines)
        + f"\n~~~~\n\n{_downloads(content['files'])}\n"
    )


_MARKDOWN = {FIGURE_MIME: figure_markdown, TABLE_MIME: table_markdown, VIEWER_MIME: viewer_markdown}


class OutputRenderer:
    """Plug-in of MyST-NB for our types of output."""

    mime_priority_overrides = tuple(("*", mime, 1) for mime in (FIGURE_MIME, TABLE_MIME, VIEWER_MIME))

    @staticmethod
    def handle_mime(renderer: NbElementRenderer, data: MimeData, inline: bool) -> list[nodes.Node] | None:
        """Nodes for an output of ours; none for the other types in the same bundle; ``None`` for any other output."""
        markdown = _MARKDOWN.get(data.mime_type)
        if markdown is not None and not inline:
            holder = nodes.Element()
            with renderer.renderer.current_node_context(holder):
                renderer.renderer.nested_render_text(markdown(data.content), data.line or 0)
            return holder.children
        return [] if OUTPUT_MARK in data.output_metadata else None
