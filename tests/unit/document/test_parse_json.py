"""JSON in: the same rules, with places."""

from __future__ import annotations

import json

import pytest

from resources.document import parse

WEB = {
    "apiVersion": "skypanel.io/v1",
    "kind": "Service",
    "metadata": {"name": "web", "organization": "acme"},
    "spec": {"image": "nginx", "text": "tab\t \u00e9 \U0001f600", "n": [1, -2.5, True, None]},
}


@pytest.mark.parametrize("file", ["web.json", "WEB.JSON", "web.yaml", "-"])
@pytest.mark.parametrize("indent", [None, 2, "\t"])
@pytest.mark.parametrize("ascii_", [True, False])
def test_json_is_read_whatever_the_name(file: str, indent: int | str | None, ascii_: bool) -> None:
    parsed = parse(json.dumps(WEB, indent=indent, ensure_ascii=ascii_), file)
    assert not parsed.problems
    assert parsed.documents[0].manifest.spec == WEB["spec"]


def test_one_value_after_the_other() -> None:
    text = json.dumps(WEB) + "\n" + json.dumps(WEB).replace("web", "db")
    assert [(d.key.name, d.line) for d in parse(text, "a.json").documents] == [
        ("web", 1),
        ("db", 2),
    ]


def test_lines_of_pointers() -> None:
    (document,) = parse(json.dumps(WEB, indent=1), "web.json").documents
    assert document.line == 2
    assert document.line_of("/metadata/name") == 5
    assert document.line_of("/spec/n/2") == 14


@pytest.mark.parametrize(
    ("text", "line", "column", "message"),
    [
        ('{"a": 1,\n "a": 2}', 2, 2, "the key 'a' appears twice: lines 1 and 2"),
        ('{"a": 01}', 1, 8, "'1' stands here, but a comma or a closing bracket is expected"),
        ('{"a": tru}', 1, 7, "'t' does not belong here"),
        ('{"a" 1}', 1, 6, "a colon is expected"),
        ('{"a": 1,}', 1, 9, "a key in quotes is expected"),
        ("{a: 1}", 1, 2, "'a' does not belong here"),
        ('{"a": [1, 2}', 1, 12, "'}' stands here"),
        ('{"a": "x\ny"}', 1, 7, "does not end, or breaks the line"),
        ('{"a": "\\x"}', 1, 7, "invalid escape"),
        ('{"a": "\\ud800"}', 1, 7, "half a surrogate pair"),
        ('{"a": "\\u0000"}', 1, 7, "NUL"),
        ('{"a": 1e999}', 1, 7, "does not fit in 64 bits"),
        ('{"a":\n\n', 3, 1, "the text ends within a value"),
        ('"text"', 1, 1, "a manifest is a map, not text"),
        ("[]", 1, 1, "a manifest is a map, not a list"),
        ("{} x", 1, 4, "'x' does not belong here"),
        ("NaN", 1, 1, "'N' does not belong here"),
    ],
)
def test_what_is_refused_and_where(text: str, line: int, column: int, message: str) -> None:
    parsed = parse(text, "a.json")
    found = [(p.details["line"], p.details["column"], p.message) for p in parsed.problems]
    assert any((at, col) == (line, column) and message in said for at, col, said in found), found
    assert parsed.opaque or parsed.faulty
