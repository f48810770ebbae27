"""What holds for every resource, as it is now: settings, and what was learnt of the world."""

from __future__ import annotations

from collections.abc import Callable

from controller.engine.base import EngineInfo
from controller.firewall.keeper import FirewallKeeper
from controller.identity import EngineIdentity
from controller.ingress.gateway import Gateway
from controller.reconcile.pulling import Pulling
from controller.sealing import Vault
from controller.settings import Settings
from resources.context import Platform
from resources.installation import UNASKED, EngineStatus, InForce
from resources.routing.world import NO_INGRESS


class PlatformView:
    """Called at every pass: the same object as long as nothing in it changed, since it is part of
    what a pass remembers."""

    def __init__(
        self,
        settings: Settings,
        instance: str,
        identity: EngineIdentity,
        vault: Vault,
        firewall: FirewallKeeper | None,
        pulling: Pulling,
        gateway: Gateway | None,
        in_force: Callable[[], InForce],
        engine_synced: Callable[[], bool],
    ) -> None:
        self._settings = settings
        self._instance = instance
        self._identity = identity
        self._vault = vault
        self._firewall = firewall
        self._pulling = pulling
        self._gateway = gateway
        self._in_force = in_force
        self._engine_synced = engine_synced
        self._seen: tuple[object, ...] = ()
        self._platform = self._describe(None)

    def __call__(self) -> Platform:
        info = self._identity.info
        described = (
            info,
            self._vault.keys,
            self._firewall.verdict if self._firewall else None,
            self._pulling.access,
            self._gateway.describe() if self._gateway else NO_INGRESS,
            self._in_force(),
            self._engine_status(),
        )
        if described != self._seen:
            self._seen, current = described, self._describe(info)
            if current != self._platform:
                self._platform = current
        return self._platform

    def _describe(self, info: EngineInfo | None) -> Platform:
        return Platform(
            instance=self._instance,
            network_pool=self._settings.network_pool,
            network_prefix=self._settings.network_prefix,
            host_ports=self._settings.host_port_range,
            engine=info.capabilities if info else frozenset(),
            reach=info.reach if info else "host",
            sealing_keys=self._vault.keys,
            firewall=self._firewall.verdict if self._firewall else None,
            image_policy=self._settings.image_policy is not None,
            access=self._pulling.access,
            ingress=self._gateway.describe() if self._gateway else NO_INGRESS,
            configuration=self._in_force(),
            engine_status=self._engine_status(),
            listeners=self._settings.listeners,
        )

    @property
    def engine_turned(self) -> bool:
        """The engine is another one, or came or went, since the last pass was told of it."""
        return self._engine_status() != self._platform.engine_status

    def _engine_status(self) -> EngineStatus:
        info, refused = self._identity.info, self._identity.refused
        state = "connected" if self._engine_synced() and self._identity.sure else "disconnected"
        if info is None:
            return UNASKED
        return EngineStatus(
            "error" if refused else state,
            info.version,
            info.id,
            info.reach,
            refused or ("" if state == "connected" else "it does not answer"),
        )
