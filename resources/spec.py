"""What all specs have in common: the base model, and the small types that several kinds use.

A spec is read strictly. Unknown fields are errors, nothing is coerced (``"3"`` is no number,
``1`` is no boolean; a list field is ``Items[X]``). What no document may hold (NUL, endless
nesting, more than 256 KiB) is refused by ``resources.validate`` before a model sees it. Python
names are snake_case, everybody else's are camelCase. Instances are frozen, so a plan cannot
change its input.

Every field carries a one-line ``description`` with its unit: it feeds ``skyctl explain``, the
JSON Schemas and the docs; a test fails where one is missing.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

MAX_SPEC_BYTES = 256 * 1024
MAX_TEXT = 4096

DNS_LABEL = r"^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$"


class Spec(BaseModel):
    """Base of every spec and every map inside one."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        strict=True,
        alias_generator=to_camel,
        validate_by_alias=True,
        validate_by_name=False,
        serialize_by_alias=True,
        allow_inf_nan=False,
    )

    def document(self) -> dict[str, Any]:
        """As people write it: camelCase, quantities as text, what is absent left out."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


def worded(pattern: str, words: str) -> tuple[AfterValidator, FieldInfo]:
    """Text of that form; the complaint says it in words (a predicate), the schema as pattern."""
    form = re.compile(pattern.removeprefix("^").removesuffix("$"), re.ASCII)

    def check(text: str) -> str:
        if form.fullmatch(text) is None:
            raise ValueError(words)
        return text

    return AfterValidator(check), FieldInfo(json_schema_extra={"pattern": pattern})


def dns_label(text: str) -> str:
    """Lower case letters, digits and '-', 1..63, alphanumeric at both ends. Raises ValueError."""
    if not is_dns_label(text):
        raise ValueError(dns_label_problem(text))
    return text


_DNS_LABEL = re.compile(DNS_LABEL.strip("^$"), re.ASCII)


def is_dns_label(text: str) -> bool:
    return len(text) <= 63 and _DNS_LABEL.fullmatch(text) is not None


def dns_label_problem(text: str) -> str:
    """Why it is no DNS label, as a predicate."""
    if not text:
        return "must not be empty"
    if len(text) > 63:
        return f"has {len(text)} characters, at most 63 are allowed"
    strange = sorted({c for c in text if not re.fullmatch(r"[-a-z0-9]", c)})
    if strange:
        shown = ", ".join(ascii(c) for c in strange[:3])
        return f"may have lower case letters, digits and '-' only, not {shown}"
    return "must begin and end with a letter or a digit"


def _relative_free(path: str) -> str:
    if not path.startswith("/"):
        raise ValueError("must be an absolute path (begin with '/')")
    if any(part in (".", "..") for part in path.split("/")):
        raise ValueError("must not contain '.' or '..' as a part")
    return path


Item = TypeVar("Item")
Items = Annotated[tuple[Item, ...], Strict(False)]
"""A list in JSON, a tuple in the model. The items stay strict."""

Text = Annotated[str, StringConstraints(max_length=MAX_TEXT)]
"""Any text of at most 4096 characters."""
Line = Annotated[
    str,
    StringConstraints(max_length=256),
    *worded(r"^[^\x00-\x1f\x7f]*$", "must be one line without control characters"),
]
"""One line of at most 256 characters, no control characters."""
DnsLabel = Annotated[
    str,
    AfterValidator(dns_label),
    Field(json_schema_extra={"pattern": DNS_LABEL, "minLength": 1, "maxLength": 63}),
]
"""Lower case letters, digits and '-', 1..63."""
AbsolutePath = Annotated[
    str,
    StringConstraints(min_length=1, max_length=1024),
    AfterValidator(_relative_free),
    Field(json_schema_extra={"pattern": "^/"}),
]
"""An absolute path inside a container, without '.' and '..'."""
PortNumber = Annotated[int, Field(ge=1, le=65535)]
"""A TCP or UDP port, 1..65535."""
SecretKey = Annotated[
    str, *worded(r"^[-._A-Za-z0-9]{1,253}$", "may have 1 to 253 letters, digits, '-', '_' and '.'")
]
"""A key inside a Secret."""


class SecretRef(Spec):
    """One value of a Secret of the same organization."""

    secret: DnsLabel = Field(description="Name of a Secret of the same organization.")
    key: SecretKey = Field(description="Key within that Secret.")
