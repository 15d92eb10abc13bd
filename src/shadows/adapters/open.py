"""From a URL to a backend.  Client libraries are imported here and not before."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import attrs

from shadows.core.urls import parse
from shadows.errors import ConfigurationError

if TYPE_CHECKING:
    from shadows.adapters.memory.virtual_clock import VirtualClock
    from shadows.ports.backend import Backend, Terms


@attrs.frozen
class Connection:
    """What a user said about where the shadow lives."""

    url: str = attrs.field(repr=False)
    name: str
    pool: Any = attrs.field(repr=False, default=None)
    """a redis-py asyncio pool; its parameters are used instead of the URL"""
    credentials: Any = attrs.field(repr=False, default=None)
    """a redis-py credential provider"""
    clock: VirtualClock | None = None
    """what ``memory://`` goes by instead of the real time"""

    def __attrs_post_init__(self) -> None:
        if self.clock is not None and (self.pool is not None or parse(self.url).kind != "memory"):
            msg = f"clock={self.clock!r} works only with memory://; {self.shown} has a time of its own"
            raise ConfigurationError(msg)

    @property
    def shown(self) -> str:
        """The URL as it may be shown: without passwords."""
        if self.pool is not None:
            return "(connection_pool)"
        return parse(self.url).redacted


def open_backend(connection: Connection, terms: Terms) -> Backend:
    """Return the backend; nothing is connected yet.

    Raises:
        ConfigurationError: the URL cannot work, or a pool and credentials contradict each other.
    """
    url = parse(connection.url)
    if connection.pool is None and url.kind == "memory":
        from shadows.adapters.memory import backend as memory  # noqa: PLC0415 - only what is used is imported

        return memory.open_backend(f"{url.path}/{connection.name}", terms, keeper=connection.clock)
    from shadows.adapters.redis import backend as server  # noqa: PLC0415 - only what is used is imported

    if connection.pool is not None:
        if connection.credentials is not None:
            msg = "give the credential_provider to the connection_pool itself; beside one it would not be asked"
            raise ConfigurationError(msg)
        return server.open_pool(connection.pool, connection.name, terms)
    return server.open_backend(url, connection.name, terms, credentials=connection.credentials)
