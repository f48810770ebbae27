"""The image policy: a command of the platform's that says which images may run.

It is run when containers are about to be made from an image, gets what is known of the image as
JSON on its stdin, and answers with a verdict on its stdout:

    {"apiVersion": "skypanel.io/v1", "organization": "acme", "service": "web",
     "image": {"reference": "registry.example.com/acme/web:1", "id": "sha256:...",
               "digests": ["registry.example.com/acme/web@sha256:..."]}}

    {"allowed": false, "reason": "no signature of ours"}

It is asked again, of the very image that a container was made of, before that container starts for
the first time: a tag may have moved since it was judged. (By its id it cannot be made: it would
not tell the reference any more that it was declared with.) A verdict that is known costs nothing.

Whatever else happens (no verdict, another exit code than 0, the deadline) refuses for now and is
tried again. An image that was allowed is remembered in the store, so that healing does not depend
on a scanner; a refusal is remembered for a while only. Both belong to the image's id, to the
reference and to the command.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import shlex
import signal
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Any

from controller.clock import Clock
from controller.engine.base import Engine
from controller.loop.leadership import leading
from controller.settings import Settings
from controller.store.base import Pulled, Store
from resources.errors import UserError
from resources.meta import API_VERSION
from resources.observed import Image
from resources.steps import VerifyImage

DENIED, FAILED = "IMAGE_POLICY_DENIED", "IMAGE_POLICY_FAILED"
REFUSAL_SECONDS = 300.0
"""A refusal holds for so long without asking again: somebody may sign the image meanwhile."""
REMEMBERED = 4096
ANSWER_BYTES = 64 * 1024
GRACE_SECONDS = 5.0


def image_policy(
    settings: Settings,
    engine: Engine,
    store: Store,
    epoch: Callable[[], int | None],
    clock: Clock,
) -> ImagePolicy | None:
    """What judges images by the settings, if they name a command."""
    if settings.image_policy is None:
        return None
    return ImagePolicy(
        settings.image_policy,
        settings.image_policy_timeout,
        inspect=engine.inspect_image,
        store=store,
        epoch=epoch,
        clock=clock,
    )


class ImagePolicy:
    """command: as in a shell, but not run by one. timeout: seconds for one verdict. inspect: what
    the engine has under a reference."""

    def __init__(
        self,
        command: str,
        timeout: float,
        *,
        inspect: Callable[[str], Awaitable[Image | None]],
        store: Store,
        epoch: Callable[[], int | None],
        clock: Clock,
    ) -> None:
        self._command = shlex.split(command)
        self._timeout = timeout
        self._inspect = inspect
        self._store = store
        self._epoch = epoch
        self._clock = clock
        self._policy = hashlib.sha256(command.encode()).hexdigest()[:16]
        self._allowed: OrderedDict[Pulled, None] = OrderedDict()
        self._refused: OrderedDict[Pulled, tuple[float, str]] = OrderedDict()

    async def __call__(self, step: VerifyImage) -> None:
        """Of what the reference means now. Raises UserError IMAGE_POLICY_DENIED, or
        IMAGE_POLICY_FAILED (retryable)."""
        await self.judge(step, step.reference)

    async def judge(self, step: VerifyImage, name: str) -> None:
        """Of what has that name, an id or a reference. Raises as above."""
        image = await self._inspect(name)
        if image is None:
            raise UserError(
                "IMAGE_NOT_FOUND",
                f"image {name} has gone from the engine",
                details={"image": name},
                retryable=True,
            )
        subject = Pulled(step.reference, image.id)
        if await self._known(subject):
            return
        allowed, reason = self._judged(await self._answer(step, image), step.reference)
        if not allowed:
            _remember(self._refused, subject, (self._clock.monotonic(), reason))
            raise denied(step.reference, image.id, reason)
        await self._store.allow_image(subject, self._policy, epoch=leading(self._epoch))
        _remember(self._allowed, subject, None)

    async def _known(self, subject: Pulled) -> bool:
        if subject in self._allowed:
            return True
        at, reason = self._refused.get(subject, (float("-inf"), ""))
        if self._clock.monotonic() - at < REFUSAL_SECONDS:
            raise denied(subject.reference, subject.image_id, reason)
        if await self._store.image_allowed(subject, self._policy):
            _remember(self._allowed, subject, None)
            return True
        return False

    def _judged(self, answer: bytes, reference: str) -> tuple[bool, str]:
        try:
            verdict = json.loads(answer)
            allowed, reason = verdict["allowed"], verdict.get("reason") or ""
            if not isinstance(allowed, bool) or not isinstance(reason, str):
                raise TypeError
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError):
            raise failed(reference, "it did not answer {'allowed': true or false}") from None
        return allowed, " ".join(reason.split())[:500] or "no reason was given"

    async def _answer(self, step: VerifyImage, image: Image) -> bytes:
        question = json.dumps(described(step, image)).encode()
        try:
            process = await asyncio.create_subprocess_exec(
                *self._command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                stderr=asyncio.subprocess.PIPE,
                start_new_session=True,
                env={k: v for k, v in os.environ.items() if not k.startswith("SKYCTL_")},
            )
        except OSError as error:
            raise failed(step.reference, f"it cannot be run: {error}") from error
        try:
            async with asyncio.timeout(self._timeout):
                out, err = await _talk(process, question)
        except TimeoutError as error:
            reason = f"no verdict within {self._timeout:g} s"
            raise failed(step.reference, reason) from error
        finally:
            await _end(process)
        if process.returncode != 0:
            said = err.decode(errors="replace").strip().splitlines()
            last = f": {said[-1][:300]}" if said else ""
            raise failed(step.reference, f"exit code {process.returncode}{last}")
        return out


def described(step: VerifyImage, image: Image) -> dict[str, Any]:
    """The question."""
    return {
        "apiVersion": API_VERSION,
        "organization": step.organization,
        "service": step.service,
        "image": {
            "reference": step.reference,
            "id": image.id,
            "digests": list(image.digests),
        },
    }


async def _talk(process: asyncio.subprocess.Process, question: bytes) -> tuple[bytes, bytes]:
    """At most so much is read of what it says; more is not waited for."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    with contextlib.suppress(BrokenPipeError, ConnectionResetError):
        process.stdin.write(question)
        await process.stdin.drain()
    process.stdin.close()
    out, err = await asyncio.gather(_some(process.stdout), _some(process.stderr))
    await process.wait()
    return out, err


