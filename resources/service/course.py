"""Whether the newest rollout is under way, for whoever counts what happens meanwhile."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

from resources.context import Context
from resources.service.declaration import ServiceDeclaration
from resources.service.survey import OPEN, RETURNING, survey


class Course(NamedTuple):
    """began: of the newest rollout, None where none was recorded. under_way: it has neither
    succeeded nor come to rest otherwise."""

    began: datetime | None
    under_way: bool


def course(context: Context) -> Course:
    record = context.entry.record.rollout
    if record is None:
        return Course(None, False)
    if record.outcome in ("ready", "superseded"):
        return Course(record.started_at, False)
    found = survey(context)
    running = not isinstance(found, ServiceDeclaration) and found.rollout in (OPEN, RETURNING)
    return Course(record.started_at, running)
