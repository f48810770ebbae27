"""A Domain's spec under hostile values: an error that says where, or exactly the literal value."""

from __future__ import annotations

import re
from typing import Any

import pytest

from resources.domain import DomainSpec
from resources.errors import UserError
from resources.hostname import HOSTNAME, apex, covers, within
from resources.validate import validate
from tests.unit.domain.hostile import BASE, HEADERS, LITERAL, REFUSED, TARGETS, at


def read(spec: dict[str, Any]) -> DomainSpec:
    found = validate("Domain", spec)
    assert isinstance(found, DomainSpec)
    return found


@pytest.mark.parametrize(("pointer", "value", "words"), REFUSED, ids=range(len(REFUSED)))
def test_refused_with_its_place(pointer: str, value: Any, words: str) -> None:
    with pytest.raises(UserError) as caught:
        read(at(pointer, value))
    assert caught.value.code == "CONFIGURATION_INVALID_SPEC"
    found = caught.value.details["errors"]
    whole = pointer if pointer != "/tls/issuer" or value != "custom" else "/tls/secret"
    assert any(error["pointer"].startswith(f"/spec{whole}") for error in found), found
    assert any(re.search(words, e["message"]) or words in e["message"] for e in found), found


@pytest.mark.parametrize(("pointer", "value", "field", "literal"), LITERAL, ids=range(len(LITERAL)))
def test_taken_literally(pointer: str, value: Any, field: str, literal: Any) -> None:
    spec = read(at(pointer, value))
    assert getattr(spec, field) == literal
    assert re.fullmatch(HOSTNAME, spec.hostname)
    assert read(spec.document()) == spec


def test_a_list_is_not_too_short_for_a_member_that_is_wrong() -> None:
    with pytest.raises(UserError) as caught:
        read(at("/middlewares/ipAllowList", ["127.0.0.300"]))
    (found,) = caught.value.details["errors"]
    assert found["pointer"] == "/spec/middlewares/ipAllowList/0"


def test_what_may_be_said() -> None:
    spec = read(
        {
            **BASE,
            "port": 8080,
            "pathPrefix": "/api",
            "stripPrefix": True,
            "sticky": True,
            "tls": {"enabled": True, "issuer": "custom", "secret": "cert"},
            "redirectHttps": False,
            "middlewares": {
                "basicAuth": {"secret": "users"},
                "ipAllowList": ["192.0.2.1", "2001:db8::/32"],
                "rateLimit": {"average": 10},
                "headers": {"request": HEADERS, "response": {}},
                "redirect": {"to": TARGETS[0], "permanent": True},
                "compress": True,
            },
        }
    )
    assert spec.secrets == ("cert", "users")
    assert spec.middlewares.ip_allow_list == ("192.0.2.1/32", "2001:db8::/32")
    assert spec.middlewares.headers is not None
    assert dict(spec.middlewares.headers.request) == HEADERS


def test_redirects_https_with_tls_unless_said_otherwise() -> None:
    assert read(BASE).redirects_https
    assert not read({**BASE, "tls": {"enabled": False}}).redirects_https
    assert not read({**BASE, "redirectHttps": False}).redirects_https
    with pytest.raises(UserError, match=r"spec.redirectHttps: needs tls.enabled"):
        read({**BASE, "tls": {"enabled": False}, "redirectHttps": True})


def test_names_within_and_covered() -> None:
    assert within("a.b.example.com", "example.com")
    assert within("*.example.com", "example.com")
    assert not within("badexample.com", "example.com")
    assert covers("*.example.com", "a.example.com")
    assert not covers("*.example.com", "a.b.example.com")
    assert not covers("*.example.com", "example.com")
    assert covers("*.example.com", "*.example.com")
    assert not covers("*.com", "*.example.com")
    assert apex("*.example.com") == apex("example.com") == "example.com"
