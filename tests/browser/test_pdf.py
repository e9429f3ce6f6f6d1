"""The book on paper: printed by the real Chromium from pages made here."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest
from pypdf import PdfReader

from synthetic_atoms.book import pdf
from synthetic_atoms.book.project import BookError

pytestmark = pytest.mark.browser

WHEN = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
PAGE = "<html><head><title>{title} &#8212; The book</title></head><body><h1>{title}</h1>{body}</body></html>"


@pytest.fixture
def book(tmp_path):
    """Two pages that lead to each other, and their table of contents."""
    html = tmp_path / "html"
    (html / "notebooks").mkdir(parents=True)
    one = (
        '<p>Crystals <a href="notebooks/two.html#x">on</a> <a href="a.csv">table</a> <a href="https://doi.org/x">d</a>'
    )
    (html / "index.html").write_text(PAGE.format(title="First", body=one))
    two = '<p id="x">Glasses</p><a href="../index.html">back</a>' + "<p>line</p>" * 100
    (html / "notebooks" / "two.html").write_text(PAGE.format(title="Second", body=two))
    (html / "a.csv").write_text("x\n")
    toc = tmp_path / "_toc.yml"
    toc.write_text("format: jb-book\nroot: index\nparts:\n  - chapters:\n      - file: notebooks/two\n")
    return html, toc


def test_pages_are_joined_with_bookmarks_and_links_lead_within(book, tmp_path):
    sheets = pdf.write(*book, tmp_path / "book.pdf", WHEN)
    found = PdfReader(tmp_path / "book.pdf")
    assert sheets == len(found.pages) >= 3
    text = [sheet.extract_text() for sheet in found.pages]
    assert "Crystals" in text[0]
    assert "Glasses" in text[1]
    assert [(item.title, found.get_destination_page_number(item)) for item in found.outline] == [
        ("First", 0),
        ("Second", 1),
    ]
    links = [note.get_object()["/A"] for note in found.pages[0]["/Annots"]]
    assert [link["/D"][0].get_object() == found.pages[1] for link in links if link["/S"] == "/GoTo"] == [True]
    assert [link["/URI"] for link in links if "/URI" in link] == ["https://doi.org/x"]
    assert found.metadata.creation_date == WHEN


def test_the_same_pages_give_the_same_bytes(book, tmp_path):
    for name in ("1.pdf", "2.pdf"):
        pdf.write(*book, tmp_path / name, WHEN)
    assert (tmp_path / "1.pdf").read_bytes() == (tmp_path / "2.pdf").read_bytes()


def test_what_is_missing_is_said_in_one_sentence(book, tmp_path, monkeypatch):
    html, toc = book
    (html / "notebooks" / "two.html").unlink()
    with pytest.raises(BookError, match="no page 'notebooks/two': run 'make book' first"):
        pdf.write(html, toc, tmp_path / "book.pdf", WHEN)
    (html / "notebooks" / "two.html").write_text("<p>x")
    monkeypatch.setenv("PATH", "")
    with pytest.raises(BookError, match=r"Expected Chromium .* found none"):
        pdf.write(html, toc, tmp_path / "book.pdf", WHEN)
    with pytest.raises(BookError, match="table of contents"):
        pdf.write(html, tmp_path / "none.yml", tmp_path / "book.pdf", WHEN)
    assert not (tmp_path / "book.pdf").exists()
