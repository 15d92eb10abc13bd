"""What is known of an attempt while it runs here: dependencies are made from it."""

from __future__ import annotations

from typing import Any

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping

    from shadows.dependencies.keeping import Keeping
    from shadows.dependencies.plan import Plan
    from shadows.ports.broker import Lease
    from shadows.ports.clock import Clock


@attrs.frozen(eq=False)
class Workplace:
    """What all runs of one worker have in common.

    The classes of the front doors are unknown down here, so they are ``Any``.
    """

    shadow: Any
    worker: Any
    clock: Clock
    keeping: Keeping = attrs.field(repr=False)
    """what lives as long as the worker"""
    handle: Callable[[Running], Any] = attrs.field(repr=False)
    """makes the Execution of a run"""
    report: Callable[[Lease, Mapping[str, str]], Awaitable[bool]] = attrs.field(repr=False)
    """merges these fields into the progress of a run; false when its lease is lost"""


@attrs.define(eq=False)
class Running:
    """One attempt: what was called, and under which lease.

    Arguments never show in the repr; as text it is the call, with the arguments that are annotated ``Logged``.
    """

    workplace: Workplace = attrs.field(repr=False)
    lease: Lease
    task: str
    """its name"""
    plan: Plan = attrs.field(repr=False)
    args: tuple[Any, ...] = attrs.field(repr=False)
    """as the caller gave them, without dependencies"""
    kwargs: dict[str, Any] = attrs.field(repr=False)
    _execution: Any = attrs.field(init=False, repr=False, default=None)

    def __str__(self) -> str:
        return self.plan.shown(self.task, self.args, self.kwargs)

    @property
    def key(self) -> str:
        """The call's key."""
        return self.lease.key

    @property
    def attempt(self) -> int:
        """Which attempt this is, from 1."""
        return self.lease.attempt

    @property
    def redelivered(self) -> bool:
        """Whether an earlier lease of this attempt was lost."""
        return self.lease.deliveries > 1

    @property
    def fence(self) -> int:
        """The number of the lease: higher than that of every earlier one, in the whole shadow."""
        return self.lease.fence

    @property
    def due(self) -> int:
        """When the call was due: ms since the epoch by the broker's clock."""
        return self.lease.due

    @property
    def started(self) -> int:
        """When the attempt was claimed: ms since the epoch by the broker's clock."""
        return self.lease.started

    @property
    def execution(self) -> Any:
        """The handle on this run; made when somebody asks for it."""
        if self._execution is None:
            self._execution = self.workplace.handle(self)
        return self._execution

    def argument(self, name: str) -> Any:
        """Return the value that the task's parameter of this name has, by position, by name or by default.

        Raises:
            KeyError: it has none.
        """
        return self.plan.argument(name, self.args, self.kwargs)

    async def report(self, progress: Mapping[str, str]) -> bool:
        """Merge these fields into the run's progress; return false when the lease is lost."""
        return await self.workplace.report(self.lease, progress)
