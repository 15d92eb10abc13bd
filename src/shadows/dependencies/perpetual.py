"""Going on for ever: ``perpetual: Perpetual = Perpetual(every=timedelta(minutes=5))`` as a parameter of a task."""

from __future__ import annotations

from datetime import datetime, timedelta

from shadows.core.durations import duration, text
from shadows.core.perpetual import definition, next_start
from shadows.core.scheduling import AT_ONCE, Due
from shadows.dependencies.recurring import Recurring

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shadows.dependencies.running import Running


class Perpetual(Recurring):
    """Run again and again, ``every`` so often, from start to start.

    What is past by the time that a run has ended means at once; starts that were missed are not caught up.  With
    ``automatic`` workers start the task by themselves, under its own name as its key.
    """

    __slots__ = ("_declared", "_every")

    def __init__(self, every: timedelta = timedelta(0), automatic: bool = False) -> None:  # noqa: FBT001, FBT002 - the documented position
        super().__init__(automatic=automatic)
        self._declared = duration(every, option="Perpetual every", zero=True)

    def _forget(self) -> None:
        super()._forget()
        self._every: timedelta | None = None

    @property
    def every(self) -> timedelta:
        """What lies between two starts; a body may change it for what follows its own run."""
        return self._declared if self._every is None else self._every

    @every.setter
    def every(self, every: timedelta) -> None:
        self._every = duration(every, option="every", zero=True)

    @property
    def definition(self) -> str:
        """A short name for the interval."""
        return definition("perpetual", self._declared)

    def first(self, now: datetime) -> Due:
        """Return when it begins: at once."""
        del now
        return AT_ONCE

    def following(self, running: Running, spent: timedelta) -> Due:
        """Return the start of this run and the interval."""
        del spent
        return next_start(running.started, self.every)

    def __repr__(self) -> str:
        return f"Perpetual(every {text(self.every)}{', automatic' if self.automatic else ''})"
