"""The process around a worker: its event loop, its signals, and how it ends.

The first SIGTERM or SIGINT drains: no call is claimed any more, running ones may go on up to the drain limit,
the exit code is 0.  The second one hands back at once what still runs, and the exit code tells the signal.  A
third one is not caught.
"""

from __future__ import annotations

import asyncio
import logging
import signal
from contextlib import contextmanager, suppress
from datetime import timedelta
from typing import TYPE_CHECKING, Final

import attrs

from shadows.cli.complaints import LoopEndedError
from shadows.cli.exits import Code, forced_by
from shadows.core.durations import text

if TYPE_CHECKING:
    from collections.abc import Generator
    from types import FrameType

    from shadows.shadow import Shadow
    from shadows.worker import Worker

AT_ONCE: Final = timedelta(0)
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_log = logging.getLogger("shadows.cli")


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


@attrs.define
class Stop:
    """What the signals of this process have asked for."""

    worker: Worker
    work: asyncio.Task[None]
    code: int = Code.OK
    _heard: int = 0

    def hear(self, sign: signal.Signals) -> None:
        """Drain at the first signal, hand back at the second, and leave a third one to its usual effect."""
        self._heard += 1
        if self._heard == 1:
            limit = text(self.worker.options.drain_timeout)
            _log.info("%s: waiting up to %s for running calls; once more to stop at once", sign.name, limit)
            self.work.cancel()
        else:
            _log.warning("%s once more: handing back what still runs", sign.name)
            self.code = forced_by(sign)
            for each in SIGNALS:
                signal.signal(each, signal.SIG_DFL)
            self.worker.stop(within=AT_ONCE)


def run(shadow: Shadow, worker: Worker, *, until_finished: bool) -> int:
    """Run the worker in an event loop of its own until it has ended, and return the exit code.

    Raises:
        LoopEndedError: a task that a body had started raised SystemExit or its like, which ends an event loop;
            what ran was handed back before.
        ShadowsError: the server refuses us.
    """
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    work = loop.create_task(_work(shadow, worker, until_finished=until_finished), name="shadows-cli")
    stop = Stop(worker, work)
    before = {sign: signal.getsignal(sign) for sign in SIGNALS}
    for sign in SIGNALS:
        loop.add_signal_handler(sign, stop.hear, sign)
    try:
        _complete(loop, work, worker)
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()
        for sign, handler in before.items():
            signal.signal(sign, handler)
    return stop.code


def _complete(loop: asyncio.AbstractEventLoop, work: asyncio.Task[None], worker: Worker) -> None:
    try:
        loop.run_until_complete(work)
    except asyncio.CancelledError:
        return  # a signal has asked for it
    except BaseException as ended:
        if work.done():
            raise
        loop.call_soon(worker.stop, AT_ONCE)
        with suppress(asyncio.CancelledError):
            loop.run_until_complete(work)
        raise LoopEndedError(f"{ended!r} ended the worker; its running calls were handed back") from ended


async def _work(shadow: Shadow, worker: Worker, *, until_finished: bool) -> None:
    async with shadow, worker:
        await (worker.run_until_finished() if until_finished else worker.run_forever())
