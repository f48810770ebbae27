"""Whatever JSON a document holds, YAML and JSON carry it there and back."""

from __future__ import annotations

import json
import string
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from resources.document import dump, parse

TRICKY = st.sampled_from(
    ["yes", "no", "on", "~", "null", "", "0644", "1e3", "0o17", "0x1f", "12:30", "2026-01-02", "=",
     "<<", "*a", "&a", "!x", "- a", "a: b", "#c", "a #c", "'", '"', "\\", "%", "@", "`", "|", ">",
     " a", "a ", "a\n", "\na", "a\n\n", " a\nb", "a \nb", "\t", "\ta", "a\r\nb", "\x85", "\u2028",
     "\ufeff", "\x1b", "\x7f", "é", "\U0001f600", "true", "-", "?", ":", "---", "...", "1_000"]
)  # fmt: skip
texts = TRICKY | st.text(
    st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=40
)
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | texts
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=20,
)
names = st.text(string.ascii_lowercase + string.digits, min_size=1, max_size=20)


@st.composite
def documents(draw: st.DrawFn) -> dict[str, Any]:
    return {
        "apiVersion": "skypanel.io/v1",
        "kind": "Service",
        "metadata": {"name": draw(names), "organization": draw(names)},
        "spec": draw(st.dictionaries(texts, values, max_size=5)),
    }


def _same(a: Any, b: Any) -> bool:
    """Also in type: 1 is neither 1.0 nor True."""
    return bool(json.dumps(a, sort_keys=True) == json.dumps(b, sort_keys=True))


@settings(max_examples=100, deadline=None)
@given(st.lists(documents(), min_size=1, max_size=3))
def test_yaml_there_and_back(raws: list[dict[str, Any]]) -> None:
    text = dump(*raws)
    parsed = parse(text, "a.yaml")
    assert not parsed.problems, (parsed.problems, text)
    assert _same([d.raw for d in parsed.documents], raws)
    assert dump(*(d.raw for d in parsed.documents)) == text


@settings(max_examples=80, deadline=None)
@given(documents())
def test_other_yaml_readers_agree(raw: dict[str, Any]) -> None:
    """What a YAML 1.1 reader makes of our text is the same too."""
    assert _same(yaml.safe_load(dump(raw)), raw)


@settings(max_examples=80, deadline=None)
@given(
    documents(), st.booleans(), st.sampled_from([None, 1]), st.sampled_from(["a.json", "a.yaml"])
)
def test_json_there_and_back(
    raw: dict[str, Any], ascii_: bool, indent: int | None, file: str
) -> None:
    text = json.dumps(raw, ensure_ascii=ascii_, indent=indent)
    if any(c in text for c in "\x7f") or any("\x80" <= c <= "\x9f" for c in text):
        return  # a raw control character is refused, an escaped one is not
    parsed = parse(text, file)
    assert not parsed.problems, (parsed.problems, text)
    assert _same([d.raw for d in parsed.documents], [raw])


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200) | st.binary(max_size=200), st.sampled_from(["a.yaml", "a.json", "-"]))
def test_nothing_makes_it_raise(text: str | bytes, file: str) -> None:
    parsed = parse(text, file)
    for problem in parsed.problems:
        assert problem.message
        assert problem.details.get("line", 1) >= 1
