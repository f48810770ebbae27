"""What can be wrong with a Secret, each with what to do about it. No value is ever quoted."""

from __future__ import annotations

from collections.abc import Sequence

from resources.errors import UserError
from resources.finding import Path, place, pointer

KEY_MISSING = "SECRET_KEY_MISSING"
UNREADABLE = "SECRET_UNREADABLE"

_BRING_BACK = "bring the key file back to where SKYCTL_KEY_FILE says (see: skyctl doctor)"
_NEW_KEY = (
    "if it is lost for good: skyctl seal --new-key, then write the values of these Secrets anew"
)


def key_missing(path: Path, key_id: str) -> UserError:
    """A value sealed for a key whose private half is not here."""
    return UserError(
        KEY_MISSING,
        f"{place(path)}: it is sealed for the key {key_id}, which this controller does not have",
        details={"pointer": pointer(path), "keyId": key_id},
        suggestions=[_BRING_BACK, _NEW_KEY],
    )


def key_lost(key_id: str, file: str) -> UserError:
    """The store's key is not in the key file, and values are sealed for it."""
    return UserError(
        KEY_MISSING,
        f"secrets of this store are sealed for the key {key_id}, which is not in {file}; "
        "no new key is made in its place",
        details={"keyId": key_id, "file": file},
        suggestions=[_BRING_BACK, _NEW_KEY],
    )


def file_gone(file: str) -> UserError:
    """It was read before: what it held is still in use, but would not be after a restart."""
    return UserError(
        KEY_MISSING,
        f"the key file {file} is gone; its keys are in use until the controller ends",
        details={"file": file},
        suggestions=[_BRING_BACK],
    )


def no_key() -> UserError:
    """Nothing can be sealed yet."""
    return UserError(
        KEY_MISSING,
        "there is no key to seal values for yet: a controller makes it when it first leads",
        suggestions=["try again in a moment", "see whether a controller leads: skyctl status"],
        retryable=True,
    )


def unreadable(path: Path, why: str) -> UserError:
    """why: a predicate."""
    return UserError(
        UNREADABLE,
        f"{place(path)}: it {why}",
        details={"pointer": pointer(path)},
        suggestions=["seal the value again, for this organization, Secret and key: skyctl seal"],
    )


def value_gone(keys: Sequence[str]) -> UserError:
    """A ticket without a value in the inbox."""
    return UserError(
        "SECRET_VALUE_GONE",
        f"what came for {', '.join(keys)} is not in the inbox (any more)",
        details={"keys": list(keys)},
        suggestions=["write the values again, under data"],
    )
