"""Several services that want one port of the host, declared at the same moment."""

from __future__ import annotations

from resources.meta import Key, Manifest
from resources.service.host_ports import IN_USE
from tests.unit.site import Site


def test_declared_together_through_the_whole_controller(site: Site) -> None:
    keys = [Key("Service", "acme", name) for name in ("a", "b", "c")]
    site.service("acme", "base")
    port = {"ports": [{"containerPort": 80, "hostPort": 18000}]}
    site.apply(*(Manifest(key, {"image": "nginx:1", **port}) for key in keys))

    def judged() -> bool:
        entries = [site.database.entries[key] for key in keys]
        return all(e.observed_generation for e in entries) and any(map(site.settled, keys))

    site.until(judged)
    refused = [
        key
        for key in keys
        if ((site.database.entries[key].status or {}).get("error") or {}).get("code") == IN_USE
    ]
    assert len(refused) == 2
    named = {
        c.name.split("_")[1] for c in site.do(lambda: list(site.engine.world.containers.values()))
    }
    assert len(named - {"base"}) == 1
