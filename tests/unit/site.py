"""A whole controller on fakes, served for real on a socket of its own, in a thread.

What the command line and HTTP clients see is everything that a real installation shows but for
PostgreSQL and Docker. ``call`` runs a coroutine in the controller's loop, so that a test may
look at the store and disturb the engine by hand.
"""

from __future__ import annotations

import asyncio
import random
import socket
import tempfile
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import httpx
import structlog

from controller.api.server import serve
from controller.app import Controller
from controller.clock import SystemClock
from controller.firewall.nft import Nft
from controller.settings import Settings
from resources.conditions import READY, is_true
from resources.meta import Key, Manifest
from resources.service import health
from tests.fakes.dns import FakeDns
from tests.fakes.engine import FakeEngine
from tests.fakes.keyring import MemoryKeyring
from tests.fakes.objects import Behaviour
from tests.fakes.store import FakeDatabase, FakeStore

T = TypeVar("T")
DEADLINE = 20.0


class Site:
    def __init__(
        self, state_dir: Path, listen: str = "", nft: Nft | None = None, **more: Any
    ) -> None:
        self.nft = nft
        self.settings = Settings(
            state_dir=state_dir, listen=listen, host_ports="18000-18099", **more
        )
        self.database = FakeDatabase()
        self.store = FakeStore(self.database)
        self.dns = FakeDns()
        self.loop: asyncio.AbstractEventLoop = asyncio.new_event_loop()
        self.engine: FakeEngine
        self.controller: Controller
        self._up = threading.Event()
        self._thread = threading.Thread(target=self._main, daemon=True)
        self.failure: BaseException | None = None

    def _main(self) -> None:
        asyncio.set_event_loop(self.loop)
        try:
            self.loop.run_until_complete(self._run())
        except BaseException as error:
            self.failure = error
        finally:
            self._up.set()
            # Left to the garbage collector, its sockets fail whatever test comes later.
            self.loop.close()

    async def _run(self) -> None:
        clock = SystemClock()
        self.engine = FakeEngine(clock, images={"nginx:1": Behaviour(), "nginx:2": Behaviour()})
        self.controller = Controller(
            self.settings,
            self.store,
            self.engine,
            await self.store.instance(),
            clock=clock,
            random_=random.Random(1),
            keyring=MemoryKeyring(),
            nft=self.nft,
            ask=self.dns,
            last_words=self.settings.state_dir / "last-words",
        )
        self.engine.on_pull_progress = self.controller.pulls.publish
        self._up.set()
        await self.controller.run(serve)

    def start(self) -> None:
        self._thread.start()
        self._up.wait(DEADLINE)
        self.until(self._answers, "the socket answers")

    def _answers(self) -> bool:
        """The file is there a moment before anybody listens."""
        with socket.socket(socket.AF_UNIX) as probe:
            return probe.connect_ex(str(self.settings.socket)) == 0

    def stop(self) -> None:
        if self._thread.is_alive():
            self.loop.call_soon_threadsafe(self.controller.stop.set)
        self._thread.join(DEADLINE)
        assert not self._thread.is_alive(), "the controller does not stop"

    def client(self) -> httpx.Client:
        transport = httpx.HTTPTransport(uds=str(self.settings.socket), verify=False)
        return httpx.Client(transport=transport, base_url="http://controller", timeout=DEADLINE)

    def apply(self, *manifests: Manifest, source: str = "api") -> None:
        for manifest in manifests:
            self.call(self.store.apply(manifest, source=source))

    def settled(self, key: Key) -> bool:
        """The newest generation is observed and Ready."""
        entry = self.database.entries.get(key)
        return (
            entry is not None
            and entry.observed_generation == entry.resource.generation
            and is_true(entry.status, READY)
        )

    def service(self, organization: str, name: str = "web", **spec: Any) -> Key:
        """A running one of its own organization."""
        home = Key("Organization", "", organization)
        key = Key("Service", organization, name)
        self.apply(Manifest(home, {}), Manifest(key, {"image": "nginx:1", **spec}))
        self.until(lambda: self.settled(key), f"{key} is Ready")
        return key

    def call(self, work: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(DEADLINE)

    def do(self, act: Callable[[], T]) -> T:
        """In the controller's thread, where the fakes live."""

        async def acted() -> T:
            return act()

        return self.call(acted())

    def until(self, holds: Callable[[], Any], what: str = "it holds") -> None:
        deadline = time.monotonic() + DEADLINE
        while time.monotonic() < deadline:
            if self.failure is not None:
                raise self.failure
            if holds():
                return
            time.sleep(0.01)
        raise AssertionError(f"not within {DEADLINE:.0f} s: {what}")


@contextmanager
def running_site(listen: str = "", nft: Nft | None = None, **more: Any) -> Iterator[Site]:
    """Under a short path, since a socket's may have 107 bytes; its log lines go nowhere. What has
    no health check proves itself sooner than in earnest."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())
    with (
        patch.object(health, "SETTLE", 0.2),
        tempfile.TemporaryDirectory(prefix="skyctl-") as directory,
    ):
        site = Site(Path(directory), listen, nft, **more)
        site.start()
        try:
            yield site
        finally:
            site.stop()
            structlog.reset_defaults()
