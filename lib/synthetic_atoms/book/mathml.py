"""Sphinx extension: equations become MathML when the book is built, so that pages need no script and no network.

A formula that cannot be converted is a warning, and so fails the build instead of reaching the reader.
"""

from __future__ import annotations

from typing import Any

from docutils import nodes
from docutils.utils.math import MathError
from docutils.utils.math.latex2mathml import tex2mathml
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)


def to_mathml(latex: str, *, block: bool = False) -> str:
    r"""MathML of a LaTeX formula.

    Raises
    ------
    MathError
        If the formula has a command or structure that the converter does not know.

    Examples
    --------
    >>> "<mi>x</mi>" in to_mathml("x")
    True
    """
    return tex2mathml(latex, as_block=block).replace("<mo>'</mo>", "<mo>\N{PRIME}</mo>")


def _convert(node: nodes.Element, *, block: bool) -> str:
    try:
        return to_mathml(node.astext(), block=block)
    except MathError as error:
        reason = " ".join(str(error).split())
        logger.warning("formula %r cannot be converted to MathML: %s", node.astext(), reason, location=node)
        return ""


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    """Write an inline formula."""
    self.body.append(self.starttag(node, "span", "", CLASS="math notranslate nohighlight"))
    self.body.append(f"{_convert(node, block=False)}</span>")
    raise nodes.SkipNode


def visit_displaymath(self: HTML5Translator, node: nodes.math_block) -> None:
    """Write a displayed formula, with its number if it has one."""
    self.body.append(self.starttag(node, "div", CLASS="math notranslate nohighlight"))
    self.body.append(_convert(node, block=True))
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, "Link to this equation")
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, Any]:
    """Register the renderer; ``html_math_renderer = "mathml"`` selects it."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
