"""DNS as it is asked: a real resolver library, and a small server on loopback."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import cast

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest

from controller.reconcile.resolution import Resolution
from resources.domain.verifying import Answer, DnsQuestion, points_here

ZONE = {
    ("_skypanel-verify.shop.example.com.", "TXT"): ['"skypanel-" "abc"', '"v=spf1 -all"'],
    ("shop.example.com.", "A"): ["192.0.2.7", "192.0.2.8"],
    ("shop.example.com.", "AAAA"): ["2001:db8::7"],
    ("www.example.com.", "CNAME"): ["edge.example.net."],
    ("edge.example.net.", "A"): ["192.0.2.7"],
    ("bare.example.com.", "A"): ["192.0.2.7"],
}
NAMES = {name for name, _ in ZONE}
QUESTION = DnsQuestion("u", "shop.example.com", "skypanel-abc")


class Server(asyncio.DatagramProtocol):
    """mood: '' answers, 'fails' with SERVFAIL, 'silent' not at all."""

    def __init__(self) -> None:
        self.mood = ""
        self.transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        query = dns.message.from_wire(data)
        answer = dns.message.make_response(query)
        answer.flags |= dns.flags.RA
        (question,) = query.question
        if self.mood == "silent":
            return
        if self.mood == "fails":
            answer.set_rcode(dns.rcode.SERVFAIL)
        else:
            self._answer(answer, question.name.to_text(), dns.rdatatype.to_text(question.rdtype))
        assert self.transport is not None
        self.transport.sendto(answer.to_wire(), addr)

    def _answer(self, answer: dns.message.Message, name: str, kind: str) -> None:
        if name not in NAMES:
            answer.set_rcode(dns.rcode.NXDOMAIN)
        if alias := ZONE.get((name, "CNAME")):
            answer.answer.append(dns.rrset.from_text_list(name, 60, "IN", "CNAME", alias))
            name = alias[0]
        if values := ZONE.get((name, kind)):
            answer.answer.append(dns.rrset.from_text_list(name, 60, "IN", kind, values))


@asynccontextmanager
async def serving() -> AsyncIterator[tuple[Server, Resolution]]:
    loop = asyncio.get_running_loop()
    transport, server = await loop.create_datagram_endpoint(Server, ("127.0.0.1", 0))
    try:
        port = transport.get_extra_info("sockname")[1]
        yield server, Resolution([f"127.0.0.1:{port}"], timeout=0.5)
    finally:
        transport.close()


async def test_what_is_there() -> None:
    async with serving() as (_, ask):
        assert await ask(QUESTION) == Answer(
            ("skypanel-abc", "v=spf1 -all"), ("192.0.2.7", "192.0.2.8", "2001:db8::7")
        )


async def test_an_alias_and_our_own_names() -> None:
    async with serving() as (_, ask):
        ours = ("edge.example.net", "198.51.100.1")
        answer = await ask(replace(QUESTION, hostname="www.example.com", addresses=ours))
        assert (answer.aliases, answer.addresses) == (("edge.example.net",), ("192.0.2.7",))
        assert answer.ours == ("192.0.2.7",)
        assert points_here(ours, answer)
        direct = await ask(replace(QUESTION, hostname="bare.example.com", addresses=ours))
        assert points_here(ours, direct)


async def test_nothing_is_a_definite_answer() -> None:
    async with serving() as (_, ask):
        found = await ask(replace(QUESTION, hostname="no.example"))
        assert found == Answer()


@pytest.mark.parametrize(("mood", "words"), [("fails", "SERVFAIL"), ("silent", "in time")])
async def test_nobody_could_be_asked(mood: str, words: str) -> None:
    async with serving() as (server, ask):
        server.mood = mood
        found = await ask(QUESTION)
        assert words in found.error
        assert found == replace(await ask(QUESTION), error=found.error)


async def test_a_resolver_that_is_not_there() -> None:
    async with serving() as (server, ask):
        assert server.transport is not None
        server.transport.close()
        assert (await ask(QUESTION)).error


@pytest.mark.parametrize("text", ["ns.example.com", "192.0.2.1:x", "192.0.2.1:0", "", "a:53"])
def test_no_resolver(text: str) -> None:
    with pytest.raises(ValueError, match="is no resolver"):
        Resolution([text])


def test_resolvers() -> None:
    Resolution(["192.0.2.53", "192.0.2.53:5353", "2001:db8::53", "[2001:db8::53]:5353"])
