"""What the parent of several worker processes answers to those who watch it: what all of them say, made one."""

from __future__ import annotations

import asyncio
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

import attrs

from shadows.adapters.observers import prometheus
from shadows.adapters.web import Answer

if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine, Mapping

    from shadows.adapters.observers.expositions import Ledger
    from shadows.adapters.web import Page
    from shadows.process.crew import Crew

SILENT: Final = "it does not answer"


@attrs.frozen
class Roll:
    """The pages.  They are made on the event loop of the crew, and asked for in another thread."""

    crew: Crew
    loop: asyncio.AbstractEventLoop
    """the crew's"""
    ledger: Ledger | None = None
    """None: nobody collects metrics"""

    @property
    def of_health(self) -> Mapping[str, Page]:
        """What is served where somebody asks for health, by path."""
        return {
            "/": self._page(self._ready),
            "/readyz": self._page(self._ready),
            "/livez": self._page(self._alive),
            "/autoscale": self._page(self._autoscale),
        }

    @property
    def of_metrics(self) -> Mapping[str, Page]:
        """What is served where somebody collects metrics, by path."""
        return {"/metrics": self._page(self._metrics)}

    def _page(self, make: Callable[[], Coroutine[None, None, Answer]]) -> Page:
        async def page() -> Answer:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(make(), self.loop))

        return page

    async def _ready(self) -> Answer:
        """Ready are all of them or none: else a probe would not see one that dies again and again."""
        return self._joined(await self.crew.ask("/readyz"), starting=HTTPStatus.SERVICE_UNAVAILABLE)

    async def _alive(self) -> Answer:
        """One that hangs is a reason to restart them all; one that has died is not, for it is started anew."""
        return self._joined(await self.crew.ask("/livez"), starting=HTTPStatus.OK)

    async def _autoscale(self) -> Answer:
        """All of them see the same shadow."""
        said = [answer for answer in (await self.crew.ask("/autoscale")).values() if answer is not None]
        fine = [answer for answer in said if answer.status is HTTPStatus.OK]
        return (*fine, *said, Answer("no worker process runs\n", HTTPStatus.SERVICE_UNAVAILABLE))[0]

    async def _metrics(self) -> Answer:
        if self.ledger is None:
            raise AssertionError
        for number, answer in (await self.crew.ask("/metrics")).items():
            if answer is not None and answer.status is HTTPStatus.OK and number in self.crew.members:
                self.ledger.note(number, _text(answer))
        return Answer(self.ledger.exposition(), kind=prometheus.CONTENT_TYPE)

    def _joined(self, answers: Mapping[int, Answer | None], *, starting: HTTPStatus) -> Answer:
        said = {number: answer or self._instead(number, starting) for number, answer in answers.items()}
        texts = {number: _text(answer).strip() for number, answer in said.items()}
        fine = bool(said) and all(answer.status is HTTPStatus.OK for answer in said.values())
        alike = set(texts.values())
        text = alike.pop() if len(alike) == 1 else "; ".join(f"{number}: {words}" for number, words in texts.items())
        return Answer(f"{text or 'ending'}\n", HTTPStatus.OK if fine else HTTPStatus.SERVICE_UNAVAILABLE)

    def _instead(self, number: int, starting: HTTPStatus) -> Answer:
        if self.crew.starting(number):
            return Answer("starting", starting)
        return Answer(SILENT, HTTPStatus.SERVICE_UNAVAILABLE)


def _text(answer: Answer) -> str:
    return answer.body if isinstance(answer.body, str) else answer.body.decode()
