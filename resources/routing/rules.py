"""What all routers have in common: how they match, which of them wins, how they end.

Hostnames and paths have no character that could end a literal (``resources.hostname``,
``resources.domain.values``), so each stands in a rule as it is. Of all routers that match, an exact
host wins over a wildcard, then the longer path.
"""

from __future__ import annotations

import re

from resources.hostname import apex, is_wildcard

WEB, WEBSECURE = "web", "websecure"
EXACT, WILDCARD = 1_000_000, 500_000
CLAIMED = ("Forwarded", "X-Original-Url", "X-Rewrite-Url")
CLAIMS = {"customRequestHeaders": dict.fromkeys(CLAIMED, "")}
"""What a visitor claims about who asks, and for what, is not passed on. (X-Forwarded-* the proxies
write anew by themselves.)"""
RETRY = {"attempts": 3, "initialInterval": "50ms"}
"""Tries another replica as long as no byte of the request went to the first."""
PATIENT = {"attempts": 20, "initialInterval": "25ms"}
"""The same where a replica is among the servers before it listens, and after it has gone: up to
about a second in all."""
COOKIE = "skypanel"
STICKY = {"cookie": {"name": COOKIE, "httpOnly": True, "sameSite": "lax"}}
"""A visitor stays with one replica."""


def rule(hostname: str, path: str = "") -> str:
    """path: '' for all. A host with a final dot is the same name; ``Host`` knows that by itself."""
    if is_wildcard(hostname):
        below = re.escape(apex(hostname)).replace(r"\-", "-")
        host = rf"HostRegexp(`^[^.]+\.{below}\.?$`)"
    else:
        host = f"Host(`{hostname}`)"
    return f"{host} && (Path(`{path}`) || PathPrefix(`{path}/`))" if path else host


def priority(hostname: str, path: str = "") -> int:
    return (WILDCARD if is_wildcard(hostname) else EXACT) + 10 * len(path)
