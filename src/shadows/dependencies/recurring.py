"""Coming again: what Perpetual and Cron have in common."""

from __future__ import annotations

from abc import abstractmethod
from datetime import datetime, timedelta
from typing import Any, Self

from shadows.core import decision
from shadows.core.durations import duration
from shadows.core.scheduling import Due, moment
from shadows.dependencies.dependency import CompletionHandler, TaskOutcome
from shadows.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from shadows.core.decision import Decision
    from shadows.dependencies.plan import Plan
    from shadows.dependencies.running import Running


class Recurring(CompletionHandler):
    """Each run is followed by another under the same key, whether it returned or failed for good.

    The next one is placed in the step that settles this one.  A run that was cancelled, or whose key was replaced,
    has none.
    """

    __slots__ = ("_arguments", "_automatic", "_cancelled", "_chosen", "_running")

    def __init__(self, *, automatic: bool) -> None:
        self._automatic = automatic
        self._forget()

    def _forget(self) -> None:
        self._running: Running | None = None
        self._cancelled = False
        self._chosen: Due | None = None
        self._arguments: tuple[tuple[Any, ...] | None, dict[str, Any] | None] = (None, None)

    @property
    def automatic(self) -> bool:
        """Whether workers start the task by themselves, under its own name as its key."""
        return self._automatic

    @property
    @abstractmethod
    def definition(self) -> str:
        """A short name for the schedule, which tells it from a changed one."""

    @abstractmethod
    def first(self, now: datetime) -> Due:
        """Return when a task that workers start by themselves begins; ``now`` is the broker's time."""

    @abstractmethod
    def following(self, running: Running, spent: timedelta) -> Due:
        """Return when the run after this one may start, which took so long, unless the body says otherwise."""

    def skips(self, running: Running) -> bool:
        """Tell whether this run is to be left out, because its time was missed; the next one follows all the same."""
        del running
        return False

    def cancel(self) -> None:
        """Let this run be the last one."""
        self._cancelled = True

    def perpetuate(self, *args: Any, **kwargs: Any) -> None:
        """Give the next run these arguments instead of those of this one.

        Raises:
            TypeError: the task cannot be called with them.
        """
        if self._running is not None:
            self._running.plan.bind(args, kwargs)
        self._arguments = args, kwargs

    def after(self, delay: timedelta) -> None:
        """Let the next run start ``delay`` after the end of this one."""
        self._chosen = moment(duration(delay, option="delay", zero=True))

    def at(self, when: datetime) -> None:
        """Let the next run start at ``when``, an aware time."""
        if not isinstance(when, datetime):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"when={when!r} must be a timezone-aware datetime")
        self._chosen = moment(when)

    def for_run(self, running: Running) -> Self:
        """Return the copy for one run."""
        made: Self = super().for_run(running)
        made._forget()
        made._running = running
        return made

    async def on_complete(self, execution: Any, outcome: TaskOutcome) -> Decision | None:
        """Ask for the next run, unless the body cancelled it."""
        del execution
        if self._running is None:
            return None
        if self._cancelled:
            return decision.last()
        due = self._chosen or self.following(self._running, outcome.duration)
        args, kwargs = self._arguments
        return decision.follow(due, args, kwargs, definition=self.definition if self._automatic else "")

    def check(self, plan: Plan) -> None:
        """Refuse a task that workers could not start by themselves."""
        if self._automatic and plan.required:
            needs = ", ".join(repr(name) for name in plan.required)
            msg = (
                f"{plan.name}() is started automatically, without arguments, but it requires {needs}; "
                f"give them defaults, or declare {type(self).__name__}(..., automatic=False)"
            )
            raise ConfigurationError(msg)
