"""The real program as a process, and the few hands a test needs: start, stop, kill, freeze, ask.

Everything a ``Program`` makes is marked with its store's instance id, so a test removes exactly its
own objects when it ends. Waiting is always for a condition, with a deadline.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import asyncpg
import httpx

from tests.fakes.traefik import stop_all

T = TypeVar("T")
NOT_YET = (
    AssertionError,
    LookupError,
    OSError,
    ValueError,
    httpx.HTTPError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
)
"""What a condition may raise while it does not hold yet."""
SKYCTL = [sys.executable, "-m", "controller.cli.main"]
DOCKER_SOCKET = os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock").removeprefix("unix://")


def until(
    condition: Callable[[], T], *, seconds: float = 30.0, what: str = "", every: float = 0.05
) -> T:
    """The first truthy answer; errors of the condition count as 'not yet'. Raises AssertionError
    with what was last seen."""
    deadline = time.monotonic() + seconds
    last: Any = None
    while time.monotonic() < deadline:
        try:
            last = condition()
            if last:
                return last
        except NOT_YET as error:
            last = error
        time.sleep(every)
    raise AssertionError(f"not within {seconds}s: {what or condition}; last seen: {last!r}")


class Docker:
    """The engine's HTTP API, as a bystander would use it."""

    def __init__(self, socket: str = DOCKER_SOCKET) -> None:
        self._client = httpx.Client(
            transport=httpx.HTTPTransport(uds=socket), base_url="http://docker", timeout=60
        )

    def get(self, path: str, **query: Any) -> Any:
        answer = self._client.get(path, params=query)
        answer.raise_for_status()
        return answer.json()

    def call(self, method: str, path: str, *, ok: tuple[int, ...] = (), **kwargs: Any) -> Any:
        answer = self._client.request(method, path, **kwargs)
        if answer.status_code not in ok:
            answer.raise_for_status()
        return answer.json() if answer.content[:1] in (b"{", b"[") else None

    def containers(self, *labels: str) -> list[dict[str, Any]]:
        filters = json.dumps({"label": list(labels)}) if labels else "{}"
        return self.get("/containers/json", all="1", filters=filters)  # type: ignore[no-any-return]

    def networks(self, *labels: str) -> list[dict[str, Any]]:
        filters = json.dumps({"label": list(labels)}) if labels else "{}"
        return self.get("/networks", filters=filters)  # type: ignore[no-any-return]

    def volumes(self, *labels: str) -> list[dict[str, Any]]:
        filters = json.dumps({"label": list(labels)}) if labels else "{}"
        return self.get("/volumes", filters=filters)["Volumes"] or []

    def inspect(self, container: str) -> dict[str, Any]:
        return self.get(f"/containers/{container}/json")  # type: ignore[no-any-return]

    def remove(self, container: str) -> None:
        self.call("DELETE", f"/containers/{container}", params={"force": "1"}, ok=(404, 409))

    def sweep(self, instance: str) -> None:
        """Everything that carries this instance id."""
        label = f"io.skypanel.controller={instance}"
        for container in self.containers(label):
            self.remove(container["Id"])
        for network in self.networks(label):
            for attached in self.get(f"/networks/{network['Id']}").get("Containers") or {}:
                self.call(
                    "POST",
                    f"/networks/{network['Id']}/disconnect",
                    json={"Container": attached, "Force": True},
                    ok=(404, 500),
                )
            self.call("DELETE", f"/networks/{network['Id']}", ok=(403, 404))
        for volume in self.volumes(label):
            self.call("DELETE", f"/volumes/{volume['Name']}", ok=(404, 409))


