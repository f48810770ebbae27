"""Two controllers of one database on one host, each with a state directory of its own: the proxy of
the one that was killed serves on, until that of the other takes its place."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from controller.ingress.binary import find_traefik
from controller.ingress.process import running
from tests.e2e.harness import Program, short_directory, until
from tests.e2e.stage import HOST, Stage, stage
from tests.e2e.visitors import Crowd

pytestmark = [
    pytest.mark.docker,
    pytest.mark.postgres,
    pytest.mark.skipif(find_traefik() is None, reason="Traefik is not here"),
]


@contextmanager
def beside(made: Stage, place: Path) -> Iterator[Program]:
    """A second controller, which waits."""
    env = {**made.program.env, "SKYCTL_DATABASE_URL": made.program.dsn}
    second = Program(place / "second", env=env)
    try:
        yield second.start()
    finally:
        if second.process is not None:
            second.stop()
        second.end_traefik()


def proxies(program: Program) -> list[str]:
    return [proxy.id for proxy in running((program.state_dir / "ingress").resolve())]


def taken_over(made: Stage, dead: Program, heir: Program, domain: str) -> None:
    """The dead one's proxy has given way, and the heir's serves what is declared now."""
    began = time.monotonic()
    until(lambda: heir.metrics()["skyctl_leader"] == 1, seconds=60, what="it leads")
    until(lambda: len(proxies(heir)) == 1, seconds=60, what="its proxy runs")
    until(lambda: not proxies(dead), seconds=60, what="the other proxy has gone")
    print(f"taken over after {time.monotonic() - began:.1f} s")
    made.domain(domain, f"{domain}.example.test")
    made.serves(host=f"{domain}.example.test")


def test_the_proxy_of_the_second_takes_the_place_of_the_first() -> None:
    with short_directory() as place, stage(place, SKYCTL_INGRESS_GRACE="5s") as made:
        first = made.program
        with beside(made, place) as second, Crowd(made.port, HOST) as crowd:
            assert proxies(first)
            assert not proxies(second)
            asked = second.ctl("doctor", "-o", "json")
            checks = {check["name"]: check for check in json.loads(asked.stdout)["checks"]}
            assert checks["ingress ports"]["state"] == "ok", "the proxy is of the same instance"
            first.kill()
            taken_over(made, first, second, "after")
            asked, failed = crowd.tally()
            print(f"{sum(asked.values())} requests, failed: {failed}")
            assert not [why for why in failed if "404" in why or "50" in why], failed
            assert sum(failed.values()) <= 2, failed
            made.update()
            first.start()
            second.kill()
            taken_over(made, second, first, "again")
            made.serves(host="after.example.test")
            crowd.tally()
            made.update()
            asked, failed = crowd.tally()
            assert sum(asked.values()) > 20
            assert not failed, failed
