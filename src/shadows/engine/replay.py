"""Replay: dead letters and failed runs are placed once more."""

from __future__ import annotations

import asyncio
from random import random
from typing import TYPE_CHECKING, Final

import attrs

from shadows.core.backoff import pause
from shadows.errors import BrokenKey, BrokerFull, BrokerUnavailable, OutcomeUnknown
from shadows.ports.letters import Replayed
from shadows.ports.strike_log import StrikesMoved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from shadows.core.strikes import Strike
    from shadows.engine.strikes import Called, Strikes
    from shadows.ports.broker import Broker
    from shadows.ports.letters import Replay

_LONGEST_PAUSE: Final = 1.0


@attrs.define
class _Asked:
    """What somebody wants replayed, as far as it is known."""

    replays: Sequence[Replay]
    calls: Sequence[Called]
    """of each, for strikes to look at"""
    tried: bool = False
    """they went out before"""
    sent: bool = False
    """an answer was lost: they may have been placed"""


@attrs.frozen
class Replayer:
    """Replays calls, and rides out a broker that is away for less than the deadline."""

    broker: Broker
    deadline: float
    """seconds"""
    strikes: Strikes

    async def replay(self, replays: Sequence[Replay], calls: Sequence[Called]) -> list[Replayed]:
        """Place each call once more, unless it is struck.

        Raises:
            BrokerUnavailable, OutcomeUnknown: the broker was away for longer than the deadline.
        """
        asked, loop = _Asked(replays, calls), asyncio.get_running_loop()
        give_up, failures = loop.time() + self.deadline, 0
        while True:
            try:
                return await self._trip(asked)
            except StrikesMoved as moved:  # judge them once more, with what is new
                self.strikes.hear(moved.news)
                asked.tried, asked.sent = asked.tried or moved.partly, asked.sent or moved.partly
            except (BrokerFull, BrokenKey) as refused:
                if asked.sent or (isinstance(refused, BrokerFull) and refused.sent):
                    raise _unknown(refused) from refused
                raise
            except BrokerUnavailable as away:
                asked.tried, asked.sent = True, asked.sent or away.sent
                if loop.time() >= give_up:
                    raise _unknown(away) if asked.sent else away from away
                failures += 1
                wait = pause(failures, longest=_LONGEST_PAUSE, random=random())  # noqa: S311 - jitter, no secret
                await asyncio.sleep(min(wait, max(0.0, give_up - loop.time())))

    async def _trip(self, asked: _Asked) -> list[Replayed]:
        found = [self._judge(call) for call in asked.calls]
        replays = [
            attrs.evolve(one, struck=strike is not None) for one, strike in zip(asked.replays, found, strict=True)
        ]
        answers = await self.broker.replay(replays, repeated=asked.tried, strikes=self.strikes.position)
        for answer, call, strike in zip(answers, asked.calls, found, strict=True):
            if answer is Replayed.STRUCK and strike is not None:
                self.strikes.observer.stricken(call.function_name, call.key, strike)
        return answers

    def _judge(self, call: Called) -> Strike | None:
        return self.strikes.judge(call.function_name, call.args, call.kwargs)


def _unknown(away: BrokerUnavailable) -> OutcomeUnknown:
    return OutcomeUnknown(f"{away}; whether the calls were replayed is unknown")
