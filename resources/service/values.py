"""Small types of a Service's spec: what a value must look like, said in words when it does not.

Paths are normalised (``/data/`` is ``/data``) because the engine reports them so, and a
declaration that differs from its own observation would be healed for ever.
"""

from __future__ import annotations

import ipaddress
import re
from decimal import Decimal
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    Field,
    PlainSerializer,
    PlainValidator,
    StringConstraints,
    WithJsonSchema,
)

from resources.spec import AbsolutePath, Items, SecretRef

MAX_ENVIRONMENT_VALUE = 64 * 1024
"""The kernel takes at most 128 KiB for one NAME=value."""

RESERVED_ENVIRONMENT = "SKYPANEL_"

_DOMAIN_PART = r"(?:[a-zA-Z0-9]|[a-zA-Z0-9][-a-zA-Z0-9]*[a-zA-Z0-9])"
_REGISTRY = rf"{_DOMAIN_PART}(?:\.{_DOMAIN_PART})*(?::[0-9]{{1,5}})?"
_PATH_PART = r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*"
IMAGE = (
    rf"^(?:{_REGISTRY}/)?{_PATH_PART}(?:/{_PATH_PART})*"
    r"(?::[A-Za-z0-9_][-.A-Za-z0-9_]{0,127})?(?:@sha256:[0-9a-f]{64})?$"
)
_IMAGE = re.compile(IMAGE)
_BARE_ID = re.compile(r"[0-9a-f]{64}")


def _image(text: str) -> str:
    if _BARE_ID.fullmatch(text):
        raise ValueError("is an image id; write a reference like nginx:1.27")
    if not _IMAGE.fullmatch(text):
        raise ValueError(f"is not an image reference like nginx:1.27{_image_meant(text)}")
    return text


def _image_meant(text: str) -> str:
    for meant in (text.strip(), text.strip().lower(), re.sub(r"^\w+://", "", text.strip())):
        if meant != text and _IMAGE.fullmatch(meant):
            return f": did you mean {meant}?"
    return ""


ImageReference = Annotated[
    str,
    StringConstraints(min_length=1, max_length=255),
    AfterValidator(_image),
    Field(json_schema_extra={"pattern": IMAGE}),
]

USER = r"^[a-zA-Z0-9_][-a-zA-Z0-9_.]{0,31}(:[a-zA-Z0-9_][-a-zA-Z0-9_.]{0,31})?$"
User = Annotated[str, StringConstraints(pattern=USER)]
"""``1000``, ``1000:1000``, ``www-data``."""

Argument = Annotated[str, StringConstraints(max_length=32 * 1024)]
Arguments = Annotated[Items[Argument], Field(max_length=1000)]
Command = Annotated[Items[Argument], Field(min_length=1, max_length=1000)]

ENVIRONMENT_NAME = r"^[-._A-Za-z][-._A-Za-z0-9]{0,254}$"


def _environment_name(name: str) -> str:
    if not re.fullmatch(ENVIRONMENT_NAME.strip("^$"), name):
        raise ValueError(
            "a variable's name has letters, digits, '_', '-' and '.', and no digit first"
        )
    if name.upper().startswith(RESERVED_ENVIRONMENT):
        raise ValueError(f"names that begin with {RESERVED_ENVIRONMENT} are reserved")
    return name


EnvironmentName = Annotated[str, AfterValidator(_environment_name)]


def _environment_value(value: Any) -> str | int | float | bool | SecretRef:
    if isinstance(value, dict | SecretRef):
        return SecretRef.model_validate(value)
    if value is None:
        raise ValueError('has no value; write "" for an empty one')
    if not isinstance(value, str | bool | int | float):
        raise ValueError("must be text, a number, a boolean or {secret, key}")
    if isinstance(value, float) and not -1e308 < value < 1e308:
        raise ValueError("must be a finite number")
    if isinstance(value, str) and len(value.encode("utf-8", "replace")) > MAX_ENVIRONMENT_VALUE:
        raise ValueError(f"is longer than {MAX_ENVIRONMENT_VALUE // 1024} KiB")
    return value


def _environment_document(value: Any) -> Any:
    return value.document() if isinstance(value, SecretRef) else value


EnvironmentValue = Annotated[
    str | int | float | bool | SecretRef,
    PlainValidator(_environment_value),
    PlainSerializer(_environment_document, return_type=Any),
    WithJsonSchema(
        {"anyOf": [{"type": ["string", "number", "boolean"]}, SecretRef.model_json_schema()]}
    ),
]
"""Text, a number, a boolean, or ``{secret, key}``."""


def environment_text(value: str | int | float | bool) -> str:
    """As people who write YAML expect it in the process: ``true``, ``8080``, ``0.5``."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return f"{Decimal(repr(value)):f}"
    return str(value)


_SYSTEM = ("/proc", "/sys", "/dev")


def _inside(path: str) -> str:
    clean = re.sub(r"/+", "/", path).rstrip("/")
    if not clean:
        raise ValueError("must not be the root directory")
    if any(clean == top or clean.startswith(top + "/") for top in _SYSTEM):
        raise ValueError("must not lie in /proc, /sys or /dev")
    if re.search(r"[:,\x00-\x1f\x7f]", clean):
        raise ValueError("must not contain ':', ',' or control characters")
    return clean


InsidePath = Annotated[AbsolutePath, AfterValidator(_inside)]
"""A place of our own inside the container: not the root, not /proc, /sys or /dev."""


def _mode(text: Any) -> int:
    if isinstance(text, int) and not isinstance(text, bool):
        raise ValueError(f'is a number; write it as text: "{text:04o}" or "0{text:03d}"')
    if not isinstance(text, str) or not re.fullmatch(r"0?[0-7]{3}", text):
        raise ValueError('is not a file mode like "0644"')
    return int(text, 8)


FileMode = Annotated[
    int,
    PlainValidator(_mode),
    PlainSerializer(lambda mode: f"{mode:04o}", return_type=str, when_used="json"),
    WithJsonSchema({"type": "string", "pattern": "^0?[0-7]{3}$", "examples": ["0644"]}),
]
"""Permission bits. Text, because 0644 is 420 to one YAML parser and 644 to another."""

Signal = Literal[
    "SIGTERM", "SIGINT", "SIGQUIT", "SIGHUP", "SIGKILL", "SIGUSR1", "SIGUSR2", "SIGWINCH"
]


def _host_address(text: str) -> str:
    try:
        return str(ipaddress.ip_address(text))
    except ValueError:
        raise ValueError("is not an IP address like 127.0.0.1") from None


HostAddress = Annotated[str, StringConstraints(max_length=45), AfterValidator(_host_address)]
"""An IPv4 or IPv6 address."""

HttpPath = Annotated[
    str, StringConstraints(min_length=1, max_length=2048, pattern=r"^/[\x21-\x7e]*$")
]
HeaderName = Annotated[str, StringConstraints(pattern=r"^[-!#$%&'*+.^_`|~0-9A-Za-z]{1,128}$")]
HeaderValue = Annotated[str, StringConstraints(max_length=4096, pattern=r"^[\t\x20-\x7e]*$")]
