"""What redis-py raises, in our words: translated once, here."""

from __future__ import annotations

from typing import Any, Final, cast

from redis import exceptions as foreign

from shadows.adapters.redis.driver import Elsewhere, NoScript
from shadows.errors import (
    BrokenKey,
    BrokerError,
    BrokerFull,
    BrokerUnavailable,
    NotAllowed,
    UnsupportedServer,
)

_FULL: Final = ("OOM ", "MISCONF ", "-OOM", "-MISCONF")
_FORBIDDEN: Final = (
    "NOPERM",
    "NOAUTH",
    "WRONGPASS",
    "-NOPERM",
    "invalid password",
    "AUTH ",
    "no permissions",
    "unauthenticated",  # Redis 7.0 refuses a long first command before it looks at it
    "executing the script can't run",  # 6.2 and 7.0 do not say which command
)
_ELSEWHERE: Final = ("READONLY", "CLUSTERDOWN", "MASTERDOWN", "MOVED ")
_ELSEWHERE_PERHAPS_HALFWAY: Final = ("UNBLOCKED", "non local key")
"""What may have been begun: a script is told of a key that has moved when it comes to it."""
_ELSEWHERE_TOO: Final = (foreign.ReadOnlyError, foreign.MasterDownError, foreign.ClusterDownError)
"""What redis-py knows by its first word, which it then takes out of the text."""
_LATER_TOO: Final = (foreign.TryAgainError, foreign.AskError, foreign.BusyLoadingError)
_LATER: Final = (
    "LOADING", "NOREPLICAS", "TRYAGAIN", "BUSY ", "ASK ", "max number of clients", "UNKILLABLE",
)  # fmt: skip


def translated(error: BaseException, where: str) -> Exception | None:
    """Return our exception for a foreign one that tells of the broker, or None: then it is a bug and stays
    what it is.

    Redis 6.2 wraps what happens inside a script, so its words are looked for anywhere in the text.
    """
    if isinstance(error, BaseExceptionGroup):
        group = cast("BaseExceptionGroup[BaseException]", error)
        leaves = [translated(leaf, where) for leaf in group.exceptions]
        return None if None in leaves else leaves[0]
    cause = error.__cause__
    if type(error) is foreign.ConnectionError and isinstance(cause, foreign.RedisError):
        return translated(cause, where)  # behind a unix socket, redis-py wraps whatever a server refuses
    text = str(error)
    if isinstance(error, foreign.RedisError):
        return _refusal(error, text, where)
    if isinstance(error, OSError | EOFError):  # TimeoutError among them
        return BrokerUnavailable(f"{where}: {text or type(error).__name__}")
    return None


def _refusal(error: foreign.RedisError, text: str, where: str) -> Exception | None:
    if isinstance(error, foreign.NoScriptError):
        return NoScript(text)
    if isinstance(error, foreign.AuthenticationError | foreign.AuthorizationError | foreign.NoPermissionError) or (
        isinstance(error, foreign.ResponseError) and any(word in text for word in _FORBIDDEN)
    ):
        hint = _missing_right(text)
        return NotAllowed(f"{where} refuses us: {text}{hint}")
    if isinstance(error, foreign.OutOfMemoryError) or any(word in text for word in _FULL):
        return BrokerFull(f"{where} takes no more writes: {text}", sent=False)
    if "WRONGTYPE" in text:
        return BrokenKey(f"{where}: a key of ours holds a value of another type; delete or rename it: {text}")
    if (why := _unfit(error, text)) is not None:
        return UnsupportedServer(f"{where} {why}")
    broken = isinstance(error, foreign.ConnectionError | foreign.TimeoutError)
    if broken and not isinstance(error, _LATER_TOO):
        return BrokerUnavailable(f"{where}: {text or type(error).__name__}")
    if (away := _elsewhere(error, text, where)) is not None:
        return away
    if isinstance(error, _LATER_TOO) or any(word in text for word in _LATER):
        return BrokerUnavailable(f"{where}: {_on_its_way(error) or text}", sent=False)
    if isinstance(error, foreign.ResponseError):
        return BrokerError(f"{where} answered: {text}")
    return None


def _unfit(error: foreign.RedisError, text: str) -> str | None:
    if isinstance(error, foreign.InvalidResponse):
        return f"does not speak Redis: {text}"
    if "CROSSSLOT" in text or isinstance(error, foreign.ClusterCrossSlotError):
        return "is a cluster; write redis+cluster:// instead of redis://"
    if "DB index is out of range" in text:
        return f"has no such database: {text}"
    return None


def _elsewhere(error: foreign.RedisError, text: str, where: str) -> Elsewhere | None:
    if isinstance(error, foreign.MovedError):
        told: Any = error
        host, port = told.node_addr
        return Elsewhere(f"{where}: it is at {host}:{port}", (host, port), sent=False)
    if isinstance(error, _ELSEWHERE_TOO) or any(word in text for word in _ELSEWHERE):
        return Elsewhere(f"{where}: {text}", sent=False)
    if any(word in text for word in _ELSEWHERE_PERHAPS_HALFWAY):
        return Elsewhere(f"{where}: {text}")
    return None


def _on_its_way(error: foreign.RedisError) -> str:
    """Return in words what ASK means, which is not followed: until the slot has arrived no node runs our scripts."""
    if not isinstance(error, foreign.AskError):
        return ""
    told: Any = error
    host, port = told.node_addr
    return f"the slot is on its way to {host}:{port}"


def _missing_right(text: str) -> str:
    if "time" in text.lower().split("'"):
        return "; shadows reads the server's clock: grant +time"
    if "executing the script" in text:
        return (
            "; `shadows doctor` names the rights that are missing (older lists lack +time), `shadows acl` prints them"
        )
    return ""
