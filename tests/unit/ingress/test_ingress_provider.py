"""Routes for proxies elsewhere."""

from __future__ import annotations

import asyncio
import shutil
import stat
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from controller.ingress import ports, provider
from controller.ingress.files import FilePublisher
from controller.ingress.provider import Provider, merged, token_of
from controller.ingress.traefik import constant
from resources.errors import UserError
from resources.routing.document import Document
from resources.routing.steps import PublishRoutes, WithdrawRoutes


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
        with pytest.raises(UserError, match="holds no token") as caught:
            token_of(path)
        assert "another one is made" in caught.value.suggestions[0]


@pytest.mark.parametrize("content", [b"", b"short", b"\xff\xfe" * 20, b"`) || PathPrefix(`/"])
def test_one_that_nobody_else_knows_is_made_anew(tmp_path: Path, content: bytes) -> None:
    """Else no controller starts, and nothing at all is looked after."""
    path = tmp_path / "api-token"
    path.write_bytes(content)
    token = token_of(path, ours=True)
    assert token_of(path, ours=True) == token_of(path) == token


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


async def test_nobody_else_is_given_what_opens_the_api_of_our_own_traefik(tmp_path: Path) -> None:
    files = FilePublisher(tmp_path / "routes", lambda sealed: sealed.text)
    await files.keep(constant("token"))
    async with remote(files, lambda: True) as ask:
        status, told = await ask()
        assert status == 200
        assert "routers" not in told["http"]
        assert told["http"]["middlewares"]
        await files.keep(constant("token", ["a.example.com"]))
        assert routers(await ask()) == {"skyctl-order-0"}


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
