"""What may be said of how values travel: which codecs write and read them, and what seals them."""

from __future__ import annotations

import re
from datetime import datetime
from typing import Any, cast

from shadows.core.names import shown
from shadows.errors import ConfigurationError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

CODECS = ("cloudpickle", "json")
"""Those that have a name."""
RESERVED = ("s", "e")
"""Ids that no codec may have: they say that a message is signed or encrypted."""
SEALS = ("sign", "encrypt")
SHORTEST_SECRET = 16
"""bytes"""
HIDDEN = "***"
MOMENT = "2030-01-31T12:00:00Z"
"""One as it may be written."""
_MAKE_ONE = "openssl rand -base64 32"


def codecs(value: Any, source: str) -> tuple[Any, ...]:
    """Return the names of codecs, or codecs themselves: from one, several, or a text with commas.

    Raises:
        ConfigurationError: there is no such codec, none at all, or two of an id.
        TypeError: it is neither a name nor a codec.
    """
    written: Iterable[Any] = cast("Any", value) if isinstance(value, list | tuple) else [value]
    found: list[Any] = []
    for each in written:
        if isinstance(each, str):
            found += [_name(part.strip(), source) for part in each.split(",") if part.strip()]
        else:
            found.append(_codec(each, source))
    if not found:
        raise ConfigurationError(f"{source} names no codec; write {' or '.join(CODECS)}, or several: json,cloudpickle")
    ids = [each if isinstance(each, str) else each.id for each in found]
    ids = [{"cloudpickle": "p", "json": "j"}.get(each, each) for each in ids]
    if len(set(ids)) < len(ids):
        raise ConfigurationError(f"{source} names two codecs of one id ({', '.join(ids)}); each may stand there once")
    return tuple(found)


def _name(text: str, source: str) -> str:
    if text.lower() not in CODECS:
        raise ConfigurationError(f"{source}={shown(text)} is no codec; use {', '.join(CODECS)}")
    return text.lower()


def _codec(each: Any, source: str) -> Any:
    made = not isinstance(each, type) and all(callable(getattr(each, name, None)) for name in ("encode", "decode"))
    if not made:
        raise TypeError(f"{source} takes a codec's name or a codec, not {type(each).__name__}")
    codec_id = getattr(each, "id", None)
    if not isinstance(codec_id, str) or len(codec_id) != 1 or not codec_id.isascii() or codec_id in RESERVED:
        raise ConfigurationError(
            f"{source}: the id of {type(each).__name__} is {codec_id!r}; "
            f"it must be one ASCII character, and not {' or '.join(RESERVED)}"
        )
    return each


def codecs_written(found: Iterable[Any]) -> str:
    """Return them as one would write them; a codec that has no name shows as its class."""
    return ",".join(each if isinstance(each, str) else type(each).__name__ for each in found)


def store(found: Any, source: str) -> Any:
    """Return a store of py-key-value-aio.

    Raises:
        TypeError: it is something else, such as the class of one.
    """
    if isinstance(found, type):
        raise TypeError(f"{source} takes a store, not the class {found.__name__}; make one: {found.__name__}()")
    if not all(callable(getattr(found, name, None)) for name in ("get", "put", "delete")):
        raise TypeError(
            f"{source} takes a store of py-key-value-aio (with get, put and delete), not {type(found).__name__}; "
            f"for example key_value.aio.stores.redis.RedisStore(url=...)"
        )
    return found


def secrets(value: Any, source: str) -> tuple[bytes, ...]:
    """Return secrets: from bytes, a text in which spaces, commas or lines part several, or a list of either.

    Raises:
        ConfigurationError: there is none, or one is too short to be one; it is not shown.
        TypeError: it is neither text nor bytes.
    """
    written: Iterable[Any] = cast("Any", value) if isinstance(value, list | tuple) else [value]
    found: list[bytes] = []
    for each in written:
        if isinstance(each, str):
            found += [part.encode() for part in re.split(r"[\s,]+", each) if part]
        elif isinstance(each, bytes):
            found.append(each)
        else:
            raise TypeError(f"{source} must be text or bytes, or several of them, not {type(each).__name__}")
    if not found:
        raise _unfit(f"{source} holds no secret")
    for each in found:
        if len(each) < SHORTEST_SECRET:
            raise _unfit(f"{source} holds a secret of {len(each)} bytes; it needs at least {SHORTEST_SECRET}")
    return tuple(found)


def _unfit(why: str) -> ConfigurationError:
    return ConfigurationError(f"{why}; {_MAKE_ONE} makes a good one", value=HIDDEN, remedy=_MAKE_ONE)


def secrets_written(found: Iterable[bytes]) -> str:
    """Return that there are secrets, and how many."""
    return ",".join(HIDDEN for _ in found)


def moment(value: Any, source: str) -> datetime:
    """Return a moment: an aware datetime, or the text of one.

    Raises:
        ConfigurationError: it is none, or has no zone.
    """
    if isinstance(value, str):
        try:
            found = datetime.fromisoformat(value.strip())
        except ValueError:
            raise ConfigurationError(f"{source}={shown(value)} is no moment; write for example {MOMENT}") from None
    elif isinstance(value, datetime):
        found = value
    else:
        raise TypeError(f"{source} must be a datetime, not {type(value).__name__}")
    if found.utcoffset() is None:
        raise ConfigurationError(f"{source}={found.isoformat()} has no time zone; write for example {MOMENT}")
    return found
