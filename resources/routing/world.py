"""What is observed of the proxies. Kept in the ``World`` beside the engine's objects, by the uid of
the resource whose document it is about."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Published:
    """What is really published for an owner, read back from where the proxies read it.

    digest: of the Document that is there; '' when it was changed behind our back. servers: the URLs
    in it. rules: those of its routers. names: for which its certificates are.
    """

    uid: str
    name: str
    digest: str
    servers: frozenset[str] = frozenset()
    rules: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()


OUTDATED = "an earlier version of it is served"
"""What is wrong with a router that a proxy has not loaded anew yet."""


@dataclass(frozen=True, slots=True)
class Serving:
    """What the proxies show of an owner's document.

    routers: by name, '' where every proxy has it enabled, else what a proxy says is wrong with it;
    one that some proxy does not have is not among them. everywhere, anywhere: by backend, the
    server URLs (``http://10.1.2.3:80``) that every proxy sends requests to, and those that at least
    one does. since: when this owner was first read completely since the controller started. left:
    server URL -> when it was last seen anywhere (kept for a while after it left). open: of those
    that left, how many connections from the proxies to it are still open; absent: nobody can tell.
    used: backends that some router of any proxy still sends to. current: every proxy serves the
    version that is published. removed: what was published is not any more, and not by us.
    """

    uid: str
    since: datetime
    routers: Mapping[str, str] = field(default_factory=dict)
    everywhere: Mapping[str, frozenset[str]] = field(default_factory=dict)
    anywhere: Mapping[str, frozenset[str]] = field(default_factory=dict)
    left: Mapping[str, datetime] = field(default_factory=dict)
    open: Mapping[str, int] = field(default_factory=dict)
    used: frozenset[str] = frozenset()
    current: bool = True
    removed: bool = False


@dataclass(frozen=True, slots=True)
class Labelled:
    """What is seen of a Domain where routes are published by labels.

    digests: of its labels, on containers of ours that run. seen: those that every proxy serves, as
    the proxies say or, where none is asked, as they must by now. faults: what a proxy says is wrong
    with a router. impostors: containers that are not ours, by name, and claim its hostname, or
    define what is ours, by labels. held: the digests on all containers of ours: what does not run
    now may run again.
    """

    uid: str
    digests: frozenset[str] = frozenset()
    seen: frozenset[str] = frozenset()
    faults: Mapping[str, str] = field(default_factory=dict)
    impostors: tuple[str, ...] = ()
    held: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class DnsFinding:
    """What DNS says of one hostname of a Domain, as last asked. Equal findings are one:
    ``checked_at`` moves only with what was found, or while something is amiss.

    texts: the TXT records beside it. proven: the expected one is among them. addresses: where the
    hostname leads (IP addresses, and the names that it is an alias of). pointed: to us; where
    nobody knows what leads to us, somewhere. error: why DNS could not be asked, '' when it
    answered. failures: definite answers in a row, at least one of proven and pointed false;
    failing_since: since the first of them. checked_at: when it was asked last; answered_at: when
    that was answered.
    """

    uid: str
    hostname: str
    texts: tuple[str, ...] = ()
    proven: bool = False
    addresses: tuple[str, ...] = ()
    pointed: bool = False
    error: str = ""
    failures: int = 0
    failing_since: datetime | None = None
    checked_at: datetime | None = None
    answered_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Attempt:
    """To have a certificate ordered. number: how many were made, the one that is about to be
    included. due: when the next is made; None: as soon as one is missing."""

    number: int = 0
    due: datetime | None = None


@dataclass(frozen=True, slots=True)
class Certificate:
    """What the proxies really serve for a Domain's hostname. names: for which it is. covers: the
    hostname is among them. ending: '' | soon | over, as of when it was last looked at. error: why
    nothing could be read, '' when something was. hidden: nobody says where it could be read.
    failure: why it could not be ordered, as the proxy tells. attempt: to have it ordered."""

    uid: str
    issuer: str = ""
    names: tuple[str, ...] = ()
    not_after: datetime | None = None
    covers: bool = False
    ending: str = ""
    error: str = ""
    hidden: bool = False
    failure: str = ""
    attempt: Attempt = Attempt()


@dataclass(frozen=True, slots=True)
class Requests:
    """What the proxies counted of the requests to a Service during its newest rollout. since: from
    when on; later than the rollout's beginning where it was not counted from there. failed: those
    answered 5xx."""

    since: datetime
    seen: int
    failed: int


@dataclass(frozen=True, slots=True)
class Ingress:
    """The ingress as a whole; part of the platform.

    mode: process | container | external | none. publish: provider | labels. problem: why the
    proxies cannot be asked or do not answer, '' when all do. While it is not '' nothing is known
    of what is served, and nothing that serves is taken away. default_domain: under which apps get
    a name without proof, '' for none. addresses: where visitors reach the proxies (IP addresses
    and names), to compare DNS with. http_port, https_port: as visitors see them. verification:
    dns | none. resolver: the certificate resolver's name, '' where no ACME is configured.
    unread: what is published has not been read back yet, so nothing is published or withdrawn.
    wildcards: it can order certificates for wildcards (DNS-01). asked: the proxies are asked what
    they serve (by labels they need not be).
    """

    mode: str = "none"
    publish: str = "provider"
    problem: str = ""
    default_domain: str = ""
    addresses: tuple[str, ...] = ()
    http_port: int = 80
    https_port: int = 443
    verification: str = "dns"
    resolver: str = ""
    unread: bool = False
    wildcards: bool = False
    asked: bool = True

    @property
    def routing(self) -> bool:
        """Do we publish anything?"""
        return self.mode != "none" and self.publish == "provider"

    @property
    def own_ports(self) -> frozenset[int]:
        """Of this host, tcp: taken by a proxy of ours, or about to be."""
        ours = self.mode in ("process", "container")
        return frozenset((self.http_port, self.https_port)) if ours else frozenset()


NO_INGRESS = Ingress()
