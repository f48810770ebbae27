"""YAML in: what documents come out, and what is said about what is wrong."""

from __future__ import annotations

from typing import Any

import pytest

from resources.document import Parsed, check, parse
from resources.errors import UserError
from resources.meta import Key

HEAD = """\
apiVersion: skypanel.io/v1
kind: Service
metadata:
  name: web
  organization: acme
"""


def read(text: str | bytes, file: str = "web.yaml") -> Parsed:
    return parse(text, file)


def spec(text: str) -> dict[str, Any]:
    """Of a service whose spec is this block."""
    block = "".join(f"  {line}\n" for line in text.strip("\n").split("\n"))
    parsed = read(HEAD + "spec:\n" + block)
    assert not parsed.problems, parsed.problems
    return dict(parsed.documents[0].manifest.spec)


def only_problem(text: str | bytes, file: str = "web.yaml") -> UserError:
    parsed = read(text, file)
    assert len(parsed.problems) == 1, parsed.problems
    return parsed.problems[0]


def place(error: UserError) -> tuple[str, int, int]:
    return error.details["file"], error.details["line"], error.details["column"]


# ---------------------------------------------------------------- documents


def test_a_document_knows_what_it_is_and_where_it_stands() -> None:
    parsed = read("# the web\n\n" + HEAD + "spec: {image: nginx}\n")
    (document,) = parsed.documents
    assert document.key == Key("Service", "acme", "web")
    assert document.manifest.spec == {"image": "nginx"}
    assert (document.file, document.line) == ("web.yaml", 3)
    assert document.raw["metadata"] == {"name": "web", "organization": "acme"}
    assert (parsed.problems, parsed.faulty, parsed.opaque) == ((), frozenset(), False)


def test_several_documents_and_empty_ones() -> None:
    text = f"---\n---\n# nothing\n---\n{HEAD}---\nnull\n---\n{HEAD.replace('web', 'db')}...\n"
    parsed = read(text)
    assert [d.key.name for d in parsed.documents] == ["web", "db"]
    assert [d.line for d in parsed.documents] == [5, 13]


@pytest.mark.parametrize("text", ["", "\n", "# only a comment\n", "---\n", "\ufeff"])
def test_nothing_declares_nothing(text: str) -> None:
    assert read(text) == Parsed()


def test_a_list_holds_documents() -> None:
    item = "- " + HEAD.replace("\n", "\n  ").rstrip() + "\n"
    parsed = read("kind: List\nitems:\n" + item)
    assert [(d.key.name, d.line) for d in parsed.documents] == [("web", 3)]


def test_a_missing_spec_is_an_empty_one() -> None:
    assert read(HEAD).documents[0].manifest.spec == {}
    assert read(HEAD + "spec:\n").documents[0].manifest.spec == {}


def test_what_the_store_adds_is_ignored() -> None:
    text = HEAD + (
        "  uid: 4fa3\n  generation: 7\n  createdAt: 2026-01-01T00:00:00Z\n"
        "  updatedAt: x\n  deletionRequestedAt: null\n  source: sql\n  owner: null\n"
        "spec: {image: nginx}\nstatus: {phase: Running, conditions: [1, 2]}\n"
    )
    parsed = read(text)
    assert not parsed.problems
    assert parsed.documents[0].manifest.spec == {"image": "nginx"}


def test_windows_line_ends_and_a_byte_order_mark() -> None:
    parsed = read(b"\xef\xbb\xbf" + HEAD.replace("\n", "\r\n").encode())
    assert parsed.documents[0].line == 1
    assert parsed.documents[0].line_of("/metadata/name") == 4


# ---------------------------------------------------------------- scalars


@pytest.mark.parametrize("word", ["on", "off", "yes", "no", "On", "YES", "y", "n"])
def test_only_true_and_false_are_booleans(word: str) -> None:
    assert spec(f"a: {word}\n{word}: b") == {"a": word, word: "b"}


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("true", True),
        ("False", False),
        ("null", None),
        ("~", None),
        ("", None),
        ("0", 0),
        ("-17", -17),
        ("0x1F", 31),
        ("0o17", 15),
        ("1.5", 1.5),
        ("-.5", -0.5),
        ("1e3", 1000.0),
        ("9223372036854775807", 2**63 - 1),
    ],
)
def test_scalars_of_yaml_1_2(text: str, value: object) -> None:
    found = spec(f"a: {text}")["a"]
    assert found == value
    assert type(found) is type(value)


