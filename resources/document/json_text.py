"""JSON to trees: what the standard library reads, but with places and the builder's limits."""

from __future__ import annotations

import bisect
import json
import re
from collections.abc import Iterator

from resources.document.builder import MAX_DOCUMENT, Builder, Report, Spent
from resources.document.node import Mark, Node, Scalar, UnreadableText
from resources.document.scalar import NotANumber, integer, real

_TOKEN = re.compile(
    r"""[ \t\r\n]*+(?:
        (?P<mark>[][{}:,])
      | (?P<string>"(?:[^"\\\x00-\x1f]++|\\.)*+")
      | (?P<number>-?(?:0|[1-9][0-9]*+)(?P<real>(?:\.[0-9]++)?(?:[eE][-+]?[0-9]++)?))
      | (?P<word>true|false|null)
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_WORDS: dict[str, Scalar] = {"true": True, "false": False, "null": None}

_VALUE, _FIRST_VALUE, _KEY, _FIRST_KEY, _COLON, _NEXT = range(6)
"""What may come next. The FIRST ones also allow the closing bracket."""


def read_json(text: str, report: Report) -> Iterator[Node]:
    """The values in order (one after the other is allowed, as in JSON lines)."""
    reader = _Reader(text, report)
    while (node := reader.value()) is not None:
        yield node


class _Reader:
    def __init__(self, text: str, report: Report) -> None:
        self._text, self._report = text, report
        self._position = 0
        self._spent = Spent()
        self._breaks = [found.start() for found in re.finditer("\n", text)]

    def value(self) -> Node | None:
        """The next one, None at the end of the text."""
        builder, open_, expect = Builder(self._report, self._spent), [""], _VALUE
        begin = self._position
        while builder.root is None:
            token, at = self._token(first=len(open_) == 1)
            if token is None:
                return None
            if self._position - begin > MAX_DOCUMENT:
                raise self._error(at, f"the document is larger than {MAX_DOCUMENT >> 10} KiB")
            expect = self._take(builder, open_, expect, token, at)
        return builder.root

    def _take(
        self, builder: Builder, open_: list[str], expect: int, token: re.Match[str], at: int
    ) -> int:
        """Feeds one token; returns what may come after it."""
        mark, char = self._mark(at), token["mark"]
        if char in ("{", "[") and expect in (_VALUE, _FIRST_VALUE):
            builder.begin(mark, dict if char == "{" else list)
            open_.append("}" if char == "{" else "]")
            return _FIRST_KEY if char == "{" else _FIRST_VALUE
        if char == open_[-1] and expect in (_NEXT, _FIRST_VALUE, _FIRST_KEY):
            builder.end()
            open_.pop()
            return _NEXT
        if char == "," and expect == _NEXT:
            return _KEY if open_[-1] == "}" else _VALUE
        if char == ":" and expect == _COLON:
            return _VALUE
        if token["string"] and expect in (_KEY, _FIRST_KEY):
            builder.scalar(mark, self._string(token["string"], at))
            return _COLON
        if char is None and expect in (_VALUE, _FIRST_VALUE):
            builder.scalar(mark, self._scalar(token, at))
            return _NEXT
        raise self._error(at, f"{_found(token)}, but {_EXPECTED[expect]}")

    def _token(self, *, first: bool) -> tuple[re.Match[str] | None, int]:
        match = _TOKEN.match(self._text, self._position)
        if match is None:
            at = self._position
            while self._text[at] in " \t\r\n":
                at += 1
            if self._text[at] == '"':
                raise self._error(at, "the text in quotes does not end, or breaks the line")
            raise self._error(at, f"{self._text[at]!r} does not belong here")
        self._position = match.end()
        if match["end"] is not None:
            if first:
                return None, self._position
            raise self._error(match.end(), "the text ends within a value")
        return match, match.start(match.lastgroup or 0)

    def _scalar(self, token: re.Match[str], at: int) -> Scalar:
        if token["string"] is not None:
            return self._string(token["string"], at)
        if token["word"] is not None:
            return _WORDS[token["word"]]
        number = token["number"]
        try:
            return real(number) if token["real"] else integer(number)
        except NotANumber as error:
            self._report(self._mark(at), str(error), "put it in quotes if it is text")
            return str(number)

    def _string(self, token: str, at: int) -> str:
        try:
            return str(json.loads(token))
        except ValueError as error:
            raise self._error(at, "the text has an invalid escape") from error

    def _mark(self, at: int) -> Mark:
        line = bisect.bisect_left(self._breaks, at)
        return Mark(line + 1, at - (self._breaks[line - 1] if line else -1))

    def _error(self, at: int, message: str) -> UnreadableText:
        return UnreadableText(self._mark(at), message)


_EXPECTED = {
    _VALUE: "a value is expected",
    _FIRST_VALUE: "a value or ] is expected",
    _KEY: "a key in quotes is expected",
    _FIRST_KEY: "a key in quotes or } is expected",
    _COLON: "a colon is expected",
    _NEXT: "a comma or a closing bracket is expected",
}


def _found(token: re.Match[str]) -> str:
    if token["string"] is not None:
        return "text stands here"
    return f"{(token['mark'] or token['number'] or token['word'])[:24]!r} stands here"
