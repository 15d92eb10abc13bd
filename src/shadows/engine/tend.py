"""Tend: keep the leases of running bodies alive, from a thread of its own.

A body that blocks the event loop keeps its lease that way.  A body that holds the interpreter lock does not.
"""

from __future__ import annotations

import threading
from random import random
from typing import TYPE_CHECKING, Final

import attrs

from shadows.core.backoff import pause
from shadows.errors import BrokerUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from shadows.core.holder import Holder
    from shadows.ports.broker import Broker

RENEWALS: Final = 4
"""How often a lease is renewed in its length: three may fail before it is lost."""


@attrs.define
class Renewal:
    """The thread: begins on entering, has ended on leaving."""

    broker: Broker
    holder: Holder
    held: Callable[[], Sequence[str]]
    """the tokens of what runs now; called from the thread"""
    lost: Callable[[frozenset[str]], None]
    """hears of leases that are gone; called from the thread"""
    broken: Callable[[Exception], None]
    """hears of an error that is no absence of the broker, and ends the renewals; called from the thread"""
    _leave: threading.Event = attrs.field(factory=threading.Event, init=False)
    _thread: threading.Thread = attrs.field(init=False)

    def __enter__(self) -> None:
        self._thread = threading.Thread(
            target=self._renew_forever, name=f"shadows-renewal-{self.holder.name}", daemon=True
        )
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        self._thread.join(timeout=1)  # it may hang on a silent server; being a daemon, it holds nobody up

    def _renew_forever(self) -> None:
        interval, failures = self.holder.lease / 1000 / RENEWALS, 0
        wait = interval
        while not self._leave.wait(wait):
            tokens = self.held()
            if not tokens:
                wait = interval
                continue
            try:
                gone = self.broker.renew(self.holder, tokens)
            except BrokerUnavailable:
                failures += 1
                wait = pause(failures, longest=interval, random=random())  # noqa: S311 - jitter, no secret
            except Exception as bug:  # noqa: BLE001 - without renewals no lease would last, so the worker must hear of it
                if not self._leave.is_set():
                    self.broken(bug)
                return
            else:
                failures, wait = 0, interval
                if gone:
                    self.lost(gone)
