"""The JSON Schemas: current, complete, and of one mind with the models."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from pydantic import BaseModel

from resources.errors import UserError
from resources.explain import explain
from resources.reading import models_in
from resources.registry import kinds
from resources.schema import manifest_schema, render
from resources.validate import validate

CRDS = Path(__file__).parents[3] / "crds"
KINDS = list(kinds())


def manifest(kind: str, spec: Any) -> dict[str, Any]:
    metadata = {"name": "web"}
    if kinds()[kind].namespaced:
        metadata["organization"] = "acme"
    return {"apiVersion": "skypanel.io/v1", "kind": kind, "metadata": metadata, "spec": spec}


def accepted_by_schema(kind: str, spec: Any) -> bool:
    validator = jsonschema.Draft202012Validator(manifest_schema(kinds()[kind]))
    return bool(validator.is_valid(manifest(kind, spec)))


def models(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for inner in models_in(field.annotation, inside=True):
            yield from models(inner)


@pytest.mark.parametrize("kind", KINDS)
def test_committed_ones_are_current(kind: str) -> None:
    committed = CRDS / f"{kind.lower()}.json"
    assert committed.read_text() == render(manifest_schema(kinds()[kind])), "run: make crds"


def test_nothing_else_is_committed() -> None:
    assert sorted(p.name for p in CRDS.glob("*.json")) == sorted(f"{k.lower()}.json" for k in KINDS)


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_says_what_it_is(kind: str) -> None:
    for model in models(kinds()[kind].model):
        assert (model.__doc__ or "").strip(), model
        for name, field in model.model_fields.items():
            text = field.description or ""
            assert text.endswith("."), f"{model.__name__}.{name}: {text!r}"
            assert "\n" not in text
            assert len(text) <= 200


@pytest.mark.parametrize("kind", KINDS)
def test_it_is_a_schema_whose_defaults_are_written_as_people_write_them(kind: str) -> None:
    schema = manifest_schema(kinds()[kind])
    jsonschema.Draft202012Validator.check_schema(schema)
    for name, definition in schema["$defs"].items():
        for field, told in definition.get("properties", {}).items():
            if "default" in told:
                inner = {**told, "$defs": schema["$defs"]}
                jsonschema.Draft202012Validator(inner).validate(told["default"])
            assert "default" not in told or told["default"] is not None, (name, field)


SPECS: list[tuple[str, Any]] = [
    ("Organization", {}),
    ("Organization", {"quota": {"cpu": 2, "memory": "8Gi"}, "deletion": {"retainVolumes": "7d"}}),
    ("Organization", {"billing": {"any": ["thing", 1, None]}, "members": [{"user": "u"}]}),
    ("Organization", {"network": {"subnet": "10.1.2.0/24"}, "suspended": True}),
    ("Organization", {"suspended": "yes"}),
    ("Organization", {"security": {"profile": "privileged"}}),
    ("Organization", {"security": {"allowedCapabilities": ["SYS_ADMIN"]}}),
    ("Volume", {"size": "10Gi", "backup": {"enabled": True, "schedule": "@daily"}}),
    ("Volume", {"size": None}),
    ("Volume", {"size": "ten"}),
    ("Volume", {"size": 512}),
    ("Volume", {"warnAt": 0}),
    ("Volume", {"adopt": "x"}),
    ("Volume", {"deletionPolicy": "delete"}),
    ("Service", {"image": "nginx:1.27", "replicas": 2}),
    ("Service", {"image": "n", "environment": {"A": 1, "B": {"secret": "s", "key": "k"}}}),
    ("Service", {"image": "n", "environment": {"A": {"secret": "s"}}}),
    ("Service", {"image": "n", "imge": "n"}),
    ("Service", {"image": "n", "update": {"drain": "30"}}),
    ("Service", {}),
    ("Service", []),
]


@pytest.mark.parametrize(("kind", "spec"), SPECS, ids=range(len(SPECS)))
def test_schema_and_model_agree(kind: str, spec: Any) -> None:
    try:
        validate(kind, spec)
        accepted = True
    except UserError:
        accepted = False
    assert accepted_by_schema(kind, spec) is accepted


def test_metadata_in_the_schema() -> None:
    validator = jsonschema.Draft202012Validator(manifest_schema(kinds()["Volume"]))
    document = manifest("Volume", {})
    assert validator.is_valid(document)
    assert validator.is_valid({**document, "status": {"phase": "Ready"}})
    exported = {**document["metadata"], "uid": "x", "generation": 3}
    assert validator.is_valid({**document, "metadata": exported})
    for wrong in (
        {"name": "web"},
        {"name": "Web", "organization": "acme"},
        {"name": "web", "organization": "acme", "namespace": "x"},
        {"name": "web", "organization": "acme", "annotations": {"skypanel.io/pause": "x"}},
        {"name": "web", "organization": "acme", "labels": {"a": 1}},
    ):
        assert not validator.is_valid({**document, "metadata": wrong}), wrong
    with_organization = manifest("Organization", {})
    with_organization["metadata"]["organization"] = "acme"
    organization = jsonschema.Draft202012Validator(manifest_schema(kinds()["Organization"]))
    assert not organization.is_valid(with_organization)


def test_explain_a_kind() -> None:
    assert explain("Volume") == (
        """\
