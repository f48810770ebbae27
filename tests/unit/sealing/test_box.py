"""The format: who may open what, and what a sealed value tells."""

from __future__ import annotations

import base64

import pytest
from nacl.public import PublicKey, SealedBox

from controller.sealing.box import PrivateKey, Unreadable, opened, seal
from resources.sealed import Sealed, is_sealed, key_id

OURS, OTHER = PrivateKey(b"\1" * 32), PrivateKey(b"\2" * 32)
PLACE = ("acme", "db", "PASSWORD")


def sealed(value: str, *place: str, key: PrivateKey = OURS) -> Sealed:
    where = place or PLACE
    return Sealed(*where, seal(key.public, *where, value))  # type: ignore[call-arg]


@pytest.mark.parametrize("value", ["", "x", "grün 🔑\nzwei", "a" * 65536])
def test_there_and_back(value: str) -> None:
    found = sealed(value)
    assert is_sealed(found.text)
    assert key_id(found.text) == OURS.id
    assert opened(OURS, found) == value


def test_equal_values_look_different() -> None:
    assert sealed("same").text != sealed("same").text
    assert sealed("same").fingerprint != sealed("same").fingerprint


@pytest.mark.parametrize(
    "place", [("beta", "db", "PASSWORD"), ("acme", "web", "PASSWORD"), ("acme", "db", "USER")]
)
def test_a_copy_elsewhere_does_not_open(place: tuple[str, str, str]) -> None:
    stolen = Sealed(*place, sealed("hush").text)
    with pytest.raises(Unreadable, match="another organization") as caught:
        opened(OURS, stolen)
    assert "hush" not in str(caught.value)


def test_the_boundaries_between_the_parts_count() -> None:
    """No NUL can be in a name, so no value can pretend to be part of an address."""
    tricky = Sealed("acme", "db", "A", seal(OURS.public, "acme", "db", "AB", "\0value"))
    with pytest.raises(Unreadable):
        opened(OURS, tricky)


def test_damaged_ones_do_not_open() -> None:
    text = sealed("hush").text
    head, box = text.rsplit(":", 1)
    raw = bytearray(base64.b64decode(box))
    raw[-1] ^= 1
    for broken in (bytes(raw), bytes(raw[:40]), b"\0" * 80):
        copy = Sealed(*PLACE, f"{head}:{base64.b64encode(broken).decode()}")
        with pytest.raises(Unreadable, match="damaged"):
            opened(OURS, copy)
    with pytest.raises(Unreadable):
        opened(OTHER, Sealed(*PLACE, text))


@pytest.mark.parametrize("inside", [b"\xff\xfe", b"a\0b"])
def test_what_no_variable_can_hold(inside: bytes) -> None:
    box = SealedBox(PublicKey(base64.b64decode(OURS.public.public)))
    raw = base64.b64encode(box.encrypt(b"acme\0db\0PASSWORD\0" + inside)).decode()
    with pytest.raises(Unreadable, match=r"UTF-8|NUL"):
        opened(OURS, Sealed(*PLACE, f"v1:{OURS.id}:{raw}"))


def test_nothing_is_in_a_representation() -> None:
    assert repr(OURS) == "PrivateKey()"
    assert sealed("hush").text not in repr(sealed("hush"))


def test_the_format_stays() -> None:
    """Sealed by the first release: values in somebody's git."""
    text = (
        "v1:"
        + OURS.id
        + ":"
        + base64.b64encode(
            SealedBox(PublicKey(bytes(OURS.sodium.public_key))).encrypt(
                b"acme\0db\0PASSWORD\0s3cret"
            )
        ).decode()
    )
    assert opened(OURS, Sealed(*PLACE, text)) == "s3cret"
    assert OURS.id == KNOWN_ID
    assert opened(OURS, Sealed(*PLACE, KNOWN_TEXT)) == "s3cret"


KNOWN_ID = "1a92f23852dc908d"
KNOWN_TEXT = (
    "v1:1a92f23852dc908d:"
    "QTP16IqovaBg8uodO6A9o0VFArxd3X9UJHyXXr7mWyrPKdu/sqyQBCUgTXLxYCSLq3q0uqpJtpN9VfMy"
    "VIG5PtzbFGBvkXM="
)
