"""Asking DNS: one question about a hostname, answered by the resolvers that the platform names.

Every answer is one of three: what is there, that nothing is there (a definite answer too), or that
nobody could be asked. The last is never taken for one of the others.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import dns.asyncresolver
import dns.exception
import dns.name
import dns.nameserver
import dns.rdatatype
import dns.resolver

from resources import addresses as written
from resources.domain.verifying import Answer, DnsQuestion

TIMEOUT = 5.0
"""Seconds that all attempts of one question may take together."""


class Resolution:
    """resolvers: ``ADDRESS`` or ``ADDRESS:PORT`` (``[ADDRESS]:PORT`` for IPv6); none: the
    system's. Raises ValueError for one that is no address."""

    def __init__(self, resolvers: Sequence[str] = (), timeout: float = TIMEOUT) -> None:
        self._resolvers = tuple(_server(text) for text in resolvers)
        self._timeout = timeout

    async def __call__(self, question: DnsQuestion) -> Answer:
        """Never raises: what went wrong is in the answer."""
        try:
            return await self._answered(self._resolver(), question)
        except ExceptionGroup as errors:
            return Answer(error=_words(errors))
        except (dns.exception.DNSException, OSError) as error:
            return Answer(error=_words(error))

    async def _answered(
        self, resolver: dns.asyncresolver.Resolver, question: DnsQuestion
    ) -> Answer:
        async with asyncio.TaskGroup() as group:
            texts = group.create_task(self._texts(resolver, question.record))
            led = group.create_task(self._led(resolver, question.host))
            names = [name for name in question.addresses if not written.is_address(name)]
            ours = [group.create_task(self._led(resolver, name)) for name in names]
        aliases, addresses = led.result()
        return Answer(
            texts=texts.result(),
            addresses=addresses,
            aliases=aliases,
            ours=tuple(address for task in ours for address in task.result()[1]),
        )

    def _resolver(self) -> dns.asyncresolver.Resolver:
        """No cache: the last answer is what is asked about."""
        resolver = dns.asyncresolver.Resolver(configure=not self._resolvers)
        if self._resolvers:
            resolver.nameservers = list(self._resolvers)
        resolver.lifetime, resolver.timeout = self._timeout, self._timeout / 2
        resolver.cache = None
        return resolver

    async def _texts(self, resolver: dns.asyncresolver.Resolver, name: str) -> tuple[str, ...]:
        answer = await _asked(resolver, name, "TXT")
        if answer is None or answer.rrset is None:
            return ()
        found = [b"".join(item.strings).decode("utf-8", "replace") for item in answer.rrset]
        return tuple(sorted(found))

    async def _led(
        self, resolver: dns.asyncresolver.Resolver, name: str
    ) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """What it is an alias of, in order, and its addresses of both kinds."""
        answers = [await _asked(resolver, name, kind) for kind in ("A", "AAAA")]
        aliases: dict[str, None] = {}
        addresses: dict[str, None] = {}
        for answer in answers:
            if answer is None:
                continue
            for cname in answer.chaining_result.cnames:
                aliases.update(dict.fromkeys(_bare(item.target) for item in cname))
            addresses.update(dict.fromkeys(str(item.address) for item in answer.rrset or ()))
        return tuple(aliases), tuple(sorted(addresses))


async def _asked(
    resolver: dns.asyncresolver.Resolver, name: str, kind: str
) -> dns.resolver.Answer | None:
    """None: there is no such name."""
    try:
        return await resolver.resolve(
            dns.name.from_text(name), kind, raise_on_no_answer=False, search=False
        )
    except dns.resolver.NXDOMAIN:
        return None


def _bare(name: dns.name.Name) -> str:
    return name.to_text(omit_final_dot=True).lower()


def _server(text: str) -> dns.nameserver.Nameserver:
    return dns.nameserver.Do53Nameserver(*written.resolver(text))


def _words(error: Exception) -> str:
    """The first, without what differs from attempt to attempt, like how long it took."""
    first: BaseException = error
    while isinstance(first, BaseExceptionGroup):
        first = first.exceptions[0]
    match first:
        case dns.resolver.NoNameservers():
            return "the resolvers answer with a failure (SERVFAIL or REFUSED)"
        case dns.resolver.LifetimeTimeout():
            return "the resolvers do not answer in time"
        case dns.resolver.NoResolverConfiguration():
            return "no resolvers are configured on this host"
    return str(first).splitlines()[0][:200] if str(first) else type(first).__name__
