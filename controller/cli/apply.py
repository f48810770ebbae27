"""``skyctl apply`` and ``skyctl diff``."""

from __future__ import annotations

import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Annotated, Any

import typer

from controller.cli.client import Client, connect
from controller.cli.failure import FAILED, USAGE, failing_with
from controller.cli.files import Read, located, problem_lines, read_documents
from controller.cli.options import Files, Output, Timeout, output_format, seconds
from controller.cli.output import print_data
from controller.cli.steps import print_difference
from controller.cli.text import clean, paint
from controller.cli.users import changed_secrets, rolling
from controller.cli.waiting import Awaited, ready, wait_for
from resources.document import Document
from resources.errors import UserError

BATCH = 200
"""Documents per request."""
_COLOURS = {"created": "green", "configured": "yellow", "refused": "red"}


def apply(
    filename: Files,
    wait: Annotated[
        bool,
        typer.Option(
            "--wait",
            help="Until all are Ready (who uses a changed Secret: with it), or one is stuck.",
        ),
    ] = False,
    timeout: Timeout = "5m",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Validate and compare; write nothing.")
    ] = False,
    output: Output = None,
) -> None:
    """Write manifests to the store. An invalid document is refused, the others go on."""
    form, patience = output_format(output), seconds(timeout)
    read = read_documents(filename)
    with connect() as client:
        results = list(_apply(client, read.documents, dry_run))
    if form in ("json", "yaml"):
        problems = [p.to_dict() for p in read.problems]
        print_data({"dryRun": dry_run, "results": results, "problems": problems}, form)
    else:
        _print_results(results, dry_run)
        _print_problems(read)
    applied = [_target(result) for result in results if result["action"] != "refused"]
    if wait and applied and not dry_run:
        _wait(applied, results, patience, quiet=form != "table")
    if read.problems or any(result["action"] == "refused" for result in results):
        raise typer.Exit(FAILED)


def _wait(
    applied: Sequence[Awaited], results: Sequence[dict[str, Any]], patience: float, *, quiet: bool
) -> None:
    """Also until the services that use a changed Secret run with it."""
    deadline = time.monotonic() + patience
    wait_for(applied, ready, patience, quiet=quiet)
    secrets = changed_secrets(results)
    if not secrets:
        return
    with connect() as client:
        users = rolling(client, secrets, deadline - time.monotonic())
    if users:
        wait_for(users, ready, max(deadline - time.monotonic(), 1.0), quiet=quiet)


def _apply(
    client: Client, documents: Sequence[Document], dry_run: bool
) -> Iterator[dict[str, Any]]:
    """Results, their errors with file and line."""
    for start in range(0, len(documents), BATCH):
        batch = documents[start : start + BATCH]
        body = {"manifests": [dict(d.raw) for d in batch], "dryRun": dry_run}
        for result in client.post("/apply", body)["results"]:
            yield _located(batch[result["index"]], result)


def _located(document: Document, result: dict[str, Any]) -> dict[str, Any]:
    if not result.get("error"):
        return {**result, "file": document.file}
    error = located(document, UserError.from_dict(result["error"]))
    return {**result, "file": document.file, "error": error.to_dict()}


def _target(result: dict[str, Any]) -> Awaited:
    return Awaited(
        result["kind"],
        result["organization"],
        result["name"],
        generation=result.get("generation") or 0,
    )


def _print_results(results: Sequence[dict[str, Any]], dry_run: bool) -> None:
    suffix = " (dry run)" if dry_run else ""
    for result in results:
        name = clean(f"{result['kind'].lower()}/{result['name']}")
        action = paint(result["action"], _COLOURS.get(result["action"], ""), sys.stdout)
        print(f"{name} {action}{suffix}", flush=True)
        if result.get("error"):
            _print_error(UserError.from_dict(result["error"]))


def _print_error(error: UserError) -> None:
    print(f"error: {error.code}: {clean(error.message)}", file=sys.stderr)
    for line in problem_lines(error):
        print(
            f"  {clean(line) if not line.startswith(' ') else '  ' + clean(line)}", file=sys.stderr
        )


def _print_problems(read: Read) -> None:
    for problem in read.problems:
        _print_error(problem)


def diff(
    filename: Files,
    output: Output = None,
) -> None:
    """What applying would do to the engine, step by step. What is decided then is shown as x.

    Exit 0: nothing, 1: something, 2: something is refused or would not be accepted.
    """
    with failing_with(USAGE):
        form = output_format(output)
        read = read_documents(filename)
        if read.problems:
            _print_problems(read)
            raise typer.Exit(USAGE)
        with connect() as client:
            found = client.post("/diff", {"manifests": [dict(d.raw) for d in read.documents]})
    differences: list[dict[str, Any]] = found["differences"]
    if form in ("json", "yaml"):
        print_data(found, form)
    else:
        for difference in differences:
            print_difference(difference)
        print(summary(differences))
    refused = any(d["action"] == "refused" or not d["accepted"] for d in differences)
    raise typer.Exit(USAGE if refused else FAILED if _differs(differences) else 0)


def _differs(differences: Sequence[dict[str, Any]]) -> bool:
    return any(d["action"] != "unchanged" or d["steps"] for d in differences)


def summary(differences: Sequence[dict[str, Any]]) -> str:
    """``3 to create, 1 to change, 0 to remove``; what would not be accepted counts apart."""
    count = Counter(d["action"] if d.get("accepted", True) else "held" for d in differences)
    steps = sum(len(d["steps"]) for d in differences)
    text = (
        f"{count['create']} to create, {count['configure']} to change, {count['delete']} to remove"
    )
    for action, told in (("refused", "refused"), ("held", "not accepted")):
        if count[action]:
            text += f", {count[action]} {told}"
    return f"{text} ({steps} step{'' if steps == 1 else 's'})"
