"""The crew: workers from the command line in processes of their own, that are killed, frozen and dismissed."""

from __future__ import annotations

import asyncio
import signal
import time
from typing import TYPE_CHECKING, Final

import attrs

from tests.system.fire.history import HISTORY, append
from tests.system.programs import ROOT, Program

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence
    from pathlib import Path

READY: Final = r"knows \d+ tasks"
"""What a worker says when it begins."""
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
    concurrency: int = 10
    tasks: str = "tests.system.fire.tasks:tasks"
    options: Sequence[str] = ()
    environment: Mapping[str, str] = attrs.field(factory=dict[str, str])
    folder: Path = ROOT
    hands: list[Hand] = attrs.field(factory=list[Hand])
    """those who are at work"""
    _past: list[Hand] = attrs.field(factory=list[Hand])

    def hire(self, url: str) -> Hand:
        """Start one more; it is not ready yet."""
        words = ["worker", "--tasks", self.tasks, "--url", url, "--shadows", self.shadow]
        words += ["--redelivery-timeout", f"{self.lease:g}s", "--concurrency", f"{self.concurrency}"]
        words += ["--logging-format", "plain", "--reconnection-delay", "500ms", *self.options]
        told = {HISTORY: str(self.history), "SHADOW_WORKER_MAX_DELIVERIES": "1000", **UNMEASURED, **self.environment}
        hand = Hand(Program(*words, cwd=self.folder, **told), url)
        self.hands.append(hand)
        append(self.history, "hired", whom=hand.pid)
        return hand

    async def ready(self, *hands: Hand) -> None:
        """Wait until these are ready to work, else all."""
        for hand in hands or [*self.hands]:
            await asyncio.to_thread(hand.program.until, READY)

    async def kill(self, hand: Hand) -> None:
        """End one without a word."""
        since = time.monotonic()
        self._leave(hand)
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
        leaving = hands or [*self.hands]
        for hand in leaving:
            self._leave(hand)
            hand.program.signal(signal.SIGTERM)
        for hand in leaving:
            self._note_end(hand, await asyncio.to_thread(hand.program.end))

    def look(self) -> None:
        """Write down who has ended although nobody asked."""
        for hand in [*self.hands]:
            if hand.ended:
                self.hands.remove(hand)
                self._past.append(hand)
                self._note_end(hand, hand.program.end())

    def close(self) -> None:
        """End whoever is left."""
        for hand in [*self.hands, *self._past]:
            hand.program.__exit__()

    def said(self, pid: int) -> str:
        """Give all that one has said."""
        return next(hand.program.text for hand in [*self.hands, *self._past] if hand.pid == pid)

    def _leave(self, hand: Hand) -> None:
        hand.asked = True
        self.hands.remove(hand)
        self._past.append(hand)

    def _note_end(self, hand: Hand, code: int) -> None:
        append(self.history, "ended", whom=hand.pid, code=code, asked=hand.asked)
