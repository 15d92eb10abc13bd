"""Which rights a shadow needs on a server, and which of them its user lacks."""

from __future__ import annotations

import enum
import re
from typing import TYPE_CHECKING, Any, Final

from shadows.errors import BrokerError, NotAllowed

if TYPE_CHECKING:
    from shadows.adapters.redis.driver import Command, Driver
    from shadows.adapters.redis.keys import Keys

SAMPLES: Final = """
BLPOP K 1; EVALSHA x 1 K; EXISTS K; GET K; HDEL K x; HEXISTS K x; HGET K x; HGETALL K; HINCRBY K x 1; HLEN K
HMGET K x; HSET K x x; LLEN K; LPUSH K x; LRANGE K 0 0; PEXPIRE K 1; PING; PUBLISH C x; RENAME K K
RPUSH K x; SADD K x; SCARD K; SCRIPT LOAD x; SET K x; SISMEMBER K x; SMEMBERS K; SRANDMEMBER K 1; SREM K x
SUBSCRIBE C; TIME; UNSUBSCRIBE C; XACK K x 0-1; XADD K * x x; XCLAIM K x x 0 0-1; XDEL K 0-1
XGROUP CREATE K x 0; XGROUP DELCONSUMER K x x; XINFO GROUPS K; XLEN K; XPENDING K x; XRANGE K - +
XREADGROUP GROUP x x STREAMS K >; XREVRANGE K + -; XTRIM K MAXLEN 0; ZADD K 0 x; ZCARD K; ZCOUNT K 0 0
ZRANGE K 0 0; ZRANGEBYSCORE K 0 0; ZRANK K x; ZREM K x; ZREMRANGEBYRANK K 0 0; ZREMRANGEBYSCORE K 0 0
ZREVRANGE K 0 0; ZSCORE K x; DEL K
"""
"""Each command that the scripts and this adapter use, on a key K, which never exists, or a channel C of the shadow.
DEL is the last, in case somebody ever sends them for good.
"""
_OF_A_KEY: Final = re.compile(r"access (?:a|one of the) (key|channel)")


class Role(enum.StrEnum):
    """What somebody does with a shadow."""

    PRODUCER = "producer"
    """places, replaces and cancels calls, and waits for their results"""
    WORKER = "worker"
    """runs them as well"""
    OBSERVER = "observer"
    """looks, and changes nothing"""
    ADMIN = "admin"
    """may do all that there is: strike, clear, replay, and ask the server how it is"""


_LOOKING: Final = """
evalsha exists get hexists hget hgetall hlen hmget info llen lrange ping scard script|load select sismember smembers
srandmember subscribe time unsubscribe xinfo xlen xpending xrange xrevrange zcard zcount zrange zrangebyscore zrank
zrevrange zscore
"""
_PLACING: Final = """
del hdel hset lpush pexpire publish rpush sadd set srem wait xack xadd xdel zadd zrem zremrangebyrank zremrangebyscore
"""
_WORKING: Final = "blpop hincrby rename xclaim xgroup xreadgroup xtrim"
_EXAMINING: Final = "acl|whoami config|get discard multi"
_COMMANDS: Final = {
    Role.OBSERVER: _LOOKING,
    Role.PRODUCER: _LOOKING + _PLACING,
    Role.WORKER: f"{_LOOKING}{_PLACING}{_WORKING}",
    Role.ADMIN: f"{_LOOKING}{_PLACING}{_WORKING} {_EXAMINING}",
}


def rules(role: Role, base: str, *, cluster: bool = False) -> list[str]:
    """Return the rules of an ACL for a user in this role whose keys and channels begin with ``base``."""
    finding = ["+cluster|slots"] if cluster else []
    return [f"~{base}*", f"&{base}*", *(f"+{command}" for command in sorted(_COMMANDS[role].split())), *finding]


def samples(keys: Keys) -> list[Command]:
    """Return the commands, for the keys of one shadow."""
    names = {"K": keys.nowhere, "C": keys.events("-")}
    written = SAMPLES.replace("\n", ";").split(";")
    return [tuple(names.get(word, word) for word in line.split()) for line in written if line.strip()]


async def lacking(driver: Driver, keys: Keys) -> tuple[str, ...] | None:
    """Return the rights that our user lacks; None if that cannot be found out.

    The commands are only queued, and then the transaction is thrown away: the server checks the rights when it
    queues.  The driver is to be closed after this.
    """
    (opened,) = await driver.ask(("MULTI",))
    if isinstance(opened, Exception):
        return None
    commands = samples(keys)
    answers = await driver.ask(*commands, ("DISCARD",))
    missing = [_missing(keys, command, answer) for command, answer in zip(commands, answers, strict=False)]
    return tuple(sorted({right for right in missing if right}))


def _missing(keys: Keys, command: Command, answer: Any) -> str:
    if isinstance(answer, NotAllowed):
        found = _OF_A_KEY.search(str(answer))
        if found is not None:
            return f"{'~' if found[1] == 'key' else '&'}{keys.base}*"
        return f"+{str(command[0]).lower()}"
    unknown = isinstance(answer, BrokerError) and "unknown command" in str(answer)
    return f"+{str(command[0]).lower()} (the server does not know it)" if unknown else ""
