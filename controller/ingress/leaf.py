"""The text of one published file: a comment that says whose it is, and JSON.

Traefik reads the file as YAML, after its own template engine went over it, and one file that it
cannot read keeps it from loading *any*. So nothing that a tenant wrote may mean something to either
of them: no two opening braces stand side by side, what is not printable is escaped, and nothing
outside of the basic plane is (YAML knows no surrogates). Names that YAML cannot hold are refused.

The document carries a marker, a middleware that nobody uses, by which each proxy shows which
version of it it serves: its digest, and the edition, which is another one each time it is written.
One that says again what it said before is not seen until the proxy has read it again.
"""

from __future__ import annotations

import copy
import hashlib
import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from controller.ingress.pairing import check_pairs
from resources.errors import UserError
from resources.routing.document import Document
from resources.routing.opening import fitted
from resources.sealed import Sealed

OWN = "skyctl"
"""Name of the document that is always there: Traefik ignores a configuration that is empty, so
without it the last route would never go."""
UID_HEADER, DIGEST_HEADER, EDITION_HEADER = "X-Skyctl-Uid", "X-Skyctl-Digest", "X-Skyctl-Edition"
_HEAD = re.compile(
    r"# skyctl/1 uid=([0-9A-Za-z-]{1,64}) digest=([0-9a-f]{1,64}) sha256=([0-9a-f]+)"
)
_LONGEST_NAME = 1000
"""YAML's keys end at 1024 characters."""
_MERGE = "<<"


@dataclass(frozen=True, slots=True)
class Leaf:
    """A file as it was read. digest: '' when somebody changed it since it was written. content:
    empty when it cannot be read."""

    uid: str
    digest: str
    content: Mapping[str, Any]


def written(document: Document, open_: Callable[[Sealed], str], edition: str = "") -> str:
    """The file's text. edition: '' for none. Raises UserError: SECRET_* for a value that cannot be
    opened, DOMAIN_DOCUMENT_INVALID for what Traefik could not read."""
    content = _filled(document, open_)
    http = content.setdefault("http", {})
    middlewares = http.setdefault("middlewares", {})
    middlewares[document.name] = marker(document.uid, document.digest, edition)
    body = rendered(content)
    head = f"# skyctl/1 uid={document.uid} digest={document.digest} sha256={_hash(body)}"
    if not _HEAD.fullmatch(head):
        raise _invalid(f"the uid {document.uid!r} cannot be written")
    return f"{head}\n{body}\n"


def read(text: str) -> Leaf | None:
    """None: not one of ours, or nobody could say any more whose it is."""
    head, _, rest = text.partition("\n")
    found = _HEAD.fullmatch(head)
    if found is None:
        return None
    body = rest.removesuffix("\n")
    digest = found[2] if _hash(body) == found[3] else ""
    try:
        content = json.loads(body)
    except ValueError:
        content = {}
    return Leaf(found[1], digest, content if isinstance(content, dict) else {})


def marker(uid: str, digest: str, edition: str = "") -> dict[str, Any]:
    told = {UID_HEADER: uid, DIGEST_HEADER: digest}
    if edition:
        told[EDITION_HEADER] = edition
    return {"headers": {"customRequestHeaders": told}}


def edition(name: str, content: Mapping[str, Any]) -> str:
    """Of the document of that name; '' where it has none, as those of earlier releases."""
    place: Any = content
    for part in ("http", "middlewares", name, "headers", "customRequestHeaders", EDITION_HEADER):
        place = place.get(part) if isinstance(place, Mapping) else None
    return place if isinstance(place, str) else ""


def rendered(content: Mapping[str, Any]) -> str:
    """JSON that YAML reads the same, and that is no template. Raises UserError."""
    for name in _names(content):
        if len(name) > _LONGEST_NAME or name == _MERGE:
            raise _invalid(f"the name {name[:40]!r} cannot be written")
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    try:
        text.encode()
    except UnicodeEncodeError:
        raise _invalid("there is half a character in it") from None
    return _UNPRINTABLE.sub(_escaped, text).replace("{{", "\\u007b\\u007b")


_UNPRINTABLE = re.compile("[\x7f-\uffff]")


def _escaped(found: re.Match[str]) -> str:
    return f"\\u{ord(found[0]):04x}"


def _names(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for name, inner in value.items():
            yield name
            yield from _names(inner)
    elif isinstance(value, list | tuple):
        for inner in value:
            yield from _names(inner)


def _filled(document: Document, open_: Callable[[Sealed], str]) -> dict[str, Any]:
    content: dict[str, Any] = copy.deepcopy(dict(document.content))
    for pointer, sealed in document.secrets.items():
        _put(content, pointer, fitted(document, pointer, sealed, open_(sealed)))
    check_pairs(document, content)
    return content


def _put(content: dict[str, Any], pointer: str, value: str) -> None:
    parts = [part.replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]
    place: Any = content
    try:
        *path, last = parts
        for part in path:
            place = place[int(part)] if isinstance(place, list) else place[part]
        key: Any = int(last) if isinstance(place, list) else last
        lines = [line.strip() for line in value.splitlines() if line.strip()]
        place[key] = lines if isinstance(place[key], list) else value
    except (KeyError, IndexError, TypeError, ValueError):
        raise _invalid(f"there is no place {pointer} for a secret value") from None


def _hash(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()


def _invalid(reason: str) -> UserError:
    return UserError("DOMAIN_DOCUMENT_INVALID", f"this cannot be published: {reason}")
