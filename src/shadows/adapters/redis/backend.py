"""One Redis or Valkey server, with everything that a shadow and its workers need from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import attrs
from redis.asyncio.sentinel import SentinelConnectionPool

from shadows.adapters.redis.broker import RedisBroker, Scripts
from shadows.adapters.redis.clients import driver_of
from shadows.adapters.redis.cluster import in_cluster
from shadows.adapters.redis.embedded import in_folder
from shadows.adapters.redis.event_bus import RedisEventBus
from shadows.adapters.redis.keys import Keys, clustered, standalone
from shadows.adapters.redis.places import address, address_of_pool
from shadows.adapters.redis.presence import RedisPresence
from shadows.adapters.redis.redis_py import RedisPyDriver
from shadows.adapters.redis.sentinel import at_sentinels, watched_for_pool
from shadows.adapters.redis.strike_log import RedisStrikeLog
from shadows.adapters.redis.vitals import examine

if TYPE_CHECKING:
    from types import TracebackType

    from shadows.adapters.redis.clients import Maker
    from shadows.adapters.redis.driver import Driver
    from shadows.adapters.redis.places import Place
    from shadows.core.urls import Url
    from shadows.ports.backend import Terms
    from shadows.ports.vitals import Vitals


@attrs.define
class RedisBackend:
    """See :class:`shadows.ports.backend.Backend`."""

    place: Place
    maker: Maker
    keys: Keys
    terms: Terms
    driver: Driver
    broker: RedisBroker
    presence: RedisPresence
    event_bus: RedisEventBus
    strike_log: RedisStrikeLog
    _clock: str | None = None
    renews_on_loop: bool = attrs.field(init=False, default=False)

    async def __aenter__(self) -> Self:
        await self.place.enter()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            await self.driver.close()
        finally:
            self.place.leave()

    def for_worker(self) -> RedisBackend:
        return assemble(self.place, self.keys, self.terms, self.maker, clock_source=self._clock)

    async def vitals(self) -> Vitals:
        driver = RedisPyDriver(self.place)
        try:
            return await examine(driver, self.keys)
        finally:
            await driver.close()

    def client(self) -> Any:
        return self.driver.client()


def open_backend(
    url: Url, name: str, terms: Terms, *, credentials: Any = None, clock_source: str | None = None
) -> RedisBackend:
    """Return the backend of the shadow ``name`` at ``url``; nothing is connected before it is needed.

    ``clock_source`` is for the contract suite: Lua that defines ``clock()`` in place of the server's time.

    Raises:
        ConfigurationError: the URL has parameters that its client does not take, or names one that is not here.
    """
    keys = clustered(name) if url.kind == "cluster" else standalone(name)
    maker = driver_of(url, keys, credentials=credentials, wait_replicas=terms.wait_replicas)
    return assemble(_place(url, keys, credentials), keys, terms, maker, clock_source=clock_source)


def open_pool(pool: Any, name: str, terms: Terms) -> RedisBackend:
    """Return the same on the server that a redis-py asyncio pool was made for."""
    place = watched_for_pool(pool) if isinstance(pool, SentinelConnectionPool) else address_of_pool(pool)
    return assemble(place, standalone(name), terms)


def _place(url: Url, keys: Keys, credentials: Any) -> Place:
    match url.kind:
        case "cluster":
            return in_cluster(url, keys, credentials)
        case "sentinel":
            return at_sentinels(url, credentials)
        case "embedded":
            return in_folder(url, credentials)
        case _:
            return address(url.address, text=url.redacted, credential_provider=credentials)


def assemble(
    place: Place,
    keys: Keys,
    terms: Terms,
    maker: Maker = RedisPyDriver,
    *,
    clock_source: str | None = None,
    driver: Driver | None = None,
) -> RedisBackend:
    """Put the parts together around one driver, a new one unless it is given."""
    driver = driver or maker(place)
    scripts = Scripts.of(driver, keys, terms, clock_source)
    broker = RedisBroker(driver, keys, terms, scripts)
    return RedisBackend(
        place,
        maker,
        keys,
        terms,
        driver,
        broker,
        RedisPresence(scripts),
        RedisEventBus(driver, keys),
        RedisStrikeLog(scripts),
        clock_source,
    )
