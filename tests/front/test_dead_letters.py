"""Dead letters at the front door: what could not be run, and what is done about it."""

from __future__ import annotations

import asyncio
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import pytest

from shadows import BrokenKey, BrokerFull, BrokerUnavailable, Disposition, ExecutionState, OutcomeUnknown, Shadow
from shadows.core.verdict import dead
from shadows.ports.broker import Order
from tests.contract.acts import call, worker
from tests.front.acts import DEADLINE, HOUR, SOON, comes_true, finish, heard, state_of, working

if TYPE_CHECKING:
    from tests.front.places import Place, ServerPlace
    from tests.front.proxy import Proxy


async def ship(order: int, *, express: bool = False) -> str:
    return f"{order} {express}"


async def broken(word: str) -> None:
    raise ValueError(word)


async def bury(shadows: Shadow, key: str = "k", *, order: int = 7) -> None:
    """Let a call die, as if each of its workers had been lost."""
    await shadows.add(ship, key=key)(order, express=True)
    await give_up(shadows, "worker-lost", attempt=2)


async def give_up(shadows: Shadow, reason: str, *, attempt: int = 1) -> None:
    """Make a dead letter of the only call that is ready."""
    backend, who = shadows.backend(), worker()
    (lease,) = (await backend.broker.claim(Order(who, 1))).leases
    await backend.broker.settle(who, [(lease, dead(lease.payload, attempt=attempt, reason=reason))])
    await backend.presence.check_out(who)


async def test_a_dead_letter_tells_what_it_was(shadows: Shadow) -> None:
    """INV 14: with its arguments, when and why it died; but none of the arguments in its repr."""
    await bury(shadows)
    (letter,) = await shadows.dead_letters()
    assert (letter.key, letter.function_name, letter.args, letter.kwargs) == ("k", "ship", (7,), {"express": True})
    assert (letter.reason, letter.attempt, letter.deliveries, letter.unreadable) == ("worker-lost", 2, 0, "")
    execution = await shadows.get_execution("k")
    assert execution is not None
    assert execution.completed_at is not None
    assert abs(letter.died - execution.completed_at) < timedelta(seconds=1)
    assert "7" not in repr(letter).replace(letter.id, "").replace(repr(letter.died), "")


async def test_dead_letters_come_page_by_page(shadows: Shadow) -> None:
    """Newest first, below the last one of the page before."""
    for key in "abc":
        await bury(shadows, key)
    first = await shadows.dead_letters(limit=2)
    rest = await shadows.dead_letters(before=first[-1].id)
    assert [letter.key for letter in (*first, *rest)] == ["c", "b", "a"]


@pytest.mark.parametrize("by_key", [False, True])
async def test_a_replayed_call_runs_with_its_arguments(shadows: Shadow, *, by_key: bool) -> None:
    """FAULT 47: and its handle waits for the new run."""
    await bury(shadows)
    (letter,) = await shadows.dead_letters()
    execution = await shadows.replay("k" if by_key else letter)
    assert execution is not None
    assert (execution.disposition, execution.key, execution.args) == (Disposition.SCHEDULED, "k", (7,))
    assert (execution.function, execution.function_name) == (ship, "ship")
    await finish(shadows)
    assert await execution.get_result(timeout=DEADLINE) == "7 True"
    assert await shadows.dead_letters() == []
    assert await shadows.replay(letter) is None


async def test_an_ordinary_failed_run_is_replayed_by_its_key(shadows: Shadow) -> None:
    """SEMANTICS, Dead letter: for as long as its record is kept."""
    await shadows.add(broken, key="k")("first")
    await finish(shadows)
    again = await shadows.replay("k", when=SOON)
    assert again is not None
    assert again.args == ("first",)
    await again.sync()
    assert again.state in {ExecutionState.SCHEDULED, ExecutionState.QUEUED}
    await finish(shadows)
    with pytest.raises(ValueError, match="first"):
        await again.get_result(timeout=DEADLINE)


async def test_nothing_to_replay_is_none(shadows: Shadow) -> None:
    """An unknown key, and a run that did not fail."""
    assert await shadows.replay("nobody") is None
    await shadows.add(ship, key="k")(1)
    await finish(shadows)
    assert await shadows.replay("k") is None


async def test_a_live_key_is_told_and_keeps_its_letter(shadows: Shadow) -> None:
    """INV 2: the handle is one on the run that has the key."""
    await bury(shadows)
    live = await shadows.add(ship, key="k", when=HOUR)(8)
    (letter,) = await shadows.dead_letters()
    for what in (letter, "k"):
        found = await shadows.replay(what)
        assert found is not None
        assert found.disposition is Disposition.ALREADY_SCHEDULED
        await found.sync()
        assert (found.state, found.when) == (ExecutionState.SCHEDULED, await _when(live))
    assert await shadows.dead_letters() == [letter]
    await shadows.cancel("k")


async def _when(execution: Any) -> Any:
    await execution.sync()
    return execution.when


