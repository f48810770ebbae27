"""Who uses what was applied: a changed Secret is in force when its users run with it.

The Secret is Ready as soon as its values are sealed; its users begin to roll a moment later, and
until then their status says that all is well. So the controller is asked what it would do next:
whoever has a step to come, and a status that does not know of it, is about to begin.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from typing import Any

from controller.cli import columns
from controller.cli.client import Client
from controller.cli.operations import target_of
from controller.cli.waiting import Awaited

BEGIN = 15.0
"""Seconds in which a pass begins; whoever has not begun by then is judged as it is."""
TICK = 0.3
_FIELDS = ("secret", "imagePullSecret")

Secrets = dict[str, set[str]]
"""Names by organization."""


def changed_secrets(results: Iterable[dict[str, Any]]) -> Secrets:
    found: Secrets = {}
    for result in results:
        if result["kind"] == "Secret" and result["action"] == "configured":
            found.setdefault(result["organization"], set()).add(result["name"])
    return found


def rolling(client: Client, secrets: Secrets, timeout: float) -> list[Awaited]:
    """The services that use them, once each has begun with what it has to do. timeout: seconds."""
    until = time.monotonic() + min(timeout, BEGIN)
    while True:
        users = [user for place in secrets for user in _users(client, place, secrets[place])]
        if not any(_about_to(client, place, users) for place in secrets):
            break
        if time.monotonic() >= until:
            break
        time.sleep(TICK)
    return [target_of(user) for user in users]


def _users(client: Client, place: str, names: set[str]) -> list[dict[str, Any]]:
    items = client.get("/resources/service", organization=place)["items"]
    return [item for item in items if names & _mentioned(item["spec"])]


def _mentioned(value: Any) -> set[str]:
    """The Secrets that a spec names, wherever."""
    if isinstance(value, list):
        return set().union(*map(_mentioned, value))
    if not isinstance(value, dict):
        return set()
    own = {value[f] for f in _FIELDS if isinstance(value.get(f), str)}
    return own.union(*map(_mentioned, value.values()))


def _about_to(client: Client, place: str, users: Sequence[dict[str, Any]]) -> bool:
    idle = {user["metadata"]["name"] for user in users if columns.settled(user)}
    if not idle:
        return False
    plans = client.get("/plan", kind="service", organization=place)["plans"]
    return any(p["name"] in idle and (p["steps"] or p["wait"]) for p in plans)
