"""Farewell: what a worker says when it ends for lack of work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shadows.errors import BrokerUnavailable

if TYPE_CHECKING:
    from shadows.ports.broker import Broker
    from shadows.ports.observer import Observer


async def tell_what_is_left(broker: Broker, observer: Observer) -> None:
    """Calls that nobody here can run do not hold a worker up, but somebody should know of them."""
    try:
        counts = (await broker.survey(0)).counts
    except BrokerUnavailable:
        return
    if counts.unknown or counts.dead or counts.parked:
        observer.left(counts.unknown, counts.dead, counts.parked)
