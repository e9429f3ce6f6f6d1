"""What a chapter can be asked: validation of its parameters, and the table that describes them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import yaml
from pydantic import ValidationError

from synthetic_atoms.book.chapters import CHAPTERS, Common
from synthetic_atoms.errors import ParameterError, suggest


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
