from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any, cast

import attrs
import pytest

from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
from shadows.adapters.memory import open_backend
from shadows.core import strikes
from shadows.core.scheduling import Due
from shadows.core.strikes import Strike, strike
from shadows.dependencies.registry import Registry
from shadows.engine.strikes import Striker, Strikes
from shadows.engine.wire import Wire
from shadows.errors import BrokerUnavailable
from shadows.ports.backend import Terms
from shadows.ports.strike_log import Instruction, News
from tests.unit.trouble import Trouble

if TYPE_CHECKING:
    from shadows.ports.observer import Observer

CODEC = CloudpickleCodec()
AWAY = BrokerUnavailable("away")
_numbers = itertools.count(1)


@attrs.define
class Heard:
    """Remembers what it was told."""

    told: list[tuple[Any, ...]] = attrs.field(factory=list[tuple[Any, ...]])

    def __getattr__(self, what: str) -> Any:
        return lambda *facts: self.told.append((what, *facts))


def known() -> tuple[Strikes, Heard]:
    """Return a list that knows nothing yet, and its observer."""
    heard, registry = Heard(), Registry()
    return Strikes(registry.plans, Wire.of(CODEC), cast("Observer", heard)), heard


def written(name: str, asked: Strike, **more: Any) -> Instruction:
    """Return the strike as the log tells it."""
    return Instruction(name, strikes.pack(CODEC.id, CODEC.encode(strikes.plain(asked))), **more)


def news(since: str, position: str, *instructions: Instruction, anew: bool = False) -> News:
    return News(since, position, instructions, anew)


def test_the_list_is_what_was_heard() -> None:
    """INV 46: with what the log itself tells of a strike."""
    mine, heard = known()
    mine.hear(news("", "1", written("a", strike("task"), until=Due(at=5000), hold=True), anew=True))
    (found,) = mine.book.strikes.values()
    assert (found.function, found.name, found.hold) == ("task", "a", True)
    assert found.until is not None
    assert found.until.timestamp() == 5
    assert mine.judge("task", (), {}) == found
    assert mine.judge("other", (), {}) is None
    mine.hear(news("1", "2", Instruction("a")))
    assert mine.judge("task", (), {}) is None
    assert heard.told == [("strikes_moved", 1), ("strikes_moved", 0)]


def test_an_answer_that_comes_late_tells_nothing() -> None:
    """INV 46: two trips were under way; what is older than what is known must not bring back what was restored."""
    mine, _ = known()
    mine.hear(news("", "3", written("b", strike("b")), anew=True))
    late = [
        news("", "1", written("a", strike("a")), anew=True),
        news("1", "3", written("a", strike("a"))),
        news("1", "2", written("a", strike("a"))),
    ]
    for each in late:
        mine.hear(each)
        assert (mine.position, [*mine.book.strikes]) == ("3", ["b"])
    mine.hear(news("2", "4", written("b", strike("b")), written("c", strike("c"))))
    assert (mine.position, [*mine.book.strikes]) == ("4", ["b", "c"])


def test_a_log_that_was_lost_is_believed_once() -> None:
    """FAULT 52: only who asked from the present position can tell; two answers to two claims are one loss."""
    mine, _ = known()
    mine.hear(news("", "9", written("lost", strike("lost")), anew=True))
    for _ in range(2):
        mine.hear(news("9", "", anew=True))
        assert (mine.position, [*mine.book.strikes]) == ("", [])
    mine.hear(news("", "10", written("new", strike("new")), anew=True))
    assert [*mine.book.strikes] == ["new"]


def test_a_misfit_is_told_once() -> None:
    """FAULT 24: counted and never blocks; told again only when it was struck again."""
    mine, heard = known()
    asked = written("a", strike(None, "n", "<", 5))
    mine.hear(news("", "1", asked, anew=True))
    for _ in range(3):
        assert mine.judge("task", (), {"n": "text"}) is None
    assert mine.judge("other", (), {"n": "text"}) is None
    told = [(what, task, parameter) for what, task, _, parameter in heard.told[1:]]
    assert told == [("misfit", "task", "n"), ("misfit", "other", "n")]
    mine.hear(news("1", "2", Instruction("a")))
    mine.hear(news("2", "3", asked))
    mine.judge("task", (), {"n": "text"})
    assert len([what for what, *_ in heard.told if what == "misfit"]) == 3


