"""``shadows worker --processes N``: several worker processes under this one, which imports no task."""

from __future__ import annotations

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING, Final

from shadows.adapters.observers import prometheus
from shadows.cli.exits import Code
from shadows.cli.options import option
from shadows.cli.reload import command
from shadows.core import urls
from shadows.errors import ConfigurationError
from shadows.process.crew import Crew
from shadows.process.ports import servers
from shadows.process.roll import Roll

if TYPE_CHECKING:
    from shadows.core.settings import ProcessOptions

FINAL: Final = frozenset({Code.USAGE, Code.NOT_ALLOWED, Code.CONFIGURATION})
"""A worker process that ends so would end so again."""


def run(url: str, options: ProcessOptions, *, until_finished: bool) -> int:
    """Run the worker processes until they have ended, and return the exit code.

    Raises:
        ConfigurationError: a port cannot be had, metrics lack their packages, or the shadow lives in one process.
    """
    count = options.processes
    if urls.parse(url).kind == "memory":
        msg = f"processes={count} cannot work with memory://, which lives inside of one process; use a server"
        raise ConfigurationError(msg, source="processes", value=str(count), instead="1")
    return asyncio.run(_run(options, until_finished=until_finished))


async def _run(options: ProcessOptions, *, until_finished: bool) -> int:
    ledger = None
    if options.metrics_port is not None:
        prometheus.check()
        from shadows.adapters.observers.expositions import Ledger  # noqa: PLC0415 - an extra

        ledger = Ledger()
    crew = Crew(
        command=command(),
        count=options.processes,
        final=FINAL,
        until_finished=until_finished,
        left=ledger.forget if ledger else lambda _: None,
    )
    roll = Roll(crew, asyncio.get_running_loop(), ledger)
    with ExitStack() as serving:
        for server in servers(options, roll, option):
            serving.enter_context(server)
        return await crew.run()
