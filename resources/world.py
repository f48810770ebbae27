"""The observed world: what is observed (``resources/observed``), in a small index.

``World`` is a plain in-memory index, used three times: as the live index kept by the event
stream, as the authoritative reading of one resource before acting, and inside the fakes. An
object equal to the one already held keeps its identity, so comparing two slices is cheap.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from resources.groups import Groups
from resources.labels import L_UID
from resources.observed import Container, Image, Network, Probe, Volume
from resources.routing.world import Certificate, DnsFinding, Labelled, Published, Serving


@dataclass(frozen=True, slots=True)
class Scope:
    """What one resource's plan may look at in the world; nothing else is shown to it.

    uids: every object carrying one of these, and what is published and served for them or
    found out about them;
    containers_of, networks_of, routes_of: those alone. attached:
    containers, whoever owns them, on the networks carrying one of these uids. mounting:
    containers, whoever owns them, that mount the volumes of these names. The rest: objects of
    these names/references, whoever owns them (to see what is in the way). others: objects that
    are another resource's to decide about, or nobody's; a mirror is good enough for them, since
    the engine itself judges what is done with them.
    """

    uids: frozenset[str] = frozenset()
    containers_of: frozenset[str] = frozenset()
    networks_of: frozenset[str] = frozenset()
    routes_of: frozenset[str] = frozenset()
    containers: frozenset[str] = frozenset()
    networks: frozenset[str] = frozenset()
    volumes: frozenset[str] = frozenset()
    images: frozenset[str] = frozenset()
    attached: frozenset[str] = frozenset()
    mounting: frozenset[str] = frozenset()
    others: Scope | None = None


@dataclass(slots=True)
class World:
    """Objects by id or name, and by owner. Mutated only through put/drop.

    version: grows with every change of a container or network.
    """

    containers: dict[str, Container] = field(default_factory=dict)
    networks: dict[str, Network] = field(default_factory=dict)
    volumes: dict[str, Volume] = field(default_factory=dict)
    images: dict[str, Image] = field(default_factory=dict)
    probes: dict[str, Probe] = field(default_factory=dict)
    published: dict[str, Published] = field(default_factory=dict)
    serving: dict[str, Serving] = field(default_factory=dict)
    labelled: dict[str, Labelled] = field(default_factory=dict)
    findings: dict[str, dict[str, DnsFinding]] = field(default_factory=dict)
    certificates: dict[str, Certificate] = field(default_factory=dict)
    version: int = field(default=0, compare=False)
    _by_uid: Groups[str, str] = field(default_factory=Groups)
    _by_name: dict[str, str] = field(default_factory=dict)
    _nets_by_name: Groups[str, str] = field(default_factory=Groups)
    _nets_by_uid: Groups[str, str] = field(default_factory=Groups)
    _vols_by_uid: Groups[str, str] = field(default_factory=Groups)
    _by_network: Groups[str, str] = field(default_factory=Groups)
    _by_mount: Groups[str, str] = field(default_factory=Groups)

    # -- writing
    def put(self, item: object) -> None:
        """Any observed object, as ``slice`` returns it."""
        match item:
            case Container():
                self.put_container(item)
            case Network():
                self.put_network(item)
            case Volume():
                self.put_volume(item)
            case Image():
                self.put_image(item)
            case (str() as id_, Probe() as probe):
                self.probes[id_] = probe
            case Published():
                self.published[item.uid] = item
            case Serving():
                self.serving[item.uid] = item
            case Labelled():
                self.labelled[item.uid] = item
            case DnsFinding():
                self.findings.setdefault(item.uid, {})[item.hostname] = item
            case Certificate():
                self.certificates[item.uid] = item
            case _:
                raise TypeError(f"not an observed object: {item!r}")

    def put_container(self, new: Container) -> bool:
        """False when nothing changed."""
        old = self.containers.get(new.id)
        if old is not None and not new.inspected and old.inspected:
            new = _keep_inspected(old, new)
        if old == new:
            return False
        if old is not None:
            self.drop_container(old.id, keep_probe=True)
        self.version += 1
        self.containers[new.id] = new
        self._by_name[new.name] = new.id
        if new.uid:
            self._by_uid.add(new.uid, new.id)
        for attachment in new.networks:
            self._by_network.add(attachment.network_id, new.id)
        for mount in new.mounts:
            self._by_mount.add(mount.volume, new.id)
        return True

    def drop_container(self, id_: str, *, keep_probe: bool = False) -> Container | None:
        old = self.containers.pop(id_, None)
        if old is None:
            return None
        self.version += 1
        if self._by_name.get(old.name) == id_:
            del self._by_name[old.name]
        self._by_uid.discard(old.uid, id_)
        for attachment in old.networks:
            self._by_network.discard(attachment.network_id, id_)
        for mount in old.mounts:
            self._by_mount.discard(mount.volume, id_)
        if not keep_probe:
            self.probes.pop(id_, None)
        return old

    def put_network(self, new: Network) -> bool:
        old = self.networks.get(new.id)
        if old == new:
            return False
        if old is not None:
            self.drop_network(old.id)
        self.version += 1
        self.networks[new.id] = new
        self._nets_by_name.add(new.name, new.id)
        if uid := new.labels.get(L_UID):
            self._nets_by_uid.add(uid, new.id)
        return True

    def drop_network(self, id_: str) -> Network | None:
        old = self.networks.pop(id_, None)
        if old is not None:
            self.version += 1
            self._nets_by_name.discard(old.name, id_)
            self._nets_by_uid.discard(old.labels.get(L_UID, ""), id_)
        return old

    def put_volume(self, new: Volume) -> bool:
        if self.volumes.get(new.name) == new:
            return False
        self.drop_volume(new.name)
        self.volumes[new.name] = new
        if uid := new.labels.get(L_UID):
            self._vols_by_uid.add(uid, new.name)
        return True

    def drop_volume(self, name: str) -> Volume | None:
        old = self.volumes.pop(name, None)
        if old is not None:
            self._vols_by_uid.discard(old.labels.get(L_UID, ""), name)
        return old

    def put_image(self, new: Image) -> bool:
        if self.images.get(new.reference) == new:
            return False
        self.images[new.reference] = new
        return True

    def forget_routes(self, uids: Iterable[str]) -> None:
        """Whatever is known of them beside the engine's objects."""
        for uid in uids:
            self.published.pop(uid, None)
            self.serving.pop(uid, None)
            self.labelled.pop(uid, None)
            self.findings.pop(uid, None)
            self.certificates.pop(uid, None)

    # -- reading
    def containers_of(self, uid: str) -> tuple[Container, ...]:
        return tuple(self.containers[i] for i in self._by_uid.of(uid))

    def containers_on(self, network_id: str) -> tuple[Container, ...]:
        """Attached to that network, whoever owns them."""
        return tuple(self.containers[i] for i in self._by_network.of(network_id))

    def containers_mounting(self, volume: str) -> tuple[Container, ...]:
        """Mounting that engine volume, whoever owns them."""
        return tuple(self.containers[i] for i in self._by_mount.of(volume))

    def container_named(self, name: str) -> Container | None:
        id_ = self._by_name.get(name)
        return self.containers.get(id_) if id_ else None

    def networks_of(self, uid: str) -> tuple[Network, ...]:
        return tuple(self.networks[i] for i in self._nets_by_uid.of(uid))

    def networks_named(self, name: str) -> tuple[Network, ...]:
        return tuple(self.networks[i] for i in self._nets_by_name.of(name))

    def volumes_of(self, uid: str) -> tuple[Volume, ...]:
        return tuple(self.volumes[n] for n in self._vols_by_uid.of(uid))

    def volume(self, name: str) -> Volume | None:
        return self.volumes.get(name)

    def image(self, reference: str) -> Image | None:
        return self.images.get(reference)

    def probe(self, container_id: str) -> Probe | None:
        return self.probes.get(container_id)

    def slice(self, scope: Scope) -> tuple[object, ...]:
        """The objects of the scope, in a stable order: equal slices mean an equal view.

        Probes ride along with their containers. Elements keep their identity while unchanged.
        """
        found: dict[int, object] = {}
        self._collect(scope, found)
        if scope.others is not None:
            self._collect(scope.others, found)
        return tuple(found.values())

    def _collect(self, scope: Scope, found: dict[int, object]) -> None:
        """By identity: an object that several parts of a scope find is there once."""
        for uid in sorted(scope.uids | scope.containers_of):
            for container in self.containers_of(uid):
                found[id(container)] = container
                if (probe := self.probes.get(container.id)) is not None:
                    found[id(probe)] = (container.id, probe)
        for uid in sorted(scope.uids | scope.networks_of):
            found.update((id(network), network) for network in self.networks_of(uid))
        for uid in sorted(scope.uids):
            found.update((id(volume), volume) for volume in self.volumes_of(uid))
        for uid in sorted(scope.uids | scope.routes_of):
            for routes in (
                self.published.get(uid),
                self.serving.get(uid),
                self.labelled.get(uid),
                *self.findings.get(uid, {}).values(),
                self.certificates.get(uid),
            ):
                if routes is not None:
                    found[id(routes)] = routes
        found.update((id(other), other) for other in self._beside(scope))
        for name in sorted(scope.networks):
            found.update((id(network), network) for network in self.networks_named(name))
        for name in sorted(scope.volumes):
            if (volume := self.volumes.get(name)) is not None:
                found[id(volume)] = volume
        for reference in sorted(scope.images):
            if (image := self.images.get(reference)) is not None:
                found[id(image)] = image

    def _beside(self, scope: Scope) -> Iterable[Container]:
        """Containers that the scope names, or finds on its networks and volumes."""
        for name in sorted(scope.containers):
            if (named := self.container_named(name)) is not None:
                yield named
        for uid in sorted(scope.attached):
            for network in self.networks_of(uid):
                yield from self.containers_on(network.id)
        for name in sorted(scope.mounting):
            yield from self.containers_mounting(name)

    @classmethod
    def of(cls, objects: Iterable[object]) -> World:
        """A world holding just these objects (as ``slice`` returns them)."""
        world = cls()
        for item in objects:
            world.put(item)
        return world


def _keep_inspected(old: Container, listed: Container) -> Container:
    """A list shows neither limits nor aliases nor exit details: keep what was inspected.

    Only while the list does not contradict it (same state); a changed state is taken over and
    the container counts as not inspected, so that the reader inspects it again.
    """
    if (old.state, old.health) != (listed.state, listed.health):
        return listed
    aliases = {a.network_id: a.aliases for a in old.networks}
    return replace(
        old,
        name=listed.name,
        labels=listed.labels,
        image_id=listed.image_id,
        networks=tuple(replace(a, aliases=aliases.get(a.network_id)) for a in listed.networks),
        mounts=listed.mounts or old.mounts,
    )
