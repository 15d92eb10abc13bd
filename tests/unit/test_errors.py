from __future__ import annotations

import copy
import inspect
import pickle
import re

import pytest

from shadows import errors
from shadows.errors import (
    BrokenKey,
    BrokerError,
    BrokerFull,
    BrokerUnavailable,
    ConfigurationError,
    CycleError,
    ExecutionCancelled,
    NotAllowed,
    NotAuthentic,
    OutcomeUnknown,
    OutOfMemory,
    PayloadTooLarge,
    ProcessDied,
    ResultUnavailable,
    SerializationError,
    ShadowsError,
    TaskFailed,
    Undecodable,
    UnknownTask,
    UnsupportedServer,
)

ALL = [kind for _, kind in inspect.getmembers(errors, inspect.isclass) if kind.__module__ == errors.__name__]
PARENTS: dict[type[ShadowsError], tuple[type[Exception], ...]] = {
    ShadowsError: (Exception,),
    ConfigurationError: (ShadowsError, ValueError),
    CycleError: (ConfigurationError,),
    UnknownTask: (ShadowsError, KeyError),
    SerializationError: (ShadowsError, TypeError),
    PayloadTooLarge: (SerializationError,),
    Undecodable: (SerializationError,),
    NotAuthentic: (Undecodable,),
    BrokerError: (ShadowsError,),
    BrokerUnavailable: (BrokerError,),
    BrokerFull: (BrokerUnavailable,),
    BrokenKey: (BrokerUnavailable,),
    OutcomeUnknown: (BrokerError,),
    NotAllowed: (BrokerError,),
    UnsupportedServer: (BrokerError,),
    ExecutionCancelled: (ShadowsError,),
    ResultUnavailable: (ShadowsError, LookupError),
    ProcessDied: (ShadowsError,),
    OutOfMemory: (ShadowsError,),
    TaskFailed: (ShadowsError,),
}


def the_tree_in_the_docs() -> dict[str, str]:
    """Read the drawing at the head of the module: of each class its parent."""
    path = [ShadowsError.__name__]
    found: dict[str, str] = {}
    for line in (errors.__doc__ or "").splitlines():
        if drawn := re.match(r"    ([│ ]*)[├└]── (\w+)", line):
            depth = len(drawn[1]) // 4 + 1
            path[depth:] = [drawn[2]]
            found[drawn[2]] = path[depth - 1]
    return found


def test_there_is_one_small_tree_of_exceptions() -> None:
    """``except ShadowsError`` catches all that is raised on purpose; the usual built-in kinds catch theirs."""
    assert {kind: kind.__bases__ for kind in ALL} == PARENTS


def test_the_drawing_of_the_tree_is_true() -> None:
    """It is the first thing that a reader sees of the module."""
    assert the_tree_in_the_docs() == {
        kind.__name__: bases[0].__name__ for kind, bases in PARENTS.items() if kind is not ShadowsError
    }


@pytest.mark.parametrize("kind", [kind for kind in ALL if kind is not ExecutionCancelled])
def test_an_error_travels_between_processes_with_its_text(kind: type[ShadowsError]) -> None:
    """A task may raise any of them, and a process pool may carry it."""
    error = kind("what, where from, and what to do")
    for found in (pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert type(found) is kind
        assert found.args == error.args
        assert str(found) == "what, where from, and what to do"


def test_an_unknown_task_reads_like_a_text_and_not_like_a_key() -> None:
    """A KeyError would show the quoted repr of its argument."""
    assert str(UnknownTask("no task is named 'x' here")) == "no task is named 'x' here"
    assert str(UnknownTask()) == ""


@pytest.mark.parametrize("temporary", [False, True])
def test_what_cannot_be_decoded_remembers_whether_another_worker_may(temporary: bool) -> None:  # noqa: FBT001
    """FAULT 44: a newer format goes back to the others, also when the error crossed a process."""
    error = pickle.loads(pickle.dumps(Undecodable("cut short", temporary=temporary)))
    assert (str(error), error.temporary) == ("cut short", temporary)
    assert not Undecodable("cut short").temporary


@pytest.mark.parametrize("kind", [BrokerUnavailable, BrokerFull, BrokenKey])
def test_an_unavailable_broker_remembers_whether_the_request_was_sent(kind: type[BrokerUnavailable]) -> None:
    """FAULT 55, FAULT 56: whoever catches it must know whether it may have been carried out; the default is that."""
    assert kind("away").sent
    error = pickle.loads(pickle.dumps(kind("away", sent=False)))
    assert (type(error), str(error), error.sent) == (kind, "away", False)


def test_a_cancelled_execution_tells_its_key_and_the_reason() -> None:
    """It is built from both, and so must be when it is loaded again."""
    error = ExecutionCancelled("welcome-42", "superseded")
    for found in (error, pickle.loads(pickle.dumps(error)), copy.copy(error)):
        assert (found.key, found.reason) == ("welcome-42", "superseded")
        assert str(found) == "execution 'welcome-42' ended without a result: superseded"
    assert ExecutionCancelled("k").reason == "cancelled"
