"""Waiting until resources are as wanted, showing how far they are.

A judge says of one resource: done, failed, or not yet and why. Everything that was waited for is
shown once more as it ended; the first failure or the timeout ends the command with its error.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from controller.cli import columns
from controller.cli.failure import write_error
from controller.cli.progress import Progress
from controller.cli.stream import Stream
from controller.cli.text import span
from resources.conditions import READY, STALLED, find, is_true
from resources.errors import UserError
from resources.meta import ANNOTATION_PAUSED, heeded

Document = dict[str, Any]
TICK = 0.2
NAMED = 100
"""More names than this are not put into a URL: all of the kinds are watched."""


@dataclass(frozen=True, slots=True)
class Awaited:
    """generation: at least this one; 0 is any. uid: '' is whichever has the name."""

    kind: str
    organization: str
    name: str
    uid: str = ""
    generation: int = 0

    @property
    def label(self) -> str:
        return f"{self.kind.lower()}/{self.name}"

    def fits(self, document: Document) -> bool:
        metadata = document["metadata"]
        return (
            document["kind"] == self.kind
            and metadata["name"] == self.name
            and (metadata.get("organization") or "") == self.organization
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    state: Literal["done", "failed", "pending"]
    text: str
    error: UserError | None = None


Judge = Callable[[Awaited, Document | None], Judgement]


def ready(target: Awaited, document: Document | None) -> Judgement:
    """Settled and Ready (or stopped, when that is what is declared); Stalled is failure."""
    if document is None:
        return Judgement("failed", "gone", _error("RESOURCE_NOT_FOUND", f"{target.label} is gone"))
    phase, text = columns.phase(document), _sentence(document)
    metadata, status = document["metadata"], columns.status(document)
    if metadata["generation"] < target.generation or not columns.settled(document):
        if _stalled(document):
            return Judgement("failed", text, _status_error(target, document))
        return Judgement("pending", text)
    if is_true(status, READY) or phase in ("Stopped", "Suspended"):
        return Judgement("done", text)
    if is_true(status, STALLED):
        return Judgement("failed", text, _status_error(target, document))
    return Judgement("pending", text)


def _stalled(document: Document) -> bool:
    seen = columns.status(document).get("observedGeneration") or 0
    return bool(seen >= document["metadata"]["generation"]) and is_true(
        columns.status(document), STALLED
    )


def condition(type_: str, wanted: str = "True") -> Judge:
    def judge(target: Awaited, document: Document | None) -> Judgement:
        if document is None:
            return Judgement("pending", "not there")
        found = find(columns.status(document), type_)
        seen = (columns.status(document).get("observedGeneration") or 0) >= document["metadata"][
            "generation"
        ]
        if seen and found is not None and found.get("status") == wanted:
            return Judgement("done", _sentence(document))
        return Judgement("pending", _sentence(document))

    return judge


def deleted(target: Awaited, document: Document | None) -> Judgement:
    """Gone, or another one of its name."""
    if document is None or (target.uid and document["metadata"]["uid"] != target.uid):
        return Judgement("done", "deleted")
    if not document["metadata"].get("deletionRequestedAt"):
        return Judgement("pending", _sentence(document))
    status = columns.status(document)
    error = status.get("error") if status.get("phase") == "Deleting" else None
    text = error["message"] if error else columns.message(document)
    return Judgement("pending", f"Deleting: {text or 'under way'}{_pause(document)}")


def _sentence(document: Document) -> str:
    phase, text = columns.phase(document), columns.message(document)
    return (f"{phase}: {text}" if text else phase) + _pause(document)


def _pause(document: Document) -> str:
    """While it is paused nothing is going to happen: that must not look like slowness."""
    metadata = document["metadata"]
    reason = heeded(metadata.get("annotations") or {}, ANNOTATION_PAUSED)
    if reason is None:
        return ""
    where = f" --org {metadata['organization']}" if metadata.get("organization") else ""
    resume = f"skyctl resume {document['kind'].lower()}/{metadata['name']}{where}"
    return f" (paused: {reason}; {resume})"


def _status_error(target: Awaited, document: Document) -> UserError:
    error = columns.status(document).get("error")
    if error:
        return UserError.from_dict(error)
    return _error("DEPLOYMENT_STALLED", f"{target.label}: {_sentence(document)}")


def _error(code: str, message: str, *suggestions: str) -> UserError:
    return UserError(code, message, suggestions=suggestions)


@dataclass(slots=True)
class _Wait:
    """What is known of each target. Changes until synced are only a beginning."""

    targets: Sequence[Awaited]
    judge: Judge
    progress: Progress
    documents: dict[Awaited, Document] = field(default_factory=dict)
    judged: dict[Awaited, Judgement] = field(default_factory=dict)
    synced: bool = False

    def take(self, line: dict[str, Any]) -> None:
        match line["type"]:
            case "synced":
                self.synced = True
            case "resumed":
                self.synced = False
                self.documents.clear()
            case "error":
                self.progress.note(UserError.from_dict(line["error"]).message)
            case "pull":
                self._pull(line)
            case "deleted":
                for target in self._concerned(line["resource"]):
                    self.documents.pop(target, None)
            case _:
                for target in self._concerned(line["resource"]):
                    self.documents[target] = line["resource"]
        if self.synced:
            self._judge()

    def _concerned(self, document: Document) -> list[Awaited]:
        return [target for target in self.targets if target.fits(document)]

    def _judge(self) -> None:
        for target in self.targets:
            judgement = self.judge(target, self.documents.get(target))
            if judgement != self.judged.get(target):
                self.judged[target] = judgement
                self.progress.show(target.label, judgement.text, judgement.state)

    def _pull(self, line: dict[str, Any]) -> None:
        for target, document in self.documents.items():
            judgement = self.judged.get(target)
            pulls = document["spec"].get("image") == line["reference"]
            whose = line.get("organization")
            pulls = pulls and whose in (None, target.organization)
            if pulls and judgement is not None and judgement.state == "pending":
                self.progress.pull(target.label, line)

    @property
    def over(self) -> bool:
        """All are decided: done or failed."""
        return self.synced and all(j.state != "pending" for j in self.judged.values())


def wait_for(
    targets: Sequence[Awaited], judge: Judge, timeout: float, *, quiet: bool = False
) -> None:
    """Returns when all are done. Raises UserError for the first that failed or was not in time.

    timeout: seconds. quiet: progress goes to standard error."""
    deadline = time.monotonic() + timeout
    stream = Stream(
        "/watch",
        resume=True,
        kind=sorted({t.kind for t in targets}),
        name=sorted(names) if len(names := {t.name for t in targets}) <= NAMED else None,
        pulls=True,
    )
    with stream, Progress(sys.stderr if quiet else sys.stdout) as progress:
        waiting = _Wait(targets, judge, progress)
        while not waiting.over and (left := deadline - time.monotonic()) > 0:
            if (line := stream.next(min(TICK, left))) is not None:
                waiting.take(line)
            else:
                progress.tick()
    _conclude(waiting, timeout)


def _conclude(waiting: _Wait, timeout: float) -> None:
    errors = [
        error
        for target in waiting.targets
        if (error := _error_of(waiting, target, timeout)) is not None
    ]
    for error in errors[1:]:
        write_error(error, sys.stderr)
    if errors:
        raise errors[0]


def _error_of(waiting: _Wait, target: Awaited, timeout: float) -> UserError | None:
    judgement = waiting.judged.get(target, Judgement("pending", "not looked at yet"))
    if judgement.state == "failed":
        return judgement.error
    if judgement.state == "done":
        return None
    known = columns.status(waiting.documents.get(target) or {}).get("error") or {}
    return UserError(
        "DEPLOYMENT_WAIT_TIMEOUT",
        f"{target.label} is not there yet after {span(int(timeout))}: {judgement.text}",
        suggestions=[
            *known.get("suggestions", ()),
            f"skyctl describe {target.label}"
            + (f" --org {target.organization}" if target.organization else ""),
            "wait longer: --timeout",
        ],
        retryable=True,
    )
