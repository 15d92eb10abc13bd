"""Strikes: which calls shall not run.  A value that does not compare with a strike's is no match, never an error."""

from __future__ import annotations

import difflib
import enum
import operator as compare
from datetime import datetime, timedelta
from decimal import Decimal
from fractions import Fraction
from hashlib import blake2b
from typing import Any, Literal, cast

import attrs

from shadows.core.durations import duration
from shadows.core.envelope import VERSION, foreign
from shadows.core.names import shown, task_name
from shadows.core.scheduling import HORIZON, Due, epoch_milliseconds, milliseconds
from shadows.errors import ConfigurationError, Undecodable

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

type Comparison = Literal["==", "!=", "<", "<=", ">", ">=", "between"]
type Conditions = Mapping[str, tuple[Comparison, Any]]
"""By parameter: the operator, and the value that an argument is compared with."""

LONGEST = 4096
"""Bytes that an encoded strike may have: everybody reads all of them."""
_LONGEST_REASON = 200
_MEANT = {"=": "==", "===": "==", "is": "==", "<>": "!=", "=!": "!=", "=<": "<=", "=>": ">=", "in": "between"}
"""What other languages write."""
_HEAD = 2
_PAIR = 2


class Operator(enum.StrEnum):
    """How a call's argument is compared with a strike's value; the values travel."""

    EQUAL = "=="
    NOT_EQUAL = "!="
    BELOW = "<"
    AT_MOST = "<="
    ABOVE = ">"
    AT_LEAST = ">="
    BETWEEN = "between"
    """the value is a pair of bounds, which belong to the range"""


def _between(value: Any, bounds: Any) -> Any:
    lowest, highest = bounds
    return lowest <= value <= highest


_TESTS: Mapping[Operator, Callable[[Any, Any], Any]] = {
    Operator.EQUAL: compare.eq,
    Operator.NOT_EQUAL: compare.ne,
    Operator.BELOW: compare.lt,
    Operator.AT_MOST: compare.le,
    Operator.ABOVE: compare.gt,
    Operator.AT_LEAST: compare.ge,
    Operator.BETWEEN: _between,
}
_ORDERING = frozenset(_TESTS) - {Operator.EQUAL, Operator.NOT_EQUAL}
_UNORDERED: tuple[type, ...] = (dict, complex, type(None))
_FAMILIES: tuple[tuple[type, ...], ...] = (
    _UNORDERED, (int, float, Decimal, Fraction), (str,), (bytes,), (datetime,), (timedelta,)
)  # fmt: skip
"""Types that can be ordered among themselves, but for the first, and with no other of these."""


@attrs.frozen
class Condition:
    """What one argument must be for the strike to match."""

    parameter: str
    operator: Operator
    value: Any = attrs.field(repr=False)

    def holds(self, value: object) -> bool | None:
        """Tell whether it holds for this argument; None when the two do not compare."""
        try:
            return bool(_TESTS[self.operator](value, self.value))
        except KeyboardInterrupt:
            raise
        except BaseException:  # noqa: BLE001 - to compare runs code of the value's class, which may raise anything
            return None


@attrs.frozen
class Strike:
    """Calls of ``function`` (None: of any task) for which every condition holds shall not run."""

    function: str | None
    conditions: tuple[Condition, ...] = ()
    reason: str | None = None
    until: datetime | None = None
    """when it ends by itself, by the broker's clock"""
    hold: bool = False
    """keep the waiting calls that it matches until it is restored, instead of dropping them"""
    name: str = attrs.field(repr=False, default="")
    """the same for the same task, parameters, operators and values, whoever strikes"""

    def same_as(self, other: Strike) -> bool:
        """Tell whether the two forbid the same calls in the same words."""
        if self.function != other.function or len(self.conditions) != len(other.conditions):
            return False
        pairs = zip(self.conditions, other.conditions, strict=True)
        return all(
            (mine.parameter, mine.operator, type(mine.value)) == (yours.parameter, yours.operator, type(yours.value))
            and Condition(mine.parameter, Operator.EQUAL, mine.value).holds(yours.value)
            for mine, yours in pairs
        )


def strike(
    function: str | None = None,
    parameter: str | None = None,
    operator: str = Operator.EQUAL,
    value: object = None,
    *,
    where: Conditions | None = None,
    reason: str | None = None,
    hold: bool = False,
) -> Strike:
    """Return the strike that somebody asked for, not named yet.

    Raises:
        ConfigurationError: it forbids nothing in particular, the operator is none, or the value has no order.
        TypeError: a name or ``where`` is of another type.
    """
    if function is not None:
        task_name(function, argument="function")
    if where is not None and parameter is not None:
        raise ConfigurationError(f"give parameter={shown(parameter)} or where=..., not both; where= takes several")
    if parameter is None and (value is not None or operator != Operator.EQUAL):
        raise ConfigurationError("an operator or a value compares nothing without parameter=...")
    asked = {} if parameter is None else {parameter: (operator, value)}
    conditions = tuple(
        sorted((_condition(name, pair) for name, pair in (where or asked).items()), key=lambda one: one.parameter)
    )
    if function is None and not conditions:
        raise ConfigurationError("name a task, a parameter or both; a strike of everything is none that we take")
    if reason is not None and len(reason) > _LONGEST_REASON:
        raise ConfigurationError(f"reason={shown(reason)} is longer than {_LONGEST_REASON} characters; shorten it")
    return Strike(function, conditions, reason, hold=hold)


