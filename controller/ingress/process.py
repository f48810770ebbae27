"""Traefik as a process of this host, in a session of its own: it outlives the controller.

One that runs is taken over. One that dies is started again, with growing pauses. When its static
configuration or its program changed, a second one is started beside it on the same ports, and only
once that one serves everything the first may finish what it has under way and go: no request is
lost to a setting.

Nothing is started while nobody wants it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import signal
import subprocess
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import structlog

from controller.clock import Clock
from controller.ingress import ports
from controller.ingress.alive import OPTION, Alive, ended, file_name, running
from controller.ingress.api import Address, Apis
from controller.ingress.binary import find_traefik
from controller.ingress.traefik import Start, static
from controller.metrics import METRICS
from controller.settings import Settings
from resources.errors import UserError

log = structlog.get_logger("traefik")

LOOK = 1.0
"""Seconds between two looks at whether it is wanted and as it should be."""
UP = 30.0
"""Until a new one serves."""
POLL = 0.1
PAUSE_FIRST, PAUSE_LAST, STEADY = 0.5, 30.0, 60.0
"""Seconds before it is started again: at first, at most; after this long it starts anew."""
UNWANTED = 60.0
"""A proxy that nobody wants any more is stopped after this long."""
OUTPUT_LIMIT = 1_000_000
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """What shall run. digest: of all that a restart is needed to change."""

    program: Path
    digest: str
    environment: Mapping[str, str]


class Process:
    """home: where everything of it lies. token: for its API. wanted: does anybody want a proxy?
    changed: told when another one serves, or none."""

    def __init__(
        self,
        settings: Settings,
        token: str,
        apis: Apis,
        clock: Clock,
        *,
        wanted: Callable[[], bool],
        changed: Callable[[], None] = lambda: None,
        find: Callable[[], Path | None] = find_traefik,
    ) -> None:
        self._settings = settings
        self._home = settings.ingress_dir.resolve()
        self._token = token
        self._apis = apis
        self._clock = clock
        self._wanted = wanted
        self._changed = changed
        self._find = find
        self._serving: Alive | None = None
        self._children: dict[int, subprocess.Popen[bytes]] = {}
        self._leaving: set[Alive] = set()
        self._unwanted_since: float | None = None
        self._pause, self._not_before = PAUSE_FIRST, 0.0
        self._started = float("-inf")
        self._served = False
        self.problem = ""
        """Why none runs, or not as it should."""

    def addresses(self) -> Sequence[Address]:
        return () if self._serving is None else (self._address(self._serving),)

    def _address(self, proxy: Alive) -> Address:
        return Address(f"http://127.0.0.1:{proxy.api_port}", self._token)

    async def run(self) -> None:
        """For ever. What runs when this is cancelled goes on."""
        async with asyncio.TaskGroup() as group:
            while True:
                await self.turn(group)
                await self._until_news()

    async def _until_news(self) -> None:
        if self._serving is None:
            await asyncio.sleep(POLL if self._wanted() and not self.problem else LOOK / 2)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(LOOK):
                await ended(self._serving, self._home)

    async def turn(self, group: asyncio.TaskGroup) -> None:
        """One look, and what it makes necessary."""
        self._reap()
        found = await asyncio.to_thread(running, self._home)
        ours = [proxy for proxy in found if proxy not in self._leaving]
        if not self._wanted():
            self._idle(group, ours)
            return
        self._unwanted_since = None
        try:
            await self._keep(group, ours)
        except UserError as error:
            self._told(error)

    def _idle(self, group: asyncio.TaskGroup, ours: Sequence[Alive]) -> None:
        now = self._clock.monotonic()
        since = self._unwanted_since = self._unwanted_since or now
        if ours and now - since >= UNWANTED:
            log.info("Traefik is stopped: nobody wants it any more")
            self._serve(None)
            self._served = False
            for proxy in ours:
                self._dismiss(group, proxy)

    async def _keep(self, group: asyncio.TaskGroup, ours: Sequence[Alive]) -> None:
        wanted = await asyncio.to_thread(self._desired)
        right = [proxy for proxy in ours if proxy.digest == wanted.digest]
        current = self._serving if self._serving in ours else None
        if current is None and ours:
            current = (right or list(ours))[-1]
            log.info("taking over the running Traefik", pid=current.pid)
            self._serve(current)
        elif current is None:
            self._serve(None)
        if current is not None and current in right:
            self.problem = ""
        elif self._clock.monotonic() < self._not_before:
            return
        else:
            current = await self._start(wanted, ours)
        for proxy in ours:
            if proxy != current:
                self._dismiss(group, proxy)

    def _desired(self) -> Wanted:
        """Blocking. Raises UserError."""
        program = self._find()
        if program is None:
            raise UserError(
                "CONFIGURATION_INGRESS_MISSING",
                "there is no Traefik here to route with",
                suggestions=[
                    "pip install 'skypanel-controller[embedded]'",
                    "or run your own: SKYCTL_INGRESS=external",
                ],
            )
        environment = _environment(self._settings.acme_environment_file)
        seen = program.stat()
        told = [
            static(self._settings, Start(self._home, 0)),
            [str(program.resolve()), seen.st_size, seen.st_mtime_ns],
            sorted(environment.items()),
        ]
        digest = hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:16]
        return Wanted(program, digest, environment)

    async def _start(self, wanted: Wanted, ours: Sequence[Alive]) -> Alive:
        """Beside those that run. Raises UserError; then they run on."""
        reason = self._reason(ours)
        now = self._clock.monotonic()
        if now - self._started > STEADY:
            self._pause = PAUSE_FIRST
        self._not_before, self._started = now + self._pause, now
        self._pause = min(PAUSE_LAST, self._pause * 2)
        if not ours and not self._leaving:
            address = self._settings.ingress_address
            ports.require(address, self._settings.http_port, "SKYCTL_HTTP_PORT")
            ports.require(address, self._settings.https_port, "SKYCTL_HTTPS_PORT")
        proxy = await asyncio.to_thread(self._spawn, wanted)
        try:
            await self._answering(proxy)
        except UserError:
            self._kill(proxy)
            raise
        METRICS.ingress_starts.labels(reason).inc()
        log.info("Traefik serves", pid=proxy.pid, reason=reason)
        self.problem = ""
        self._serve(proxy)
        return proxy

    def _reason(self, ours: Sequence[Alive]) -> str:
        if ours:
            return "changed"
        return "died" if self._served else "wanted"

    def _spawn(self, wanted: Wanted) -> Alive:
        port = ports.free_port()
        path = self._home / file_name(wanted.digest, port)
        self._sweep()
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as opened:
            json.dump(static(self._settings, Start(self._home, port)), opened, indent=1)
        with open(self._home / "traefik.out", "ab", opener=_private) as output:
            if output.tell() > OUTPUT_LIMIT:
                output.truncate(0)
            child = subprocess.Popen(
                [wanted.program, f"{OPTION}{path}"],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env={**ENVIRONMENT, **wanted.environment},
                start_new_session=True,
            )
        self._children[child.pid] = child
        return Alive(child.pid, wanted.digest, port)

    def _sweep(self) -> None:
        """Configurations that no proxy was started with any more."""
        used = {file_name(proxy.digest, proxy.api_port) for proxy in running(self._home)}
        for path in self._home.glob("static-*.yml"):
            if path.name not in used:
                path.unlink(missing_ok=True)

    async def _answering(self, proxy: Alive) -> None:
        """Its API is opened by the documents, so whoever answers has loaded them."""
        try:
            async with asyncio.timeout(UP):
                while True:
                    with contextlib.suppress(UserError):
                        await self._apis.get(self._address(proxy), "/api/version")
                        return
                    child = self._children.get(proxy.pid)
                    if child is not None and child.poll() is not None:
                        raise _failed(self._last_words())
                    await asyncio.sleep(POLL)
        except TimeoutError:
            raise _failed(f"it does not answer within {UP:g} s") from None

    def _last_words(self) -> str:
        for name in ("traefik.out", "traefik.log"):
            with contextlib.suppress(OSError):
                lines = (self._home / name).read_text(errors="replace").strip().splitlines()
                if lines:
                    return " / ".join(lines[-2:])[-500:]
        return "it ended at once"

    def _dismiss(self, group: asyncio.TaskGroup, proxy: Alive) -> None:
        self._leaving.add(proxy)
        group.create_task(self._farewell(proxy), name=f"traefik {proxy.pid} leaves")

    async def _farewell(self, proxy: Alive) -> None:
        """It stops listening, finishes what it has under way, and ends."""
        for number, patience in (
            (signal.SIGTERM, self._settings.ingress_grace + 5.0),
            (signal.SIGKILL, 5.0),
        ):
            if not proxy.still(self._home):
                break
            with contextlib.suppress(ProcessLookupError):
                os.kill(proxy.pid, number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await ended(proxy, self._home)
        self._leaving.discard(proxy)

    def _kill(self, proxy: Alive) -> None:
        """One that never served."""
        if proxy.still(self._home):
            with contextlib.suppress(ProcessLookupError):
                os.kill(proxy.pid, signal.SIGKILL)

    def _reap(self) -> None:
        for pid, child in list(self._children.items()):
            if child.poll() is not None:
                del self._children[pid]

    def _serve(self, proxy: Alive | None) -> None:
        self._served = self._served or proxy is not None
        if proxy != self._serving:
            self._serving = proxy
            self._changed()

    def _told(self, error: UserError) -> None:
        if error.message != self.problem:
            log.warning("Traefik", problem=error.message)
            self.problem = error.message
            self._changed()


def _environment(path: Path | None) -> dict[str, str]:
    """Lines NAME=VALUE. Raises UserError."""
    if path is None:
        return {}
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except OSError as error:
        raise UserError(
            "CONFIGURATION_INVALID",
            f"SKYCTL_ACME_ENVIRONMENT_FILE cannot be read: {error.strerror or error}",
        ) from error
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    return {name.strip(): value for name, _, value in pairs}


def _failed(reason: str) -> UserError:
    return UserError(
        "CONFIGURATION_INGRESS_FAILED",
        f"Traefik does not start: {reason}",
        suggestions=["see ingress/traefik.log in the state directory"],
        retryable=True,
    )


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
