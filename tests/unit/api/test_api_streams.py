"""Streams and the exec socket, read as a client does."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import Any
from urllib.parse import urlencode

import httpx
import pytest
from websockets.sync.client import unix_connect

from controller.engine.base import PullProgress
from resources.meta import Key, Manifest
from resources.observed import Container
from tests.unit.site import Site

Lines = Iterator[dict[str, Any]]


@contextmanager
def lines(http: httpx.Client, path: str, **query: Any) -> Iterator[Lines]:
    with http.stream("GET", f"/v1{path}", params=query) as response:
        assert response.status_code == 200, response.read()
        assert response.headers["content-type"] == "application/x-ndjson"
        yield (json.loads(line) for line in response.iter_lines() if line)


def until(found: Lines, type_: str) -> dict[str, Any]:
    return next(line for line in found if line["type"] == type_)


def test_watch_shows_what_is_there_then_what_changes(http: httpx.Client, site: Site) -> None:
    key = site.service("seen")
    with lines(http, "/watch", kind="svc", organization="seen") as found:
        assert next(found)["resource"]["metadata"]["name"] == "web"
        assert next(found) == {"type": "synced"}
        site.apply(Manifest(key, {"image": "nginx:1", "replicas": 2}))
        assert until(found, "modified")["resource"]["metadata"]["generation"] == 2
        site.call(site.store.delete(key, source="api"))
        gone = until(found, "deleted")["resource"]
        assert gone["metadata"]["uid"]


def test_watch_of_several_names_and_labels(http: httpx.Client, site: Site) -> None:
    site.service("many", "a")
    site.service("many", "b")
    site.service("many", "c")
    with lines(http, "/watch", kind="svc", name=["a", "b"], organization="many") as found:
        names = [next(found)["resource"]["metadata"]["name"] for _ in range(2)]
        assert sorted(names) == ["a", "b"]
        assert next(found)["type"] == "synced"


def test_watch_outlives_the_store(http: httpx.Client, site: Site) -> None:
    with lines(http, "/watch", organization="nobody") as found:
        assert next(found)["type"] == "synced"
        site.database.available = False
        try:
            assert until(found, "error")["error"]["code"] == "CONFIGURATION_STORE_UNAVAILABLE"
        finally:
            site.database.available = True
        site.apply(Manifest(Key("Organization", "", "nobody"), {}))
        assert until(found, "added")["resource"]["metadata"]["name"] == "nobody"


def test_watch_with_pulls(http: httpx.Client, site: Site) -> None:
    with lines(http, "/watch", organization="none", pulls="true") as found:
        assert next(found)["type"] == "synced"
        site.do(lambda: site.controller.pulls.publish(PullProgress("x:1", "Downloading", 5, 10)))
        assert until(found, "pull") == {
            "type": "pull", "reference": "x:1", "status": "Downloading", "current": 5, "total": 10,
            "layers": 0, "layersDone": 0, "organization": None,
        }  # fmt: skip
        theirs = ("x:1", "acme", "registry", "0")
        site.do(lambda: site.controller.pulls.publish(PullProgress("x:1", "d", pull=theirs)))
        site.do(lambda: site.controller.pulls.publish(PullProgress("y:1", "d")))
        assert until(found, "pull")["reference"] == "y:1"


def test_events_follow(http: httpx.Client, site: Site) -> None:
    key = site.service("eventful")
    query = {"kind": "svc", "name": "web", "organization": "eventful"}
    with lines(http, "/events/follow", tail=1, **query) as found:
        assert next(found)["event"]["uid"] == site.database.entries[key].resource.uid
        site.call(site.store.adopt(key, source="sql"))
        assert next(found)["event"]["reason"] == "Adopted"


def test_events_of_what_is_gone(http: httpx.Client, site: Site) -> None:
    key = site.service("former")
    site.call(site.store.delete(key, source="api"))
    site.until(lambda: key not in site.database.entries)
    query = {"kind": "svc", "name": "web", "organization": "former"}
    found = http.get("/v1/events", params=query).json()["items"]
    assert {event["name"] for event in found} == {"web"}


def container_of(site: Site, key: Key) -> str:
    uid = site.database.entries[key].resource.uid
    return site.do(lambda: site.engine.world.containers_of(uid)[0].id)


def say(site: Site, container: str, second: int, text: str) -> None:
    time = f"2026-01-01T00:00:{second:02}.000000000Z"
    site.do(lambda: site.engine.machine.lives[container].logs.append(("stdout", time, text)))


def test_logs_name_their_containers(http: httpx.Client, site: Site) -> None:
    key = site.service("logged")
    say(site, container_of(site, key), 1, "hello")
    with lines(http, "/resources/svc/web/logs", organization="logged") as found:
        first, second = list(found)
    assert first["type"] == "container"
    assert first["container"] == second["container"]
    assert (second["ordinal"], second["stream"], second["text"]) == (0, "stdout", "hello")


def test_followed_logs_repeat_nothing(http: httpx.Client, site: Site) -> None:
    key = site.service("followed")
    container = container_of(site, key)
    say(site, container, 1, "one")
    with lines(http, "/resources/svc/web/logs", organization="followed", follow="true") as found:
        assert until(found, "line")["text"] == "one"
        say(site, container, 2, "two")
        assert until(found, "line")["text"] == "two"


def test_followed_logs_take_new_containers_in(http: httpx.Client, site: Site) -> None:
    key = site.service("joined")
    with lines(http, "/resources/svc/web/logs", organization="joined", follow="true") as found:
        assert until(found, "container")["ordinal"] == 0
        site.apply(Manifest(key, {"image": "nginx:1", "replicas": 2}))
        assert until(found, "container")["ordinal"] == 1


def test_the_run_before_the_present_one_and_no_other(http: httpx.Client, site: Site) -> None:
    key = site.service("crashing")
    container = container_of(site, key)

    def found() -> Container:
        return site.do(lambda: site.engine.world.containers[container])

    def run(text: str) -> None:
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f") + "000Z"
        site.do(lambda: site.engine.machine.lives[container].logs.append(("stdout", now, text)))
        before = found()
        site.do(lambda: site.engine.hand.crash(before.name, 3))
        site.until(lambda: found().running and found().restarts > before.restarts)

    for text in ("first", "second", "third"):
        run(text)
    path = "/resources/svc/web/logs"
    with lines(http, path, organization="crashing", previous="true") as told:
        assert [each["text"] for each in told if each["type"] == "line"] == ["third"]


def test_the_last_words_of_a_removed_container(http: httpx.Client, site: Site) -> None:
    key = site.service("replaced", terminationGracePeriod="1s")
    before = container_of(site, key)
    say(site, before, 1, "about to go")
    site.apply(Manifest(key, {"image": "nginx:2", "update": {"order": "stopFirst"}}))
    site.until(lambda: site.settled(key) and container_of(site, key) != before)
    path, organization = "/resources/svc/web/logs", "replaced"
    with lines(http, path, organization=organization, previous="true") as found:
        container, notice, line = list(found)
    assert "generation 1" in notice["text"]
    assert container["type"] == "container"
    assert (line["ordinal"], line["text"]) == (0, "about to go")
    with lines(http, path, organization=organization, previous="true", ordinal=1) as found:
        assert [each["text"] for each in found] == ["there is no previous run"]
    site.call(site.store.delete(key, source="api"))
    site.until(lambda: key not in site.database.entries)
    kept = site.settings.state_dir / "last-words"
    site.until(lambda: not list(kept.glob("*/*")), "what was kept is gone with the service")


@contextmanager
def executing(site: Site, org: str, *command: str, **query: Any) -> Iterator[Any]:
    text = urlencode({"command": command, "organization": org, **query}, doseq=True)
    url = f"ws://controller/v1/resources/svc/web/exec?{text}"
    with unix_connect(str(site.settings.socket), url) as connection:
        yield connection


def test_exec_carries_output_and_exit_code(site: Site) -> None:
    site.service("ran")
    with executing(site, "ran", "exit", "3") as connection:
        assert connection.recv() == b"\x01exit 3\n"
        assert json.loads(connection.recv()) == {"type": "exit", "code": 3}


@pytest.mark.parametrize(
    ("org", "command", "code"),
    [
        ("ran-no", ("ls",), "RESOURCE_NOT_FOUND"),
        ("ran-stopped", ("ls",), "DEPLOYMENT_NOT_RUNNING"),
        ("ran-stopped", (), "CONFIGURATION_INVALID_REQUEST"),
    ],
)
def test_exec_says_why_not(site: Site, org: str, command: tuple[str, ...], code: str) -> None:
    key = site.service("ran-stopped")
    site.apply(Manifest(key, {"image": "nginx:1", "state": "stopped"}))
    site.until(lambda: site.database.entries[key].status["phase"] == "Stopped")  # type: ignore[index]
    with executing(site, org, *command) as connection:
        answer = json.loads(connection.recv())
    assert answer["type"] == "error"
    assert answer["error"]["code"] == code
