"""Who may hold leases: one identity for each entered worker, which also tells how long its leases last."""

from __future__ import annotations

import attrs

from shadows.core.scheduling import milliseconds

TYPE_CHECKING = False
if TYPE_CHECKING:
    from datetime import timedelta


@attrs.frozen
class Holder:
    """The identity ``name@random:lease``.

    A worker's name is for people and may repeat; ``id`` is new each time a worker is entered.  It ends with
    the length of its leases in ms, so that whoever looks at an expired lease judges it by its holder's
    length, never by its own.
    """

    name: str
    id: str
    lease: int
    """ms after which a lease that was not renewed may be redelivered"""


def holder(name: str, lease: timedelta, *, nonce: str) -> Holder:
    """Return a new identity for the worker ``name``; ``nonce`` must never repeat."""
    length = milliseconds(lease)
    return Holder(name, f"{name}@{nonce}:{length}", length)


def name_of(holder_id: str) -> str:
    """Return the worker's name in a holder's id."""
    return holder_id.rpartition("@")[0]
