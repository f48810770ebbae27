"""Which rules there shall be, as text for ``nft``, and how what is there differs from it.

Theory: a rule's comment ends with a digest of the rule. The table is as wanted when each chain has
exactly the wanted comments in the wanted order, so nothing has to understand what ``nft`` prints
of a rule, which differs between its versions. Whoever replaces a rule and keeps our comment wants
to be lied to.

Every text loads the whole table in one transaction: there is no moment without it, and loading it
again changes nothing.

What the rules mean, in order. Everywhere a sender whose address is not of that bridge is dropped,
since it could pose as the other end of somebody's connection, and answers pass. To any address of
the host: neighbour discovery, the name servers that containers are given (one may be the host),
and the open ports pass; all else is dropped. Through the host: the own bridge passes (it comes by
here where bridged packets are filtered, too); another one of ours does not, also when a published
port would lead there; nor does any published port that is not open; name servers pass; the
link-local range (a cloud's metadata) does not.
"""

from __future__ import annotations

import hashlib
import ipaddress
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

TABLE = "skyctl"
FAMILY = "inet"
BRIDGES = "sky*"
PRIORITY = -10
"""Before the engine's filters (0): what is dropped here never reaches them."""

_PORT = re.compile(r"([0-9]{1,5})/(tcp|udp)", re.ASCII)


@dataclass(frozen=True, slots=True)
class HostPort:
    """Of the host. protocol: tcp | udp."""

    number: int
    protocol: str

    def __str__(self) -> str:
        return f"{self.number}/{self.protocol}"


def parse_ports(text: str) -> tuple[HostPort, ...]:
    """``80/tcp,443/udp``, sorted, each once; '' is none. Raises ValueError."""
    found = set()
    for word in filter(None, (part.strip() for part in text.split(","))):
        match = _PORT.fullmatch(word)
        if match is None or not 1 <= int(match.group(1)) <= 65535:
            raise ValueError(f"{word!r} is not a port like 443/tcp")
        found.add(HostPort(int(match.group(1)), match.group(2)))
    return tuple(sorted(found, key=lambda port: (port.protocol, port.number)))


@dataclass(frozen=True, slots=True)
class Policy:
    """ports: of the host that stay open to containers. resolvers: addresses of name servers that
    containers are given, as canonical text."""

    ports: tuple[HostPort, ...] = ()
    resolvers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chain:
    """hook: '' for one that is only jumped to. rules: (text, words)."""

    name: str
    hook: str
    rules: tuple[tuple[str, str], ...]

    @property
    def comments(self) -> tuple[str, ...]:
        return tuple(_comment(self.name, text, words) for text, words in self.rules)


def chains(policy: Policy) -> tuple[Chain, ...]:
    forged = ("fib saddr . iif oif missing counter drop", "a forged sender")
    answers = ("ct state established,related accept", "answers")
    names = _name_servers(policy)
    return (
        Chain(
            "to-host",
            "",
            (
                forged,
                answers,
                (
                    "icmpv6 type { nd-neighbor-solicit, nd-neighbor-advert } accept",
                    "neighbour discovery",
                ),
                *names,
                *_open_ports("th dport", policy, "open ports"),
                ("counter drop", "a listener of the host"),
            ),
        ),
        Chain(
            "through-host",
            "",
            (
                forged,
                answers,
                (f'oifname "{BRIDGES}" fib daddr . iif oif exists accept', "the own network"),
                (f'oifname "{BRIDGES}" counter drop', "another organization"),
                *_open_ports("ct original proto-dst", policy, "open ports", "ct status dnat "),
                ("ct status dnat counter drop", "a published port"),
                *names,
                ("ip daddr 169.254.0.0/16 counter drop", "metadata of a cloud"),
                ("ip6 daddr { fe80::/10, fd00:ec2::254 } counter drop", "metadata of a cloud, v6"),
            ),
        ),
        Chain("input", "input", ((f'iifname "{BRIDGES}" jump to-host', "from a container"),)),
        Chain(
            "forward", "forward", ((f'iifname "{BRIDGES}" jump through-host', "from a container"),)
        ),
    )


