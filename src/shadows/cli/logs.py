"""Logs of a worker's process: everything goes through the standard library, structlog renders it."""

from __future__ import annotations

import logging
import sys
from typing import TYPE_CHECKING, Any

import structlog

if TYPE_CHECKING:
    from structlog.typing import EventDict, Processor

_EVERY: list[Processor] = [
    structlog.stdlib.add_log_level,
    structlog.stdlib.add_logger_name,
    structlog.stdlib.ExtraAdder(),
    structlog.processors.TimeStamper(fmt="iso", utc=True),
]


def configure(level: str, form: str) -> None:
    """Write what is logged at ``level`` and above to stderr, in the form ``console``, ``plain`` or ``json``."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=_EVERY,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *_last_steps(form)],
        )
    )
    root = logging.getLogger()
    root.handlers = [handler]
    root.setLevel(level)


def _last_steps(form: str) -> list[Processor]:
    if form == "json":
        return [structlog.processors.dict_tracebacks, structlog.processors.JSONRenderer(default=repr)]
    if form == "plain":
        return [structlog.processors.format_exc_info, _plain]
    colours = sys.stderr.isatty()
    return [structlog.dev.ConsoleRenderer(colors=colours, exception_formatter=structlog.dev.plain_traceback)]


def _plain(logger: Any, method: str, event: EventDict) -> str:  # noqa: ARG001 - the signature of a processor
    """One line: time, level, logger, text, then what else there is; a traceback follows."""
    known = [str(event.pop(name, "")) for name in ("timestamp", "level", "logger", "event")]
    trace = event.pop("exception", "")
    line = " ".join([known[0], f"{known[1].upper():<8}", *known[2:], *(f"{k}={v!r}" for k, v in event.items())])
    return f"{line}\n{trace}" if trace else line
