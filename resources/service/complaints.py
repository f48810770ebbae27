"""Several faults of one document, each at its own place, raised together."""

from __future__ import annotations

from typing import Any

from pydantic import ValidationError
from pydantic_core import InitErrorDetails, PydanticCustomError


class Complaints:
    """Gathers what is wrong across fields; pydantic keeps the places when it is raised."""

    def __init__(self) -> None:
        self._errors: list[InitErrorDetails] = []

    def add(self, place: tuple[str | int, ...], message: str, value: Any = None) -> None:
        """place: field names as people write them, and list indices."""
        self._errors.append(
            InitErrorDetails(
                type=PydanticCustomError("value_error", "{text}", {"text": message}),
                loc=place,
                input=value,
            )
        )

    def finish(self, title: str) -> None:
        """Raises ValidationError when there was anything."""
        if self._errors:
            raise ValidationError.from_exception_data(title, self._errors)
