"""``skyctl delete``."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Annotated

import typer

from controller.cli.choosing import Choice, chosen
from controller.cli.client import Client, connect
from controller.cli.confirmation import Yes, confirm
from controller.cli.departing import organizations, told
from controller.cli.failure import FAILED, Failure, Misuse, Unreachable, write_error
from controller.cli.files import read_documents
from controller.cli.options import (
    All,
    Org,
    Output,
    Selector,
    Timeout,
    organization,
    output_format,
    seconds,
)
from controller.cli.output import print_data, structured
from controller.cli.waiting import Awaited, deleted, wait_for
from resources.errors import UserError

Words = Annotated[list[str] | None, typer.Argument(metavar="KIND/NAME...")]


def delete(
    words: Words = None,
    filename: Annotated[
        list[str] | None, typer.Option("-f", "--filename", help="What these files declare.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until they are gone.")] = False,
    timeout: Timeout = "5m",
    yes: Yes = False,
    org: Org = None,
    every: All = False,
    selector: Selector = None,
    output: Output = None,
) -> None:
    """Delete resources: containers first, then networks; volumes by their policy. An organization
    takes all in it along: that is asked first."""
    form, where, patience = output_format(output), organization(org, every), seconds(timeout)
    targets, requested, failed = [], [], None
    with connect() as client:
        choices = _named(client, words or [], filename, where, selector)
        _ask(client, choices, yes)
        for kind, organization_, name in choices:
            try:
                gone = client.delete(f"/resources/{kind}/{name}", organization=organization_)
            except Unreachable:
                raise
            except UserError as error:
                write_error(error, sys.stderr)
                failed = failed or error
                continue
            requested.append(gone)
            if not structured(form):
                print(f"{gone['kind'].lower()}/{gone['name']} deletion requested", flush=True)
            targets.append(Awaited(gone["kind"], gone["organization"], gone["name"], gone["uid"]))
    if structured(form):
        print_data({"items": requested}, form)
    if wait and targets:
        wait_for(targets, deleted, patience, quiet=structured(form))
    if failed is not None:
        raise typer.Exit(FAILED)


def _ask(client: Client, choices: Sequence[Choice], yes: bool) -> None:
    names = organizations(choices)
    for name in () if yes else names:
        print("\n".join(told(client, name)), file=sys.stderr)
    if names:
        confirm(f"delete {', '.join(f'organization/{name}' for name in names)}?", yes)


def _named(
    client: Client,
    words: list[str],
    files: list[str] | None,
    where: str | None,
    selector: str | None,
) -> list[Choice]:
    """(kind, organization, name) of each, in the order in which they are to go."""
    if files:
        read = read_documents(files)
        if read.problems:
            raise Failure(read.problems[0], FAILED)
        keys = [d.key for d in read.documents]
        return [(k.kind, k.organization, k.name) for k in reversed(keys)]
    if not words:
        raise Misuse("nothing is named", "skyctl delete service/NAME", "skyctl delete -f FILE")
    return chosen(client, words, where, selector)
