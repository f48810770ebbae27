"""The server as a process: started or taken over, watched, stopped.

``postmaster.pid`` says which process serves the data; a pid can be another's by now, so what runs
under it is asked of the system. A file that is left over from a dead server is removed, since
PostgreSQL itself would be fooled by a foreign process of the same number.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import asyncpg  # type: ignore[import-untyped]
import structlog

from controller.store.embedded.cluster import DATABASE, ENVIRONMENT, Cluster, failed
from controller.store.embedded.programs import Programs
from controller.store.postgres.errors import FAILURES

log = structlog.get_logger("embedded")

START = 60.0  # seconds until it answers; recovery after a crash included
STOP = ((signal.SIGINT, 15.0), (signal.SIGQUIT, 5.0), (signal.SIGKILL, 5.0))
POLL = 0.05
LOG_LIMIT = 10_000_000  # bytes; begun anew at a start


@dataclass(frozen=True, slots=True)
class Running:
    """A server that serves our data. run: its socket's directory."""

    pid: int
    run: Path


def running(data: Path) -> Running | None:
    """The living server of that directory, if there is one. Blocking, quick."""
    try:
        lines = (data / "postmaster.pid").read_text().splitlines()
        pid, run = int(lines[0]), Path(lines[4]) if len(lines) > 4 and lines[4] else data
    except (OSError, ValueError, IndexError):
        return None
    return Running(pid, run) if serves(pid, data) else None


def serves(pid: int, data: Path) -> bool:
    """Is this process a server of that directory? Without /proc: is it alive at all?"""
    try:
        command = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except FileNotFoundError:
        return not Path("/proc/self").exists() and _alive(pid)
    except OSError:
        return _alive(pid)
    return bool(command[0]) and os.fsencode(data) in command


def _alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


class Server:
    """The server of a cluster. programs, data: of another one than the cluster's newest."""

    def __init__(
        self, cluster: Cluster, *, programs: Programs | None = None, data: Path | None = None
    ) -> None:
        self._cluster = cluster
        self._programs = programs or cluster.programs
        self._data = data or cluster.data
        self._child: subprocess.Popen[bytes] | None = None
        self._pid: int | None = None

    async def start(self) -> None:
        """Returns when it answers. Raises UserError CONFIGURATION_EMBEDDED_FAILED."""
        left = running(self._data)
        if left is not None:
            if await self._take_over(left):
                return
            log.warning("the server left over does not answer: it is stopped", pid=left.pid)
            self._pid = left.pid
            await self.stop()
        (self._data / "postmaster.pid").unlink(missing_ok=True)
        self._spawn()
        await self._answering()

    async def _take_over(self, left: Running) -> bool:
        """Ours and well: used as it is."""
        if left.run != self._cluster.run:
            return False
        try:
            async with asyncio.timeout(5.0):
                await self._ensure_database()
        except FAILURES:
            return False
        self._pid = left.pid
        log.info("taking over the running PostgreSQL", pid=left.pid)
        return True

    def _spawn(self) -> None:
        cluster = self._cluster
        with open(cluster.log, "ab", opener=_private) as output:
            if output.tell() > LOG_LIMIT:
                output.truncate(0)
            self._child = subprocess.Popen(
                cluster.command(self._programs, self._data, cluster.run),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                cwd="/",
                env=ENVIRONMENT,
                start_new_session=True,
                **(cluster.account.popen() if cluster.account else {}),
            )
        self._pid = self._child.pid

    async def _answering(self) -> None:
        try:
            async with asyncio.timeout(START):
                while True:
                    try:
                        await self._ensure_database()
                        return
                    except asyncpg.InvalidPasswordError:
                        reason = f"{self._cluster.home / 'password'} is not the cluster's"
                        raise failed("the password", reason) from None
                    except FAILURES:
                        if not self.alive():
                            raise failed("the server", self._last_words()) from None
                    await asyncio.sleep(POLL)
        except TimeoutError:
            await self.stop()
            raise failed("the server", f"no answer within {START:g} s") from None

    async def _ensure_database(self) -> None:
        connection = await asyncpg.connect(self._cluster.url("postgres"), timeout=5.0)
        try:
            known = await connection.fetchval(
                "SELECT true FROM pg_catalog.pg_database WHERE datname = $1", DATABASE
            )
            if not known:
                await connection.execute(f"CREATE DATABASE {DATABASE}")
        finally:
            connection.terminate()

    def _last_words(self) -> str:
        try:
            lines = self._cluster.log.read_text(errors="replace").splitlines()
        except OSError:
            return "it ended at once"
        return " / ".join(lines[-3:])[-800:]

    @property
    def pid(self) -> int | None:
        """Of the server that was started or taken over."""
        return self._pid

    def alive(self) -> bool:
        if self._child is not None:
            return self._child.poll() is None
        return self._pid is not None and serves(self._pid, self._data)

    async def keep_running(self) -> None:
        """For ever: a server that dies is started again."""
        pause = 0.5
        while True:
            await self._ended()
            log.warning("PostgreSQL has ended unexpectedly: it is started again")
            started = asyncio.get_running_loop().time()
            try:
                await self.start()
            except Exception as error:
                log.error("PostgreSQL does not start", reason=str(error))
            if asyncio.get_running_loop().time() - started > 60.0:
                pause = 0.5
            await asyncio.sleep(pause)
            pause = min(pause * 2, 30.0)

    async def _ended(self) -> None:
        """Until the process has ended."""
        if self._pid is None or not self.alive():
            return
        try:
            descriptor = os.pidfd_open(self._pid)
        except (AttributeError, OSError):
            while self.alive():  # noqa: ASYNC110 (nothing tells us)
                await asyncio.sleep(0.5)
            return
        loop, ended = asyncio.get_running_loop(), asyncio.Event()
        loop.add_reader(descriptor, ended.set)
        try:
            await ended.wait()
        finally:
            loop.remove_reader(descriptor)
            os.close(descriptor)

    async def stop(self) -> None:
        """Asks politely first (SIGINT: sessions end, no recovery is needed), then less so."""
        for number, patience in STOP:
            if not self.alive():
                break
            assert self._pid is not None
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._pid, number)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(patience):
                    await self._ended()
        if self._child is not None:
            self._child.poll()
        self._pid = None
