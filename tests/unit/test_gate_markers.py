from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Annotated, Any

import pytest

from shadows import ConcurrencyLimit, ConfigurationError, Cooldown, Debounce, Depends, Logged, RateLimit
from shadows.core import gates
from shadows.dependencies.gates import GateMarker
from shadows.dependencies.plan import plan
from shadows.dependencies.signature import Declared

if TYPE_CHECKING:
    from collections.abc import Callable

SECOND = timedelta(seconds=1)


def gates_of(function: Callable[..., Any], *args: Any, **kwargs: Any) -> tuple[gates.Gate, ...]:
    """Return the gates of one call."""
    return plan(function).gates.of_call("task", args, kwargs)


def test_each_kind_in_its_default_form_limits_the_task() -> None:
    """PARITY: milliseconds, and the registered name of the task."""

    async def work(
        slots: ConcurrencyLimit = ConcurrencyLimit(max_concurrent=3),
        also: ConcurrencyLimit = ConcurrencyLimit(2, scope="s"),
        rate: RateLimit = RateLimit(10, per=SECOND, drop=True),
        cool: Cooldown = Cooldown(2 * SECOND),
        quiet: Debounce = Debounce(3 * SECOND, scope="s"),
    ) -> None: ...

    assert gates_of(work) == (
        gates.Slots("task", 3),
        gates.Slots("@s:task", 2),
        gates.Rate("task", 10, 1000, drop=True),
        gates.Cooldown("task", 2000),
        gates.Debounce("@s:task", 3000),
    )


def test_each_kind_in_its_annotated_form_limits_the_argument() -> None:
    """PARITY: several beside each other, the bare class too, and the parameter stays the caller's."""

    async def work(
        a: Annotated[int, ConcurrencyLimit(2), RateLimit(1, SECOND), Cooldown(SECOND, scope="s")],
        b: Annotated[str, Debounce(SECOND), Logged],
        c: Annotated[str, ConcurrencyLimit],
    ) -> None: ...

    assert gates_of(work, 1, "x", "y") == (
        gates.Slots("a:1", 2),
        gates.Rate("a:1", 1, 1000),
        gates.Cooldown("@s:a:1", 1000),
        gates.Debounce("b:x", 1000),
        gates.Slots("c:y", 1),
    )
    made = plan(work)
    assert made.required == {"a": 0, "b": 1, "c": 2}
    assert made.plain


@pytest.mark.parametrize(
    ("args", "kwargs"), [((1, 2), {}), ((1,), {"b": 2}), ((), {"a": 1, "b": 2}), ((1,), {}), ((), {"a": 1})]
)
def test_a_limited_argument_counts_the_same_however_it_is_passed(args: tuple[int, ...], kwargs: dict[str, int]) -> None:
    """INV 23: by position, by keyword or by its default."""

    async def work(
        a: int,
        b: int = 2,
        one: ConcurrencyLimit = ConcurrencyLimit("a"),
        two: ConcurrencyLimit = ConcurrencyLimit("b", 5),
    ) -> None: ...

    assert gates_of(work, *args, **kwargs) == (gates.Slots("a:1", 1), gates.Slots("b:2", 5))


def test_keyword_only_and_positional_only_arguments_can_be_limited() -> None:
    """Wherever they stand."""

    async def work(
        a: Annotated[int, ConcurrencyLimit(1)], /, *, b: int = 7, limit: ConcurrencyLimit = ConcurrencyLimit("b")
    ) -> None: ...

    assert gates_of(work, 1) == (gates.Slots("a:1", 1), gates.Slots("b:7", 1))
    assert gates_of(work, 1, b=8) == (gates.Slots("a:1", 1), gates.Slots("b:8", 1))


def test_a_call_that_lacks_the_argument_has_no_such_gate() -> None:
    """It cannot run anyway, and says so itself."""

    async def work(a: int, limit: ConcurrencyLimit = ConcurrencyLimit("a")) -> None: ...

    assert gates_of(work) == ()


def test_a_task_without_gates_has_none() -> None:
    """Nothing is asked for it."""

    async def work(a: int) -> None: ...

    assert not plan(work).gates


