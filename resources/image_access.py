"""Who may run an image that is on the engine: not everybody, merely because it is there.

An engine keeps images for all of its tenants alike. What was brought with one organization's
credentials must neither run for another nor be shown to it, under whatever name it is asked for;
so what is remembered belongs to the image's id.

An image of which nothing is remembered was built here, or pulled without credentials, or was there
before us: it is anybody's, as it always was. Of an image that was brought with credentials it is
remembered whose these were (organization and Secret); each other user of it has its registry
asked, by a pull that fetches nothing which is there already, and is remembered when the registry
agrees. A Secret is remembered by its name, so that new credentials in it ask nobody anything.

Between the moment when the engine has an image and the moment when that is remembered lies a crash,
and a pass of somebody else. So a pull with credentials is announced before it begins; what its
reference means from then on is nobody's, until it is remembered whose it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from resources.observed import Image


@dataclass(frozen=True, slots=True)
class Grant:
    """Its registry gave it to this organization, on the word of this Secret of its own.
    organization '': to anybody who asked."""

    organization: str
    secret: str = ""


EVERYBODY = Grant("")


@dataclass(frozen=True, slots=True)
class Announced:
    """A pull with credentials that may be under way, or was when we ended. reference: as it was
    declared. before: the id of what it meant until then and was anybody's, '' for nothing."""

    reference: str
    organization: str
    secret: str
    before: str = ""

    def brings(self, image: Image) -> bool:
        return image.id != self.before and familiar(self.reference) in image.names

    def same(self, other: Announced) -> bool:
        """The same image, on the same word."""
        return replace(self, before="") == replace(other, before="")


@dataclass(frozen=True)
class ImageAccess:
    """grants: by the image's id. Compared by identity where it matters, so it is made anew only
    when something changes."""

    grants: Mapping[str, frozenset[Grant]] = field(default_factory=dict)
    announced: frozenset[Announced] = frozenset()

    def restricted(self, image: Image) -> bool:
        """Is it not just anybody's?"""
        return image.id in self.grants or any(pull.brings(image) for pull in self.announced)

    def shown(self, image: Image, organization: str) -> bool:
        """May the organization be told that the engine has it?"""
        if not self.restricted(image):
            return True
        known = self.grants.get(image.id, frozenset())
        return any(grant.organization in ("", organization) for grant in known)

    def proven(self, image: Image, organization: str, secret: str | None) -> bool:
        """May it be run without asking its registry? secret: what it would be asked with."""
        if not self.restricted(image):
            return True
        known = self.grants.get(image.id, frozenset())
        return EVERYBODY in known or Grant(organization, secret or "") in known

    # -- what changes
    def granted(self, image_id: str, grant: Grant) -> ImageAccess:
        known = self.grants.get(image_id, frozenset())
        return replace(self, grants={**self.grants, image_id: known | {grant}})

    def announcing(self, pull: Announced) -> ImageAccess:
        """Announced again, the first word counts: what it meant then was anybody's."""
        if any(pull.same(other) for other in self.announced):
            return self
        return replace(self, announced=self.announced | {pull})

    def over(self, pull: Announced) -> ImageAccess:
        rest = frozenset(other for other in self.announced if not pull.same(other))
        return replace(self, announced=rest)

    def without(self, image_ids: Iterable[str]) -> ImageAccess:
        gone = frozenset(image_ids)
        return replace(self, grants={i: g for i, g in self.grants.items() if i not in gone})


def familiar(reference: str) -> str:
    """As the engine says it: ``docker.io/library/nginx`` is ``nginx:latest``; where there is a
    digest, a tag beside it means nothing."""
    short = reference.removeprefix("index.docker.io/").removeprefix("docker.io/")
    name, at, digest = short.removeprefix("library/").partition("@")
    head, colon, tag = name.rpartition(":")
    tagged = bool(colon) and "/" not in tag
    if at:
        return f"{head if tagged else name}@{digest}"
    return name if tagged else f"{name}:latest"