@dataclass
class Program:
    """``skyctl run`` with a state directory of its own. env: added to the environment."""

    state_dir: Path
    manifests: list[str] = field(default_factory=list)
    env: dict[str, str] = field(default_factory=dict)
    flags: list[str] = field(default_factory=list)
    process: subprocess.Popen[bytes] | None = None
    command: list[str] = field(default_factory=lambda: list(SKYCTL))
    _instance: str | None = None

    @property
    def environment(self) -> dict[str, str]:
        return {
            **os.environ,
            "SKYCTL_STATE_DIR": str(self.state_dir),
            "SKYCTL_LISTEN": "127.0.0.1:0",
            "SKYCTL_LOG_FORMAT": "json",
            **self.env,
        }

    @property
    def log_path(self) -> Path:
        return self.state_dir / "test.log"

    @property
    def log(self) -> str:
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    @property
    def dsn(self) -> str:
        """Of the given database, else the embedded one, as its owner."""
        if given := self.env.get("SKYCTL_DATABASE_URL"):
            return given
        home = (self.state_dir / "postgres").resolve()
        password = (home / "password").read_text().strip()
        return f"postgresql://skyctl:{password}@/skyctl?host={home / 'run'}"

    def sql(self, *statements: str, dsn: str | None = None) -> list[Any]:
        """Rows of the last statement; all in one transaction, as any client would."""
        return asyncio.run(_sql(dsn or self.dsn, statements))

    def instance_known(self) -> str:
        """The instance id, as the log tells or the store; '' when it never got that far."""
        if self._instance is None and self.process is not None:
            try:
                self._instance = self.instance
            except (OSError, LookupError, ValueError):
                return ""
        return self._instance or ""

    @property
    def instance(self) -> str:
        if self._instance is None:
            rows = self.sql("SELECT instance FROM skyctl.identity")
            self._instance = str(rows[0]["instance"])
        return self._instance

    def end_database(self) -> None:
        """A killed controller leaves its database running."""
        pidfile = (self.state_dir / "postgres").resolve() / "data" / "postmaster.pid"
        if pidfile.exists():
            with contextlib.suppress(ProcessLookupError, ValueError):
                os.kill(int(pidfile.read_text().split()[0]), signal.SIGINT)

    @property
    def label(self) -> str:
        return f"io.skypanel.controller={self.instance}"

    def start(self, *, ready: bool = True) -> Program:
        self.state_dir.mkdir(parents=True, exist_ok=True)
        flags = [f for m in self.manifests for f in ("--manifests", m)]
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*self.command, "run", *flags, *self.flags],
                env=self.environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if ready:
            self.wait_ready()
            assert self.instance
        return self

    def wait_ready(self, seconds: float = 60.0) -> None:
        def answered() -> bool:
            assert self.process is not None
            if self.process.poll() is not None:
                raise RuntimeError(f"skyctl run ended: {self.log[-3000:]}")
            return self.ctl("version", "-o", "json").returncode == 0 and self.ready()

        until(answered, seconds=seconds, what=f"ready; log: {self.log[-2000:]}", every=0.1)

    def ready(self) -> bool:
        transport = httpx.HTTPTransport(uds=str(self.state_dir / "skyctl.sock"))
        with httpx.Client(transport=transport, base_url="http://skyctl", timeout=5) as client:
            return client.get("/readyz").status_code == 200

    def metrics(self) -> dict[str, float]:
        """Every sample by its name with labels, as in the exposition."""
        transport = httpx.HTTPTransport(uds=str(self.state_dir / "skyctl.sock"))
        with httpx.Client(transport=transport, base_url="http://skyctl", timeout=10) as client:
            text = client.get("/metrics").text
        samples = (line.rsplit(" ", 1) for line in text.splitlines() if line and line[0] != "#")
        return {name: float(value) for name, value in samples}

    def ctl(
        self, *args: str, input: str | None = None, timeout: float = 120.0
    ) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [*SKYCTL, *args],
            env=self.environment,
            input=input,
            text=True,
            capture_output=True,
            timeout=timeout,
            check=False,
        )

    def get(self, kind: str, name: str = "", *args: str) -> Any:
        """``skyctl get -o json``; raises LookupError when it fails."""
        target = f"{kind}/{name}" if name else kind
        done = self.ctl("get", target, *args, "-o", "json")
        if done.returncode:
            raise LookupError(done.stderr)
        return json.loads(done.stdout)

    def signal(self, number: int) -> None:
        assert self.process is not None
        self.process.send_signal(number)

    def stop(self, seconds: float = 40.0) -> int:
        """SIGTERM, and the exit code."""
        assert self.process is not None
        if self.process.poll() is None:
            self.signal(signal.SIGTERM)
        code = self.process.wait(seconds)
        self.process = None
        return code

    def end_traefik(self) -> None:
        """``kill -9`` of the proxy, which outlives the controller."""
        stop_all(self.state_dir / "ingress")

    def kill(self) -> None:
        """``kill -9`` of the controller alone."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(10)
        self.process = None


async def _sql(dsn: str, statements: tuple[str, ...]) -> list[Any]:
    connection = await asyncpg.connect(dsn, timeout=20)
    try:
        async with connection.transaction():
            for statement in statements[:-1]:
                await connection.execute(statement)
            return list(await connection.fetch(statements[-1]))
    finally:
        await connection.close()


@contextmanager
def short_directory() -> Iterator[Path]:
    """Socket paths end at 107 bytes, so not under pytest's long names."""
    path = Path(tempfile.mkdtemp(prefix="sky"))
    path.chmod(0o755)
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)
