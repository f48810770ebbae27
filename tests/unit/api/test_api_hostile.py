"""Wrong input through HTTP: always the contract's error, with the right status."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from tests.unit.site import Site

JSON = {"content-type": "application/json"}
SERVICE = {
    "apiVersion": "skypanel.io/v1",
    "kind": "Service",
    "metadata": {"name": "web", "organization": "hostile"},
    "spec": {"image": "nginx:1"},
}


def shaped(response: httpx.Response, status: int, code: str) -> dict[str, Any]:
    body: dict[str, Any] = response.json()
    assert set(body) == {"code", "message", "details", "suggestions", "retryable"}, body
    assert (response.status_code, body["code"]) == (status, code), body
    assert body["message"]
    return body


REQUESTS = {
    "unknown route": ("GET", "/v1/nothing", None, 404, "CONFIGURATION_NO_SUCH_ROUTE"),
    "path traversal": ("GET", "/v1/../../etc/passwd", None, 404, "CONFIGURATION_NO_SUCH_ROUTE"),
    "wrong method": ("PUT", "/v1/apply", b"{}", 405, "CONFIGURATION_METHOD_NOT_ALLOWED"),
    "no JSON": ("POST", "/v1/apply", b"{", 400, "CONFIGURATION_INVALID_REQUEST"),
    "no UTF-8": ("POST", "/v1/apply", b'{"manifests": ["\xff"]}', 400,
                 "CONFIGURATION_INVALID_REQUEST"),
    "endless nesting": ("POST", "/v1/apply", b"[" * 200_000, 400, "CONFIGURATION_INVALID_REQUEST"),
    "a list": ("POST", "/v1/apply", b"[]", 400, "CONFIGURATION_INVALID_REQUEST"),
    "no manifests": ("POST", "/v1/apply", b'{"manifests": []}', 400,
                     "CONFIGURATION_INVALID_REQUEST"),
    "unknown field": ("POST", "/v1/apply", b'{"manifests": [1], "dryrun": true}', 400,
                      "CONFIGURATION_INVALID_REQUEST"),
    "unknown kind": ("GET", "/v1/resources/servcie", None, 404, "CONFIGURATION_UNKNOWN_KIND"),
    "no such name": ("GET", "/v1/resources/service/nope", None, 404, "RESOURCE_NOT_FOUND"),
    "quotes in a name": ("GET", "/v1/resources/service/x';--", None, 404, "RESOURCE_NOT_FOUND"),
    "bad selector": ("GET", "/v1/resources?labelSelector=a~b", None, 400,
                     "CONFIGURATION_INVALID_SELECTOR"),
    "text for a number": ("GET", "/v1/events?limit=many", None, 400,
                          "CONFIGURATION_INVALID_REQUEST"),
    "a number too large": ("GET", "/v1/events?limit=99999999", None, 400,
                           "CONFIGURATION_INVALID_REQUEST"),
    "scale an organization": ("POST", "/v1/resources/org/hostile/scale", b'{"replicas": 1}', 400,
                              "CONFIGURATION_INVALID_REQUEST"),
    "replicas below zero": ("POST", "/v1/resources/svc/web/scale", b'{"replicas": -1}', 400,
                            "CONFIGURATION_INVALID_REQUEST"),
    "no such batch": ("POST", "/v1/guard/zzz/approve", b"", 404, "RESOURCE_NOT_FOUND"),
    "no such decision": ("POST", "/v1/guard/zzz/explode", b"", 400,
                         "CONFIGURATION_INVALID_REQUEST"),
    "purge what is not retained": ("POST", "/v1/retained-volumes/zzz/purge", b"", 404,
                                   "RESOURCE_NOT_FOUND"),
    "logs of a volume": ("GET", "/v1/resources/org/hostile/logs", None, 400,
                         "CONFIGURATION_INVALID_REQUEST"),
}  # fmt: skip


@pytest.fixture(scope="module")
def hostile(site: Site) -> Iterator[httpx.Client]:
    site.service("hostile")
    with site.client() as client:
        yield client


@pytest.mark.parametrize("name", REQUESTS)
def test_every_wrong_request_gets_an_error_in_shape(hostile: httpx.Client, name: str) -> None:
    method, path, content, status, code = REQUESTS[name]
    response = hostile.request(method, path, content=content, headers=JSON)
    shaped(response, status, code)


def test_a_body_that_is_too_large_is_refused_by_its_length(hostile: httpx.Client) -> None:
    response = hostile.post("/v1/apply", content=b"x" * (17 * 1024 * 1024), headers=JSON)
    shaped(response, 413, "CONFIGURATION_REQUEST_TOO_LARGE")


def test_a_body_that_is_too_large_is_refused_without_its_length(hostile: httpx.Client) -> None:
    response = hostile.post("/v1/apply", content=(b"x" * 1024**2 for _ in range(17)), headers=JSON)
    shaped(response, 413, "CONFIGURATION_REQUEST_TOO_LARGE")


DOCUMENTS: dict[str, tuple[Any, str, str]] = {
    "a number": (5, "CONFIGURATION_INVALID_", "a manifest is a map"),
    "nothing": (None, "CONFIGURATION_INVALID_", "a manifest is a map"),
    "no kind": ({"apiVersion": "skypanel.io/v1"}, "CONFIGURATION_INVALID_", "kind"),
    "a misspelt kind": ({**SERVICE, "kind": "Servcie"}, "CONFIGURATION_UNKNOWN_KIND", "Service"),
    "a kind of later": ({**SERVICE, "kind": "Template"}, "CONFIGURATION_UNKNOWN_KIND", "Template"),
    "no name": ({**SERVICE, "metadata": {"organization": "hostile"}},
                "CONFIGURATION_INVALID_", "name"),
    "a name with dots": ({**SERVICE, "metadata": {"name": "a.b", "organization": "hostile"}},
                         "CONFIGURATION_INVALID_", "name"),
    "an unknown field": ({**SERVICE, "spec": {"image": "a", "replicsa": 1}},
                         "CONFIGURATION_INVALID_", "replicas"),
    "a NUL": ({**SERVICE, "spec": {"image": "a\0b"}}, "CONFIGURATION_INVALID_", "NUL"),
    "privileged": ({**SERVICE, "spec": {"image": "a", "privileged": True}},
                   "CONFIGURATION_INVALID_", "privileged"),
    "a bare memory": ({**SERVICE, "spec": {"image": "a", "resources": {"memory": 512}}},
                      "CONFIGURATION_INVALID_", "512Mi"),
    "another version": ({**SERVICE, "apiVersion": "v1"}, "CONFIGURATION_INVALID_",
                        "skypanel.io/v1"),
    "a huge spec": ({**SERVICE, "spec": {"image": "a", "environment": {"A": "x" * 300_000}}},
                    "CONFIGURATION_INVALID_", "256 KiB"),
    "a reserved label": ({**SERVICE, "metadata": {**SERVICE["metadata"],  # type: ignore[dict-item]
                                                  "labels": {"io.skypanel.uid": "x"}}},
                         "CONFIGURATION_INVALID_", "reserved"),
}  # fmt: skip


@pytest.mark.parametrize("name", DOCUMENTS)
def test_a_wrong_document_is_refused_and_the_others_go_on(
    hostile: httpx.Client, site: Site, name: str
) -> None:
    document, code, said = DOCUMENTS[name]
    good = {**SERVICE, "metadata": {"name": "beside", "organization": "hostile"}}
    body = {"manifests": [document, good], "dryRun": True}
    answer = hostile.post("/v1/apply", json=body)
    assert answer.status_code == 200
    refused, went_on = answer.json()["results"]
    assert refused["action"] == "refused"
    assert refused["error"]["code"].startswith(code), refused
    assert said in str(refused["error"]), refused
    assert went_on["action"] == "created"


def test_control_characters_of_a_request_do_not_come_back(hostile: httpx.Client) -> None:
    answer = hostile.get("/v1/resources/%1b%5b31m")
    assert "\x1b" not in shaped(answer, 404, "CONFIGURATION_UNKNOWN_KIND")["message"]