@pytest.mark.parametrize(
    "text",
    [
        "0644",
        "01234",
        "-0755",
        "00.5",
        "12:30",
        "1:30:00",
        "2026-01-02",
        "2026-01-02T03:04:05Z",
        "1_000",
        "0b101",
        ".inf",
        ".nan",
        "1.27.3",
        "=",
        "500m",
        "10Gi",
        "e5",
        ".",
        "-a",
        "+",
        "nginx:1.27",
    ],
)
def test_what_only_resembles_a_number_is_text(text: str) -> None:
    assert spec(f"a: {text}") == {"a": text}


def test_quoted_scalars_are_text() -> None:
    assert spec("a: 'true'\nb: \"1\"\nc: '~'\nd: |\n  x\n  y\ne: >-\n  x\n  y") == {
        "a": "true",
        "b": "1",
        "c": "~",
        "d": "x\ny\n",
        "e": "x y",
    }


# ---------------------------------------------------------------- anchors and merges


def test_aliases_and_merge_keys() -> None:
    found = spec(
        """
base: &base {a: 1, b: 2}
more: &more {b: 3, c: 4}
copy: *base
one: {<<: *base, b: 9}
two: {<<: [*base, *more], d: 5}
"""
    )
    assert found["copy"] == {"a": 1, "b": 2}
    assert found["one"] == {"a": 1, "b": 9}
    assert found["two"] == {"a": 1, "b": 2, "c": 4, "d": 5}
    assert found["copy"] is not found["base"]


def test_a_quoted_merge_key_is_a_key() -> None:
    assert spec("'<<': {a: 1}") == {"<<": {"a": 1}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("spec: {<<: 1}", "<< takes a mapping"),
        ("spec:\n  <<: {a: 1}\n  <<: {b: 1}", "<< appears twice"),
        ("spec: {a: *nowhere}", "refers to no anchor before it"),
        ("spec: &loop {a: *loop}", "is inside what it refers to"),
    ],
)
def test_bad_merges_and_aliases(text: str, message: str) -> None:
    assert message in only_problem(HEAD + text).message


# ---------------------------------------------------------------- what is refused, and where


def test_a_duplicate_key_names_both_lines() -> None:
    error = only_problem(HEAD + "spec:\n  image: a\n  replicas: 1\n  image: b\n")
    assert error.message == "the key 'image' appears twice: lines 7 and 9"
    assert place(error) == ("web.yaml", 9, 3)


@pytest.mark.parametrize("key", ["1", "true", "null", "1.5", "[a]", "{a: b}"])
def test_keys_are_text(key: str) -> None:
    error = only_problem(HEAD + f"spec:\n  ? {key}\n  : x\n")
    assert "a key must be text" in error.message
    assert error.details["line"] == 7


@pytest.mark.parametrize(
    "value", ["!!python/object/apply:os.system [ls]", "!!str 1", "!local x", "! x", "!!binary aGk="]
)
def test_tags_are_refused(value: str) -> None:
    error = only_problem(HEAD + f"spec:\n  a: {value}\n")
    assert "is not supported" in error.message
    assert place(error) == ("web.yaml", 7, 6)


def test_a_tab_is_explained() -> None:
    error = only_problem(HEAD + "spec:\n\timage: nginx\n")
    assert error.suggestions == ("indent with spaces",)
    assert place(error) == ("web.yaml", 7, 1)


@pytest.mark.parametrize("character", ["\0", "\x07", "\x1b", "\x7f", "\x9f"])
def test_control_characters_are_refused_with_their_line(character: str) -> None:
    error = only_problem(HEAD + f"spec:\n  a: x{character}\n")
    assert f"U+{ord(character):04X}" in error.message
    assert place(error) == ("web.yaml", 7, 7)


def test_an_escaped_nul_is_refused() -> None:
    error = only_problem(HEAD + 'spec:\n  a: "x\\0"\n')
    assert "NUL" in error.message
    assert error.details["line"] == 7


@pytest.mark.parametrize("number", ["9223372036854775808", "1" * 5000, "1e999", "0x" + "f" * 17])
def test_numbers_beyond_64_bits(number: str) -> None:
    error = only_problem(HEAD + f"spec:\n  a: {number}\n")
    assert "does not fit in 64 bits" in error.message
    assert error.suggestions == ("put it in quotes if it is text",)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a: \xff\n", "not UTF-8"),
        (HEAD.encode("utf-16"), "UTF-16"),
    ],
)
def test_other_encodings(content: bytes, message: str) -> None:
    parsed = read(content)
    assert message in parsed.problems[0].message
    assert parsed.opaque


def test_syntax_errors_keep_what_came_before_but_are_opaque() -> None:
    parsed = read(HEAD + "---\nkind: [\n")
    assert [d.key.name for d in parsed.documents] == ["web"]
    assert parsed.opaque
    assert parsed.problems[0].details["line"] == 8


# ---------------------------------------------------------------- the envelope


