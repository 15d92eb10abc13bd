from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, cast

import attrs
import pytest

from shadows.adapters.codecs.cloudpickle import CloudpickleCodec
from shadows.adapters.observers.log import LogObserver
from shadows.dependencies.context import current_execution
from shadows.engine import add
from shadows.engine.add import Producer
from shadows.engine.strikes import Strikes
from shadows.engine.wire import Wire
from shadows.errors import BrokenKey, BrokerFull, BrokerUnavailable, OutcomeUnknown
from shadows.execution import TaskCall
from shadows.ports.broker import Broker, Entry, Placed, Placement
from shadows.ports.strike_log import News, StrikesMoved
from tests.contract.acts import call
from tests.front.acts import comes_true
from tests.unit.trouble import Trouble
from tests.unit.workplace import running

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

LOST = BrokerUnavailable("the reply was lost")
NEVER_SENT = BrokerUnavailable("nobody is there", sent=False)


@pytest.fixture
def trouble() -> Trouble:
    return Trouble()


def producer(trouble: Trouble, deadline: float = 5.0) -> Producer:
    return Producer(cast("Broker", trouble), deadline, Strikes({}, Wire.of(CloudpickleCodec()), LogObserver("house")))


def given(key: str) -> tuple[Entry, TaskCall]:
    """Return what the producer takes to place a call of no matter what."""
    return call(key), TaskCall("task", (), {}, None, key, None, b"payload", named=True)


def many(keys: Iterable[str]) -> tuple[list[Entry], list[TaskCall]]:
    """Return what it takes to place many."""
    pairs = [given(key) for key in keys]
    return [entry for entry, _ in pairs], [called for _, called in pairs]


def sizes(trouble: Trouble) -> list[int]:
    """Return how many calls travelled in each trip."""
    return [len(entries) for _, (entries, *_) in trouble.asked]


async def test_calls_of_one_turn_of_the_loop_travel_together(trouble: Trouble) -> None:
    """DESIGN: producers need no batches of their own for one trip to serve many."""
    sender = producer(trouble)
    await asyncio.gather(*(sender.add(*given(f"k{n}")) for n in range(5)))
    await sender.add(*given("k5"))
    await sender.close()
    assert sizes(trouble) == [5, 1]


async def test_what_sends_for_all_is_nobody_s_own(trouble: Trouble) -> None:
    """FAULT 37: a body whose ``add`` began it does not leave it behind when it ends."""
    current_execution.of_run.set(running())
    sender = producer(trouble)
    adding = asyncio.create_task(sender.add(*given("k")))
    await asyncio.sleep(0)
    assert sender._sender is not None
    assert current_execution.of_run not in sender._sender.get_context()
    await adding


async def test_one_sender_serves_many_that_are_added_alone(trouble: Trouble) -> None:
    """PERFORMANCE: to make a task for each would cost more than the rest of it; it goes when it is not needed."""
    sender = producer(trouble, 0.2)
    await sender.add(*given("k0"))
    serves = sender._sender
    assert serves is not None
    for n in range(1, 4):
        await sender.add(*given(f"k{n}"))
        assert sender._sender is serves
    await comes_true(serves.done)
    assert (sender._sender, sender._timer) == (None, None)
    assert (await sender.add(*given("k4"))).placed is Placed.SCHEDULED
    await sender.close()
    assert (sender._sender, sender._timer) == (None, None)
    assert (await sender.add(*given("k5"))).placed is Placed.SCHEDULED
    await comes_true(lambda: sender._sender is None)
    assert sizes(trouble) == [1] * 6


@pytest.mark.parametrize("ends", ["goes", "is cancelled"])
async def test_who_comes_as_the_sender_ends_is_served_by_the_next(trouble: Trouble, ends: str) -> None:
    """INV 33: nobody waits for ever, also where a program cancels all tasks that it finds and then adds a call."""
    sender = producer(trouble)
    await sender.add(*given("early"))
    serves = sender._sender
    assert serves is not None
    if ends == "goes":
        sender._look()
    else:
        serves.cancel()
    assert (await sender.add(*given("late"))).placed is Placed.SCHEDULED
    assert serves.done()
    await sender.close()


