"""``skyctl top``."""

from __future__ import annotations

import sys
from typing import Annotated, Any

import typer

from controller.cli.choosing import chosen
from controller.cli.client import connect
from controller.cli.complete import complete_service
from controller.cli.options import All, Org, Output, Selector, organization, output_format
from controller.cli.options import service as parse_service
from controller.cli.output import print_data
from controller.cli.text import render_table, size

Words = Annotated[
    list[str] | None,
    typer.Argument(metavar="[service/NAME]", autocompletion=complete_service),
]


def top(
    service: Words = None,
    org: Org = None,
    every: All = False,
    selector: Selector = None,
    output: Output = None,
) -> None:
    """What the running containers consume now; CPU and memory in percent of their limits."""
    form, where = output_format(output), organization(org, every)
    plain = [word for word in service or [] if word.lower() not in ("services", "svc", "service")]
    with connect() as client:
        items: list[dict[str, Any]] = client.get(
            "/top", name=parse_service(plain).name if plain else None, organization=where
        )["items"]
        if selector is not None:
            fitting = chosen(client, ["service"], where, selector)
            items = [i for i in items if ("Service", i["organization"], i["service"]) in fitting]
    if form in ("json", "yaml"):
        print_data({"items": items}, form)
    elif items:
        print(_table(items, organization=where is None, wide=form == "wide"))
    else:
        print("nothing runs", file=sys.stderr)


def _table(items: list[dict[str, Any]], *, organization: bool, wide: bool) -> str:
    headers = ["SERVICE", "ORDINAL", "CPU%", "MEMORY", "LIMIT", "MEM%", "PIDS", "NET RX", "NET TX"]
    headers = (["ORGANIZATION"] if organization else []) + headers
    headers += ["DISK READ", "DISK WRITE", "CONTAINER"] if wide else []
    return render_table(headers, [_row(item, organization, wide) for item in items])


def _row(item: dict[str, Any], organization: bool, wide: bool) -> list[str]:
    limit = item["memoryLimit"]
    row = [item["organization"]] if organization else []
    row += [
        item["service"],
        str(item["ordinal"]),
        f"{100 * item['cpuRatio']:.1f}",
        size(item["memory"]),
        size(limit),
        f"{100 * item['memory'] / limit:.1f}" if limit else "-",
        str(item["pids"]),
        size(item["networkRx"]),
        size(item["networkTx"]),
    ]
    if wide:
        row += [size(item["diskRead"]), size(item["diskWrite"]), item["container"]]
    return row
