"""``skyctl wait``."""

from __future__ import annotations

from typing import Annotated

import typer

from controller.cli.choosing import chosen
from controller.cli.client import connect
from controller.cli.failure import Misuse
from controller.cli.options import (
    All,
    Org,
    Output,
    References,
    Selector,
    Timeout,
    organization,
    output_format,
    seconds,
)
from controller.cli.output import print_data, structured
from controller.cli.waiting import Awaited, Judge, condition, deleted, ready, wait_for
from resources.conditions import KNOWN
from resources.errors import UserError
from resources.finding import nearest


def wait(
    references: References,
    for_: Annotated[
        str, typer.Option("--for", help="Ready, Available, any CONDITION[=False], or deleted.")
    ] = "Ready",
    timeout: Timeout = "5m",
    org: Org = None,
    every: All = False,
    selector: Selector = None,
    output: Output = None,
) -> None:
    """Wait until resources are as wanted."""
    form, where = output_format(output), organization(org, every)
    judge, patience = _judge(for_), seconds(timeout)
    targets, met = [], []
    with connect() as client:
        for kind, place, name in chosen(client, references, where, selector):
            try:
                found = client.get(f"/resources/{kind}/{name}", organization=place)
            except UserError as error:
                if judge is deleted and error.code == "RESOURCE_NOT_FOUND":
                    met.append({"kind": kind, "organization": place, "name": name})
                    if not structured(form):
                        print(f"{kind}/{name}: deleted")
                    continue
                raise
            metadata = found["metadata"]
            targets.append(
                Awaited(
                    found["kind"],
                    metadata.get("organization") or "",
                    metadata["name"],
                    metadata["uid"],
                    metadata["generation"],
                )
            )
    if targets:
        wait_for(targets, judge, patience, quiet=structured(form))
    met += [{"kind": t.kind, "organization": t.organization, "name": t.name} for t in targets]
    if structured(form):
        print_data({"for": for_, "items": met}, form)


def _judge(wanted: str) -> Judge:
    word = wanted.removeprefix("condition=")
    if word.lower() in ("deleted", "delete"):
        return deleted
    if word.lower() == "ready":
        return ready
    type_, _, status = word.partition("=")
    status = {"": "True", "true": "True", "false": "False", "unknown": "Unknown"}.get(
        status.lower(), ""
    )
    known = {name.lower(): name for name in KNOWN}.get(type_.lower())
    if known is None or not status:
        meant = nearest(type_, (*KNOWN, "deleted"))
        raise Misuse(
            f"cannot wait for {wanted!r}",
            *([f"did you mean {meant}?"] if meant and known is None else []),
            f"--for CONDITION, CONDITION=False or deleted; conditions are {', '.join(KNOWN)}",
        )
    return condition(known, status)
