"""A Docker engine of the test's own, to restart and to kill: the shared one is never touched.

It makes no iptables rules (two engines on one host would overwrite each other's), so it publishes
no ports; bridges and addresses work as everywhere. Its default bridge is one of its own: with
``--bridge=none`` an engine deletes docker0, which belongs to the host's engine.

In a network namespace of its own an engine is alone as on a host of its own: there it makes its
rules and its docker0, and publishes ports.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import httpx

from tests.e2e.harness import until

STARTING = 120.0
"""Seconds within which an engine answers, on a machine that is busy with other things too."""


class PrivateEngine:
    """namespace: of the network, by its name under ``ip netns``; '': the host's."""

    def __init__(self, root: Path, namespace: str = "") -> None:
        self.root = root
        self.namespace = namespace
        self.socket = root / "docker.sock"
        self.process: subprocess.Popen[bytes] | None = None
        digest = hashlib.sha256(str(root).encode()).digest()
        self.bridge = f"skp{digest.hex()[:10]}"
        self.address = f"172.30.{digest[0]}.{digest[1] // 16 * 16 + 1}/28"

    @property
    def host(self) -> str:
        return f"unix://{self.socket}"

    @property
    def within(self) -> list[str]:
        """Words before a command that shall run beside it in its network."""
        return ["nsenter", f"--net=/run/netns/{self.namespace}"] if self.namespace else []

    def start(self) -> None:
        if not self.namespace:
            self._make_bridge()
        deadline = time.monotonic() + STARTING
        while not self._started(deadline):
            assert time.monotonic() < deadline, f"dockerd does not start: {self._last_words()}"

    def _make_bridge(self) -> None:
        for words in (
            ["link", "add", "name", self.bridge, "type", "bridge"],
            ["address", "replace", self.address, "dev", self.bridge],
            ["link", "set", self.bridge, "up"],
        ):
            subprocess.run(["ip", *words], check=False, capture_output=True)

    def _started(self, deadline: float) -> bool:
        """False: it ended by itself, as it does where a killed one's remains are still in the way;
        an init system would start it again."""
        alone = [] if self.namespace else ["--iptables=false", f"--bridge={self.bridge}"]
        with (self.root / "dockerd.log").open("ab") as log:
            self.process = process = subprocess.Popen(
                [
                    *self.within,
                    "dockerd",
                    "-H",
                    self.host,
                    "--data-root",
                    str(self.root / "data"),
                    "--exec-root",
                    str(self.root / "exec"),
                    "--pidfile",
                    str(self.root / "pid"),
                    *alone,
                ],
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        until(
            lambda: process.poll() is not None or self.answers(),
            seconds=deadline - time.monotonic(),
            what="dockerd answers",
        )
        return process.poll() is None

    def _last_words(self) -> str:
        return "\n".join((self.root / "dockerd.log").read_text().splitlines()[-20:])

    def answers(self) -> bool:
        transport = httpx.HTTPTransport(uds=str(self.socket))
        with httpx.Client(transport=transport, base_url="http://docker", timeout=5) as client:
            return client.get("/_ping").status_code == 200

    def bridges(self) -> list[str]:
        """Interfaces of its networks: an engine that ends leaves them on the host."""
        found = [self.bridge]
        transport = httpx.HTTPTransport(uds=str(self.socket))
        with (
            suppress(httpx.HTTPError),
            httpx.Client(transport=transport, base_url="http://docker", timeout=5) as client,
        ):
            for network in client.get("/networks").json():
                name = network["Options"].get("com.docker.network.bridge.name")
                if network["Driver"] == "bridge":
                    found.append(name or f"br-{network['Id'][:12]}")
        return found

    def stop(self) -> None:
        """As at a reboot: a loaded machine sometimes leaves a file system mounted, and the next
        engine could then never remove that container."""
        self._end(signal.SIGTERM)
        _unmount(self.root)

    def kill(self) -> None:
        """``kill -9``: containers keep running under their shims until the next start, which ends
        them and (20.10, without live restore) heeds no restart policy. Its containerd dies with
        it; an engine started before that is over waits for it in vain."""
        file = self.root / "exec" / "containerd" / "containerd.pid"
        companion = Path("/proc") / file.read_text().strip()
        self._end(signal.SIGKILL)
        until(lambda: not companion.exists(), seconds=30, what="containerd is gone")

    def _end(self, number: int) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(60)
            self.process = None
        (self.root / "pid").unlink(missing_ok=True)


@contextmanager
def private_engine(root: Path, namespace: str = "") -> Iterator[PrivateEngine]:
    root.mkdir(parents=True, exist_ok=True)
    engine = PrivateEngine(root, namespace)
    engine.start()
    try:
        yield engine
    finally:
        bridges = [] if namespace else engine.bridges()
        engine.stop()
        for bridge in bridges:
            subprocess.run(["ip", "link", "delete", bridge], check=False, capture_output=True)
        _unmount(root)
        shutil.rmtree(root, ignore_errors=True)


def _unmount(root: Path) -> None:
    """What a killed engine left mounted below its directory."""
    mounts = Path("/proc/self/mounts").read_text().splitlines()
    points = [line.split()[1] for line in mounts if line.split()[1].startswith(f"{root}/")]
    for point in sorted(points, reverse=True):
        subprocess.run(["umount", "-l", point], check=False, capture_output=True)


def root_here() -> bool:
    return os.geteuid() == 0 and shutil.which("dockerd") is not None
