"""What a proxy of ours is started with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from controller.ingress.traefik import Start, constant, has_resolver, static
from controller.settings import Settings, load_settings
from resources.errors import UserError


def settings(**given: Any) -> Settings:
    return Settings(state_dir=Path("/state"), **given)


def configured(**given: Any) -> dict[str, Any]:
    return static(settings(**given), Start(Path("/state/ingress"), 9000))


def test_nothing_is_reported_to_anybody_and_the_api_is_not_open() -> None:
    found = configured()
    assert found["global"] == {"checkNewVersion": False, "sendAnonymousUsage": False}
    assert found["api"] == {"dashboard": False, "debug": False, "insecure": False}
    assert found["entryPoints"]["skyctl"] == {"address": "127.0.0.1:9000"}
    assert found["metrics"]["prometheus"]["manualRouting"] is True
    routers = constant("token")["http"]["routers"]
    assert all(router["entryPoints"] == ["skyctl"] for router in routers.values())
    assert all("`Bearer token`" in router["rule"] for router in routers.values())


def test_each_order_is_a_router_of_its_own_that_nobody_gets_to() -> None:
    """Of several names in one, Traefik drops those that a wildcard among them covers."""
    routers = constant("token", ["b.example.com", "*.example.com"])["http"]["routers"]
    wild, exact = routers["skyctl-order-0"], routers["skyctl-order-1"]
    assert exact["rule"] == "Host(`b.example.com`) && Path(`/.well-known/skyctl-order`)"
    assert [each["tls"]["domains"] for each in (wild, exact)] == [
        [{"main": "*.example.com"}],
        [{"main": "b.example.com"}],
    ]
    assert {each["priority"] for each in (wild, exact)} == {1}


def test_headers_that_pass_for_others_are_not_passed_on() -> None:
    strategy = {"aliasHeadersStrategy": "delete"}
    assert configured()["entryPoints"]["websecure"]["http"] == strategy
    assert "http" not in configured(ingress_alias_headers="")["entryPoints"]["web"]


def test_a_vanished_container_is_given_up_soon_and_changes_are_applied_at_once() -> None:
    found = configured(ingress_dial_timeout=0.3, ingress_idle_timeout="2s")
    timeouts = found["serversTransport"]["forwardingTimeouts"]
    assert timeouts == {"dialTimeout": "300ms", "idleConnTimeout": "2000ms"}
    assert found["providers"]["providersThrottleDuration"] == "100ms"
    assert found["providers"]["file"] == {"directory": "/state/ingress/routes", "watch": True}


def test_entry_points_are_where_the_settings_say() -> None:
    found = configured(http_port=8080, https_port=8443, ingress_address="::1")["entryPoints"]
    assert (found["web"]["address"], found["websecure"]["address"]) == ("[::1]:8080", "[::1]:8443")
    assert configured()["entryPoints"]["web"]["address"] == ":80"


def test_there_is_no_access_log_unless_asked_for() -> None:
    assert "accessLog" not in configured()
    found = configured(ingress_access_log=True)["accessLog"]
    assert found["filePath"] == "/state/ingress/access.log"


@pytest.mark.parametrize(
    ("given", "challenge"),
    [
        ({}, {"httpChallenge": {"entryPoint": "web"}}),
        ({"acme_challenge": "tls"}, {"tlsChallenge": {}}),
        (
            {
                "acme_challenge": "dns",
                "acme_dns_provider": "exec",
                "domain_resolvers": "127.0.0.1:53, 9.9.9.9",
            },
            {"dnsChallenge": {"provider": "exec", "resolvers": ["127.0.0.1:53", "9.9.9.9"]}},
        ),
    ],
)
def test_certificates_are_ordered_as_the_settings_say(
    given: dict[str, Any], challenge: dict[str, Any]
) -> None:
    given |= {"acme_email": "a@example.com", "acme_ca_file": "/ca.pem", "acme_server": "https://ca"}
    assert configured(**given)["certificatesResolvers"] == {
        "letsencrypt": {
            "acme": {
                "storage": "/state/ingress/acme.json",
                "email": "a@example.com",
                "caServer": "https://ca",
                "caCertificates": ["/ca.pem"],
                **challenge,
            }
        }
    }


def test_nothing_is_ordered_without_an_account_or_a_server() -> None:
    assert "certificatesResolvers" not in configured()
    assert not has_resolver(settings())
    assert has_resolver(settings(acme_server="https://ca"))


@pytest.mark.parametrize("name", ["exa mple.com", "a..b", "-a.b", "`x`", "a/b", "*.x"])
def test_a_default_domain_is_a_domain(name: str) -> None:
    with pytest.raises(UserError):
        load_settings({"SKYCTL_DEFAULT_DOMAIN": name})
    assert load_settings({"SKYCTL_DEFAULT_DOMAIN": "Apps.LocalHost."}).default_domain == (
        "apps.localhost"
    )