async def test_a_struck_call_stays_a_dead_letter(place: Place) -> None:
    """INV 46: also when this client has not heard of the strike before."""
    async with place.shadow() as shadows, place.shadow() as other:
        shadows.register(ship)
        await bury(shadows)
        await other.strike("ship", "order", "==", 7)
        found = await shadows.replay("k")
        assert found is not None
        assert (found.disposition, found.state, found.error) == (Disposition.STRUCK, ExecutionState.CANCELLED, "strike")
        assert len(await shadows.dead_letters()) == 1
        await other.restore("ship", "order", "==", 7)
        (letter,) = await shadows.dead_letters()
        again = await shadows.replay(letter)
        assert again is not None
        assert again.disposition is Disposition.SCHEDULED
        await finish(shadows)


async def test_a_message_that_could_not_be_read_can_only_be_discarded(far: ServerPlace) -> None:
    """FAULT 43: its raw fields are there to look at."""
    async with far.shadow() as shadows:
        far.curtain.ask("XADD", far.curtain.key("stream"), "*", "foreign", "field")
        async with working(shadows):
            await comes_true(lambda: _has_letters(shadows))
        (letter,) = await shadows.dead_letters()
        assert (letter.key, letter.function_name, letter.reason) == (None, "", "undecodable")
        assert b"foreign" in letter.payload
        assert letter.unreadable
        assert await shadows.replay(letter) is None
        assert await shadows.discard(letter) == 1
        assert await shadows.discard(letter, letter.id) == 0


async def _has_letters(shadows: Shadow) -> bool:
    return len(await shadows.dead_letters()) == 1


@pytest.mark.parametrize("payload", [b"", b"\x01\x04shipzjunk", b"\x01\x04shipp\x00\x00junk"])
async def test_arguments_that_cannot_be_decoded_here_say_why(shadows: Shadow, payload: bytes) -> None:
    """A worker that has the module or the codec may read them: so it can be replayed all the same."""
    await shadows.backend().broker.schedule([call("k", payload)])
    await give_up(shadows, "undecodable")
    (letter,) = await shadows.dead_letters()
    assert (letter.args, letter.kwargs) == ((), {})
    assert letter.unreadable
    assert await shadows.replay(letter) is not None
    assert await state_of(shadows, "k") == "queued"
    await shadows.cancel("k")


async def test_discarded_letters_are_gone(shadows: Shadow) -> None:
    """By the letter or its id."""
    for key in "abc":
        await bury(shadows, key)
    one, two, three = await shadows.dead_letters()
    assert await shadows.discard(one, two.id) == 2
    assert await shadows.dead_letters() == [three]
    assert await shadows.discard() == 0


@pytest.mark.parametrize("how", ["lose_reply", "lose_request"])
async def test_a_replay_rides_out_a_server_that_is_away(proxy: Proxy, how: str) -> None:
    """INV 16, INV 37: its answer was lost, so it is asked again, and counts once."""
    async with proxy.shadow() as shadows:
        await bury(shadows)
        (letter,) = await shadows.dead_letters()
        getattr(proxy, how)("replay")
        execution = await shadows.replay(letter)
        assert execution is not None
        assert execution.disposition is Disposition.SCHEDULED
        assert await shadows.dead_letters() == []
        await finish(shadows)
        assert await execution.get_result(timeout=DEADLINE) == "7 True"


async def test_a_replay_gives_up_after_the_deadline(proxy: Proxy) -> None:
    """FAULT 54: it says so when the server may have carried it out."""
    async with proxy.shadow(add_deadline=timedelta(milliseconds=50)) as shadows:
        await bury(shadows)
        (letter,) = await shadows.dead_letters()
        asked = proxy.hold_reply("replay")
        replaying = asyncio.create_task(shadows.replay(letter))
        await heard(asked.happened)
        await proxy.down()
        with pytest.raises(OutcomeUnknown, match="whether the calls were replayed is unknown"):
            await replaying
        with pytest.raises(BrokerUnavailable):
            await shadows.replay(letter)


async def test_a_full_server_refuses_a_replay_at_once(proxy: Proxy) -> None:
    """FAULT 64: no retry storm; after a lost answer the doubt remains."""
    full = "OOM command not allowed when used memory > 'maxmemory'"
    async with proxy.shadow() as shadows:
        await bury(shadows)
        (letter,) = await shadows.dead_letters()
        proxy.refuse("replay", full)
        with pytest.raises(BrokerFull):
            await shadows.replay(letter)
        proxy.lose_reply("replay")
        proxy.refuse("replay", full)
        with pytest.raises(OutcomeUnknown, match="whether the calls were replayed is unknown"):
            await shadows.replay(letter)
        await finish(shadows)


async def test_a_broken_record_is_named(far: ServerPlace) -> None:
    """FAULT 51: and the letter stays."""
    async with far.shadow() as shadows:
        await bury(shadows)
        (letter,) = await shadows.dead_letters()
        far.curtain.ask("DEL", far.curtain.key("runs:k"))
        far.curtain.ask("SET", far.curtain.key("runs:k"), "junk")
        with pytest.raises(BrokenKey, match="'k'"):
            await shadows.replay(letter)
        assert len(await shadows.dead_letters()) == 1
        far.curtain.ask("DEL", far.curtain.key("runs:k"))
