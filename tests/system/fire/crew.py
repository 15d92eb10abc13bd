"""The crew: workers from the command line in processes of their own, that are killed, frozen and dismissed."""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress
from typing import TYPE_CHECKING, Final

import attrs

from shadows import BrokerUnavailable
from tests.system.fire.history import HISTORY, append
from tests.system.programs import PATIENCE, ROOT, Program

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Mapping, Sequence
    from pathlib import Path

    from shadows import WorkerInfo

UNMEASURED: Final = {"COVERAGE_PROCESS_CONFIG": "", "COVERAGE_PROCESS_START": ""}
"""Workers under fire are busy enough; what they run of shadows is measured by other tests."""


@attrs.define(eq=False)
class Hand:
    """One worker, and where it finds the server."""

    program: Program
    url: str
    asked: bool = False
    """somebody has sent it a signal"""

    @property
    def pid(self) -> int:
        """Its process."""
        return self.program.pid

    @property
    def ended(self) -> bool:
        """Whether its process is gone."""
        return self.program.code is not None


@attrs.define(eq=False)
class Crew:
    """All workers of a test, and what was done to them."""

    history: Path
    shadow: str
    lease: float
    """seconds"""
    listed: Callable[[], Awaitable[Sequence[WorkerInfo]]]
    """who is here, as the broker says"""
    concurrency: int = 10
    tasks: str = "tests.system.fire.tasks:tasks"
    options: Sequence[str] = ()
    environment: Mapping[str, str] = attrs.field(factory=dict[str, str])
    folder: Path = ROOT
    hands: list[Hand] = attrs.field(factory=list[Hand])
    """those who are at work"""
    _past: list[Hand] = attrs.field(factory=list[Hand])

    def hire(self, url: str, **more: str) -> Hand:
        """Start one more, in an environment with this besides; it is not ready yet."""
        words = ["worker", "--tasks", self.tasks, "--url", url, "--shadows", self.shadow]
        words += ["--redelivery-timeout", f"{self.lease:g}s", "--concurrency", f"{self.concurrency}"]
        words += ["--logging-format", "plain", "--reconnection-delay", "500ms"]
        words += ["--debug", *self.options]
        told = {HISTORY: str(self.history), **UNMEASURED, **self.environment, **more}
        hand = Hand(Program(*words, cwd=self.folder, **told), url)
        self.hands.append(hand)
        append(self.history, "hired", whom=hand.pid)
        return hand

    async def ready(self, *hands: Hand) -> None:
        """Wait until these are listed, which they are when they could have claimed, else all."""
        waiting = {hand.pid: hand for hand in hands or self.hands}
        end = time.monotonic() + PATIENCE
        while waiting:
            with suppress(BrokerUnavailable):
                for name in [worker.name for worker in await self.listed()]:
                    waiting.pop(int(name.partition("#")[2]), None)
            if any(hand.ended for hand in waiting.values()) or time.monotonic() > end:
                raise AssertionError([hand.program.text for hand in waiting.values()])
            await asyncio.sleep(0.02)

    async def kill(self, hand: Hand) -> None:
        """End one without a word."""
        since = time.monotonic()
        if not self._leave(hand):
            return
        hand.program.signal(signal.SIGKILL)
        code = await asyncio.to_thread(hand.program.end)
        append(self.history, "gone", whom=hand.pid, since=since, until=None, how="killed")
        self._note_end(hand, code)

    async def freeze(self, hand: Hand, seconds: float) -> None:
        """Stop one for so long, which is to be longer than its leases."""
        since = time.monotonic()
        hand.program.signal(signal.SIGSTOP)
        try:
            await asyncio.sleep(seconds)
        finally:
            hand.program.signal(signal.SIGCONT)
            self.miss(hand, since, "frozen")

    def miss(self, hand: Hand, since: float, how: str) -> None:
        """Write down that one was away since then; it takes it half a lease to notice that it is back."""
        until = time.monotonic() + self.lease / 2
        append(self.history, "gone", whom=hand.pid, since=since, until=until, how=how)

    async def dismiss(self, *hands: Hand) -> None:
        """Let these end in peace, else all."""
        leaving = [hand for hand in hands or [*self.hands] if self._leave(hand)]
        for hand in leaving:
            hand.program.signal(signal.SIGTERM)
        for hand in leaving:
            self._note_end(hand, await asyncio.to_thread(hand.program.end))

    def look(self) -> None:
        """Write down who has ended although nobody asked, and keep what it said beside the history."""
        for hand in [*self.hands]:
            if hand.ended:
                self.hands.remove(hand)
                self._past.append(hand)
                self._note_end(hand, hand.program.end())
                (self.history.parent / f"worker-{hand.pid}.log").write_text(hand.program.text)

    def close(self) -> None:
        """End whoever is left."""
        for hand in [*self.hands, *self._past]:
            hand.program.__exit__()

    def said(self, pid: int) -> str:
        """Give all that one has said."""
        return next(hand.program.text for hand in [*self.hands, *self._past] if hand.pid == pid)

    def _leave(self, hand: Hand) -> bool:
        """Let somebody end one; return whether it was still there."""
        self.look()
        if hand not in self.hands:
            return False
        hand.asked = True
        self.hands.remove(hand)
        self._past.append(hand)
        return True

    def _note_end(self, hand: Hand, code: int) -> None:
        append(self.history, "ended", whom=hand.pid, code=code, asked=hand.asked)
