"""``skyctl logs``."""

from __future__ import annotations

import json
import sys
import time
from typing import Annotated, Any

import typer

from controller.cli.choosing import Choice, chosen
from controller.cli.client import connect
from controller.cli.failure import FAILED, Failure, Misuse
from controller.cli.options import (
    All,
    Org,
    Output,
    Selector,
    ServiceReference,
    organization,
    output_format,
)
from controller.cli.options import seconds as parse_seconds
from controller.cli.options import service as parse_service
from controller.cli.stream import Ended, Stream
from controller.cli.text import clean, paint
from resources.errors import UserError

_HUES = ("cyan", "green", "yellow", "bold")


def logs(
    service: ServiceReference,
    follow: Annotated[bool, typer.Option("-f", "--follow", help="Go on with new lines.")] = False,
    tail: Annotated[
        int | None, typer.Option(min=0, help="Only the last so many lines of each container.")
    ] = None,
    since: Annotated[str | None, typer.Option(help="Only lines of the last 10m, 2h, ...")] = None,
    previous: Annotated[
        bool, typer.Option("--previous", "-p", help="The run before the present one.")
    ] = False,
    ordinal: Annotated[int | None, typer.Option(min=0, help="Only this replica.")] = None,
    timestamps: Annotated[bool, typer.Option("--timestamps", help="Each line's time.")] = False,
    prefix: Annotated[
        bool | None, typer.Option("--prefix/--no-prefix", help="Name the container of each line.")
    ] = None,
    org: Org = None,
    every: All = False,
    selector: Selector = None,
    output: Output = None,
) -> None:
    """The log lines of a service's containers, or the requests to a domain (domain/NAME)."""
    form, where = output_format(output), organization(org, every)
    start = None if since is None else time.time() - parse_seconds(since)
    services = _services(service, where, selector)
    if follow and len(services) > 1:
        raise Misuse(f"{len(services)} of them fit; one can be followed", "name it: service/NAME")
    if len(services) > 1 and prefix is None:
        prefix = True
    printer = _Printer(prefix, timestamps=timestamps, as_json=form == "json")
    for kind, place, name in services:
        stream = Stream(
            f"/resources/{kind}/{name}/logs",
            resume=False,
            organization=place,
            follow=follow,
            tail=tail,
            since=start,
            previous=previous,
            ordinal=ordinal,
        )
        _show(stream, printer)


def _services(words: list[str], where: str | None, selector: str | None) -> list[Choice]:
    if selector is None:
        reference = parse_service(words)
        return [(reference.kind, where, str(reference.name))]
    with connect() as client:
        return chosen(client, words, where, selector)


def _show(stream: Stream, printer: _Printer) -> None:
    while True:
        try:
            line = stream.next(3600)
        except Ended:
            return
        if line is not None:
            printer.show(line)


class _Printer:
    """Lines of several containers carry the container's name, unless told otherwise."""

    def __init__(self, prefix: bool | None, *, timestamps: bool, as_json: bool) -> None:
        self._prefix, self._timestamps, self._as_json = prefix, timestamps, as_json
        self._containers: set[str] = set()

    def show(self, line: dict[str, Any]) -> None:
        match line["type"]:
            case "error":
                raise Failure(UserError.from_dict(line["error"]), FAILED)
            case "container":
                self._containers.add(line["container"])
            case "notice":
                print(f"skyctl: {clean(line['text'])}", file=sys.stderr, flush=True)
            case "line" if self._as_json:
                print(json.dumps(line, ensure_ascii=False), flush=True)
            case "line":
                self._print(line)

    def _print(self, line: dict[str, Any]) -> None:
        name = line["container"]
        parts = []
        if self._prefix or (self._prefix is None and len(self._containers) > 1):
            hue = _HUES[max(line["ordinal"], 0) % len(_HUES)]
            parts.append(paint(name, hue, sys.stdout))
        if self._timestamps or line["stream"] == "access":
            parts.append(line["time"])
        print(" ".join([*parts, line["text"]]), flush=True)
