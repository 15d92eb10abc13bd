from __future__ import annotations

import functools
import gc
import pickle
import threading
import types
import weakref
from collections.abc import Callable
from typing import Any

import pytest

from shadows.dependencies.marker import Marker
from shadows.dependencies.process import StaysBehind, in_process
from shadows.dependencies.registry import Registry, own_name
from shadows.dependencies.retry import Retry
from shadows.errors import ConfigurationError, UnknownTask

_retry = Retry(attempts=3)


async def send_mail(to: str) -> None: ...


def send_letter(to: str) -> None: ...


def made(result: int) -> Callable[[], int]:
    def task() -> int:
        return result

    return task


class Mailer:
    async def send(self, to: str) -> None: ...


class Unhashable:
    __hash__ = None  # type: ignore[assignment]

    def __eq__(self, other: object) -> bool:
        return False

    def __call__(self) -> None: ...


@pytest.fixture
def registry() -> Registry:
    return Registry()


# Registering


def test_a_function_is_registered_under_its_own_name(registry: Registry) -> None:
    """And read once: registering it again is nothing."""
    assert registry.register(send_mail) == "send_mail"
    plan = registry.named("send_mail")
    assert (plan.function, plan.is_async) == (send_mail, True)
    assert registry.register(send_mail) == "send_mail"
    assert registry.named("send_mail") is plan


def test_a_function_can_have_other_names_of_which_the_first_is_the_one_it_is_called_by(registry: Registry) -> None:
    """A renamed task keeps its old name for what waits already."""
    assert registry.register(send_mail, names=["mail", "send_mail_v1"]) == "mail"
    assert registry.register(send_mail) == "mail"
    assert set(registry.plans) == {"mail", "send_mail_v1"}
    assert registry.register(send_mail, names=iter(["post"])) == "post"
    assert registry.register(send_mail) == "post"
    assert set(registry.plans) == {"mail", "send_mail_v1", "post"}


def test_what_has_no_name_needs_one(registry: Registry) -> None:
    """Functions travel by name only."""
    nameless: list[Callable[..., Any]] = [lambda: None, functools.partial(send_mail, "me"), Unhashable()]
    for number, function in enumerate(nameless):
        with pytest.raises(ConfigurationError, match=r"no name that another process could find it by; give one"):
            registry.register(function)
        assert registry.register(function, names=[f"task-{number}"]) == f"task-{number}"
        assert registry.register(function) == f"task-{number}"


def test_one_text_is_not_a_list_of_names(registry: Registry) -> None:
    """Its letters would become names, each of them."""
    with pytest.raises(ConfigurationError, match=r"names='mail' is one text; write names=\['mail'\]"):
        registry.register(send_mail, names="mail")
    assert registry.plans == {}


def test_no_names_are_no_names(registry: Registry) -> None:
    """An empty list is a mistake, not a wish for the default."""
    with pytest.raises(ConfigurationError, match="names nothing; leave it out"):
        registry.register(send_mail, names=[])


@pytest.mark.parametrize("bad", ["", "x" * 201, "\ud800"])
def test_a_name_that_cannot_travel_is_refused(registry: Registry, bad: str) -> None:
    """FAULT 10, FAULT 11: before anything is registered."""
    with pytest.raises(ConfigurationError):
        registry.register(send_mail, names=["good", bad])
    assert registry.plans == {}
    send_other = types.FunctionType(send_letter.__code__, {}, "x")
    send_other.__name__ = bad
    with pytest.raises(ConfigurationError):
        own_name(send_other)


@pytest.mark.parametrize("thing", [5, None, "send_mail", [send_mail]])
def test_what_cannot_be_called_is_no_task(registry: Registry, thing: Any) -> None:
    """The text says so, instead of asking for a name."""
    with pytest.raises(TypeError, match=f"a task must be a function, not {type(thing).__name__}"):
        registry.register(thing)


def test_dependencies_that_contradict_each_other_are_refused_here(registry: Registry) -> None:
    """FAULT 25, FAULT 17: a wrong task fails when it is registered, not at night."""

    async def twice(a: Retry = _retry, b: Retry = _retry) -> None: ...

    with pytest.raises(ConfigurationError, match="declares Retry twice"):
        registry.register(twice)
    assert registry.plans == {}