def _name_servers(policy: Policy) -> tuple[tuple[str, str], ...]:
    """Both families have a rule of their own: a set holds addresses of one."""
    found = []
    for version, word in ((4, "ip"), (6, "ip6")):
        own = sorted(a for a in policy.resolvers if ipaddress.ip_address(a).version == version)
        if own:
            match = f"{word} daddr {{ {', '.join(own)} }} meta l4proto {{ tcp, udp }} th dport 53"
            found.append((f"{match} accept", f"name servers, v{version}"))
    return tuple(found)


def _open_ports(
    match: str, policy: Policy, words: str, first: str = ""
) -> tuple[tuple[str, str], ...]:
    found = []
    for protocol in ("tcp", "udp"):
        numbers = [str(port.number) for port in policy.ports if port.protocol == protocol]
        if numbers:
            text = f"{first}meta l4proto {protocol} {match} {{ {', '.join(numbers)} }} accept"
            found.append((text, f"{words}, {protocol}"))
    return tuple(found)


def _comment(chain: str, text: str, words: str) -> str:
    return f"{words} {hashlib.sha256(f'{chain}:{text}'.encode()).hexdigest()[:8]}"


def removal() -> str:
    """Adding first: deleting what is not there would be an error."""
    return f"table {FAMILY} {TABLE}\ndelete table {FAMILY} {TABLE}\n"


def ruleset(policy: Policy) -> str:
    lines = [f"table {FAMILY} {TABLE} {{"]
    for chain in chains(policy):
        lines.append(f"\tchain {chain.name} {{")
        if chain.hook:
            lines.append(f"\t\ttype filter hook {chain.hook} priority {PRIORITY}; policy accept;")
        for (text, _), comment in zip(chain.rules, chain.comments, strict=True):
            lines.append(f'\t\t{text} comment "{comment}"')
        lines.append("\t}")
    lines.append("}")
    return removal() + "\n".join(lines) + "\n"


def differences(listing: Mapping[str, Any], policy: Policy) -> tuple[str, ...]:
    """What is not as wanted, in words. listing: ``nft -j list table inet skyctl``."""
    items = [item for item in listing.get("nftables", ()) if isinstance(item, dict)]
    found = {c["name"]: c for item in items if (c := item.get("chain"))}
    comments: dict[str, list[str]] = {name: [] for name in found}
    for item in items:
        if rule := item.get("rule"):
            comments.setdefault(rule.get("chain", ""), []).append(rule.get("comment", ""))
    told = [
        f"the table is {' and '.join(flags)}"
        for item in items
        if (flags := _words((item.get("table") or {}).get("flags")))
    ]
    for chain in chains(policy):
        there = found.pop(chain.name, None)
        if there is None:
            told.append(f"chain {chain.name} is missing")
        elif not _hooked(chain, there):
            told.append(f"chain {chain.name} is hooked otherwise")
        else:
            told += _rules_differ(chain, comments[chain.name])
    return (*told, *(f"chain {name} is not ours" for name in sorted(found)))


def _words(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value or ())


def _hooked(chain: Chain, there: Mapping[str, Any]) -> bool:
    if not chain.hook:
        return "hook" not in there
    return (there.get("hook"), there.get("type"), there.get("prio"), there.get("policy")) == (
        chain.hook,
        "filter",
        PRIORITY,
        "accept",
    )


def _rules_differ(chain: Chain, there: list[str]) -> list[str]:
    wanted = list(chain.comments)
    if there == wanted:
        return []
    missing = [comment.rpartition(" ")[0] for comment in wanted if comment not in there]
    extra = sum(comment not in wanted for comment in there)
    told = [f"chain {chain.name} lacks: {words}" for words in missing]
    if extra:
        told.append(f"chain {chain.name} has {extra} other rule{'s' if extra > 1 else ''}")
    return told or [f"rules of chain {chain.name} are in another order"]
