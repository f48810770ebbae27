"""``skyctl seal``: from standard input, from files, offline; and what it prints opens."""

from __future__ import annotations

import io
import sys
from pathlib import Path

import pytest
import yaml

from controller.sealing import PrivateKey, opened
from resources.meta import Key, Manifest
from resources.sealed import Sealed
from tests.fakes.keyring import MemoryKeyring
from tests.unit.cli.conftest import Run
from tests.unit.site import Site

OURS = PrivateKey(b"\7" * 32)


class Stdin(io.TextIOWrapper):
    def __init__(self, text: str) -> None:
        super().__init__(io.BytesIO(text.encode()))


def typed(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr(sys, "stdin", Stdin(text))


@pytest.mark.parametrize(
    ("given", "value"), [("hush\n", "hush"), ("hush", "hush"), ("a\n\n", "a\n"), ("", "")]
)
def test_of_standard_input(
    offline: Run, monkeypatch: pytest.MonkeyPatch, given: str, value: str
) -> None:
    typed(monkeypatch, given)
    ran = offline(
        "seal", "secret/db", "PASSWORD", "--org", "acme", "--public-key", OURS.public.public
    )
    assert ran.code == 0, ran.err
    assert opened(OURS, Sealed("acme", "db", "PASSWORD", ran.out.strip())) == value


def test_of_a_file_as_it_is(offline: Run, tmp_path: Path) -> None:
    (tmp_path / "cert").write_text("-----\nabc\n")
    ran = offline(
        "seal", "secret", "db", "CERT", "--org", "", "--from-file", str(tmp_path / "cert"),
        "--public-key", OURS.public.public,
    )  # fmt: skip
    assert opened(OURS, Sealed("", "db", "CERT", ran.out.strip())) == "-----\nabc\n"


def test_manifests_are_printed_sealed(offline: Run, tmp_path: Path) -> None:
    (tmp_path / "all.yaml").write_text(
        "apiVersion: skypanel.io/v1\nkind: Organization\nmetadata: {name: acme}\nspec: {}\n---\n"
        "apiVersion: skypanel.io/v1\nkind: Secret\nmetadata: {name: db, organization: acme}\n"
        "spec: {data: {PASSWORD: hush, USER: app}}\n"
    )
    ran = offline("seal", "-f", str(tmp_path), "--public-key", OURS.public.public)
    assert ran.code == 0, ran.err
    assert "hush" not in ran.out
    home, secret = yaml.safe_load_all(ran.out)
    assert home["kind"] == "Organization"
    assert set(secret["spec"]) == {"sealedData"}
    values = secret["spec"]["sealedData"]
    assert opened(OURS, Sealed("acme", "db", "PASSWORD", values["PASSWORD"])) == "hush"
    assert opened(OURS, Sealed("acme", "db", "USER", values["USER"])) == "app"


def test_a_wrong_manifest_is_not_printed(offline: Run, tmp_path: Path) -> None:
    (tmp_path / "db.yaml").write_text(
        "apiVersion: skypanel.io/v1\nkind: Secret\nmetadata: {name: db, organization: acme}\n"
        "spec: {data: {PASSWORD: 4711}}\n"
    )
    ran = offline("seal", "-f", str(tmp_path), "--public-key", OURS.public.public)
    assert ran.code == 1
    assert ran.out == ""
    assert "db.yaml:4" in ran.err
    assert "4711" not in ran.err


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("secret/db",),
        ("secret/db", "A", "B", "C"),
        ("service/db", "A"),
        ("secret/Not_A_Name", "A"),
        ("secret/db", "A", "--print-key"),
        ("secret/db", "A", "--org", "acme", "--public-key", "no"),
    ],
)
def test_misuse(offline: Run, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]) -> None:
    typed(monkeypatch, "hush")
    ran = offline("seal", *arguments)
    assert (ran.code, ran.out) == (2, "")
    assert "hush" not in ran.err


def test_it_is_said_for_whom(offline: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing said is not the platform: its secrets are sealed by the empty organization."""
    typed(monkeypatch, "hush")
    key = ("--public-key", OURS.public.public)
    ran = offline("seal", "secret/db", "PASSWORD", *key)
    assert (ran.code, ran.out) == (2, "")
    assert "try: skyctl seal secret/db PASSWORD --org ORGANIZATION" in ran.err
    ran = offline("seal", "secret/db", "PASSWORD", "--org", "", *key)
    assert opened(OURS, Sealed("", "db", "PASSWORD", ran.out.strip())) == "hush"


def test_for_the_controllers_key(skyctl: Run, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.apply(Manifest(Key("Organization", "", "acme"), {}))
    typed(monkeypatch, "hush")
    ran = skyctl("seal", "secret/db", "PASSWORD", "--org", "acme")
    assert ran.code == 0, ran.err
    db = Key("Secret", "acme", "db")
    site.apply(Manifest(db, {"sealedData": {"PASSWORD": ran.out.strip()}}))
    site.until(lambda: site.settled(db))
    shown = skyctl("get", "secret/db", "--org", "acme")
    assert shown.lines[0].split()[:4] == ["NAME", "PHASE", "READY", "KEYS"]
    assert shown.lines[1].split()[:4] == ["db", "Ready", "True", "PASSWORD"]
    stolen = Key("Secret", "acme", "other")
    site.apply(Manifest(stolen, {"sealedData": {"PASSWORD": ran.out.strip()}}))
    site.until(lambda: "error" in str((site.database.entries[stolen].status or {}).get("state")))
    assert "another organization" in skyctl("get", "secret/other", "--org", "acme").out


def test_another_key_is_made_on_demand(
    skyctl: Run, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = skyctl("seal", "--print-key").out
    typed(monkeypatch, "")
    ran = skyctl("seal", "--new-key", "--yes")
    assert ran.code == 0, ran.err
    assert skyctl("seal", "--print-key").out != before
    assert site.database.sealing_key_id is not None
    assert site.database.sealing_key_id in ran.out


def test_the_status_tells_of_a_lost_key(skyctl: Run, site: Site) -> None:
    assert "secrets" not in skyctl("status").out
    keyring = site.controller.vault._keyring
    assert isinstance(keyring, MemoryKeyring)
    kept = list(keyring.keys)
    site.do(keyring.lose)
    site.do(site.controller.vault.refresh)
    try:
        told = skyctl("status").out
    finally:
        site.do(lambda: keyring.keys.extend(kept))
        site.do(site.controller.vault.refresh)
    assert "secrets:   the key file (memory) is gone" in told
    assert "try:       bring the key file back" in told
    assert "secrets" not in skyctl("status").out
