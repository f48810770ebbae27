"""Settings that hold addresses: what is no address is refused at the start, and says how to write
it."""

from __future__ import annotations

import pytest

from controller.ingress.provider import Provider
from controller.reconcile.resolution import Resolution
from controller.settings import listed, load_settings
from resources.errors import UserError

GOOD = {
    "INGRESS_LISTEN": ["10.0.0.5:8901", "[::1]:8901", ":8901", "localhost:8901", ""],
    "DOMAIN_RESOLVERS": ["192.0.2.53", "192.0.2.53:5353, 2001:db8::1,[2001:db8::1]:53", ""],
    "INGRESS_APIS": ["http://user:hush@10.0.0.7:8080/x, https://proxy", ""],
    "ACME_SERVER": ["https://ca.example/dir", ""],
    "INGRESS_ADDRESS": ["0.0.0.0", "::1", ""],
    "DOMAIN_ADDRESSES": ["203.0.113.7,2001:db8::7, edge.example.com.", ""],
    "HOST_PORTS": ["30000-30999", "30000", "1-65535"],
    "NETWORK_POOL": ["10.0.0.0/8", "10.9.0.0/24"],
}
BAD = {
    "INGRESS_LISTEN": ["10.0.0.5", "10.0.0.5:", "10.0.0.5:99999", "10.0.0.5:x", "a..b:80", ":0"],
    "DOMAIN_RESOLVERS": ["dns.google", "192.0.2.53:99999", "192.0.2.53, x", "192.0.2.53:\u0663"],
    "INGRESS_APIS": ["10.0.0.7:8080", "ftp://x", "http://", "http://x:99999", "http://[x"],
    "ACME_SERVER": ["ca.example", "https://"],
    "INGRESS_ADDRESS": ["10.0.0.0/8", "eth0", "10.0.0.5:80"],
    "DOMAIN_ADDRESSES": ["203.0.113.7:80", "http://x", "a b"],
    "HOST_PORTS": ["9-8", "a-b", "1-99999", "0-9", "30000-", "-9", "1-2-3"],
    "NETWORK_POOL": ["nonsense", "10.1.0.0/8", "fd00::/8"],
}


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in GOOD.items() for t in texts])
def test_an_address_is_taken_as_it_is_written(name: str, text: str) -> None:
    settings = load_settings({f"SKYCTL_{name}": text})
    assert getattr(settings, name.lower()) == text
    Resolution(listed(settings.domain_resolvers))
    if settings.ingress_listen:
        Provider(settings.ingress_listen, "token", contents=None)  # type: ignore[arg-type]


@pytest.mark.parametrize(("name", "text"), [(n, t) for n, texts in BAD.items() for t in texts])
def test_what_is_no_address_is_refused(name: str, text: str) -> None:
    with pytest.raises(UserError) as caught:
        load_settings({f"SKYCTL_{name}": text})
    assert caught.value.code == "CONFIGURATION_INVALID"
    assert f"SKYCTL_{name}" in caught.value.message
    assert "like" in caught.value.message


def test_a_pool_that_has_no_room_for_one_network() -> None:
    with pytest.raises(UserError, match=r"a /24 does not fit into .* raise SKYCTL_NETWORK_PREFIX"):
        load_settings({"SKYCTL_NETWORK_POOL": "10.0.0.0/28"})


def test_where_the_controller_listens_itself() -> None:
    found = load_settings({"SKYCTL_INGRESS_LISTEN": "10.0.0.5:8901"}, listen="")
    assert found.listeners == {8901}
    assert load_settings({"SKYCTL_LISTEN": "[::1]:8900"}).listeners == {8900}
