"""The access log: what is written, how it is turned over, and whose lines they are."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from controller.api.access import TAIL, Wish, _moment, require
from controller.ingress import access_lines
from controller.ingress.access_lines import AccessLines, shown
from controller.ingress.access_log import FILES, NAME, LogRotation, configuration, files
from controller.ingress.alive import Alive
from controller.settings import Settings
from resources.domain.routing import router_names
from resources.errors import UserError
from resources.meta import Entry, Key, Resource

SITE = Key("Domain", "acme", "site")
UID = "11111111-2222"
ROUTERS = router_names(SITE, UID)
ENTRY = Entry(Resource(SITE, UID, {}))


def line(number: int, router: str = ROUTERS[0], **fields: object) -> str:
    told = {
        "ClientHost": "192.0.2.7",
        "DownstreamStatus": 200,
        "DownstreamContentSize": 12,
        "Duration": 4_650_000,
        "RequestHost": "a.example",
        "RequestMethod": "GET",
        "RequestPath": f"/{number}",
        "RequestScheme": "https",
        "RouterName": f"{router}@file",
        "ServiceURL": "http://10.0.0.2:80",
        "StartUTC": "2026-01-02T03:04:05.678901234Z",
        **fields,
    }
    return json.dumps(told, separators=(",", ":")) + "\n"


def paths(lines: AccessLines) -> list[str]:
    """All that there is by now."""
    found = [one["RequestPath"] for one in lines.more()]
    while not lines.idle:
        found += [one["RequestPath"] for one in lines.more()]
    return found


# -- what is written


def test_a_process_writes_a_file_and_a_container_to_its_output(tmp_path: Path) -> None:
    found = configuration(Settings(state_dir=tmp_path), tmp_path)
    assert found["filePath"] == str(tmp_path / NAME)
    assert found["format"] == "json"
    assert "filePath" not in configuration(
        Settings(state_dir=tmp_path, ingress="container"), tmp_path
    )


# -- turned over


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[subprocess.Popen[bytes]]:
    """As Traefik does: it opens its file anew at SIGUSR1."""
    program = (
        "import os, signal, sys, time\n"
        "def again(*_):\n"
        "    open(sys.argv[1], 'a').close(); os.write(1, b'.')\n"
        "signal.signal(signal.SIGUSR1, again); again()\n"
        "while True: time.sleep(60)\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", program, str(tmp_path / NAME)], stdout=subprocess.PIPE
    )
    assert process.stdout is not None
    opened_anew(process)
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def opened_anew(writer: subprocess.Popen[bytes]) -> None:
    assert writer.stdout is not None
    ready, _, _ = select.select([writer.stdout], [], [], 20)
    assert ready, "it was not told to"
    os.read(writer.stdout.fileno(), 1)


async def test_a_file_that_is_full_is_turned_over(
    tmp_path: Path, writer: subprocess.Popen[bytes]
) -> None:
    serving: list[Alive | None] = [None]

    async def answering() -> Alive | None:
        return serving[0]

    rotation = LogRotation(tmp_path, answering, megabytes=0.000_01)
    log, older = tmp_path / NAME, [tmp_path / f"{NAME}.{n}" for n in range(1, FILES + 1)]
    log.write_text("x" * 9)
    await rotation.turn()
    assert not older[0].exists()
    log.write_text("x" * 10)
    await rotation.turn()
    assert not older[0].exists()  # while no proxy answers

    serving[0] = Alive(str(writer.pid), "d", 1)
    for number in range(FILES + 2):
        log.write_text(f"{number}" * 10)
        await rotation.turn()
        opened_anew(writer)
        assert log.read_text() == ""
        assert older[0].read_text() == f"{number}" * 10
    assert [path.exists() for path in older] == [True] * (FILES - 1) + [False]

    log.unlink()  # turned over by one that was killed before it could tell the proxy
    await rotation.turn()
    opened_anew(writer)
    assert log.read_text() == ""


async def test_a_process_that_has_gone_meanwhile_is_no_error(tmp_path: Path) -> None:
    pid = ended()

    async def answering() -> Alive | None:
        return Alive(str(pid), "d", 1)

    await LogRotation(tmp_path, answering).turn()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, signal.SIGUSR1)


def ended() -> int:
    """Of a process that has."""
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    return gone.pid


# -- whose lines


@pytest.mark.parametrize("piece", [3, 1000, 4_000_000])
def test_lines_are_of_one_domain_oldest_first(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, piece: int
) -> None:
    monkeypatch.setattr(access_lines, "PIECE", piece)
    oldest, newest = files(tmp_path)[0], files(tmp_path)[-1]
    oldest.write_text(line(1) + line(2, "acme-other-33333333") + line(3, ROUTERS[2]))
    newest.write_text(line(4, ROUTERS[1]) + line(5, f"{ROUTERS[0]}-more") + line(6)[:40])
    lines = AccessLines(tmp_path, ROUTERS)
    assert paths(lines) == ["/1", "/3", "/4"]
    with newest.open("a") as log:
        log.write(line(6)[40:] + line(7))
    assert paths(lines) == ["/6", "/7"]
    lines.close()


def test_lines_are_followed_across_a_turn_over(tmp_path: Path) -> None:
    log = tmp_path / NAME
    lines = AccessLines(tmp_path, ROUTERS)
    assert paths(lines) == []
    log.write_text(line(1))
    assert paths(lines) == ["/1"]
    log.rename(tmp_path / f"{NAME}.1")
    assert paths(lines) == []
    with (tmp_path / f"{NAME}.1").open("a") as old:
        old.write(line(2))
    log.write_text(line(3))
    assert paths(lines) == ["/2", "/3"]
    assert paths(lines) == []
    lines.close()


def test_no_request_passes_for_anothers(tmp_path: Path) -> None:
    forged = f'/"RouterName":"{ROUTERS[0]}@file"'
    (tmp_path / NAME).write_text(
        line(1, "other-11111111", RequestPath=forged)
        + f'"RouterName":"{ROUTERS[0]}@file" is no JSON\n'
        + line(2, "other", msg=f'"RouterName":"{ROUTERS[0]}@file"')
        + line(3, "other", inner={"RouterName": f"{ROUTERS[0]}@file"})
    )
    lines = AccessLines(tmp_path, ROUTERS)
    assert paths(lines) == []
    lines.close()


def test_what_a_visitor_sent_does_nothing_to_a_terminal() -> None:
    text = shown(json.loads(line(1, RequestPath="/\x1b[2J\n\u202e")))
    assert text == (
        "192.0.2.7 GET https://a.example/\ufffd[2J\ufffd\ufffd 200 12 4.7ms http://10.0.0.2:80"
    )
    assert shown({}).startswith("None None")
    assert _moment({"StartUTC": "2026-01-02T03:04:05.678901234Z"}) == 1767323045.0
    assert _moment({}) == float("inf")


# -- where it is not


@pytest.mark.parametrize(
    ("given", "code", "says"),
    [
        ({}, "CONFIGURATION_NO_ACCESS_LOG", "SKYCTL_INGRESS_ACCESS_LOG=true"),
        ({"ingress": "external"}, "CONFIGURATION_ACCESS_LOG_ELSEWHERE", "own logs"),
        ({"ingress_publish": "labels"}, "CONFIGURATION_ACCESS_LOG_ELSEWHERE", "own logs"),
        (
            {"ingress": "container", "ingress_access_log": True},
            "CONFIGURATION_ACCESS_LOG_ELSEWHERE",
            f'"RouterName":"{ROUTERS[0]}',
        ),
    ],
)
def test_where_the_log_is_not_is_said(given: dict[str, object], code: str, says: str) -> None:
    settings = Settings.model_validate({"state_dir": "/state", **given})
    with pytest.raises(UserError) as error:
        require(settings, ENTRY, Wish(False, None, None))
    assert error.value.code == code
    assert any(says in each for each in error.value.suggestions)


def test_more_lines_than_are_held_are_refused() -> None:
    settings = Settings(state_dir=Path("/state"), ingress_access_log=True)
    require(settings, ENTRY, Wish(True, TAIL, None))
    with pytest.raises(UserError, match=str(TAIL)):
        require(settings, ENTRY, Wish(False, TAIL + 1, None))
