"""Seed: automatic tasks start without anybody's call, and start again when their chain was lost."""

from __future__ import annotations

import asyncio
import contextlib
from random import random
from typing import TYPE_CHECKING, Any, Final

import attrs

from shadows.core.backoff import pause
from shadows.core.scheduling import instant
from shadows.errors import BrokerUnavailable
from shadows.ports.seeding import Seed, Seeding

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from shadows.dependencies.plan import Plan
    from shadows.dependencies.recurring import Recurring
    from shadows.engine.wire import Wire
    from shadows.ports.broker import Broker
    from shadows.ports.observer import Observer

AGAIN: Final = 60.0
"""Seconds after which a worker looks whether its automatic tasks are still there."""


@attrs.define
class Seeder:
    """Places the calls of the automatic tasks that a worker knows, each under the task's name."""

    tasks: Mapping[str, Plan]
    wire: Wire
    broker: Broker
    observer: Observer
    watchers: list[Callable[[str, Plan], None]] = attrs.field(factory=list["Callable[[str, Plan], None]"])
    """of the registry: an automatic task that is registered while the worker runs starts at once"""
    _hurry: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    async def seed(self, *, restart: bool) -> None:
        """Place what is not live.  With ``restart``, as when a worker starts, also what was cancelled."""
        automatic = self._automatic()
        if not automatic:
            return
        now = instant((await self.broker.survey(0)).taken)
        seeds = [
            Seed(name, self.wire.call(name, name, (), {}), recurring.first(now), recurring.definition)
            for name, recurring in automatic.items()
        ]
        for seed, seeding in zip(seeds, await self.broker.seed(seeds, restart=restart), strict=True):
            if seeding in {Seeding.SEEDED, Seeding.CHANGED, Seeding.BROKEN}:
                self.observer.seeded(seed.key, seeding)

    def warn(self) -> None:
        """Say so where a worker is to end when nothing is left, and something always will be."""
        automatic = sorted(self._automatic())
        if automatic:
            self.observer.endless(automatic)

    async def start(self) -> None:
        """Place them as a worker does that starts; from now on, hear of tasks that are registered later."""
        if self._notice not in self.watchers:
            self.watchers.append(self._notice)
        await self.seed(restart=True)

    async def go_on(self, fail: Callable[[Exception], None]) -> None:
        """Look every minute, while there is something to look for, and when somebody is in a hurry; ``fail`` hears
        of what is no absence of the broker.
        """
        failures = 0
        while True:
            await self._rest(failures)
            try:
                await self.seed(restart=False)
            except BrokerUnavailable:  # which the pump tells
                failures += 1
            except Exception as bug:  # noqa: BLE001 - the pump raises it
                fail(bug)
                return
            else:
                failures = 0

    async def _rest(self, failures: int) -> None:
        """Wait until there may be something to do, or until somebody is in a hurry."""
        waits: set[asyncio.Future[Any]] = {asyncio.ensure_future(self._hurry.wait())}
        seconds = pause(failures, longest=AGAIN, random=random()) if failures else None  # noqa: S311 - jitter, no secret
        automatic = list(self._automatic())
        if automatic and not failures:
            waits.add(asyncio.ensure_future(self.broker.fallow(automatic, patience=AGAIN)))
        try:
            await asyncio.wait(waits, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waits:
                one.cancel()
        self._hurry.clear()

    def hurry(self) -> None:
        """Look again at once: something that kept a task from being placed may be over."""
        self._hurry.set()

    def close(self) -> None:
        """Hear of nothing any more."""
        with contextlib.suppress(ValueError):  # it never began
            self.watchers.remove(self._notice)

    def _notice(self, name: str, plan: Plan) -> None:
        del name
        if plan.recurring is not None and plan.recurring.automatic:
            self.hurry()

    def _automatic(self) -> dict[str, Recurring]:
        recurring = {name: plan.recurring for name, plan in self.tasks.items() if plan.recurring is not None}
        return {name: each for name, each in recurring.items() if each.automatic}
