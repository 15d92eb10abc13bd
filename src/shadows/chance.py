"""Chance: names that nobody else makes."""

from __future__ import annotations

import os
import time
from typing import Final

_AT_ONCE: Final = 256
"""How many names are made of one look at the system's chance, which costs more than all else about a call's name."""
_DIGITS: Final = 16

_made: dict[int, list[str]] = {}
"""Names that nobody has yet, by the process that made them: one that is forked must not go on with the same."""


def request_id() -> str:
    """Return a new id for one request, of 16 hexadecimal digits."""
    names = _names()
    try:
        return names.pop()  # one step, so that no two threads get the same
    except IndexError:
        return _more(names)


def key() -> str:
    """Return a new key, of 32 hexadecimal digits: the nanoseconds since the epoch, and chance.

    So a key that is made later sorts behind, as UUIDs of version 7 do (RFC 9562).  Of calls that are due at the same
    time the one that was added first becomes ready first, and what was written together is read together.
    """
    return f"{time.time_ns():016x}{request_id()}"


def _names() -> list[str]:
    process = os.getpid()
    names = _made.get(process)
    if names is None:
        _made.clear()
        names = _made.setdefault(process, [])
    return names


def _more(names: list[str]) -> str:
    """Make some more names, and return one that nobody else gets."""
    digits = os.urandom(_AT_ONCE * _DIGITS // 2).hex()
    made = [digits[i : i + _DIGITS] for i in range(0, len(digits), _DIGITS)]
    name = made.pop()
    names.extend(made)
    return name
