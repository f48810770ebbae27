"""What brings the rules back after a reboot: a file for ``nft``, and a systemd unit that loads it.
The file is also the record that they were installed to stay: the controller keeps them then.

The unit runs before the engine, so no container is there before the rules are, and it needs
nothing of this program. Where the distribution's own nftables service starts (which empties the
kernel's rules first) or is restarted, it runs after that.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from controller.firewall.nft import CODE, SEARCH_PATH
from resources.errors import UserError

UNIT = "skyctl-host-firewall.service"
SECONDS = 30.0


def unit(nft: str, rules: Path) -> str:
    return f"""\
[Unit]
Description=Closes the host's listeners to SkyPanel's containers
DefaultDependencies=no
After=local-fs.target nftables.service firewalld.service
Before=network-pre.target docker.service
Wants=network-pre.target
PartOf=nftables.service
ConditionPathExists={rules}

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart={nft} -f {rules}
ExecReload={nft} -f {rules}

[Install]
WantedBy=multi-user.target
"""


def systemctl(*arguments: str) -> None:
    """Raises OSError, subprocess.SubprocessError."""
    subprocess.run(
        ["systemctl", *arguments],
        check=True,
        capture_output=True,
        timeout=SECONDS,
        env={**os.environ, "PATH": SEARCH_PATH},
    )


@dataclass(frozen=True, slots=True)
class Boot:
    """root: of the file system. command: tells systemd."""

    root: Path = Path("/")
    command: Callable[..., None] = systemctl

    @property
    def rules(self) -> Path:
        return self.root / "etc/skyctl/host-firewall.nft"

    @property
    def unit(self) -> Path:
        return self.root / "etc/systemd/system" / UNIT

    @property
    def systemd(self) -> bool:
        return (self.root / "run/systemd/system").is_dir()

    def recorded(self) -> str | None:
        """The rules that were installed to stay; None: none were, or they cannot be read."""
        try:
            return self.rules.read_text()
        except OSError:
            return None

    def install(self, text: str, nft: str) -> Sequence[Path]:
        """The files written. Raises UserError."""
        written = [self.rules]
        with _told("the rules for the next boot cannot be written"):
            _write(self.rules, text)
            if self.systemd:
                _write(self.unit, unit(nft, self.rules))
                written.append(self.unit)
                self.command("daemon-reload")
                self.command("enable", UNIT)
        return written

    def remove(self) -> Sequence[Path]:
        """The files that were there. Raises UserError."""
        gone = [path for path in (self.unit, self.rules) if path.exists()]
        with _told("the rules for the next boot cannot be removed"):
            if self.unit in gone and self.systemd:
                self.command("disable", UNIT)
            for path in gone:
                path.unlink(missing_ok=True)
            if self.unit in gone and self.systemd:
                self.command("daemon-reload")
        return gone


def _write(path: Path, text: str) -> None:
    """In one move: a reader sees the old or the new."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(path.name + ".new")
    beside.write_text(text)
    beside.chmod(0o644)
    beside.replace(path)


@contextlib.contextmanager
def _told(what: str) -> Iterator[None]:
    try:
        yield
    except subprocess.CalledProcessError as error:
        said = error.stderr.decode(errors="replace").strip().splitlines()
        raise UserError(CODE, f"{what}: systemctl: {said[-1] if said else error}") from error
    except (OSError, subprocess.SubprocessError) as error:
        reason = getattr(error, "strerror", None) or error
        raise UserError(CODE, f"{what}: {reason}", suggestions=["run it as root"]) from error
