"""A stream of the controller read beside the command, so that a deadline or a screen can go on.

The reader is a thread: it takes up the stream again when the controller is restarted, and ends
with this process. ``next`` gives lines in order, or None when none came in time.
"""

from __future__ import annotations

import queue
import threading
import time
from typing import Any

from controller.cli.client import connect
from controller.cli.failure import Unreachable
from resources.errors import UserError

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
        threading.Thread(target=self._read, daemon=True).start()

    def next(self, timeout: float) -> dict[str, Any] | None:
        """Raises UserError, Unreachable or Ended once the stream is over."""
        try:
            line = self._lines.get(timeout=max(timeout, 0.001))
        except queue.Empty:
            return None
        if isinstance(line, BaseException):
            raise line
        return line

    def _read(self) -> None:
        connected = False
        while True:
            try:
                with connect() as client, client.stream(self._path, **self._parameters) as lines:
                    if connected:
                        self._lines.put({"type": "resumed"})
                    connected = True
                    for line in lines:
                        self._lines.put(line)
                over: BaseException = Ended()
            except Unreachable as error:
                over = error
            except UserError as error:
                self._lines.put(error)
                return
            except Exception as error:
                self._lines.put(error)
                return
            if not (self._resume and connected):
                self._lines.put(over)
                return
            time.sleep(_RETRY)
