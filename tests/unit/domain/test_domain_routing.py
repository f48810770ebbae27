"""What the proxies get: routers and middlewares as literals, valid for Traefik, and as labels."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydantic import ValidationError

from resources import x509
from resources.domain import DomainSpec
from resources.domain.labels import TraefikService, labels
from resources.domain.routing import Route, redirects, render, url
from resources.errors import UserError
from resources.meta import Key
from resources.routing.default_name import default_name, routing
from resources.routing.document import Document
from resources.routing.htpasswd import apr1
from resources.routing.opening import fitted
from resources.routing.rules import CLAIMS, priority, rule
from resources.routing.world import Ingress
from resources.sealed import Sealed
from resources.validate import validate
from tests.unit.domain.hostile import BASE, HEADERS, LITERAL, TARGETS, at

KEY, UID = Key("Domain", "acme", "shop"), "3f2a9c01-58d4-4c1b-9d1e-0a7b6c5d4e3f"
ACME = Ingress(mode="process", resolver="letsencrypt", wildcards=True)
PLAIN = Ingress(mode="process", http_port=8000, https_port=8443)
BACKEND = "acme-web-0a1b2c3d-80"
BASE_NAME = "acme-shop-3f2a9c01"
CERTIFICATES = Path(__file__).parent / "certificates"
PEM_KEY = "-----BEGIN PRIVATE KEY-----\nMAAA\n-----END PRIVATE KEY-----\n"


def sealed(secret: str, key: str, letter: str = "A") -> Sealed:
    return Sealed("acme", secret, key, f"v1:0123456789abcdef:{letter * 64}")


SECRETS = {
    "users": {"bob": sealed("users", "bob", "B"), "alice": sealed("users", "alice")},
    "cert": {"tls.crt": sealed("cert", "tls.crt"), "tls.key": sealed("cert", "tls.key")},
}


def document(spec: dict[str, Any], ingress: Ingress = ACME, *held: str) -> Document:
    model = validate("Domain", spec)
    assert isinstance(model, DomainSpec)
    return render(Route(KEY, UID, model, BACKEND, SECRETS, frozenset(held)), ingress)


def asking(spec: dict[str, Any]) -> Document:
    """As it becomes labels."""
    model = validate("Domain", spec)
    assert isinstance(model, DomainSpec)
    return render(Route(KEY, UID, model, BACKEND, SECRETS), ACME, asking=True)


def routers(spec: dict[str, Any], ingress: Ingress = ACME) -> dict[str, Any]:
    found: dict[str, Any] = document(spec, ingress).content["http"]["routers"]
    return found


def test_the_usual_domain() -> None:
    found = document(BASE)
    assert found.name == "domain_acme_shop_3f2a9c01"
    assert found.content == {
        "http": {
            "routers": {
                f"{BASE_NAME}-redirect": {
                    "rule": "Host(`shop.example.com`)",
                    "priority": 1_000_000,
                    "service": BACKEND,
                    "entryPoints": ["web"],
                    "middlewares": [f"{BASE_NAME}-https"],
                },
                f"{BASE_NAME}-secure": {
                    "rule": "Host(`shop.example.com`)",
                    "priority": 1_000_000,
                    "service": BACKEND,
                    "entryPoints": ["websecure"],
                    "middlewares": [f"{BASE_NAME}-claims", f"{BASE_NAME}-retry"],
                    "tls": {},
                },
            },
            "middlewares": {
                f"{BASE_NAME}-claims": {"headers": CLAIMS},
                f"{BASE_NAME}-retry": {"retry": {"attempts": 3, "initialInterval": "50ms"}},
                f"{BASE_NAME}-https": {"redirectScheme": {"scheme": "https", "permanent": True}},
            },
        }
    }


def test_without_a_resolver_http_answers_itself() -> None:
    found = routers(BASE, PLAIN)
    assert found[BASE_NAME]["middlewares"] == [f"{BASE_NAME}-claims", f"{BASE_NAME}-retry"]
    assert found[f"{BASE_NAME}-secure"]["tls"] == {}
    spec = validate("Domain", {**BASE, "redirectHttps": True})
    assert isinstance(spec, DomainSpec)
    assert redirects(spec, PLAIN) == {"scheme": "https", "permanent": True, "port": "8443"}


def test_urls() -> None:
    spec = validate("Domain", {**BASE, "pathPrefix": "/api"})
    assert isinstance(spec, DomainSpec)
    assert url(spec, ACME) == "https://shop.example.com/api"
    assert url(spec, PLAIN) == "http://shop.example.com:8000/api"


def test_wildcards_match_one_level() -> None:
    found = rule("*.a-b.example.com")
    pattern = re.fullmatch(r"HostRegexp\(`(.*)`\)", found)
    assert pattern is not None
    assert re.search(pattern[1], "x.a-b.example.com")
    assert re.search(pattern[1], "x.a-b.example.com.")
    for other in (
        "a-b.example.com",
        "x.y.a-b.example.com",
        "xa-b.example.com",
        "x.a-bzexample.com",
        "x.a-b.example.com..",
        ".a-b.example.com",
    ):
        assert not re.search(pattern[1], other)
    wild = asking({**BASE, "hostname": "*.example.com"})
    tls = wild.content["http"]["routers"][f"{BASE_NAME}-secure"]["tls"]
    assert tls == {"certResolver": "letsencrypt", "domains": [{"main": "*.example.com"}]}


def test_exact_hosts_win_then_longer_paths() -> None:
    order = [
        priority("a.example.com", "/" + "p" * 1023),
        priority("a.example.com", "/api/v1"),
        priority("a.example.com", "/api"),
        priority("a.example.com"),
        priority("*.example.com", "/" + "p" * 1023),
        priority("*.example.com"),
    ]
    assert order == sorted(order, reverse=True)
    assert len(set(order)) == len(order)


def test_a_path_is_whole_parts() -> None:
    spec = {**BASE, "pathPrefix": "/api/", "stripPrefix": True}
    found = document(spec).content["http"]
    assert found["routers"][f"{BASE_NAME}-secure"]["rule"] == (
        "Host(`shop.example.com`) && (Path(`/api`) || PathPrefix(`/api/`))"
    )
    assert found["middlewares"][f"{BASE_NAME}-strip"] == {"stripPrefix": {"prefixes": ["/api"]}}


WHOLE = {
    **BASE,
    "pathPrefix": "/api",
    "stripPrefix": True,
    "tls": {"issuer": "custom", "secret": "cert"},
    "middlewares": {
        "basicAuth": {"secret": "users"},
        "ipAllowList": ["192.0.2.0/24"],
        "rateLimit": {"average": 10, "burst": 5},
        "headers": {"request": HEADERS, "response": {"X-A": ""}},
        "redirect": {"to": TARGETS[0]},
        "compress": True,
    },
}


def test_middlewares_in_their_order() -> None:
    found = document(WHOLE).content["http"]
    names = [name.removeprefix(f"{BASE_NAME}-") for name in found["middlewares"]]
    assert names == [
        *(
            "claims",
            "allow",
            "rate",
            "elsewhere",
            "auth",
            "headers",
            "compress",
            "strip",
            "retry",
            "https",
        )
    ]
    chain = found["routers"][f"{BASE_NAME}-secure"]["middlewares"]
    assert chain == [f"{BASE_NAME}-{name}" for name in names[:-1]]
    told = found["middlewares"]
    assert told[f"{BASE_NAME}-headers"]["headers"]["customRequestHeaders"] == HEADERS
    assert told[f"{BASE_NAME}-elsewhere"]["redirectRegex"] == {
        "regex": "^.*$",
        "replacement": "https://a.com/$$1/$$2?x=$$$$&y=%20#z",
        "permanent": False,
    }


def test_a_redirect_to_a_host_keeps_the_path() -> None:
    found = document(
        at("/middlewares/redirect", {"to": "https://new.example.com", "permanent": True})
    )
    redirect = found.content["http"]["middlewares"][f"{BASE_NAME}-elsewhere"]["redirectRegex"]
    pattern = redirect["regex"]
    there = redirect["replacement"].replace("${1}", r"\1")
    for path in ("", "/", "/a/b?c=d&e=https://f/g"):
        came = re.sub(pattern, there, f"https://shop.example.com:8443{path}")
        assert came == "https://new.example.com/" + path.lstrip("/")


@pytest.mark.parametrize("spec", [*(at(p, v) for p, v, *_ in LITERAL), WHOLE], ids=repr)
def test_rules_are_literals(spec: dict[str, Any]) -> None:
    found = document(spec)
    assert json.loads(found.text) == found.content
    assert json.dumps(found.content, ensure_ascii=False).isascii()
    for router in found.content["http"]["routers"].values():
        literals = re.findall(r"`([^`]*)`", router["rule"])
        assert router["rule"].count("`") == 2 * len(literals)
        bare = re.sub(r"`[^`]*`", "``", router["rule"])
        assert re.fullmatch(
            r"(Host|HostRegexp)\(``\)( && \(Path\(``\) \|\| PathPrefix\(``\)\))?", bare
        )
        assert set(router["middlewares"]) <= set(found.content["http"]["middlewares"])


# ---------------------------------------------------------------- secrets


def opened(document: Document, open_: Any) -> Any:
    """The content with every secret in its place."""
    content = json.loads(json.dumps(document.content))
    for pointer, value in document.secrets.items():
        *way, last = [int(p) if p.isdigit() else p for p in pointer.split("/")[1:]]
        place = content
        for part in way:
            place = place[part]
        place[last] = fitted(document, pointer, value, open_(value))
    return content


def open_all(values: dict[str, str]) -> Any:
    return lambda sealed: values[sealed.key]


def test_secrets_are_put_in_when_it_is_published() -> None:
    found = document(WHOLE, ACME, "*.example.com")
    certificate = (CERTIFICATES / "own.crt").read_text()
    values = {"alice": "pässword", "bob": "{SHA}" + "a" * 27 + "=", "tls.crt": certificate}
    plain = opened(found, open_all({**values, "tls.key": PEM_KEY}))
    users = plain["http"]["middlewares"][f"{BASE_NAME}-auth"]["basicAuth"]["users"]
    salt = users[0].split("$")[2]
    assert users == [f"alice:{apr1('pässword', salt)}", f"bob:{values['bob']}"]
    assert plain["tls"]["certificates"] == [{"certFile": certificate, "keyFile": PEM_KEY}]
    assert plain == opened(found, open_all({**values, "tls.key": PEM_KEY}))
    assert "word" not in found.text + repr(found)
    assert document({**WHOLE}).digest == found.digest


def test_the_digest_follows_the_sealed_values() -> None:
    before = document(WHOLE)
    changed = {**SECRETS, "users": {**SECRETS["users"], "alice": sealed("users", "alice", "C")}}
    model = validate("Domain", WHOLE)
    assert isinstance(model, DomainSpec)
    assert render(Route(KEY, UID, model, BACKEND, changed), ACME).digest != before.digest


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("tls.crt", "/etc/ssl/private/platform.pem", "is no chain of PEM"),
        ("tls.crt", "", "is no chain of PEM"),
        ("tls.crt", "other.crt", "also for bank.example.org"),
        ("tls.crt", "common.crt", "also for bank.example.org"),
        ("tls.crt", "own.crt", r"also for \*.example.com, which this organization has not proven"),
        ("tls.crt", "wild.crt", r"also for \*.example.com, example.com"),
        ("tls.key", "/etc/ssl/private/platform.key", "is no PEM private key"),
        ("tls.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA\n", "without a passphrase"),
        ("alice", "", "is empty"),
        ("alice", "a\nmallory:x", "more than one line"),
        ("alice", "$2y$31$" + "a" * 53, "bcrypt cost"),
        ("alice", "$6$rounds=5000$salt$" + "a" * 86, "is a hash, but neither"),
        ("alice", "$2y$10$half", "not a whole one"),
        ("alice", "{SSHA}c29tZXRoaW5n", "is a hash, but neither"),
    ],
)
def test_what_no_proxy_may_get(key: str, value: str, words: str) -> None:
    if value.endswith(".crt"):
        value = (CERTIFICATES / value).read_text()
    good = {"alice": "a", "bob": "b", "tls.key": PEM_KEY}
    values = {**good, "tls.crt": (CERTIFICATES / "single.crt").read_text(), key: value}
    with pytest.raises(UserError, match=words) as caught:
        opened(document(WHOLE), open_all(values))
    assert caught.value.code == "DOMAIN_SECRET_INVALID"
    assert not value or value not in repr(caught.value.to_dict())


@pytest.mark.parametrize(
    ("certificate", "held"),
    [
        ("own.crt", "*.example.com"),
        ("wild.crt", "*.example.com"),
        ("other.crt", "bank.example.org"),
    ],
)
def test_a_certificate_may_be_for_whatever_its_organization_has_proven(
    certificate: str, held: str
) -> None:
    """A wildcard only where the wildcard itself was: it would be shown to others' visitors."""
    spec = {**BASE, "tls": {"issuer": "custom", "secret": "cert"}}
    values = {"tls.crt": (CERTIFICATES / certificate).read_text(), "tls.key": PEM_KEY}
    assert opened(document(spec, ACME, held), open_all(values))["tls"]
    with pytest.raises(UserError) as caught:
        opened(document(spec, ACME, "shop.example.com"), open_all(values))
    assert held in caught.value.suggestions[0]


