"""``skyctl host-firewall``: what it does, what it says, how it ends."""

from __future__ import annotations

import json
from pathlib import Path
from typing import cast

import pytest

from controller.cli.root import invoke
from controller.firewall import boot, nft
from controller.firewall.nft import CannotLook, Nft
from tests.unit.firewall.tables import FakeNft
from tests.unit.site import running_site


@pytest.fixture
def kernel(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeNft:
    fake = FakeNft()
    made = boot.Boot
    monkeypatch.setattr(nft, "Nft", lambda: fake)
    monkeypatch.setattr(nft, "find_nft", lambda: "/usr/sbin/nft")
    monkeypatch.setattr(boot, "Boot", lambda: made(tmp_path, lambda *_: None))
    monkeypatch.delenv("SKYCTL_HOST_FIREWALL_PORTS", raising=False)
    return fake


def ran(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    code = invoke(["host-firewall", *words])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_a_life(kernel: FakeNft, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ran(capsys, "status")
    assert (code, out.partition(":")[0]) == (1, "missing")
    for _ in range(2):
        code, out, _ = ran(capsys, "install")
        assert code == 0, out
        assert "have it run at each boot: /usr/sbin/nft -f" in out
    assert (tmp_path / "etc/skyctl/host-firewall.nft").exists()
    code, out, _ = ran(capsys, "status", "-o", "json")
    told = json.loads(out)
    assert (code, told["state"], told["atBoot"]) == (0, "installed", True)
    assert told["openPorts"] == ["80/tcp", "443/tcp", "443/udp"]
    code, _, err = ran(capsys, "remove")
    assert (code, kernel.items is None) == (2, False)
    assert "CONFIGURATION_UNCONFIRMED" in err
    for _ in range(2):
        assert ran(capsys, "remove", "--yes")[0] == 0
    assert kernel.items is None
    assert not (tmp_path / "etc/skyctl/host-firewall.nft").exists()


@pytest.mark.parametrize(
    ("mode", "installed", "told"),
    [
        ("keep", False, "yes, it puts right whatever differs (SKYCTL_HOST_FIREWALL=keep)"),
        ("report", True, "yes, it puts back what was installed and has gone"),
        ("report", False, "no, it only reports them (SKYCTL_HOST_FIREWALL=report)"),
        ("off", True, "no (SKYCTL_HOST_FIREWALL=off)"),
    ],
)
def test_who_keeps_them_is_asked(
    kernel: FakeNft,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    mode: str,
    installed: bool,
    told: str,
) -> None:
    ran(capsys, "install", *(() if installed else ("--now-only",)))
    with running_site(host_firewall=mode, nft=cast(Nft, kernel)) as site:
        monkeypatch.setenv("SKYCTL_STATE_DIR", str(site.settings.state_dir))
        _, out, _ = ran(capsys, "status")
    assert f"kept by the controller: {told}" in out
    _, out, _ = ran(capsys, "status")
    assert "kept by the controller: not known, none answers on the socket here" in out


def test_now_only(kernel: FakeNft, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "install", "--now-only")[0] == 0
    assert kernel.items is not None
    assert not (tmp_path / "etc").exists()


def test_printing_changes_nothing(kernel: FakeNft, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = ran(capsys, "install", "--print", "--ports", "8443/tcp")
    assert code == 0
    assert "tcp th dport { 8443 } accept" in out
    assert "ExecStart=/usr/sbin/nft -f" in out
    assert kernel.items is None


def test_other_ports_are_told(kernel: FakeNft, capsys: pytest.CaptureFixture[str]) -> None:
    assert ran(capsys, "install", "--now-only", "--ports", "")[0] == 0
    code, out, _ = ran(capsys, "status")
    assert code == 1
    assert "chain to-host lacks: open ports, tcp" in out
    assert ran(capsys, "status", "--ports", "")[0] == 0


def test_who_may_not(kernel: FakeNft, capsys: pytest.CaptureFixture[str]) -> None:
    kernel.refusal = CannotLook("only root may", "as root: skyctl host-firewall status")
    code, out, _ = ran(capsys, "status")
    assert (code, out.partition(":")[0]) == (2, "unknown")
    assert "try: as root" in out
    for command in (("install",), ("remove", "--yes")):
        code, _, err = ran(capsys, *command)
        assert code == 1
        assert "CONFIGURATION_HOST_FIREWALL: only root may" in err


@pytest.mark.parametrize("ports", ["22", "22/tcp drop", "0/tcp", "22/tcp}\nflush ruleset"])
def test_ports_that_are_none(
    kernel: FakeNft, capsys: pytest.CaptureFixture[str], ports: str
) -> None:
    code, _, err = ran(capsys, "install", "--ports", ports)
    assert code == 2
    assert "is not a port like 443/tcp" in err
    assert kernel.loads == 0
