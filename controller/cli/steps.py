"""Plans as text: the planner's own rendering, coloured on a terminal."""

from __future__ import annotations

import sys
from typing import Any

from controller.cli.failure import write_error
from controller.cli.text import clean, paint
from resources.errors import UserError

_ACTIONS = {
    "create": ("+", "green"),
    "configure": ("~", "yellow"),
    "delete": ("-", "red"),
    "refused": ("!", "red"),
    "unchanged": (" ", ""),
}


def print_difference(difference: dict[str, Any]) -> None:
    """Unchanged resources without steps are left out: they are no difference."""
    if difference["action"] == "unchanged" and not difference["steps"]:
        return
    mark, colour = _ACTIONS.get(difference["action"], ("?", ""))
    title = f"{mark} {heading(difference)} {difference['action']}"
    if not difference.get("accepted", True):
        title, colour = f"! {heading(difference)} {difference['action']}, not accepted", "red"
    print(paint(title, colour, sys.stdout))
    for change in difference["changes"]:
        print(f"    {clean(change)}")
    print_plan_lines(difference)
    if difference["error"]:
        sys.stdout.flush()
        write_error(UserError.from_dict(difference["error"]), sys.stderr, indent="  ")


def heading(body: dict[str, Any]) -> str:
    """``Service/web (acme)``."""
    organization = body.get("organization")
    name = clean(f"{body['kind']}/{body['name']}")
    return f"{name} ({clean(organization)})" if organization else name


def print_plan_lines(body: dict[str, Any]) -> None:
    """Exactly the lines of ``Plan.render()``, indented."""
    for step in body["steps"]:
        print("  " + paint(clean(step["text"]), "red" if step["destructive"] else "", sys.stdout))
    for drift in body.get("drift") or ():
        text = clean(f"drift: {drift['field']}: {drift['cause']}")
        print("  " + paint(text, "yellow", sys.stdout))
    if body.get("wait"):
        print("  " + paint(clean(f"wait: {body['wait']['reason']}"), "dim", sys.stdout))
    if body.get("problem") and body.get("action") != "refused":
        problem = body["problem"]
        text = clean(f"problem: {problem['code']}: {problem['message']}")
        print("  " + paint(text, "red", sys.stdout))
        for suggestion in problem["suggestions"]:
            print(f"    try: {clean(suggestion)}")


def print_resumed(body: dict[str, Any]) -> None:
    steps = body["resumed"]
    where = f" --org {body['organization']}" if body.get("organization") else ""
    command = f"skyctl resume {body['kind'].lower()}/{body['name']}{where}"
    print("  " + clean(f"after {command}:" if steps else f"after {command}: nothing to do"))
    for step in steps:
        print("    " + paint(clean(step["text"]), "red" if step["destructive"] else "", sys.stdout))
