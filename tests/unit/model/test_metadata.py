"""What applying a manifest makes of the annotations that are there."""

from __future__ import annotations

import pytest

from resources.meta import ANNOTATION_PAUSED, ANNOTATION_PROTECT, Key, Manifest
from resources.metadata import heeded_names, merged

WEB = Key("Service", "acme", "web")
OURS = {ANNOTATION_PAUSED: "later"}
NAMES = (ANNOTATION_PAUSED,)


@pytest.mark.parametrize(
    ("current", "applied", "declared", "removed", "after"),
    [
        ({}, (), {"a": "1"}, (), {"a": "1"}),
        ({"a": "1", "b": "2"}, (), {"a": "3"}, (), {"a": "3"}),
        (OURS | {"a": "1"}, (), {}, (), OURS),
        (OURS, (), {ANNOTATION_PAUSED: "now"}, (), {ANNOTATION_PAUSED: "now"}),
        (OURS, NAMES, {}, (), {}),
        (OURS, NAMES, {ANNOTATION_PAUSED: "now"}, (), {ANNOTATION_PAUSED: "now"}),
        (OURS, (ANNOTATION_PROTECT,), {}, (), OURS),
        (OURS, (), {}, NAMES, {}),
    ],
)
def test_those_that_the_controller_heeds_stay_unless_the_file_had_set_them(
    current: dict[str, str],
    applied: tuple[str, ...],
    declared: dict[str, str],
    removed: tuple[str, ...],
    after: dict[str, str],
) -> None:
    manifest = Manifest(WEB, {}, {}, declared, removed=frozenset(removed))
    assert merged(current, applied, manifest) == after


def test_the_names_that_are_remembered() -> None:
    assert heeded_names({"a": "1", ANNOTATION_PROTECT: "yes", **OURS}) == (
        ANNOTATION_PAUSED,
        ANNOTATION_PROTECT,
    )