def changed(**fields: str) -> str:
    """The head with lines replaced by their first word."""
    lines = HEAD.splitlines()
    for name, line in fields.items():
        lines = [line if ln.split(":")[0].strip() == name else ln for ln in lines]
    return "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (changed(apiVersion=""), 2, "apiVersion: is required"),
        (changed(apiVersion="apiVersion: v1"), 1, "must be skypanel.io/v1"),
        (changed(kind=""), 1, "kind: is required: one of Organization, Volume, Secret, Service"),
        (changed(kind="kind: Servcie"), 2, "did you mean Service?"),
        (changed(kind="kind: Template"), 2, "not available in this version yet"),
        (changed(kind="kind: 5"), 2, "kind: must be text"),
        (changed(name=""), 3, "metadata.name: is required"),
        (changed(name="  name: Web_1"), 4, "did you mean 'web-1'?"),
        (changed(name="  name: 123"), 4, "metadata.name: must be text"),
        (changed(organization=""), 3, "metadata.organization: is required for kind Service"),
        (changed(kind="kind: Organization"), 5, "must be absent for kind Organization"),
        (HEAD + "sepc: {}\n", 6, "sepc: unknown field: did you mean 'spec'?"),
        (HEAD + "  namespace: x\n", 6, "did you mean 'organization'?"),
        (HEAD + "  labls: {}\n", 6, "did you mean 'labels'?"),
        (HEAD + "  labels: {a: 1}\n", 6, "the value must be text"),
        (HEAD + "  labels: {io.skypanel.uid: x}\n", 6, "reserved"),
        (HEAD + "  annotations: [a]\n", 6, "must be a map"),
        (HEAD + "spec: [a]\n", 6, "spec: must be a map of fields, not a list"),
        (HEAD + "spec: text\n", 6, "spec: must be a map of fields, not text"),
        ("- a\n- b\n", 1, "a manifest is a map, not a list"),
        ("just text\n", 1, "a manifest is a map, not text"),
        ("kind: List\nitems: 5\n", 2, "items is a list"),
    ],
)
def test_a_wrong_envelope(text: str, line: int, words: str) -> None:
    parsed = read(text)
    assert not parsed.documents
    found = [(p.details["line"], p.message) for p in parsed.problems]
    assert any(at == line and words in message for at, message in found), found


def test_everything_wrong_is_said_at_once() -> None:
    parsed = read(changed(kind="kind: Servcie", name="  name: W") + "sepc: {}\n")
    assert len(parsed.problems) == 3


def test_a_wrong_document_spoils_no_other() -> None:
    parsed = read(
        HEAD + "---\n" + changed(name="  name: db") + "bad: 1\n---\n" + changed(name="  name: x")
    )
    assert [d.key.name for d in parsed.documents] == ["web", "x"]
    assert parsed.faulty == {"db"}
    assert not parsed.opaque


def test_a_document_without_a_usable_name_makes_the_file_opaque() -> None:
    for text in (
        changed(name=""),
        changed(name="  name: No good"),
        "kind: Service\nmetadata:\n  na",
    ):
        assert read(text).opaque


def test_line_of_a_pointer() -> None:
    text = HEAD + "spec:\n  ports:\n  - containerPort: 80\n  - containerPort: x\n    a/b: {~c: 1}\n"
    (document,) = read(text).documents
    assert document.line_of("/spec/ports/1/containerPort") == 9
    assert document.line_of("/spec/ports/1/a~1b/~0c") == 10
    assert document.line_of("/spec/ports/1/missing") == 9
    assert document.line_of("/spec/ports/7") == 7
    assert document.line_of("/spec/ports/-1") == 7
    assert document.line_of("") == 1
    assert document.line_of("/nowhere") == 1


@pytest.mark.parametrize(
    "value",
    [
        "*hush", "!hush", "!hush x", "&hush", "%hush", "@hush", "`hush`", "|hush", '"hush', "'hush",
        "[hush", "{hush", "a: hush: b", '"\\qhush"', "[hush]", "{hush: 1}", "707070", "7.0e999",
        "707070707070707070707070", "- hush", "? hush", '"\x01hush"', "true",
    ],
)  # fmt: skip
@pytest.mark.parametrize("field", ["data", "sealedData"])
def test_a_value_of_a_secret_is_not_quoted_however_it_is_miswritten(field: str, value: str) -> None:
    parsed = read(
        "apiVersion: skypanel.io/v1\nkind: Secret\nmetadata: {name: db, organization: acme}\n"
        f"spec:\n  {field}:\n    PASSWORD: {value}\n"
    )
    checked = [error for d in parsed.documents if (error := check(d)) is not None]
    told = [error.to_dict() for error in (*parsed.problems, *checked)]
    assert told or value == "&hush"
    assert "hush" not in repr(told)
    assert "7070" not in repr(told)
