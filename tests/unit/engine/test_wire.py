"""The wire against a scripted engine on a real socket: every way a call or a stream can fail."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from aiohttp import web

from controller.engine.docker import DockerEngine, connect
from controller.settings import Settings
from controller.together import together
from resources.errors import UserError
from resources.steps import RemoveContainer, StopContainer
from resources.world import Scope

UNREACHABLE = "CONFIGURATION_ENGINE_UNREACHABLE"
Answer = Callable[[web.Request], Awaitable[web.StreamResponse]]
STEP = {"cause": "test", "container": "c", "container_name": "web"}


@dataclass
class Script:
    """path (without version) -> answer; everything else is an empty list."""

    engine: DockerEngine
    answers: dict[str, Answer] = field(default_factory=dict)
    version: str = "1.43"
    asked: list[str] = field(default_factory=list)
    calls: list[tuple[str, str]] = field(default_factory=list)

    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def reached(self, ending: str, times: int) -> None:
        while sum(path.endswith(ending) for path in self.asked) < times:
            self.news.clear()
            await self.news.wait()

    async def answer(self, request: web.Request) -> web.StreamResponse:
        path = request.path.lstrip("/")
        self.asked.append(path)
        self.news.set()
        if path == "_ping":
            return web.Response(text="OK", headers={"Api-Version": self.version})
        given = self.answers.get(path.partition("/")[2])
        return await given(request) if given else web.json_response([])


@asynccontextmanager
async def script(tmp_path: Path, **settings: float) -> AsyncIterator[Script]:
    socket = tmp_path / "engine.sock"
    calls: list[tuple[str, str]] = []
    engine = await connect(
        Settings(**settings),
        host=f"unix://{socket}",
        environment={},
        observe=lambda operation, code, seconds: calls.append((operation, code)),
    )
    made = Script(engine, calls=calls)
    application = web.Application()
    application.router.add_route("*", "/{path:.*}", made.answer)
    runner = web.AppRunner(application, shutdown_timeout=0.1)
    await runner.setup()
    await web.UnixSite(runner, str(socket)).start()
    try:
        yield made
    finally:
        await engine.close()
        await runner.cleanup()


def says(status: int, message: str) -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        return web.json_response({"message": message}, status=status)

    return answer


async def never(request: web.Request) -> web.StreamResponse:
    await asyncio.Event().wait()
    raise AssertionError


async def cut(request: web.Request) -> web.StreamResponse:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


async def raised(call: Awaitable[object]) -> UserError:
    with pytest.raises(UserError) as caught:
        async with asyncio.timeout(10):
            await call
    return caught.value


async def test_the_version_is_the_newest_that_both_know(tmp_path: Path) -> None:
    async with script(tmp_path) as it:
        await it.engine._reader.networks()
        assert it.asked == ["_ping", "v1.43/networks"]
        it.version = "1.99"
        await it.engine._wire.agree()
        assert it.engine._wire.api_version == "1.45"
        it.version = "1.24"
        error = await raised(it.engine._wire.agree())
        assert (error.code, error.retryable) == ("CONFIGURATION_ENGINE_TOO_OLD", False)


async def test_a_deadline_is_kept_and_observed(tmp_path: Path) -> None:
    async with script(tmp_path, engine_timeout=0.2) as it:
        it.answers["containers/c"] = never
        error = await raised(it.engine.remove_container(RemoveContainer(**STEP)))
        assert (error.code, error.retryable) == (UNREACHABLE, True)
        assert "0.2 s" in error.message
        assert it.calls[-1] == ("remove_container", "timeout")


async def test_a_stop_may_take_its_grace(tmp_path: Path) -> None:
    async with script(tmp_path, engine_timeout=0.2) as it:

        async def slowly(request: web.Request) -> web.StreamResponse:
            await asyncio.sleep(0.5)
            return web.Response(status=204)

        it.answers["containers/c/stop"] = slowly
        await it.engine.stop_container(StopContainer(**STEP, grace=1))
        assert it.calls[-1] == ("stop_container", "204")


async def test_a_lost_reply(tmp_path: Path) -> None:
    async with script(tmp_path) as it:
        it.answers["containers/c"] = cut
        error = await raised(it.engine.remove_container(RemoveContainer(**STEP)))
        assert (error.code, error.retryable) == (UNREACHABLE, True)
        assert it.calls[-1] == ("remove_container", "unreachable")


async def test_nobody_listens(tmp_path: Path) -> None:
    engine = await connect(Settings(), host=f"unix://{tmp_path}/none.sock", environment={})
    error = await raised(engine.list())
    assert (error.code, error.retryable) == (UNREACHABLE, True)
    assert "No such file" in error.message
    await engine.close()


async def test_one_part_of_a_reading_failing_fails_it_all(tmp_path: Path) -> None:
    async with script(tmp_path) as it:
        it.answers["volumes"] = says(500, "boom")
        error = await raised(it.engine.list())
        assert (error.code, error.details["status"]) == ("CONFIGURATION_ENGINE_FAILED", 500)
        await raised(it.engine.read(Scope(uids=frozenset({"u"}))))

        async def partly(request: web.Request) -> web.StreamResponse:
            return web.json_response({"Volumes": None, "Warnings": ["a driver is gone"]})

        it.answers["volumes"] = partly
        assert (await raised(it.engine.list())).details["warnings"] == ["a driver is gone"]


async def test_a_removal_under_way_is_not_a_failure_for_ever(tmp_path: Path) -> None:
    async with script(tmp_path) as it:
        it.answers["containers/c"] = says(409, "removal of container c is already in progress")
        error = await raised(it.engine.remove_container(RemoveContainer(**STEP)))
        assert (error.code, error.retryable) == ("RESOURCE_BUSY", True)
        it.answers["containers/c"] = says(404, "No such container: c")
        await it.engine.remove_container(RemoveContainer(**STEP))
        assert it.calls[-1] == ("remove_container", "404")


async def test_an_answer_that_is_not_the_engine_s(tmp_path: Path) -> None:
    async def proxy(request: web.Request) -> web.StreamResponse:
        return web.Response(text="<html>Welcome to the proxy</html>")

    async with script(tmp_path) as it:
        it.answers["containers/json"] = proxy
        error = await raised(it.engine.list())
        assert error.retryable
        assert "Welcome" in error.message


async def test_a_cancellation_is_not_lost_to_a_failure() -> None:
    """It comes while the other calls are being ended because of the failure."""

    async def fails() -> None:
        raise UserError("IMAGE_NOT_FOUND", "no")

    async def lingers() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0.05)

    async def both() -> None:
        await together(fails(), lingers())

    task = asyncio.ensure_future(both())
    await asyncio.sleep(0.02)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    with pytest.raises(UserError):
        await both()


# ---------------------------------------------------------------- events
def event(name: str) -> bytes:
    actor = {"ID": name, "Attributes": {"name": name}}
    return json.dumps({"Type": "container", "Action": "start", "Actor": actor}).encode() + b"\n"


def speaks(*chunks: bytes, then: str = "end") -> Answer:
    async def answer(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "application/json"})
        await response.prepare(request)
        for chunk in chunks:
            await response.write(chunk)
        if then == "cut":
            assert request.transport is not None
            request.transport.abort()
        elif then == "silence":
            await asyncio.Event().wait()
        return response

    return answer


async def heard(engine: DockerEngine) -> list[str]:
    names = []
    async with asyncio.timeout(10), engine.events() as events:
        async for item in events:
            names.append(item.name)
    return names


async def test_events_come_in_any_pieces_and_end_with_the_stream(tmp_path: Path) -> None:
    async with script(tmp_path) as it:
        whole = event("a") + event("b") + b"\n" + event("c")
        pieces = [whole[i : i + 7] for i in range(0, len(whole), 7)]
        it.answers["events"] = speaks(*pieces)
        assert await heard(it.engine) == ["a", "b", "c"]


async def test_entered_once_the_engine_has_answered(tmp_path: Path) -> None:
    async with script(tmp_path, engine_timeout=0.2) as it:
        it.answers["events"] = never
        with pytest.raises(UserError):
            await heard(it.engine)
        it.answers["events"] = says(500, "boom")
        with pytest.raises(UserError):
            await heard(it.engine)


@pytest.mark.parametrize(
    ("chunks", "then"),
    [
        ((event("a"),), "cut"),
        ((event("a"), b'{"Type": "conta'), "cut"),
        ((event("a"),), "silence"),
        ((event("a"), b"nonsense\n"), "silence"),
    ],
)
async def test_every_other_end_is_an_error(
    tmp_path: Path, chunks: tuple[bytes, ...], then: str
) -> None:
    async with script(tmp_path, engine_silence=0.3) as it:
        it.answers["events"] = speaks(*chunks, then=then)
        names: list[str] = []

        async def listen() -> None:
            async with it.engine.events() as events:
                async for item in events:
                    names.append(item.name)

        error = await raised(listen())
        assert (error.code, error.retryable) == (UNREACHABLE, True)
        assert names == ["a"]


async def test_leaving_early_closes_the_stream(tmp_path: Path) -> None:
    async with script(tmp_path) as it:
        it.answers["events"] = speaks(event("a"), then="silence")
        async with it.engine.events() as events:
            assert (await anext(events)).name == "a"
        assert it.engine._wire.streams.connector is not None
        assert not it.engine._wire.streams.connector._acquired


async def test_many_streams_do_not_starve_calls(tmp_path: Path) -> None:
    async with script(tmp_path) as it:
        it.answers["events"] = speaks(event("a"), then="silence")
        async with asyncio.TaskGroup() as group:
            streams = [group.create_task(heard(it.engine)) for _ in range(100)]
            async with asyncio.timeout(10):
                await it.reached("events", 100)
            async with asyncio.timeout(5):
                await it.engine._reader.networks()
            for stream in streams:
                stream.cancel()


# ---------------------------------------------------------------- logs
def frame(text: bytes) -> bytes:
    return b"\x01\0\0\0" + len(text).to_bytes(4, "big") + text


async def test_a_silent_log_is_followed_as_long_as_its_container_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.engine.docker.logs.SILENCE", 0.05)
    async with script(tmp_path) as it:

        async def there(request: web.Request) -> web.StreamResponse:
            return web.json_response({"Config": {"Tty": False}})

        it.answers["containers/c/json"] = there
        it.answers["containers/c/logs"] = speaks(frame(b"T hello\n"), then="silence")
        async with asyncio.timeout(10):
            lines = it.engine.logs("c", follow=True)
            assert (await anext(lines)).text == "hello"
            async with asyncio.TaskGroup() as group:
                more = group.create_task(anext(lines, None))
                await it.reached("c/json", 4)
                assert not more.done()
                it.answers["containers/c/json"] = says(404, "No such container: c")
            assert more.result() is None


async def test_a_log_cut_off_is_an_error(tmp_path: Path) -> None:
    async with script(tmp_path) as it:

        async def there(request: web.Request) -> web.StreamResponse:
            return web.json_response({"Config": {"Tty": False}})

        it.answers["containers/c/json"] = there
        it.answers["containers/c/logs"] = speaks(frame(b"T hello\n"), then="cut")

        async def read() -> None:
            async for _ in it.engine.logs("c", follow=True):
                pass

        assert (await raised(read())).code == UNREACHABLE
