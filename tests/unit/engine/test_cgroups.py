"""The kernel's files, of both versions, as the kernel documents them."""

from __future__ import annotations

from pathlib import Path

import pytest

from controller.engine.base import Sample
from controller.engine.docker.cgroups import Cgroups
from controller.engine.docker.sampling import told

ID, OTHER = "ab" * 32, "cd" * 32
PID = 4711
TABLE = """\
Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs
    lo: 999       9    0    0    0     0          0         0      999       9    0
  eth0: 1000     10    0    0    0     0          0         0       70       1    0
  eth1:23       10    0    0    0     0          0         0       7       1    0
"""
V1 = {
    "cpu,cpuacct/{}/cpuacct.usage": "2500000000\n",
    "memory/{}/memory.usage_in_bytes": "1000\n",
    "memory/{}/memory.stat": "inactive_file 7\ntotal_cache 900\ntotal_inactive_file 300\n",
    "blkio/{}/blkio.throttle.io_service_bytes_recursive": (
        "8:0 Read 10\n8:0 Write 20\n8:0 Sync 0\n8:0 Total 30\n8:16 Read 1\n8:16 Write 2\nTotal 33\n"
    ),
}
V2 = {
    "{}/cpu.stat": "usage_usec 2500000\nuser_usec 1\nsystem_usec 2\n",
    "{}/memory.current": "1000\n",
    "{}/memory.stat": "anon 600\nfile 400\ninactive_file 300\n",
    "{}/io.stat": "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=0 dios=0\n8:16 rbytes=1 wbytes=2\n",
}
SYSTEMD = f"/system.slice/docker-{ID}.scope"


class Kernel:
    """place: the container's cgroup."""

    def __init__(self, home: Path, place: str, *, unified: bool) -> None:
        self.root, self.proc = home / "cgroup", home / "proc"
        for name, text in (V2 if unified else V1).items():
            self.write(self.root / name.format(place.strip("/")), text)
        if unified:
            self.write(self.root / "cgroup.controllers", "cpu io memory pids\n")
        self.process(place, unified=unified)

    def process(self, place: str, *, unified: bool) -> None:
        lines = ["1:name=systemd:/x", f"5:memory:{place}", f"4:blkio:{place}", "0::/x"]
        lines = [f"0::{place}"] if unified else [f"6:cpu,cpuacct:{place}", *lines]
        self.write(self.proc / str(PID) / "cgroup", "\n".join(lines) + "\n")
        self.write(self.proc / str(PID) / "net" / "dev", TABLE)

    def write(self, path: Path, text: str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)

    def read(self, container: str = ID, pid: int = PID) -> Sample | None:
        return Cgroups(self.root, self.proc).read(container, pid)


@pytest.mark.parametrize("unified", [False, True], ids=["v1", "v2"])
@pytest.mark.parametrize("place", [f"/docker/{ID}", SYSTEMD], ids=["cgroupfs", "systemd"])
def test_what_the_kernel_counts(tmp_path: Path, place: str, unified: bool) -> None:
    found = Kernel(tmp_path, place, unified=unified).read()
    assert found is not None
    assert (found.cpu, found.memory) == (2.5, 700)
    assert (found.network_receive, found.network_transmit) == (1023, 77)
    assert (found.disk_read, found.disk_write) == (11, 22)


def test_groups_that_its_processes_made_are_part_of_it(tmp_path: Path) -> None:
    kernel = Kernel(tmp_path, SYSTEMD, unified=True)
    kernel.process(f"{SYSTEMD}/init.scope", unified=True)
    found = kernel.read()
    assert found is not None
    assert found.cpu == 2.5


@pytest.mark.parametrize("unified", [False, True], ids=["v1", "v2"])
def test_disks_that_are_not_accounted_for_are_not_zero(tmp_path: Path, unified: bool) -> None:
    kernel = Kernel(tmp_path, f"/docker/{ID}", unified=unified)
    for name in ("io.stat", "blkio.throttle.io_service_bytes_recursive"):
        for path in kernel.root.rglob(name):
            path.unlink()
    found = kernel.read()
    assert found is not None
    assert (found.cpu, found.disk_read, found.disk_write) == (2.5, None, None)


@pytest.mark.parametrize("unified", [False, True], ids=["v1", "v2"])
def test_a_process_of_somebody_else_is_not_believed(tmp_path: Path, unified: bool) -> None:
    kernel = Kernel(tmp_path, f"/docker/{ID}", unified=unified)
    assert kernel.read(OTHER) is None
    kernel.process("/user.slice/shell", unified=unified)
    assert kernel.read() is None
    kernel.process(f"/../docker/{ID}", unified=unified)
    assert kernel.read() is None, "seen out of a namespace"


@pytest.mark.parametrize("unified", [False, True], ids=["v1", "v2"])
def test_what_is_gone_or_makes_no_sense_is_not_there(tmp_path: Path, unified: bool) -> None:
    kernel = Kernel(tmp_path, f"/docker/{ID}", unified=unified)
    assert kernel.read(pid=0) is None
    assert kernel.read(pid=PID + 1) is None
    for path in kernel.root.rglob("memory.stat"):
        path.write_text("")
    assert kernel.read() is None
    assert Cgroups(tmp_path / "nowhere", kernel.proc).read(ID, PID) is None


def test_the_engines_own_word() -> None:
    """As Docker 20.10 (cgroup v1) tells it."""
    raw = {
        "read": "2026-11-30T18:00:00.5Z",
        "cpu_stats": {"cpu_usage": {"total_usage": 2_500_000_000}},
        "memory_stats": {"usage": 1000, "stats": {"total_inactive_file": 300}},
        "networks": {"eth0": {"rx_bytes": 1000, "tx_bytes": 70}, "eth1": {"rx_bytes": 23}},
        "blkio_stats": {
            "io_service_bytes_recursive": [{"op": "Read", "value": 11}, {"op": "Total", "value": 9}]
        },
    }
    found = told(raw)
    assert found is not None
    assert (found.cpu, found.memory, found.network_receive) == (2.5, 700, 1023)
    assert (found.network_transmit, found.disk_read, found.disk_write) == (70, 11, 0)


def test_the_engines_word_on_what_has_ended() -> None:
    assert told({"read": "0001-01-01T00:00:00Z", "cpu_stats": {}}) is None
    assert told({}) is None
