"""What a container consumed, read from the kernel of this very machine: cgroup v1 or v2.

A process id that the engine told is only believed when that process is, here, in a cgroup that is
named by the container's id (64 random digits). So nothing is read of a stranger: not of a process
that has the number now, nor when the engine is on another machine. Everything is looked up anew
each time.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from pathlib import Path

from controller.engine.base import Sample

CPU, MEMORY, DISK = "cpuacct", "memory", "blkio"
"""Controllers of v1 that are read."""


class Cgroups:
    """root, proc: where the kernel's files are."""

    def __init__(self, root: Path = Path("/sys/fs/cgroup"), proc: Path = Path("/proc")) -> None:
        self._proc = str(proc)
        self._unified = (root / "cgroup.controllers").exists()
        self._mounts = {"": str(root)} if self._unified else _mounts(root)

    def read(self, container: str, pid: int) -> Sample | None:
        """None: it is gone, or is not to be read here."""
        if not pid or not self._mounts:
            return None
        try:
            places = self._places(container, f"{self._proc}/{pid}")
            receive, transmit = _network(_read(f"{self._proc}/{pid}/net/dev"))
            read = _unified if self._unified else _separate
            return Sample(time.monotonic(), *read(places), receive, transmit, *_disk(places))
        except (OSError, LookupError, ValueError):
            return None

    def _places(self, container: str, process: str) -> Mapping[str, str]:
        """Its directory for each controller; '' stands for the unified ones. Raises LookupError
        when the process is another container's, or nobody's."""
        found = {}
        for line in _read(f"{process}/cgroup").decode().splitlines():
            _, controllers, path = line.split(":", 2)
            for controller in controllers.split(","):
                if (mount := self._mounts.get(controller)) is not None:
                    found[controller] = mount + _own(path, container)
        return found


def _mounts(root: Path) -> dict[str, str]:
    """v1: controllers that are mounted together share a directory named after both."""
    there = [path for path in root.glob("*") if path.is_dir()]
    return {c: str(p) for p in there for c in p.name.split(",") if c in (CPU, MEMORY, DISK)}


def _own(path: str, container: str) -> str:
    """The container's own part: its processes may have made groups below."""
    parts = path.split("/")
    for number, part in enumerate(parts):
        if container in part and ".." not in parts:
            return "/".join(parts[: number + 1])
    raise LookupError(path)


def _separate(places: Mapping[str, str]) -> tuple[float, int]:
    """CPU in seconds, memory in bytes; by v1."""
    memory = places[MEMORY]
    cache = _field(_read(f"{memory}/memory.stat"), b"total_inactive_file")
    return (
        int(_read(f"{places[CPU]}/cpuacct.usage")) / 1e9,
        without_cache(int(_read(f"{memory}/memory.usage_in_bytes")), cache),
    )


def _unified(places: Mapping[str, str]) -> tuple[float, int]:
    """The same by v2."""
    place = places[""]
    cache = _field(_read(f"{place}/memory.stat"), b"inactive_file")
    return (
        _field(_read(f"{place}/cpu.stat"), b"usage_usec") / 1e6,
        without_cache(int(_read(f"{place}/memory.current")), cache),
    )


def _disk(places: Mapping[str, str]) -> tuple[int | None, int | None]:
    """Bytes read and written; None: not accounted for here."""
    try:
        if "" in places:
            words = _read(f"{places['']}/io.stat").split()
            return _assigned(words, b"rbytes="), _assigned(words, b"wbytes=")
        lines = _read(f"{places[DISK]}/blkio.throttle.io_service_bytes_recursive").splitlines()
        return _operations(lines, b"Read"), _operations(lines, b"Write")
    except (OSError, LookupError):
        return None, None


def _network(table: bytes) -> tuple[int, int]:
    """Bytes received and sent, by all interfaces but the loopback."""
    receive = transmit = 0
    for line in table.splitlines()[2:]:
        interface, _, counts = line.partition(b":")
        if interface.strip() != b"lo":
            numbers = counts.split()
            receive, transmit = receive + int(numbers[0]), transmit + int(numbers[8])
    return receive, transmit


def without_cache(used: int, cache: int) -> int:
    """Bytes in use without the page cache that the kernel gives back when asked."""
    return used - cache if cache < used else used


def _field(text: bytes, name: bytes) -> int:
    """Of lines like ``name 12``. Raises LookupError."""
    for line in text.splitlines():
        if line.startswith(name + b" "):
            return int(line[len(name) + 1 :])
    raise LookupError(name)


def _assigned(words: Iterable[bytes], name: bytes) -> int:
    return sum(int(word[len(name) :]) for word in words if word.startswith(name))


def _operations(lines: Iterable[bytes], operation: bytes) -> int:
    """Of lines like ``8:0 Read 12``."""
    found = (line.split() for line in lines)
    return sum(int(parts[2]) for parts in found if len(parts) == 3 and parts[1] == operation)


def _read(path: str) -> bytes:
    with open(path, "rb", buffering=0) as file:
        return file.read()
