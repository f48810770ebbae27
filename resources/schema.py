"""JSON Schemas (2020-12) of whole manifests, from the models.

``python -m resources.schema DIRECTORY`` writes one file per kind; the committed ones under
``crds/`` are compared with it by a test. The schemas say what can be said in JSON Schema, for
editors and forms; the models say all of it.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from resources.meta import API_VERSION
from resources.metadata import KNOWN_ANNOTATIONS, MAX_ANNOTATIONS, MAX_LABELS, OWN_ANNOTATIONS
from resources.reading import models_in
from resources.registry import Kind, kinds
from resources.spec import DNS_LABEL

DIALECT = "https://json-schema.org/draft/2020-12/schema"

QUANTITIES = ("cpu", "size", "duration")

ADDED_BY_STORE = (
    "uid",
    "generation",
    "createdAt",
    "updatedAt",
    "deletionRequestedAt",
    "source",
    "owner",
    "createdBy",
    "finalizers",
)
"""Ignored on input, so that what ``get -o yaml`` prints can be applied."""

_NAME = {"type": "string", "pattern": DNS_LABEL, "minLength": 1, "maxLength": 63}


class _Generator(GenerateJsonSchema):
    """No titles made from field names: they say nothing that the names do not."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def manifest_schema(kind: Kind) -> dict[str, Any]:
    """Of a whole document of that kind."""
    spec = spec_schema(kind.model)
    definitions = spec.pop("$defs", {})
    name = kind.model.__name__
    schema: dict[str, Any] = {
        "$schema": DIALECT,
        "title": kind.name,
        "description": kind.summary,
        "type": "object",
        "required": ["apiVersion", "kind", "metadata", "spec"],
        "additionalProperties": False,
        "properties": {
            "apiVersion": {"const": API_VERSION, "description": "Version of the format."},
            "kind": {"const": kind.name, "description": "What is declared."},
            "metadata": _metadata(kind),
            "spec": {"$ref": f"#/$defs/{name}"},
            "status": {"description": "Written by the controller; ignored on input."},
        },
        "$defs": {**definitions, name: spec},
    }
    return schema


def spec_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Of a model and those inside it (under ``$defs``), with defaults as people write them."""
    schema = model.model_json_schema(schema_generator=_Generator)
    known = {inner.__name__: inner for inner in _models(model)}
    _defaults(schema, model)
    for name, definition in schema.get("$defs", {}).items():
        if name in known:
            _defaults(definition, known[name])
    _untitle(schema)
    return schema


def _untitle(schema: Any) -> None:
    """Titles of models are their Python names; only those of quantities say something."""
    if isinstance(schema, dict):
        if isinstance(schema.get("title"), str) and schema["title"] not in QUANTITIES:
            del schema["title"]
        for inner in schema.values():
            _untitle(inner)
    elif isinstance(schema, list):
        for inner in schema:
            _untitle(inner)


def render(schema: Mapping[str, Any]) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def _metadata(kind: Kind) -> dict[str, Any]:
    labels = {"type": "object", "additionalProperties": {"type": "string"}}
    known = [{"enum": list(KNOWN_ANNOTATIONS)}, {"not": {"pattern": f"^{OWN_ANNOTATIONS}"}}]
    properties: dict[str, Any] = {
        "name": {**_NAME, "description": f"Name of the {kind.name}."},
        "organization": {**_NAME, "description": "Name of its Organization."},
        "labels": {**labels, "maxProperties": MAX_LABELS, "description": "Free, for selection."},
        "annotations": {
            "type": "object",
            "additionalProperties": {"type": ["string", "null"]},
            "propertyNames": {"anyOf": known},
            "maxProperties": MAX_ANNOTATIONS,
            "description": f"Free text, or null to take one away; heeded are "
            f"{', '.join(KNOWN_ANNOTATIONS)}.",
        },
        **{name: {"description": "Added by the store."} for name in ADDED_BY_STORE},
    }
    if not kind.namespaced:
        del properties["organization"]
    return {
        "type": "object",
        "required": ["name", "organization"] if kind.belongs else ["name"],
        "additionalProperties": False,
        "properties": properties,
    }


def _defaults(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Quantities as text; what a map's own fields say, or nothing, is left out."""
    written = model.model_construct().model_dump(
        mode="json", by_alias=True, exclude_none=True, warnings=False
    )
    for field in model.model_fields.values():
        name = field.alias or ""
        told = schema["properties"][name]
        told.pop("default", None)
        if name in written and not isinstance(field.default, BaseModel):
            told["default"] = written[name]


def _models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    seen: set[type[BaseModel]] = set()
    stack = [model]
    while stack:
        here = stack.pop()
        if here not in seen:
            seen.add(here)
            yield here
            for field in here.model_fields.values():
                stack.extend(models_in(field.annotation, inside=True))


def write(directory: Path) -> list[Path]:
    """One file per kind: ``service.json``. Returns what was written."""
    directory.mkdir(parents=True, exist_ok=True)
    written = []
    for kind in kinds().values():
        path = directory / f"{kind.name.lower()}.json"
        path.write_text(render(manifest_schema(kind)), encoding="utf-8")
        written.append(path)
    return written


if __name__ == "__main__":
    for path in write(Path(sys.argv[1])):
        print(path)