async def test_who_is_under_way_as_the_sender_is_cancelled_is_asked_about_once_more(trouble: Trouble) -> None:
    """INV 37: the first request may have been carried out, so the second one says that there was one."""
    sender, broker, loop = producer(trouble), trouble.broker, asyncio.get_running_loop()
    trouble.broker = cast("Broker", Silent(broker, loop.create_future()))
    adding, given_up = (asyncio.create_task(sender.add(*given(key))) for key in ("k", "given up"))
    await comes_true(lambda: trouble.count("schedule") == 1)
    serves = sender._sender
    assert serves is not None
    serves.cancel()
    given_up.cancel()
    answers = loop.create_future()
    answers.set_result(None)
    again = Silent(broker, answers)
    trouble.broker = cast("Broker", again)
    assert (await adding).placed is Placed.SCHEDULED
    assert sizes(trouble) == [2, 1]
    assert again.repeated == [True]
    await sender.close()


async def test_a_trip_has_the_time_of_those_who_are_on_it(trouble: Trouble) -> None:
    """SEMANTICS, ``add_deadline``: the clock of a call that was placed before ends none that came after it."""
    sender, answers = producer(trouble, 0.2), asyncio.get_running_loop().create_future()
    await sender.add(*given("first"))
    begun = sender._timer
    trouble.broker = cast("Broker", Silent(trouble.broker, answers))
    sender.deadline = 30.0
    adding = asyncio.create_task(sender.add(*given("second")))
    await comes_true(lambda: sender._timer is not begun)
    assert not sender._late
    answers.set_result(None)
    assert (await adding).placed is Placed.SCHEDULED
    await sender.close()


async def test_no_trip_is_longer_than_it_may_be(trouble: Trouble, monkeypatch: pytest.MonkeyPatch) -> None:
    """INV 43: what does not fit waits for the next one; a chunk that is longer by itself goes alone."""
    monkeypatch.setattr(add, "TRIP", 4)
    sender = producer(trouble)
    chunks = asyncio.create_task(sender.add_many(*many(f"m{n}" for n in range(7)), chunk_size=6))
    await asyncio.gather(*(sender.add(*given(f"k{n}")) for n in range(9)))
    assert len(await chunks) == 7
    first, *rest = sizes(trouble)
    assert (first, sum(rest)) == (6, 10)
    assert max(rest) == 4


async def test_after_a_lost_answer_the_broker_is_told_that_it_may_have_heard_before(trouble: Trouble) -> None:
    """INV 37: only then; what became of the first request is the answer to the second."""
    trouble.after("schedule", LOST)
    trouble.before("schedule", NEVER_SENT)
    placement = await producer(trouble).add(*given("k"))
    assert placement.placed is Placed.SCHEDULED
    assert trouble.count("schedule") == 3


async def test_the_last_try_comes_when_the_time_is_up(trouble: Trouble) -> None:
    """SEMANTICS, ``add_deadline``: nobody gives up early because the next pause would be too long."""
    loop = asyncio.get_running_loop()
    trouble.before("schedule", *[NEVER_SENT] * 50)
    began = loop.time()
    with pytest.raises(BrokerUnavailable) as away:
        await producer(trouble, 0.2).add(*given("k"))
    assert away.value is NEVER_SENT
    assert 0.2 <= loop.time() - began < 1
    assert trouble.count("schedule") <= 8  # it doubled its pauses meanwhile


