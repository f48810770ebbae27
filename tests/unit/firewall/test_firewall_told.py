"""What a whole controller says of the host's firewall, and that saying it again costs nothing."""

from __future__ import annotations

from typing import Any

from controller.firewall.keeper import policy_of
from controller.firewall.rules import ruleset
from controller.metrics import METRICS
from resources.conditions import find
from resources.meta import Key, Manifest
from tests.unit.firewall.tables import FakeNft
from tests.unit.site import Site, running_site

ACME = Key("Organization", "", "acme")


def test_organizations_tell_it_at_once_and_once() -> None:
    nft = FakeNft()
    with running_site(nft=nft) as site:
        site.apply(Manifest(ACME, {}))
        site.until(lambda: site.settled(ACME), "acme is Ready")
        assert (_told(site)["status"], _told(site)["reason"]) == ("False", "FirewallMissing")
        keeper = site.controller.firewall
        assert keeper is not None

        site.call(nft.load(ruleset(policy_of(site.settings))))
        site.call(keeper.look())
        site.until(lambda: _told(site)["status"] == "True", "told without waiting for a resync")

        written = METRICS.passes.status_writes.labels("written")._value.get()
        for _ in range(3):
            site.call(keeper.look())
            site.do(lambda: site.controller.queue.add(ACME))
        site.call(site.controller.queue.join())
        assert METRICS.passes.status_writes.labels("written")._value.get() == written


def _told(site: Site) -> dict[str, Any]:
    found = find(site.database.entries[ACME].status, "HostClosed")
    assert found is not None
    return dict(found)
