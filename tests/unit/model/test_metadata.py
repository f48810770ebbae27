"""What applying a manifest makes of the annotations that are there."""

from __future__ import annotations

import pytest

from resources.meta import ANNOTATION_PAUSED
from resources.metadata import merged

OURS = {ANNOTATION_PAUSED: "later"}


@pytest.mark.parametrize(
    ("current", "declared", "after"),
    [
        ({}, {"a": "1"}, {"a": "1"}),
        ({"a": "1", "b": "2"}, {"a": "3"}, {"a": "3"}),
        (OURS | {"a": "1"}, {}, OURS),
        (OURS, {ANNOTATION_PAUSED: "now"}, {ANNOTATION_PAUSED: "now"}),
    ],
)
def test_those_that_the_controller_heeds_stay(
    current: dict[str, str], declared: dict[str, str], after: dict[str, str]
) -> None:
    assert merged(current, declared) == after
