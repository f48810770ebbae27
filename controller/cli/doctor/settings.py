"""Are the settings valid? What follows uses them, or the defaults when they are not."""

from __future__ import annotations

import os

from controller.cli.doctor.check import Check, ok, problem
from controller.settings import Settings, load_settings
from resources.errors import UserError


def examine() -> tuple[list[Check], Settings]:
    given = sorted(name for name in os.environ if name.startswith("SKYCTL_") and os.environ[name])
    try:
        known = load_settings()
    except UserError as error:
        return [problem("settings", error.message, *error.suggestions)], Settings()
    shown = ", ".join(given) or "defaults only"
    return [ok("settings", f"valid ({shown})")], known
