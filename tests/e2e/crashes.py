"""The crash matrix on a real engine: the controller is killed before and after each changing call.

The controller reaches the engine through a pass-through. At the call in question it is killed:
``before`` the request is handed on, or ``after`` the engine answered and before the answer comes
back. Then it is started again, and the end must be that of the same act undisturbed.
``python -m tests.e2e.crashes`` plays all points and prints a table.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.wiretap import head_length, unversioned
from tests.e2e import fleet
from tests.e2e.harness import DOCKER_SOCKET, Docker, Program, short_directory, until
from tests.images import ensure_busybox_image

CHANGING = frozenset({"POST", "PUT", "DELETE"})
HOWS = ("before", "after")


class Tap:
    """A pass-through in a thread of its own. strike: called in the moment of the crash."""

    def __init__(self, socket: Path) -> None:
        self.socket = socket
        self.calls: list[str] = []
        self.struck = threading.Event()
        self._armed: tuple[int, str, Callable[[], None]] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def start(self) -> None:
        self._thread.start()
        until(self.socket.exists, what="the tap listens")

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def arm(self, number: int, how: str, strike: Callable[[], None]) -> None:
        """At the number-th changing call from now on (from 0)."""
        self.calls, self._armed = [], (number, how, strike)
        self.struck.clear()

    def disarm(self) -> None:
        self.calls, self._armed = [], None

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_unix_server(self._serve, self.socket))
        self._loop.run_forever()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        theirs, ours = await asyncio.open_unix_connection(DOCKER_SOCKET, limit=1 << 20)
        withhold: list[Callable[[], None]] = []
        back = asyncio.ensure_future(_answers(theirs, writer, withhold))
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                lines = head.split(b"\r\n")
                method, path, _ = lines[0].decode().split(" ", 2)
                size = head_length(lines[1:])
                body = await reader.readexactly(size) if size else b""
                how, strike = self._fate(method, unversioned(path))
                if how == "before":
                    strike()
                    return
                if how == "after":
                    withhold.append(strike)
                ours.write(head + body)
                await ours.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            if withhold:  # killed meanwhile: what was begun is carried out all the same
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(back), 10)
        finally:
            ours.close()
            writer.close()
            back.cancel()

    def _fate(self, method: str, path: str) -> tuple[str, Callable[[], None]]:
        if method not in CHANGING or path.startswith("/exec") or "/exec" in path:
            return "", _nothing
        number = len(self.calls)
        self.calls.append(f"{method} {path.split('?')[0]}")
        if self._armed is None or self._armed[0] != number:
            return "", _nothing
        _, how, strike = self._armed

        def once() -> None:
            strike()
            self.struck.set()

        return how, once


def _nothing() -> None:
    return None


async def _answers(
    source: asyncio.StreamReader,
    target: asyncio.StreamWriter,
    withhold: list[Callable[[], None]],
) -> None:
    """An answer that is withheld never comes: its reader is killed."""
    with contextlib.suppress(ConnectionError):
        while chunk := await source.read(1 << 16):
            if withhold:
                withhold[0]()
                return
            target.write(chunk)
            await target.drain()


@dataclass(frozen=True)
class Act:
    """What is done to an organization of its own. prepared: what is there before."""

    name: str
    prepared: bool

    def statements(self, organization: str, image: str) -> list[str]:
        match self.name:
            case "create":
                return [fleet.organization(organization), web(organization, image)]
            case "update":
                return [web(organization, image, environment={"VERSION": "2"})]
            case "scale down":
                return [web(organization, image, replicas=1)]
            case "delete":
                return [fleet.delete("Organization", "", organization)]
        raise ValueError(self.name)


ACTS = (Act("create", False), Act("update", True), Act("scale down", True), Act("delete", True))


def web(organization: str, image: str, **changes: Any) -> str:
    spec: dict[str, Any] = {
        "replicas": 2,
        "environment": {"VERSION": "1"},
        "files": [{"path": "/etc/motd", "content": "hello\n"}],
        **changes,
    }
    return fleet.service(organization, "web", image, **spec)


class Field:
    """A controller behind the tap, and an organization for each point."""

    def __init__(self, program: Program, docker: Docker, tap: Tap, image: str) -> None:
        self.program, self.docker, self.tap, self.image = program, docker, tap, image
        self._number = 0

    def undisturbed(self, act: Act) -> tuple[list[str], Any]:
        """Its calls, and the end."""
        organization = self._prepare(act)
        self.tap.disarm()
        self.program.sql(*act.statements(organization, self.image), "SELECT 1")
        self._settle(organization, act)
        return list(self.tap.calls), self._end(organization)

    def crash(self, act: Act, number: int, how: str, expected: Any) -> None:
        """Raises AssertionError when the end differs, or is not quiet."""
        organization = self._prepare(act)
        process = self.program.process
        assert process is not None
        self.tap.arm(number, how, process.kill)
        self.program.sql(*act.statements(organization, self.image), "SELECT 1")
        assert self.tap.struck.wait(30), f"{act.name}: call {number} never came"
        self.tap.disarm()
        process.wait(10)
        self.program.process = None
        self.program.start()
        self._settle(organization, act)
        until(
            lambda: self._end(organization) == expected,
            seconds=20,
            what=f"{act.name}, killed {how} call {number}, ends as undisturbed: {expected}",
        )
        before = fleet.writes(self.program)
        self._resynced()
        assert fleet.writes(self.program) == before, "converged, and yet it writes"

    def _prepare(self, act: Act) -> str:
        self._number += 1
        organization = f"o{self._number}"
        if act.prepared:
            self.tap.disarm()
            self.program.sql(
                fleet.organization(organization), web(organization, self.image), "SELECT 1"
            )
            self._settle(organization)
        return organization

    def _settle(self, organization: str, act: Act | None = None) -> None:
        rows = (
            "SELECT kind FROM skyctl.resource_view"
            f" WHERE (organization = '{organization}' OR name = '{organization}')"
        )
        if act is None or act.name != "delete":
            rows += " AND NOT (settled AND ready = 'True')"
        until(lambda: not self.program.sql(rows), seconds=60, what=f"{organization} is settled")

    def _resynced(self) -> None:
        name = 'skyctl_source_relists_total{reason="resync",source="engine"}'
        start = self.program.metrics().get(name, 0)
        until(lambda: self.program.metrics().get(name, 0) >= start + 2, what="two resyncs")

    def _end(self, organization: str) -> Any:
        """Without ids, times and what contains them."""
        mine = f"io.skypanel.organization={organization}"
        containers = self.docker.containers(self.program.label, mine)
        rows = self.program.sql(
            "SELECT kind, phase, ready, settled FROM skyctl.resource_view"
            f" WHERE organization = '{organization}' OR name = '{organization}' ORDER BY kind"
        )
        return {
            "containers": sorted(self._shown(c["Id"]) for c in containers),
            "networks": len(self.docker.networks(self.program.label, mine)),
            "rows": [tuple(row) for row in rows],
        }

    def _shown(self, id_: str) -> tuple[Any, ...]:
        seen = self.docker.inspect(id_)
        labels = seen["Config"]["Labels"]
        networks = seen["NetworkSettings"]["Networks"].values()
        return (
            labels["io.skypanel.ordinal"],
            labels["io.skypanel.revision"],
            seen["State"]["Status"],
            sorted(v for v in seen["Config"]["Env"] if v.startswith("VERSION")),
            [sorted(set(n["Aliases"] or ()) - {id_[:12]}) for n in networks],
            seen["HostConfig"]["Memory"],
        )


@contextmanager
def field(place: Path) -> Iterator[Field]:
    docker, image = Docker(), ensure_busybox_image()
    program = Program(place / "state")
    program.env["SKYCTL_RESYNC_INTERVAL"] = "0.5s"
    tap = Tap(place / "tap.sock")
    tap.start()
    program.env["DOCKER_HOST"] = f"unix://{tap.socket}"
    try:
        yield Field(program.start(), docker, tap, image)
    finally:
        instance = program.instance_known()
        if program.process is not None:
            program.stop()
        program.end_database()
        tap.stop()
        if instance:
            docker.sweep(instance)


def main() -> None:
    print("| act | calls | points | ended as undisturbed |\n| --- | --- | --- | --- |")
    with short_directory() as place, field(place) as played:
        for act in ACTS:
            calls, expected = played.undisturbed(act)
            fine = 0
            for number in range(len(calls)):
                for how in HOWS:
                    played.crash(act, number, how, expected)
                    fine += 1
            print(f"| {act.name} | {len(calls)} | {2 * len(calls)} | {fine} |", flush=True)


if __name__ == "__main__":
    main()
