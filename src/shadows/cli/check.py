"""``shadows worker --check``: ask a worker that runs on this machine how it is, for probes that run a command."""

from __future__ import annotations

from http import HTTPStatus
from http.client import HTTPConnection, HTTPException
from typing import Final

from shadows.cli.complaints import CommandError, Complaint
from shadows.cli.exits import Code
from shadows.errors import ConfigurationError

PATIENCE: Final = 5.0
"""Seconds that the answer may take."""


def check(port: int | None, path: str) -> int:
    """Print what the worker behind this port says of itself, and return 0 if that is well.

    Raises:
        ConfigurationError: there is no port to ask.
        CommandError: it is not well, or nobody answers.
    """
    if not port:
        msg = "--check asks the worker at its --healthcheck-port (or SHADOW_WORKER_HEALTHCHECK_PORT), and none is given"
        raise ConfigurationError(msg)
    where, connection = f"http://127.0.0.1:{port}{path}", HTTPConnection("127.0.0.1", port, timeout=PATIENCE)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        words = answer.read().decode(errors="replace").strip()
    except (OSError, HTTPException) as silent:
        remedy = f"shadows worker --healthcheck-port {port}, which has to run on this machine"
        why = str(silent) or type(silent).__name__
        raise CommandError(Complaint(Code.UNREACHABLE, "no worker answers", where, why, remedy)) from None
    finally:
        connection.close()
    if answer.status != HTTPStatus.OK:
        raise CommandError(Complaint(Code.FAILED, f"the worker is not well: {words}", where))
    print(words)
    return Code.OK
