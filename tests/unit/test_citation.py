"""What the project says of itself is the same everywhere."""

from __future__ import annotations

import json
import re
import tomllib

import pytest
import yaml

from synthetic_atoms.book import project

ROOT = project.root()


@pytest.fixture
def citation():
    """CITATION.cff."""
    return yaml.safe_load((ROOT / "CITATION.cff").read_text(encoding="utf-8"))


@pytest.fixture
def zenodo():
    """.zenodo.json."""
    return json.loads((ROOT / ".zenodo.json").read_text(encoding="utf-8"))


def test_title_version_licence_and_authors_agree(citation, zenodo):
    package = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert citation["title"] == zenodo["title"]
    assert citation["version"] == zenodo["version"] == package["version"]
    assert citation["license"] == zenodo["license"] == package["license"]
    assert [author["name"] for author in citation["authors"]] == [author["name"] for author in zenodo["creators"]]


def test_the_paper_is_named_in_both(citation, zenodo):
    (paper,) = [one for one in citation["references"] if one["type"] == "article"]
    (related,) = [one for one in zenodo["related_identifiers"] if one["relation"] == "isSupplementTo"]
    assert paper["doi"] == related["identifier"]
    assert paper["title"] in citation["title"]


def test_zenodo_is_told_of_every_doi_of_the_paper_s_data(zenodo):
    page = (ROOT / "book" / "how_to_cite.md").read_text(encoding="utf-8")
    named = set(re.findall(r"doi\.org/(10\.5281/zenodo\.\d+)", page))
    assert named
    assert named == {one["identifier"] for one in zenodo["related_identifiers"] if "zenodo" in one["identifier"]}
