"""CPU and memory of processes, as the kernel counts them. Robust where wall time is noisy."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from pathlib import Path

_TICK = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


@dataclass(frozen=True, slots=True)
class Usage:
    """Seconds of CPU since the start: of the controller, and of its PostgreSQL."""

    controller: float
    database: float

    def __sub__(self, other: Usage) -> Usage:
        return Usage(self.controller - other.controller, self.database - other.database)


def usage(controller: int, postmaster: int) -> Usage:
    return Usage(cpu(controller), tree(postmaster))


def cpu(pid: int) -> float:
    """User and system time of all threads, in seconds, to the nanosecond."""
    return time.clock_gettime((~pid << 3) | 2)  # the kernel's name for that process' clock


def tree(pid: int) -> float:
    """With the children, also those that ended meanwhile (these in hundredths)."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    total = cpu(pid) + sum(int(field) for field in fields[13:15]) / _TICK
    for child in children(pid):
        try:
            total += cpu(child)
        except OSError:
            continue
    return total


def children(pid: int) -> list[int]:
    found = []
    for task in Path(f"/proc/{pid}/task").iterdir():
        found += [int(word) for word in (task / "children").read_text().split()]
    return found


def resident(pid: int) -> int:
    """Bytes."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * _PAGE
