"""Texts made to hurt: each costs an error and a bounded time, and nothing else."""

from __future__ import annotations

import time

import pytest

from resources.document import parse

HEAD = "apiVersion: skypanel.io/v1\nkind: Service\nmetadata: {name: web, organization: acme}\n"
LAUGHS = "spec:\n  a: &a [x,x,x,x,x,x,x,x,x]\n" + "".join(
    f"  {chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 9)}]\n" for i in range(20)
)
DEEP = 100_000

TEXTS = {
    "billion laughs": ("a.yaml", HEAD + LAUGHS, "expands to more than"),
    "deep flow": ("a.yaml", "[" * DEEP, "nest"),
    "deep maps": ("a.yaml", "{a: " * DEEP, "nested deeper"),
    "deep blocks": ("a.yaml", "- " * DEEP, "nested deeper"),
    "deep keys": ("a.yaml", "? " * DEEP, "nested deeper"),
    "deep by aliases": (
        "a.yaml",
        HEAD
        + "spec:\n"
        + "".join(
            f"  k{i}: &k{i} {'[' * 20}{f'*k{i - 1}' if i else 'x'}{']' * 20}\n" for i in range(9)
        ),
        "nested deeper",
    ),
    "many values": ("a.yaml", "[" + "a," * 300_000 + "]", "more than 50000 values"),
    "many lists": ("a.yaml", "[" + "[]," * 300_000 + "]", "more than 50000 values"),
    "many keys": ("a.yaml", "\n".join(f"k{i}: v" for i in range(80_000)), "more than"),
    "many duplicates": ("a.yaml", "a: 1\n" * 20_000, "appears twice"),
    "many anchors": ("a.yaml", "a: &a\n" * 20_000, "appears twice"),
    "large scalar": ("a.yaml", "k: " + "x" * (2 << 20), "larger than 1024 KiB"),
    "large file": ("a.yaml", "# \n" * (3 << 20), "larger than 8 MiB"),
    "large number": ("a.yaml", "k: " + "1" * 200_000, "64 bits"),
    "large spec": ("a.yaml", HEAD + "spec: {a: '" + "é" * 140_000 + "'}", "larger than 256 KiB"),
    "unclosed quote": ("a.yaml", "'" + "\n" * 500_000, "unexpected end"),
    "directives": ("a.yaml", "%YAML 1.1\n" * 10_000, "duplicate"),
    "long tag": ("a.yaml", "!" * 500_000, "not supported"),
    "json deep": ("a.json", "[" * DEEP, "nested deeper"),
    "json deep maps": ("a.json", '{"a":' * DEEP, "nested deeper"),
    "json unclosed": ("a.json", '"' + "\\" * 1_000_001, "does not end"),
    "json backtracking": ("a.json", '"' + "ab" * 500_000, "does not end"),
    "json many": ("a.json", "[" + "[]," * 300_000 + "]", "more than 50000 values"),
}


@pytest.mark.parametrize("name", TEXTS)
def test_hostile(name: str) -> None:
    file, text, message = TEXTS[name]
    start = time.process_time()
    parsed = parse(text, file)
    assert time.process_time() - start < 5
    assert not parsed.documents
    assert any(message in p.message for p in parsed.problems), parsed.problems[:3]
    assert len(parsed.problems) <= 51
    assert all(len(p.message) < 1000 for p in parsed.problems)


def test_many_empty_documents_are_bounded() -> None:
    start = time.process_time()
    parsed = parse("---\n" * 300_000, "a.yaml")
    assert time.process_time() - start < 15
    assert parsed.documents == ()


def test_a_thousand_problems_are_counted() -> None:
    parsed = parse("".join(f"{HEAD}bad: 1\n---\n" for _ in range(1000)), "a.yaml")
    assert len(parsed.problems) == 51
    assert parsed.problems[-1].message == "and 950 more problems"
    assert parsed.faulty == {"web"}


def test_reading_is_fast_enough() -> None:
    """10,000 services in one file: a few seconds, not minutes."""
    text = "".join(
        f"{HEAD.replace('web', f'web{i}')}spec:\n  image: nginx:1.27\n  replicas: 2\n"
        "  ports:\n  - containerPort: 80\n---\n"
        for i in range(2000)
    )
    start = time.process_time()
    assert len(parse(text, "a.yaml").documents) == 2000
    assert time.process_time() - start < 4