KIND:     Volume (skypanel.io/v1)

Data that outlives whoever uses it.

FIELDS:
  size            <size>
                    How much it may hold, like '10Gi'; absent: unlimited. It counts towards the \
organization's quota, but is not enforced, and what is used is not measured, in this version.
  onFull          <one of refuse, warn, default warn>
                    refuse: writes beyond the size fail, where the host can; warn: a warning. \
Without effect in this version.
  deletionPolicy  <one of Retain, Expire, Delete, default Retain>
                    What happens to the data when the Volume is deleted: kept until purged, kept \
for the organization's retainVolumes, or deleted.
  adopt           <text>
                    uid of a retained volume whose data this one takes over.
  backup          <map>
                    When and how the data is copied away. This version keeps it and makes no \
backups: back the data up yourself.
  warnAt          <whole number 1..100, default 80>
                    Percent of the size from which on there is a warning. Without effect in this \
version.

ANNOTATIONS (metadata.annotations; null takes one away):
  skypanel.io/protect
    Any value: deletion is refused, also of an Organization that holds it.
"""
    )
    told = explain("Service")
    for name in ("restartedAt", "paused", "protect"):
        assert f"\n  skypanel.io/{name}\n" in told


def test_explain_a_field() -> None:
    expected = """\
KIND:     Volume (skypanel.io/v1)
FIELD:    spec.backup.hooks.before.timeout
TYPE:     duration
DEFAULT:  1m
EXAMPLES: 30s, 5m, 7d

How long it may take, like '60s'.
"""
    assert explain("Volume", "backup.hooks.before.timeout") == expected
    assert explain("Volume", "spec.backup.hooks.before[].timeout") == expected


@pytest.mark.parametrize("kind", KINDS)
def test_everything_can_be_explained(kind: str) -> None:
    def walk(model: type[BaseModel], path: str, depth: int) -> None:
        text = explain(kind, path)
        assert "anything" not in text.replace("map of anything", "")
        for field in model.model_fields.values():
            inner = f"{path}.{field.alias}".strip(".")
            explain(kind, inner)
            for below in models_in(field.annotation, inside=True):
                walk(below, inner, depth + 1)

    walk(kinds()[kind].model, "", 0)


def test_explain_what_is_not_there() -> None:
    with pytest.raises(UserError, match=r"no field 'oder' in spec.update: did you mean 'order'\?"):
        explain("Service", "update.oder")
    with pytest.raises(UserError, match="did you mean Service"):
        explain("Sevice")
