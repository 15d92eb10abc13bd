"""A strike list without a Shadow: a kill switch for any service."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from random import random
from typing import TYPE_CHECKING, Any, Final, Self

from shadows.adapters.clock import SystemClock
from shadows.adapters.observers.log import LogObserver
from shadows.adapters.open import Connection, open_backend
from shadows.core.backoff import pause
from shadows.core.settings import shadow_options
from shadows.core.strikes import Comparison, Conditions, Strike
from shadows.dependencies.registry import Registry
from shadows.engine.strikes import Striker, Strikes
from shadows.errors import BrokerError
from shadows.execution import Execution
from shadows.ports.backend import Backend, Terms
from shadows.wiring import wire_of

if TYPE_CHECKING:
    from types import TracebackType

    from shadows.wiring import Codecs, Secrets

REFRESH: Final = 0.5
"""Seconds between two looks at the list."""


class StrikeList:
    """What is struck in one shadow, known within a second, for services that run no tasks of their own.

    ::

        async with StrikeList("redis://localhost:6379/0", name="shop") as strikes:
            await strikes.strike("checkout")
            if strikes.is_stricken({"customer_id": 12345}, function="checkout"):
                return sorry()

    Args:
        url: where the server is; default as for ``Shadow``.
        name: the shadow's; default as for ``Shadow``.
        codec: how values travel; default as for ``Shadow``.
        secret: what strikes are sealed with; default as for ``Shadow``.

    Raises:
        ConfigurationError: an argument or an environment variable cannot work.
    """

    def __init__(
        self,
        url: str | None = None,
        name: str | None = None,
        *,
        codec: Codecs | None = None,
        secret: Secrets | None = None,
    ) -> None:
        explicit = {"name": name, "url": url, "codec": codec, "secret": secret}
        options = shadow_options(explicit, os.environ)
        self._connection = Connection(options.url, options.name)
        self._terms = Terms(wait_replicas=options.wait_replicas)
        self._deadline = options.add_deadline.total_seconds()
        self._observer = LogObserver(options.name)
        self._registry = Registry()
        self._strikes = Strikes(self._registry.plans, wire_of(options, SystemClock()), self._observer)
        self._backend: Backend | None = None
        self._refresh: asyncio.Task[None] | None = None

    @property
    def name(self) -> str:
        """The shadow's name."""
        return self._connection.name

    def __repr__(self) -> str:
        return f"StrikeList({self._connection.shown!r}, name={self.name!r})"

    async def __aenter__(self) -> Self:
        if self._backend is not None:
            msg = f"{self!r} is entered already"
            raise RuntimeError(msg)
        backend = open_backend(self._connection, self._terms)
        await backend.__aenter__()
        self._backend = backend
        try:
            await self._striker().load()
        except BaseException:
            await self.__aexit__(None, None, None)
            raise
        self._refresh = asyncio.create_task(self._keep_up(), name=f"shadows-strikes-{self.name}")
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        refresh, self._refresh = self._refresh, None
        if refresh is not None:
            refresh.cancel()
            await asyncio.wait({refresh})
        backend, self._backend = self._backend, None
        if backend is not None:
            await backend.__aexit__(kind, error, trace)

    async def strike(
        self,
        function: Callable[..., Any] | str | None = None,
        parameter: str | None = None,
        operator: Comparison = "==",
        value: object = None,
        *,
        where: Conditions | None = None,
        until: datetime | timedelta | None = None,
        reason: str | None = None,
        hold: bool = False,
    ) -> None:
        """See :meth:`shadows.Shadow.strike`."""
        striker = self._striker()
        asked = striker.asked(function, parameter, operator, value, where, reason=reason, hold=hold)
        await striker.strike(asked, until)

    async def restore(
        self,
        function: Callable[..., Any] | str | None = None,
        parameter: str | None = None,
        operator: Comparison = "==",
        value: object = None,
        *,
        where: Conditions | None = None,
        pace: timedelta | None = None,
    ) -> bool:
        """See :meth:`shadows.Shadow.restore`."""
        striker = self._striker()
        return await striker.restore(striker.asked(function, parameter, operator, value, where), pace)

    async def strikes(self) -> list[Strike]:
        """Return the strikes in force, oldest first."""
        return await self._striker().load()

    def is_stricken(self, call: Execution[Any] | Mapping[str, object], *, function: str = "") -> bool:
        """Tell whether a strike forbids this call, as far as this list has heard.

        Args:
            call: an execution, or the arguments of something by their names.
            function: with arguments, the name of what they are for; without it only strikes of every task count.
        """
        if isinstance(call, Execution):
            return self._strikes.judge(call.function_name, call.args, call.kwargs, call.function) is not None
        return self._strikes.judge(function, (), call) is not None

    def _striker(self) -> Striker:
        if self._backend is None:
            msg = f"{self!r} is not open; use it inside of: async with StrikeList(...) as strikes"
            raise RuntimeError(msg)
        return Striker(self._backend.strike_log, self._strikes, self._registry, self._deadline)

    async def _keep_up(self) -> None:
        """Read what is new; while the server is away, what is known stays in force."""
        striker, failures = self._striker(), 0
        while True:
            try:
                await asyncio.sleep(REFRESH)
                await striker.load()
            except BrokerError as away:
                failures += 1
                wait = pause(failures, longest=self._deadline, random=random())  # noqa: S311 - jitter, no secret
                self._observer.disrupted(away, failures, wait)
                await asyncio.sleep(wait)
            else:
                if failures:
                    self._observer.recovered()
                failures = 0
