"""A worker's whole process: what it serves, which signals it heeds, and how it ends.

The first SIGTERM or SIGINT drains: no call is claimed any more, running ones may go on up to the drain limit,
the exit code is 0.  The second one hands back at once what still runs, and the exit code tells the signal.  A
third one is not caught.  Of several worker processes under one parent, the parent hears the signals: see crew.py.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import threading
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final, Protocol

import attrs

from shadows.adapters.observers import prometheus
from shadows.core.durations import text
from shadows.core.settings import PROCESS, process_options
from shadows.errors import ConfigurationError
from shadows.process.loops import expect
from shadows.process.ports import servers
from shadows.process.probes import Probes

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Iterable, Mapping
    from contextlib import AbstractContextManager
    from types import TracebackType

    from shadows.core.health import Health
    from shadows.core.settings import ProcessOptions, WorkerOptions
    from shadows.shadow import Shadow

AT_ONCE: Final = timedelta(0)
SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)
_log = logging.getLogger("shadows.process")


class Working(Protocol):
    """What its process needs of a worker, which offers a whole process too, and so is unknown down here."""

    @property
    def options(self) -> WorkerOptions:
        """Every setting in force."""
        ...

    def health(self) -> Health:
        """Tell whether it lives, and whether it is ready; any thread may ask."""
        ...

    def stop(self, within: timedelta | None = None) -> None:
        """Claim no more, and end within this time."""
        ...

    async def run_forever(self) -> None:
        """Work until it is stopped or cancelled."""
        ...

    async def run_until_finished(self) -> None:
        """Work until nothing is left."""
        ...

    async def __aenter__(self) -> Any: ...

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


@attrs.define
class Stop:
    """What the signals of this process have asked for."""

    worker: Working
    work: asyncio.Task[Any]
    of_crew: bool = False
    """whether the process is one of several, whose parent alone may have it hand back"""
    code: int = 0
    """what the process exits with"""
    heard: int = 0

    def hear(self, sign: signal.Signals) -> None:
        """Drain at the first signal, hand back at the second, and leave a third one to its usual effect."""
        self.heard += 1
        if self.heard == 1:
            limit = text(self.worker.options.drain_timeout)
            _log.info("%s: waiting up to %s for running calls; once more to stop at once", sign.name, limit)
            self.work.cancel()
        elif not self.of_crew:  # what ends a service may signal each of its processes, and so does our parent
            self.hand_back(sign)

    def hand_back(self, sign: signal.Signals) -> None:
        """End as fast as it goes."""
        _log.warning("%s once more: handing back what still runs", sign.name)
        self.code = 128 + sign
        for each in SIGNALS:
            signal.signal(each, signal.SIG_DFL)
        self.worker.stop(within=AT_ONCE)


def prepare(
    shadow: Shadow, tasks: Iterable[Callable[..., Any] | str] | None, told: Mapping[str, object]
) -> ProcessOptions:
    """Register the tasks, functions and paths of such, and return what the process is told, besides, by name.

    Raises:
        ConfigurationError: an argument or an environment variable cannot work, or asks for several processes.
    """
    given = None if tasks is None else list(tasks)
    paths = None if given is None else [task for task in given if isinstance(task, str)]
    options = process_options({**told, "tasks": paths}, os.environ)
    if options.processes > 1:
        variable, count = PROCESS["processes"].variable, options.processes
        msg = f"{variable}={count} cannot work here: Worker.run is one process, and it cannot start its program anew"
        raise ConfigurationError(f"{msg}; unset it, or run the command `shadows worker`")
    expect(options.loop)
    for path in options.tasks:
        shadow.register_collection(path)
    for function in given or ():
        if callable(function):
            shadow.register(function)
    return options


async def work(
    shadow: Shadow,
    worker: Working,
    options: ProcessOptions,
    *,
    until_finished: bool,
    called: Callable[[str], str] = str,
    tether: Callable[[Probes], AbstractContextManager[None]] | None = None,
) -> None:
    """Take the ports, serve them, and work until the worker is stopped or this is cancelled, which drains it.

    Messages about an option call it what ``called`` makes of its name.  Where there is a ``tether``, it answers
    what the pages are asked for, and no port is taken.

    Raises:
        ConfigurationError: a port cannot be had, or metrics lack their packages; nothing was claimed.
        ShadowsError: the server refuses us.
    """
    _log.info("starting %r", worker)
    if options.metrics_port is not None:
        prometheus.install()
    with ExitStack() as serving:
        probes = Probes(shadow, worker, asyncio.get_running_loop(), processes=options.processes)
        for server in servers(options, probes, called) if tether is None else [tether(probes)]:
            serving.enter_context(server)
        async with shadow, worker:
            await (worker.run_until_finished() if until_finished else worker.run_forever())


async def heed(shadow: Shadow, worker: Working, options: ProcessOptions, *, until_finished: bool) -> int:
    """Work until a signal ends it, and return what this process should exit with."""
    this = asyncio.current_task()
    if this is None:
        raise AssertionError
    stop = Stop(worker, this)
    with heeding(stop, asyncio.get_running_loop()):
        try:
            await work(shadow, worker, options, until_finished=until_finished)
        except asyncio.CancelledError:
            if not stop.heard or this.uncancel():  # somebody else has cancelled us
                raise
    return stop.code


@contextmanager
def heeding(stop: Stop, loop: asyncio.AbstractEventLoop) -> Generator[None]:
    """Let the signals of this process stop the work; outside of the main thread nobody can hear them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {sign: signal.getsignal(sign) for sign in SIGNALS}
    for sign in SIGNALS:
        loop.add_signal_handler(sign, stop.hear, sign)
    try:
        yield
    finally:
        for sign, handler in before.items():
            loop.remove_signal_handler(sign)
            signal.signal(sign, handler or signal.SIG_DFL)  # what is no handler of Python's cannot be put back