def test_a_wildcard_may_have_its_apex_in_the_certificate() -> None:
    spec = {**BASE, "hostname": "*.example.com", "tls": {"issuer": "custom", "secret": "cert"}}
    values = {"tls.crt": (CERTIFICATES / "wild.crt").read_text(), "tls.key": PEM_KEY}
    assert opened(document(spec), open_all(values))["tls"]


def test_users_with_hashes_of_their_own() -> None:
    spec = at("/middlewares/basicAuth", {"secret": "users"})
    bcrypt = "$2y$10$" + "a" * 53
    values = {"alice": f"alice:{bcrypt}", "bob": "x:y"}
    plain = opened(document(spec), open_all(values))
    users = plain["http"]["middlewares"][f"{BASE_NAME}-auth"]["basicAuth"]["users"]
    assert users[0] == f"alice:{bcrypt}"
    assert users[1].startswith("bob:$apr1$")


# ---------------------------------------------------------------- names without a Domain


def test_a_name_without_a_domain() -> None:
    named = Ingress(mode="process", default_domain="apps.test", resolver="letsencrypt")
    assert default_name("acme", "web", named) == "web.acme.apps.test"
    assert default_name("acme", "web", ACME) == ""
    assert routing("acme", "web", UID, BACKEND, ACME) == {}
    found = routing("acme", "web", UID, BACKEND, named)
    secure = found["routers"]["acme-web-3f2a9c01-default-secure"]
    plain = found["routers"]["acme-web-3f2a9c01-default"]
    assert plain["rule"] == secure["rule"] == "Host(`web.acme.apps.test`)"
    assert secure["tls"] == {}  # a certificate for each name would soon be one too many
    wild = routing("acme", "web", UID, BACKEND, replace(ACME, default_domain="apps.test"))
    assert wild["routers"]["acme-web-3f2a9c01-default-secure"]["tls"] == {
        "certResolver": "letsencrypt",
        "domains": [{"main": "*.acme.apps.test"}],
    }
    assert priority("*.acme.apps.test") < plain["priority"] < priority("web.acme.apps.test")


