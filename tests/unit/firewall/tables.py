"""A kernel's tables as far as our own is concerned: loads what we render, lists it as nft does."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from controller.firewall.nft import CannotLook, Nft

_RULE = re.compile(r'^(.*) comment "(.*)"$')
_HOOK = re.compile(r"type filter hook (\w+) priority (-?\d+); policy accept;")


class FakeNft(Nft):
    """refusal: raised whatever is asked. loads: how often something was loaded."""

    def __init__(self) -> None:
        self.items: list[dict[str, Any]] | None = None
        self.refusal: CannotLook | None = None
        self.loads = 0

    async def listing(self) -> Mapping[str, Any] | None:
        if self.refusal is not None:
            raise self.refusal
        return None if self.items is None else {"nftables": self.items}

    async def load(self, text: str) -> None:
        if self.refusal is not None:
            raise self.refusal
        self.loads += 1
        self.items = listed(text)


def listed(text: str) -> list[dict[str, Any]] | None:
    """None: the text only removes it."""
    items: list[dict[str, Any]] = [{"metainfo": {}}, {"table": {"name": "skyctl"}}]
    chain: dict[str, Any] | None = None
    for line in (line.strip() for line in text.splitlines()):
        if line.startswith("chain "):
            chain = {"name": line.split()[1]}
            items.append({"chain": chain})
        elif chain is not None and (hook := _HOOK.fullmatch(line)):
            chain.update(
                type="filter", hook=hook.group(1), prio=int(hook.group(2)), policy="accept"
            )
        elif chain is not None and (rule := _RULE.fullmatch(line)):
            items.append({"rule": {"chain": chain["name"], "comment": rule.group(2)}})
    return items if chain is not None else None
