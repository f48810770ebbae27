"""The error that users see, the same in status, HTTP and ``--output json``.

Theory: an error is worth showing when it says what is wrong, where, and what to do next.
``retryable`` decides the loop's behaviour: retryable errors are backed off and tried again,
the others stall the resource until somebody changes something. Anything that is not a
``UserError`` is a bug of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

_REASONS = {"CONFIGURATION_INVALID_SPEC": "InvalidSpec"}


class UserError(Exception):
    """An error in the contract's shape.

    code: one of the families CONFIGURATION_*, RESOURCE_*, DEPLOYMENT_*, IMAGE_*, DOMAIN_*,
    STORAGE_*, SECRET_*, TEMPLATE_*, ACCESS_*. message: one sentence. details: JSON values.
    suggestions: what to do, most likely first. retryable: trying again unchanged may help.
    """

    def __init__(
        self,
        code: str,
        message: str,
        *,
        details: Mapping[str, Any] | None = None,
        suggestions: Sequence[str] = (),
        retryable: bool = False,
    ) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = dict(details or {})
        self.suggestions = tuple(suggestions)
        self.retryable = retryable

    def __repr__(self) -> str:
        return f"UserError({self.code}: {self.message})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, UserError) and self.to_dict() == other.to_dict()

    def __hash__(self) -> int:
        return hash((self.code, self.message, repr(self.details)))

    @property
    def reason(self) -> str:
        """The code as conditions and events name it: ``IMAGE_NOT_FOUND`` -> ``ImageNotFound``."""
        known = _REASONS.get(self.code)
        return known or "".join(part.capitalize() for part in self.code.split("_"))

    def to_dict(self) -> dict[str, Any]:
        return {
            "code": self.code,
            "message": self.message,
            "details": self.details,
            "suggestions": list(self.suggestions),
            "retryable": self.retryable,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> UserError:
        return cls(
            str(data.get("code", "INTERNAL")),
            str(data.get("message", "")),
            details=data.get("details") or {},
            suggestions=data.get("suggestions") or (),
            retryable=bool(data.get("retryable", False)),
        )
