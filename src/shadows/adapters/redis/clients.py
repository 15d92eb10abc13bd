"""Which client library serves a URL."""

from __future__ import annotations

import logging
from functools import partial
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from shadows.adapters.redis.redis_py import RedisPyDriver
from shadows.errors import ConfigurationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from shadows.adapters.redis.driver import Driver
    from shadows.adapters.redis.keys import Keys
    from shadows.adapters.redis.places import Place
    from shadows.core.urls import Url

    type Maker = Callable[[Place], Driver]

_log = logging.getLogger("shadows.process")
_told: set[str] = set()


def driver_of(url: Url, keys: Keys, *, credentials: Any = None, wait_replicas: int = 0) -> Maker:
    """Return what makes a driver for these keys at ``url``: redis-py's also where valkey-glide is only preferred
    and is not installed, or cannot do what is wanted.

    Raises:
        ConfigurationError: the URL names a client that is not installed or cannot do that.
    """
    if url.client != "glide":
        return RedisPyDriver
    unfit = _unfit(credentials, wait_replicas)
    if unfit is None:
        from shadows.adapters.redis import glide_driver, glide_ways  # noqa: PLC0415 - only what is used is imported

        return partial(glide_driver.GlideDriver, way=glide_ways.way(url, keys))
    what, remedy = unfit
    if url.insists:
        raise ConfigurationError(f"url={str(url)!r} asks for the client glide, but {what}; {remedy}")
    if what not in _told:
        _told.add(what)
        _log.info("%s is served by redis-py: %s", url, what)
    return RedisPyDriver


def _unfit(credentials: Any, wait_replicas: int) -> tuple[str, str] | None:
    """Return why valkey-glide cannot serve, and what helps."""
    if find_spec("glide") is None:
        return "valkey-glide is not installed", "pip install 'shadow-task[glide]', or write client=redis-py"
    if credentials is not None:
        return "valkey-glide asks no credential_provider", "write client=redis-py"
    if wait_replicas:  # all requests share a connection, and behind a redirected one WAIT would ask the wrong node
        return "valkey-glide waits for no replicas", "write client=redis-py or leave wait_replicas out"
    return None
