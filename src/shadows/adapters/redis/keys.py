"""The names of one shadow's keys.  No key that a user can choose collides with one of ours."""

from __future__ import annotations

import re
from urllib.parse import unquote

import attrs

RESERVED = frozenset({"stream", "queue", "runs", "results", "workers", "worker-tasks", "strikes", "concurrency", "-"})
"""First segments of a key that are ours."""
_ID = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")
_ENCODED = re.compile(r"[%\x00-\x1f\x7f-\x9f]")


def _percent(text: str) -> str:
    return "".join(f"%{byte:02X}" for byte in text.encode())


def encode(key: str) -> str:
    """Return the key as it stands in key names: ``%`` and control characters are percent-encoded, and so is
    the first character of a first segment that belongs to the system.
    """
    if key.isalnum() and key not in RESERVED:  # as most are
        return key
    if not key.isprintable() or "%" in key:
        key = _ENCODED.sub(lambda match: _percent(match.group()), key)
    if key.partition(":")[0] in RESERVED or key.startswith("!"):
        return _percent(key[0]) + key[1:]
    return key


def decode(name: str) -> str:
    """Return the user's key of an encoded one."""
    return unquote(name, errors="strict") if "%" in name else name


def is_id(text: str) -> bool:
    """Tell whether this is an id of a stream."""
    return _ID.fullmatch(text) is not None


@attrs.frozen
class Keys:
    """The fixed names of one shadow; ``base`` is what all of its keys and channels begin with."""

    base: str

    @property
    def stream(self) -> str:
        """Ready and running calls."""
        return self.base + "stream"

    @property
    def nowhere(self) -> str:
        """A key of the same slot that never exists: a migrating slot refuses a script for its sake before
        the first write.
        """
        return self.base + "-"

    @property
    def bell(self) -> str:
        """Where idle workers wait."""
        return self.base + "!bell"

    @property
    def dead(self) -> str:
        """The dead letters."""
        return self.base + "!dead"

    @property
    def strikes(self) -> str:
        """The strike log."""
        return self.base + "strikes"

    @property
    def replicated(self) -> str:
        """Written so that there is something to wait for, until replicas have it."""
        return self.base + "!replicated"

    def inbox(self, holder_id: str) -> str:
        """Where one worker hears what its running bodies must know."""
        return f"{self.base}!inbox:{holder_id}"

    def progress(self, encoded_key: str) -> str:
        """The progress of a run."""
        return f"{self.base}!progress:{encoded_key}"

    def events(self, encoded_key: str) -> str:
        """The channel of hints about a key."""
        return f"{self.base}!events:{encoded_key}"


def standalone(name: str) -> Keys:
    """Return the keys of a shadow on a server of its own: ``NAME:...``."""
    return Keys(f"{name}:")


def clustered(name: str) -> Keys:
    """Return the keys of a shadow in a cluster: ``{NAME}:...`` with these braces, so that all are in one slot."""
    return Keys(f"{{{name}}}:")
