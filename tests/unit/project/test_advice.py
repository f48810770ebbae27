"""What is suggested can be pasted: a command stands alone, or after the words that say what for."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

PROJECT = Path(__file__).resolve().parents[3]
PROSE = re.compile(r"^skyctl [^:]* (says|shows?|lists?|tests?|compares|tells?)\b|^skyctl [^:]*, ")


def literals(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "X" for p in node.values)
            yield node.lineno, "".join(map(str, parts))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def test_a_suggested_command_is_nothing_but_a_command() -> None:
    wrong = [
        f"{path.relative_to(PROJECT)}:{line}: {text}"
        for folder in ("resources", "controller")
        for path in sorted((PROJECT / folder).rglob("*.py"))
        for line, text in literals(ast.parse(path.read_text()))
        if PROSE.search(text)
    ]
    assert wrong == []
