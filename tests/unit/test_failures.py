from __future__ import annotations

import asyncio
import pickle
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
from shadows.core import failures
from shadows.core.failures import RemoteTraceback, decode_failure, describe, encode_failure
from shadows.errors import SerializationError, TaskFailed, Undecodable

CODEC = CloudpickleCodec()


class Plain(Exception):
    def __init__(self, code: int, *, hint: object = "") -> None:
        super().__init__(code)
        self.hint = hint


def iter_nothing() -> Iterator[int]:
    yield from ()


class Demanding(Exception):
    """Pickles, but its constructor wants more than ``args`` holds."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(f"{code}: {reason}")


class Mute(Exception):
    def __str__(self) -> str:
        raise KeyboardInterrupt


class Changeling(Exception):
    """Becomes something else when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        return str, ("no exception",)


class Nameless(type):
    def __getattribute__(cls, name: str) -> Any:
        if name == "__qualname__":
            raise RuntimeError
        return super().__getattribute__(name)


class OwnBase(BaseException):
    pass


class Sealed(Exception):
    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError(name)


class WordsOnly:
    """A codec for plain data, as JSON is."""

    id = "w"

    def encode(self, value: Any) -> bytes:
        if isinstance(value, BaseException):
            raise SerializationError
        return pickle.dumps(value)

    def decode(self, data: bytes) -> Any:
        return pickle.loads(data)


def caught(error: BaseException) -> BaseException:
    try:
        secret = "".join(["password", "123"])  # noqa: F841, FLY002 - a local variable that must not be seen
        raise error  # noqa: TRY301 - so that it has a traceback
    except BaseException as found:  # noqa: BLE001 - whatever it is
        return found


def there_and_back(error: BaseException) -> Exception:
    return decode_failure(CODEC, encode_failure(CODEC, caught(error)))


def test_an_exception_comes_back_as_it_was() -> None:
    """Its class, its arguments, its attributes and its notes."""
    error = Plain(7, hint="try again")
    error.add_note("while shipping")
    found = there_and_back(error)
    assert type(found) is Plain
    assert (found.args, found.hint, found.__notes__) == ((7,), "try again", ["while shipping"])


def test_it_brings_the_traceback_of_the_worker_as_its_cause() -> None:
    """Whoever prints it sees where in the worker it was raised."""
    found = there_and_back(ValueError("no such order"))
    assert isinstance(found.__cause__, RemoteTraceback)
    printed = "".join(traceback.format_exception(found))
    assert "in caught" in printed
    assert "direct cause" in printed


def test_the_cause_and_the_group_members_are_told_in_the_traceback() -> None:
    """FAULT 29: they do not travel themselves, but their words do."""
    error = ExceptionGroup("several", [ValueError("one"), OSError("two")])
    error.__cause__ = RuntimeError("the reason")
    found = there_and_back(error)
    assert isinstance(found, ExceptionGroup)
    assert [str(each) for each in found.exceptions] == ["one", "two"]
    assert "RuntimeError: the reason" in str(found.__cause__)


def test_no_local_variable_travels() -> None:
    """INV 45: nothing that the body had in its hands is in the bytes."""
    assert b"password123" not in encode_failure(CODEC, caught(ValueError()))


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (Demanding(1, "x"), f"{__name__}.Demanding: 1: x"),
        (Plain(1, hint=iter_nothing()), f"{__name__}.Plain: 1"),
        (Changeling("c"), f"{__name__}.Changeling: c"),
    ],
    ids=lambda value: type(value).__name__,
)
def test_an_exception_that_cannot_be_rebuilt_comes_back_as_one_that_names_it(error: Exception, text: str) -> None:
    """INV 15, FAULT 27: not picklable, not loadable, or not itself any more; the traceback comes all the same."""
    found = there_and_back(error)
    assert type(found) is TaskFailed
    assert str(found) == text
    assert "in caught" in str(found.__cause__)


def test_an_exception_without_a_message_is_named_by_its_type() -> None:
    """No colon without a text behind it."""
    assert str(there_and_back(SystemExit())) == "SystemExit"


