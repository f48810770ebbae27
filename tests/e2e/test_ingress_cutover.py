"""The ingress alone, with a real Traefik: servers are exchanged under load and nobody notices.

What a Service's plan does with containers is done here by hand with two small servers: published
beside the old one, seen, left out, seen to be gone, drained, stopped.
"""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from controller.ingress.binary import find_traefik
from controller.ingress.ports import free_port
from controller.ingress.process import running, still
from controller.settings import Settings
from tests.e2e.ingress_bed import SERVICE, Bed, Load, Server, until
from tests.fakes.traefik import stop_all

pytestmark = pytest.mark.skipif(find_traefik() is None, reason="Traefik is not here")

FULL = bool(os.environ.get("SKYCTL_TORTURE"))
EXCHANGES = 20 if FULL else 4
REPLACEMENTS = 20 if FULL else 3


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[Bed]:
    settings = Settings(
        state_dir=tmp_path,
        ingress="process",
        ingress_address="127.0.0.1",
        http_port=free_port(),
        https_port=free_port(),
        ingress_idle_timeout=1.0,
        ingress_grace=5.0,
    )
    try:
        yield Bed(settings)
    finally:
        stop_all(settings.ingress_dir)


async def test_servers_are_exchanged_and_no_request_fails(bed: Bed) -> None:
    servers = [Server(0)]
    await servers[0].start()
    load = Load(bed.settings.http_port)
    async with bed.led():
        await bed.exchange([servers[0].url])
        await bed.route()
        async with load.upon():
            for number in range(1, EXCHANGES + 1):
                servers.append(Server(number))
                await servers[-1].start()
                await bed.exchange([servers[-2].url, servers[-1].url])
                await bed.exchange([servers[-1].url])
                await servers[-2].stop()
                await bed.route("/page" if number % 2 else "/")
    await servers[-1].stop()
    print(f"\n{EXCHANGES} exchanges: {load.told()}; by server {dict(load.answers)}")
    assert not load.failures, load.failures[:5]
    assert len(load.answers) == EXCHANGES + 1


async def test_a_proxy_outlives_its_controller_and_a_changed_setting(bed: Bed) -> None:
    """One that nobody keeps goes on serving, and is taken over by a controller that comes back. A
    setting is changed by a second one on the same ports, which nobody is sent to before it has
    loaded its routes. A visitor who sends a body on a kept connection in the very moment in which
    the first closes it is cut off, as HTTP/1.1 has it."""
    server = Server(0)
    await server.start()
    load = Load(bed.settings.http_port)
    async with bed.led():
        await bed.exchange([server.url])
        await bed.route()
    home = bed.settings.ingress_dir
    (first,) = running(home)
    async with load.upon():
        await until(lambda: load.answers["0"] > 50, "it does not serve without a controller")
        async with bed.led():
            await until(lambda: SERVICE in bed.world.serving, "nothing is known of what is served")
            assert [proxy.id for proxy in running(home)] == [first.id]
        for number in range(1, REPLACEMENTS + 1):
            (last,) = running(bed.settings.ingress_dir)
            changed = {"ingress_dial_timeout": 0.5 + number / 10}
            bed.settings = bed.settings.model_copy(update=changed)
            async with bed.led():
                await until(lambda last=last: not still(last), "the one before stays")
                assert len(running(home)) == 1
                before = load.answers["0"]
                await until(lambda before=before: load.answers["0"] > before + 50, "it is silent")
    await server.stop()
    print(f"\n{REPLACEMENTS} replacements: {load.told()}")
    assert not [said for said in load.failures if said[-3:].isdigit()], load.failures
    assert len(load.failures) <= REPLACEMENTS, load.failures


async def test_one_that_dies_is_started_again(bed: Bed) -> None:
    server = Server(0)
    await server.start()
    load = Load(bed.settings.http_port)
    async with bed.led():
        await bed.exchange([server.url])
        await bed.route()
        (first,) = running(bed.settings.ingress_dir)
        os.kill(int(first.id), signal.SIGKILL)
        await until(
            lambda: any(p != first for p in running(bed.settings.ingress_dir)), "none is started"
        )
        await until(lambda: bed.gateway.mirror.problem == "", "it does not answer")
        async with load.upon():
            await until(lambda: load.answers["0"] > 10, "it does not serve")
    await server.stop()
