"""What a worker's process answers to those who watch it: orchestrators, autoscalers, scrapers."""

from __future__ import annotations

import asyncio
import json
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import attrs

from shadows.adapters.observers import prometheus
from shadows.adapters.web import Answer
from shadows.core.demand import demand
from shadows.errors import BrokerError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from shadows.adapters.web import Page
    from shadows.ports.looking import Survey
    from shadows.process.work import Working
    from shadows.shadow import Shadow

PATIENCE: Final = 3.0
"""Seconds that a look at the shadow may take; it is made on the worker's event loop."""


@attrs.frozen
class Probes:
    """The pages.  They are made in another thread than the worker's."""

    shadow: Shadow
    worker: Working
    loop: asyncio.AbstractEventLoop
    """the worker's"""
    processes: int = 1
    """how many such worker processes their parent has"""

    @property
    def of_health(self) -> Mapping[str, Page]:
        """What is served where somebody asks for the worker's health, by path."""
        return {"/": self.ready, "/readyz": self.ready, "/livez": self.alive, "/autoscale": self.autoscale}

    @property
    def of_metrics(self) -> Mapping[str, Page]:
        """What is served where somebody collects metrics, by path."""
        return {"/metrics": self.metrics}

    async def metrics(self) -> Answer:
        """Give the metrics of this process to Prometheus."""
        return Answer(prometheus.exposition(), kind=prometheus.CONTENT_TYPE)

    async def ready(self) -> Answer:
        """Tell whether the worker has claimed, or could have, within the last interval."""
        health = self.worker.health()
        return _said(health.words, fine=health.ready)

    async def alive(self) -> Answer:
        """Tell whether its event loop and its pump are alive; the server has no part in it."""
        health = self.worker.health()
        return _said(health.words if not health.alive else f"alive, {health.words}", fine=health.alive)

    async def autoscale(self) -> Answer:
        """Tell how much waits, for how long, and how many such workers could run it at once."""
        look = asyncio.run_coroutine_threadsafe(self._look(), self.loop)
        try:
            async with asyncio.timeout(PATIENCE):
                survey = await asyncio.wrap_future(look)
        except TimeoutError:
            return _said("the event loop or the broker is busy", fine=False)
        except BrokerError:
            return _said("the broker is away", fine=False)
        except RuntimeError:
            return _said("not running", fine=False)
        counts, concurrency = survey.counts, self.worker.options.concurrency * self.processes
        found = demand(
            queued=counts.queued,
            running=counts.running,
            oldest=survey.oldest,
            now=survey.taken,
            concurrency=concurrency,
        )
        return Answer(json.dumps(attrs.asdict(found)) + "\n", kind="application/json")

    async def _look(self) -> Survey:
        return await self.shadow.backend().broker.survey(0)


def _said(words: str, *, fine: bool) -> Answer:
    return Answer(f"{words}\n", HTTPStatus.OK if fine else HTTPStatus.SERVICE_UNAVAILABLE)
