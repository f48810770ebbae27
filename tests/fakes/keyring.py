"""A keyring in memory. ``lost``: its file is gone."""

from __future__ import annotations

from collections.abc import Mapping

from controller.sealing import PrivateKey


class MemoryKeyring:
    """Implements ``controller.sealing.Keyring``."""

    place = "(memory)"

    def __init__(self, *seeds: int) -> None:
        """seeds: small numbers, for keys that are always the same."""
        self.keys = [PrivateKey(seed.to_bytes(32, "big")) for seed in seeds]
        self.made = 0
        self._loaded: tuple[PrivateKey, ...] | None = None

    def load(self) -> Mapping[str, PrivateKey]:
        self._loaded = tuple(self.keys)
        return {key.id: key for key in self.keys}

    def add(self, key: PrivateKey) -> None:
        self.made += 1
        self.keys.insert(0, key)

    def changed(self) -> bool:
        return tuple(self.keys) != self._loaded

    def lose(self) -> None:
        self.keys.clear()
