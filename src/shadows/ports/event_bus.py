"""Hints about what happens to a key.  Correctness never depends on one being delivered."""

from __future__ import annotations

from typing import Protocol

import attrs

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from contextlib import AbstractAsyncContextManager


@attrs.frozen
class Hint:
    """Something happened to the key: a new ``state`` (or ``superseded``, or ``progress``) of the attempt
    with this fence, at this ms.
    """

    what: str
    fence: int | None
    at: int
    fields: tuple[tuple[str, str], ...] = ()
    """of progress"""


class EventBus(Protocol):
    """Opened only while somebody listens."""

    @property
    def loses_hints(self) -> bool:
        """Whether a hint may be lost, so that who waits for one should look by himself now and then."""
        ...

    def listen(self, key: str) -> AbstractAsyncContextManager[AsyncIterator[Hint | None]]:
        """Listen from the moment of entering; hints come only after a read with ``Part.WATCH``.

        The iterator yields None when something may have been missed (the connection broke and is back):
        read again.
        """
        ...
