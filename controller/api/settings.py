"""What a running controller was started with, so that nobody has to guess it from his own shell."""

from __future__ import annotations

import os
from collections.abc import Iterable

from fastapi import APIRouter

from controller.api.lookup import CoreOf
from controller.api.models import SettingsBody
from controller.settings import without_password

router = APIRouter(tags=["decisions"])

_KEPT = frozenset({"database_url", "image_policy"})
"""They may hold secrets: a password, arguments of a command."""
_DOCKER = ("DOCKER_HOST", "DOCKER_TLS_VERIFY", "DOCKER_CERT_PATH")


@router.get("/settings")
async def settings(core: CoreOf) -> SettingsBody:
    """Secrets are left out: of the database's URL the password, of the image policy the command."""
    known = core.settings
    return SettingsBody(
        given=_variables(known.model_fields_set - core.configured),
        configured=_variables(core.configured),
        values=known.model_dump(mode="json", exclude=set(_KEPT)),
        database=without_password(known.database_url) if known.database_url else None,
        docker={name: os.environ[name] for name in _DOCKER if os.environ.get(name)}
        | dict(core.docker),
    )


def _variables(names: Iterable[str]) -> list[str]:
    return sorted(f"SKYCTL_{name.upper()}" for name in names)
