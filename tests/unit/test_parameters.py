"""Parameters and profiles: what is accepted, and that everything else ends in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from synthetic_atoms.book import parameters, profiles
from synthetic_atoms.errors import ParameterError

CURVES = "03_learning_curves"
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=12)
VALUES = SCALARS | st.lists(SCALARS, max_size=4) | st.dictionaries(st.text(max_size=4), SCALARS, max_size=2)


def one_sentence(message: str) -> bool:
    """Whether a message is one line that begins as a sentence does and ends as one."""
    return "\n" not in message and message[0].isupper() and message[-1] in ".?"


def test_defaults_are_allowed_and_filled_in():
    found = parameters.validate(CURVES, {"sizes": [10, 20], "sigma_meV": 5})
    assert found.sizes == [10, 20]
    assert found.sigma_meV == 5.0
    assert (found.n_folds, found.models, found.max_test) == (5, ["GPR", "NN", "DKL"], None)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"n_fold": 3}, "Unknown parameter 'n_fold' for chapter 03_learning_curves; did you mean 'n_folds'?"),
        (
            {"n_folds": "5"},
            "Expected 'n_folds' of chapter 03_learning_curves to be an integer from 2 to 20, found '5'.",
        ),
        (
            {"n_folds": True},
            "Expected 'n_folds' of chapter 03_learning_curves to be an integer from 2 to 20, found true.",
        ),
        ({"n_folds": 21}, "Expected 'n_folds' of chapter 03_learning_curves to be an integer from 2 to 20, found 21."),
        ({"zeta": 4.0}, "Expected 'zeta' of chapter 03_learning_curves to be an integer from 1 to 10, found 4.0."),
        ({"use_store": 1}, "Expected 'use_store' of chapter 03_learning_curves to be true or false, found 1."),
        (
            {"sigma_meV": float("nan")},
            "Expected 'sigma_meV' of chapter 03_learning_curves to be a number above 0, at most 10000, found .nan.",
        ),
        (
            {"models": ["GPR", "GRP"]},
            "Expected 'models' of chapter 03_learning_curves to be a non-empty list, each item one of 'GPR', 'NN', "
            "'DKL', each once, found [GPR, GRP].",
        ),
    ],
)
def test_refused_values_are_named_with_what_was_expected(values, message):
    with pytest.raises(ParameterError) as caught:
        parameters.validate(CURVES, values)
    assert str(caught.value) == message


@pytest.mark.parametrize("sizes", [[310, 100], [100, 100], [], [9], [100, 10**9], list(range(10, 61))])
def test_sizes_must_ascend_and_lie_in_range(sizes):
    with pytest.raises(ParameterError, match="in ascending order, found"):
        parameters.validate(CURVES, {"sizes": sizes})


def test_every_complaint_is_in_the_sentence():
    with pytest.raises(ParameterError) as caught:
        parameters.validate(CURVES, {"n_folds": 1, "sed": 0, "zeta": "x"})
    text = str(caught.value)
    assert one_sentence(text)
    assert all(part in text for part in ("'n_folds'", "'seed'?", "'zeta'"))


@given(
    chapter=st.sampled_from(list(parameters.CHAPTERS)),
    name=st.sampled_from([*parameters.CHAPTERS[CURVES].model_fields, "n_fold", "x"]) | st.text(max_size=8),
    value=VALUES,
)
def test_any_value_is_taken_as_it_is_or_refused_in_one_sentence(chapter, name, value):
    known = name in parameters.CHAPTERS[chapter].model_fields
    message = None
    try:
        found = parameters.validate(chapter, {name: value})
    except ParameterError as error:
        message = str(error)
    if message is not None:
        assert one_sentence(message)
        assert known or f"nknown parameter {name!r}" in message
    else:
        assert known
        assert getattr(found, name) == value
        assert isinstance(getattr(found, name), bool) == isinstance(value, bool)


@pytest.mark.parametrize("chapter", parameters.CHAPTERS)
def test_table_describes_every_parameter(chapter):
    rows = parameters.table(chapter)
    assert [row["name"] for row in rows] == list(parameters.CHAPTERS[chapter].model_fields)
    for row in rows:
        assert row["meaning"].endswith(".")
        assert all(row.values())
        default = yaml.safe_load(row["default"])
        assert getattr(parameters.validate(chapter, {row["name"]: default}), row["name"]) == default


def test_unknown_chapter_is_refused_with_a_suggestion():
    with pytest.raises(ParameterError, match="Unknown chapter '3_learning_curves'; did you mean '03_learning_curves'"):
        parameters.validate("3_learning_curves", {})


def test_profiles_of_the_repository_are_valid_and_smoke_computes_everything():
    assert {"smoke", "book", "paper"} <= set(profiles.profile_names())
    for name in profiles.profile_names():
        for chapter in parameters.CHAPTERS:
            found = profiles.resolve(chapter, name)
            assert found.profile == name
            if name == "smoke" and "use_store" in type(found).model_fields:
                assert (found.use_store, found.compute) == (False, True)


def test_published_profile_differs_from_itself_in_nothing_and_from_smoke_in_sizes():
    assert profiles.differences(CURVES, profiles.resolve(CURVES)) == {}
    smoke = profiles.resolve(CURVES, "smoke")
    changed = profiles.differences(CURVES, smoke)
    assert changed["sizes"] == (smoke.sizes, profiles.resolve(CURVES).sizes)
    assert not {"profile", "compute", "use_store"} & set(changed)


def test_values_go_over_the_profile():
    assert profiles.resolve(CURVES, "smoke", {"n_folds": 3}).n_folds == 3
    with pytest.raises(ParameterError, match="--profile"):
        profiles.resolve(CURVES, "smoke", {"profile": "book"})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("03_learning_curve: {}", "Unknown chapter '03_learning_curve'"),
        ("03_learning_curves: {n_fold: 3}", "did you mean 'n_folds'"),
        ("03_learning_curves: {n_folds: many}", "to be an integer from 2 to 20, found many."),
        ("03_learning_curves: {profile: book}", "Expected no 'profile'"),
        ("[1, 2]", "to map chapters to parameters"),
        ("03_learning_curves: 3", "to map chapters to parameters"),
        ("{", "cannot be read"),
    ],
)
def test_faulty_profile_is_refused_in_one_sentence(text, message, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(profiles, "profiles_directory", lambda: tmp_path)
    (tmp_path / "mine.yaml").write_text(text)
    with pytest.raises(ParameterError, match=message) as caught:
        profiles.load_profile("mine")
    assert one_sentence(str(caught.value))


def test_unknown_profile_is_refused_with_those_that_exist():
    with pytest.raises(ParameterError) as caught:
        profiles.load_profile("nothing-like-it")
    assert all(name in str(caught.value) for name in profiles.profile_names())
    with pytest.raises(ParameterError, match="did you mean 'smoke'"):
        profiles.load_profile("smoky")


@pytest.mark.parametrize(
    ("text", "value"),
    [("1e4", 10_000), ("1e-3", 0.001), ("[1e2, 310]", [100, 310]), ("null", None), ("true", True), ("GPR", "GPR")],
)
def test_assigned_values_are_yaml(text, value):
    found = profiles.parse_assignments([f"x={text}"])["x"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize("assignments", [["x"], ["=3"], ["x=[1"], ["x=1", "x=2"], ["x=!!python/name:os.system"]])
def test_faulty_assignments_are_refused_in_one_sentence(assignments):
    with pytest.raises(ParameterError) as caught:
        profiles.parse_assignments(assignments)
    assert one_sentence(str(caught.value))


@pytest.mark.parametrize("text", ["a\nb", "a\nb=1", "x='\n", "x\n=["])
def test_an_assignment_with_line_breaks_is_refused_in_one_line(text):
    with pytest.raises(ParameterError) as caught:
        profiles.parse_assignments([text, text])
    assert "\n" not in str(caught.value)


def test_notebook_namespace_is_checked():
    assert parameters.validate_notebook(CURVES, {"n_folds": 3, "n_fold": 9, "np": object()}).n_folds == 3
    with pytest.raises(ParameterError, match="'n_folds'"):
        parameters.validate_notebook(CURVES, {"n_folds": "3"})


def test_unknown_name_in_the_cell_that_papermill_adds_is_refused():
    namespace = {"In": ["", "n_folds = 5", "# Parameters\nn_fold = 3\n"], "n_folds": 5, "n_fold": 3}
    with pytest.raises(ParameterError, match="did you mean 'n_folds'"):
        parameters.validate_notebook(CURVES, namespace)
