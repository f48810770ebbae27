"""``skyctl events``."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from typing import Annotated, Any

import typer

from controller.cli.client import connect
from controller.cli.complete import complete_reference
from controller.cli.failure import write_error
from controller.cli.options import All, Org, Output, Selector, organization, output_format
from controller.cli.options import references as parsed
from controller.cli.output import print_data
from controller.cli.stream import Stream
from controller.cli.text import age, clean, clock, column_widths, render_table
from resources.errors import UserError

HEADERS = ("AGE", "TYPE", "REASON", "OBJECT", "MESSAGE")
Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KIND/NAME]", autocompletion=complete_reference),
]


def events(
    references: Words = None,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on with new ones.")] = False,
    limit: Annotated[int, typer.Option(min=1, max=10_000, help="The newest so many.")] = 200,
    org: Org = None,
    every: All = False,
    selector: Selector = None,
    output: Output = None,
) -> None:
    """What happened, oldest first."""
    form, where = output_format(output), organization(org, every)
    reference = parsed(references)[0] if references else None
    parameters = {
        "organization": where,
        "kind": reference.kind if reference else None,
        "name": reference.name if reference else None,
    }
    fits = _fitting(where, selector)
    if watch:
        _watch(parameters, fits, as_json=form == "json")
        return
    with connect() as client:
        items = client.get("/events", limit=limit, **parameters)["items"]
    items = [item for item in items if fits(item)]
    if form in ("json", "yaml"):
        print_data({"items": items}, form)
    elif items:
        print(events_table(items))
    else:
        print("no events", file=sys.stderr)


def _fitting(where: str | None, selector: str | None) -> Callable[[dict[str, Any]], bool]:
    """Events of what has the labels now."""
    if selector is None:
        return lambda _: True
    with connect() as client:
        items = client.get("/resources", organization=where, labelSelector=selector)["items"]
    uids = {item["metadata"]["uid"] for item in items}
    return lambda event: event["uid"] in uids


def row(event: dict[str, Any], when: Callable[[str | None], str] = age) -> list[str]:
    name = f"{event['kind'].lower()}/{event['name']}"
    counted = f" (x{event['count']} in {age(event['firstAt'])})" if event["count"] > 1 else ""
    return [
        when(event["at"]),
        event["type"],
        event["reason"],
        name,
        event["message"] + counted,
    ]


def events_table(items: list[dict[str, Any]]) -> str:
    return render_table(HEADERS, [row(item) for item in items])


def _watch(
    parameters: dict[str, Any], fits: Callable[[dict[str, Any]], bool], *, as_json: bool
) -> None:
    stream = Stream("/events/follow", resume=True, **parameters)
    headers = ("TIME", *HEADERS[1:])
    widths = column_widths(headers, [["23:59:59", "Warning", " " * 20, " " * 24, ""]])
    if not as_json:
        print(render_table(headers, [], widths=widths), flush=True)
    while True:
        line = stream.next(3600)
        if line is None or line["type"] == "resumed":
            continue
        if line["type"] == "error":
            write_error(UserError.from_dict(line["error"]), sys.stderr)
        elif not fits(line["event"]):
            continue
        elif as_json:
            print(json.dumps(line["event"], ensure_ascii=False), flush=True)
        else:
            cells = [clean(cell) or "-" for cell in row(line["event"], clock)]
            print(render_table(headers, [cells], header=False, widths=widths), flush=True)
