"""Tend: keep the leases of running bodies alive, from a thread of its own.

A body that blocks the event loop keeps its lease that way.  A body that holds the interpreter lock does not.
Under a virtual clock a thread would not see time pass, so there it is a task on the loop.
"""

from __future__ import annotations

import asyncio
import threading
from contextlib import contextmanager
from random import random
from typing import TYPE_CHECKING, Final

import attrs

from shadows.core.backoff import pause
from shadows.engine import watchdog
from shadows.errors import BrokerUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence

    from shadows.core.holder import Holder
    from shadows.engine.loop import Loop
    from shadows.ports.backend import Backend
    from shadows.ports.broker import Broker

RENEWALS: Final = 4
"""How often a lease is renewed in its length: three may fail before it is lost."""
RETRY: Final = 1.0
"""The most seconds between two tries to renew: who has a server again must renew before others take his leases over."""


@attrs.define
class Renewals:
    """What is done again and again while a worker runs."""

    broker: Broker
    holder: Holder
    held: Callable[[], Sequence[str]]
    """the tokens of what runs now; called from the thread"""
    lost: Callable[[frozenset[str]], None]
    """hears of leases that are gone; called from the thread"""
    broken: Callable[[Exception], None]
    """hears of an error that is no absence of the broker, and ends the renewals; called from the thread"""
    left: bool = attrs.field(default=False, init=False)
    """nobody wants to hear of anything any more"""
    _failures: int = attrs.field(default=0, init=False)

    @property
    def interval(self) -> float:
        """Seconds from one round to the next."""
        return self.holder.lease / 1000 / RENEWALS

    def once(self) -> float | None:
        """Renew what is held; return the seconds until the next time, or None after the last."""
        tokens = self.held()
        if not tokens:
            return self.interval
        try:
            gone = self.broker.renew(self.holder, tokens)
        except BrokerUnavailable:
            self._failures += 1
            longest = min(self.interval / 4, RETRY)
            return pause(self._failures, longest=longest, random=random())  # noqa: S311 - jitter, no secret
        except Exception as bug:  # noqa: BLE001 - without renewals no lease would last, so the worker must hear of it
            if not self.left:
                self.broken(bug)
            return None
        self._failures = 0
        if gone:
            self.lost(gone)
        return self.interval


@attrs.define
class InThread:
    """Renewals in a thread, which begins on entering and has ended on leaving."""

    renewals: Renewals
    _leave: threading.Event = attrs.field(factory=threading.Event, init=False)
    _thread: threading.Thread = attrs.field(init=False)

    def __enter__(self) -> None:
        name = f"shadows-renewal-{self.renewals.holder.name}"
        self._thread = threading.Thread(target=self._renew_forever, name=name, daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self.renewals.left = True
        self._leave.set()
        self._thread.join(timeout=1)  # it may hang on a silent server; being a daemon, it holds nobody up

    def _renew_forever(self) -> None:
        wait: float | None = self.renewals.interval
        while wait is not None and not self._leave.wait(wait):
            wait = self.renewals.once()


@attrs.define
class OnLoop:
    """Renewals as a task, which begins on entering and is cancelled on leaving."""

    renewals: Renewals
    holding: asyncio.Event
    """set while there is something to renew"""
    _task: asyncio.Task[None] = attrs.field(init=False)

    def __enter__(self) -> None:
        self._task = asyncio.create_task(self._renew_forever(), name=f"shadows-renewal-{self.renewals.holder.name}")

    def __exit__(self, *_: object) -> None:
        self._task.cancel()

    async def _renew_forever(self) -> None:
        wait: float | None = self.renewals.interval
        while wait is not None:
            await self.holding.wait()
            await asyncio.sleep(wait)
            wait = self.renewals.once()


@contextmanager
def tending(loop: Loop, backend: Backend, monotonic: Callable[[], float]) -> Generator[None]:
    """Renew the leases of what a loop runs, and notice what blocks the event loop."""
    aio = asyncio.get_running_loop()

    def lose(tokens: frozenset[str]) -> None:
        aio.call_soon_threadsafe(loop.lose, tokens)

    def fail(bug: Exception) -> None:
        aio.call_soon_threadsafe(loop.fail, bug)

    watch = watchdog.Watchdog(aio, loop.held, loop.observer, monotonic, watchdog.NOTICE, watchdog.ABANDON)
    renewals = Renewals(backend.broker, loop.holder, watch.renewable, lose, fail)
    if backend.renews_on_loop:  # nobody watches virtual time
        with OnLoop(renewals, loop.holding):
            yield
    else:
        with watch, InThread(renewals):
            yield
