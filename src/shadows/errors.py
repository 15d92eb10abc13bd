"""Every exception that shadows raises on purpose.

::

    ShadowsError
    ├── ConfigurationError (ValueError)    an option, a name or a URL that cannot work
    │   └── CycleError                     dependencies that need each other
    ├── UnknownTask (KeyError)             a name that nobody registered
    ├── SerializationError (TypeError)     a value that cannot travel
    │   ├── PayloadTooLarge                ... because it is too big
    │   └── Undecodable                    bytes that cannot be read back
    │       └── NotAuthentic               ... for nobody who knows the secret has written them
    ├── BrokerError                        the server, or the way to it
    │   ├── BrokerUnavailable              not now; trying again may help
    │   │   ├── BrokerFull                 it has no memory or disk left for new calls
    │   │   └── BrokenKey                  one of our keys was overwritten by something else
    │   ├── OutcomeUnknown                 the request may or may not have been carried out
    │   ├── NotAllowed                     credentials or rights are missing
    │   └── UnsupportedServer              older than Redis 6.2, or not such a server at all
    ├── ExecutionCancelled                 the run ended without a result, on somebody's decision
    ├── ResultUnavailable (LookupError)    there is no result to be had any more
    ├── ProcessDied                        the process that ran a body ended before the body did
    ├── OutOfMemory                        a worker had to end, for it has no memory left
    └── TaskFailed                         stands for an exception that could not be rebuilt here

Expected refusals, such as a key that is taken, are values (:class:`shadows.Disposition`), never exceptions.
"""

from __future__ import annotations


class ShadowsError(Exception):
    """The root of everything that shadows raises on purpose."""


class ConfigurationError(ShadowsError, ValueError):
    """An option, a name, a key, a time or a URL that cannot work; the text names it, its value and the
    remedy.

    For programs that tell their users, some of it stands apart; what is not known is empty:

    - ``source``: the argument, the option of a command line or the environment variable, by its name
    - ``value``: what was written there, or the part of it that cannot work
    - ``instead``: what could be written in its place
    - ``remedy``: what else there is to do, where no other value helps
    """

    def __init__(
        self, message: str = "", *, source: str = "", value: str = "", instead: str = "", remedy: str = ""
    ) -> None:
        super().__init__(message)
        self.source = source
        self.value = value
        self.instead = instead
        self.remedy = remedy


class CycleError(ConfigurationError):
    """Dependencies that need each other in a circle; the text goes round it once."""


class UnknownTask(ShadowsError, KeyError):
    """A task name that is not registered; the text lists near matches."""

    def __str__(self) -> str:
        return str(self.args[0]) if self.args else ""


class SerializationError(ShadowsError, TypeError):
    """A value that cannot travel to a worker or back; the text names where in the arguments it lies."""


class PayloadTooLarge(SerializationError):
    """Arguments or a result above the limit; the text names both sizes."""


class Undecodable(SerializationError):
    """Bytes from the broker that cannot be read back; nothing of them was run.

    ``temporary`` is true when a newer or better equipped worker may succeed: the writer's version is newer,
    or a module that the value needs is not installed here.
    """

    def __init__(self, message: str, *, temporary: bool = False) -> None:
        super().__init__(message)
        self.temporary = temporary


class NotAuthentic(Undecodable):
    """Bytes from the broker that nobody who knows the secret has sealed as what they pass for; nothing of them was
    decoded.
    """


class BrokerError(ShadowsError):
    """The server answered with something that stops the work, or did not answer."""


class BrokerUnavailable(BrokerError):
    """The server cannot be reached, or cannot serve us now; the same request may succeed later.

    ``sent`` is false when the request surely changed nothing: it never left this process, or the server refused
    all of it.
    """

    def __init__(self, message: str, *, sent: bool = True) -> None:
        super().__init__(message)
        self.sent = sent


class BrokerFull(BrokerUnavailable):
    """The server refuses writes because its memory or its disk is full."""


class BrokenKey(BrokerUnavailable):
    """One of our keys holds a value of another type; the text names it.  Delete or rename that key."""


class OutcomeUnknown(BrokerError):
    """The connection broke and the deadline passed before anybody could tell whether the request was
    carried out.
    """


class NotAllowed(BrokerError):
    """The server refuses these credentials, or the user lacks a right that the text names."""


class UnsupportedServer(BrokerError):
    """The server is older than Redis 6.2, or no Redis or Valkey at all."""


class ExecutionCancelled(ShadowsError):
    """The run ended without a result on somebody's decision; ``reason`` is a word such as ``cancelled`` or
    ``superseded``.
    """

    def __init__(self, key: str, reason: str = "cancelled") -> None:
        super().__init__(f"execution {key!r} ended without a result: {reason}")
        self.key = key
        self.reason = reason

    def __reduce__(self) -> tuple[type[ExecutionCancelled], tuple[str, str]]:
        return type(self), (self.key, self.reason)


class ResultUnavailable(ShadowsError, LookupError):
    """The run's record is not kept (``execution_ttl=0``), has expired, or never existed."""


class TaskFailed(ShadowsError):
    """Stands for a task's exception that cannot be rebuilt here; the text names the original type and
    message.
    """


class ProcessDied(ShadowsError):
    """The process that ran a task ended before the task did: it was killed, crashed, or the task itself ended it.

    It is a failure like any other, and ``Retry`` tries again; the worker and every other call go on.
    """


class OutOfMemory(ShadowsError):
    """A task has used up the memory of its worker, which ended after it had handed back what ran."""
