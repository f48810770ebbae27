"""Who is looked at again when something was heard: of the engine, of the store, of the host.

Notices are hints: whom one forgets to wake, the resync finds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

from controller.loop.queue import Queue
from controller.reconcile.obstructions import Obstructions
from controller.sources.manifests import ManifestSource
from controller.store.catalogue import Catalogue
from controller.store.readings import Reading
from resources.labels import L_KIND, L_NAME, L_ORGANIZATION, is_ours
from resources.meta import Key
from resources.world import World


class Waking:
    """world: the live one. manifests: told of rows that went and are theirs to declare."""

    def __init__(
        self,
        queue: Queue[Key],
        catalogue: Catalogue,
        world: Callable[[], World],
        obstructions: Obstructions,
        instance: str,
        manifests: Sequence[ManifestSource],
    ) -> None:
        self._queue = queue
        self._catalogue = catalogue
        self._world = world
        self._obstructions = obstructions
        self._instance = instance
        self._manifests = manifests

    def engine_changed(self, labels: Mapping[str, str] | None, name: str, type_: str) -> None:
        """Wakes whoever looks at the object: its owner, those who use a network or a volume (the
        mirror has it only now), the volumes that a container may mount. A foreign one that has gone
        wakes those in whose way it was."""
        for key in self._obstructions.freed(self._world(), type_, name):
            self._queue.add(key)
        if not labels or not is_ours(labels, self._instance):
            for key in self._beside(name, type_):
                self._queue.hint(key)
            return
        key = Key(labels.get(L_KIND, ""), _organization(labels), labels.get(L_NAME, ""))
        self._queue.hint(key)
        others = self._catalogue.referrers(key)
        if type_ == "container":
            reading = self._catalogue.get(key)
            others = tuple(r for r in reading.refs if r.kind == "Volume") if reading else ()
        for other in others:
            self._queue.add(other)

    def _beside(self, name: str, type_: str) -> Iterable[Key]:
        """Whom something that is nobody's concerns: an image's users, a network's namesakes."""
        if type_ == "image":
            return self._catalogue.using(name)
        named = self._world().networks_named(name) if type_ == "network" else ()
        ours = (n.labels for n in named if is_ours(n.labels, self._instance))
        return [Key(labels.get(L_KIND, ""), "", labels.get(L_NAME, "")) for labels in ours]

    def row_changed(self, key: Key, gone: Reading | None) -> None:
        if gone is not None:
            for source in self._manifests:
                if source.declares(key):
                    source.wake()
        self._queue.add(key)
        for other in self._catalogue.referrers(key):
            self._queue.add(other)
            for service in self._led_to(other):  # whose containers may carry it as labels
                self._queue.add(service)
        for rival in self._catalogue.rivals(gone) if gone is not None else ():
            self._queue.add(rival.key)
        for ref in gone.refs if gone is not None else self._led_to(key):
            self._queue.add(ref)

    def _led_to(self, key: Key) -> Iterable[Key]:
        """The Service that a Domain leads to publishes what the Domain wants."""
        reading = self._catalogue.get(key) if key.kind == "Domain" else None
        return [ref for ref in reading.refs if ref.kind == "Service"] if reading else ()

    def firewall_changed(self) -> None:
        for key in self._catalogue.all_keys():
            if key.kind == "Organization":
                self._queue.add(key)


def _organization(labels: Mapping[str, str]) -> str:
    """An Organization's own objects name it in both labels; its key has none."""
    return "" if labels.get(L_KIND) == "Organization" else labels.get(L_ORGANIZATION, "")
