"""Several worker processes under one parent.

The parent starts each of them as itself was started, so that each has an interpreter of its own, and starts it anew
when it dies.  The first SIGTERM or SIGINT goes on to all of them, which drain; the second one has them hand back at
once; a third one kills them.  One that finds that it cannot work, such as for want of a right, ends them all: a new
one could not either.  The first one is alone until it has imported its tasks, so that a mistake in them is told once.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import subprocess
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING, Final

import attrs

from shadows.process.tether import HAND_BACK, VARIABLE, Held
from shadows.process.work import SIGNALS

if TYPE_CHECKING:
    from asyncio.subprocess import Process
    from collections.abc import Callable, Collection, Generator, Sequence

    from shadows.adapters.web import Answer

FIRST: Final = 0.5
"""Seconds from a death to the next start."""
LONGEST: Final = 30.0
"""Seconds to which that doubles from one early death to the next."""
STEADY: Final = 60.0
"""Seconds after which a death is no early one."""
PATIENCE: Final = 4.0
"""Seconds that an answer may take: a little more than a member has for its own look at the shadow."""
_log = logging.getLogger("shadows.process")


@attrs.define(eq=False)
class Member:
    """A worker process that runs."""

    process: Process
    held: Held
    up: bool = False
    """whether it has imported its tasks, and answers"""


@attrs.define(eq=False)
class Crew:
    """The parent of several worker processes; entered by its ``run``."""

    command: Sequence[str]
    count: int
    final: Collection[int]
    """exit codes that say that a new process could not work either"""
    until_finished: bool
    left: Callable[[int], None]
    """is told the number of a worker process that has ended"""
    code: int = attrs.field(default=0, init=False)
    """what the parent exits with"""
    members: dict[int, Member] = attrs.field(factory=dict[int, Member], init=False)
    wanted: set[int] = attrs.field(init=False)
    """the numbers of those that have not ended for good"""
    _heard: int = attrs.field(default=0, init=False)
    _up: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)
    """the first one has imported its tasks, or nobody needs to wait for that any more"""
    _ending: asyncio.Event = attrs.field(factory=asyncio.Event, init=False)

    def __attrs_post_init__(self) -> None:
        self.wanted = set(range(1, self.count + 1))

    async def run(self) -> int:
        """Keep them running until a signal ends it, or they have nothing left to do; return the exit code."""
        with self._heeding():
            async with asyncio.TaskGroup() as keeping:
                for number in range(1, self.count + 1):
                    keeping.create_task(self._keep(number))
        return self.code

    async def ask(self, path: str) -> dict[int, Answer | None]:
        """Return each one's page; None where there is no answer."""
        numbers = sorted(self.wanted)
        return dict(zip(numbers, await asyncio.gather(*[self._ask(number, path) for number in numbers]), strict=True))

    def starting(self, number: int) -> bool:
        """Tell whether this one has yet to import its tasks."""
        return number not in self.members or not self.members[number].up

    def hear(self, sign: signal.Signals) -> None:
        """Drain at the first signal, hand back at the second, kill at the third."""
        self._heard += 1
        if self._heard == 1:
            _log.info("%s: %d worker processes drain; once more to stop them at once", sign.name, len(self.members))
            self._drain()
        elif self._heard == 2:  # noqa: PLR2004 - the second one
            _log.warning("%s once more: handing back what still runs", sign.name)
            self.code = 128 + sign
            for member in self.members.values():
                self._hand_back(member)
        else:
            _log.warning("%s again: killing %d worker processes", sign.name, len(self.members))
            for member in self.members.values():
                _kill(member.process)

    def _drain(self) -> None:
        self._ending.set()
        self._up.set()
        for member in self.members.values():
            with suppress(ProcessLookupError):
                member.process.send_signal(signal.SIGTERM)

    def _hand_back(self, member: Member) -> None:
        if member.up:
            asking = asyncio.ensure_future(member.held.ask(HAND_BACK))
            asking.add_done_callback(lambda _: None)
        else:
            _kill(member.process)  # it has claimed nothing

    async def _ask(self, number: int, path: str) -> Answer | None:
        if self.starting(number):
            return None
        with suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                return await self.members[number].held.ask(path)
        return None

    async def _keep(self, number: int) -> None:
        """Have this one run, whatever becomes of it."""
        if number > 1:
            await self._up.wait()
        early = 0
        while not self._ending.is_set():
            began = asyncio.get_running_loop().time()
            code, how = await self._live(number)
            if self._ending.is_set():
                break
            if code in self.final:
                self.code = code
                _log.error("worker process %d %s: it cannot work, and neither could another one", number, how)
                self._drain()
            elif code == 0 and self.until_finished:
                break
            else:
                early = 1 if asyncio.get_running_loop().time() - began > STEADY else early + 1
                pause = min(LONGEST, FIRST * 2 ** min(early - 1, 30))
                _log.warning("worker process %d %s; another starts in %g s", number, how, pause)
                await self._rest(pause)
        self._up.set()
        self.wanted.discard(number)

    async def _rest(self, seconds: float) -> None:
        with suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._ending.wait()

    async def _live(self, number: int) -> tuple[int, str]:
        """Start a process, and return its exit code and how it has ended, when it has."""
        try:
            member = await self._start(number)
        except OSError as error:
            return 1, f"cannot be started: {error.strerror or error}"
        if self._ending.is_set():  # since a moment ago; it has claimed nothing
            _kill(member.process)
        beside = [asyncio.create_task(member.held.listen()), asyncio.create_task(self._greet(number, member))]
        try:
            return _told(member.process.pid, await member.process.wait())
        finally:
            for task in beside:
                task.cancel()
            member.held.close()
            del self.members[number]
            self.left(number)

    async def _start(self, number: int) -> Member:
        ours, theirs = socket.socketpair()
        with theirs:
            held = await Held.of(ours)
            try:
                process = await asyncio.create_subprocess_exec(
                    *self.command,
                    env={**os.environ, VARIABLE: f"{number}:{theirs.fileno()}"},
                    pass_fds=[theirs.fileno()],
                    stdin=subprocess.DEVNULL,
                    process_group=0,  # so that Ctrl-C comes from us alone, and so once
                )
            except OSError:
                held.close()
                raise
        member = self.members[number] = Member(process, held)
        return member

    async def _greet(self, number: int, member: Member) -> None:
        """It answers as soon as it has imported its tasks."""
        if await member.held.ask("/livez") is not None:
            member.up = True
            _log.info("worker process %d runs as %d", number, member.process.pid)
            self._up.set()

    @contextmanager
    def _heeding(self) -> Generator[None]:
        loop = asyncio.get_running_loop()
        for sign in SIGNALS:
            loop.add_signal_handler(sign, self.hear, sign)
        try:
            yield
        finally:
            for sign in SIGNALS:
                loop.remove_signal_handler(sign)


def _kill(process: Process) -> None:
    with suppress(ProcessLookupError):
        process.kill()


def _told(pid: int, code: int) -> tuple[int, str]:
    """Return the exit code, as a shell would, and what to say of it."""
    if code >= 0:
        return code, f"({pid}) has ended with {code}"
    try:
        name = signal.Signals(-code).name
    except ValueError:  # a signal for real time
        name = f"signal {-code}"
    return 128 - code, f"({pid}) was ended by {name}"
