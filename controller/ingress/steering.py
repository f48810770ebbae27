"""To whom the kernel gives new connections, while two proxies listen on the same ports.

A Traefik that starts listens first and reads its routes then; left to itself the kernel would give
it half of the visitors at once, and they would see a 404. So the group of listeners gets a program
(``SO_ATTACH_REUSEPORT_CBPF``, socket(7)) that chooses: the one that serves until the new one has
its routes, and the new one from then on, before the old one stops listening.

The program is put on the old one's own sockets (``pidfd_getfd(2)``: Linux 5.6, and the right to
trace it). Where that is not possible nothing is steered. A choice that points to nobody is ignored
by the kernel, so what is left behind by a controller that was killed does no harm.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import socket
import struct
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

FIRST, SECOND = 0, 1
"""The kernel counts listeners in the order in which they came."""
HANDSHAKE, BACKLOG = 0.3, 2.0
"""Seconds for those who were being connected to the old one, and for it to accept them at most."""
POLL = 0.005
_ATTACH, _PIDFD_GETFD = 51, 438
_LISTEN = "0A"
_BACKLOG = slice(24, 28)
"""``tcpi_unacked``: of a listener, those that wait to be accepted."""


class _Instruction(ctypes.Structure):
    _fields_ = (
        ("code", ctypes.c_ushort),
        ("jt", ctypes.c_ubyte),
        ("jf", ctypes.c_ubyte),
        ("k", ctypes.c_uint32),
    )


class _Program(ctypes.Structure):
    _fields_ = (("len", ctypes.c_ushort), ("filter", ctypes.POINTER(_Instruction)))


@dataclass(frozen=True, slots=True)
class Listener:
    """Of a process: which local port, at which place of the kernel's table."""

    address: str
    port: int
    inode: str


class Steering:
    """Holds the old one's listeners by descriptors of our own, until it is closed. successor: the
    place of the new one."""

    def __init__(self, sockets: Collection[socket.socket] = (), successor: int = SECOND) -> None:
        self._sockets = tuple(sockets)
        self._successor = successor

    def __bool__(self) -> bool:
        return bool(self._sockets)

    async def hand_over(self) -> None:
        """All to the new one; done when the old one has accepted whom it was given."""
        if not self._sockets:
            return
        for one in self._sockets:
            with contextlib.suppress(OSError):
                _choose(one, self._successor)
        await asyncio.sleep(HANDSHAKE)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(BACKLOG):
                while any(_waiting(one) for one in self._sockets):  # noqa: ASYNC110 (untold)
                    await asyncio.sleep(POLL)

    def close(self) -> None:
        for one in self._sockets:
            one.close()


def steer(
    pid: int, ports: Collection[int], joined: int | None = None, proc: Path = Path("/proc")
) -> Steering:
    """All new connections to that process, whoever joins it. joined: one that has done so already,
    as when the controller was killed meanwhile. Nothing where the kernel does not let us, or where
    anybody else is on one of those ports. Blocking."""
    sockets: list[socket.socket] = []
    try:
        everybody = [one for one in _listeners(proc) if one.port in ports]
        held = _held(pid, proc)
        own = [(one, held[one.inode]) for one in everybody if one.inode in held]
        if not own or not _alone(own, everybody, {} if joined is None else _held(joined, proc)):
            return Steering()
        place = FIRST if joined is None or _age(pid, proc) <= _age(joined, proc) else SECOND
        for _, descriptor in own:
            sockets.append(_borrowed(pid, descriptor))
            _choose(sockets[-1], place)
    except (OSError, AttributeError):
        Steering(sockets).close()
        return Steering()
    return Steering(sockets, FIRST + SECOND - place)


def _alone(
    own: Collection[tuple[Listener, int]],
    everybody: Collection[Listener],
    beside: Collection[str],
) -> bool:
    """beside: listeners that may be there as well, one at each address."""
    for one, _ in own:
        others = [
            other
            for other in everybody
            if (other.address, other.port) == (one.address, one.port) and other != one
        ]
        if len(others) > 1 or any(other.inode not in beside for other in others):
            return False
    return True


def _age(pid: int, proc: Path) -> int:
    """When it began, in ticks of the kernel's clock."""
    told = (proc / str(pid) / "stat").read_text()
    return int(told.rpartition(")")[2].split()[19])


def _listeners(proc: Path) -> Iterator[Listener]:
    for name in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError), (proc / "net" / name).open() as table:
            next(table, None)
            for line in table:
                fields = line.split()
                if fields[3] == _LISTEN:
                    address, _, port = fields[1].rpartition(":")
                    yield Listener(address, int(port, 16), fields[9])


def _held(pid: int, proc: Path) -> dict[str, int]:
    """inode -> descriptor, of that process's sockets."""
    found: dict[str, int] = {}
    for entry in (proc / str(pid) / "fd").iterdir():
        with contextlib.suppress(FileNotFoundError):
            target = os.readlink(entry)
            if target.startswith("socket:["):
                found[target[8:-1]] = int(entry.name)
    return found


def _borrowed(pid: int, descriptor: int) -> socket.socket:
    process = os.pidfd_open(pid)
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        own = libc.syscall(_PIDFD_GETFD, process, descriptor, 0)
        if own < 0:
            raise OSError(ctypes.get_errno(), "pidfd_getfd")
    finally:
        os.close(process)
    return socket.socket(fileno=own)


def _choose(one: socket.socket, index: int) -> None:
    """A program of one instruction: the answer is that index."""
    instructions = (_Instruction * 1)(_Instruction(0x06, 0, 0, index))
    program = _Program(1, instructions)
    libc = ctypes.CDLL(None, use_errno=True)
    size = ctypes.sizeof(program)
    if libc.setsockopt(one.fileno(), socket.SOL_SOCKET, _ATTACH, ctypes.byref(program), size) != 0:
        raise OSError(ctypes.get_errno(), "SO_ATTACH_REUSEPORT_CBPF")


def _waiting(one: socket.socket) -> int:
    told = one.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 104)
    return int(struct.unpack("=I", told[_BACKLOG])[0])
