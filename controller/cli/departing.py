"""What a deletion takes along that is not named: all that is in an Organization."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from controller.cli.choosing import Choice
from controller.cli.client import Client
from controller.cli.text import clean, render_table
from resources.organization.spec import RETAIN_VOLUMES
from resources.quantity import parse_duration

_POLICY = {"Delete": "removed with its data", "Retain": "data kept until skyctl purge"}


def organizations(choices: Sequence[Choice]) -> list[str]:
    """The names of those chosen that are Organizations."""
    from resources.registry import lookup

    kinds = {word: lookup(word) for word, _, _ in choices}
    return [name for word, _, name in choices if (k := kinds[word]) and k.name == "Organization"]


def told(client: Client, organization: str) -> list[str]:
    """How many of each kind go with it, and what becomes of its volumes."""
    items: list[dict[str, Any]] = client.get("/resources", organization=organization)["items"]
    homes = [item for item in items if item["kind"] == "Organization"]
    members = [item for item in items if item["metadata"].get("organization") == organization]
    counts = Counter(item["kind"] for item in members)
    listed = ", ".join(_counted(number, kind) for kind, number in counts.items()) or "nothing"
    lines = [f"organization {organization} goes with all in it: {listed}"]
    kept = _kept(homes[0]["spec"] if homes else {})
    rows = [
        [f"  volume/{clean(item['metadata']['name'])}", kept.get(_policy(item), _policy(item))]
        for item in members
        if item["kind"] == "Volume"
    ]
    return [*lines, *(render_table(("  VOLUME", "DATA"), rows).splitlines() if rows else ())]


def _counted(number: int, kind: str) -> str:
    return f"{number} {kind}{'' if number == 1 else 's'}"


def _policy(volume: dict[str, Any]) -> str:
    return str(volume["spec"].get("deletionPolicy") or "Retain")


def _kept(spec: dict[str, Any]) -> dict[str, str]:
    window = (spec.get("deletion") or {}).get("retainVolumes")
    try:
        seconds = float(parse_duration(window)) if window is not None else RETAIN_VOLUMES
    except ValueError:
        return _POLICY
    until = datetime.now(UTC) + timedelta(seconds=seconds)
    return {**_POLICY, "Expire": f"data kept until {until:%Y-%m-%d %H:%M} UTC"}
