"""What a chapter can be asked: its parameters, their types and their ranges."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Annotated, Any, Literal

import yaml
from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError
from pydantic_core import PydanticCustomError

from synthetic_atoms.errors import ParameterError


def _ascending(values: list) -> list:
    if any(second <= first for first, second in pairwise(values)):
        raise PydanticCustomError("ascending", "not ascending")
    return values


def _distinct(values: list[str]) -> list[str]:
    if len(set(values)) < len(values):
        raise PydanticCustomError("distinct", "repeated")
    return values


Sizes = Annotated[
    list[Annotated[int, Field(ge=10, le=100_000_000)]],
    AfterValidator(_ascending),
    Field(min_length=1, max_length=50, json_schema_extra={"also": "in ascending order"}),
]
"""Numbers of training environments."""


class Common(BaseModel):
    """Parameters that every chapter has."""

    model_config = ConfigDict(strict=True, extra="forbid", frozen=True, validate_default=True)

    profile: str = Field(
        "book",
        min_length=1,
        description="Name of the profile that the other values come from.",
        json_schema_extra={"allowed": "the name of a profile"},
    )
    dataset: str = Field(
        "embedded",
        min_length=1,
        description="Source of the data: the repository's own, the authors', or extended XYZ files of one's own.",
        json_schema_extra={"allowed": "embedded, paper, paper:PATH or the path of a folder or file"},
    )
    n_trajectories: int | None = Field(
        None, ge=1, le=1_000_000, description="Number of trajectories used; null for all."
    )
    seed: int = Field(0, ge=0, le=2**32 - 1, description="Seed of every random choice in the chapter.")


class Dataset(Common):
    """Chapter 01_dataset."""

    kde_environments: int = Field(
        20_000, ge=100, le=10_000_000, description="Most environments behind each kernel density estimate."
    )
    ring_frames: int = Field(600, ge=1, le=1_000_000, description="Most final frames whose rings are counted.")
    cost_structures: int = Field(
        5, ge=0, le=1000, description="Structures whose labelling is timed, of each kind; 0 for none."
    )


class DescriptorsAndModels(Common):
    """Chapter 02_descriptors_and_models."""

    n_structures: int = Field(
        12, ge=1, le=1000, description="Most final frames used for examples, convergence, invariance and timing."
    )
    n_kernel: int = Field(20, ge=2, le=200, description="Most environments of each kind in the kernel matrices.")
    n_pairs: int = Field(3000, ge=10, le=1_000_000, description="Pairs of environments on which settings are compared.")
    n_network: int = Field(1000, ge=10, le=100_000, description="Environments that the network drawn is trained on.")
    sizes: Sizes = Field(
        [310, 1000, 3100, 10_000], description="Numbers of training environments of the SOAP settings."
    )
    candidate_sizes: Sizes = Field(
        [1000, 3100, 10_000], description="Numbers of training environments of the candidate weightings."
    )
    n_folds: int = Field(5, ge=2, le=20, description="Folds of the cross-validation by trajectory.")
    max_test: int | None = Field(
        10_000, ge=100, le=100_000_000, description="Most test environments in a fold; null for all."
    )
    n_sparse: int = Field(3100, ge=10, le=20_000, description="Most representative points of the GPR, M.")
    sigma_meV: float = Field(10.0, gt=0, le=10_000, description="Regularisation of the GPR in meV.")
    zeta: int = Field(4, ge=1, le=10, description="Exponent of the GPR's dot-product kernel.")
    use_store: bool = Field(True, description="Whether stored results are read; if not, all are computed.")
    compute: bool = Field(
        False, description="Whether results that the store lacks are computed; if not, they are drawn as gaps."
    )


class LearningCurves(Common):
    """Chapter 03_learning_curves."""

    sizes: Sizes = Field(
        [100, 310, 1000, 3100, 10_000, 31_000, 100_000, 310_000, 1_000_000],
        description="Numbers of training environments, N.",
    )
    n_folds: int = Field(5, ge=2, le=20, description="Folds of the cross-validation by trajectory.")
    models: Annotated[
        list[Literal["GPR", "NN"]],
        AfterValidator(_distinct),
        Field(min_length=1, json_schema_extra={"also": "each once"}),
    ] = Field(["GPR", "NN"], description="Regression methods compared.")
    n_sparse: int = Field(5000, ge=10, le=20_000, description="Most representative points of the GPR, M.")
    sigma_meV: float = Field(10.0, gt=0, le=10_000, description="Regularisation of the GPR in meV.")
    zeta: int = Field(4, ge=1, le=10, description="Exponent of the GPR's dot-product kernel.")
    soap: Literal["tuned", "paper-like", "plain", "quippy"] = Field(
        "tuned", description="Setting of the SOAP descriptor; chapter 02 compares them."
    )
    max_test: int | None = Field(
        None, ge=100, le=100_000_000, description="Most test environments in a fold; null for all."
    )
    use_store: bool = Field(True, description="Whether stored results are read; if not, all are computed.")
    compute: bool = Field(
        False, description="Whether results that the store lacks are computed; if not, they are drawn as gaps."
    )


class GprInsights(Common):
    """Chapter 04_gpr_insights."""

    sizes: Sizes = Field(
        [100, 310, 1000, 3100, 10_000, 31_000, 100_000, 310_000, 1_000_000],
        description="Numbers of training environments, N, of the learning curves.",
    )
    n_sparse: Annotated[
        list[Annotated[int, Field(ge=10, le=20_000)]],
        AfterValidator(_ascending),
        Field(min_length=2, max_length=20, json_schema_extra={"also": "in ascending order"}),
    ] = Field([100, 200, 500, 1000, 2000, 5000, 10_000], description="Numbers of representative points, M.")
    m_reference: int = Field(
        5000, ge=10, le=20_000, description="M of the scan over sigma; larger M have short learning curves."
    )
    large_up_to: int = Field(
        100_000, ge=10, le=100_000_000, description="Largest N of learning curves with M above m_reference."
    )
    sigma_meV: float = Field(10.0, gt=0, le=10_000, description="Regularisation of the learning curves in meV.")
    sigma_sizes: Sizes = Field(
        [1000, 2000, 5000, 10_000, 100_000, 1_000_000],
        description="Numbers of training environments of the scan over sigma.",
    )
    sigmas_meV: Annotated[
        list[Annotated[float, Field(gt=0, le=10_000)]],
        AfterValidator(_ascending),
        Field(min_length=3, max_length=50, json_schema_extra={"also": "in ascending order"}),
    ] = Field(
        [0.1, 0.215, 0.463, 1.0, 2.15, 4.63, 10.0, 21.5, 46.3, 100.0, 215.0, 463.0, 1000.0],
        description="Regularisation values of the scan, in meV.",
    )
    fitc_all_folds_up_to: int = Field(
        100_000,
        ge=10,
        le=100_000_000,
        description="Largest N of FITC's scan over sigma in all folds; beyond, one fold.",
    )
    n_folds: int = Field(5, ge=2, le=20, description="Folds of the cross-validation by trajectory.")
    max_test: int | None = Field(
        None, ge=100, le=100_000_000, description="Most test environments in a fold; null for all."
    )
    zeta: int = Field(4, ge=1, le=10, description="Exponent of the GPR's dot-product kernel.")
    kernel_offset: float = Field(
        0.0, ge=0, le=100, description="Constant added to the dot product; 0 in the paper's text, 1 in its code."
    )
    soap: Literal["tuned", "paper-like", "plain", "quippy"] = Field(
        "tuned", description="Setting of the SOAP descriptor; chapter 02 compares them."
    )
    use_store: bool = Field(True, description="Whether stored results are read; if not, all are computed.")
    compute: bool = Field(
        False, description="Whether results that the store lacks are computed; if not, they are drawn as gaps."
    )


CHAPTERS: dict[str, type[Common]] = {
    "01_dataset": Dataset,
    "02_descriptors_and_models": DescriptorsAndModels,
    "03_learning_curves": LearningCurves,
    "04_gpr_insights": GprInsights,
}
"""The chapters that are notebooks, by the stem of the notebook's name."""