async def _some(stream: asyncio.StreamReader) -> bytes:
    kept = bytearray()
    while chunk := await stream.read(ANSWER_BYTES):
        kept += chunk[: ANSWER_BYTES - len(kept)]
    return bytes(kept)


async def _end(process: asyncio.subprocess.Process) -> None:
    """With everything that it started."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, signal.SIGKILL)
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(GRACE_SECONDS):
            await process.wait()


def denied(reference: str, image_id: str, reason: str) -> UserError:
    return UserError(
        DENIED,
        f"the image policy refuses {reference}: {reason}",
        details={"image": reference, "id": image_id, "reason": reason, "pointer": "/spec/image"},
        suggestions=["use an image that the policy allows", "ask the platform about its policy"],
    )


def failed(reference: str, reason: str) -> UserError:
    return UserError(
        FAILED,
        f"the image policy gave no verdict on {reference}: {reason}",
        details={"image": reference, "reason": reason},
        suggestions=["the platform: check SKYCTL_IMAGE_POLICY, by hand with the same input"],
        retryable=True,
    )


def _remember(memory: OrderedDict[Pulled, Any], subject: Pulled, what: Any) -> None:
    memory[subject] = what
    memory.move_to_end(subject)
    while len(memory) > REMEMBERED:
        memory.popitem(last=False)
