"""Ten kinds of wrong input and more: where, what, and what was meant."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

from resources.errors import UserError
from resources.meta import Key, Manifest
from resources.validate import validate, validate_manifest


def refused(kind: Any, spec: Any) -> UserError:
    with pytest.raises(UserError) as caught:
        validate(kind, spec)
    json.dumps(caught.value.to_dict(), ensure_ascii=False).encode()
    return caught.value


def first(kind: str, spec: Any) -> dict[str, Any]:
    error = refused(kind, spec)
    assert error.code == "CONFIGURATION_INVALID_SPEC"
    assert not error.retryable
    found: dict[str, Any] = error.details["errors"][0]
    assert found["message"] in error.message
    return found


@pytest.mark.parametrize(
    ("spec", "pointer", "message", "suggestion"),
    [
        ({"imge": "nginx"}, "/spec/imge", "unknown field: did you mean 'image'?", "image"),
        ({}, "/spec/image", "is required", None),
        (
            {"image": "n", "replicas": "3"},
            "/spec/replicas",
            "expected a whole number, got text: did you mean 3 without quotes?",
            "3",
        ),
        ({"image": "n", "replicas": 101}, "/spec/replicas", "must be at most 100, not 101", None),
        ({"image": "n", "replicas": 1.5}, "/spec/replicas", "expected a whole number", None),
        ({"image": "n", "replicas": True}, "/spec/replicas", "got a boolean", None),
        (
            {"image": "n", "update": {"order": "startfirst"}},
            "/spec/update/order",
            "must be one of auto, startFirst, stopFirst, not 'startfirst': did you mean",
            "startFirst",
        ),
        (
            {"image": "n", "resources": {"memory": 512}},
            "/spec/resources/memory",
            "512 bytes is under 1 MiB: did you mean 512Mi?",
            "512Mi",
        ),
        (
            {"image": "n", "cpu": 1},
            "/spec/cpu",
            "unknown field: did you mean 'resources.cpu'?",
            "resources.cpu",
        ),
        ({"image": "n", "env": {}}, "/spec/env", "did you mean 'environment'?", "environment"),
        (
            {"image": "n", "image_pull_policy": "Always"},
            "/spec/image_pull_policy",
            "did you mean 'imagePullPolicy'?",
            "imagePullPolicy",
        ),
        (
            {"image": "n", "ports": [{"containerPort": 80}, {"port": 80}]},
            "/spec/ports/1/port",
            "did you mean 'containerPort'?",
            "containerPort",
        ),
        ({"image": "n", "volumes": "data"}, "/spec/volumes", "expected a list, got text", None),
        ({"image": "n", "update": []}, "/spec/update", "expected a map, got a list", None),
        (
            {"image": "n", "environment": {"A": {"secret": "s"}}},
            "/spec/environment/A/key",
            "is required",
            None,
        ),
        (
            {"image": "n", "readOnlyRootFilesystem": "yes"},
            "/spec/readOnlyRootFilesystem",
            "expected true or false, got text: did you mean true without quotes?",
            "true",
        ),
        ({"image": 5}, "/spec/image", 'expected text, got a number: did you mean "5"?', '"5"'),
        ({"image": "n", "a/b~c": 1}, "/spec/a~1b~0c", "unknown field", None),
        ({"image": "n", "type": "database"}, "/spec/volumes", "a database needs a writable", None),
    ],
)
def test_services(spec: Any, pointer: str, message: str, suggestion: str | None) -> None:
    found = first("Service", spec)
    assert found["pointer"] == pointer
    assert message in found["message"]
    assert found.get("suggestion") == suggestion


def test_everything_wrong_is_told_at_once_and_counted() -> None:
    error = refused("Service", {"image": "n", "replicas": -1, "stat": "running", "user": 5})
    pointers = [found["pointer"] for found in error.details["errors"]]
    assert pointers == ["/spec/replicas", "/spec/user", "/spec/stat"]
    assert error.message == "spec.replicas: must be at least 0, not -1 (and 2 more problems)"
    assert error.suggestions == ('spec.user: write "5"', "spec.stat: write state")


def test_thousands_of_mistakes_are_listed_up_to_a_limit() -> None:
    error = refused("Organization", {"members": [{"usr": "x"}] * 5000})
    assert len(error.details["errors"]) == 20
    assert "more problems" in error.message


def test_values_of_variables_are_never_shown() -> None:
    spec = {"image": "n", "environment": {"PASSWORD": ["hunter2"]}, "files": [{"content": 12345}]}
    text = json.dumps(refused("Service", spec).to_dict())
    assert "hunter2" not in text
    assert "12345" not in text


def nested(depth: int) -> dict[str, Any]:
    root: dict[str, Any] = {}
    here = root
    for _ in range(depth):
        here["a"] = {}
        here = here["a"]
    return root


def cycle() -> dict[str, Any]:
    root: dict[str, Any] = {}
    root["a"] = root
    return root


def bomb() -> list[Any]:
    here: list[Any] = ["lol" * 100]
    for _ in range(20):
        here = [here] * 10
    return here


@pytest.mark.parametrize(
    ("billing", "message"),
    [
        (nested(100_000), "nested deeper than 32 levels"),
        (cycle(), "nested deeper than 32 levels"),
        ({"a": bomb()}, "larger than 256 KiB"),
        ({"a": "x" * 300_000}, "larger than 256 KiB"),
        ({"a": ["x"] * 300_000}, "larger than 256 KiB"),
        ({"x" * 300_000: 1}, "larger than 256 KiB"),
        ({"a": "b\0c"}, "must not contain a NUL character"),
        ({"b\0": 1}, "the name of this field must not contain a NUL character"),
        ({"a": "\ud800"}, "is not valid Unicode"),
        ({"\ud800": 1}, "is not valid Unicode"),
        ({"a": float("nan")}, "must be a finite number"),
        ({"a": float("inf")}, "must be a finite number"),
        ({"a": 10**30}, "is too large a number"),
        ({"a": 10**6000}, "is too large a number"),
        ({1: 2}, "field names must be text, not int"),
        ({"a": {1, 2}}, "must be JSON (text, number, boolean, list, map), not set"),
        ({"a": b"x"}, "not bytes"),
    ],
    ids=range(17),
)
def test_hostile_documents_end_in_a_short_error(billing: Any, message: str) -> None:
    error = refused("Organization", {"billing": billing})
    assert message in error.message
    assert len(json.dumps(error.to_dict())) < 4000


@pytest.mark.parametrize("spec", [[], "x", 5, True])
def test_a_spec_is_a_map(spec: Any) -> None:
    assert refused("Service", spec).message == "spec: must be a map of fields"
    assert refused("Service", None).message == "spec: is required"


def test_lookalikes_are_shown_as_what_they_are() -> None:
    error = refused("Service", {"im\u0430ge": "nginx"})
    assert error.message == (
        "spec.im\\u0430ge: unknown field (it has characters that only look like Latin ones): "
        "did you mean 'image'?"
    )
    assert error.details["errors"][0]["pointer"] == "/spec/im\u0430ge"


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("Sevrice", "there is no kind 'Sevrice': did you mean Service?"),
        ("service", "there is no kind 'service': did you mean Service?"),
        ("Pod", "there is no kind 'Pod'"),
        ("Template", "kind Template is not available in this version yet"),
        ("\u0405ervice", "there is no kind '\\u0405ervice': did you mean Service?"),
        (None, "kind must be text"),
        ([], "kind must be text"),
        ("x" * 100_000, "there is no kind 'xxx"),
    ],
)
def test_unknown_kinds(kind: Any, message: str) -> None:
    error = refused(kind, {})
    assert error.code == "CONFIGURATION_UNKNOWN_KIND"
    assert error.message.startswith(message)
    assert len(error.message) < 200


def test_organizations_and_volumes() -> None:
    error = refused(
        "Organization",
        {
            "network": {"subnet": "10.1.2.3/24"},
            "security": {"profile": "privileged", "allowedCapabilities": ["SYS_ADMIN"]},
            "quota": {"cpus": 2},
        },
    )
    told = {found["pointer"]: found["message"] for found in error.details["errors"]}
    assert "10.1.2.3/24 has host bits set" in told["/spec/network/subnet"]
    assert told["/spec/security/profile"] == "must be one of restricted, baseline, not 'privileged'"
    assert "never granted" in told["/spec/security/allowedCapabilities/0"]
    assert told["/spec/quota/cpus"] == "unknown field: did you mean 'cpu'?"
    error = refused("Volume", {"size": "10GB", "adopt": "x", "backup": {"schedule": "61 * * * *"}})
    told = {found["pointer"]: found["message"] for found in error.details["errors"]}
    assert told["/spec/size"].endswith("did you mean 10Gi?")
    assert told["/spec/adopt"].startswith("is not a uid like")
    assert told["/spec/backup/schedule"] == "'61' is not a minute (0 to 59)"


def test_metadata_and_spec_are_told_together() -> None:
    manifest = Manifest(Key("Service", "", "Web_1"), {"imge": "n"}, labels={"io.skypanel.uid": "x"})
    with pytest.raises(UserError) as caught:
        validate_manifest(manifest)
    pointers = [found["pointer"] for found in caught.value.details["errors"]]
    assert pointers == [
        "/metadata/name",
        "/metadata/organization",
        "/metadata/labels/io.skypanel.uid",
        "/spec/imge",
    ]
    assert "did you mean 'web-1'?" in caught.value.message


def test_the_api_version_is_checked() -> None:
    manifest = Manifest(Key("Organization", "", "a"), {}, api_version="v1")
    with pytest.raises(UserError, match=r"apiVersion: must be 'skypanel.io/v1', not 'v1'"):
        validate_manifest(manifest)


OK_METADATA: dict[str, Any] = {
    "organization": "acme",
    "name": "web",
    "labels": {"tier": "front", "example.com/team": "a_b.c"},
    "annotations": {"skypanel.io/paused": "looking into it", "note": "free text, really"},
}


def inspect(kind: str, organization: Any, name: Any, labels: Any, annotations: Any) -> None:
    """A manifest in which nothing but the metadata may be wrong."""
    spec = {"image": "nginx"} if kind == "Service" else {}
    validate_manifest(Manifest(Key(kind, organization, name), spec, labels, annotations))


def test_good_metadata_passes() -> None:
    inspect("Service", **OK_METADATA)
    inspect("Service", "acme", "a" * 63, None, None)
    inspect("Organization", "", "acme", {}, {})


@pytest.mark.parametrize(
    ("change", "pointer", "message"),
    [
        ({"name": ""}, "/metadata/name", "must not be empty"),
        ({"name": None}, "/metadata/name", "is required"),
        ({"name": "a" * 64}, "/metadata/name", "has 64 characters, at most 63 are allowed"),
        ({"name": "-a"}, "/metadata/name", "begin and end with a letter or a digit"),
        ({"name": "a.b"}, "/metadata/name", "not '.': did you mean 'a-b'?"),
        ({"name": "w\u0435b"}, "/metadata/name", "not '\\u0435'"),
        ({"name": "web\n"}, "/metadata/name", "not '\\n': did you mean 'web'?"),
        ({"organization": ""}, "/metadata/organization", "is required for kind Service"),
        ({"organization": "A"}, "/metadata/organization", "lower case letters"),
        ({"labels": {"Traefik.enable": "x"}}, "/metadata/labels/Traefik.enable", "reserved"),
        (
            {"labels": {"com.docker.compose.project": "x"}},
            "/metadata/labels/com.docker.compose.project",
            "labels under 'com.docker.' are reserved",
        ),
        ({"labels": {"a": True}}, "/metadata/labels/a", 'must be text: did you mean "true"?'),
        ({"labels": {"a": "free text"}}, "/metadata/labels/a", "goes into annotations"),
        ({"labels": {"a b": "x"}}, "/metadata/labels/a b", "'a b' is not a key"),
        ({"labels": ["a"]}, "/metadata/labels", "must be a map of text to text"),
        (
            {"labels": {f"k{i}": "v" for i in range(65)}},
            "/metadata/labels",
            "has more than the 64 labels allowed",
        ),
        (
            {"annotations": {"skypanel.io/pause": "x"}},
            "/metadata/annotations/skypanel.io~1pause",
            "did you mean 'skypanel.io/paused'?",
        ),
        ({"annotations": {"n": "a\0b"}}, "/metadata/annotations/n", "NUL"),
        ({"annotations": {"n": "x" * 70_000}}, "/metadata/annotations", "larger than 64 KiB"),
    ],
)
def test_metadata(change: dict[str, Any], pointer: str, message: str) -> None:
    with pytest.raises(UserError) as caught:
        inspect("Service", **{**OK_METADATA, **change})
    found = caught.value.details["errors"][0]
    assert found["pointer"] == pointer
    assert message in found["message"]


def test_kinds_without_an_organization_have_none() -> None:
    with pytest.raises(UserError, match="must be absent for kind Organization"):
        inspect("Organization", "acme", "acme", {}, {})


@pytest.mark.parametrize("number", [math.inf, -math.inf, math.nan])
def test_a_number_that_json_does_not_have_is_refused_in_json(number: float) -> None:
    with pytest.raises(UserError) as caught:
        validate_manifest(Manifest(Key("Service", "acme", number), {"image": "nginx"}))  # type: ignore[arg-type]
    assert json.dumps(caught.value.to_dict(), allow_nan=False)
