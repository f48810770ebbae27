"""Static configuration, remote provider, ports, doctor."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import stat
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from controller.cli.doctor import traefik as doctor
from controller.cli.doctor.check import Check
from controller.clock import SystemClock
from controller.engine.platform_containers import PlatformContainer
from controller.ingress import api, ports, provider
from controller.ingress.alive import OPTION, Alive, Ours
from controller.ingress.api import Address, Apis, understood
from controller.ingress.base import Marker
from controller.ingress.container import ContainerRunner
from controller.ingress.files import FilePublisher
from controller.ingress.leaf import marker
from controller.ingress.process import ProcessRunner, acme_environment, running, still
from controller.ingress.provider import Provider, merged, token_of
from controller.ingress.supervisor import ProxySupervisor
from controller.ingress.traefik import Start, constant, has_resolver, static
from controller.settings import Settings, load_settings
from resources.errors import UserError
from resources.labels import L_CONTROLLER, L_REVISION
from resources.routing.document import Document
from resources.routing.steps import PublishRoutes, WithdrawRoutes


def settings(**given: Any) -> Settings:
    return Settings(state_dir=Path("/state"), **given)


def configured(**given: Any) -> dict[str, Any]:
    return static(settings(**given), Start(Path("/state/ingress"), 9000))


# -- static configuration


def test_nothing_is_reported_to_anybody_and_the_api_is_not_open() -> None:
    found = configured()
    assert found["global"] == {"checkNewVersion": False, "sendAnonymousUsage": False}
    assert found["api"] == {"dashboard": False, "debug": False, "insecure": False}
    assert found["entryPoints"]["skyctl"] == {"address": "127.0.0.1:9000"}
    assert found["metrics"]["prometheus"]["manualRouting"] is True
    routers = constant("token")["http"]["routers"]
    assert all(router["entryPoints"] == ["skyctl"] for router in routers.values())
    assert all("`Bearer token`" in router["rule"] for router in routers.values())


def test_each_order_is_a_router_of_its_own_that_nobody_gets_to() -> None:
    """Of several names in one, Traefik drops those that a wildcard among them covers."""
    routers = constant("token", ["b.example.com", "*.example.com"])["http"]["routers"]
    wild, exact = routers["skyctl-order-0"], routers["skyctl-order-1"]
    assert exact["rule"] == "Host(`b.example.com`) && Path(`/.well-known/skyctl-order`)"
    assert [each["tls"]["domains"] for each in (wild, exact)] == [
        [{"main": "*.example.com"}],
        [{"main": "b.example.com"}],
    ]
    assert {each["priority"] for each in (wild, exact)} == {1}


def test_headers_that_pass_for_others_are_not_passed_on() -> None:
    strategy = {"aliasHeadersStrategy": "delete"}
    assert configured()["entryPoints"]["websecure"]["http"] == strategy
    assert "http" not in configured(ingress_alias_headers="")["entryPoints"]["web"]


def test_a_vanished_container_is_given_up_soon_and_changes_are_applied_at_once() -> None:
    found = configured(ingress_dial_timeout=0.3, ingress_idle_timeout="2s")
    timeouts = found["serversTransport"]["forwardingTimeouts"]
    assert timeouts == {"dialTimeout": "300ms", "idleConnTimeout": "2000ms"}
    assert found["providers"]["providersThrottleDuration"] == "100ms"
    assert found["providers"]["file"] == {"directory": "/state/ingress/routes", "watch": True}


def test_entry_points_are_where_the_settings_say() -> None:
    found = configured(http_port=8080, https_port=8443, ingress_address="::1")["entryPoints"]
    assert (found["web"]["address"], found["websecure"]["address"]) == ("[::1]:8080", "[::1]:8443")
    assert configured()["entryPoints"]["web"]["address"] == ":80"


def test_there_is_no_access_log_unless_asked_for() -> None:
    assert "accessLog" not in configured()
    found = configured(ingress_access_log=True)["accessLog"]
    assert found["filePath"] == "/state/ingress/access.log"


@pytest.mark.parametrize(
    ("given", "challenge"),
    [
        ({}, {"httpChallenge": {"entryPoint": "web"}}),
        ({"acme_challenge": "tls"}, {"tlsChallenge": {}}),
        (
            {
                "acme_challenge": "dns",
                "acme_dns_provider": "exec",
                "domain_resolvers": "127.0.0.1:53, 9.9.9.9",
            },
            {"dnsChallenge": {"provider": "exec", "resolvers": ["127.0.0.1:53", "9.9.9.9"]}},
        ),
    ],
)
def test_certificates_are_ordered_as_the_settings_say(
    given: dict[str, Any], challenge: dict[str, Any]
) -> None:
    given |= {"acme_email": "a@example.com", "acme_ca_file": "/ca.pem", "acme_server": "https://ca"}
    assert configured(**given)["certificatesResolvers"] == {
        "letsencrypt": {
            "acme": {
                "storage": "/state/ingress/acme.json",
                "email": "a@example.com",
                "caServer": "https://ca",
                "caCertificates": ["/ca.pem"],
                **challenge,
            }
        }
    }


def test_nothing_is_ordered_without_an_account_or_a_server() -> None:
    assert "certificatesResolvers" not in configured()
    assert not has_resolver(settings())
    assert has_resolver(settings(acme_server="https://ca"))


@pytest.mark.parametrize("name", ["exa mple.com", "a..b", "-a.b", "`x`", "a/b", "*.x"])
def test_a_default_domain_is_a_domain(name: str) -> None:
    with pytest.raises(UserError):
        load_settings({"SKYCTL_DEFAULT_DOMAIN": name})
    assert load_settings({"SKYCTL_DEFAULT_DOMAIN": "Apps.LocalHost."}).default_domain == (
        "apps.localhost"
    )


# -- what a proxy says


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


# -- remote proxies


def test_documents_are_merged() -> None:
    one = {"http": {"routers": {"a": {"rule": "1"}}}, "tls": {"certificates": [1]}}
    two = {"http": {"routers": {"b": {}}, "services": {"s": {}}}, "tls": {"certificates": [2]}}
    three = {"http": {"routers": {"a": {"rule": "stolen"}}}}
    assert merged([one, two, three]) == {
        "http": {"routers": {"a": {"rule": "1"}, "b": {}}, "services": {"s": {}}},
        "tls": {"certificates": [1, 2]},
    }
    assert one["tls"] == {"certificates": [1]}


def test_a_token_is_made_once(tmp_path: Path) -> None:
    path = tmp_path / "ingress" / "token"
    token = token_of(path)
    assert token_of(path) == token
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for content in (b"short", b"\xff\xfe" * 20, b"a\0" * 20):
        path.write_bytes(content)
        with pytest.raises(UserError, match="holds no token"):
            token_of(path)


@pytest.mark.parametrize("content", [b"NAME=\xff", b"NAME=a\0b", b"=value", None])
def test_an_environment_file_that_is_none_is_refused(tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / "acme.env"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match="SKYCTL_ACME_ENVIRONMENT_FILE"):
        acme_environment(settings(acme_environment_file=path))


def test_lines_of_the_environment_file(tmp_path: Path) -> None:
    path = tmp_path / "acme.env"
    path.write_text("# comment\n\nCF_TOKEN=a=b\n OTHER = x\n")
    found = acme_environment(settings(acme_environment_file=path))
    assert found == {"CF_TOKEN": "a=b", "OTHER": " x"}


@asynccontextmanager
async def remote(files: FilePublisher, whole: Callable[[], bool]) -> AsyncIterator[Any]:
    """What asks the HTTP provider with that token: the status and the answer."""
    port = ports.free_port()
    told = Provider(f"127.0.0.1:{port}", "t" * 20, files.contents, whole)
    serving = asyncio.create_task(told.run())

    async def ask(token: str = "t" * 20) -> tuple[int, Any]:
        headers = {"Authorization": f"Bearer {token}"}
        url = f"http://127.0.0.1:{port}/traefik"
        async with asyncio.timeout(10), aiohttp.ClientSession(headers=headers) as session:
            while True:
                try:
                    async with session.get(url) as answer:
                        good = answer.status == 200
                        return answer.status, await (answer.json() if good else answer.text())
                except aiohttp.ClientConnectionError:
                    await asyncio.sleep(0.02)

    try:
        yield ask
    finally:
        serving.cancel()
        await asyncio.gather(serving, return_exceptions=True)


def document(number: int, rule: str = "Host(`a`)") -> PublishRoutes:
    content = {"http": {"routers": {f"r{number}": {"rule": rule}}}}
    name = f"domain_acme_d{number}_{number:08}"
    return PublishRoutes(document=Document(f"{number:08}-x", name, content), cause="test")


def routers(answer: tuple[int, Any]) -> set[str]:
    assert answer[0] == 200, answer
    return set(answer[1]["http"]["routers"])


async def test_who_has_the_token_is_given_the_routes(tmp_path: Path) -> None:
    files = FilePublisher(tmp_path / "routes", lambda sealed: sealed.text)
    await files.publish(document(1))
    async with remote(files, lambda: True) as ask:
        assert routers(await ask()) == {"r1"}
        assert (await ask("wrong"))[0] == (await ask("\xff"))[0] == 401


async def test_nobody_is_given_the_routes_before_all_were_looked_at(tmp_path: Path) -> None:
    files, whole = FilePublisher(tmp_path / "routes", lambda sealed: sealed.text), False
    await files.publish(document(1))
    async with remote(files, lambda: whole) as ask:
        assert (await ask())[0] == 503
        whole = True
        assert routers(await ask()) == {"r1"}


async def test_routes_that_nobody_changed_are_not_rendered_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    files, rendered = FilePublisher(tmp_path / "routes", lambda sealed: sealed.text), 0

    def counting(documents: Any) -> dict[str, Any]:
        nonlocal rendered
        rendered += 1
        return merged(documents)

    monkeypatch.setattr(provider, "merged", counting)
    await files.publish(document(1))
    async with remote(files, lambda: True) as ask:
        for _ in range(3):
            assert routers(await ask()) == {"r1"}
        assert rendered == 1
        await files.publish(document(2))
        assert routers(await ask()) == {"r1", "r2"}
        await files.withdraw(WithdrawRoutes(uid=document(1).document.uid, name="x", cause="test"))
        assert routers(await ask()) == {"r2"}
        assert rendered == 3


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


@pytest.mark.parametrize("harm", ["directory", "file", "edit"])
async def test_what_was_lost_is_missed_by_nobody_elsewhere(tmp_path: Path, harm: str) -> None:
    """An answer without it would take it from all of them."""
    files = FilePublisher(tmp_path / "routes", lambda sealed: sealed.text)
    both = document(1), document(2)
    for step in both:
        await files.publish(step)
    async with remote(files, lambda: True) as ask:
        assert routers(await ask()) == {"r1", "r2"}
        path = files.directory / f"{both[0].document.name}.yml"
        match harm:
            case "directory":
                shutil.rmtree(files.directory)
            case "file":
                path.unlink()
            case "edit":
                path.write_text(path.read_text().replace("Host", "host"))
        assert (await ask())[0] == 503
        await files.keep(constant("x"))
        assert (await ask())[0] == 503
        for step in both:
            await files.publish(step)
        assert routers(await ask()) >= {"r1", "r2"}
        await files.withdraw(WithdrawRoutes(uid=both[1].document.uid, name="x", cause="test"))
        assert "r2" not in routers(await ask())


# -- ports and processes


@pytest.fixture
def taken() -> Iterator[int]:
    with closing(socket.socket()) as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield int(other.getsockname()[1])


def test_a_port_that_another_has_is_told(taken: int) -> None:
    with pytest.raises(UserError) as caught:
        ports.require("127.0.0.1", taken, "SKYCTL_HTTP_PORT")
    assert caught.value.code == "CONFIGURATION_PORT_IN_USE"
    with pytest.raises(UserError):
        ports.require("", taken, "SKYCTL_HTTP_PORT")
    ports.require("127.0.0.1", ports.free_port(), "SKYCTL_HTTP_PORT")


def supervisor(
    told: Settings, find: Callable[[], Path | None], *, wanted: bool = True
) -> ProxySupervisor:
    return ProxySupervisor(
        told, ProcessRunner(told, find), "token", Apis(), SystemClock(), wanted=lambda: wanted
    )


async def turned(one: ProxySupervisor) -> ProxySupervisor:
    async with asyncio.TaskGroup() as group:
        await one.turn(group)
    return one


async def test_no_proxy_is_started_on_a_port_that_another_has(taken: int, tmp_path: Path) -> None:
    told = Settings(state_dir=tmp_path, ingress_address="127.0.0.1", http_port=taken)
    found = await turned(supervisor(told, lambda: Path("/bin/false")))
    assert f"port {taken}" in found.problem
    assert found.addresses() == ()


async def test_nothing_is_started_while_nobody_wants_it(tmp_path: Path) -> None:
    def find() -> Path | None:
        raise AssertionError("looked for the program")

    await turned(supervisor(Settings(state_dir=tmp_path), find, wanted=False))
    assert not os.listdir(tmp_path)


@pytest.mark.parametrize(
    ("program", "words"),
    [(None, "no Traefik here"), ("/bin/false", "does not start"), ("/etc/passwd", "started")],
)
async def test_a_program_that_cannot_run_is_told(
    program: str | None, words: str, tmp_path: Path
) -> None:
    told = Settings(
        state_dir=tmp_path,
        ingress_address="127.0.0.1",
        http_port=ports.free_port(),
        https_port=ports.free_port(),
    )
    told.ingress_dir.mkdir()
    path = Path(program) if program is not None else None
    assert words in (await turned(supervisor(told, lambda: path))).problem


INSTANCE = "0b54a3f0-6b1e-4c9d-9a53-0c7a3a0f1f11"


def test_only_a_proxy_of_this_directory_or_this_instance_is_ours(tmp_path: Path) -> None:
    assert running(tmp_path) == []
    assert not still(Alive("1", "ab", 9000, tmp_path))
    ours = Ours(tmp_path, INSTANCE)

    def found(path: Path | str) -> Alive | None:
        return ours.started_with("7", ["--log", f"{OPTION}{path}"])

    name = ours.file_name("ab", 9000)
    assert found(tmp_path / name) == Alive("7", "ab", 9000, tmp_path)
    assert found(f"/other/{name}") == Alive("7", "ab", 9000, Path("/other"))
    assert found(tmp_path / "static-ab-9000.yml") == Alive("7", "ab", 9000, tmp_path)
    strangers = (
        "static-ab-9000.yml",
        f"static-{INSTANCE[:-1]}2-ab-9000.yml",
        f"{name}.x",
        "static-",
    )
    assert [found(f"/other/{stranger}") for stranger in strangers] == [None] * len(strangers)
    assert Ours(tmp_path).started_with("7", [f"{OPTION}/other/{name}"]) is None


async def test_no_descriptor_is_left_when_nobody_can_wait(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    loop = asyncio.get_running_loop()

    def refuse(*_: Any) -> None:
        raise OSError("too many")

    monkeypatch.setattr(loop, "add_reader", refuse)
    before = len(os.listdir("/proc/self/fd"))
    with pytest.raises(OSError, match="too many"):
        await ProcessRunner(Settings(state_dir=tmp_path)).ended(Alive(str(os.getpid()), "ab", 9000))
    assert len(os.listdir("/proc/self/fd")) == before


@pytest.mark.parametrize(
    ("state", "runs"), [("running", True), ("restarting", True), ("paused", True), ("dead", False)]
)
async def test_a_container_that_has_its_ports_runs(tmp_path: Path, state: str, runs: bool) -> None:
    path = Ours(tmp_path / "theirs", INSTANCE).file_name("ab", 9000)

    class One:
        async def list(self, labels: Any) -> list[PlatformContainer]:
            assert labels[L_CONTROLLER] == INSTANCE
            return [PlatformContainer("1", "x", state, {L_REVISION: f"{tmp_path}/theirs/{path}"})]

    runner = ContainerRunner(Settings(state_dir=tmp_path), One(), INSTANCE)  # type: ignore[arg-type]
    assert await runner.running() == ([Alive("1", "ab", 9000, tmp_path / "theirs")] if runs else [])


# -- doctor


def by_name(checks: list[Check]) -> dict[str, Check]:
    return {check.name: check for check in checks}


async def test_the_doctor_names_a_port_that_is_taken(taken: int, tmp_path: Path) -> None:
    base = {"state_dir": tmp_path, "ingress_address": "127.0.0.1", "https_port": ports.free_port()}
    found = by_name(await doctor.examine(Settings(http_port=taken, **base), None))
    assert found["ingress ports"].state == "note"
    asked = Settings(http_port=taken, default_domain="apps.localhost", **base)
    found = by_name(await doctor.examine(asked, None))
    assert (found["ingress ports"].state, str(taken) in found["ingress ports"].message) == (
        "problem",
        True,
    )
    free = Settings(http_port=ports.free_port(), **base)
    found = by_name(await doctor.examine(free, None))
    assert found["ingress ports"].state == "ok"


async def test_the_doctor_asks_external_proxies(tmp_path: Path) -> None:
    url = f"http://user:hush@127.0.0.1:{ports.free_port()}"
    told = Settings(state_dir=tmp_path, ingress="external", ingress_apis=url)
    (check,) = await doctor.examine(told, None)
    assert check.state == "problem"
    assert "hush" not in json.dumps([check.message, *check.suggestions])


async def test_the_doctor_looks_at_how_certificates_are_ordered(tmp_path: Path) -> None:
    base = {"state_dir": tmp_path, "ingress_address": "127.0.0.1", "https_port": ports.free_port()}
    for given, state in (
        ({}, "note"),
        ({"acme_email": "a@b.c"}, "warning"),
        ({"acme_email": "a@b.c", "acme_challenge": "dns"}, "problem"),
        (
            {"acme_email": "a@b.c", "acme_challenge": "dns", "acme_dns_provider": "exec"},
            "ok",
        ),
    ):
        told = Settings(http_port=ports.free_port(), **base, **given)
        assert by_name(await doctor.examine(told, None))["certificates"].state == state
