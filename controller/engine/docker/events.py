"""The engine's event stream, read by ourselves and supervised by who reads it.

Theory: an event is a hint, and a gap in the hints must be known. The engine drops what a listener
does not take within 100 ms, so between the socket and the iterator lies nothing but a bounded
buffer, and who iterates must do no more than note what changed. The iterator ends when the engine
closes the stream and raises on everything else, silence included; it never reconnects, because
only its reader can list again.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiohttp
import orjson

from controller.engine.base import EngineEvent
from controller.engine.docker import convert, faults
from controller.engine.docker.wire import Wire, filters

TYPES = ["container", "network", "volume", "image"]
ACTIONS = [
    *("create", "start", "restart", "kill", "die", "oom", "stop", "pause", "unpause", "update"),
    *("rename", "destroy", "health_status"),
    *("connect", "disconnect", "remove"),
    *("pull", "import", "load", "tag", "untag", "delete"),
]
"""Without those of exec, which health checks cause by the thousand."""

LONGEST = 1024 * 1024
"""Bytes of one event; more is not an event."""


class Events:
    def __init__(self, wire: Wire, silence: float) -> None:
        self._wire = wire
        self._silence = silence

    @asynccontextmanager
    async def subscribe(self) -> AsyncIterator[AsyncIterator[EngineEvent]]:
        """Entered once the engine has answered: what happens from now on will be told."""
        await self._wire.agree()
        async with self._wire.stream(
            "events", "GET", "events", params=filters(type=TYPES, event=ACTIONS)
        ) as response:
            yield self._read(response)

    async def _read(self, response: aiohttp.ClientResponse) -> AsyncIterator[EngineEvent]:
        host, rest = self._wire.endpoint.host, b""
        try:
            while chunk := await self._chunk(response):
                *lines, rest = (rest + chunk).split(b"\n")
                for line in lines:
                    if line.strip():
                        yield convert.event(orjson.loads(line))
                if len(rest) > LONGEST:
                    raise faults.unreachable(host, "the event stream makes no sense")
        except TimeoutError as error:
            raise faults.silent(host, "events", self._silence) from error
        except orjson.JSONDecodeError as error:
            raise faults.unreachable(host, "the event stream makes no sense") from error
        except (aiohttp.ClientError, OSError) as error:
            raise self._wire.translate("events", error, "events") from error

    async def _chunk(self, response: aiohttp.ClientResponse) -> bytes:
        async with asyncio.timeout(self._silence):
            return await response.content.readany()
