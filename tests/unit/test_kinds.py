from __future__ import annotations

from typing import Any

from shadows.dependencies.kinds import kinds


def paired(value: Any, kind: Any) -> Any:
    return value, kind


def ship(order: int, /, item: str, *more: bytes, express: bool = False, untold=None, **rest: float) -> list[int]:  # type: ignore[no-untyped-def]  # noqa: ANN001
    return []


class Shipper:
    __slots__ = ()

    def __call__(self, order: int) -> None: ...

    def ship(self, order: int) -> str:
        return ""


class Unhashable(Shipper):
    __slots__ = ()
    __hash__ = None  # type: ignore[assignment]


def test_each_argument_gets_the_kind_of_its_parameter() -> None:
    """INV 23: however it is passed."""
    fitted = kinds(ship).fit((1, "a", b"b", b"c"), {"express": True, "untold": 0, "weight": 1.5}, paired)
    assert fitted == (
        ((1, int), ("a", str), (b"b", bytes), (b"c", bytes)),
        {"express": (True, bool), "untold": (0, Any), "weight": (1.5, float)},
    )
    assert kinds(ship).fit((1,), {"item": "a"}, paired) == (((1, int),), {"item": ("a", str)})
    assert kinds(ship).result == list[int]


def test_more_arguments_than_it_takes_have_no_kind() -> None:
    """An older release may have placed the call."""

    def short(order: int): ...  # type: ignore[no-untyped-def]  # noqa: ANN202

    assert kinds(short).fit((1, 2), {"gone": 3}, paired) == (((1, int), (2, Any)), {"gone": (3, Any)})
    assert kinds(short).result is Any


def test_whatever_can_be_called_can_be_asked() -> None:
    """Methods, and objects that nobody can keep in a table."""
    shipper = Shipper()
    assert kinds(shipper.ship).result is str
    assert kinds(shipper).positional == (int,)
    assert kinds(Unhashable()).positional == (int,)
    assert kinds(ship) is kinds(ship)


def test_an_annotation_that_cannot_be_evaluated_says_nothing() -> None:
    """It may be there for a type checker alone."""

    def unclear(order: Nowhere) -> Nowhere: ...  # type: ignore[name-defined]  # noqa: F821 - no such class

    assert (kinds(unclear).positional, kinds(unclear).result) == ((Any,), Any)
