"""Errors as the command line shows them: what, where, and what to try."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise
from typing import Any, ClassVar, TextIO

from controller.cli.text import clean
from resources.errors import UserError

FAILED, USAGE = 1, 2


class Failure(Exception):
    """An error whose exit code is not the usual one."""

    def __init__(self, error: UserError, code: int) -> None:
        super().__init__(error.message)
        self.error = error
        self.code = code


class Unreachable(UserError):
    """No controller answers."""


class Misuse(UserError):
    """The command line makes no sense."""

    CODE: ClassVar = "CONFIGURATION_INVALID_USAGE"

    def __init__(self, message: str, *suggestions: str) -> None:
        super().__init__(self.CODE, message, suggestions=suggestions)


_USAGE_CODES = frozenset({"CONFIGURATION_UNKNOWN_KIND", "CONFIGURATION_INVALID_SELECTOR"})


def exit_code(error: UserError) -> int:
    if isinstance(error, Unreachable | Misuse) or error.code in _USAGE_CODES:
        return USAGE
    return FAILED


@contextmanager
def failing_with(code: int) -> Iterator[None]:
    """Every error within ends the command with this exit code."""
    try:
        yield
    except UserError as error:
        raise Failure(error, code) from error


def report(error: UserError, arguments: Sequence[str] = ()) -> None:
    """On standard error; as JSON when that was asked for."""
    if wants_json(arguments):
        print(json.dumps(error.to_dict(), indent=2), file=sys.stderr)
    else:
        write_error(error, sys.stderr)


def write_error(error: UserError, file: TextIO, indent: str = "") -> None:
    print(f"{indent}error: {clean(error.code)}: {clean(error.message)}", file=file)
    for line in detail_lines(error):
        print(f"{indent}  {line}", file=file)
    for suggestion in error.suggestions:
        print(f"{indent}  try: {clean(suggestion)}", file=file)


def detail_lines(error: UserError) -> list[str]:
    """Details that people can use: problems with their pointers, else plain values."""
    problems = error.details.get("problems") or error.details.get("errors")
    if isinstance(problems, list):
        lines = [_problem(p) for p in problems if isinstance(p, dict)]
        return [line for line in lines if line and line not in error.message]
    told = "\n".join([error.message, *error.suggestions])
    return [
        f"{clean(str(name))}: {clean(_value(value))}"
        for name, value in error.details.items()
        if _value(value) and _value(value) not in told
    ]


def _problem(problem: dict[str, Any]) -> str:
    where = clean(str(problem.get("pointer") or problem.get("path") or ""))
    what = clean(str(problem.get("message") or ""))
    meant = problem.get("suggestion")
    return (f"{where}: {what}" if where else what) + (f" ({clean(str(meant))})" if meant else "")


def _value(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value)
    return json.dumps(value) if value not in (None, {}, []) else ""


def wants_json(arguments: Sequence[str]) -> bool:
    """``-o json`` in any spelling, before a ``--``."""
    own = list(arguments)
    own = own[: own.index("--")] if "--" in own else own
    joined = {"-ojson", "-o=json", "--output=json"}
    pairs = pairwise(own)
    return any(a in joined for a in own) or any(
        a in ("-o", "--output") and b == "json" for a, b in pairs
    )
