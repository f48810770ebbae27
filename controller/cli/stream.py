"""A stream of the controller read beside the command, so that a deadline or a screen can go on.

The reader is a thread: it takes up the stream again when the controller is restarted, until the
stream is left; then it ends at the latest when the connection does. ``next`` gives lines in order,
or None when none came in time.
"""

from __future__ import annotations

import contextlib
import queue
import threading
from types import TracebackType
from typing import Any

from controller.cli.client import connect
from controller.cli.failure import Unreachable

_RETRY = 1.0


class Ended(Exception):
    """The controller ended the stream, and it was not to be taken up again."""


class Stream:
    """resume: reconnect when the stream ends or the controller goes away; the first connection
    must succeed in any case. After a reconnection the line ``{"type": "resumed"}`` comes first."""

    def __init__(self, path: str, *, resume: bool, **parameters: Any) -> None:
        self._path = path
        self._parameters = parameters
        self._resume = resume
        self._lines: queue.Queue[dict[str, Any] | BaseException] = queue.Queue(1000)
        self._left = threading.Event()
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    @property
    def reading(self) -> bool:
        return self._reader.is_alive()

    def __enter__(self) -> Stream:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._left.set()

    def next(self, timeout: float) -> dict[str, Any] | None:
        """Raises UserError, Unreachable or Ended once the stream is over."""
        try:
            line = self._lines.get(timeout=max(timeout, 0.001))
        except queue.Empty:
            return None
        if isinstance(line, BaseException):
            raise line
        return line

    def _put(self, line: dict[str, Any] | BaseException) -> None:
        """Waits while nobody takes the lines; when nobody is there any more it is lost."""
        while not self._left.is_set():
            with contextlib.suppress(queue.Full):
                self._lines.put(line, timeout=_RETRY)
                return

    def _read(self) -> None:
        connected = False
        while not self._left.is_set():
            try:
                with connect() as client, client.stream(self._path, **self._parameters) as lines:
                    if connected:
                        self._put({"type": "resumed"})
                    connected = True
                    for line in lines:
                        self._put(line)
                        if self._left.is_set():
                            return
                over: BaseException = Ended()
            except Unreachable as error:
                over = error
            except Exception as error:
                self._put(error)
                return
            if not (self._resume and connected):
                self._put(over)
                return
            self._left.wait(_RETRY)
