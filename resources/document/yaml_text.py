"""YAML to trees. Built on the parser's events, not on its constructor: no tag is ever obeyed.

libyaml does the scanning. It composes by recursion in C, where nesting could exhaust the stack,
so composing is ours (``Builder``).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from resources.document.builder import MAX_DOCUMENT, Builder, Report, Spent
from resources.document.node import Mark, Node, Scalar, UnreadableText
from resources.document.scalar import NotANumber, resolve

_STANDARD = "tag:yaml.org,2002:"
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


def read_yaml(text: str, report: Report) -> Iterator[Node]:
    """The documents in order, as far as the text can be read. Raises UnreadableText."""
    loader = _Loader(text)
    spent = Spent()
    try:
        while not loader.check_event(yaml.StreamEndEvent):
            event: Any = loader.get_event()
            if isinstance(event, yaml.DocumentStartEvent):
                builder = Builder(report, spent)
                _compose(loader, builder, report)
                if builder.root is not None:
                    yield builder.root
    except yaml.MarkedYAMLError as error:
        raise _unreadable(error, text) from error
    except yaml.YAMLError as error:
        raise UnreadableText(Mark(1, 1), f"it is not YAML: {error}") from error
    finally:
        loader.dispose()


def _compose(loader: Any, builder: Builder, report: Report) -> None:
    """One document, whose start event was taken."""
    event: Any
    start = loader.peek_event().start_mark.index
    while not isinstance(event := loader.get_event(), yaml.DocumentEndEvent):
        mark = _mark(event.start_mark)
        if event.end_mark.index - start > MAX_DOCUMENT:
            raise UnreadableText(mark, f"the document is larger than {MAX_DOCUMENT >> 10} KiB")
        match event:
            case yaml.ScalarEvent():
                _refuse_tag(event, mark, report)
                plain = not event.style
                builder.scalar(
                    mark,
                    _value(event.value, mark, report) if plain else event.value,
                    anchor=event.anchor,
                    merge=plain and event.value == "<<",
                )
            case yaml.AliasEvent():
                builder.alias(mark, str(event.anchor))
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                _refuse_tag(event, mark, report)
                kind = dict if isinstance(event, yaml.MappingStartEvent) else list
                builder.begin(mark, kind, event.anchor)
            case _:
                builder.end()


def _value(text: str, mark: Mark, report: Report) -> Scalar:
    try:
        return resolve(text)
    except NotANumber as error:
        report(mark, str(error), "put it in quotes if it is text")
        return text


def _refuse_tag(event: Any, mark: Mark, report: Report) -> None:
    if event.tag is not None:
        # Others than the standard ones are not quoted: a password may begin like a tag.
        tag = str(event.tag)
        standard = f"!!{tag.removeprefix(_STANDARD)[:40]}"
        shown = standard if tag.startswith(_STANDARD) else "that begins with !"
        report(mark, f"the tag {shown} is not supported", "leave it out; quote what must be text")


def _mark(mark: Any) -> Mark:
    return Mark(mark.line + 1, mark.column + 1)


def _unreadable(error: yaml.MarkedYAMLError, text: str) -> UnreadableText:
    place, context = error.problem_mark or error.context_mark, error.context_mark
    message, suggestion = error.problem or "it is not YAML", ""
    if place is None:
        return UnreadableText(Mark(1, 1), message)
    if "cannot start any token" in message:
        character = text[place.index : place.index + 1]
        message = f"the character {character!r} cannot stand here"
        suggestion = "indent with spaces" if character == "\t" else "put the value in quotes"
    if error.context and context is not None and context.line != place.line:
        message = f"{message} ({error.context} that begins at line {context.line + 1})"
    return UnreadableText(_mark(place), message, suggestion)