def suggest(name: str, known: Sequence[str]) -> str:
    """End of a sentence about an unknown name: the known one that is like it, or else all of them."""
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    return f"; did you mean '{close[0]}'?" if close else f"; expected one of {', '.join(known)}."


def chapter_model(chapter: str) -> type[Common]:
    """Parameter model of a chapter; :class:`ParameterError` if there is no such chapter."""
    if chapter not in CHAPTERS:
        raise ParameterError(f"Unknown chapter {chapter!r}{suggest(chapter, list(CHAPTERS))}")
    return CHAPTERS[chapter]


def _bounds(schema: Mapping[str, Any], kind: str) -> str:
    low, high = schema.get("minimum"), schema.get("maximum")
    if "exclusiveMinimum" in schema:
        return f"{kind} above {schema['exclusiveMinimum']:g}" + (f", at most {high:g}" if high is not None else "")
    if low is not None and high is not None:
        return f"{kind} from {low} to {high}"
    return kind + (f", at least {low}" if low is not None else "") + (f", at most {high}" if high is not None else "")


def allowed(schema: Mapping[str, Any]) -> str:
    """The values that a JSON-schema fragment allows, in words."""
    if "allowed" in schema:
        return schema["allowed"]
    if "anyOf" in schema:
        return " or ".join(allowed(part) for part in schema["anyOf"])
    if "enum" in schema:
        return "one of " + ", ".join(f"'{value}'" for value in schema["enum"])
    if "const" in schema:
        return f"'{schema['const']}'"
    match schema.get("type"):
        case "array":
            length = "a non-empty list" if schema.get("minItems") else "a list"
            text = f"{length}, each item {allowed(schema['items'])}"
            return f"{text}, {schema['also']}" if "also" in schema else text
        case "integer":
            return _bounds(schema, "an integer")
        case "number":
            return _bounds(schema, "a number")
        case "boolean":
            return "true or false"
        case "null":
            return "null"
        case _:
            return "text"


