"""The mini-port under the Redis adapter: what a client library must do for it."""

from __future__ import annotations

from typing import Any, Protocol

from shadows.errors import BrokenKey, BrokerUnavailable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Coroutine
    from contextlib import AbstractAsyncContextManager

type Value = bytes | str | int | float
type Command = tuple[Value, ...]


class NoScript(Exception):
    """The server does not know a script by its digest (any more)."""


class Elsewhere(BrokerUnavailable):
    """The server does not serve our keys (any more); ``node`` is the host and port of the one that does, where it
    was told.
    """

    def __init__(self, message: str, node: tuple[str, int] | None = None, *, sent: bool = True) -> None:
        super().__init__(message, sent=sent)
        self.node = node


class Driver(Protocol):
    """Three lanes, each a connection of its own that is opened when first used.

    The commands of one call travel together, and each has its answer.  A refusal by the server is an answer
    too: an exception of ours, or NoScript; ``sent`` is false in one for which nothing was carried out.  What breaks
    the whole trip is raised, as BrokerUnavailable, NotAllowed or UnsupportedServer.  A server that says that it is
    not the right one is left: the next request looks for it anew, and goes there at once if it was told where.
    """

    def ask(self, *commands: Command) -> Coroutine[Any, Any, list[Any]]:
        """Send and answer, on the lane for commands."""
        ...

    def wait(self, *commands: Command, patience: float) -> Coroutine[Any, Any, list[Any]]:
        """Send and answer, on the lane for waiting; the first command may block for ``patience`` seconds."""
        ...

    def ask_blocking(self, *commands: Command) -> list[Any]:
        """Send and answer, on the lane for renewals; to be called from one other thread only."""
        ...

    def subscription(self, hear: Callable[[bytes | None, bytes], None]) -> AbstractAsyncContextManager[Subscription]:
        """Open a connection that calls ``hear(channel, message)``, and ``hear(None, b"")`` after it broke
        and came back.
        """
        ...

    async def close(self) -> None:
        """Close what is open."""
        ...

    def client(self) -> Any:
        """Return a client of the library for the user's own commands."""
        ...


class Subscription(Protocol):
    """An open pub/sub connection."""

    async def add(self, channel: str) -> None:
        """Hear this channel; returns when the server confirmed it, or when the connection is down (it is
        added later then).
        """
        ...

    async def remove(self, channel: str) -> None:
        """Hear this channel no more."""
        ...

    def doubt(self) -> None:
        """Open another connection instead of this one, on which nothing was confirmed for too long."""
        ...


async def ask_about(driver: Driver, key: str, *command: Value) -> Any:
    """Ask one command that needs no script; raise BrokenKey that names the key if it holds something else."""
    (answer,) = about(key, await driver.ask(command))
    return answer


def about(key: str, answers: list[Any]) -> list[Any]:
    """Return what was answered about one key; raise the first refusal, which names that key if it is not ours."""
    try:
        first_error(answers)
    except BrokenKey as broken:
        raise BrokenKey(f"the key {key!r} holds a value of another type; delete or rename it") from broken
    return answers


def did_nothing(answer: Any) -> bool:
    """Whether this is a refusal which says that nothing was carried out of what it answers."""
    return isinstance(answer, NoScript) or (isinstance(answer, BrokerUnavailable) and not answer.sent)


def first_error(answers: list[Any]) -> None:
    """Raise the first refusal among the answers."""
    for answer in answers:
        if isinstance(answer, Exception):
            raise answer
