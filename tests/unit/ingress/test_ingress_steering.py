"""Who of two listeners on one port gets the connections: against this kernel."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, suppress

import pytest

from controller.ingress.ports import free_port
from controller.ingress.steering import steer

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="Linux's way")
VISITORS = 30


class Stand:
    """Listeners on one port, in the order in which they came."""

    def __init__(self, stack: ExitStack) -> None:
        self.port = free_port()
        self._stack = stack

    def listener(self) -> socket.socket:
        one = self._stack.enter_context(socket.socket())
        one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        one.bind(("127.0.0.1", self.port))
        one.listen(128)
        one.setblocking(False)
        return one

    def visit(self) -> None:
        for _ in range(VISITORS):
            with socket.create_connection(("127.0.0.1", self.port), timeout=5):
                pass


def accepted(one: socket.socket) -> int:
    count = 0
    with suppress(BlockingIOError):
        while True:
            one.accept()[0].close()
            count += 1
    return count


@pytest.fixture
def stand() -> Iterator[Stand]:
    with ExitStack() as stack:
        yield Stand(stack)


async def test_all_go_to_the_old_one_and_then_to_the_new_one(stand: Stand) -> None:
    old = stand.listener()
    steering = steer(os.getpid(), {stand.port})
    assert steering
    new = stand.listener()
    stand.visit()
    assert (accepted(old), accepted(new)) == (VISITORS, 0)
    await steering.hand_over()
    steering.close()
    stand.visit()
    assert (accepted(old), accepted(new)) == (0, VISITORS)
    old.close()
    stand.visit()
    assert accepted(new) == VISITORS


async def test_what_is_left_behind_does_no_harm(stand: Stand) -> None:
    """As by a controller that was killed before it handed over: the old one goes all the same."""
    old = stand.listener()
    steer(os.getpid(), {stand.port}).close()
    new = stand.listener()
    old.close()
    stand.visit()
    assert accepted(new) == VISITORS
    again = steer(os.getpid(), {stand.port})
    assert again
    newest = stand.listener()
    stand.visit()
    assert (accepted(new), accepted(newest)) == (VISITORS, 0)
    again.close()


async def test_one_that_is_not_alone_is_not_steered(stand: Stand) -> None:
    both = stand.listener(), stand.listener()
    steering = steer(os.getpid(), {stand.port})
    assert not steering
    await steering.hand_over()
    stand.visit()
    assert sum(accepted(one) for one in both) == VISITORS


HOLD = """
import socket, sys
one = socket.socket()
one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
one.bind(("127.0.0.1", int(sys.argv[1])))
one.listen(128)
one.settimeout(0.05)
count, said = 0, False
print("there", flush=True)
for line in sys.stdin:
    try:
        while True:
            one.accept()[0].close()
            count += 1
    except TimeoutError:
        print(count, flush=True)
        count = 0
"""


class Holder:
    """A listener in a process of its own."""

    def __init__(self, stack: ExitStack, port: int) -> None:
        command = [sys.executable, "-c", HOLD, str(port)]
        self._process = stack.enter_context(
            subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        )
        stack.callback(self._process.kill)
        self.pid = self._process.pid
        assert self._line() == "there"

    def _line(self) -> str:
        assert self._process.stdout is not None
        return self._process.stdout.readline().strip()

    def accepted(self) -> int:
        assert self._process.stdin is not None
        self._process.stdin.write("\n")
        self._process.stdin.flush()
        return int(self._line())


@pytest.mark.parametrize("to_the_younger", [True, False])
async def test_a_hand_over_that_was_begun_is_finished(stand: Stand, to_the_younger: bool) -> None:
    """Both listen already, and whoever steered them was killed."""
    with ExitStack() as stack:
        both = Holder(stack, stand.port), Holder(stack, stand.port)
        leaves, stays = both if to_the_younger else both[::-1]
        assert not steer(leaves.pid, {stand.port})
        steering = steer(leaves.pid, {stand.port}, stays.pid)
        assert steering
        stand.visit()
        assert (leaves.accepted(), stays.accepted()) == (VISITORS, 0)
        await steering.hand_over()
        steering.close()
        stand.visit()
        assert (leaves.accepted(), stays.accepted()) == (0, VISITORS)
        Holder(stack, stand.port)
        assert not steer(leaves.pid, {stand.port}, stays.pid)


@pytest.mark.parametrize("pid", [1, 2**22 - 1])
def test_a_process_without_that_port_is_left_alone(stand: Stand, pid: int) -> None:
    stand.listener()
    assert not steer(pid, {stand.port})
