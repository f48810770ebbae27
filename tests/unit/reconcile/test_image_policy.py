"""The image policy: what is asked, what counts as an answer, what is remembered."""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import stat
import sys
import time
from pathlib import Path

import pytest

from controller.reconcile.image_policy import REFUSAL_SECONDS, ImagePolicy
from resources.errors import UserError
from resources.observed import Image
from resources.steps import VerifyImage
from tests.fakes.clock import HandClock
from tests.fakes.store import FakeStore

PROJECT = Path(__file__).resolve().parents[3]
STEP = VerifyImage(reference="app:1", organization="acme", service="web", cause="test")


class Judge:
    """A policy around a script. asked: the questions so far."""

    def __init__(self, place: Path, script: str, timeout: float = 20.0) -> None:
        self.log = place / "asked"
        program = place / "judge.py"
        text = (
            f"import json, sys\nq = sys.stdin.read()\nopen({str(self.log)!r}, 'a').write(q + '\\n')"
        )
        program.write_text(f"{text}\n{script}\n")
        self.command = shlex.join([sys.executable, str(program)])
        self.timeout = timeout
        self.store = FakeStore()
        self.clock = HandClock()
        self.image: Image | None = Image("sha256:1", "app:1", ("registry/app@sha256:d",))
        self.policy = self.fresh()

    def fresh(self) -> ImagePolicy:
        """As after a restart."""

        async def inspect(reference: str) -> Image | None:
            return self.image

        self.policy = ImagePolicy(
            self.command,
            self.timeout,
            inspect=inspect,
            store=self.store,
            epoch=lambda: self.store.database.epoch,
            clock=self.clock,
        )
        return self.policy

    @property
    def asked(self) -> list[dict[str, object]]:
        lines = self.log.read_text().splitlines() if self.log.exists() else []
        return [json.loads(line) for line in lines]

    async def answer(self) -> UserError | None:
        try:
            await self.policy(STEP)
        except UserError as error:
            return error
        return None


async def test_the_question(tmp_path: Path) -> None:
    judge = Judge(tmp_path, "print(json.dumps({'allowed': True}))")
    assert await judge.answer() is None
    assert judge.asked == [
        {
            "apiVersion": "skypanel.io/v1",
            "organization": "acme",
            "service": "web",
            "image": {
                "reference": "app:1",
                "id": "sha256:1",
                "digests": ["registry/app@sha256:d"],
            },
        }
    ]


async def test_what_was_allowed_is_remembered_across_restarts(tmp_path: Path) -> None:
    judge = Judge(tmp_path, "print(json.dumps({'allowed': True}))")
    assert await judge.answer() is None
    assert await judge.answer() is None
    judge.fresh()
    assert await judge.answer() is None
    assert len(judge.asked) == 1
    judge.image = Image("sha256:2", "app:1")
    assert await judge.answer() is None
    assert len(judge.asked) == 2


async def test_another_command_is_another_policy(tmp_path: Path) -> None:
    judge = Judge(tmp_path, "print(json.dumps({'allowed': True}))")
    assert await judge.answer() is None
    judge.command += " --strict"
    judge.fresh()
    assert await judge.answer() is None
    assert len(judge.asked) == 2


