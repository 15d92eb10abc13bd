"""How a sleeping claim is woken, from whichever thread and event loop the news comes."""

from __future__ import annotations

import asyncio

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

_SAME = 1e-7
"""Seconds: two moments that are nearer to each other are one."""
RINGS = 64
"""The most sleepers that one step wakes."""


@attrs.define(eq=False)
class Sleeper:
    """A claim that waits; ``future`` belongs to ``loop`` and is touched only there."""

    holder: str
    hungry: bool
    """it can take calls, so a placement may wake it"""
    loop: asyncio.AbstractEventLoop = attrs.field(factory=asyncio.get_running_loop)
    future: asyncio.Future[None] = attrs.field(init=False)
    next_look: Callable[[], float | None] | None = None
    """tells the seconds after which it must look, if nothing happens before; None where its patience ends it"""
    rung: bool = False
    _alarm: asyncio.TimerHandle | None = attrs.field(default=None, init=False)

    def __attrs_post_init__(self) -> None:
        self.future = self.loop.create_future()

    def wake(self) -> bool:
        """Wake it; return whether somebody is still there to wake up."""
        self.rung = True
        if asyncio.get_running_loop() is self.loop:
            _resolve(self.future)
            return True
        try:
            self.loop.call_soon_threadsafe(_resolve, self.future)
        except RuntimeError:  # its loop was closed under it
            return False
        return True

    def reconsider(self) -> None:
        """Set the alarm to the moment when it must look, which any step may have moved."""
        if self.next_look is None:
            return
        wait = self.next_look()
        when = None if wait is None else self.loop.time() + wait
        if when is not None and self._alarm is not None and abs(self._alarm.when() - when) < _SAME:
            return
        self.silence()
        if when is not None:
            self._alarm = self.loop.call_at(when, _resolve, self.future)

    def silence(self) -> None:
        """Stop the alarm."""
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None


def _resolve(future: asyncio.Future[None]) -> None:
    if not future.done():
        future.set_result(None)


@attrs.define
class Bells:
    """Who sleeps, longest first, and whose ring nobody has heard yet.  Used under the store's lock."""

    sleepers: list[Sleeper] = attrs.field(factory=list[Sleeper])
    unheard: set[str] = attrs.field(factory=set[str])

    def ring(self, count: int) -> None:
        """Wake up to ``count`` sleepers that can take calls."""
        for sleeper in [sleeper for sleeper in self.sleepers if sleeper.hungry]:
            if count < 1:
                return
            self.sleepers.remove(sleeper)
            count -= sleeper.wake()

    def ring_for(self, holder: str) -> bool:
        """Wake the holder's sleeping claims; return whether there was one."""
        woken = 0
        for sleeper in [sleeper for sleeper in self.sleepers if sleeper.holder == holder]:
            self.sleepers.remove(sleeper)
            woken += sleeper.wake()
        return woken > 0

    def leave(self, sleeper: Sleeper) -> None:
        """Forget a sleeper that woke by itself."""
        sleeper.silence()
        if sleeper in self.sleepers:
            self.sleepers.remove(sleeper)