async def test_nobody_waits_for_a_silent_broker_beyond_the_deadline(
    trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEMANTICS, ``add_deadline``: what was sent is in doubt, what came later never left, and who came last still has
    time.
    """
    monkeypatch.setattr(add, "LAST", 0.05)
    sender, loop = producer(trouble, 0.2), asyncio.get_running_loop()
    answers = loop.create_future()
    trouble.broker = cast("Broker", Silent(trouble.broker, answers))
    began = loop.time()
    first = asyncio.create_task(sender.add(*given("first")))
    await comes_true(lambda: trouble.count("schedule") == 1)
    second = asyncio.create_task(sender.add(*given("second")))
    await asyncio.sleep(0)
    sender.deadline = 30.0
    third = asyncio.create_task(sender.add(*given("third")))
    with pytest.raises(OutcomeUnknown, match=r"not answered within .* s \(add_deadline\).*'first'"):
        await first
    with pytest.raises(BrokerUnavailable, match="not answered"):
        await second
    assert loop.time() - began >= 0.2
    answers.set_result(None)
    assert (await third).placed is Placed.SCHEDULED
    assert await trouble.broker.read("second") is None
    assert await trouble.broker.read("first") is not None


async def test_a_trip_that_fails_when_all_were_given_up_holds_up_nobody(
    trouble: Trouble, monkeypatch: pytest.MonkeyPatch
) -> None:
    """SEMANTICS, ``add_deadline``: who comes next has his own time."""
    monkeypatch.setattr(add, "LAST", 0.05)
    sender, broker, answers = producer(trouble, 0.05), trouble.broker, asyncio.get_running_loop().create_future()
    trouble.broker = cast("Broker", Silent(broker, answers))
    with pytest.raises(OutcomeUnknown):
        await sender.add(*given("first"))
    answers.set_exception(LOST)
    trouble.broker = broker
    sender.deadline = 30.0
    assert (await sender.add(*given("next"))).placed is Placed.SCHEDULED
    assert not sender._late
    await sender.close()


@attrs.frozen
class Silent:
    """A broker that carries out what it is asked when it is let go."""

    broker: Broker
    go: asyncio.Future[None]
    repeated: list[bool] = attrs.field(factory=list[bool])

    async def schedule(self, entries: Sequence[Entry], *, repeated: bool, **options: Any) -> list[Placement]:
        """Place them, later."""
        self.repeated.append(repeated)
        await self.go
        return await self.broker.schedule(entries, repeated=repeated, **options)

    def __getattr__(self, verb: str) -> Any:
        return getattr(self.broker, verb)


async def test_each_request_has_a_deadline_of_its_own(trouble: Trouble) -> None:
    """One that came late is not given up with those that came early: it is placed when the broker is back."""
    sender = producer(trouble, 0.25)
    trouble.before("schedule", *[NEVER_SENT] * 50)
    early = asyncio.create_task(sender.add(*given("early")))
    await comes_true(lambda: trouble.count("schedule") >= 3)
    late = asyncio.create_task(sender.add(*given("late")))
    with pytest.raises(BrokerUnavailable):
        await early
    trouble._faults.clear()
    assert (await late).placed is Placed.SCHEDULED
    assert await trouble.broker.read("early") is None


async def test_only_what_was_sent_is_in_doubt(trouble: Trouble) -> None:
    """One request's answer was lost, the other never left: the one is unknown, the other was not placed."""
    sender = producer(trouble, 0.1)
    trouble.after("schedule", LOST)
    trouble.before("schedule", *[NEVER_SENT] * 50)
    sent = asyncio.create_task(sender.add(*given("sent")))
    await comes_true(lambda: trouble.count("schedule") >= 1)
    kept = asyncio.create_task(sender.add(*given("kept")))
    with pytest.raises(OutcomeUnknown, match="whether the calls 'sent' were placed is unknown"):
        await sent
    with pytest.raises(BrokerUnavailable):
        await kept
    await sender.close()


async def test_of_many_calls_the_first_are_named(trouble: Trouble) -> None:
    """The text stays short."""
    trouble.after("schedule", LOST)
    trouble.before("schedule", *[NEVER_SENT] * 50)
    with pytest.raises(OutcomeUnknown, match=r"'k0', 'k1', 'k2', \.\.\. were"):
        await producer(trouble, 0.05).add_many(*many(f"k{n}" for n in range(9)), chunk_size=9)


@pytest.mark.parametrize("refusal", [BrokerFull("full", sent=False), BrokenKey("broken")])
async def test_what_waiting_cannot_help_is_told_at_once(trouble: Trouble, refusal: BrokerUnavailable) -> None:
    """FAULT 64: no storm of retries; after a lost answer the doubt remains."""
    sender = producer(trouble)
    trouble.before("schedule", refusal)
    with pytest.raises(type(refusal)) as told:
        await sender.add(*given("k"))
    assert told.value is refusal
    trouble.after("schedule", LOST)
    trouble.before("schedule", refusal)
    with pytest.raises(OutcomeUnknown) as unknown:
        await sender.add(*given("k"))
    assert unknown.value.__cause__ is refusal
    assert (await sender.add(*given("k"))).placed is Placed.ALREADY


async def test_a_server_that_was_full_for_some_leaves_all_of_them_in_doubt(trouble: Trouble) -> None:
    """FAULT 64: of what travelled together the server has placed a part, and does not say which."""
    full = BrokerFull("full", sent=True)
    trouble.before("schedule", full)
    with pytest.raises(OutcomeUnknown) as unknown:
        await producer(trouble).add(*given("k"))
    assert unknown.value.__cause__ is full


@attrs.frozen
class Unwilling:
    """A broker that places nothing."""

    repeated: list[bool] = attrs.field(factory=list[bool])

    async def schedule(self, _: Sequence[Entry], *, repeated: bool, **__: Any) -> list[Placement]:
        """Refuse."""
        self.repeated.append(repeated)
        raise NEVER_SENT


async def test_what_was_refused_each_time_was_surely_not_placed(trouble: Trouble) -> None:
    """FAULTS 61 and 62: nobody is left in doubt; and yet each request says that there was one before."""
    broker = Unwilling()
    trouble.broker = cast("Broker", broker)
    with pytest.raises(BrokerUnavailable) as away:
        await producer(trouble, 0.2).add(*given("k"))
    assert away.value is NEVER_SENT
    assert broker.repeated[:2] == [False, True]


async def test_a_bug_reaches_every_caller_and_the_next_add_works(trouble: Trouble) -> None:
    """INV 33: no loop stops silently."""
    sender = producer(trouble)
    trouble.before("schedule", ValueError("a bug"))
    heard = await asyncio.gather(*(sender.add(*given(f"k{n}")) for n in range(3)), return_exceptions=True)
    assert [str(each) for each in heard] == ["a bug"] * 3
    assert (await sender.add(*given("k"))).placed is Placed.SCHEDULED


async def test_what_nobody_waits_for_any_more_is_not_sent(trouble: Trouble) -> None:
    """INV 17: an ``add`` that was given up while the broker was away does not surprise anybody later."""
    sender = producer(trouble)
    trouble.before("schedule", NEVER_SENT)
    given_up = asyncio.create_task(sender.add(*given("given up")))
    other = asyncio.create_task(sender.add(*given("other")))
    await comes_true(lambda: trouble.count("schedule") == 1)
    given_up.cancel()
    await other
    assert sizes(trouble) == [2, 1]
    assert await trouble.broker.read("given up") is None


@pytest.mark.parametrize("fails", [False, True])
async def test_an_add_given_up_under_way_disturbs_nobody(trouble: Trouble, *, fails: bool) -> None:
    """Its answer, good or bad, has nobody to go to."""
    sender, given_up = producer(trouble), asyncio.Event()

    def give_up() -> object:
        first.cancel()
        given_up.set()
        if fails:
            raise BrokerFull("full", sent=False)
        return [Placement(Placed.SCHEDULED, "")] * 2

    trouble.before("schedule", give_up)
    first, second = (asyncio.create_task(sender.add(*given(key))) for key in ("first", "second"))
    answers = await asyncio.gather(first, second, return_exceptions=True)
    assert given_up.is_set()
    assert isinstance(answers[0], asyncio.CancelledError)
    assert isinstance(answers[1], BrokerFull if fails else Placement)


async def test_a_record_that_is_not_ours_is_an_error_of_that_key(trouble: Trouble) -> None:
    """SEMANTICS: the text says what to do about it."""
    trouble.before("schedule", lambda: [Placement(Placed.BROKEN, "")])
    with pytest.raises(BrokenKey, match="the key 'k' holds a value of another type; delete it"):
        await producer(trouble).add(*given("k"))


@pytest.mark.parametrize("partly", [False, True])
async def test_after_the_strikes_moved_the_batch_is_judged_and_sent_again(trouble: Trouble, *, partly: bool) -> None:
    """INV 46: if some calls of a large batch were placed before, the broker is told so, and they count once."""
    news = News("", "1", (), anew=True)
    trouble.before("schedule", StrikesMoved(news, partly=partly))
    trouble.before("schedule", StrikesMoved(News("1", "", (), anew=True), partly=False))
    if partly:
        await trouble.broker.schedule([call("k")])
    placement = await producer(trouble).add(*given("k"))
    assert placement.placed is Placed.SCHEDULED
    assert trouble.count("schedule") == 3
