"""A real registry on loopback that wants a name and a password, and a gate in front of it.

The registry is Debian's, as a process of ours. The gate is what the engine talks to: it hands bytes
through, as slowly as it is told, so that a test can do something in the middle of a pull.
"""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import shutil
import socket
import subprocess
import tempfile
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from tests.e2e.harness import Docker, until
from tests.images import FOREVER, root_filesystem

CHUNK = 32 * 1024
USER = "robert-of-the-registry"


class PrivateRegistry:
    """address: of the gate, as image references begin. pace: bytes per second, None for all."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.pace: float | None = None
        self._inner, self._outer = _free_port(), _free_port()
        self._process: subprocess.Popen[bytes] | None = None
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._gate, daemon=True)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self._outer}"

    def image(self, name: str) -> str:
        return f"{self.address}/{name}"

    def inside(self, name: str) -> str:
        """The same image, by an address behind the gate: who pushes it under that name leaves the
        engine as it is, under the other."""
        return f"127.0.0.1:{self._inner}/{name}"

    def users(self, **passwords: str) -> None:
        """These and no others may pull and push, at once."""
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            import crypt

            salt = crypt.mksalt(crypt.METHOD_BLOWFISH, rounds=16)
        lines = [f"{user}:{crypt.crypt(word, salt)}\n" for user, word in passwords.items()]
        (self.place / "htpasswd").write_text("".join(lines))

    # -- lifetime
    def start(self) -> None:
        configuration = {
            "version": "0.1",
            "log": {"level": "error"},
            "storage": {"filesystem": {"rootdirectory": str(self.place / "data")}},
            "http": {"addr": f"127.0.0.1:{self._inner}", "relativeurls": True},
            "auth": {"htpasswd": {"realm": "test", "path": str(self.place / "htpasswd")}},
        }
        (self.place / "config.yml").write_text(json.dumps(configuration))
        with (self.place / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [_program(), "serve", str(self.place / "config.yml")], stdout=log, stderr=log
            )
        until(self._answers, what="the registry answers")

    def _answers(self) -> bool:
        return httpx.get(f"http://127.0.0.1:{self._inner}/v2/", timeout=5).status_code == 401

    def stop(self) -> None:
        """At once: whoever is fetching from it is cut off."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(10)
            self._process = None

    @contextmanager
    def open(self) -> Iterator[PrivateRegistry]:
        self.users()
        self._thread.start()
        self.start()
        try:
            yield self
        finally:
            self.stop()
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join(10)

    # -- the gate
    def _gate(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(asyncio.start_server(self._through, "127.0.0.1", self._outer))
        self._loop.run_forever()

    async def _through(self, near: asyncio.StreamReader, near_out: asyncio.StreamWriter) -> None:
        with contextlib.closing(near_out), contextlib.suppress(OSError):
            far, far_out = await asyncio.open_connection("127.0.0.1", self._inner)
            with contextlib.closing(far_out):
                ends = [
                    asyncio.ensure_future(self._copy(near, far_out, paced=False)),
                    asyncio.ensure_future(self._copy(far, near_out, paced=True)),
                ]
                await asyncio.wait(ends, return_when=asyncio.FIRST_COMPLETED)
                for end in ends:
                    end.cancel()
                await asyncio.gather(*ends, return_exceptions=True)

    async def _copy(
        self, source: asyncio.StreamReader, sink: asyncio.StreamWriter, *, paced: bool
    ) -> None:
        while chunk := await source.read(CHUNK):
            sink.write(chunk)
            await sink.drain()
            if paced and self.pace is not None:
                await asyncio.sleep(len(chunk) / self.pace)


def push(
    docker: Docker, reference: str, user: str, password: str, extra: int = 1024
) -> tuple[str, str]:
    """Another image of that name, there and not on the engine. extra: bytes of it that nothing can
    compress. Its id and its digest."""
    name, _, tag = reference.rpartition(":")
    stream(
        docker,
        "/images/create",
        params={"fromSrc": "-", "repo": name, "tag": tag, "changes": [FOREVER]},
        content=root_filesystem(os.urandom(extra)),
        headers={"Content-Type": "application/x-tar"},
    )
    id_ = docker.get(f"/images/{reference}/json")["Id"]
    login = json.dumps({"username": user, "password": password}).encode()
    headers = {"X-Registry-Auth": base64.urlsafe_b64encode(login).decode()}
    lines = stream(docker, f"/images/{name}/push", params={"tag": tag}, headers=headers)
    digest = next(line["aux"]["Digest"] for line in lines if "aux" in line)
    forget(docker, id_)
    return str(id_), str(digest)


def forget(docker: Docker, image: str) -> None:
    docker.call("DELETE", f"/images/{image}", params={"force": "1"}, ok=(404, 409))


def stream(docker: Docker, path: str, **options: Any) -> list[dict[str, Any]]:
    """What the engine says line by line. Raises RuntimeError with its error."""
    answer = docker._client.request("POST", path, **options)
    answer.raise_for_status()
    lines = [json.loads(line) for line in answer.text.splitlines() if line.strip()]
    for line in lines:
        if "error" in line:
            raise RuntimeError(line["error"])
    return lines


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _program() -> str:
    """The system's, or Debian's package unpacked beside it."""
    if found := shutil.which("docker-registry"):
        return found
    kept = Path(tempfile.gettempdir()) / f"skypanel-test-registry-{os.getuid()}" / "docker-registry"
    if not kept.exists():
        with tempfile.TemporaryDirectory() as work:
            options: dict[str, Any] = {"check": True, "capture_output": True, "timeout": 120}
            subprocess.run(["apt-get", "download", "docker-registry"], cwd=work, **options)
            package = next(Path(work).glob("*.deb"))
            subprocess.run(["dpkg", "-x", str(package), work], **options)
            kept.parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(Path(work) / "usr" / "bin" / "docker-registry", kept)
    return str(kept)
