"""``skyctl get``."""

from __future__ import annotations

import json
import sys
from typing import Annotated, Any

import typer

from controller.cli import columns
from controller.cli.client import Client, connect
from controller.cli.failure import write_error
from controller.cli.labels import print_labels
from controller.cli.options import (
    All,
    Org,
    Output,
    OutputFormat,
    Reference,
    References,
    Selector,
    organization,
    output_format,
    references,
)
from controller.cli.output import Document, print_resources, print_yaml, short_name
from controller.cli.stream import Stream
from controller.cli.text import clean, column_widths, render_table
from resources.errors import UserError

_EVERYTHING = "all"


def get(
    references: References,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Go on with every change.")] = False,
    org: Org = None,
    every: All = False,
    selector: Selector = None,
    output: Output = None,
    labels: Annotated[
        bool, typer.Option("--labels", help="A Domain's routing as Docker labels for Traefik.")
    ] = False,
) -> None:
    """List resources, or show some of them.

    skyctl get services · get service/web · get svc web api · get all
    """
    form, where = output_format(output), organization(org, every)
    wanted = _wanted(references)
    if labels:
        with connect() as client:
            print_labels(client, wanted, where, form)
        return
    if watch:
        _watch(wanted, form, where, selector)
        return
    with connect() as client:
        documents = [d for reference in wanted for d in _read(client, reference, where, selector)]
    if not documents and form in ("table", "wide"):
        place = f" in organization {where}" if where else ""
        print(f"nothing found{place}", file=sys.stderr)
        return
    single = len(wanted) == 1 and wanted[0].name is not None
    print_resources(documents, form, single=single, organization=where)


def _wanted(words: list[str]) -> list[Reference]:
    return references(words)


def _read(
    client: Client, reference: Reference, where: str | None, selector: str | None
) -> list[Document]:
    if reference.name is not None:
        path = f"/resources/{reference.kind}/{reference.name}"
        return [client.get(path, organization=where)]
    kind = "" if reference.kind.lower() == _EVERYTHING else f"/{reference.kind}"
    found = client.get(f"/resources{kind}", organization=where, labelSelector=selector)
    items: list[Document] = found["items"]
    return items


def _watch(
    wanted: list[Reference], form: OutputFormat, where: str | None, selector: str | None
) -> None:
    """One line per state that is seen; deletions say so."""
    stream = Stream(
        "/watch",
        resume=True,
        kind=[r.kind for r in wanted if r.kind.lower() != _EVERYTHING] or None,
        name=[r.name for r in wanted if r.name] or None,
        organization=where,
        labelSelector=selector,
    )
    screen = _Rows(form, where)
    while True:
        if (line := stream.next(3600)) is not None:
            screen.show(line)


class _Rows:
    """Columns are as wide as the first rows need; later ones may stick out."""

    def __init__(self, form: OutputFormat, where: str | None) -> None:
        self._form, self._where = form, where
        self._first: list[Document] | None = []
        self._widths: dict[str, list[int]] = {}

    def show(self, line: dict[str, Any]) -> None:
        match line["type"]:
            case "synced":
                self._flush()
            case "resumed":
                self._first = []
            case "error":
                write_error(UserError.from_dict(line["error"]), sys.stderr)
            case change:
                document = line["resource"]
                if change == "deleted":
                    document = _gone(document)
                if self._first is not None:
                    self._first.append(document)
                else:
                    self._print([document])

    def _flush(self) -> None:
        documents, self._first = self._first or [], None
        self._print(documents)

    def _print(self, documents: list[Document]) -> None:
        if self._form == "json":
            for document in documents:
                print(json.dumps(document, ensure_ascii=False), flush=True)
        elif self._form == "yaml":
            for document in documents:
                print("---")
                print_yaml([document])
        elif self._form == "name":
            for document in documents:
                print(short_name(document), flush=True)
        else:
            for kind in dict.fromkeys(d["kind"] for d in documents):
                self._print_rows(kind, [d for d in documents if d["kind"] == kind])
        sys.stdout.flush()

    def _print_rows(self, kind: str, documents: list[Document]) -> None:
        table = columns.table_of(kind, wide=self._form == "wide", organization=self._where is None)
        rows = [[clean(cell) or "-" for cell in table.row(d)] for d in documents]
        first = kind not in self._widths
        widths = self._widths.setdefault(kind, column_widths(table.headers, rows))
        print(render_table(table.headers, rows, header=first, widths=widths))


def _gone(document: Document) -> Document:
    status = {**(document.get("status") or {}), "phase": "Deleted", "message": "deleted"}
    metadata = {**document["metadata"], "deletionRequestedAt": None}
    return {**document, "metadata": metadata, "status": status}
