"""What ``memory://name`` opens."""

from __future__ import annotations

from typing import Any

import attrs

from shadows.adapters.clock import milliseconds
from shadows.adapters.memory.broker import MemoryBroker
from shadows.adapters.memory.event_bus import MemoryEventBus
from shadows.adapters.memory.presence import MemoryPresence
from shadows.adapters.memory.store import store_named
from shadows.adapters.memory.strike_log import MemoryStrikeLog
from shadows.errors import ConfigurationError
from shadows.ports.vitals import Vitals

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import TracebackType
    from typing import Self

    from shadows.adapters.memory.virtual_clock import VirtualClock
    from shadows.ports.backend import Backend, Terms
    from shadows.ports.broker import Broker
    from shadows.ports.event_bus import EventBus
    from shadows.ports.presence import Presence
    from shadows.ports.strike_log import StrikeLog


@attrs.define
class MemoryBackend:
    """The ports over the store ``name``.  There is nothing to connect, and nothing is lost by leaving."""

    name: str
    broker: Broker = attrs.field(repr=False)
    presence: Presence = attrs.field(repr=False)
    event_bus: EventBus = attrs.field(repr=False)
    strike_log: StrikeLog = attrs.field(repr=False)
    renews_on_loop: bool = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        return None

    def for_worker(self) -> Backend:
        """Return a backend on the same store; there are no connections to have of one's own."""
        return attrs.evolve(self)

    async def vitals(self) -> Vitals:
        """Return that it lives in this process, and goes by the same clock."""
        return Vitals("memory", primary=True, lacking=())

    def client(self) -> Any:
        """Raise ConfigurationError: there is no server behind it."""
        raise ConfigurationError(
            f"memory://{self.name} has no server for commands of your own; give a redis:// or valkey:// URL"
        )


def open_backend(
    name: str, terms: Terms, *, clock: Callable[[], float] = milliseconds, keeper: VirtualClock | None = None
) -> Backend:
    """Return a backend on the store ``name`` of this process; ``clock`` gives ms since 1970, unless a virtual
    clock is to keep the time.

    Raises:
        ConfigurationError: the store goes by another clock.
        RuntimeError: the virtual clock does not rule the running event loop.
    """
    if keeper is not None:
        keeper.check_entered()
        clock = keeper.milliseconds
    store = store_named(name, keeper)
    return MemoryBackend(
        name,
        MemoryBroker(store, terms, clock),
        MemoryPresence(store, clock),
        MemoryEventBus(store, clock),
        MemoryStrikeLog(store, clock),
        renews_on_loop=keeper is not None,
    )
