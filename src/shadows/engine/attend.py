"""Attend: check in, so that people see who is here, and again whenever presence has forgotten us."""

from __future__ import annotations

import asyncio
from random import random
from typing import TYPE_CHECKING

import attrs

from shadows.core.backoff import pause
from shadows.errors import BrokerError, BrokerUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

    from shadows.core.holder import Holder
    from shadows.ports.observer import Observer
    from shadows.ports.presence import Presence


@attrs.frozen
class Attender:
    """Keeps one worker on the list."""

    presence: Presence
    holder: Holder
    tasks: Collection[str]
    """the names of those that it knows; may grow"""
    horizon: int
    """ms without a heartbeat after which it counts as gone"""
    longest: float
    """seconds of the longest pause between two tries to reach the broker"""
    observer: Observer

    async def attend(self, forgotten: asyncio.Event, fail: Callable[[Exception], None]) -> None:
        """Stay on the list until cancelled; ``fail`` hears of what is no error of the broker."""
        failures, told = 0, False
        while True:
            try:
                await self.presence.check_in(self.holder, list(self.tasks), horizon=self.horizon)
            except BrokerError as away:  # being listed is not worth ending for
                failures += 1
                wait = pause(failures, longest=self.longest, random=random())  # noqa: S311 - jitter, no secret
                if not isinstance(away, BrokerUnavailable):  # which the pump tells, once for each of its tries
                    self.observer.disrupted(away, failures, wait)
                    told = True
                await asyncio.sleep(wait)
            except Exception as bug:  # noqa: BLE001 - the pump raises it
                fail(bug)
                return
            else:
                if told:
                    self.observer.recovered()
                failures, told = 0, False
                await forgotten.wait()
                forgotten.clear()
