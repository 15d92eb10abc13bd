"""Watch: notice that a body blocks the event loop, from a thread of its own.

While bodies run, the thread asks the loop for a sign of life, a few times a second.  There is no cost per
call.  It goes by the machine's own time, whatever clock the loop has.
"""

from __future__ import annotations

import asyncio
import sys
import threading
import traceback
from typing import TYPE_CHECKING, Final

import attrs

from shadows.dependencies.context import current_execution
from shadows.dependencies.running import Running
from shadows.engine import run

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from types import FrameType

    from shadows.ports.broker import Lease
    from shadows.ports.observer import Observer

NOTICE: Final = 1.0
"""Seconds without a sign of life after which the body is named."""
ABANDON: Final = 30.0
"""Seconds after which the other calls of this worker are left to other workers."""
_LOOKS: Final = 8
"""looks in the time in which a block is noticed"""
_DEEPEST: Final = 16
"""frames that are shown of a body's stack, the innermost"""


@attrs.define
class Watchdog:
    """The thread: begins on entering, in the loop's own thread, and has ended on leaving."""

    loop: asyncio.AbstractEventLoop
    held: Callable[[], Sequence[str]]
    """the tokens of what runs now; called from threads"""
    observer: Observer
    monotonic: Callable[[], float]
    notice: float
    abandon: float
    _asked: float | None = attrs.field(default=None, init=False)
    """when the loop was asked for the sign of life that it has not given yet"""
    _thread_of_loop: int = attrs.field(factory=threading.get_ident, init=False)
    _leave: threading.Event = attrs.field(factory=threading.Event, init=False)
    _thread: threading.Thread = attrs.field(init=False)

    def __enter__(self) -> None:
        self._thread = threading.Thread(target=self._watch_forever, name="shadows-watchdog", daemon=True)
        self._thread.start()

    def __exit__(self, *_: object) -> None:
        self._leave.set()
        self._thread.join()

    @property
    def blocked_for(self) -> float:
        """Seconds since the loop was asked for a sign of life; 0 if it gave it, or if nothing runs."""
        asked = self._asked
        return 0.0 if asked is None else self.monotonic() - asked

    def renewable(self) -> Sequence[str]:
        """Return the tokens of the leases to renew; called from the renewal thread.

        That is all that runs, until one body has kept the loop for itself for too long: then it is that one
        alone, so that other workers take over the rest.
        """
        if self.blocked_for < self.abandon:
            return self.held()
        culprit = self.on_the_loop()
        return [token for token in self.held() if culprit is not None and token == culprit.token]

    def on_the_loop(self) -> Lease | None:
        """Return the lease of the body which the loop is executing now, or of which it is an asyncio task."""
        task = asyncio.current_task(self.loop)
        running = None if task is None else task.get_context().get(current_execution.of_run)
        return running.lease if isinstance(running, Running) else None

    def _watch_forever(self) -> None:
        pause = self.notice / _LOOKS
        told, last = 0, self.monotonic()
        while not self._leave.wait(pause):
            now, asked = self.monotonic(), self._asked
            late, last = now - last > 2 * pause, now
            if asked is None:
                told = 0
                if self.held() and not self._ask(now):
                    return
            elif late:  # we did not run either: the machine slept, or a body kept the interpreter to itself
                continue
            elif told == 0 and now - asked >= self.notice - 2 * pause:
                told = 1
                self._tell(now - asked)
            elif told == 1 and now - asked >= self.abandon:
                told = 2
                self.observer.abandoned(self.on_the_loop(), now - asked)

    def _ask(self, now: float) -> bool:
        self._asked = now
        try:
            self.loop.call_soon_threadsafe(self._answer)
        except RuntimeError:  # the loop was closed over our head
            return False
        return True

    def _answer(self) -> None:
        self._asked = None

    def _tell(self, seconds: float) -> None:
        frame = sys._current_frames().get(self._thread_of_loop)  # noqa: SLF001 # pyright: ignore[reportPrivateUsage] - a documented function
        self.observer.stuck(self.on_the_loop(), seconds, _shown(frame))


def _shown(frame: FrameType | None) -> str:
    """Return where a frame is, from the body's own code on, without the values of any variable."""
    frames = traceback.extract_stack(frame, limit=_DEEPEST)
    ours = [index for index, each in enumerate(frames) if each.filename == run.__file__]
    return "".join(traceback.format_list(frames[ours[-1] + 1 if ours else 0 :]))
