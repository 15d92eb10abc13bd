"""The event loop of a worker's process, and how it ends where the command line has made it."""

from __future__ import annotations

import asyncio
import signal
from contextlib import contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING

from shadows.adapters.web import Answer
from shadows.cli.complaints import LoopEndedError
from shadows.cli.options import option
from shadows.process.loops import new_loop
from shadows.process.tether import HAND_BACK, Tether
from shadows.process.work import AT_ONCE, SIGNALS, Stop, heeding, work

if TYPE_CHECKING:
    import socket
    from collections.abc import Generator
    from types import FrameType

    from shadows.core.settings import ProcessOptions
    from shadows.process.probes import Probes
    from shadows.process.tether import Membership
    from shadows.shadow import Shadow
    from shadows.worker import Worker


class StoppedAtStartError(BaseException):
    """A signal came before there was anything to drain."""


@contextmanager
def starting() -> Generator[None]:
    """Let a signal end what comes before the event loop, such as the import of tasks; nothing was claimed yet.

    Raises:
        StoppedAtStartError: one came.
    """

    def hear(number: int, frame: FrameType | None) -> None:  # noqa: ARG001 - the signature of a handler
        raise StoppedAtStartError

    before = {sign: signal.signal(sign, hear) for sign in SIGNALS}
    try:
        yield
    finally:
        for sign, handler in before.items():
            signal.signal(sign, handler)


def run(
    shadow: Shadow,
    worker: Worker,
    options: ProcessOptions,
    *,
    until_finished: bool,
    member: Membership | None = None,
) -> int:
    """Run the worker in an event loop of its own until it has ended, and return the exit code.

    As a ``member`` of several worker processes it answers its parent.

    Raises:
        LoopEndedError: a task that a body had started raised SystemExit or its like, which ends an event loop;
            what ran was handed back before.
        ShadowsError: the server refuses us, or uvloop is not installed.
    """
    loop = new_loop(options.loop)
    asyncio.set_event_loop(loop)

    def tether(line: socket.socket, probes: Probes) -> Tether:
        async def hand_back() -> Answer:
            loop.call_soon_threadsafe(stop.hand_back, signal.SIGTERM)
            return Answer("")

        pages = {**probes.of_health, **probes.of_metrics, HAND_BACK: hand_back}
        return Tether(line, pages, torn=lambda: loop.call_soon_threadsafe(stop.hear, signal.SIGTERM))

    tied = None if member is None else partial(tether, member.line)
    job = work(shadow, worker, options, until_finished=until_finished, called=option, tether=tied)
    working = loop.create_task(job, name="shadows-cli")
    stop = Stop(worker, working, of_crew=member is not None)
    try:
        with heeding(stop, loop):
            _complete(loop, working, worker)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()
    return stop.code


def _complete(loop: asyncio.AbstractEventLoop, working: asyncio.Task[None], worker: Worker) -> None:
    try:
        loop.run_until_complete(working)
    except asyncio.CancelledError:
        return  # a signal has asked for it
    except BaseException as ended:
        if working.done():
            raise
        loop.call_soon(worker.stop, AT_ONCE)
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(working)
        raise LoopEndedError(f"{ended!r} ended the worker; its running calls were handed back") from ended
