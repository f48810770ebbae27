"""``skyctl guard list|approve|discard``."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from controller.cli.client import Client, connect
from controller.cli.confirmation import Yes, confirm
from controller.cli.options import Output, OutputFormat, output_format
from controller.cli.output import print_data, print_done
from controller.cli.text import age, clean, render_table

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    no_args_is_help=True,
    help="Deletions that were inferred from absence, too many at once, and wait for a person.",
)


def _held_ids(incomplete: str) -> list[str]:
    try:
        with connect(1.0) as client:
            items = client.get("/guard")["items"]
    except Exception:  # a prompt is no place for an error
        return []
    return [i["id"] for i in items if i["state"] == "held" and i["id"].startswith(incomplete)]


Id = Annotated[str, typer.Argument(metavar="ID", autocompletion=_held_ids)]


@app.command("list")
def list_(
    every: Annotated[bool, typer.Option("--all", help="Decided ones too.")] = False,
    output: Output = None,
) -> None:
    """What is held, and what it would delete."""
    form = output_format(output)
    with connect() as client:
        items: list[dict[str, Any]] = client.get("/guard")["items"]
    items = [item for item in items if every or item["state"] == "held"]
    if form in ("json", "yaml"):
        print_data({"items": items}, form)
        return
    if not items:
        print("nothing is held", file=sys.stderr)
        return
    rows = [
        [i["id"], i["source"], i["state"], f"{len(i['items'])} of {i['total']}", age(i["at"])]
        for i in items
    ]
    print(render_table(("ID", "SOURCE", "STATE", "DELETES", "AGE"), rows))
    for item in items:
        print(f"\n{item['id']} would delete:")
        for line in item["items"]:
            print(f"  {clean(line)}")


@app.command()
def approve(id_: Id, yes: Yes = False, output: Output = None) -> None:
    """Delete what it holds."""
    form = output_format(output)
    with connect() as client:
        for held in client.get("/guard")["items"]:
            if held["id"] == id_ and held["state"] == "held":
                for line in held["items"]:
                    print(clean(line), file=sys.stderr)
                confirm(f"delete these {len(held['items'])}?", yes)
        _decide(client, id_, "approve", "approved: {} will be deleted", form)


@app.command()
def discard(id_: Id, output: Output = None) -> None:
    """Keep what it holds."""
    form = output_format(output)
    with connect() as client:
        _decide(client, id_, "discard", "discarded: {} are kept", form)


def _decide(client: Client, id_: str, decision: str, told: str, form: OutputFormat) -> None:
    held = client.post(f"/guard/{id_}/{decision}")
    print_done(form, f"{held['id']} {told.format(len(held['items']))}", held)
