"""What a database's error means to us.

Refusals by our triggers carry their code as the "constraint" of the error. What says nothing
about the request itself (connection lost, server stopping, timeout, missing table) means that the
store cannot be relied on now: ``StoreUnavailable``.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import asyncpg  # type: ignore[import-untyped]

from controller.store.base import Deposed, StoreUnavailable
from resources.errors import UserError

FAILURES = (
    OSError,
    TimeoutError,
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # what asyncpg raises on a connection that is just going
)
_RETRYABLE = frozenset({"RESOURCE_BEING_DELETED"})
_BUSY = frozenset({"40001", "40P01", "55P03"})  # serialization, deadlock, lock not available


@contextmanager
def translated() -> Iterator[None]:
    """Raises only StoreUnavailable, Deposed, UserError, and what the body itself raises."""
    try:
        yield
    except asyncpg.PostgresError as error:
        raise meaning(error) from error
    except TimeoutError as error:
        raise StoreUnavailable("the database did not answer in time") from error
    except (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError) as error:
        raise StoreUnavailable(f"the database connection failed: {error}") from error


def meaning(error: asyncpg.PostgresError) -> Exception:
    """The exception of ours that says the same."""
    code = str(error.sqlstate or "")
    name = str(error.as_dict().get("constraint_name") or "")
    message = str(error.as_dict().get("message") or error)
    if name == "DEPOSED":
        return Deposed(message)
    if name.isupper() and "_" in name:
        return _refusal(name, message, error.as_dict().get("hint"))
    if code in _BUSY:
        return UserError(
            "RESOURCE_CONFLICT",
            "somebody else changed the same rows at that moment",
            suggestions=["try again"],
            retryable=True,
        )
    if name == "subnets_disjoint":
        return UserError(
            "RESOURCE_CONFLICT",
            "the subnet overlaps one that another organization has reserved",
            retryable=True,
        )
    if code.startswith(("22", "23", "54")):  # data, integrity, too complex
        return UserError(
            "CONFIGURATION_INVALID_SPEC",
            f"the database refuses the values: {message}",
            details={"sqlstate": code},
        )
    return StoreUnavailable(f"{message} (SQLSTATE {code})")


def _refusal(code: str, message: str, hint: str | None) -> UserError:
    return UserError(
        code,
        message,
        suggestions=[hint] if hint else (),
        retryable=code in _RETRYABLE,
    )
