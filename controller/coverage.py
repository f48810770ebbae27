"""Whether a term has looked at all that is routed: what was published before it may be a week old,
or lost, so nobody is told that it is all there is before.

A pass counts that began when it was known what is published and what is served: an earlier one
had nothing to go by. So does a sweep of what has no row. What is about to be published again is
waited for, though not for long: it may never come.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable

from controller.clock import Clock
from controller.loop.outcome import Outcome
from controller.reconcile.observe import Observation
from controller.store.base import Deposed, StoreUnavailable
from resources.context import Context
from resources.meta import Key
from resources.returning import returning

PATIENCE = 60.0
"""Seconds for which what is to come again is waited for."""

Reconcile = Callable[[Key], Awaitable[Outcome]]


class Coverage:
    """wanted: all keys that there are now. again: has all of them looked at once more, and swept.
    sweeps: is there a sweep at all? returns: is it about to be published again?"""

    def __init__(
        self,
        wanted: Callable[[], Iterable[Key]],
        again: Callable[[], None],
        clock: Clock,
        returns: Callable[[Context], bool] = returning,
    ) -> None:
        self._wanted = wanted
        self._again = again
        self._clock = clock
        self._returns = returns
        self.sweeps = True
        self._passed: set[Key] | None = None
        self._returning: set[Key] = set()
        self._since = 0.0
        self._swept = self._whole = False

    def begin(self) -> None:
        """A term begins."""
        self._passed = None
        self._returning.clear()
        self._swept = self._whole = False

    def informed(self) -> None:
        """From now on passes count."""
        self._passed = set()
        self._since = self._clock.monotonic()
        self._again()

    def swept(self) -> None:
        self._swept = self._passed is not None

    @property
    def whole(self) -> bool:
        """Once it is, it is for the rest of the term."""
        if not self._whole and self._passed is not None and (self._swept or not self.sweeps):
            impatient = self._clock.monotonic() - self._since > PATIENCE
            awaited = set() if impatient else self._returning
            self._whole = all(k in self._passed and k not in awaited for k in self._wanted())
            if self._whole:
                self._passed.clear()
        return self._whole

    def observed(self, observation: Observation | None, key: Key) -> None:
        """Of each finished pass; None: it is gone."""
        if self._passed is None or self._whole:
            return  # nobody asks, or not any more
        self._returning.discard(key)
        if observation is not None and self._returns(observation.context):
            self._returning.add(key)

    def following(self, reconcile: Reconcile) -> Reconcile:
        """A pass that fails has been one, but for those that nobody's key is to blame for."""

        async def followed(key: Key) -> Outcome:
            passed = None if self._whole else self._passed
            try:
                outcome = await reconcile(key)
            except (StoreUnavailable, Deposed):
                raise
            except Exception:
                _note(passed, key)
                raise
            _note(passed, key)
            return outcome

        return followed


def _note(passed: set[Key] | None, key: Key) -> None:
    if passed is not None:
        passed.add(key)
