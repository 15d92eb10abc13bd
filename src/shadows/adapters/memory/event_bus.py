"""Hints from one thread's step to every listener's own loop."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, AsyncIterator, Callable

    from shadows.adapters.memory.store import Store
    from shadows.ports.event_bus import Hint


@attrs.define(eq=False)
class Hearing:
    """What one listener has not heard yet.  Nothing is ever missed here, so it never yields None."""

    loop: asyncio.AbstractEventLoop = attrs.field(factory=asyncio.get_running_loop)
    unheard: asyncio.Queue[Hint | None] = attrs.field(factory=asyncio.Queue["Hint | None"])

    def tell(self, hint: Hint) -> None:
        """Pass the hint on; called from any thread."""
        try:
            self.loop.call_soon_threadsafe(self.unheard.put_nowait, hint)
        except RuntimeError:  # its loop was closed under it: nobody listens any more
            return

    def __aiter__(self) -> AsyncIterator[Hint | None]:
        return self

    async def __anext__(self) -> Hint | None:
        return await self.unheard.get()


@attrs.define
class Listeners:
    """Who listens to which key.  Used under the store's lock."""

    by_key: dict[str, list[Hearing]] = attrs.field(factory=dict[str, list[Hearing]])

    def enter(self, key: str, hearing: Hearing) -> None:
        """Begin to tell this listener about the key."""
        self.by_key.setdefault(key, []).append(hearing)

    def leave(self, key: str, hearing: Hearing) -> None:
        """Stop it, and forget a key to which nobody listens."""
        self.by_key[key].remove(hearing)
        if not self.by_key[key]:
            del self.by_key[key]

    def publish(self, key: str, hint: Hint) -> None:
        """Tell everybody who listens to the key."""
        for hearing in self.by_key.get(key, ()):
            hearing.tell(hint)


@attrs.frozen
class MemoryEventBus:
    """The event bus port; see :mod:`shadows.ports.event_bus`."""

    store: Store
    clock: Callable[[], float]
    loses_hints: bool = False

    @asynccontextmanager
    async def listen(self, key: str) -> AsyncGenerator[AsyncIterator[Hint | None]]:
        """Listen from the moment of entering."""
        hearing = Hearing()
        with self.store.step(self.clock):
            self.store.listeners.enter(key, hearing)
        try:
            yield hearing
        finally:
            with self.store.step(self.clock):
                self.store.listeners.leave(key, hearing)