# ---------------------------------------------------------------- labels


def test_labels_say_the_same() -> None:
    target = TraefikService(BACKEND, 80)
    made = labels(asking(BASE), target)
    secure, http = f"traefik.http.routers.{BASE_NAME}-secure-{made.digest}", "traefik.http"
    redirect = f"{http}.routers.{BASE_NAME}-redirect-{made.digest}"
    https = f"{BASE_NAME}-https-{made.digest}"
    retry = f"{BASE_NAME}-retry-{made.digest}"
    assert made.plain == {
        f"{redirect}.rule": "Host(`shop.example.com`)",
        f"{redirect}.priority": "1000000000000000",
        f"{redirect}.service": target.label,
        f"{redirect}.entrypoints": "web",
        f"{redirect}.middlewares": https,
        f"{secure}.rule": "Host(`shop.example.com`)",
        f"{secure}.priority": "1000000000000000",
        f"{secure}.service": target.label,
        f"{secure}.entrypoints": "websecure",
        f"{secure}.middlewares": retry,
        f"{secure}.tls.certresolver": "letsencrypt",
        f"{http}.middlewares.{https}.redirectscheme.scheme": "https",
        f"{http}.middlewares.{https}.redirectscheme.permanent": "true",
        f"{http}.middlewares.{retry}.retry.attempts": "20",
        f"{http}.middlewares.{retry}.retry.initialinterval": "25ms",
        f"{http}.services.{target.label}.loadbalancer.server.port": "80",
    }


