"""What is written for the next boot."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from controller.firewall.boot import UNIT, Boot
from resources.errors import UserError


class Systemd:
    def __init__(self) -> None:
        self.told: list[str] = []
        self.fails = False

    def __call__(self, *words: str) -> None:
        self.told.append(" ".join(words))
        if self.fails:
            raise subprocess.CalledProcessError(1, ["systemctl"], stderr=b"\nno bus\n")


@pytest.fixture
def systemd() -> Systemd:
    return Systemd()


@pytest.fixture
def boot(tmp_path: Path, systemd: Systemd) -> Boot:
    return Boot(tmp_path, systemd)


def with_systemd(boot: Boot) -> Boot:
    (boot.root / "run/systemd/system").mkdir(parents=True)
    return boot


def test_without_systemd_there_is_a_file_to_load(boot: Boot, systemd: Systemd) -> None:
    assert boot.install("rules\n", "/usr/sbin/nft") == [boot.rules]
    assert boot.rules.read_text() == "rules\n"
    assert systemd.told == []
    assert boot.remove() == [boot.rules]
    assert boot.remove() == []


def test_with_systemd_a_unit_loads_it_before_the_engine(boot: Boot, systemd: Systemd) -> None:
    with_systemd(boot)
    for _ in range(2):
        assert boot.install("rules\n", "/usr/sbin/nft") == [boot.rules, boot.unit]
    unit = boot.unit.read_text()
    assert f"ExecStart=/usr/sbin/nft -f {boot.rules}\n" in unit
    assert "docker.service" in unit.partition("Before=")[2].partition("\n")[0]
    assert "nftables.service" in unit.partition("After=")[2].partition("\n")[0]
    assert systemd.told == ["daemon-reload", f"enable {UNIT}"] * 2
    assert boot.remove() == [boot.unit, boot.rules]
    assert systemd.told[4:] == [f"disable {UNIT}", "daemon-reload"]
    assert not boot.unit.exists()


def test_what_systemd_refuses_is_told(boot: Boot, systemd: Systemd) -> None:
    with_systemd(boot)
    systemd.fails = True
    with pytest.raises(UserError, match="systemctl: no bus"):
        boot.install("rules\n", "/usr/sbin/nft")


def test_a_directory_that_cannot_be_written(tmp_path: Path) -> None:
    (tmp_path / "etc").write_text("")
    with pytest.raises(UserError, match="cannot be written"):
        Boot(tmp_path).install("rules\n", "/usr/sbin/nft")