def _condition(parameter: object, pair: object) -> Condition:
    if not isinstance(parameter, str):
        raise TypeError(f"the name of a parameter must be a string, not {type(parameter).__name__}")
    if not _is_pair(pair):
        msg = f"where[{shown(parameter)}] must be a pair of an operator and a value, such as ('>', 1000)"
        raise TypeError(msg)
    operator, value = cast("tuple[object, object]", pair)
    try:
        chosen = Operator(cast("str", operator))
    except ValueError:
        known = ", ".join(Operator)
        meant = _MEANT.get(str(operator), "")
        said = f"operator={operator!r} is none of {known}"
        raise ConfigurationError(said, source="operator", value=str(operator), instead=meant) from None
    if chosen is Operator.BETWEEN:
        value = _bounds(parameter, value)
    elif chosen in _ORDERING and Condition(parameter, Operator.AT_MOST, value).holds(value) is None:
        msg = f"{parameter} {chosen} a {type(value).__name__} says nothing: it has no order; use == or !="
        raise ConfigurationError(msg)
    return Condition(parameter, chosen, value)


def _is_pair(value: object) -> bool:
    return isinstance(value, tuple | list) and len(cast("tuple[object, ...]", value)) == _PAIR


def _bounds(parameter: str, value: object) -> tuple[object, object]:
    if not _is_pair(value):
        msg = f"between takes the two bounds of {shown(parameter)}, such as (10, 20), not a {type(value).__name__}"
        raise ConfigurationError(msg)
    lowest, highest = cast("tuple[object, object]", value)
    if not Condition(parameter, Operator.AT_MOST, highest).holds(lowest):
        msg = f"between takes the lower bound of {shown(parameter)} first, and a higher one that compares with it"
        raise ConfigurationError(msg)
    return lowest, highest


def refuse_misfits(struck: Strike, names: Iterable[str] | None, kinds: Mapping[str, object]) -> None:
    """Refuse a strike that can match no call of its task.

    ``names`` are the parameters of the task (None: it takes any keyword), ``kinds`` their annotations.

    Raises:
        ConfigurationError: a parameter is unknown, or has no order with the value.
    """
    for condition in struck.conditions:
        parameter = condition.parameter
        if names is not None and parameter not in names:
            near = difflib.get_close_matches(parameter, names, n=3)
            hint = f"did you mean {', '.join(near)}?" if near else f"it has {', '.join(names) or 'none'}"
            raise ConfigurationError(f"{struck.function} has no parameter {shown(parameter)}; {hint}")
        if condition.operator in _ORDERING:
            bound: object = condition.value[0] if condition.operator is Operator.BETWEEN else condition.value
            if not _may_compare(kinds.get(parameter), type(bound)):
                raise ConfigurationError(
                    f"{struck.function} takes a {_kind_name(kinds[parameter])} as {parameter}, which "
                    f"{condition.operator} does not compare with a {type(bound).__name__}"
                )


def _may_compare(declared: object, kind: type[object]) -> bool:
    """Whether values of the two can be ordered, as far as one can tell from their types."""
    if not isinstance(declared, type):
        return True
    theirs, ours = _family(kind), _family(cast("type[object]", declared))
    if ours is _UNORDERED:
        return False
    return ours is theirs or ours is None or theirs is None


def _family(kind: type[object]) -> tuple[type, ...] | None:
    return next((family for family in _FAMILIES if issubclass(kind, family)), None)


def _kind_name(kind: object) -> str:
    return getattr(kind, "__name__", str(kind))


def ending(until: datetime | timedelta | None) -> Due | None:
    """Return when a strike ends by itself: an aware datetime, or a while from now; None is never.

    Raises:
        ConfigurationError: naive, negative, or no time at all.
    """
    match until:
        case None:
            return None
        case datetime():
            if until.utcoffset() is None:
                raise ConfigurationError(f"until={until!r} is naive; use a timezone-aware datetime, or a timedelta")
            return Due(at=max(0, epoch_milliseconds(until)))
        case _:
            span = duration(until, option="until")
            if span > HORIZON:
                raise ConfigurationError(f"until={until!r} lies more than ten years ahead; leave it out for no end")
            return Due(after=milliseconds(span))


@attrs.frozen
class Judgement:
    """What a book says of one call."""

    strike: Strike | None = None
    """one that forbids it; one that holds only where no other drops it"""
    misfits: tuple[tuple[Strike, str], ...] = ()
    """strikes that said nothing of this call, and the parameter for which they do not compare"""


LETS_PASS = Judgement()


