"""What whoever belongs to an organization is told when there is none of that name."""

from __future__ import annotations

from resources.errors import UserError
from resources.meta import Key

NO_ORGANIZATION = "RESOURCE_NOT_FOUND"


def no_organization(key: Key) -> UserError:
    return UserError(
        NO_ORGANIZATION,
        f"Organization {key.organization} does not exist",
        details={"kind": "Organization", "name": key.organization},
        suggestions=[f"create the Organization {key.organization}, or correct the name"],
    )
