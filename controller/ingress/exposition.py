"""What a Traefik has counted of requests, out of its Prometheus text. Pure.

A thousand busy domains make tens of megabytes of text. It is read as it comes, in pieces of whole
lines, and only what is wanted is looked at; methods and exact codes are summed away at once.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

REQUESTS, BUCKET, SECONDS = "requests", "bucket", "seconds"
LONGEST_LINE = 65_536
"""Bytes; a text with a longer one is none of Traefik's."""
_WHAT = {
    b"s_total": REQUESTS,
    b"_duration_seconds_bucket": BUCKET,
    b"_duration_seconds_sum": SECONDS,
}
_LINE = re.compile(
    rb"^traefik_router_request(s_total|_duration_seconds_bucket|_duration_seconds_sum)"
    rb'\{code="([1-5])[^"]*",[^}]*?router="([^"]*)",service="([^"]*)"'
    rb'(?:,le="(\+Inf|\d+(?:\.\d+)?(?:e[+-]\d+)?)")?\} (\S+)$',
    re.MULTILINE,
)
_STARTED = re.compile(rb"^process_start_time_seconds (\S+)$", re.MULTILINE)


class Series(NamedTuple):
    """router, service: as our documents name them. what: REQUESTS (label: the class of the code,
    ``2xx``), BUCKET (its upper bound) or SECONDS ('')."""

    router: str
    service: str
    what: str
    label: str


_Raw = tuple[bytes, bytes, bytes, bytes]
"""A series as it is read; to make text of all of them is done for those that changed alone."""


@dataclass(slots=True)
class Scrape:
    """counts: since the proxy started, which was at ``started`` (Unix time; None: it does not
    say)."""

    counts: dict[_Raw, float] = field(default_factory=dict)
    started: float | None = None


class Exposition:
    """Takes the text in pieces of any length. Raises ValueError for what is no such text."""

    def __init__(self) -> None:
        self._rest = b""
        self._sums: dict[_Raw, float] = {}
        self._started: float | None = None

    def feed(self, piece: bytes) -> None:
        lines, end, rest = (self._rest + piece).rpartition(b"\n")
        if len(rest) > LONGEST_LINE:
            raise ValueError("a line of its metrics does not end")
        self._rest = rest
        if end:
            self._read(lines)

    def _read(self, lines: bytes) -> None:
        sums = self._sums
        for what, code, router, service, bound, value in _LINE.findall(lines):
            series = (router, service, what, code if what == b"s_total" else bound)
            sums[series] = sums.get(series, 0.0) + float(value)
        if (found := _STARTED.search(lines)) is not None:
            self._started = float(found[1])

    def scrape(self) -> Scrape:
        """Once all was fed."""
        self.feed(b"\n")
        return Scrape(self._sums, self._started)


def _series(raw: _Raw) -> Series:
    router, service, what, label = raw
    text = label.decode(errors="replace")
    code = f"{text}xx" if what == b"s_total" else text
    return Series(_name(router), _name(service), _WHAT[what], code)


def _name(label: bytes) -> str:
    """Without its provider (``web@file``)."""
    text = label.decode(errors="replace")
    return text.rpartition("@")[0] or text


def increases(before: Scrape | None, after: Scrape, since: float) -> dict[Series, float]:
    """What was counted between two readings of one proxy; what did not change is left out. Counters
    that fell began anew, as did all of a proxy that was started anew. At the first reading that is
    everything if the proxy started after ``since`` (Unix time), else nothing: nobody knows when it
    was counted."""
    if before is None and (after.started is None or after.started < since):
        return {}
    same = before is not None and before.started == after.started
    known = before.counts if before is not None and same else {}
    found = {}
    for raw, value in after.counts.items():
        earlier = known.get(raw, 0.0)
        if value != earlier:
            found[_series(raw)] = value - earlier if value > earlier else value
    return found