def test_labels_show_no_secret_and_no_certificate() -> None:
    made = labels(document(WHOLE), TraefikService(BACKEND, 80))
    found = made.shown()
    assert not any("password" in value for value in found.values())
    users = next(v for k, v in found.items() if k.endswith("basicauth.users"))
    assert users == "alice:(secret),bob:(secret)"
    assert [sealed.key for each in made.sealed.values() for sealed in each] == ["alice", "bob"]
    assert any(k.endswith("customrequestheaders.Report-To") for k in found)
    assert any(k.endswith(".compress") and v == "true" for k, v in found.items())
    assert not any("tls.crt" in k or "certfile" in k for k in found)


def test_the_files_of_the_proxies_hold_no_password() -> None:
    """What writes them puts in what ``fitted`` made, never the value itself."""
    leaf = pytest.importorskip("controller.ingress.leaf")
    assert "{{" not in leaf.written(document(at("/middlewares/headers", {"request": HEADERS})), str)
    spec = at("/middlewares/basicAuth", {"secret": "users"})
    text = leaf.written(document(spec), open_all({"alice": "wonderland", "bob": "builder"}))
    assert "alice:$apr1$" in text
    assert "wonderland" not in text
    with pytest.raises(UserError, match="is no chain of PEM"):
        leaf.written(document(WHOLE), lambda _: "/etc/ssl/private/platform.pem")


def test_a_value_that_takes_too_long_is_refused() -> None:
    users = at("/middlewares/basicAuth", {"secret": "users"})
    made = document(users)
    (pointer, sealed), *_ = made.secrets.items()
    assert fitted(made, pointer, sealed, "x" * 256)
    with pytest.raises(UserError, match="longer than 256 characters"):
        fitted(made, pointer, sealed, "x" * 257)


def test_a_certificate_with_an_empty_extension_is_an_error() -> None:
    """Never the end of an iteration, which a thread's future cannot hold."""
    with pytest.raises(ValueError, match="empty"):
        x509._first(b"")


def test_the_proxies_own_headers_are_not_a_tenants() -> None:
    with pytest.raises(ValidationError, match="platform's own"):
        DomainSpec.model_validate(
            {
                "hostname": "a.example.com",
                "service": "web",
                "middlewares": {"headers": {"request": {"X-Skyctl-Uid": "1"}}},
            }
        )