async def test_a_refusal_says_why_and_is_asked_about_again_later(tmp_path: Path) -> None:
    judge = Judge(tmp_path, "print(json.dumps({'allowed': False, 'reason': 'not\\nsigned'}))")
    error = await judge.answer()
    assert error is not None
    assert (error.code, error.retryable) == ("IMAGE_POLICY_DENIED", False)
    assert error.message == "the image policy refuses app:1: not signed"
    assert error.details["reason"] == "not signed"
    assert (await judge.answer()) == error
    assert len(judge.asked) == 1
    judge.clock.at += REFUSAL_SECONDS + 1
    assert (await judge.answer()) == error
    assert len(judge.asked) == 2


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        ("print('yes')", "it did not answer"),
        ("print('[]')", "it did not answer"),
        ("print(json.dumps({'allowed': 'true'}))", "it did not answer"),
        ("print(json.dumps({'allowed': True, 'reason': 7}))", "it did not answer"),
        ("print('[' * 60000)", "it did not answer"),
        ("pass", "it did not answer"),
        ("sys.exit('no database')", "exit code 1: no database"),
        ("print(json.dumps({'allowed': True})); sys.exit(3)", "exit code 3"),
        ("print(' ' * 1000000 + json.dumps({'allowed': True}))", "it did not answer"),
    ],
)
async def test_anything_else_refuses_for_now(tmp_path: Path, script: str, reason: str) -> None:
    judge = Judge(tmp_path, script)
    error = await judge.answer()
    assert error is not None
    assert (error.code, error.retryable) == ("IMAGE_POLICY_FAILED", True)
    assert reason in error.message
    await judge.answer()
    assert len(judge.asked) == 2


def ended(pids: Path, seconds: float = 30.0) -> bool:
    """Gone, or only waiting to be told of, within that time: a signal takes a moment."""
    stat_, deadline = Path(f"/proc/{pids.read_text()}/stat"), time.monotonic() + seconds
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        while stat_.read_text().split()[2] != "Z":
            if time.monotonic() > deadline:
                return False
            time.sleep(0.02)
    return True


async def test_silence_ends_at_the_deadline_with_everything_it_started(tmp_path: Path) -> None:
    pids = tmp_path / "pid"
    script = (
        "import subprocess, time\n"
        "child = subprocess.Popen(['sleep', '1000'])\n"
        f"open({str(pids)!r}, 'w').write(str(child.pid))\n"
        "time.sleep(1000)"
    )
    judge = Judge(tmp_path, script, timeout=2.0)
    error = await judge.answer()
    assert error is not None
    assert "no verdict within 2 s" in error.message
    assert ended(pids)


async def test_a_command_that_is_not_there(tmp_path: Path) -> None:
    judge = Judge(tmp_path, "")
    judge.command = str(tmp_path / "nothing")
    judge.fresh()
    error = await judge.answer()
    assert error is not None
    assert error.code == "IMAGE_POLICY_FAILED"
    assert "cannot be run" in error.message


async def test_our_settings_are_not_handed_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SKYCTL_DATABASE_URL", "postgresql://secret")
    judge = Judge(
        tmp_path,
        "import os\nprint(json.dumps({'allowed': not [n for n in os.environ if 'SKYCTL' in n]}))",
    )
    assert await judge.answer() is None


async def test_an_image_that_has_gone(tmp_path: Path) -> None:
    judge = Judge(tmp_path, "")
    judge.image = None
    error = await judge.answer()
    assert error is not None
    assert (error.code, error.retryable) == ("IMAGE_NOT_FOUND", True)
    assert judge.asked == []


@pytest.mark.parametrize("signed", [True, False])
async def test_the_example_asks_cosign(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, signed: bool
) -> None:
    """A stand-in for cosign that notes how it was called."""
    stub = tmp_path / "cosign"
    ended = "exit 0" if signed else "echo 'Error: no matching signatures' >&2; exit 1"
    stub.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/calls\n{ended}\n')
    stub.chmod(stub.stat().st_mode | stat.S_IXUSR)
    monkeypatch.setenv("PATH", f"{tmp_path}{os.pathsep}{os.environ['PATH']}")
    judge = Judge(tmp_path, "")
    judge.command = shlex.join([str(PROJECT / "examples/image-policy/cosign"), "--key", "k.pub"])
    judge.fresh()
    error = await judge.answer()
    calls = (tmp_path / "calls").read_text()
    assert calls == "verify --key k.pub registry/app@sha256:d\n"
    assert (error is None) is signed
    if error is not None:
        assert error.message.endswith("Error: no matching signatures")
