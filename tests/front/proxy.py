"""The way of a test's place: a proxy before its server, and clients of its shadow that go there."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self
from urllib.parse import urlsplit

from shadows import Shadow
from shadows.adapters.redis import scripts
from tests.clients import by_client
from tests.way import Fault, Way

if TYPE_CHECKING:
    from tests.front.places import ServerPlace

__all__ = ["Fault", "Proxy"]


class Proxy(Way):
    """A way to the server of one place."""

    def __init__(self, place: ServerPlace) -> None:
        super().__init__(lambda: urlsplit(place.url).port or 0)
        self.place = place

    async def __aenter__(self) -> Self:
        for text in scripts.sources().values():  # so that no request is answered NOSCRIPT and comes twice
            self.place.curtain.ask("SCRIPT", "LOAD", text)
        return await super().__aenter__()

    @property
    def url(self) -> str:
        """Where a client finds the server through it."""
        return by_client(super().url)

    def shadow(self, **options: Any) -> Shadow:
        """Return a client of the place's shadow that goes this way; not entered yet."""
        return Shadow(self.place.name, self.url, **options)
