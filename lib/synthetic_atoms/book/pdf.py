"""The rendered book as one PDF: each page printed by Chromium, then joined, with bookmarks and links between pages."""

from __future__ import annotations

import io
import shutil
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from urllib.parse import unquote, urldefrag

import yaml
from tqdm import tqdm

from synthetic_atoms.book import project
from synthetic_atoms.files import atomic_write

TITLE = "Synthetic Atoms"
BROWSERS = ("chromium", "chromium-browser", "google-chrome")


def pages(toc: Path) -> list[str]:
    """Names of the book's pages without suffix, in reading order.

    Raises
    ------
    BookError
        If the table of contents cannot be read.
    """
    try:
        content = yaml.safe_load(toc.read_text(encoding="utf-8"))
        return [content["root"], *(entry["file"] for part in content["parts"] for entry in part["chapters"])]
    except (OSError, yaml.YAMLError, KeyError, TypeError) as error:
        raise project.BookError(f"Expected the book's table of contents in {toc}, found it unreadable.") from error


def _printed(html: Path, names: list[str]) -> Iterator[bytes]:
    """The pages, one PDF each, as the style sheet has them on paper."""
    try:
        from playwright.sync_api import Error, sync_playwright
    except ImportError as error:
        raise project.BookError(
            "Expected the Python package playwright for the PDF, found none: pip install -e '.[pdf]'."
        ) from error
    program = next((found for name in BROWSERS if (found := shutil.which(name))), None)
    if program is None:
        raise project.BookError(f"Expected Chromium ({' or '.join(BROWSERS)}) to print the book, found none.")
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=program, args=["--no-sandbox", "--disable-gpu"])
            page = browser.new_page(color_scheme="light")
            page.route("http*://**", lambda route: route.abort())  # a book in print needs no network
            for name in tqdm(names, desc="PDF", unit="page", file=sys.stderr):
                page.goto((html / f"{name}.html").as_uri())
                page.wait_for_load_state("networkidle")
                page.evaluate("document.documentElement.dataset.theme = 'light'")
                yield page.pdf(
                    format="A4",
                    print_background=True,
                    margin={"top": "18mm", "bottom": "18mm", "left": "16mm", "right": "16mm"},
                    display_header_footer=True,
                    header_template="<span></span>",
                    footer_template=(
                        "<div style='font: 8px sans-serif; width: 100%; text-align: center'>"
                        f"{name.rpartition('/')[2]} · <span class='pageNumber'></span></div>"
                    ),
                )
            browser.close()
    except Error as error:
        reason = str(error).strip().splitlines()[0]
        raise project.BookError(f"Expected Chromium to print the book in {html}, found: {reason}") from error


def write(html: Path, toc: Path, output: Path, when: datetime) -> int:
    """Print a rendered book into one file.

    Links from one page to another lead there within the file. The same book gives the same bytes with the same
    Chromium; the date inside is ``when``.

    Returns
    -------
    int
        How many sheets it has.

    Raises
    ------
    BookError
        If the book is not built, or there is no Chromium or no playwright to print it with.
    """
    from pypdf import PdfReader, PdfWriter
    from pypdf.generic import ArrayObject, DictionaryObject, NameObject

    names = pages(toc)
    absent = [name for name in names if not (html / f"{name}.html").is_file()]
    if absent:
        raise project.BookError(
            f"Expected the built book in {html}, found no page '{absent[0]}': run 'make book' first."
        )
    joined, first = PdfWriter(), {}
    for name, content in zip(names, _printed(html, names), strict=True):
        first[(html / f"{name}.html").as_posix()] = len(joined.pages)
        reader = PdfReader(io.BytesIO(content))
        joined.append(reader, import_outline=False)
        joined.add_outline_item(
            title=_heading(html / f"{name}.html"), page_number=first[(html / f"{name}.html").as_posix()]
        )
    for sheet in joined.pages:
        kept = ArrayObject()
        for reference in sheet.get("/Annots", ()):
            note = reference.get_object()
            address = urldefrag(str(note.get("/A", {}).get("/URI", "")))[0]
            if address.startswith("file:"):
                target = first.get(unquote(address.removeprefix("file://")))
                if target is None:
                    continue  # a download beside the page, which is not in the PDF
                to = ArrayObject([joined.pages[target].indirect_reference, NameObject("/Fit")])
                note[NameObject("/A")] = DictionaryObject({NameObject("/S"): NameObject("/GoTo"), NameObject("/D"): to})
            kept.append(reference)
        if "/Annots" in sheet:
            sheet[NameObject("/Annots")] = kept
    stamp = when.strftime("D:%Y%m%d%H%M%S+00'00'")
    joined.metadata = {"/Title": TITLE, "/CreationDate": stamp, "/ModDate": stamp, "/Producer": "Chromium, pypdf"}
    with atomic_write(output) as stream:
        joined.write(stream)
    return len(joined.pages)


def _heading(page: Path) -> str:
    """A page's title, without the name of the book."""
    text = page.read_text(encoding="utf-8")
    return text.partition("<title>")[2].partition("</title>")[0].replace("&#8212;", "—").rpartition(" — ")[0] or TITLE
