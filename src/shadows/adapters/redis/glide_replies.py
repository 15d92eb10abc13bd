"""What valkey-glide answers and raises, as redis-py would have it."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, Final, cast

from glide import ClosingError, ConnectionError, GlideError, TimeoutError  # noqa: A004 - its names, in this file only
from redis import exceptions as foreign

from shadows.adapters.redis.replies import translated

if TYPE_CHECKING:
    from shadows.adapters.redis.driver import Command

_GONE: Final = (ClosingError, ConnectionError, TimeoutError)
_SAID: Final = re.compile(r"An error was signalled by the server: - (\w+): (.*)", re.DOTALL)
_CODE: Final = re.compile(r"([A-Z]+): (.*)", re.DOTALL)
_WORDS: Final = {
    "ResponseError": "",
    "NoScriptError": "NOSCRIPT ",
    "BusyLoadingError": "LOADING ",
    "PermissionDenied": "NOPERM ",
    "ReadOnly": "READONLY ",
    "MasterDown": "MASTERDOWN ",
    "ClusterDown": "CLUSTERDOWN ",
    "CrossSlot": "CROSSSLOT ",
    "TryAgain": "TRYAGAIN ",
    "Moved": "MOVED ",
    "Ask": "ASK ",
}
"""Its names for what a server's error begins with; what is not among them it leaves as it is, but for a colon."""


def is_refusal(error: GlideError) -> bool:
    """Whether it is a server's answer; all else tells of a trip that broke."""
    text = str(error)
    return not isinstance(error, _GONE) and (_SAID.match(text) or _CODE.match(text)) is not None


def answered(error: GlideError, where: str) -> Exception:
    """Return our exception for a server's refusal."""
    text = _as_sent(str(error))
    refusal = foreign.NoScriptError if text.startswith("NOSCRIPT ") else foreign.ResponseError
    return translated(refusal(text), where) or error


def _as_sent(text: str) -> str:
    """Return the text of an error as the server sent it."""
    said = _SAID.match(text)
    if said is not None:
        kind, rest = said.groups()
        return _WORDS.get(kind, f"{kind} ") + rest
    code = _CODE.match(text)
    return f"{code[1]} {code[2]}" if code is not None else text


def plain(command: Command, reply: Any) -> Any:
    """Return a reply as the protocol has it: lists, and bytes also for a status."""
    if isinstance(reply, dict):
        rows = cast("dict[bytes, Any]", reply)
        if command[0] in {"XRANGE", "XREVRANGE"}:
            return [[entry, [part for pair in fields for part in pair]] for entry, fields in rows.items()]
        return [part for pair in rows.items() for part in pair]
    return reply.encode() if isinstance(reply, str) else reply
