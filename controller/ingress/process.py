"""Traefik as a process of this host, in a session of its own, found by its command line."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from pathlib import Path

from controller.ingress.alive import OPTION, Alive, Ours
from controller.ingress.binary import find_traefik
from controller.ingress.traefik import Start, static
from controller.settings import Settings
from resources.errors import UserError

ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
OUTPUT_LIMIT = 1_000_000
"""Bytes of what it says beside its log, which is next to nothing."""
_POLL = 0.3
CENSUS = 10.0
"""Seconds after which every process of the host is looked at again."""


class ProcessRunner:
    """instance: ours."""

    def __init__(
        self,
        settings: Settings,
        find: Callable[[], Path | None] = find_traefik,
        instance: str = "",
    ) -> None:
        self._settings = settings
        self._ours = Ours(settings.ingress_dir.resolve(), instance)
        self._find = find
        self._census = Census(self._ours)
        self._children: dict[str, subprocess.Popen[bytes]] = {}

    @property
    def home(self) -> Path:
        return self._ours.home

    async def desired(self) -> str:
        return await asyncio.to_thread(self._desired)

    def _desired(self) -> str:
        """The program is part of it: a release brings another. So is the instance, by which other
        controllers find what runs."""
        program = self._program()
        seen = program.stat()
        told = [
            static(self._settings, Start(self.home, 0)),
            self._ours.instance,
            [str(program.resolve()), seen.st_size, seen.st_mtime_ns],
            sorted(acme_environment(self._settings).items()),
        ]
        return json.dumps(told, sort_keys=True)

    def _program(self) -> Path:
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
        return program

    async def running(self) -> list[Alive]:
        for id_, child in list(self._children.items()):
            if child.poll() is not None:
                del self._children[id_]
        known = [int(id_) for id_ in self._children]
        return await asyncio.to_thread(self._census.take, known)

    async def spawn(self, digest: str, api_port: int) -> Alive:
        return await asyncio.to_thread(self._spawn, digest, api_port)

    def _spawn(self, digest: str, api_port: int) -> Alive:
        self._ours.sweep(running(self.home))
        told = static(self._settings, Start(self.home, api_port))
        path = self._ours.write(digest, api_port, told)
        with open(self.home / "traefik.out", "ab", opener=_private) as output:
            if output.tell() > OUTPUT_LIMIT:
                output.truncate(0)
            try:
                child = subprocess.Popen(
                    [self._program(), f"{OPTION}{path}"],
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=output,
                    cwd="/",
                    env={**ENVIRONMENT, **acme_environment(self._settings)},
                    start_new_session=True,
                )
            except OSError as error:
                raise UserError(
                    "CONFIGURATION_INGRESS_FAILED",
                    f"Traefik cannot be started: {error.strerror or error}",
                    retryable=True,
                ) from error
        proxy = Alive(str(child.pid), digest, api_port, self.home)
        self._children[proxy.id] = child
        return proxy

    async def pid(self, proxy: Alive) -> int:
        return int(proxy.id)

    async def last_words(self, proxy: Alive) -> str:
        child = self._children.get(proxy.id)
        if child is None or child.poll() is None:
            return ""
        for name in ("traefik.out", "traefik.log"):
            with contextlib.suppress(OSError):
                text = await asyncio.to_thread((self.home / name).read_text, errors="replace")
                if lines := _complaints(text):
                    return " / ".join(lines[-2:])[-500:]
        return "it ended at once"

    async def ended(self, proxy: Alive) -> None:
        try:
            descriptor = os.pidfd_open(int(proxy.id))
        except (AttributeError, OSError):
            while still(proxy):  # noqa: ASYNC110 (nothing tells us)
                await asyncio.sleep(_POLL)
            return
        loop, over = asyncio.get_running_loop(), asyncio.Event()
        try:
            loop.add_reader(descriptor, over.set)
            if still(proxy):
                await over.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    async def stop(self, proxy: Alive, grace: float) -> None:
        for number, patience in ((signal.SIGTERM, grace), (signal.SIGKILL, 5.0)):
            if not still(proxy):
                return
            if patience <= 0:
                continue
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(int(proxy.id), number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self.ended(proxy)


def _complaints(log: str) -> list[str]:
    """Its warnings say nothing of why it ended."""
    return [line for line in log.strip().splitlines() if " WRN " not in line]


def running(home: Path, instance: str = "") -> list[Alive]:
    """Processes of that directory, and of that instance. Blocking, some milliseconds."""
    return Census(Ours(home, instance)).take()


class Census:
    """Which processes are of that directory or instance, asked often: whoever was a stranger is
    looked at again only after a while, since a host has hundreds of processes."""

    def __init__(self, ours: Ours) -> None:
        self._ours = ours
        self._strangers: set[int] = set()
        self._anew = 0.0

    def take(self, known: Collection[int] = ()) -> list[Alive]:
        """known: looked at in any case, as those that were started and may not have become what
        they shall be. Blocking."""
        if not Path("/proc/self/cmdline").exists():
            listed = (self._ours.started_with(str(pid), told[1:]) for pid, told in _listed())
            return [proxy for proxy in listed if proxy is not None]
        if (now := time.monotonic()) >= self._anew:
            self._strangers.clear()
            self._anew = now + CENSUS
        pids = {int(name) for name in os.listdir("/proc") if name.isdigit()}
        self._strangers &= pids
        found: list[Alive] = []
        for pid in (pids - self._strangers) | (pids & set(known)):
            command = _command(pid)
            proxy = self._ours.started_with(str(pid), command[1:]) if command else None
            if proxy is None:
                self._strangers.add(pid)
            else:
                found.append(proxy)
        return found


def still(proxy: Alive) -> bool:
    """Under this pid, that very proxy."""
    command = _command(int(proxy.id))
    return command is not None and Ours(proxy.home).started_with(proxy.id, command[1:]) == proxy


def _command(pid: int) -> list[str] | None:
    """None: there is none of ours, or it has ended."""
    if not Path("/proc/self/cmdline").exists():
        return next((command for each, command in _listed() if each == pid), None)
    return command_line(pid) if _beside_us(pid) else None


def command_line(pid: int) -> list[str] | None:
    """Of whatever runs under that pid. Blocking."""
    try:
        raw = Path(f"/proc/{pid}/cmdline").read_bytes()
    except OSError:
        return None
    return [os.fsdecode(part) for part in raw.split(b"\0") if part] or None


def _beside_us(pid: int) -> bool:
    """Of our user, and in no container: what tenants run is seen here too, under any name."""
    try:
        theirs = os.stat(f"/proc/{pid}/ns/pid").st_ino
        return (
            theirs == os.stat("/proc/self/ns/pid").st_ino
            and os.stat(f"/proc/{pid}").st_uid == os.geteuid()
        )
    except OSError:
        return False


def _listed() -> Iterator[tuple[int, list[str]]]:
    """Where there is no /proc."""
    with contextlib.suppress(OSError, subprocess.TimeoutExpired):
        done = subprocess.run(
            ["ps", "-axo", "pid=,command="], capture_output=True, text=True, timeout=10
        )
        for line in done.stdout.splitlines():
            pid, _, command = line.strip().partition(" ")
            yield int(pid), command.split()


def acme_environment(settings: Settings) -> Mapping[str, str]:
    """Lines NAME=VALUE. Blocking. Raises UserError."""
    path = settings.acme_environment_file
    if path is None:
        return {}
    try:
        lines = [line.strip() for line in path.read_text().splitlines()]
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(
            "CONFIGURATION_INVALID",
            f"SKYCTL_ACME_ENVIRONMENT_FILE cannot be read: {reason}",
        ) from error
    pairs = (line.partition("=") for line in lines if line and not line.startswith("#"))
    found = {name.strip(): value for name, _, value in pairs}
    if "" in found or any("\0" in text for pair in found.items() for text in pair):
        raise UserError(
            "CONFIGURATION_INVALID",
            "SKYCTL_ACME_ENVIRONMENT_FILE: a line is no NAME=VALUE of printable text",
        )
    return found


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)