@pytest.mark.parametrize(
    "instruction",
    [
        Instruction("a", b"rubbish"),
        Instruction("a", b"\x02plater"),
        Instruction("a", b"\x01?unknown codec"),
        Instruction("a", b"\x01p" + CODEC.encode([None, [], None])),
        Instruction("a", b"\x01p\x80\x05cnowhere\nthing\n."),
        written("a", strike("task"), until=Due(at=10**18)),
    ],
)
def test_a_strike_that_cannot_be_read_forbids_nothing(instruction: Instruction) -> None:
    """FAULT 43, INV 46: it is told, those beside it are in force."""
    mine, heard = known()
    mine.hear(news("", "1", instruction, written("b", strike("b")), anew=True))
    assert [*mine.book.strikes] == ["b"]
    assert [what for what, *_ in heard.told] == ["unreadable_strike", "strikes_moved"]


# Writing


class House:
    """Somebody who strikes, and a way to the log that can be broken."""

    def __init__(self, deadline: float = 5.0) -> None:
        self.registry = Registry()
        self.trouble = Trouble(cast("Any", open_backend(f"strikes-{next(_numbers)}", Terms()).strike_log))
        self.known = Strikes(self.registry.plans, Wire.of(CODEC), cast("Observer", Heard()))
        self.striker = Striker(cast("Any", self.trouble), self.known, self.registry, deadline)


async def test_to_strike_rides_out_a_short_absence() -> None:
    """INV 37: it may be repeated, for it changes nothing more; the answer to the first may have been lost."""
    house = House()
    house.trouble.before("append", AWAY)
    house.trouble.after("append", AWAY)
    await house.striker.strike(strike("task"), None)
    assert len(await house.striker.load()) == 1
    assert house.trouble.count("append") == 3


async def test_to_strike_gives_up_at_the_deadline() -> None:
    """SEMANTICS, ``add_deadline``: like placing a call."""
    house = House(0.1)
    house.trouble.before("append", *[AWAY] * 50)
    with pytest.raises(BrokerUnavailable):
        await house.striker.strike(strike("task"), None)
    assert 1 < house.trouble.count("append") < 10


async def test_who_strikes_knows_it_at_once() -> None:
    """SPEC 2: the answer to the strike brings it, and what others struck meanwhile."""
    house = House()
    other = Striker(cast("Any", house.trouble), known()[0], house.registry, 5)
    await other.strike(strike("first"), None)
    await house.striker.strike(strike("second"), None)
    assert house.known.judge("first", (), {})
    assert house.known.judge("second", (), {})
    assert await other.restore(strike("second"))
    assert not await house.striker.restore(strike("second"))
    assert house.known.judge("second", (), {}) is None


async def test_a_restore_finds_equal_values_though_their_bytes_differ() -> None:
    """SEMANTICS, Strikes: exactly the strike with the same value, however that was written."""
    house = House()
    one, other = ("".join(["long"] * 9) for _ in range(2))
    assert CODEC.encode((one, one)) != CODEC.encode((one, other))
    await house.striker.strike(strike("task", "n", "==", (one, one)), None)
    assert await house.striker.restore(strike("task", "n", "==", (one, other)))
    assert await house.striker.load() == []


async def test_a_function_is_registered_by_its_strike() -> None:
    """PARITY: as by ``add``; so its signature is known, and a mistake is refused."""

    async def ship(order: int) -> None: ...

    house = House()
    asked = house.striker.asked(ship, "odrer", "==", 1, None)
    assert asked.function == "ship"
    with pytest.raises(ValueError, match="did you mean order"):
        await house.striker.strike(asked, None)
    await house.striker.strike(house.striker.asked("somebody else's", "odrer", "==", 1, None), None)
