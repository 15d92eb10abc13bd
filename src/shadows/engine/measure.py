"""Measure: look at the shadow and at the event loop every now and then, for those who measure; else nobody does."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import attrs

from shadows.errors import BrokerError, BrokerUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable

    from shadows.ports.broker import Broker
    from shadows.ports.observer import Observer

SURVEY: Final = 5.0
"""Seconds between two looks at the shadow."""
LAG: Final = 0.5
"""Seconds between two looks at the event loop."""


@attrs.frozen
class Measurer:
    """One worker's looks; each is a task of its own, and ends when that is cancelled."""

    broker: Broker
    observer: Observer
    fail: Callable[[Exception], None]
    """hears of what is no error of the broker"""
    survey_every: float = SURVEY
    lag_every: float = LAG

    async def depths(self) -> None:
        """Count what waits, and tell since when."""
        while True:
            try:
                self.observer.surveyed(await self.broker.survey(0))
            except BrokerUnavailable:  # which the pump tells
                pass
            except BrokerError as refused:  # being measured is not worth ending for
                self.observer.disrupted(refused, 1, self.survey_every)
            except Exception as bug:  # noqa: BLE001 - the pump raises it
                self.fail(bug)
                return
            await asyncio.sleep(self.survey_every)

    async def lag(self) -> None:
        """Sleep, and see how late that ends."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + self.lag_every
            await asyncio.sleep(self.lag_every)
            self.observer.lagged(max(0.0, loop.time() - due))
