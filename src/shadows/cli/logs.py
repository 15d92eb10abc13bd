"""Logs of a worker's process: everything goes through the standard library, structlog renders it."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from shadows.adapters.observers.log import SAY_THEIR_FACTS

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

_EVERY: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
]
_IN_UTC: Processor = structlog.processors.TimeStamper(fmt="iso", utc=True)
_OF_DAY: Processor = structlog.processors.TimeStamper(fmt="%H:%M:%S", utc=False)
"""for people at a terminal, whose lines are short"""


def configure(level: str, form: str | None, *, process: int | None = None) -> None:
    """Write what is logged or warned of at ``level`` and above to stderr: ``console``, ``plain`` or ``json``.

    Without a form it is ``console`` if stderr is a terminal, else ``plain``.  No form shows the variables of a
    traceback's frames: arguments of tasks are among them.  A process that is one of several says so in each entry.
    """

    def say_which(logger: Any, method: str, event: EventDict) -> EventDict:  # noqa: ARG001 - as of every processor
        if process is not None:
            event["process"] = process
        return event

    steps = _last_steps(form or ("console" if sys.stderr.isatty() else "plain"))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[*_EVERY, say_which],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *steps],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)
    logging.captureWarnings(True)  # noqa: FBT003 - its only argument


def _last_steps(form: str) -> list[Processor]:
    if form == "json":
        tracebacks = structlog.processors.ExceptionRenderer(ExceptionDictTransformer(show_locals=False))
        return [_IN_UTC, tracebacks, structlog.processors.JSONRenderer(default=repr)]
    if form == "plain":
        return [_IN_UTC, _say_once, structlog.processors.format_exc_info, _plain]
    return [
        _OF_DAY,
        _say_once,
        structlog.dev.ConsoleRenderer(0, colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback),
    ]


def _say_once(logger: Any, method: str, event: EventDict) -> EventDict:  # noqa: ARG001 - the signature of a processor
    """Leave out of our own lines the fields that their text names already."""
    if event.get("logger") in SAY_THEIR_FACTS:
        for fact in ("shadow", "worker", "task", "key", "attempt"):
            event.pop(fact, None)
    return event


def _plain(logger: Any, method: str, event: EventDict) -> str:  # noqa: ARG001 - the signature of a processor
    """One line: time, level, logger, text, then what else there is; a traceback follows."""
    known = [str(event.pop(name, "")) for name in ("timestamp", "level", "logger", "event")]
    trace = event.pop("exception", "")
    line = " ".join([known[0], f"{known[1].upper():<8}", *known[2:], *(f"{k}={v!r}" for k, v in event.items())])
    return f"{line}\n{trace}" if trace else line
