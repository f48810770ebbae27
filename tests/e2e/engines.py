"""A Docker engine of the test's own, to restart and to kill: the shared one is never touched.

It makes no iptables rules (two engines on one host would overwrite each other's), so it publishes
no ports; bridges and addresses work as everywhere.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from tests.e2e.harness import until


class PrivateEngine:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.socket = root / "docker.sock"
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def host(self) -> str:
        return f"unix://{self.socket}"

    def start(self) -> None:
        log = (self.root / "dockerd.log").open("ab")
        self.process = subprocess.Popen(
            [
                "dockerd",
                "-H",
                self.host,
                "--data-root",
                str(self.root / "data"),
                "--exec-root",
                str(self.root / "exec"),
                "--pidfile",
                str(self.root / "pid"),
                "--iptables=false",
                "--bridge=none",
            ],
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        until(self.answers, seconds=60, what="dockerd answers")

    def answers(self) -> bool:
        transport = httpx.HTTPTransport(uds=str(self.socket))
        with httpx.Client(transport=transport, base_url="http://docker", timeout=5) as client:
            return client.get("/_ping").status_code == 200

    def stop(self) -> None:
        """As at a reboot: a loaded machine sometimes leaves a file system mounted, and the next
        engine could then never remove that container."""
        self._end(signal.SIGTERM)
        _unmount(self.root)

    def kill(self) -> None:
        """``kill -9``: containers keep running under their shims and are found again."""
        self._end(signal.SIGKILL)

    def _end(self, number: int) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(60)
            self.process = None
        (self.root / "pid").unlink(missing_ok=True)


@contextmanager
def private_engine(root: Path) -> Iterator[PrivateEngine]:
    root.mkdir(parents=True, exist_ok=True)
    engine = PrivateEngine(root)
    engine.start()
    try:
        yield engine
    finally:
        engine.stop()
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
