"""Who is looked at again when what the proxies are told, or what they serve, has changed."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from controller.clock import Clock
from controller.coverage import Coverage
from controller.ingress.gateway import Wiring
from controller.ingress.label_mirror import Hostnames
from controller.settings import Settings
from controller.store.catalogue import Catalogue
from resources.domain.ordering import told
from resources.meta import Key
from resources.routing.world import Attempt
from resources.sealed import Sealed
from resources.world import World

ROUTED = frozenset({"Domain", "Service"})
UNKNOWN = 3600.0
"""Seconds, where the declaration cannot be read."""


class Routed:
    """world: the live one. wake: puts a key on the queue."""

    def __init__(
        self,
        settings: Settings,
        catalogue: Catalogue,
        world: Callable[[], World],
        wake: Callable[[Key], None],
    ) -> None:
        self._settings = settings
        self._asked = settings.ingress is not None or bool(settings.default_domain)
        self._catalogue = catalogue
        self._world = world
        self._wake = wake

    def wiring(
        self,
        *,
        instance: str,
        clock: Clock,
        open_: Callable[[Sealed], str],
        here: Callable[[], bool | None],
        epoch: Callable[[], int | None],
        coverage: Coverage,
    ) -> Wiring:
        """What a gateway is connected to."""
        return Wiring(
            settings=self._settings,
            instance=instance,
            clock=clock,
            open_=open_,
            world=self._world,
            wanted=self.wanted,
            here=here,
            changed=self.changed,
            troubled=self.troubled,
            key_of=self._catalogue.key_of,
            wake=self._wake,
            hostnames=Hostnames(lambda: self._catalogue.hostname_changes, self._standing_for),
            attempted=self._attempted,
            epoch=epoch,
            drain=self.drain,
            informed=coverage.informed,
            whole=lambda: coverage.whole,
        )

    def wanted(self) -> bool:
        """Has somebody asked for a proxy, or does anything need one?"""
        return self._asked or bool(self._world().published) or self._catalogue.any_of("Domain")

    def keys(self) -> Iterator[Key]:
        """Of all whose routes are published."""
        return (key for key in self._catalogue.all_keys() if key.kind in ROUTED)

    def _attempted(self, uid: str, hostname: str) -> Attempt:
        key = self._catalogue.key_of(uid)
        return told(self._catalogue.entry(key) if key is not None else None, hostname)

    def _standing_for(self, hostname: str) -> Iterator[str]:
        for key in self._catalogue.standing_for(hostname):
            if (entry := self._catalogue.entry(key)) is not None:
                yield entry.resource.uid

    def drain(self, uid: str) -> float:
        """Seconds that a Service's old replicas may finish their connections; 0 for what has none
        and for what is gone."""
        key = self._catalogue.key_of(uid)
        reading = self._catalogue.get(key) if key is not None and key.kind == "Service" else None
        if reading is None:
            return 0.0
        return float(reading.spec.update.drain) if reading.spec is not None else UNKNOWN

    def changed(self, uid: str) -> None:
        """Its owner looks, and so does who routes to it or is routed to by it."""
        key = self._catalogue.key_of(uid)
        if key is None:
            return
        self._wake(key)
        reading = self._catalogue.get(key)
        refs = reading.refs if reading is not None else ()
        for other in (*self._catalogue.referrers(key), *refs):
            if other.kind in ROUTED:
                self._wake(other)

    def troubled(self) -> None:
        """Something else is told of the ingress as a whole."""
        published = self._world().published
        for key in self._catalogue.all_keys():
            entry = self._catalogue.entry(key)
            if key.kind == "Domain" or (entry is not None and entry.resource.uid in published):
                self._wake(key)
