"""A spec belongs to its source. When the store refuses a write, say how to go on."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from resources.errors import UserError
from resources.meta import Resource
from resources.ownership import OWNED_ELSEWHERE, owned_elsewhere


@contextmanager
def explained(row: Resource) -> Iterator[None]:
    """Within: a write to ``row`` from the source ``api``."""
    try:
        yield
    except UserError as error:
        if error.code != OWNED_ELSEWHERE:
            raise
        raise refused(row) from error


def refused(row: Resource) -> UserError:
    return owned_elsewhere(row.key, row.source, "api")
