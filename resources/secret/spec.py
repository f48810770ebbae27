"""What a Secret declares: values that only the containers which use them get to see.

``data`` is for arriving only. Every door takes it away and puts the sealed value into
``sealedData`` before anything is stored; in a row it does not occur.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import AfterValidator, Field, StringConstraints
from pydantic.fields import FieldInfo

from resources.sealed import SEALED, TICKET, is_sealed, is_ticket
from resources.spec import SecretKey, Spec

MAX_KEYS = 256
MAX_VALUE = 64 * 1024


def _sealed(text: str) -> str:
    if not (is_sealed(text) or is_ticket(text)):
        raise ValueError("is not a sealed value; skyctl seal makes one, or write it under data")
    return text


SealedText = Annotated[
    str,
    AfterValidator(_sealed),
    FieldInfo(json_schema_extra={"pattern": f"{SEALED}|{TICKET}"}),
]
PlainText = Annotated[str, StringConstraints(max_length=MAX_VALUE)]


class SecretSpec(Spec):
    """Values that only the containers which use them get to see."""

    sealed_data: Annotated[dict[SecretKey, SealedText], Field(max_length=MAX_KEYS)] = Field(
        {}, description="Values by key, sealed for the controller's key; skyctl seal makes them."
    )
    data: Annotated[dict[SecretKey, PlainText], Field(max_length=MAX_KEYS)] = Field(
        {},
        description="Plain values by key, write-only: sealed when they arrive, then gone.",
        repr=False,
        json_schema_extra={"writeOnly": True},
    )
