"""What shadows, tasks, keys and workers may be called: a function returns the text or says what to write."""

from __future__ import annotations

import re

from shadows.errors import ConfigurationError

LONGEST_SHADOW = 64
LONGEST_KEY = 512
LONGEST_TASK = 200
LONGEST_WORKER = 128

_SHADOW = re.compile(r"[A-Za-z0-9._-]{1,64}")
_NO_LETTER = re.compile(r"[^A-Za-z0-9._-]+")
_SHOWN = 48


def shadow_name(text: str, *, argument: str = "name") -> str:
    """Return the name of a shadow, which is part of every key on the server and may need escaping nowhere.

    Raises:
        ConfigurationError: it does not match ``[A-Za-z0-9._-]{1,64}``.
        TypeError: it is no string.
    """
    text = _plain(text, argument, "the name of a shadow")
    if not _SHADOW.fullmatch(text):
        msg = (
            f"{argument}={shown(text)} cannot name a shadow; use 1 to {LONGEST_SHADOW} letters, digits, "
            "dots, underscores or hyphens ([A-Za-z0-9._-]), such as 'orders-eu'"
        )
        instead = _NO_LETTER.sub("-", text).strip("-")[:LONGEST_SHADOW]
        raise ConfigurationError(msg, source=argument, value=text, instead=instead)
    return text


def task_key(text: str, *, argument: str = "key") -> str:
    """Return the key of a call: any text of 1 to 512 bytes of UTF-8; nothing in it has a meaning.

    Raises:
        ConfigurationError: empty, too long, or not encodable.
        TypeError: it is no string.
    """
    if type(text) is str and text.isascii() and 0 < len(text) <= LONGEST_KEY:
        return text  # nearly every key of nearly every call
    text = _plain(text, argument, "the key of a call")
    _measure(text, argument, LONGEST_KEY, "shorten it, for example by its hash, or omit it for a generated key")
    return text


def task_name(text: str, *, argument: str = "task") -> str:
    """Return the name of a task: any text of 1 to 200 bytes of UTF-8.

    Raises:
        ConfigurationError: empty, too long, or not encodable.
        TypeError: it is no string.
    """
    text = _plain(text, argument, "the name of a task")
    _measure(text, argument, LONGEST_TASK, "register the function under a shorter name")
    return text


def worker_name(text: str, *, argument: str = "name") -> str:
    """Return the name of a worker, for people: 1 to 128 bytes, printable.

    Raises:
        ConfigurationError: empty, too long, not encodable, or with control characters.
        TypeError: it is no string.
    """
    text = _plain(text, argument, "the name of a worker")
    _measure(text, argument, LONGEST_WORKER, "shorten it")
    if not text.isprintable():
        msg = f"{argument}={shown(text)} holds characters that do not print; use text such as 'orders-worker-1'"
        raise ConfigurationError(msg)
    return text


def shown(text: str) -> str:
    """Return the text as it stands in a message: quoted, escaped and cut, so that it is one short line."""
    if len(text) <= _SHOWN:
        return repr(text)
    return f"{text[:_SHOWN]!r}... ({len(text):,} characters)"


def _plain(text: object, argument: str, what: str) -> str:
    if not isinstance(text, str):
        msg = f"{argument} must be a string, {what}, not {type(text).__name__}; convert it with str(...)"
        raise TypeError(msg)
    return str.__str__(text)  # of a subclass, such as an enum's member, only the text


def _measure(text: str, argument: str, longest: int, remedy: str) -> None:
    if not text:
        msg = f"{argument}='' is empty; use 1 to {longest} bytes of text"
        raise ConfigurationError(msg)
    try:
        size = len(text.encode())
    except UnicodeEncodeError as error:
        msg = (
            f"{argument}={shown(text)} holds a lone surrogate at index {error.start}, which cannot travel; "
            "replace it, for example by text.encode('utf-8', 'replace').decode()"
        )
        raise ConfigurationError(msg) from None
    if size > longest:
        msg = f"{argument}={shown(text)} has {size:,} bytes of UTF-8, more than {longest}; {remedy}"
        raise ConfigurationError(msg)
