"""Resources as tables, YAML, JSON or names."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import Any

from controller.cli import columns
from controller.cli.options import OutputFormat
from controller.cli.text import render_table

Document = dict[str, Any]


def print_json(value: Any) -> None:
    print(json.dumps(value, indent=2, ensure_ascii=False))


def print_yaml(documents: Iterable[Document]) -> None:
    from resources.document import dump

    print(dump(*documents), end="")


def print_data(value: Any, form: OutputFormat) -> None:
    """What is no resource: JSON, or YAML of the same."""
    if form == "yaml":
        import yaml

        print(yaml.safe_dump(value, sort_keys=False, allow_unicode=True), end="")
    else:
        print_json(value)


def structured(form: OutputFormat) -> bool:
    """For programs: one document on standard output, and nothing else."""
    return form in ("json", "yaml")


def print_done(form: OutputFormat, text: str, value: Any) -> None:
    """What a command did: a sentence, or the same for programs."""
    if structured(form):
        print_data(value, form)
    else:
        print(text, flush=True)


def short_name(document: Document) -> str:
    return f"{document['kind'].lower()}/{document['metadata']['name']}"


def qualified(document: Document) -> str:
    """As ``short_name``, with the organization where there is one."""
    organization = document["metadata"].get("organization")
    return short_name(document) + (f" ({organization})" if organization else "")


def print_resources(
    documents: Sequence[Document], form: OutputFormat, *, single: bool, organization: str | None
) -> None:
    """single: exactly one was asked for, so it is printed bare, not as a list."""
    match form:
        case "json" if single:
            print_json(documents[0])
        case "json":
            print_json({"apiVersion": "skypanel.io/v1", "kind": "List", "items": list(documents)})
        case "yaml":
            print_yaml(documents)
        case "name":
            for document in documents:
                print(short_name(document))
        case _:
            _print_tables(documents, wide=form == "wide", organization=organization)


def _print_tables(documents: Sequence[Document], *, wide: bool, organization: str | None) -> None:
    kinds = list(dict.fromkeys(document["kind"] for document in documents))
    for index, kind in enumerate(kinds):
        table = columns.table_of(kind, wide=wide, organization=organization is None)
        rows = [table.row(d, prefixed=len(kinds) > 1) for d in documents if d["kind"] == kind]
        if index:
            print()
        print(render_table(table.headers, rows, file=sys.stdout))
