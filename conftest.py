"""Says at the end of a run how many tests ran in each folder of tests/, and for how long."""

from __future__ import annotations

from collections import Counter, defaultdict
from pathlib import Path

import pytest

_OUTCOMES = ("passed", "failed", "error", "skipped", "xfailed", "xpassed")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    seconds: Counter[str] = Counter()
    for outcome in _OUTCOMES:
        for report in terminalreporter.stats.get(outcome, ()):
            counts[_folder(report.nodeid)][outcome] += 1
    for reports in terminalreporter.stats.values():
        for report in reports:
            if isinstance(report, pytest.TestReport):
                seconds[_folder(report.nodeid)] += report.duration
    if not counts:
        return
    terminalreporter.section("folders")
    for folder in sorted(counts):
        found = ", ".join(f"{counts[folder][o]} {o}" for o in _OUTCOMES if counts[folder][o])
        terminalreporter.line(f"tests/{folder:<9} {seconds[folder]:7.1f}s  {found}")


def _folder(nodeid: str) -> str:
    parts = Path(nodeid.partition("::")[0]).parts
    return parts[1] if len(parts) > 2 and parts[0] == "tests" else "."
