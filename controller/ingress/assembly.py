"""A gateway with Traefik, by what the settings say: on documents or on labels, ours or not."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Sequence
from functools import partial

from controller.engine.platform_containers import PlatformContainers
from controller.ingress.access_log import LogRotation
from controller.ingress.api import Address, Apis
from controller.ingress.container import ContainerRunner
from controller.ingress.counting import Counting
from controller.ingress.files import FilePublisher
from controller.ingress.gateway import Gateway, Task, Wiring, document_mirror
from controller.ingress.inheriting import inherit
from controller.ingress.label_mirror import LabelMirror
from controller.ingress.mirror import NOT_YET
from controller.ingress.ordering import Ordering
from controller.ingress.orders import Log, OrderBook
from controller.ingress.process import ProcessRunner
from controller.ingress.provider import Provider, token_of
from controller.ingress.proxies import Traefiks
from controller.ingress.retiring import Retiring
from controller.ingress.runner import Runner
from controller.ingress.supervisor import ProxySupervisor
from controller.ingress.traefik import constant
from controller.private_file import private_directory
from controller.settings import listed

POLL = 0.2
"""Seconds between two looks at what nobody tells."""


def traefik_gateway(wiring: Wiring, containers: PlatformContainers | None = None) -> Gateway:
    """Traefik, in whichever mode the settings say. containers: where it may run as one of these.
    Blocking: makes the token. Raises UserError."""
    settings = wiring.settings
    runners: list[Runner] = [ProcessRunner(settings, instance=wiring.instance)]
    if containers is not None:
        runners.append(ContainerRunner(settings, containers, wiring.instance))
    if settings.ingress_publish == "labels":
        return _by_labels(wiring, runners)
    chosen = runners[-1] if settings.ingress == "container" else runners[0]
    return _ByDocuments(wiring, runners, chosen).gateway()


def _by_labels(wiring: Wiring, runners: Sequence[Runner]) -> Gateway:
    """Somebody else's Traefik reads the containers' labels; it is asked where its API is known."""
    settings, apis = wiring.settings, Apis()
    external = [Address(url) for url in listed(settings.ingress_apis)]
    proxies = Traefiks(apis, lambda: external, beside_us=False, why=lambda: "")
    watch = LabelMirror(
        wiring.world,
        wiring.instance,
        wiring.clock,
        wiring.hostnames,
        proxies if external else None,
        settings.ingress_labels_wait,
        wiring.changed,
        wiring.troubled,
    )
    mode = "none" if settings.ingress == "none" else "external"
    retire = Retiring(runners, settings.ingress_grace).run
    return Gateway(wiring, watch, mode=lambda: mode, retire=retire, close=apis.close)


class _ByDocuments:
    """Traefik reads documents: one that we keep from its directory, others by their HTTP provider.
    runners: all that one of ours may run as. chosen: what it shall run as."""

    def __init__(self, wiring: Wiring, runners: Sequence[Runner], chosen: Runner) -> None:
        settings = wiring.settings
        self._wiring = wiring
        self._settings = settings
        self._runners = runners
        self._apis = Apis()
        self._external = [Address(url) for url in listed(settings.ingress_apis)]
        token = token_of(settings.ingress_dir / "api-token", ours=True)
        with contextlib.suppress(OSError):  # whoever writes there says what is wrong
            private_directory(settings.ingress_dir)
        routes = settings.ingress_dir.resolve() / "routes"
        self._publisher = FilePublisher(routes, wiring.open_, wiring.epoch)
        self._supervisor = self._supervised(chosen, token)
        beside_us = settings.ingress != "external"
        proxies = Traefiks(self._apis, self._addresses, beside_us=beside_us, why=self._why)
        self._ordering = Ordering(self._publisher, proxies, partial(constant, token))
        self._orders = OrderBook(
            wiring.clock,
            settings.acme_retry,
            self._ordering.order,
            wiring.attempted,
            Log(settings.ingress_dir / "traefik.log"),
        )
        self._mirror = document_mirror(wiring, self._publisher, proxies)

    def _supervised(self, chosen: Runner, token: str) -> ProxySupervisor:
        wiring = self._wiring
        return ProxySupervisor(
            self._settings,
            chosen,
            token,
            self._apis,
            wiring.clock,
            wanted=wiring.wanted,
            deaf=lambda: self._mirror.deaf or self._publisher.watched.displaced,
            changed=self._another,
            leading=lambda: wiring.epoch() is not None,
            others=[other for other in self._runners if other is not chosen],
        )

    def _another(self) -> None:
        """It was started on the directory as it is."""
        self._publisher.watched.displaced = False
        self._mirror.hurry()

    def gateway(self) -> Gateway:
        return Gateway(
            self._wiring,
            self._mirror,
            mode=self._mode,
            beside=self._beside,
            inherit=partial(inherit, self._publisher, self._supervisor.formers),
            retire=Retiring(self._runners, self._settings.ingress_grace, self._decided).run,
            close=self._apis.close,
            orders=self._orders,
            counting=self._counting(),
        )

    def _counting(self) -> Counting:
        return Counting(
            self._apis,
            self._addresses,
            lambda: self._mirror.shelf,
            self._wiring.key_of,
            self._wiring.clock,
            own=lambda: self._mode() != "external",
        )

    def _mode(self) -> str:
        if self._settings.ingress is not None:
            return self._settings.ingress
        return "process" if self._wiring.here() else "none"

    def _decided(self) -> bool:
        """Is the mode known to stay?"""
        return self._settings.ingress is not None or self._wiring.here() is not None

    def _addresses(self) -> Sequence[Address]:
        return self._external if self._mode() == "external" else self._supervisor.addresses()

    def _why(self) -> str:
        """No proxy is there to be asked."""
        if self._mode() == "external":
            return "SKYCTL_INGRESS_APIS names no proxy"
        return self._supervisor.problem or (NOT_YET if self._wiring.wanted() else "")

    def _beside(self) -> Sequence[Task]:
        settings, mode = self._settings, self._mode()
        tasks: list[Task] = [self._ordering.run, self._orders.run]
        if mode in ("process", "container"):
            tasks.append(self._supervisor.run)
        if mode == "process" and settings.ingress_access_log:
            tasks.append(
                LogRotation(settings.ingress_dir.resolve(), self._supervisor.answering).run
            )
        if settings.ingress_listen:
            tasks.append(partial(self._provide, settings.ingress_listen))
        return tasks

    async def _provide(self, listen: str) -> None:
        """To Traefiks elsewhere. Raises UserError."""
        where = self._settings.ingress_token_file or self._settings.ingress_dir / "token"
        token = await asyncio.to_thread(token_of, where)
        provider = Provider(listen, token, self._publisher.contents, self._wiring.whole)
        async with asyncio.TaskGroup() as group:
            group.create_task(self._inform(), name="routes to be complete")
            await provider.run()

    async def _inform(self) -> None:
        """Before that no pass can tell what is to be published."""
        while not self._mirror.informed:  # noqa: ASYNC110 (nothing tells us)
            await asyncio.sleep(POLL)
        self._wiring.informed()
