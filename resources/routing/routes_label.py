"""What containers carry of routes, where the platform publishes by labels: how it is written on
them, and how it is read back. One label says which Domains a container carries, and in which
version, so nobody has to understand the others."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from typing import NamedTuple

PREFIX = "traefik."
ENABLE, NETWORK = "traefik.enable", "traefik.docker.network"


class Carried(NamedTuple):
    """Of one Domain. name: '' for the name that an app has without any; uid is its Service's then.
    digest: of its labels."""

    name: str
    uid: str
    digest: str


def written(carried: Iterable[Carried], names: Iterable[str]) -> str:
    """names: of all of Traefik's labels beside it."""
    return " ".join((signature(names), *("/".join(each) for each in carried)))


def signature(names: Iterable[str]) -> str:
    """Tells whether there are labels of Traefik's that we did not put there: an image has labels
    as well, and its containers inherit them."""
    text = "\n".join(sorted(name for name in names if name.lower().startswith(PREFIX)))
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def read(text: str) -> tuple[Carried, ...]:
    """What is not understood is left out."""
    found = []
    for part in text.split()[1:]:
        name, _, rest = part.partition("/")
        uid, _, digest = rest.rpartition("/")
        if uid and digest:
            found.append(Carried(name, uid, digest))
    return tuple(found)


def signed(text: str, names: Iterable[str]) -> bool:
    """Are these labels of Traefik's all that we put there?"""
    return text.partition(" ")[0] == signature(names)
