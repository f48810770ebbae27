"""What destroys something, or opens the host, is asked for twice: one rule for all commands.

On a terminal the question is asked; ``--yes`` answers it. Without a terminal nothing is taken for
a yes but ``--yes``: neither a name on the command line nor what stands in standard input.
"""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from controller.cli.failure import FAILED, Misuse

Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask; needed without a terminal.")]


class Unconfirmed(Misuse):
    """Nobody can be asked, and nobody said --yes."""

    CODE = "CONFIGURATION_UNCONFIRMED"


def confirm(question: str, yes: bool) -> None:
    """Returns when it is wanted. Raises Unconfirmed without a terminal, and ends the command with
    exit code 1 when the answer is no."""
    if yes:
        return
    if not sys.stdin.isatty():
        raise Unconfirmed(
            f"this needs a yes, and standard input is no terminal: {question}",
            "give --yes to do it without being asked",
        )
    print(f"{question} [y/N]: ", end="", file=sys.stderr, flush=True)
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        print("nothing was done", file=sys.stderr)
        raise typer.Exit(FAILED)
