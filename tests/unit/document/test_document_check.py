"""What a spec gets wrong, with lines; documents that come as values."""

from __future__ import annotations

from typing import Any

import pytest

from resources.document import check, interpret, parse
from resources.errors import UserError
from resources.meta import Key

TEXT = """\
apiVersion: skypanel.io/v1
kind: Service
metadata: {name: web, organization: acme}
spec:
  image: nginx
  replicas: many
  ports:
  - containerPort: 80
  - containerPort: 99999
"""


def test_errors_have_lines() -> None:
    (document,) = parse(TEXT, "dir/web.yaml").documents
    error = check(document)
    assert error is not None
    assert error.details["file"] == "dir/web.yaml"
    lines = {item["pointer"]: item["line"] for item in error.details["errors"]}
    assert lines == {"/spec/replicas": 6, "/spec/ports/1/containerPort": 9}
    assert error.details["line"] == error.details["errors"][0]["line"]


def test_a_missing_field_points_to_its_parent() -> None:
    (document,) = parse(TEXT.split("spec:")[0] + "spec:\n  replicas: 1\n", "web.yaml").documents
    error = check(document)
    assert error is not None
    assert error.details["line"] == 4


def test_a_right_spec_is_right() -> None:
    text = TEXT.replace("many", "2").replace("99999", "443")
    (document,) = parse(text, "web.yaml").documents
    assert check(document) is None


WEB: dict[str, Any] = {
    "apiVersion": "skypanel.io/v1",
    "kind": "Service",
    "metadata": {"name": "web", "organization": "acme", "uid": "x", "labels": {"a": "b"}},
    "spec": {"image": "nginx"},
    "status": {"phase": "Running"},
}


def test_values_become_a_manifest() -> None:
    manifest = interpret(WEB)
    assert manifest.key == Key("Service", "acme", "web")
    assert manifest.spec == {"image": "nginx"}
    assert manifest.labels == {"a": "b"}


def _deep(levels: int) -> Any:
    value: Any = 1
    for _ in range(levels):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("raw", "code", "pointer"),
    [
        (WEB | {"kind": "Servcie"}, "CONFIGURATION_UNKNOWN_KIND", None),
        (WEB | {"apiVersion": "v2"}, "CONFIGURATION_INVALID_SPEC", "/apiVersion"),
        (WEB | {"metadata": {"name": "W"}}, "CONFIGURATION_INVALID_SPEC", "/metadata/name"),
        (WEB | {"sepc": 1}, "CONFIGURATION_INVALID_SPEC", "/sepc"),
        (WEB | {"spec": []}, "CONFIGURATION_INVALID_SPEC", "/spec"),
        ([], "CONFIGURATION_INVALID_SPEC", ""),
        ("text", "CONFIGURATION_INVALID_SPEC", ""),
        (None, "CONFIGURATION_INVALID_SPEC", ""),
        ({}, "CONFIGURATION_INVALID_SPEC", "/apiVersion"),
        (WEB | {"spec": {"a": _deep(5000)}}, "CONFIGURATION_INVALID_MANIFEST", None),
        (WEB | {"spec": {"a": "x\0"}}, "CONFIGURATION_INVALID_MANIFEST", None),
        (WEB | {"spec": {1: 2}}, "CONFIGURATION_INVALID_MANIFEST", None),
    ],
)
def test_values_that_are_no_manifest(raw: Any, code: str, pointer: str | None) -> None:
    with pytest.raises(UserError) as caught:
        interpret(raw)
    assert caught.value.code == code
    if pointer is not None:
        assert pointer in [e["pointer"] for e in caught.value.details["errors"]]
