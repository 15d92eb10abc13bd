"""One server, seen as a whole: everything that a shadow and its workers need from it."""

from __future__ import annotations

from typing import Any, Protocol

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from shadows.ports.broker import Broker
    from shadows.ports.event_bus import EventBus
    from shadows.ports.presence import Presence
    from shadows.ports.strike_log import StrikeLog
    from shadows.ports.vitals import Vitals


@attrs.frozen
class Terms:
    """How long things are kept, in ms, and how much; the same for every verb of one client."""

    execution_ttl: int = 900_000
    dead_letter_ttl: int = 7 * 24 * 3_600_000
    dead_letters: int = 10_000
    unknown_task_ttl: int = 24 * 3_600_000
    wait_replicas: int = 0
    """how many replicas must have a change before it counts as done, where there are any"""


class Backend(Protocol):
    """Entering connects; leaving closes what was opened, and only that."""

    @property
    def broker(self) -> Broker:
        """The verbs of a task's life."""
        ...

    @property
    def presence(self) -> Presence:
        """Who is here."""
        ...

    @property
    def event_bus(self) -> EventBus:
        """Hints about what happens."""
        ...

    @property
    def strike_log(self) -> StrikeLog:
        """Strikes and restores, in order."""
        ...

    @property
    def renews_on_loop(self) -> bool:
        """Whether leases are renewed on the event loop, for a thread would not see time pass."""
        ...

    async def __aenter__(self) -> Self: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...

    def for_worker(self) -> Backend:
        """Return a backend on the same server with connections of its own: commands, wait and renewal."""
        ...

    async def vitals(self) -> Vitals:
        """Ask the server how it is.  Nothing on it is changed.

        Raises:
            BrokerUnavailable, NotAllowed, UnsupportedServer: it does not even let us in.
        """
        ...

    def client(self) -> Any:
        """Return a client of the underlying library for the user's own commands; raise ConfigurationError
        where there is none.
        """
        ...
