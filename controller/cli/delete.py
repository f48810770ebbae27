"""``skyctl delete``."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from controller.cli.client import Client, connect
from controller.cli.failure import FAILED, Failure, Misuse, Unreachable, write_error
from controller.cli.files import read_documents
from controller.cli.options import Org, Selector, Timeout, named, organization, references, seconds
from controller.cli.waiting import Target, deleted, wait_for
from resources.errors import UserError

Words = Annotated[list[str] | None, typer.Argument(metavar="KIND/NAME...")]


def delete(
    words: Words = None,
    filename: Annotated[
        list[str] | None, typer.Option("-f", "--filename", help="What these files declare.")
    ] = None,
    wait: Annotated[bool, typer.Option("--wait", help="Until they are gone.")] = False,
    timeout: Timeout = "5m",
    org: Org = None,
    selector: Selector = None,
) -> None:
    """Delete resources: containers first, then networks; volumes by their policy."""
    where, patience = organization(org), seconds(timeout)
    targets, failed = [], None
    with connect() as client:
        for kind, organization_, name in _named(client, words or [], filename, where, selector):
            try:
                gone = client.delete(f"/resources/{kind}/{name}", organization=organization_)
            except Unreachable:
                raise
            except UserError as error:
                write_error(error, sys.stderr)
                failed = failed or error
                continue
            print(f"{gone['kind'].lower()}/{gone['name']} deletion requested", flush=True)
            targets.append(Target(gone["kind"], gone["organization"], gone["name"], gone["uid"]))
    if wait and targets:
        wait_for(targets, deleted, patience)
    if failed is not None:
        raise typer.Exit(FAILED)


def _named(
    client: Client,
    words: list[str],
    files: list[str] | None,
    where: str | None,
    selector: str | None,
) -> list[tuple[str, str | None, str]]:
    """(kind, organization, name) of each, in the order in which they are to go."""
    if files:
        read = read_documents(files)
        if read.problems:
            raise Failure(read.problems[0], FAILED)
        keys = [d.key for d in read.documents]
        return [(k.kind, k.organization, k.name) for k in reversed(keys)]
    if selector:
        kinds = references(words)
        found = [
            item
            for r in kinds
            for item in client.get(
                f"/resources/{r.kind}", organization=where, labelSelector=selector
            )["items"]
        ]
        return [
            (d["kind"], d["metadata"].get("organization") or "", d["metadata"]["name"])
            for d in found
        ]
    if not words:
        raise Misuse("nothing is named", "skyctl delete service/NAME", "skyctl delete -f FILE")
    return [(r.kind, where, str(r.name)) for r in named(words)]