@attrs.frozen
class StrikeBook:
    """The strikes in force as of one position of the log, oldest first."""

    position: str = ""
    strikes: Mapping[str, Strike] = attrs.field(factory=dict[str, Strike])
    """by name"""
    _of: dict[str | None, list[Strike]] = attrs.field(init=False, repr=False, factory=dict[str | None, list[Strike]])

    def __attrs_post_init__(self) -> None:
        for one in self.strikes.values():
            self._of.setdefault(one.function, []).append(one)

    def after(self, position: str, changes: Mapping[str, Strike | None], *, anew: bool) -> StrikeBook:
        """Return the book as of ``position``: ``changes`` are new strikes by name, and None for what was restored.

        ``anew`` says that they are all there is.  Reading the same twice changes nothing.
        """
        found = {} if anew else dict(self.strikes)
        for name, struck in changes.items():
            found.pop(name, None)
            if struck is not None:
                found[name] = struck
        return StrikeBook(position, found)

    def is_older_than(self, position: str) -> bool:
        """Tell whether the log has gone on since."""
        return _order(self.position) < _order(position)

    def judge(self, task: str, arguments: Callable[[], Mapping[str, Any]]) -> Judgement:
        """Tell whether a strike forbids this call; the arguments are asked for only where it depends on them."""
        concerning = [*self._of.get(None, ()), *self._of.get(task, ())]
        if not concerning:
            return LETS_PASS
        given: Mapping[str, Any] = arguments() if any(one.conditions for one in concerning) else {}
        holding, misfits = None, list[tuple[Strike, str]]()
        for one in concerning:
            matches, misfit = _matches(one, given)
            if misfit is not None:
                misfits.append((one, misfit))
            if matches and not one.hold:
                return Judgement(one, tuple(misfits))
            if matches:
                holding = holding or one
        return Judgement(holding, tuple(misfits)) if holding or misfits else LETS_PASS


def _matches(struck: Strike, arguments: Mapping[str, Any]) -> tuple[bool, str | None]:
    """Tell whether every condition holds, and which parameter does not compare.

    A strike of all tasks says nothing of those that lack its parameter; one of this task is a mistake then.
    """
    for condition in struck.conditions:
        if condition.parameter not in arguments:
            return False, None if struck.function is None else condition.parameter
        holds = condition.holds(arguments[condition.parameter])
        if not holds:
            return False, condition.parameter if holds is None else None
    return True, None


def _order(position: str) -> tuple[int, ...]:
    return tuple(int(part) for part in position.split("-")) if position else ()


# How a strike travels: byte 0 is the version of this layout, 1; byte 1 the codec's id; the rest is what that codec
# makes of [task or None, [[parameter, operator, value], ...], reason or None].


def identity(struck: Strike, encode: Callable[[object], bytes]) -> str:
    """Return the name of a strike: whoever strikes the same gets the same."""
    parts: list[bytes] = [b"" if struck.function is None else b"task " + struck.function.encode()]
    for one in struck.conditions:
        parts += (one.parameter.encode(), one.operator.encode(), encode(one.value))
    digest = blake2b(digest_size=12)
    for part in parts:
        digest.update(b"%d:%b," % (len(part), part))
    return digest.hexdigest()


def plain(struck: Strike) -> list[object]:
    """Return what is encoded for a strike."""
    conditions = [[one.parameter, one.operator.value, one.value] for one in struck.conditions]
    return [struck.function, conditions, struck.reason]


def pack(codec: str, body: bytes) -> bytes:
    """Return the bytes of a strike; ``body`` is what the codec made of it.

    Raises:
        ConfigurationError: it is too large.
    """
    data = bytes((VERSION,)) + codec.encode() + body
    if len(data) > LONGEST:
        msg = f"the strike has {len(data):,} bytes; {LONGEST:,} are allowed, for everybody reads it: use smaller values"
        raise ConfigurationError(msg)
    return data


def opened(data: bytes) -> tuple[str, bytes]:
    """Return the id of the codec that wrote these bytes, and what it wrote.

    Raises:
        Undecodable: garbled; ``temporary`` when a newer version wrote it.
    """
    if data[:1] != bytes((VERSION,)):
        raise foreign(data[0] if data else 0, "strike")
    return data[1:_HEAD].decode("latin-1"), data[_HEAD:]


def read(decoded: Any) -> Strike:
    """Return the strike that was encoded, without its name and what the log itself tells.

    Raises:
        Undecodable: it is none.
    """
    match decoded:
        case [None | str() as function, [*conditions], None | str() as reason, *_]:
            read = tuple(_read_condition(one) for one in conditions)
            if function is not None or read:
                return Strike(function, read, reason)
        case _:
            pass
    raise Undecodable("the strike is none that this release of shadows can read")


def _read_condition(plain: object) -> Condition:
    match cast("Any", plain):
        case [str() as parameter, str() as operator, value] if operator in _TESTS:
            return Condition(parameter, Operator(operator), value)
        case _:
            raise Undecodable("the strike compares in a way that this release of shadows does not know")