def test_the_body_gets_the_marker_in_the_default_form() -> None:
    """As it was declared."""

    async def work(limit: ConcurrencyLimit = ConcurrencyLimit(4)) -> None: ...

    (declared,) = plan(work).declared
    assert isinstance(declared.marker, ConcurrencyLimit)
    assert declared.marker.max_concurrent == 4
    assert not plan(work).plain


def database() -> str:
    return "db"


def test_a_limit_names_an_argument_of_the_caller() -> None:
    """The text names the task and the argument, and what may have been meant."""

    async def near(customer_id: int, limit: ConcurrencyLimit = ConcurrencyLimit("customer")) -> None: ...

    async def none(limit: ConcurrencyLimit = ConcurrencyLimit("customer")) -> None: ...

    async def filled(a: int, db: str = Depends(database), limit: ConcurrencyLimit = ConcurrencyLimit("db")) -> None: ...

    with pytest.raises(ConfigurationError, match=r"near\(\).*'customer'.*did you mean 'customer_id'"):
        plan(near)
    with pytest.raises(ConfigurationError, match=r"none\(\).*'customer'.*it has none"):
        plan(none)
    with pytest.raises(ConfigurationError, match=r"filled\(\).*'db'.*it has a$"):
        plan(filled)


def test_gates_of_the_worker_hold_for_each_task_that_has_the_argument() -> None:
    """PARITY, worker-wide dependencies."""

    async def work(a: int) -> None: ...

    everywhere = tuple(
        Declared(f"d{number}", marker)
        for number, marker in enumerate(
            [ConcurrencyLimit("a", 3), ConcurrencyLimit("b", 3), ConcurrencyLimit(max_concurrent=9)]
        )
    )
    made = plan(work).with_everywhere(everywhere)
    assert made.gates.of_call("task", (1,), {}) == (gates.Slots("a:1", 3), gates.Slots("task", 9))


@pytest.mark.parametrize(
    ("make", "error", "words"),
    [
        (lambda: ConcurrencyLimit("a", max_concurrent=0), ConfigurationError, "max_concurrent=0"),
        (lambda: ConcurrencyLimit(0), ConfigurationError, "max_concurrent=0"),
        (lambda: ConcurrencyLimit(1, max_concurrent=2), ConfigurationError, "two limits"),
        (lambda: ConcurrencyLimit("a", max_concurrent=True), TypeError, "whole number"),
        (lambda: ConcurrencyLimit("a", max_concurrent=1.5), TypeError, "whole number"),  # type: ignore[arg-type]
        (lambda: ConcurrencyLimit(1.5), TypeError, "name of an argument"),  # type: ignore[arg-type]
        (lambda: ConcurrencyLimit("a", scope=""), ConfigurationError, "scope=''"),
        (lambda: ConcurrencyLimit("a", scope=5), TypeError, "scope=5"),  # type: ignore[arg-type]
        (lambda: RateLimit(0, SECOND), ConfigurationError, "limit=0"),
        (lambda: RateLimit(1, timedelta(0)), ConfigurationError, "RateLimit per"),
        (lambda: Cooldown(-SECOND), ConfigurationError, "Cooldown window"),
        (lambda: Debounce(timedelta(0)), ConfigurationError, "Debounce settle"),
    ],
)
def test_what_cannot_work_is_refused_where_it_is_written(
    make: Callable[[], object], error: type[Exception], words: str
) -> None:
    """FAULT 17: one line that names the option."""
    with pytest.raises(error, match=words):
        make()


def test_a_marker_shows_how_it_was_made() -> None:
    """STYLE: a truthful repr."""
    assert repr(ConcurrencyLimit("a", 2, scope="s")) == "ConcurrencyLimit('a', max_concurrent=2, scope='s')"
    assert repr(RateLimit(5, SECOND, drop=True)) == "RateLimit(5, per=datetime.timedelta(seconds=1), drop=True)"
    assert repr(Cooldown(SECOND)) == "Cooldown(datetime.timedelta(seconds=1))"
    assert repr(Debounce(SECOND, scope="s")) == "Debounce(datetime.timedelta(seconds=1), scope='s')"


def test_a_gate_of_ones_own_says_what_it_is() -> None:
    """The base class has none."""
    with pytest.raises(NotImplementedError):
        GateMarker(None).gate("name")
