"""Where a shadow of a test lives: a name that nobody used before, on one backend, and what it left behind there."""

from __future__ import annotations

import itertools
import os
from typing import TYPE_CHECKING, Any

import attrs

from shadows import Shadow
from tests.contract.harness import ServerHarness

if TYPE_CHECKING:
    from tests.servers import Server
    from tests.topologies import Topology

_numbers = itertools.count(1)


def _name() -> str:
    return f"front-{os.getpid()}-{next(_numbers)}"


@attrs.define
class Place:
    """One backend, and the name of a shadow that starts empty."""

    kind: str
    """``memory``, or a server's name"""
    url: str
    name: str = attrs.field(factory=_name)

    def shadow(self, **options: Any) -> Shadow:
        """Return a client of the shadow, not entered yet."""
        return Shadow(self.name, self.url, **options)

    def leftovers(self) -> list[str]:
        """Return what nobody accounts for, now that everybody has left."""
        return []

    def sweep_too(self, name: str) -> None:
        """Sweep up what another shadow of the test has left here."""

    def close(self) -> None:
        """Sweep up."""


@attrs.define
class ServerPlace(Place):
    """A place on a real server."""

    server: Server | Topology = attrs.field(kw_only=True)
    curtain: ServerHarness = attrs.field(init=False)
    """to look behind it"""

    def __attrs_post_init__(self) -> None:
        self.curtain = ServerHarness(self.server, name=self.name)
        self.curtain._names.add(self.name)

    def leftovers(self) -> list[str]:
        """Return stray keys (INV 41), and leases and consumers of workers that have left."""
        pending = [f"lease {token} of {consumer}" for token, consumer, _ in self.curtain.pending()]
        return [*self.curtain.stray_keys(), *pending, *self.consumers()]

    def consumers(self) -> list[str]:
        """Return the names of the consumers of the stream."""
        if not self.curtain.ask("EXISTS", self.curtain.key("stream")):
            return []
        groups = self.curtain.ask("XINFO", "GROUPS", self.curtain.key("stream"))
        found = self.curtain.ask("XINFO", "CONSUMERS", self.curtain.key("stream"), "workers") if groups else []
        return [f"consumer {row[1].decode()}" for row in found]

    def sweep_too(self, name: str) -> None:
        for key in self.curtain.keys(name):
            self.curtain.ask("DEL", self.curtain.key(key, name))

    def close(self) -> None:
        """Sweep up."""
        self.curtain.sweep_up()
        self.curtain.line.close()
