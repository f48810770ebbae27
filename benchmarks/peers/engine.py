"""An engine of the benchmark's own, in a network namespace of its own.

There it may have iptables, a docker0 and a swarm without meeting the host's engine. Needs root.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.peers.packages import Absent
from tests.e2e.harness import Docker, short_directory, until


@contextmanager
def own_engine() -> Iterator[str]:
    """The path of its socket. Raises Absent."""
    missing = [p for p in ("dockerd", "nsenter", "ip") if shutil.which(p) is None]
    if os.geteuid() != 0 or missing:
        raise Absent(f"needs {', '.join(missing)}" if missing else "needs root")
    with short_directory() as place, _namespace(f"skybench{os.getpid()}") as namespace:
        log = (place / "log").open("ab")
        process = subprocess.Popen(
            ["nsenter", f"--net={namespace}", "dockerd", "-H", f"unix://{place}/d.sock",
             "--data-root", f"{place}/data", "--exec-root", f"{place}/exec",
             "--pidfile", f"{place}/pid"],
            stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip
        try:
            socket = str(place / "d.sock")
            try:
                until(lambda: Docker(socket).get("/version"), seconds=60, what="dockerd answers")
            except AssertionError as error:
                raise Absent((place / "log").read_text(errors="replace")[-300:]) from error
            yield socket
        finally:
            process.send_signal(signal.SIGTERM)
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(60)
            _unmount(place)


@contextmanager
def _namespace(name: str) -> Iterator[Path]:
    done = subprocess.run(["ip", "netns", "add", name], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Absent(f"no network namespace: {done.stderr.strip()}")
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        yield Path("/run/netns") / name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=False)


def _unmount(root: Path) -> None:
    points = [line.split()[1] for line in Path("/proc/self/mounts").read_text().splitlines()]
    for point in sorted((p for p in points if p.startswith(f"{root}/")), reverse=True):
        subprocess.run(["umount", "-l", point], check=False, capture_output=True)


def lead_swarm(engine: str) -> None:
    """Raises Absent."""
    try:
        Docker(engine).call(
            "POST",
            "/swarm/init",
            json={"ListenAddr": "127.0.0.1:2377", "AdvertiseAddr": "127.0.0.1"},
        )
    except Exception as error:
        raise Absent(f"no swarm: {error}") from error
