"""Reading the engine: complete or an error, never a part.

``everything`` lists; ``scope`` is the authoritative reading before acting, and hot (a container
removed by hand comes back as fast as this answers), so its calls run side by side. An object
that goes away between listing and inspection is simply not there.
"""

from __future__ import annotations

from collections.abc import Awaitable, Iterable, Mapping, Sequence
from typing import Any

from controller.engine.docker import convert
from controller.engine.docker.wire import Wire, filters, segment
from controller.together import together
from resources.errors import UserError
from resources.labels import L_UID
from resources.observed import Container, Image, Network, Volume
from resources.world import Scope, World


class EngineReader:
    def __init__(self, wire: Wire) -> None:
        self._wire = wire

    # -- one object
    async def inspect_container(self, id_: str) -> Container | None:
        """id_: or its name."""
        raw = await self._wire.get("inspect_container", f"containers/{segment(id_)}/json")
        return convert.container_inspected(raw) if raw is not None else None

    async def inspect_network(self, id_: str) -> Network | None:
        raw = await self._wire.get("inspect_network", f"networks/{segment(id_)}")
        return convert.network(raw) if raw is not None else None

    async def inspect_volume(self, name: str) -> Volume | None:
        raw = await self._wire.get("inspect_volume", f"volumes/{segment(name)}")
        return convert.volume(raw) if raw is not None else None

    async def inspect_image(self, reference: str) -> Image | None:
        raw = await self._wire.get("inspect_image", f"images/{segment(reference)}/json")
        return convert.image(raw, reference) if raw is not None else None

    async def images(self) -> Mapping[str, frozenset[str]]:
        listed = await self._listing("list_images", "images/json", {"all": "1"})
        return {raw["Id"]: frozenset(convert.tags(raw)) for raw in listed}

    # -- many
    async def everything(self) -> World:
        world = World()
        containers, networks, volumes = await together(
            self._containers(), self._networks(), self._volumes()
        )
        for raw in containers:
            world.put_container(convert.container_listed(raw))
        for raw in networks:
            world.put_network(convert.network(raw))
        for raw in volumes:
            world.put_volume(convert.volume(raw))
        return world

    async def scope(self, scope: Scope) -> World:
        """Containers beside (attached, mounting) come first and as listed: who is also an owned
        one is then overwritten by its inspection."""
        parts = [scope] if scope.others is None else [scope.others, scope]
        found = await together(*(call for part in parts for call in self._parts(part)))
        return World.of(item for few in found for item in few)

    def _parts(self, scope: Scope) -> Iterable[Awaitable[Sequence[object]]]:
        """Containers beside before own ones, so that these are overwritten by those."""
        yield from (self._attached(uid) for uid in sorted(scope.attached))
        if scope.mounting:
            yield self._mounting(scope.mounting)
        yield from (_few(self.inspect_container(name)) for name in sorted(scope.containers))
        for uid in sorted(scope.uids | scope.containers_of):
            yield self._owned_containers(uid)
        for uid in sorted(scope.uids | scope.networks_of):
            yield self._owned_networks(uid)
        yield from (self._owned_volumes(uid) for uid in sorted(scope.uids))
        if scope.networks:
            yield self._networks_named(scope.networks)
        yield from (_few(self.inspect_volume(name)) for name in sorted(scope.volumes))
        yield from (_few(self.inspect_image(ref)) for ref in sorted(scope.images))

    async def _owned_containers(self, uid: str) -> Sequence[object]:
        listed = await self._containers(label=[f"{L_UID}={uid}"])
        found = await together(*(self.inspect_container(raw["Id"]) for raw in listed))
        return [container for container in found if container is not None]

    async def _owned_networks(self, uid: str) -> Sequence[object]:
        return [convert.network(raw) for raw in await self._networks(label=[f"{L_UID}={uid}"])]

    async def _owned_volumes(self, uid: str) -> Sequence[object]:
        return [convert.volume(raw) for raw in await self._volumes(label=[f"{L_UID}={uid}"])]

    async def _attached(self, uid: str) -> Sequence[object]:
        """The engine knows containers that never started by their network's name alone."""
        networks = await self._networks(label=[f"{L_UID}={uid}"])
        if not networks:
            return ()
        keys = [word for raw in networks for word in (raw["Id"], raw["Name"])]
        ids = {raw["Id"] for raw in networks}
        listed = map(convert.container_listed, await self._containers(network=keys))
        return [c for c in listed if any(a.network_id in ids for a in c.networks)]

    async def _mounting(self, names: Iterable[str]) -> Sequence[object]:
        wanted = set(names)
        listed = map(convert.container_listed, await self._containers(volume=sorted(wanted)))
        return [c for c in listed if any(m.volume in wanted for m in c.mounts)]

    async def _networks_named(self, names: Iterable[str]) -> Sequence[object]:
        """By listing: a name may be ambiguous. The engine's filter also matches parts of names."""
        wanted = sorted(names)
        listed = await self._networks(name=wanted)
        return [convert.network(raw) for raw in listed if raw["Name"] in wanted]

    async def networks(self) -> Sequence[Network]:
        return [convert.network(raw) for raw in await self._networks()]

    # -- listings
    async def _containers(self, **wanted: list[str]) -> list[dict[str, Any]]:
        return await self._listing(
            "list_containers", "containers/json", {"all": "1", **filters(**wanted)}
        )

    async def _networks(self, **wanted: list[str]) -> list[dict[str, Any]]:
        return await self._listing("list_networks", "networks", filters(**wanted))

    async def _volumes(self, **wanted: list[str]) -> list[dict[str, Any]]:
        """Of the local driver, ours; a broken plug-in must not make every listing incomplete."""
        reply = await self._wire.call(
            "list_volumes", "GET", "volumes", params=filters(driver=["local"], **wanted)
        )
        answer = reply.json()
        if answer.get("Warnings"):
            raise UserError(
                "CONFIGURATION_ENGINE_FAILED",
                "the engine could not list all volumes",
                details={"warnings": answer["Warnings"]},
                suggestions=["look at the engine's own log"],
                retryable=True,
            )
        volumes: list[dict[str, Any]] = answer.get("Volumes") or []
        return volumes

    async def _listing(
        self, operation: str, path: str, params: dict[str, str]
    ) -> list[dict[str, Any]]:
        answer: list[dict[str, Any]] = (
            await self._wire.call(operation, "GET", path, params=params)
        ).json()
        return answer


async def _few(call: Any) -> Sequence[object]:
    found = await call
    return [found] if found is not None else []
