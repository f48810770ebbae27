"""The spec that was accepted last, read from the record once."""

from __future__ import annotations

from pydantic import ValidationError

from resources.memo import Memo
from resources.meta import Entry
from resources.service.spec import ServiceSpec


def accepted_spec(entry: Entry) -> ServiceSpec | None:
    """Of the record; None when there is none, or none that this release can read."""
    raw = entry.record.accepted_spec
    if raw is None:
        return None

    def read() -> ServiceSpec | None:
        try:
            return ServiceSpec.model_validate(raw)
        except ValidationError:
            return None

    return _MEMO.get(entry.resource.uid, (raw,), read)


_MEMO: Memo[ServiceSpec | None] = Memo()
