"""More than one server, or one that is not open to everybody, for the tests.

- `TOPOLOGIES`: those in which whole suites can be run, by name
- `Sentinels()`: a primary, a replica, and three Sentinels that watch over them
"""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING, Any, Self

import redis

from tests.servers import PATIENCE, Server, available

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SERVICE = "shop-db"


def newest() -> str:
    """Give the name of the newest server that is here."""
    return list(available())[-1]


def eventually(condition: Callable[[], object]) -> None:
    """Look again and again until something is the case; servers tell nobody when they have agreed."""
    end = time.monotonic() + PATIENCE
    while True:
        with contextlib.suppress(redis.RedisError):
            if condition():
                return
        if time.monotonic() > end:
            raise AssertionError("the servers did not come to terms")
        time.sleep(0.02)


def ask(server: Server, *command: str | int) -> Any:
    """Send one command and give the answer as it is."""
    with redis.Redis(port=server.port, protocol=2) as line:
        line.response_callbacks.clear()
        return line.execute_command(*command)


class Topology:
    """Several servers that are started and ended together, and what a shadow in them is called."""

    name = ""

    def __init__(self) -> None:
        self._open = contextlib.ExitStack()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    @property
    def program(self) -> str:
        """What its servers are."""
        return newest()

    @property
    def url(self) -> str:
        """Where shadows live."""
        raise NotImplementedError

    def curtain_url(self, shadow: str) -> str:
        """Where the keys of a shadow lie: the URL of one server, for redis-py, as somebody who may do everything."""
        return self.url

    def base(self, shadow: str) -> str:
        """What the keys of a shadow begin with."""
        return f"{shadow}:"

    def start(self) -> Self:
        """Start the servers, and return when they are ready."""
        raise NotImplementedError

    def stop(self) -> None:
        """End them all."""
        self._open.close()

    def run(self, server: Server) -> Server:
        """Start one more server, which ends with the others."""
        return self._open.enter_context(server)


class SentinelServer(Server):
    """One Sentinel."""

    def __init__(self, name: str, primary: Server, *rules: str) -> None:
        super().__init__(name)
        self.rules = [f"sentinel monitor {SERVICE} 127.0.0.1 {primary.port} 2", *rules]

    def _arguments(self) -> list[str]:
        settings = [f"port {self.port}", "bind 127.0.0.1", f"dir {self.folder}", *self.rules]
        configuration = self.folder / "sentinel.conf"
        if not configuration.exists():  # it writes into it what it learns
            configuration.write_text("\n".join(settings))
        return [str(available()[self.name]), str(configuration), "--sentinel"]


class Sentinels(Topology):
    """A primary, a replica, and three Sentinels that make the replica a primary when that one is gone for 2 s."""

    name = "sentinel"

    def __init__(self, *options: str) -> None:
        super().__init__()
        self.options = options
        self.servers: list[Server] = []
        self.sentinels: list[Server] = []

    @property
    def url(self) -> str:
        hosts = ",".join(f"127.0.0.1:{one.port}" for one in self.sentinels)
        return f"redis+sentinel://{hosts}/{SERVICE}/0"

    @property
    def primary(self) -> Server:
        """The server that is the primary now."""
        return next(one for one in self.servers if one.running and ask(one, "ROLE")[0] == b"master")

    def curtain_url(self, shadow: str) -> str:
        return self.primary.url

    def start(self) -> Self:
        options = ("--repl-diskless-sync-delay", "0", *self.options)
        first = self.run(Server(self.program, *options))
        second = self.run(Server(self.program, "--replicaof", f"127.0.0.1 {first.port}", *options))
        self.servers = [first, second]
        rules = (f"sentinel down-after-milliseconds {SERVICE} 2000", f"sentinel failover-timeout {SERVICE} 3000")
        self.sentinels = [self.run(SentinelServer(self.program, first, *rules)) for _ in range(3)]
        eventually(lambda: b"online" in ask(first, "INFO", "replication"))
        eventually(lambda: all(self._knows_all(one) for one in self.sentinels))
        return self

    def says(self, sentinel: Server) -> Mapping[str, str]:
        """Give what a Sentinel knows of the primary."""
        told = [part.decode() for part in ask(sentinel, "SENTINEL", "MASTER", SERVICE)]
        return dict(zip(told[::2], told[1::2], strict=True))

    def fail_over(self) -> None:
        """Let the Sentinels make the replica the primary, and return when all of them know."""
        before = self.says(self.sentinels[0])["port"]
        ask(self.sentinels[0], "SENTINEL", "FAILOVER", SERVICE)
        eventually(lambda: all(self.says(one)["port"] != before for one in self.sentinels))

    def _knows_all(self, sentinel: Server) -> bool:
        known = self.says(sentinel)
        return known["num-other-sentinels"] == "2" and known["num-slaves"] == "1" and known["flags"] == "master"


TOPOLOGIES: Mapping[str, Callable[[], Topology]] = {"sentinel": Sentinels}
"""By name, those in which the suites of the contract and of the front doors run."""
