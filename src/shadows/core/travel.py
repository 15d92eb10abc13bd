"""What may be said of how values travel: which codecs write and read them."""

from __future__ import annotations

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
