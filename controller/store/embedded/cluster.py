"""One cluster on disk: its directories, its password, how its server is called. Blocking."""

from __future__ import annotations

import os
import secrets
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from urllib.parse import quote

from controller.private_file import write_private
from controller.store.embedded.account import Account
from controller.store.embedded.programs import Programs, bundled
from resources.errors import UserError

USER = "skyctl"
DATABASE = "skyctl"
PORT = 5432  # only part of the socket's name: nothing listens on TCP
SOCKET_LIMIT = 100  # bytes of path; the system's limit is about 107
ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}
INITDB = ["--auth=scram-sha-256", "--encoding=UTF8", "--no-locale"]
OPTIONS = {
    "listen_addresses": "",
    "unix_socket_permissions": "0700",
    "max_connections": "60",
    "shared_buffers": "64MB",
    "max_wal_size": "256MB",
    "wal_level": "minimal",
    "max_wal_senders": "0",
    "log_timezone": "UTC",
    # A statement that failed may hold a secret, and so may the row that it would have made.
    "log_min_error_statement": "panic",
    "log_error_verbosity": "terse",
}


@dataclass(frozen=True)
class Cluster:
    """home: see the package's docstring. version: of the programs that shall run it."""

    home: Path
    account: Account | None
    version: str

    @cached_property
    def programs(self) -> Programs:
        return bundled(self.home, self.version)

    @property
    def data(self) -> Path:
        return self.home / "data"

    @property
    def log(self) -> Path:
        return self.home / "server.log"

    @cached_property
    def run(self) -> Path:
        """The socket's directory; elsewhere when its path would be too long for a socket."""
        place = self.home / "run"
        if len(os.fsencode(place)) + len(f"/.s.PGSQL.{PORT}.lock") > SOCKET_LIMIT:
            place = Path(tempfile.mkdtemp(prefix="skyctl-"))
        place.mkdir(exist_ok=True)
        place.chmod(0o700)
        self.own(place)
        return place

    def forget_run(self) -> None:
        """A socket directory outside the home goes with the server."""
        if self.home not in self.run.parents:
            shutil.rmtree(self.run, ignore_errors=True)

    def own(self, path: Path) -> None:
        if self.account is not None:
            self.account.own(path)

    @cached_property
    def password(self) -> str:
        """Made once; readable for us alone."""
        file = self.home / "password"
        if not file.exists():
            made = secrets.token_urlsafe(24).encode()
            write_private(self.home / "password.new", made).rename(file)
        return file.read_text().strip()

    def url(self, database: str = DATABASE, run: Path | None = None) -> str:
        """For asyncpg. run: another socket directory than ours."""
        return (
            f"postgresql://{USER}:{quote(self.password)}@/{database}"
            f"?host={quote(str(run or self.run))}&port={PORT}"
        )

    def command(self, programs: Programs, data: Path, run: Path) -> list[str]:
        options = OPTIONS | {"unix_socket_directories": str(run), "port": str(PORT)}
        return [
            str(programs.bin / "postgres"),
            "-D",
            str(data),
            *(part for name, value in options.items() for part in ("-c", f"{name}={value}")),
        ]

    def call(
        self, program: Path, *arguments: str, timeout: float = 120.0, **environment: str
    ) -> str:
        """Runs one of the programs as the account; its output. Raises UserError when it fails."""
        try:
            done = subprocess.run(
                [program, *arguments],
                capture_output=True,
                text=True,
                timeout=timeout,
                cwd="/",
                env=ENVIRONMENT | environment,
                start_new_session=True,
                **(self.account.popen() if self.account else {}),
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise failed(program.name, str(error)) from error
        if done.returncode != 0:
            raise failed(program.name, done.stderr.strip()[-800:])
        return str(done.stdout)

    def initialize(self, into: Path) -> None:
        """A new, empty cluster in that directory, which is emptied first."""
        shutil.rmtree(into, ignore_errors=True)
        into.mkdir(mode=0o700)
        self.own(into)
        with tempfile.NamedTemporaryFile("w", prefix="skyctl-") as passing:
            passing.write(self.password)
            passing.flush()
            self.own(Path(passing.name))
            self.call(
                self.programs.bin / "initdb",
                f"--pgdata={into}",
                f"--username={USER}",
                f"--pwfile={passing.name}",
                *INITDB,
            )


def failed(what: str, reason: str) -> UserError:
    return UserError(
        "CONFIGURATION_EMBEDDED_FAILED",
        f"the embedded PostgreSQL: {what} failed: {reason}",
        suggestions=["see server.log in the state directory", "or give --database-url"],
    )
