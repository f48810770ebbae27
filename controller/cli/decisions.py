"""``adopt``, ``adopt-engine``, ``purge`` and ``status``: what only a person decides or asks."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from controller.cli.client import Client, connect
from controller.cli.confirmation import Yes, confirm
from controller.cli.failure import FAILED, Misuse
from controller.cli.options import Org, Output, References, named, organization, output_format
from controller.cli.output import print_data, print_done, short_name, structured
from controller.cli.text import parse_time, render_table, span


def adopt(
    references: References,
    source: Annotated[
        str, typer.Option("--source", help="sql, api, or manifest:NAME.", show_default=False)
    ],
    org: Org = None,
    output: Output = None,
) -> None:
    """Give a resource's declaration to another source; it alone may change it then."""
    form, answers = output_format(output), []
    with connect() as client:
        for reference in named(references):
            path = f"/resources/{reference.kind}/{reference.name}/adopt"
            answer = client.post(path, {"source": source}, organization=organization(org))
            already = answer["action"] == "unchanged"
            verb = "belongs to" if already else "now belongs to"
            answers.append(answer)
            if not structured(form):
                print(f"{short_name(answer['resource'])} {verb} {source}")
    if structured(form):
        print_data({"items": answers}, form)


def adopt_engine(
    yes: Yes = False,
    output: Output = None,
) -> None:
    """Accept the engine that answers now as the one this store belongs to."""
    form = output_format(output)
    with connect() as client:
        found = client.get("/controller")
        engine, bound = found["engine"], found["boundEngine"]
        if engine is not None and engine["id"] == bound:
            answer = {"action": "unchanged", "engine": bound}
            print_done(form, f"the store belongs to this engine already ({bound})", answer)
            return
        told = engine["id"] if engine else "(not known yet)"
        between = f"bound to:    {bound or '(none)'}\nanswers now: {told}"
        print(between, file=sys.stderr if structured(form) else sys.stdout)
        confirm("everything declared is built on the engine that answers now; go on?", yes)
        adopted = client.post("/adopt-engine")["engine"]
        print_done(form, f"adopted {adopted}", {"action": "adopted", "engine": adopted})


def purge(
    volumes: Annotated[
        list[str] | None,
        typer.Argument(metavar="[VOLUME]...", help="By engine name or former uid."),
    ] = None,
    every: Annotated[bool, typer.Option("--all", help="Every retained volume.")] = False,
    yes: Yes = False,
    org: Org = None,
    output: Output = None,
) -> None:
    """Remove the data of deleted volumes for good. Without a name: list what is retained."""
    form, where = output_format(output), organization(org)
    with connect() as client:
        items: list[dict[str, Any]] = client.get("/retained-volumes")["items"]
        items = [item for item in items if where in (None, item["organization"])]
        if not volumes and not every:
            _print_retained(items, form)
            return
        chosen = items if every else [_retained(items, name) for name in volumes or ()]
        if not chosen:
            print("nothing is retained", file=sys.stderr)
            return
        for item in chosen:
            print(f"{item['engineName']} ({item['organization']})", file=sys.stderr)
        confirm(f"remove the data of {len(chosen)} for good?", yes)
        _purge(client, chosen)


def _retained(items: list[dict[str, Any]], name: str) -> dict[str, Any]:
    for item in items:
        if name in (item["uid"], item["engineName"]):
            return item
    raise Misuse(f"no retained volume {name!r}", "see which are: skyctl purge")


def _purge(client: Client, chosen: list[dict[str, Any]]) -> None:
    for item in chosen:
        client.post(f"/retained-volumes/{item['uid']}/purge")
        print(f"{item['engineName']} is being removed")


def _print_retained(items: list[dict[str, Any]], form: str) -> None:
    if form in ("json", "yaml"):
        print_data({"items": items}, "yaml" if form == "yaml" else "json")
        return
    if not items:
        print("nothing is retained", file=sys.stderr)
        return
    rows = [[i["organization"], i["engineName"], _until(i["expiresAt"]), i["uid"]] for i in items]
    print(render_table(("ORGANIZATION", "VOLUME", "EXPIRES IN", "UID"), rows))


def _until(moment: str | None) -> str:
    from datetime import UTC, datetime

    if (at := parse_time(moment)) is None:
        return "never"
    return span(max(int((at - datetime.now(UTC)).total_seconds()), 0))


def status(output: Output = None) -> None:
    """The controller itself: its role, whether it is ready, and its engine."""
    form = output_format(output)
    with connect() as client:
        found = client.get("/controller")
    if form in ("json", "yaml"):
        print_data(found, form)
    else:
        _print_status(found)
    if not found["ready"]:
        raise typer.Exit(FAILED)


def _print_status(found: dict[str, Any]) -> None:
    engine = found["engine"]
    lines = [
        ("version", found["version"]),
        ("instance", found["instance"]),
        ("role", found["role"]),
        ("ready", "yes" if found["ready"] else "no"),
        *(("reason", reason) for reason in found["reasons"]),
        (
            "engine",
            f"{engine['version']} (API {engine['apiVersion']}), reach {engine['reach']}"
            if engine
            else "not connected",
        ),
    ]
    if engine and found["boundEngine"] not in (None, engine["id"]):
        lines.append(("engine", f"is {engine['id']}, the store belongs to {found['boundEngine']}"))
    if (secrets := found.get("secrets")) is not None:
        lines.append(("secrets", secrets["message"]))
        lines += [("try", suggestion) for suggestion in secrets["suggestions"]]
    for name, value in lines:
        print(f"{name + ':':<10} {value}")
