"""Strikes: what this client knows of the strike list, what that says of calls, and how it is changed."""

from __future__ import annotations

import asyncio
from random import random
from typing import TYPE_CHECKING, Any, Protocol

import attrs

from shadows.core import strikes
from shadows.core.backoff import pause
from shadows.core.durations import duration
from shadows.core.scheduling import instant, milliseconds
from shadows.core.strikes import Strike, StrikeBook
from shadows.dependencies.arguments import by_name, declared
from shadows.errors import BrokerUnavailable, NotAuthentic, Undecodable
from shadows.ports.strike_log import Instruction

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from datetime import datetime, timedelta

    from shadows.core.strikes import Conditions
    from shadows.dependencies.plan import Plan
    from shadows.dependencies.registry import Registry
    from shadows.engine.wire import Wire
    from shadows.ports.observer import Observer
    from shadows.ports.strike_log import News, Noted, StrikeLog

_LONGEST_PAUSE = 1.0
STRIKE = "strike"


class Called(Protocol):
    """A call, as far as a strike looks at it."""

    @property
    def function_name(self) -> str:
        """The task's name."""
        ...

    @property
    def key(self) -> str:
        """What identifies it."""
        ...

    @property
    def args(self) -> Sequence[Any]:
        """Its positional arguments."""
        ...

    @property
    def kwargs(self) -> Mapping[str, Any]:
        """Its keyword arguments."""
        ...


@attrs.define
class Strikes:
    """The strike list as this client knows it.  Trips carry its position, so nothing is decided on an old one."""

    tasks: Mapping[str, Plan]
    wire: Wire
    observer: Observer
    book: StrikeBook = attrs.field(factory=StrikeBook)
    _told: set[tuple[str, str]] = attrs.field(factory=set[tuple[str, str]], init=False)
    """strike and task that do not fit; told once"""

    @property
    def position(self) -> str:
        """Up to where in the log this client has read."""
        return self.book.position

    @property
    def in_force(self) -> bool:
        """Whether there is any."""
        return len(self.book.strikes) > 0

    def hear(self, news: News) -> None:
        """Take in what is new.

        Several trips may be under way at once: an answer that is older than what is known tells nothing.  Only who
        asked from the present position may learn that the log has lost its last entries.
        """
        if news.since != self.position and not self.book.is_older_than(news.position):
            return
        changes = {one.name: self._read(one) for one in news.instructions}
        self.book = self.book.after(news.position, changes, anew=news.anew)
        self._told = {(name, task) for name, task in self._told if name in self.book.strikes}
        self.observer.strikes_moved(len(self.book.strikes))

    def judge(
        self, task: str, args: Sequence[Any], kwargs: Mapping[str, Any], function: Callable[..., Any] | None = None
    ) -> Strike | None:
        """Return a strike that forbids this call, None if none does; ``function`` is the task where it is not
        registered here.
        """
        if not self.book.strikes:
            return None
        plan = self.tasks.get(task)
        function = function if plan is None else plan.function
        judgement = self.book.judge(task, lambda: by_name(function, args, kwargs))
        for struck, parameter in judgement.misfits:
            if (struck.name, task) not in self._told:
                self._told.add((struck.name, task))
                self.observer.misfit(task, struck, parameter)
        return judgement.strike

    def _read(self, instruction: Instruction) -> Strike | None:
        """Return the strike; None for a restore, and for what cannot be read here, which then forbids nothing here."""
        if not instruction.strike:
            return None
        try:
            packed = strikes.opened(instruction.strike)
            codec, body = self.wire.open(*packed, STRIKE, instruction.name, str(instruction.hold))
            found = strikes.read(codec.decode(body))
            until = None if instruction.until is None else instant(instruction.until.at or 0)
        except (Undecodable, OverflowError) as broken:
            if isinstance(broken, NotAuthentic):
                self.observer.distrusted("strike", instruction.name, broken)
            self.observer.unreadable_strike(instruction.name, broken)
            return None
        return attrs.evolve(found, name=instruction.name, until=until, hold=instruction.hold)


@attrs.frozen
class Striker:
    """Writes the strike list, and rides out a broker that is away for less than the deadline."""

    log: StrikeLog
    strikes: Strikes
    registry: Registry
    deadline: float
    """seconds"""

    async def load(self) -> list[Strike]:
        """Bring the list up to date and return what is in force, oldest first."""
        news = await self._patiently(lambda: self.log.since(self.strikes.position))
        if news is not None:
            self.strikes.hear(news)
        return [*self.strikes.book.strikes.values()]

    async def strike(self, asked: Strike, until: datetime | timedelta | None) -> None:
        """Put a strike in force.

        Raises:
            ConfigurationError: it can match no call of its task, it is too large, or there are too many.
            SerializationError: a value cannot travel.
        """
        plan = None if asked.function is None else self.registry.plans.get(asked.function)
        if plan is not None:
            strikes.refuse_misfits(asked, *declared(plan.function))
        wire = self.strikes.wire
        wire.refuse_classes(strikes.plain(asked))
        name = strikes.identity(asked, wire.codec.encode)
        packed = strikes.pack(*wire.write(strikes.plain(asked), STRIKE, name, str(asked.hold)))
        await self._append(Instruction(name, packed, strikes.ending(until), asked.hold))

    async def restore(self, asked: Strike, pace: timedelta | None = None) -> bool:
        """Lift exactly this strike; tell whether it was in force.  What it held is let go, ``pace`` apart."""
        apart = 0 if pace is None else milliseconds(duration(pace, option="pace", zero=True))
        same = [one.name for one in await self.load() if one.same_as(asked)]
        own = strikes.identity(asked, self.strikes.wire.codec.encode)
        noted = [await self._append(Instruction(name), apart) for name in {own: None, **dict.fromkeys(same)}]
        return any(each.found for each in noted)

    def asked(
        self,
        function: Callable[..., Any] | str | None,
        parameter: str | None,
        operator: str,
        value: object,
        where: Conditions | None,
        *,
        reason: str | None = None,
        hold: bool = False,
    ) -> Strike:
        """Return what somebody named, in the words of the front doors; a function is registered, as by ``add``."""
        name = function if function is None or isinstance(function, str) else self.registry.register(function)
        return strikes.strike(name, parameter, operator, value, where=where, reason=reason, hold=hold)

    async def _append(self, instruction: Instruction, pace: int = 0) -> Noted:
        noted = await self._patiently(lambda: self.log.append(instruction, position=self.strikes.position, pace=pace))
        if noted.news is not None:
            self.strikes.hear(noted.news)
        return noted

    async def _patiently[T](self, ask: Callable[[], Awaitable[T]]) -> T:
        loop = asyncio.get_running_loop()
        give_up, failures = loop.time() + self.deadline, 0
        while True:
            try:
                return await ask()
            except BrokerUnavailable:
                if loop.time() >= give_up:
                    raise
                failures += 1
                wait = pause(failures, longest=_LONGEST_PAUSE, random=random())  # noqa: S311 - jitter, no secret
                await asyncio.sleep(min(wait, max(0.0, give_up - loop.time())))
