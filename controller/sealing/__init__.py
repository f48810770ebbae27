"""Sealing and opening secret values: the only place where both a key and a value are at hand.

``box`` is the format, ``keyring`` the file with the private keys, ``vault`` what the controller
does with them.
"""

from controller.sealing.box import PrivateKey, opened, seal
from controller.sealing.keyring import FileKeyring, Keyring
from controller.sealing.vault import Vault

__all__ = ["FileKeyring", "Keyring", "PrivateKey", "Vault", "opened", "seal"]
