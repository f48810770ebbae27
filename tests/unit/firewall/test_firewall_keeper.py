"""Looking at the host's firewall, and putting back what is missing."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Callable
from pathlib import Path

import pytest

from controller.cli.doctor import firewall as doctor
from controller.engine.base import EngineInfo
from controller.firewall.boot import Boot
from controller.firewall.keeper import SLICE_SECONDS, FirewallKeeper, keeper
from controller.firewall.nft import CannotLook, Nft
from controller.firewall.rules import Policy, parse_ports, ruleset
from controller.metrics import METRICS
from controller.settings import Settings
from tests.unit.firewall.tables import FakeNft

POLICY = Policy(parse_ports("443/tcp"))
DENIED = CannotLook("only root may")


class Changes:
    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> None:
        self.count += 1


def made(
    nft: Nft,
    *,
    keep: bool = False,
    here: Callable[[], bool | None] = lambda: True,
    changed: Callable[[], None] = lambda: None,
    seconds: float = 60.0,
    recorded: Callable[[], str | None] = lambda: None,
) -> FirewallKeeper:
    return FirewallKeeper(
        nft,
        lambda: POLICY,
        keep=keep,
        here=here,
        changed=changed,
        seconds=seconds,
        recorded=recorded,
    )


def gauge() -> float:
    (sample,) = next(iter(METRICS.host_firewall.collect())).samples
    return float(sample.value)


async def test_reporting_changes_nothing() -> None:
    nft = FakeNft()
    watching = made(nft)
    await watching.look()
    assert (watching.verdict.closed, watching.verdict.reason) == (False, "FirewallMissing")
    assert gauge() == 0
    assert nft.loads == 0


async def test_keeping_puts_back_what_is_missing_and_then_rests() -> None:
    nft, changes = FakeNft(), Changes()
    keeping = made(nft, keep=True, changed=changes)
    for _ in range(3):
        await keeping.look()
    assert keeping.verdict.closed is True
    assert (gauge(), nft.loads, changes.count) == (1, 1, 1)
    nft.items = None
    await keeping.look()
    assert keeping.verdict.closed is True
    assert (nft.loads, changes.count) == (2, 1)
    assert nft.items is not None
    nft.items.pop()
    await keeping.look()
    assert nft.loads == 3


async def test_what_was_installed_to_stay_is_put_back_while_only_reporting(tmp_path: Path) -> None:
    nft, changes = FakeNft(), Changes()
    boot = Boot(tmp_path, lambda *_: None)
    watching = made(nft, changed=changes, recorded=boot.recorded)
    await watching.look()
    assert (watching.verdict.closed, nft.loads) == (False, 0), "nobody installed anything"
    boot.install(ruleset(POLICY), "nft")
    await watching.look()
    assert (watching.verdict.closed, nft.loads) == (True, 1)
    nft.items = None  # nft flush ruleset
    await watching.look()
    assert (watching.verdict.closed, nft.loads) == (True, 2)
    assert nft.items is not None
    nft.items.pop()
    await watching.look()
    assert (watching.verdict.closed, nft.loads) == (False, 2), "changed by hand: only told"
    boot.remove()
    nft.items = None
    await watching.look()
    assert (watching.verdict.closed, nft.loads) == (False, 2)


async def test_who_may_not_look_does_not_know() -> None:
    nft, changes = FakeNft(), Changes()
    nft.refusal = DENIED
    keeping = made(nft, keep=True, changed=changes)
    await keeping.look()
    assert (keeping.verdict.closed, keeping.verdict.reason) == (None, "FirewallUnknown")
    assert "only root may" in keeping.verdict.message
    assert gauge() == -1
    await keeping.look()
    assert changes.count == 1


async def test_an_engine_elsewhere_has_its_own_firewall() -> None:
    nft = FakeNft()
    keeping = made(nft, keep=True, here=lambda: False)
    await keeping.look()
    assert keeping.verdict.closed is None
    assert nft.loads == 0


async def test_it_looks_again_once_it_knows_where_the_engine_is() -> None:
    nft = FakeNft()
    known: list[bool] = []
    closed = asyncio.Event()
    keeping = made(
        nft,
        keep=True,
        here=lambda: True if known else None,
        changed=lambda: closed.set() if keeping.verdict.closed else None,
        seconds=3600,
    )
    await keeping.look()
    assert (nft.loads, keeping.verdict.closed) == (0, False)
    known.append(True)
    running = asyncio.create_task(keeping.run())
    async with asyncio.timeout(10 * SLICE_SECONDS):
        await closed.wait()
    running.cancel()
    assert nft.loads == 1


@pytest.mark.parametrize(("word", "made_"), [("report", True), ("keep", True), ("off", False)])
def test_nobody_looks_where_nobody_wants_to_know(word: str, made_: bool) -> None:
    def engine() -> EngineInfo | None:
        return None

    settings = Settings.model_validate({"host_firewall": word})
    assert (keeper(settings, FakeNft(), engine, changed=lambda: None) is not None) is made_
    assert keeper(settings, None, engine, changed=lambda: None) is None


def program(tmp_path: Path, text: str) -> Nft:
    file = tmp_path / "nft"
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)
    return Nft(lambda: str(file))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("echo 'Operation not permitted (you must be root)' >&2; exit 1", "only root"),
        ("echo 'Error: syntax error' >&2; exit 1", "nft refused: Error: syntax error"),
        ("exit 1", "no reason given"),
        ("echo nonsense", "does not speak JSON"),
    ],
)
async def test_what_the_program_says(tmp_path: Path, text: str, told: str) -> None:
    with pytest.raises(CannotLook, match=told):
        await program(tmp_path, text).listing()


async def test_no_table_is_no_error(tmp_path: Path) -> None:
    missing = "echo 'Error: No such file or directory' >&2; exit 1"
    assert await program(tmp_path, missing).listing() is None


async def test_no_program(tmp_path: Path) -> None:
    with pytest.raises(CannotLook, match="not there"):
        await Nft(lambda: None).listing()
    with pytest.raises(CannotLook, match="cannot be run"):
        await Nft(lambda: str(tmp_path / "gone")).listing()


async def test_a_program_that_hangs_is_given_up(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("controller.firewall.nft.SECONDS", 0.2)
    with pytest.raises(CannotLook, match="did not end"):
        await program(tmp_path, "exec sleep 60").listing()


async def test_what_the_doctor_says() -> None:
    nft, settings = FakeNft(), Settings()

    async def state(settings: Settings = settings) -> tuple[str, str]:
        (check,) = await doctor.examine(settings, None, nft)
        return check.state, check.message

    assert (await state())[0] == "warning"
    await made(nft, keep=True).look()
    assert (await state())[0] == "warning", "other ports than the settings say"
    nft.refusal = DENIED
    assert (await state())[0] == "note"
    assert "not known" in (await state())[1]
    assert (await state(Settings(host_firewall="off")))[0] == "note"
