"""Every example is what it claims: manifests that are accepted, schemas that are there."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from resources.document.checking import check
from resources.document.reading import Document, parse

PROJECT = Path(__file__).resolve().parents[3]
MANIFESTS = sorted(
    path
    for folder in ("quickstart", "acme")
    for path in (PROJECT / "examples" / folder).rglob("*.yaml")
)


def documents(path: Path) -> list[Document]:
    parsed = parse(path.read_bytes(), path.name)
    assert not parsed.problems
    return list(parsed.documents)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_it_is_accepted(path: Path) -> None:
    found = documents(path)
    assert found
    for document in found:
        assert (error := check(document)) is None, error


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_its_editor_schema_is_there(path: Path) -> None:
    header = re.match(r"# yaml-language-server: \$schema=(\S+)\n", path.read_text())
    assert header is not None
    assert (path.parent / header[1]).resolve().is_file()


@pytest.mark.parametrize("folder", ["quickstart", "acme"])
def test_what_it_refers_to_is_declared(folder: str) -> None:
    found = [
        d.manifest for path in MANIFESTS if path.parent.name == folder for d in documents(path)
    ]
    keys = {(m.key.kind, m.key.organization, m.key.name) for m in found}
    for manifest in found:
        here = manifest.key.organization
        if here:
            assert ("Organization", "", here) in keys
        for mount in manifest.spec.get("volumes", []):
            assert ("Volume", here, mount["volume"]) in keys
        if manifest.key.kind == "Domain":
            assert ("Service", here, manifest.spec["service"]) in keys
        for name in manifest.spec.get("dependsOn", []):
            assert ("Service", here, name) in keys


def test_the_statements_of_the_sql_example_are_whole() -> None:
    text = (PROJECT / "examples" / "sql" / "contract.sql").read_text()
    code = "\n".join(line.partition("--")[0] for line in text.splitlines())
    assert code.count("'") % 2 == 0
    assert code.rstrip().endswith(";")