@pytest.mark.parametrize(
    "error",
    [
        SystemExit(3),
        KeyboardInterrupt("k"),
        GeneratorExit("g"),
        asyncio.CancelledError("c"),
        OwnBase("o"),
        BaseExceptionGroup("b", [SystemExit(3)]),
        StopIteration("s"),
        StopAsyncIteration("a"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_what_would_end_the_waiting_program_comes_back_as_a_failure(error: BaseException) -> None:
    """FAULT 30: raised by a body, it is that body's failure, and never the end of whoever waits."""
    found = there_and_back(error)
    assert type(found) is TaskFailed
    assert describe(error).type in str(found)


def test_bytes_that_claim_such_an_exception_are_not_believed() -> None:
    """FAULT 30: the reader checks too, whatever the writer was."""
    data = CODEC.encode(["SystemExit", "3", "trace", CODEC.encode(SystemExit(3))])
    assert type(decode_failure(CODEC, data)) is TaskFailed


def test_an_exception_that_the_reader_lacks_the_class_of_comes_back_in_words() -> None:
    """INV 15: the worker could load it, the waiting process cannot."""
    data = CODEC.encode(["orders.Gone", "order 7", "trace", b"\x80\x05corders\nGone\n."])
    found = decode_failure(CODEC, data)
    assert (type(found), str(found)) == (TaskFailed, "orders.Gone: order 7")


def test_with_a_codec_for_plain_data_an_exception_travels_in_words() -> None:
    """The description needs nothing but text."""
    codec = WordsOnly()
    found = decode_failure(codec, encode_failure(codec, caught(ValueError("no"))))
    assert (type(found), str(found)) == (TaskFailed, "ValueError: no")


def test_an_exception_that_forbids_assignments_gets_its_traceback_too() -> None:
    """A class may refuse ``error.__cause__ = ...``."""
    found = there_and_back(Sealed(7))
    assert isinstance(found, Sealed)
    assert isinstance(found.__cause__, RemoteTraceback)


def test_a_large_exception_travels_in_words() -> None:
    """FAULT 29: a message of 10 MB neither fills the server nor hides where it was raised."""
    data = encode_failure(CODEC, caught(ValueError("x" * 10_000_000)))
    assert len(data) < 100_000
    found = decode_failure(CODEC, data)
    assert type(found) is TaskFailed
    assert "(10,000,000 characters)" in str(found)
    assert "in caught" in str(found.__cause__)
    assert type(decode_failure(CODEC, encode_failure(CODEC, ValueError("x"), longest=10))) is TaskFailed


def test_a_long_traceback_keeps_its_beginning_and_its_end() -> None:
    """FAULT 29: 64 kB at most, whatever characters it holds; the first cause and the error itself remain."""
    error: BaseException = ValueError("the first")
    for number in range(2000):
        following = ValueError(f"é {number}")
        following.__cause__ = error
        error = following
    found = describe(error)
    assert len(found.traceback.encode()) <= failures.LONGEST_TRACEBACK
    assert found.traceback.startswith("ValueError: the first")
    assert found.traceback.endswith("é 1999\n")
    assert "left out here" in found.traceback


def test_causes_in_a_circle_end() -> None:
    """FAULT 29: two exceptions that name each other as their cause."""
    first, second = ValueError("first"), ValueError("second")
    first.__cause__, second.__cause__ = second, first
    assert "second" in there_and_back(first).__cause__.args[0]  # type: ignore[union-attr]


def test_a_group_in_a_group_in_a_group_ends() -> None:
    """FAULT 29: nested far deeper than anything can print."""
    group: ExceptionGroup[Any] = ExceptionGroup("g", [ValueError("innermost")])
    for _ in range(20_000):
        group = ExceptionGroup("g", [group])
    found = there_and_back(group)
    assert type(found) is TaskFailed
    assert str(found).startswith("ExceptionGroup: g")
    while len(group.exceptions) == 1 and isinstance(group.exceptions[0], ExceptionGroup):
        group = group.exceptions[0]  # take it apart here: freeing it at once would be deep, too


def test_describing_never_raises() -> None:
    """INV 15: whatever the exception's own code does, its run fails with a text, and the worker goes on."""
    strange = Nameless("Strange", (Exception,), {"__str__": Mute.__str__})()
    found = describe(strange)
    assert (found.type, found.message) == ("BaseException", "<its __str__ failed>")
    assert describe(ValueError("a\ud800")).message == "a\\ud800"
    assert describe(Plain(1)).type == f"{__name__}.Plain"


def test_a_traceback_that_cannot_be_made_is_replaced_by_what_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    """FAULT 35: no memory, no depth left; the type and the message will do."""

    def broken(*_args: object, **_kwargs: object) -> None:
        raise MemoryError

    monkeypatch.setattr(traceback.TracebackException, "from_exception", broken)
    assert describe(ValueError("no")).traceback == "ValueError: no\n"


@pytest.mark.parametrize("value", [None, [], ["a", "b", "c"], ["a", "b", "c", "d"], {"type": "x"}])
def test_bytes_that_hold_no_exception_are_undecodable(value: object) -> None:
    """INV 15: the reader gets an error in words."""
    with pytest.raises(Undecodable, match="holds no exception"):
        decode_failure(CODEC, CODEC.encode(value))
