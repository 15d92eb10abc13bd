"""Tasks to try the samples with: an order is shipped at once, and every minute somebody looks for late ones."""

from datetime import timedelta
from logging import Logger, LoggerAdapter

from shadows import ConcurrencyLimit, ExponentialRetry, Perpetual, TaskLogger


async def ship(
    order: int,
    retry: ExponentialRetry = ExponentialRetry(attempts=5),
    limit: ConcurrencyLimit = ConcurrencyLimit("order"),
    log: LoggerAdapter[Logger] = TaskLogger(),
) -> None:
    """Ship an order."""
    log.info("order %d is on its way", order)


async def look_for_late_ones(
    perpetual: Perpetual = Perpetual(every=timedelta(minutes=1), automatic=True),
    log: LoggerAdapter[Logger] = TaskLogger(),
) -> None:
    """Look for orders that are late."""
    log.info("none is late")


tasks = [ship, look_for_late_ones]