def test_two_tasks_of_one_name_are_refused(registry: Registry) -> None:
    """One of them would run in place of the other; the text names both places."""
    registry.register(send_mail)
    with pytest.raises(
        ConfigurationError, match=r"two tasks would be named 'send_mail': .*send_mail and .*send_letter"
    ):
        registry.register(send_letter, names=["letter", "send_mail"])
    assert set(registry.plans) == {"send_mail"}
    assert registry.register(send_letter) == "send_letter"


def test_functions_without_a_place_are_told_apart_all_the_same(registry: Registry) -> None:
    """Two callables of one class are two tasks."""
    registry.register(Unhashable(), names=["x"])
    with pytest.raises(ConfigurationError, match="two tasks would be named 'x'"):
        registry.register(Unhashable(), names=["x"])


def test_a_function_defined_anew_in_the_same_place_takes_the_name_over(registry: Registry) -> None:
    """As after a reload, or in a closure; whoever is asked for last is who is meant."""
    first, second = made(1), made(2)
    for function in (first, second, first, second):
        assert registry.register(function) == "task"
        assert registry.named("task").function is function


def test_a_name_that_was_taken_over_takes_none_of_the_others_away(registry: Registry) -> None:
    """A function of several names is still called by its first."""
    first, second = made(1), made(2)
    registry.register(first, names=["main", "task"])
    registry.register(second)
    assert registry.register(first) == "main"
    assert registry.named("main").function is first
    assert registry.named("task").function is second


def test_a_bound_method_is_kept_once_however_often_it_is_called(registry: Registry) -> None:
    """``add(mailer.send)`` has a new method object each time; none but the last may stay in memory."""
    mailer = Mailer()
    for _ in range(5):
        assert registry.register(mailer.send) == "send"
    assert (len(registry.plans), len(registry._names)) == (1, 1)
    gone = weakref.ref(mailer)
    registry.register(Mailer().send)
    del mailer
    gc.collect()
    assert gone() is None


# Looking up


def test_a_name_that_nobody_registered_is_an_error_with_near_matches(registry: Registry) -> None:
    """FAULT 20: the usual mistake is a typing error."""
    registry.register(send_mail)
    with pytest.raises(UnknownTask, match=r"^no task is named 'send_mial' here; did you mean send_mail"):
        registry.named("send_mial")
    with pytest.raises(KeyError, match=r"'zzz' here; register it first: shadows.register\(function\)"):
        registry.named("zzz")


# In a process of their own


@in_process
def crunch(number: int, retry: Retry = Retry(attempts=2)) -> int:
    return number


class _Stays(Marker):
    """A dependency that means nothing elsewhere."""


_stays = _Stays()


def test_a_task_runs_in_a_process_if_it_is_marked_or_registered_so() -> None:
    """The mark changes nothing else: the function stays itself, and collections can hold it."""
    registry = Registry()
    assert registry.plans[registry.register(crunch)].in_process
    assert crunch(1) == 1
    assert not registry.plans[registry.register(send_letter)].in_process
    assert registry.plans[registry.register(send_letter, process=True)].in_process
    assert registry.plans[registry.register(send_letter)].in_process


def test_a_function_that_no_module_has_can_run_in_a_process_if_it_can_travel() -> None:
    """One of a program's main module goes as it is, which is what cloudpickle does for it."""
    registry = Registry()
    assert registry.plans[registry.register(made(3), process=True)].in_process


def test_what_cannot_run_in_a_process_is_refused_when_it_is_registered() -> None:
    """With the reason and what to do: it is async, cannot be found from there, or has a dependency of no use there."""
    registry = Registry()
    lock = threading.Lock()

    def tied() -> None:
        lock.acquire()

    def bound(stays: Any = _stays) -> None: ...

    with pytest.raises(ConfigurationError, match=r"send_mail\(\) is async, and a process runs only plain functions"):
        registry.register(send_mail, process=True)
    with pytest.raises(ConfigurationError, match=r"tied\(\) cannot be found from another process \(TypeError: .*lock"):
        registry.register(tied, process=True)
    with pytest.raises(ConfigurationError, match=r"bound\(\) runs in another process.* 'stays' is of no use"):
        registry.register(in_process(bound))
    assert registry.plans == {}


def test_what_stays_behind_says_so_where_it_is_missed() -> None:
    """It has the place of a dependency, and nothing else of it; to look whether it has something is allowed."""
    stays = pickle.loads(pickle.dumps(StaysBehind("limit: Timeout")))
    with pytest.raises(RuntimeError, match=r"limit: Timeout stays in the worker.*no 'extend' here"):
        stays.extend()
    assert not hasattr(stays, "__aenter__")
