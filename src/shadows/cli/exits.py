"""How the process ends: exit codes that scripts can rely on."""

from __future__ import annotations

import enum
import logging
import os
import sys
import threading


class Code(enum.IntEnum):
    """What the exit code says.  A forced end is 128 and the signal's number: 130 and 143."""

    OK = 0
    """done"""
    FAILED = 1
    """the command could not do what was asked; of ``doctor``: something is wrong; of ``worker --check``: the worker is
    not well; of ``watch`` and ``--wait``: the call has failed or was cancelled
    """
    USAGE = 2
    """there is no such command or option"""
    NOT_FOUND = 3
    """there is no such call, dead letter, strike, task or worker"""
    REFUSED = 4
    """refused: the key is taken, the call is struck, or it has ended already"""
    UNREACHABLE = 69
    """the server cannot be reached"""
    INTERNAL = 70
    """a mistake in shadows, or no memory is left, or something ended the process's event loop"""
    TIMED_OUT = 75
    """what was waited for did not happen in time"""
    NOT_ALLOWED = 77
    """the server does not allow it: it refuses the credentials, or the user lacks a right"""
    CONFIGURATION = 78
    """an option, a variable, a task module or a server that cannot work"""


def forced_by(signal_number: int) -> int:
    """Return the exit code of an end that a signal forced."""
    return 128 + signal_number


def leave(code: int) -> None:
    """Write out what is buffered, and end the process at once if a thread would keep it alive."""
    logging.shutdown()
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except OSError:  # nobody reads it any more; the interpreter would complain of it once more
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    here = threading.current_thread()
    if any(thread is not here and not thread.daemon for thread in threading.enumerate()):
        os._exit(code)
