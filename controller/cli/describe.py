"""``skyctl describe``: everything about a resource, for reading."""

from __future__ import annotations

import sys
from typing import Any

from controller.cli import columns
from controller.cli.choosing import chosen
from controller.cli.client import connect
from controller.cli.events import events_table
from controller.cli.options import (
    All,
    Org,
    Output,
    References,
    Selector,
    organization,
    output_format,
)
from controller.cli.output import Document, print_data
from controller.cli.rollout import revisions_table
from controller.cli.text import age, clean, colour_of, paint, render_table

_SHOWN_APART = frozenset(
    {"conditions", "containers", "restarts", "error", "phase", "message", "state"}
)


def describe(
    references: References,
    org: Org = None,
    every: All = False,
    selector: Selector = None,
    output: Output = None,
) -> None:
    """Show resources with their conditions, containers, events and revisions."""
    form, where = output_format(output), organization(org, every)
    with connect() as client:
        found = [
            client.get(f"/resources/{kind}/{name}/describe", organization=place)
            for kind, place, name in chosen(client, references, where, selector)
        ]
    if form in ("json", "yaml"):
        print_data(found[0] if len(found) == 1 and selector is None else found, form)
        return
    for index, description in enumerate(found):
        if index:
            print("\n" + "-" * 72 + "\n")
        _print(description)


def _print(description: dict[str, Any]) -> None:
    document = description["resource"]
    status = columns.status(document)
    _identity(document)
    _state(document)
    _section("Conditions", _conditions(status))
    _section("Containers", _containers(status))
    _section("Restarts", _restarts(status))
    _section("Traffic", _traffic(description.get("traffic")))
    rest = {k: v for k, v in status.items() if k not in _SHOWN_APART and v not in (None, [], {})}
    _section("Status", _yaml(rest))
    _section("Spec", _yaml(document["spec"]))
    if description["revisions"]:
        _section("Revisions", revisions_table(description["revisions"]))
    events = description["events"]
    _section("Events", events_table(events) if events else "none")


def _section(title: str, text: str) -> None:
    if text:
        print(paint(f"\n{title}:", "bold", sys.stdout))
        for line in text.splitlines():
            print(f"  {line}".rstrip())


def _field(name: str, value: str, colour: str = "") -> None:
    print(f"{name + ':':<14} {paint(clean(value), colour, sys.stdout)}")


def _identity(document: Document) -> None:
    metadata = document["metadata"]
    _field("Name", metadata["name"])
    _field("Kind", document["kind"])
    if metadata.get("organization"):
        _field("Organization", metadata["organization"])
    for title, name in (("Labels", "labels"), ("Annotations", "annotations")):
        for index, (key, value) in enumerate(sorted(metadata[name].items())):
            _field(title if index == 0 else "", f"{key}={value}")
    _field("Source", metadata["source"])
    if metadata.get("createdBy"):
        _field("Created by", metadata["createdBy"])
    if metadata.get("owner"):
        _field("Owner", metadata["owner"])
    _field("UID", metadata["uid"])
    _field("Generation", _generation(document))
    _field("Age", age(metadata.get("createdAt")))
    if metadata.get("deletionRequestedAt"):
        _field("Deletion", f"requested {age(metadata['deletionRequestedAt'])} ago", "yellow")


def _generation(document: Document) -> str:
    newest = document["metadata"]["generation"]
    seen = columns.status(document).get("observedGeneration")
    return str(newest) if seen == newest else f"{newest} (observed: {seen or 'none'})"


def _state(document: Document) -> None:
    phase = columns.phase(document)
    _field("Phase", phase, colour_of(phase))
    if message := columns.message(document):
        _field("Message", message)
    error = columns.status(document).get("error")
    if error:
        _field("Error", f"{error['code']}: {error['message']}", "red")
        for suggestion in error.get("suggestions", ()):
            _field("", f"try: {suggestion}")


def _conditions(status: Document) -> str:
    rows = [
        [c["type"], c["status"], c["reason"], age(c.get("lastTransitionTime")), c["message"]]
        for c in status.get("conditions", ())
    ]
    headers = ("CONDITION", "STATUS", "REASON", "SINCE", "MESSAGE")
    return render_table(headers, rows) if rows else ""


def _containers(status: Document) -> str:
    rows = [
        [
            c["name"],
            str(c.get("ordinal", "")),
            str(c.get("state", "")),
            str(c.get("health") or ""),
            str(c.get("restarts", "")),
            age(c.get("startedAt")),
            str(c.get("revision", ""))[:12],
            _exit(c),
        ]
        for c in status.get("containers") or ()
    ]
    headers = ("NAME", "ORDINAL", "STATE", "HEALTH", "RESTARTS", "STARTED", "REVISION", "EXIT")
    return render_table(headers, rows) if rows else ""


def _exit(container: Document) -> str:
    if container.get("oomKilled"):
        return "out of memory"
    code = container.get("exitCode")
    return "" if code is None or container.get("state") == "running" else str(code)


def _restarts(status: Document) -> str:
    lines = []
    for restart in status.get("restarts") or ():
        cause = "out of memory" if restart.get("oomKilled") else f"exit {restart.get('exitCode')}"
        lines.append(f"{age(restart.get('at'))} ago: {cause}")
        lines += [f"  | {clean(line)}" for line in str(restart.get("logTail") or "").splitlines()]
    return "\n".join(lines)


def _traffic(traffic: Document | None) -> str:
    """What its visitors got in the last minutes."""
    if traffic is None:
        return ""
    total, seconds = sum(traffic["requests"].values()), traffic["seconds"]
    if not total:
        return f"no request in the last {seconds:.0f} s"
    codes = ", ".join(f"{n} {code}" for code, n in traffic["requests"].items() if n)
    share = 100 * traffic["failed"] / total
    within = ", ".join(f"{p} % within {t * 1000:.0f} ms" for p, t in traffic["within"].items())
    rate = total / seconds if seconds else 0.0
    lines = [
        f"{total} requests in the last {seconds:.0f} s, {rate:.1f} each second: {codes}",
        f"{traffic['failed']} failed (5xx), {share:.2g} %",
        f"answered: {within}",
    ]
    return "\n".join(lines)


def _yaml(value: Any) -> str:
    if not value:
        return ""
    import yaml

    return str(yaml.safe_dump(value, sort_keys=False, allow_unicode=True, width=200))
