from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import pytest

from shadows.dependencies.arguments import by_name, declared
from shadows.dependencies.retry import Retry

if TYPE_CHECKING:
    from collections.abc import Callable

_retry = Retry(attempts=3)


async def ship(order: int, express: bool = False, *tags: str, retry: Retry = _retry, **options: Any) -> None:  # noqa: FBT001, FBT002
    ...


async def plain(order: Annotated[int, "id"], name: str = "x", *, retry: Annotated[Retry, _retry]) -> None: ...


@pytest.mark.parametrize(
    ("args", "kwargs"), [((7, True), {}), ((7,), {"express": True}), ((), {"express": True, "order": 7})]
)
def test_an_argument_has_its_name_however_it_was_passed(args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
    """INV 23: by position or by keyword."""
    assert by_name(ship, args, kwargs) == {"order": 7, "express": True, "tags": ()}


def test_a_default_counts_like_what_was_passed() -> None:
    """INV 23: and what only the worker fills in is left out, unless somebody supplied it."""
    assert by_name(ship, (7,), {}) == {"order": 7, "express": False, "tags": ()}
    assert by_name(plain, (7,), {}) == {"order": 7, "name": "x"}
    assert by_name(ship, (7,), {"retry": 5})["retry"] == 5


def test_other_keywords_have_their_own_names() -> None:
    """INV 23: not that of the parameter that collects them."""
    found = by_name(ship, (7, False, "a", "b"), {"colour": "red"})
    assert found == {"order": 7, "express": False, "tags": ("a", "b"), "colour": "red"}


@pytest.mark.parametrize("function", [None, lambda: None, type])
def test_what_cannot_be_bound_has_the_names_that_it_was_passed_by(function: Callable[..., Any] | None) -> None:
    """FAULT 24: an unknown task, another signature than when the call was placed, or none at all."""
    assert by_name(function, (1,), {"order": 7}) == {"order": 7}


def test_what_a_function_declares() -> None:
    """FAULT 24: its parameters and what they are; text is evaluated, and ``Annotated`` is looked into."""
    names, kinds = declared(plain)
    assert names == ["order", "name", "retry"]
    assert kinds["order"] is int
    assert declared(ship)[0] is None
    assert declared(lambda: None) == ([], {})


def test_an_annotation_that_cannot_be_evaluated_tells_nothing() -> None:
    """FAULT 24: it refuses no strike."""

    async def broken(order: int, name: str) -> None: ...

    broken.__annotations__["order"] = "Missing"

    names, kinds = declared(broken)
    assert names == ["order", "name"]
    assert all(isinstance(kind, str) for kind in kinds.values())