def _type_name(schema: Mapping[str, Any]) -> str:
    if "anyOf" in schema:
        return " or ".join(_type_name(part) for part in schema["anyOf"])
    if schema.get("type") == "array":
        return f"list of {_type_name(schema['items'])}"
    return {"string": "text"}.get(schema.get("type", "string"), schema.get("type", "text"))


def table(chapter: str) -> list[dict[str, str]]:
    """Rows that describe a chapter's parameters: ``name``, ``type``, ``default``, ``allowed``, ``meaning``."""
    properties = chapter_model(chapter).model_json_schema()["properties"]
    return [
        {
            "name": name,
            "type": _type_name(schema),
            "default": as_yaml(schema["default"]),
            "allowed": allowed(schema),
            "meaning": schema["description"],
        }
        for name, schema in properties.items()
    ]


def as_yaml(value: object) -> str:
    """A value as one line of YAML, the way it would be written after ``-p name=``."""
    text = yaml.safe_dump(value, default_flow_style=True, width=10_000).strip().removesuffix("...")
    return " ".join(text.split())


def validate(chapter: str, values: Mapping[str, Any], *, source: str = "") -> Common:
    """Check values for a chapter's parameters and fill in the defaults.

    Parameters
    ----------
    chapter
        Stem of the notebook's name.
    values
        Values by parameter name; those left out keep their defaults.
    source
        File that the values come from, for the message.

    Raises
    ------
    ParameterError
        If there is no such chapter or parameter, or a value is of the wrong type or out of range.
    """
    model = chapter_model(chapter)
    properties = model.model_json_schema()["properties"]
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        complaints: dict[str, str] = {}
        for detail in error.errors():
            name = str(detail["loc"][0])
            if detail["type"] == "extra_forbidden":
                complaint = f"unknown parameter {name!r} for chapter {chapter}{suggest(name, list(properties))}"
            else:
                expected = allowed(properties[name])
                complaint = f"expected '{name}' of chapter {chapter} to be {expected}, found {as_yaml(values[name])}"
            complaints.setdefault(name, complaint.rstrip("."))
        text = "; ".join(complaints.values())
        start = f"In {source}: {text}" if source else f"{text[0].upper()}{text[1:]}"
        raise ParameterError(start if text.endswith("?") else f"{start}.") from None


def validate_notebook(chapter: str, namespace: Mapping[str, Any]) -> Common:
    """Check the parameters that a notebook holds after its ``parameters`` cell.

    Called in the notebook with ``globals()``. papermill writes the values it is given into a cell of their own,
    whatever their names; that cell is looked up among those executed, so that an unknown name is refused here too.

    Raises
    ------
    ParameterError
        As :func:`validate`.
    """
    fields = chapter_model(chapter).model_fields
    values = {name: namespace[name] for name in fields if name in namespace}
    executed = namespace.get("In", [])
    for source in executed if isinstance(executed, list) else []:
        if str(source).startswith("# Parameters\n"):
            values.update({name: namespace.get(name) for name in assigned_names(source)})
    return validate(chapter, values)


def assigned_names(source: str) -> list[str]:
    """Names that a cell of plain assignments gives values to."""
    try:
        statements = ast.parse(source).body
    except SyntaxError:
        return []
    targets = [target for node in statements if isinstance(node, ast.Assign) for target in node.targets]
    return [target.id for target in targets if isinstance(target, ast.Name)]
