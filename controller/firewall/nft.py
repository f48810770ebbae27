"""The kernel's rules, through the program ``nft`` (Debian's package nftables).

Only our own table is ever listed, loaded or removed. Every call has a deadline.
"""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from controller.firewall.rules import FAMILY, TABLE, removal
from resources.errors import UserError

SECONDS = 10.0
"""One call of the program."""
SEARCH_PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"

CODE = "CONFIGURATION_HOST_FIREWALL"


class CannotLook(UserError):
    """Whether the rules are there is not known, or cannot be changed."""

    def __init__(self, message: str, *suggestions: str) -> None:
        super().__init__(CODE, message, suggestions=suggestions)


def find_nft() -> str | None:
    """Where the program is, also in the directories that only root has on its PATH."""
    own = os.environ.get("PATH", "")
    return shutil.which("nft", path=f"{own}:{SEARCH_PATH}" if own else SEARCH_PATH)


class Nft:
    """find: says where the program is, None: nowhere."""

    def __init__(self, find: Callable[[], str | None] = find_nft) -> None:
        self._find = find

    async def listing(self) -> Mapping[str, Any] | None:
        """Our table as JSON; None: there is none. Raises CannotLook."""
        code, out, err = await self._call("-j", "list", "table", FAMILY, TABLE)
        if code == 0:
            try:
                found = json.loads(out)
            except ValueError:
                raise CannotLook("nft does not speak JSON") from None
            return found if isinstance(found, dict) else {}
        if "No such file or directory" in err:
            return None
        raise _refused(err)

    async def load(self, text: str) -> None:
        """In one transaction. Raises CannotLook."""
        code, _, err = await self._call("-f", "-", given=text)
        if code != 0:
            raise _refused(err)

    async def remove(self) -> None:
        """Harmless where there is none. Raises CannotLook."""
        await self.load(removal())

    async def _call(self, *arguments: str, given: str = "") -> tuple[int, str, str]:
        return await asyncio.to_thread(self._run, arguments, given)

    def _run(self, arguments: Sequence[str], given: str) -> tuple[int, str, str]:
        """In a thread: the program may end before it has read what it is given, which the event
        loop takes for a fault of ours."""
        program = self._find()
        if program is None:
            raise CannotLook(
                "the program nft is not there",
                "install nftables: apt-get install nftables",
            )
        try:
            done = subprocess.run(
                [program, *arguments],
                input=given,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=SECONDS,
                env={"PATH": SEARCH_PATH, "LC_ALL": "C"},
            )
        except subprocess.TimeoutExpired:
            raise CannotLook(f"nft did not end within {SECONDS:g} s") from None
        except OSError as error:
            raise CannotLook(f"nft cannot be run: {error.strerror or error}") from error
        return done.returncode, done.stdout, done.stderr


def _refused(said: str) -> CannotLook:
    if "not permitted" in said or "must be root" in said:
        return CannotLook(
            "only root, or a process with CAP_NET_ADMIN, may look at the host's firewall",
            "as root: skyctl host-firewall status",
        )
    first = next((line for line in said.splitlines() if line.strip()), "no reason given")
    return CannotLook(f"nft refused: {first[:300]}")
