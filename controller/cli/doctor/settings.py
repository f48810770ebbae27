"""Whose settings are looked at: those of the controller that runs here, else this shell's.

What follows uses them, or the defaults when they are not valid.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass

from controller.cli.client import connect, remote_host
from controller.cli.doctor.check import Check, ok, problem
from controller.cli.failure import Unreachable
from controller.settings import Settings, load_settings
from resources.errors import UserError

_NAME = "settings"


@dataclass(frozen=True, slots=True)
class Known:
    """database: of the running controller, without its password; None: of the settings. docker:
    the environment that says where the engine is. instance: of the store that it serves; '' where
    nobody says."""

    settings: Settings
    docker: Mapping[str, str]
    running: bool = False
    database: str | None = None
    instance: str = ""


def examine() -> tuple[list[Check], Known]:
    if (found := _of_controller()) is not None:
        return found
    given = sorted(name for name in os.environ if name.startswith("SKYCTL_") and os.environ[name])
    try:
        known = load_settings()
    except UserError as error:
        return [problem(_NAME, error.message, *error.suggestions)], Known(Settings(), os.environ)
    shown = ", ".join(given) or "defaults only"
    why = "of this shell's environment: no controller answers on the socket"
    if remote_host():
        why = "of this shell's environment; what SKYCTL_HOST has is not asked"
    return [ok(_NAME, f"valid ({shown}), {why}")], Known(known, os.environ)


def _of_controller() -> tuple[list[Check], Known] | None:
    """None where none answers on this machine, or one that is older and does not tell."""
    if remote_host():
        return None
    try:
        with connect(timeout=5.0) as client:
            told = client.get("/settings")
            instance = str(client.get("/controller")["instance"])
        settings = Settings(**told["values"])
    except (Unreachable, UserError, ValueError):
        return None
    docker = {k: v for k, v in os.environ.items() if not k.startswith("DOCKER_")} | told["docker"]
    shown = ", ".join(told["given"]) or "defaults only"
    if configured := told.get("configured"):
        shown += f"; by the CaasConfiguration {', '.join(configured)}"
    check = ok(_NAME, f"of the controller that runs here ({shown})")
    return [check], Known(settings, docker, True, told["database"], instance)
