"""Progress while something is waited for: live lines on a terminal, plain lines otherwise."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, TextIO

from controller.cli.text import clean, paint, size

_PULL_STEP = 10
"""Percent between two plain lines about a pull."""
_COLOURS = {"done": "green", "failed": "red", "pending": "yellow"}


class Progress:
    """One line per resource. Without a terminal a line is printed whenever its text changes."""

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._lines: dict[str, tuple[str, str]] = {}
        self._pulled: dict[str, int] = {}
        self._live: Any = None
        self._started = time.monotonic()

    def __enter__(self) -> Progress:
        if self._file.isatty():
            from rich.console import Console
            from rich.live import Live

            console = Console(file=self._file, highlight=False)
            self._live = Live(console=console, refresh_per_second=8, transient=True)
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._live is None:
            return
        self._live.stop()
        for label, (text, state) in self._lines.items():
            print(self._finished(label, text, state), file=self._file)

    def _finished(self, label: str, text: str, state: str) -> str:
        return f"{label}  {paint(text, _COLOURS.get(state, ''), self._file)}"

    def show(self, label: str, text: str, state: str) -> None:
        text = clean(text)
        if self._lines.get(label) == (text, state):
            return
        self._lines[label] = (text, state)
        if self._live is None:
            print(f"{label}: {text}", file=self._file, flush=True)
        else:
            self.tick()

    def pull(self, label: str, line: dict[str, Any]) -> None:
        total, current = line.get("total") or 0, line.get("current") or 0
        percent = min(100 * current // total, 100) if total else 0
        if self._live is None:
            if percent < self._pulled.get(label, -_PULL_STEP) + _PULL_STEP:
                return
            self._pulled[label] = percent
        what = clean(str(line["reference"]))
        far = f" {percent}% of {size(total)}" if total else f" ({clean(str(line['status']))})"
        if line.get("layers"):
            far += f", {line.get('layersDone') or 0} of {line['layers']} layers"
        self.show(label, f"Pulling: {what}{far}", "pending")

    def note(self, text: str) -> None:
        self.show("skyctl", text, "pending")

    def tick(self) -> None:
        """Renews the live display: its clock moves even when nothing else does."""
        if self._live is not None:
            self._live.update(self._screen())

    def _screen(self) -> Any:
        from rich.spinner import Spinner
        from rich.table import Table
        from rich.text import Text

        table = Table(box=None, show_header=False, padding=(0, 1), expand=False)
        elapsed = int(time.monotonic() - self._started)
        for label, (text, state) in self._lines.items():
            mark: Any = Text({"done": "✓", "failed": "✗"}.get(state, ""), style=_COLOURS[state])
            if state == "pending":
                mark = self._spinner(Spinner)
            table.add_row(mark, Text(label, style="bold"), Text(text, overflow="ellipsis"))
        table.add_row("", Text(f"{elapsed}s", style="dim"), "")
        return table

    def _spinner(self, kind: Any) -> Any:
        self._spinning = getattr(self, "_spinning", None) or kind("dots")
        return self._spinning
