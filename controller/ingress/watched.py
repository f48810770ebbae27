"""The directory that proxies watch. They watch the directory, not its name: one that was removed
and made again is another, and they hear nothing of what happens there."""

from __future__ import annotations

from pathlib import Path


class Watched:
    """displaced: it was made again; until somebody says that a proxy was started since."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._there = self._gone = False
        self.displaced = False

    def note(self) -> None:
        """To be called before and after it is made, and whenever it is looked into. Blocking."""
        there = self._directory.is_dir()
        if self._there and not there:
            self._gone = True
        elif self._gone and there:
            self._gone, self.displaced = False, True
        self._there = self._there or there
