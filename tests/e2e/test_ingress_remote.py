"""What Traefiks elsewhere are told by a controller that begins, having lost what it published."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import httpx
import pytest

from controller.ingress.binary import find_traefik
from controller.ingress.ports import free_port
from tests.e2e.harness import short_directory, until
from tests.e2e.stage import HOST, Stage, stage

pytestmark = [
    pytest.mark.docker,
    pytest.mark.postgres,
    pytest.mark.skipif(find_traefik() is None, reason="Traefik is not here"),
]


class Elsewhere:
    """A Traefik's HTTP provider. rules: of the routers, in each answer that it would load."""

    def __init__(self, made: Stage, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/traefik"
        self._token = (made.ingress / "token").read_text().strip()
        self.rules: list[str] = []
        self.refused = 0
        self._over = threading.Event()

    def poll(self) -> None:
        with httpx.Client(headers={"Authorization": f"Bearer {self._token}"}) as client:
            while not self._over.is_set():
                try:
                    answer = client.get(self._url)
                    if answer.status_code == 200:
                        routers = answer.json().get("http", {}).get("routers", {}).values()
                        self.rules.append(" ".join(router["rule"] for router in routers))
                    else:
                        self.refused += 1
                except httpx.HTTPError:
                    pass
                time.sleep(0.02)

    @contextmanager
    def asks(self) -> Iterator[None]:
        thread = threading.Thread(target=self.poll)
        thread.start()
        try:
            yield
        finally:
            self._over.set()
            thread.join()


def test_they_never_lose_a_route_to_a_controller_that_has_lost_its_own() -> None:
    port = free_port()
    with (
        short_directory() as place,
        stage(
            place, SKYCTL_INGRESS_LISTEN=f"127.0.0.1:{port}", SKYCTL_RESYNC_INTERVAL="60s"
        ) as made,
    ):
        other = Elsewhere(made, port)
        with other.asks():
            until(lambda: HOST in other.rules[-1], what="the route is told")
            before = len(other.rules)
            made.program.stop()
            shutil.rmtree(made.ingress / "routes")
            began = time.monotonic()
            made.program.start()
            until(lambda: len(other.rules) > before + 10, seconds=90, what="routes are told again")
            print(
                f"told again after {time.monotonic() - began:.1f} s, refused {other.refused} times"
            )
            shutil.rmtree(made.ingress / "routes")
            refused, before = other.refused, len(other.rules)
            began = time.monotonic()
            until(lambda: other.refused > refused, what="the loss is noticed")
            until(lambda: len(other.rules) > before + 10, seconds=60, what="healed")
            print(f"healed after {time.monotonic() - began:.1f} s")
    assert other.refused
    first = next(i for i, rule in enumerate(other.rules) if HOST in rule)
    lost = [i for i, rule in enumerate(other.rules) if i > first and HOST not in rule]
    assert not lost, (lost, len(other.rules))
