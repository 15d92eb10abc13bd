"""The event bus on Redis or Valkey: one pub/sub connection while at least one listens."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Final

import attrs

from shadows.adapters.redis.answers import netstrings
from shadows.adapters.redis.keys import Keys, encode
from shadows.ports.event_bus import Hint

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator

    from shadows.adapters.redis.driver import Driver, Subscription

type _Queue = asyncio.Queue[Hint | None]
_CONFIRMED_WITHIN: Final = 5.0


@attrs.define
class RedisEventBus:
    """See :class:`shadows.ports.event_bus.EventBus`."""

    driver: Driver
    keys: Keys
    loses_hints: bool = attrs.field(init=False, default=True)
    _listeners: dict[str, list[_Queue]] = attrs.field(init=False, factory=dict[str, "list[_Queue]"])
    _open: AsyncExitStack = attrs.field(init=False, factory=AsyncExitStack)
    _subscription: Subscription | None = attrs.field(init=False, default=None)
    """while at least one listens"""
    _turn: asyncio.Lock = attrs.field(init=False, factory=asyncio.Lock)

    @asynccontextmanager
    async def listen(self, key: str) -> AsyncGenerator[AsyncIterator[Hint | None]]:
        channel, queue = self.keys.events(encode(key)), asyncio.Queue[Hint | None]()
        async with self._turn:
            self._listeners.setdefault(channel, []).append(queue)
            if self._subscription is None:
                self._subscription = await self._open.enter_async_context(self.driver.subscription(self._hear))
            subscription = self._subscription
        try:
            await _added(subscription, channel, queue)
            yield _Hearing(queue)
        finally:
            await self._leave(subscription, channel, queue)

    async def _leave(self, subscription: Subscription, channel: str, queue: _Queue) -> None:
        async with self._turn:
            queues = self._listeners[channel]
            queues.remove(queue)
            if queues:
                return
            del self._listeners[channel]
            if self._listeners:
                await subscription.remove(channel)
            else:
                self._subscription = None
                await self._open.aclose()

    def _hear(self, channel: bytes | None, message: bytes) -> None:
        if channel is None:
            for queues in self._listeners.values():
                for queue in queues:
                    queue.put_nowait(None)
            return
        hint = _hint(message)
        for queue in self._listeners.get(channel.decode(), ()):
            queue.put_nowait(hint)


async def _added(subscription: Subscription, channel: str, queue: _Queue) -> None:
    try:
        async with asyncio.timeout(_CONFIRMED_WITHIN):
            await subscription.add(channel)
    except TimeoutError:
        subscription.doubt()
        queue.put_nowait(None)  # the way is broken for now; the listener reads for itself


@attrs.frozen
class _Hearing:
    """What one listener has not heard yet.  No generator: one whose ``anext`` is cancelled has ended for good."""

    unheard: _Queue

    def __aiter__(self) -> AsyncIterator[Hint | None]:
        return self

    async def __anext__(self) -> Hint | None:
        return await self.unheard.get()


def _hint(message: bytes) -> Hint | None:
    """Return what was published; None, which says to read again, for what is not from us."""
    try:
        what, fence, at, *rest = message.split(b" ", 3)
        values = iter(netstrings(rest[0]) if rest else [])
        fields = tuple((name.decode(), value.decode()) for name, value in zip(values, values, strict=True))
        return Hint(what.decode(), int(fence) if fence else None, int(at), fields)
    except ValueError:
        return None
