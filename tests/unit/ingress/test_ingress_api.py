"""What a proxy says of itself."""

from __future__ import annotations

import pytest
from aiohttp import web

from controller.ingress import api, ports
from controller.ingress.api import Address, Apis, understood
from controller.ingress.base import Marker
from controller.ingress.leaf import marker
from resources.errors import UserError


def test_an_answer_is_understood() -> None:
    told = {
        "routers": {
            "a@file": {"status": "enabled"},
            "b@http": {"status": "disabled", "error": ["no", "never"]},
            "c@file": {"status": "warning"},
            "api@internal": {"status": "enabled"},
        },
        "services": {
            "s@file": {
                "status": "enabled",
                "loadBalancer": {"servers": [{"url": "http://1.1.1.1:1"}, {"url": "http://2"}]},
                "serverStatus": {"http://2": "DOWN"},
            },
            "gone@file": {"status": "disabled", "loadBalancer": {"servers": [{"url": "http://3"}]}},
            "weighted@file": {"status": "enabled", "weighted": {}},
        },
        "tcpServices": {"t@file": {"loadBalancer": {"servers": [{"address": "1.1.1.1:2"}]}}},
        "middlewares": {"d@file": marker("u", "0"), "m@file": {"compress": {}}},
    }
    sight = understood(told)
    assert sight.routers == {"a": "", "b": "no; never", "c": "its status is warning"}
    assert sight.backends == {
        "s": {"http://1.1.1.1:1"},
        "gone": frozenset(),
        "weighted": frozenset(),
        "t": {"tcp://1.1.1.1:2"},
    }
    assert sight.documents == {"d": Marker("u", "0")}


def test_an_address_is_shown_without_its_password() -> None:
    assert Address("http://user:hush@proxy:1/x").shown == "http://proxy:1/x"


async def test_who_does_not_listen_is_told_of_in_the_system_s_words() -> None:
    apis, address = Apis(), Address(f"http://127.0.0.1:{ports.free_port()}")
    try:
        with pytest.raises(UserError, match=r"cannot be asked: Connection refused$"):
            await apis.get(address, "/api/version")
    finally:
        await apis.close()


async def test_an_answer_without_an_end_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(api, "MOST", 1_000_000)

    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 65_536)

    application = web.Application()
    application.router.add_get("/api/version", answer)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.0)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port := ports.free_port()).start()
    apis = Apis()
    try:
        with pytest.raises(UserError, match="1,000,000 bytes"):
            await apis.get(Address(f"http://127.0.0.1:{port}"), "/api/version")
    finally:
        await apis.close()
        await runner.cleanup()
