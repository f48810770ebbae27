"""``skyctl doctor``: finds what a controller needs, tests each part, says what to do."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from controller.cli.doctor.check import Check, State
from controller.cli.failure import FAILED
from controller.cli.options import output_format
from controller.cli.output import print_data
from controller.cli.text import clean, paint

_MARKS: dict[State, tuple[str, str]] = {
    "ok": ("ok", "green"),
    "note": ("note", "cyan"),
    "warning": ("warning", "yellow"),
    "problem": ("PROBLEM", "red"),
}


def doctor(
    output: Annotated[str | None, typer.Option("-o", "--output", help="json or yaml.")] = None,
) -> None:
    """Find Docker, PostgreSQL and Traefik, test each, say what is wrong and what to do.

    Works without a controller and changes nothing. Where one answers on the socket, its settings
    are looked at, else those of this shell's environment. Exit 1 when something essential is
    missing.
    """
    form = output_format(output)
    checks = asyncio.run(_examine())
    if form in ("json", "yaml"):
        print_data(_document(checks), form)
    else:
        _print(checks)
    if any(check.state == "problem" for check in checks):
        raise typer.Exit(FAILED)


async def _examine() -> list[Check]:
    from controller.cli.doctor import (
        docker,
        firewall,
        host,
        local,
        postgres,
        sealing,
        settings,
        traefik,
    )

    checks, whose = settings.examine()
    known = whose.settings
    controller = await local.examine_controller(known)
    found = [*checks, *local.examine_state(known), *controller]
    found += sealing.examine(known)
    engine_checks, engine = await docker.examine(whose.docker)
    found += engine_checks
    found += await postgres.examine(whose)
    found += host.examine(known, engine, running=all(c.state != "note" for c in controller))
    found += await firewall.examine(known, engine)
    found += await traefik.examine(known, engine, whose.instance)
    return found


def _document(checks: Sequence[Check]) -> dict[str, Any]:
    return {
        "ok": not any(check.state == "problem" for check in checks),
        "checks": [
            {
                "name": check.name,
                "state": check.state,
                "message": check.message,
                "suggestions": list(check.suggestions),
            }
            for check in checks
        ],
    }


def _print(checks: Sequence[Check]) -> None:
    width = max(len(check.name) for check in checks)
    for check in checks:
        mark, colour = _MARKS[check.state]
        shown = paint(mark.ljust(7), colour, sys.stdout)
        print(f"{shown}  {check.name.ljust(width)}  {clean(check.message)}")
        for suggestion in check.suggestions:
            print(f"{'':7}  {'':{width}}  try: {clean(suggestion)}")
    problems = sum(check.state == "problem" for check in checks)
    warnings = sum(check.state == "warning" for check in checks)
    print(
        f"\n{_counted(problems, 'problem')}, {_counted(warnings, 'warning')}"
        if problems or warnings
        else "\nall well"
    )


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"
